"""Reliability of a layer's map: its share of the score, and whether it holds more than rounding."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

import numpy as np
from numpy.typing import NDArray


class EmptyCause(str, Enum):
    """Tested reason for a map without evidence."""

    TOKENS = "tokens"  # the score depends only on values without a position, such as a class token
    CANCELS = "cancels"  # the products of the channels cancel at each position, as they do in front of a norm
    NO_EFFECT = "no_effect"  # the score does not change with the layer's values
    NO_GRADIENT = "no_gradient"  # no gradient reaches the layer


@dataclass(frozen=True, eq=False)
class Reliability:
    """Measures of how far a layer's map can be trusted, per target.

    Attributes
    ----------
    share : float32 array (target,)
        Part of the score that the layer's cells contribute, as a fraction of the score without the head's constant. It
        may be negative or above 1; NaN where the score is the constant. A pathway's share is that of its own cells.
    empty : tuple of (EmptyCause or None), one per target
        Reason why nothing above rounding is left; the map is then 0. None for a map with evidence.
    rounding : float32 array (target,)
        Bound of what rounding contributes, in the same fractions as ``share``.
    agreement : float32 array (target,) or None
        Correlation with the map computed in float64; None where it was not computed.
    """

    share: NDArray[np.float32]
    empty: tuple[EmptyCause | None, ...]
    rounding: NDArray[np.float32]
    agreement: NDArray[np.float32] | None = None
