"""Space-time cells: an even division of a clip into blocks, and sums of maps over them."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from notebook_explain._errors import UsageError, UsageTypeError
from notebook_explain._validation import check_int

Size = tuple[int, int, int]


@dataclass(frozen=True)
class Cells:
    """Even division of a clip into blocks.

    Attributes
    ----------
    size : (time, height, width)
        Of the clip.
    grid : (time, height, width)
        Number of blocks along each axis; at most one for each frame or pixel.
    """

    size: Size
    grid: Size

    def __post_init__(self) -> None:
        time, height, width = (min(cells, length) for cells, length in zip(self.grid, self.size, strict=True))
        object.__setattr__(self, "grid", (time, height, width))

    @property
    def count(self) -> int:
        """Number of blocks."""
        return int(np.prod(self.grid))

    @cached_property
    def starts(self) -> tuple[NDArray[np.int64], ...]:
        """First frame, row and column of each block."""
        return tuple(np.arange(cells) * length // cells for length, cells in zip(self.size, self.grid, strict=True))

    @cached_property
    def volumes(self) -> NDArray[np.float64]:
        """Number of voxels of each block: float64 (cell,)."""
        sides = [np.diff(starts, append=length) for starts, length in zip(self.starts, self.size, strict=True)]
        product = sides[0][:, None, None] * sides[1][:, None] * sides[2]
        return product.ravel().astype(np.float64)

    def sums(self, volume: NDArray[Any]) -> NDArray[np.float64]:
        """Return the sum of a map (time, height, width) in each block: float64 (cell,)."""
        total = volume.astype(np.float64)
        for axis, starts in enumerate(self.starts):
            total = np.add.reduceat(total, starts, axis)
        return total.ravel()

    def means(self, volume: NDArray[Any]) -> NDArray[np.float64]:
        """Return the mean of a map in each block: float64 (cell,)."""
        return self.sums(volume) / self.volumes

    def expand(self, chosen: torch.Tensor) -> torch.Tensor:
        """Return voxels (n, time, height, width) of chosen blocks (n, cell)."""
        chosen = chosen.reshape(len(chosen), *self.grid)
        for axis, (starts, length) in enumerate(zip(self.starts, self.size, strict=True), 1):
            repeats = torch.from_numpy(np.diff(starts, append=length)).to(chosen.device)
            chosen = chosen.repeat_interleave(repeats, axis)
        return chosen


def check_grid(grid: Any) -> Size:
    """Return a grid as three whole numbers of at least 1; one number stands for three."""
    if not isinstance(grid, (int, tuple, list)) or isinstance(grid, bool):
        raise UsageTypeError(f"grid must be a number of cells along each axis, such as (8, 8, 8); got {grid!r}")
    sides = (grid,) * 3 if isinstance(grid, int) else tuple(grid)
    if len(sides) != 3:
        raise UsageError(f"grid must be (time, height, width) in cells, such as (8, 8, 8); got {grid!r}")
    time, height, width = (check_int("grid", side) for side in sides)
    return time, height, width
