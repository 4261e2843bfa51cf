"""Files around the package: one version everywhere, a complete reference, links that resolve, workflows that call make."""

from __future__ import annotations

import importlib
import json
import re
from pathlib import Path

import pytest
from packaging.version import Version

import notebook_explain as ne

try:
    import tomllib
except ModuleNotFoundError:  # Python 3.10
    import tomli as tomllib  # type: ignore[import-not-found, no-redef]

ROOT = Path(__file__).parents[1]
PAGES = sorted([ROOT / "README.md", ROOT / "CONTRIBUTING.md", *(ROOT / "docs").rglob("*.md")])
PAGES = [page for page in PAGES if "generated" not in page.parts]


def _read(path: str) -> str:
    return (ROOT / path).read_text(encoding="utf-8")


def test_the_package_the_project_file_and_the_javascript_have_one_version() -> None:
    project = tomllib.loads(_read("pyproject.toml"))["project"]["version"]
    javascript = json.loads(_read("js/package.json"))["version"]
    lock = json.loads(_read("js/package-lock.json"))
    assert project == ne.__version__
    assert {Version(javascript), Version(lock["version"]), Version(lock["packages"][""]["version"])} == {
        Version(project)
    }


def test_the_changelog_and_the_citation_name_the_last_release() -> None:
    released = re.findall(r"^## (\d+\.\d+\.\d+) \((\d{4}-\d\d-\d\d)\)$", _read("CHANGELOG.md"), re.MULTILINE)
    assert released, "the changelog lists no release"
    version, date = released[0]
    assert Version(version) <= Version(ne.__version__)
    assert f"version: {version}\ndate-released: {date}\n" in _read("CITATION.cff")


@pytest.mark.parametrize(
    "package",
    [
        "",
        "clip",
        "explanations",
        "models",
        "methods",
        "layers",
        "samples",
        "widgets",
        "evaluation",
        "what_if",
        "what_if.edits",
    ],
)
def test_the_reference_documents_every_public_name(package: str) -> None:
    module = importlib.import_module(f"notebook_explain.{package}".rstrip("."))
    pages = "\n".join(page.read_text(encoding="utf-8") for page in (ROOT / "docs" / "reference").glob("*.md"))
    documented = {name.rpartition(".")[2] for name in re.findall(r"^::: (notebook_explain\S+)", pages, re.MULTILINE)}
    packages = {"samples", "layers", "evaluation", "edits", "__version__"}
    assert not set(module.__all__) - documented - packages


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_to_files_resolve(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    for link in re.findall(r"\]\(([^)#\s]+)(?:#[^)]*)?\)", text):
        if not re.match(r"[a-z]+:", link) and "generated/" not in link:
            assert (page.parent / link).exists(), link


def test_no_placeholder_is_left() -> None:
    for page in [*PAGES, ROOT / "CHANGELOG.md"]:
        assert not re.findall(r"@@\w+@@|TODO|FIXME", page.read_text(encoding="utf-8")), page.name


def test_every_make_command_in_the_documentation_exists() -> None:
    targets = set(re.findall(r"^([a-z-]+):", _read("Makefile"), re.MULTILINE))
    for page in [*PAGES, *(ROOT / ".github" / "workflows").glob("*.yml"), ROOT / ".pre-commit-config.yaml"]:
        for command in re.findall(
            r"(?:^|`|run: |entry: )make ((?:[a-z-]+ ?)+)", page.read_text(encoding="utf-8"), re.MULTILINE
        ):
            assert set(command.split()) <= targets | {"sure"}, f"{page.name}: make {command}"


def test_workflows_run_only_make_and_the_ci_script() -> None:
    for path in (ROOT / ".github" / "workflows").glob("*.yml"):
        for command in re.findall(r"- run: (.+)", path.read_text(encoding="utf-8")):
            assert command.startswith("make ") or command == ".ci/run"
