"""Edits of a clip: what they show, in which frames, and how they are written and rebuilt."""

from __future__ import annotations

import json
import pickle
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from matplotlib.path import Path as Outline

import notebook_explain as ne
from notebook_explain import edits
from notebook_explain.models.fills import blurred
from tests.example_values import small_tubes
from tests.what_if.networks import coloured_clip

CLIP = coloured_clip()
MASK = np.random.default_rng(0).random((9, 12, 12)) < 0.3
EXAMPLES = [
    edits.Occlude(box=(2, 1, 6, 9), frames=(4, 9)),
    edits.Occlude(box=(2, 1, 6, 9), shape="ellipse", fill="mean", outside=True),
    edits.Occlude(polygon=[(1, 1), (9.5, 2), (4, 10)], fill="noise"),
    edits.Occlude(mask=MASK, fill="grey"),
    edits.Occlude(mask=MASK[0], fill="freeze", frames=(3, 5)),
    edits.Freeze(3, frames=(1, 4)),
    edits.Reverse(),
    edits.Shuffle(seed=4, frames=(2, 9)),
    edits.Drop((3, 5)),
    edits.Repeat((3, 5), times=3),
    edits.Slow(3, frames=(0, 2)),
    edits.Loop((2, 4)),
    edits.Flip(),
    edits.Grey(),
    edits.Brighten(0.5),
    edits.Ablate("stem", channels=(3, 1), to="mean"),
    edits.Ablate("stem", channels=(1, 3), to=(0.5, -1.0)),
    edits.Scale("layer1.0", factor=2),
    edits.Swap("pool", "SoftPool3d"),
    edits.WithoutConcept("stem", [0.5, 0.0, -2], "leg"),
]


def chosen_frames(edit: Any, clip: ne.Clip = CLIP) -> list[int]:
    """Return the number of the clip's frame that each frame of the edited clip shows."""
    found = edit(clip)
    return [int(np.flatnonzero([np.array_equal(frame, one) for one in clip.frames])[0]) for frame in found.frames]


@pytest.mark.parametrize("edit", EXAMPLES, ids=lambda edit: type(edit).__name__)
def test_an_edit_is_rebuilt_from_its_json_its_code_and_a_pickle(edit: Any) -> None:
    entry = json.loads(json.dumps(edit.to_json()))
    assert edits.from_json(entry) == edit
    assert eval(repr(edit), {"edits": edits}) == edit
    assert pickle.loads(pickle.dumps(edit)) == edit
    assert len({edit, edits.from_json(entry)}) == 1
    assert edit.in_words()


def test_the_code_and_the_json_name_only_what_was_given() -> None:
    edit = edits.Occlude(box=[20, 10, 60.0, 90], frames=[4, 9])
    assert repr(edit) == "edits.Occlude(box=(20, 10, 60, 90), frames=(4, 9))"
    assert edit.to_json() == {"edit": "Occlude", "box": [20, 10, 60, 90], "frames": [4, 9]}
    assert repr(edits.Reverse()) == "edits.Reverse()"
    assert edit.in_words() == "a box of 40 x 80 pixels at (20, 10) blurred in frames 5 to 9"


@pytest.mark.parametrize(
    ("edit", "expected"),
    [
        (edits.Freeze(7), [7] * 9),
        (edits.Freeze(7, (1, 3)), [0, 7, 7, 3, 4, 5, 6, 7, 8]),
        (edits.Reverse(), [8, 7, 6, 5, 4, 3, 2, 1, 0]),
        (edits.Reverse((1, 4)), [0, 3, 2, 1, 4, 5, 6, 7, 8]),
        (edits.Drop((0, 7)), [7, 8]),
        (edits.Repeat((1, 3)), [0, 1, 2, 1, 2, 3, 4, 5, 6, 7, 8]),
        (edits.Slow(2, (7, 9)), [0, 1, 2, 3, 4, 5, 6, 7, 7]),
        (edits.Slow(2), [0, 0, 1, 1, 2, 2, 3, 3, 4]),
        (edits.Loop((2, 4)), [2, 3, 2, 3, 2, 3, 2, 3, 2]),
    ],
    ids=repr,
)
def test_edits_of_frames_show_these_frames(edit: Any, expected: list[int]) -> None:
    assert chosen_frames(edit) == expected
    found = edit(CLIP)
    assert found.frame_numbers.tolist() == [2 * frame for frame in expected]  # the frames of the source that are shown
    np.testing.assert_allclose(found.times, np.arange(len(expected)) / 10)  # when they are shown


