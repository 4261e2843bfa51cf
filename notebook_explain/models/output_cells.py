"""Cells of a network's output: where in the clip each of its scores lies, and which axis holds the classes.

Per-frame and dense networks return one score per class and cell. Which axes of the returned tensor are those of time, height
and width is measured: the trace follows positions up to the output (``layer_trace``), and along the axis of the classes they
do not change. The lengths of the axes say nothing: a clip may have as many frames as there are classes.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from notebook_explain.models.positions.extents import AXES, EPS, is_merged, narrow, position_along, spread
from notebook_explain.models.positions.merging import MINIMUM, is_mixed
from notebook_explain.models.positions.tensor import PositionTensor

Path = tuple[Any, ...]
Size = tuple[int, int, int]


@dataclass(frozen=True, eq=False)
class OutputPositions:
    """Measured positions of one tensor that a network returns.

    Attributes
    ----------
    shape : tuple of int
    positions : (t, y, x)
        Clip frame, pixel row and pixel column of every value, each of a shape that broadcasts to ``shape``; ``None`` along
        an axis of the clip on which the values have no positions of their own.
    is_mixed : bool
        A layer over time or over tokens has mixed all positions, so that an axis without positions may be one of the clip.
    """

    shape: tuple[int, ...]
    positions: tuple[torch.Tensor | None, torch.Tensor | None, torch.Tensor | None]
    is_mixed: bool = False

    def varies_along(self, axis: int) -> bool:
        """Return whether positions in the clip change along an axis of the tensor."""
        return any(
            position is not None and position.shape[axis] > 1 and bool((position.diff(dim=axis).abs() > MINIMUM).any())
            for position in self.positions
        )


def output_positions(ends: Iterable[tuple[Path, torch.Tensor]]) -> dict[Path, OutputPositions]:
    """Return the positions of the tensors that a traced network returned, by their path in what it returned."""
    return {path: _positions(tensor) for path, tensor in ends if isinstance(tensor, PositionTensor)}


def _positions(tensor: PositionTensor) -> OutputPositions:
    with torch._C.DisableTorchFunction():
        found = [
            None if is_merged(tensor, axis) or extent <= MINIMUM else position_along(tensor, axis).clone()
            for axis, extent in zip(AXES, spread(tensor), strict=True)
        ]
        t, y, x = (None if part is None else narrow(part) for part in found)
        has_mixture = any(is_mixed(tensor, axis, totally=True) for axis in AXES)
        return OutputPositions(tuple(tensor.shape), (t, y, x), has_mixture)


@dataclass(frozen=True, eq=False)
class Cells:
    """The cells over which the scores of a head are averaged.

    Attributes
    ----------
    positions : (t, y, x) of float arrays (cell,) or None
        In clip frames and pixels; ``None`` along an axis of the clip on which cells have no positions of their own.
    size : (time, height, width)
        Of the clip.
    noun : str
        What a cell is: "frame", "voxel", "pixel", "position", "view" ...
    """

    positions: tuple[NDArray[np.float64] | None, NDArray[np.float64] | None, NDArray[np.float64] | None]
    size: Size
    noun: str


UNMEASURED = "time step (or view)"
UNMEASURED_POSITION = "position"
_NOTHING = Cells((None, None, None), (1, 1, 1), UNMEASURED)


def cells_of(shape: Sequence[int], axis: int | None, measured: OutputPositions | None, size: Size) -> Cells:
    """Describe the cells of a tensor, in the order of its axes without that of the classes.

    Parameters
    ----------
    shape : sequence of int
    axis : int or None
        The axis of the classes; ``None`` if the tensor has none.
    measured : OutputPositions or None
    size : (time, height, width)
        Of the clip.
    """
    rest = [length for index, length in enumerate(shape) if index != axis]
    if measured is None:
        is_grid = sum(length > 1 for length in rest) > 1
        return Cells(_NOTHING.positions, size, UNMEASURED_POSITION if is_grid else UNMEASURED)
    parts: list[NDArray[np.float64] | None] = []
    for position in measured.positions:
        if position is not None and axis is not None:
            position = position.nanmean(axis) if position.shape[axis] > 1 else position.squeeze(axis)
        parts.append(None if position is None else position.expand(rest).flatten().double().cpu().numpy())
    t, y, x = parts
    noun = UNMEASURED if measured.is_mixed and t is y is x is None else _noun((t, y, x), size)
    return Cells((t, y, x), size, noun)


def _noun(positions: Sequence[NDArray[np.float64] | None], size: Size) -> str:
    counts = [0 if part is None else len(levels(part)) for part in positions]
    is_full = all(count in (0, length) for count, length in zip(counts, size, strict=True))
    has_time, has_place = counts[0] > 1, max(counts[1:]) > 1
    if has_time and has_place:
        return "voxel" if is_full and all(counts) else "position"
    if has_place:
        return "pixel" if is_full and all(counts[1:]) else "position in the picture"
    if has_time:
        return "frame" if is_full else "time step"
    return "view"


def levels(positions: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the different positions, ascending; those that are closer than rounding count as one."""
    known = np.sort(positions[np.isfinite(positions)])
    return known[np.concatenate([[True], np.diff(known) > EPS])] if len(known) else known


