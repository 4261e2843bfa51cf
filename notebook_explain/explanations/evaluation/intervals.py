"""Bootstrap intervals of a mean, clustered by clip: all values of a clip are drawn together."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from notebook_explain._errors import UsageError
from notebook_explain._validation import check_int, check_range
from notebook_explain.explanations.number_format import fixed

LEVEL, RESAMPLES = 0.95, 2_000
_BATCH = 2**22  # numbers drawn at once


@dataclass(frozen=True)
class Interval:
    """A mean with its bootstrap interval.

    Attributes
    ----------
    mean : float
        Mean of all values.
    low, high : float or None
        Ends of the interval; ``None`` with a single clip, which gives no interval.
    count : int
        Number of values.
    clips : int
        Number of clips, which are the units that were resampled.
    """

    mean: float
    low: float | None
    high: float | None
    count: int
    clips: int

    def __str__(self) -> str:
        if self.low is None or self.high is None:
            return f"{fixed(self.mean, 3)} (no interval: one clip)"
        return f"{fixed(self.mean, 3)} ({fixed(self.low, 3)} to {fixed(self.high, 3)})"

    @property
    def excludes_zero(self) -> bool:
        """True if 0 lies outside the interval; False without an interval."""
        return self.low is not None and self.high is not None and (self.low > 0 or self.high < 0)


def clustered_interval(
    values: ArrayLike,
    clips: ArrayLike,
    *,
    level: float = LEVEL,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> Interval:
    """Return the mean of values with a percentile bootstrap interval.

    Clips are drawn with replacement, each with all its values, because the values of one clip depend on one another.

    Parameters
    ----------
    values : float (value,)
    clips : int (value,)
        Clip of each value.
    level : float in 0.5..0.999
    resamples : int
    seed : int

    Raises
    ------
    ValueError
        No values, values that are not finite, or another number of clips than of values.
    """
    numbers, of = np.asarray(values, np.float64), np.asarray(clips)
    if numbers.ndim != 1 or not len(numbers) or numbers.shape != of.shape or not np.isfinite(numbers).all():
        raise UsageError(
            f"values must be finite, one for each entry of clips; got shapes {numbers.shape} and {of.shape}"
        )
    level, resamples = check_range("level", level, 0.5, 0.999), check_int("resamples", resamples, least=100)
    _, cluster = np.unique(of, return_inverse=True)
    sums, counts = np.bincount(cluster, numbers), np.bincount(cluster)
    mean, number = float(numbers.mean()), len(sums)
    if number == 1:
        return Interval(mean, None, None, len(numbers), 1)
    rng = np.random.default_rng(seed)
    means = []
    for first in range(0, resamples, rows := max(1, _BATCH // number)):
        drawn = rng.integers(0, number, (min(rows, resamples - first), number))
        means.append(sums[drawn].sum(1) / counts[drawn].sum(1))
    low, high = np.quantile(np.concatenate(means), [(1 - level) / 2, (1 + level) / 2])
    return Interval(mean, float(low), float(high), len(numbers), number)
