"""State of a tube viewer on the wire: the clip, one buffer of maps per target, and a description of each layer."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from notebook_explain.explanations import LayerMap, TargetResult, Tubes
from notebook_explain.explanations.blocks.frame_signal import FrameSignal
from notebook_explain.explanations.caveats import caveats, incompleteness_caveat, resolution_caveat
from notebook_explain.explanations.check import Check
from notebook_explain.widgets.wire.common import clip_caveats, clip_state, geometry_state, target_state

SMALL_MAP = 8192  # cells; larger maps are sent with one byte per value
# Fractions of the peak between the codes of one byte: the stops of the threshold's slider, and more for weak evidence,
# which fills most of a large map.
EDGES = np.array([0, 0.003, 0.0065, 0.01, 0.013, 0.0165, 0.02, 0.025, *(np.arange(3, 101) / 100)])
MAX_FRAME_SIGNALS = 512  # the viewer rejects more


def state(tubes: Tubes, title: str = "") -> dict[str, Any]:
    """Return the traits that describe tubes, as plain values."""
    layers, buffers = pack_maps(tubes)
    clip = clip_state(tubes.clip)
    return {
        "title": title,
        **clip,
        "layers": layers,
        "maps": buffers,
        "targets": [target_state(result) for result in tubes.targets],
        "caveats": [*clip_caveats(tubes.clip, clip["picture"], caveats(tubes)), *_omission_caveats(tubes)],
        "frame_signals": frame_signal_states(tubes.frame_signals),
    }


def pack_maps(tubes: Tubes) -> tuple[list[dict[str, Any]], list[bytes]]:
    """Return a description of each layer, and one buffer of packed maps per target.

    Layers with identical maps (a stage and its last block) share their bytes.
    """
    layers: list[dict[str, Any]] = []
    buffers: list[list[bytes]] = [[] for _ in tubes.targets]
    offsets: dict[bytes, int] = {}
    end = 0
    for layer in tubes.layers:
        packed = [pack_map(layer.values[target], layer.peak(target)) for target in range(len(tubes.targets))]
        codes, levels = [codes for codes, _ in packed], [levels for _, levels in packed]
        key = b"".join(codes)
        if key not in offsets:
            offsets[key], end = end, end + len(codes[0])
            for buffer, data in zip(buffers, codes, strict=True):
                buffer.append(data)
        checks = [tubes.check_of(target, layer.name) for target in range(len(tubes.targets))]
        layers.append(_layer_state(layer, offsets[key], levels, tubes.targets, checks))
    return layers, [b"".join(parts) for parts in buffers]


def pack_map(values: NDArray[np.float32], peak: float) -> tuple[bytes, list[float]]:
    """Quantize a map; values other than 0 never become 0, so every sign is kept.

    A small map has two bytes per value, with value = code / 32767 * peak. A large one has one byte per value, with |value| =
    levels[|code|] * peak: a code stands for the values between two of the `EDGES`, its level is their mean. The shares that a
    threshold keeps then differ by less than half a percentage point from those of the map.

    Returns
    -------
    bytes
        Codes, little endian.
    list of float
        Fraction of the peak of each code, from 0 to 1; empty for a small map.
    """
    share = np.abs(values) / np.float32(peak if peak > 0 else 1)
    if bytes_per_value(values) == 2:
        code = np.where(values != 0, np.maximum(np.round(share * 32767), 1), 0)
        return (np.sign(values) * code).astype("<i2").tobytes(), []
    code = np.where(share > 0, np.searchsorted(EDGES, share + 1e-6, side="right"), 0)
    number = np.bincount(code.ravel(), minlength=len(EDGES) + 1)
    total = np.bincount(code.ravel(), share.ravel(), len(EDGES) + 1)
    levels = np.divide(total, number, out=np.zeros_like(total), where=number > 0)
    return (np.sign(values) * code).astype("i1").tobytes(), [float(f"{level:.6g}") for level in levels]


def bytes_per_value(values: NDArray[np.float32]) -> int:
    """Return the bytes that each value of a packed map takes: 2 for small maps, 1 for large ones."""
    return 2 if values.size <= SMALL_MAP else 1


def _layer_state(
    layer: LayerMap,
    offset: int,
    levels: list[list[float]],
    results: tuple[TargetResult, ...],
    checks: Sequence[Check | None],
) -> dict[str, Any]:
    targets = range(len(results))
    return {
        "name": layer.name,
        "kind": layer.kind,
        "pathway": layer.pathway,
        "shape": list(layer.grid),
        "offset": offset,
        "bytes": bytes_per_value(layer.values[0]),
        "levels": levels,
        "scale": [layer.peak(target) for target in targets],
        "geometry": geometry_state(layer.geometry),
        "gap": [None for _ in targets] if layer.gap is None else [float(gap) for gap in layer.gap],
        "caveats": resolution_caveat(layer),
        "share": [_finite_share(layer, target) for target in targets],
        **({} if layer.quantity == "evidence" else {"quantity": layer.quantity}),  # the default
        **({"totals": [layer.totals(target) for target in targets]} if layer.quantity == "evidence" else {}),
        **_check_states(checks),
        "unaccounted": [incompleteness_caveat(layer, target, result) for target, result in enumerate(results)],
    }


def _check_states(checks: Sequence[Check | None]) -> dict[str, Any]:
    """Return the verdict and the numbers of each target's check, if there are any."""
    return {"checks": [None if check is None else _check_state(check) for check in checks]} if any(checks) else {}


def _check_state(check: Check) -> dict[str, str]:
    verdict = check.verdict
    return {"code": verdict.name.lower(), "verdict": verdict.value, "words": check.in_words()}


def _finite_share(layer: LayerMap, target: int) -> float | None:
    """Return a layer's share of a score; None if it is unknown."""
    share = math.nan if layer.reliability is None else float(layer.reliability.share[target])
    return share if math.isfinite(share) else None


def frame_signal_states(frame_signals: Sequence[FrameSignal]) -> list[dict[str, Any]]:
    """Return the first `MAX_FRAME_SIGNALS` frame signals as plain values, with six significant digits."""
    return [
        {
            "name": signal.name,
            "kind": signal.kind,
            "what": signal.what,
            "values": [float(f"{value:.6g}") for value in signal.values],
            "rows": [float(row) for row in signal.rows],
            "neutral": None if signal.neutral is None else float(signal.neutral),
        }
        for signal in frame_signals[:MAX_FRAME_SIGNALS]
    ]


def _omission_caveats(tubes: Tubes) -> list[str]:
    """Return a caveat when some frame signals are left out."""
    total = len(tubes.frame_signals)
    return (
        [f"The timeline offers the first {MAX_FRAME_SIGNALS} of {total} frame signals."]
        if total > MAX_FRAME_SIGNALS
        else []
    )
