"""From measured arrays to a Concepts value: effects with intervals and p-values, in the order of effect."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from notebook_explain.explanations import TCAV, Concept, Concepts, Effect, Provenance
from notebook_explain.explanations.concepts.cells import over_clip
from notebook_explain.explanations.concepts.concepts import reordered
from notebook_explain.explanations.concepts.names import default_name
from notebook_explain.methods.concepts.ablation import ClipAblation
from notebook_explain.methods.concepts.clusters import Clusters
from notebook_explain.methods.concepts.embedding import Embedded
from notebook_explain.methods.concepts.evidence import concept_evidence
from notebook_explain.methods.concepts.significance import benjamini_hochberg, ratio_intervals, sign_flip
from notebook_explain.methods.concepts.units import Segmentation


@dataclass(eq=False)
class ConceptBuilder:
    """Everything that was measured so far; concepts are numbered as the clusters were kept.

    Attributes
    ----------
    embedded : sequence of Embedded
    segmentations : sequence of Segmentation
        One for each clip.
    clusters : Clusters
    units, layer : str
    fills : tuple of str
    seed : int
    ablations : list of ClipAblation
        Of the first clips.
    tcavs : list of TCAV
        Of all concepts, or empty.
    """

    embedded: Sequence[Embedded]
    segmentations: Sequence[Segmentation]
    clusters: Clusters
    units: str
    layer: str
    fills: tuple[str, ...]
    seed: int
    ablations: list[ClipAblation] = field(default_factory=list)
    tcavs: list[TCAV] = field(default_factory=list)

    def __post_init__(self) -> None:
        size = self.embedded[0].clip.size
        self.labels, self.count = self.clusters.labels, self.clusters.count
        self.grids = np.stack(
            [grid_of(part, labels) for part, labels in zip(self.segmentations, self.labels, strict=True)]
        )
        shares = [self.masks(clip).mean((1, 2, 3)) for clip in range(len(self.embedded))]
        self.shares = np.asarray(np.stack(shares), np.float64)
        parts = [
            concept_evidence(one, segmentation, labels, self.count)
            for one, segmentation, labels in zip(self.embedded, self.segmentations, self.labels, strict=True)
        ]
        self.evidence = np.stack([inside for inside, _ in parts]).astype(np.float32)
        self.rest = np.array([outside for _, outside in parts], np.float32)
        scores = np.array([one.result.logit - (one.result.bias or 0.0) for one in self.embedded])
        self.remainder = (scores - self.evidence.sum(1, dtype=np.float64)).astype(np.float32)
        self.voxels = int(np.prod(size))

    def masks(self, clip: int) -> NDArray[np.bool_]:
        """Return the voxels of every concept in a clip: bool (concept, time, height, width)."""
        labels = over_clip(self.grids[clip], self.segmentations[clip].geometry, self.embedded[clip].clip.size)
        return np.stack([(labels == concept).any(0) for concept in range(self.count)])

    def build(self, provenance: Provenance) -> Concepts:
        """Return the concepts as measured so far, in the order of their effect."""
        effects, drops = self._effects(), self._drops()
        concepts = []
        for index in range(self.count):
            shares = self.shares[:, index]
            present = [int(clip) for clip in np.flatnonzero(shares > 0)]
            key = drops[0, :, index] if len(drops) else shares
            concepts.append(
                Concept(
                    index=index,
                    name=default_name(index),
                    effects=effects[index],
                    evidence=float(self.evidence[:, index].mean(dtype=np.float64)),
                    volume=float(shares.mean()),
                    presence=tuple(shares.tolist()),
                    exemplars=tuple(sorted(present, key=lambda clip: -float(key[clip]))),
                    tcav=self.tcavs[index] if self.tcavs else None,
                )
            )
        found = Concepts(
            concepts=tuple(concepts),
            clips=tuple(one.clip for one in self.embedded),
            results=tuple(one.result for one in self.embedded),
            units=self.units,
            layer=self.layer,
            grids=self.grids,
            geometry=self.segmentations[0].geometry,
            centres=self.clusters.centres,
            drops=drops,
            evidence=self.evidence,
            remainder=self.remainder,
            stability=self.clusters.stability,
            provenance=provenance,
        )
        return reordered(found, sorted(range(self.count), key=lambda index: concepts[index].order, reverse=True))

    def _drops(self) -> NDArray[np.float32]:
        fills = len(self.fills) if self.ablations else 0
        drops = np.zeros((fills, len(self.embedded), self.count), np.float32)
        for clip, one in enumerate(self.ablations):
            drops[:, clip] = one.drops
        return drops

    def _effects(self) -> list[tuple[Effect, ...]]:
        """Return the effects of every concept, from the clips that were ablated."""
        if not self.ablations:
            return [()] * self.count
        voxels = np.stack([one.voxels for one in self.ablations])
        columns = []
        for index, fill in enumerate(self.fills):
            drops, controls, changes = (
                np.stack([getattr(one, name)[index] for one in self.ablations])
                for name in ("drops", "controls", "changes")
            )
            value, low, high = ratio_intervals(drops, voxels * 100 / self.voxels, self.seed)
            p = sign_flip(np.where(voxels > 0, drops - controls, 0), self.seed)
            q = benjamini_hochberg(p)
            change = changes.sum(0) / np.maximum(voxels.sum(0), 1)
            numbers = np.stack([value, low, high, p, q, change], 1).tolist()
            columns.append([Effect(fill, *row) for row in numbers])
        return list(zip(*columns, strict=True))


def grid_of(segmentation: Segmentation, labels: NDArray[np.integer]) -> NDArray[np.int16]:
    """Return the concept of each cell: int16 (level, time, height, width), -1 for none."""
    padded = np.append(labels, -1).astype(np.int16)  # the last entry is for cells of no unit
    found: NDArray[np.int16] = padded[segmentation.labels]
    return found
