"""Read and write evaluations."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

import numpy as np
from numpy.typing import NDArray

from notebook_explain._errors import UsageError
from notebook_explain.explanations.evaluation.result import Evaluation
from notebook_explain.explanations.evaluation.rows import Better, EvaluationRow, MetricInfo
from notebook_explain.explanations.io.fields import Arrays, read_list, read_str
from notebook_explain.explanations.io.npz import RefusedError
from notebook_explain.explanations.provenance import Provenance

LARGEST = 1e30  # sums of such values are finite
_COLUMNS = ("clip", "target", "method", "metric", "class_name")  # columns of the array of indices


def pack(evaluation: Evaluation) -> tuple[dict[str, Any], Arrays]:
    """Return JSON fields and arrays; raise ValueError for values that are not finite."""
    rows = evaluation.rows
    names = {
        "target": list(dict.fromkeys(row.target for row in rows)),
        "method": list(evaluation.methods),
        "metric": [metric.name for metric in evaluation.metrics],
        "class_name": list(dict.fromkeys(row.class_name for row in rows)),
    }
    index_of = {column: {name: index for index, name in enumerate(entries)} for column, entries in names.items()}
    indices = [[row.clip, *(index_of[column][getattr(row, column)] for column in _COLUMNS[1:])] for row in rows]
    values = np.array([row.value for row in rows], np.float64)
    if not (np.abs(values) < LARGEST).all():
        raise UsageError("it holds values that are not finite, or too large")
    text = {
        "clips": list(evaluation.clips),
        "targets": names["target"],
        "methods": names["method"],
        "classes": names["class_name"],
        "metrics": [{**asdict(metric), "better": metric.better.value} for metric in evaluation.metrics],
        "provenance": asdict(evaluation.provenance),
    }
    return text, {"values": values, "indices": np.array(indices, np.int64).reshape(len(rows), len(_COLUMNS))}


def unpack(text: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]]) -> Evaluation:
    """Read what `pack` returned."""
    clips, methods = _names(text, "clips"), _names(text, "methods")
    metrics = tuple(_metric(entry) for entry in read_list(text["metrics"], "metrics"))
    names = (_names(text, "targets"), methods, tuple(metric.name for metric in metrics), _names(text, "classes"))
    values, indices = arrays["values"], arrays["indices"]
    if values.dtype != np.float64 or values.ndim != 1 or not (np.abs(values) < LARGEST).all():
        raise RefusedError("its values are not finite float64 numbers, or too large")
    if indices.dtype != np.int64 or indices.shape != (len(values), len(_COLUMNS)):
        raise RefusedError(f"its indices are not an int64 array ({len(values)} values, {len(_COLUMNS)})")
    limits = np.array([len(clips), *map(len, names)])
    if len(values) and not ((indices >= 0) & (indices < limits)).all():
        raise RefusedError("it refers to a clip or a name that it does not hold")
    rows = tuple(_row(index, value, names) for index, value in zip(indices.tolist(), values.tolist(), strict=True))
    return Evaluation(rows, clips, methods, metrics, Provenance.of(text["provenance"]))


def _row(index: Sequence[int], value: float, names: Sequence[Sequence[str]]) -> EvaluationRow:
    target, method, metric, class_name = (entries[k] for entries, k in zip(names, index[1:], strict=True))
    return EvaluationRow(index[0], target, method, metric, value, class_name)


def _metric(entry: Any) -> MetricInfo:
    better, knobs = read_str(entry["better"]), entry["knobs"]
    if better not in [direction.value for direction in Better]:
        raise RefusedError(f"the direction {better[:40]!r} of a metric is unknown")
    if not isinstance(knobs, dict):
        raise RefusedError("the knobs of a metric are not a dict")
    return MetricInfo(read_str(entry["name"]), Better(better), read_str(entry["summary"]), knobs)


def _names(text: Mapping[str, Any], key: str) -> tuple[str, ...]:
    return tuple(map(read_str, read_list(text[key], key)))
