"""Read and write block reports, and the frame signals (courses) that tubes carry too."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict
from typing import Any

import numpy as np
from numpy.typing import NDArray

from notebook_explain._errors import UsageError
from notebook_explain.explanations.blocks.frame_signal import Course, Quantity
from notebook_explain.explanations.blocks.report import BlockReport, ClassTable, Numbers
from notebook_explain.explanations.io.fields import (
    FAR,
    Arrays,
    concat_finite,
    pack_clip,
    pack_target,
    read_clip,
    read_float,
    read_int,
    read_list,
    read_optional_float,
    read_str,
    read_target,
    split_array,
)
from notebook_explain.explanations.io.npz import RefusedError
from notebook_explain.explanations.provenance import Provenance

Labels = tuple[str, ...]
_OLD_ABLATION = "what it adds to the score: the score with it, less the score without"
_OLD_SHARES = "what each stream adds to the score"


def pack(report: BlockReport) -> tuple[dict[str, Any], Arrays]:
    """Return JSON fields and arrays; raise ValueError for values that `unpack` would refuse."""
    arrays: Arrays = {}
    # Blocks mostly share the network's classes: each list of labels is written once.
    lists = [*(numbers.labels for numbers in report.numbers), *(table.classes for table in report.tables)]
    index_of = {labels: index for index, labels in enumerate(dict.fromkeys(lists))}
    if report.numbers:
        arrays["numbers"] = concat_finite([numbers.values for numbers in report.numbers], "numbers")
    for index, table in enumerate(report.tables):
        if not np.isfinite(table.values).all():
            raise UsageError(f"the table of {table.name!r} holds values that are not finite")
        arrays[f"table_{index}"] = table.values
    text = {
        "clip": pack_clip(report.clip, arrays),
        "target": pack_target(report.target),
        "courses": pack_courses(report.courses, arrays),
        "labels": [list(labels) for labels in index_of],
        "numbers": [
            {
                **_pack_names(numbers),
                "neutral": numbers.neutral,
                "bounds": numbers.bounds,
                "labels": index_of[numbers.labels],
                "quantity": numbers.quantity.value,
            }
            for numbers in report.numbers
        ],
        "tables": [{**_pack_names(table), "labels": index_of[table.classes]} for table in report.tables],
        "provenance": asdict(report.provenance),
    }
    return text, arrays


def unpack(text: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]]) -> BlockReport:
    """Read what `pack` returned."""
    lists = [tuple(map(read_str, read_list(labels, "labels"))) for labels in read_list(text["labels"], "labels")]
    tables = read_list(text["tables"], "tables")
    return BlockReport(
        read_clip(text["clip"], arrays),
        read_target(text["target"]),
        read_courses(text["courses"], arrays),
        _numbers(read_list(text["numbers"], "numbers"), lists, arrays),
        tuple(_table(entry, index, lists, arrays) for index, entry in enumerate(tables)),
        Provenance.of(text["provenance"]),
    )


def pack_courses(courses: Iterable[Course], arrays: Arrays) -> list[dict[str, Any]]:
    """Return the JSON fields of courses; their values and rows are concatenated into two arrays.

    Raises
    ------
    ValueError
        Values that are not finite, or rows outside any clip.
    """
    courses = tuple(courses)
    if courses:  # a file without courses has no arrays for them
        arrays["course_values"] = concat_finite([course.values for course in courses], "courses")
        arrays["course_rows"] = np.concatenate([course.rows for course in courses])
        if not np.abs(arrays["course_rows"]).max() <= FAR:
            raise UsageError("it holds courses with rows outside any clip")
    return [
        {
            **_pack_names(course),
            "neutral": course.neutral,
            "steps": len(course.values),
            "quantity": course.quantity.value,
        }
        for course in courses
    ]


def read_courses(entries: Any, arrays: Mapping[str, NDArray[Any]]) -> tuple[Course, ...]:
    """Read what `pack_courses` wrote."""
    if not read_list(entries, "courses"):
        return ()
    lengths = [read_int(entry["steps"]) for entry in entries]
    parts = split_array(arrays["course_values"], lengths, "courses")
    rows = split_array(arrays["course_rows"], lengths, "courses' rows", np.float64)
    for positions in rows:
        if np.abs(positions).max() > FAR or np.any(np.diff(positions) <= 0):
            raise RefusedError("the rows of a course lie outside any clip or do not increase")
    return tuple(
        Course(*_read_names(entry), values, positions, read_optional_float(entry["neutral"]), _quantity(entry))
        for entry, values, positions in zip(entries, parts, rows, strict=True)
    )


def _numbers(entries: list[Any], lists: list[Labels], arrays: Mapping[str, NDArray[Any]]) -> tuple[Numbers, ...]:
    if not entries:
        return ()
    labels = [_labels(entry, lists) for entry in entries]
    parts = split_array(arrays["numbers"], [len(part) for part in labels], "numbers")
    return tuple(
        Numbers(
            *_read_names(entry), part, values, read_optional_float(entry["neutral"]), _bounds(entry), _quantity(entry)
        )
        for entry, part, values in zip(entries, labels, parts, strict=True)
    )


def _pack_names(signal: Course | Numbers | ClassTable) -> dict[str, str]:
    return {"name": signal.name, "kind": signal.kind, "what": signal.what}


def _read_names(entry: Any) -> tuple[str, str, str]:
    return read_str(entry["name"]), read_str(entry["kind"]), read_str(entry["what"])


def _quantity(entry: Any) -> Quantity:
    """Read the quantity; in older files, which have none, it is derived from the description."""
    if "quantity" in entry:
        quantity = read_str(entry["quantity"])
        if quantity not in list(Quantity):
            raise RefusedError(f"the quantity {quantity[:40]!r} is unknown")
        return Quantity(quantity)
    what = read_str(entry["what"])
    if what == _OLD_ABLATION:
        return Quantity.ABLATION
    is_evidence = entry["neutral"] == 0 and ("evidence" in what or what == _OLD_SHARES)
    return Quantity.EVIDENCE if is_evidence else Quantity.OTHER


def _bounds(entry: Any) -> tuple[float, float] | None:
    """Read the bounds, which older files lack; `Numbers` checks that the values lie within them."""
    bounds = entry.get("bounds")
    if bounds is None:
        return None
    if not isinstance(bounds, list) or len(bounds) != 2:
        raise RefusedError(f"expected two bounds, got {str(bounds)[:40]!r}")
    return read_float(bounds[0]), read_float(bounds[1])


def _table(entry: Any, index: int, lists: list[Labels], arrays: Mapping[str, NDArray[Any]]) -> ClassTable:
    classes, values = _labels(entry, lists), arrays[f"table_{index}"]
    fits = values.dtype == np.float32 and values.ndim == 2 and len(values) == len(classes) and values.size
    if not fits or not np.isfinite(values).all():
        raise RefusedError(f"table {index} is not a finite float32 array ({len(classes)} classes, channel)")
    return ClassTable(*_read_names(entry), classes, values)


def _labels(entry: Any, lists: list[Labels]) -> Labels:
    index = read_int(entry["labels"])
    if not 0 <= index < len(lists):
        raise RefusedError(f"it refers to list {index} of labels, but has {len(lists)}")
    return lists[index]
