"""Clusters of units, and those among them that are concepts: they occur in enough clips."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from notebook_explain._errors import ExplainError
from notebook_explain.explanations.caveats import Caveat
from notebook_explain.explanations.number_format import counted, percent
from notebook_explain.methods.concepts.clustering import kmeans, nearest
from notebook_explain.methods.concepts.stability import clustering_stability
from notebook_explain.methods.concepts.units import ClipUnits, Segmentation

if TYPE_CHECKING:
    from notebook_explain.methods.concepts.explainer import ConceptDiscovery

MOST_POINTS = 100_000  # units that are grouped; the rest join the nearest cluster


@dataclass(frozen=True, eq=False)
class Clusters:
    """Concepts as groups of units.

    Attributes
    ----------
    labels : list of int array (unit,)
        Concept of each unit of each clip, -1 for none.
    centres : float32 array (cluster, channel)
        Those of the concepts first.
    count : int
        Number of concepts.
    stability : float
        Mean adjusted Rand index between clusterings with different seeds.
    """

    labels: list[NDArray[np.int64]]
    centres: NDArray[np.float32]
    count: int
    stability: float


def cluster_units(explainer: ConceptDiscovery, units: Sequence[ClipUnits]) -> tuple[Clusters, list[Caveat]]:
    """Group the units of all clips, and keep the groups that occur in enough clips.

    Raises
    ------
    ExplainError
        No group does.
    """
    wanted = explainer.clusters
    points = _drawn_points(units, explainer.seed)
    _, centres = kmeans(points, wanted, explainer.seed)
    found = [assign(one.segmentation, one.descriptors, centres) for one in units]
    is_present = np.array([[(labels == k).any() for k in range(len(centres))] for labels in found])
    is_kept = is_present.mean(0) >= explainer.presence
    if not is_kept.any():
        raise ExplainError(
            f"none of the {len(centres)} clusters occurs in {percent(explainer.presence)} of the clips: the clips have too "
            "little in common; use fewer clusters (count) or a lower presence"
        )
    order = np.concatenate([np.flatnonzero(is_kept), np.flatnonzero(~is_kept)])
    number = np.full(len(centres), -1)
    number[is_kept] = np.arange(is_kept.sum())
    stability = clustering_stability(points, wanted, explainer.seed)
    clusters = Clusters([number[labels] for labels in found], centres[order], int(is_kept.sum()), stability)
    return clusters, _caveats(wanted, len(centres), clusters.count, explainer.presence)


def _drawn_points(units: Sequence[ClipUnits], seed: int) -> NDArray[np.float32]:
    """Return the units that are grouped: all distinct ones, or as many of each clip at random as the limit allows."""
    rng, parts = np.random.default_rng((seed, 9)), []
    for one in units:
        distinct, limit = np.flatnonzero(one.segmentation.distinct), max(1, MOST_POINTS // len(units))
        chosen = distinct if len(distinct) <= limit else np.sort(rng.choice(distinct, limit, replace=False))
        parts.append(one.descriptors[chosen])
    return np.concatenate(parts)


def assign(
    segmentation: Segmentation, descriptors: NDArray[np.float32], centres: NDArray[np.float32]
) -> NDArray[np.int64]:
    """Return the cluster of every unit; units that repeat another one get its cluster."""
    return np.asarray(nearest(descriptors, centres)[0][segmentation.copies], np.int64)


def _caveats(wanted: int, found: int, kept: int, presence: float) -> list[Caveat]:
    caveats = []
    if found < wanted:
        caveats.append(
            Caveat(f"The units fall into {counted(found, 'cluster')}, not into {wanted}: the rest were empty.")
        )
    if kept < found:
        caveats.append(
            Caveat(
                f"{found - kept} of {found} clusters occur in fewer than {percent(presence)} of the clips and are left out."
            )
        )
    return caveats
