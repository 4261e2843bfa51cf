"""What travels from Python to the browser: frames as JPEGs, maps as one buffer per target with a list beside it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from notebook_explain.explanations import LayerMap, TargetResult, Tubes
from notebook_explain.explanations.blocks.frame_signal import Course
from notebook_explain.explanations.caveats import caveats, incompleteness_caveat, resolution_caveat
from notebook_explain.widgets.wire.common import jpegs, targets

SMALL_MAP, POWER = 8192, 2.5  # cells; of the values of larger maps
MOST_COURSES = 512  # a menu of more is of no use; a view refuses more


def maps(tubes: Tubes) -> tuple[list[dict[str, Any]], list[bytes]]:
    """Describe the layers, and pack their maps, one buffer per target.

    Layers that emit the same tensor (a stage and its last block) share one place in the buffer.
    """
    layers: list[dict[str, Any]] = []
    buffers: list[list[bytes]] = [[] for _ in tubes.targets]
    placed: dict[bytes, int] = {}
    offset = 0
    for layer in tubes.layers:
        packed = [pack(layer.values[target], layer.peak(target)) for target in range(len(tubes.targets))]
        key = b"".join(packed)
        if key not in placed:
            placed[key], offset = offset, offset + len(packed[0])
            for buffer, data in zip(buffers, packed, strict=True):
                buffer.append(data)
        layers.append(_describe(layer, placed[key], tubes.targets))
    return layers, [b"".join(parts) for parts in buffers]


def pack(values: NDArray[np.float32], peak: float) -> bytes:
    """A map as bytes; no value that is not 0 becomes 0, so that every sign arrives.

    Small maps: two bytes per value, value = code / 32767 * peak. Large ones: one byte, |value| = |code / 127| ** 2.5 * peak.
    The power gives weak evidence, of which a large map mostly consists, the finer steps; the shares that a threshold
    keeps then differ by less than half a point from those of the map itself.
    """
    share = np.abs(values) / np.float32(peak if peak > 0 else 1)
    code = share * 32767 if width_of(values) == 2 else share ** (1 / POWER) * 127
    code = np.where(values != 0, np.maximum(np.round(code), 1), 0)
    return (np.sign(values) * code).astype("<i2" if width_of(values) == 2 else "i1").tobytes()


def width_of(values: NDArray[np.float32]) -> int:
    """Bytes of each value."""
    return 2 if values.size <= SMALL_MAP else 1


def _describe(layer: LayerMap, offset: int, results: tuple[TargetResult, ...]) -> dict[str, Any]:
    geometry = layer.geometry
    targets = range(len(results))
    return {
        "name": layer.name,
        "kind": layer.kind,
        "pathway": layer.pathway,
        "shape": list(layer.grid),
        "offset": offset,
        "bytes": width_of(layer.values[0]),
        "scale": [layer.peak(target) for target in targets],
        "geometry": {
            "rows": [round(float(row), 4) for row in geometry.rows],
            "origin": list(geometry.origin),
            "step": list(geometry.step),
        },
        "gap": [None for _ in targets] if layer.gap is None else [float(gap) for gap in layer.gap],
        "caveats": resolution_caveat(layer),
        "unaccounted": [incompleteness_caveat(layer, target, result) for target, result in enumerate(results)],
    }


def courses(given: Sequence[Course]) -> list[dict[str, Any]]:
    """What parts of the network say of each moment; values to six digits, which is more than a line shows."""
    return [
        {
            "name": course.name,
            "kind": course.kind,
            "what": course.what,
            "values": [float(f"{value:.6g}") for value in course.values],
            "rows": [float(row) for row in course.rows],
            "neutral": None if course.neutral is None else float(course.neutral),
        }
        for course in given[:MOST_COURSES]
    ]


def _left_out(tubes: Tubes) -> list[str]:
    """Of so many courses that not all can be chosen."""
    total = len(tubes.courses)
    return [f"Of {total} courses the timeline can show the first {MOST_COURSES}."] if total > MOST_COURSES else []


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
        "caveats": [*caveats(tubes), *_left_out(tubes)],
        "courses": courses(tubes.courses),
    }
