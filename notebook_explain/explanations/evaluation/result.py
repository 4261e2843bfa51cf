"""Evaluation of several methods: a value for each metric, method, clip and target, with summaries."""

from __future__ import annotations

import os
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from notebook_explain._errors import ExplainError, UsageError
from notebook_explain._validation import check_choice
from notebook_explain.explanations.evaluation.intervals import LEVEL, RESAMPLES
from notebook_explain.explanations.evaluation.rows import EvaluationRow, MetricInfo
from notebook_explain.explanations.evaluation.tables import (
    Comparison,
    EvaluationTable,
    difference_of,
    make_table,
    paired_rows,
)
from notebook_explain.explanations.evaluation.text import evaluation_in_words
from notebook_explain.explanations.number_format import counted
from notebook_explain.explanations.provenance import Provenance


@dataclass(frozen=True)
class Evaluation:
    """Values of metrics for the maps of several methods, over several clips.

    Attributes
    ----------
    rows : tuple of EvaluationRow
        A metric that is undefined for a map, such as one that needs a mask, has no row for it.
    clips : tuple of str
        Names of the clips.
    methods : tuple of str
    metrics : tuple of MetricInfo
    provenance : Provenance
    """

    rows: tuple[EvaluationRow, ...]
    clips: tuple[str, ...]
    methods: tuple[str, ...]
    metrics: tuple[MetricInfo, ...]
    provenance: Provenance

    def __repr__(self) -> str:
        parts = [
            counted(len(self.methods), "method"),
            counted(len(self.metrics), "metric"),
            counted(len(self.clips), "clip"),
            counted(len(self.rows), "value"),
        ]
        return f"Evaluation({', '.join(parts)})"

    def metric(self, name: str) -> MetricInfo:
        """Return a metric by name (ValueError lists them)."""
        check_choice("metric", name, [metric.name for metric in self.metrics])
        return next(metric for metric in self.metrics if metric.name == name)

    def select(
        self, *, methods: list[str] | tuple[str, ...] | None = None, metrics: list[str] | tuple[str, ...] | None = None
    ) -> Evaluation:
        """Return the evaluation with these methods and metrics only, in this order (ValueError for unknown names)."""
        chosen_methods = tuple(
            self.methods if methods is None else [check_choice("method", name, self.methods) for name in methods]
        )
        chosen = self.metrics if metrics is None else tuple(self.metric(name) for name in metrics)
        names = {metric.name for metric in chosen}
        rows = tuple(row for row in self.rows if row.method in chosen_methods and row.metric in names)
        return replace(self, rows=rows, methods=chosen_methods, metrics=chosen)

    def table(
        self, *, by_class: bool = False, level: float = LEVEL, resamples: int = RESAMPLES, seed: int = 0
    ) -> EvaluationTable:
        """Return the mean of each metric for each method, with a bootstrap interval and the number of values.

        Parameters
        ----------
        by_class : bool
            Add a row for each class of the targets.
        level : float in 0.5..0.999
            Of the intervals.
        resamples : int
            At least 100. Clips are resampled, each with all its values.
        seed : int
            The same seed gives the same intervals.
        """
        return make_table(
            self.rows, self.methods, self.metrics, by_class=by_class, level=level, resamples=resamples, seed=seed
        )

    def compare(
        self, first: str, second: str, metric: str, *, level: float = LEVEL, resamples: int = RESAMPLES, seed: int = 0
    ) -> Comparison:
        """Return the paired difference of two methods, first minus second, over the clips and targets that have both.

        Parameters
        ----------
        first, second : str
            Names of methods.
        metric : str
        level, resamples, seed
            As for `table`.

        Raises
        ------
        ValueError
            An unknown method or metric, or no clip that has values of both methods.
        """
        for name, value in (("first", first), ("second", second)):
            check_choice(name, value, self.methods)
        pairs = paired_rows(self.rows, first, second, self.metric(metric).name)
        if not pairs:
            raise UsageError(f"{metric} has no clip with values of both {first} and {second}; compare another metric")
        return Comparison(first, second, metric, difference_of(pairs, level=level, resamples=resamples, seed=seed))

    def in_words(self) -> str:
        """Return one sentence for each metric: the best method, and whether its lead over the second is clear."""
        return evaluation_in_words(self)

    def to_frame(self) -> Any:
        """Return the rows as a pandas DataFrame: clip, clip_name, target, class_name, method, metric, value.

        Raises
        ------
        ExplainError
            pandas is not installed.
        """
        try:
            import pandas
        except ImportError:
            raise ExplainError(
                "to_frame() needs pandas, which is not installed; run pip install pandas, or use .rows"
            ) from None
        columns = ["clip", "clip_name", "target", "class_name", "method", "metric", "value"]
        records = [{**asdict(row), "clip_name": self.clips[row.clip]} for row in self.rows]
        return pandas.DataFrame(records, columns=columns)

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Write everything to one .npz file (arrays and JSON, no pickle); ``notebook_explain.load`` reads it."""
        from notebook_explain.explanations.io.save_load import save

        return save(self, path)

    def figure(self, metrics: list[str] | tuple[str, ...] | None = None) -> Any:
        """Return a matplotlib figure: a panel for each metric, with the mean and the interval of each method.

        Parameters
        ----------
        metrics : list of str, optional
            Names of the metrics to draw; all by default.
        """
        from notebook_explain import display

        return display.figure(self, metrics=metrics)

    def to_png(self, path: str | os.PathLike[str], *, metrics: list[str] | None = None, dpi: float = 150) -> Path:
        """Write the `figure` as a PNG of 20 to 1200 pixels per inch; an existing file is replaced atomically."""
        from notebook_explain import display

        return display.to_png(self, path, metrics=metrics, dpi=dpi)

    def to_html(self, path: str | os.PathLike[str], title: str | None = None) -> Path:
        """Write a static HTML page with every table, that needs neither a kernel, a network nor scripts.

        Parameters
        ----------
        path : path to a file
        title : str, optional
            Heading of the page.
        """
        from notebook_explain import display

        return display.evaluation_page(self, path, title)

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> Any:
        from notebook_explain import display

        return display.evaluation_bundle(self)
