"""Targets: the score that is explained, and what the network predicted for it."""

from __future__ import annotations

import operator
from dataclasses import dataclass, replace
from typing import Any

from notebook_explain._errors import UsageError, UsageTypeError

DIFFERENCE = " − "  # between the names of the two classes of a difference


@dataclass(frozen=True)
class Target:
    """A class whose score is explained, by name or index; ``Target("wave") - "clap"`` is a difference.

    Attributes
    ----------
    label : str or int
        A label of the model, or the index of the class.
    head : str, optional
        Name of the head, for a model that has several ("verb", "noun").
    against : Target, optional
        The class whose score is subtracted.
    """

    label: str | int
    head: str | None = None
    against: Target | None = None

    def __post_init__(self) -> None:
        if isinstance(self.label, str):
            return
        if isinstance(self.label, bool) or not hasattr(self.label, "__index__"):
            raise UsageTypeError(f"a target is a label (str) or a class index (int), got {self.label!r}")
        object.__setattr__(self, "label", operator.index(self.label))

    def __sub__(self, other: Target | str | int) -> Target:
        if _is_label(other):
            other = Target(other, self.head)  # type: ignore[arg-type]  # a plain label is of the same head
        if not isinstance(other, Target):
            return NotImplemented
        if self.against is not None or other.against is not None:
            raise UsageError("a difference has two targets; Target('a') - Target('b') cannot be subtracted again")
        return replace(self, against=other)

    def __rsub__(self, other: str | int) -> Target:
        return Target(other, self.head) - self if _is_label(other) else NotImplemented

    def __str__(self) -> str:
        name = str(self.label) if self.head is None else f"{self.head}: {self.label}"
        return name if self.against is None else f"{name}{DIFFERENCE}{self.against}"


def _is_label(value: Any) -> bool:
    return isinstance(value, str) or (hasattr(value, "__index__") and not isinstance(value, bool))


@dataclass(frozen=True)
class TargetResult:
    """The network's prediction for one target.

    Attributes
    ----------
    name : str
        Label of the class, or "a − b" for a difference.
    index : int
        Class index (of the first class, for a difference).
    head : str
        Head of the model ("" if it has one only).
    logit : float
        The score explained; the difference of two logits for a difference.
    probability : float or None
        Softmax of the head's logits at the class; ``None`` for a difference.
    bias : float or None
        Part of the logit that no position of the clip accounts for: the classifier's bias, if it is known.
    against : int or None
        Class index of the second class of a difference.
    top5 : tuple of (label, probability)
        The head's five best classes.
    against_name : str or None
        Label of the second class of a difference.
    """

    name: str
    index: int
    head: str
    logit: float
    probability: float | None
    bias: float | None = None
    against: int | None = None
    top5: tuple[tuple[str, float], ...] = ()
    against_name: str | None = None

    @property
    def class_name(self) -> str:
        """Label of the class; of the first class, for a difference."""
        return self.name if self.against_name is None else self.name.removesuffix(f"{DIFFERENCE}{self.against_name}")
