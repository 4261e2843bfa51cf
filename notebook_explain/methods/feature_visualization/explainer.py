"""FeatureVisualization: make clips that a network responds to, from real clips or a still picture.

For a class, a facet of a set of clips, a channel, a unit or a direction, the canvas is optimised by gradient ascent::

    maximise  objective(x) - R(x) - penalty(canvas)
    R = 0.3 sum over layers of [mean_c ((mu - mu_F) / s)^2 + mean_c ((sd - sd_F) / s)^2]

mu and sd are the mean and the standard deviation of each channel, mu_F and sd_F those of the real clips, s the mean of sd_F. Of
several restarts, the one whose clip has the largest objective is kept.

References: Stergiou: The Mind's Eye: Visualizing Class-Agnostic Features of CNNs, ICIP 2021, arXiv:2101.12447; Olah, Mordvintsev,
Schubert: Feature Visualization, Distill 2017. Animating a still picture by a flow is this project's own.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from notebook_explain._errors import UsageError, UsageTypeError
from notebook_explain._validation import check_choice, check_int, check_range
from notebook_explain.explanations import Visualization
from notebook_explain.explanations.progress import Progress
from notebook_explain.methods.feature_visualization.canvases import Canvas, check_canvas
from notebook_explain.methods.feature_visualization.objectives import as_objectives
from notebook_explain.methods.feature_visualization.run import Run
from notebook_explain.methods.progress_bar import run_with_progress
from notebook_explain.models import VideoModel

AUTO, PAPER = "auto", "paper"
MODES = ("measured", PAPER)
MOST_STEPS = 100_000


@dataclass(frozen=True)
class FeatureVisualization:
    """Make clips that show what a network looks for.

    Attributes
    ----------
    layer : str, optional
        Layer whose features are grouped into facets, and in which distances to real clips are measured; by default the input
        of global pooling.
    facets : int, "auto" or None
        Number of facets of the set of clips to visualise (The Mind's Eye), or "auto" to choose it by silhouette. By default
        the target class is visualised.
    objective : Objective or list of these, optional
        Of ``notebook_explain.objectives``, such as ``Channel("layer3", 12)`` or ``Logit("kick") - Logit("punch")``.
    canvas : Flow(), Spectrum() or Pixels(), optional
        What the clip is written on. By default ``Flow()``, which moves the pixels of a still and so keeps its people; for image
        networks (one frame) ``Spectrum()``.
    steps : int
        Number of optimisation steps.
    restarts : int
        Number of starts, of which the best is kept.
    statistics : float
        Weight of the distance of the layers' statistics from those of the real clips.
    weight : float
        Weight of the objective against the statistics and the penalty; the study used 1. A smaller one keeps the clip closer to
        the real clips.
    level : float or None
        Multiple of the best real score beyond which the objective gains less and less; no limit without a real score above
        0, or for ``None``.
    control : bool
        Also ask the network about the still under a random flow of the same size.
    mode : "measured" or "paper"
        "paper" visualises facets ("auto" by default) by the published schedule, with its faults corrected: see
        `methods.feature_visualization.paper`. It has a canvas of its own, and the published schedule has 2,001 steps; with
        fewer, each step is longer. ``statistics``, ``weight`` and ``level`` play no part in it.
    seed : int
        Seed of all random numbers; the same seed gives the same clip on the same machine.
    """

    layer: str | None = None
    facets: int | str | None = None
    objective: Any = None
    canvas: Canvas | None = None
    steps: int = 120
    restarts: int = 3
    statistics: float = 0.3
    weight: float = 1.0
    level: float | None = 1.2
    control: bool = False
    mode: str = "measured"
    seed: int = 0

    def __post_init__(self) -> None:
        if self.layer is not None and not isinstance(self.layer, str):
            raise UsageTypeError(
                f"layer must be the name of a layer (str), got {self.layer!r}; model.layers lists them"
            )
        if self.canvas is not None:
            check_canvas(self.canvas)
        check_choice("mode", self.mode, MODES)
        if self.is_paper:
            self._set_paper()
        for name, least in (("steps", 1), ("restarts", 1), ("seed", 0)):
            object.__setattr__(self, name, check_int(name, getattr(self, name), least=least))
        if self.steps > MOST_STEPS:
            raise UsageError(f"steps must be at most {MOST_STEPS:,}, got {self.steps:,}; 120 are usual")
        for name in ("statistics", "weight"):
            object.__setattr__(self, name, check_range(name, getattr(self, name), 0, 1e6))
        if self.level is not None:
            object.__setattr__(self, "level", check_range("level", self.level, 0, 1e6))
        if self.facets is not None and self.facets != AUTO:
            object.__setattr__(self, "facets", check_int("facets", self.facets))
        if self.objective is not None:
            as_objectives(self.objective)
            if self.facets is not None:
                raise UsageError("give facets or an objective, not both; facets make objectives of their own")

    @property
    def is_paper(self) -> bool:
        """True if the published schedule is kept."""
        return self.mode == PAPER

    def _set_paper(self) -> None:
        """Take the published default, and refuse what the published schedule has no place for."""
        if self.canvas is not None or self.objective is not None:
            name = "canvas" if self.canvas is not None else "objective"
            raise UsageError(f"mode='paper' makes facets on a canvas of its own; leave {name} out, or leave mode out")
        if self.facets is None:
            object.__setattr__(self, "facets", AUTO)

    def __call__(
        self, model: VideoModel, clips: Any = None, target: Any = None, resume: Visualization | None = None
    ) -> Visualization:
        """Make clips, under a line of progress.

        Parameters
        ----------
        model : VideoModel
            From ``notebook_explain.adapt``.
        clips : list or iterator of clips, paths, arrays or samples, or path to a folder, optional
            Real clips: they give the starts, the statistics, and what the made clip is compared with. The study used 20. A
            folder may hold a folder for each class, of which that of the target is read; with facets or an objective, all.
            Without clips a flow needs a still. For networks of pictures, also arrays (height, width, 3).
        target : None, label, index, Target, or a list of these
            The class to visualise; ``None`` is the top class of the first clip. Not used with facets or an objective.
        resume : Visualization, optional
            The last one that a stopped stream has yielded, to go on from. The result is that of a stream that was never
            stopped, bit for bit, if the network has not changed. The settings and other arguments must be the same; more
            steps change the schedule of those that remain.

        Returns
        -------
        Visualization

        Raises
        ------
        TypeError, ValueError
            An unknown layer, channel or target, too few clips for facets, an argument that is not a model or a clip, or
            something else to resume from.
        ExplainError
            The network returns numbers that are not finite, or a layer does not run.
        """
        result: Visualization = run_with_progress(self.stream(model, clips, target, resume), "visualization")
        return result

    def stream(
        self, model: VideoModel, clips: Any = None, target: Any = None, resume: Visualization | None = None
    ) -> Iterator[Progress]:
        """Make clips step by step and yield previews; close the iterator to stop, and keep the last preview to resume from.

        Arguments and errors are those of the call; a wrong model raises at once. The network's parameters are
        copied at the start, so training meanwhile changes nothing.

        Yields
        ------
        Progress
            Stages "real clips" and "steps of ...". About every half second, and after each longer step, ``partial`` is a
            Visualization; the last one is the result. Where a step takes more than a second, some have none, because the
            passes of previews take at most about a tenth of the time.
        """
        if not isinstance(model, VideoModel):
            raise UsageTypeError(
                f"model must be a VideoModel, got {type(model).__name__}; make one with notebook_explain.adapt"
            )
        if target is not None and (self.facets is not None or self.objective is not None):
            raise UsageError("target is the class to visualise; leave it out with facets or an objective")
        return Run(self, model, clips, target, resume).steps()
