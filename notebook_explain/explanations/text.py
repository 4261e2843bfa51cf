"""How numbers are written for people: rounded as the viewer rounds, with a true minus sign, and things counted.

Python rounds halves to the even digit, the viewer away from zero: 1.125 s must not be "1.12" here and "1.13" there.
"""

from __future__ import annotations

import math
from decimal import ROUND_HALF_UP, Context, Decimal

MINUS = "\u2212"
_EXACT = Context(prec=400, rounding=ROUND_HALF_UP)  # no float has more digits before its point
MOST_WHOLE, LEAST_SHORT = 1e5, 1e-4  # beyond them numbers are written with an exponent


def fixed(value: float, digits: int = 2) -> str:
    """A number with so many digits after its point, halves away from zero: "1.13" for 1.125."""
    if not math.isfinite(value):
        return _signed(str(float(value)))
    return _signed(f"{_EXACT.quantize(Decimal(float(value)), Decimal(1).scaleb(-digits)):f}")


def short(value: float, digits: int = 3) -> str:
    """A finite number in at most so many significant digits, without idle zeros: "0.0335", "1", "1234" (never "1230")."""
    value = float(value)
    size = abs(value)
    if size >= MOST_WHOLE or 0 < size < LEAST_SHORT:
        return _signed(f"{value:.{digits - 1}g}")
    whole = math.floor(math.log10(size)) + 1 if size >= 1 else 0
    rounded = Context(prec=max(digits, whole), rounding=ROUND_HALF_UP).create_decimal(Decimal(value))
    return stripped(_signed(f"{rounded:f}"))


def stripped(text: str) -> str:
    """A number without idle zeros: "0.5" for "0.500"."""
    return text.rstrip("0").rstrip(".") if "." in text else text


def seconds(time: float) -> str:
    """A moment of a clip, or how long it lasts: "1.13 s"."""
    return f"{fixed(time)} s"


def counted(count: int, one: str, more: str = "") -> str:
    """How many there are: "1 course", "2 courses"; what does not end in "s" for several is given as ``more``."""
    return f"{count} {one if count == 1 else more or one + 's'}"


def _signed(text: str) -> str:
    """With a true minus, and none before a zero."""
    return text.lstrip("-") if not text.strip("-0.") else text.replace("-", MINUS)
