"""What every saved explanation holds, checked as it is read: numbers, texts, the clip, targets, where cells lie.

Nothing of a file is believed: a number is finite, a place lies where a clip can be, or the file is refused in words.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from notebook_explain.clip import Clip
from notebook_explain.explanations.archives import RefusedError
from notebook_explain.explanations.geometry import Geometry
from notebook_explain.explanations.targets import TargetResult

Arrays = dict[str, NDArray[Any]]
FAR = 1e9  # pixels: nothing lies further away
MAX_WEIGHTS = 2**27  # numbers that stretching a map along one axis may need


def pack_clip(clip: Clip, arrays: Arrays) -> dict[str, Any]:
    """The clip's text; its frames, times and numbers of frames go to the arrays."""
    arrays["frames"] = clip.frames
    for name in ("times", "frame_numbers"):  # files of before have no frame_numbers
        if getattr(clip, name) is not None:
            arrays[name] = getattr(clip, name)
    return {"source": clip.source, "origin": clip.origin, "step": clip.step, "source_size": clip.source_size}


def read_clip(entry: Any, arrays: Mapping[str, NDArray[Any]]) -> Clip:
    """What ``pack_clip`` told."""
    times, numbers = arrays.get("times"), arrays.get("frame_numbers")
    if times is not None and (times.dtype != np.float64 or not np.isfinite(times).all()):
        raise RefusedError("the times of its clip are not finite numbers")
    if numbers is not None and (numbers.dtype != np.int64 or numbers.min(initial=0) < 0):
        raise RefusedError("the frame numbers of its clip are not whole numbers from 0")
    size = whole(entry["source_size"][0]), whole(entry["source_size"][1])
    if min(size) < 1 or max(size) > FAR:
        raise RefusedError(f"the source of its clip has the impossible size {size}")
    step = pair(entry["step"])
    if min(step) < 1 / FAR:
        raise RefusedError(f"the pixels of its clip are {step} pixels of the source, which they cannot be")
    return Clip(arrays["frames"], times, words(entry["source"]), pair(entry["origin"]), step, size, numbers)


def read_target(entry: Any) -> TargetResult:
    """What ``dataclasses.asdict`` made of a target."""
    if set(entry) != set(TargetResult.__dataclass_fields__):
        raise RefusedError(f"a target of it has the fields {sorted(entry)[:12]}")
    return TargetResult(
        name=words(entry["name"]),
        index=whole(entry["index"]),
        head=words(entry["head"]),
        logit=number(entry["logit"]),
        probability=None if entry["probability"] is None else number(entry["probability"]),
        bias=None if entry["bias"] is None else number(entry["bias"]),
        against=None if entry["against"] is None else whole(entry["against"]),
        top5=tuple((words(name), number(score)) for name, score in entry["top5"]),
    )


def read_geometry(
    what: str, rows: NDArray[Any], entry: Any, grid: tuple[int, int, int], size: tuple[int, int, int]
) -> Geometry:
    """Where the cells of a map lie, if they can lie there and the map can be stretched over a clip of that size."""
    geometry = Geometry(rows, pair(entry["origin"]), pair(entry["step"]))
    if len(geometry.rows) != grid[0]:
        raise RefusedError(f"{what} has {grid[0]} rows, its geometry {len(geometry.rows)}")
    if min(geometry.step) < 1 / FAR or np.abs(geometry.rows).max() > FAR:
        raise RefusedError(f"the cells of {what} lie where no clip is")
    if max(pixels * cells for pixels, cells in zip(size, grid, strict=True)) > MAX_WEIGHTS:
        raise RefusedError(f"{what} has {grid} cells, too many to be stretched over {size}")
    return geometry


def read_maps(what: str, values: NDArray[Any], count: int, of: str) -> NDArray[np.float32]:
    """Maps of as many targets or units as there are."""
    if values.dtype != np.float32 or values.ndim != 4 or len(values) != count or 0 in values.shape:
        raise RefusedError(f"{what} is not a float32 array ({of}, time, height, width)")
    if not np.isfinite(values).all():
        raise RefusedError(f"{what} holds values that are not finite")
    return values


def pair(value: Any) -> tuple[float, float]:
    """Two numbers that can be places in a picture."""
    first, second = (number(part) for part in value)
    if max(abs(first), abs(second)) > FAR:
        raise RefusedError(f"{first:g} and {second:g} lie further away than any pixel")
    return first, second


def number(value: Any) -> float:
    """A finite number."""
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(float(value)):
        raise RefusedError(f"{str(value)[:40]!r} stands where a finite number should be")
    return float(value)


def share(value: Any) -> float:
    """A number in 0..1."""
    if not 0 <= number(value) <= 1:
        raise RefusedError(f"{str(value)[:40]!r} stands where a share from 0 to 1 should be")
    return float(value)


def whole(value: Any) -> int:
    """A whole number that floats count exactly."""
    if isinstance(value, bool) or not isinstance(value, int) or abs(value) > 2**53:
        raise RefusedError(f"{str(value)[:40]!r} stands where a whole number should be")
    return value


def words(value: Any) -> str:
    """A text."""
    if not isinstance(value, str):
        raise RefusedError(f"{str(value)[:40]!r} stands where a text should be")
    return value
