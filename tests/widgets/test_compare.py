"""Comparison of two explanations: checks of the clips, titles, first values, state and page."""

from __future__ import annotations

import dataclasses
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import traitlets

import notebook_explain as ne
from notebook_explain import CompareViewer, display
from notebook_explain.explanations import Tubes
from notebook_explain.widgets.html import read_data
from tests.browser.example_tubes import tubes as world
from tests.example_values import small_frame_signals, small_tubes

SOURCES = Path(__file__).parents[2] / "js" / "src"


def with_provenance(tubes: Tubes, **changes: Any) -> Tubes:
    return dataclasses.replace(tubes, provenance=dataclasses.replace(tubes.provenance, **changes))


def test_python_and_javascript_declare_the_same_traits() -> None:
    text = (SOURCES / "compare" / "side_model.js").read_text()
    block = re.search(r"@typedef \{Object\} CompareViewerState(.*?)\*/", text, re.S)
    assert block
    kinds = {name: kind for kind, name in re.findall(r"@property \{(.+?)\} (\w+)", block.group(1))}
    traits = {name: trait for name, trait in CompareViewer.class_traits(sync=True).items() if not name.startswith("_")}
    assert set(kinds) == set(traits) - {"layout", "tabbable", "tooltip"}
    kinds_of = {traitlets.Int: "number", traitlets.Float: "number", traitlets.Bool: "boolean", traitlets.Enum: "string"}
    for name, kind in kinds.items():
        expected = kinds_of.get(type(traits[name]))
        nullable = " | null" if traits[name].allow_none else ""
        assert kind == expected + nullable if expected else kind.endswith("[]"), name


def test_every_trait_of_the_tube_viewer_is_shared_or_on_both_sides() -> None:
    single = set(ne.TubeViewer.class_trait_names(sync=True)) - {"title"}
    compared = set(CompareViewer.class_trait_names(sync=True)) - {"titles", "linked"}
    assert {re.sub("^[ab]_", "", name) for name in compared} == single
    assert {name.replace("a_", "b_", 1) for name in compared if name.startswith("a_")} == {
        name for name in compared if name.startswith("b_")
    }


def test_frames_are_sent_once_and_each_side_has_the_state_of_its_own_viewer() -> None:
    a, b = small_tubes().with_frame_signals(small_frame_signals()), small_tubes(targets=1)
    viewer, alone = ne.compare(a, b), (a.view(), b.view())
    for name in ("size", "times", "frames"):
        assert getattr(viewer, name) == getattr(alone[0], name)
    for side, single in zip("ab", alone, strict=True):
        names = (
            "layers",
            "maps",
            "targets",
            "caveats",
            "frame_signals",
            "layer",
            "threshold",
            "target",
            "against",
            "frame_signal",
        )
        for name in names:
            assert getattr(viewer, f"{side}_{name}") == getattr(single, name), (side, name)
    assert viewer.frame == alone[0].frame
    for widget in (viewer, *alone):
        widget.close()


@pytest.mark.parametrize(
    ("changes", "titles"),
    [
        ({}, ["a", "b"]),
        ({"model": "Tuned"}, ["by hand", "Tuned"]),
        (
            {"model": "Tuned", "method": "SharpTubes", "knobs": {"order": 2}},
            ["by hand · SaliencyTubes", "Tuned · SharpTubes · order=2"],
        ),
        ({"knobs": {"order": 2}}, ["a", "order=2"]),
    ],
)
def test_default_titles_name_what_differs(changes: dict[str, Any], titles: list[str]) -> None:
    viewer = ne.compare(world(), with_provenance(world(), **changes))
    assert viewer.titles == titles
    viewer.close()


def test_default_titles_name_different_classes_and_can_be_replaced() -> None:
    one, other = world(targets=("rolls",), probabilities=(0.9,)), world(targets=("flies",), probabilities=(0.1,))
    for given, titles in ((None, ["rolls", "flies"]), (("before", ""), ["before", ""])):
        viewer = ne.compare(one, other, titles=given)
        assert viewer.titles == titles
        viewer.close()
    for wrong in ("ab", ["one"], ["one", 2]):
        with pytest.raises(
            ValueError, match=r'titles must be two strings, one for each side, as in \("before", "after"\); got'
        ):
            ne.compare(one, other, titles=wrong)  # type: ignore[arg-type]


def test_first_values_apply_to_one_side_or_to_both() -> None:
    tubes = world()
    viewer = ne.compare(
        tubes, tubes, threshold=0.5, b_threshold=0.6, a_layer="stem", b_target="ball is thrown", frame=2
    )
    shown = [viewer.a_threshold, viewer.b_threshold, viewer.a_layer, viewer.b_layer, viewer.a_target, viewer.b_target]
    assert shown == [0.5, 0.6, 0, 3, 0, 1]
    assert (viewer.frame, viewer.linked) == (2, False)
    viewer.close()
    viewer = ne.compare(tubes, tubes, layer="stem", target="ball is thrown")
    assert (viewer.a_layer, viewer.b_layer, viewer.a_target, viewer.b_target, viewer.linked) == (0, 0, 1, 1, True)
    viewer.close()


