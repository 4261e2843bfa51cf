"""The images of a video: the clip's own frames, or those of the video that it was read from."""

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
from notebook_explain.figures.placement import Placement, resize_image

SLOWEST, USUAL, FASTEST = 2.0, 8.0, 10.0  # frames per second, as in the viewer: slow enough to follow
MIN_SIZE, MAX_SIZE = 16, 4096  # pixels of the longer side
SLACK, MAX_UNKNOWN = 100, 10**6  # limit of frames: beyond the declared number; without a declared number
DIMMED = 0.35  # brightness of what the network did not see


@dataclass(frozen=True)
class FrameSequence:
    """Images in order of time, and the position of the clip on them in space and time.

    Attributes
    ----------
    placement : Placement
        Position of the clip on each image.
    clip_frames : float64 array (images,)
        Index of the clip's frame that each image stands for, fractional between two of them.
    is_input : bool array (images,)
        Whether this very frame was an input of the network.
    labels : tuple of str
        Frame number and time.
    images : iterable of uint8 (height, width, 3)
        Made one by one, since they may not all fit into memory.
    fps : float or None
        Images per second at the original speed; None if unknown.
    note : str
        A caveat about the images; may be empty.
    """

    placement: Placement
    clip_frames: NDArray[np.float64]
    is_input: NDArray[np.bool_]
    labels: tuple[str, ...]
    images: Iterable[NDArray[np.uint8]]
    fps: float | None = None
    note: str = ""


def clip_sequence(clip: Clip, longest: int) -> FrameSequence:
    """Return the clip's own frames, resized so that the longer side has ``longest`` pixels."""
    placement = Placement.build(clip, longest)
    count = len(clip)
    images = (resize_image(frame, placement.size) for frame in clip.frames)
    labels = tuple(f"frame {k + 1} of {count}{time}" for k, time in enumerate(_format_times(clip.times, count)))
    clip_frames = np.arange(count, dtype=np.float64)
    return FrameSequence(placement, clip_frames, np.ones(count, bool), labels, images, mean_fps(clip.times))


def source_sequence(
    clip: Clip, path: str | os.PathLike[str] | None = None, longest: int | None = None
) -> FrameSequence:
    """Return all frames of the clip's source from the first to the last one in the clip, decoded when needed.

    Parameters
    ----------
    clip : Clip
    path : path, optional
        The video or image folder; by default the one that the clip was read from.
    longest : int, optional
        Pixels of the longer side; by default the size of the source.

    Raises
    ------
    FileNotFoundError
        It does not exist.
    ValueError
        It is not the source of the clip, or the clip does not record which frames it holds.
    """
    source = _open(clip, path)
    survey = source.probe(Sampling())
    numbers = _frame_numbers(clip, survey.times, source.name)
    first, last = int(numbers.min()), int(numbers.max())
    count = max(survey.count, survey.promised)  # an estimate: certain only after decoding
    if last >= (count + SLACK if count > 0 else MAX_UNKNOWN):
        raise UsageError(
            f"{source.name!r} has {count} frames, but the clip contains frame {last + 1}; is it the same video?"
        )
    placement = Placement.on_source(clip, longest)
    span = np.arange(first, last + 1)
    known, indices = np.unique(numbers, return_index=True)
    times = None if survey.times is None or len(survey.times) <= last else survey.times[first : last + 1]
    if times is None and clip.times is not None:  # image folders have no times, but Clip.read() may have been given fps
        times = np.interp(span, known, clip.times[indices])
    labels = tuple(
        f"frame {number + 1}{time}" for number, time in zip(span, _format_times(times, len(span)), strict=True)
    )
    decoded = _decode(source, survey, (first, last), clip.source_size or clip.size[1:])
    images = (_dim_unseen(resize_image(image, placement.size), placement, clip) for image in decoded)
    clip_frames = np.interp(span, known, [float(np.flatnonzero(numbers == number).mean()) for number in known])
    sequence = FrameSequence(placement, clip_frames, np.isin(span, known), labels, images, mean_fps(times))
    return replace(sequence, note=_note(sequence, clip))


def _open(clip: Clip, path: str | os.PathLike[str] | None) -> Any:
    path = Path(clip.source if path is None else path).expanduser()
    if not path.exists():
        raise FileNotFoundError(
            f"no video at {str(path)!r} to draw on; give the path of the video that the clip was read from "
            "(source='clip.mp4'), or omit source to draw on the frames of the clip"
        )
    return open_source(path)


