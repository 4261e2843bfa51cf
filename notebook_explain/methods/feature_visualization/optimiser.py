"""Optimise a canvas for an objective, a step at a time: one pass forward and one back for each step and restart."""

from __future__ import annotations

import copy
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray

from notebook_explain._errors import ExplainError
from notebook_explain.methods.feature_visualization.canvases import SIDE, Canvas, Paint
from notebook_explain.methods.feature_visualization.objectives import Objective
from notebook_explain.methods.feature_visualization.passes import Pass, Runner
from notebook_explain.methods.feature_visualization.reference_set import LayerStatistics
from notebook_explain.models.preprocessing import Preprocessing, grey_of

if TYPE_CHECKING:
    from notebook_explain.methods.feature_visualization.explainer import FeatureVisualization

Floats = NDArray[np.float32]
WARM_UP, BETAS, LAST_RATE = 10, (0.9, 0.99), 0.05
CHUNK = 0.5  # seconds of steps between two previews, about


@dataclass(frozen=True)
class Schedule:
    """Settings of an optimisation.

    Attributes
    ----------
    steps : int
    rate : float
        Of Adam: rises over 10 steps, stays until the half, and falls as a cosine to 5 %.
    jitter : int
        Pixels by which the clip is shifted at random at every step.
    statistics : float
        Weight of the distance of the layers' statistics from those of the real clips.
    weight : float
        Of the objective.
    unit : float
        Of the objective: it is divided by it.
    enough : float or None
        Score beyond which nothing is gained; ``None`` for no limit.
    """

    steps: int
    rate: float
    jitter: int
    statistics: float
    weight: float = 1.0
    unit: float = 1.0
    enough: float | None = None

    @classmethod
    def of(
        cls, explainer: FeatureVisualization, canvas: Canvas, objective: Objective, real_scores: Floats, height: int
    ) -> Schedule:
        """Return the settings of an objective."""
        best = float(real_scores.max(initial=0))
        unit = 1.0 if objective.has_own_scale or len(real_scores) < 2 else float(real_scores.std())
        enough = None if explainer.level is None or best <= 0 else explainer.level * best
        jitter = round(canvas.jitter * height / SIDE)
        return cls(explainer.steps, canvas.rate, jitter, explainer.statistics, explainer.weight, unit or 1.0, enough)

    def gain(self, scores: torch.Tensor) -> torch.Tensor:
        """Return what scores (clip,) are worth: less and less beyond `enough`."""
        if self.enough is None:
            return self.weight * scores / self.unit
        missing = (self.enough - scores) / self.unit
        return self.weight * (self.enough / self.unit - F.softplus(missing))

    def rate_of(self, step: int) -> float:
        """Return the learning rate of a step, counted from 0."""
        half = self.steps / 2
        late = max(0.0, (step - half) / max(1.0, self.steps - half))
        cosine = LAST_RATE + (1 - LAST_RATE) * 0.5 * (1 + np.cos(np.pi * late))
        return float(self.rate * min(1.0, (step + 1) / WARM_UP) * cosine)


@dataclass(frozen=True, eq=False)
class OptimiserState:
    """Everything that the next step depends on.

    Attributes
    ----------
    tensors : tuple of tensor
        Those that change from step to step, the canvas first.
    optimiser : dict
        Of Adam or SGD.
    generator : uint8 tensor
        State of the random numbers.
    curve : tuple of float array (restart,)
        The objective at every step so far.
    has_gradient : bool
        A gradient has reached the canvas.
    """

    tensors: tuple[torch.Tensor, ...]
    optimiser: dict[str, Any]
    generator: torch.Tensor
    curve: tuple[Floats, ...]
    has_gradient: bool


