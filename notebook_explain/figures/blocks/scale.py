"""Colour scales of block reports, and how numbers on such a scale are written."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.colors import Colormap, LinearSegmentedColormap, Normalize
from numpy.typing import NDArray

from notebook_explain.explanations.text import LEAST_SHORT, MOST_WHOLE, fixed, short, stripped
from notebook_explain.figures.overlay import INK_AGAINST, INK_FOR

CLOSE = 0.05  # span of a scale, as a fraction of its largest number, below which numbers need more digits
FLAT = 0.01  # fraction of a scale within which values look the same
EVIDENCE = LinearSegmentedColormap.from_list("evidence", [INK_AGAINST, "#f4f5f7", INK_FOR])
# PRGn without its ends, which are almost black: there the two sides look alike.
BELOW_ABOVE = LinearSegmentedColormap.from_list("below and above", colormaps["PRGn"](np.linspace(0.1, 0.9, 65)))
MAPS = (BELOW_ABOVE, EVIDENCE, colormaps["viridis"])


@dataclass(frozen=True)
class Scale:
    """Colours for the numbers from ``low`` to ``high``; a neutral number is in the middle, between two colours."""

    low: float
    high: float
    neutral: float | None
    colours: Colormap

    @classmethod
    def build(cls, values: NDArray[Any], neutral: float | None, evidence: bool = False, reach: float = 0.0) -> Scale:
        """Build the scale of some values; a neutral value is at least ``reach`` away from the ends."""
        values = np.asarray(values, np.float64)
        low, high = float(values.min()), float(values.max())
        if neutral is None:
            pad = 0.0 if high > low else max(abs(low), 1.0) / 100
            return cls(low - pad, high + pad, None, colormaps["viridis"])
        reach = max(neutral - low, high - neutral, reach) or 1.0
        return cls(neutral - reach, neutral + reach, neutral, EVIDENCE if evidence else BELOW_ABOVE)

    def __call__(self, values: Any) -> NDArray[np.float64]:
        """Return the colours of values: (..., 4)."""
        return np.asarray(self.colours(Normalize(self.low, self.high)(np.asarray(values, np.float64))))

    def draw(self, axes: Axes) -> None:
        """Draw the colours from left to right, with the numbers at the ends and in the middle."""
        axes.imshow(self.colours(np.linspace(0, 1, 256))[None], aspect="auto", extent=(0, 1, 0, 1))
        middle = {} if self.neutral is None else {0.5: self.format(self.neutral)}
        label_ends(axes, {0.0: self.format(self.low), **middle, 1.0: self.format(self.high)})
        axes.set_yticks([])
        axes.spines[:].set_visible(False)
        for position in middle:
            axes.axvline(position, color="0.3", linewidth=0.6)

    def format(self, value: float) -> str:
        """Write a number in three significant digits.

        Digits that are negligible on this scale are dropped; more are written where three would not distinguish the
        numbers of the scale. The text depends on the number alone, so equal numbers look the same everywhere.
        """
        span, largest = self.high - self.low, max(abs(self.low), abs(self.high))
        digits = max(0, 2 - int(np.floor(np.log10(span)))) if span > 0 else 0
        if largest >= MOST_WHOLE or largest < LEAST_SHORT:
            return short(value)
        if span < CLOSE * largest:
            return fixed(value, min(digits - 1, 6))
        fine, coarse = short(value), fixed(value, digits)
        return fine if len(fine.partition(".")[2]) <= digits and "e" not in fine else stripped(coarse)

    def format_range(self, values: NDArray[Any]) -> str:
        """Write the range of values: "0.94 to 1.06", or "0.937 throughout" where they look the same.

        The latter is the value that lies furthest out, since it may also be written at the end of the scale.
        """
        low, high = float(values.min()), float(values.max())
        ends = list(dict.fromkeys([self.format(low), self.format(high)]))
        if len(ends) == 1 or self.is_flat(values):
            return f"{self.format(low if low - self.low < self.high - high else high)} throughout"
        return " to ".join(ends)

    def is_flat(self, values: NDArray[Any]) -> bool:
        """Return whether values differ by less than a hundredth of the scale."""
        return bool(float(values.max()) - float(values.min()) < FLAT * (self.high - self.low))


def label_ends(axes: Axes, labels: dict[float, str]) -> None:
    """Label positions on the x axis, without tick marks; the outer labels stay within its width."""
    axes.set_xticks(list(labels), list(labels.values()))
    axes.tick_params(axis="x", length=0, pad=2, labelsize=6.5, labelcolor="0.35")
    if labels:
        axes.get_xticklabels()[0].set_horizontalalignment("left")
        axes.get_xticklabels()[-1].set_horizontalalignment("right")


def format_numbers(values: NDArray[np.float64]) -> NDArray[np.str_]:
    """Write numbers with the same number of decimals, enough to distinguish them."""
    span, largest = float(np.ptp(values)), float(np.abs(values).max())
    if largest >= MOST_WHOLE or 0 < largest < LEAST_SHORT:
        texts = [short(value, 2) for value in values.flat]
    else:
        whole = (values == np.rint(values)).all()
        digits = 0 if whole else min(max(2 - int(np.floor(np.log10(span or largest))), 0), 6)
        texts = [fixed(value, digits) for value in values.flat]
    return np.reshape(texts, values.shape)
