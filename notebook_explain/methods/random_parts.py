"""Random parts of a clip, with which the effect of hiding a part is compared."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def elsewhere(part: NDArray[np.bool_], rng: np.random.Generator) -> NDArray[np.bool_]:
    """Return the same shape, mirrored at random and shifted round the clip: bool (time, height, width)."""
    for axis in range(3):
        if rng.random() < 0.5:
            part = np.flip(part, axis)
    moved: NDArray[np.bool_] = np.roll(part, [int(rng.integers(length)) for length in part.shape], axis=(0, 1, 2))
    return moved
