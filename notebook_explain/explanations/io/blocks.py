"""Read and write block reports, and the frame signals that tubes carry too."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict
from typing import Any

import numpy as np
from numpy.typing import NDArray

from notebook_explain._errors import UsageError
from notebook_explain.explanations.blocks.frame_signal import FrameSignal, Quantity
from notebook_explain.explanations.blocks.report import BlockReport, ClassChannelTable, LabelledValues
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
    lists = [*(labelled.labels for labelled in report.labelled_values), *(table.classes for table in report.tables)]
    index_of = {labels: index for index, labels in enumerate(dict.fromkeys(lists))}
    if report.labelled_values:
        arrays["numbers"] = concat_finite([labelled.values for labelled in report.labelled_values], "labelled values")
    for index, table in enumerate(report.tables):
        if not np.isfinite(table.values).all():
            raise UsageError(f"the table of {table.name!r} holds values that are not finite")
        arrays[f"table_{index}"] = table.values
    text = {
        "clip": pack_clip(report.clip, arrays),
        "target": pack_target(report.target),
        "courses": pack_frame_signals(report.frame_signals, arrays),
        "labels": [list(labels) for labels in index_of],
        "numbers": [
            {
                **_pack_names(labelled),
                "neutral": labelled.neutral,
                "bounds": labelled.bounds,
                "labels": index_of[labelled.labels],
                "quantity": labelled.quantity.value,
            }
            for labelled in report.labelled_values
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
        read_frame_signals(text["courses"], arrays),
        _labelled_values(read_list(text["numbers"], "labelled values"), lists, arrays),
        tuple(_table(entry, index, lists, arrays) for index, entry in enumerate(tables)),
        Provenance.of(text["provenance"]),
    )


def pack_frame_signals(frame_signals: Iterable[FrameSignal], arrays: Arrays) -> list[dict[str, Any]]:
    """Return the JSON fields of frame signals; their values and rows are concatenated into two arrays.

    Raises
    ------
    ValueError
        Values that are not finite, or rows outside any clip.
    """
    frame_signals = tuple(frame_signals)
    if frame_signals:  # a file without frame signals has no arrays for them
        arrays["course_values"] = concat_finite([signal.values for signal in frame_signals], "frame signals")
        arrays["course_rows"] = np.concatenate([signal.rows for signal in frame_signals])
        if not np.abs(arrays["course_rows"]).max() <= FAR:
            raise UsageError("it holds frame signals with rows outside any clip")
    return [
        {
            **_pack_names(signal),
            "neutral": signal.neutral,
            "steps": len(signal.values),
            "quantity": signal.quantity.value,
        }
        for signal in frame_signals
    ]


def read_frame_signals(entries: Any, arrays: Mapping[str, NDArray[Any]]) -> tuple[FrameSignal, ...]:
    """Read what `pack_frame_signals` wrote."""
    if not read_list(entries, "frame signals"):
        return ()
    lengths = [read_int(entry["steps"]) for entry in entries]
    parts = split_array(arrays["course_values"], lengths, "frame signals")
    rows = split_array(arrays["course_rows"], lengths, "frame signals' rows", np.float64)
    for positions in rows:
        if np.abs(positions).max() > FAR or np.any(np.diff(positions) <= 0):
            raise RefusedError("the rows of a frame signal lie outside any clip or do not increase")
    return tuple(
        FrameSignal(*_read_names(entry), values, positions, read_optional_float(entry["neutral"]), _quantity(entry))
        for entry, values, positions in zip(entries, parts, rows, strict=True)
    )


def _labelled_values(
    entries: list[Any], lists: list[Labels], arrays: Mapping[str, NDArray[Any]]
) -> tuple[LabelledValues, ...]:
    if not entries:
        return ()
    labels = [_labels(entry, lists) for entry in entries]
    parts = split_array(arrays["numbers"], [len(part) for part in labels], "labels")
    return tuple(
        LabelledValues(
            *_read_names(entry), part, values, read_optional_float(entry["neutral"]), _bounds(entry), _quantity(entry)
        )
        for entry, part, values in zip(entries, labels, parts, strict=True)
    )


def _pack_names(signal: FrameSignal | LabelledValues | ClassChannelTable) -> dict[str, str]:
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
    """Read the bounds, which older files lack; `LabelledValues` checks that the values lie within them."""
    bounds = entry.get("bounds")
    if bounds is None:
        return None
    if not isinstance(bounds, list) or len(bounds) != 2:
        raise RefusedError(f"expected two bounds, got {str(bounds)[:40]!r}")
    return read_float(bounds[0]), read_float(bounds[1])


def _table(entry: Any, index: int, lists: list[Labels], arrays: Mapping[str, NDArray[Any]]) -> ClassChannelTable:
    classes, values = _labels(entry, lists), arrays[f"table_{index}"]
    fits = values.dtype == np.float32 and values.ndim == 2 and len(values) == len(classes) and values.size
    if not fits or not np.isfinite(values).all():
        raise RefusedError(f"table {index} is not a finite float32 array ({len(classes)} classes, channel)")
    return ClassChannelTable(*_read_names(entry), classes, values)


def _labels(entry: Any, lists: list[Labels]) -> Labels:
    index = read_int(entry["labels"])
    if not 0 <= index < len(lists):
        raise RefusedError(f"it refers to list {index} of labels, but has {len(lists)}")
    return lists[index]
