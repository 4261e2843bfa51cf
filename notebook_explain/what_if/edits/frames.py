"""Edits of the order of frames."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from notebook_explain._errors import UsageError
from notebook_explain._validation import check_int
from notebook_explain.clip import Clip
from notebook_explain.what_if.edits.base import ClipEdit, Span, check_frame, check_span, span_of, span_words
from notebook_explain.what_if.edits.clips import with_frames

MOST_TIMES = 100
Indices = NDArray[np.int64]


class FrameEdit(ClipEdit):
    """An edit that chooses which frames a clip shows, and when."""

    frames: Span | None

    def __post_init__(self) -> None:
        if self.frames is not None:
            object.__setattr__(self, "frames", check_span("frames", self.frames))

    def __call__(self, clip: Clip) -> Clip:
        """Return the edited clip; see `ClipEdit`."""
        return with_frames(clip, self.chosen(clip), self.in_words())

    def chosen(self, clip: Clip) -> Indices:
        """Return the indices of the frames of the edited clip, in order."""
        start, stop = span_of(self.frames, clip)
        every = np.arange(len(clip))
        return np.concatenate([every[:start], self._span(every[start:stop], clip), every[stop:]])

    def _span(self, inside: Indices, clip: Clip) -> Indices:
        """Return the frames that are shown instead of those of the span."""
        raise NotImplementedError


@dataclass(frozen=True, repr=False)
class Freeze(FrameEdit):
    """Show one frame during a span of frames.

    Attributes
    ----------
    frame : int
        Index of the frame that is shown; it may lie outside of the span.
    frames : (start, stop), optional
        The span, without the stop; the whole clip by default.
    """

    frame: int
    frames: Span | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        object.__setattr__(self, "frame", check_int("frame", self.frame, least=0))

    def _span(self, inside: Indices, clip: Clip) -> Indices:
        return np.full(len(inside), check_frame("frame", self.frame, clip))

    def in_words(self) -> str:
        """Return the edit as a phrase."""
        if self.frames is not None and self.frames == (self.frame, self.frame + 1):
            return f"frame {self.frame + 1} stays as it is"
        verb = "shows" if self.frames is not None and self.frames[1] - self.frames[0] == 1 else "show"
        return f"{span_words(self.frames)} {verb} frame {self.frame + 1}"


@dataclass(frozen=True, repr=False)
class Reverse(FrameEdit):
    """Show frames in reverse order.

    Attributes
    ----------
    frames : (start, stop), optional
        The span, without the stop; the whole clip by default.
    """

    frames: Span | None = None

    def _span(self, inside: Indices, clip: Clip) -> Indices:
        return inside[::-1]

    def in_words(self) -> str:
        """Return the edit as a phrase."""
        return "the clip runs backwards" if self.frames is None else f"{span_words(self.frames)} run backwards"


@dataclass(frozen=True, repr=False)
class Shuffle(FrameEdit):
    """Show frames in random order: another one than their own, wherever there are two.

    Attributes
    ----------
    seed : int
        The same seed gives the same order.
    frames : (start, stop), optional
        The span, without the stop; the whole clip by default.
    """

    seed: int = 0
    frames: Span | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        object.__setattr__(self, "seed", check_int("seed", self.seed, least=0))

    def _span(self, inside: Indices, clip: Clip) -> Indices:
        rng = np.random.default_rng(self.seed)
        order = rng.permutation(len(inside))
        while len(inside) > 1 and (order == np.arange(len(inside))).all():
            order = rng.permutation(len(inside))
        return inside[order]

    def in_words(self) -> str:
        """Return the edit as a phrase."""
        return f"{span_words(self.frames)} in random order (seed {self.seed})"


@dataclass(frozen=True, repr=False)
class Drop(FrameEdit):
    """Leave out frames; the clip becomes shorter.

    Attributes
    ----------
    frames : (start, stop)
        The span, without the stop.
    """

    frames: Span

    def _span(self, inside: Indices, clip: Clip) -> Indices:
        if len(inside) == len(clip):
            raise UsageError(f"Drop(frames={self.frames}) leaves no frames of a clip of {len(clip)}; keep at least one")
        return inside[:0]

    def in_words(self) -> str:
        """Return the edit as a phrase."""
        return f"without {span_words(self.frames)}"


@dataclass(frozen=True, repr=False)
class Repeat(FrameEdit):
    """Show a span of frames several times in a row; the clip becomes longer.

    Attributes
    ----------
    frames : (start, stop)
        The span, without the stop.
    times : int
        How often it is shown, 1 to 100.
    """

    frames: Span
    times: int = 2

    def __post_init__(self) -> None:
        super().__post_init__()
        object.__setattr__(self, "times", _check_times("times", self.times))

    def _span(self, inside: Indices, clip: Clip) -> Indices:
        return np.tile(inside, self.times)

    def in_words(self) -> str:
        """Return the edit as a phrase."""
        return f"{span_words(self.frames)} {self.times} times in a row"


@dataclass(frozen=True, repr=False)
class Slow(FrameEdit):
    """Show each frame several times, as in slow motion without new frames; the clip keeps its length, so its end is cut off.

    Attributes
    ----------
    factor : int
        How often each frame is shown, 1 to 100.
    frames : (start, stop), optional
        The span, without the stop; the whole clip by default.
    """

    factor: int = 2
    frames: Span | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        object.__setattr__(self, "factor", _check_times("factor", self.factor))

    def chosen(self, clip: Clip) -> Indices:
        """Return the indices of the frames of the edited clip, in order."""
        return super().chosen(clip)[: len(clip)]

    def _span(self, inside: Indices, clip: Clip) -> Indices:
        return np.repeat(inside, self.factor)

    def in_words(self) -> str:
        """Return the edit as a phrase."""
        which = "the clip" if self.frames is None else span_words(self.frames)
        return f"{which} slowed down {self.factor} times"


@dataclass(frozen=True, repr=False)
class Loop(FrameEdit):
    """Show a span of frames again and again, over the whole length of the clip.

    Attributes
    ----------
    frames : (start, stop)
        The span, without the stop.
    """

    frames: Span

    def chosen(self, clip: Clip) -> Indices:
        """Return the indices of the frames of the edited clip, in order."""
        start, stop = span_of(self.frames, clip)
        return start + np.arange(len(clip)) % (stop - start)

    def in_words(self) -> str:
        """Return the edit as a phrase."""
        return f"{span_words(self.frames)} again and again"


def _check_times(name: str, value: Any) -> int:
    count = check_int(name, value)
    if count > MOST_TIMES:
        raise UsageError(f"{name} must be at most {MOST_TIMES}, got {value!r}")
    return count
