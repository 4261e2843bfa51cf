"""The strongest path of a pyramid: from the class down to the clip, the child with the largest share at each step."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from notebook_explain.explanations.pyramid.names import contribution_text, measure_of, unit_name
from notebook_explain.explanations.pyramid.units import CLASS, INPUT, Edge
from notebook_explain.explanations.text import percent

if TYPE_CHECKING:
    from notebook_explain.explanations.pyramid.pyramid import Pyramid


@dataclass(frozen=True)
class StrongestPath:
    """A path from the class down, the class first; step ``k`` leads from unit ``k`` to unit ``k + 1``.

    Attributes
    ----------
    units : tuple of int
        Indices of the pyramid's units.
    rows : tuple of int
        Index of each unit's row.
    names : tuple of str
        Names of the units: "'wave'", "kernel 17 of layer2.conv1", "red of the clip".
    contributions : tuple of float
        ``Edge.contribution`` of each step.
    shares : tuple of float in 0..1
        ``Edge.share`` of each step.
    measure : str
        What the contributions are measured in: "logits", a unit, "to its mean"; "" for a value without a unit.
    reaches_clip : bool
        False if the path ends above the clip: no path of positive shares leads down to it.
    """

    units: tuple[int, ...]
    rows: tuple[int, ...]
    names: tuple[str, ...]
    contributions: tuple[float, ...]
    shares: tuple[float, ...]
    measure: str
    reaches_clip: bool

    def in_words(self) -> str:
        """Return sentences that name each unit with its contribution and its share of what adds to the unit before."""
        steps = zip(self.names[1:], self.contributions, self.shares, strict=True)
        listed = [
            f"{name} ({contribution_text(value, self.measure)}, {percent(share)})" for name, value, share in steps
        ]
        if not listed:
            return f"No unit that is shown adds to {self.names[0]}."
        end = "the clip" if self.reaches_clip else self.names[-1]
        return (
            f"Strongest path from {self.names[0]} down to {end}: {', '.join(listed)}. "
            "A share is that of all positive contributions to the unit before."
        )


def strongest_edges(pyramid: Pyramid, kept: Sequence[int]) -> list[Edge]:
    """Follow the largest positive share from the class down, within the kept units; return the edges, the first one first.

    A child from which positive shares lead on to the clip comes before one where the path would end.
    """
    shown = set(kept)
    children: dict[int, list[Edge]] = {}
    for edge in pyramid.edges:
        if edge.child in shown and edge.share > 0:
            children.setdefault(edge.parent, []).append(edge)
    leads_to_clip = {unit for unit in shown if pyramid.rows[pyramid.units[unit].row].kind == INPUT}
    best: dict[int, Edge] = {}
    for unit in sorted(children, reverse=True):  # children come after their parents
        leading = [edge for edge in children[unit] if edge.child in leads_to_clip]
        best[unit] = max(leading or children[unit], key=lambda edge: edge.share)
        if leading:
            leads_to_clip.add(unit)
    unit = _first_class(pyramid, kept)
    path: list[Edge] = []
    while unit in best:
        path.append(best[unit])
        unit = best[unit].child
    return path


def strongest_path(pyramid: Pyramid, kept: Sequence[int]) -> StrongestPath:
    """Return the strongest path within the kept units."""
    edges = strongest_edges(pyramid, kept)
    units = (_first_class(pyramid, kept), *(edge.child for edge in edges))
    rows = tuple(pyramid.units[unit].row for unit in units)
    return StrongestPath(
        units=units,
        rows=rows,
        names=tuple(unit_name(pyramid, unit) for unit in units),
        contributions=tuple(edge.contribution for edge in edges),
        shares=tuple(edge.share for edge in edges),
        measure=measure_of(pyramid),
        reaches_clip=pyramid.rows[rows[-1]].kind == INPUT,
    )


def _first_class(pyramid: Pyramid, kept: Sequence[int]) -> int:
    """Return the index of the first unit of the class row; classes are never pruned."""
    return next(unit for unit in kept if pyramid.rows[pyramid.units[unit].row].kind == CLASS)
