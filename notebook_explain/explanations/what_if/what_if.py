"""Effect of edits of a clip or of a network on the prediction, and on the explanation."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from notebook_explain._errors import UsageError
from notebook_explain._validation import check_int
from notebook_explain.clip import Clip
from notebook_explain.explanations.blocks.report import BlockReport
from notebook_explain.explanations.caveats import Caveat, CaveatCode
from notebook_explain.explanations.number_format import percent
from notebook_explain.explanations.predictions import TOP, HeadPrediction
from notebook_explain.explanations.provenance import Provenance
from notebook_explain.explanations.pyramid.pyramid import Pyramid
from notebook_explain.explanations.targets import TargetResult
from notebook_explain.explanations.text import LONGEST_NAME, quoted_target, short, shortened, value_text
from notebook_explain.explanations.tubes import Tubes
from notebook_explain.explanations.what_if.text import (
    MOVED,
    Moved,
    capitalised,
    edits_words,
    moved_most,
    moved_words,
    noticeable,
)

Explained = Tubes | Pyramid | BlockReport


@dataclass(frozen=True)
class AppliedEdit:
    """Record of an edit.

    Attributes
    ----------
    entry : dict
        The edit as JSON; ``notebook_explain.edits.from_json(entry)`` is the edit.
    words : str
        The edit as a phrase.
    code : str
        The code that makes it.
    of : "clip" or "network"
    """

    entry: dict[str, Any]
    words: str
    code: str
    of: str


@dataclass(frozen=True, eq=False)
class Side:
    """A clip, what the network says of it, and why: without the edits, or with them.

    Attributes
    ----------
    clip : Clip
        The frames that the network saw.
    heads : tuple of HeadPrediction
        Logits and probabilities of all classes.
    target : TargetResult
        Score and probability of the target.
    explanation : Tubes, Pyramid or BlockReport, optional
        Made by the explainer that was given.
    """

    clip: Clip
    heads: tuple[HeadPrediction, ...]
    target: TargetResult
    explanation: Explained | None = None

    def head(self, name: str | None = None) -> HeadPrediction:
        """Return a head by name; that of the target by default (ValueError lists the names)."""
        wanted = self.target.head if name is None else name
        for head in self.heads:
            if head.name == wanted:
                return head
        raise UsageError(
            f"head {wanted!r} is not in this model; it has {', '.join(repr(head.name) for head in self.heads)}"
        )


@dataclass(frozen=True, eq=False)
class WhatIf:
    """Prediction and explanation of a network without and with edits.

    Attributes
    ----------
    edits : tuple of AppliedEdit
        In the order in which they were given.
    before, after : Side
        Without and with the edits.
    provenance : Provenance
    """

    edits: tuple[AppliedEdit, ...]
    before: Side
    after: Side
    provenance: Provenance

    def __repr__(self) -> str:
        code = ", ".join(shortened(edit.code, LONGEST_NAME) for edit in self.edits)
        return f"WhatIf([{code}]; {self.target_words()}; {self.before.clip!r})"

    @property
    def clip(self) -> Clip:
        """The clip before the edits, as the network saw it."""
        return self.before.clip

    @property
    def edited(self) -> Clip:
        """The clip with the edits, as the network saw it."""
        return self.after.clip

    @property
    def drop(self) -> float:
        """Fall of the target's score: its logit, value or difference before the edits, minus that with them."""
        return self.before.target.logit - self.after.target.logit

    @property
    def caveats(self) -> tuple[str, ...]:
        """Sentences that readers must see."""
        synthetic = (
            [Caveat(f"The clip is a {self.clip.source}.", CaveatCode.SYNTHETIC_CLIP)] if self.clip.is_synthetic else []
        )
        return tuple(dict.fromkeys([*synthetic, *self.provenance.caveats]))

    def moved(self, count: int = TOP, head: str | None = None) -> tuple[Moved, ...]:
        """Return the classes that moved most: label, probability before and after (values of a regression).

        Parameters
        ----------
        count : int
        head : str, optional
            Name of the head; that of the target by default.

        Raises
        ------
        TypeError, ValueError
            ``count`` is no whole number of at least 1; there is no such head.
        """
        return moved_most(self.before.head(head), self.after.head(head), check_int("count", count))

    def target_words(self) -> str:
        """Return the target before and after: "'kick' 72 % to 31 %"."""
        before, after = self.before.target, self.after.target
        name = shortened(quoted_target(before), 2 * LONGEST_NAME)
        if before.probability is not None and after.probability is not None:
            return f"{name} {percent(before.probability)} to {percent(after.probability)}"
        if before.unit:
            return f"{name} {short(before.logit)} to {value_text(after.logit, after.unit)}"
        return f"{name} {short(before.logit)} to {short(after.logit)}"

    def in_words(self) -> str:
        """Return sentences: the edits, the target before and after, what moved most, and a change of the top class."""
        head, other = self.before.head(), self.after.head()
        edits = capitalised(edits_words([edit.words for edit in self.edits]))
        if np.array_equal(head.logits, other.logits):
            return f"{edits}: nothing changes; {self.target_words()}."
        sentences = [f"{edits}: {self.target_words()}."]
        own = None if self.before.target.against is not None else head.labels[self.before.target.index]
        rest = noticeable([one for one in self.moved(MOVED + 1) if one.label != own][:MOVED], head)
        if rest:
            which = "What moved most" if own is None else "Of the others, most moved"
            sentences.append(f"{which}: {'; '.join(moved_words(one, head) for one in rest)}.")
        if head.probabilities is not None and other.probabilities is not None and len(head.labels) > 1:
            first, second = (shortened(one.top(1)[0][0], LONGEST_NAME) for one in (head, other))
            sentences += [f"The top class changes from '{first}' to '{second}'."] if first != second else []
        return " ".join(sentences)

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Write everything to one .npz file (arrays and JSON, no pickle); ``notebook_explain.load`` reads it."""
        from notebook_explain.explanations.io.save_load import save

        return save(self, path)

    # An explanation imports the packages that show it here and nowhere else.

    def figure(self, frames: int = 6, classes: int = TOP) -> Any:
        """Return a matplotlib figure: frames before and after, and the classes that moved most.

        Parameters
        ----------
        frames, classes : int
            Most frames and classes to draw.
        """
        from notebook_explain import display

        return display.figure(self, frames=check_int("frames", frames), classes=check_int("classes", classes))

    def to_png(self, path: str | os.PathLike[str], *, frames: int = 6, classes: int = TOP, dpi: float = 150) -> Path:
        """Write the `figure` as a PNG of 20 to 1200 pixels per inch; an existing file is replaced atomically."""
        from notebook_explain import display

        return display.to_png(self, path, frames=frames, classes=classes, dpi=dpi)

    def to_html(self, path: str | os.PathLike[str], title: str | None = None) -> Path:
        """Write an HTML page with before and after side by side, that needs neither a kernel nor a network.

        With tubes as explanations, the page has the viewer that compares them; else both clips play beside each other.

        Parameters
        ----------
        path : path to a file
        title : str, optional
            Heading of the page; the edits by default.
        """
        from notebook_explain import display

        return display.what_if_page(self, path, title)

    def view(self, **state: Any) -> Any:
        """Return the widget that shows both explanations side by side (`compare`).

        Raises
        ------
        ValueError
            There are no tubes: no explainer was given, or one of another kind.
        """
        from notebook_explain import display

        return display.what_if_view(self, **state)

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> Any:
        from notebook_explain import display

        return display.what_if_bundle(self)
