"""Choose frames of a source: evenly spread or every n-th, within a window in seconds or in frame numbers."""

from __future__ import annotations

import math
import numbers
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from notebook_explain._errors import UsageError, UsageTypeError
from notebook_explain._validation import check_int

TIME_TOLERANCE = 5e-4  # seconds: containers round the times of frames, to milliseconds at worst
Times = NDArray[np.float64] | None


@dataclass(frozen=True)
class Sampling:
    """Frames to take from a source.

    Attributes
    ----------
    frames : int or None
        Number of frames, spread evenly from the first to the last of the window; with ``stride``, the largest number.
    window : (start, stop) or None
        Two floats are seconds, two ints are frame numbers; ``stop`` is excluded.
    stride : int or None
        Take every n-th frame, from the first of the window.
    """

    frames: int | None = None
    window: tuple[float, float] | None = None
    stride: int | None = None

    def __post_init__(self) -> None:
        for name in ("frames", "stride"):
            if getattr(self, name) is not None:
                object.__setattr__(self, name, check_int(name, getattr(self, name)))
        if self.window is not None:
            object.__setattr__(self, "window", _check_window(self.window))

    @property
    def in_seconds(self) -> bool:
        """True if the window is in seconds."""
        return self.window is not None and isinstance(self.window[0], float)

    @property
    def end(self) -> float:
        """Number of the first frame that is certainly not needed; infinite if unknown before decoding."""
        start, stop = (0, math.inf) if self.window is None else self.window
        if self.in_seconds:
            return math.inf
        if self.stride is not None and self.frames is not None:
            return min(stop, start + self.stride * (self.frames - 1) + 1)
        return min(stop, start + 1) if self.frames == 1 else stop

    def is_past_end(self, number: int, seconds: float | None, margin: tuple[int, float] = (0, 0.0)) -> bool:
        """Return whether a frame lies after all that are needed, by at least a margin in frames and in seconds."""
        if self.window is not None and self.in_seconds:
            return seconds is not None and seconds >= self.window[1] - TIME_TOLERANCE + margin[1]
        return number >= self.end + margin[0]

    def bounds(self, count: int, times: Times) -> tuple[int, int]:
        """Return the number of the first frame of the window and one past the last, in a source of ``count`` frames."""
        start, stop = (0, self.end) if self.window is None else (self.window[0], self.end)
        if self.window is not None and self.in_seconds:
            if times is None:
                raise UsageError(
                    "the window is in seconds, but the frame rate is unknown (a window in frame numbers does not need it)",
                    arguments=("fps",),
                )
            start, stop = np.searchsorted(times, [start - TIME_TOLERANCE, self.window[1] - TIME_TOLERANCE])
        return min(int(start), count), int(min(stop, count))

    def choose(self, count: int, times: Times) -> NDArray[np.int64]:
        """Return the numbers of the frames to take, in order; some repeat if the window has fewer than ``frames``.

        Parameters
        ----------
        count : int
            Number of frames in the source.
        times : float64 array (count,) or None
            Seconds of each frame, never decreasing.

        Raises
        ------
        ValueError
            No frame lies in the window.
        """
        first, stop = self.bounds(count, times)
        if first >= stop:
            raise UsageError(f"no frame lies in the window {self.window}; {describe_length(count, times)}")
        if self.stride is not None:
            return np.arange(first, stop, self.stride)[: self.frames]
        if self.frames is not None:
            return first + spread_evenly(stop - first, self.frames)
        return np.arange(first, stop)

    def shortfalls(self, count: int, times: Times) -> list[str]:
        """Describe what is requested and missing from a source of ``count`` frames, as clauses for a warning."""
        first, stop = self.bounds(count, times)
        clauses = []
        if self.window is not None and math.isfinite(self.window[1]):
            # Lengths of videos are usually rounded up: accept a second beyond the last frame.
            last = times[-1] + 1 if times is not None and self.in_seconds else count
            if self.window[1] > last and self.end >= self.window[1]:
                clauses.append(f"the window {self.window} extends past the end ({describe_length(count, times)})")
        available = stop - first if self.stride is None else len(range(first, stop, self.stride))
        if self.frames is not None and available < self.frames:
            effect = "some are repeated" if self.stride is None else "the clip is shorter"
            clauses.append(f"{self.frames} frames requested, {available} available{self._scope()}: {effect}")
        return clauses

    def consequence(self, decoded: int) -> str:
        """Describe which frames are taken when only ``decoded`` frames could be decoded."""
        if self.stride is not None:
            return f"one in {self.stride} of those {decoded} is taken"
        if self.frames is None:
            return f"the clip has those {decoded}"
        return f"the {self.frames} frames requested are spread over those {decoded}"

    def _scope(self) -> str:
        stride = "" if self.stride is None else f" with a stride of {self.stride}"
        return stride + ("" if self.window is None else f" in the window {self.window}")


def spread_evenly(count: int, samples: int) -> NDArray[np.int64]:
    """Return ``samples`` numbers spread evenly from 0 to ``count - 1``, rounded down."""
    return np.floor(np.linspace(0, count - 1, samples) + 1e-9).astype(np.int64)


def describe_length(count: int, times: Times) -> str:
    """Describe the length of a source, in frames and, if known, in seconds."""
    return f"the source has frames 0 to {count - 1}" + ("" if times is None else f", the last one at {times[-1]:.6g} s")


def _check_window(window: Any) -> tuple[float, float]:
    """Return (start, stop) as two Python floats or two ints, start before stop."""
    expected = "window must be (start, stop): two floats for seconds, two whole numbers for frames"
    try:
        start, stop = window
    except (TypeError, ValueError):
        raise UsageTypeError(f"{expected}, got {window!r}") from None
    if any(isinstance(bound, bool) or not isinstance(bound, numbers.Real) for bound in (start, stop)):
        raise UsageTypeError(f"{expected}, got {window!r}")
    are_whole = {isinstance(bound, numbers.Integral) for bound in (start, stop)}
    if len(are_whole) > 1:
        raise UsageTypeError(
            f"{expected}, got one of each: {window!r}; write ({float(start)}, {float(stop)}) for seconds"
        )
    checked: tuple[float, float] = (int(start), int(stop)) if are_whole == {True} else (float(start), float(stop))
    if not 0 <= checked[0] < checked[1]:  # also false for NaN
        raise UsageError(f"window must start at 0 or later and stop after its start, got {checked}")
    return checked
