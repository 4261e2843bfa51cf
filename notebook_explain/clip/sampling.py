"""Which frames of a source are taken: evenly or every n-th, within a window in seconds or in frame numbers."""

from __future__ import annotations

import math
import numbers
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from notebook_explain._errors import UsageError, UsageTypeError
from notebook_explain._validation import check_int

SLACK = 5e-4  # seconds: containers round the times of their frames, to milliseconds at worst
Times = NDArray[np.float64] | None


@dataclass(frozen=True)
class Sampling:
    """The frames that are wanted of a source.

    Attributes
    ----------
    frames : int or None
        How many, spread evenly from the window's first frame to its last; with ``stride``, how many at most.
    window : (start, stop) or None
        Two floats are seconds, two ints frame numbers; ``stop`` is excluded.
    stride : int or None
        Every how manieth frame, from the window's first one.
    """

    frames: int | None = None
    window: tuple[float, float] | None = None
    stride: int | None = None

    def __post_init__(self) -> None:
        for name in ("frames", "stride"):
            if getattr(self, name) is not None:
                object.__setattr__(self, name, check_int(name, getattr(self, name)))
        if self.window is not None:
            object.__setattr__(self, "window", _checked_window(self.window))

    @property
    def in_seconds(self) -> bool:
        """Whether the window is one of seconds."""
        return self.window is not None and isinstance(self.window[0], float)

    @property
    def end(self) -> float:
        """The frame number from which on nothing is wanted, as far as that is known beforehand (else infinite)."""
        start, stop = (0, math.inf) if self.window is None else self.window
        if self.in_seconds:
            return math.inf
        if self.stride is not None and self.frames is not None:
            return min(stop, start + self.stride * (self.frames - 1) + 1)
        return min(stop, start + 1) if self.frames == 1 else stop

    def beyond(self, number: int, seconds: float | None, margin: tuple[int, float] = (0, 0.0)) -> bool:
        """Whether a frame lies beyond all that is wanted, by more than a margin in frames and in seconds."""
        if self.window is not None and self.in_seconds:
            return seconds is not None and seconds >= self.window[1] - SLACK + margin[1]
        return number >= self.end + margin[0]

    def span(self, count: int, times: Times) -> tuple[int, int]:
        """The number of the first frame that may be wanted and that after the last, in a source of so many frames."""
        start, stop = (0, self.end) if self.window is None else (self.window[0], self.end)
        if self.window is not None and self.in_seconds:
            if times is None:
                raise UsageError(
                    "the window is in seconds, but the frame rate is not known; state fps=, or frame numbers"
                )
            start, stop = np.searchsorted(times, [start - SLACK, self.window[1] - SLACK])
        return min(int(start), count), int(min(stop, count))

    def choose(self, count: int, times: Times) -> NDArray[np.int64]:
        """The numbers of the wanted frames, in order; some twice where there are fewer (ValueError: there are none).

        Parameters
        ----------
        count : int
            How many frames the source has.
        times : float64 array (count,) or None
            Their seconds, never falling.
        """
        first, after = self.span(count, times)
        if first >= after:
            raise UsageError(f"no frame lies in the window {self.window}; {extent(count, times)}")
        if self.stride is not None:
            return np.arange(first, after, self.stride)[: self.frames]
        if self.frames is not None:
            return first + spread(after - first, self.frames)
        return np.arange(first, after)

    def shortfall(self, count: int, times: Times) -> list[str]:
        """What a source of so many frames cannot give of what is wanted, as sentences without an end."""
        first, after = self.span(count, times)
        words = []
        if self.window is not None and math.isfinite(self.window[1]):
            # People round the end of a film up: a second past its last frame is no news.
            last = times[-1] + 1 if times is not None and self.in_seconds else count
            if self.window[1] > last and self.end >= self.window[1]:
                words.append(f"the window {self.window} reaches beyond the end ({extent(count, times)})")
        there = after - first if self.stride is None else len(range(first, after, self.stride))
        if self.frames is not None and there < self.frames:
            what = "some are taken more than once" if self.stride is None else "the clip has those"
            words.append(f"{self.frames} frames are wanted, it has {there}{self._where()}: {what}")
        return words

    def spread_over(self, came: int) -> str:
        """What becomes of the frames wanted where only so many came."""
        if self.stride is not None:
            return f"one in {self.stride} of those {came} is taken"
        if self.frames is None:
            return f"the clip has those {came}"
        return f"the {self.frames} frames wanted are spread over those {came}"

    def _where(self) -> str:
        stride = "" if self.stride is None else f" with stride={self.stride}"
        return stride + ("" if self.window is None else f" in the window {self.window}")


def spread(count: int, wanted: int) -> NDArray[np.int64]:
    """``wanted`` numbers spread evenly from 0 to ``count - 1``, rounded down."""
    return np.floor(np.linspace(0, count - 1, wanted) + 1e-9).astype(np.int64)


def extent(count: int, times: Times) -> str:
    """How long a source is, in words."""
    return f"frames 0 to {count - 1} are there" + ("" if times is None else f", the last one at {times[-1]:.6g} s")


def _checked_window(window: Any) -> tuple[float, float]:
    """Two floats or two ints in order, as Python's own numbers."""
    form = "window must be (start, stop): two floats for seconds, two whole numbers for frames"
    try:
        start, stop = window
    except (TypeError, ValueError):
        raise UsageTypeError(f"{form}, got {window!r}") from None
    if any(isinstance(part, bool) or not isinstance(part, numbers.Real) for part in (start, stop)):
        raise UsageTypeError(f"{form}, got {window!r}")
    kinds = {isinstance(part, numbers.Integral) for part in (start, stop)}
    if len(kinds) > 1:
        raise UsageTypeError(f"{form}, got one of each: {window!r}; write ({float(start)}, {float(stop)}) for seconds")
    made: tuple[float, float] = (int(start), int(stop)) if kinds == {True} else (float(start), float(stop))
    if not 0 <= made[0] < made[1]:  # also false where one is not a number
        raise UsageError(f"window must begin at 0 or later and end after it begins, got {made}")
    return made
