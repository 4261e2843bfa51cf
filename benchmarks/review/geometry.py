"""Positions of a map's cells in the clip, measured by impulses: change a known part, and note which cells change."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from benchmarks.review.arrangement import Reading
from benchmarks.review.reference import Clip, Reference, module_of

IMPULSES = 12
KEPT = 0.5  # of the largest change of a cell: smaller changes come from mixing, not from where a cell looks
RESOLVED = 0.4  # cells by which what changes moves with an impulse, per cell of an even division of the clip
MARGIN = 0.22  # of the clip's length, where padding would pull the centre inwards


class CellPositions(Protocol):
    """Stated positions of a map's cells: frames of its rows, centre of the first cell and step in pixels."""

    @property
    def rows(self) -> NDArray[np.float64]:
        """Clip frame of each row."""

    @property
    def origin(self) -> tuple[float, float]:
        """Pixel (y, x) of the centre of the first cell."""

    @property
    def step(self) -> tuple[float, float]:
        """Pixels (y, x) from one cell to the next."""


@dataclass(frozen=True)
class GeometryCheck:
    """Distance between the stated and the measured positions of one layer's cells.

    Attributes
    ----------
    name : str
    error : float
        Largest systematic distance in cells, over time, height and width: the part of the mean distance that is beyond two
        standard errors. After upsampling, in cells of the coarsest layer before, since nothing is placed finer. NaN where
        it cannot be measured.
    axis : str
        The axis of the largest distance.
    spread : float
        Root mean square distance of single impulses: large where a layer mixes all positions.
    """

    name: str
    error: float
    axis: str
    spread: float


def check_geometry(
    reference: Reference, layers: Mapping[str, tuple[Reading, CellPositions]], impulses: int = IMPULSES
) -> list[GeometryCheck]:
    """Plant impulses and compare the centres of what changes with the positions that maps claim.

    Parameters
    ----------
    reference : Reference
        Its kernels are made symmetric.
    layers : dict of name to (reading of its cells, claimed positions)
    impulses : int
    """
    reference.make_kernels_symmetric()
    clip = reference.clip
    modules = {module_of(name) for name in layers}
    base = reference.run(with_graph=False, modules=modules)
    measured: dict[str, list[tuple[NDArray[np.float64], ...]]] = {name: [] for name in layers}
    for centre, changed in _planted(clip, impulses):
        run = reference.run(with_graph=False, clip=changed, modules=modules)
        for name, (reading, positions) in layers.items():
            pairs = list(zip(base.find(name), run.find(name), strict=True))
            cells = reading([(after - before).square() for before, after in pairs]) if pairs else np.zeros(1)
            if cells.max() > 0:
                planted_at = (np.array(centre) + 0.5) * cells.shape / clip.shape[:3] - 0.5
                measured[name].append((_centre(cells), _claimed(np.array(centre), positions), planted_at))
    checks, fewest = [], (np.inf, np.inf)
    for name, impulses_found in measured.items():
        reading = layers[name][0]
        _, height, width = reading.grid
        fewest = (min(fewest[0], height), min(fewest[1], width))
        unit = np.array([1.0, fewest[0] / height, fewest[1] / width])
        checks.append(_check(name, reading, impulses_found, unit))
    return checks


def _planted(clip: Clip, impulses: int) -> list[tuple[tuple[float, float, float], Clip]]:
    """Return clips with noise in one small block each, and the centre of the block in frames and pixels."""
    rng = np.random.default_rng(7)
    frames, size = clip.shape[0], clip.shape[1]
    extent = np.array([max(1, frames // 8), max(4, size // 14), max(4, size // 14)])
    planted = []
    for index in range(impulses):
        lengths = np.array(clip.shape[:3])
        # One half of the impulses lies in the first half of each axis, in changing combinations.
        side = np.array([(index >> bit) & 1 for bit in (0, 1, 2)] if index < 8 else rng.integers(0, 2, 3))
        offset = MARGIN + (0.5 - MARGIN) * rng.random(3)
        middle = np.where(side == 0, offset, 1 - offset) * (lengths - 1)
        start = np.clip(np.round(middle - (extent - 1) / 2).astype(int), 0, lengths - extent)
        changed = clip.copy()
        window = tuple(slice(a, a + b) for a, b in zip(start, extent, strict=True))
        changed[window] = rng.integers(0, 2, changed[window].shape) * (255 if clip.dtype == np.uint8 else 1)
        t, y, x = start + (extent - 1) / 2
        planted.append(((float(t), float(y), float(x)), changed))
    return planted


def _centre(cells: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the mean cell, weighted by change, of the cells that change most."""
    kept = np.where(cells >= KEPT * cells.max(), cells, 0)
    total = kept.sum()
    return np.array(
        [
            (kept.sum(tuple(i for i in range(3) if i != axis)) * np.arange(kept.shape[axis])).sum() / total
            for axis in range(3)
        ]
    )


def _claimed(centre: NDArray[np.float64], positions: CellPositions) -> NDArray[np.float64]:
    """Return the cell, as fractional indices, that a map claims for a position of the clip."""
    rows = np.asarray(positions.rows)
    steps = np.diff(rows)
    if len(rows) > 1:
        time = float(np.interp(centre[0], rows, np.arange(len(rows))))
        time += min(0.0, (centre[0] - rows[0]) / steps[0]) + max(0.0, (centre[0] - rows[-1]) / steps[-1])
    else:
        time = 0.0
    y, x = ((centre[i + 1] - positions.origin[i]) / positions.step[i] for i in range(2))
    return np.array([time, y, x])


def _check(
    name: str, reading: Reading, impulses: list[tuple[NDArray[np.float64], ...]], unit: NDArray[np.float64]
) -> GeometryCheck:
    """Average the distances over the impulses of each half of an axis, so that random weights cancel and shifts do not."""
    if not impulses:
        return GeometryCheck(name, float("nan"), "", float("nan"))
    found, claimed, planted = (np.stack(values) for values in zip(*impulses, strict=True))
    worst, axis_name = 0.0, ""
    last = np.array(reading.grid) - 1
    inside = np.clip(claimed, -0.25, last + 0.25)  # an impulse beyond the outer cells shows in these
    off = np.abs(claimed - inside) > 1.0  # but not more than a cell beyond
    distance = np.where(off, found - claimed, found - inside) * unit
    for axis, label in enumerate(("time", "height", "width")):
        # A single cell does not tell where, nor do cells that all see the whole clip.
        if reading.extent[axis] == 1 or _slope(planted[:, axis], found[:, axis]) < RESOLVED:
            continue
        first = found[:, axis] < last[axis] / 2
        for half in (first, ~first):
            if half.sum() < 3:
                continue
            chance = 2 * float(distance[half, axis].std(ddof=1)) / np.sqrt(half.sum())
            if (error := abs(float(distance[half, axis].mean())) - chance) > worst:
                worst, axis_name = error, label
    return GeometryCheck(name, worst, axis_name, float(np.sqrt((distance**2).mean())))


def _slope(x: NDArray[np.float64], y: NDArray[np.float64]) -> float:
    """Return the slope of the line that fits best."""
    centred = x - x.mean()
    return float((centred * (y - y.mean())).sum() / max((centred**2).sum(), 1e-12))
