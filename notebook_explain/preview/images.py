"""Images of a preview: frames at a readable size, lines of text, and frames side by side."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, TypeVar

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from PIL.ImageFont import FreeTypeFont, ImageFont

Images = NDArray[np.uint8]
Colour = tuple[int, int, int]
Kind = TypeVar("Kind", bound=np.generic)

INK, PAPER = 30, 255  # grey levels: text and outlines, the background
FONT_SIZE = 13  # pixels


def resize_frames(images: Images, side: int) -> Images:
    """Enlarge images (time, height, width, 3) by an integer factor to a height of at most `side` pixels, or shrink them.

    Enlarged pixels stay squares: the preview shows what a network gets.
    """
    from PIL import Image

    height = images.shape[1]
    if height <= side:
        return enlarge(images, side // height)
    return np.stack([np.asarray(Image.fromarray(image).reduce(-(-height // side))) for image in images])


def enlarge(volume: NDArray[Kind], factor: int) -> NDArray[Kind]:
    """Return pixels (time, height, width, ...) as squares of `factor` by `factor`."""
    return volume.repeat(factor, axis=1).repeat(factor, axis=2)


def spread(count: int, limit: int) -> NDArray[np.int64]:
    """Return at most ``limit`` indices of ``count`` frames, evenly spaced from the first to the last."""
    return np.rint(np.linspace(0, count - 1, min(limit, count))).astype(np.int64)


def side_by_side(columns: Images, heads: Sequence[str]) -> Images:
    """Return images (count, height, width, 3) side by side, with a text above each: uint8 (height, width, 3)."""
    texts = np.stack([render_lines([(None, head)], columns.shape[2]) for head in heads])
    headed = np.concatenate((texts, columns), axis=1)
    return np.concatenate(list(np.pad(headed, ((0, 0), (0, 0), (0, 2), (0, 0)), constant_values=PAPER)), axis=1)


def render_lines(lines: Sequence[tuple[Colour | None, str]], width: int) -> Images:
    """Render lines of text, each with a square of its colour in front: uint8 (height, width, 3)."""
    from PIL import Image, ImageDraw, ImageFont

    font = ImageFont.load_default(FONT_SIZE)
    rows = [
        (colour if first else None, left, row)
        for colour, text in lines
        for left in [FONT_SIZE + 9 if colour else 4]
        for first, row in _wrap_words(text, width - left - 4, font)
    ]
    step = FONT_SIZE + 5
    paper = Image.new("RGB", (width, step * len(rows) + 4), (PAPER,) * 3)
    pen = ImageDraw.Draw(paper)
    for i, (colour, left, row) in enumerate(rows):
        if colour:
            pen.rectangle((4, i * step + 4, FONT_SIZE + 2, i * step + FONT_SIZE + 2), fill=colour, outline=(INK,) * 3)
        pen.text((left, i * step + 2), row, fill=(INK,) * 3, font=font)
    return np.asarray(paper)


def _wrap_words(text: str, width: int, font: FreeTypeFont | ImageFont) -> list[tuple[bool, str]]:
    """Break text between words into rows of at most `width` pixels; return (is it the first, row)."""
    rows = [""]
    for word in text.split():
        longer = f"{rows[-1]} {word}".strip()
        rows[-1:] = [longer] if not rows[-1] or font.getlength(longer) <= width else [rows[-1], word]
    return [(i == 0, row) for i, row in enumerate(rows)]
