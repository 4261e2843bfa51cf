"""Positions of a coarse map's cells in the clip, and interpolation of a map over the clip.

A network's layer is coarser than the clip. ``Geometry`` holds the frame of each of its rows and the centre of each of its
cells in clip pixels; ``stretch`` interpolates between those centres (trilinear, the outer cells reaching to the border).
For an even division of the clip this equals ``torch.nn.functional.interpolate(align_corners=False)`` with half-pixel
centres; the viewer's shader does the same.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from notebook_explain._errors import UsageError


@dataclass(frozen=True, eq=False)
class Geometry:
    """Centres of the cells of a (time, height, width) map, in the clip's own units.

    Attributes
    ----------
    rows : float64 array (time of the map,)
        Clip frame of each row, fractional, strictly increasing.
    origin : (y, x) floats
        Clip pixel of the centre of the first cell (pixel centres at integers; may lie outside the clip).
    step : (y, x) floats
        Clip pixels from one cell to the next.
    """

    rows: NDArray[np.float64]
    origin: tuple[float, float]
    step: tuple[float, float]

    def __post_init__(self) -> None:
        rows = np.asarray(self.rows, np.float64)
        if rows.ndim != 1 or len(rows) == 0 or not np.all(np.isfinite(rows)) or np.any(np.diff(rows) <= 0):
            raise UsageError(f"rows must be finite and strictly increasing, got {rows!r}")
        if not all(np.isfinite(self.origin)) or not all(0 < step < np.inf for step in self.step):
            raise UsageError(f"origin must be finite and step above 0, got {self.origin} and {self.step}")
        object.__setattr__(self, "rows", rows)
        object.__setattr__(self, "origin", (float(self.origin[0]), float(self.origin[1])))
        object.__setattr__(self, "step", (float(self.step[0]), float(self.step[1])))

    @classmethod
    def even(cls, grid: tuple[int, int, int], size: tuple[int, int, int]) -> Geometry:
        """Divide a clip of ``size`` evenly into ``grid`` cells, each (time, height, width)."""
        scale = [length / cells for length, cells in zip(size, grid, strict=True)]
        rows = (np.arange(grid[0], dtype=np.float64) + 0.5) * scale[0] - 0.5
        return cls(rows, ((scale[1] - 1) / 2, (scale[2] - 1) / 2), (scale[1], scale[2]))


def beyond_outer_cells(
    geometry: Geometry,
    grid: tuple[int, int, int],
    frame: float,
    y: NDArray[np.floating[Any]],
    x: NDArray[np.floating[Any]],
) -> NDArray[np.float32]:
    """Return how many cells positions lie beyond the centres of the outermost cells, where a map is held constant.

    Parameters
    ----------
    geometry : Geometry
    grid : (time, height, width) of the map
        An axis of a single cell has no position, so nothing lies beyond it.
    frame : float
        Frame of the clip.
    y, x : float arrays (rows,), (columns,)
        Pixels of the clip.

    Returns
    -------
    float32 array (rows, columns)
        The largest of the three axes; 0 between the outer centres.
    """
    rows = geometry.rows
    steps = np.diff(rows) if len(rows) > 1 else np.full(1, np.inf)
    time = max((rows[0] - frame) / steps[0], (frame - rows[-1]) / steps[-1], 0.0)
    axes = []
    for axis, pixels in ((0, y), (1, x)):
        cell, last = (pixels - geometry.origin[axis]) / geometry.step[axis], grid[1 + axis] - 1
        axes.append(np.clip(np.maximum(-cell, cell - last), 0, None) if last else np.zeros(len(pixels)))
    return np.asarray(np.maximum(np.maximum(axes[0][:, None], axes[1]), time), np.float32)


def _weights(position: NDArray[np.float64], cells: int) -> NDArray[np.float32]:
    """Return (len(position), cells) weights of linear interpolation at fractional positions, clamped to the outer cells."""
    position = np.clip(position, 0, cells - 1)
    low = np.minimum(np.floor(position).astype(np.int64), max(cells - 2, 0))
    share = (position - low).astype(np.float32)
    weights = np.zeros((len(position), cells), np.float32)
    weights[np.arange(len(position)), low] = 1 - share
    if cells > 1:
        weights[np.arange(len(position)), low + 1] += share
    return weights


def stretch(values: NDArray[np.float32], geometry: Geometry, size: tuple[int, int, int]) -> NDArray[np.float32]:
    """Interpolate a map over the clip.

    Parameters
    ----------
    values : float array (..., time, height, width) of the map
    geometry : Geometry
        Geometry of that map.
    size : (time, height, width) of the clip

    Returns
    -------
    float32 array (..., time, height, width) of the clip
        Within the range of the map's values.

    Raises
    ------
    ValueError
        The map and the geometry have different numbers of rows.
    """
    time, height, width = values.shape[-3:]
    if time != len(geometry.rows):
        raise UsageError(
            f"the map has {time} rows, but the geometry has {len(geometry.rows)}; they belong to different layers"
        )
    row = np.interp(np.arange(size[0]), geometry.rows, np.arange(time))
    i = (np.arange(size[1], dtype=np.float64) - geometry.origin[0]) / geometry.step[0]
    j = (np.arange(size[2], dtype=np.float64) - geometry.origin[1]) / geometry.step[1]
    wide = values.astype(np.float32) @ _weights(j, width).T
    tall = _weights(i, height) @ wide
    flat = tall.reshape(*tall.shape[:-2], size[1] * size[2])
    return (_weights(row, time) @ flat).reshape(*values.shape[:-3], *size)
