"""Metrics: what they are given, and what they must have.

A metric is a frozen dataclass whose fields are its knobs. It is called with a `Case`, the map of one method for one clip and
target, and returns one finite number, or ``None`` where it is undefined.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, is_dataclass
from typing import Any, ClassVar, Protocol, runtime_checkable

import numpy as np
import torch
from numpy.typing import NDArray

from notebook_explain._errors import ExplainError, UsageError, UsageTypeError
from notebook_explain.clip import Clip
from notebook_explain.evaluation.examples import Example
from notebook_explain.evaluation.fills import filling
from notebook_explain.evaluation.names import short_name
from notebook_explain.evaluation.scores import Scorer, Scores
from notebook_explain.explanations import Tubes
from notebook_explain.explanations.evaluation.rows import Better, MetricInfo
from notebook_explain.models import VideoModel

Attribution = NDArray[np.float32]
SCORES = ("probability", "logit")


@runtime_checkable
class Metric(Protocol):
    """A metric of maps.

    Attributes
    ----------
    better : Better
        Direction; a class attribute.
    """

    better: ClassVar[Any]

    def __call__(self, case: Case) -> float | None:
        """Return the value for one map; ``None`` where it is undefined."""


@dataclass(frozen=True, eq=False)
class Case:
    """The map of one method for one clip and target, and what a metric may ask about it.

    Attributes
    ----------
    model : VideoModel
    method : str
    explainer : function
        ``explainer(model, clip, target) -> Tubes``.
    example : Example
    attribution : float32 array (time, height, width)
        Signed map, over the clip that the network sees.
    others : dict of method to float32 array
        Maps of the other methods.
    scorer : Scorer
    seed : int
        Of everything that is drawn.
    """

    model: VideoModel
    method: str
    explainer: Callable[..., Any]
    example: Example
    attribution: Attribution
    others: Mapping[str, Attribution]
    scorer: Scorer
    seed: int = 0
    memo: dict[Any, Any] = field(default_factory=dict, repr=False)

    def rng(self, purpose: str) -> np.random.Generator:
        """Return a generator for one purpose; it depends on the seed only, so that all methods meet the same draws."""
        digest = hashlib.sha256(f"{self.seed} {purpose}".encode()).digest()
        return np.random.default_rng(int.from_bytes(digest[:8], "little"))

    def hide(self, fill: str) -> Callable[[torch.Tensor], torch.Tensor]:
        """Return the function that hides parts of the clip (`filling`); it is made once per clip."""
        key = "fill", fill
        if key not in self.memo:
            self.memo[key] = filling(self.example.video, fill, self.seed)
        hide: Callable[[torch.Tensor], torch.Tensor] = self.memo[key]
        return hide

    def scores(self, shown: Callable[[int, int], torch.Tensor], count: int, fill: str) -> Scores:
        """Return the scores of the clip with parts hidden.

        Parameters
        ----------
        shown : function
            ``shown(first, end)`` returns what is shown, float (end - first, time, height, width) in 0..1.
        count : int
        fill : str
        """
        hide = self.hide(fill)
        return self.scorer.scores(lambda first, end: hide(shown(first, end)), count, self.example.target)

    def ends(self, fill: str) -> Scores:
        """Return the scores of the clip with everything hidden, and of the whole clip; computed once per clip."""
        key = "ends", fill
        if key not in self.memo:
            size = self.example.video.shape[2:]
            both = torch.stack([torch.zeros(size), torch.ones(size)]).to(self.example.video.device)
            self.memo[key] = self.scores(lambda first, end: both[first:end], 2, fill)
        scores: Scores = self.memo[key]
        return scores

    def explain(self, clip: Clip, model: VideoModel | None = None) -> Attribution:
        """Return the method's map of another clip, or of another model."""
        return explain(self.explainer, model or self.model, clip, self.example)


def explain(explainer: Callable[..., Any], model: VideoModel, clip: Clip, example: Example) -> Attribution:
    """Return the map of an explainer for the target of an example.

    Raises
    ------
    TypeError, ExplainError
        It returns no tubes, or its map has another size or is not finite.
    """
    tubes = explainer(model, clip, example.target)
    if not isinstance(tubes, Tubes):
        raise UsageTypeError(
            f"an explainer must return Tubes, as SaliencyTubes does; {short_name(explainer)} returned {type(tubes).__name__}"
        )
    volume = tubes.volume()
    if volume.shape != example.clip.size:
        raise ExplainError(
            f"the map of {short_name(explainer)} has the size {volume.shape}, but the network sees {example.clip.size}; "
            "return the clip of model.fit(clip) in the Tubes"
        )
    if not np.isfinite(volume).all():
        raise ExplainError(f"the map of {short_name(explainer)} for {example.result.name!r} is not finite")
    return volume


def metric_info(metric: Metric) -> MetricInfo:
    """Return the name, direction, summary and knobs of a metric."""
    summary = (type(metric).__doc__ or "").strip().partition("\n\n")[0].replace("\n", " ")
    value: Any = metric
    knobs: dict[str, Any] = asdict(value) if is_dataclass(value) and not isinstance(value, type) else {}
    return MetricInfo(short_name(metric), Better(metric.better), " ".join(summary.split()), knobs)


def check_metrics(metrics: Any) -> tuple[Metric, ...]:
    """Return metrics as a tuple (TypeError or ValueError for anything else, and for two of the same name)."""
    listed = tuple(metrics) if isinstance(metrics, (list, tuple)) else (metrics,)
    for metric in listed:
        if isinstance(metric, type) or not isinstance(metric, Metric):
            hint = f"; write {metric.__name__}()" if isinstance(metric, type) else ""
            raise UsageTypeError(f"metrics are objects such as ne.evaluation.Insertion(); got {metric!r}{hint}")
    names = [short_name(metric) for metric in listed]
    if not names:
        raise UsageError("metrics is empty; leave it out for the default ones")
    if twice := next((name for name in names if names.count(name) > 1), None):
        raise UsageError(f"the metric {twice} is listed twice")
    return listed


def score_of(scores: Scores, score: str, name: str, advice: str) -> NDArray[np.float64]:
    """Return the "logit" or the "probability" of each variant (ValueError if the target has no probability)."""
    found = scores.of(score)
    if found is None:
        raise UsageError(f"{name} measures a probability, but a difference of classes and a value have none; {advice}")
    return found
