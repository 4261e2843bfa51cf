"""From what a module emits to (batch, channel, time, height, width) and back.

Convolutional nets emit (B, C, T, H, W), others (B, T, H, W, C), tokens (B, N, C) with a class token, or (B*T, C, H,
W). Which axis is which, in what order the tokens lie and which of them has no place is measured (``coordinates``), so
one mechanism serves them all: a channel axis, the other axes flattened to cells, and an index that sorts the cells by
time, height, width.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from notebook_explain._errors import UsageError
from notebook_explain.explanations import Geometry
from notebook_explain.models.positions.tensor import PositionTensor

_EPS = 1e-3  # frames or pixels; positions are whole or half numbers, computed in float32


@dataclass(frozen=True, eq=False)
class Layout:
    """How the values of one module's output lie in time, height and width.

    Attributes
    ----------
    shape : tuple of int
        The shape measured, for a batch of one; its first axis may hold the frames too (B*T, ...).
    channel : int
        Axis of the channels once the batch is split off the first axis: (B, C, ...) counts as (B, 1, C, ...), so 2.
    order : int64 tensor (time*height*width,) or None
        Index of each cell among the flattened other axes; ``None`` when they lie in order already.
    grid : (time, height, width) in cells
    """

    shape: tuple[int, ...]
    channel: int
    order: torch.Tensor | None
    grid: tuple[int, int, int]

    def to_volume(self, output: torch.Tensor) -> torch.Tensor:
        """(batch, channel, time, height, width) of what the module emitted; tokens without a place are left out."""
        cells = self._cells(output)
        if self.order is not None:
            cells = cells.index_select(2, self.order.to(cells.device))
        return cells.reshape(*cells.shape[:2], *self.grid)

    def from_volume(self, volume: torch.Tensor, like: torch.Tensor) -> torch.Tensor:
        """What the module would emit for this volume; tokens without a place are taken from ``like``."""
        flat = volume.flatten(2)
        if self.order is not None:
            flat = self._cells(like).index_copy(2, self.order.to(flat.device), flat)
        split = self._split(like)
        moved = split.movedim(self.channel, 1)
        return flat.reshape(moved.shape).movedim(1, self.channel).reshape(like.shape)

    def _split(self, output: torch.Tensor) -> torch.Tensor:
        return output.reshape(output.shape[0] // self.shape[0], *self.shape[:1], *output.shape[1:])

    def _cells(self, output: torch.Tensor) -> torch.Tensor:
        if output.shape[1:] != torch.Size(self.shape[1:]) or output.shape[0] % self.shape[0]:
            raise UsageError(
                f"this layer emitted {tuple(output.shape)}, but {self.shape} per clip when the model was adapted; "
                "adapt it again with the size= and frames= that it is run with"
            )
        return self._split(output).movedim(self.channel, 1).flatten(2)


def is_volume(x: PositionTensor) -> bool:
    """Whether values at different places of the clip are still apart, in more than one cell."""
    return len(x.shape) >= 3 and max(spread(x)) > _EPS


def spread(x: PositionTensor) -> tuple[float, float, float]:
    """Distance between the outermost positions, in frames and pixels (t, y, x); 0 where nothing has a place."""
    cached: tuple[float, float, float] | None = getattr(x.fields[0], "spread", None)
    if cached is None:
        cached = _spread(x)
        x.fields[0].spread = cached  # type: ignore[attr-defined]  # norms and activations pass the same fields on
    return cached


def _spread(x: PositionTensor) -> tuple[float, float, float]:
    found = []
    with torch._C.DisableTorchFunction():
        for ramp in x.positions():
            lowest = float(ramp.nan_to_num(nan=float("inf")).min())
            highest = float(ramp.nan_to_num(nan=float("-inf")).max())
            found.append(max(highest - lowest, 0.0))
    return found[0], found[1], found[2]


def measure(x: PositionTensor, size: tuple[int, int, int]) -> tuple[Layout, Geometry] | None:
    """Layout and geometry of a module's output, or ``None`` where its axes are not time, height, width and channels.

    Parameters
    ----------
    x : PositionTensor
        The output, for a clip of ``size`` (time, height, width) in a batch of one.
    """
    shape = tuple(x.shape)
    ramps = np.broadcast_arrays(*(ramp.cpu().numpy() for ramp in x.positions()))
    places = np.stack(ramps)[:, None]  # (3, 1, *shape), with length 1 where nothing changes; axes counted as in Layout
    varies = [_varies(places, axis) for axis in range(1, places.ndim)]
    channel = _channel_axis(shape, places)
    if channel is None:
        return None
    rest = shape[: channel - 1] + shape[channel:]
    cells = np.broadcast_to(_nanmean(places, channel + 1)[:, 0], (3, *rest))
    along = [varies[axis] for axis in range(1, len(varies)) if axis != channel]
    separable = all(sum(axis) <= 1 for axis in along) and all(sum(axis[k] for axis in along) <= 1 for k in range(3))
    found = _separable(cells, along) if separable else _merged(cells.reshape(3, -1))
    if found is None:
        return None
    order, centres = found
    grid = (len(centres[0]), len(centres[1]), len(centres[2]))
    straight = np.array_equal(order, np.arange(int(np.prod(rest))))
    layout = Layout(shape, channel, None if straight else torch.from_numpy(order), grid)
    return layout, _geometry(centres, grid, size)


def _varies(volume: NDArray[np.float32], axis: int) -> tuple[bool, bool, bool]:
    """Whether (t, y, x) change along an axis."""
    if volume.shape[axis] == 1:
        return False, False, False
    step = np.abs(np.diff(volume, axis=axis))
    changes = [bool(np.any(part[~np.isnan(part)] > _EPS)) for part in step]
    return changes[0], changes[1], changes[2]


def _channel_axis(shape: tuple[int, ...], places: NDArray[np.float32]) -> int | None:
    """The one axis along which nothing moves, or, where pathways that differ in time were joined, along which least does."""
    axes = [axis for axis in range(1, len(shape) + 1) if shape[axis - 1] > 1]
    moved = {axis: _travel(places, axis) for axis in axes}
    still = [axis for axis in axes if moved[axis] <= _EPS]
    if len(still) == 1:
        return still[0]
    if still:
        return None
    single = [
        axis for axis in (2, len(shape)) if shape[axis - 1] == 1
    ]  # one channel only: the usual place, if it is free
    if single:
        return single[0]
    least = min(axes, key=lambda axis: moved[axis])
    return least if len(axes) > 3 and moved[least] < 0.5 else None


def _travel(places: NDArray[np.float32], axis: int) -> float:
    """How far positions move along an axis, as a share of how far they move at all."""
    if places.shape[axis + 1] == 1:
        return 0.0
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # all-NaN slices: places without mass
        along = np.nanmax(
            np.nanmax(places, axis + 1) - np.nanmin(places, axis + 1), axis=tuple(range(1, places.ndim - 1))
        )
        overall = np.nanmax(places, axis=tuple(range(1, places.ndim))) - np.nanmin(
            places, axis=tuple(range(1, places.ndim))
        )
    return float(np.nanmax(along / np.maximum(overall, _EPS)))


def _nanmean(values: NDArray[np.float32], axis: int | tuple[int, ...]) -> NDArray[np.float64]:
    known = ~np.isnan(values)
    count = known.sum(axis=axis)
    total = np.where(known, values, 0).sum(axis=axis, dtype=np.float64)
    return np.where(count > 0, total / np.maximum(count, 1), np.nan)


def _separable(
    cells: NDArray[np.float64], along: list[tuple[bool, bool, bool]]
) -> tuple[NDArray[np.int64], list[NDArray[np.float64]]] | None:
    """Each axis is time, height or width: positions per axis, gaps (causal padding) carried on in equal steps."""
    shape = cells.shape[1:]
    index = np.arange(int(np.prod(shape))).reshape(shape)
    moving = [axis for axis in range(len(shape)) if any(along[axis])]
    order_axes, centres = [], []
    for k in range(3):
        axis = next((axis for axis in moving if along[axis][k]), None)
        others = tuple(other for other in range(len(shape)) if other != axis)
        centre = _fill(np.atleast_1d(_nanmean(cells[k], others)))
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


def _fill(centre: NDArray[np.float64]) -> NDArray[np.float64] | None:
    known = np.flatnonzero(~np.isnan(centre))
    if len(known) == 0:
        return None
    if len(known) == len(centre):
        return centre
    step = (centre[known[-1]] - centre[known[0]]) / max(known[-1] - known[0], 1) if len(known) > 1 else 1.0
    nearest = known[np.abs(np.arange(len(centre))[:, None] - known).argmin(axis=1)]
    filled: NDArray[np.float64] = centre[nearest] + step * (np.arange(len(centre)) - nearest)
    return filled


def _merged(cells: NDArray[np.float64]) -> tuple[NDArray[np.int64], list[NDArray[np.float64]]] | None:
    """Tokens: every combination of a time, a height and a width must be there once; those without a place are left out."""
    placed = np.flatnonzero(~np.isnan(cells).any(axis=0))
    rounded = np.round(cells[:, placed] / _EPS) * _EPS
    axes = [np.unique(rounded[k]) for k in range(3)]
    if len(placed) == 0 or np.prod([len(axis) for axis in axes]) != len(placed):
        return None
    order = np.lexsort((rounded[2], rounded[1], rounded[0]))
    wanted = np.stack(np.meshgrid(*axes, indexing="ij")).reshape(3, -1)
    return (placed[order], axes) if np.allclose(rounded[:, order], wanted, atol=2 * _EPS) else None


def _geometry(centres: list[NDArray[np.float64]], grid: tuple[int, int, int], size: tuple[int, int, int]) -> Geometry:
    """Times as they are; height and width as a straight line through the inner cells (the outer ones feel the padding)."""
    even = Geometry.even(grid, size)
    rows = centres[0] if np.all(np.diff(centres[0]) > _EPS) else even.rows
    lines = [_line(centres[k], size[k]) for k in (1, 2)]
    return Geometry(rows, (lines[0][0], lines[1][0]), (lines[0][1], lines[1][1]))


def _line(centre: NDArray[np.float64], extent: int) -> tuple[float, float]:
    if len(centre) == 1:
        return float(centre[0]), float(extent)
    step = float(np.median(np.diff(centre)))
    step = step if step > _EPS else extent / len(centre)
    return float(np.median(centre - step * np.arange(len(centre)))), step
