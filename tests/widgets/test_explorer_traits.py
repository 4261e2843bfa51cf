"""Traits of the explorer: Python and JavaScript declare the same."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import traitlets

explorer_view = pytest.importorskip("notebook_explain.widgets.explorer_view", reason="the widget is not there yet")

TRAITS = Path(__file__).parents[2] / "js" / "src" / "explorer" / "traits.js"


def test_python_and_javascript_declare_the_same_traits() -> None:
    text = TRAITS.read_text(encoding="utf-8")
    block = re.search(r"@typedef \{Object\} ExplorerState(.*?)\*/", text, re.S)
    assert block
    kinds = {name: kind for kind, name in re.findall(r"@property \{(.+?)\} (\w+)", block.group(1))}
    view = explorer_view.ExplorerView
    names = {name for name in view.class_trait_names(sync=True) if not name.startswith("_")}
    assert set(kinds) == names - {"layout", "tabbable", "tooltip"}
    expected = {traitlets.Int: "number", traitlets.Unicode: "string"}
    for name, kind in kinds.items():
        trait = view.class_traits(sync=True)[name]
        simple = expected.get(type(trait))
        if simple:
            assert kind == (f"{simple} | null" if trait.allow_none else simple), name


def test_a_page_takes_every_trait_from_the_live_widget() -> None:
    """A page in a cell holds the state of when the cell ran: on connecting, it must take the state of now."""
    view = explorer_view.ExplorerView
    names = {name for name in view.class_trait_names(sync=True) if not name.startswith("_")}
    assert set(view.movable) == names - {"layout", "tabbable", "tooltip"}
