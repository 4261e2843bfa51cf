"""Read and write what-ifs: two clips, what a network says of each, and why."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

import numpy as np
from numpy.typing import NDArray

from notebook_explain._errors import UsageError
from notebook_explain.explanations.blocks.report import BlockReport
from notebook_explain.explanations.io import blocks as blocks_io
from notebook_explain.explanations.io import pyramid as pyramid_io
from notebook_explain.explanations.io import tubes as tubes_io
from notebook_explain.explanations.io.fields import (
    Arrays,
    pack_clip,
    pack_target,
    read_clip,
    read_list,
    read_short_str,
    read_str,
    read_target,
)
from notebook_explain.explanations.io.npz import RefusedError
from notebook_explain.explanations.predictions import HeadPrediction
from notebook_explain.explanations.provenance import Provenance
from notebook_explain.explanations.pyramid.pyramid import Pyramid
from notebook_explain.explanations.targets import KINDS, MAX_UNIT
from notebook_explain.explanations.tubes import Tubes
from notebook_explain.explanations.what_if.what_if import AppliedEdit, Explained, Side, WhatIf

EXPLAINED: dict[str, tuple[type, Any]] = {
    "tubes": (Tubes, tubes_io),
    "pyramid": (Pyramid, pyramid_io),
    "blocks": (BlockReport, blocks_io),
}
LARGEST = 1e30
_SIDES = ("before", "after")


def pack(result: WhatIf) -> tuple[dict[str, Any], Arrays]:
    """Return JSON fields and arrays; raise ValueError for values that `unpack` would refuse."""
    arrays: Arrays = {}
    text = {
        "edits": [asdict(edit) for edit in result.edits],
        **{name: _pack_side(getattr(result, name), f"{name}_", arrays) for name in _SIDES},
        "provenance": asdict(result.provenance),
    }
    return text, arrays


def unpack(text: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]]) -> WhatIf:
    """Read what `pack` returned."""
    edits = tuple(map(_read_edit, read_list(text["edits"], "edits")))
    before, after = (_read_side(text[name], _part(arrays, f"{name}_")) for name in _SIDES)
    if [(head.name, head.labels) for head in before.heads] != [(head.name, head.labels) for head in after.heads]:
        raise RefusedError("its heads differ before and after")
    for side in (before, after):
        head = next((head for head in side.heads if head.name == side.target.head), None)
        if head is None or not 0 <= side.target.index < len(head.labels):
            raise RefusedError("its target is not among its classes")
    return WhatIf(edits, before, after, Provenance.of(text["provenance"]))


def _pack_side(side: Side, prefix: str, arrays: Arrays) -> dict[str, Any]:
    own: Arrays = {}
    entry: dict[str, Any] = {
        "clip": pack_clip(side.clip, own),
        "target": pack_target(side.target),
        "heads": [_pack_head(head, index, own) for index, head in enumerate(side.heads)],
        "explanation": None,
    }
    if side.explanation is not None:
        kind, module = next((name, io) for name, (one, io) in EXPLAINED.items() if isinstance(side.explanation, one))
        text, found = module.pack(side.explanation)
        entry["explanation"] = {"kind": kind, **text}
        own.update({f"explained_{name}": values for name, values in found.items()})
    arrays.update({prefix + name: values for name, values in own.items()})
    return entry


def _read_side(entry: Any, arrays: Mapping[str, NDArray[Any]]) -> Side:
    heads = tuple(_read_head(one, index, arrays) for index, one in enumerate(read_list(entry["heads"], "heads")))
    explained = entry["explanation"]
    explanation: Explained | None = None
    if explained is not None:
        if explained["kind"] not in EXPLAINED:
            raise RefusedError("its explanation is of an unknown kind")
        explanation = EXPLAINED[explained["kind"]][1].unpack(explained, _part(arrays, "explained_"))
    return Side(read_clip(entry["clip"], arrays), heads, read_target(entry["target"]), explanation)


def _part(arrays: Mapping[str, NDArray[Any]], prefix: str) -> Arrays:
    return {name.removeprefix(prefix): values for name, values in arrays.items() if name.startswith(prefix)}


def _pack_head(head: HeadPrediction, index: int, arrays: Arrays) -> dict[str, Any]:
    for name in ("logits", "probabilities"):
        values = getattr(head, name)
        if values is not None:
            if not (np.abs(values) < LARGEST).all():
                raise UsageError(f"it holds {name} that are not finite, or too large")
            arrays[f"{name}_{index}"] = values
    return {"name": head.name, "labels": list(head.labels), "kind": head.kind, "unit": head.unit}


def _read_head(entry: Any, index: int, arrays: Mapping[str, NDArray[Any]]) -> HeadPrediction:
    labels = tuple(map(read_str, read_list(entry["labels"], "labels")))
    kind = read_str(entry["kind"])
    if kind not in KINDS:
        raise RefusedError(f"a head has the unknown kind {kind[:40]!r}")
    logits, probabilities = arrays[f"logits_{index}"], arrays.get(f"probabilities_{index}")
    for values in (logits, probabilities):
        if values is None:
            continue
        if values.dtype != np.float32 or values.shape != (len(labels),) or not (np.abs(values) < LARGEST).all():
            raise RefusedError(f"the scores of a head are not {len(labels)} finite float32 numbers, or too large")
    return HeadPrediction(
        read_str(entry["name"]), labels, logits, probabilities, kind, read_short_str(entry["unit"], MAX_UNIT)
    )


def _read_edit(entry: Any) -> AppliedEdit:
    if set(entry) != {"entry", "words", "code", "of"} or not isinstance(entry["entry"], dict):
        raise RefusedError("an edit has the wrong fields")
    of = read_str(entry["of"])
    if of not in ("clip", "network"):
        raise RefusedError(f"an edit is of {of[:40]!r}, and not of the clip or the network")
    return AppliedEdit(entry["entry"], read_str(entry["words"]), read_str(entry["code"]), of)
