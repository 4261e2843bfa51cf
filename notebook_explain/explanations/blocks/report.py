"""Block reports: signals that the building blocks of a network report, for one clip and one target."""

from __future__ import annotations

import math
import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from notebook_explain._deprecated import renamed_fields, renamed_names
from notebook_explain._errors import UsageError
from notebook_explain.clip import Clip
from notebook_explain.explanations.blocks.frame_signal import FAR, FrameSignal, Quantity, check_neutral, check_quantity
from notebook_explain.explanations.provenance import Provenance
from notebook_explain.explanations.targets import REGRESSION, TargetResult
from notebook_explain.explanations.text import LONGEST_NAME, counted, fixed, shortened, verdict_of
from notebook_explain.explanations.tubes import Tubes

ADDED = "effect on the score (with minus without)"
MAX_NAMED = 4  # parts in one sentence


@dataclass(frozen=True, eq=False)
class LabelledValues:
    """Labelled values: a logit for each class, the effect of each part on the score.

    Attributes
    ----------
    name, kind, what : str
        As of a `FrameSignal`.
    labels : tuple of str
        One label per value.
    values : float32 array (label,)
    neutral : float or None
        As of a `FrameSignal`.
    bounds : (low, high) or None
        Range of the values for any clip; ``None`` if they are unbounded on either side.
    quantity : Quantity or str
        As of a `FrameSignal`.

    Raises
    ------
    ValueError
        Values that are not finite or outside the bounds; different numbers of values and labels; an unknown quantity.
    """

    name: str
    kind: str
    what: str
    labels: tuple[str, ...]
    values: NDArray[np.float32]
    neutral: float | None = None
    bounds: tuple[float, float] | None = None
    quantity: Quantity = Quantity.OTHER

    def __post_init__(self) -> None:
        values = np.asarray(self.values, np.float32)
        if values.shape != (len(self.labels),) or not len(values) or not np.isfinite(values).all():
            raise UsageError(f"values must be finite, one for each of the {len(self.labels)} labels; got {values!r}")
        check_neutral(self.neutral)
        if self.bounds is not None:
            object.__setattr__(self, "bounds", _bounds(self.bounds, values))
        object.__setattr__(self, "quantity", check_quantity(self.quantity))
        object.__setattr__(self, "labels", tuple(map(str, self.labels)))
        object.__setattr__(self, "values", values)


def _digits(difference: float) -> int:
    """Number of decimals that distinguishes two scores with this difference."""
    return 2 if difference >= 0.01 or difference < 1e-6 else 1 - math.floor(math.log10(difference))


def _bounds(bounds: tuple[float, float], values: NDArray[np.float32]) -> tuple[float, float]:
    """Return the bounds as floats; ValueError unless they are finite and, up to rounding, hold all values."""
    low, high = map(float, bounds)
    if not -FAR <= low < high <= FAR:
        raise UsageError(f"bounds must be two finite numbers, the lower one first, or None; got {bounds!r}")
    slack = 1e-6 * max(abs(low), abs(high))
    if values.min() < low - slack or values.max() > high + slack:
        raise UsageError(f"values must lie within their bounds, {low:g} to {high:g}; got {values!r}")
    return low, high


