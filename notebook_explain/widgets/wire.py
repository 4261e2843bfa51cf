"""What travels from Python to the browser: frames as JPEGs, maps as one int8 buffer per target with a list beside it."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from notebook_explain.explanations import LayerMap, TargetResult, Tubes, percent

# Small frames are drawn enlarged, where the coarse colours of an ordinary JPEG show as fringes; they cost little as fine ones.
SMALL_SIDE, SMALL_QUALITY, QUALITY = 160, 90, 75
MAX_SIDE = 512  # a frame is drawn at a few hundred pixels; larger ones would only travel longer


def jpegs(frames: NDArray[np.uint8]) -> list[bytes]:
    """One JPEG per frame of (time, height, width, 3)."""
    small = max(frames.shape[1:3]) <= SMALL_SIDE
    how = {"quality": SMALL_QUALITY, "subsampling": 0} if small else {"quality": QUALITY}
    encoded = []
    for frame in frames:
        picture = Image.fromarray(frame)
        picture.thumbnail((MAX_SIDE, MAX_SIDE))
        with io.BytesIO() as out:
            picture.save(out, "JPEG", **how)
            encoded.append(out.getvalue())
    return encoded


def maps(tubes: Tubes) -> tuple[list[dict[str, Any]], list[bytes]]:
    """Describe the layers, and pack their maps: value = int8 / 127 * scale.

    Layers that emit the same tensor (a stage and its last block) share one place in the buffer.
    """
    layers: list[dict[str, Any]] = []
    buffers: list[list[bytes]] = [[] for _ in tubes.targets]
    placed: dict[bytes, int] = {}
    offset = 0
    for layer in tubes.layers:
        packed = [_int8(layer.values[target], layer.peak(target)) for target in range(len(tubes.targets))]
        key = b"".join(packed)
        if key not in placed:
            placed[key], offset = offset, offset + layer.values[0].size
            for buffer, data in zip(buffers, packed, strict=True):
                buffer.append(data)
        layers.append(_describe(layer, placed[key], len(tubes.targets)))
    return layers, [b"".join(parts) for parts in buffers]


def _int8(values: NDArray[np.float32], peak: float) -> bytes:
    return np.round(values * (127 / peak if peak > 0 else 0)).astype(np.int8).tobytes()


def _describe(layer: LayerMap, offset: int, targets: int) -> dict[str, Any]:
    geometry = layer.geometry
    return {
        "name": layer.name,
        "kind": layer.kind,
        "pathway": layer.pathway,
        "shape": list(layer.grid),
        "offset": offset,
        "scale": [layer.peak(target) for target in range(targets)],
        "geometry": {
            "rows": [round(float(row), 4) for row in geometry.rows],
            "origin": list(geometry.origin),
            "step": list(geometry.step),
        },
        "gap": [None] * targets if layer.gap is None else [float(gap) for gap in layer.gap],
        "caveats": _coarse(layer),
    }


def _coarse(layer: LayerMap) -> list[str]:
    """What a smooth picture hides."""
    y, x = layer.geometry.step
    rows = layer.geometry.rows
    frames = float(np.diff(rows).mean()) if len(rows) > 1 else 0.0
    if max(y, x) < 4 and frames < 2:
        return []
    apart = f"{max(y, x):.0f} pixels" + (f" and {frames:.1f} frames" if frames >= 1.5 else "")
    return [f"The cells of this layer are {apart} apart: detail finer than that is no evidence."]


def targets(results: tuple[TargetResult, ...]) -> list[dict[str, Any]]:
    """Name, score and probability of each target."""
    return [{"name": r.name, "logit": r.logit, "probability": r.probability} for r in results]


def state(tubes: Tubes, title: str = "") -> dict[str, Any]:
    """Every trait that the viewer needs, as plain values."""
    layers, buffers = maps(tubes)
    times = tubes.clip.times
    return {
        "title": title,
        "size": list(tubes.clip.size),
        "times": [] if times is None else [round(float(t), 4) for t in times],
        "frames": jpegs(tubes.clip.frames),
        "layers": layers,
        "maps": buffers,
        "targets": targets(tubes.targets),
        "caveats": [*_remarks(tubes), *tubes.provenance.caveats],
    }


def _remarks(tubes: Tubes) -> list[str]:
    caveats = []
    if tubes.clip.source.startswith("synthetic"):
        caveats.append(f"The clip is a {tubes.clip.source}.")
    low = [target for target in tubes.targets if target.probability is not None and target.probability < 0.1]
    caveats += [f"The model gives {t.name!r} only {percent(t.probability)}." for t in low if t.probability is not None]
    return caveats
