"""A matplotlib figure whose text stays text, and the measuring, breaking and shortening of lines for it."""

from __future__ import annotations

import io
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from unicodedata import east_asian_width

from matplotlib import rc_context, rcParams
from matplotlib.figure import Figure
from matplotlib.text import Text

from notebook_explain.explanations.text import shortened
from notebook_explain.figures.captions import font, printable, wrap_text
from notebook_explain.figures.fonts import font_for

SMALL_PRINT = 7.0  # points
_PIXELS_PER_POINT = 10  # at which text is measured, so that hinting does not matter


class TextFigure(Figure):
    """A matplotlib figure whose text can be searched, copied and edited in a PDF or an SVG.

    Not bound to pyplot: there is nothing to close. As the last line of a cell it displays itself.
    """

    def set_literal_text(self) -> None:
        """Set all text as it is, without mathematics, in fonts that have its characters; call this last."""
        found = [text for text in self.findobj(Text) if isinstance(text, Text) and text.get_text()]
        fallback = font_for(printable(" ".join(text.get_text() for text in found)))
        for text in found:
            text.set_parse_math(False)
            if fallback is not None:  # matplotlib takes each character from the first font that has it
                text.set_fontfamily([*rcParams["font.family"], fallback.name])

    def savefig(self, *args: Any, **kwargs: Any) -> None:
        """Save as matplotlib does, with text as text in SVG and whole TrueType fonts (type 42) in PDF."""
        text_as_text = rc_context({"svg.fonttype": "none", "pdf.fonttype": 42, "ps.fonttype": 42})
        with text_as_text, _without_glyph_warnings():
            super().savefig(*args, **kwargs)

    def draw(self, renderer: Any) -> None:
        """Draw as matplotlib does; `font_for` has warned of missing characters, once."""
        with _without_glyph_warnings():
            super().draw(renderer)

    def _repr_png_(self) -> bytes:
        with io.BytesIO() as out:
            self.savefig(out, format="png", dpi=110)
            return out.getvalue()


@contextmanager
def _without_glyph_warnings() -> Iterator[None]:
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph .* missing from")
        yield


def break_lines(text: str, inches: float, points: float, max_lines: int | None = None) -> list[str]:
    """Break text into as many lines as it needs to fit a width; beyond ``max_lines`` it ends in "…"."""
    width = 0.92 * inches * 72 * _PIXELS_PER_POINT
    letters = font(round(_PIXELS_PER_POINT * points), text=text)
    return wrap_text(text, letters, width, len(text) if max_lines is None else max_lines)


def text_width(text: str, points: float, bold: bool = False) -> float:
    """Width of a line of text in inches, to about a hundredth."""
    # Without a font that has them, matplotlib draws wide characters (Chinese, ...) as boxes wider than themselves.
    wide = [letter for letter in text if east_asian_width(letter) in "WF"]
    rest = "".join(letter for letter in text if letter not in wide) if wide else text
    length = float(font(round(_PIXELS_PER_POINT * points), bold, rest).getlength(rest)) / _PIXELS_PER_POINT
    return (length + 1.25 * points * len(wide)) / 72


def ellipsize(text: str, inches: float, points: float, bold: bool = False) -> str:
    """Shorten text to one line of at most that width; the middle is left out, since names differ at their ends."""
    text = printable(text)
    length = len(text)
    while length > 3 and text_width(shortened(text, length), points, bold) > inches:
        length -= max(1, length // 12)
    return shortened(text, length)
