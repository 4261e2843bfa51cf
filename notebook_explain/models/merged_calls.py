"""Merge several calls of one module into one layer: calls that see different parts of the clip, next to each other.

A network may run a module once per frame or once per window. Each call then has cells in its part of the clip only. Their
union is one layer; a cell that two calls share holds the sum of their evidence. Where the calls together leave parts of the
clip out, cells without evidence are added, so that nothing is drawn there.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from notebook_explain.explanations import Geometry
from notebook_explain.models.layer_trace import TensorRef
from notebook_explain.models.layouts import Layout

Cells = tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]
Grid = tuple[int, int, int]
_EPS = 1e-3  # frames or pixels


@dataclass(frozen=True, eq=False)
class LayerPart:
    """A tensor of a layer, and the cells of the layer's grid that it fills.

    Attributes
    ----------
    ref : TensorRef
        How to find the tensor in a pass.
    layout : Layout
    cells : (time, height, width) int64 arrays, or None
        Index of the tensor's cells along each axis of the layer's grid; None if it fills the grid.
    is_exclusive : bool
        Count only what this call passes on, not other uses of the same tensor.
    """

    ref: TensorRef
    layout: Layout
    cells: Cells | None = None
    is_exclusive: bool = False

    def add(self, total: torch.Tensor, values: torch.Tensor) -> None:
        """Add values at this part's cells to the values at all cells of the layer, both (time, height, width)."""
        if self.cells is None:
            total += values
        else:
            total[self._index(total.device)] += values

    def write(self, whole: torch.Tensor, volume: torch.Tensor) -> None:
        """Write this part's cells into all cells of the layer, both (1, channel, time, height, width)."""
        if self.cells is None:
            whole.copy_(volume)
        else:
            whole[(slice(None), slice(None), *self._index(whole.device))] = volume

    def _index(self, device: torch.device) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        assert self.cells is not None
        t, y, x = (torch.from_numpy(axis).to(device) for axis in self.cells)
        return t[:, None, None], y[:, None], x


def merge(
    grids: Sequence[Grid], geometries: Sequence[Geometry], size: Grid
) -> tuple[Grid, Geometry, list[Cells | None]] | None:
    """Return the union of the cells of several calls; None if they do not lie next to each other on one grid.

    Parameters
    ----------
    grids : sequence of (time, height, width)
    geometries : sequence of Geometry
    size : (time, height, width) of the clip
    """
    if _are_equal(grids, geometries):
        return grids[0], geometries[0], [None] * len(grids)
    axes = [_union_of_rows(geometries)]
    for axis in (0, 1):
        union = _union_of_lines(grids, geometries, axis)
        if union is None:
            return None
        axes.append(union)
    first_steps = (None, *geometries[0].step)
    centres = [_cover(union, size[axis], _step(union, first_steps[axis])) for axis, union in enumerate(axes)]
    cells: list[Cells | None] = []
    for grid, geometry in zip(grids, geometries, strict=True):
        lines = (geometry.rows, *(_line(grid, geometry, axis) for axis in (0, 1)))
        cells.append(tuple(_indices(centre, positions) for centre, positions in zip(centres, lines, strict=True)))  # type: ignore[arg-type]
    y, x = centres[1], centres[2]
    step = (_step(y, geometries[0].step[0]) or 1.0, _step(x, geometries[0].step[1]) or 1.0)
    merged = Geometry(centres[0], (float(y[0]), float(x[0])), step)
    return (len(centres[0]), len(y), len(x)), merged, cells


def limit_to_call(
    grid: Grid, geometry: Geometry, all_calls: Sequence[Geometry], size: Grid
) -> tuple[Grid, Geometry, Cells]:
    """Return the cells of a single call, with empty cells around them in time where it did not see the clip.

    Parameters
    ----------
    grid : (time, height, width)
    geometry : Geometry
        Of this call.
    all_calls : sequence of Geometry
        Of all calls of the module; their distance in time is the extent of a single row.
    size : (time, height, width) of the clip
    """
    step = _step(geometry.rows, _step(_union_of_rows(all_calls), None))
    rows = _cover(geometry.rows, size[0], step)
    cells = (_indices(rows, geometry.rows), np.arange(grid[1]), np.arange(grid[2]))
    return (len(rows), *grid[1:]), Geometry(rows, geometry.origin, geometry.step), cells


