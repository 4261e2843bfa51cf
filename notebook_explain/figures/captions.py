"""Captions drawn by Pillow: the explanation as text and every caveat, as part of the image.

The font is the one that matplotlib ships (DejaVu Sans), or a system font for characters that it lacks.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from PIL import Image, ImageDraw, ImageFont

from notebook_explain.figures.fonts import dejavu_path, font_for

Colour = tuple[int, int, int]


@dataclass(frozen=True)
class CaptionStyle:
    """Colours of a caption: background, bold text and other text."""

    background: Colour
    text: Colour
    muted: Colour


LIGHT = CaptionStyle((255, 255, 255), (29, 33, 39), (89, 97, 109))
DARK = CaptionStyle((20, 23, 28), (230, 233, 238), (169, 177, 189))  # as behind the viewer's frames


@dataclass(frozen=True)
class Paragraph:
    """A paragraph of a caption.

    Attributes
    ----------
    text : str
    max_lines : int
        A longer text ends in "…".
    bold : bool
        Bold, in the text colour; muted otherwise.
    """

    text: str
    max_lines: int = 2
    bold: bool = False


def font(size: int, bold: bool = False, text: str = "") -> Any:
    """Return a font of ``size`` pixels with the characters of ``text``; Pillow's own if matplotlib's fonts are missing."""
    fallback = font_for(printable(text))
    return _load_font(dejavu_path(bold) if fallback is None else fallback.fname, size)


@functools.lru_cache(maxsize=32)
def _load_font(path: Path | None, size: int) -> Any:
    return ImageFont.load_default(size) if path is None else ImageFont.truetype(str(path), size)


def printable(text: str) -> str:
    """Return text as one line: line breaks become spaces, unprintable characters are dropped."""
    return "".join(character for character in re.sub(r"\s+", " ", text).strip() if character.isprintable())


def wrap_text(text: str, font: Any, width: float, max_lines: int) -> list[str]:
    """Break text into lines of at most ``width`` pixels, at spaces or, where a word is too long, within it."""
    lines: list[str] = []
    rest = printable(text)
    while rest and len(lines) < max_lines:
        length = _fitting_length(rest, font, width)
        if length < len(rest):
            space = rest.rfind(" ", 0, length + 1)
            length = space if space > 0 else length
        lines.append(rest[:length].rstrip())
        rest = rest[length:].lstrip()
    if rest and lines:
        last = lines[-1]
        lines[-1] = last[: _fitting_length(f"{last}…", font, width, ending="…")].rstrip() + "…"
    return lines


def _fitting_length(text: str, font: Any, width: float, ending: str = "") -> int:
    """Return how many characters of ``text``, at least one, fit into ``width`` pixels together with an ending."""
    low, high = 1, len(text)
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if font.getlength(text[:middle] + ending) <= width else (low, middle - 1)
    return low


def render_caption(
    paragraphs: Sequence[Paragraph], width: int, size: int, style: CaptionStyle, pad: int = 0
) -> Image.Image:
    """Draw paragraphs as an image of a given width, as high as they need; ``size`` is that of the font in pixels."""
    lines, y = [], 0
    for paragraph in paragraphs:
        letters = font(size if paragraph.bold else max(size - 1, 9), paragraph.bold, paragraph.text)
        for line in wrap_text(paragraph.text, letters, width - 2 * pad, paragraph.max_lines):
            lines.append((y, line, letters, style.text if paragraph.bold else style.muted))
            y += round(1.35 * size)
        y += round(0.2 * size) if paragraph.bold else 0
    image = Image.new("RGB", (width, max(y, 1)), style.background)
    draw = ImageDraw.Draw(image)
    for top, line, letters, colour in lines:
        draw.text((pad, top), line, colour, font=letters)
    return image