def test_reverse_twice_is_the_clip() -> None:
    twice = edits.Reverse()(edits.Reverse()(CLIP))
    assert np.array_equal(twice.frames, CLIP.frames)
    assert np.array_equal(twice.frame_numbers, CLIP.frame_numbers)


@given(st.integers(0, 2**32), st.integers(0, 7), st.integers(2, 9))
@settings(deadline=None)
def test_shuffle_is_another_order_of_the_same_frames(seed: int, start: int, length: int) -> None:
    span = (start, min(9, start + length))
    found = chosen_frames(edits.Shuffle(seed, span))
    assert sorted(found) == list(range(9))
    assert found[: span[0]] == list(range(span[0]))
    assert found[span[1] :] == list(range(span[1], 9))
    assert found != list(range(9))
    assert found == chosen_frames(edits.Shuffle(seed, span))


def test_seeds_give_different_orders() -> None:
    assert len({tuple(chosen_frames(edits.Shuffle(seed))) for seed in range(20)}) == 20


def test_fills_are_what_they_say() -> None:
    box, part = (2, 1, 6, 9), (slice(4, 9), slice(1, 9), slice(2, 6))
    inside = np.zeros(CLIP.size, bool)
    inside[part] = True
    video = torch.from_numpy(CLIP.frames).permute(3, 0, 1, 2)[None].float()
    fills = {
        "blur": blurred(video)[0].permute(1, 2, 3, 0).numpy()[part].round(),
        "mean": np.rint(CLIP.frames.reshape(-1, 3).mean(0)),
        "freeze": CLIP.frames[3][part[1:]],
        "grey": 128,
    }
    for fill, expected in fills.items():
        found = edits.Occlude(box, (4, 9), fill)(CLIP).frames
        np.testing.assert_array_equal(found[~inside], CLIP.frames[~inside])
        assert np.abs(found[part].astype(int) - expected).max() <= (fill == "blur"), fill  # a half may round either way
    noise = edits.Occlude(fill="noise")(coloured_clip(frames=20, size=64)).frames
    assert np.abs(noise.mean((0, 1, 2)) - coloured_clip(frames=20, size=64).frames.mean((0, 1, 2))).max() < 2


def test_outside_hides_everything_else_during_the_span() -> None:
    inside, outside = (edits.Occlude((2, 1, 6, 9), (4, 6), outside=flag).hidden(CLIP) for flag in (False, True))
    assert np.array_equal(outside[4:6], ~inside[4:6])
    assert not outside[:4].any()
    assert not outside[6:].any()


@given(st.lists(st.tuples(st.floats(-5, 25), st.floats(-5, 25)), min_size=3, max_size=3))
@settings(deadline=None)
def test_a_polygon_holds_the_pixels_whose_centre_lies_inside(points: list[tuple[float, float]]) -> None:
    clip = ne.Clip(np.zeros((1, 14, 20, 3), np.uint8))
    y, x = np.mgrid[:14, :20] + 0.5
    centres = np.stack([x, y], -1).reshape(-1, 2)
    expected = Outline(points).contains_points(centres).reshape(14, 20)
    clear = (_distance_to_edges(centres, np.array(points)) > 1e-6).reshape(14, 20)
    try:
        found = edits.Occlude(polygon=points).hidden(clip)[0]
    except ValueError as error:
        assert "no pixel of the picture" in str(error)  # noqa: PT017
        found = np.zeros((14, 20), bool)
    np.testing.assert_array_equal(found[clear], expected[clear])


def _distance_to_edges(points: np.ndarray, corners: np.ndarray) -> np.ndarray:
    found = []
    for a, b in zip(corners, np.roll(corners, -1, 0), strict=True):
        along = ((points - a) @ (b - a)) / max((b - a) @ (b - a), 1e-300)
        found.append(np.linalg.norm(points - a - np.clip(along, 0, 1)[:, None] * (b - a), axis=1))
    return np.min(found, 0)


def test_a_polygon_with_the_corners_of_a_box_is_the_box() -> None:
    corners = [(2, 1), (6, 1), (6, 9), (2, 9)]
    assert np.array_equal(edits.Occlude(polygon=corners).hidden(CLIP), edits.Occlude((2, 1, 6, 9)).hidden(CLIP))


def test_an_ellipse_has_its_share_of_the_box() -> None:
    clip = ne.Clip(np.zeros((1, 200, 300, 3), np.uint8))
    found = edits.Occlude((20, 10, 260, 190), shape="ellipse").hidden(clip)[0]
    assert found.sum() == pytest.approx(np.pi * 120 * 90, rel=0.005)
    assert found[100, 20]
    assert not found[11, 21]


