"""How numbers are written for people: rounded as the viewer rounds, with a true minus sign, and things counted.

Python rounds halves to the even digit, the viewer away from zero: 1.125 s must not be "1.12" here and "1.13" there.
"""

from __future__ import annotations

import math
from decimal import ROUND_HALF_UP, Context, Decimal
from typing import Literal

from notebook_explain.explanations.targets import TargetResult
from notebook_explain.explanations.threshold import Kept

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


NARROW = 0.1  # two probabilities closer than this are said to be close


def rival_of(result: TargetResult) -> tuple[str, float] | None:
    """The best class but for the one explained, with its probability; None where that is unknown or no single class."""
    if result.probability is None:
        return None
    own = result.name.removeprefix(f"{result.head}: ")
    return next(((label, p) for label, p in result.top5 if label not in (result.name, own)), None)


def in_words(
    name: str,
    probability: float | None,
    found: Kept,
    frames: int,
    rival: tuple[str, float] | None = None,
    side: Literal["for", "against"] = "for",
) -> str:
    """One sentence for people.

    "'wave' 93 %, ahead of 'clap' 4.0 %: 71 % of the evidence for it in 8.0 % of the clip, frames 5 to 11 of 16, upper left".

    Parameters
    ----------
    name : str
    probability : float or None
        None for a difference of two classes.
    found : Kept
        Of the map; of the map with its sign turned, where ``side`` is "against".
    frames : int
        Length of the clip.
    rival : (name, probability), optional
        The best of the other classes.
    side : "for" or "against"
    """
    other = {"for": "against", "against": "for"}[side]
    most = f"; most of the evidence is {other} it" if found.against > 0.5 else ""
    head = verdict(name, probability, rival)
    if found.frames is None:
        return f"{head}: no evidence {side} it at this threshold{most}"
    return (
        f"{head}: {percent(found.evidence)} of the evidence {side} it in {percent(found.volume)} of the clip, "
        f"{_when(found, frames)}, {found.place}{most}"
    )


def verdict(name: str, probability: float | None, rival: tuple[str, float] | None) -> str:
    """How sure the network is of a class, and of the best of the others."""
    if probability is None:
        return f"'{name}'"
    head = f"'{name}' {percent(probability)}"
    if rival is None:
        return head
    other, theirs = rival
    close = "narrowly " if abs(probability - theirs) < NARROW else ""
    return f"{head}, {close}{'ahead of' if probability >= theirs else 'behind'} '{other}' {percent(theirs)}"


def _when(found: Kept, frames: int) -> str:
    (first, last), core = found.frames or (0, 0), found.core
    length = last - first + 1
    when = f"frame {first + 1}" if length == 1 else f"frames {first + 1} to {last + 1}"
    if core is None or length < 4 or core[1] - core[0] + 1 > 0.6 * length:
        return f"{when} of {frames}"
    mostly = f"{core[0] + 1}" if core[0] == core[1] else f"{core[0] + 1} to {core[1] + 1}"
    return f"{when} of {frames} (mostly {mostly})"


def percent(share: float, digits: int = 0) -> str:
    """A share as people read it: "93 %", "8.4 %", "under 0.1 %"; the viewer says it alike."""
    if 0 < share < 0.001:
        return "under 0.1 %"
    digits = max(digits, 1 if 0 < share < 0.0995 else 0)
    return f"{math.floor(100 * share * 10**digits + 0.5) / 10**digits:.{digits}f} %"


LONGEST_NAME = 80  # letters of a label, where there is room for a sentence only


def shortened(text: str, most: int) -> str:
    """A text of at most so many letters, its middle left out."""
    if len(text) <= most:
        return text
    return f"{text[: (most - 2) // 2].rstrip()} … {text[len(text) - (most - 3) // 2 :].lstrip()}"