@dataclass(frozen=True, eq=False)
class ClassChannelTable:
    """A number for each class and each channel of a block, such as the weight of each kernel for each class.

    Attributes
    ----------
    name, kind, what : str
        As of a `FrameSignal`.
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


@renamed_fields(courses="frame_signals", numbers="labelled_values")
@dataclass(frozen=True, eq=False)
class BlockReport:
    """Signals of a network's building blocks, for one clip and one target.

    Attributes
    ----------
    clip : Clip
        The frames that the network saw.
    target : TargetResult
    frame_signals : tuple of FrameSignal
        Signals in time, in the order of the network.
    labelled_values : tuple of LabelledValues
    tables : tuple of ClassChannelTable
    provenance : Provenance
    """

    clip: Clip
    target: TargetResult
    frame_signals: tuple[FrameSignal, ...]
    labelled_values: tuple[LabelledValues, ...]
    tables: tuple[ClassChannelTable, ...]
    provenance: Provenance

    def __repr__(self) -> str:
        signals: tuple[FrameSignal | LabelledValues | ClassChannelTable, ...] = (
            *self.frame_signals,
            *self.labelled_values,
            *self.tables,
        )
        kinds = ", ".join(dict.fromkeys(signal.kind for signal in signals if signal.kind))
        return (
            f"BlockReport({self.target.name!r}; {kinds}{'; ' if kinds else ''}"
            f"{counted(len(self.frame_signals), 'frame signal')}, "
            f"{counted(len(self.labelled_values), 'set of labelled values', 'sets of labelled values')}, "
            f"{counted(len(self.tables), 'table')}; {self.clip!r})"
        )

    @property
    def targets(self) -> tuple[TargetResult, ...]:
        """The target as a tuple, as all explanations have it."""
        return (self.target,)

    def on(self, tubes: Tubes) -> Tubes:
        """Return the same tubes with these frame signals on the viewer's timeline (ValueError: another clip or model)."""
        if tubes.provenance.model != self.provenance.model:
            raise UsageError(
                f"the frame signals are of {self.provenance.model}, the tubes of {tubes.provenance.model}; explain the same model"
            )
        return tubes.with_frame_signals(self.frame_signals, self.clip)

    def in_words(self) -> str:
        """Return sentences on the target, its score, and the score without each part that can be removed."""
        return report_sentences(self)

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Write everything to one .npz file (arrays and JSON, no pickle); ``notebook_explain.load`` reads it."""
        from notebook_explain.explanations.io.save_load import save

        return save(self, path)

    def figure(self, frames: int = 8, *, window: Any = None) -> Any:
        """Return a matplotlib figure: the clip, the signals of each frame below it, then labelled values and tables.

        Parameters
        ----------
        frames : int
            Number of the clip's frames to show, evenly spaced.
        window : (low, high), optional
            Values of the clip that are shown darkest and brightest, for clips of `Clip.from_array`; see `Clip.with_range`.
        """
        from notebook_explain import display

        return display.figure(self, window, frames=frames)

    def to_png(self, path: str | os.PathLike[str], *, frames: int = 8, window: Any = None, dpi: float = 150) -> Path:
        """Write the `figure` as a PNG.

        Parameters
        ----------
        path : path to a file (".png" is added if it has no extension)
        frames, window
            As for `figure`.
        dpi : float
            Pixels per inch, 20 to 1200.

        Returns
        -------
        Path
            The file; an existing one is replaced atomically.
        """
        from notebook_explain import display

        return display.to_png(self, path, frames=frames, window=window, dpi=dpi)

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> Any:
        from notebook_explain import display

        return display.picture(self)


def report_sentences(report: BlockReport, limit: int | None = None) -> str:
    """Return `BlockReport.in_words`, with the labels of classes shortened to ``limit`` letters if one is given."""
    target, head = report.target, verdict_of(report.target, limit)
    score = "Score (logit)" if target.against is None else "Difference of logits"
    if target.kind == REGRESSION:
        score = "Value" if target.against is None else "Difference of values"
    effects = [
        (float(value), shortened(label, LONGEST_NAME))
        for labelled in report.labelled_values
        if labelled.quantity is Quantity.ABLATION
        for label, value in zip(labelled.labels, labelled.values, strict=True)
    ]
    digits = _digits(max((abs(value) for value, _ in effects), default=0.0))
    number = f"{fixed(target.logit, digits)} {target.unit}".rstrip()
    return f"{head}. {score}: {number}.{_ablation_sentence(target.logit, effects, digits)}"


def _ablation_sentence(score: float, effects: list[tuple[float, str]], digits: int) -> str:
    """State the score without each part; the parts with the largest effects, if there are many."""
    strongest = sorted(range(len(effects)), key=lambda index: -abs(effects[index][0]))[:MAX_NAMED]
    remaining = [(fixed(score - value, digits), label) for value, label in (effects[i] for i in sorted(strongest))]
    if not remaining:
        return ""
    listed = "; ".join(f"{left} without {label}" for left, label in remaining)
    if len(effects) == 1:
        return f" It is {listed}."
    # The effects of two parts do not add up, so the sentence states that each is removed alone.
    rest = len(effects) - len(remaining)
    others = f"; {counted(rest, 'other part has a smaller effect', 'other parts have smaller effects')}" if rest else ""
    return f" With one part removed at a time, it is {listed}{others}."


if not TYPE_CHECKING:  # type checkers would take any name for one of this module
    __getattr__ = renamed_names(
        __name__, {"ClassTable": "ClassChannelTable", "Course": "FrameSignal", "Numbers": "LabelledValues"}
    )
