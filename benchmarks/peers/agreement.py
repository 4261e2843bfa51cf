"""Agreement of two maps."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike


@dataclass(frozen=True)
class Agreement:
    """Agreement of two maps, or the worst of several.

    Attributes
    ----------
    cosine : float
        1 if one map is a positive multiple of the other.
    error : float
        Root of the summed squared differences over that of the reference, after the best scale is taken out.
    """

    cosine: float
    error: float


def agreement(values: ArrayLike, reference: ArrayLike) -> Agreement:
    """Compare a map with a reference of the same shape; libraries differ by a constant factor, which is taken out.

    Two maps that are 0 everywhere agree; one that is 0 and one that is not have cosine 0 and error 1.

    Raises
    ------
    ValueError
        The shapes differ.
    """
    a, b = np.asarray(values, np.float64), np.asarray(reference, np.float64)
    if a.shape != b.shape:
        raise ValueError(f"two maps of one layer must have the same shape, got {a.shape} and {b.shape}")
    lengths = float(np.linalg.norm(a)), float(np.linalg.norm(b))
    if min(lengths) == 0:
        same = float(max(lengths) == 0)
        return Agreement(same, 1 - same)
    scale = float((a * b).sum()) / lengths[0] ** 2
    return Agreement(
        float((a / lengths[0] * (b / lengths[1])).sum()), float(np.linalg.norm(max(scale, 0) * a - b)) / lengths[1]
    )


def worst(pairs: list[Agreement]) -> Agreement:
    """Return the smallest cosine and the largest error."""
    return Agreement(min(pair.cosine for pair in pairs), max(pair.error for pair in pairs))
