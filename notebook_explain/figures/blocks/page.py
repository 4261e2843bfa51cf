"""A page that grows downwards: parts of known height, one below the other, everything in inches.

Words stand where they are put, in one font that has their letters; they are text, never mathematics.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any
from unicodedata import east_asian_width

import numpy as np
from matplotlib import colormaps, rcParams
from matplotlib.axes import Axes
from matplotlib.colors import Colormap, LinearSegmentedColormap, Normalize
from numpy.typing import NDArray

from notebook_explain.explanations.text import LEAST_SHORT, MOST_WHOLE, fixed, short, shortened, stripped
from notebook_explain.figures.base import TextFigure
from notebook_explain.figures.captions import font, plain, wrap_text
from notebook_explain.figures.fonts import font_for
from notebook_explain.figures.overlay import INK_AGAINST, INK_FOR

MARGIN = 0.12  # inches
CLOSE, FLAT = 0.05, 0.01  # of the largest number, of the scale: a span that needs more digits; one that is no change
LINE = 1.35  # a line's height, in letters
EVIDENCE = LinearSegmentedColormap.from_list("evidence", [INK_AGAINST, "#f4f5f7", INK_FOR])
# Without its ends, which are almost black: there both sides look alike.
BELOW_ABOVE = LinearSegmentedColormap.from_list("below and above", colormaps["PRGn"](np.linspace(0.1, 0.9, 65)))
MAPS = (BELOW_ABOVE, EVIDENCE, colormaps["viridis"])


class Sheet:
    """A figure, and a place on it in inches from its upper left corner.

    Attributes
    ----------
    plot : TextFigure
    wide, high : float
    """

    def __init__(self, wide: float, high: float) -> None:
        self.plot = TextFigure(figsize=(wide, high), facecolor="white")
        self.wide, self.high = wide, high

    def axes(self, left: float, top: float, wide: float, high: float, **options: Any) -> Axes:
        """Axes whose upper left corner lies there."""
        place = (left / self.wide, 1 - (top + high) / self.high, wide / self.wide, high / self.high)
        made = self.plot.add_axes(place, **options)
        made.tick_params(labelsize=6.5, length=2, pad=1.5)
        return made

    def say(self, x: float, y: float, text: str, points: float = 7.0, **options: Any) -> None:
        """Write there, by default from the left and below."""
        options = {"va": "top", "ha": "left", "linespacing": LINE, **options}
        self.plot.text(x / self.wide, 1 - y / self.high, text.replace("$", r"\$"), fontsize=points, **options)

    def one_font(self) -> None:
        """Set every word in the font that has the letters of all: so the letters of a sentence are alike."""
        other = font_for(plain(" ".join(text.get_text() for text in self.plot.texts)))
        for text in self.plot.texts if other is not None else ():
            text.set_fontfamily([*rcParams["font.family"], other.name])


@dataclass(frozen=True)
class Part:
    """A part of a page.

    Attributes
    ----------
    high : float
        Inches.
    draw : function of the sheet and of where its top lies
    """

    high: float
    draw: Callable[[Sheet, float], None]


def stacked(wide: float, parts: Sequence[Part]) -> Sheet:
    """Draw parts from top to bottom."""
    sheet = Sheet(wide, sum(part.high for part in parts) + 2 * MARGIN)
    top = MARGIN
    for part in parts:
        part.draw(sheet, top)
        top += part.high
    sheet.one_font()
    return sheet


def paragraph(text: str, wide: float, points: float, most: int | None = None, **options: Any) -> Part:
    """Words in as many lines as they need, or at most so many."""
    fine = 10  # pixels a point, for hinting not to matter
    letters = font(round(fine * points), text=text)
    lines = wrap_text(text, letters, 0.97 * (wide - 2 * MARGIN) * 72 * fine, len(text) if most is None else most)
    high = len(lines) * LINE * points / 72
    return Part(high, lambda sheet, top: sheet.say(MARGIN, top, "\n".join(lines), points, **options))


def width_of(text: str, points: float, bold: bool = False) -> float:
    """Inches that a line of text takes; a hundredth more or less for hinting."""
    fine = 10  # pixels a point, for hinting not to matter
    # Chinese letters and the like: where no font has them, matplotlib draws boxes that are wider than they are.
    square = [letter for letter in text if east_asian_width(letter) in "WF"]
    rest = "".join(letter for letter in text if letter not in square) if square else text
    length = float(font(round(fine * points), bold, rest).getlength(rest)) / fine
    return (length + 1.25 * points * len(square)) / 72


def fitted(text: str, inches: float, points: float, bold: bool = False) -> str:
    """One line that is not wider than that, its middle left out where it must be: names differ at their ends."""
    text = plain(text)
    most = len(text)
    while most > 3 and width_of(shortened(text, most), points, bold) > inches:
        most -= max(1, most // 12)
    return shortened(text, most)


@dataclass(frozen=True)
class Scale:
    """Which colour stands for which number.

    Attributes
    ----------
    low, high : float
        The numbers at its ends.
    neutral : float or None
        In its middle, where there is one: then both sides have a colour of their own.
    colours : Colormap
        Safe for colour-blind eyes.
    """

    low: float
    high: float
    neutral: float | None
    colours: Colormap

    @classmethod
    def of(cls, values: NDArray[Any], neutral: float | None, evidence: bool = False, least: float = 0.0) -> Scale:
        """For all of these numbers; evidence for and against a class has the colours that it has in every picture.

        From a neutral number it reaches ``least`` far to both sides, or further.
        """
        values = np.asarray(values, np.float64)
        low, high = float(values.min()), float(values.max())
        if neutral is None:
            room = 0.0 if high > low else max(abs(low), 1.0) / 100
            return cls(low - room, high + room, None, colormaps["viridis"])
        reach = max(neutral - low, high - neutral, least) or 1.0
        return cls(neutral - reach, neutral + reach, neutral, EVIDENCE if evidence else BELOW_ABOVE)

    def __call__(self, values: Any) -> NDArray[np.float64]:
        """Colours (..., 4)."""
        return np.asarray(self.colours(Normalize(self.low, self.high)(np.asarray(values, np.float64))))

    def sides(self) -> NDArray[np.float64]:
        """One colour for what lies below the middle, and one for what lies above it: (2, 4)."""
        return np.asarray(self.colours([0.0, 1.0]))

    def write(self, value: float) -> str:
        """A number in three significant digits, or in fewer where the rest is no part of this scale that counts.

        It is more of them where three would not tell the numbers of the scale apart. How a number is written depends on
        the number alone: what is equal reads alike wherever it stands.
        """
        span, largest = self.high - self.low, max(abs(self.low), abs(self.high))
        digits = max(0, 2 - int(np.floor(np.log10(span)))) if span > 0 else 0
        if largest >= MOST_WHOLE or largest < LEAST_SHORT:
            return short(value)
        if span < CLOSE * largest:
            return fixed(value, min(digits - 1, 6))
        fine, coarse = short(value), fixed(value, digits)
        return fine if len(fine.partition(".")[2]) <= digits and "e" not in fine else stripped(coarse)

    def reach(self, values: NDArray[Any]) -> str:
        """From where to where numbers go: "0.94 to 1.06", or "0.937 throughout", where no eye tells them apart.

        Then it is the one that lies furthest out, as it may be the number that stands at the end of the scale.
        """
        low, high = float(values.min()), float(values.max())
        ends = list(dict.fromkeys([self.write(low), self.write(high)]))
        if len(ends) == 1 or self.flat(values):
            return f"{self.write(low if low - self.low < self.high - high else high)} throughout"
        return " to ".join(ends)

    def flat(self, values: NDArray[Any]) -> bool:
        """Whether numbers differ by less than a hundredth of the whole scale."""
        return bool(float(values.max()) - float(values.min()) < FLAT * (self.high - self.low))

    def draw(self, sheet: Sheet, right: float, top: float) -> float:
        """A bar of the colours with the numbers at its ends; return its left end."""
        ends = [self.write(at) for at in (self.low, self.high if self.neutral is None else self.neutral, self.high)]
        wide, high, points = 1.0, 0.09, 6.5
        widths = [width_of(end, points) for end in ends]
        left = right - widths[-1] - 0.05 - wide
        bar = sheet.axes(left, top, wide, high)
        bar.imshow(self.colours(np.linspace(0, 1, 256))[None], aspect="auto", extent=(0, 1, 0, 1))
        bar.set(xticks=[], yticks=[])
        bar.spines[:].set_visible(False)
        sheet.say(right, top + high / 2, ends[-1], points, ha="right", va="center", color="0.3")
        sheet.say(left - 0.05, top + high / 2, ends[0], points, ha="right", va="center", color="0.3")
        if self.neutral is not None:
            sheet.say(left + wide / 2, top + high + 0.01, ends[1], points, ha="center", color="0.3")
            bar.axvline(0.5, color="0.3", linewidth=0.6)
        return left - 0.05 - widths[0]


def told(values: Sequence[float] | NDArray[Any]) -> list[str]:
    """Numbers in words, with as many digits as tell them apart."""
    numbers = np.asarray(values, np.float64)
    span, largest = float(np.ptp(numbers)), float(np.abs(numbers).max())
    if largest >= MOST_WHOLE or 0 < largest < LEAST_SHORT:
        return [short(value, 2) for value in numbers]
    whole = (numbers == np.rint(numbers)).all()
    digits = 0 if whole else min(max(2 - int(np.floor(np.log10(span or largest))), 0), 6)
    return [fixed(value, digits) for value in numbers]
