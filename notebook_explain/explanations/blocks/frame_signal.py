"""Courses: a number for each moment of a clip, told by a part of the network beside the evidence itself."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from notebook_explain._errors import UsageError

FAR = float(np.finfo(np.float32).max)  # as far as the values themselves can lie


@dataclass(frozen=True, eq=False)
class Course:
    """What a part of the network says of each moment of the clip: by how much it multiplies each frame, say.

    Attributes
    ----------
    name : str
        Dotted name of the module; "" for the network itself.
    kind : str
        Its class, as "SRTG".
    what : str
        What the values are, in a few words: "each frame is multiplied by".
    values : float32 array (step,)
    rows : float64 array (step,)
        The clip frame, fractional, that each value stands for; strictly increasing.
    neutral : float or None
        The value where nothing is done; ``None`` where there is none.

    Raises
    ------
    ValueError
        Values or a neutral that are not finite; not as many values as rows; rows that do not increase.
    """

    name: str
    kind: str
    what: str
    values: NDArray[np.float32]
    rows: NDArray[np.float64]
    neutral: float | None = None

    def __post_init__(self) -> None:
        values, rows = np.asarray(self.values, np.float32), np.asarray(self.rows, np.float64)
        if values.ndim != 1 or values.shape != rows.shape or len(values) == 0:
            raise UsageError(f"values and rows must be as many, at least one; got {values.shape} and {rows.shape}")
        if not (np.isfinite(values).all() and np.isfinite(rows).all()) or np.any(np.diff(rows) <= 0):
            raise UsageError(f"values must be finite and rows strictly increase; got {values!r} at {rows!r}")
        check_neutral(self.neutral)
        object.__setattr__(self, "values", values)
        object.__setattr__(self, "rows", rows)

    @property
    def where(self) -> str:
        """Name and kind for people: "layer2.1 (SRTG)"."""
        return f"{self.name} ({self.kind})" if self.name else self.kind


def check_neutral(neutral: float | None) -> None:
    """ValueError for a value of doing nothing that is no number."""
    if neutral is not None and not abs(neutral) <= FAR:
        raise UsageError(f"neutral must be a finite number, or None; got {neutral!r}")
