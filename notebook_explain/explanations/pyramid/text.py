"""Sentences on a pyramid, a row and a unit; the viewer has the same functions, tested with the same examples."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from notebook_explain._errors import UsageError
from notebook_explain.explanations.pyramid.units import CLASS, COLOURS, IDENTITY, INPUT, KERNEL, SUM, UNKNOWN, Edge, Row
from notebook_explain.explanations.text import MINUS, counted, percent, quoted, quoted_target, rival_of, verdict

if TYPE_CHECKING:
    from notebook_explain.explanations.pyramid.pyramid import Pyramid

MAX_PATH = 4  # units of the strongest path in a sentence
MAX_INPUTS = 3  # of a unit, for it and against it
LEAST_REST = 0.001  # smaller remainders are not named
_NOUNS = {
    KERNEL: ("kernel", "kernels"),
    SUM: ("channel", "channels"),
    CLASS: ("class", "classes"),
    INPUT: ("colour", "colours"),
}


def pyramid_sentences(pyramid: Pyramid, kept: Sequence[int]) -> str:
    """Return the verdict, the number of kernels that are kept, and the strongest path from the class to the clip."""
    target = pyramid.target
    head = verdict(target.class_name, target.probability, rival_of(target), target.against_name)
    kernels = [unit for unit in kept if _row_of(pyramid, unit).kind == KERNEL and pyramid.units[unit].score > 0]
    if not kernels:
        return f"{head}. No kernel carries evidence for {quoted_target(target)} at this threshold."
    rows = {pyramid.units[unit].row for unit in kernels}
    width = counted(sum(pyramid.rows[row].width for row in rows), *_NOUNS[KERNEL])
    verb = "carries" if len(kernels) == 1 else "carry"
    path = [unit_name(pyramid, unit) for unit in strongest_path(pyramid, kept)[:MAX_PATH]]
    strongest = f" Strongest path: {', '.join(path)}." if path else ""
    return (
        f"{head}. {len(kernels):,} of {width} in {counted(len(rows), 'layer')} {verb} evidence for "
        f"{quoted_target(target)}.{strongest}"
    )


def row_sentences(pyramid: Pyramid, row: Row, kept: Sequence[int]) -> str:
    """Return how many of a layer's channels are shown, how much evidence they carry, and their receptive field."""
    shown = set(kept).intersection(row.units)
    nouns = _NOUNS[SUM if row.kind == INPUT and not has_colours(pyramid) else row.kind]
    text = f"{row.name}: {len(shown):,} of {counted(row.width, *nouns)}."
    opposing = sum(pyramid.units[unit].score == 0 for unit in shown)
    if opposing:
        text += f" {opposing:,} of them only work{'s' if opposing == 1 else ''} against units above."
    if row.kind != CLASS:
        total = sum(pyramid.units[unit].score for unit in row.units)
        carried = sum(pyramid.units[unit].score for unit in row.units if unit in shown)
        coverage = row.coverage * carried / total if total > 0 else 0.0
        text += (
            f" Shown units carry {percent(coverage)} of the evidence that reaches this layer, "
            f"the others {percent(1 - coverage)}."
        )
    return text + _receptive_field_sentence(pyramid, row)


def unit_sentences(pyramid: Pyramid, unit: int, kept: Sequence[int]) -> str:
    """Return how much evidence a unit carries, which units it feeds, its direction, its inputs and its receptive field.

    Raises
    ------
    ValueError
        No such unit.
    """
    if not 0 <= unit < len(pyramid.units):
        raise UsageError(f"unit {unit} is not in this pyramid; it has 0 to {len(pyramid.units) - 1}")
    name, row, target = unit_name(pyramid, unit), _row_of(pyramid, unit), quoted_target(pyramid.target)
    shown, is_class = set(kept), pyramid.target.against is None
    inputs = _input_sentence(pyramid, unit, shown)
    if row.kind == CLASS:
        role = "the explained class" if is_class else "one of the two explained classes"
        return f"{name}, {role}.{inputs}"
    favoured = "the class" if is_class else "the difference"
    score, direction = pyramid.units[unit].score, pyramid.units[unit].direction
    more = "Higher" if direction > 0 else "Lower"
    evidence = f"{percent(score)} of the positive" if score > 0 else "no positive"
    stage = "" if direction == pyramid.units[unit].map_direction else " before norm and activation"
    return (
        f"{name} carries {evidence} evidence for {target}."
        f"{_output_sentences(pyramid, unit, shown, favoured)}"
        f" {more} {'intensity' if row.kind == INPUT else 'output'}{stage} favours {favoured}."
        f"{inputs}{_receptive_field_sentence(pyramid, row)}"
    )


