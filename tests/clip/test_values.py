"""Clips of values: what the network gets, and pictures held to closed forms."""

from __future__ import annotations

import colorsys
import copy
import math
import pickle
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from notebook_explain import Clip
from notebook_explain.clip import MAX_PIXELS, Picture

RNG = np.random.default_rng(0)
CT = RNG.integers(-1024, 3072, (3, 8, 10)).astype(np.int16)


def some_values(channels: int, dtype: Any = np.float32) -> np.ndarray:
    return np.asarray(RNG.normal(0, 3, (3, 8, 10, channels)), dtype)


@given(hnp.arrays(st.sampled_from([np.int16, np.uint16, np.int32]), (2, 3, 4), elements=st.integers(0, 4095)))
def test_whole_numbers_are_kept_exactly(volume: np.ndarray) -> None:
    clip = Clip.from_array(volume, layout="THW")
    assert clip.values is not None
    assert clip.values.dtype == np.float32
    np.testing.assert_array_equal(clip.values[..., 0], volume.astype(np.float64))


@given(st.permutations("BTHWC"), st.sampled_from([1, 2, 4, 17]))
def test_axes_are_ordered_by_the_layout_for_any_number_of_channels(letters: list[str], channels: int) -> None:
    values, layout = some_values(channels), "".join(letters)
    array = np.einsum(f"BTHWC->{layout}", values[None])
    for given_array in (array, torch.from_numpy(np.ascontiguousarray(array))):
        clip = Clip.from_array(given_array, layout=layout)
        np.testing.assert_array_equal(clip.values, values)
        assert clip.frames.shape == (3, 8, 10, 3)


def test_values_are_a_copy() -> None:
    array = some_values(2)
    clip = Clip.from_array(array)
    before = array.copy()
    array[:] = 7
    np.testing.assert_array_equal(clip.values, before)


def test_grey_is_linear_within_its_window_and_the_window_is_stated() -> None:
    clip = Clip.from_array(CT, layout="THW", range=(-1000, 400))
    expected = np.rint(255 * np.minimum(np.maximum((CT.astype(np.float64) + 1000) / 1400, 0), 1))
    for colour in range(3):
        np.testing.assert_array_equal(clip.frames[..., colour], expected)
    (caveat,) = clip.caveats
    assert "in grey, from \u22121000 to 400" in caveat
    assert "by default" not in caveat


def test_the_default_window_is_that_of_the_values_and_is_said_to_be_a_default() -> None:
    clip = Clip.from_array(CT, layout="THW")
    assert clip.picture == Picture("grey", (0,), ((float(CT.min()), float(CT.max())),))
    assert (clip.frames.min(), clip.frames.max()) == (0, 255)
    assert f"from {CT.min()} to {CT.max()}".replace("-", "\u2212") in clip.caveats[0]
    assert "The range is a default" in clip.caveats[0]


@pytest.mark.parametrize(
    ("volume", "window"),
    [
        (np.arange(24, dtype=np.uint8).reshape(2, 3, 4), (0.0, 255.0)),
        (torch.arange(24, dtype=torch.uint8).reshape(2, 3, 4), (0.0, 255.0)),
        (np.linspace(0.1, 0.9, 24).reshape(2, 3, 4), (0.0, 1.0)),
        (np.arange(24).reshape(2, 3, 4) % 2 == 0, (0.0, 1.0)),
        (np.full((2, 3, 4), 40), (0.0, 40.0)),
        (np.full((2, 3, 4), -40), (-40.0, 0.0)),
        (np.zeros((2, 3, 4)), (0.0, 1.0)),
    ],
)
def test_usual_windows(volume: Any, window: tuple[float, float]) -> None:
    picture = Clip.from_array(volume, layout="THW").picture
    assert picture is not None
    assert picture.ranges == (window,)


def test_percentiles_leave_out_one_percent_at_either_end() -> None:
    volume = np.arange(1001.0).reshape(7, 11, 13)
    picture = Clip.from_array(volume, layout="THW", range="percentiles").picture
    assert picture is not None
    assert picture.ranges[0] == pytest.approx((10.0, 990.0))


