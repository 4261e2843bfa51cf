"""Progress of long work: streams yield it, and progress bars, widgets and cancel buttons read it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Progress:
    """A finished step of a stream.

    Attributes
    ----------
    stage : str
        What was done, in a word or two.
    done, total : int
        Steps of this stage.
    seconds : float
        Time since the start.
    partial : explanation or None
        The explanation so far; the last one yielded is complete.
    """

    stage: str
    done: int
    total: int
    seconds: float
    partial: Any = None