def class_axis(
    tensor: torch.Tensor,
    measured: OutputPositions | None,
    counts: set[int],
    rows: Sequence[torch.Tensor],
) -> tuple[int | None, bool]:
    """Return the axis of the classes, None if there is a single output, and whether it is measured.

    Parameters
    ----------
    tensor : tensor
        As the network returned it; at least two axes.
    measured : OutputPositions or None
        Its positions, if they could be followed.
    counts : set of int
        Numbers of classes that are known: of labels, or of the last layer's outputs.
    rows : sequence of tensor (..., class)
        Outputs of the last few layers with weights, classes last.
    """
    long = [axis for axis, length in enumerate(tensor.shape) if length > 1]
    if measured is None:
        return _unmeasured_axis(tensor, long, counts, rows)
    free = [axis for axis in long if not measured.varies_along(axis)]
    if len(free) == 1:
        return free[0], True
    if len(free) > 1:
        axis, is_known = _unmeasured_axis(tensor, free, counts, rows)
        return axis, is_known and (tensor.ndim == 2 or not measured.is_mixed)
    # Positions change along every axis: there is one output per cell, unless each class reads its own part of the clip.
    if tensor.ndim == 2 and tensor.shape[0] == 1 and tensor.shape[1] in counts:
        return (1, True) if long else (None, True)
    return None, True


def _unmeasured_axis(
    tensor: torch.Tensor, long: Sequence[int], counts: set[int], rows: Sequence[torch.Tensor]
) -> tuple[int | None, bool]:
    """Choose among axes by what the classifier returned, else by their lengths."""
    if tensor.ndim == 2:
        return (1 if tensor.shape[1] > 1 else None), True
    if not long:
        return None, True
    if len(long) == 1 and tensor.shape[0] == 1:
        return long[0], True
    counted = [axis for axis in long if tensor.shape[axis] in counts]
    matching = [axis for axis in counted or long if _holds_rows(tensor, axis, rows)]
    if len(matching) == 1:
        return matching[0], True
    if 1 in counts and not counted:
        return None, False
    return (1 if 1 in counted or not counted else counted[0]), False


def _holds_rows(tensor: torch.Tensor, axis: int, rows: Sequence[torch.Tensor]) -> bool:
    """Return whether the classifier's rows of scores run along an axis of the returned tensor."""
    found = tensor.detach().double().movedim(axis, -1).flatten(0, -2)
    for output in rows:
        if output.shape[-1] == found.shape[-1]:
            wanted = output.detach().double().flatten(0, -2)[0]
            if bool((found - wanted).abs().amax(-1).min() <= 1e-6 * wanted.abs().max()):
                return True
    return False


def joined_outputs(
    tensor: torch.Tensor, measured: OutputPositions | None
) -> tuple[torch.Tensor, OutputPositions | None]:
    """Join the axes along which positions do not change, as of coordinates (batch, joint, axis), into one at the end."""
    if measured is None:
        return tensor, None
    free = [axis for axis in range(1, tensor.ndim) if tensor.shape[axis] > 1 and not measured.varies_along(axis)]
    if len(free) < 2:
        return tensor, measured
    ends = list(range(-len(free), 0))
    joined = tensor.movedim(free, ends).flatten(-len(free))

    def moved(position: torch.Tensor | None) -> torch.Tensor | None:
        for axis in free if position is not None else ():
            position = position.narrow(axis, 0, 1)  # type: ignore[union-attr]
        return None if position is None else position.movedim(free, ends).flatten(-len(free))

    t, y, x = map(moved, measured.positions)
    return joined, OutputPositions(tuple(joined.shape), (t, y, x), measured.is_mixed)


def cell_scores(tensor: torch.Tensor, axis: int | None) -> torch.Tensor:
    """Return a tensor as (cell, class)."""
    return tensor.reshape(-1, 1) if axis is None else tensor.movedim(axis, -1).flatten(0, -2)


def measured_at(measured: Mapping[Path, OutputPositions], path: Path, shape: Sequence[int]) -> OutputPositions | None:
    """Return the positions of a tensor in what the network returned; None if they are unknown, or of another shape."""
    found = measured.get(path)
    return found if found is not None and found.shape == tuple(shape) else None
