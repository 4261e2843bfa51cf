"""Words under a picture, set by Pillow: what is shown, and every caveat, so that no picture travels without them.

The letters are those that matplotlib brings along (DejaVu Sans), or a font of the system's for what they lack.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from PIL import Image, ImageDraw, ImageFont

from notebook_explain.figures.fonts import dejavu, font_for

Colour = tuple[int, int, int]


@dataclass(frozen=True)
class CaptionStyle:
    """Colours of a caption."""

    back: Colour
    ink: Colour
    pale: Colour


PAPER = CaptionStyle((255, 255, 255), (29, 33, 39), (89, 97, 109))
STAGE = CaptionStyle(
    (20, 23, 28), (230, 233, 238), (169, 177, 189)
)  # as in the viewer, the picture stands on a dark stage


@dataclass(frozen=True)
class Paragraph:
    """A paragraph of a caption.

    Attributes
    ----------
    text : str
    lines : int
        At most; what is longer ends in "…".
    strong : bool
        In bold and in ink; pale otherwise.
    """

    text: str
    lines: int = 2
    strong: bool = False


def font(size: int, bold: bool = False, text: str = "") -> Any:
    """A font of that many pixels, which has the letters of a text; Pillow's own where matplotlib's cannot be found."""
    other = font_for(plain(text))
    return _opened(dejavu(bold) if other is None else other.fname, size)


@functools.lru_cache(maxsize=32)
def _opened(path: Path | None, size: int) -> Any:
    return ImageFont.load_default(size) if path is None else ImageFont.truetype(str(path), size)


def plain(text: str) -> str:
    """One line of text that can be drawn: blanks for line breaks, nothing for what cannot be seen."""
    return "".join(letter for letter in re.sub(r"\s+", " ", text).strip() if letter.isprintable())


def wrap_text(text: str, letters: Any, width: float, lines: int) -> list[str]:
    """Text in lines no wider than ``width`` pixels, broken at blanks and, where a word is too long, within it."""
    done: list[str] = []
    rest = plain(text)
    while rest and len(done) < lines:
        fits = _fitting(rest, letters, width)
        if fits < len(rest):
            blank = rest.rfind(" ", 0, fits + 1)
            fits = blank if blank > 0 else fits
        done.append(rest[:fits].rstrip())
        rest = rest[fits:].lstrip()
    if rest and done:
        last = done[-1]
        done[-1] = last[: _fitting(f"{last}…", letters, width, ending="…")].rstrip() + "…"
    return done


def _fitting(text: str, letters: Any, width: float, ending: str = "") -> int:
    """How many letters of a text, at least one, fit into ``width`` pixels, with an ending after them."""
    low, high = 1, len(text)
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if letters.getlength(text[:middle] + ending) <= width else (low, middle - 1)
    return low


def block(words: Sequence[Paragraph], width: int, size: int, look: CaptionStyle, pad: int = 0) -> Image.Image:
    """Paragraphs as a picture of that width, as high as they need."""
    placed, y = [], 0
    for paragraph in words:
        letters = font(size if paragraph.strong else max(size - 1, 9), paragraph.strong, paragraph.text)
        for line in wrap_text(paragraph.text, letters, width - 2 * pad, paragraph.lines):
            placed.append((y, line, letters, look.ink if paragraph.strong else look.pale))
            y += round(1.35 * size)
        y += round(0.2 * size) if paragraph.strong else 0
    picture = Image.new("RGB", (width, max(y, 1)), look.back)
    draw = ImageDraw.Draw(picture)
    for at, line, letters, colour in placed:
        draw.text((pad, at), line, colour, font=letters)
    return picture
