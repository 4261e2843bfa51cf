"""Targets: the score that is explained, and what the network predicted for it."""

from __future__ import annotations

import operator
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from notebook_explain._errors import UsageError, UsageTypeError

DIFFERENCE = " − "  # between the names of the two classes of a difference
# What the scores of a head are: logits of classes that exclude one another, one logit, logits of labels that do not exclude
# one another, or values in a unit of their own.
CLASSES, BINARY, MULTILABEL, REGRESSION = KINDS = ("classes", "binary", "multilabel", "regression")
UNNAMED_LOGIT, UNNAMED_VALUE = (
    "yes",
    "value",
)  # names of the only output of a binary head, and of a regression, without labels
MAX_UNIT = 40  # letters


@dataclass(frozen=True)
class Mask:
    """A bool array of two or three axes that can be compared, hashed and pickled; ``numpy.asarray`` returns the array.

    Attributes
    ----------
    shape : tuple of int
        (height, width) or (time, height, width).
    bits : bytes
        Its values, eight to a byte (``numpy.packbits``).

    Raises
    ------
    TypeError, ValueError
        Not a bool array of two or three axes, or no value in it is True.
    """

    shape: tuple[int, ...]
    bits: bytes

    @classmethod
    def of(cls, where: Any) -> Mask:
        """Return the mask of a bool array or tensor."""
        if isinstance(where, Mask):
            return where
        array = np.asarray(where.cpu() if hasattr(where, "cpu") else where)  # a tensor may lie on another device
        if array.dtype != np.bool_ or array.ndim not in (2, 3):
            raise UsageTypeError(
                "where must be a bool array (height, width) or (time, height, width), such as mask > 0.5; got "
                f"{array.dtype} {array.shape}"
            )
        if not array.any():
            raise UsageError(f"where is empty: none of its {array.size:,} values is True")
        return cls(array.shape, np.packbits(array).tobytes())

    def __array__(self, dtype: Any = None, copy: Any = None) -> NDArray[Any]:
        bits = np.unpackbits(np.frombuffer(self.bits, np.uint8), count=int(np.prod(self.shape)))
        return bits.astype(dtype or np.bool_).reshape(self.shape)

    def __repr__(self) -> str:
        count = int(np.asarray(self).sum())
        return f"Mask({'x'.join(map(str, self.shape))}, {count:,} True)"


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
    where : bool array (height, width) or (time, height, width), optional
        Region over which the scores of a dense network are averaged, in pixels of the clip that the network sees, or on the
        grid of its output. A cell of the output counts by the share of its pixels that lie in the region; each pixel belongs
        to the nearest cell.
    frames : (first, end), optional
        Frames over which the scores of a network with scores in time are averaged, counted from 0 in the clip that the
        network sees, without the end: (10, 20) are ten frames. Each frame belongs to the nearest time step.

    Raises
    ------
    TypeError, ValueError
        A label, a region or frames that do not have this form; a region that is empty.
    """

    label: str | int
    head: str | None = None
    against: Target | None = None
    where: Any = None
    frames: tuple[int, int] | None = None

    def __post_init__(self) -> None:
        if self.where is not None:
            object.__setattr__(self, "where", Mask.of(self.where))
        if self.frames is not None:
            object.__setattr__(self, "frames", _frame_range(self.frames))
        if isinstance(self.label, str):
            return
        if isinstance(self.label, bool) or not hasattr(self.label, "__index__"):
            raise UsageTypeError(f"a target is a label (str) or a class index (int), got {self.label!r}")
        object.__setattr__(self, "label", operator.index(self.label))

    def __sub__(self, other: Target | str | int) -> Target:
        if _is_label(other):
            other = self._sibling(other)  # type: ignore[arg-type]
        if not isinstance(other, Target):
            return NotImplemented
        if self.against is not None or other.against is not None:
            raise UsageError("a difference has two targets; Target('a') - Target('b') cannot be subtracted again")
        return replace(self, against=other)

    def __rsub__(self, other: str | int) -> Target:
        return self._sibling(other) - self if _is_label(other) else NotImplemented

    def _sibling(self, label: str | int) -> Target:
        """Return the target of a plain label: of the same head and region."""
        return Target(label, self.head, None, self.where, self.frames)

    def __str__(self) -> str:
        name = str(self.label) if self.head is None else f"{self.head}: {self.label}"
        return name if self.against is None else f"{name}{DIFFERENCE}{self.against}"


def _frame_range(frames: Any) -> tuple[int, int]:
    """Return two frame numbers from 0, the first one lower."""
    entries = tuple(frames) if isinstance(frames, Iterable) and not isinstance(frames, str) else ()
    if len(entries) != 2 or not all(_is_label(entry) and not isinstance(entry, str) for entry in entries):
        raise UsageTypeError(f"frames must be two whole numbers (first, end), such as (10, 20), got {frames!r}")
    first, end = map(operator.index, entries)
    if not 0 <= first < end:
        raise UsageError(f"frames must be (first, end) with 0 <= first < end, got {frames!r}")
    return first, end


def _is_label(value: Any) -> bool:
    return isinstance(value, str) or (hasattr(value, "__index__") and not isinstance(value, bool))


@dataclass(frozen=True)
class TargetResult:
    """The network's prediction for one target.

    Attributes
    ----------
    name : str
        Label of the class, or "a − b" for a difference. Without labels "class 3"; "yes" for a binary
        head, "value" for the only output of a regression, "output 3" for one of several.
    index : int
        Class index (of the first class, for a difference).
    head : str
        Head of the model ("" if it has one only).
    logit : float
        The score explained: a logit, minus the logit for the first name of a binary head, or a value; the difference of
        two scores for a difference.
    probability : float or None
        Softmax of the head's logits at the class; the sigmoid for a binary head and for labels that do not exclude one
        another; ``None`` for a difference and for a regression.
    bias : float or None
        Part of the logit that no position of the clip accounts for: the classifier's bias, if it is known.
    against : int or None
        Class index of the second class of a difference.
    top5 : tuple of (label, probability)
        The head's five best classes; empty for a regression.
    against_name : str or None
        Label of the second class of a difference.
    kind : "classes", "binary", "multilabel" or "regression"
        What the scores of the head are.
    unit : str
        Unit of the value of a regression; "" if it is unknown.
    region : str
        Cells over which the scores of a dense network are averaged, in words, such as "frames 11 to 20"; "" for all.
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
    kind: str = CLASSES
    unit: str = ""
    region: str = ""

    @property
    def class_name(self) -> str:
        """Label of the class; of the first class, for a difference."""
        return self.name if self.against_name is None else self.name.removesuffix(f"{DIFFERENCE}{self.against_name}")
