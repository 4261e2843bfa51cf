"""Weights of SoftPool against loops over windows and their cells, cell by cell and frame by frame."""

from __future__ import annotations

import itertools
from collections.abc import Iterable
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from benchmarks.blocks import peak_bytes
from notebook_explain import layers
from notebook_explain.layers.signal_types import FrameSignal
from tests.layers import reference
from tests.layers.test_soft_pool import noise

INF = float("inf")
Cells = list[tuple[int, ...]]


def windows_of(shape: tuple[int, ...], settings: Any, ceil_mode: bool) -> list[Cells]:
    """Cells of each window of fixed size."""
    counts = reference.pooled_shape(shape, settings, ceil_mode)
    return [reference.window_cells(shape, index, settings) for index in itertools.product(*map(range, counts))]


def adaptive_windows_of(shape: tuple[int, ...], counts: tuple[int, ...]) -> list[Cells]:
    """Cells of each window of adaptive pooling."""
    axes = [
        [range(int(np.floor(i * size / n)), int(np.ceil((i + 1) * size / n))) for i in range(n)]
        for n, size in zip(counts, shape, strict=True)
    ]
    return [list(itertools.product(*spans)) for spans in itertools.product(*axes)]


def frame_weights(maps: reference.Array, windows: Iterable[Cells], temperature: float) -> reference.Array:
    """Weight of each frame of (channel, time, height, width), relative to equal weights for all cells."""
    actual, equal = np.zeros(maps.shape[1]), np.zeros(maps.shape[1])
    for window, channel in itertools.product(windows, maps):
        cells = [cell for cell in window if channel[cell] > -INF]
        if not cells:
            continue
        values = np.array([channel[cell] for cell in cells])
        weights = np.exp((values - values.max()) / temperature)
        for cell, weight in zip(cells, weights / weights.sum(), strict=True):
            actual[cell[0]] += weight
            equal[cell[0]] += 1 / len(cells)
    return np.divide(actual, equal, out=np.zeros_like(actual), where=equal > 0)


def largest_frame_count(windows: Iterable[Cells]) -> int:
    return max(len({cell[0] for cell in window}) for window in windows)


