"""One clip told in concepts: its score as a sum of what each concept gives."""

from __future__ import annotations

from dataclasses import dataclass

from notebook_explain.clip import Clip
from notebook_explain.explanations.number_format import percent, short
from notebook_explain.explanations.targets import TargetResult

LEAST = 0.05  # share of the largest contribution: smaller ones are not told


@dataclass(frozen=True, eq=False)
class ClipConcepts:
    """Contributions of concepts to the score of one clip.

    `bias`, `remainder` and the contributions add up to ``result.logit``.

    Attributes
    ----------
    clip : Clip
        The frames that the network saw.
    result : TargetResult
        The network's prediction.
    names : tuple of str
        Names of the concepts, in the order of their effect.
    contributions : tuple of float
        Evidence inside each concept; 0 for one that does not occur.
    volumes : tuple of float in 0..1
        Share of the clip that each covers.
    remainder : float
        Part of the score that belongs to no concept.
    """

    clip: Clip
    result: TargetResult
    names: tuple[str, ...]
    contributions: tuple[float, ...]
    volumes: tuple[float, ...]
    remainder: float

    def __repr__(self) -> str:
        return f"ClipConcepts({self.in_words()})"

    @property
    def bias(self) -> float:
        """Part of the score that no position accounts for: the classifier's bias; 0 if it is unknown."""
        return self.result.bias or 0.0

    def in_words(self, most: int = 5) -> str:
        """Return the class, its probability, and the largest contributions: "kick 93 %: 'leg forward' +2.1, 'ball' +0.2"."""
        probability = "" if self.result.probability is None else f" {percent(self.result.probability)}"
        order = sorted(range(len(self.names)), key=lambda index: -abs(self.contributions[index]))
        largest = abs(self.contributions[order[0]]) if order else 0.0
        told = [index for index in order[:most] if abs(self.contributions[index]) > LEAST * largest]
        parts = [f"{self.names[index]!r} {_signed(self.contributions[index])}" for index in told]
        rest = self.result.logit - self.bias - sum(self.contributions[index] for index in told)
        ends = [f"the rest {_signed(rest)}", f"bias {_signed(self.bias)}"]
        return f"{self.result.name}{probability}: {', '.join([*parts, *ends])} = {short(self.result.logit, 2)}"


def _signed(value: float) -> str:
    text = short(value, 2)
    return f"+{text}" if value > 0 and text != "0" else text
