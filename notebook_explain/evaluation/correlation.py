"""Correlation and structural similarity of maps."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Values = NDArray[np.float64]


def pearson(first: NDArray[Any], second: NDArray[Any]) -> float | None:
    """Return the linear correlation of two arrays; None if one of them is constant."""
    a, b = (np.asarray(part, np.float64).ravel() for part in (first, second))
    a, b = a - a.mean(), b - b.mean()
    scale = float(np.sqrt((a @ a) * (b @ b)))
    return float(np.clip(a @ b / scale, -1, 1)) if scale > 0 else None


def ranks(values: NDArray[Any]) -> Values:
    """Return the ranks from 1; equal values share the mean of theirs."""
    flat = np.asarray(values).ravel()
    _, position, counts = np.unique(flat, return_inverse=True, return_counts=True)
    last = np.cumsum(counts)
    mean: Values = last - (counts - 1) / 2
    return mean[position]


def spearman(first: NDArray[Any], second: NDArray[Any]) -> float | None:
    """Return the rank correlation of two arrays; None if one of them is constant."""
    return pearson(ranks(first), ranks(second))


def ssim(first: NDArray[Any], second: NDArray[Any], sigma: float = 1.5) -> float:
    """Return the structural similarity of two maps, each scaled to 0..1, averaged over frames.

    Gaussian windows of 11 x 11 pixels, K1 = 0.01 and K2 = 0.03, as in Wang et al. 2004; only windows inside the frame
    count, if the frame has any.

    Parameters
    ----------
    first, second : float (time, height, width)
    sigma : float
        Standard deviation of the window in pixels.
    """
    a, b = _scaled(first), _scaled(second)
    radius = 5
    taps = np.exp(-0.5 * (np.arange(-radius, radius + 1) / sigma) ** 2)
    taps /= taps.sum()

    def local(values: Values) -> Values:
        for axis in (1, 2):
            padded = np.pad(values, [(radius, radius) if k == axis else (0, 0) for k in range(3)], mode="symmetric")
            values = sum(w * padded.take(range(k, k + values.shape[axis]), axis) for k, w in enumerate(taps))
        return values

    mean_a, mean_b = local(a), local(b)
    var_a, var_b = local(a * a) - mean_a**2, local(b * b) - mean_b**2
    covariance = local(a * b) - mean_a * mean_b
    c1, c2 = 0.01**2, 0.03**2
    similarity = (2 * mean_a * mean_b + c1) * (2 * covariance + c2)
    similarity = similarity / ((mean_a**2 + mean_b**2 + c1) * (var_a + var_b + c2))
    inside = [slice(radius, length - radius) if length > 2 * radius else slice(None) for length in a.shape[1:]]
    return float(similarity[:, inside[0], inside[1]].mean())


def _scaled(values: NDArray[Any]) -> Values:
    """Return values from 0 to 1; zeros for a constant map."""
    array = np.asarray(values, np.float64)
    low, span = array.min(), np.ptp(array)
    scaled: Values = (array - low) / span if span > 0 else np.zeros_like(array)
    return scaled
