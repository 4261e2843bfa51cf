"""Crop, letterbox, stretch: output size, part of the source that is kept, and the exact mapping back."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from notebook_explain import Clip
from notebook_explain.clip.resize import CROPS, Resize

pixels = st.integers(1, 400)
sizes = st.tuples(pixels, pixels)


@given(sizes, sizes, st.sampled_from(CROPS), st.tuples(*[st.floats(-50, 50)] * 2), st.tuples(*[st.floats(0.1, 9)] * 2))
def test_edges_of_the_output_map_to_edges_of_the_box(
    source: tuple[int, int],
    size: tuple[int, int],
    crop: str,
    origin: tuple[float, float],
    step: tuple[float, float],
) -> None:
    resize = Resize.fit(source, size, crop)
    assert resize.size == size
    assert resize.apply(np.zeros((*source, 3), np.uint8)).shape == (*size, 3)
    after = resize.transform(origin, step)
    for axis in (0, 1):
        for end in (0, 1):  # half a pixel before the first pixel's centre, half a pixel after the last one's
            output = resize.padding[axis] + end * resize.inner_size[axis] - 0.5
            box_edge = resize.box[axis] + end * resize.box[2 + axis] - 0.5
            assert after[0][axis] + after[1][axis] * output == pytest.approx(
                origin[axis] + step[axis] * box_edge, abs=1e-6
            )


@given(sizes, sizes)
def test_crop_modes_keep_the_part_that_they_document(source: tuple[int, int], size: tuple[int, int]) -> None:
    stretch, letterbox, center = (Resize.fit(source, size, crop) for crop in ("stretch", "letterbox", "center"))
    for resize in (stretch, letterbox):
        assert resize.box == (0, 0, *source)  # the whole frame
    assert stretch.inner_size == center.inner_size == size  # no black bars
    assert stretch.padding == center.padding == (0, 0)
    if source == size:
        return
    # Proportions are kept up to the rounding of a side to whole pixels, and one side is used in full.
    height, width = letterbox.inner_size
    assert height == size[0] or width == size[1]
    assert height <= size[0]
    assert width <= size[1]
    ideal = min(size[0] / source[0], size[1] / source[1])
    assert abs(height - max(ideal * source[0], 1)) <= 0.5 + 1e-9
    assert abs(width - max(ideal * source[1], 1)) <= 0.5 + 1e-9
    top, left, height, width = center.box
    assert height == source[0] or width == source[1]
    ideal = min(source[0] / size[0], source[1] / size[1])
    assert abs(height - max(ideal * size[0], 1)) <= 0.5 + 1e-9
    assert abs(width - max(ideal * size[1], 1)) <= 0.5 + 1e-9
    assert abs(2 * top + height - source[0]) <= 1  # the centre
    assert abs(2 * left + width - source[1]) <= 1


@pytest.mark.parametrize("crop", CROPS)
@pytest.mark.parametrize("size", [(40, 40), (40, 70), (90, 30), (160, 150), 33])
def test_a_spot_in_the_clip_maps_to_its_position_in_the_source(crop: str, size: int | tuple[int, int]) -> None:
    y, x = np.mgrid[:96, :128]
    position = np.array([51.3, 60.7])
    spot = np.exp(-((y - position[0]) ** 2 + (x - position[1]) ** 2) / 50)
    clip = Clip(np.repeat((255 * spot).round().astype(np.uint8)[None, ..., None], 3, axis=3)).resized(size, crop)
    weight = clip.frames[0, ..., 0].astype(float)
    for axis in (0, 1):
        centroid = weight.sum(axis=1 - axis) @ np.arange(weight.shape[axis]) / weight.sum()
        assert clip.origin[axis] + clip.step[axis] * centroid == pytest.approx(position[axis], abs=0.05)


def test_the_mapping_survives_repeated_resizing() -> None:
    frames = np.zeros((1, 90, 160, 3), np.uint8)
    frames[:, 40:50, 70:80] = 255  # centre (44.5, 74.5)
    clip = Clip(frames).resized((80, 120), "letterbox").resized((50, 61)).resized(70, "stretch")
    assert clip.source_size == (90, 160)
    weight = clip.frames[0, ..., 0].astype(float)
    for axis, position in enumerate((44.5, 74.5)):
        centroid = weight.sum(axis=1 - axis) @ np.arange(70) / weight.sum()
        assert clip.origin[axis] + clip.step[axis] * centroid == pytest.approx(position, abs=0.1)


def test_the_black_bars_of_a_letterbox_map_outside_the_source() -> None:
    clip = Clip(np.full((1, 60, 100, 3), 200, np.uint8)).resized(50, "letterbox")
    assert np.unique(clip.frames[0, 10:40]).tolist() == [200]
    assert clip.frames[0, :10].max() == clip.frames[0, 40:].max() == 0
    rows = clip.origin[0] + clip.step[0] * np.arange(50)
    np.testing.assert_array_equal((rows > -0.5) & (rows < 59.5), np.repeat([False, True, False], [10, 30, 10]))


def test_shrinking_averages_pixels() -> None:
    stripes = np.zeros((1, 64, 64, 3), np.uint8)
    stripes[:, ::2] = 200
    for size in (16, (16, 128)):  # the second size shrinks one axis and enlarges the other
        assert np.unique(Clip(stripes).resized(size, "stretch").frames).tolist() == [100]


def test_a_clip_of_the_right_size_is_returned_unchanged() -> None:
    clip = Clip(np.zeros((1, 6, 8, 3), np.uint8))
    for crop in CROPS:
        assert clip.resized((6, 8), crop) is clip
    with pytest.raises(ValueError, match="crop must be one of"):
        clip.resized((6, 8), "fit")
    with pytest.raises(ValueError, match="size must be at least 1 pixel, got 0"):
        clip.resized((6, 0))


@given(sizes, st.integers(1, 300), sizes)
def test_a_frame_is_resized_before_its_centre_is_cropped(
    source: tuple[int, int], shorter: int, size: tuple[int, int]
) -> None:
    resize = Resize.fit(source, size, f"center:{shorter}")
    output = resize.apply(np.full((*source, 3), 9, np.uint8))
    assert output.shape == (*size, 3)
    origin, step = resize.transform((0.0, 0.0), (1.0, 1.0))
    if source == size:
        return
    for axis in (0, 1):
        scale = min(source) / shorter
        resized = source[axis] / scale
        # The centre of the output is the centre of the source, and one pixel is as large as in the resized frame, up to
        # the rounding of a side to whole pixels.
        centre = origin[axis] + step[axis] * (size[axis] - 1) / 2
        assert abs(centre - (source[axis] - 1) / 2) <= max(step[axis], 1) + 1e-6
        if resized <= 8 * size[axis]:
            assert source[axis] / (resized + 1e-6) - 1e-6 <= step[axis] <= source[axis] / max(resized - 1, 1) + 1e-6
            inside = np.any(output, axis=(1 - axis, 2))
            assert np.count_nonzero(inside) == min(size[axis], max(int(resized + 1e-6), 1))


def test_resizing_and_cropping_is_exactly_that_of_a_resized_frame() -> None:
    rng = np.random.default_rng(0)
    clip = Clip(rng.integers(0, 256, (2, 60, 80, 3), dtype=np.uint8))
    resized = clip.resized((48, 60), "stretch").frames
    np.testing.assert_array_equal(clip.resized((32, 41), "center:48x60").frames, resized[:, 8:40, 10:51])
    wide = clip.resized((64, 54), "center:48x60")  # higher than the resized frame
    np.testing.assert_array_equal(wide.frames[:, 8:56], resized[:, :, 3:57])
    assert not wide.frames[:, :8].any()
    assert not wide.frames[:, 56:].any()
    np.testing.assert_array_equal(
        clip.resized(30, "center:45").frames, clip.resized((45, 60), "stretch").frames[:, 8:38, 15:45]
    )


@pytest.mark.parametrize(
    "crop", ["center:", "center:0", "center:256x", "letterbox:256", "center:256x128x3", "center: 9"]
)
def test_other_crop_modes_are_refused(crop: str) -> None:
    with pytest.raises(ValueError, match="crop must be one of 'center', 'letterbox', 'stretch'"):
        Clip(np.zeros((1, 8, 8, 3), np.uint8)).resized(4, crop)
