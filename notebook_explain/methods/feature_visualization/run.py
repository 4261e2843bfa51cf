"""One run of FeatureVisualization: read the real clips, optimise a canvas for each objective, and compare."""

from __future__ import annotations

import operator
import time
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from notebook_explain._errors import UsageError
from notebook_explain.clip import Clip
from notebook_explain.explanations import Synthesis, Visualization
from notebook_explain.explanations.progress import Progress
from notebook_explain.methods.feature_visualization.canvases import Flow, Spectrum
from notebook_explain.methods.feature_visualization.caveats import OF_PICTURES, caveats_of, too_few_groups
from notebook_explain.methods.feature_visualization.clips import as_clip, given_clips, one_frame, repeated, still_of
from notebook_explain.methods.feature_visualization.comparison import Comparison
from notebook_explain.methods.feature_visualization.facets import LEAST_CLIPS, FacetTarget, find_facets
from notebook_explain.methods.feature_visualization.objectives import Logit, Objective, as_objectives, layers_of
from notebook_explain.methods.feature_visualization.optimiser import Optimisation, Schedule
from notebook_explain.methods.feature_visualization.pace import PreviewPace
from notebook_explain.methods.feature_visualization.paper import PaperTarget, paper_optimisation
from notebook_explain.methods.feature_visualization.passes import Pass, Runner
from notebook_explain.methods.feature_visualization.reference_set import RealClip, ReferenceSet, extended_frame
from notebook_explain.methods.feature_visualization.resume import RunState, check_clips, keep_state, state_of
from notebook_explain.models import POOLING_INPUT, Layer, VideoModel
from notebook_explain.models.origins import remember
from notebook_explain.models.provenance import provenance_of

if TYPE_CHECKING:
    from notebook_explain.methods.feature_visualization.explainer import FeatureVisualization