def test_each_side_has_its_own_frame_signals() -> None:
    gate, score = small_frame_signals()
    a, b = small_tubes().with_frame_signals([gate, score]), small_tubes().with_frame_signals([score])
    viewer = ne.compare(a, b, frame_signal="Net")
    assert (viewer.a_frame_signal, viewer.b_frame_signal) == (1, 0)
    viewer.a_frame_signal = None
    assert (viewer.a_frame_signal, viewer.b_frame_signal) == (None, 0)
    with pytest.raises(traitlets.TraitError, match=r"^b_frame_signal must lie in 0\.\.0, got 1$"):
        viewer.b_frame_signal = 1
    viewer.close()
    with pytest.raises(ValueError, match=r"^frame signal 'SRTG' is not in these tubes; they have Net: how surely"):
        ne.compare(a, b, frame_signal="SRTG")
    with pytest.raises(
        traitlets.TraitError, match=r"^b_frame_signal must be None because these tubes have no frame signals; got 0$"
    ):
        ne.compare(a, small_tubes(), frame_signal=0)


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("frame", 16, "frame must lie in 0..15, got 16"),
        ("a_layer", -1, "a_layer must lie in 0..3, got -1"),
        ("b_layer", 1, "b_layer must lie in 0..0, got 1"),
        ("b_target", 2, "b_target must lie in 0..1, got 2"),
        ("b_threshold", 1.5, "b_threshold must lie in 0..1, got 1.5"),
        ("speed", 9.5, "speed must lie in 0.25..4, got 9.5"),
        ("b_against", 1, "b_against must be a single class, got 1: 'ball is thrown' is a difference of classes"),
    ],
)
def test_values_out_of_range_are_rejected_and_change_nothing(name: str, value: Any, message: str) -> None:
    a = world()
    b = world(probabilities=(0.83, None))
    b = dataclasses.replace(b, layers=b.layers[-1:])
    with pytest.raises(traitlets.TraitError, match=f"^{re.escape(message)}$"):
        ne.compare(a, b, **{name: value})
    viewer = ne.compare(a, b)
    before = getattr(viewer, name)
    with pytest.raises(traitlets.TraitError, match=f"^{re.escape(message)}$"):
        setattr(viewer, name, value)
    assert getattr(viewer, name) == before
    viewer.close()


def test_unknown_names_are_rejected_with_the_known_ones() -> None:
    tubes = world()
    with pytest.raises(
        TypeError, match=r"^compare has no 'c_layer'; it takes frame, .*a_layer, b_layer, .* and titles$"
    ):
        ne.compare(tubes, tubes, c_layer=1)
    with pytest.raises(ValueError, match=r"^layer 'stm' is not in these tubes; they have stem, "):
        ne.compare(tubes, tubes, b_layer="stm")
    with pytest.raises(TypeError, match=r"^compare shows two explanations of one clip, such as tubes; b is ndarray$"):
        ne.compare(tubes, tubes.clip.frames)  # type: ignore[arg-type]


def test_explanations_of_two_clips_are_rejected_with_the_difference() -> None:
    a = world()
    with pytest.raises(
        ValueError, match=r"saw clips of 16x64x64 and 8x64x64 \(time x height x width\); adapt both to one size"
    ):
        ne.compare(a, world(frames=8))
    frames = a.clip.frames.copy()
    frames[3:5] += 1
    with pytest.raises(ValueError, match=r"but 2 of the 16 frames differ \(.*\); explain the same clip twice"):
        ne.compare(a, dataclasses.replace(a, clip=dataclasses.replace(a.clip, frames=frames)))
    assert a.clip.times is not None
    slower = dataclasses.replace(a.clip, times=a.clip.times * 2)
    with pytest.raises(ValueError, match="but their frames have different times; explain the same clip twice"):
        ne.compare(a, dataclasses.replace(a, clip=slower))
    # The same frames from another source, or without times, are the same clip.
    again = dataclasses.replace(a.clip, frames=a.clip.frames.copy(), times=None, source="elsewhere")
    ne.compare(a, dataclasses.replace(a, clip=again)).close()


def test_the_page_holds_the_frames_once_both_sides_and_their_provenance(tmp_path: Path) -> None:
    a, b = world(), with_provenance(world(), model="Tuned")
    viewer = ne.compare(a, b, titles=("before", "after"))
    viewer.b_threshold = 0.7
    path = viewer.to_html(tmp_path / "two.html", title="<before> & after")
    text = path.read_text(encoding="utf-8")
    data = read_data(text)
    (widget,) = data["widgets"]
    assert list(data["modules"]) == [widget["module"]] == ["compare_viewer"]
    assert len(widget["state"]["frames"]) == 16
    assert widget["state"]["b_threshold"] == 0.7
    assert "<title>&lt;before&gt; &amp; after</title>" in text
    assert "before: SaliencyTubes of by hand; clip: a ball crosses a landscape" in text
    assert "after: SaliencyTubes of Tuned; clip: a ball crosses a landscape" in text
    with pytest.raises(FileNotFoundError, match="no folder"):
        viewer.to_html(tmp_path / "none" / "two.html")
    viewer.close()


def test_running_a_cell_again_closes_its_old_viewer(monkeypatch: pytest.MonkeyPatch) -> None:
    run = iter(range(9))
    monkeypatch.setattr(display, "_cell", lambda: ("a cell", next(run)))
    tubes = small_tubes()
    viewers = [ne.compare(tubes, tubes) for _ in range(3)]
    assert [viewer.comm is None for viewer in viewers] == [True, True, False]
    viewers[-1].close()


def test_opening_does_not_change_the_explanations() -> None:
    a, b = small_tubes(), small_tubes()
    before = [layer.values.copy() for layer in a.layers]
    ne.compare(a, b).close()
    for layer, values in zip(a.layers, before, strict=True):
        np.testing.assert_array_equal(layer.values, values)


@pytest.mark.parametrize(
    ("titles", "heading"),
    [(("before", "after"), "before and after"), (("", "after"), "after"), (("", ""), "Comparison")],
)
def test_a_page_is_headed_by_the_titles_of_its_sides(tmp_path: Path, titles: tuple[str, str], heading: str) -> None:
    tubes = small_tubes()
    page = display.compare(tubes, tubes, titles=titles).to_html(tmp_path / "page.html")
    assert f"<h1>{heading}</h1>" in page.read_text(encoding="utf-8")