def test_flow_has_the_hue_of_its_direction_and_the_brightness_of_its_magnitude() -> None:
    flow = RNG.normal(0, 2, (2, 6, 7, 2))
    clip = Clip.from_array(flow, channels="flow", range=(0, 5), fps=10)
    for at in np.ndindex(2, 6, 7):
        right, down = (float(part) for part in np.float32(flow[at]))
        turns = math.atan2(down, right) / (2 * math.pi) % 1
        expected = colorsys.hsv_to_rgb(turns, 1.0, min(1.0, math.hypot(right, down) / 5))
        np.testing.assert_allclose(clip.frames[at], 255 * np.array(expected), atol=0.51)
    np.testing.assert_allclose(clip.times, [0.0, 0.1])
    assert "to the right red" in clip.caveats[0]
    assert "from 0 to 5" in clip.caveats[0]


@pytest.mark.parametrize(
    ("direction", "colour"),
    [
        ((1, 0), (255, 0, 0)),
        ((-1, 0), (0, 255, 255)),
        ((0, 1), (128, 255, 0)),
        ((0, -1), (128, 0, 255)),
        ((0, 0), (0, 0, 0)),
    ],
)
def test_directions_of_flow_have_the_colours_that_the_caveat_names(
    direction: tuple[int, int], colour: tuple[int, int, int]
) -> None:
    flow = np.zeros((1, 2, 2, 2)) + np.array(direction)
    clip = Clip.from_array(flow, channels="flow", range=(0, 1))
    np.testing.assert_allclose(clip.frames[0, 0, 0], colour, atol=1)


def test_heatmaps_show_the_largest_of_each_primary_colour() -> None:
    heatmaps = np.maximum(RNG.random((2, 5, 6, 17)) - 0.8, 0)
    clip = Clip.from_array(heatmaps)
    assert clip.picture is not None
    assert (clip.picture.kind, clip.picture.channels) == ("heatmaps", tuple(range(17)))
    high = clip.picture.ranges[0][1]
    hues = np.array([colorsys.hsv_to_rgb(joint / 17, 1, 1) for joint in range(17)])
    expected = 255 * (np.float32(heatmaps)[..., None] / high * hues).max(axis=-2)
    np.testing.assert_allclose(clip.frames, expected, atol=0.51)
    assert "all 17 channels" in clip.caveats[0]


def test_chosen_channels_are_red_green_and_blue_each_in_its_own_range() -> None:
    bands = RNG.integers(0, 10_000, (2, 5, 6, 12)).astype(np.uint16)
    clip = Clip.from_array(bands, channels=(3, 2, 1), range=((0, 9000), (0, 8000), (100, 7000)))
    for colour, (band, low, high) in enumerate([(3, 0, 9000), (2, 0, 8000), (1, 100, 7000)]):
        expected = np.rint(255 * np.clip((bands[..., band].astype(float) - low) / (high - low), 0, 1))
        np.testing.assert_array_equal(clip.frames[..., colour], expected)
    assert "channels 3, 2 and 1 of 12 (counted from 0) as red, green and blue" in clip.caveats[0]
    one = Clip.from_array(bands, channels=7, range=(0, 10_000))
    np.testing.assert_array_equal(one.frames[..., 0], np.rint(bands[..., 7] / 10_000 * 255.0))
    two = Clip.from_array(bands, channels=(0, 4), range=(0, 10_000))
    np.testing.assert_array_equal(two.frames[..., 0], np.rint(bands[..., 0] / 10_000 * 255.0))
    np.testing.assert_array_equal(two.frames[..., 1], two.frames[..., 2])
    np.testing.assert_array_equal(two.frames[..., 1], np.rint(bands[..., 4] / 10_000 * 255.0))


@pytest.mark.parametrize(
    ("values", "kind", "channels"),
    [
        (some_values(1), "grey", (0,)),
        (some_values(2), "flow", (0, 1)),
        (np.abs(some_values(2)), "rgb", (0, 1)),
        (some_values(3), "rgb", (0, 1, 2)),
        (np.abs(some_values(10)), "rgb", (0, 1, 2)),
        (np.maximum(some_values(10) - 4, 0), "heatmaps", tuple(range(10))),
    ],
)
def test_the_usual_picture_depends_on_the_number_of_channels_and_is_stated(
    values: np.ndarray, kind: str, channels: tuple[int, ...]
) -> None:
    clip = Clip.from_array(values)
    assert clip.picture is not None
    assert (clip.picture.kind, clip.picture.channels) == (kind, channels)
    assert (
        "default; Clip.from_array takes other ones" in clip.caveats[0] or "defaults; Clip.from_array" in clip.caveats[0]
    )


