"""Weights of SoftPool: of each cell in each window and, in time, of each frame.

The weights of the softmax distribute a quantity of the result, such as relevance, over the cells. Average pooling
distributes it evenly: each window gives all of its cells the same weight. The weight of a frame is therefore

    sum of the weights of its cells, over all windows and channels / the same sum with equal weights

which is 1 everywhere for average pooling, the limit of high temperatures.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
from torch import Tensor

from notebook_explain.layers.signal_types import FrameSignal, Signal, deprecated_told
from notebook_explain.layers.soft_pool.autograd import Temperature, cell_scores, cell_shares, cell_weights, check_input
from notebook_explain.layers.soft_pool.kernels import upcast_half
from notebook_explain.layers.soft_pool.windows import (
    adaptive_counts,
    adaptive_sizes,
    adaptive_window_cells,
    check_window_counts,
    check_windows,
    pad_to_tiles,
    unfold_tiles,
    unfold_windows,
    window_cells,
)


class Routing(NamedTuple):
    """Weights of the cells in each window of SoftPool.

    Attributes
    ----------
    weights : tensor (..., windows per axis, cells)
        Sum to 1 over the cells, which are in row-major order. 0 in the padding, including the padding of the shorter
        adaptive windows; a window without cells has only zeros. They distribute a quantity of the result over its cells.
    shares : tensor of the same shape
        Weight times value. They sum to the result, as relevance does in layer-wise relevance propagation.
    listening : tensor (batch, time), or None
        For pooling over (time, height, width): weight of each frame of the input, summed over its cells and averaged over
        channels, relative to average pooling. 1 is the weight in average pooling, 2 twice as much; 0 for a frame that is
        in no window.
    reach : int
        Largest number of frames in one window. If it is 1, windows do not choose between frames, and `listening` only
        shows which frames are in a window.
    """

    weights: Tensor
    shares: Tensor
    listening: Tensor | None = None
    reach: int = 1

    def report(self) -> list[Signal]:
        """Return the weight of each frame as a signal for explanations; empty if no window chooses between frames."""
        if self.listening is None or self.reach < 2:
            return []
        return [FrameSignal("weight of each frame (1: as in average pooling)", self.listening, 1.0, "input")]

    def told(self) -> list[Signal]:
        """Call `report`; deprecated name."""
        return deprecated_told(self)


def soft_pool_weights(
    x: Tensor,
    kernel_size: Any = 2,
    stride: Any = None,
    padding: Any = 0,
    dilation: Any = 1,
    ceil_mode: bool = False,
    temperature: Temperature = 1.0,
    released: str = "",
    *,
    dims: int = 3,
) -> Routing:
    """Return the weight of each cell in each window of SoftPool, and its share of the result.

    Parameters
    ----------
    x, kernel_size, stride, padding, dilation, ceil_mode, temperature, released
        As for ``soft_pool3d``. With ``released="cpu"`` negative results become 0; the shares sum to the result before that.
    dims : int
        Number of pooled axes, the last ones.

    Returns
    -------
    Routing
        ``.weights`` and ``.shares``, as large as all windows together, and ``.listening``.

    Raises
    ------
    TypeError, ValueError
        Invalid arguments, or arguments that do not match the input.
    """
    windows = check_windows(dims, kernel_size, stride, padding, dilation, ceil_mode)
    check_input(x, dims, temperature, released)
    lengths = list(x.shape[-dims:])
    counts = check_window_counts(lengths, windows)
    kernel, strides, pads, dilations, _ = windows
    cells = unfold_windows(upcast_half(x), *windows)
    scores = cell_scores(x, windows, temperature, released)  # type: ignore[arg-type]  # a number for TorchScript only
    weights = cell_weights(scores.expand_as(cells))
    frames = window_cells(lengths[0], counts[0], kernel[0], strides[0], pads[0], dilations[0])
    return _routing(cells, weights, dims, frames, lengths[0])


def adaptive_soft_pool_weights(
    x: Tensor, output_size: Any = 1, temperature: Temperature = 1.0, *, dims: int = 3
) -> Routing:
    """Return the weight of each cell in each window of adaptive SoftPool; see `soft_pool_weights`.

    Parameters
    ----------
    x, output_size, temperature
        As for ``adaptive_soft_pool3d``.
    dims : int
        Number of pooled axes, the last ones.

    Returns
    -------
    Routing
    """
    sizes = adaptive_sizes(output_size, dims)
    check_input(x, dims, temperature)
    lengths = list(x.shape[-dims:])
    counts = adaptive_counts(lengths, sizes)
    cells = unfold_tiles(pad_to_tiles(upcast_half(x), counts), counts)
    frames = adaptive_window_cells(lengths[0], counts[0])
    return _routing(cells, cell_weights(cells / temperature), dims, frames, lengths[0])


def _routing(cells: Tensor, weights: Tensor, dims: int, frames: list[list[int]], length: int) -> Routing:
    """Make a `Routing`.

    Parameters
    ----------
    cells, weights : tensor (..., windows per axis, cells)
    dims : int
        Number of pooled axes.
    frames : list of list of int
        Frame at each tap in time of each window along the time axis; -1 outside of the input.
    length : int
        Number of frames.
    """
    shares = cell_shares(cells, weights)
    if dims < 3:
        return Routing(weights, shares)
    reach = max(sum(frame >= 0 for frame in window) for window in frames)
    batch = (cells, weights) if cells.dim() == 6 else (cells[None], weights[None])
    return Routing(weights, shares, _frame_weights(*batch, frames, length), reach)


def _frame_weights(cells: Tensor, weights: Tensor, frames: list[list[int]], length: int) -> Tensor:
    """Return (batch, time) from (batch, channel, windows in time, in height, in width, cells)."""
    cell_counts = (cells != -float("inf")).sum(-1).clamp_min(1).to(weights.dtype)  # of each window
    cells_per_tap = cells.shape[-1] // len(frames[0])
    actual, equal = [], []
    for start in range(
        0, cells.shape[-1], cells_per_tap
    ):  # tap by tap in time: for all at once, `equal` would need as much memory as all windows
        tap = slice(start, start + cells_per_tap)
        actual.append(weights[..., tap].sum((1, 3, 4, 5)))
        equal.append(((cells[..., tap] != -float("inf")).sum(-1) / cell_counts).sum((1, 3, 4)))
    # From (batch, windows in time, taps) to frames; -1, outside of the input, becomes an extra frame that is dropped.
    index = torch.tensor(frames, device=cells.device).flatten().remainder(length + 1)
    zeros = weights.new_zeros(len(cells), length + 1)
    total, baseline = (zeros.index_add(1, index, torch.stack(sums, -1).flatten(1)) for sums in (actual, equal))
    return (total / baseline.masked_fill(baseline == 0, 1.0))[:, :length]
