"""Checked fields that all kinds of saved explanations share: numbers, strings, the clip, targets, geometry, maps.

Files are untrusted: every value has its type and lies in its range, or the file is refused with a reason.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

import numpy as np
from numpy.typing import NDArray

from notebook_explain._errors import UsageError
from notebook_explain.clip import Clip, Picture
from notebook_explain.explanations.geometry import Geometry
from notebook_explain.explanations.io.npz import RefusedError
from notebook_explain.explanations.targets import CLASSES, DIFFERENCE, KINDS, MAX_UNIT, TargetResult

Arrays = dict[str, NDArray[Any]]
FAR = 1e9  # largest plausible pixel or frame coordinate
MAX_WEIGHTS = 2**27  # entries of the matrix that stretches a map along one axis
MAX_SIGNALS = 2**16  # more than any network reports
MAX_REGION = 400  # letters
# Fields of a target that files leave out where they have this value; older files have none of them.
_OPTIONAL = {"against_name": None, "kind": CLASSES, "unit": "", "region": ""}


def pack_clip(clip: Clip, arrays: Arrays) -> dict[str, Any]:
    """Return the clip's JSON fields; its frames, values, times and frame numbers go to the arrays."""
    arrays["frames"] = clip.frames
    for name in ("times", "frame_numbers"):  # older files have no frame_numbers
        if getattr(clip, name) is not None:
            arrays[name] = getattr(clip, name)
    if clip.values is not None:
        arrays["clip_values"] = clip.values
    return {
        "source": clip.source,
        "origin": clip.origin,
        "step": clip.step,
        "source_size": clip.source_size,
        "is_synthetic": clip.is_synthetic,
        "caveats": list(clip.caveats),
        "picture": None if clip.picture is None else asdict(clip.picture),
        "source_frames": clip.source_frames,
    }


def read_clip(entry: Any, arrays: Mapping[str, NDArray[Any]]) -> Clip:
    """Read what `pack_clip` wrote."""
    times, numbers = arrays.get("times"), arrays.get("frame_numbers")
    if times is not None and (times.dtype != np.float64 or not np.isfinite(times).all()):
        raise RefusedError("the clip's times are not finite numbers")
    if numbers is not None and (numbers.dtype != np.int64 or numbers.min(initial=0) < 0):
        raise RefusedError("the clip's frame numbers are not integers from 0")
    size = read_int(entry["source_size"][0]), read_int(entry["source_size"][1])
    if min(size) < 1 or max(size) > FAR:
        raise RefusedError(f"the clip's source has the impossible size {size}")
    step = read_pair(entry["step"])
    if min(step) < 1 / FAR:
        raise RefusedError(f"clip.step is {step}; both values must be positive")
    source = read_str(entry["source"])
    synthetic = entry.get("is_synthetic", source.startswith("synthetic"))  # older files have only the source
    if not isinstance(synthetic, bool):
        raise RefusedError(f"expected true or false, got {_excerpt(synthetic)}")
    values = arrays.get("clip_values")
    return Clip(
        arrays["frames"],
        times,
        source,
        read_pair(entry["origin"]),
        step,
        size,
        numbers,
        synthetic,
        caveats=tuple(read_str(text) for text in read_list(entry.get("caveats", []), "clip's caveats")),
        values=values,
        picture=_read_picture(entry.get("picture"), values),
        source_frames=_read_count(entry.get("source_frames")),
    )


def _read_count(entry: Any) -> int | None:
    """Read the number of frames of a clip's source; older files have none."""
    count = None if entry is None else read_int(entry)
    if count is not None and not 0 < count < FAR:
        raise RefusedError(f"the clip's source has the impossible number of {count} frames")
    return count


def _read_picture(entry: Any, values: NDArray[Any] | None) -> Picture | None:
    """Read how a clip shows its values; older files, and clips of colours, have none."""
    if entry is None:
        return None
    channels = tuple(read_int(channel) for channel in read_list(entry["channels"], "channels"))
    if values is None or values.ndim != 4 or max(channels, default=0) >= values.shape[3]:
        raise RefusedError("its picture shows channels that its clip does not have")
    pairs = [read_list(pair, "range") for pair in read_list(entry["ranges"], "ranges")]
    ranges = tuple((read_float(low), read_float(high)) for low, high in pairs)
    return Picture(read_str(entry["kind"]), channels, ranges)


def pack_target(target: TargetResult) -> dict[str, Any]:
    """Return a target's JSON fields; those in `_OPTIONAL` are left out where they have their default."""
    fields = asdict(target)
    return {name: value for name, value in fields.items() if name not in _OPTIONAL or value != _OPTIONAL[name]}


