"""The pictures that a film is made of: the clip's own frames, or those of the video that it was read from."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from notebook_explain._errors import UsageError
from notebook_explain.clip import Clip, open_source
from notebook_explain.clip.sampling import Sampling
from notebook_explain.explanations.text import seconds
from notebook_explain.figures.placement import Placement, scaled

SLOWEST, USUAL, FASTEST = 2.0, 8.0, 10.0  # frames a second; as the viewer plays: so that one can follow
LEAST, MOST = 16, 4096  # pixels of the longer side
ROUGHLY, UNKNOWN = 100, 10**6  # frames that a source may have beyond what it says, or when it says nothing
DIMMED = 0.35  # of the light of what the network did not see


@dataclass(frozen=True)
class FrameSequence:
    """Pictures in order of time, and where and when the clip lies on them.

    Attributes
    ----------
    canvas : Canvas
        Where the clip lies on each of them.
    moments : float64 array (pictures,)
        The frame of the clip that each stands for, fractional between two of them.
    seen : bool array (pictures,)
        Whether the network was shown this very frame.
    labels : tuple of str
        When it is.
    pictures : iterable of uint8 (height, width, 3)
        One by one: they need not all fit into memory.
    fps : float or None
        Pictures a second at which time passes as it did; None when unknown.
    remark : str
        What a reader has to know of them.
    """

    canvas: Placement
    moments: NDArray[np.float64]
    seen: NDArray[np.bool_]
    labels: tuple[str, ...]
    pictures: Iterable[NDArray[np.uint8]]
    fps: float | None = None
    remark: str = ""


def clip_reel(clip: Clip, longest: int) -> FrameSequence:
    """The clip's own frames, enlarged or reduced so that the longer side has ``longest`` pixels."""
    canvas = Placement.of(clip, longest)
    count = len(clip)
    pictures = (scaled(frame, canvas.size) for frame in clip.frames)
    labels = tuple(f"frame {k + 1} of {count}{when}" for k, when in enumerate(_seconds(clip.times, count)))
    return FrameSequence(
        canvas, np.arange(count, dtype=np.float64), np.ones(count, bool), labels, pictures, _fps(clip.times)
    )


def source_reel(clip: Clip, where: str | os.PathLike[str] | None = None, longest: int | None = None) -> FrameSequence:
    """All frames of the clip's source from the first to the last that the clip took, decoded as they are needed.

    Parameters
    ----------
    clip : Clip
    where : path, optional
        Where the video or the folder of pictures lies now; by default where the clip was read from.
    longest : int, optional
        Pixels of the longer side; the source's own size by default.

    Raises
    ------
    FileNotFoundError, ValueError
        It is not there; it is not the one that the clip was read from; the clip does not tell which frames it took.
    """
    source = _opened(clip, where)
    survey = source.probe(Sampling())
    numbers = _numbers(clip, survey.times, source.name)
    first, last = int(numbers.min()), int(numbers.max())
    count = max(survey.count, survey.promised)  # about: it is known for certain only in the end
    if last >= (count + ROUGHLY if count > 0 else UNKNOWN):
        raise UsageError(
            f"{source.name!r} has {count} frames, but the clip took frame {last + 1}; is it the same video?"
        )
    canvas = Placement.of_source(clip, longest)
    here = np.arange(first, last + 1)
    known, places = np.unique(numbers, return_index=True)
    times = None if survey.times is None or len(survey.times) <= last else survey.times[first : last + 1]
    if times is None and clip.times is not None:  # a folder tells none, but whoever read it may have
        times = np.interp(here, known, clip.times[places])
    labels = tuple(f"frame {at + 1}{when}" for at, when in zip(here, _seconds(times, len(here)), strict=True))
    decoded = _pictures(source, survey, (first, last), clip.source_size or clip.size[1:])
    pictures = (_as_seen(scaled(picture, canvas.size), canvas, clip) for picture in decoded)
    moments = np.interp(here, known, [float(np.flatnonzero(numbers == number).mean()) for number in known])
    reel = FrameSequence(canvas, moments, np.isin(here, known), labels, pictures, _fps(times))
    return replace(reel, remark=_remark(reel, clip))


