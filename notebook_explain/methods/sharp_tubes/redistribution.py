"""Redistribute the evidence of a coarse map over the pixels of the clip, so that no evidence is lost and none is added.

A cell p of the coarse map with evidence e_p gives it to the pixels x in proportion to a map f of detail, within a wide
Gaussian window u(x, p) around the cell::

    S(x) = sum_p e_p w_p(x)      w_p(x) = f(x) u(x, p) / sum_x' f(x') u(x', p)

Every w_p is at least 0 and sums to 1, so S sums to the evidence of all cells, for any f. Positive and negative evidence are
redistributed each by a map of its own.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from notebook_explain.explanations import Geometry, LayerMap, TargetResult
from notebook_explain.explanations.layer_map import SHARP

WINDOW = 2.5  # standard deviation, in cells of each axis
_FLOOR, _LEAST = 1e-6, 1e-30  # added to f: in units of its mean, and absolutely

Window = NDArray[np.float64]  # (pixels or frames, cells)


def sharp_map(name: str, source: LayerMap, details: NDArray[np.floating], targets: Sequence[TargetResult]) -> LayerMap:
    """Return the evidence of a coarse map at the resolution of the clip.

    Parameters
    ----------
    name : str
        Of the new map.
    source : LayerMap
        The exact coarse map whose evidence is redistributed.
    details : float array (2 * target, time, height, width) of the clip
        For each target, the maps of detail for its positive and for its negative evidence.
    targets : sequence of TargetResult
    """
    size = (details.shape[1], details.shape[2], details.shape[3])
    over = windows(source, size)
    values = np.empty((len(targets), *size), np.float32)
    for index, cells in enumerate(source.values.astype(np.float64) / source.values[0].size):
        evidence_for = redistributed(np.maximum(cells, 0), details[2 * index], over)
        evidence_against = redistributed(np.maximum(-cells, 0), details[2 * index + 1], over)
        values[index] = (evidence_for - evidence_against) * values[index].size
    logits = np.array([target.logit for target in targets], np.float64)
    gap = (logits - values.mean(axis=(1, 2, 3), dtype=np.float64)).astype(np.float32)
    return LayerMap(name, SHARP, values, Geometry.even(size, size), None, gap, source.reliability)


def windows(layer: LayerMap, size: tuple[int, int, int]) -> tuple[Window, Window, Window]:
    """Return the weights of a map's cells at each frame, row and column of a clip.

    Parameters
    ----------
    layer : LayerMap
    size : (time, height, width) of the clip
    """
    geometry = layer.geometry
    y = geometry.origin[0] + geometry.step[0] * np.arange(layer.grid[1], dtype=np.float64)
    x = geometry.origin[1] + geometry.step[1] * np.arange(layer.grid[2], dtype=np.float64)
    t, y, x = (_window(centres, length) for centres, length in zip((geometry.rows, y, x), size, strict=True))
    return t, y, x


def _window(centres: NDArray[np.float64], length: int) -> Window:
    if len(centres) == 1:  # a single cell has no position
        return np.ones((length, 1))
    sigma = WINDOW * float(np.diff(centres).mean())
    distance = (np.arange(length)[:, None] - centres) / sigma
    nearest = np.abs(distance).min(axis=0)  # a cell outside the clip keeps a window that is not all zeros
    weights: Window = np.exp((nearest**2 - distance**2) / 2)
    return weights


def redistributed(
    evidence: NDArray[np.floating], detail: NDArray[np.floating], over: tuple[Window, Window, Window]
) -> NDArray[np.float64]:
    """Return the evidence of the cells, each 0 or more, as a map over the clip with the same sum.

    Parameters
    ----------
    evidence : float array (time, height, width) in cells
    detail : float array (time, height, width) of the clip
        0 or more. Where it is 0 everywhere, evidence is spread by the windows alone.
    over : windows
        As `windows` returns them.
    """
    f = detail.astype(np.float64)
    f += _FLOOR * f.mean() + _LEAST
    received = _along_axes(f, [window.T for window in over])  # sum_x f(x) u(x, p)
    spread: NDArray[np.float64] = f * _along_axes(evidence.astype(np.float64) / received, over)
    return spread


def _along_axes(values: NDArray[np.float64], matrices: Sequence[Window]) -> NDArray[np.float64]:
    """Multiply an array (time, height, width) by one matrix along each axis."""
    for axis, matrix in enumerate(matrices):
        values = np.moveaxis(np.tensordot(matrix, values, axes=(1, axis)), 0, axis)
    return values
