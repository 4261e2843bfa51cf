"""Concepts in sentences, and as a table in plain text."""

from __future__ import annotations

from typing import TYPE_CHECKING

from notebook_explain.explanations.concepts.concept import Concept, Effect, Refusal
from notebook_explain.explanations.number_format import counted, fixed, percent, short
from notebook_explain.explanations.text import quoted_target

if TYPE_CHECKING:
    from notebook_explain.explanations.concepts.concepts import Concepts

SIGNIFICANT = 0.05  # largest q of an effect that is not called chance
_WITHOUT = {
    "blur": "Blurring it",
    "freeze": "Freezing it",
    "mean": "Replacing it by the mean colour",
    "grey": "Greying it",
}
QUESTIONS = {  # that each fill answers
    "blur": "What if it were not there?",
    "freeze": "What if it stood still?",
    "mean": "What if it had the mean colour?",
    "grey": "What if it were grey?",
}
_REFUSED = {Refusal.CONSTANT_GRADIENT: "refused: the gradient is the same for every clip"}


def concepts_in_words(concepts: Concepts, most: int) -> str:
    """Return sentences on the concepts that the network uses most."""
    target, count = quoted_target(concepts.results[0]), counted(len(concepts.clips), "clip")
    if not concepts.fills:
        return f"{counted(len(concepts), 'concept')} in {count} of {target}; their effects were not measured."
    used = [concept for concept in concepts if concept.effects[0].q <= SIGNIFICANT]
    if not used:
        return f"No concept of {target} has an effect beyond chance (q at most {SIGNIFICANT}) in {count}."
    sentences = [_sentence(concept, len(concepts.clips)) for concept in used[:most]]
    rest = len(used) - len(sentences)
    end = [f"{rest} more of {len(concepts)} have an effect beyond chance."] if rest else []
    return " ".join([f"Concepts that the network uses for {target}, in {count}:", *sentences, *end])


def _sentence(concept: Concept, clips: int) -> str:
    effect = concept.effects[0]
    change = "lowers" if effect.value >= 0 else "raises"
    where = sum(share > 0 for share in concept.presence)
    return (
        f"{concept.name!r} ({percent(concept.volume)} of the clip, in {where} of {clips}). {_WITHOUT[effect.fill]} {change} "
        f"the score by {short(abs(effect.value), 2)} per 1 % of the clip ({short(effect.low, 2)} to "
        f"{short(effect.high, 2)}; q = {short(effect.q, 2)})."
    )


def concepts_report(concepts: Concepts) -> str:
    """Return a table of every concept, and what is known of all of them."""
    fills = concepts.fills
    effects = [f"{fill} (95 %)" for fill in fills]
    header = ["concept", *(part for effect in effects for part in (effect, "p", "q", "change")), "evidence", "per 1 %"]
    header += ["volume", "clips", "TCAV", "magnitude", "p", "accuracy"]
    rows = [header, *(_row(concept) for concept in concepts)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(header))]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
    top = [
        f"Concepts of {quoted_target(concepts.results[0])}: {counted(len(concepts.clips), 'clip')}, {concepts.units} "
        f"of layer {concepts.layer}, {concepts.model_name}",
        f"stability over seeds (adjusted Rand index): {fixed(concepts.stability)}",
        "effect: fall of the margin per 1 % of the clip; change: of the clip, without any model",
    ]
    refused = {concept.tcav.reason for concept in concepts if concept.tcav is not None and concept.tcav.reason}
    notes = [f"TCAV sign fraction {_REFUSED[reason]}" for reason in refused] + [*concepts.caveats]
    return "\n".join([*top, "", *lines, *([""] if notes else []), *notes])


def _row(concept: Concept) -> list[str]:
    tcav = concept.tcav
    sensitivity = ["", "", "", ""]
    if tcav is not None:
        fraction = "refused" if tcav.fraction is None else fixed(tcav.fraction)
        sensitivity = [fraction, short(tcav.magnitude), fixed(tcav.p, 3), fixed(tcav.accuracy)]
    present = sum(share > 0 for share in concept.presence)
    return [
        concept.name,
        *(cell for effect in concept.effects for cell in _effect_cells(effect)),
        short(concept.evidence),
        short(concept.density),
        percent(concept.volume),
        str(present),
        *sensitivity,
    ]


def _effect_cells(effect: Effect) -> list[str]:
    interval = f"{fixed(effect.value, 3)} ({fixed(effect.low, 3)} to {fixed(effect.high, 3)})"
    return [interval, fixed(effect.p, 3), fixed(effect.q, 3), short(effect.change)]
