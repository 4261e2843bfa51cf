"""Module paths of version 0.1: every one imports, warns, and is the module under its new path."""

from __future__ import annotations

import importlib
import sys

import pytest

from notebook_explain import explanations
from notebook_explain._moved_modules import MOVED


@pytest.mark.parametrize("old", MOVED)
def test_an_old_path_gives_the_moved_module_and_names_its_new_path(old: str) -> None:
    new = importlib.import_module(f"notebook_explain.{MOVED[old]}")
    for name in [name for name in sys.modules if name == f"notebook_explain.{old}"]:
        del sys.modules[name]
    with pytest.warns(DeprecationWarning, match=f"moved to notebook_explain.{MOVED[old]}"):
        alias = importlib.import_module(f"notebook_explain.{old}")
    defined = [name for name, value in vars(new).items() if getattr(value, "__module__", None) == new.__name__]
    assert all(getattr(alias, name) is getattr(new, name) for name in defined if name != "__getattr__")


def test_names_import_from_an_old_path() -> None:
    sys.modules.pop("notebook_explain.explanations.courses", None)
    with pytest.warns(DeprecationWarning, match="explanations.blocks.frame_signal"):
        from notebook_explain.explanations.courses import Course

    assert Course is explanations.Course


def test_a_path_that_never_existed_is_still_an_error() -> None:
    with pytest.raises(ModuleNotFoundError, match=r"explanations\.currses"):
        importlib.import_module("notebook_explain.explanations.currses")
