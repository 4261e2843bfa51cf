"""Sentences on a pyramid, a row and a unit; the viewer has the same functions, tested with the same examples."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from notebook_explain._errors import UsageError
from notebook_explain.explanations.pyramid.names import NOUNS as NOUNS
from notebook_explain.explanations.pyramid.names import contribution_text as contribution_text
from notebook_explain.explanations.pyramid.names import has_colours as has_colours
from notebook_explain.explanations.pyramid.names import input_name as input_name
from notebook_explain.explanations.pyramid.names import measure_of as measure_of
from notebook_explain.explanations.pyramid.names import noun_of as noun_of
from notebook_explain.explanations.pyramid.names import receptive_field_text as receptive_field_text
from notebook_explain.explanations.pyramid.names import unit_name as unit_name
from notebook_explain.explanations.pyramid.path import strongest_edges
from notebook_explain.explanations.pyramid.units import CLASS, IDENTITY, INPUT, KERNEL, SUM, UNKNOWN, Edge, Row
from notebook_explain.explanations.targets import REGRESSION, TargetResult
from notebook_explain.explanations.text import (
    counted,
    has_named_sides,
    percent,
    quoted_target,
    signed_percent,
    verdict_of,
)

if TYPE_CHECKING:
    from notebook_explain.explanations.pyramid.pyramid import Pyramid

MAX_PATH = 4  # units of the strongest path in a sentence
MAX_INPUTS = 3  # of a unit, for it and against it
LEAST_REST = 0.001  # smaller remainders are not named


def pyramid_sentences(pyramid: Pyramid, kept: Sequence[int]) -> str:
    """Return the verdict, the number of kernels that are kept, and the strongest path from the class to the clip."""
    target = pyramid.target
    head = verdict_of(target)
    kernels = [unit for unit in kept if _row_of(pyramid, unit).kind == KERNEL and pyramid.units[unit].score > 0]
    if not kernels:
        return f"{head}. No kernel carries {_evidence_for(target)} at this threshold."
    rows = {pyramid.units[unit].row for unit in kernels}
    width = counted(sum(pyramid.rows[row].width for row in rows), *NOUNS[KERNEL])
    verb = "carries" if len(kernels) == 1 else "carry"
    path = [unit_name(pyramid, edge.child) for edge in strongest_edges(pyramid, kept)[:MAX_PATH]]
    strongest = f" Strongest path: {', '.join(path)}." if path else ""
    return (
        f"{head}. {len(kernels):,} of {width} in {counted(len(rows), 'layer')} {verb} "
        f"{_evidence_for(target)}.{strongest}"
    )


def _verb(target: TargetResult) -> str:
    return "raises" if target.kind == REGRESSION else "favours"


def _favoured(target: TargetResult) -> str:
    """Return "the class", "the value", "the difference", or "'fake'" of a binary head with two names."""
    if target.against is not None:
        return "the difference"
    return quoted_target(target) if has_named_sides(target) else f"the {noun_of(target)[0]}"


def _evidence_for(target: TargetResult) -> str:
    """Return "evidence for 'wave'", or "evidence that raises 'ESV'"."""
    return f"evidence {'that raises' if target.kind == REGRESSION else 'for'} {quoted_target(target)}"


def row_sentences(pyramid: Pyramid, row: Row, kept: Sequence[int]) -> str:
    """Return how many of a layer's channels are shown, pruned and not in the pyramid, and the evidence that each part carries."""
    shown = set(kept).intersection(row.units)
    head = f"{row.name}: {len(shown):,} of {counted(row.width, *_row_nouns(pyramid, row))}"
    field = _receptive_field_sentence(pyramid, row)
    if row.kind == CLASS:
        return f"{head} explained.{field}"
    pruned, absent = len(row.units) - len(shown), row.width - len(row.units)
    others = [f"{count:,} {what}" for count, what in ((pruned, "pruned"), (absent, "not in this pyramid")) if count > 0]
    opposing = sum(pyramid.units[unit].score == 0 for unit in shown)
    only = "unit only works" if opposing == 1 else "units only work"
    against = f" {opposing:,} shown {only} against units above." if opposing else ""
    total = sum(pyramid.units[unit].score for unit in row.units)
    coverage = row.coverage * sum(pyramid.units[unit].score for unit in shown) / total if total > 0 else 0.0
    shares = [
        f"{'The shown unit carries' if len(shown) == 1 else 'Shown units carry'} {percent(coverage)} of the evidence"
    ]
    shares[0] += " that reaches this layer"
    if pruned:
        shares.append(f"pruned units {percent(row.coverage - coverage)}")
    rest = f" ({', '.join(others)})" if others else ""
    if absent > 0:
        shares.append(f"the others {percent(1 - row.coverage)}")
    return f"{head} shown{rest}.{against} {', '.join(shares)}.{field}"


def _row_nouns(pyramid: Pyramid, row: Row) -> tuple[str, str]:
    """Return the noun of a row's units, one and several."""
    if row.kind == CLASS:
        return noun_of(pyramid.target)
    return NOUNS[SUM if row.kind == INPUT and not has_colours(pyramid) else row.kind]


