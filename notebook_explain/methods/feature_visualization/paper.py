"""The published schedule of The Mind's Eye (arXiv:2101.12447), with its faults mended: ``FeatureVisualization(mode="paper")``.

A picture or clip starts from the weighted mean of the members of a facet, on a canvas 1.2 times as large as the network's input,
and descends::

    - sum over the top channels of v m + L1 of the input of the last block + robust distance between v and m

v are the means of the layer's channels, m those of the facet. `PaperSchedule` lists what changes during the 2,001 iterations.

What differs from the published code:

* A facet's mean is that of the members nearest to its centre. Their order was reversed, so that the farthest were taken.
* Each facet raises its own channels. A list of lists as the index made every facet raise the channels of all.
* The optimiser, and the scale of the robust distance, which is learned, live as long as the run. They were made anew in every
  iteration, so that nothing built up. The shape of that distance is 1, where it thereby stayed.
* The canvas is of floats. It was rounded to 8 bits in every iteration, which lost small gradients.
* Every 50 iterations the canvas is brightened by up to 5 of 255, but not beyond the start. Rounding down had darkened it; without
  that, 40 times 5 make it white.
* The Gaussian mask is a power of e. The base was the machine epsilon, which made the mask six times as narrow.
* Facets are found by k-means of up to 10 principal components with a seed, and their number by silhouette. PCA to 50 components
  needed 50 pictures, and t-SNE was drawn without a seed.
* Clips are taken too: the mask, the crop, the blur and the denoising are in space only.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields

import numpy as np
import torch
from numpy.typing import NDArray

from notebook_explain._errors import ExplainError
from notebook_explain.clip import Clip
from notebook_explain.methods.feature_visualization.facets import FacetTarget
from notebook_explain.methods.feature_visualization.optimiser import Optimisation, Schedule, to_input
from notebook_explain.methods.feature_visualization.paper_canvas import PaperPaint
from notebook_explain.methods.feature_visualization.passes import Pass, Runner
from notebook_explain.models import Layer

ITERATIONS = 2001
TOP_CHANNELS = 50  # that are raised; at most a quarter of the channels
MOMENTUM, RATES = 0.9, (0.5, 0.08)
L1 = (1e-4, 5e-4)  # of the sum over the values of the last block's input
MASK = (420 / 512, 340 / 512)  # standard deviation, as a share of the height
BLUR = (0.9, 0.2)  # standard deviation in pixels
DENOISING = (2.0, 8.0)  # weight of the data in split Bregman, at a height of 512: the larger, the less is smoothed
BRIGHTER = 5 / 255
WINDOW_EVERY, SMOOTH_EVERY, BRIGHTEN_EVERY = 400, 10, 50  # iterations


@dataclass(frozen=True)
class PaperSchedule:
    """Settings that change during a run, linear in the share of the steps.

    A step stands for ``2001 / steps`` iterations of the published schedule: its rate is so many times as large, and what
    happens every 10, 50 or 400 iterations happens in the step that reaches them.

    Attributes
    ----------
    steps : int
    """

    steps: int

    def share(self, step: int) -> float:
        """Return the share of the run before a step, 0..1."""
        return step / max(1, self.steps - 1)

    def between(self, ends: tuple[float, float], step: int) -> float:
        """Return a value between its first and its last."""
        share = self.share(step)
        return (1 - share) * ends[0] + share * ends[1]

    def rate(self, step: int) -> float:
        """Return the learning rate of a step."""
        return self.between(RATES, step) * ITERATIONS / self.steps

    def is_due(self, step: int, every: int) -> bool:
        """Return whether a step reaches another multiple of a number of iterations."""
        before, after = (number * ITERATIONS // self.steps // every for number in (step, step + 1))
        return after > before


@dataclass(frozen=True, eq=False)
class PaperTarget(FacetTarget):
    """A facet, scored as published: its strongest channels times their means, minus the robust distance to its mean."""

    def __repr__(self) -> str:
        return f"FeatureVisualization(layer={self.layer!r}, facets={self.count}, mode='paper'), facet {self.index}"

    @classmethod
    def of(cls, facet: FacetTarget) -> PaperTarget:
        """Return a facet with the published score."""
        return cls(**{one.name: getattr(facet, one.name) for one in fields(facet)})

    @property
    def top(self) -> NDArray[np.int64]:
        """Indices of this facet's strongest channels, the strongest first."""
        count = min(TOP_CHANNELS, max(1, len(self.mean) // 4))
        return np.argsort(-self.mean, kind="stable")[:count]

    def activation(self, features: torch.Tensor) -> torch.Tensor:
        """Return the sum over the strongest channels of features (clip, channel) times their means, float (clip,)."""
        top = torch.from_numpy(self.top).to(features.device)
        return features[:, top] @ torch.from_numpy(self.mean).to(features)[top]

    def distance(self, features: torch.Tensor, scale: torch.Tensor) -> torch.Tensor:
        """Return the mean over channels of the robust distance to the facet's mean in units of a scale, float (clip,)."""
        errors = (features - torch.from_numpy(self.mean).to(features)) / scale
        return ((1 + errors.square()).sqrt() - 1).mean(1)

    def first_scale(self, like: torch.Tensor) -> torch.Tensor:
        """Return the standard deviation of each channel over the set, not below a hundredth of their mean."""
        scale = torch.from_numpy(self.scale).to(like)
        return scale.clamp_min(max(1e-6, 0.01 * float(scale.mean())))

    def scores_of(self, features: torch.Tensor) -> torch.Tensor:
        """Return the scores of features (clip, channel)."""
        return self.activation(features) - self.distance(features, self.first_scale(features))


class PaperOptimisation(Optimisation):
    """Several restarts of one facet under the published schedule; each draws its own windows.

    Parameters
    ----------
    runner : Runner
    paint : PaperPaint
    objective : PaperTarget
    steps : int
    generator : torch.Generator
        Draws the windows.
    """

    paint: PaperPaint
    objective: PaperTarget

    def __init__(
        self, runner: Runner, paint: PaperPaint, objective: PaperTarget, steps: int, generator: torch.Generator
    ) -> None:
        super().__init__(runner, paint, objective, Schedule(steps, RATES[0], 0, 0.0), {}, generator)
        self.paper = PaperSchedule(steps)
        self._block_input = input_of_block(runner.layers, objective.layer)
        canvas = paint.parameters[0]
        first = objective.first_scale(canvas)
        self._first = first
        self._log_scale = torch.zeros((len(canvas), len(first)), device=canvas.device).requires_grad_()
        self._optimiser = torch.optim.SGD([canvas, self._log_scale], lr=RATES[0], momentum=MOMENTUM, nesterov=True)

    def _tensors(self) -> list[torch.Tensor]:
        return [*self.paint.parameters, self._log_scale, self.paint.corners]

    def _take_step(self) -> None:
        step, paper = self.step, self.paper
        if step == 0 or paper.is_due(step, WINDOW_EVERY):
            self.paint.draw_windows(self.generator)
        passes = self.runner.passes(to_input(self.paint.windows(), self.runner.model.preprocessing))
        self._check(passes)
        sizes = [len(found) for found in passes]
        losses = [
            self._loss(found, log_scale).sum()
            for found, log_scale in zip(passes, torch.split(self._log_scale, sizes), strict=True)
        ]
        loss, parameters = torch.stack(losses).sum(), [*self.paint.parameters, self._log_scale]
        gradients = self.runner.gradients(loss, parameters, sum(sizes))
        self._descend(gradients)
        self._smooth()
        self.step += 1

    def _check(self, passes: Sequence[Pass]) -> None:
        """Keep the scores of a step; raise ExplainError unless they are finite."""
        scores = torch.cat([self.objective.scores(found) for found in passes]).detach().float().cpu().numpy()
        if not np.isfinite(scores).all():
            raise ExplainError(
                f"the objective is {scores[~np.isfinite(scores)][0]} at step {self.step + 1}: the network returns values that "
                "are not finite for this canvas"
            )
        self.curve.append(scores)

    def _loss(self, found: Pass, log_scale: torch.Tensor) -> torch.Tensor:
        """Return the published loss, float (clip,)."""
        features = found.volumes[self.objective.layer].mean((2, 3, 4))
        # The logarithm keeps the learned scale from growing without end.
        robust = self.objective.distance(features, self._first * log_scale.exp()) + log_scale.mean(1)
        loss = robust - self.objective.activation(features)
        if self._block_input is not None:
            volume = found.volumes[self._block_input]
            norm = volume.abs().sum((1, 2, 3, 4)) / volume.shape[2]  # of one frame, as for pictures
            loss = loss + self.paper.between(L1, self.step) * norm
        return loss

    def _descend(self, gradients: Sequence[torch.Tensor]) -> None:
        """Take a step of SGD: of the canvas within the mask, and of the learned scale."""
        canvas, rate = self.paint.parameters[0], self.paper.rate(self.step)
        mask = self.paint.mask(self.paper.between(MASK, self.step))
        canvas.grad, self._log_scale.grad = gradients[0] * mask, gradients[1]
        self._has_gradient = self._has_gradient or bool(canvas.grad.any())
        for group in self._optimiser.param_groups:
            group["lr"] = rate
        self._optimiser.step()
        canvas.grad = self._log_scale.grad = None
        with torch.no_grad():
            self._log_scale.clamp_(-2.3, 2.3)  # a tenth to ten times the first scale
        self.paint.limit()

    def _smooth(self) -> None:
        """Blur, denoise and brighten the canvas in the steps in which that is due."""
        step, paper = self.step, self.paper
        if paper.is_due(step, SMOOTH_EVERY):
            self.paint.blur(paper.between(BLUR, step), paper.between(MASK, step))
            self.paint.denoise(paper.between(DENOISING, step))
        if paper.is_due(step, BRIGHTEN_EVERY):
            self.paint.brighten(BRIGHTER)


def paper_optimisation(
    runner: Runner, facet: PaperTarget, reals: Sequence[Clip], steps: int, restarts: int, seed: int
) -> tuple[PaperOptimisation, list[Clip]]:
    """Return the optimisation of a facet, and the clips that its restarts start from.

    Parameters
    ----------
    runner : Runner
    facet : PaperTarget
    reals : sequence of Clip
        The set, as the network gets it.
    steps, restarts, seed : int
    """
    generator = torch.Generator().manual_seed(seed)
    paint = PaperPaint([mean_clip(facet, reals)] * restarts, runner.device)
    optimisation = PaperOptimisation(runner, paint, facet, steps, generator)
    return optimisation, [Clip(frames, source="weighted mean of the facet") for frames in optimisation.frames()]


def mean_clip(facet: FacetTarget, reals: Sequence[Clip]) -> Clip:
    """Return the weighted mean of the members of a facet that are nearest to its centre."""
    nearest = facet.members[: len(facet.weights)]
    parts = [
        weight * reals[index].frames.astype(np.float64) for weight, index in zip(facet.weights, nearest, strict=True)
    ]
    return Clip(np.sum(parts, 0).round().astype(np.uint8), source="weighted mean of the facet")


def input_of_block(layers: Sequence[Layer], name: str) -> str | None:
    """Return the layer before a layer, in the order of the network; None for the first one."""
    names = [layer.name for layer in layers]
    index = names.index(name)
    return names[index - 1] if index else None
