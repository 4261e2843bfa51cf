"""Stability of a clustering: how well clusterings with different seeds agree (adjusted Rand index)."""

from __future__ import annotations

from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from notebook_explain.methods.concepts.clustering import kmeans

SEEDS, POINTS = 4, 8_000  # further clusterings, and the most points that they see


def adjusted_rand_index(first: NDArray[np.integer], second: NDArray[np.integer]) -> float:
    """Return the agreement of two groupings of the same points: 1 if they are the same, 0 on average by chance.

    Reference: Hubert, Arabie: Comparing Partitions, Journal of Classification 2, 1985.
    """
    _, rows = np.unique(first, return_inverse=True)
    _, columns = np.unique(second, return_inverse=True)
    table = np.zeros((rows.max() + 1, columns.max() + 1), np.int64)
    np.add.at(table, (rows, columns), 1)
    together, in_first, in_second = (_pairs(counts) for counts in (table, table.sum(1), table.sum(0)))
    expected = in_first * in_second / max(1.0, _pairs(np.array([len(rows)])))
    most = (in_first + in_second) / 2
    return 1.0 if most == expected else float((together - expected) / (most - expected))


def clustering_stability(points: NDArray[np.float32], count: int, seed: int) -> float:
    """Return the mean adjusted Rand index over all pairs of clusterings with different seeds.

    Parameters
    ----------
    points : float array (point, channel)
        At most 8,000 of them are drawn.
    count : int
        Number of clusters.
    seed : int
    """
    rng = np.random.default_rng((seed, 1))
    if len(points) > POINTS:
        points = points[rng.choice(len(points), POINTS, replace=False)]
    found = [kmeans(points, count, int(rng.integers(2**31)))[0] for _ in range(SEEDS)]
    return float(np.mean([adjusted_rand_index(a, b) for a, b in combinations(found, 2)]))


def _pairs(counts: NDArray[np.int64]) -> float:
    return float((counts * (counts - 1)).sum()) / 2
