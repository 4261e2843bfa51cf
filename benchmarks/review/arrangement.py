"""How the cells of a tensor are put into the order time, height, width, whatever its layout."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

MAX_TOKENS = 5  # class and register tokens in front of the others


@dataclass(frozen=True)
class Arrangement:
    """One way to read a tensor as a volume.

    Attributes
    ----------
    channel : int
        Axis that is summed.
    rows, first : int
        The rest is split into this many rows, and this many values in front of each row are left out.
    grid : (time, height, width)
    order : tuple of int
        Axes of the grid in the order in which the tensor has them.
    flips : tuple of int
        Axes of the grid that run backwards.
    """

    channel: int
    rows: int
    first: int
    grid: tuple[int, int, int]
    order: tuple[int, int, int]
    flips: tuple[int, ...]

    def __call__(self, tensor: Tensor) -> NDArray[np.float64]:
        """Return the sums over channels: float64 (time, height, width)."""
        cells = tensor.detach().double().sum(self.channel).reshape(self.rows, -1)[:, self.first :]
        volume = cells.reshape([self.grid[axis] for axis in self.order])
        volume = volume.permute([self.order.index(axis) for axis in range(3)])
        return volume.flip(self.flips).numpy() if self.flips else volume.numpy()


def arrangements(shape: Sequence[int], grid: Sequence[int]) -> Iterator[Arrangement]:
    """Yield all ways to read a tensor of this shape as a grid, the usual ones first."""
    time, height, width = grid
    cells, total = time * height * width, int(np.prod(shape))
    wanted = [size for size in grid if size > 1]

    def is_usual(axis: int) -> bool:
        return [size for index, size in enumerate(shape) if index != axis and size > 1] == wanted

    splits = [
        (axis, rows, (total // shape[axis] - cells) // rows)
        for axis in sorted(range(len(shape)), key=lambda axis: (not is_usual(axis), -axis))
        for rows in sorted({1, time})
        if _fits(total // shape[axis] - cells, rows, cells)
    ]
    orders = list(itertools.permutations(range(3)))
    flips = [axes for count in range(4) for axes in itertools.combinations(range(3), count)]
    for flip, order, (axis, rows, first) in itertools.product(flips, orders, splits):
        if all(grid[i] > 1 for i in flip):
            yield Arrangement(axis, rows, first, (time, height, width), order, flip)  # type: ignore[arg-type]


def _fits(extra: int, rows: int, cells: int) -> bool:
    if extra == 0:
        return rows == 1
    return extra > 0 and extra % rows == 0 and cells % rows == 0 and extra // rows <= MAX_TOKENS
