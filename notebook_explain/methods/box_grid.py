"""Grids of overlapping boxes that cover a clip, and the mean over the boxes that cover each voxel."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from numpy.typing import NDArray

Size = tuple[int, int, int]
Values = NDArray[np.float64]


@dataclass(frozen=True)
class BoxGrid:
    """Boxes of one size at even distances, all inside the clip; the last one along each axis ends where the clip ends.

    Attributes
    ----------
    size, box, stride : (time, height, width) ints
        Of the clip, of a box, and from one box to the next; `stride` <= `box` <= `size`.
    """

    size: Size
    box: Size
    stride: Size

    @cached_property
    def starts(self) -> tuple[list[int], list[int], list[int]]:
        """First voxel of the boxes along time, height and width."""
        t, y, x = (
            [*range(0, length - box, stride), length - box]
            for length, box, stride in zip(self.size, self.box, self.stride, strict=True)
        )
        return t, y, x

    @property
    def shape(self) -> Size:
        """Number of boxes along time, height and width."""
        t, y, x = (len(starts) for starts in self.starts)
        return t, y, x

    @property
    def count(self) -> int:
        """Number of boxes."""
        return math.prod(self.shape)

    def visible(self, boxes: NDArray[np.intp]) -> torch.Tensor:
        """Return masks, float tensor (box, time, height, width): 0 in the box of that index, 1 elsewhere."""
        masks = torch.ones(len(boxes), *self.size)
        for mask, index in zip(masks, boxes, strict=True):
            t, y, x = (
                slice(starts[k], starts[k] + box)
                for starts, k, box in zip(self.starts, np.unravel_index(index, self.shape), self.box, strict=True)
            )
            mask[t, y, x] = 0
        return masks

    def order(self, values: Values) -> NDArray[np.intp]:
        """Return the indices of the boxes, those first in which a map (target, time, height, width) is largest in size.

        Each target counts in units of its own largest value.
        """
        sums = self._onto_boxes(np.abs(values))
        peaks = sums.max(axis=(1, 2, 3), keepdims=True)
        total = (sums / np.where(peaks > 0, peaks, 1)).sum(0)
        return np.argsort(-total.ravel(), kind="stable")

    def spread(self, values: Values) -> Values:
        """Return the sum over the boxes that cover each voxel, (..., time, height, width), of values (..., *shape)."""
        for axis, covers in zip((-3, -2, -1), self._covers, strict=True):
            values = np.moveaxis(np.tensordot(values, covers, (axis, 0)), -1, axis)
        return values

    def _onto_boxes(self, values: Values) -> Values:
        """Return the sum over the voxels of each box, (..., *shape)."""
        for axis, covers in zip((-3, -2, -1), self._covers, strict=True):
            values = np.moveaxis(np.tensordot(values, covers, (axis, 1)), -1, axis)
        return values

    @cached_property
    def _covers(self) -> list[Values]:
        """For each axis whether a box covers a position, (box, position)."""
        return [
            np.array([[float(start <= k < start + box) for k in range(length)] for start in starts])
            for starts, box, length in zip(self.starts, self.box, self.size, strict=True)
        ]


class Falls:
    """Falls of the score for the boxes of a grid, filled in any order.

    Parameters
    ----------
    grid : BoxGrid
    targets : int
        Number of targets.
    """

    def __init__(self, grid: BoxGrid, targets: int) -> None:
        self._grid = grid
        self._falls = np.zeros((targets, grid.count))
        self._known = np.zeros(grid.count)

    @property
    def measured(self) -> float:
        """Fraction of the boxes whose fall is known, 0..1."""
        return float(self._known.mean())

    def add(self, boxes: NDArray[np.intp], falls: Values) -> None:
        """Add the falls (box, target) of boxes by index."""
        self._falls[:, boxes] = falls.T
        self._known[boxes] = 1

    def values(self, before: Values) -> Values:
        """Return the mean over the known boxes that cover each voxel, (target, time, height, width); else `before`."""
        shape = self._grid.shape
        counts = self._grid.spread(self._known.reshape(shape))
        sums = self._grid.spread(self._falls.reshape(-1, *shape))
        found: Values = np.where(counts > 0.5, sums / np.maximum(counts, 1), before)
        return found


def levels_of(size: Size, box: Size, stride: Size, count: int) -> list[BoxGrid]:
    """Return at most `count` grids from large boxes to small ones; each doubles box and stride of the next, within the clip."""
    grids = [BoxGrid(size, box, stride)]
    while len(grids) < count:
        larger = _double(grids[0].box, size)
        if larger == size:
            break
        grids.insert(0, BoxGrid(size, larger, _double(grids[0].stride, larger)))
    return grids


def _double(sizes: Size, most: Size) -> Size:
    t, y, x = (min(2 * size, limit) for size, limit in zip(sizes, most, strict=True))
    return t, y, x
