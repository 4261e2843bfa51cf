"""Regions of a target: how much each cell of a dense network's output counts in the score that is explained.

Every frame and every pixel of the clip belongs to the cell of the output that lies nearest along its axis, half to each of
two at the same distance. The weight of a cell is the share of its frames and pixels that lie in the region. A cell that has
none, as in an output that is finer than the clip, takes its nearest frame and pixel. A mask on the grid of the output itself
needs no such rule. Weights add up to 1.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from notebook_explain._errors import UsageError
from notebook_explain.explanations.targets import Target
from notebook_explain.explanations.text import percent
from notebook_explain.models.output_cells import Cells, levels
from notebook_explain.models.positions.extents import EPS

Weights = NDArray[np.float64]


def has_region(target: Target) -> bool:
    """Return whether a target names a region or a moment."""
    return target.where is not None or target.frames is not None


def has_any_region(target: Target) -> bool:
    """Return whether a target, or the one that is subtracted, names a region or a moment."""
    return has_region(target) or (target.against is not None and has_region(target.against))


def region_text(target: Target) -> str:
    """Describe the region of a target: "frames 11 to 20", "a region of 3.1 % of the clip"; "" if there is none."""
    parts = []
    if target.frames is not None:
        first, end = target.frames
        parts.append(f"frame {end}" if end - first == 1 else f"frames {first + 1} to {end}")
    if target.where is not None:
        mask = np.asarray(target.where)
        parts.append(f"a region of {percent(float(mask.mean()))} of the {'clip' if mask.ndim == 3 else 'picture'}")
    return ", ".join(parts)


def cell_weights(target: Target, cells: Cells | None) -> Weights:
    """Return the weights of the cells of a head; they add up to 1.

    Raises
    ------
    ValueError
        The network has one score per clip, or none along the axes of the region; the mask has another size, the frames
        lie outside the clip, or no cell lies in the region.
    """
    _check_positions(target, cells)
    assert cells is not None
    grids = [np.zeros(1) if part is None else levels(part) for part in cells.positions]
    shares = [_shares(grid, length) for grid, length in zip(grids, cells.size, strict=True)]
    weights = np.ones([len(grid) for grid in grids])
    inside = np.ones(cells.size[0])
    if target.frames is not None:
        first, end = target.frames
        if end > cells.size[0]:
            raise UsageError(f"frames {target.frames} lie outside the clip, which has frames 0 to {cells.size[0] - 1}")
        inside[:first] = inside[end:] = 0
        weights = weights * (shares[0] @ inside)[:, None, None]
    if target.where is not None:
        weights = _mask_weights(np.asarray(target.where), [len(grid) for grid in grids], cells.size, shares, inside)
    found = _of_cells(weights, grids, cells)
    total = float(found.sum())
    if total <= 0:
        raise UsageError(
            "no cell of the network's output lies in the region of the target (where= and frames= together)"
        )
    return found / total


def _check_positions(target: Target, cells: Cells | None) -> None:
    """Raise ValueError unless the cells have positions along the axes that a target chooses from."""
    if cells is None:
        raise UsageError(
            "this model returns one score per clip, so there is no region to choose: leave out where= and frames= of the target"
        )
    time, *place = (part is not None for part in cells.positions)
    for argument, needed in (("frames", time), ("where", any(place))):
        if getattr(target, argument) is not None and not needed:
            raise UsageError(
                f"{argument}= cannot be used with this model: it returns one score per {cells.noun}, whose position in "
                f"{'time' if argument == 'frames' else 'the picture'} is not known"
            )


def _mask_weights(
    mask: NDArray[np.bool_], grid: Sequence[int], size: Sequence[int], shares: Sequence[Weights], inside: Weights
) -> Weights:
    """Return the weights of a grid of cells (time, height, width) from a mask on this grid, or in pixels of the clip."""
    dims = mask.ndim
    if mask.shape == tuple(grid[-dims:]) and mask.shape != tuple(size[-dims:]):
        return np.broadcast_to(mask, grid) * (shares[0] @ inside)[:, None, None]
    if mask.shape != tuple(size[-dims:]):
        raise UsageError(
            f"where is {_times(mask.shape)}, but the clip that the network sees has {_times(size)} (time, height, width) and its "
            f"output {_times(grid)} cells; give a mask of one of these sizes, without time if it is the same in all frames"
        )
    pixels = np.broadcast_to(mask, size) * inside[:, None, None]
    weights: Weights = np.einsum("at,by,cx,tyx->abc", *shares, pixels, optimize=True)
    return weights


def _times(lengths: Sequence[int]) -> str:
    return "x".join(map(str, lengths))


def _shares(grid: Weights, length: int) -> Weights:
    """Return the share of each frame or pixel of an axis in each cell (cell, position); rows add up to 1."""
    if len(grid) == 1:
        return np.full((1, length), 1 / length)
    distance = np.abs(grid[:, None] - np.arange(length))
    nearest = (distance <= distance.min(0) + EPS).astype(np.float64)
    shares = nearest / nearest.sum(0)
    for row in np.flatnonzero(shares.sum(1) == 0):
        shares[row, distance[row].argmin()] = 1
    normalised: Weights = shares / shares.sum(1, keepdims=True)
    return normalised


def _of_cells(weights: Weights, grids: Sequence[Weights], cells: Cells) -> Weights:
    """Return the weight of each cell, given those of a grid; cells without a position have none."""
    index, known = [], np.array(True)
    for grid, part in zip(grids, cells.positions, strict=True):
        if part is None:
            index.append(np.array(0))
            continue
        known = known & np.isfinite(part)
        nearest = np.searchsorted(grid, np.nan_to_num(part) + EPS, side="right") - 1
        index.append(nearest.clip(0, len(grid) - 1))
    found = weights[tuple(np.broadcast_arrays(*index))]
    return np.where(known, found, 0.0)
