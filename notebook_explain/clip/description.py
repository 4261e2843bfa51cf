"""Clips in words: which frames were taken of how many, when, and how they were fitted."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from notebook_explain.clip.clip import Clip

_NEAR = 0.5  # source pixels: a smaller difference is rounding, no crop and no bar
_STRETCHED = 0.02  # relative difference of the two scales


def summary(clip: Clip) -> list[str]:
    """Return the frames, the time and the channels of a clip, for its repr."""
    _, height, width = clip.size
    parts = [f"{_counted(clip)} of {height} x {width}"]
    if clip.times is not None:
        parts.append(_span(clip.times))
    if clip.values is not None:
        parts.append(f"channels={clip.values.shape[3]}")
    return parts


def facts(clip: Clip) -> list[tuple[str, str]]:
    """Return what was read as pairs of a term and a text; the caveats are apart, in ``clip.caveats``."""
    found = [("source", clip.name), ("frames", _counted(clip) + _spacing(clip))]
    if clip.times is not None:
        found.append(("time", _span(clip.times) + _rate(clip.times)))
    found.append(("size", f"{_size(clip)}{_fit(clip)}"))
    if clip.values is not None:
        count = clip.values.shape[3]
        low, high = (f"{float(bound):.5g}".replace("-", "\u2212") for bound in (clip.values.min(), clip.values.max()))
        found.append(("values", f"{count} channel{'s' if count > 1 else ''}, from {low} to {high}"))
    return found


def _counted(clip: Clip) -> str:
    of = "" if clip.source_frames is None else f" of {clip.source_frames:,}"
    return f"{len(clip):,}{of} frame{'' if len(clip) == 1 and not of else 's'}"


def _spacing(clip: Clip) -> str:
    """Return the numbers of the frames in the source, counted from 1, and their stride."""
    numbers = clip.frame_numbers
    if numbers is None:
        return ""
    first, last = int(numbers[0]) + 1, int(numbers[-1]) + 1
    if len(numbers) == 1:
        return f": number {first:,}"
    strides = np.unique(np.diff(numbers))
    if len(strides) == 1:
        stride = f"stride {strides[0]}"
    else:
        stride = f"spread evenly (stride about {(last - first) / (len(numbers) - 1):.3g})"
    repeated = ", some repeated" if 0 in strides else ""
    return f": numbers {first:,} to {last:,}, {stride}{repeated}"


def _span(times: NDArray[np.float64]) -> str:
    first, last = float(times[0]), float(times[-1])
    return f"{first:.2f} to {last:.2f} s" if last > first else f"{first:.2f} s"


def _rate(times: NDArray[np.float64]) -> str:
    duration = float(times[-1] - times[0])
    return f", {(len(times) - 1) / duration:.3g} frames per second" if duration > 0 else ""


def _size(clip: Clip) -> str:
    _, height, width = clip.size
    return f"{height} x {width} pixels"


def _fit(clip: Clip) -> str:
    """Return which part of the source a frame shows, and at which scale; "" if it shows all of it unchanged."""
    source = clip.source_size or clip.size[1:]
    starts = [clip.origin[axis] - clip.step[axis] / 2 + 0.5 for axis in (0, 1)]  # edges, in source pixels
    lengths = [clip.step[axis] * clip.size[1 + axis] for axis in (0, 1)]
    ends = [start + length for start, length in zip(starts, lengths, strict=True)]
    has_bars = any(start < -_NEAR or end > side + _NEAR for start, end, side in zip(starts, ends, source, strict=True))
    is_cut = any(start > _NEAR or end < side - _NEAR for start, end, side in zip(starts, ends, source, strict=True))
    if source == clip.size[1:] and not has_bars and not is_cut:
        return ""
    whole = f"{source[0]} x {source[1]}"
    part = f"{lengths[0]:.0f} x {lengths[1]:.0f} of {whole}" if is_cut else f"all of {whole}"
    notes = [
        *(["cropped"] if is_cut else []),
        *(["black bars"] if has_bars else []),
        *(["resized"] if any(abs(step - 1) > 1e-6 for step in clip.step) else []),
        *(["stretched"] if abs(clip.step[0] / clip.step[1] - 1) > _STRETCHED else []),
    ]
    return f": {part} ({', '.join(notes)})" if notes else f": {part}"
