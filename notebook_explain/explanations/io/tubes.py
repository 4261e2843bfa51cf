"""Read and write tubes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

import numpy as np
from numpy.typing import NDArray

from notebook_explain._errors import UsageError
from notebook_explain.explanations.check import Check
from notebook_explain.explanations.io.blocks import pack_frame_signals, read_frame_signals
from notebook_explain.explanations.io.fields import (
    Arrays,
    pack_clip,
    pack_target,
    read_clip,
    read_float,
    read_geometry,
    read_int,
    read_maps,
    read_str,
    read_target,
)
from notebook_explain.explanations.io.npz import RefusedError
from notebook_explain.explanations.layer_map import LayerMap
from notebook_explain.explanations.provenance import Provenance
from notebook_explain.explanations.reliability import EmptyCause, Reliability
from notebook_explain.explanations.tubes import Tubes


def pack(tubes: Tubes) -> tuple[dict[str, Any], Arrays]:
    """Return JSON fields and arrays; raise ValueError for a map that `unpack` would refuse."""
    arrays: Arrays = {}
    layers = []
    for index, layer in enumerate(tubes.layers):
        if not np.isfinite(layer.values).all():
            raise UsageError(f"layer {layer.name!r} holds values that are not finite")
        arrays[f"values_{index}"], arrays[f"rows_{index}"] = layer.values, layer.geometry.rows
        layers.append(
            {
                "name": layer.name,
                "kind": layer.kind,
                "pathway": layer.pathway,
                "origin": layer.geometry.origin,
                "step": layer.geometry.step,
                "gap": None if layer.gap is None else layer.gap.tolist(),
                "reliability": None if layer.reliability is None else _pack_reliability(layer.reliability),
            }
        )
    text = {
        "clip": pack_clip(tubes.clip, arrays),
        "targets": [pack_target(target) for target in tubes.targets],
        "layers": layers,
        "provenance": asdict(tubes.provenance),
    }
    if tubes.checks:
        text["checks"] = [asdict(check) for check in tubes.checks]
    if tubes.frame_signals:
        text["courses"] = pack_frame_signals(tubes.frame_signals, arrays)
    return text, arrays


def unpack(text: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]]) -> Tubes:
    """Read what `pack` returned."""
    targets = tuple(read_target(entry) for entry in text["targets"])
    clip = read_clip(text["clip"], arrays)
    layers = tuple(_layer(entry, index, arrays, len(targets), clip.size) for index, entry in enumerate(text["layers"]))
    if not targets or not layers:
        raise RefusedError("it holds no target or no layer")
    frame_signals = read_frame_signals(text.get("courses", []), arrays)  # older files have none
    checks = tuple(map(_read_check, text.get("checks", [])))
    return Tubes(clip, targets, layers, Provenance.of(text["provenance"]), frame_signals, checks)


def _read_check(entry: Any) -> Check:
    return Check(
        layer=read_str(entry["layer"]),
        target=read_str(entry["target"]),
        threshold=read_float(entry["threshold"]),
        volume=read_float(entry["volume"]),
        fill=read_str(entry["fill"]),
        drop=read_float(entry["drop"]),
        random_drops=tuple(map(read_float, entry["random_drops"])),
        probabilities=None if entry["probabilities"] is None else _read_pair(entry["probabilities"]),
        motion_drop=None if entry["motion_drop"] is None else read_float(entry["motion_drop"]),
        likeness=tuple(map(read_float, entry["likeness"])),
    )


def _read_pair(values: Any) -> tuple[float, float]:
    before, after = map(read_float, values)
    return before, after


def _layer(
    entry: Any, index: int, arrays: Mapping[str, NDArray[Any]], targets: int, size: tuple[int, int, int]
) -> LayerMap:
    what = f"layer {index}"
    values = read_maps(what, arrays[f"values_{index}"], targets, "target")
    time, height, width = values.shape[1:]
    geometry = read_geometry(what, arrays[f"rows_{index}"], entry, (time, height, width), size)
    gap = None if entry["gap"] is None else np.array([read_float(part) for part in entry["gap"]], np.float32)
    if gap is not None and gap.shape != (targets,):
        raise RefusedError(f"layer {index} has {gap.shape} gaps for {targets} targets")
    pathway = None if entry["pathway"] is None else read_int(entry["pathway"])
    trust = entry.get("reliability")  # older files have none
    reliability = None if trust is None else _read_reliability(trust, targets, what)
    return LayerMap(read_str(entry["name"]), read_str(entry["kind"]), values, geometry, pathway, gap, reliability)


def _pack_reliability(reliability: Reliability) -> dict[str, Any]:
    agreement = reliability.agreement
    return {
        "share": _pack_numbers(reliability.share),
        "empty": [None if cause is None else cause.value for cause in reliability.empty],
        "rounding": _pack_numbers(reliability.rounding),
        "agreement": None if agreement is None else _pack_numbers(agreement),
    }


def _read_reliability(entry: Any, targets: int, what: str) -> Reliability:
    try:
        empty = tuple(None if cause is None else EmptyCause(read_str(cause)) for cause in entry["empty"])
    except ValueError as error:
        raise RefusedError(f"{what} is empty for an unknown reason ({error})") from None
    share, rounding = _read_numbers(entry["share"]), _read_numbers(entry["rounding"])
    agreement = None if entry["agreement"] is None else _read_numbers(entry["agreement"])
    if {len(empty), len(share), len(rounding), targets if agreement is None else len(agreement)} != {targets}:
        raise RefusedError(f"{what} has a reliability for another number of targets than {targets}")
    return Reliability(share, empty, rounding, agreement)


def _pack_numbers(values: NDArray[np.float32]) -> list[float | None]:
    """Return finite numbers, and None for others, which JSON does not have."""
    return [float(value) if np.isfinite(value) else None for value in values]


def _read_numbers(values: Any) -> NDArray[np.float32]:
    return np.array([float("nan") if value is None else read_float(value) for value in values], np.float32)
