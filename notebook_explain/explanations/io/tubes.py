"""Read and write tubes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

import numpy as np
from numpy.typing import NDArray

from notebook_explain._errors import UsageError
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
from notebook_explain.explanations.provenance import Provenance
from notebook_explain.explanations.tubes import LayerMap, Tubes


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
            }
        )
    text = {
        "clip": pack_clip(tubes.clip, arrays),
        "targets": [pack_target(target) for target in tubes.targets],
        "layers": layers,
        "provenance": asdict(tubes.provenance),
    }
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
    return Tubes(clip, targets, layers, Provenance.of(text["provenance"]), frame_signals)


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
    return LayerMap(read_str(entry["name"]), read_str(entry["kind"]), values, geometry, pathway, gap)
