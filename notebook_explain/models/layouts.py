"""Convert a module's output to (batch, channel, time, height, width) and back.

Convolutional networks return (B, C, T, H, W), others (B, T, H, W, C), tokens (B, N, C) with a class token, or
(B*T, C, H, W). The axes, the order of the tokens and tokens without a position are read off measured positions
(``positions``), so one mechanism serves all: a channel axis, the other axes flattened to cells, and an index that sorts
the cells by time, height and width.
"""

from __future__ import annotations

import math
import warnings
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from notebook_explain._errors import UsageError
from notebook_explain.explanations import Geometry
from notebook_explain.models.positions.extents import EPS, spread
from notebook_explain.models.positions.tensor import PositionTensor


@dataclass(frozen=True, eq=False)
class Layout:
    """Order of the values of one module's output in time, height and width.

    Attributes
    ----------
    shape : tuple of int
        Measured for a batch of one; the first axis may also hold the frames (B*T, ...).
    channel : int
        Axis of the channels after the batch is split off the first axis: (B, C, ...) counts as (B, 1, C, ...), so 2.
    order : int64 tensor (time*height*width,) or None
        Index of each cell among the flattened other axes; ``None`` if they are in order already.
    grid : (time, height, width) in cells
    """

    shape: tuple[int, ...]
    channel: int
    order: torch.Tensor | None
    grid: tuple[int, int, int]

    @property
    def leaves_out_tokens(self) -> bool:
        """True if some values of the output have no position in the clip, such as those of a class token."""
        return self.order is not None and len(self.order) < math.prod(self.shape) // self.channels

    @property
    def channels(self) -> int:
        """Number of channels."""
        return self.shape[self.channel - 1]

    def to_volume(self, output: torch.Tensor) -> torch.Tensor:
        """Return an output as (batch, channel, time, height, width), without tokens that have no position."""
        cells = self._cells(output)
        if self.order is not None:
            cells = cells.index_select(2, self.order.to(cells.device))
        return cells.reshape(*cells.shape[:2], *self.grid)

    def from_volume(self, volume: torch.Tensor, like: torch.Tensor) -> torch.Tensor:
        """Return a volume in the module's own layout; tokens without a position are taken from ``like``."""
        flat = volume.flatten(2)
        if self.order is not None:
            flat = self._cells(like).index_copy(2, self.order.to(flat.device), flat)
        split = self.split(like)
        moved = split.movedim(self.channel, 1)
        return flat.reshape(moved.shape).movedim(1, self.channel).reshape(like.shape)

    def channel_sums(self, output: torch.Tensor) -> torch.Tensor:
        """Return the sums over channels, in the module's own layout with one channel; tokens without a position too."""
        split = self.split(output)
        sums = split.sum(self.channel, keepdim=True).expand(split.shape)
        return sums.reshape(output.shape)

    def split(self, output: torch.Tensor) -> torch.Tensor:
        """Return an output with the batch as an axis of its own; the channels are then axis `channel`."""
        return output.reshape(output.shape[0] // self.shape[0], *self.shape[:1], *output.shape[1:])

    def _cells(self, output: torch.Tensor) -> torch.Tensor:
        if output.shape[1:] != torch.Size(self.shape[1:]) or output.shape[0] % self.shape[0]:
            raise UsageError(
                f"this layer returned {tuple(output.shape)}, but {self.shape} per clip when the model was adapted; "
                "the size of the input has changed",
                arguments=("size", "frames"),
                call="adapt()",
            )
        return self.split(output).movedim(self.channel, 1).flatten(2)


def is_volume(x: PositionTensor) -> bool:
    """Return whether a tensor has more than one cell, with different positions in the clip."""
    return len(x.shape) >= 3 and max(spread(x)) > EPS


def still_axes(x: PositionTensor) -> list[int]:
    """Return the axes of a tensor, longer than 1, along which no position changes."""
    positions = x.positions()
    still = []
    with torch._C.DisableTorchFunction():
        for axis in range(x.ndim):
            steps = [position.diff(dim=axis) for position in positions if position.shape[axis] > 1]
            if x.shape[axis] > 1 and not any(bool((step.abs() > EPS).any()) for step in steps):  # NaN is no step
                still.append(axis)
    return still


def measure(x: PositionTensor, size: tuple[int, int, int]) -> tuple[Layout, Geometry] | None:
    """Return layout and geometry of a module's output; ``None`` if its axes are not time, height, width and channels.

    Parameters
    ----------
    x : PositionTensor
        The output, for a clip of ``size`` (time, height, width) in a batch of one.
    """
    shape = tuple(x.shape)
    ramps = np.broadcast_arrays(*(ramp.cpu().numpy() for ramp in x.positions()))
    # (3, 1, *shape), with length 1 where nothing changes; axes are counted as in Layout.
    positions = np.stack(ramps)[:, None]
    varies = [_varies_along(positions, axis) for axis in range(1, positions.ndim)]
    channel = _channel_axis(shape, positions)
    if channel is None:
        return None
    rest = shape[: channel - 1] + shape[channel:]
    cells = np.broadcast_to(_nanmean(positions, channel + 1)[:, 0], (3, *rest))
    along = [varies[axis] for axis in range(1, len(varies)) if axis != channel]
    separable = all(sum(axis) <= 1 for axis in along) and all(sum(axis[k] for axis in along) <= 1 for k in range(3))
    cell_order = _order_separable(cells, along) if separable else _order_tokens(cells.reshape(3, -1))
    if cell_order is None:
        return None
    order, centres = cell_order
    grid = (len(centres[0]), len(centres[1]), len(centres[2]))
    in_order = np.array_equal(order, np.arange(int(np.prod(rest))))
    layout = Layout(shape, channel, None if in_order else torch.from_numpy(order), grid)
    return layout, _geometry(centres, grid, size)


def _varies_along(volume: NDArray[np.float32], axis: int) -> tuple[bool, bool, bool]:
    """Return whether (t, y, x) change along an axis."""
    if volume.shape[axis] == 1:
        return False, False, False
    step = np.abs(np.diff(volume, axis=axis))
    changes = [bool(np.any(part[~np.isnan(part)] > EPS)) for part in step]
    return changes[0], changes[1], changes[2]


def _channel_axis(shape: tuple[int, ...], positions: NDArray[np.float32]) -> int | None:
    """Return the only axis along which positions do not change.

    Where pathways that differ in time were concatenated, it is the axis along which they change least.
    """
    axes = [axis for axis in range(1, len(shape) + 1) if shape[axis - 1] > 1]
    travel = {axis: _travel(positions, axis) for axis in axes}
    constant = [axis for axis in axes if travel[axis] <= EPS]
    if len(constant) == 1:
        return constant[0]
    if constant:
        return None
    # A single channel: its usual axis, if that has length 1.
    single = [axis for axis in (2, len(shape)) if shape[axis - 1] == 1]
    if single:
        return single[0]
    least = min(axes, key=lambda axis: travel[axis])
    return least if len(axes) > 3 and travel[least] < 0.5 else None


def _travel(positions: NDArray[np.float32], axis: int) -> float:
    """Return how far positions change along an axis, as a fraction of their whole range."""
    if positions.shape[axis + 1] == 1:
        return 0.0
    everything = tuple(range(1, positions.ndim))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # all-NaN slices: positions without mass
        ranges = np.nanmax(positions, axis + 1) - np.nanmin(positions, axis + 1)
        along = np.nanmax(ranges, axis=everything[:-1])
        overall = np.nanmax(positions, axis=everything) - np.nanmin(positions, axis=everything)
    return float(np.nanmax(along / np.maximum(overall, EPS)))


def _nanmean(values: NDArray[np.float32], axis: int | tuple[int, ...]) -> NDArray[np.float64]:
    known = ~np.isnan(values)
    count = known.sum(axis=axis)
    total = np.where(known, values, 0).sum(axis=axis, dtype=np.float64)
    return np.where(count > 0, total / np.maximum(count, 1), np.nan)


def _order_separable(
    cells: NDArray[np.float64], along: list[tuple[bool, bool, bool]]
) -> tuple[NDArray[np.int64], list[NDArray[np.float64]]] | None:
    """Return the order of cells and their centres per axis, where each axis is time, height or width.

    Cells without mass (causal padding) continue the others in equal steps.
    """
    shape = cells.shape[1:]
    index = np.arange(int(np.prod(shape))).reshape(shape)
    moving = [axis for axis in range(len(shape)) if any(along[axis])]
    order_axes, centres = [], []
    for k in range(3):
        axis = next((axis for axis in moving if along[axis][k]), None)
        others = tuple(other for other in range(len(shape)) if other != axis)
        centre = _extrapolate(np.atleast_1d(_nanmean(cells[k], others)))
        if centre is None:
            return None
        ascending = np.argsort(centre, kind="stable")
        centres.append(centre[ascending])
        if axis is not None:
            order_axes.append(axis)
            index = np.take(index, ascending, axis=axis)
    rest = [axis for axis in range(len(shape)) if axis not in order_axes]
    if any(shape[axis] > 1 for axis in rest):
        return None
    return index.transpose(rest + order_axes).reshape(-1), centres


def _extrapolate(centre: NDArray[np.float64]) -> NDArray[np.float64] | None:
    """Replace NaN by extrapolation from the nearest known centre; ``None`` if no centre is known."""
    known = np.flatnonzero(~np.isnan(centre))
    if len(known) == 0:
        return None
    if len(known) == len(centre):
        return centre
    step = (centre[known[-1]] - centre[known[0]]) / max(known[-1] - known[0], 1) if len(known) > 1 else 1.0
    nearest = known[np.abs(np.arange(len(centre))[:, None] - known).argmin(axis=1)]
    filled: NDArray[np.float64] = centre[nearest] + step * (np.arange(len(centre)) - nearest)
    return filled


def _order_tokens(cells: NDArray[np.float64]) -> tuple[NDArray[np.int64], list[NDArray[np.float64]]] | None:
    """Return the order of tokens and their centres per axis; tokens without a position are left out.

    ``None`` unless every combination of a time, a height and a width occurs once.
    """
    with_position = np.flatnonzero(~np.isnan(cells).any(axis=0))
    rounded = np.round(cells[:, with_position] / EPS) * EPS
    axes = [np.unique(rounded[k]) for k in range(3)]
    if len(with_position) == 0 or np.prod([len(axis) for axis in axes]) != len(with_position):
        return None
    order = np.lexsort((rounded[2], rounded[1], rounded[0]))
    expected = np.stack(np.meshgrid(*axes, indexing="ij")).reshape(3, -1)
    return (with_position[order], axes) if np.allclose(rounded[:, order], expected, atol=2 * EPS) else None


def _geometry(centres: list[NDArray[np.float64]], grid: tuple[int, int, int], size: tuple[int, int, int]) -> Geometry:
    """Return the measured times, and straight lines through the cells in height and width.

    Medians keep out the cells at the border, which padding shifts.
    """
    even = Geometry.even(grid, size)
    centres = [_separate(centre) for centre in centres]
    rows = centres[0] if np.all(np.diff(centres[0]) > EPS) else even.rows
    lines = [_fit_line(centres[k], size[k]) for k in (1, 2)]
    return Geometry(rows, (lines[0][0], lines[1][0]), (lines[0][1], lines[1][1]))


def _separate(centre: NDArray[np.float64]) -> NDArray[np.float64]:
    """Distribute cells with the same centre evenly over the distance to their neighbours: repeated frames, pixel shuffle."""
    starts = np.flatnonzero(np.diff(centre, prepend=-np.inf) > EPS)
    if len(starts) in (1, len(centre)) or np.any(np.diff(centre) < -EPS):
        return centre
    counts = np.diff(starts, append=len(centre))
    values = centre[starts]
    step = np.diff(values)
    room = np.minimum(np.append(step, step[-1]), np.append(step[0], step))  # to the nearer neighbour
    within = np.arange(len(centre)) - np.repeat(starts, counts)
    offsets = (within - (np.repeat(counts, counts) - 1) / 2) / np.repeat(counts, counts) * np.repeat(room, counts)
    separated: NDArray[np.float64] = np.repeat(values, counts) + offsets
    return separated


def _fit_line(centre: NDArray[np.float64], extent: int) -> tuple[float, float]:
    if len(centre) == 1:
        return float(centre[0]), float(extent)
    step = float(np.median(np.diff(centre)))
    step = step if step > EPS else extent / len(centre)
    return float(np.median(centre - step * np.arange(len(centre)))), step