class Run:
    """One run: its arguments, and what was made so far.

    Parameters
    ----------
    explainer : FeatureVisualization
    model : VideoModel
    clips : clips or None
    target : None, label, index, Target or a list of these
    resume : Visualization, optional
        What a run with the same arguments has yielded, to go on from.
    """

    def __init__(
        self, explainer: FeatureVisualization, model: VideoModel, clips: Any, target: Any, resume: Any = None
    ) -> None:
        self.explainer, self.model, self.target = explainer, model, target
        self.start = time.perf_counter()
        self.before: Visualization | None = resume
        self.state = None if resume is None else state_of(resume, explainer, model)
        self.given = () if explainer.objective is None else as_objectives(explainer.objective)
        layers = _layers(model, [*([] if explainer.layer is None else [explainer.layer]), *layers_of(self.given)])
        self.runner = Runner(model, layers)
        self.layer = explainer.layer or _default_layer(model)
        self.is_paper = explainer.is_paper
        self.is_of_pictures = model.preprocessing.frames == 1
        is_mixed = explainer.facets is not None or explainer.objective is not None
        self.clips = given_clips(clips, target, is_mixed=is_mixed, are_pictures=self.is_of_pictures)
        self.canvas = explainer.canvas or (Spectrum() if self.is_of_pictures else Flow())
        if not self.is_paper:
            self.canvas.check(model.preprocessing.shape)
        still = self.canvas.still if isinstance(self.canvas, Flow) else None
        self.still = None if still is None else still_of(still, model)
        self.caveats: dict[str, None] = dict.fromkeys(model.caveats)
        if explainer.canvas is None and self.is_of_pictures and not self.is_paper:
            self.caveats[OF_PICTURES] = None
        self.objectives: tuple[Objective, ...] = ()
        self.reals = ReferenceSet((), self.layer)
        self.made: list[Synthesis] = []
        self.newest: Visualization | None = None

    def steps(self) -> Iterator[Progress]:
        """Yield every finished step, whatever gradient mode the caller is in."""
        steps = self._steps()
        while True:
            with torch.inference_mode(False), torch.enable_grad():
                progress = next(steps, None)
            if progress is None:
                return
            yield progress

    def _steps(self) -> Iterator[Progress]:
        yield from self.read()
        if self.explainer.facets is not None:
            self.objectives = tuple(self._facets())
        elif not self.objectives:
            self._resolve(self.runner.pass_of(self._example()))
        for index in range(self._restored(), len(self.objectives)):
            yield from self._make(index)

    def _restored(self) -> int:
        """Take over what was made before, and return the index of the first objective that is not finished."""
        if self.state is None or self.before is None:
            return 0
        check_clips(self.before, self.reals.clips)
        if tuple(map(repr, self.objectives)) != self.state.objectives:
            raise UsageError(f"resume needs the objectives of before, {', '.join(self.state.objectives)}")
        self.made = list(self.before.syntheses[:-1])
        self.start -= self.state.seconds
        self.runner.forwards += self.state.forwards
        self.runner.backwards += self.state.backwards
        return len(self.made)

    def read(self) -> Iterator[Progress]:
        """Run every real clip once; the first one tells which objectives there are."""
        members: list[RealClip] = []
        hint = operator.length_hint(self.clips)
        for given in self.clips:
            clip, seen = self.model.prepare(as_clip(given) if self.is_of_pictures else given)
            self.caveats.update(dict.fromkeys(self.model.clip_caveats(clip)))
            found = self.runner.pass_of(seen)
            if not self.objectives and self.explainer.facets is None:
                self._resolve(found)
            members.append(RealClip.of(seen, found, self.runner.model, self.objectives))
            yield Progress("real clips", len(members), max(hint, len(members)), time.perf_counter() - self.start)
        self.reals = ReferenceSet(members, self.layer)

    def _example(self) -> Clip:
        """Return a clip to resolve the objectives with, where no real clip was given."""
        size = self.model.preprocessing.shape
        if self.still is not None:
            return repeated(self.still, size[0])
        if isinstance(self.canvas, Flow):
            raise UsageError(
                "a flow animates a still picture; give real clips, or a still: canvas=Flow(still='me.jpg')"
            )
        return Clip(np.full((*size, 3), 127, np.uint8), source="grey")

    def _resolve(self, found: Pass) -> None:
        """Find out what clips are made for, from a pass of one clip."""
        heads = dict(found.heads[0])
        channels = {name: volume.shape[1] for name, volume in found.volumes.items()}
        given = self.given or tuple(Logit(one) for one in self.model.resolve(heads, self.target))
        named = [one.named(self.model.labels) for one in given]
        self.objectives = tuple(one.resolved(self.model, heads, channels) for one in named)

    def _facets(self) -> Sequence[FacetTarget]:
        wanted = self.explainer.facets
        count = None if isinstance(wanted, str) else wanted
        least = LEAST_CLIPS if count is None else max(count, 2)
        if len(self.reals) < least:
            raise UsageError(f"facets group clips, and need at least {least}; got {len(self.reals)}")
        found = find_facets(self.reals.features, self.layer, count, self.explainer.seed)
        if count is not None and len(found) < count:
            self.caveats[too_few_groups(count, len(found))] = None
        return [PaperTarget.of(one) for one in found] if self.is_paper else found

    def prepared(self, index: int) -> tuple[Optimisation, Comparison, list[Clip]]:
        """Return what makes the clip of an objective, what compares it, and what each restart starts from."""
        comparison = Comparison(self.runner, self.reals, self.objectives, index, with_control=self.explainer.control)
        optimisation, starts = self._optimisation(comparison)
        return optimisation, comparison, starts

    def _make(self, index: int) -> Iterator[Progress]:
        """Make one clip, and yield previews."""
        optimisation, comparison, starts = self.prepared(index)
        stage = f"steps of {optimisation.objective.title}"
        if self.state is None or self.before is None or index != len(self.before) - 1:
            comparison.keep_preview(0, optimisation.frames())
        else:
            synthesis = self.before.syntheses[index]
            optimisation.restore(self.state.optimiser)
            comparison.restore(self.state.previews, synthesis.seconds)
            if optimisation.step == self.explainer.steps:
                yield Progress(stage, optimisation.step, optimisation.step, self.state.seconds, self.before)
        pace = PreviewPace()
        for step in optimisation.run():
            if not pace.is_due() and step < self.explainer.steps:
                yield Progress(stage, step, self.explainer.steps, time.perf_counter() - self.start)
                continue
            comparison.keep_preview(step, optimisation.frames())
            synthesis = comparison.synthesis(optimisation, starts)
            seconds = time.perf_counter() - self.start
            result = self._result(synthesis)
            pace.made()
            keep_state(result, self._state(optimisation, comparison), self.newest)
            self.newest = result
            yield Progress(stage, step, self.explainer.steps, seconds, result)
        self.made.append(synthesis)

    def _state(self, optimisation: Optimisation, comparison: Comparison) -> RunState:
        return RunState(
            optimiser=optimisation.state(),
            previews=comparison.previews,
            objectives=tuple(map(repr, self.objectives)),
            forwards=self.runner.forwards,
            backwards=self.runner.backwards,
            seconds=time.perf_counter() - self.start,
        )

    def _optimisation(self, comparison: Comparison) -> tuple[Optimisation, list[Clip]]:
        """Return the optimisation of an objective, and what its restarts start from."""
        explainer, objective, size = self.explainer, comparison.objective, self.model.preprocessing.shape
        if isinstance(objective, PaperTarget):
            return paper_optimisation(
                self.runner, objective, self.reals.clips, explainer.steps, explainer.restarts, explainer.seed
            )
        members = objective.members if isinstance(objective, FacetTarget) else None
        starts = self._starts(comparison, members)
        generator = torch.Generator().manual_seed(explainer.seed)
        chosen = self.reals.clips if members is None else [self.reals.clips[one] for one in members]
        paint = self.canvas.paint(starts, chosen, size, generator, self.runner.device)
        schedule = Schedule.of(explainer, self.canvas, objective, comparison.real_scores, size[1])
        statistics = self.reals.statistics(members) if len(self.reals) and explainer.statistics else {}
        return Optimisation(self.runner, paint, objective, schedule, statistics, generator), starts

    def _starts(self, comparison: Comparison, members: Sequence[int] | None) -> list[Clip]:
        """Return what each restart starts from."""
        count = self.explainer.restarts
        if self.still is not None:
            return [self.still] * count
        if not len(self.reals):
            return [Clip(np.full((*self.model.preprocessing.shape, 3), 127, np.uint8), source="grey")] * count
        is_flow = isinstance(self.canvas, Flow)
        if is_flow and (members is not None or comparison.objective.target is not None):
            order = self.reals.medoids(count, members)
        else:  # a channel may respond to few clips, so start from its best ones
            best = np.argsort(-comparison.real_scores, kind="stable").tolist()
            order = [index for index in best if members is None or index in members]
        chosen = [self.reals.clips[order[index % len(order)]] for index in range(count)]
        return [one_frame(clip, extended_frame(clip)) for clip in chosen] if is_flow else chosen

    def _result(self, synthesis: Synthesis) -> Visualization:
        made = (*self.made, synthesis)
        caveats = dict.fromkeys([*self.caveats, *self.runner.caveats, *caveats_of(made)])
        explainer = self.explainer
        knobs = {name: getattr(explainer, name) for name in explainer.__dataclass_fields__}
        objective = None if explainer.objective is None else repr(explainer.objective)
        provenance = provenance_of(
            self.model,
            "FeatureVisualization",
            {**knobs, "objective": objective, "canvas": None if self.is_paper else repr(self.canvas)},
            self.start,
            caveats,
            forwards=self.runner.forwards,
            backwards=self.runner.backwards,
        )
        labels = tuple(one.best[0][0] if one.best else "" for one in self.reals.members)
        result = Visualization(made, self.reals.clips, labels, self.layer, provenance)
        remember(result, self.model, explainer, ())
        return result


def _layers(model: VideoModel, names: Sequence[str]) -> tuple[Layer, ...]:
    """Return the default layers of a model and the named ones."""
    default = [layer.name for layer in model.layers]
    added = [name for name in dict.fromkeys(names) if name not in default]
    return model.select([*default, *added]) if added else model.layers


def _default_layer(model: VideoModel) -> str:
    ends = [layer for layer in model.layers if layer.kind == POOLING_INPUT]
    return (ends or list(model.layers))[-1].name