def _frame_numbers(clip: Clip, times: NDArray[np.float64] | None, name: str) -> NDArray[np.int64]:
    """Return the numbers of the clip's frames in the source: as stored, else the nearest in time."""
    if clip.frame_numbers is not None:
        return clip.frame_numbers
    if clip.times is None or times is None:
        raise UsageError(
            f"the clip does not record which frames of {name!r} it holds: it has neither frame_numbers nor times; "
            "Clip.read() stores both"
        )
    return np.asarray(np.abs(times[None, :] - clip.times[:, None]).argmin(axis=1), np.int64)


def _decode(source: Any, survey: Any, span: tuple[int, int], size: tuple[int, int]) -> Iterator[NDArray[np.uint8]]:
    """Yield the frames of a source from the first to the last number, both included."""
    first, last = span
    number = -1
    with contextlib.closing(source.frames(survey)) as frames:
        for frame in frames:
            number = frame.number
            if number >= first:
                image = frame.decode()
                if image.shape[:2] != size:
                    raise UsageError(
                        f"the frames of {source.name!r} are {image.shape[0]} x {image.shape[1]}, but those that "
                        f"the clip was read from are {size[0]} x {size[1]}; give the path of the same video"
                    )
                yield image
            if number == last:
                return
    raise UsageError(
        f"{source.name!r} ends after {number + 1} frames, but the clip contains frame {last + 1}; is it the same video?"
    )


def _dim_unseen(image: NDArray[np.uint8], placement: Placement, clip: Clip) -> NDArray[np.uint8]:
    """Return a frame of the source, dimmed outside the clip, with a line around it."""
    rows, columns = placement.clip_slices(clip)
    dimmed = np.asarray(DIMMED * (0.5 * image + 0.5 * image.mean(axis=-1, keepdims=True)), np.uint8)
    top, left = max(rows.start - 1, 0), max(columns.start - 1, 0)
    dimmed[top : rows.stop + 1, left : columns.stop + 1] = 170
    dimmed[rows, columns] = image[rows, columns]
    return dimmed


def _note(sequence: FrameSequence, clip: Clip) -> str:
    rows, columns = sequence.placement.clip_slices(clip)
    inputs, count = int(sequence.is_input.sum()), len(sequence.is_input)
    notes = []
    if inputs < count:
        notes.append(
            f"The network saw {inputs} of these {count} frames (ticks); between them the evidence is interpolated."
        )
    if (rows.stop - rows.start, columns.stop - columns.start) != sequence.placement.size:
        notes.append("Dimmed: outside its view.")
    return " ".join(notes)


def _format_times(times: NDArray[np.float64] | None, count: int) -> list[str]:
    return [""] * count if times is None else [f" · {seconds(time)}" for time in times]


def mean_fps(times: NDArray[np.float64] | None) -> float | None:
    """Return the frames per second of a clip's times; None if they are unknown."""
    duration = 0.0 if times is None else float(times[-1] - times[0])
    return None if times is None or duration <= 0 else (len(times) - 1) / duration


def resolve_size(size: int | None, clip: Clip, low: int, high: int) -> int:
    """Return the pixels of the longer side: as given, else those of the clip within two bounds."""
    if size is None:
        return min(max(*clip.size[1:], low), high)
    if isinstance(size, bool) or not hasattr(size, "__index__") or not MIN_SIZE <= size <= MAX_SIZE:
        raise UsageError(f"size must be {MIN_SIZE} to {MAX_SIZE} pixels for the picture's longer side, got {size!r}")
    return int(size)


def resolve_fps(fps: float | None, original: float | None, high: float = 60.0) -> float:
    """Return the frames per second: as given, else the original speed within what one can follow.

    Raises
    ------
    ValueError
        It is not a number from 0.1 to ``high``.
    """
    if fps is None:
        return min(max(original or USUAL, SLOWEST), FASTEST)
    if isinstance(fps, bool) or not isinstance(fps, (int, float, np.number)) or not 0.1 <= fps <= high:
        raise UsageError(f"fps must be 0.1 to {high:g} frames a second, got {fps!r}")
    return float(fps)
