"""Sentences on what edits change."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from notebook_explain.explanations.number_format import percent
from notebook_explain.explanations.predictions import HeadPrediction
from notebook_explain.explanations.text import LONGEST_NAME, shortened, value_text

MOVED = 2  # classes named in a sentence
LEAST = 0.005  # smaller changes of a probability are none in a sentence


class Moved(NamedTuple):
    """Change of one class.

    Attributes
    ----------
    label : str
    before, after : float
        Probabilities in 0..1; values of a regression.
    """

    label: str
    before: float
    after: float

    @property
    def change(self) -> float:
        """After minus before."""
        return self.after - self.before


def moved_most(before: HeadPrediction, after: HeadPrediction, count: int) -> tuple[Moved, ...]:
    """Return the classes whose probability changed most, or the outputs whose value did, largest change first."""
    has_values = before.probabilities is None or after.probabilities is None
    first = before.logits if has_values else before.probabilities
    second = after.logits if has_values else after.probabilities
    if first is None or second is None:
        return ()
    order = np.argsort(-np.abs(second.astype(np.float64) - first), kind="stable")[:count]
    return tuple(Moved(before.labels[k], float(first[k]), float(second[k])) for k in order.tolist())


def change_words(before: HeadPrediction, after: HeadPrediction, count: int = MOVED) -> str:
    """Return what changed, for readers: "kick 72 % to 31 %; wave 24 % to 55 %"; "nothing changes" where nothing does."""
    moved = noticeable(moved_most(before, after, count), before)
    if moved:
        return "; ".join(moved_words(one, before) for one in moved)
    is_same = np.array_equal(before.logits, after.logits)
    return "nothing changes" if is_same else f"no probability changes by {percent(LEAST)} or more"


def noticeable(moved: Sequence[Moved], head: HeadPrediction) -> list[Moved]:
    """Return the changes that a sentence names: of probabilities at least 0.5 %, of values any."""
    least = 0.0 if head.probabilities is None else LEAST
    return [one for one in moved if one.change != 0 and abs(one.change) >= least]


def moved_words(one: Moved, head: HeadPrediction) -> str:
    """Return a change of a class: "kick 72 % to 31 %"."""
    label = shortened(one.label, LONGEST_NAME)
    if head.probabilities is None:
        return f"{label} {value_text(one.before)} to {value_text(one.after, head.unit)}"
    return f"{label} {percent(one.before)} to {percent(one.after)}"


def edits_words(words: Sequence[str]) -> str:
    """Return edits as one phrase; "no edit" for none."""
    return "; ".join(words) or "no edit"


def capitalised(text: str) -> str:
    """Return text with a capital first letter."""
    return text[:1].upper() + text[1:]
