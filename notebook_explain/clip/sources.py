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
class Survey:
    """What a source says of itself before anything is decoded; it may be wrong.

    Attributes
    ----------
    count : int
        The frames that are probably there; 0 where nothing is known.
    times : float64 array (count,) or None
        Their seconds.
    promised : int
        The frames that should be there; more than ``count`` where the file was cut off.
    size : (height, width) ints
    """

    count: int
    times: Times
    promised: int
    size: tuple[int, int]


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

    def survey(self, sampling: Sampling) -> Survey:
        """What can be known without decoding, up to the end of what is wanted."""

    def frames(self, survey: Survey) -> Generator[Frame, None, None]:
        """Every frame that comes, in order."""

    def timeline(self, seconds: list[float | None]) -> Times:
        """The times of the frames that came, once it is known how they follow each other."""

    def silence(self) -> str:
        """Why not a single frame came."""
