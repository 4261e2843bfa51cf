"""Decode a clip: choose frames by what the source claims, decode one by one, compare the result with the claim."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from notebook_explain._errors import UsageError
from notebook_explain._progress import counted, working
from notebook_explain._warn import warn
from notebook_explain.clip.resize import Resize
from notebook_explain.clip.sampling import Sampling, Times
from notebook_explain.clip.sources import Source, SourceFrame, SourceInfo

_TOLERATED_LOSS = 50  # one frame in this many may be missing without a warning: the result hardly changes


@dataclass(frozen=True)
class FitOptions:
    """Size of the frames and limit of their pixels.

    Attributes
    ----------
    size : (height, width) ints or None
        Size of the output; None keeps that of the source.
    crop : str
        One of `CROPS`.
    max_pixels : int
        Limit for one frame of the source, and for the whole clip.
    """

    size: tuple[int, int] | None
    crop: str
    max_pixels: int

    def check(self, source_size: tuple[int, int], count: int, name: str) -> None:
        """Raise ValueError if a frame of the source, or ``count`` frames of the clip, have too many pixels."""
        height, width = self.size or source_size
        pixels = source_size[0] * source_size[1]
        if pixels > self.max_pixels:
            raise UsageError(
                f"the frames of {name!r} have {source_size[0]} x {source_size[1]} = {pixels:,} pixels, above the limit of "
                f"{self.max_pixels:,}",
                arguments=("max_pixels",),
            )
        if count * height * width > self.max_pixels:
            raise UsageError(
                f"{count} frames of {height} x {width} of {name!r} have {count * height * width:,} pixels, above the limit "
                f"of {self.max_pixels:,}; take fewer or smaller frames, or raise the limit",
                arguments=("frames", "stride", "window", "size", "max_pixels"),
            )


@dataclass(frozen=True)
class DecodedFrames:
    """Frames of a clip and where they come from.

    Attributes
    ----------
    frames : uint8 array (time, height, width, 3)
    times : float64 array (time,) or None
        Seconds from the start of the source.
    numbers : int64 array (time,)
        Number of each frame in the source.
    resize : Resize
        Operation that fitted the frames.
    caveats : tuple of str
        Sentences on what was done to the frames, or not done.
    total : int
        Number of frames of the source: those that were read or, if reading ended before its end, at least those it claims.
    """

    frames: NDArray[np.uint8]
    times: Times
    numbers: NDArray[np.int64]
    resize: Resize
    caveats: tuple[str, ...] = ()
    total: int = 0


def decode(source: Source, sampling: Sampling, fit: FitOptions) -> DecodedFrames:
    """Decode the chosen frames of a source, and close it.

    It is decoded a second time if it turns out to have other frames than it claims.

    Raises
    ------
    ValueError
        No frame can be decoded or lies in the window; the frames differ in size, or have too many pixels.
    """
    with working(f"reading {source.name}"), contextlib.closing(source):
        return _decode(source, sampling, fit)


def _decode(source: Source, sampling: Sampling, fit: FitOptions) -> DecodedFrames:
    info = source.probe(sampling)
    planned = sampling.choose(info.count, info.times) if info.count > 0 else np.zeros(0, np.int64)
    fit.check(info.size, len(np.unique(planned)), source.name)
    result = DecodePass(source, sampling, fit, planned).run(info)
    count, times = len(result.seconds), source.frame_times(result.seconds)
    if count == 0:
        raise UsageError(source.no_frames_reason())
    numbers = sampling.choose(count, times)
    if not np.array_equal(numbers, planned):
        fit.check(info.size, len(np.unique(numbers)), source.name)
        result = DecodePass(source, sampling, fit, numbers).run(info)
    positions = np.array([result.positions.get(number, -1) for number in numbers.tolist()])
    if result.resize is None or positions.min() < 0:
        raise UsageError(f"{source.name!r} is too damaged to read: decoding it twice gave different frames")
    _warn_of_losses(source, info, sampling, count, times)
    for note in source.notes:
        if note.warning:
            warn(f"{source.name}: {note.warning}")
    frames = result.frames if len(positions) == len(result.frames) else result.frames[positions]
    caveats = tuple(note.text for note in source.notes)
    total = count if result.is_complete else max(info.count, count)
    return DecodedFrames(frames, None if times is None else times[numbers], numbers, result.resize, caveats, total)


@dataclass
class DecodePass:
    """One pass through a source, which keeps the frames with given numbers and the times of all frames."""

    source: Source
    sampling: Sampling
    fit: FitOptions
    numbers: NDArray[np.int64]
    seconds: list[float | None] = field(default_factory=list)
    positions: dict[int, int] = field(default_factory=dict)  # number of a frame -> its index in frames
    frames: NDArray[np.uint8] = field(default_factory=lambda: np.zeros((0, 1, 1, 3), np.uint8))
    resize: Resize | None = None
    is_complete: bool = True  # whether every frame of the source was read

    def run(self, info: SourceInfo) -> DecodePass:
        """Decode up to the last frame that may be needed."""
        needed = set(self.numbers.tolist())
        with contextlib.closing(self.source.frames(info)) as frames:
            for frame in counted(frames, "frames", info.count):
                if self.sampling.is_past_end(frame.number, frame.seconds):
                    self.is_complete = False
                    break
                self.seconds.append(frame.seconds)
                if frame.number in needed:
                    self._keep(frame, len(needed))
        return self

    def _keep(self, frame: SourceFrame, total: int) -> None:
        """Fit a frame and store it in the array, which the first of ``total`` frames allocates."""
        image = frame.decode()
        size = image.shape[0], image.shape[1]
        if self.resize is None:
            self.fit.check(size, total, self.source.name)
            self.resize = Resize.fit(size, self.fit.size, self.fit.crop)
            self.frames = np.empty((total, *self.resize.size, 3), np.uint8)
        if size != self.resize.source_size:
            height, width = self.resize.source_size
            raise UsageError(
                f"the frames of {self.source.name!r} differ in size: {frame.name or f'frame {frame.number}'} is "
                f"{size[0]} x {size[1]}, but the first is {height} x {width}"
            )
        position = self.positions[frame.number] = len(self.positions)
        self.frames[position] = self.resize.apply(image)


def _warn_of_losses(source: Source, info: SourceInfo, sampling: Sampling, count: int, times: Times) -> None:
    """Issue one warning if frames are missing that the file claims to hold, or that the caller requested."""
    clauses = sampling.shortfalls(count, times)
    first, stop = sampling.bounds(count, times)
    start, end = sampling.bounds(*source.claimed_frames(info, times, count))
    decoded, claimed = stop - first, end - start
    if claimed - decoded > claimed // _TOLERATED_LOSS:
        window = "" if sampling.window is None else f" in the window {sampling.window}"
        clauses.insert(
            0,
            f"the file claims {claimed} frames{window}, but only {decoded} could be decoded (cut off or damaged); "
            f"{sampling.consequence(decoded)}",
        )
    if clauses:
        warn(f"{source.name}: {'; '.join(clauses)}")
