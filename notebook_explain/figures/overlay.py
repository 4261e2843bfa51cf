"""Evidence as colours over a frame, with the colour ramps, opacity and outline of the viewer.

Orange is evidence for the target and blue against it, on one scale for the whole clip. Both ramps are distinguishable
with colour-blindness and get lighter as the evidence gets stronger. The tests compare the numbers with the viewer's.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

FOR = ((176, 50, 14), (243, 140, 10), (255, 236, 130))
AGAINST = ((36, 66, 200), (48, 152, 246), (168, 232, 255))
INK_FOR, INK_AGAINST = "#d9600a", "#2f74d0"  # for lines and areas on white or on black
LEVELS = 255
FADE = 0.7  # of the opacity is lost half a cell beyond the outermost cell centres, and farther out


def alpha_at(strength: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the opacity of evidence of some strength (0..1); the frame beneath stays visible."""
    return np.asarray(0.28 + 0.42 * strength, np.float32)


def _colour_table() -> NDArray[np.float32]:
    """Return red, green, blue (0..255) and opacity (0..1) of the fraction k/LEVELS at index k + LEVELS."""
    fractions = np.arange(-LEVELS, LEVELS + 1, dtype=np.float32) / LEVELS
    position = np.abs(fractions) * (len(FOR) - 1)
    stops = np.arange(len(FOR))
    sides = [
        np.stack([np.interp(position, stops, channel) for channel in np.transpose(ramp)], -1) for ramp in (FOR, AGAINST)
    ]
    colours = np.where(fractions[:, None] >= 0, *sides)
    return np.concatenate([colours, alpha_at(np.abs(fractions))[:, None]], axis=1).astype(np.float32)


TABLE = _colour_table()
RIM = min(1.0, float(TABLE[-1, 3]) + 0.2)  # opacity of the outline


def overlay_evidence(
    images: NDArray[np.uint8],
    fractions: NDArray[np.float32],
    threshold: float = 0.0,
    *,
    rim: bool = True,
    beyond: NDArray[np.float32] | None = None,
) -> NDArray[np.uint8]:
    """Return images with evidence over them.

    Parameters
    ----------
    images : uint8 (..., height, width, 3)
    fractions : float (..., height, width)
        Evidence as a signed fraction of the layer's largest absolute value.
    threshold : float in 0..1
        Pixels with weaker evidence are left unchanged.
    rim : bool
        Draw a more opaque outline along the border of the evidence.
    beyond : float (..., height, width), optional
        Cells by which each pixel lies beyond the outermost cell centres. The map is held constant there, so it fades.
    """
    least = np.float32(max(threshold - 1e-6, 1e-6))
    side = (fractions >= least).astype(np.int8) - (fractions <= -least).astype(np.int8)
    shown = side != 0
    levels = np.rint(np.clip(fractions[shown], -1, 1) * LEVELS).astype(np.int16) + LEVELS
    over = TABLE[levels]
    alpha = over[:, 3:]
    if rim:
        alpha = np.where(_is_border(side)[shown][:, None], RIM, alpha)
    if beyond is not None:
        alpha = alpha * (1 - FADE * np.minimum(2 * beyond[shown][:, None], 1))
    painted = images.copy()
    painted[shown] = np.rint((1 - alpha) * images[shown] + alpha * over[:, :3]).astype(np.uint8)
    return painted


def _is_border(side: NDArray[np.int8]) -> NDArray[np.bool_]:
    """Return whether one of a pixel's four neighbours is on another side."""
    border = np.zeros(side.shape, bool)
    down, across = side[..., 1:, :] != side[..., :-1, :], side[..., 1:] != side[..., :-1]
    border[..., 1:, :] |= down
    border[..., :-1, :] |= down
    border[..., 1:] |= across
    border[..., :-1] |= across
    return border
