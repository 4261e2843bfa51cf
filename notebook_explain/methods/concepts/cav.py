"""Concept activation vectors: the direction of a concept in a layer, and the sensitivity of the score to it.

The direction is a mean difference. Its negatives are the units of the same clips: against other clips, a direction of random
units is told apart almost as well as a real one, because it then only tells which clips they come from::

    v = mean over the concept's units of (a - mean of all units of the same clip)

The magnitude is the mean over clips of the gradient along v; the sign fraction is the share of clips where it is positive
(Eq. 2). Where the gradient is the same for every clip, as before a global pooling, the fraction can only be 0 or 1, and is
refused.

References: Kim et al.: Interpretability Beyond Feature Attribution, ICML 2018, arXiv:1711.11279; Ji et al.: Spatial-temporal
Concept based Explanation of 3D ConvNets, arXiv:2206.05275.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
LEAST_VARIATION = 0.01  # standard deviation over clips, in units of the mean absolute gradient
PERMUTATIONS, FOLDS = 999, 5
_TIE = 1e-9


@dataclass(frozen=True, eq=False)
class UnitFeatures:
    """Units of one clip as one layer describes them.

    Attributes
    ----------
    values : float array (unit, channel)
    labels : int array (unit,)
        Concept of each unit, -1 for none.
    """

    values: NDArray[np.float32]
    labels: NDArray[np.integer]


def gradient_variation(gradients: NDArray[np.float32]) -> float:
    """Return how much gradients (clip, channel) differ between clips: standard deviation over mean absolute value."""
    size = float(np.abs(gradients).mean(dtype=np.float64))
    return float(gradients.std(0, dtype=np.float64).mean()) / size if size > 0 else 0.0


def concept_direction(units: Sequence[UnitFeatures], concept: int) -> Floats:
    """Return the direction of a concept, not normalised: float (channel,); zero if no unit belongs to it."""
    total, count = np.zeros(units[0].values.shape[1]), 0
    for clip in units:
        own = clip.values[clip.labels == concept].astype(np.float64)
        if len(own):
            total += own.sum(0) - len(own) * clip.values.mean(0, dtype=np.float64)
            count += len(own)
    return total / max(1, count)


def held_out_accuracy(units: Sequence[UnitFeatures], concept: int, seed: int) -> float:
    """Return the balanced accuracy of a concept's direction on clips that it was not made of.

    The rest of the units of the same clips are the negatives, each clip with the weight of the concept in it; the threshold
    lies midway between the means of the two groups in the other clips.
    """
    present = [clip for clip in units if (clip.labels == concept).any() and (clip.labels != concept).any()]
    if len(present) < 2:
        return 0.5
    folds = np.random.default_rng((seed, 4)).permutation(len(present)) % min(FOLDS, len(present))
    right = weight = 0.0
    for fold in range(folds.max() + 1):
        rest = [clip for clip, own in zip(present, folds, strict=True) if own != fold]
        direction = concept_direction(rest, concept)
        middle = float(np.mean([_group_means(clip, concept, direction) for clip in rest]))
        for clip, own in zip(present, folds, strict=True):
            if own == fold:
                above = clip.values @ direction > middle
                inside = clip.labels == concept
                count = float(inside.sum())
                right += count * (above[inside].mean() + (~above[~inside]).mean()) / 2
                weight += count
    return float(right / weight)


def _group_means(clip: UnitFeatures, concept: int, direction: Floats) -> tuple[float, float]:
    along, inside = clip.values @ direction, clip.labels == concept
    return float(along[inside].mean()), float(along[~inside].mean())


def sign_fraction(gradients: NDArray[np.float32], direction: Floats) -> float:
    """Return the share of clips whose score rises along a direction, given gradients (clip, channel)."""
    return float((gradients @ direction > 0).mean())


def magnitudes_with_p(
    units: Sequence[UnitFeatures], gradients: NDArray[np.float32], count: int, seed: int
) -> tuple[Floats, Floats]:
    """Return the magnitude of every concept, and its two-sided p-value under permutation of the units within each clip.

    Parameters
    ----------
    units : sequence of UnitFeatures
    gradients : float array (clip, channel)
        Of the score, summed over positions.
    count : int
        Number of concepts.
    seed : int
    """
    rng = np.random.default_rng((seed, 5))
    mean_gradient = gradients.mean(0, dtype=np.float64)
    found, drawn, sizes = np.zeros(count), np.zeros((PERMUTATIONS, count)), np.zeros(count)
    for clip in units:
        along = (clip.values @ mean_gradient.astype(np.float32)).astype(np.float64)
        along -= along.mean()
        member = (clip.labels[:, None] == np.arange(count)).astype(np.float64)
        found += along @ member
        drawn += rng.permuted(np.tile(along, (PERMUTATIONS, 1)), axis=1) @ member
        sizes += member.sum(0)
    slack = _TIE * np.maximum(np.abs(found), np.abs(drawn).max(0))
    p = (1 + (np.abs(drawn) >= np.abs(found) - slack).sum(0)) / (PERMUTATIONS + 1)
    return found / np.maximum(sizes, 1), np.asarray(p, np.float64)
