"""Methods of the explorer: their knobs are those of the explainers, with the ranges that these accept."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from torch import nn

import notebook_explain as ne
from notebook_explain.explanations import Pyramid, Tubes
from notebook_explain.explorer import Explorer
from notebook_explain.explorer.edit_menu import edit_menu
from notebook_explain.explorer.knobs import CHOICE, FLAG, NUMBER, WHOLE, attribute_help
from notebook_explain.explorer.methods import ANIMATION, MAKES, Method, method_of, methods_for
from notebook_explain.what_if.edits import KINDS
from tests.explorer.views import small_clip, small_model

METHODS = methods_for(small_model())
KNOBS = [(method, knob) for method in METHODS for knob in method.knobs]


def _explainer(method: Method, values: dict[str, Any]) -> Any:
    return method.explainer(**method.all_values(method.values(values)))


@pytest.mark.parametrize("method", METHODS, ids=lambda method: method.key)
def test_every_method_explains_as_its_explainer_does(method: Method) -> None:
    model, clip = small_model(), small_clip()
    values: dict[str, Any] = {"rise": {"masks": 16}, "visualization": {"steps": 10}}.get(method.key, {})
    *_, last = method.steps(method.values(values), model, clip, "left")
    kinds = {"tubes": Tubes, "pyramid": Pyramid, "animation": ne.Visualization}
    assert method.makes in MAKES
    assert type(last.partial) is kinds[method.makes]
    assert all(name in attribute_help(method.explainer) for name in (knob.name for knob in method.knobs))
    if method.makes != ANIMATION:  # its code calls ne.animate
        assert eval(method.code(values), {"ne": ne}) == _explainer(method, values)


def test_a_made_clip_starts_with_fewer_steps_and_its_code_makes_the_same() -> None:
    method = method_of(METHODS, "visualization")
    assert method.all_values({}) == {"steps": 60, "restarts": 1, "seed": 0}
    assert method.values({"steps": 60}) == {}
    assert method.values({"steps": 120}) == {"steps": 120}
    explorer = Explorer(small_model(), small_clip(), "left", method="saliency_tubes")
    explorer.wait()
    explorer.knobs = {"visualization": {"steps": 10}}
    explorer.method = "visualization"
    explorer.wait()
    variables: dict[str, Any] = {"explorer": explorer}
    exec(explorer.code, variables)
    np.testing.assert_array_equal(variables["result"][0].clip.frames, explorer.explanation[0].clip.frames)
    assert len(explorer.animation["frames"]) == len(explorer.clip)
    explorer.close()


@pytest.mark.parametrize(("method", "knob"), KNOBS, ids=lambda value: getattr(value, "name", ""))
def test_a_knob_takes_what_its_explainer_takes_and_nothing_else(method: Method, knob: Any) -> None:
    valid = {FLAG: (True, False), CHOICE: knob.choices, WHOLE: (knob.low, knob.high), NUMBER: (knob.low, knob.high)}
    for value in valid[knob.kind]:
        chosen = _explainer(method, {knob.name: value})
        assert getattr(chosen, knob.name) == value
    wrong = {
        FLAG: (1, "yes"),
        CHOICE: ("other", 3),
        WHOLE: (knob.low and knob.low - 1, (knob.high or 0) + 1, 1.5, "3"),
        NUMBER: ((knob.low or 0) - 1, (knob.high or 0) + 1, "1", True),
    }
    for value in wrong[knob.kind]:
        if value is None or (knob.kind == WHOLE and value == 0 and not knob.low):
            continue
        with pytest.raises((ValueError, TypeError), match=knob.name):
            method.values({knob.name: value})


def test_values_that_are_the_default_are_left_out_and_unknown_knobs_are_one_error() -> None:
    method = method_of(METHODS, "pyramid")
    assert method.values({"mass": 0.9, "k": 4}) == {"k": 4}
    with pytest.raises(ValueError, match="has no knob 'depth'; it has contribution"):
        method.values({"depth": 3})
    with pytest.raises(ValueError, match="did you mean 'sharp_tubes'"):
        method_of(METHODS, "sharp")


def test_methods_follow_the_network() -> None:
    class Attention(nn.Identity):
        pass

    model = small_model()
    keys = {method.key for method in methods_for(model)}
    assert "attention_maps" not in keys
    assert "block_signals" not in keys
    swapped = ne.layers.swap(model, {"second": ne.layers.followed_by(lambda _: Attention())}).model
    assert "attention_maps" in {method.key for method in methods_for(swapped)}


def test_the_menu_offers_edits_that_the_view_can_ask_for_and_each_field_exists() -> None:
    menu = {entry["edit"]: entry for entry in edit_menu()}
    assert set(menu) == set(KINDS) - {"Swap", "WithoutConcept"}
    for kind, entry in menu.items():
        names = set(KINDS[kind].__dataclass_fields__)  # type: ignore[attr-defined]
        assert {field["name"] for field in entry["fields"]} <= names
        assert entry["of"] == KINDS[kind].of
