"""Combine the maps of parallel pathways into one map whose sum is the sum of theirs.

A network with several pathways, streams or scales reads the class from several tensors, and each map holds a part of the
evidence only. Their cells differ, so each map is first resampled to the finest grid: a cell distributes its evidence among
the fine cells around its centre, by the weights of linear interpolation, which are scaled to add up to 1 for each cell. No
evidence is lost and none is added.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from notebook_explain.explanations import Geometry, LayerMap

COMBINED = "combined"
NAME = "all pathways"


def combine(maps: Sequence[LayerMap]) -> LayerMap:
    """Return the sum of the maps of pathways on their finest grid.

    Parameters
    ----------
    maps : sequence of LayerMap
        Whose means add up to the score without the constant of the head.
    """
    centres = [_finest([_centres(layer)[axis] for layer in maps]) for axis in range(3)]
    total = np.zeros((maps[0].values.shape[0], *(len(axis) for axis in centres)), np.float64)
    for layer in maps:
        values = layer.values.astype(np.float64) / layer.values[0].size
        for axis, (fine, coarse) in enumerate(zip(centres, _centres(layer), strict=True)):
            values = np.moveaxis(np.moveaxis(values, axis + 1, -1) @ distribution(coarse, fine), -1, axis + 1)
        total += values
    values = (total * total[0].size).astype(np.float32)
    t, y, x = centres
    steps = [layer.geometry.step for layer in maps]
    step = (_step(y, min(step[0] for step in steps)), _step(x, min(step[1] for step in steps)))
    geometry = Geometry(t, (float(y[0]), float(x[0])), step)
    return LayerMap(NAME, COMBINED, values, geometry, None, maps[-1].gap)


def distribution(coarse: NDArray[np.float64], fine: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return weights (coarse cell, fine cell) with which coarse cells distribute their evidence; each row adds up to 1.

    Parameters
    ----------
    coarse, fine : float64 arrays
        Increasing centres of cells along one axis.
    """
    position = np.interp(fine, coarse, np.arange(len(coarse)))
    weights = np.maximum(1 - np.abs(position[None] - np.arange(len(coarse))[:, None]), 0)
    for cell in np.flatnonzero(weights.sum(axis=1) < 1e-9):  # no fine cell lies around this centre
        weights[cell, np.abs(fine - coarse[cell]).argmin()] = 1
    scaled: NDArray[np.float64] = weights / weights.sum(axis=1, keepdims=True)
    return scaled


def _centres(layer: LayerMap) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    geometry, (_, height, width) = layer.geometry, layer.grid
    y = geometry.origin[0] + geometry.step[0] * np.arange(height, dtype=np.float64)
    x = geometry.origin[1] + geometry.step[1] * np.arange(width, dtype=np.float64)
    return geometry.rows, y, x


def _finest(axes: Sequence[NDArray[np.float64]]) -> NDArray[np.float64]:
    return max(axes, key=len)


def _step(centres: NDArray[np.float64], otherwise: float) -> float:
    return float(centres[1] - centres[0]) if len(centres) > 1 else otherwise