def unit_sentences(pyramid: Pyramid, unit: int, kept: Sequence[int]) -> str:
    """Return how much evidence a unit carries, which units it feeds, its direction, its inputs and its receptive field.

    Raises
    ------
    ValueError
        No such unit.
    """
    if not 0 <= unit < len(pyramid.units):
        raise UsageError(f"unit {unit} is not in this pyramid; it has 0 to {len(pyramid.units) - 1}")
    name, row, target, shown = unit_name(pyramid, unit), _row_of(pyramid, unit), pyramid.target, set(kept)
    is_single = target.against is None
    inputs = _input_sentence(pyramid, unit, shown)
    if row.kind == CLASS:
        noun = noun_of(target)
        role = f"the explained {noun[0]}" if is_single else f"one of the two explained {noun[1]}"
        return f"{name}, {role}.{inputs}"
    favours = f"{_verb(target)} {_favoured(target)}"
    score, direction = pyramid.units[unit].score, pyramid.units[unit].direction
    more = "Higher" if direction > 0 else "Lower"
    evidence = f"{percent(score)} of the positive" if score > 0 else "no positive"
    stage = "" if direction == pyramid.units[unit].map_direction else " before norm and activation"
    contribution = pyramid.contribution(unit)
    measured = "" if contribution is None else f" ({contribution_text(contribution, measure_of(pyramid))})"
    parents = [edge.parent for edge in pyramid.edges if edge.child == unit]
    pruned = ""
    if parents and shown.isdisjoint(parents):
        pruned = " Its parent was pruned." if len(parents) == 1 else " All its parents were pruned."
    return (
        f"{name} carries {evidence} {_evidence_for(target)}{measured}.{pruned}"
        f"{_output_sentences(pyramid, unit, shown, favours)}"
        f" {more} {'intensity' if row.kind == INPUT else 'output'}{stage} {favours}."
        f"{inputs}{_receptive_field_sentence(pyramid, row)}"
    )


def link_sentence(pyramid: Pyramid, edge: Edge) -> str:
    """Return the two units of a link, its contribution and its share of all positive contributions to the parent."""
    ends = f"{unit_name(pyramid, edge.child)} to {unit_name(pyramid, edge.parent)}"
    if edge.kind == UNKNOWN:
        return f"{ends}: contribution unknown, about {percent(edge.share)} of the positive contributions there."
    number = contribution_text(edge.contribution, measure_of(pyramid))
    note = " (unchanged)" if edge.kind == IDENTITY else ""
    return f"{ends}{note}: {number}, {signed_percent(edge.share)} of the positive contributions there."


def _row_of(pyramid: Pyramid, unit: int) -> Row:
    return pyramid.rows[pyramid.units[unit].row]


def remainder_share(remainder: float, edge: Edge) -> float:
    """Return a unit's remainder as a share like those of its edges, by the ratio of share and contribution of one of them."""
    return remainder * edge.share / edge.contribution


def _output_sentences(pyramid: Pyramid, unit: int, shown: set[int], favours: str) -> str:
    """Name the units that receive and lose most of the evidence by this one, and count the others."""
    edges = [edge for edge in pyramid.edges if edge.child == unit and edge.parent in shown]
    edges.sort(key=lambda edge: (-edge.share * pyramid.units[edge.parent].score, edge.parent))
    fed = [edge for edge in edges if edge.share >= 0]
    harmed = [edge for edge in reversed(edges) if edge.share < 0]
    text = ""
    if fed:
        mostly, others = ("mostly ", _and_others(fed)) if len(fed) > 1 else ("", "")
        note = {IDENTITY: " (unchanged)", UNKNOWN: " (link unknown)"}.get(fed[0].kind, "")
        negative = f" Its contribution there is negative, which {favours}." if fed[0].contribution < 0 else ""
        text += f" It {mostly}feeds {unit_name(pyramid, fed[0].parent)}{note}{others}.{negative}"
    if harmed:
        text += f" It works against {unit_name(pyramid, harmed[0].parent)}{_and_others(harmed)}."
    return text


def _and_others(edges: Sequence[Edge]) -> str:
    return f" and {counted(len(edges) - 1, 'other unit')}" if len(edges) > 1 else ""


def _input_sentence(pyramid: Pyramid, unit: int, shown: set[int]) -> str:
    edges = [edge for edge in pyramid.edges if edge.parent == unit and edge.child in shown]
    edges.sort(key=lambda edge: -edge.share)
    local = " by share of the sum itself" if pyramid.has_local_shares and _row_of(pyramid, unit).kind == SUM else ""
    text = ""
    for start, chosen in (
        (f"Largest inputs{local}", [edge for edge in edges if edge.share >= 0][:MAX_INPUTS]),
        ("Inputs against it", [edge for edge in reversed(edges) if edge.share < 0][:MAX_INPUTS]),
    ):
        listed = (f"{unit_name(pyramid, edge.child)} ({signed_percent(edge.share)})" for edge in chosen)
        text += f" {start}: {', '.join(listed)}." if chosen else ""
    remainder = pyramid.units[unit].remainder
    scaled = [edge for edge in pyramid.edges if edge.parent == unit and edge.contribution and edge.share]
    if not text or not scaled or remainder is None:
        return text
    rest = remainder_share(remainder, max(scaled, key=lambda edge: abs(edge.share)))
    if abs(rest) >= LEAST_REST:
        text += f" All inputs without a link together: {'+' if rest > 0 else ''}{signed_percent(rest)}."
    return text


def _receptive_field_sentence(pyramid: Pyramid, row: Row) -> str:
    field = "" if row.kind == INPUT else receptive_field_text(row, pyramid.clip.size)
    return f" Receptive field: {field}." if field else ""
