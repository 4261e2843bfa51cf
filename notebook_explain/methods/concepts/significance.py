"""Intervals and p-values of effects over clips: bootstrap, sign-flip, Benjamini-Hochberg.

The clip is the unit that is resampled, because everything within one clip depends on one another.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
FLIPS, RESAMPLES = 999, 2_000
_TIE = 1e-9  # of the sum of absolute values: rounding between equal sums


def ratio_intervals(
    numerators: Floats, denominators: Floats, seed: int, *, level: float = 0.95
) -> tuple[Floats, Floats, Floats]:
    """Return ratios of sums over clips with percentile bootstrap intervals.

    Parameters
    ----------
    numerators, denominators : float (clip, column)
    seed : int
    level : float

    Returns
    -------
    value, low, high : float (column,)
        0 where the denominators are 0.
    """
    clips = len(numerators)
    rng = np.random.default_rng((seed, 2))
    counts = rng.multinomial(clips, np.full(clips, 1 / clips), RESAMPLES).astype(np.float64)
    value = _ratio(numerators.sum(0), denominators.sum(0))
    below = counts @ denominators
    # A resample without any clip of the concept says nothing about it.
    drawn = np.where(below > 0, _ratio(counts @ numerators, below), np.nan)
    drawn[:, np.isnan(drawn).all(0)] = 0
    low, high = np.nanquantile(drawn, [(1 - level) / 2, (1 + level) / 2], axis=0)
    return value, low, high


def _ratio(above: Floats, below: Floats) -> Floats:
    return np.divide(above, below, out=np.zeros_like(above), where=below > 0)


def sign_flip(differences: Floats, seed: int, *, flips: int = FLIPS) -> Floats:
    """Return one-sided p-values of sums over clips: how often random signs give as large a sum.

    Parameters
    ----------
    differences : float (clip, column)
        Symmetric around 0 under the null hypothesis.
    seed : int
    flips : int
        Number of random draws; the smallest p is 1 / (flips + 1).
    """
    rng = np.random.default_rng((seed, 3))
    signs = rng.choice(np.array([-1.0, 1.0]), (flips, len(differences)))
    found, sums = differences.sum(0), signs @ differences
    slack = _TIE * np.abs(differences).sum(0)
    return np.asarray((1 + (sums >= found - slack).sum(0)) / (flips + 1), np.float64)


def benjamini_hochberg(p: Floats) -> Floats:
    """Return q-values: the smallest false discovery rate at which each p-value (test,) is still called a discovery.

    Reference: Benjamini, Hochberg: Controlling the False Discovery Rate, JRSS B 57, 1995.
    """
    order = np.argsort(p)
    ranked = p[order] * len(p) / np.arange(1, len(p) + 1)
    q = np.empty_like(p)
    q[order] = np.minimum(1, np.minimum.accumulate(ranked[::-1])[::-1])
    return q
