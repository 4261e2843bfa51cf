"""Comparison of two to four explanations: checks of the clips, alignment, titles, first values, state and page."""

from __future__ import annotations

import dataclasses
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import traitlets
from hypothesis import given
from hypothesis import strategies as st

import notebook_explain as ne
from notebook_explain import CompareViewer, display
from notebook_explain.clip import Clip
from notebook_explain.explanations import Tubes
from notebook_explain.widgets.html import read_data
from notebook_explain.widgets.wire.common import clip_state
from notebook_explain.widgets.wire.compare import clips_state
from tests.browser.example_tubes import tubes as world
from tests.example_values import small_frame_signals, small_tubes

SOURCES = Path(__file__).parents[2] / "js" / "src"


def with_provenance(tubes: Tubes, **changes: Any) -> Tubes:
    return dataclasses.replace(tubes, provenance=dataclasses.replace(tubes.provenance, **changes))


def declared(text: str, typedef: str) -> dict[str, str]:
    """Return the JSDoc type of each property of a typedef."""
    block = re.search(rf"@typedef \{{Object\}} {typedef}(.*?)\*/", text, re.S)
    assert block
    return {name: kind for kind, name in re.findall(r"@property \{(.+?)\} (\w+)", block.group(1))}


def listed(text: str, constant: str) -> list[str]:
    """Return the strings in a constant list."""
    block = re.search(rf"const {constant} = [^\[]*\[(.*?)\]", text, re.S)
    assert block
    return re.findall(r'"(\w+)"', block.group(1))


def test_python_and_javascript_declare_the_same_traits() -> None:
    text = (SOURCES / "compare" / "side_model.js").read_text()
    single = declared((SOURCES / "tubes" / "traits.js").read_text(), "TubeViewerState")
    sides, own = listed(text, "SIDES"), listed(text, "SIDE_TRAITS")
    kinds = declared(text, "SharedState") | {f"{side}_{name}": single[name] for side in sides for name in own}
    assert len(sides) == 4
    traits = {name: trait for name, trait in CompareViewer.class_traits(sync=True).items() if not name.startswith("_")}
    assert set(kinds) == set(traits) - {"layout", "tabbable", "tooltip"}
    kinds_of = {traitlets.Int: "number", traitlets.Float: "number", traitlets.Bool: "boolean", traitlets.Enum: "string"}
    for name, kind in kinds.items():
        expected = kinds_of.get(type(traits[name]))
        nullable = " | null" if traits[name].allow_none else ""
        is_list = kind.endswith(("[]" + nullable, "PictureState"))
        assert kind == expected + nullable if expected else is_list, name


def test_every_trait_of_the_tube_viewer_is_shared_or_on_every_side() -> None:
    single = {
        name: trait
        for name, trait in ne.TubeViewer.class_traits(sync=True).items()
        if name not in ne.CompareViewer.__base__.class_traits() and name not in ("title", "picture")  # type: ignore[union-attr]
    }
    compared = CompareViewer.class_traits(sync=True)
    for name, trait in single.items():
        copies = [compared[key] for key in ([name] if name in compared else [f"{side}_{name}" for side in "abcd"])]
        for copy in copies:
            assert (type(copy), copy.default_value, copy.allow_none) == (
                type(trait),
                trait.default_value,
                trait.allow_none,
            ), name
            assert copy is not trait
    own = {name[2:] for name in compared if re.match("[a-d]_", name)}
    assert own == {name for name in single if name not in compared}


def test_clip_state_names_are_those_of_javascript() -> None:
    text = (SOURCES / "compare" / "side_model.js").read_text()
    block = re.search(r"@typedef \{\{(.*?)\}\} ClipState", text)
    assert block
    viewer = ne.compare(small_tubes(), small_tubes())
    assert re.findall(r"(\w+):", block.group(1)) == list(viewer.clips[0])
    viewer.close()


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
            "threshold_by",
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
    for chosen, titles in ((None, ["rolls", "flies"]), (("before", ""), ["before", ""])):
        viewer = ne.compare(one, other, titles=chosen)
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
    viewer = ne.compare(tubes, tubes, share=0.5, b_threshold=0.4, layer="stem")
    sides = [(viewer.a_threshold, viewer.a_threshold_by), (viewer.b_threshold, viewer.b_threshold_by)]
    assert (sides, viewer.linked) == ([(0.5, "evidence"), (0.4, "maximum")], False)
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
        TypeError, match=r"^compare has no 'c_layer'; it takes frame, .*a_layer, b_layer, .*, titles and same_clip$"
    ):
        ne.compare(tubes, tubes, c_layer=1)
    with pytest.raises(ValueError, match=r"^layer 'stm' is not in these tubes; they have stem, "):
        ne.compare(tubes, tubes, b_layer="stm")
    for wrong, side in (((tubes, tubes.clip.frames), "b"), ((tubes, tubes, tubes.clip.frames), "c")):
        with pytest.raises(
            TypeError, match=rf"^compare shows explanations such as tubes, one for each argument; {side} is ndarray$"
        ):
            ne.compare(*wrong)
    with pytest.raises(
        ValueError, match=r"^compare shows two to four explanations, got 5; use several viewers for more$"
    ):
        ne.compare(*[tubes] * 5)
    with pytest.raises(traitlets.TraitError, match=r"^same_clip must be True or False, got 'no'$"):
        ne.compare(tubes, tubes, same_clip="no")  # type: ignore[arg-type]


