"""Key to the colours of optical flow: a wheel of directions whose rim is the largest magnitude."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from notebook_explain.clip import Picture
from notebook_explain.clip.pictures import FLOW, number_text
from notebook_explain.figures.captions import LIGHT, CaptionStyle, font

SIDE, WIDTH, KEY_HEIGHT = 64, 120, 96  # pixels: diameter of the wheel, size of the key
TEXT_HEIGHT = 30  # pixels below the wheel


def draw_wheel(picture: Picture, side: int, background: tuple[int, int, int] = LIGHT.background) -> NDArray[np.uint8]:
    """Draw the wheel: at each point the colour of flow in that direction, whose magnitude grows towards the rim.

    Parameters
    ----------
    picture : Picture
        Of kind "flow".
    side : int
        Diameter in pixels.
    background : (red, green, blue)

    Returns
    -------
    uint8 array (side, side, 3)
    """
    (low, high) = picture.ranges[0]
    y, x = np.meshgrid(*[(np.arange(side) + 0.5) * 2 / side - 1] * 2, indexing="ij")
    radius = np.hypot(x, y)
    unit = np.stack([x, y], axis=-1) / np.maximum(radius, 1e-9)[..., None]
    values = np.zeros((1, side, side, max(picture.channels) + 1), np.float32)
    values[0][..., list(picture.channels)] = unit * (low + radius * (high - low))[..., None]
    image: NDArray[np.uint8] = picture.render(values)[0].copy()
    image[radius > 1] = background
    return image


def wheel_key(picture: Picture | None, height: int, style: CaptionStyle = LIGHT) -> NDArray[np.uint8] | None:
    """Draw the wheel with its scale: uint8 (height, `WIDTH`, 3); None if the picture shows no flow."""
    if picture is None or picture.kind != FLOW:
        return None
    low, high = map(number_text, picture.ranges[0])
    page = Image.new("RGB", (WIDTH, height), style.background)
    side = min(SIDE, max(height - TEXT_HEIGHT, 8))
    left = (WIDTH - side) // 2
    page.paste(Image.fromarray(draw_wheel(picture, side, style.background)), (left, 0))
    pen = ImageDraw.Draw(page)
    letters = font(11)
    for k, line in enumerate((f"{low} to {high}", "magnitude")):
        pen.text(((WIDTH - letters.getlength(line)) / 2, side + 2 + 13 * k), line, style.text, font=letters)
    return np.asarray(page)