@pytest.mark.parametrize("crop", ["center", "stretch", "letterbox"])
@pytest.mark.parametrize("channels", [1, 2, 5, 17])
def test_values_are_averaged_over_areas_like_frames(crop: str, channels: int) -> None:
    values = some_values(channels)[:, :8, :8]
    half = Clip.from_array(values).resized(4, crop)
    expected = values.reshape(3, 4, 2, 4, 2, channels).mean(axis=(2, 4))
    assert half.values is not None
    assert half.picture is not None
    np.testing.assert_allclose(half.values, expected, atol=1e-5)
    np.testing.assert_array_equal(half.frames, half.picture.render(half.values))
    assert (half.origin, half.step) == ((0.5, 0.5), (2.0, 2.0))


def test_cropping_keeps_values_where_frames_are() -> None:
    values = some_values(4)  # 8 x 10
    square = Clip.from_array(values).resized(8)
    np.testing.assert_array_equal(square.values, values[:, :, 1:9])
    assert square.origin == (0.0, 1.0)


def test_letterboxes_are_black_and_hold_the_values_that_are_shown_in_black() -> None:
    ct = Clip.from_array(CT, layout="THW", range=(-1000, 400)).resized((10, 10), "letterbox")
    assert ct.values is not None
    assert (ct.values[:, 0] == -1000).all()
    flow = Clip.from_array(some_values(2), channels="flow").resized((10, 10), "letterbox")
    assert flow.values is not None
    assert (flow.values[:, 0] == 0).all()
    for clip in (ct, flow):
        assert not clip.frames[:, 0].any()
        assert clip.frames[:, 1:-1].any()


def test_sampling_takes_values_with_their_frames_and_keeps_caveats() -> None:
    clip = Clip.from_array(some_values(4), fps=25, source="bands")
    shorter = clip.sampled(2)
    np.testing.assert_array_equal(shorter.values, clip.values[[0, 2]])  # type: ignore[index]
    np.testing.assert_array_equal(shorter.frames, clip.frames[[0, 2]])
    assert shorter.caveats == clip.caveats == shorter.resized(4).caveats
    assert (shorter.picture, shorter.source) == (clip.picture, "bands")


def test_clips_of_values_survive_copying_and_pickling() -> None:
    clip = Clip.from_array(some_values(4), channels=(3, 2, 1), range="percentiles")
    for again in (copy.copy(clip), copy.deepcopy(clip), pickle.loads(pickle.dumps(clip))):
        np.testing.assert_array_equal(again.values, clip.values)
        np.testing.assert_array_equal(again.frames, clip.frames)
        assert (again.picture, again.caveats) == (clip.picture, clip.caveats)
        assert again.has_same_content(clip)


def test_clips_with_the_same_picture_of_other_values_differ() -> None:
    values = np.abs(some_values(5))
    other = values.copy()
    other[0, 0, 0, 4] += 1  # not shown
    one, two = (Clip.from_array(part, channels=(0, 1, 2)) for part in (values, other))
    np.testing.assert_array_equal(one.frames, two.frames)
    assert not one.has_same_content(two)
    assert not one.has_same_content(Clip(one.frames))
    assert not Clip(one.frames).has_same_content(one)
    assert Clip(one.frames).has_same_content(Clip(one.frames.copy()))