@st.composite
def poolings(draw: st.DrawFn) -> Any:
    shape = tuple(draw(st.integers(1, limit)) for limit in (8, 5, 5))
    kernel = tuple(draw(st.integers(1, 4)) for _ in shape)
    stride = tuple(draw(st.integers(1, 5)) for _ in shape)
    padding = tuple(draw(st.integers(0, k // 2)) for k in kernel)
    dilation = tuple(draw(st.integers(1, 3)) for _ in shape)
    assume(
        min(reference.pooled_shape(shape, (kernel, stride, padding, dilation), ceil_mode := draw(st.booleans()))) > 0
    )
    return shape, (kernel, stride, padding, dilation), ceil_mode, draw(st.sampled_from([0.2, 1.0, 5.0]))


def clips(shape: tuple[int, ...], masked: bool) -> torch.Tensor:
    x = noise(2, 3, *shape, scale=2)
    return x.masked_fill(noise(*x.shape, seed=1) > 0.5, -INF) if masked else x


@settings(max_examples=120, deadline=None)
@given(poolings(), st.booleans())
def test_weights_of_frames_equal_those_of_loops(pooling: Any, masked: bool) -> None:
    shape, arguments, ceil_mode, temperature = pooling
    x, windows = clips(shape, masked), windows_of(shape, arguments, ceil_mode)
    routing = layers.SoftPool3d(*arguments, ceil_mode, temperature).explain(x)
    for clip, found in zip(x.numpy(), routing.listening.numpy(), strict=True):
        np.testing.assert_allclose(found, frame_weights(clip, windows, temperature), rtol=1e-10)
    assert routing.reach == (largest_frame_count(windows) or routing.reach)  # all windows may lack cells along an axis
    assert len(routing.report()) == (routing.reach > 1)
    assert not routing.weights.isnan().any()


@settings(max_examples=60, deadline=None)
@given(st.tuples(*[st.integers(1, 7)] * 3), st.tuples(*[st.integers(1, 8)] * 3), st.booleans())
def test_weights_of_frames_of_adaptive_windows_equal_those_of_loops(shape: Any, counts: Any, masked: bool) -> None:
    x, windows = clips(shape, masked), adaptive_windows_of(shape, counts)
    routing = layers.AdaptiveSoftPool3d(counts, 0.5).explain(x)
    for clip, found in zip(x.numpy(), routing.listening.numpy(), strict=True):
        np.testing.assert_allclose(found, frame_weights(clip, windows, 0.5), rtol=1e-10)
    assert routing.reach == largest_frame_count(windows)
    assert len(routing.report()) == (routing.reach > 1)


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 3).flatmap(lambda d: st.tuples(*[st.integers(1, 7)] * d)), st.data())
def test_adaptive_weights_are_a_softmax_in_each_window_and_0_in_its_padding(shape: Any, data: st.DataObject) -> None:
    counts = tuple(data.draw(st.integers(1, length + 2)) for length in shape)
    x, dims = noise(2, *shape, scale=2), len(shape)
    module = getattr(layers, f"AdaptiveSoftPool{dims}d")(counts, 0.7)
    weights, shares, *_ = module.explain(x)
    assert weights.shape[:-1] == (2, *counts)
    torch.testing.assert_close(shares.sum(-1), module(x))
    for channel, found in zip(x, weights.flatten(1, -2), strict=True):
        for window, cells in zip(found, adaptive_windows_of(shape, counts), strict=True):
            expected = torch.stack([channel[cell] for cell in cells]).div(0.7).softmax(0)
            torch.testing.assert_close(window[window > 0], expected)  # row-major, with padding between rows
            assert (window == 0).sum() == len(window) - len(cells)


def test_frames_of_equal_cells_have_the_weight_of_average_pooling_in_all_windows() -> None:
    constant = torch.full((1, 2, 9, 4, 4), 3.0)
    for pool in (
        layers.SoftPool3d(3, 1, 1),
        layers.SoftPool3d((4, 2, 2), (1, 2, 2), (2, 0, 0), (2, 1, 1)),
        layers.AdaptiveSoftPool3d((4, 3, 1)),
    ):
        torch.testing.assert_close(pool.explain(constant).listening, torch.ones(1, 9))
    apart = layers.SoftPool3d((2, 2, 2), (3, 2, 2)).explain(constant)
    torch.testing.assert_close(apart.listening, torch.tensor([[1.0, 1, 0, 1, 1, 0, 1, 1, 0]]))
    blurred = layers.AdaptiveSoftPool3d(temperature=1e6).explain(noise(2, 3, 5, 4, 4))
    torch.testing.assert_close(blurred.listening, torch.ones(2, 5, dtype=torch.float64), rtol=1e-4, atol=0)


def test_a_head_that_pools_everything_reports_the_weight_of_each_frame() -> None:
    x = torch.zeros(2, 3, 4, 2, 2)
    x[0, :, 2] = 50.0  # all channels of the first clip peak in one frame, one channel of the second in another
    x[1, 0, 1] = 50.0
    (signal,) = layers.AdaptiveSoftPool3d().explain(x).report()
    assert isinstance(signal, FrameSignal)
    assert signal.what == "weight of each frame (1: as in average pooling)"
    assert (signal.neutral, signal.side) == (1.0, "input")
    torch.testing.assert_close(signal.values, torch.tensor([[0.0, 0, 4, 0], [2 / 3, 2, 2 / 3, 2 / 3]]))


def test_an_input_without_a_batch_axis_is_a_batch_of_one() -> None:
    x = noise(3, 6, 4, 4)
    for pool in (layers.SoftPool3d(3, 2, 1), layers.AdaptiveSoftPool3d((4, 1, 1))):
        single, batch = pool.explain(x), pool.explain(x[None])
        assert single.weights.shape == batch.weights.shape[1:]
        assert single.listening.shape == (1, 6)
        assert torch.equal(single.listening, batch.listening)
        assert torch.equal(single.report()[0].values, batch.listening)


@pytest.mark.parametrize(
    ("pool", "x"),
    [
        (layers.SoftPool3d((1, 2, 2)), noise(1, 2, 4, 4, 4)),
        (layers.SoftPool3d(2, 2, 1), noise(1, 2, 2, 4, 4)),  # padding, frame | frame, padding
        (layers.SoftPool3d(3, 2, 1), noise(1, 2, 1, 4, 4)),
        (layers.AdaptiveSoftPool3d((None, 1, 1)), noise(1, 2, 4, 4, 4)),
        (layers.AdaptiveSoftPool3d(), noise(1, 2, 1, 4, 4)),
        (layers.SoftPool2d(2), noise(1, 2, 4, 4)),
        (layers.AdaptiveSoftPool2d(), noise(1, 2, 4, 4)),
        (layers.SoftPool1d(2), noise(1, 2, 4)),
        (layers.AdaptiveSoftPool1d(), noise(1, 2, 4)),
    ],
    ids=str,
)
def test_windows_of_one_frame_report_nothing(pool: Any, x: torch.Tensor) -> None:
    routing = pool.explain(x)
    assert routing.report() == []
    assert routing.reach == 1
    assert (routing.listening is None) == (x.dim() < 5)
    torch.testing.assert_close(routing.shares.sum(-1), pool(x))


def test_windows_without_cells_have_no_weights_and_nan_is_limited_to_its_windows() -> None:
    x = noise(1, 1, 2, 1, 1)
    routing = layers.SoftPool3d((2, 1, 1), 1, (1, 0, 0), (3, 1, 1)).explain(x)  # its frames are -1 and 2 of two
    assert torch.equal(routing.weights, torch.zeros(1, 1, 1, 1, 1, 2, dtype=x.dtype))
    assert torch.equal(routing.listening, torch.zeros(1, 2, dtype=x.dtype))
    x = noise(1, 1, 6, 1, 1)
    x[:, :, 5] = float("nan")
    weights = layers.SoftPool3d((3, 1, 1), (3, 1, 1), (1, 0, 0), ceil_mode=True).explain(x).listening[0]
    assert weights.isnan().tolist() == [False] * 5 + [True]


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_weights_of_half_precision_are_float32(dtype: torch.dtype) -> None:
    x = noise(1, 4, 8, 6, 6).to(dtype)
    for pool in (layers.SoftPool3d(3, 2, 1), layers.AdaptiveSoftPool3d()):
        half, exact = pool.explain(x), pool.explain(x.double())
        assert half.weights.dtype == half.listening.dtype == torch.float32
        torch.testing.assert_close(half.listening.double(), exact.listening, rtol=1e-5, atol=0)


def test_weights_of_the_released_code() -> None:
    x = noise(2, 3, 4, 4, 4)
    pool = layers.SoftPool3d(2, released="cpu")
    routing = pool.explain(x)
    torch.testing.assert_close(routing.shares.sum(-1).clamp_min(0), pool(x))
    assert routing.weights.shape == routing.shares.shape
    assert torch.equal(routing.weights[:, 0], routing.weights[:, 2])


def test_weights_of_frames_need_little_memory_beside_the_weights() -> None:
    x = noise(1, 16, 16, 28, 28, dtype=torch.float32)
    for pool in (layers.SoftPool3d(2), layers.AdaptiveSoftPool3d()):
        plane = x.flatten(3, 4)
        flat = layers.SoftPool2d((2, 4)) if isinstance(pool, layers.SoftPool3d) else layers.AdaptiveSoftPool2d()
        without, size = peak_bytes(lambda flat=flat, plane=plane: flat.explain(plane)), x.numel() * 4
        assert peak_bytes(lambda pool=pool: pool.explain(x)) < without + 0.3 * size


def test_invalid_inputs_and_sizes_raise() -> None:
    with pytest.raises(ValueError, match=r"windows of \[9, 9, 9\] are larger than the input \[4, 4, 4\]"):
        layers.soft_pool_weights(noise(1, 2, 4, 4, 4), 9)
    with pytest.raises(ValueError, match="expected 4 axes"):
        layers.adaptive_soft_pool_weights(noise(4, 4))
    with pytest.raises(TypeError, match="expected a floating-point tensor"):
        layers.AdaptiveSoftPool3d().explain(torch.ones(1, 1, 2, 2, 2, dtype=torch.long))
