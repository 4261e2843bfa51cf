"""Random parts of a clip, with which the effect of hiding a part is compared."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def elsewhere(
    part: NDArray[np.bool_], rng: np.random.Generator, step: tuple[int, int, int] = (1, 1, 1)
) -> NDArray[np.bool_]:
    """Return the same shape, mirrored at random and shifted round the clip.

    Parameters
    ----------
    part : bool array (time, height, width)
    rng : numpy Generator
    step : (time, height, width) in voxels
        Shifts are multiples of it, so that a part made of cells stays one.

    Returns
    -------
    bool array (time, height, width)
    """
    for axis in range(3):
        if rng.random() < 0.5:
            part = np.flip(part, axis)
    shifts = [size * int(rng.integers(-(-length // size))) for length, size in zip(part.shape, step, strict=True)]
    moved: NDArray[np.bool_] = np.roll(part, shifts, axis=(0, 1, 2))
    return moved
