"""Frame signals: one number per step of a clip, reported by a module of the network."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from notebook_explain._deprecated import renamed_names
from notebook_explain._errors import UsageError
from notebook_explain._validation import check_choice

FAR = float(np.finfo(np.float32).max)  # the values are float32


class Quantity(str, Enum):
    """Kind of the numbers in a report; code compares these and never the descriptions."""

    EVIDENCE = "evidence"  # contributions to the score
    ABLATION = "ablation"  # the score with a part minus the score without it
    OTHER = "other"


@dataclass(frozen=True, eq=False)
class FrameSignal:
    """A signal in time that a module of the network reports, such as the factor by which it multiplies each frame.

    Attributes
    ----------
    name : str
        Dotted name of the module; "" for the network itself.
    kind : str
        Class of the module, such as "SRTG".
    what : str
        Description of the values in a few words: "each frame is multiplied by".
    values : float32 array (step,)
    rows : float64 array (step,)
        Clip frame of each value, fractional; strictly increasing.
    neutral : float or None
        The value that means no effect; ``None`` if there is none.
    quantity : Quantity or str
        Kind of the values: "evidence", "ablation" or "other".

    Raises
    ------
    ValueError
        Values or a neutral that are not finite; different numbers of values and rows; rows that do not increase; an
        unknown quantity.
    """

    name: str
    kind: str
    what: str
    values: NDArray[np.float32]
    rows: NDArray[np.float64]
    neutral: float | None = None
    quantity: Quantity = Quantity.OTHER

    def __post_init__(self) -> None:
        values, rows = np.asarray(self.values, np.float32), np.asarray(self.rows, np.float64)
        if values.ndim != 1 or values.shape != rows.shape or len(values) == 0:
            raise UsageError(
                f"values and rows must have the same length, at least 1; got {values.shape} and {rows.shape}"
            )
        if not (np.isfinite(values).all() and np.isfinite(rows).all()) or np.any(np.diff(rows) <= 0):
            raise UsageError(f"values must be finite and rows strictly increasing; got {values!r} at rows {rows!r}")
        check_neutral(self.neutral)
        object.__setattr__(self, "quantity", check_quantity(self.quantity))
        object.__setattr__(self, "values", values)
        object.__setattr__(self, "rows", rows)

    @property
    def where(self) -> str:
        """Name and kind of the module: "layer2.1 (SRTG)"."""
        return f"{self.name} ({self.kind})" if self.name else self.kind


def check_neutral(neutral: float | None) -> None:
    """Raise ValueError unless a neutral value is a finite number or None."""
    if neutral is not None and not abs(neutral) <= FAR:
        raise UsageError(f"neutral must be a finite number or None, got {neutral!r}")


def check_quantity(quantity: Quantity | str) -> Quantity:
    """Return a quantity given as a member or as its value (ValueError lists them)."""
    check_choice("quantity", quantity, [member.value for member in Quantity])
    return Quantity(quantity)


if not TYPE_CHECKING:  # type checkers would take any name for one of this module
    __getattr__ = renamed_names(__name__, {"Course": "FrameSignal"})
