"""What every saved explanation holds, checked as it is read: numbers, texts, the clip, targets, where cells lie.

Nothing of a file is believed: a number is finite, a place lies where a clip can be, or the file is refused in words.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from notebook_explain._errors import UsageError
from notebook_explain.clip import Clip
from notebook_explain.explanations.blocks.frame_signal import Course
from notebook_explain.explanations.geometry import Geometry
from notebook_explain.explanations.io.npz import RefusedError
from notebook_explain.explanations.targets import TargetResult

Arrays = dict[str, NDArray[Any]]
FAR = 1e9  # pixels: nothing lies further away
MAX_WEIGHTS = 2**27  # numbers that stretching a map along one axis may need
MAX_TOLD = 2**16  # courses, or sets of numbers: no network has as many blocks


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


def pack_courses(courses: Iterable[Course], arrays: Arrays) -> list[dict[str, Any]]:
    """The texts of courses; their values and rows go to the arrays, one behind the other (ValueError: not to be read)."""
    courses = tuple(courses)
    entries = [{**pack_told(one), "neutral": one.neutral, "steps": len(one.values)} for one in courses]
    if courses:  # else the file is what it was before there were courses
        arrays["course_values"] = joined([one.values for one in courses], "courses")
        arrays["course_rows"] = np.concatenate([one.rows for one in courses])
        if not np.abs(arrays["course_rows"]).max() <= FAR:
            raise UsageError("it holds courses of moments where no clip is")
    return entries


def read_courses(entries: Any, arrays: Mapping[str, NDArray[Any]]) -> tuple[Course, ...]:
    """What ``pack_courses`` told."""
    if not several(entries, "courses"):
        return ()
    lengths = [whole(entry["steps"]) for entry in entries]
    values = cut(arrays["course_values"], lengths, "courses")
    rows = cut(arrays["course_rows"], lengths, "the moments of its courses", np.float64)
    for at in rows:
        if np.abs(at).max() > FAR or np.any(np.diff(at) <= 0):
            raise RefusedError("a course of it has moments where no clip is, or not in their order")
    return tuple(
        Course(*read_told(entry), mine, at, maybe(entry["neutral"]))
        for entry, mine, at in zip(entries, values, rows, strict=True)
    )


def pack_told(one: Any) -> dict[str, Any]:
    """Which part of the network tells what."""
    return {"name": one.name, "kind": one.kind, "what": one.what}


def read_told(entry: Any) -> tuple[str, str, str]:
    """Name, kind and what."""
    return words(entry["name"]), words(entry["kind"]), words(entry["what"])


def several(entries: Any, what: str) -> list[Any]:
    """A list of entries, not too many of them."""
    if not isinstance(entries, list) or len(entries) > MAX_TOLD:
        raise RefusedError(f"its {what} are no list, or more than any network has")
    return entries


def joined(parts: Sequence[NDArray[np.float32]], what: str) -> NDArray[np.float32]:
    """Numbers one behind the other (ValueError where they are not finite)."""
    whole_ = np.concatenate(parts)
    if not np.isfinite(whole_).all():
        raise UsageError(f"it holds {what} that are not finite")
    return whole_


def cut(values: NDArray[Any], lengths: Sequence[int], what: str, kind: type = np.float32) -> list[NDArray[Any]]:
    """The parts that were joined, each of them at least one number long."""
    if min(lengths) < 1 or values.dtype != kind or values.shape != (sum(lengths),) or not np.isfinite(values).all():
        raise RefusedError(f"{what} are not told to the end, or not in finite numbers")
    return np.split(values, np.cumsum(lengths)[:-1])


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


def maybe(value: Any) -> float | None:
    """A finite number, or none."""
    return None if value is None else number(value)


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
