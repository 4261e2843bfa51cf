"""What SoftPool's windows listen to: a weight for each cell of each window, and, in time, for each frame.

Weights of a softmax are a router: what is known of a result goes to the cells by them. Average pooling is the router that
does not look: each window gives all cells that take part the same weight. So a frame is listened to by

    sum of the weights that its cells get, of all windows and channels / the same sum with equal weights

which is 1 everywhere where pooling is average, in the limit of high temperatures.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
from torch import Tensor

from notebook_explain.layers.signal_types import PerFrame, Told
from notebook_explain.layers.soft_pool.autograd import check_input, scores_of_cells, shares_of_cells, weights_of_cells
from notebook_explain.layers.soft_pool.kernels import in_full
from notebook_explain.layers.soft_pool.windows import (
    adaptive_counts,
    adaptive_places,
    adaptive_sizes,
    checked,
    evened,
    fitting_counts,
    places,
    tiled,
    unfolded,
)


class Routing(NamedTuple):
    """Which cells of each window SoftPool listens to.

    Attributes
    ----------
    weights : tensor (..., windows per axis, cells)
        They sum to 1 over the cells, which are in row-major order; 0 in the padding, and where adaptive windows, which
        differ in length, are filled up. A window that sees no cell has zeros only. A router: what is known of a result
        goes to its cells by them.
    shares : tensor of the same shape
        Weight times value. They sum to the result, as relevance does in layer-wise relevance propagation.
    listening : tensor (batch, time), or None
        Of pooling over (time, height, width): how much weight the windows give to each frame of the input, summed over
        its cells, mean of the channels, in multiples of what average pooling gives to it. 1 is as in average pooling,
        2 twice as much; 0 for a frame that no window sees.
    reach : int
        How many frames a window sees at most. If 1, `listening` is about which windows see a frame, not what they see.
    """

    weights: Tensor
    shares: Tensor
    listening: Tensor | None = None
    reach: int = 1

    def told(self) -> list[Told]:
        """In a form for any viewer; nothing, where no window chooses between frames."""
        if self.listening is None or self.reach < 2:
            return []
        return [PerFrame("how much each frame is listened to (1: as in average pooling)", self.listening, 1.0, "input")]


def soft_pool_weights(
    x: Tensor,
    kernel_size: Any = 2,
    stride: Any = None,
    padding: Any = 0,
    dilation: Any = 1,
    ceil_mode: bool = False,
    temperature: float = 1.0,
    released: str = "",
    *,
    dims: int = 3,
) -> Routing:
    """Which cells of each window SoftPool listens to: the weights, and what each cell adds to the result.

    Parameters
    ----------
    x, kernel_size, stride, padding, dilation, ceil_mode, temperature, released
        As of ``soft_pool3d``. With ``released="cpu"`` results below 0 become 0; the shares sum to what they were before.
    dims : int
        Over how many of the last axes is pooled.

    Returns
    -------
    Routing
        ``.weights`` and ``.shares``, as large as all windows together, and ``.listening``.

    Raises
    ------
    TypeError, ValueError
        Arguments that do not fit one another or the input.
    """
    windows = checked(dims, kernel_size, stride, padding, dilation, ceil_mode)
    check_input(x, dims, temperature, released)
    lengths = list(x.shape[-dims:])
    counts = fitting_counts(lengths, windows)
    kernel, strides, pads, dilations, _ = windows
    cells = unfolded(in_full(x), *windows)
    weights = weights_of_cells(scores_of_cells(x, windows, temperature, released).expand_as(cells))
    along = places(lengths[0], counts[0], kernel[0], strides[0], pads[0], dilations[0])
    return _routing(cells, weights, dims, along, lengths[0])


def adaptive_soft_pool_weights(x: Tensor, output_size: Any = 1, temperature: float = 1.0, *, dims: int = 3) -> Routing:
    """Which cells each window of adaptive pooling listens to; see `soft_pool_weights`.

    Parameters
    ----------
    x, output_size, temperature
        As of ``adaptive_soft_pool3d``.
    dims : int
        Over how many of the last axes is pooled.

    Returns
    -------
    Routing
    """
    sizes = adaptive_sizes(output_size, dims)
    check_input(x, dims, temperature)
    lengths = list(x.shape[-dims:])
    counts = adaptive_counts(lengths, sizes)
    cells = tiled(evened(in_full(x), counts), counts)
    along = adaptive_places(lengths[0], counts[0])
    return _routing(cells, weights_of_cells(cells / temperature), dims, along, lengths[0])


def _routing(cells: Tensor, weights: Tensor, dims: int, along: list[list[int]], length: int) -> Routing:
    """Of windows that see the places `along` the first of the pooled axes, which has a `length`."""
    shares = shares_of_cells(cells, weights)
    if dims < 3:
        return Routing(weights, shares)
    reach = max(sum(cell >= 0 for cell in window) for window in along)
    batch = (cells, weights) if cells.dim() == 6 else (cells[None], weights[None])
    return Routing(weights, shares, _listening(*batch, along, length), reach)


def _listening(cells: Tensor, weights: Tensor, along: list[list[int]], frames: int) -> Tensor:
    """(batch, time), from (batch, channel, windows in time, in height, in width, cells)."""
    took = (cells != -float("inf")).sum(-1).clamp_min(1).to(weights.dtype)  # how many cells of each window take part
    each = cells.shape[-1] // len(along[0])
    given, evenly = [], []
    for first in range(0, cells.shape[-1], each):  # by place in time: equal weights at once are all windows once more
        there = slice(first, first + each)
        given.append(weights[..., there].sum((1, 3, 4, 5)))
        evenly.append(((cells[..., there] != -float("inf")).sum(-1) / took).sum((1, 3, 4)))
    # From (batch, windows in time, places) to frames; what lies outside of the input, -1, becomes one more that goes.
    frame = torch.tensor(along, device=cells.device).flatten().remainder(frames + 1)
    none = weights.new_zeros(len(cells), frames + 1)
    heard, equal = (none.index_add(1, frame, torch.stack(sums, -1).flatten(1)) for sums in (given, evenly))
    return (heard / equal.masked_fill(equal == 0, 1.0))[:, :frames]
