"""Percentile bootstrap intervals of a mean, or of a paired difference of two methods on the same clips."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy.stats import bootstrap

BATCH = 1_000  # resamples held in memory at once


@dataclass(frozen=True)
class Interval:
    """A mean with its interval.

    Attributes
    ----------
    mean, low, high : float
    count : int
        Number of values (clips, seeds) that were resampled.
    """

    mean: float
    low: float
    high: float
    count: int

    def __str__(self) -> str:
        return f"{self.mean:+.2f} ({self.low:+.2f} to {self.high:+.2f})"

    def excludes_zero(self) -> bool:
        """Return whether 0 lies outside the interval."""
        return self.low > 0 or self.high < 0


def paired_bootstrap(
    values: ArrayLike,
    others: ArrayLike | None = None,
    *,
    level: float = 0.95,
    resamples: int = 10_000,
    seed: int = 0,
) -> Interval:
    """Return the mean of `values`, or of their difference from `others`, with a percentile interval.

    Parameters
    ----------
    values : float (clip,)
    others : float (clip,), optional
        Values of the same clips in the same order; variation that both share cancels.
    level : float in 0..1
    resamples : int
    seed : int

    Raises
    ------
    ValueError
        Lists of different length, fewer than two clips, or values that are not finite.
    """
    sample = np.asarray(values, np.float64)
    if others is not None:
        if np.shape(others) != sample.shape:
            raise ValueError(f"values and others must cover the same clips, got {sample.shape} and {np.shape(others)}")
        sample = sample - np.asarray(others, np.float64)
    if sample.ndim != 1 or len(sample) < 2 or not np.isfinite(sample).all():
        raise ValueError(f"values must be one finite number per clip, for two clips or more; got {sample!r}")
    interval = bootstrap(
        (sample,),
        np.mean,
        confidence_level=level,
        n_resamples=resamples,
        batch=BATCH,
        method="percentile",
        rng=np.random.default_rng(seed),
    ).confidence_interval
    return Interval(float(sample.mean()), float(interval.low), float(interval.high), len(sample))
