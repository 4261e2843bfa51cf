"""Steps of the explorer: questions and answers as values, and their history."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from notebook_explain.explanations.number_format import percent
from notebook_explain.explanations.predictions import HeadPrediction
from notebook_explain.explanations.text import LONGEST_NAME, shortened, value_text
from notebook_explain.explanations.what_if.text import change_words
from notebook_explain.what_if.edits import Edit

MOST_STEPS, KEPT_ANSWERS = 100, 16
NAMED = 3  # classes in the words of a step


@dataclass(frozen=True)
class Entry:
    """An edit in the list; one that is switched off stays there, and does nothing."""

    edit: Edit
    enabled: bool = True

    def to_json(self) -> dict[str, Any]:
        """Return the entry as plain values."""
        return {
            "edit": self.edit.to_json(),
            "enabled": self.enabled,
            "words": self.edit.in_words(),
            "code": repr(self.edit),
        }


@dataclass(frozen=True)
class Question:
    """Request of a reader: edits, a class, perhaps another one that it is compared with, and a method with its knobs.

    Attributes
    ----------
    entries : tuple of Entry
    target : int
        Index of the class.
    against : int or None
    method : str
        Key of the method.
    knobs : dict of method to dict of knob to value
        Values that are not the default.
    """

    entries: tuple[Entry, ...]
    target: int
    against: int | None
    method: str
    knobs: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)

    @property
    def edits(self) -> tuple[Edit, ...]:
        """Return the edits that are switched on."""
        return tuple(entry.edit for entry in self.entries if entry.enabled)

    @property
    def values(self) -> Mapping[str, Any]:
        """Return the values of the knobs of the method."""
        return self.knobs.get(self.method, {})

    def is_same(self, other: Question) -> bool:
        """Return whether two questions have the same answer, and the same list of edits."""
        mine, others = ((one.entries, one.target, one.against, one.method, dict(one.values)) for one in (self, other))
        return mine == others


@dataclass(frozen=True)
class Answer:
    """Answer to a question.

    Attributes
    ----------
    scores : HeadPrediction
        Of the head that is explored, with the edits.
    explanation : object
        Of the method; None before it is computed.
    pyramid : Pyramid or None
    states : dict of trait to state
        What the views show: "tubes", "pyramid", "animation", "figure".
    caveats : tuple of str
    """

    scores: HeadPrediction
    explanation: Any = None
    pyramid: Any = None
    states: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    caveats: tuple[str, ...] = ()


@dataclass(frozen=True)
class Step:
    """A question with its answer, in the history.

    Attributes
    ----------
    id : int
    question : Question
    answer : Answer
    words : str
        What the edits change.
    code : str
        Python that gives the same numbers.
    pinned : bool
        Kept when newer steps replace what was undone.
    """

    id: int
    question: Question
    answer: Answer
    words: str
    code: str
    pinned: bool = False

    def to_json(self) -> dict[str, Any]:
        """Return the step as plain values, with the class that the network names."""
        question, scores = self.question, self.answer.scores
        values = scores.logits if scores.probabilities is None else scores.probabilities
        top = int(values.argmax())
        return {
            "id": self.id,
            "words": self.words,
            "edits": [entry.to_json() for entry in question.entries],
            "target": question.target,
            "against": question.against,
            "method": question.method,
            "knobs": {name: dict(given) for name, given in question.knobs.items() if given},
            "code": self.code,
            "pinned": self.pinned,
            "top": [scores.labels[top], float(f"{values[top]:.6g}")],
        }


class History:
    """Steps in order, and the one that is shown."""

    def __init__(self) -> None:
        self.steps: list[Step] = []
        self.index = -1
        self._next = 0

    @property
    def current(self) -> Step | None:
        """Return the step that is shown."""
        return self.steps[self.index] if self.steps else None

    def add(self, question: Question, answer: Answer, words: str, code: str) -> Step:
        """Add a step after the one that is shown, or renew that one if it asks the same.

        What was undone is dropped, except pinned steps; so are the oldest ones beyond `MOST_STEPS`.
        """
        current = self.current
        if current is not None and current.question.is_same(question):
            renewed = replace(current, question=question, answer=answer, words=words, code=code)
            self.steps[self.index] = renewed
            return renewed
        step = Step(self._next, question, answer, words, code)
        self._next += 1
        self._drop_old_answers()
        kept = self.steps[: self.index + 1] + [each for each in self.steps[self.index + 1 :] if each.pinned]
        while len(kept) >= MOST_STEPS:
            kept.remove(next((each for each in kept if not each.pinned), kept[0]))
        self.steps = [*kept, step]
        self.index = len(kept)
        return step

    def _drop_old_answers(self) -> None:
        """Keep the answers of the last steps, and of pinned ones."""
        for index, step in enumerate(self.steps[:-KEPT_ANSWERS]):
            if not step.pinned and step.answer.states:
                self.steps[index] = replace(step, answer=Answer(step.answer.scores))

    def renew(self, index: int, answer: Answer) -> Step:
        """Give a step its answer again."""
        self.steps[index] = replace(self.steps[index], answer=answer)
        return self.steps[index]

    def pin(self, index: int, pinned: bool) -> None:
        """Pin a step, or release it."""
        self.steps[index] = replace(self.steps[index], pinned=pinned)


def step_words(before: HeadPrediction, after: HeadPrediction, target: int) -> str:
    """Return what edits change: "kick 72 % to 31 %; wave 24 % to 55 %"; the score of the target where nothing changes."""
    if not np.array_equal(before.logits, after.logits):
        return change_words(before, after, NAMED)
    name = shortened(before.labels[target], LONGEST_NAME)
    if after.probabilities is None:
        return f"{name} {value_text(float(after.logits[target]), after.unit)}"
    return f"{name} {percent(float(after.probabilities[target]))}"
