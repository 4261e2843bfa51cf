"""What a clip is read from: frames in order, each decoded only when it is asked for."""

from __future__ import annotations

from collections.abc import Callable, Generator
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from notebook_explain.clip.sampling import Sampling, Times


@dataclass(frozen=True)
class SourceInfo:
    """What a source says of itself before anything is decoded; it may be wrong.

    Attributes
    ----------
    count : int
        The frames that are probably there; 0 where nothing is known.
    times : float64 array (count,) or None
        Their seconds.
    size : (height, width) ints
    header : int
        The frames that the header promises; 0 where it does not.
    seconds : float
        The length that the header promises; 0 where it does not.
    packets : int
        Pieces of the file that may give a frame each.
    """

    count: int
    times: Times
    size: tuple[int, int]
    header: int = 0
    seconds: float = 0.0
    packets: int = 0

    @property
    def promised(self) -> int:
        """The most frames that anything promises."""
        return max(self.count, self.header)

    def due(self, times: Times) -> int:
        """How many frames there should be, given the times of those that came.

        As many as the header says where the last one lies well before the end, else no more than are there: headers round
        their length, or tell that of the sound, or multiply it with a mean frame rate.
        """
        if times is not None and len(times) and self.header > 0:
            longest = float(np.diff(times).max()) if len(times) > 1 else 0.0
            if self.seconds - float(times[-1]) > max(2.5 * longest, 0.02 * self.seconds, 0.1):
                return self.header
        return min(filter(None, (self.count, self.header)), default=0)


@dataclass(frozen=True)
class Frame:
    """One frame of a source.

    Attributes
    ----------
    number : int
        Counted from 0 over those that come out of the source.
    seconds : float or None
        From the start of the source, where that is known.
    picture : function
        Returns uint8 (height, width, 3), RGB; only until the next frame is asked for.
    name : str
        The file it lies in, where each has its own.
    """

    number: int
    seconds: float | None
    picture: Callable[[], NDArray[np.uint8]]
    name: str = ""


class Source(Protocol):
    """A video file or a folder of pictures."""

    path: Path
    name: str

    def survey(self, sampling: Sampling) -> SourceInfo:
        """What can be known without decoding, up to the end of what is wanted."""

    def frames(self, survey: SourceInfo) -> Generator[Frame, None, None]:
        """Every frame that comes, in order."""

    def timeline(self, seconds: list[float | None]) -> Times:
        """The times of the frames that came, once it is known how they follow each other."""

    def silence(self) -> str:
        """Why not a single frame came."""