def test_explanations_of_two_clips_are_rejected_with_the_difference() -> None:
    a = world()
    with pytest.raises(
        ValueError,
        match=r"saw clips of 16x64x64 and 8x64x64 \(time x height x width\); adapt both to one size, or pass same",
    ):
        ne.compare(a, world(frames=8))
    with pytest.raises(ValueError, match=r"^compare shows explanations of one clip, but in a and c their networks saw"):
        ne.compare(a, a, world(frames=8))
    frames = a.clip.frames.copy()
    frames[3:5] += 1
    with pytest.raises(
        ValueError,
        match=r"but 2 of the 16 frames differ \(.*\); explain the same clip twice, or pass same_clip=False to ",
    ):
        ne.compare(a, dataclasses.replace(a, clip=dataclasses.replace(a.clip, frames=frames)))
    assert a.clip.times is not None
    slower = dataclasses.replace(a.clip, times=a.clip.times * 2)
    with pytest.raises(ValueError, match="but their frames have different times; explain the same clip twice"):
        ne.compare(a, dataclasses.replace(a, clip=slower))
    # The same frames from another source, or without times, are the same clip.
    again = dataclasses.replace(a.clip, frames=a.clip.frames.copy(), times=None, source="elsewhere")
    viewer = ne.compare(a, dataclasses.replace(a, clip=again))
    assert (viewer.alignment, viewer.titles) == ("clip", ["a", "b"])
    assert viewer.clips[1]["times"] == viewer.clips[0]["times"] == viewer.times != []
    viewer.close()


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
    monkeypatch.setattr(display.runs, "running_cell", lambda: ("a cell", next(run)))
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


# Three and four sides


def test_four_sides_have_their_own_values_and_share_the_rest() -> None:
    tubes = world()
    viewer = ne.compare(tubes, tubes, tubes, tubes, threshold=0.5, d_threshold=0.6, c_layer="stem", speed=2)
    assert [getattr(viewer, f"{side}_threshold") for side in "abcd"] == [0.5, 0.5, 0.5, 0.6]
    assert [getattr(viewer, f"{side}_layer") for side in "abcd"] == [3, 3, 0, 3]
    assert (len(viewer.clips), len(viewer.frames), viewer.speed, viewer.linked) == (4, 16, 2, False)
    assert viewer.d_maps == viewer.a_maps
    seen: list[Any] = []
    viewer.observe(lambda change: seen.append(change["new"]), "d_layer")
    viewer.d_layer = 1
    assert seen == [1]
    with pytest.raises(traitlets.TraitError, match=r"^d_layer must lie in 0\.\.3, got 4$"):
        viewer.d_layer = 4
    viewer.close()
    with pytest.raises(TypeError, match=r"^compare has no 'd_layer'; it takes frame, .*a_layer, b_layer, c_layer, "):
        ne.compare(tubes, tubes, tubes, d_layer=1)


def test_three_sides_have_titles_of_what_differs_between_any_of_them() -> None:
    tuned = with_provenance(world(), model="Tuned")
    for chosen, titles in ((None, ["by hand", "Tuned", "by hand"]), (["x", "", "z"], ["x", "", "z"])):
        viewer = ne.compare(world(), tuned, world(), titles=chosen)
        assert (viewer.titles, viewer.linked) == (titles, True)
        viewer.close()
    with pytest.raises(
        ValueError, match=r"^titles must be three strings, one for each side, as in \(.*\); got \('x', 'y'\)$"
    ):
        ne.compare(world(), tuned, world(), titles=("x", "y"))


# Clips that differ


def shown_by(viewer: CompareViewer) -> list[list[list[int]]]:
    """Return ``shown`` and ``steps`` of each side."""
    return [[clip["shown"], clip["steps"]] for clip in viewer.clips]


def with_clip(tubes: Tubes, **changes: Any) -> Tubes:
    return dataclasses.replace(tubes, clip=dataclasses.replace(tubes.clip, **changes))


def test_an_edited_copy_is_linked_by_frame_number_and_its_unchanged_frames_are_sent_once(tmp_path: Path) -> None:
    a = world()
    frames = a.clip.frames.copy()
    frames[3:5] = 255 - frames[3:5]
    edited = with_clip(a, frames=frames, source="edited")
    viewer = ne.compare(a, edited, same_clip=False, frame=4)
    every = list(range(16))
    assert (viewer.alignment, viewer.size, shown_by(viewer)) == ("frame", [16, 64, 64], [[every, every]] * 2)
    assert (len(viewer.frames), len(set(viewer.frames))) == (18, 18)
    assert viewer.clips[0]["frames"] == every
    assert viewer.clips[1]["frames"] == [*every[:3], 16, 17, *every[5:]]
    assert viewer.titles == ["a ball crosses a landscape", "edited"]
    alone = edited.view()
    assert [viewer.frames[k] for k in viewer.clips[1]["frames"]] == alone.frames
    alone.close()
    state = read_data(viewer.to_html(tmp_path / "x.html").read_text())
    assert len(state["widgets"][0]["state"]["frames"]) == 18
    viewer.close()


