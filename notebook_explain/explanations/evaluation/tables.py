"""Summaries of an evaluation: means with intervals, and paired differences of two methods."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from notebook_explain.explanations.evaluation.intervals import LEVEL, RESAMPLES, Interval, clustered_interval
from notebook_explain.explanations.evaluation.rows import EvaluationRow, MetricInfo
from notebook_explain.explanations.number_format import counted, fixed, stripped


@dataclass(frozen=True)
class TableRow:
    """Mean of one metric for one method.

    Attributes
    ----------
    metric, method : str
    class_name : str
        Class of the targets; "" for all classes together.
    interval : Interval
    """

    metric: str
    method: str
    class_name: str
    interval: Interval


@dataclass(frozen=True)
class EvaluationTable:
    """Means with intervals, by metric and method, and by class on request.

    Attributes
    ----------
    rows : tuple of TableRow
        In the order of the metrics, then of the methods; classes follow the row of all classes.
    metrics : tuple of MetricInfo
    level : float
        Of the intervals.
    """

    rows: tuple[TableRow, ...]
    metrics: tuple[MetricInfo, ...]
    level: float

    def __repr__(self) -> str:
        lines = [f"mean ({stripped(fixed(100 * self.level, 1))} % interval over clips)"]
        width = max((len(_label(row)) for row in self.rows), default=0)
        middle = max((len(str(row.interval)) for row in self.rows), default=0)
        for metric in self.metrics:
            lines += ["", f"{metric.name} ({metric.better.value} is better)" if metric.has_order else metric.name]
            for row in self.of(metric.name):
                interval = row.interval
                size = f"n = {interval.count}, {counted(interval.clips, 'clip')}"
                lines.append(f"  {_label(row):<{width}}  {interval!s:<{middle}}  {size}")
        return "\n".join(lines)

    def of(self, metric: str) -> tuple[TableRow, ...]:
        """Return the rows of one metric."""
        return tuple(row for row in self.rows if row.metric == metric)


def _label(row: TableRow) -> str:
    return f"  {row.class_name}" if row.class_name else row.method


@dataclass(frozen=True)
class Comparison:
    """Paired difference of two methods in one metric, over the clips and targets that have both.

    Attributes
    ----------
    first, second, metric : str
    difference : Interval
        Values of ``first`` minus values of ``second``.
    """

    first: str
    second: str
    metric: str
    difference: Interval

    def __str__(self) -> str:
        sign = "+" if self.difference.mean > 0 else ""
        number = self.difference.clips
        return f"{self.metric}: {self.first} minus {self.second} is {sign}{self.difference}, {counted(number, 'clip')}"


def make_table(
    rows: Iterable[EvaluationRow],
    methods: Sequence[str],
    metrics: Sequence[MetricInfo],
    *,
    by_class: bool = False,
    level: float = LEVEL,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> EvaluationTable:
    """Return the means of rows by metric and method; ``by_class`` adds those of each class."""
    groups: dict[tuple[str, str, str], list[EvaluationRow]] = defaultdict(list)
    for row in rows:
        groups[row.metric, row.method, ""].append(row)
        if by_class:
            groups[row.metric, row.method, row.class_name].append(row)
    classes = ["", *sorted({name for _, _, name in groups} - {""})]
    found = []
    for metric in metrics:
        for method in methods:
            for name in classes:
                if group := groups.get((metric.name, method, name)):
                    values, clips = [row.value for row in group], [row.clip for row in group]
                    interval = clustered_interval(values, clips, level=level, resamples=resamples, seed=seed)
                    found.append(TableRow(metric.name, method, name, interval))
    return EvaluationTable(tuple(found), tuple(metrics), level)


def paired_rows(rows: Iterable[EvaluationRow], first: str, second: str, metric: str) -> list[tuple[int, float, float]]:
    """Return (clip, value of the first method, value of the second) for each clip and target that has both."""
    values: dict[str, dict[tuple[int, str], float]] = {first: {}, second: {}}
    for row in rows:
        if row.metric == metric and row.method in values:
            values[row.method][row.clip, row.target] = row.value
    shared = [key for key in values[first] if key in values[second]]
    return [(key[0], values[first][key], values[second][key]) for key in shared]


def difference_of(
    pairs: Sequence[tuple[int, float, float]], *, level: float = LEVEL, resamples: int = RESAMPLES, seed: int = 0
) -> Interval:
    """Return the mean difference of pairs with its interval."""
    clips, first, second = (np.array(column) for column in zip(*pairs, strict=True))
    return clustered_interval(first - second, clips, level=level, resamples=resamples, seed=seed)
