"""Units: parts of a clip that are grouped into concepts, and what a layer says of each of them.

A unit is a set of voxels. A layer's features are averaged over them, each cell with the share of the unit that lies in it, and
the evidence of a cell is spread evenly over its voxels. For the positions of the layer itself, both leave them as they are.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from notebook_explain.explanations import Geometry
from notebook_explain.explanations.concepts.cells import Grid, nearest_cells, over_clip
from notebook_explain.models import Layer

Floats = NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class Segmentation:
    """Division of a clip into units, at one or several resolutions.

    Attributes
    ----------
    labels : int array (level, time, height, width)
        Index of the unit of each cell, -1 for none. Every unit belongs to one level.
    geometry : Geometry
        Positions of the cells in the clip.
    count : int
        Number of units.
    copies : int64 array (unit,)
        Unit whose concept each unit takes: its own index, or that of a unit of a coarser level that it repeats.
    """

    labels: NDArray[np.integer]
    geometry: Geometry
    count: int
    copies: NDArray[np.int64]

    @classmethod
    def at_voxels(cls, labels: NDArray[np.integer], copies: NDArray[np.int64]) -> Segmentation:
        """Return a division of the voxels themselves: labels (level, time, height, width) of the clip."""
        size = (labels.shape[1], labels.shape[2], labels.shape[3])
        return cls(labels, Geometry.even(size, size), len(copies), copies)

    @property
    def distinct(self) -> NDArray[np.bool_]:
        """True for units that repeat no other: bool (unit,)."""
        return np.asarray(self.copies == np.arange(self.count), np.bool_)

    def overlaps(self, geometry: Geometry, grid: Grid, size: Grid) -> NDArray[np.int64]:
        """Return the number of voxels that units share with the cells of a layer: int64 (level, unit, cell)."""
        cells = nearest_cells(geometry, grid, size)
        number = int(np.prod(grid))
        found = []
        for labels in self.labels:
            units = over_clip(labels, self.geometry, size).astype(np.int64)
            inside = units >= 0
            counts = np.bincount(units[inside] * number + cells[inside], minlength=self.count * number)
            found.append(counts.reshape(self.count, number))
        return np.stack(found)


def positions_of(layer: Layer) -> Segmentation:
    """Return the cells of a layer as units."""
    count = int(np.prod(layer.grid))
    return Segmentation(np.arange(count).reshape(1, *layer.grid), layer.geometry, count, np.arange(count))


@dataclass(frozen=True, eq=False)
class LayerCells:
    """Features and evidence of one clip at the cells of one layer.

    Attributes
    ----------
    geometry : Geometry
    grid : (time, height, width) in cells
    features : float32 array (channel, cell)
    evidence : float32 array (cell,)
        In units of the score.
    """

    geometry: Geometry
    grid: Grid
    features: Floats
    evidence: Floats


def unit_features(segmentation: Segmentation, cells: LayerCells, size: Grid) -> Floats:
    """Return the features of a layer averaged over each unit: float32 (unit, channel)."""
    if _are_cells(segmentation, cells):
        return np.ascontiguousarray(cells.features.T)
    shared = segmentation.overlaps(cells.geometry, cells.grid, size).sum(0).astype(np.float32)
    weights = shared / np.maximum(shared.sum(1, keepdims=True), 1)
    return np.asarray(weights @ cells.features.T, np.float32)


def unit_evidence(segmentation: Segmentation, cells: LayerCells, size: Grid) -> Floats:
    """Return the evidence inside each unit: float32 (level, unit); each level divides the same evidence."""
    if _are_cells(segmentation, cells):
        return np.asarray(cells.evidence[None], np.float32)
    shared = segmentation.overlaps(cells.geometry, cells.grid, size)
    voxels = np.bincount(nearest_cells(cells.geometry, cells.grid, size).ravel(), minlength=shared.shape[2])
    return np.asarray(shared @ (cells.evidence / np.maximum(voxels, 1)), np.float32)


def _are_cells(segmentation: Segmentation, cells: LayerCells) -> bool:
    return segmentation.geometry is cells.geometry and segmentation.labels.shape == (1, *cells.grid)


def descriptors(segmentation: Segmentation, layers: Sequence[LayerCells], size: Grid) -> Floats:
    """Return the features of each unit in all layers, each layer of length 1: float32 (unit, channels)."""
    return np.concatenate([normalised(unit_features(segmentation, cells, size)) for cells in layers], 1)


def normalised(values: Floats) -> Floats:
    """Return rows of length 1; rows of zeros stay."""
    lengths = np.linalg.norm(values, axis=1, keepdims=True)
    return np.asarray(values / np.where(lengths > 0, lengths, 1), np.float32)


@dataclass(frozen=True, eq=False)
class ClipUnits:
    """Units of one clip.

    Attributes
    ----------
    segmentation : Segmentation
    descriptors : float32 array (unit, channels)
    """

    segmentation: Segmentation
    descriptors: Floats
