"""Block reports as text and arrays, and back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

import numpy as np
from numpy.typing import NDArray

from notebook_explain._errors import UsageError
from notebook_explain.explanations.blocks.report import BlockReport, ClassTable, Numbers
from notebook_explain.explanations.io.fields import (
    Arrays,
    cut,
    joined,
    maybe,
    number,
    pack_clip,
    pack_courses,
    pack_told,
    read_clip,
    read_courses,
    read_target,
    read_told,
    several,
    whole,
    words,
)
from notebook_explain.explanations.io.npz import RefusedError
from notebook_explain.explanations.provenance import Provenance

Labels = tuple[str, ...]


def pack(report: BlockReport) -> tuple[dict[str, Any], Arrays]:
    """Text and arrays; ValueError for numbers that could not be read again."""
    arrays: Arrays = {}
    # Blocks mostly speak of the same classes: each list of labels is written once.
    lists = [*(one.labels for one in report.numbers), *(one.classes for one in report.tables)]
    places = {labels: at for at, labels in enumerate(dict.fromkeys(lists))}
    numbers = [
        {**pack_told(one), "neutral": one.neutral, "bounds": one.bounds, "labels": places[one.labels]}
        for one in report.numbers
    ]
    if numbers:
        arrays["numbers"] = joined([one.values for one in report.numbers], "numbers")
    for at, table in enumerate(report.tables):
        if not np.isfinite(table.values).all():
            raise UsageError(f"the table of {table.name!r} holds values that are not finite")
        arrays[f"table_{at}"] = table.values
    text = {
        "clip": pack_clip(report.clip, arrays),
        "target": asdict(report.target),
        "courses": pack_courses(report.courses, arrays),
        "labels": [list(labels) for labels in places],
        "numbers": numbers,
        "tables": [{**pack_told(one), "labels": places[one.classes]} for one in report.tables],
        "provenance": asdict(report.provenance),
    }
    return text, arrays


def unpack(text: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]]) -> BlockReport:
    """What ``pack`` told."""
    lists = [tuple(words(label) for label in several(part, "labels")) for part in several(text["labels"], "labels")]
    return BlockReport(
        read_clip(text["clip"], arrays),
        read_target(text["target"]),
        read_courses(text["courses"], arrays),
        _numbers(several(text["numbers"], "numbers"), lists, arrays),
        tuple(_table(entry, at, lists, arrays) for at, entry in enumerate(several(text["tables"], "tables"))),
        Provenance.of(text["provenance"]),
    )


def _numbers(entries: list[Any], lists: list[Labels], arrays: Mapping[str, NDArray[Any]]) -> tuple[Numbers, ...]:
    if not entries:
        return ()
    labels = [_labels(entry, lists) for entry in entries]
    values = cut(arrays["numbers"], [len(part) for part in labels], "its numbers")
    return tuple(
        Numbers(*read_told(entry), part, mine, maybe(entry["neutral"]), _bounds(entry))
        for entry, part, mine in zip(entries, labels, values, strict=True)
    )


def _bounds(entry: Any) -> tuple[float, float] | None:
    """Files of before have none. Whether the values lie within them, `Numbers` asks itself."""
    bounds = entry.get("bounds")
    if bounds is None:
        return None
    if not isinstance(bounds, list) or len(bounds) != 2:
        raise RefusedError(f"{str(bounds)[:40]!r} stands where two bounds should be")
    return number(bounds[0]), number(bounds[1])


def _table(entry: Any, at: int, lists: list[Labels], arrays: Mapping[str, NDArray[Any]]) -> ClassTable:
    classes, values = _labels(entry, lists), arrays[f"table_{at}"]
    fits = values.dtype == np.float32 and values.ndim == 2 and len(values) == len(classes) and values.size
    if not fits or not np.isfinite(values).all():
        raise RefusedError(f"table {at} is not a finite float32 array ({len(classes)} classes, channel)")
    return ClassTable(*read_told(entry), classes, values)


def _labels(entry: Any, lists: list[Labels]) -> Labels:
    at = whole(entry["labels"])
    if not 0 <= at < len(lists):
        raise RefusedError(f"it names the list {at} of labels, of {len(lists)}")
    return lists[at]
