"""One concept: its effects, evidence and sensitivity, and the clips that show it best."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


class Refusal(str, Enum):
    """Reason why a sign fraction (TCAV) is not given; code compares these and never sentences."""

    CONSTANT_GRADIENT = "constant_gradient"  # the gradient is the same for every clip, so the fraction is 0 or 1


@dataclass(frozen=True)
class Effect:
    """Fall of the score when everything that a concept covers is replaced by a fill.

    Attributes
    ----------
    fill : str
        "blur" asks what if it were not there, "freeze" what if it stood still.
    value : float
        Fall of the margin (the logit minus the mean of the other classes' logits) per 1 % of the clip, over all clips.
    low, high : float
        95 % bootstrap interval over clips.
    p : float in 0..1
        Sign-flip test over clips, one-sided: the concept against as many voxels elsewhere in the same clip.
    q : float in 0..1
        The same with the false discovery rate controlled over the concepts (Benjamini-Hochberg).
    change : float
        Mean absolute difference between clip and fill where the concept is, in units of the network's input: an effect that
        follows it needs no model.
    """

    fill: str
    value: float
    low: float
    high: float
    p: float
    q: float
    change: float


@dataclass(frozen=True)
class TCAV:
    """Sensitivity of the score to the direction of a concept, at one layer.

    Attributes
    ----------
    layer : str
        Name of the layer.
    fraction : float in 0..1 or None
        Share of the clips in which a step toward the concept raises the score (Eq. 2 of TCAV). None if it is refused.
    magnitude : float
        Mean over clips of the derivative of the score along the direction.
    p : float in 0..1
        Of the magnitude: two-sided, the concept's units permuted within each clip. In mode "paper", of the fraction: a
        paired t-test against random concepts.
    accuracy : float in 0..1
        Balanced accuracy of the direction on clips that were left out: 0.5 is chance.
    reason : Refusal or None
        Why there is no fraction.
    """

    layer: str
    fraction: float | None
    magnitude: float
    p: float
    accuracy: float
    reason: Refusal | None = None


@dataclass(frozen=True)
class Concept:
    """A part of the clips of a class that looks alike to the network.

    Attributes
    ----------
    index : int
        Number of the concept, from 0 in the order of effect; `Concepts.grids` holds it.
    name : str
        "concept 1" until you name it.
    effects : tuple of Effect
        One for each fill; the first one orders the concepts. Empty before they are measured, and in mode "paper".
    evidence : float
        Mean over all clips of the evidence inside the concept, in units of the score.
    volume : float in 0..1
        Mean share of the clip that it covers, over all clips.
    presence : tuple of float in 0..1
        Share of each clip that it covers; 0 where it does not occur.
    exemplars : tuple of int
        Clips in which it occurs, those with the largest effect first. `Concepts.mask` gives everything it covers there.
    tcav : TCAV or None
        None before it is measured.
    """

    index: int
    name: str
    effects: tuple[Effect, ...]
    evidence: float
    volume: float
    presence: tuple[float, ...]
    exemplars: tuple[int, ...]
    tcav: TCAV | None = None

    @property
    def effect(self) -> Effect | None:
        """The effect that orders the concepts; None if there is none."""
        return self.effects[0] if self.effects else None

    @property
    def density(self) -> float:
        """Evidence per 1 % of the clip."""
        return self.evidence / (100 * self.volume) if self.volume else 0.0

    def effect_of(self, fill: str) -> Effect | None:
        """Return the effect of one fill; None if it was not measured."""
        return next((effect for effect in self.effects if effect.fill == fill), None)

    @property
    def order(self) -> tuple[float, float, float]:
        """Key that sorts concepts: effect, then the sign fraction, then the volume."""
        effect = 0.0 if self.effect is None else self.effect.value
        fraction = 0.0 if self.tcav is None or self.tcav.fraction is None else self.tcav.fraction
        return effect, fraction, self.volume
