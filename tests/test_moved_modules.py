"""Module paths of version 0.2: every one imports, warns, and is the module under its new path."""

from __future__ import annotations

import importlib
import sys
import warnings
from pathlib import Path

import pytest

from notebook_explain import explanations
from notebook_explain._moved_modules import MOVED

PACKAGE = Path(__file__).parents[1] / "notebook_explain"


@pytest.mark.parametrize("old", MOVED)
def test_an_old_path_is_the_new_module_and_names_its_path(old: str) -> None:
    new = importlib.import_module(f"notebook_explain.{MOVED[old]}")
    spec = new.__spec__
    sys.modules.pop(f"notebook_explain.{old}", None)
    with pytest.warns(DeprecationWarning, match=f"moved to notebook_explain.{MOVED[old]};"):
        assert importlib.import_module(f"notebook_explain.{old}") is new
    assert new.__spec__ is spec
    assert new.__name__ == f"notebook_explain.{MOVED[old]}"


def test_names_import_from_an_old_path_and_the_warning_points_at_the_import() -> None:
    sys.modules.pop("notebook_explain.explanations.courses", None)
    with pytest.warns(DeprecationWarning, match="explanations.blocks.frame_signal") as caught:
        from notebook_explain.explanations.courses import Quantity

    assert Quantity is explanations.Quantity
    assert caught[0].filename == __file__


def test_modules_of_an_old_package_are_not_loaded_twice() -> None:
    from notebook_explain.models import channel_graph

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        import notebook_explain.models.connectivity.links

    assert notebook_explain.models.connectivity is channel_graph
    assert notebook_explain.models.connectivity.links is channel_graph.graph


def test_no_old_path_hides_a_module() -> None:
    for old in MOVED:
        path = PACKAGE / old.replace(".", "/")
        assert not path.with_suffix(".py").exists()
        assert not (path / "__init__.py").exists()


def test_a_path_that_never_existed_is_still_an_error() -> None:
    with pytest.raises(ModuleNotFoundError, match=r"explanations\.currses"):
        importlib.import_module("notebook_explain.explanations.currses")