def _are_equal(grids: Sequence[Grid], geometries: Sequence[Geometry]) -> bool:
    return len({_key(grid, geometry) for grid, geometry in zip(grids, geometries, strict=True)}) == 1


def _key(grid: Grid, geometry: Geometry) -> tuple[object, ...]:
    lines = np.round(np.array([*geometry.rows, *geometry.origin, *geometry.step]) / _EPS)
    return (grid, *lines.tolist())


def are_neighbours(grids: Sequence[Grid], geometries: Sequence[Geometry], size: Grid) -> bool:
    """Return whether calls see different parts of the clip: no two have the same cells, and no two see all of it."""
    keys = {_key(grid, geometry) for grid, geometry in zip(grids, geometries, strict=True)}
    steps = {tuple(np.round(np.array(geometry.step) / _EPS)) for geometry in geometries}
    see_all = [_sees_all(grid, geometry, size) for grid, geometry in zip(grids, geometries, strict=True)]
    return len(keys) == len(geometries) > 1 and len(steps) == 1 and sum(see_all) < 2


def _sees_all(grid: Grid, geometry: Geometry, size: Grid) -> bool:
    """Return whether the cells reach to less than one cell from every border of the clip."""
    centres = (geometry.rows, _line(grid, geometry, 0), _line(grid, geometry, 1))
    steps = (_step(geometry.rows, 1.0) or 1.0, *geometry.step)
    return all(
        line[0] < step and line[-1] > extent - 1 - step for line, step, extent in zip(centres, steps, size, strict=True)
    )


def _line(grid: Grid, geometry: Geometry, axis: int) -> NDArray[np.float64]:
    line: NDArray[np.float64] = geometry.origin[axis] + geometry.step[axis] * np.arange(
        grid[axis + 1], dtype=np.float64
    )
    return line


def _union_of_rows(geometries: Sequence[Geometry]) -> NDArray[np.float64]:
    return _distinct(np.concatenate([geometry.rows for geometry in geometries]))


def _union_of_lines(grids: Sequence[Grid], geometries: Sequence[Geometry], axis: int) -> NDArray[np.float64] | None:
    """Return the distinct positions along height or width; None unless they are evenly spaced."""
    lines = [_line(grid, geometry, axis) for grid, geometry in zip(grids, geometries, strict=True)]
    union = _distinct(np.concatenate(lines))
    steps = np.diff(union)
    return union if len(union) < 2 or np.ptp(steps) <= 2 * _EPS else None


def _distinct(positions: NDArray[np.float64]) -> NDArray[np.float64]:
    ordered = np.sort(positions)
    distinct: NDArray[np.float64] = ordered[np.concatenate([[True], np.diff(ordered) > _EPS])]
    return distinct


def _indices(centres: NDArray[np.float64], positions: NDArray[np.float64]) -> NDArray[np.int64]:
    nearest: NDArray[np.int64] = np.abs(centres[None] - positions[:, None]).argmin(axis=1).astype(np.int64)
    return nearest


def _step(centres: NDArray[np.float64], otherwise: float | None) -> float | None:
    return float(np.median(np.diff(centres))) if len(centres) > 1 else otherwise


def _cover(centres: NDArray[np.float64], extent: int, step: float | None) -> NDArray[np.float64]:
    """Add a position before and after, where at least one whole cell of the clip is left out."""
    if step is None:
        return centres
    before = [centres[0] - step] if centres[0] - step > -0.5 + step / 2 - _EPS else []
    after = [centres[-1] + step] if centres[-1] + step < extent - 0.5 - step / 2 + _EPS else []
    return np.concatenate([before, centres, after])
