"""Intervals without assumptions about how values are distributed: resample the clips, look how far the mean moves.

Efron: Bootstrap methods: another look at the jackknife. Annals of Statistics 7, 1979. Percentile intervals.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

AT_ONCE = 2**22  # numbers drawn in one piece


@dataclass(frozen=True)
class Interval:
    """A mean and where it may lie.

    Attributes
    ----------
    mean, low, high : float
    count : int
        Of the values (clips, seeds) that were resampled.
    """

    mean: float
    low: float
    high: float
    count: int

    def __str__(self) -> str:
        return f"{self.mean:+.2f} ({self.low:+.2f} to {self.high:+.2f})"

    def apart(self) -> bool:
        """Whether 0 lies outside: of a difference, whether it is one."""
        return self.low > 0 or self.high < 0


def paired_bootstrap(
    values: ArrayLike,
    others: ArrayLike | None = None,
    *,
    level: float = 0.95,
    resamples: int = 10_000,
    seed: int = 0,
) -> Interval:
    """Return the mean of `values`, or of their difference to `others`, with a percentile interval.

    Parameters
    ----------
    values : float (clip,)
    others : float (clip,), optional
        Of the same clips in the same order: what both have in common then falls out of the interval.
    level : float in 0..1
    resamples : int
    seed : int
        Of a generator of its own.

    Raises
    ------
    ValueError
        Not one number per clip, not finite, fewer than two clips, or lists of different length.
    """
    values = _numbers("values", values)
    if others is not None:
        others = _numbers("others", others)
        if len(others) != len(values):
            raise ValueError(f"values and others must be of the same clips, got {len(values)} and {len(others)}")
        values = values - others
    if not 0 < level < 1 or resamples < 1:
        raise ValueError(f"level must lie in 0..1 and resamples be 1 or more, got {level} and {resamples}")
    means = _resampled(values, resamples, np.random.default_rng(seed))
    low, high = np.quantile(means, [(1 - level) / 2, (1 + level) / 2])
    return Interval(float(values.mean()), float(low), float(high), len(values))


def _resampled(values: NDArray[np.float64], resamples: int, random: np.random.Generator) -> NDArray[np.float64]:
    count = len(values)
    pieces, left = [], resamples
    while left > 0:
        now = min(left, max(1, AT_ONCE // count))
        pieces.append(values[random.integers(0, count, (now, count))].mean(axis=1))
        left -= now
    return np.concatenate(pieces)


def _numbers(name: str, given: ArrayLike | Sequence[float]) -> NDArray[np.float64]:
    values = np.asarray(given, np.float64)
    if values.ndim != 1 or len(values) < 2:
        raise ValueError(f"{name} must hold one number per clip, of two clips or more, got an array {values.shape}")
    if not np.isfinite(values).all():
        raise ValueError(f"{name} must be finite numbers, got {values[~np.isfinite(values)][0]}")
    return values
