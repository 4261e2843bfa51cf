"""Stretching a map over the clip (methods.md A5, the geometry part) against torch, brute force and known answers."""

from __future__ import annotations

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st

from notebook_explain.explanations import Geometry, stretch
from notebook_explain.explanations.geometry import beyond_outer_cells

cells = st.integers(1, 6)
SIZES = [(t, T) for T in range(1, 41) for t in range(1, T + 1)]


@pytest.mark.parametrize("longest", [1, 7, 16, 40])
def test_every_number_of_rows_gives_every_number_of_frames(longest: int) -> None:
    for t, T in SIZES:
        if longest == T:
            values = np.random.default_rng(t).normal(size=(t, 2, 2)).astype(np.float32)
            assert stretch(values, Geometry.even((t, 2, 2), (T, 5, 3)), (T, 5, 3)).shape == (T, 5, 3)


@settings(max_examples=60, deadline=None)
@given(cells, cells, cells, st.integers(1, 20), st.integers(1, 20), st.integers(1, 20), st.integers(0, 99))
def test_an_even_division_is_torchs_half_pixel_centred_trilinear(
    t: int, h: int, w: int, T: int, H: int, W: int, seed: int
) -> None:
    values = np.random.default_rng(seed).normal(size=(t, h, w)).astype(np.float32)
    ours = stretch(values, Geometry.even((t, h, w), (T, H, W)), (T, H, W))
    theirs = F.interpolate(torch.from_numpy(values)[None, None], (T, H, W), mode="trilinear", align_corners=False)[0, 0]
    np.testing.assert_allclose(ours, theirs.numpy(), atol=2e-5)


@settings(max_examples=40, deadline=None)
@given(cells, cells, cells, st.integers(1, 20), st.floats(-5, 5), st.floats(0.3, 9), st.integers(0, 99))
def test_a_constant_stays_constant_and_nothing_overshoots(
    t: int, h: int, w: int, T: int, origin: float, step: float, seed: int
) -> None:
    rng = np.random.default_rng(seed)
    geometry = Geometry(np.sort(rng.uniform(0, T, t)) + np.arange(t), (origin, -origin), (step, step / 2))
    constant = stretch(np.full((t, h, w), 0.7, np.float32), geometry, (T, 9, 8))
    np.testing.assert_allclose(constant, 0.7, atol=1e-6)
    impulse = np.zeros((t, h, w), np.float32)
    impulse[t // 2, h // 2, w // 2] = 1
    spread = stretch(impulse, geometry, (T, 9, 8))
    assert spread.min() >= 0
    assert spread.max() <= 1


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_flipping_the_map_flips_the_stretched_map(axis: int) -> None:
    values = np.random.default_rng(3).normal(size=(3, 4, 5)).astype(np.float32)
    geometry = Geometry.even((3, 4, 5), (16, 21, 30))
    flipped = stretch(np.flip(values, axis).copy(), geometry, (16, 21, 30))
    np.testing.assert_allclose(flipped, np.flip(stretch(values, geometry, (16, 21, 30)), axis), atol=1e-5)


def test_a_cell_shows_at_the_place_that_its_geometry_names() -> None:
    geometry = Geometry(np.array([0.0, 5.0, 10.0, 15.0]), (2.0, 3.0), (4.0, 6.0))
    values = np.random.default_rng(0).normal(size=(4, 3, 3)).astype(np.float32)
    stretched = stretch(values, geometry, (16, 12, 18))
    for row in range(4):
        for i in range(3):
            for j in range(3):
                assert stretched[5 * row, 2 + 4 * i, 3 + 6 * j] == pytest.approx(values[row, i, j], abs=1e-6)
    assert stretched[7, 2, 3] == pytest.approx(0.6 * values[1, 0, 0] + 0.4 * values[2, 0, 0], abs=1e-6)


def test_outside_the_outermost_centres_the_outer_cells_reach_to_the_border() -> None:
    geometry = Geometry(np.array([4.0, 8.0]), (5.0, 5.0), (2.0, 2.0))
    values = np.arange(8, dtype=np.float32).reshape(2, 2, 2)
    stretched = stretch(values, geometry, (12, 12, 12))
    assert stretched[0, 0, 0] == values[0, 0, 0]
    assert stretched[11, 11, 11] == values[1, 1, 1]


def test_leading_axes_are_kept() -> None:
    values = np.random.default_rng(1).normal(size=(2, 5, 2, 3, 3)).astype(np.float32)
    geometry = Geometry.even((2, 3, 3), (4, 6, 6))
    whole = stretch(values, geometry, (4, 6, 6))
    assert whole.shape == (2, 5, 4, 6, 6)
    np.testing.assert_allclose(whole[1, 3], stretch(values[1, 3], geometry, (4, 6, 6)), atol=1e-6)


@pytest.mark.parametrize("rows", [[0.0, 0.0], [1.0, 0.5], [np.nan, 1.0], []])
def test_rows_that_do_not_increase_are_refused(rows: list[float]) -> None:
    with pytest.raises(ValueError, match="finite and strictly increasing"):
        Geometry(np.array(rows), (0, 0), (1, 1))


def test_a_step_of_0_and_a_geometry_of_another_layer_are_refused() -> None:
    with pytest.raises(ValueError, match="step above 0"):
        Geometry(np.arange(2.0), (0, 0), (0, 1))
    with pytest.raises(ValueError, match="map has 3 rows, but the geometry has 2"):
        stretch(np.zeros((3, 2, 2), np.float32), Geometry.even((2, 2, 2), (4, 4, 4)), (4, 4, 4))


def test_positions_beyond_the_outer_cell_centres_are_measured_in_cells() -> None:
    geometry = Geometry(np.array([4.0, 6.0, 10.0]), (7.5, 3.5), (16.0, 8.0))
    y, x = np.array([-0.5, 7.5, 20.0, 31.5]), np.array([1.5, 30.0, 59.5, 63.5])
    inside = beyond_outer_cells(geometry, (3, 2, 8), 5.0, y, x)
    expected_y, expected_x = np.array([0.5, 0, 0, 0.5]), np.array([0.25, 0, 0, 0.5])
    np.testing.assert_allclose(inside, np.maximum(expected_y[:, None], expected_x))
    assert beyond_outer_cells(geometry, (3, 2, 8), 3.0, y[1:2], x[1:2]) == 0.5, "half of the first step of two frames"
    assert beyond_outer_cells(geometry, (3, 2, 8), 12.0, y[1:2], x[1:2]) == 0.5, "half of the last step of four frames"
    single = Geometry(np.array([7.5]), (31.5, 31.5), (64.0, 64.0))
    assert not beyond_outer_cells(single, (1, 1, 1), 0.0, y, x).any(), "one cell has no position"
