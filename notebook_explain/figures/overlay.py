"""Evidence as colours over a frame, as the viewer paints it: the same ramps, the same opacity, the same firm rim.

Orange is evidence for the target, blue against it, both on one scale for the whole clip; colours that colour-blind
eyes tell apart, each lighter where the evidence is stronger. The tests compare the numbers with the viewer's own.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

FOR = ((176, 50, 14), (243, 140, 10), (255, 236, 130))
AGAINST = ((36, 66, 200), (48, 152, 246), (168, 232, 255))
INK_FOR, INK_AGAINST = "#d9600a", "#2f74d0"  # for lines and areas on white or on black
LEVELS = 255


def alpha_at(strength: NDArray[np.float32]) -> NDArray[np.float32]:
    """How opaque evidence of some strength (0..1) lies over the frame, which must stay readable beneath."""
    return np.asarray(0.28 + 0.42 * strength, np.float32)


def _table() -> NDArray[np.float32]:
    """Red, green, blue (0..255) and opacity (0..1) for the fraction k/LEVELS at entry k + LEVELS."""
    fractions = np.arange(-LEVELS, LEVELS + 1, dtype=np.float32) / LEVELS
    at = np.abs(fractions) * (len(FOR) - 1)
    stops = np.arange(len(FOR))
    sides = [np.stack([np.interp(at, stops, channel) for channel in np.transpose(ramp)], -1) for ramp in (FOR, AGAINST)]
    colours = np.where(fractions[:, None] >= 0, *sides)
    return np.concatenate([colours, alpha_at(np.abs(fractions))[:, None]], axis=1).astype(np.float32)


TABLE = _table()
RIM = min(1.0, float(TABLE[-1, 3]) + 0.2)


def overlaid(
    pictures: NDArray[np.uint8], fractions: NDArray[np.float32], threshold: float = 0.0, *, rim: bool = True
) -> NDArray[np.uint8]:
    """Pictures with evidence over them.

    Parameters
    ----------
    pictures : uint8 (..., height, width, 3)
    fractions : float (..., height, width)
        Evidence as a signed fraction of the layer's largest absolute value.
    threshold : float in 0..1
        Below it a picture is left as it is.
    rim : bool
        A firmer line along the border of what is shown.
    """
    least = np.float32(max(threshold - 1e-6, 1e-6))
    side = (fractions >= least).astype(np.int8) - (fractions <= -least).astype(np.int8)
    shown = side != 0
    levels = np.rint(np.clip(fractions[shown], -1, 1) * LEVELS).astype(np.int16) + LEVELS
    over = TABLE[levels]
    alpha = over[:, 3:]
    if rim:
        alpha = np.where(_at_the_border(side)[shown][:, None], RIM, alpha)
    painted = pictures.copy()
    painted[shown] = np.rint((1 - alpha) * pictures[shown] + alpha * over[:, :3]).astype(np.uint8)
    return painted


def _at_the_border(side: NDArray[np.int8]) -> NDArray[np.bool_]:
    """Where one of the four neighbours in the picture lies on another side."""
    border = np.zeros(side.shape, bool)
    down, across = side[..., 1:, :] != side[..., :-1, :], side[..., 1:] != side[..., :-1]
    border[..., 1:, :] |= down
    border[..., :-1, :] |= down
    border[..., 1:] |= across
    border[..., :-1] |= across
    return border
