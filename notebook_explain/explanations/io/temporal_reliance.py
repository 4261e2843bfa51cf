"""Read and write temporal reliance."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

import numpy as np
from numpy.typing import NDArray

from notebook_explain._errors import UsageError
from notebook_explain.explanations.io.fields import Arrays, pack_clip, pack_target, read_clip, read_float, read_target
from notebook_explain.explanations.io.npz import RefusedError
from notebook_explain.explanations.provenance import Provenance
from notebook_explain.explanations.what_if.temporal_reliance import TemporalReliance

LARGEST = 1e30  # sums of such values are finite
_ARRAYS = ("shuffled", "frozen", "held")


def pack(reliance: TemporalReliance) -> tuple[dict[str, Any], Arrays]:
    """Return JSON fields and arrays; raise ValueError for values that are not finite."""
    arrays: Arrays = {name: getattr(reliance, name) for name in _ARRAYS}
    if not all((np.abs(values) < LARGEST).all() for values in arrays.values()):
        raise UsageError("it holds values that are not finite, or too large")
    text = {
        "clip": pack_clip(reliance.clip, arrays),
        "target": pack_target(reliance.target),
        "reversed": reliance.reversed,
        "half_speed": reliance.half_speed,
        "provenance": asdict(reliance.provenance),
    }
    return text, arrays


def unpack(text: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]]) -> TemporalReliance:
    """Read what `pack` returned."""
    clip = read_clip(text["clip"], arrays)
    shuffled, frozen, held = (arrays[name] for name in _ARRAYS)
    for values in (shuffled, frozen, held):
        if values.dtype != np.float64 or values.ndim != 1 or not len(values) or not (np.abs(values) < LARGEST).all():
            raise RefusedError("its values are not finite float64 numbers, or too large")
    if not len(frozen) == len(held) == len(clip):
        raise RefusedError(f"it has values of {len(frozen)} frames for a clip of {len(clip)}")
    return TemporalReliance(
        clip,
        read_target(text["target"]),
        shuffled,
        frozen,
        held,
        read_float(text["reversed"]),
        read_float(text["half_speed"]),
        Provenance.of(text["provenance"]),
    )
