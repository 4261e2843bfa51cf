"""Metrics that are measured unless others are chosen."""

from __future__ import annotations

from notebook_explain.evaluation.block_correlation import BlockCorrelation
from notebook_explain.evaluation.insertion_deletion import Deletion, Insertion
from notebook_explain.evaluation.localisation import AveragePrecision, Energy, OwnMinusOther, Pointing
from notebook_explain.evaluation.map_statistics import Sparsity
from notebook_explain.evaluation.metric import Metric


def default_metrics(*, has_truth: bool) -> tuple[Metric, ...]:
    """Return the default metrics; those that need a mask only if any clip has one."""
    always: tuple[Metric, ...] = (Insertion(), Deletion(), BlockCorrelation(), Sparsity())
    with_truth: tuple[Metric, ...] = (AveragePrecision(), Pointing(), Energy(), OwnMinusOther())
    return always + (with_truth if has_truth else ())
