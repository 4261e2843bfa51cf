"""Curves of a class as concepts are added to an empty clip, or removed from a whole one."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from notebook_explain._validation import check_choice
from notebook_explain.explanations.evaluation.intervals import Interval, clustered_interval
from notebook_explain.explanations.number_format import counted, fixed, percent

DIRECTIONS, ORDERS = ("add", "remove"), ("top", "random", "least")
BY = ("change", "volume", "concepts")


@dataclass(frozen=True, eq=False)
class ConceptCurves:
    """Probability of a class on held-out clips as its concepts are added to the fill, or removed from the clip.

    Attributes
    ----------
    target : str
        Name of the class.
    by : "change", "volume" or "concepts"
        What the orders are matched by at each step: how much of the clip's difference from the fill, how much of its volume,
        or how many concepts (as published; larger concepts then win for free).
    fill : str
    steps : tuple of float
        Fractions of the change or of the volume, or numbers of concepts.
    probabilities : float32 array (direction, order, clip, step)
        Probability of the class; directions are "add" and "remove", orders "top", "random" (mean over `draws`) and "least".
    accuracies : float32 array (direction, order, clip, step)
        Whether the class is the first one; a mean over `draws` for the random order.
    baseline : float32 array (clip,)
        Probability in the whole clip.
    draws : int
        Number of random orders.
    """

    target: str
    by: str
    fill: str
    steps: tuple[float, ...]
    probabilities: NDArray[np.float32]
    accuracies: NDArray[np.float32]
    baseline: NDArray[np.float32]
    draws: int

    def __repr__(self) -> str:
        return f"ConceptCurves({self.target!r}; by {self.by}, {self.fill}; {counted(len(self.baseline), 'clip')})"

    def area(self, direction: str, order: str) -> NDArray[np.float32]:
        """Return the mean probability over the steps, for each clip: float32 (clip,)."""
        values = self.probabilities[self._index(direction, order)]
        return np.asarray(values.mean(-1), np.float32)

    def difference(self, direction: str, first: str, second: str) -> Interval:
        """Return the paired difference of two areas, first minus second, with a bootstrap interval over clips."""
        gap = self.area(direction, first) - self.area(direction, second)
        return clustered_interval(gap, np.arange(len(gap)))

    def intervals(self, direction: str, order: str) -> tuple[Interval, ...]:
        """Return the mean probability at each step, with a bootstrap interval over clips."""
        values = self.probabilities[self._index(direction, order)]
        return tuple(clustered_interval(step, np.arange(len(step))) for step in values.T)

    # Curves import the packages that show them here and nowhere else.

    def figure(self) -> Any:
        """Return a matplotlib figure: the probability of the class as concepts are added and as they are removed."""
        from notebook_explain import display

        return display.figure(self)

    def to_png(self, path: str | os.PathLike[str], *, dpi: float = 150) -> Path:
        """Write the `figure` as a PNG of 20 to 1200 pixels per inch; an existing file is replaced atomically."""
        from notebook_explain import display

        return display.to_png(self, path, dpi=dpi)

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> Any:
        from notebook_explain import display

        return display.curves_bundle(self)

    def report(self) -> str:
        """Return a table of accuracies and probabilities, as plain text."""
        unit = {"change": "of the change", "volume": "of the volume", "concepts": "concepts"}[self.by]
        names = [f"{step:g}" if self.by == "concepts" else percent(step) for step in self.steps]
        lines = [f"{self.target!r}, {self.fill}, accuracy (probability) at {', '.join(names)} {unit}"]
        for direction in DIRECTIONS:
            for order in ORDERS:
                index = self._index(direction, order)
                right, likely = self.accuracies[index].mean(0), self.probabilities[index].mean(0)
                cells = [f"{fixed(float(a))} ({fixed(float(p))})" for a, p in zip(right, likely, strict=True)]
                lines.append(f"  {direction:<7}{order:<7}{'  '.join(cells)}")
        return "\n".join(lines)

    def _index(self, direction: str, order: str) -> tuple[int, int]:
        check_choice("direction", direction, DIRECTIONS)
        check_choice("order", order, ORDERS)
        return DIRECTIONS.index(direction), ORDERS.index(order)