def test_the_same_clip_is_one_clip_with_and_without_the_option() -> None:
    for same_clip in (True, False):
        viewer = ne.compare(world(), world(), same_clip=same_clip)
        assert (viewer.alignment, len(viewer.frames), viewer.titles) == ("clip", 16, ["a", "b"])
        viewer.close()


@pytest.mark.parametrize(
    ("changes", "alignment"),
    [
        ({"times": None}, "frame"),
        ({"times": np.arange(16) / 8 + 5}, "frame"),  # starts later, at the same rate
        ({"times": np.arange(16) / 4}, "time"),
        ({"times": np.arange(16) / 4, "source": "another"}, "elapsed"),
        ({"times": np.arange(16)[::-1] / 8}, "frame"),  # reversed: no order in time
    ],
)
def test_clips_of_one_length_are_linked_by_frame_number_unless_their_rates_differ(
    changes: dict[str, Any], alignment: str
) -> None:
    a = world()
    viewer = ne.compare(a, with_clip(a, frames=255 - a.clip.frames, **changes), same_clip=False)
    assert viewer.alignment == alignment
    viewer.close()


def test_clips_of_different_length_are_linked_by_the_nearest_frame_in_time() -> None:
    a, b = world(frames=4), world(frames=3, source="shorter")  # at 0, 1/8 ... s, both
    b = with_clip(b, times=np.array([7.0, 7.2, 7.4]))
    viewer = ne.compare(a, b, same_clip=False)
    assert viewer.alignment == "elapsed"
    assert viewer.times == [0, 0.125, 0.2, 0.25, 0.375, 0.4]  # 0 s of both is one step
    assert viewer.size == [6, 64, 64]
    assert shown_by(viewer) == [[[0, 1, 2, 2, 3, 3], [0, 1, 3, 4]], [[0, 1, 1, 1, 2, 2], [0, 2, 5]]]
    assert [clip["times"] for clip in viewer.clips] == [[0, 0.125, 0.25, 0.375], [7.0, 7.2, 7.4]]
    viewer.frame = 5
    with pytest.raises(traitlets.TraitError, match=r"^frame must lie in 0\.\.5, got 6$"):
        viewer.frame = 6
    viewer.close()
    # In one source, times count from its start.
    viewer = ne.compare(a, with_clip(b, source=a.clip.source), same_clip=False)
    assert (viewer.alignment, viewer.times) == ("time", [0, 0.125, 0.25, 0.375, 7.0, 7.2, 7.4])
    viewer.close()


def test_a_comparison_opens_at_the_brightest_frame_of_its_first_side() -> None:
    a, b = world(), with_clip(world(frames=10, source="shorter"), times=np.arange(10) / 11)
    alone, viewer = a.view(), ne.compare(a, b, same_clip=False)
    assert viewer.clips[0]["shown"][viewer.frame] == alone.frame
    assert viewer.frame > alone.frame
    alone.close()
    viewer.close()


def test_lengths_that_differ_need_times() -> None:
    a, b = world(frames=4), with_clip(world(frames=3), times=None)
    with pytest.raises(
        ValueError, match=r"different lengths \(a: 4, b: 3 frames\) are linked by time, but the times of b are"
    ):
        ne.compare(a, b, same_clip=False)


@given(st.lists(st.lists(st.integers(0, 30), min_size=1, max_size=8), min_size=2, max_size=4))
def test_every_frame_has_a_step_that_shows_it_and_every_step_shows_the_nearest_frame(gaps: list[list[int]]) -> None:
    clips = {
        side: Clip(np.full((len(each), 1, 1, 3), k, np.uint8), times=np.cumsum(each) / 30, source="one video")
        for k, (side, each) in enumerate(zip("abcd", gaps, strict=False))
    }
    state = clips_state(clips, [clip_state(clip) for clip in clips.values()])
    for clip, described in zip(clips.values(), state["clips"], strict=True):
        shown, steps = np.array(described["shown"]), np.array(described["steps"])
        assert shown[steps].tolist() == list(range(len(clip)))
        assert len(shown) == state["size"][0]
        if state["alignment"] == "time":
            assert clip.times is not None
            assert (np.diff(shown) >= 0).all()
            distance = np.abs(np.array(state["times"])[:, None] - clip.times)
            # Frames at one time are moved apart by at most a quarter of the shortest interval each.
            intervals = [gap / 30 for each in gaps for gap in each[1:] if gap]
            slack = len(clip) * min(intervals, default=1.0) / 4 if (np.diff(clip.times) == 0).any() else 1e-4
            assert (distance[np.arange(len(shown)), shown] <= distance.min(axis=1) + 2 * slack).all()
