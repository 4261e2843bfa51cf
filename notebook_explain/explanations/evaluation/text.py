"""An evaluation in sentences."""

from __future__ import annotations

from typing import TYPE_CHECKING

from notebook_explain.explanations.evaluation.rows import Better, MetricInfo
from notebook_explain.explanations.evaluation.tables import (
    EvaluationTable,
    TableRow,
    difference_of,
    make_table,
    paired_rows,
)
from notebook_explain.explanations.number_format import counted, fixed, seconds

if TYPE_CHECKING:
    from notebook_explain.explanations.evaluation.result import Evaluation

FEW_CLIPS = 10  # bootstrap intervals from fewer are too narrow to be called clear


def evaluation_in_words(evaluation: Evaluation) -> str:
    """Return one sentence for each metric."""
    if not evaluation.rows:
        return "Nothing has been measured."
    table = make_table(evaluation.rows, evaluation.methods, evaluation.metrics)
    found = [_sentence(evaluation, table, metric) for metric in evaluation.metrics if table.of(metric.name)]
    return " ".join([*found, *few_clips(evaluation)])


def few_clips(evaluation: Evaluation) -> list[str]:
    """Return a sentence if the intervals rest on too few clips, else nothing."""
    number = len({row.clip for row in evaluation.rows})
    if not 1 < number < FEW_CLIPS:
        return []
    return [f"Intervals from {counted(number, 'clip')} are too narrow; use {FEW_CLIPS} or more."]


def evaluation_notes(evaluation: Evaluation) -> list[str]:
    """Return the lines that belong below every table and figure: what is shown, the caveats, and how it was measured."""
    p = evaluation.provenance
    versions = ", ".join(f"{name} {version}" for name, version in p.versions.items())
    return [
        *_interval_note(len({row.clip for row in evaluation.rows})),
        *few_clips(evaluation),
        *p.caveats,
        f"{p.model}; {counted(p.forwards, 'forward pass', 'forward passes')}, {seconds(p.seconds)}; {versions}",
    ]


def _interval_note(number: int) -> list[str]:
    """Return what the means and intervals of a number of clips are; nothing without any."""
    if number < 2:
        return ["Means of one clip; intervals need several."] if number else []
    return [f"Means with 95 % bootstrap intervals over {number} clips; clips are resampled, each with all its values."]


def _sentence(evaluation: Evaluation, table: EvaluationTable, metric: MetricInfo) -> str:
    if metric.has_order:
        return f"{metric.name} ({metric.better.value} is better): {verdict_on(evaluation, table, metric)}"
    listed = ", ".join(f"{row.method} {fixed(row.interval.mean, 3)}" for row in _of_all_classes(table, metric))
    return f"{metric.name} (neither end is better): {listed}."


def verdict_on(evaluation: Evaluation, table: EvaluationTable, metric: MetricInfo) -> str:
    """Return the best method of a metric that has an order, and whether its lead over the second is clear."""
    sign = 1 if metric.better is Better.HIGHER else -1
    ranked = sorted(_of_all_classes(table, metric), key=lambda row: -sign * row.interval.mean)
    best = ranked[0]
    lead = f"{best.method} {best.interval}, {counted(best.interval.clips, 'clip')}"
    if len(ranked) == 1:
        return f"{lead}."
    second = ranked[1].method
    pairs = paired_rows(evaluation.rows, best.method, second, metric.name)
    if not pairs:
        return f"{lead}; {second} was measured on other clips."
    difference = difference_of(pairs)
    if difference.clips < FEW_CLIPS:
        return f"{lead}; the difference from {second} is {difference}."
    clear = "is clear" if difference.excludes_zero else "is not clear"
    return f"{lead}; the difference from {second}, {difference}, {clear}."


def _of_all_classes(table: EvaluationTable, metric: MetricInfo) -> list[TableRow]:
    return [row for row in table.of(metric.name) if not row.class_name]
