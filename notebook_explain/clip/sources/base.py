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
        Number of frames that the header announces, if the file ends before the duration that the header states; else 0.
    """

    count: int
    times: Times
    size: tuple[int, int]
    header_count: int = 0

    @property
    def promised(self) -> int:
        """Largest number of frames that any claim gives."""
        return max(self.count, self.header_count)


@dataclass(frozen=True)
class Note:
    """Fact about the frames of a source that readers must know.

    Attributes
    ----------
    text : str
        A whole sentence, for those who see the frames.
    warning : str
        A clause for the one who reads the source, without the name of the file; "" for none.
    """

    text: str
    warning: str = ""


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
    notes : list of Note
        On the frames that have been decoded so far.
    """

    path: Path
    name: str
    notes: list[Note]

    def probe(self, sampling: Sampling) -> SourceInfo:
        """Return what can be known without decoding, up to the last frame that the sampling needs."""

    def close(self) -> None:
        """Close what ``probe`` may have left open."""

    def frames(self, info: SourceInfo) -> Generator[SourceFrame, None, None]:
        """Yield every frame that can be decoded, in order."""

    def frame_times(self, seconds: list[float | None]) -> Times:
        """Return the times of the decoded frames, given what each frame reported."""

    def claimed_frames(self, info: SourceInfo, times: Times, count: int) -> tuple[int, Times]:
        """Return how many frames an intact file would have given, and their times, where ``count`` were decoded."""

    def no_frames_reason(self) -> str:
        """Return an error message for a source without a single decodable frame."""
