"""Cells and voxels: which cell of a coarse grid each voxel of a clip belongs to."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from notebook_explain.explanations.geometry import Geometry

Grid = tuple[int, int, int]


def nearest_cells(geometry: Geometry, grid: Grid, size: Grid) -> NDArray[np.int64]:
    """Return the nearest cell of every voxel: int64 (time, height, width) of the clip, an index into the flattened grid.

    Parameters
    ----------
    geometry : Geometry
        Positions of the cells.
    grid : (time, height, width) in cells
    size : (time, height, width) of the clip
    """
    rows = np.abs(np.arange(size[0])[:, None] - geometry.rows).argmin(1)
    axes = []
    for axis in (0, 1):
        position = (np.arange(size[1 + axis]) - geometry.origin[axis]) / geometry.step[axis]
        # Halves go up, as in a nearest-neighbour enlargement.
        axes.append(np.clip(np.floor(position + 0.5 + 1e-9), 0, grid[1 + axis] - 1).astype(np.int64))
    return np.asarray((rows[:, None, None] * grid[1] + axes[0][:, None]) * grid[2] + axes[1], np.int64)


def over_clip(labels: NDArray[np.integer], geometry: Geometry, size: Grid) -> NDArray[np.int16]:
    """Return labels of cells, integers (..., time, height, width), at every voxel of the clip."""
    grid = (labels.shape[-3], labels.shape[-2], labels.shape[-1])
    if grid == size:
        return np.asarray(labels, np.int16)
    found = labels.reshape(*labels.shape[:-3], -1)[..., nearest_cells(geometry, grid, size)]
    return np.asarray(found, np.int16)
