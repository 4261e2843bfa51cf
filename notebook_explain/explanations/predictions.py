"""Predictions: what a network says about a clip, without an explanation."""

from __future__ import annotations

import html
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from notebook_explain._errors import UsageError, join_names
from notebook_explain._validation import check_int
from notebook_explain.clip import Clip
from notebook_explain.explanations.caveats import Caveat, CaveatCode
from notebook_explain.explanations.provenance import Provenance
from notebook_explain.explanations.targets import CLASSES
from notebook_explain.explanations.text import LONGEST_NAME, percent, short, shortened, value_text

TOP = 5  # classes in a table
VALUE_DIGITS = 4
_TABLE = "border-collapse:collapse;color:inherit;background:transparent"
_CELL = "padding:1px 10px 1px 0;color:inherit;background:transparent;border:none;vertical-align:middle"
_BAR = "height:8px;min-width:1px;background:currentColor;opacity:.55"


@dataclass(frozen=True, eq=False)
class HeadPrediction:
    """Prediction of one head of a network.

    Attributes
    ----------
    name : str
        Name of the head, "" if it is the only one.
    labels : tuple of str (class,)
        "class 3" for a class without a name; others as for `TargetResult.name`.
    logits : float32 array (class,)
        Scores that explanations explain.
    probabilities : float32 array (class,) or None
        In 0..1: they sum to 1 for exclusive classes, and each stands for itself if several may apply. ``None`` if the
        outputs are values.
    kind : str
        "classes", "binary", "multilabel" or "regression".
    unit : str
        Of values, such as "ms".
    """

    name: str
    labels: tuple[str, ...]
    logits: NDArray[np.float32]
    probabilities: NDArray[np.float32] | None
    kind: str = CLASSES
    unit: str = ""

    def top(self, count: int = TOP) -> tuple[tuple[str, float], ...]:
        """Return (label, probability) of the most probable classes, best first; (label, value) of a regression.

        Raises
        ------
        TypeError, ValueError
            ``count`` is no whole number of at least 1.
        """
        values = self.logits if self.probabilities is None else self.probabilities
        return tuple((self.labels[index], float(values[index])) for index in self._order(count))

    def rows(self, count: int = TOP) -> list[tuple[str, str, str, float]]:
        """Return rows of a table: label, value in words, logit in words, and the length of a bar in 0..1 (0: no bar)."""
        rows = []
        for index in self._order(count):
            label, logit = self.labels[index], float(self.logits[index])
            if self.probabilities is None:
                rows.append((label, value_text(logit, self.unit, VALUE_DIGITS), "", 0.0))
            else:
                probability = float(self.probabilities[index])
                rows.append((label, percent(probability), short(logit), probability))
        return rows

    def _order(self, count: int) -> list[int]:
        """Return the indices of the first rows."""
        count = check_int("count", count)
        by_value = np.zeros(len(self.logits)) if self.probabilities is None else -self.probabilities
        return [int(index) for index in np.argsort(by_value, kind="stable")[:count]]


@dataclass(frozen=True, eq=False)
class Predictions:
    """Predictions of a network for one clip: ``model(clip)``.

    Attributes
    ----------
    heads : tuple of HeadPrediction
    clip : Clip
        As the network saw it.
    provenance : Provenance
    """

    heads: tuple[HeadPrediction, ...]
    clip: Clip
    provenance: Provenance

    def head(self, name: str | None = None) -> HeadPrediction:
        """Return a head by its name; the only one for ``None``.

        Raises
        ------
        ValueError
            There is no such head, or there are several and no name was given.
        """
        if name is None and len(self.heads) == 1:
            return self.heads[0]
        names = join_names([repr(head.name) for head in self.heads], "and")
        if name is None:
            raise UsageError(f"this model has the heads {names}; name one", arguments=("head",))
        for head in self.heads:
            if head.name == name:
                return head
        raise UsageError(f"head {name!r} is not in these predictions; they have {names}")

    def top(self, count: int = TOP, head: str | None = None) -> tuple[tuple[str, float], ...]:
        """Return (label, probability) of the most probable classes of a head; see `HeadPrediction.top`."""
        return self.head(head).top(count)

    @property
    def labels(self) -> tuple[str, ...]:
        """Labels of the only head."""
        return self.head().labels

    @property
    def logits(self) -> NDArray[np.float32]:
        """Logits (class,) of the only head."""
        return self.head().logits

    @property
    def probabilities(self) -> NDArray[np.float32] | None:
        """Probabilities (class,) of the only head; ``None`` for values."""
        return self.head().probabilities

    @property
    def caveats(self) -> tuple[str, ...]:
        """Sentences that readers must see."""
        text = f"The clip is a {self.clip.source}."
        synthetic = [Caveat(text, CaveatCode.SYNTHETIC_CLIP)] if self.clip.is_synthetic else []
        return tuple(dict.fromkeys([*synthetic, *self.provenance.caveats]))

    def __repr__(self) -> str:
        lines = [self._title()]
        for head in self.heads:
            indent = "  " if head.name else ""
            lines += [f"  {head.name}"] if head.name else []
            for label, value, logit, _ in head.rows():
                details = f"  (logit {logit})" if logit else ""
                lines.append(f"  {indent}{value:>11}  {shortened(label, LONGEST_NAME)}{details}")
        return "\n".join([*lines, *(f"  {caveat}" for caveat in self.caveats)])

    def _repr_html_(self) -> str:
        """Return a table in the colours of the page around it; all texts are escaped."""
        rows = [f'<div style="margin-bottom:4px">{html.escape(self._title())}</div>']
        for head in self.heads:
            if head.name:
                rows.append(f'<div style="font-weight:600">{html.escape(head.name)}</div>')
            rows.append(f'<table style="{_TABLE}"><tbody>')
            rows += [_html_row(*row) for row in head.rows()]
            rows.append("</tbody></table>")
        rows += [f'<div style="opacity:.8">{html.escape(caveat)}</div>' for caveat in self.caveats]
        return f'<div style="color:inherit">{"".join(rows)}</div>'

    def _title(self) -> str:
        time, height, width = self.clip.size
        network = self.provenance.model.partition(",")[0]
        return f"Predictions of {network} for {self.clip.name} ({time} frames of {height} x {width})"


def _html_row(label: str, value: str, logit: str, bar: float) -> str:
    drawn = f'<div style="{_BAR};width:{100 * min(max(bar, 0.0), 1.0):.1f}%"></div>' if bar else ""
    cells = [
        f'<td style="{_CELL};text-align:left">{html.escape(shortened(label, LONGEST_NAME))}</td>',
        f'<td style="{_CELL};text-align:right;white-space:nowrap">{html.escape(value)}</td>',
        f'<td style="{_CELL};width:120px">{drawn}</td>',
        f'<td style="{_CELL};text-align:right;opacity:.8">{"logit " + html.escape(logit) if logit else ""}</td>',
    ]
    return f'<tr style="background:transparent">{"".join(cells)}</tr>'
