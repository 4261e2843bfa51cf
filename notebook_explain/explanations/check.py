"""Check of one map: whether hiding what it shows matters to the score, and whether it follows the network's weights.

The numbers are measured by ``evaluation.check``; the verdict follows from them here, so that it is never shown without them.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

import numpy as np

from notebook_explain.explanations.number_format import MINUS, percent, short

LIKE_RANDOM = (
    0.9  # a map that correlates more, with either sign, with maps of random weights does not follow the weights
)
MATERIAL = 0.1  # fraction of the odds of the class: a smaller fall does not matter


class Verdict(str, Enum):
    """Result of a check."""

    FAITHFUL = "faithful"
    NOT_SHOWN = "not shown to be faithful"
    FAILS = "fails a sanity check"
    NOT_CHECKED = "not checked"


@dataclass(frozen=True)
class Check:
    """Measurements for the map of one layer and target.

    Attributes
    ----------
    layer : str
        Name of the layer whose map was checked.
    target : str
        Name of the target.
    threshold : float in 0..1
        Evidence at or above this fraction of the largest value is the part that was hidden.
    volume : float in 0..1
        Fraction of the clip that was hidden.
    fill : str
        What took the place of the hidden part: "blur", "freeze", "mean" or "linear".
    drop : float
        Fall of the score when the part is hidden.
    random_drops : tuple of float
        Falls when the same shape is hidden elsewhere in space and time.
    probabilities : (float, float) or None
        Of the class, before and after the part was hidden. None for a difference of classes and for a value.
    motion_drop : float or None
        Fall when as much is hidden of what moves most. None where nothing moves.
    likeness : tuple of float
        Correlation of the map with the maps of networks with random weights.
    """

    layer: str
    target: str
    threshold: float
    volume: float
    fill: str
    drop: float
    random_drops: tuple[float, ...]
    probabilities: tuple[float, float] | None
    motion_drop: float | None
    likeness: tuple[float, ...]

    @property
    def rank(self) -> int:
        """Number of random parts whose hiding lowers the score at least as much."""
        return sum(drop >= self.drop for drop in self.random_drops)

    @property
    def verdict(self) -> Verdict:
        """Verdict that follows from the numbers.

        It fails if the map looks like those of random weights. It is faithful if hiding it lowers the score more than
        hiding each random part and what moves most, and the odds of the class by a tenth. Otherwise nothing is shown.
        """
        if not self.random_drops or not self.likeness:
            return Verdict.NOT_CHECKED
        if float(np.mean(np.abs(self.likeness))) > LIKE_RANDOM:
            return Verdict.FAILS
        is_above_motion = self.motion_drop is None or self.drop > self.motion_drop
        is_above_others = self.drop > 0 and self.rank == 0 and is_above_motion
        return Verdict.FAITHFUL if is_above_others and self.odds_ratio <= 1 - MATERIAL else Verdict.NOT_SHOWN

    @property
    def odds_ratio(self) -> float:
        """Odds of the class after the part was hidden, as a fraction of those before; 0 where there are no probabilities."""
        if self.probabilities is None:
            return 0.0
        before, after = (min(max(p, 1e-12), 1 - 1e-12) for p in self.probabilities)
        return after * (1 - before) / (before * (1 - after))

    def in_words(self) -> str:
        """Return the numbers as sentences."""
        if not self.random_drops:
            return f"Nothing is shown for {self.target!r} at this threshold, so that nothing was hidden."
        low, high, count = min(self.random_drops), max(self.random_drops), len(self.random_drops)
        sentences = [
            f"Hiding the {percent(self.volume)} of the clip that is shown ({self.fill}) changes the score of {self.target!r} "
            f"by {_signed(-self.drop)}.",
            f"Hiding the same shape elsewhere changes it by {_signed(-high)} to {_signed(-low)} (n = {count}).",
        ]
        if self.motion_drop is not None:
            sentences.append(f"Hiding as much of what moves most changes it by {_signed(-self.motion_drop)}.")
        if self.probabilities is not None:
            before, after = map(percent, self.probabilities)
            sentences[0] = f"{sentences[0].removesuffix('.')}, from {before} to {after}."
        likeness = float(np.mean(np.abs(self.likeness))) if self.likeness else 0.0
        sentences.append(
            f"Maps of random weights correlate {short(likeness)} with this one, in size (n = {len(self.likeness)}; "
            f"above {LIKE_RANDOM} it fails)."
        )
        return " ".join(sentences)


def _signed(value: float) -> str:
    text = short(abs(value))
    return text if text == "0" else f"{'+' if value > 0 else MINUS}{text}"