@pytest.mark.parametrize(
    ("values", "arguments", "message"),
    [
        (np.full((1, 2, 2, 1), np.nan), {}, "4 of 4 are NaN and 0 are infinite; replace them first"),
        (np.array([[[[1e39, 1.0]]]]), {}, "0 of 2 are NaN and 1 are infinite"),
        (np.ones((1, 2, 2, 1), complex), {}, "must be real numbers or bools, got complex128"),
        (np.array([[["a"]]]), {}, "must be real numbers or bools"),
        (np.ones((2, 2)), {}, r"got shape \(2, 2\); name the axes"),
        (np.ones((1, 2, 2, 2, 2)), {}, "name the axes with layout='BCTHW'"),
        (np.ones((0, 2, 2, 2)), {}, "no axis of length 0"),
        (np.ones((2, 2, 2)), {"layout": "HWC"}, "must name each axis once"),
        (np.ones((2, 2, 2, 2)), {"layout": "THW"}, "has 3 axes, but the array has shape"),
        (np.ones((2, 2, 2, 2)), {"channels": "red"}, "channels must be one of 'grey', 'rgb'"),
        (np.ones((2, 2, 2, 4)), {"channels": "flow"}, "shows 2 channels, but these values have 4; name the channels"),
        (np.ones((2, 2, 2, 4)), {"channels": (1, 4)}, r"indices from 0 to 3; got \(1, 4\)"),
        (np.ones((2, 2, 2, 4)), {"channels": (0, 1, 2, 3)}, "one to three indices"),
        (np.ones((2, 2, 2, 4)), {"channels": -1}, "channels must be at least 0"),
        (np.ones((2, 2, 2, 4)), {"channels": 1.5}, "channels must be a whole number"),
        (np.ones((2, 2, 2)), {"range": (5, 5)}, "with low < high"),
        (np.ones((2, 2, 2)), {"range": (np.nan, 5)}, "with low < high"),
        (np.ones((2, 2, 2)), {"range": "minmax"}, "range must be"),
        (np.ones((2, 2, 2, 3)), {"range": ((0, 1), (0, 1))}, r"one pair for each channel that is shown \(3\)"),
        (np.ones((2, 2, 2)), {"fps": 0}, "fps must lie in"),
        (np.broadcast_to(np.float32(1), (2**10, 2**10, 2**10, 2)), {}, f"at most {MAX_PIXELS:,} values"),
    ],
)
def test_unusable_values_are_refused_with_one_clear_error(
    values: np.ndarray, arguments: dict[str, Any], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        Clip.from_array(values, **arguments)


@pytest.mark.parametrize(
    "values", [np.ones((3, 8, 10), np.float32), np.ones((3, 8, 9, 1), np.float32), np.ones((3, 8, 10, 1))]
)
def test_values_must_fit_the_frames(values: np.ndarray) -> None:
    with pytest.raises(ValueError, match="values must be a float32 array"):
        Clip(np.zeros((3, 8, 10, 3), np.uint8), values=values)


@pytest.mark.parametrize("volume", [CT, (CT + 1024).astype(np.uint16), CT.astype(np.float32) + 0.5])
def test_the_advice_for_values_that_are_no_colours_names_the_call_that_keeps_them(volume: np.ndarray) -> None:
    with pytest.raises(TypeError, match=r"Clip.from_array\(volume, layout='THW', range=\(low, high\)\)") as caught:
        Clip.of(volume, layout="THW")
    assert ("undo the normalisation" in str(caught.value)) == (volume.dtype.kind == "f")
    assert "astype" not in str(caught.value)


def test_masks_are_black_and_white() -> None:
    mask = np.zeros((2, 4, 4), bool)
    mask[:, 1:3, 1:3] = True
    np.testing.assert_array_equal(Clip.of(mask, layout="THW").frames[..., 0], 255 * mask.astype(np.uint8))
    clip = Clip.from_array(mask, layout="THW")
    np.testing.assert_array_equal(clip.values[..., 0], mask)  # type: ignore[index]
    np.testing.assert_array_equal(clip.frames[..., 0], 255 * mask.astype(np.uint8))


def test_other_numbers_of_colours_are_sent_to_from_array() -> None:
    for array, layout in ((np.zeros((2, 4, 4, 4), np.uint8), "THWC"), (np.zeros((2, 4, 4, 7), np.uint8), "THWC")):
        with pytest.raises(ValueError, match=r"Clip.from_array\(values, layout='THWC'\)"):
            Clip.of(array, layout=layout)
        with pytest.raises(ValueError, match=r"Clip.from_array\(values\)"):
            Clip.of(array)
