"""The import arrows of the house, read from the source: they run one way only."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "notebook_explain"

# Package or module -> others that it may import. "torch" stands for torch itself.
ARROWS: dict[str, set[str]] = {
    "__init__": {"_moved_modules"},
    "_errors": set(),
    "_validation": set(),
    "_atomic": set(),
    "_warn": set(),
    "_moved_modules": set(),
    "clip": set(),
    "samples": set(),
    "explanations": {"clip"},
    "layers": {"torch"},
    "models": {"clip", "samples", "explanations", "torch"},
    "methods": {"clip", "explanations", "layers", "models", "torch"},
    "figures": {"clip", "explanations"},
    "widgets": {"clip", "explanations"},
    "display": {"clip", "explanations", "figures", "widgets"},
    "api": {"clip", "samples", "explanations", "models", "methods"},
    "cli": {"clip", "explanations", "models", "methods", "widgets", "api"},
    "__main__": {"cli"},
}
SHARED = {"_errors", "_validation", "_atomic", "_warn"}  # any package may import these
# The sanctioned door: an explanation asks display to show it, when called.
DOORS = {("explanations", "display")}
ROOT_NAMES = {"__version__"}


def _room(path: Path) -> str:
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def _arrows(path: Path) -> set[tuple[str, bool]]:
    """(room or "torch", whether the import stands inside a function) for every import of a file."""
    tree = ast.parse(path.read_text())
    inside = {
        id(node)
        for function in ast.walk(tree)
        if isinstance(function, (ast.FunctionDef, ast.AsyncFunctionDef))
        for node in ast.walk(function)
    }
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative imports hide the arrows"
            module = node.module or ""
            names = [f"{module}.{alias.name}" for alias in node.names] if module == "notebook_explain" else [module]
        else:
            continue
        for name in names:
            parts = name.split(".")
            if parts[0] == "notebook_explain" and len(parts) > 1 and parts[1] not in ROOT_NAMES:
                found.add((parts[1], id(node) in inside))
            elif parts[0] == "torch":
                found.add(("torch", id(node) in inside))
    return found


def test_every_package_and_module_has_its_arrows_and_no_other_is_listed() -> None:
    found = {_room(path) for path in PACKAGE.rglob("*.py")}
    assert found == set(ARROWS)


@pytest.mark.parametrize("path", sorted(PACKAGE.rglob("*.py")), ids=lambda path: str(path.relative_to(PACKAGE)))
def test_a_file_imports_only_what_its_room_may(path: Path) -> None:
    room = _room(path)
    if path.name == "__init__.py" and path.parent == PACKAGE:
        return  # lists every public name for type checkers; that it imports nothing is tested below
    for other, inside in _arrows(path):
        allowed = other == room or other in SHARED or other in ARROWS[room] or (inside and (room, other) in DOORS)
        assert allowed, f"{path.name} of {room} imports {other}"


def _modules_after(code: str) -> set[str]:
    script = f"{code}\nimport sys\nprint(' '.join(sys.modules))"
    run = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    return set(run.stdout.splitlines()[-1].split())


def test_importing_the_package_imports_neither_torch_nor_opencv_nor_numpy() -> None:
    assert not _modules_after("import notebook_explain") & {"torch", "cv2", "numpy", "ipywidgets", "matplotlib"}


def test_a_saved_explanation_opens_in_its_viewer_without_torch(tmp_path: Path) -> None:
    from tests.example_values import small_tubes

    path = small_tubes().save(tmp_path / "t.npz")
    code = (
        f"import notebook_explain as ne\nt = ne.load({str(path)!r})\nt.view()\nt.figure()\nt._repr_mimebundle_()\n"
        f"t.to_html({str(tmp_path / 'p.html')!r})"
    )
    modules = _modules_after(code)
    assert "torch" not in modules
    assert (tmp_path / "p.html").stat().st_size > 10_000


def test_pyplot_is_never_imported() -> None:
    assert not [path for path in PACKAGE.rglob("*.py") if "pyplot" in path.read_text().replace("pyplot:", "")]


def test_every_public_name_resolves_and_is_listed() -> None:
    import notebook_explain as ne

    for name in ne.__all__:
        assert getattr(ne, name) is not None
    assert set(ne._MODULES) <= set(ne.__all__)
    with pytest.raises(AttributeError, match="has no attribute 'explian'"):
        ne.explian  # noqa: B018
