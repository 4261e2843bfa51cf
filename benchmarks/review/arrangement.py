"""Order of a tensor's cells by time, height and width, for any layout."""

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

    @property
    def extent(self) -> tuple[int, int, int]:
        """Number of cells with values along each axis."""
        return self.grid

    def __call__(self, tensors: Sequence[Tensor]) -> NDArray[np.float64]:
        """Return the sums over channels of the only tensor: float64 (time, height, width)."""
        (tensor,) = tensors
        cells = tensor.detach().double().sum(self.channel).reshape(self.rows, -1)[:, self.first :]
        volume = cells.reshape([self.grid[axis] for axis in self.order])
        volume = volume.permute([self.order.index(axis) for axis in range(3)])
        return volume.flip(self.flips).numpy() if self.flips else volume.numpy()


@dataclass(frozen=True)
class MergedCalls:
    """One way to read the tensors of several calls of a module as one volume, each adding to a part of it.

    Attributes
    ----------
    calls : tuple of Arrangement
        Of each call, within its own part.
    grid : (time, height, width)
    axis, start, step, spread : int
        Cell i of call k lies at ``start + k * step + i * spread`` along this axis, and at i along the others.
    """

    calls: tuple[Arrangement, ...]
    grid: tuple[int, int, int]
    axis: int
    start: int
    step: int
    spread: int

    @property
    def extent(self) -> tuple[int, int, int]:
        """Number of cells with values along each axis."""
        return self.calls[0].grid if len(self.calls) == 1 else self.grid

    def __call__(self, tensors: Sequence[Tensor]) -> NDArray[np.float64]:
        """Return the sums over channels: float64 (time, height, width)."""
        total = np.zeros(self.grid)
        for index, (arrangement, tensor) in enumerate(zip(self.calls, tensors, strict=True)):
            begin = self.start + index * self.step
            end = begin + self.spread * (arrangement.grid[self.axis] - 1) + 1
            part = [slice(None)] * 3
            part[self.axis] = slice(begin, end, self.spread)
            total[tuple(part)] += arrangement([tensor])
        return total


Reading = Arrangement | MergedCalls


def readings(shapes: Sequence[Sequence[int]], grid: Sequence[int]) -> Iterator[Reading]:
    """Yield all ways to read the tensors of a layer as a grid: one tensor, or one for each call of a module."""
    if len(shapes) == 1:
        yield from arrangements(shapes[0], grid)
    if len({tuple(shape) for shape in shapes}) == 1:
        yield from _merged(shapes[0], len(shapes), grid)


def _merged(shape: Sequence[int], calls: int, grid: Sequence[int]) -> Iterator[MergedCalls]:
    """Yield ways in which equal parts lie along one axis, with at most one empty cell before and after them."""
    lengths = [(axis, length) for axis in range(3) for length in range(1, grid[axis] + 1)]
    for axis, length in lengths:
        part = [*grid[:axis], length, *grid[axis + 1 :]]
        ways = [way for way in arrangements(shape, part) if way.order == (0, 1, 2)]
        for start, step, spread in itertools.product(range(2), range(grid[axis]), sorted({1, calls})):
            reach = spread * (length - 1) + 1 + step * (calls - 1)
            if not start + reach <= grid[axis] <= reach + 2:
                continue
            for first, later in itertools.product(ways, ways):  # later calls may see the clip mirrored
                if not first.flips and (later.channel, later.rows) == (first.channel, first.rows):
                    every = (first, *[later] * (calls - 1))
                    yield MergedCalls(every, (grid[0], grid[1], grid[2]), axis, start, step, spread)


def arrangements(shape: Sequence[int], grid: Sequence[int]) -> Iterator[Arrangement]:
    """Yield all ways to read a tensor of this shape as a grid, the usual ones first."""
    time, height, width = grid
    cells, total = time * height * width, int(np.prod(shape))
    wanted = [size for size in grid if size > 1]

    def is_usual(axis: int) -> bool:
        return [size for index, size in enumerate(shape) if index != axis and size > 1] == wanted

    splits = [
        (axis, rows, (total // shape[axis] - cells) // rows)
        for axis in sorted(range(len(shape)), key=lambda axis: (not is_usual(axis), axis != 1, -axis))
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
