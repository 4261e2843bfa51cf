"""A pyramid, a row, a unit in words: what it is, how much evidence it carries, and how much of the clip it sees."""

from __future__ import annotations

from typing import TYPE_CHECKING

from notebook_explain._errors import UsageError
from notebook_explain.explanations.pyramid.units import CLASS, COLOURS, INPUT, KERNEL, SUM, Edge, Row
from notebook_explain.explanations.text import percent, rival_of, verdict

if TYPE_CHECKING:
    from notebook_explain.explanations.pyramid.pyramid import Pyramid

WAY = 4  # units of a way that a sentence has room for


def of_pyramid(pyramid: Pyramid, stays: tuple[int, ...]) -> str:
    """How many units in how many layers stay, and the strongest way down from the class."""
    target = pyramid.target
    kernels = [at for at in stays if pyramid.rows[pyramid.units[at].row].kind == KERNEL]
    layers = {pyramid.units[at].row for at in kernels}
    width = sum(pyramid.rows[at].width for at in layers)
    head = verdict(target.name, target.probability, rival_of(target))
    if not kernels:
        return f"{head}: no kernel speaks for it at this threshold"
    found = f"{_count(len(kernels), 'kernel')} of {width:,} in {_count(len(layers), 'layer')} inform it"
    way = [name_of(pyramid, at) for at in strongest_way(pyramid, stays)[:WAY]]
    return f"{head}: {found}" + (f"; the strongest way down: {', '.join(way)}" if way else "")


def of_unit(pyramid: Pyramid, at: int) -> str:
    """What a unit is, how much of the evidence reaches it, what it sees, and whom it feeds."""
    if not 0 <= at < len(pyramid.units):
        raise UsageError(f"unit {at} is not in this pyramid; it has 0 to {len(pyramid.units) - 1}")
    unit = pyramid.units[at]
    row = pyramid.rows[unit.row]
    if row.kind == CLASS:
        return f"{name_of(pyramid, at)}: what is explained"
    said = [f"{percent(unit.score, 1)} of the positive evidence for {pyramid.target.name!r} reaches it"]
    if unit.direction < 0:
        said.append("less of it speaks for the class")
    seen = sees(row, pyramid.clip.size)
    if seen and row.kind != INPUT:
        said.append(f"one cell of it sees {seen}")
    feeds = sorted((e for e in pyramid.edges if e.child == at), key=lambda e: -e.share)
    if feeds:
        more = f" and {len(feeds) - 1} more" if len(feeds) > 1 else ""
        said.append(f"it feeds {name_of(pyramid, feeds[0].parent)}{more}")
    return f"{name_of(pyramid, at)}: {'; '.join(said)}"


def of_row(pyramid: Pyramid, row: Row) -> str:
    """How many of a layer's channels are shown, how much they carry, what they see."""
    what = {KERNEL: "kernel", SUM: "channel", CLASS: "class", INPUT: "colour"}[row.kind]
    said = [f"{row.name}: {len(row.units):,} of {_count(row.width, what)}"]
    if row.kind != CLASS:
        said.append(f"{percent(row.coverage)} of what leads here")
    seen = sees(row, pyramid.clip.size)
    if seen and row.kind != INPUT:
        said.append(f"a cell sees {seen}")
    return ", ".join(said)


def sees(row: Row, size: tuple[int, int, int]) -> str:
    """The receptive field within a clip of (time, height, width); "" where it is not known."""
    if row.receptive_field is None:
        return ""
    time, height, width = (min(field, whole) for field, whole in zip(row.receptive_field, size, strict=True))
    if (time, height, width) == size:
        return "the whole clip"
    frames = "all frames" if time == size[0] > 1 else _count(time, "frame")
    where = "the whole picture" if (height, width) == size[1:] else f"{height}x{width} pixels"
    return f"{frames}, {where}"


def name_of(pyramid: Pyramid, at: int) -> str:
    """What a unit is called."""
    unit = pyramid.units[at]
    row = pyramid.rows[unit.row]
    if row.kind == CLASS:
        return f"class {unit.channel}" if pyramid.target.against is not None else repr(pyramid.target.name)
    if row.kind == INPUT:
        return f"{COLOURS[unit.channel] if unit.channel < len(COLOURS) else unit.channel} of the {row.name}"
    return f"{'channel' if row.kind == SUM else 'kernel'} {unit.channel} of {row.name}"


def strongest_way(pyramid: Pyramid, stays: tuple[int, ...]) -> list[int]:
    """From the class down, each time the child that the unit above has most from; classes are left out."""
    kept = set(stays)
    children: dict[int, Edge] = {}
    for edge in pyramid.edges:
        best = children.get(edge.parent)
        if edge.child in kept and (best is None or edge.share > best.share):
            children[edge.parent] = edge
    at = next((at for at in stays if pyramid.rows[pyramid.units[at].row].kind == CLASS), -1)
    way: list[int] = []
    while at in children:
        at = children[at].child
        way.append(at)
    return way


def _count(count: int, what: str) -> str:
    many = "classes" if what == "class" else f"{what}s"
    return f"{count:,} {what if count == 1 else many}"
