"""Position of a clip on an image, and the evidence there, compared with a plain interpolation."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from notebook_explain.clip import Clip
from notebook_explain.explanations import Geometry, LayerMap
from notebook_explain.figures.placement import Placement, evenly_spaced, evidence_per_frame, resize_image
from tests.example_values import small_tubes


def by_hand(layer: LayerMap, target: int, moment: float, y: float, x: float) -> float:
    """Return the trilinear interpolation between cell centres at a clip pixel, as a fraction of the peak."""
    rows, values = layer.geometry.rows, layer.values[target]
    places = [
        float(np.interp(moment, rows, np.arange(len(rows)))),
        (y - layer.geometry.origin[0]) / layer.geometry.step[0],
        (x - layer.geometry.origin[1]) / layer.geometry.step[1],
    ]
    total = 0.0
    places = [min(max(place, 0), cells - 1) for place, cells in zip(places, values.shape, strict=True)]
    for corner in np.ndindex(2, 2, 2):
        weight, index = 1.0, []
        for place, cells, side in zip(places, values.shape, corner, strict=True):
            low = min(int(place), max(cells - 2, 0))
            weight *= (place - low) if side else 1 - (place - low)
            index.append(min(low + side, cells - 1))
        total += weight * float(values[tuple(index)])
    return total / layer.peak(target)


@pytest.mark.parametrize("layer", ["stem", "last"])
def test_evidence_at_clip_size_is_the_stretched_map(layer: str) -> None:
    tubes = small_tubes()
    placement, shown = Placement.build(tubes.clip, 12), tubes.layer(layer)
    assert (placement.size, placement.origin, placement.step) == ((12, 12), (0, 0), (1, 1))
    for frame in range(len(tubes.clip)):
        expected = tubes.volume(layer, 1)[frame] / shown.peak(1)
        np.testing.assert_allclose(placement.evidence(shown, 1, frame), expected, atol=1e-6)


@settings(deadline=None, max_examples=60)
@given(
    longest=st.integers(3, 40),
    moment=st.floats(0, 5),
    shape=st.tuples(st.integers(1, 30), st.integers(1, 30)),
    place=st.tuples(st.floats(0, 1), st.floats(0, 1)),
)
def test_evidence_at_any_size_position_and_time(
    longest: int, moment: float, shape: tuple[int, int], place: tuple[float, float]
) -> None:
    tubes = small_tubes(seed=3)
    clip = Clip(np.zeros((6, *shape, 3), np.uint8))
    placement = Placement.build(clip, longest)
    assert max(placement.size) == longest
    assert 0.5 <= (placement.size[0] / placement.size[1]) / (shape[0] / shape[1]) <= 2 or min(placement.size) <= 2
    at = [int(part * (pixels - 1)) for part, pixels in zip(place, placement.size, strict=True)]
    for layer in tubes.layers:
        found = placement.evidence(layer, 0, moment)[at[0], at[1]]
        # Half-pixel centres: the picture's edges are the clip's edges.
        y, x = ((q + 0.5) * clip.size[1 + k] / placement.size[k] - 0.5 for k, q in enumerate(at))
        assert found == pytest.approx(by_hand(layer, 0, moment, y, x), abs=1e-4)


FRAMES = np.zeros((2, 40, 64, 3), np.uint8)


@pytest.mark.parametrize("crop", ["center", "letterbox", "stretch"])
@pytest.mark.parametrize("size", [(16, 16), (20, 50), (90, 30)])
@pytest.mark.parametrize("longest", [None, 32, 100])
def test_evidence_on_the_source_is_where_the_clip_was_cut_from(
    crop: str, size: tuple[int, int], longest: int | None
) -> None:
    clip = Clip(FRAMES).resized(size, crop)
    placement = Placement.on_source(clip, longest)
    scale = 1 if longest is None else longest / 64
    assert placement.size == (round(40 * scale), round(64 * scale))
    layer = LayerMap(
        "a",
        "block",
        np.random.default_rng(0).normal(size=(1, 2, 3, 4)).astype(np.float32),
        Geometry.even((2, 3, 4), clip.size),
    )
    found = placement.evidence(layer, 0, 0.25)
    rows, columns = placement.clip_slices(clip)
    for q in (
        (0, 0),
        (7, 3),
        (placement.size[0] - 1, placement.size[1] - 1),
        (placement.size[0] // 2, placement.size[1] // 2),
    ):
        source = [(q[k] + 0.5) * (40, 64)[k] / placement.size[k] - 0.5 for k in (0, 1)]
        y, x = ((source[k] - clip.origin[k]) / clip.step[k] for k in (0, 1))
        assert found[q] == pytest.approx(by_hand(layer, 0, 0.25, y, x), abs=1e-4)
        inside = all(-0.5 <= part < clip.size[1 + k] - 0.5 for k, part in enumerate((y, x)))
        assert (rows.start <= q[0] < rows.stop and columns.start <= q[1] < columns.stop) == inside


def test_clip_slices_of_a_wide_frame_are_the_middle_square() -> None:
    clip = Clip(FRAMES).resized(20)
    rows, columns = Placement.on_source(clip).clip_slices(clip)
    assert (rows, columns) == (slice(0, 40), slice(12, 52))
    letterboxed = Clip(FRAMES).resized(20, "letterbox")
    assert Placement.on_source(letterboxed).clip_slices(letterboxed) == (slice(0, 40), slice(0, 64))


def test_evidence_of_an_empty_map_is_zero() -> None:
    layer = LayerMap("a", "block", np.zeros((1, 1, 2, 2), np.float32), Geometry.even((1, 2, 2), (3, 8, 8)))
    assert not Placement((5, 5), (0.0, 0.0), (1.0, 1.0)).evidence(layer, 0, 1.5).any()


def test_evidence_per_frame_is_the_mean_of_each_sign() -> None:
    volume = np.array([[[1, -3], [2, 0]], [[-1, -1], [-1, -1]]], np.float32)
    above, below = evidence_per_frame(volume)
    np.testing.assert_allclose(above, [0.75, 0])
    np.testing.assert_allclose(below, [-0.75, -1])


@pytest.mark.parametrize(("count", "wanted", "chosen"), [(16, 3, [0, 7, 15]), (2, 5, [0, 1]), (1, 1, [0]), (9, 1, [0])])
def test_frames_are_evenly_spaced_from_first_to_last(count: int, wanted: int, chosen: list[int]) -> None:
    np.testing.assert_array_equal(evenly_spaced(count, wanted), chosen)


def test_resizing_to_the_same_size_returns_the_input() -> None:
    picture: NDArray[np.uint8] = np.arange(27, dtype=np.uint8).reshape(3, 3, 3)
    assert resize_image(picture, (3, 3)) is picture
    assert resize_image(picture, (7, 5)).shape == (7, 5, 3)
