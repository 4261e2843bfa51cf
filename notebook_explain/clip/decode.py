"""Read a clip: choose frames by what the source promises, decode one by one, compare those that came with those wanted."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from notebook_explain._errors import UsageError
from notebook_explain._warn import warn
from notebook_explain.clip.resize import Resize
from notebook_explain.clip.sampling import Sampling, Times
from notebook_explain.clip.sources.base import Frame, Source, SourceInfo

_NEWS = 50  # one frame in so many may be missing without a word: nothing that is shown would change


@dataclass(frozen=True)
class FitOptions:
    """How pictures are made to fit, and how many pixels they may come to.

    Attributes
    ----------
    size : (height, width) ints or None
    crop : str
    max_pixels : int
        Of one picture of the source, and of the clip in all.
    """

    size: tuple[int, int] | None
    crop: str
    max_pixels: int

    def check(self, source: tuple[int, int], count: int, name: str) -> None:
        """Refuse a picture, or a number of them, of too many pixels (ValueError)."""
        height, width = self.size or source
        if source[0] * source[1] > self.max_pixels:
            raise UsageError(
                f"{name!r} has pictures of {source[0]} x {source[1]} pixels, more than max_pixels={self.max_pixels:,}"
            )
        if count * height * width > self.max_pixels:
            raise UsageError(
                f"{count} frames of {height} x {width} of {name!r} are more pixels than max_pixels={self.max_pixels:,}; "
                "ask for fewer with frames=, stride= or window=, for smaller ones with size=, or raise max_pixels="
            )


@dataclass(frozen=True)
class DecodedFrames:
    """What was read.

    Attributes
    ----------
    frames : uint8 array (time, height, width, 3)
    times : float64 array (time,) or None
    numbers : int64 array (time,)
        Which frames of the source these are.
    framing : Resize
        How they were made to fit.
    """

    frames: NDArray[np.uint8]
    times: Times
    numbers: NDArray[np.int64]
    framing: Resize


def take(source: Source, sampling: Sampling, fit: FitOptions) -> DecodedFrames:
    """Decode what is wanted of a source; once more where other frames came than it had promised.

    Raises
    ------
    ValueError
        Nothing decodes; nothing lies in the window; the frames differ in size, or are too many pixels.
    """
    survey = source.survey(sampling)
    planned = sampling.choose(survey.count, survey.times) if survey.count > 0 else np.zeros(0, np.int64)
    fit.check(survey.size, len(np.unique(planned)), source.name)
    once = _Once(source, sampling, fit, planned).through(survey)
    count, times = len(once.seconds), source.timeline(once.seconds)
    if count == 0:
        raise UsageError(source.silence())
    numbers = sampling.choose(count, times)
    if not np.array_equal(numbers, planned):
        fit.check(survey.size, len(np.unique(numbers)), source.name)
        once = _Once(source, sampling, fit, numbers).through(survey)
    places = np.array([once.places.get(number, -1) for number in numbers.tolist()])
    if once.framing is None or places.min() < 0:
        raise UsageError(f"{source.name!r} does not decode twice alike; it is too damaged to be read")
    _tell(source.name, survey, sampling, count, times)
    frames = once.frames if len(places) == len(once.frames) else once.frames[places]
    return DecodedFrames(frames, None if times is None else times[numbers], numbers, once.framing)


@dataclass
class _Once:
    """Once through a source: the wanted pictures, and the times of all frames that came."""

    source: Source
    sampling: Sampling
    fit: FitOptions
    numbers: NDArray[np.int64]
    seconds: list[float | None] = field(default_factory=list)
    places: dict[int, int] = field(default_factory=dict)  # a frame's number -> where it lies in frames
    frames: NDArray[np.uint8] = field(default_factory=lambda: np.zeros((0, 1, 1, 3), np.uint8))
    framing: Resize | None = None

    def through(self, survey: SourceInfo) -> _Once:
        """Decode up to the last frame that may be wanted."""
        wanted = set(self.numbers.tolist())
        with contextlib.closing(self.source.frames(survey)) as frames:
            for frame in frames:
                if self.sampling.beyond(frame.number, frame.seconds):
                    break
                self.seconds.append(frame.seconds)
                if frame.number in wanted:
                    self._keep(frame, len(wanted))
        return self

    def _keep(self, frame: Frame, wanted: int) -> None:
        picture = frame.picture()
        size = picture.shape[0], picture.shape[1]
        if self.framing is None:
            self.fit.check(size, wanted, self.source.name)
            self.framing = Resize.of(size, self.fit.size, self.fit.crop)
            self.frames = np.empty((wanted, *self.framing.size, 3), np.uint8)
        if size != self.framing.source:
            raise UsageError(
                f"the frames of {self.source.name!r} differ in size: {frame.name or f'frame {frame.number}'} is "
                f"{size[0]} x {size[1]}, the first one {self.framing.source[0]} x {self.framing.source[1]}"
            )
        place = self.places[frame.number] = len(self.places)
        self.frames[place] = self.framing.apply(picture)


def _tell(name: str, survey: SourceInfo, sampling: Sampling, count: int, times: Times) -> None:
    """Warn, once, of frames that were promised and did not come, and of fewer than were asked for."""
    words = sampling.shortfall(count, times)
    first, after = sampling.span(count, times)
    start, end = sampling.span(survey.count if sampling.in_seconds else survey.due(times), survey.times)
    came, promised = after - first, end - start
    if promised - came > promised // _NEWS:
        window = "" if sampling.window is None else f" in the window {sampling.window}"
        words.insert(
            0,
            f"it promises {promised} frames{window}, {came} could be decoded (cut off, damaged, or trimmed without being "
            f"encoded anew); {sampling.spread_over(came)}",
        )
    if words:
        warn(f"{name}: {'; '.join(words)}")