def _opened(clip: Clip, where: str | os.PathLike[str] | None) -> Any:
    path = Path(clip.source if where is None else where).expanduser()
    if not path.exists():
        raise FileNotFoundError(
            f"there is no video at {str(path)!r} to draw on; give the path of the one that the clip was read from "
            "(source='clip.mp4'), or leave source out to draw on the frames that the network saw"
        )
    return open_source(path)


def _numbers(clip: Clip, times: NDArray[np.float64] | None, name: str) -> NDArray[np.int64]:
    """Which frames of the source the clip holds: as it says, or the nearest in time."""
    if clip.frame_numbers is not None:
        return clip.frame_numbers
    if clip.times is None or times is None:
        raise UsageError(
            f"the clip does not tell which frames of {name!r} it holds: neither frame_numbers nor times are known; "
            "Clip.read() keeps both"
        )
    return np.asarray(np.abs(times[None, :] - clip.times[:, None]).argmin(axis=1), np.int64)


def _pictures(source: Any, survey: Any, span: tuple[int, int], size: tuple[int, int]) -> Iterator[NDArray[np.uint8]]:
    """The frames of a source from one number to another, both of them included."""
    first, last = span
    came = -1
    with contextlib.closing(source.frames(survey)) as frames:
        for frame in frames:
            came = frame.number
            if came >= first:
                picture = frame.decode()
                if picture.shape[:2] != size:
                    raise UsageError(
                        f"the pictures of {source.name!r} are {picture.shape[0]} x {picture.shape[1]}, those that the clip "
                        f"was read from {size[0]} x {size[1]}; give the path of the same video"
                    )
                yield picture
            if came == last:
                return
    raise UsageError(
        f"{source.name!r} ends after {came + 1} frames, but the clip took frame {last + 1}; is it the same video?"
    )


def _as_seen(picture: NDArray[np.uint8], canvas: Placement, clip: Clip) -> NDArray[np.uint8]:
    """A frame of the source, dimmed where it lay outside the network's view, with a line around what lay inside."""
    rows, columns = canvas.seen(clip)
    dimmed = np.asarray(DIMMED * (0.5 * picture + 0.5 * picture.mean(axis=-1, keepdims=True)), np.uint8)
    top, left = max(rows.start - 1, 0), max(columns.start - 1, 0)
    dimmed[top : rows.stop + 1, left : columns.stop + 1] = 170
    dimmed[rows, columns] = picture[rows, columns]
    return dimmed


def _remark(reel: FrameSequence, clip: Clip) -> str:
    rows, columns = reel.canvas.seen(clip)
    seen, count = int(reel.seen.sum()), len(reel.seen)
    said = []
    if seen < count:
        said.append(
            f"The network saw {seen} of these {count} frames (ticks); between them the evidence is interpolated."
        )
    if (rows.stop - rows.start, columns.stop - columns.start) != reel.canvas.size:
        said.append("Dimmed: outside its view.")
    return " ".join(said)


def _seconds(times: NDArray[np.float64] | None, count: int) -> list[str]:
    return [""] * count if times is None else [f" · {seconds(time)}" for time in times]


def _fps(times: NDArray[np.float64] | None) -> float | None:
    lasting = 0.0 if times is None else float(times[-1] - times[0])
    return None if times is None or lasting <= 0 else (len(times) - 1) / lasting


def longest_side(size: int | None, clip: Clip, least: int, most: int) -> int:
    """How many pixels the longer side is to have: as stated, else the clip's own between two bounds."""
    if size is None:
        return min(max(*clip.size[1:], least), most)
    if isinstance(size, bool) or not hasattr(size, "__index__") or not LEAST <= size <= MOST:
        raise UsageError(f"size must be {LEAST} to {MOST} pixels for the picture's longer side, got {size!r}")
    return int(size)


def rate(fps: float | None, own: float | None, most: float = 60.0) -> float:
    """Frames a second: as stated, else as fast as time passed where one can follow it.

    Raises
    ------
    ValueError
        Not above 0, or above ``most``.
    """
    if fps is None:
        return min(max(own or USUAL, SLOWEST), FASTEST)
    if isinstance(fps, bool) or not isinstance(fps, (int, float, np.number)) or not 0.1 <= fps <= most:
        raise UsageError(f"fps must be 0.1 to {most:g} frames a second, got {fps!r}")
    return float(fps)