class Optimisation:
    """Several restarts of one objective.

    Parameters
    ----------
    runner : Runner
    paint : Paint
    objective : Objective
        Resolved.
    schedule : Schedule
    statistics : dict of layer name to LayerStatistics
        Of the real clips; empty for none.
    generator : torch.Generator
        Draws the jitter.

    Attributes
    ----------
    step : int
        Number of steps so far.
    curve : list of float array (restart,)
        The objective at every step.
    """

    def __init__(
        self,
        runner: Runner,
        paint: Paint,
        objective: Objective,
        schedule: Schedule,
        statistics: Mapping[str, LayerStatistics],
        generator: torch.Generator,
    ) -> None:
        self.runner, self.paint, self.objective, self.schedule = runner, paint, objective, schedule
        self.statistics, self.generator = statistics, generator
        self.step = 0
        self.curve: list[NDArray[np.float32]] = []
        self._has_gradient = False
        self._optimiser: torch.optim.Optimizer = torch.optim.Adam(paint.parameters, lr=schedule.rate, betas=BETAS)

    @property
    def is_moved(self) -> bool:
        """True if the objective depends on the canvas, and has changed between steps."""
        return self._has_gradient and (self.step < 2 or bool(np.ptp(np.stack(self.curve), axis=0).any()))

    def state(self) -> OptimiserState:
        """Return a copy of what the next step depends on."""
        return OptimiserState(
            tensors=tuple(tensor.detach().clone() for tensor in self._tensors()),
            optimiser=copy.deepcopy(self._optimiser.state_dict()),
            generator=self.generator.get_state(),
            curve=tuple(self.curve),
            has_gradient=self._has_gradient,
        )

    def restore(self, state: OptimiserState) -> None:
        """Go on from a state of an optimisation with the same settings."""
        with torch.no_grad():
            for tensor, kept in zip(self._tensors(), state.tensors, strict=True):
                tensor.copy_(kept)
        self._optimiser.load_state_dict(copy.deepcopy(state.optimiser))
        self.generator.set_state(state.generator)
        self.curve, self.step, self._has_gradient = list(state.curve), len(state.curve), state.has_gradient

    def _tensors(self) -> list[torch.Tensor]:
        """Return the tensors that change from step to step."""
        return list(self.paint.parameters)

    def run(self) -> Iterator[int]:
        """Take all steps, and yield the number of steps about every half second."""
        while self.step < self.schedule.steps:
            self.runner(self._chunk)
            yield self.step

    def _chunk(self) -> None:
        """Take steps on one shadow until half a second has passed; always at least one."""
        end = time.perf_counter() + CHUNK
        while self.step < self.schedule.steps:
            self._take_step()
            if time.perf_counter() >= end:
                break

    def _take_step(self) -> None:
        for group in self._optimiser.param_groups:
            group["lr"] = self.schedule.rate_of(self.step)
        colours = self.paint.video()
        shifted = shift(colours, self.schedule.jitter, self.generator)
        passes = self.runner.passes(to_input(shifted, self.runner.model.preprocessing))
        scores = [self.objective.scores(found) for found in passes]
        losses = [self.paint.penalty().sum()]
        losses += [
            (self._distance(found) - self.schedule.gain(score)).sum()
            for found, score in zip(passes, scores, strict=True)
        ]
        values = torch.cat(scores).detach().float().cpu().numpy()
        if not np.isfinite(values).all():
            raise ExplainError(
                f"the objective is {values[~np.isfinite(values)][0]} at step {self.step + 1}: the network returns values that "
                "are not finite for this canvas; a smaller rate may help"
            )
        self._has_gradient = self._has_gradient or any(score.requires_grad for score in scores)
        self._apply(torch.stack(losses).sum(), len(values))
        self.curve.append(values)
        self.step += 1

    def _apply(self, loss: torch.Tensor, count: int) -> None:
        """Take one step of Adam down a loss; none where no gradient reaches the canvas."""
        parameters = self.paint.parameters
        if not loss.requires_grad:
            return
        for parameter, gradient in zip(parameters, self.runner.gradients(loss, parameters, count), strict=True):
            parameter.grad = gradient
        self._optimiser.step()
        for parameter in parameters:
            parameter.grad = None

    def _distance(self, found: Pass) -> torch.Tensor:
        """Return the weighted distance of the layers' statistics from those of the real clips, float (clip,)."""
        if not self.statistics or not self.schedule.statistics:
            return torch.zeros(len(found))
        parts = [one.distance(found.volumes[name]) for name, one in self.statistics.items()]
        return self.schedule.statistics * torch.stack(parts).sum(0)

    def frames(self) -> NDArray[np.uint8]:
        """Return the clips of all restarts, uint8 (restart, time, height, width, 3)."""
        with torch.no_grad():
            colours = self.paint.video().clamp(0, 1).mul(255).round().to(torch.uint8)
        return np.ascontiguousarray(colours.permute(0, 2, 3, 4, 1).cpu().numpy())


def to_input(colours: torch.Tensor, preprocessing: Preprocessing) -> torch.Tensor:
    """Return colours (clip, 3, time, height, width) in 0..1 as the network takes them, normalised."""
    values = grey_of(colours) if preprocessing.channels == 1 else colours
    mean, std = (
        torch.tensor(numbers, device=colours.device).view(1, -1, 1, 1, 1)
        for numbers in (preprocessing.mean, preprocessing.std)
    )
    return (values - mean) / std


def shift(colours: torch.Tensor, most: int, generator: torch.Generator) -> torch.Tensor:
    """Shift clips by up to ``most`` pixels in both directions; their borders are repeated."""
    if most == 0:
        return colours
    y, x = torch.randint(0, 2 * most + 1, (2,), generator=generator).tolist()
    height, width = colours.shape[-2:]
    padded = F.pad(colours.flatten(1, 2), (most, most, most, most), mode="replicate")
    return padded[..., y : y + height, x : x + width].reshape(colours.shape)
