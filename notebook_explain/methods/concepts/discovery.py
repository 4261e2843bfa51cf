"""One run of ConceptDiscovery: its stages, one after the other, with the results so far."""

from __future__ import annotations

import operator
import os
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import numpy as np

from notebook_explain.explanations import Concepts
from notebook_explain.explanations.progress import Progress
from notebook_explain.methods.concepts.ablation import Ablation
from notebook_explain.methods.concepts.builder import ConceptBuilder
from notebook_explain.methods.concepts.cav import LEAST_VARIATION
from notebook_explain.methods.concepts.caveats import about_clips, about_evidence, about_fills, about_stability
from notebook_explain.methods.concepts.clips import check_count
from notebook_explain.methods.concepts.clusters import cluster_units
from notebook_explain.methods.concepts.controls import controls_of
from notebook_explain.methods.concepts.embedding import Embedded, Embedder
from notebook_explain.methods.concepts.kept_passes import KeptPasses
from notebook_explain.methods.concepts.layers import names_of
from notebook_explain.methods.concepts.segmentation import Segmenter
from notebook_explain.methods.concepts.sensitivity import cav_layer, concept_tcavs, units_at_layer
from notebook_explain.models import Layer, VideoModel
from notebook_explain.models.frozen import frozen
from notebook_explain.models.origins import remember
from notebook_explain.models.provenance import provenance_of

if TYPE_CHECKING:
    from notebook_explain.methods.concepts.explainer import ConceptDiscovery

MOST_PARTIAL = 20  # partial results of the ablations, about


class Discovery:
    """One run: its arguments, and what was measured so far.

    Parameters
    ----------
    explainer : ConceptDiscovery
    model : VideoModel
    given : iterator of clips
    target : None, label, index or Target
    others : iterator of clips, optional
        Random clips of mode "paper".
    cache : path to a folder, optional
    """

    def __init__(
        self,
        explainer: ConceptDiscovery,
        model: VideoModel,
        given: Iterator[Any],
        target: Any,
        others: Iterator[Any] | None,
        cache: str | os.PathLike[str] | None,
    ) -> None:
        self.explainer, self.model, self.given, self.others = explainer, model, given, others
        self.start = time.perf_counter()
        self.frozen = frozen(model)
        self.embedder = Embedder(self.frozen, target, explainer.layer, explainer.cav_layer)
        self.kept = KeptPasses(cache, self.frozen)
        self.caveats: dict[str, None] = dict.fromkeys(model.caveats)
        self.forwards = 0  # beside those of the embedding

    def steps(self) -> Iterator[Progress]:
        """Yield every finished step."""
        embedded: list[Embedded] = []
        hint = operator.length_hint(self.given)
        for clip in self.given:
            embedded.append(self._embed(clip))
            yield self._progress("embed", len(embedded), max(hint, len(embedded)))
        check_count(len(embedded))
        self._note(about_clips(embedded))
        chosen = cav_layer(self.embedder.recorded, embedded, self.explainer.cav_layer)

        segmenter = Segmenter(self.explainer, self.frozen, self.embedder.layers, self.kept)
        units = []
        for one in embedded:
            units.append(segmenter(one))
            yield self._progress("segment", len(units), len(embedded))
        self.forwards += segmenter.forwards

        clusters, caveats = cluster_units(self.explainer, units)
        self._note(caveats)
        yield self._progress("cluster", 1, 1)

        builder = ConceptBuilder(
            embedded=embedded,
            segmentations=[one.segmentation for one in units],
            clusters=clusters,
            units=self.explainer.units,
            layer=names_of(self.embedder.layers),
            fills=self.explainer.fills,
            seed=self.explainer.seed,
        )
        self._note([*about_evidence(embedded, builder.remainder, builder.rest), *about_stability(clusters.stability)])
        yield self._progress("exemplars", 1, 1, builder)
        if self.explainer.mode == "paper":
            yield from self._test_as_published(builder, *chosen)
        else:
            yield from self._ablate(builder)
            yield from self._test(builder, *chosen)

    def _embed(self, given: Any) -> Embedded:
        clip, seen = self.frozen.prepare(given)
        self._note(self.model.clip_caveats(clip))
        return self.kept.embedded(self.embedder, seen)

    def _ablate(self, builder: ConceptBuilder) -> Iterator[Progress]:
        """Hide every concept in every clip."""
        assert self.embedder.target is not None
        explainer, total = self.explainer, len(builder.embedded)
        ablation = Ablation(self.frozen, self.embedder.target, explainer.fills, explainer.batch)
        self._note(about_fills(explainer.fills))
        before, every = self.forwards, max(1, total // MOST_PARTIAL)
        for number, one in enumerate(builder.embedded):
            masks, rng = builder.masks(number), np.random.default_rng((explainer.seed, 6, number))
            controls = controls_of(builder.segmentations[number], masks, rng)
            builder.ablations.append(self.kept.ablated(ablation, one.clip, masks, controls))
            self.forwards = before + ablation.forwards
            is_shown = (number + 1) % every == 0 or number + 1 == total
            yield self._progress("ablate", number + 1, total, builder if is_shown else None)
        self._note(ablation.caveats)

    def _test(self, builder: ConceptBuilder, layer: Layer, variation: float) -> Iterator[Progress]:
        """Measure the direction of every concept."""
        units, passes = units_at_layer(
            self.frozen, builder.embedded, builder.segmentations, builder.labels, layer, self.embedder.layers
        )
        self.forwards += passes
        gradients = np.stack([one.gradients[layer.name] for one in builder.embedded])
        builder.tcavs = concept_tcavs(
            units,
            gradients,
            builder.count,
            layer.name,
            self.explainer.seed,
            is_constant=variation <= LEAST_VARIATION,
        )
        yield self._progress("test", 1, 1, builder)

    def _test_as_published(self, builder: ConceptBuilder, layer: Layer, variation: float) -> Iterator[Progress]:
        """Measure directions against random clips, as published."""
        from notebook_explain.methods.concepts.paper import PublishedTest

        assert self.others is not None
        test = PublishedTest(self.explainer.seed, self.frozen, self.embedder.layers, builder, layer, variation)
        for clip in self.others:
            test.add(self._embed(clip))
            yield self._progress("random clips", test.count, max(test.count, operator.length_hint(self.others)))
        builder.tcavs, caveats = test.results()
        self._note(caveats)
        yield self._progress("test", 1, 1, builder)

    def _progress(self, stage: str, done: int, total: int, builder: ConceptBuilder | None = None) -> Progress:
        partial = None if builder is None else self._concepts(builder)
        return Progress(stage, done, total, time.perf_counter() - self.start, partial)

    def _concepts(self, builder: ConceptBuilder) -> Concepts:
        assert self.embedder.target is not None
        origin = provenance_of(
            self.model,
            "Concepts" if self.explainer.mode == "ablation" else "Concepts (3D ACE as published)",
            asdict(self.explainer),
            self.start,
            [*self.caveats, *self.embedder.caveats],
            forwards=self.embedder.passes + self.forwards,
            backwards=self.embedder.passes,
        )
        concepts = builder.build(origin)
        remember(concepts, self.model, self.explainer, (self.embedder.target,))
        return concepts

    def _note(self, caveats: Sequence[str] | dict[str, None]) -> None:
        self.caveats.update(dict.fromkeys(caveats))
