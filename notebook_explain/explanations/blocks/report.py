"""Block reports: what the building blocks of a network say of themselves, for one clip and one target. A plain value."""

from __future__ import annotations

import math
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from notebook_explain._errors import UsageError
from notebook_explain.clip import Clip
from notebook_explain.explanations.blocks.frame_signal import FAR, Course, check_neutral
from notebook_explain.explanations.provenance import Provenance
from notebook_explain.explanations.targets import TargetResult
from notebook_explain.explanations.text import LONGEST_NAME, counted, fixed, rival_of, shortened, verdict
from notebook_explain.explanations.tubes import Tubes

ADDED = "what it adds to the score: the score with it, less the score without"
MOST_NAMED = 4  # parts in one sentence


@dataclass(frozen=True, eq=False)
class Numbers:
    """A number for each of some things: a logit for each class, what each plane adds to the score.

    Attributes
    ----------
    name, kind, what : str
        As of a `Course`.
    labels : tuple of str
        What the things are.
    values : float32 array (label,)
    neutral : float or None
    bounds : (low, high) or None
        Between which the values must lie, whatever the clip; ``None`` where there are no such ends, or not both.
    """

    name: str
    kind: str
    what: str
    labels: tuple[str, ...]
    values: NDArray[np.float32]
    neutral: float | None = None
    bounds: tuple[float, float] | None = None

    def __post_init__(self) -> None:
        values = np.asarray(self.values, np.float32)
        if values.shape != (len(self.labels),) or not len(values) or not np.isfinite(values).all():
            raise UsageError(f"values must be finite, one for each of {len(self.labels)} labels; got {values!r}")
        check_neutral(self.neutral)
        if self.bounds is not None:
            object.__setattr__(self, "bounds", _bounds(self.bounds, values))
        object.__setattr__(self, "labels", tuple(map(str, self.labels)))
        object.__setattr__(self, "values", values)


def _digits(difference: float) -> int:
    """After the point, so that two scores with such a difference do not read alike."""
    return 2 if difference >= 0.01 or difference < 1e-6 else 1 - math.floor(math.log10(difference))


def _bounds(bounds: tuple[float, float], values: NDArray[np.float32]) -> tuple[float, float]:
    """Two finite numbers that hold all values between them, but for rounding; ValueError otherwise."""
    low, high = map(float, bounds)
    if not -FAR <= low < high <= FAR:
        raise UsageError(f"bounds must be two finite numbers, the lower one first, or None; got {bounds!r}")
    slack = 1e-6 * max(abs(low), abs(high))
    if values.min() < low - slack or values.max() > high + slack:
        raise UsageError(f"values must lie within their bounds, {low:g} to {high:g}; got {values!r}")
    return low, high


@dataclass(frozen=True, eq=False)
class ClassTable:
    """A number for each class and each channel of a block: what each kernel says of each class.

    Attributes
    ----------
    name, kind, what : str
        As of a `Course`.
    classes : tuple of str
    values : float32 array (class, channel)
    """

    name: str
    kind: str
    what: str
    classes: tuple[str, ...]
    values: NDArray[np.float32]

    def __post_init__(self) -> None:
        values = np.asarray(self.values, np.float32)
        if values.ndim != 2 or values.shape[0] != len(self.classes) or not values.size or not np.isfinite(values).all():
            raise UsageError(f"values must be finite, ({len(self.classes)} classes, channel); got shape {values.shape}")
        object.__setattr__(self, "classes", tuple(map(str, self.classes)))
        object.__setattr__(self, "values", values)


@dataclass(frozen=True, eq=False)
class BlockReport:
    """What a network's building blocks say of themselves, for one clip and one target.

    Attributes
    ----------
    clip : Clip
        The frames that the network really saw.
    target : TargetResult
    courses : tuple of Course
        What has a value at each moment, in the order of the network.
    numbers : tuple of Numbers
    tables : tuple of ClassTable
    provenance : Provenance
    """

    clip: Clip
    target: TargetResult
    courses: tuple[Course, ...]
    numbers: tuple[Numbers, ...]
    tables: tuple[ClassTable, ...]
    provenance: Provenance

    def __repr__(self) -> str:
        told: tuple[Course | Numbers | ClassTable, ...] = (*self.courses, *self.numbers, *self.tables)
        kinds = ", ".join(dict.fromkeys(one.kind for one in told if one.kind))
        return (
            f"BlockReport({self.target.name!r}; {kinds}{'; ' if kinds else ''}{counted(len(self.courses), 'course')}, "
            f"{counted(len(self.numbers), 'set of numbers', 'sets of numbers')}, "
            f"{counted(len(self.tables), 'table')}; {self.clip!r})"
        )

    @property
    def targets(self) -> tuple[TargetResult, ...]:
        """The one target, as other explanations have several."""
        return (self.target,)

    def on(self, tubes: Tubes) -> Tubes:
        """The same tubes with these courses on the timeline of their viewer (ValueError: of another clip or model)."""
        if tubes.provenance.model != self.provenance.model:
            raise UsageError(
                f"these are courses of {self.provenance.model}, the tubes are of {tubes.provenance.model}; explain one model"
            )
        return tubes.with_courses(self.courses, self.clip)

    def in_words(self) -> str:
        """How sure the network is, and what the score would be without each part that can be taken out, each alone."""
        target = self.target
        score = "score (logit)" if target.against is None else "difference of logits"
        lost = [
            (float(value), shortened(label, LONGEST_NAME))
            for one in self.numbers
            if one.what == ADDED
            for label, value in zip(one.labels, one.values, strict=True)
        ]
        strongest = sorted(range(len(lost)), key=lambda at: -abs(lost[at][0]))[:MOST_NAMED]
        digits = _digits(max((abs(value) for value, _ in lost), default=0.0))
        head = f"{verdict(target.name, target.probability, rival_of(target))}; {score} {fixed(target.logit, digits)}"
        named = [
            (fixed(target.logit - value, digits), label) for value, label in (lost[at] for at in sorted(strongest))
        ]
        if len(lost) <= 1:
            return "; ".join([head, *(f"without {label}, it would be {left}" for left, label in named)])
        # Each alone: what two parts do together is not the sum of what they do.
        alone = "; ".join(f"{left} without {label}" for left, label in named)
        rest = (
            f"; {counted(len(lost) - len(named), 'other part')} would change it less" if len(lost) > len(named) else ""
        )
        return f"{head}; with one part taken out at a time, it would be {alone}{rest}"

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Write everything to one .npz file (arrays and text, no pickle); ``notebook_explain.load`` reads it back."""
        from notebook_explain.explanations.io.save_load import save

        return save(self, path)

    def figure(self, frames: int = 8) -> Any:
        """Return a matplotlib figure: the clip, beneath it what the blocks say of each frame, then numbers and tables.

        Parameters
        ----------
        frames : int
            How many of the clip's frames to show, evenly chosen.
        """
        from notebook_explain import display

        return display.figure(self, frames=frames)

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> Any:
        from notebook_explain import display

        return display.picture(self)
