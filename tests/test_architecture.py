"""Imports between packages, read from the source: they run one way only."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "notebook_explain"

# Package or module -> others that it may import; "torch" is PyTorch itself.
ALLOWED: dict[str, set[str]] = {
    "__init__": {"_moved_modules", "_progress"},
    "_errors": set(),
    "_validation": set(),
    "_atomic": set(),
    "_warn": set(),
    "_progress": set(),
    "_deprecated": set(),
    "_moved_modules": set(),
    "preview": set(),
    "clip": set(),
    "samples": {"preview"},
    "explanations": {"clip"},
    "layers": {"torch"},
    "models": {"clip", "samples", "explanations", "torch"},
    "methods": {"clip", "explanations", "layers", "models", "torch"},
    "what_if": {"clip", "explanations", "layers", "models", "torch"},
    "evaluation": {"clip", "samples", "explanations", "models", "methods", "torch"},
    "figures": {"clip", "explanations", "preview"},
    "widgets": {"clip", "explanations"},
    "explorer": {
        *("clip", "explanations", "layers", "models", "methods", "what_if", "figures", "widgets", "display", "torch"),
    },
    "display": {"clip", "explanations", "figures", "preview", "widgets"},
    "api": {"clip", "samples", "explanations", "models", "methods"},
    "cli": {"clip", "explanations", "models", "methods", "what_if", "widgets", "api"},
    "__main__": {"cli"},
}
SHARED = {"_errors", "_validation", "_atomic", "_warn", "_deprecated", "_progress"}  # any package may import these
# Allowed inside functions only: a clip, an explanation or a widget calls display to show itself, tubes check themselves, and
# concepts describe other clips.
ALLOWED_IN_FUNCTIONS = {
    ("clip", "display"),
    ("explanations", "display"),
    ("explanations", "evaluation"),
    ("explanations", "methods"),
    ("widgets", "display"),
}
ROOT_NAMES = {"__version__"}


def _part(path: Path) -> str:
    """Return the package or module directly below notebook_explain that a file belongs to."""
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def _imports(path: Path) -> set[tuple[str, bool]]:
    """Return (part or "torch", whether the import is inside a function) for every import of a file."""
    tree = ast.parse(path.read_text())
    in_functions = {
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
            assert node.level == 0, f"{path}: use absolute imports"
            module = node.module or ""
            names = [f"{module}.{alias.name}" for alias in node.names] if module == "notebook_explain" else [module]
        else:
            continue
        for name in names:
            parts = name.split(".")
            if parts[0] == "notebook_explain" and len(parts) > 1 and parts[1] not in ROOT_NAMES:
                found.add((parts[1], id(node) in in_functions))
            elif parts[0] == "torch":
                found.add(("torch", id(node) in in_functions))
    return found


def test_the_table_lists_every_package_and_module() -> None:
    found = {_part(path) for path in PACKAGE.rglob("*.py")}
    assert found == set(ALLOWED)


@pytest.mark.parametrize("path", sorted(PACKAGE.rglob("*.py")), ids=lambda path: str(path.relative_to(PACKAGE)))
def test_a_file_imports_only_what_its_package_may(path: Path) -> None:
    part = _part(path)
    if path.name == "__init__.py" and path.parent == PACKAGE:
        return  # it names every public object for type checkers; a test below shows that it imports nothing
    for other, in_function in _imports(path):
        allowed = other in {part, *SHARED, *ALLOWED[part]} or (in_function and (part, other) in ALLOWED_IN_FUNCTIONS)
        assert allowed, f"{path.name} of {part} imports {other}"


def _modules_imported_by(code: str) -> set[str]:
    script = f"{code}\nimport sys\nprint(' '.join(sys.modules))"
    run = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    return set(run.stdout.splitlines()[-1].split())


def test_importing_the_package_imports_neither_torch_nor_opencv_nor_numpy() -> None:
    assert not _modules_imported_by("import notebook_explain") & {"torch", "cv2", "numpy", "ipywidgets", "matplotlib"}


def test_a_saved_explanation_opens_in_its_viewer_without_torch(tmp_path: Path) -> None:
    from tests.example_values import small_tubes

    path = small_tubes().save(tmp_path / "t.npz")
    code = (
        f"import notebook_explain as ne\nt = ne.load({str(path)!r})\nt.view()\nt.figure()\nt._repr_mimebundle_()\n"
        f"t.to_html({str(tmp_path / 'p.html')!r})"
    )
    modules = _modules_imported_by(code)
    assert "torch" not in modules
    assert (tmp_path / "p.html").stat().st_size > 10_000


def test_a_saved_evaluation_opens_without_torch(tmp_path: Path) -> None:
    from tests.example_values import small_evaluation

    path = small_evaluation().save(tmp_path / "e.npz")
    code = (
        f"import notebook_explain as ne\ne = ne.load({str(path)!r})\ne.figure()\ne._repr_mimebundle_()\ne.in_words()\n"
        f"e.to_html({str(tmp_path / 'p.html')!r})"
    )
    modules = _modules_imported_by(code)
    assert not modules & {"torch", "pandas", "captum"}
    assert (tmp_path / "p.html").is_file()


def test_saved_concepts_open_without_torch(tmp_path: Path) -> None:
    from tests.example_values import small_concepts

    path = small_concepts().save(tmp_path / "c.npz")
    code = (
        f"import notebook_explain as ne\nc = ne.load({str(path)!r}).with_name(0, 'leg')\nc.in_words()\nc.report()\n"
        f"c.to_json()\nc.mask(0, 1)\nc.view()\nc.figure()\nc._repr_mimebundle_()\nc.save({str(tmp_path / 'again.npz')!r})"
    )
    modules = _modules_imported_by(code)
    assert not modules & {"torch", "cv2", "skimage"}
    assert (tmp_path / "again.npz").is_file()


def test_a_saved_visualization_opens_without_torch(tmp_path: Path) -> None:
    from tests.example_values import small_visualization

    path = small_visualization().save(tmp_path / "v.npz")
    code = (
        f"import notebook_explain as ne\nv = ne.load({str(path)!r})\nv.in_words()\nv.report()\nv.to_json()\n"
        f"v['kick'].speed()\nv.figure()\nv.to_gif({str(tmp_path / 'v.gif')!r})\nv.save({str(tmp_path / 'again.npz')!r})"
    )
    modules = _modules_imported_by(code)
    assert not modules & {"torch", "cv2", "scipy"}
    assert (tmp_path / "again.npz").is_file()


def test_saved_what_ifs_open_without_torch(tmp_path: Path) -> None:
    from tests.example_values import small_temporal_reliance, small_what_if

    paths = [small_what_if().save(tmp_path / "w.npz"), small_temporal_reliance().save(tmp_path / "t.npz")]
    code = (
        f"import notebook_explain as ne\nw, t = ne.load({str(paths[0])!r}), ne.load({str(paths[1])!r})\n"
        f"for one in (w, t):\n one.in_words()\n one.figure()\n one._repr_mimebundle_()\n"
        f"w.moved()\nw.to_html({str(tmp_path / 'p.html')!r})"
    )
    assert "torch" not in _modules_imported_by(code)
    assert (tmp_path / "p.html").is_file()


def test_pyplot_is_never_imported() -> None:
    assert not [path for path in PACKAGE.rglob("*.py") if "pyplot" in path.read_text().replace("pyplot:", "")]


def test_every_public_name_resolves_and_is_listed() -> None:
    import notebook_explain as ne

    for name in ne.__all__:
        assert getattr(ne, name) is not None
    assert set(ne._MODULE_OF_NAME) <= set(ne.__all__)
    with pytest.raises(AttributeError, match="has no attribute 'explian'"):
        ne.explian  # noqa: B018
