"""Directions, scores and test of 3D ACE as published, for comparison.

For each concept and each of 20 sets of random clips, a logistic regression tells the concept's units from the random clips;
its weights are the direction. The score is the share of the class's clips whose derivative along it is positive, averaged over
the sets; a paired t-test compares it with the scores of random clips in the place of the concept.

Measured on the bundled network, whose concepts are known (``python -m benchmarks.concepts``): the score put the acting concept
first in 8 of 10 classes, but above every concept of room, ball and idle person in none, because several share the value 1. The
p-values of the test are too small: the sets share their clips, and units of other clips are told apart whatever they show. At
an input of global pooling the derivative is the same for every clip, so that the score only counts sets.

Reference: Ji, Wang, Kwong, Wu: Spatial-temporal Concept based Explanation of 3D ConvNets, CVPR 2023 Workshops,
arXiv:2206.05275.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from notebook_explain._errors import UsageError
from notebook_explain.explanations import TCAV
from notebook_explain.explanations.caveats import Caveat, CaveatCode
from notebook_explain.methods.concepts.builder import ConceptBuilder
from notebook_explain.methods.concepts.cav import LEAST_VARIATION, sign_fraction
from notebook_explain.methods.concepts.embedding import Embedded, layer_features
from notebook_explain.methods.concepts.sensitivity import units_at_layer
from notebook_explain.models import Layer, VideoModel

Floats = NDArray[np.float64]
SETS, LEAST_RANDOM, HELD_OUT = 20, 10, 0.33  # sets of random clips; clips; share of the units that test a direction
_STEPS, _PENALTY = 25, 1.0  # Newton steps and weight of the squared weights
_CONSTANT = (
    "The gradient at {layer!r} is the same for every clip: the share of clips is 0 or 1 for each set of random clips, and only "
    "their mean lies between."
)
_PUBLISHED = (
    "Published protocol: its score does not rank concepts by use, and its test finds random concepts significant."
)


class PublishedTest:
    """Tests concepts against random clips.

    Parameters
    ----------
    seed : int
    model : VideoModel
    known : sequence of Layer
        Layers whose features are known.
    builder : ConceptBuilder
    layer : Layer
        Layer of the directions.
    variation : float
        How much its gradient varies between clips.

    Attributes
    ----------
    count : int
        Number of random clips so far.
    """

    def __init__(
        self,
        seed: int,
        model: VideoModel,
        known: Sequence[Layer],
        builder: ConceptBuilder,
        layer: Layer,
        variation: float,
    ) -> None:
        self.seed, self.model, self.builder = seed, model, builder
        self.layer, self.variation, self._own = layer, variation, known
        self._random: list[NDArray[np.float32]] = []

    @property
    def count(self) -> int:
        """Number of random clips so far."""
        return len(self._random)

    def add(self, embedded: Embedded) -> None:
        """Add a random clip."""
        if self.layer in self._own:
            cells = embedded.cells[self._own.index(self.layer)]
        else:
            cells = layer_features(self.model, [embedded.clip], self.layer)[0]
        self._random.append(cells.features.mean(1))

    def results(self) -> tuple[list[TCAV], list[Caveat]]:
        """Return the sensitivity of every concept, and caveats.

        Raises
        ------
        ValueError
            Too few random clips.
        """
        if self.count < LEAST_RANDOM:
            raise UsageError(f"random_clips holds {self.count} clips, but mode 'paper' needs at least {LEAST_RANDOM}")
        builder, rng = self.builder, np.random.default_rng((self.seed, 8))
        units, _ = units_at_layer(
            self.model, builder.embedded, builder.segmentations, builder.labels, self.layer, self._own
        )
        gradients = np.stack([one.gradients[self.layer.name] for one in builder.embedded])
        random = np.stack(self._random).astype(np.float64)
        half = len(random) // 2
        sets = [rng.permutation(len(random))[: 2 * half].reshape(2, half) for _ in range(SETS)]
        chance = [_scores(random[one], random[other], gradients, rng)[0] for one, other in sets]
        found = []
        for concept in range(builder.count):
            own = np.concatenate([clip.values[clip.labels == concept] for clip in units]).astype(np.float64)
            rows = np.array([_scores(own, random[other], gradients, rng) for _, other in sets])
            fraction, magnitude, accuracy = rows.mean(0).tolist()
            p = paired_t_test(rows[:, 0], np.array(chance))
            found.append(TCAV(self.layer.name, fraction, magnitude, p, accuracy))
        caveats = [Caveat(_PUBLISHED, CaveatCode.PUBLISHED_RULE)]
        if self.variation <= LEAST_VARIATION:
            caveats.append(Caveat(_CONSTANT.format(layer=self.layer.name), CaveatCode.PUBLISHED_RULE))
        return found, caveats


def _scores(
    own: Floats, random: Floats, gradients: NDArray[np.float32], rng: np.random.Generator
) -> tuple[float, float, float]:
    """Return share of clips, mean derivative and held-out accuracy of the direction from random clips to a concept."""
    count = min(len(own), len(random))
    groups = [group[rng.permutation(len(group))[:count]] for group in (own, random)]
    test = max(1, round(HELD_OUT * count))
    points = np.concatenate([group[test:] for group in groups])
    weights, bias = logistic_regression(points, np.repeat([1.0, 0.0], count - test))
    right = [groups[0][:test] @ weights + bias > 0, groups[1][:test] @ weights + bias <= 0]
    direction = weights / max(float(np.linalg.norm(weights)), 1e-12)
    derivatives = gradients @ direction
    return sign_fraction(gradients, direction), float(derivatives.mean()), float(np.mean(right))


def logistic_regression(points: Floats, labels: Floats) -> tuple[Floats, float]:
    """Return weights and bias of a logistic regression with squared weights as a penalty, by Newton's method.

    Parameters
    ----------
    points : float (point, channel)
    labels : float (point,)
        0 or 1.
    """
    with_bias = np.concatenate([points, np.ones((len(points), 1))], 1)
    penalty = np.full(with_bias.shape[1], _PENALTY)
    penalty[-1] = 1e-9
    weights = np.zeros(with_bias.shape[1])
    for _ in range(_STEPS):
        likely = 1 / (1 + np.exp(-np.clip(with_bias @ weights, -30, 30)))
        slope = with_bias.T @ (likely - labels) + penalty * weights
        curvature = (with_bias * (likely * (1 - likely))[:, None]).T @ with_bias + np.diag(penalty)
        step = np.linalg.solve(curvature, slope)
        weights -= step
        if float(np.abs(step).max()) < 1e-8:
            break
    return weights[:-1], float(weights[-1])


def paired_t_test(first: Floats, second: Floats) -> float:
    """Return the two-sided p-value of a paired t-test; 1 if all differences are 0."""
    gap = np.asarray(first - second, np.float64)
    error = float(gap.std(ddof=1)) / np.sqrt(len(gap))
    if error == 0:
        return 1.0 if not gap.any() else 0.0
    freedom, t = len(gap) - 1, float(gap.mean()) / error
    # The tails of Student's distribution are an incomplete beta function, an integral of a power of a sine.
    end = np.arcsin(np.sqrt(freedom / (freedom + t * t)))
    tail, whole = (_integral(limit, freedom - 1) for limit in (end, np.pi / 2))
    return min(1.0, tail / whole)


def _integral(limit: float, power: int, points: int = 20_001) -> float:
    """Return the integral of a power of the sine from 0 to a limit (trapezoids)."""
    values = np.sin(np.linspace(0, limit, points)) ** power
    return float((values[1:] + values[:-1]).sum() * limit / (points - 1) / 2)
