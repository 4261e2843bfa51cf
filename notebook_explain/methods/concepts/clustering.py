"""K-means with k-means++ starts, in numpy: clusters of units that look alike to the network.

References: Arthur, Vassilvitskii: k-means++: The Advantages of Careful Seeding, SODA 2007 (with several candidates for each
centre, the best of which is kept); Lloyd: Least Squares Quantization in PCM, 1982.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
Labels = NDArray[np.int64]
_BLOCK = 2**22  # distances computed at once
_MOVED = 1e-4  # mean squared shift of the centres, in units of the variance, below which they have settled


def kmeans(points: Floats, count: int, seed: int, *, iterations: int = 100) -> tuple[Labels, Floats]:
    """Group points around centres.

    Parameters
    ----------
    points : float array (point, channel)
    count : int
        Number of clusters; there are fewer if there are fewer distinct points.
    seed : int
    iterations : int
        Largest number of steps.

    Returns
    -------
    labels : int64 array (point,)
    centres : float32 array (cluster, channel)
        Every cluster has at least one point.
    """
    points = np.ascontiguousarray(points, np.float32)
    centres = _starts(points, count, np.random.default_rng(seed))
    settled = _MOVED * float(points.var(0).mean())
    for _ in range(iterations):
        labels, distances = nearest(points, centres)
        moved = _means(points, labels, distances, centres)
        shift = float(np.square(moved - centres).mean())
        centres = moved
        if shift <= settled:
            break
    labels, _ = nearest(points, centres)
    used = np.unique(labels)
    return np.searchsorted(used, labels), centres[used]


def nearest(points: Floats, centres: Floats) -> tuple[Labels, Floats]:
    """Return the nearest centre of each point, and the squared distance to it."""
    labels, distances = np.empty(len(points), np.int64), np.empty(len(points), np.float32)
    lengths = np.square(centres).sum(1)
    for first in range(0, len(points), step := max(1, _BLOCK // len(centres))):
        part = points[first : first + step]
        found = lengths - 2 * (part @ centres.T)
        best = found.argmin(1)
        labels[first : first + step] = best
        distances[first : first + step] = found[np.arange(len(part)), best] + np.square(part).sum(1)
    return labels, np.maximum(distances, 0)


def _starts(points: Floats, count: int, rng: np.random.Generator) -> Floats:
    """Draw distinct points as centres, each with a probability in proportion to its squared distance from those before."""
    chosen = [int(rng.integers(len(points)))]
    distances = _distances(points, points[chosen[0]])
    candidates = 2 + int(math.log(count))
    while len(chosen) < count:
        total = float(distances.sum(dtype=np.float64))
        if total <= 1e-10 * len(points) * max(1.0, float(np.square(points).mean())):
            break
        drawn = rng.choice(len(points), candidates, p=distances.astype(np.float64) / total)
        reduced = [np.minimum(distances, _distances(points, points[index])) for index in drawn]
        best = int(np.argmin([after.sum(dtype=np.float64) for after in reduced]))
        chosen.append(int(drawn[best]))
        distances = reduced[best]
    return points[chosen].copy()


def _distances(points: Floats, centre: Floats) -> Floats:
    return np.asarray(np.square(points - centre).sum(1), np.float32)


def _means(points: Floats, labels: Labels, distances: Floats, centres: Floats) -> Floats:
    """Return the means of the clusters; an empty one takes the point that is farthest from its centre."""
    counts = np.bincount(labels, minlength=len(centres))
    member = np.zeros((len(centres), len(points)), np.float32)
    member[labels, np.arange(len(points))] = 1
    means = (member @ points) / np.maximum(counts, 1)[:, None]
    empty = np.flatnonzero(counts == 0)
    if len(empty):
        means[empty] = points[np.argsort(-distances)[: len(empty)]]
    return np.asarray(means, np.float32)
