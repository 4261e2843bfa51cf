"""Numbers and sentences for readers: rounding, counts, the verdict on a class, and the evidence that a threshold keeps.

The viewer has the same functions in JavaScript; both are tested with the same examples. Python rounds halves to the even
digit and JavaScript away from zero, so numbers are rounded here as JavaScript rounds them: 1.125 s is "1.13 s" in both.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from decimal import ROUND_HALF_UP, Context, Decimal
from typing import TYPE_CHECKING, Literal

from notebook_explain.explanations.targets import TargetResult
from notebook_explain.explanations.threshold import Kept

if TYPE_CHECKING:
    from notebook_explain.clip import Clip
    from notebook_explain.explanations.tubes import Tubes

MINUS = "\u2212"
_EXACT = Context(prec=400, rounding=ROUND_HALF_UP)  # no float has more digits before its point
MOST_WHOLE, LEAST_SHORT = 1e5, 1e-4  # beyond them numbers are written with an exponent
NARROW, ALIKE = 0.1, 0.8  # a smaller difference of two probabilities is "narrow" if their ratio is at least this
LONGEST_NAME = 80  # letters of a label in a caption

# Numbers


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


# Sentences


def quoted(name: str, against: str | None = None) -> str:
    """Quote what is explained: "'wave'", or "'wave' rather than 'kick'" for a difference of two classes."""
    return f"'{name}'" if against is None else f"'{name}' rather than '{against}'"


def quoted_target(result: TargetResult) -> str:
    """Quote the class, or the difference of classes, of a result."""
    return quoted(result.class_name, result.against_name)


def rival_of(result: TargetResult) -> tuple[str, float] | None:
    """Return the best other class and its probability; None if it is unknown, and for a difference of classes."""
    if result.probability is None:
        return None
    own = result.name.removeprefix(f"{result.head}: ")
    return next(((label, p) for label, p in result.top5 if label not in (result.name, own)), None)


def verdict(
    name: str, probability: float | None, rival: tuple[str, float] | None = None, against: str | None = None
) -> str:
    """Return "'wave' 93 %, ahead of 'clap' 4.0 %"; "'wave' rather than 'kick'" for a difference of classes."""
    if probability is None:
        return quoted(name, against)
    head = f"{quoted(name)} {percent(probability)}"
    if rival is None:
        return head
    other, rival_probability = rival
    smaller, larger = sorted((probability, rival_probability))
    close = "narrowly " if larger - smaller < NARROW and smaller >= ALIKE * larger else ""
    order = "ahead of" if probability >= rival_probability else "behind"
    return f"{head}, {close}{order} {quoted(other)} {percent(rival_probability)}"


def in_words(
    name: str,
    probability: float | None,
    found: Kept,
    frames: int,
    rival: tuple[str, float] | None = None,
    side: Literal["for", "against"] = "for",
    against: str | None = None,
    times: Sequence[float] | None = None,
    quantity: str = "evidence",
) -> str:
    """Describe a class and the evidence that a threshold keeps.

    "'kick' 72 %, ahead of 'jog' 12 %. 20 % of the clip, at lower left, mostly frames 6 to 13 (0.20 to 0.48 s), holds 57 %
    of the evidence for 'kick'." Sentences count frames from 1, as the viewer does; ``clip.frames[5]`` is frame 6.

    Parameters
    ----------
    name : str
        The class; the first class of a difference.
    probability : float or None
        None for a difference of two classes.
    found : Kept
        Evidence kept of the map, or of the negated map if ``side`` is "against".
    frames : int
        Length of the clip.
    rival : (name, probability), optional
        The best other class.
    side : "for" or "against"
    against : str, optional
        The second class of a difference.
    times : sequence of float (time,), optional
        Time of each frame in seconds, as ``Clip.times``; without them, only frame numbers are given.
    quantity : str
        What the map holds: "evidence", "relevance", or "attention", which is the same for every class.
    """
    target = quoted(name) if against is None else "this difference"
    return (
        f"{verdict(name, probability, rival, against)}. {_kept_sentence(found, frames, side, target, times, quantity)}"
    )


def kept_in_words(
    result: TargetResult, found: Kept, clip: Clip, *, limit: int | None = None, quantity: str = "evidence"
) -> str:
    """Return `in_words` of a result, with labels of at most ``limit`` letters: a caption must have room for the numbers."""

    def cut(label: str) -> str:
        return label if limit is None else shortened(label, limit)

    rival = rival_of(result)
    return in_words(
        cut(result.class_name),
        result.probability,
        found,
        len(clip),
        None if rival is None else (cut(rival[0]), rival[1]),
        against=None if result.against_name is None else cut(result.against_name),
        times=None if clip.times is None else clip.times.tolist(),
        quantity=quantity,
    )


def caption_sentence(tubes: Tubes, threshold: float, layer: str | int | None = None, target: int = 0) -> str:
    """Return the sentence of `Tubes.in_words` with labels shortened to `LONGEST_NAME` letters."""
    found = tubes.kept(threshold, layer, target)
    quantity = tubes.layer(layer).quantity
    return kept_in_words(tubes.targets[target], found, tubes.clip, limit=LONGEST_NAME, quantity=quantity)


def _kept_sentence(
    found: Kept,
    frames: int,
    side: Literal["for", "against"],
    target: str,
    times: Sequence[float] | None,
    quantity: str,
) -> str:
    opposite = {"for": "against", "against": "for"}[side]
    most = f" Most of the {quantity} is {opposite} {target}." if found.against > 0.5 else ""
    is_shared = quantity == "attention"  # by every class
    whose = "" if is_shared else f" {side} {target}"
    if found.frames is None:
        return f"No {quantity}{whose} at this threshold.{most}"
    volume = percent(found.volume)
    return (
        f"{volume[0].upper()}{volume[1:]} of the clip, {found.place}, {_when(found, frames, times)}, "
        f"holds {percent(found.evidence)} of the {quantity}{', whatever the class' if is_shared else whose}.{most}"
    )


def _when(found: Kept, frames: int, times: Sequence[float] | None) -> str:
    (first, last), core = found.frames or (0, 0), found.core
    length = last - first + 1
    if core is not None and length >= 4 and core[1] - core[0] + 1 <= 0.6 * length:
        return f"mostly {_frame_range(*core, times)}"
    return f"in all {frames} frames" if 1 < length == frames else f"in {_frame_range(first, last, times)}"


def _frame_range(first: int, last: int, times: Sequence[float] | None) -> str:
    """Return "frame 5" or "frames 5 to 11", counted from 1, and their times: "frames 5 to 11 (0.16 to 0.40 s)"."""
    number = f"frame {first + 1}" if first == last else f"frames {first + 1} to {last + 1}"
    if times is None:
        return number
    return f"{number} ({'' if first == last else f'{fixed(times[first])} to '}{seconds(times[last])})"