def read_target(entry: Any) -> TargetResult:
    """Read what `pack_target` wrote."""
    if set(entry) | set(_OPTIONAL) != set(TargetResult.__dataclass_fields__):
        raise RefusedError(f"a target has the wrong fields: {sorted(entry)[:12]}")
    fields = {**_OPTIONAL, **entry}
    if fields["kind"] not in KINDS:
        raise RefusedError(f"expected one of {', '.join(KINDS)}, got {_excerpt(fields['kind'])}")
    name, against = read_str(entry["name"]), None if entry["against"] is None else read_int(entry["against"])
    against_name = fields["against_name"]
    if against_name is None and against is not None:  # older files have only the name of the difference
        against_name = name.partition(DIFFERENCE)[2] or None
    return TargetResult(
        name=name,
        index=read_int(entry["index"]),
        head=read_str(entry["head"]),
        logit=read_float(entry["logit"]),
        probability=read_optional_float(entry["probability"]),
        bias=read_optional_float(entry["bias"]),
        against=against,
        top5=tuple((read_str(label), read_float(score)) for label, score in entry["top5"]),
        against_name=None if against_name is None else read_str(against_name),
        kind=fields["kind"],
        unit=read_short_str(fields["unit"], MAX_UNIT),
        region=read_short_str(fields["region"], MAX_REGION),
    )


def read_geometry(
    what: str, rows: NDArray[Any], entry: Any, grid: tuple[int, int, int], size: tuple[int, int, int]
) -> Geometry:
    """Read the geometry of a map, if it is plausible and the map can be stretched over a clip of that size."""
    geometry = Geometry(rows, read_pair(entry["origin"]), read_pair(entry["step"]))
    if len(geometry.rows) != grid[0]:
        raise RefusedError(f"{what} has {grid[0]} rows, but its geometry has {len(geometry.rows)}")
    if min(geometry.step) < 1 / FAR or np.abs(geometry.rows).max() > FAR:
        raise RefusedError(f"the cells of {what} lie outside any clip")
    if max(pixels * cells for pixels, cells in zip(size, grid, strict=True)) > MAX_WEIGHTS:
        raise RefusedError(f"{what} has {grid} cells, too many to be stretched over {size}")
    return geometry


def read_maps(what: str, values: NDArray[Any], count: int, of: str) -> NDArray[np.float32]:
    """Check the maps of ``count`` targets or units."""
    if values.dtype != np.float32 or values.ndim != 4 or len(values) != count or 0 in values.shape:
        raise RefusedError(f"{what} is not a float32 array ({of}, time, height, width)")
    if not np.isfinite(values).all():
        raise RefusedError(f"{what} holds values that are not finite")
    return values


def concat_finite(parts: Sequence[NDArray[np.float32]], what: str) -> NDArray[np.float32]:
    """Concatenate arrays (ValueError unless all values are finite)."""
    joined = np.concatenate(parts)
    if not np.isfinite(joined).all():
        raise UsageError(f"it holds {what} that are not finite")
    return joined


def split_array(values: NDArray[Any], lengths: Sequence[int], what: str, kind: type = np.float32) -> list[NDArray[Any]]:
    """Split an array into the parts that were concatenated, each at least one number long."""
    if min(lengths) < 1 or values.dtype != kind or values.shape != (sum(lengths),) or not np.isfinite(values).all():
        raise RefusedError(f"the values of its {what} are incomplete or not finite")
    return np.split(values, np.cumsum(lengths)[:-1])


def read_list(entries: Any, what: str) -> list[Any]:
    """Check a list of at most `MAX_SIGNALS` entries."""
    if not isinstance(entries, list) or len(entries) > MAX_SIGNALS:
        raise RefusedError(f"its {what} are not a list of at most {MAX_SIGNALS:,} entries")
    return entries


def read_pair(value: Any) -> tuple[float, float]:
    """Read two numbers that are plausible pixel coordinates."""
    first, second = (read_float(part) for part in value)
    if max(abs(first), abs(second)) > FAR:
        raise RefusedError(f"{first:g} and {second:g} lie further away than any pixel")
    return first, second


def read_float(value: Any) -> float:
    """Read a finite number."""
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(float(value)):
        raise RefusedError(f"expected a finite number, got {_excerpt(value)}")
    return float(value)


def read_optional_float(value: Any) -> float | None:
    """Read a finite number or null."""
    return None if value is None else read_float(value)


def read_fraction(value: Any) -> float:
    """Read a number in 0..1."""
    if not 0 <= read_float(value) <= 1:
        raise RefusedError(f"expected a number from 0 to 1, got {_excerpt(value)}")
    return float(value)


def read_int(value: Any) -> int:
    """Read an integer that floats represent exactly."""
    if isinstance(value, bool) or not isinstance(value, int) or abs(value) > 2**53:
        raise RefusedError(f"expected an integer, got {_excerpt(value)}")
    return value


def read_str(value: Any) -> str:
    """Read a string."""
    if not isinstance(value, str):
        raise RefusedError(f"expected a string, got {_excerpt(value)}")
    return value


def read_short_str(value: Any, limit: int) -> str:
    """Read a string of at most ``limit`` letters."""
    if len(read_str(value)) > limit:
        raise RefusedError(f"expected at most {limit} letters, got {_excerpt(value)}")
    return str(value)


def _excerpt(value: Any) -> str:
    """Show the beginning of an untrusted value."""
    return repr(str(value)[:40])
