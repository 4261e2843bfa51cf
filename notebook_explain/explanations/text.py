"""Sentences for readers: the verdict on a class or a value, and the evidence that a threshold keeps.

The viewer has the same functions in JavaScript; both are tested with the same examples.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal

from notebook_explain.explanations.number_format import LEAST_SHORT as LEAST_SHORT
from notebook_explain.explanations.number_format import MINUS as MINUS
from notebook_explain.explanations.number_format import MOST_WHOLE as MOST_WHOLE
from notebook_explain.explanations.number_format import counted as counted
from notebook_explain.explanations.number_format import fixed as fixed
from notebook_explain.explanations.number_format import percent as percent
from notebook_explain.explanations.number_format import seconds as seconds
from notebook_explain.explanations.number_format import short as short
from notebook_explain.explanations.number_format import shortened as shortened
from notebook_explain.explanations.number_format import signed_percent as signed_percent
from notebook_explain.explanations.number_format import stripped as stripped
from notebook_explain.explanations.targets import BINARY, CLASSES, MULTILABEL, REGRESSION, UNNAMED_VALUE, TargetResult
from notebook_explain.explanations.threshold import Kept, kept

if TYPE_CHECKING:
    from notebook_explain.clip import Clip
    from notebook_explain.explanations.layer_map import LayerMap
    from notebook_explain.explanations.tubes import Tubes

NARROW, ALIKE = 0.1, 0.8  # a smaller difference of two probabilities is "narrow" if their ratio is at least this
LONGEST_NAME, LEGEND_NAME = 80, 24  # letters of a label in a caption, and in a legend
_OTHER: dict[str, Literal["for", "against"]] = {"for": "against", "against": "for"}


def quoted(name: str, against: str | None = None, kind: str = CLASSES) -> str:
    """Quote what is explained: "'wave'", "'wave' rather than 'kick'", "'EDV' minus 'ESV'" for values, "the value"."""
    if against is not None:
        return f"'{name}' {'minus' if kind == REGRESSION else 'rather than'} '{against}'"
    return "the value" if _is_unnamed(name, kind) else f"'{name}'"


def _is_unnamed(name: str, kind: str) -> bool:
    return kind == REGRESSION and name == UNNAMED_VALUE


def quoted_target(result: TargetResult) -> str:
    """Quote the class, the value or the difference of a result."""
    return quoted(result.class_name, result.against_name, result.kind)


def value_text(value: float, unit: str = "", digits: int = 3) -> str:
    """Format a value and its unit: "55.6 ms"."""
    return f"{short(value, digits)} {unit}".rstrip()


def value_of(result: TargetResult) -> str | None:
    """Return the value of a regression with its unit; None for any other kind."""
    return value_text(result.logit, result.unit) if result.kind == REGRESSION else None


def rival_of(result: TargetResult) -> tuple[str, float] | None:
    """Return the best other class and its probability; None if it is unknown, for a difference and for multilabel heads."""
    if result.probability is None or result.kind == MULTILABEL:
        return None
    own = result.name.removeprefix(f"{result.head}: ")
    return next(((label, p) for label, p in result.top5 if label not in (result.name, own)), None)


def has_named_sides(result: TargetResult) -> bool:
    """Return whether evidence against the name of a result is evidence for the other one: of a binary head with two names."""
    return result.kind == BINARY and rival_of(result) is not None


def sides_of(result: TargetResult, limit: int = LONGEST_NAME) -> tuple[str, str]:
    """Return what positive and negative evidence does, for a legend, with names of at most ``limit`` letters.

    Returns
    -------
    positive, negative : str
        "for" and "against"; "raises" and "lowers" for values; "for 'fake'" and "for 'real'" for a binary head with two names.
    """
    if result.kind == REGRESSION:
        return "raises", "lowers"
    rival = rival_of(result)
    if rival is None or result.kind != BINARY:
        return "for", "against"
    return f"for '{shortened(result.name, limit)}'", f"for '{shortened(rival[0], limit)}'"


def colour_legend(result: TargetResult) -> str:
    """Return what the colours of a map mean: "orange: for it, blue: against it"."""
    it = "" if has_named_sides(result) else " it"
    positive, negative = sides_of(result, LEGEND_NAME)
    return f"orange: {positive}{it}, blue: {negative}{it}"


def layer_phrase(layer: LayerMap, *details: str) -> str:
    """Name a map in a sentence, and its details in brackets; no word twice: "layer stem", "layer4.1 (block)", "sharp map"."""
    name = layer.name
    words = [
        text for text in details if text.lower() != name.lower() and not name.lower().startswith(f"{text.lower()} ")
    ]
    named = name if layer.is_of_clip or name.lower().startswith("layer") else f"layer {name}"
    return f"{named} ({', '.join(words)})" if words else named


def totals_words(layer: LayerMap, target: int, result: TargetResult) -> str:
    """Return "evidence +5.92 for and −0.41 against, score 5.52"; "" for a map that holds no evidence."""
    if layer.quantity != "evidence":
        return ""
    (raising, lowering), (positive, negative) = sides_of(result, LEGEND_NAME), layer.totals(target)
    plus = "+" if positive > 0 else ""
    return f"evidence {plus}{short(positive)} {raising} and {short(negative)} {lowering}, score {short(result.logit)}"


def verdict(
    name: str,
    probability: float | None,
    rival: tuple[str, float] | None = None,
    against: str | None = None,
    *,
    kind: str = CLASSES,
    value: str | None = None,
    region: str = "",
) -> str:
    """Return "'wave' 93 %, ahead of 'clap' 4.0 %"; "'wave' rather than 'kick'" for a difference; "'ESV' 55.6 ml" for a value.

    Parameters
    ----------
    name, probability, rival, against
        As for `in_words`.
    kind : str
        Kind of the head.
    value : str, optional
        Value of a regression with its unit.
    region : str
        Where the score was taken, in a dense network: "frames 11 to 20".
    """
    place = f", in {region}" if region else ""
    if kind == REGRESSION:
        named = "" if value is not None and against is None and _is_unnamed(name, kind) else quoted(name, against, kind)
        return f"{named} {value or ''}".strip() + place
    if probability is None:
        return quoted(name, against) + place
    head = f"{quoted(name)} {percent(probability)}"
    if rival is None:
        return head + place
    other, rival_probability = rival
    smaller, larger = sorted((probability, rival_probability))
    close = "narrowly " if larger - smaller < NARROW and smaller >= ALIKE * larger else ""
    order = "ahead of" if probability >= rival_probability else "behind"
    return f"{head}, {close}{order} {quoted(other)} {percent(rival_probability)}{place}"


def verdict_of(result: TargetResult, limit: int | None = None) -> str:
    """Return `verdict` of a result, with labels of at most ``limit`` letters."""
    return verdict(**_described(result, limit))


def _described(result: TargetResult, limit: int | None) -> dict[str, Any]:
    """Return the arguments of `verdict` for a result, with labels of at most ``limit`` letters."""

    def cut(label: str) -> str:
        return label if limit is None else shortened(label, limit)

    rival = rival_of(result)
    return {
        "name": cut(result.class_name),
        "probability": result.probability,
        "rival": None if rival is None else (cut(rival[0]), rival[1]),
        "against": None if result.against_name is None else cut(result.against_name),
        "kind": result.kind,
        "value": value_of(result),
        "region": result.region,
    }


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
    *,
    kind: str = CLASSES,
    value: str | None = None,
    region: str = "",
    opposite: Kept | None = None,
) -> str:
    """Describe a class or a value, and the evidence that a threshold keeps.

    "'kick' 72 %, ahead of 'jog' 12 %. 20 % of the clip, at lower left, mostly frames 6 to 13 (0.20 to 0.48 s), holds 57 %
    of the evidence for 'kick'." "55.6 ms. Raised by 20 % of the clip, at lower left, mostly frames 6 to 13: 57 % of the
    evidence that raises it." Sentences count frames from 1, as the viewer does; ``clip.frames[5]`` is frame 6.

    Parameters
    ----------
    name : str
        The class; the first class of a difference.
    probability : float or None
        None for a difference of two classes, and for a value.
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
    kind, value, region
        As for `verdict`.
    opposite : Kept, optional
        Evidence kept of the other side, for a second sentence.
    """
    head = verdict(name, probability, rival, against, kind=kind, value=value, region=region)
    rival_name = None if rival is None else rival[0]
    words = _Sides.of(name, against, kind, rival_name)
    sentence = _kept_sentence(found, frames, side, words, times, quantity)
    if opposite is not None:
        plain = replace(opposite, against=0.0)  # the first sentence says which side has most
        sentence += " " + _kept_sentence(plain, frames, _OTHER[side], words, times, quantity)
    return f"{head}. {sentence}"


def kept_in_words(
    result: TargetResult,
    found: Kept,
    clip: Clip,
    *,
    limit: int | None = None,
    quantity: str = "evidence",
    opposite: Kept | None = None,
) -> str:
    """Return `in_words` of a result, with labels of at most ``limit`` letters: a caption must have room for the numbers."""
    return in_words(
        found=found,
        frames=len(clip),
        times=None if clip.times is None else clip.times.tolist(),
        quantity=quantity,
        opposite=opposite,
        **_described(result, limit),
    )


def tubes_in_words(
    tubes: Tubes, threshold: float, layer: str | int | None = None, target: int = 0, limit: int | None = None
) -> str:
    """Return the sentences of `Tubes.in_words`, with labels of at most ``limit`` letters; both sides of a value."""
    result, quantity = tubes.targets[target], tubes.layer(layer).quantity
    found, opposite = tubes.kept(threshold, layer, target), None
    if result.kind == REGRESSION and quantity == "evidence":
        opposite = kept(-tubes.volume(layer, target), tubes.layer(layer).peak(target), threshold)
    return kept_in_words(result, found, tubes.clip, limit=limit, quantity=quantity, opposite=opposite)


def caption_sentence(tubes: Tubes, threshold: float, layer: str | int | None = None, target: int = 0) -> str:
    """Return the sentences of `Tubes.in_words` with labels shortened to `LONGEST_NAME` letters."""
    return tubes_in_words(tubes, threshold, layer, target, LONGEST_NAME)


@dataclass(frozen=True)
class _Sides:
    """Words for the evidence on either side: "for 'wave'", "that raises it"; and for what most of the evidence does."""

    of_evidence: dict[str, str]
    of_most: dict[str, str]
    is_value: bool

    @classmethod
    def of(cls, name: str, against: str | None, kind: str, rival: str | None) -> _Sides:
        target = "this difference" if against is not None else "it" if _is_unnamed(name, kind) else quoted(name)
        if kind == REGRESSION:
            verbs = {"for": f"raises {target}", "against": f"lowers {target}"}
            return cls({side: f" that {verb}" for side, verb in verbs.items()}, verbs, True)
        sides = {"for": f"for {target}", "against": f"against {target}"}
        if kind == BINARY and rival is not None and against is None:
            sides["against"] = f"for {quoted(rival)}"
        return cls(
            {side: f" {words}" for side, words in sides.items()},
            {side: f"is {words}" for side, words in sides.items()},
            False,
        )


def _kept_sentence(
    found: Kept,
    frames: int,
    side: Literal["for", "against"],
    words: _Sides,
    times: Sequence[float] | None,
    quantity: str,
) -> str:
    most = f" Most of the {quantity} {words.of_most[_OTHER[side]]}." if found.against > 0.5 else ""
    is_shared = quantity == "attention"  # by every class
    whose = "" if is_shared else words.of_evidence[side]
    if found.frames is None:
        return f"No {quantity}{whose} at this threshold.{most}"
    volume, share = percent(found.volume), percent(found.evidence)
    where = f"{found.place}, {_when(found, frames, times)}"
    if words.is_value and not is_shared:
        verb = "Raised" if side == "for" else "Lowered"
        return f"{verb} by {volume} of the clip, {where}: {share} of the {quantity}{whose}.{most}"
    return (
        f"{volume[0].upper()}{volume[1:]} of the clip, {where}, "
        f"holds {share} of the {quantity}{', whatever the class' if is_shared else whose}.{most}"
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
