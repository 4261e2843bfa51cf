"""How far long work has come: what a stream yields, so that bars, widgets and cancel buttons stand on one mechanism."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Progress:
    """One step of a stream is done.

    Attributes
    ----------
    stage : str
        What was done, in a word or two.
    done, total : int
        Steps of this stage.
    seconds : float
        Since the work began.
    partial : explanation or None
        What is known by now; the last one yielded is the whole.
    """

    stage: str
    done: int
    total: int
    seconds: float
    partial: Any = None
