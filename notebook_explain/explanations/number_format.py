"""Numbers as text: rounding, counts, times and shares, as the viewer formats them.

Python rounds halves to the even digit and JavaScript away from zero, so numbers are rounded here as JavaScript rounds them:
1.125 s is "1.13 s" in both.
"""

from __future__ import annotations

import math
from decimal import ROUND_HALF_UP, Context, Decimal

MINUS = "\u2212"
MOST_WHOLE, LEAST_SHORT = 1e5, 1e-4  # beyond them numbers are written with an exponent
_EXACT = Context(prec=400, rounding=ROUND_HALF_UP)  # no float has more digits before its point


def fixed(value: float, digits: int = 2) -> str:
    """Format a number with a fixed number of decimals, halves away from zero: "1.13" for 1.125."""
    if not math.isfinite(value):
        return _signed(str(float(value)))
    return _signed(f"{_EXACT.quantize(Decimal(float(value)), Decimal(1).scaleb(-digits)):f}")


def short(value: float, digits: int = 3) -> str:
    """Format a finite number in at most ``digits`` significant digits: "0.0335", "1", "1234" (never "1230")."""
    value = float(value)
    size = abs(value)
    if size >= MOST_WHOLE or 0 < size < LEAST_SHORT:
        return _signed(f"{value:.{digits - 1}g}")
    whole = math.floor(math.log10(size)) + 1 if size >= 1 else 0
    rounded = Context(prec=max(digits, whole), rounding=ROUND_HALF_UP).create_decimal(Decimal(value))
    return stripped(_signed(f"{rounded:f}"))


def stripped(text: str) -> str:
    """Remove trailing zeros of a number: "0.5" for "0.500"."""
    return text.rstrip("0").rstrip(".") if "." in text else text


def seconds(time: float) -> str:
    """Format a time or a duration: "1.13 s"."""
    return f"{fixed(time)} s"


def percent(share: float, digits: int = 0) -> str:
    """Format a fraction as the viewer does: "93 %", "8.4 %", "under 0.1 %"."""
    if 0 < share < 0.001:
        return "under 0.1 %"
    digits = max(digits, 1 if 0 < share < 0.0995 else 0)
    return f"{math.floor(100 * share * 10**digits + 0.5) / 10**digits:.{digits}f} %"


def signed_percent(share: float) -> str:
    """Format a fraction that may be negative: "−20 %"."""
    return f"{MINUS if share < 0 else ''}{percent(abs(share))}"


def counted(count: int, singular: str, plural: str = "") -> str:
    """Format a count with its noun: "1 frame", "2 frames", "1,024 kernels"; the plural is ``singular + "s"`` by default."""
    return f"{count:,} {singular if count == 1 else plural or singular + 's'}"


def shortened(text: str, limit: int) -> str:
    """Cut the middle out of text that has more than ``limit`` letters."""
    if len(text) <= limit:
        return text
    return f"{text[: (limit - 2) // 2].rstrip()} … {text[len(text) - (limit - 3) // 2 :].lstrip()}"


def _signed(text: str) -> str:
    """Replace the hyphen of a negative number by a minus sign; zero has no sign."""
    return text.lstrip("-") if not text.strip("-0.") else text.replace("-", MINUS)
