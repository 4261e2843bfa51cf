"""Reliance of a network on the order of the frames, and on single frames."""

from __future__ import annotations

import os
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from notebook_explain.clip import Clip
from notebook_explain.explanations.caveats import Caveat, CaveatCode
from notebook_explain.explanations.evaluation.intervals import Interval, clustered_interval
from notebook_explain.explanations.number_format import counted, percent
from notebook_explain.explanations.provenance import Provenance
from notebook_explain.explanations.targets import TargetResult
from notebook_explain.explanations.text import LONGEST_NAME, quoted_target, shortened, value_text

LEAST = 0.05  # of the value of the clip as it is: smaller changes count as none
Floats = NDArray[np.float64]


class OrderUse(str, Enum):
    """Use that a network makes of the order of the frames for a target; code compares these and never sentences."""

    NEEDED = "needed"  # the value falls when the frames are shuffled
    NOT_NEEDED = "not_needed"  # it stays
    HARMFUL = "harmful"  # it rises
    UNCLEAR = "unclear"  # the interval allows more than one of these


@dataclass(frozen=True, eq=False)
class TemporalReliance:
    """Values of a target for a clip whose frames come in another order, or are held.

    All values are probabilities in 0..1; scores, of a regression and of a difference of two classes.

    Attributes
    ----------
    clip : Clip
        The frames that the network saw.
    target : TargetResult
        Score and probability for the clip as it is.
    shuffled : float64 array (seed,)
        Frames in random order, one order for each seed.
    frozen : float64 array (frame,)
        Every frame shows this one.
    held : float64 array (frame,)
        This frame alone shows its neighbour: the frame before it, or after it for the first one.
    reversed : float
        Frames in reverse order.
    half_speed : float
        The first half of the frames, each shown twice.
    provenance : Provenance
    """

    clip: Clip
    target: TargetResult
    shuffled: Floats
    frozen: Floats
    held: Floats
    reversed: float
    half_speed: float
    provenance: Provenance

    def __repr__(self) -> str:
        name = shortened(quoted_target(self.target), LONGEST_NAME)
        return f"TemporalReliance({name}; {counted(len(self.shuffled), 'shuffle')}; {self.clip!r})"

    @property
    def value(self) -> float:
        """Value for the clip as it is."""
        return self.target.logit if self.target.probability is None else self.target.probability

    @property
    def shuffle_effect(self) -> Interval:
        """Fall of the value when the frames are shuffled, with the 95 % interval over the seeds."""
        return clustered_interval(self.value - self.shuffled, np.arange(len(self.shuffled)))

    @property
    def order(self) -> OrderUse:
        """Use that the network makes of the order of the frames: changes within 5 % of the value count as none."""
        effect, least = self.shuffle_effect, LEAST * abs(self.value)
        if effect.low is None or effect.high is None:
            return OrderUse.UNCLEAR
        if effect.low > least:
            return OrderUse.NEEDED
        if effect.high < -least:
            return OrderUse.HARMFUL
        return OrderUse.NOT_NEEDED if effect.low >= -least and effect.high <= least else OrderUse.UNCLEAR

    @property
    def most_needed_frame(self) -> int | None:
        """Index of the frame whose replacement by its neighbour costs most; None if none costs 5 % of the value."""
        falls = self.value - self.held
        frame = int(falls.argmax())
        return frame if falls[frame] > LEAST * abs(self.value) else None

    @property
    def caveats(self) -> tuple[str, ...]:
        """Sentences that readers must see."""
        text = f"The clip is a {self.clip.source}."
        synthetic = [Caveat(text, CaveatCode.SYNTHETIC_CLIP)] if self.clip.is_synthetic else []
        return tuple(dict.fromkeys([*synthetic, *self.provenance.caveats]))

    def value_words(self, value: float) -> str:
        """Return a value as text: "72 %", or a score with its unit."""
        return value_text(value, self.target.unit) if self.target.probability is None else percent(value)

    def in_words(self) -> str:
        """Return one sentence on the order of the frames, and what it rests on."""
        name = shortened(quoted_target(self.target), 2 * LONGEST_NAME)
        verdict = {
            OrderUse.NEEDED: f"This network needs the order of the frames for {name}",
            OrderUse.NOT_NEEDED: f"This network does not need the order of the frames for {name}",
            OrderUse.HARMFUL: f"The order of the frames speaks against {name}",
            OrderUse.UNCLEAR: f"Whether this network needs the order of the frames for {name} is unclear",
        }[self.order]
        now, words = self.value_words(self.value), self.value_words
        mean = float(self.shuffled.mean())
        spread = f"{words(float(self.shuffled.min()))} to {words(float(self.shuffled.max()))}"
        return (
            f"{verdict}: {now} as it is, {words(mean)} shuffled ({spread} in {counted(len(self.shuffled), 'order')}), "
            f"{words(self.reversed)} backwards, {words(self.half_speed)} at half speed, and "
            f"{words(float(self.frozen.mean()))} on average for a single frame held."
        )

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Write everything to one .npz file (arrays and JSON, no pickle); ``notebook_explain.load`` reads it."""
        from notebook_explain.explanations.io.save_load import save

        return save(self, path)

    # An explanation imports the packages that show it here and nowhere else.

    def figure(self) -> Any:
        """Return a matplotlib figure: the value of each variant, and of each frame held."""
        from notebook_explain import display

        return display.figure(self)

    def to_png(self, path: str | os.PathLike[str], *, dpi: float = 150) -> Path:
        """Write the `figure` as a PNG of 20 to 1200 pixels per inch; an existing file is replaced atomically."""
        from notebook_explain import display

        return display.to_png(self, path, dpi=dpi)

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> Any:
        from notebook_explain import display

        return display.figure_bundle(self)