def test_a_tube_is_hidden_where_its_evidence_reaches_the_threshold() -> None:
    tubes = small_tubes()
    for outside in (False, True):
        edit = edits.Occlude.of_tube(tubes, 0.5, "stem", "class 1", outside)
        volume = tubes.volume("stem", 1)
        expected = volume >= 0.5 * np.abs(tubes.layer("stem").values[1]).max()
        assert np.array_equal(edit.hidden(tubes.clip), expected != outside)
    with pytest.raises(ValueError, match="is 6x12x12, but the clip is 9x12x12"):
        edit(CLIP)


def test_a_flipped_clip_is_mirrored_and_flow_turns_round() -> None:
    assert np.array_equal(edits.Flip()(CLIP).frames, CLIP.frames[:, :, ::-1])
    values = np.random.default_rng(0).normal(size=(4, 6, 8, 2)).astype(np.float32)
    flow = ne.Clip.from_array(values, channels="flow")
    found = edits.Flip()(flow).values
    np.testing.assert_array_equal(found[..., 0], -values[:, :, ::-1, 0])
    np.testing.assert_array_equal(found[..., 1], values[:, :, ::-1, 1])


def test_grey_leaves_grey_as_it_is_and_brightness_saturates() -> None:
    grey = ne.Clip(np.repeat(np.arange(256, dtype=np.uint8).reshape(1, 16, 16, 1), 3, 3))
    assert np.array_equal(edits.Grey()(grey).frames, grey.frames)
    assert np.array_equal(edits.Brighten(1)(grey).frames, grey.frames)
    assert edits.Brighten(2)(grey).frames.max() == 255
    assert edits.Brighten(2)(grey).frames[0, 3, 1, 0] == 98
    found = edits.Grey()(ne.Clip(np.full((1, 1, 1, 3), (10, 200, 30), np.uint8))).frames
    assert found[0, 0, 0].tolist() == [124] * 3  # 0.299 * 10 + 0.587 * 200 + 0.114 * 30 = 123.8


def test_clips_of_values_keep_values_and_picture_together() -> None:
    values = np.random.default_rng(0).normal(size=(6, 8, 8, 1)).astype(np.float32)
    clip = ne.Clip.from_array(values)
    for edit in (edits.Occlude((1, 1, 5, 5), (2, 4), fill) for fill in edits.FILLS):
        found = edit(clip)
        assert np.array_equal(found.frames, clip.picture.render(found.values))
        assert np.array_equal(found.values[:2], values[:2])
        assert not np.array_equal(found.values[2:4, 1:5, 1:5], values[2:4, 1:5, 1:5])
    assert np.array_equal(edits.Reverse()(clip).values, values[::-1])
    for edit in (edits.Grey(), edits.Brighten(2)):
        with pytest.raises(ValueError, match="needs a clip of colours"):
            edit(clip)


