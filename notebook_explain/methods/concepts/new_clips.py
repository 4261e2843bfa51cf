"""Concepts in a clip that they were not made of: where they are, and what they give the class."""

from __future__ import annotations

import time
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

from notebook_explain._errors import ExplainError, UsageError, UsageTypeError
from notebook_explain._progress import working
from notebook_explain.clip import Clip
from notebook_explain.explanations import ClipConcepts, Concepts, LayerMap, Target, Tubes
from notebook_explain.explanations.caveats import Caveat, CaveatCode
from notebook_explain.explanations.concepts.cells import over_clip
from notebook_explain.methods.concepts.builder import grid_of
from notebook_explain.methods.concepts.clusters import assign
from notebook_explain.methods.concepts.embedding import Embedded, Embedder
from notebook_explain.methods.concepts.evidence import concept_evidence, evidence_map
from notebook_explain.methods.concepts.explainer import ConceptDiscovery
from notebook_explain.methods.concepts.kept_passes import KeptPasses
from notebook_explain.methods.concepts.segmentation import Segmenter
from notebook_explain.methods.concepts.units import Segmentation
from notebook_explain.models import VideoModel
from notebook_explain.models.origins import origin_of, target_of
from notebook_explain.models.provenance import provenance_of


@dataclass(frozen=True, eq=False)
class NewClip:
    """A clip divided into known concepts.

    Attributes
    ----------
    given : Clip
        As it was read.
    embedded : Embedded
    segmentation : Segmentation
    labels : int64 array (unit,)
        Concept of each unit, -1 for none.
    """

    given: Clip
    embedded: Embedded
    segmentation: Segmentation
    labels: NDArray[np.int64]

    def masks(self, count: int) -> NDArray[np.bool_]:
        """Return the voxels of every concept: bool (concept, time, height, width)."""
        size = self.embedded.clip.size
        labels = over_clip(grid_of(self.segmentation, self.labels), self.segmentation.geometry, size)
        return np.stack([(labels == concept).any(0) for concept in range(count)])


class ConceptFinder:
    """Finds known concepts in clips.

    Parameters
    ----------
    concepts : Concepts
    model : VideoModel, optional
        Needed only if the concepts were loaded, or if the network that made them is gone.

    Raises
    ------
    ExplainError
        The model is not given and not known.
    """

    def __init__(self, concepts: Concepts, model: VideoModel | None) -> None:
        known = origin_of(concepts)
        found = model or (None if known is None else known.model)
        if found is None:
            raise ExplainError(
                "this runs the network again, and the model of these concepts is not in memory; pass model="
            )
        if not isinstance(found, VideoModel):
            raise UsageTypeError(f"model must be a VideoModel, got {type(found).__name__}; make one with ne.adapt")
        self.concepts, self.model = concepts, found
        self.explainer: ConceptDiscovery = _discovery(concepts) if known is None else known.explainer
        self.target: Target = target_of(concepts.results[0]) if known is None else known.targets[0]
        self.embedder = Embedder(found, self.target, self.explainer.layer)
        self._segmenter: Segmenter | None = None

    def __call__(self, clip: Any) -> NewClip:
        """Return one clip divided into the concepts."""
        given, seen = self.model.prepare(clip)
        embedded = self.embedder(seen)
        if self._segmenter is None:
            kept = KeptPasses(None, self.model)
            self._segmenter = Segmenter(self.explainer, self.model, self.embedder.layers, kept)
        units = self._segmenter(embedded)
        centres = self.concepts.centres
        if units.descriptors.shape[1] != centres.shape[1]:
            raise UsageError(
                f"this model describes positions by {units.descriptors.shape[1]} channels, but these concepts have "
                f"{centres.shape[1]}; pass the model that made them"
            )
        labels = assign(units.segmentation, units.descriptors, centres)
        return NewClip(given, embedded, units.segmentation, np.where(labels < len(self.concepts), labels, -1))


def _discovery(concepts: Concepts) -> ConceptDiscovery:
    """Return the explainer of loaded concepts, from its knobs."""
    names = {field.name for field in fields(ConceptDiscovery)}
    knobs = {name: value for name, value in concepts.provenance.knobs.items() if name in names}
    try:
        return ConceptDiscovery(**knobs)
    except UsageError as error:
        raise UsageError(f"the knobs of these concepts cannot be used: {error}") from None


def explain_clip(concepts: Concepts, clip: Any, model: VideoModel | None) -> ClipConcepts:
    """Return the score of a clip as a sum over concepts; see `Concepts.explain`."""
    with working("concepts of a clip"):
        new = ConceptFinder(concepts, model)(clip)
    count, result = len(concepts), new.embedded.result
    evidence, _ = concept_evidence(new.embedded, new.segmentation, new.labels, count)
    return ClipConcepts(
        clip=new.embedded.clip,
        result=result,
        names=tuple(concept.name for concept in concepts),
        contributions=tuple(evidence.tolist()),
        volumes=tuple(new.masks(count).mean((1, 2, 3)).tolist()),
        remainder=float(result.logit - (result.bias or 0.0) - evidence.sum()),
    )


def concept_tube(concepts: Concepts, clip: Any, index: int, model: VideoModel | None) -> Tubes:
    """Return where a concept is in a clip, and what it gives the class; see `Concepts.tube`."""
    start = time.perf_counter()
    with working("concept tube"):
        finder = ConceptFinder(concepts, model)
        new = finder(clip)
    inside = grid_of(new.segmentation, new.labels)[-1] == index
    values = evidence_map(new.embedded, new.segmentation, inside)
    name = concepts[index].name
    layer = LayerMap(name, "named", values[None], new.segmentation.geometry)
    caveats = [
        *finder.model.caveats,
        *finder.model.clip_caveats(new.given),
        *finder.embedder.caveats,
        Caveat(f"The map shows the evidence inside the concept {name!r} only.", CaveatCode.INCOMPLETE_MAP),
    ]
    knobs = {"concept": name, "units": concepts.units, "layer": concepts.layer}
    made = provenance_of(finder.model, "Concept tube", knobs, start, caveats, forwards=1, backwards=1)
    return Tubes(new.embedded.clip, (new.embedded.result,), (layer,), made)
