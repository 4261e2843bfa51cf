"""Facets of a set of clips: groups that a layer tells apart, and the objective to look like one of them.

As in The Mind's Eye (arXiv:2101.12447) the features of a clip are the means of the layer's channels, reduced by PCA and grouped
by k-means; a facet's target is the mean of its members nearest to the centre, weighted by their distance.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from notebook_explain.methods.concepts.clustering import kmeans, nearest
from notebook_explain.methods.feature_visualization.objectives import Objective
from notebook_explain.methods.feature_visualization.passes import Pass

COMPONENTS, TRIES, MOST_FACETS = 10, 10, 6
NEAREST = 10  # members whose mean is the target
LEAST_CLIPS = 4  # in a set that is grouped
SHARE = 4  # one in so many channels is maximised


@dataclass(frozen=True, eq=False)
class FacetTarget(Objective):
    """Look like a facet: raise its strongest channels and come near its mean.

    Attributes
    ----------
    layer : str
    index, count : int
        Number of the facet, from 0, and of all facets.
    members : tuple of int
        Clips of the facet, the nearest to its centre first.
    mean : float32 array (channel,)
        Weighted mean of the nearest members.
    scale : float32 array (channel,)
        Standard deviation of each channel over the set.
    weights : tuple of float
        Of the nearest members in the mean; they sum to 1.
    """

    layer: str
    index: int
    count: int
    members: tuple[int, ...]
    mean: NDArray[np.float32]
    scale: NDArray[np.float32]
    weights: tuple[float, ...]

    def __repr__(self) -> str:
        return f"FeatureVisualization(layer={self.layer!r}, facets={self.count}), facet {self.index}"

    @property
    def layers(self) -> tuple[str, ...]:
        """Names of the layers whose activations it reads."""
        return (self.layer,)

    @property
    def has_own_scale(self) -> bool:
        """True: activation and distance are relative to the facet."""
        return True

    @property
    def title(self) -> str:
        """Name for readers."""
        return f"facet {self.index + 1} of {self.count}" if self.count > 1 else f"layer {self.layer}"

    def scores(self, found: Pass) -> torch.Tensor:
        """Return activation of the strongest channels minus the robust distance to the mean, float (clip,)."""
        return self.scores_of(found.volumes[self.layer].mean((2, 3, 4)))

    def scores_of(self, features: torch.Tensor) -> torch.Tensor:
        """Return the scores of features (clip, channel)."""
        mean = torch.from_numpy(self.mean).to(features)
        scale = torch.from_numpy(self.scale).to(features).clamp_min(1e-6)
        top = mean.topk(max(1, len(mean) // SHARE)).indices
        activation = (features[:, top] @ mean[top]) / mean[top].square().sum().clamp_min(1e-12)
        distance = ((1 + ((features - mean) / scale).square()).sqrt() - 1).mean(1)
        return 0.5 * activation - distance


def find_facets(features: NDArray[np.float64], layer: str, count: int | None, seed: int) -> list[FacetTarget]:
    """Group clips, and return the objective of each group.

    Parameters
    ----------
    features : float64 array (clip, channel)
    layer : str
    count : int or None
        Number of facets; ``None`` chooses the number from 2 to 6 with the best silhouette.
    seed : int
    """
    labels = _grouped(features, count, seed)
    groups = int(labels.max()) + 1
    scale = features.std(0).astype(np.float32)
    found = []
    for index in range(groups):
        members, mean, weights = _target(features, np.flatnonzero(labels == index))
        found.append(FacetTarget(layer, index, groups, members, mean, scale, weights))
    return found


def _grouped(features: NDArray[np.float64], count: int | None, seed: int) -> NDArray[np.int64]:
    """Return the facet of each clip; facets are numbered by size, the largest first."""
    if count == 1 or len(features) < 2:
        return np.zeros(len(features), np.int64)
    points = _components(features)
    choices = [count] if count is not None else list(range(2, min(MOST_FACETS, len(features) - 1) + 1))
    best, labels = -np.inf, np.zeros(len(features), np.int64)
    for number in choices:
        found = _best_of_tries(points, int(number), seed)
        quality = silhouette(points, found) if len(choices) > 1 else 0.0
        if quality > best:
            best, labels = quality, found
    order = np.argsort(-np.bincount(labels), kind="stable")
    return np.argsort(order)[labels]


def _best_of_tries(points: NDArray[np.float32], count: int, seed: int) -> NDArray[np.int64]:
    tries = [kmeans(points, count, 1000 * seed + number) for number in range(TRIES)]
    spreads = [float(nearest(points, centres)[1].sum()) for _, centres in tries]
    return tries[int(np.argmin(spreads))][0]


def _components(features: NDArray[np.float64]) -> NDArray[np.float32]:
    """Return the first principal components of features, float32 (clip, component)."""
    centred = features - features.mean(0)
    u, s, _ = np.linalg.svd(centred, full_matrices=False)
    return np.ascontiguousarray((u * s)[:, :COMPONENTS], np.float32)


def silhouette(points: NDArray[Any], labels: NDArray[np.int64]) -> float:
    """Return the mean silhouette of a grouping, -1..1; 0 for points that are alone in their group (Rousseeuw, 1987)."""
    distances = np.linalg.norm(points[:, None].astype(np.float64) - points[None], axis=-1)
    counts = np.bincount(labels)
    if len(counts) < 2:
        return -1.0
    sums = np.stack([distances[:, labels == group].sum(1) for group in range(len(counts))], 1)
    own = counts[labels]
    inside = sums[np.arange(len(points)), labels] / np.maximum(own - 1, 1)
    means = sums / counts
    means[np.arange(len(points)), labels] = np.inf
    outside = means.min(1)
    values = (outside - inside) / np.maximum(np.maximum(inside, outside), 1e-12)
    return float(np.where(own > 1, values, 0).mean())


def _target(
    features: NDArray[np.float64], members: NDArray[np.int64]
) -> tuple[tuple[int, ...], NDArray[np.float32], tuple[float, ...]]:
    """Return the members of a facet, the nearest to its centre first, the weighted mean of the nearest, and the weights."""
    centre = features[members].mean(0)
    distances = np.linalg.norm(features[members] - centre, axis=1)
    order = np.argsort(distances, kind="stable")
    chosen = order[:NEAREST]
    typical = max(float(distances[chosen].mean()), 1e-12)
    logits = 1 / np.maximum(distances[chosen] / typical, 0.1)
    weights = np.exp(logits - logits.max())
    weights /= weights.sum()
    mean = (weights[:, None] * features[members[chosen]]).sum(0)
    return tuple(members[order].tolist()), mean.astype(np.float32), tuple(weights.tolist())


def facet_numbers(
    features: NDArray[np.float64], facet: FacetTarget, facets: Sequence[FacetTarget], reals: NDArray[np.float64]
) -> tuple[float, float, bool]:
    """Return how near a made clip is to its facet: cosine, relative distance, and whether no other facet is nearer.

    Parameters
    ----------
    features : float64 array (channel,)
        Of the made clip.
    facet : FacetTarget
    facets : sequence of FacetTarget
        All facets.
    reals : float64 array (clip, channel)
        Of the set.
    """
    middle = reals.mean(0) if len(facets) > 1 else np.zeros(reals.shape[1])
    a, b = features - middle, facet.mean.astype(np.float64) - middle
    cosine = float(a @ b / max(float(np.linalg.norm(a) * np.linalg.norm(b)), 1e-12))
    centre = reals[list(facet.members)].mean(0)
    spread = float(np.linalg.norm(reals[list(facet.members)] - centre, axis=1).mean())
    if spread == 0:  # of a single clip, or equal ones
        spread = float(np.linalg.norm(reals - reals.mean(0), axis=1).mean())
    distance = float(np.linalg.norm(features - centre))
    distances = [float(np.linalg.norm(features - reals[list(one.members)].mean(0))) for one in facets]
    return min(1.0, max(-1.0, cosine)), distance / spread if spread else 0.0, int(np.argmin(distances)) == facet.index
