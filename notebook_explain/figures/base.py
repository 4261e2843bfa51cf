"""A matplotlib figure whose text stays text, and line breaking for it."""

from __future__ import annotations

import io
import warnings
from typing import Any

from matplotlib import rc_context
from matplotlib.figure import Figure

from notebook_explain.figures.captions import font, wrap_text


class TextFigure(Figure):
    """A matplotlib figure whose words stay words: searched, copied and set anew in a PDF or an SVG.

    Not bound to pyplot: there is nothing to close. As the last line of a cell it shows itself.
    """

    def savefig(self, *where: Any, **options: Any) -> None:
        """Save as matplotlib does; 42 means whole fonts in a PDF, which publishers ask for."""
        whole = rc_context({"svg.fonttype": "none", "pdf.fonttype": 42, "ps.fonttype": 42})
        with whole, warnings.catch_warnings():
            warnings.filterwarnings("ignore", "Glyph .* missing from")  # it has been said, once and in words
            super().savefig(*where, **options)

    def _repr_png_(self) -> bytes:
        with io.BytesIO() as out:
            self.savefig(out, format="png", dpi=110)
            return out.getvalue()


def set_lines(text: str, inches: float, points: float) -> list[str]:
    """Lines that fit, and that matplotlib sets as they are: no mathematics."""
    fine = 10  # pixels a point, for hinting not to matter
    room = 0.92 * inches * 72 * fine
    lines = wrap_text(text, font(round(fine * points), text=text), room, len(text))
    return [line.replace("$", r"\$") for line in lines]
