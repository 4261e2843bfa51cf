"""Compare made clips with their starts and with real clips, and keep the best restart."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import torch
from numpy.typing import NDArray

from notebook_explain.clip import Clip
from notebook_explain.explanations import Synthesis
from notebook_explain.explanations.visualization.synthesis import Best, Facet
from notebook_explain.methods.feature_visualization.clips import repeated
from notebook_explain.methods.feature_visualization.controls import random_flow_frames
from notebook_explain.methods.feature_visualization.facets import FacetTarget, facet_numbers
from notebook_explain.methods.feature_visualization.objectives import Objective
from notebook_explain.methods.feature_visualization.optimiser import Optimisation
from notebook_explain.methods.feature_visualization.passes import Pass, Runner
from notebook_explain.methods.feature_visualization.reference_set import ReferenceSet, best_of

NEIGHBOURS, PREVIEWS = 3, 8  # kept of each made clip
LIKE_START = 8  # of 255: a canvas that differs less on average shows the clip that it starts from


class Comparison:
    """Numbers of the clips that are made for one objective.

    Parameters
    ----------
    runner : Runner
    reals : ReferenceSet
    objectives : sequence of Objective
        All objectives of the run; facets are compared with one another.
    index : int
        Of the objective.
    with_control : bool
        Also show the network a random flow.

    Attributes
    ----------
    real_scores : float32 array (clip,)
        The objective of each real clip.
    """

    def __init__(
        self, runner: Runner, reals: ReferenceSet, objectives: Sequence[Objective], index: int, *, with_control: bool
    ) -> None:
        self.runner, self.reals, self.objective = runner, reals, objectives[index]
        self._facets = [one for one in objectives if isinstance(one, FacetTarget)]
        self._with_control, self._began = with_control, time.perf_counter()
        self._previews: list[tuple[int, NDArray[np.uint8]]] = []
        self._starts: dict[int, Pass] = {}
        if isinstance(self.objective, FacetTarget):
            features = torch.from_numpy(reals.features)
            self.real_scores = self.objective.scores_of(features).numpy().astype(np.float32)
        else:
            self.real_scores = np.array([one.scores[index] for one in reals.members], np.float32)

    def keep_preview(self, step: int, frames: NDArray[np.uint8]) -> None:
        """Keep the clips of all restarts (restart, time, height, width, 3) after a step."""
        self._previews.append((step, frames))
        if len(self._previews) > 4 * PREVIEWS:  # of a long run
            self._previews = [self._previews[index] for index in _spread(len(self._previews), 2 * PREVIEWS)]

    @property
    def previews(self) -> tuple[tuple[int, NDArray[np.uint8]], ...]:
        """Kept previews: steps, and the clips of all restarts."""
        return tuple(self._previews)

    def restore(self, previews: Sequence[tuple[int, NDArray[np.uint8]]], seconds: float) -> None:
        """Go on from kept previews, which took some seconds."""
        self._previews = list(previews)
        self._began -= seconds

    def synthesis(self, optimisation: Optimisation, starts: Sequence[Clip]) -> Synthesis:
        """Return the best restart, compared with its start and with real clips."""
        frames = self._previews[-1][1]
        passes = self.runner.passes_of(frames)
        scores = [float(score) for found in passes for score in self.objective.scores(found)]
        best = int(np.argmax(scores))
        found, inside = [(one, index) for one in passes for index in range(len(one))][best]
        features = found.volumes[self.reals.layer][inside].flatten(1).mean(1).double().cpu().numpy()
        kept, flow = _spread(len(self._previews), PREVIEWS), _flow(optimisation, best)
        start = starts[best] if flow is not None else self._painted(starts[best], best)
        start_pass = self._pass_of_start(start, best)
        times = next((clip.times for clip in self.reals.clips if clip.times is not None), None)
        return Synthesis(
            name=self.objective.title,
            objective=repr(self.objective),
            clip=Clip(frames[best], times, f"made for {self.objective.title}"),
            start=start,
            flow=flow,
            curve=np.stack(optimisation.curve)[:, best].astype(np.float32),
            preview_steps=tuple(self._previews[index][0] for index in kept),
            previews=np.stack([self._previews[index][1][best] for index in kept]),
            score=scores[best],
            start_score=float(self.objective.scores(start_pass)[0]),
            real_scores=self.real_scores,
            best=best_of(self.runner.model, found.heads[inside]),
            start_best=best_of(self.runner.model, start_pass.heads[0]),
            neighbours=self.reals.neighbours(features, NEIGHBOURS),
            motion=self.reals.relative_motion(frames[best]),
            restarts=tuple(scores),
            seconds=time.perf_counter() - self._began,
            facet=self._facet(features),
            control=self._control(start, flow, is_last=optimisation.step == optimisation.schedule.steps),
            is_moved=optimisation.is_moved,
        )

    def _painted(self, start: Clip, restart: int) -> Clip:
        """Return what a canvas without a still showed before the first step."""
        frames = self._previews[0][1][restart]
        is_clip = len(start) == len(frames) and np.abs(frames.astype(float) - start.frames).mean() < LIKE_START
        return replace(start, frames=frames) if is_clip else Clip(frames, source="noise")

    def _pass_of_start(self, start: Clip, restart: int) -> Pass:
        """Return the pass of a start; a still repeats its frame."""
        if restart not in self._starts:
            length = self.runner.model.preprocessing.frames
            shown = start if len(start) == length else repeated(start, length)
            self._starts[restart] = self.runner.pass_of(shown)
        return self._starts[restart]

    def _facet(self, features: NDArray[np.float64]) -> Facet | None:
        one = self.objective
        if not isinstance(one, FacetTarget):
            return None
        cosine, spread, is_nearest = facet_numbers(features, one, self._facets, self.reals.features)
        return Facet(one.index, one.count, one.members, cosine, spread, is_nearest)

    def _control(self, start: Clip, flow: NDArray[np.float16] | None, *, is_last: bool) -> Best:
        """Return what the network says about the still under a random flow as large as the last one, if it was asked for."""
        if flow is None or not is_last or not self._with_control:
            return ()
        frames = random_flow_frames(start.frames[0], flow, seed=0)
        return best_of(self.runner.model, self.runner.pass_of(Clip(frames)).heads[0])


def _flow(optimisation: Optimisation, restart: int) -> NDArray[np.float16] | None:
    with torch.no_grad():
        flow = optimisation.paint.flow()
    return None if flow is None else flow[restart].half().cpu().numpy()


def _spread(count: int, most: int) -> list[int]:
    """Return indices of at most so many of a number of things: the first, the last, and some between, more of them early."""
    if count <= most:
        return list(range(count))
    return sorted({round(float(value)) for value in np.linspace(0, 1, most) ** 1.5 * (count - 1)})
