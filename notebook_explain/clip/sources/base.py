"""Protocol of a source: frames in order, each decoded only on request."""

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
    """Claims of a source about itself before anything is decoded; they may be wrong.

    Attributes
    ----------
    count : int
        Likely number of frames; 0 if unknown.
    times : float64 array (count,) or None
        Seconds of each frame.
    size : (height, width) ints
        Size of the frames in pixels.
    header_count : int
        Number of frames according to the header; 0 if it has none.
    header_seconds : float
        Duration according to the header; 0 if it has none.
    packet_count : int
        Packets of the file, each of which may give one frame.
    """

    count: int
    times: Times
    size: tuple[int, int]
    header_count: int = 0
    header_seconds: float = 0.0
    packet_count: int = 0

    @property
    def promised(self) -> int:
        """Largest number of frames that any claim gives."""
        return max(self.count, self.header_count)

    def expected_count(self, times: Times) -> int:
        """Return how many frames the source should have, given the times of those that were decoded.

        That is the header's number if the last decoded frame lies well before the end, and otherwise the smaller of the
        two claims: headers round the duration, give that of the sound, or multiply it by a mean frame rate.
        """
        if times is not None and len(times) and self.header_count > 0:
            longest_gap = float(np.diff(times).max()) if len(times) > 1 else 0.0
            if self.header_seconds - float(times[-1]) > max(2.5 * longest_gap, 0.02 * self.header_seconds, 0.1):
                return self.header_count
        return min(filter(None, (self.count, self.header_count)), default=0)


@dataclass(frozen=True)
class SourceFrame:
    """One frame of a source.

    Attributes
    ----------
    number : int
        Position among the frames that the source gives, from 0.
    seconds : float or None
        Time from the start of the source, if known.
    decode : function
        Returns uint8 (height, width, 3), RGB. Valid only until the next frame is requested.
    name : str
        File name, if each frame has its own file.
    """

    number: int
    seconds: float | None
    decode: Callable[[], NDArray[np.uint8]]
    name: str = ""


class Source(Protocol):
    """A video file or a folder of images.

    Attributes
    ----------
    path : Path
    name : str
        Name of the file or folder without its path; paths are stripped for privacy.
    """

    path: Path
    name: str

    def probe(self, sampling: Sampling) -> SourceInfo:
        """Return what can be known without decoding, up to the last frame that the sampling needs."""

    def frames(self, info: SourceInfo) -> Generator[SourceFrame, None, None]:
        """Yield every frame that can be decoded, in order."""

    def frame_times(self, seconds: list[float | None]) -> Times:
        """Return the times of the decoded frames, given what each frame reported."""

    def no_frames_reason(self) -> str:
        """Return an error message for a source without a single decodable frame."""