def unit_name(pyramid: Pyramid, unit: int) -> str:
    """Return the name of a unit: "kernel 17 of layer2.conv1", "kernel 1 of layer 3", "red of the clip", "'wave'"."""
    row, channel, target = _row_of(pyramid, unit), pyramid.units[unit].channel, pyramid.target
    if row.kind == CLASS:
        if target.against is None:
            return quoted(target.name)
        names = {target.against: target.against_name, target.index: target.class_name}
        label = names.get(channel) if target.against_name is not None else None
        return f"class {channel}" if label is None else quoted(label)
    if row.kind == INPUT:
        return f"{input_name(pyramid, channel)} of the {row.name}"
    layer = f"layer {row.name}" if row.name[:1].isdecimal() else row.name
    return f"{_NOUNS[row.kind][0]} {channel} of {layer}"


def has_colours(pyramid: Pyramid) -> bool:
    """Return whether the channels of the network's input are red, green and blue."""
    widths = {row.width for row in pyramid.rows if row.kind == INPUT}
    return pyramid.clip.values is None and 1 not in widths


def input_name(pyramid: Pyramid, channel: int) -> str:
    """Return the name of a channel of the network's input: "red", "grey", "channel 12"."""
    if pyramid.clip.values is not None:
        return f"channel {channel}"
    if not has_colours(pyramid):
        return "grey"
    return COLOURS[channel] if channel < len(COLOURS) else str(channel)


def receptive_field_text(row: Row, size: tuple[int, int, int]) -> str:
    """Return a row's receptive field within a clip of (time, height, width), "3 frames, 9x9 pixels"; "" if unknown."""
    if row.receptive_field is None:
        return ""
    time, height, width = (min(extent, limit) for extent, limit in zip(row.receptive_field, size, strict=True))
    if (time, height, width) == size:
        return "the whole clip"
    frames = "all frames" if time == size[0] > 1 else counted(time, "frame")
    return f"{frames}, {'the whole picture' if (height, width) == size[1:] else f'{height}x{width} pixels'}"


def strongest_path(pyramid: Pyramid, kept: Sequence[int]) -> list[int]:
    """Follow the largest share from the class down, within the kept units; the class is not part of the path."""
    shown = set(kept)
    best: dict[int, Edge] = {}
    for edge in pyramid.edges:
        if edge.child in shown and edge.share > 0 and (edge.parent not in best or edge.share > best[edge.parent].share):
            best[edge.parent] = edge
    unit = next((unit for unit in kept if _row_of(pyramid, unit).kind == CLASS), -1)
    path: list[int] = []
    while unit in best:
        unit = best[unit].child
        path.append(unit)
    return path


def _row_of(pyramid: Pyramid, unit: int) -> Row:
    return pyramid.rows[pyramid.units[unit].row]


def remainder_share(remainder: float, edge: Edge) -> float:
    """Return a unit's remainder as a share like those of its edges, by the ratio of share and contribution of one of them."""
    return remainder * edge.share / edge.contribution


def _output_sentences(pyramid: Pyramid, unit: int, shown: set[int], favoured: str) -> str:
    """Name the units that receive and lose most of the evidence by this one, and count the others."""
    edges = [edge for edge in pyramid.edges if edge.child == unit and edge.parent in shown]
    edges.sort(key=lambda edge: (-edge.share * pyramid.units[edge.parent].score, edge.parent))
    fed = [edge for edge in edges if edge.share >= 0]
    harmed = [edge for edge in reversed(edges) if edge.share < 0]
    text = ""
    if fed:
        mostly, others = ("mostly ", _and_others(fed)) if len(fed) > 1 else ("", "")
        note = {IDENTITY: " (unchanged)", UNKNOWN: " (link unknown)"}.get(fed[0].kind, "")
        negative = f" Its contribution there is negative, which favours {favoured}." if fed[0].contribution < 0 else ""
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
        listed = (f"{unit_name(pyramid, edge.child)} ({_signed_percent(edge.share)})" for edge in chosen)
        text += f" {start}: {', '.join(listed)}." if chosen else ""
    remainder = pyramid.units[unit].remainder
    scaled = [edge for edge in pyramid.edges if edge.parent == unit and edge.contribution and edge.share]
    if not text or not scaled or remainder is None:
        return text
    rest = remainder_share(remainder, max(scaled, key=lambda edge: abs(edge.share)))
    if abs(rest) >= LEAST_REST:
        text += f" All inputs without a link together: {'+' if rest > 0 else ''}{_signed_percent(rest)}."
    return text


def _signed_percent(share: float) -> str:
    return f"{MINUS if share < 0 else ''}{percent(abs(share))}"


def _receptive_field_sentence(pyramid: Pyramid, row: Row) -> str:
    field = "" if row.kind == INPUT else receptive_field_text(row, pyramid.clip.size)
    return f" Receptive field: {field}." if field else ""