def test_an_edit_leaves_the_clip_as_it_was_and_says_what_it_did() -> None:
    before = CLIP.frames.copy()
    for edit in EXAMPLES[:15]:
        found = edit(CLIP)
        assert np.array_equal(CLIP.frames, before)
        assert found.caveats == (*CLIP.caveats, f"The clip was edited: {edit.in_words()}."), edit
    assert edits.Brighten(3)(CLIP).frames is not CLIP.frames


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (
            lambda: edits.Occlude((2, 2, 13, 4))(CLIP),
            r"box \(2, 2, 13, 4\) .* lies outside the picture, which is 12 pixels",
        ),
        (lambda: edits.Occlude((6, 2, 2, 4)), "left < right and top < bottom"),
        (lambda: edits.Occlude((-1, 2, 2, 4)), "must be at least 0"),
        (lambda: edits.Occlude((1, 2, 3)), r"box must be \(left, top, right, bottom\)"),
        (lambda: edits.Occlude("1234"), r"box must be \(left, top, right, bottom\)"),
        (lambda: edits.Occlude((0, 0, 2, 2), polygon=[(0, 0), (1, 0), (1, 1)]), "one of box, polygon and mask"),
        (lambda: edits.Occlude(polygon=[(0, 0), (1, 1)]), "at least three points"),
        (lambda: edits.Occlude(polygon=[(0, 0), (1, 1), (2, float("nan"))]), "a coordinate of polygon must lie in"),
        (lambda: edits.Occlude(polygon=[(50, 50), (60, 50), (60, 60)])(CLIP), "no pixel of the picture"),
        (lambda: edits.Occlude(mask=np.zeros((12, 12), bool)), "is empty"),
        (lambda: edits.Occlude(mask=np.ones((12, 11), bool))(CLIP), "the mask is 12x11, but the clip is 9x12x12"),
        (lambda: edits.Occlude(shape="ellipse"), "needs a box"),
        (lambda: edits.Occlude(fill="freeze"), "frames must start at 1 or later"),
        (lambda: edits.Occlude(fill="freeze", frames=(0, 3)), "frames must start at 1 or later"),
        (lambda: edits.Occlude(fill="blurr"), "did you mean 'blur'"),
        (lambda: edits.Occlude(outside=1), "outside must be True or False"),
        (lambda: edits.Reverse((3, 12))(CLIP), r"frames \(3, 12\) lie outside the clip, which has 9 frames, 0 to 8"),
        (lambda: edits.Reverse((3, 3)), "0 <= start < stop"),
        (lambda: edits.Reverse((-1, 3)), "0 <= start < stop"),
        (lambda: edits.Reverse(5), r"frames must be \(start, stop\)"),
        (lambda: edits.Reverse((0.5, 3)), r"frames must be \(start, stop\)"),
        (lambda: edits.Drop((0, 9))(CLIP), "leaves no frames"),
        (lambda: edits.Freeze(9)(CLIP), "frame 9 is not in the clip, which has frames 0 to 8"),
        (lambda: edits.Repeat((0, 2), times=101), "at most 100"),
        (lambda: edits.Slow(0), "at least 1"),
        (lambda: edits.Brighten(float("nan")), "factor must lie in"),
        (lambda: edits.packed_mask((2, 2), "eJwD"), "mask"),
    ],
)
def test_bad_input_is_one_clear_error(make: Any, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        make()


@pytest.mark.parametrize(
    ("entry", "words"),
    [
        ({"edit": "WithoutConcept", "layer": "stem", "direction": [0, 0]}, "no length"),
        ({"edit": "WithoutConcept", "layer": "stem", "direction": [1, "a"]}, "direction must be a number"),
        ({"edit": "WithoutConcept", "layer": "stem", "direction": 3}, "direction must be 1 to 65,536 numbers"),
        ([], "an edit as JSON is a dict"),
        ({}, "the key 'edit' must be one of"),
        ({"edit": "__class__"}, "the key 'edit' must be one of"),
        ({"edit": ["Reverse"]}, "the key 'edit' must be one of"),
        ({"edit": "Reverse", "span": [1, 2]}, "Reverse has no field 'span'; it has frames"),
        ({"edit": "Flip", "of": 1}, "Flip has no field 'of'; it has none"),
        ({"edit": "Drop"}, "Drop needs the field 'frames'"),
        ({"edit": "Occlude", "box": {"left": 1}}, "box must be"),
        ({"edit": "Occlude", "mask": {"shape": [2, 2], "bits": "AAAA"}}, "a mask of shape"),
        ({"edit": "Occlude", "mask": {"shape": [10**9, 10**9], "bits": ""}}, "a mask has at most"),
        ({"edit": "Occlude", "mask": {"shape": [2, 2], "bits": "?"}}, "not base64"),
        ({"edit": "Occlude", "mask": {"shape": [2, 2], "bits": "A" * 10**6}}, "hold more than its shape"),
        ({"edit": "Occlude", "mask": {"shape": "ab", "bits": "gA=="}}, "shape of a mask must be"),
        ({"edit": "Occlude", "mask": "gA=="}, "bool array"),
        ({"edit": "Occlude", "polygon": [[1, 2]] * 10_001}, "at most 10,000"),
        ({"edit": "Occlude", "polygon": [[1, 2], [3, 4], ["5", 6]]}, "must be a number"),
        ({"edit": "Ablate", "layer": "a" * 2000}, "1 to 1000 letters"),
        ({"edit": "Ablate", "layer": 3}, "layer must be the name"),
        ({"edit": "Ablate", "layer": "stem", "channels": list(range(10**5))}, "more than 65,536"),
        ({"edit": "Ablate", "layer": "stem", "channels": [1], "to": [1, 2]}, "one number for each of the channels"),
        ({"edit": "Swap", "layer": "stem", "module": "os.system"}, "module must be one of"),
    ],
)
def test_untrusted_json_is_refused_with_a_reason(entry: Any, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        edits.from_json(entry)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=6,
)


@given(data=st.data())
@settings(deadline=None, max_examples=400)
def test_any_json_is_an_edit_or_one_error(data: st.DataObject) -> None:
    entry = dict(data.draw(st.sampled_from([edit.to_json() for edit in EXAMPLES])))
    entry[data.draw(st.sampled_from(sorted(entry)))] = data.draw(JSON)
    try:
        edit = edits.from_json(entry)
        edit(CLIP) if edit.of == "clip" else edit.in_words()
    except ne.ExplainError:
        raise
    except ValueError as error:
        assert type(error).__name__ in ("UsageError", "UsageTypeError")  # noqa: PT017
