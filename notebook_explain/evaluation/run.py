"""Evaluate explainers: every metric for the map of every method, clip by clip."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from notebook_explain._errors import ExplainError, UsageTypeError
from notebook_explain._validation import check_int
from notebook_explain.evaluation.baselines import default_baselines
from notebook_explain.evaluation.cache import ValueCache
from notebook_explain.evaluation.defaults import default_metrics
from notebook_explain.evaluation.examples import ClipTarget, Example, clip_name, list_clip_targets, prepare_example
from notebook_explain.evaluation.metric import Attribution, Case, Metric, check_metrics, explain, metric_info
from notebook_explain.evaluation.names import Explainer, named_explainers, short_name
from notebook_explain.evaluation.scores import Scorer
from notebook_explain.explanations import Evaluation, EvaluationRow, MetricInfo, Progress
from notebook_explain.methods.progress_bar import run_with_progress
from notebook_explain.models import VideoModel
from notebook_explain.models.content_key import clip_key, content_key, model_key
from notebook_explain.models.provenance import provenance_of


def evaluate(
    model: VideoModel,
    explainers: Any,
    clips: Any,
    metrics: Any = None,
    *,
    baselines: bool = True,
    cache: str | os.PathLike[str] | None = None,
    batch: int | None = None,
    seed: int = 0,
) -> Evaluation:
    """Measure how faithful, sharp and stable the maps of several methods are, under a line of progress.

    Parameters
    ----------
    model : VideoModel
        From ``notebook_explain.adapt``.
    explainers : list of explainers, or dict of name to explainer
        Functions ``explainer(model, clip, target) -> Tubes``. Metrics read the tubes' default layer, over the clip, signed.
    clips : list of clips, paths, arrays, samples, or pairs (clip, target)
        Without a target, the top class is explained. A sample of ``notebook_explain.samples`` is explained for each of its
        actions, and has masks that show where they are.
    metrics : list of metrics, optional
        From ``notebook_explain.evaluation``. By default insertion, deletion, block correlation and sparsity; with masks, also
        average precision, pointing, energy, and energy in the own minus the other mask.
    baselines : bool
        Add the methods of ``default_baselines``.
    cache : path to a folder, optional
        Keep every value there. A run that was stopped goes on where it was, if model, clips, explainers, metrics, seed and
        version are the same.
    batch : int, optional
        Clips in a pass; by default as many as fit the memory.
    seed : int
        Of everything that is drawn. The same seed gives the same values.

    Returns
    -------
    Evaluation

    Raises
    ------
    TypeError, ValueError
        An argument that is not what is listed here, two methods or metrics of the same name, an unknown target.
    ExplainError
        An explainer returns a map that does not fit the clip, or a metric needs a package that is not installed.
    """
    steps = stream(model, explainers, clips, metrics, baselines=baselines, cache=cache, batch=batch, seed=seed)
    result: Evaluation = run_with_progress(steps, "evaluation")
    return result


def stream(
    model: VideoModel,
    explainers: Any,
    clips: Any,
    metrics: Any = None,
    *,
    baselines: bool = True,
    cache: str | os.PathLike[str] | None = None,
    batch: int | None = None,
    seed: int = 0,
) -> Iterator[Progress]:
    """Yield progress after each value, with the evaluation so far; close the iterator to stop.

    Arguments and errors are those of `evaluate`; wrong arguments raise at once, before the first step.
    """
    if not isinstance(model, VideoModel):
        raise UsageTypeError(
            f"model must be a VideoModel, got {type(model).__name__}; make one with notebook_explain.adapt"
        )
    methods = named_explainers(explainers)
    if baselines:
        methods = {**{short_name(explainer): explainer for explainer in default_baselines()}, **methods}
    entries = list_clip_targets(clips)
    has_truth = any(entry.mask is not None for entry in entries)
    chosen = default_metrics(has_truth=has_truth) if metrics is None else check_metrics(metrics)
    batch = None if batch is None else check_int("batch", batch)
    run = _Run(
        model, methods, entries, chosen, ValueCache(cache), Scorer(model, batch), check_int("seed", seed, least=0)
    )
    run.check_keys()
    return run.steps()


@dataclass(eq=False)
class _Run:
    """One evaluation: its arguments, and the rows so far."""

    model: VideoModel
    methods: Mapping[str, Explainer]
    entries: Sequence[ClipTarget]
    metrics: Sequence[Metric]
    cache: ValueCache
    scorer: Scorer
    seed: int
    rows: list[EvaluationRow] = field(default_factory=list)
    undefined: dict[str, int] = field(default_factory=dict)
    start: float = field(default_factory=time.perf_counter)

    def check_keys(self) -> None:
        """Raise ValueError at once if a method or a metric cannot be cached."""
        if self.cache.is_kept:
            content_key(*self.methods.values(), *self.metrics)

    def steps(self) -> Iterator[Progress]:
        """Yield progress after each value."""
        done, total = 0, len(self.entries) * len(self.methods) * len(self.metrics)
        for entry in self.entries:
            case_of = _ExampleCases(self, prepare_example(self.model, self.scorer, entry))
            for method in self.methods:
                for metric, info in zip(self.metrics, self._infos, strict=True):
                    value = case_of.value(method, metric)
                    self._add(case_of.example, method, info.name, value)
                    done += 1
                    seconds = time.perf_counter() - self.start
                    yield Progress("values", done, total, seconds, self.evaluation())

    def evaluation(self) -> Evaluation:
        """Return what was measured so far."""
        names = {entry.index: clip_name(entry.clip) for entry in self.entries}
        infos = self._infos
        knobs = {
            "methods": {name: repr(explainer) for name, explainer in self.methods.items()},
            "metrics": {info.name: info.knobs for info in infos},
            "seed": self.seed,
        }
        caveats = [*self.model.caveats, *self.scorer.caveats, *self._undefined_caveats()]
        origin = provenance_of(self.model, "Evaluation", knobs, self.start, caveats, forwards=self.scorer.forwards)
        clips = tuple(names[index] for index in range(len(names)))
        return Evaluation(tuple(self.rows), clips, tuple(self.methods), infos, origin)

    def _add(self, example: Example, method: str, metric: str, value: float | None) -> None:
        if value is None:
            self.undefined[metric] = self.undefined.get(metric, 0) + 1
            return
        result = example.result
        self.rows.append(EvaluationRow(example.index, result.name, method, metric, value, result.class_name))

    @cached_property
    def _infos(self) -> tuple[MetricInfo, ...]:
        return tuple(metric_info(metric) for metric in self.metrics)

    def _undefined_caveats(self) -> list[str]:
        return [f"{name} is undefined for {count} of the maps." for name, count in self.undefined.items()]

    @cached_property
    def model_key(self) -> str:
        """Key of the model, of the seed and of this version."""
        import notebook_explain

        return content_key(notebook_explain.__version__, model_key(self.model), self.seed)


class _ExampleCases:
    """The maps of all methods for one example, made when a metric first needs them."""

    def __init__(self, run: _Run, example: Example) -> None:
        self.run, self.example = run, example
        self._attributions: dict[str, Attribution] = {}
        self._memo: dict[Any, Any] = {}
        self._key = ""
        if run.cache.is_kept:
            truth = example.mask, example.other_mask
            self._key = content_key(
                run.model_key, clip_key(example.clip), clip_key(example.given), example.target, truth
            )

    def value(self, method: str, metric: Metric) -> float | None:
        """Return a value: from the cache, or measured and added to it."""
        cache, key = self.run.cache, ""
        if cache.is_kept:
            key = content_key(self._key, self.run.methods[method], metric, *self._compared(method, metric))
            if key in cache:
                return cache[key]
        value = metric(self._case(method, metric))
        if value is not None:
            value = float(value)
            if not abs(value) < float("inf"):
                raise ExplainError(f"{short_name(metric)} of {method} is {value}, which is not a finite number")
        cache.add(key, value)
        return value

    def _compared(self, method: str, metric: Metric) -> list[Any]:
        """Return the other methods, if a metric compares with them."""
        if not getattr(metric, "compares_methods", False):
            return []
        return [explainer for name, explainer in self.run.methods.items() if name != method]

    def _case(self, method: str, metric: Metric) -> Case:
        compares = getattr(metric, "compares_methods", False)
        others = {name: self._attribution(name) for name in self.run.methods if compares and name != method}
        run = self.run
        return Case(
            run.model,
            method,
            run.methods[method],
            self.example,
            self._attribution(method),
            others,
            run.scorer,
            run.seed,
            self._memo,
        )

    def _attribution(self, method: str) -> Attribution:
        if method not in self._attributions:
            explainer: Callable[..., Any] = self.run.methods[method]
            self._attributions[method] = explain(explainer, self.run.model, self.example.given, self.example)
        return self._attributions[method]
