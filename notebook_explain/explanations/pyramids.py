"""A class feature pyramid: from a class down through the network, the kernels that inform it. A plain value."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from notebook_explain.clip import Clip
from notebook_explain.explanations.geometry import Geometry, stretch
from notebook_explain.explanations.provenance import Provenance
from notebook_explain.explanations.targets import TargetResult

CLASS, KERNEL, SUM, INPUT = "class", "kernel", "sum", "input"


@dataclass(frozen=True)
class Unit:
    """A node of the pyramid: a class, a kernel, a channel of a sum, or a colour of the clip.

    Attributes
    ----------
    row : int
        Which of the pyramid's rows.
    channel : int
        Class index, kernel (output channel of its layer), channel of the sum, or colour (red 0, green 1, blue 2).
    score : float in 0..1
        How much of the class's positive evidence reaches it on the ways that are shown; the class has 1.
    direction : int
        1 when more of its output speaks for the class, -1 when less does (behind a norm with a negative weight, say).
    """

    row: int
    channel: int
    score: float
    direction: int


@dataclass(frozen=True)
class Edge:
    """From a child, nearer the clip, to its parent; both are places among the pyramid's units.

    Attributes
    ----------
    child, parent : int
    contribution : float
        What the child adds to the parent, signed: to the mean of its pre-activation for "conv" and "concat", of the
        sum for "identity". With ``contribution="gradient"``, to the score of the class by way of the parent.
    share : float in 0..1
        Of all that speaks for the class among what the parent reads, shown or not. Of a sum, this is local: what its
        addends add on average, whatever the next layer makes of it.
    kind : str
        "conv", "identity" or "concat".
    """

    child: int
    parent: int
    contribution: float
    share: float
    kind: str


@dataclass(frozen=True, eq=False)
class Row:
    """A layer's part of the pyramid.

    Attributes
    ----------
    name : str
        Of the convolution or linear layer, the sum, or "clip".
    kind : str
        "class", "kernel", "sum" or "input".
    width : int
        How many channels the layer has, shown or not.
    units : tuple of int
        Places among the pyramid's units, by descending score.
    coverage : float in 0..1
        How much of the positive evidence that leads from the units above into this layer the shown units carry; the
        rest is that of its other channels.
    maps : float32 array (unit, time, height, width), or None
        What each unit puts out, after its norm and activation where it has them, at the layer's own resolution.
    geometry : Geometry or None
        Where the cells lie in the clip.
    """

    name: str
    kind: str
    width: int
    units: tuple[int, ...]
    coverage: float
    maps: NDArray[np.float32] | None = None
    geometry: Geometry | None = None


@dataclass(frozen=True, eq=False)
class Pyramid:
    """Which kernels inform a class, layer by layer, from the class (row 0) down to the clip.

    Attributes
    ----------
    clip : Clip
        The frames that the network really saw.
    target : TargetResult
    rows : tuple of Row
    units : tuple of Unit
        Row by row, each row by descending score.
    edges : tuple of Edge
    provenance : Provenance
    """

    clip: Clip
    target: TargetResult
    rows: tuple[Row, ...]
    units: tuple[Unit, ...]
    edges: tuple[Edge, ...]
    provenance: Provenance

    def __repr__(self) -> str:
        return (
            f"Pyramid({self.target.name!r}; {len(self.rows)} rows, {len(self.units)} units, {len(self.edges)} edges; "
            f"{self.clip!r})"
        )

    @cached_property
    def _above(self) -> tuple[tuple[int, ...], ...]:
        """The parents of each unit."""
        parents: list[list[int]] = [[] for _ in self.units]
        for edge in self.edges:
            parents[edge.child].append(edge.parent)
        return tuple(map(tuple, parents))

    def row(self, which: str | int) -> Row:
        """A row by name or place (ValueError lists the names)."""
        names = [row.name for row in self.rows]
        if isinstance(which, int) and -len(names) <= which < len(names):
            return self.rows[which]
        if which in names:
            return self.rows[names.index(str(which))]
        raise ValueError(f"row {which!r} is not in this pyramid; it has {', '.join(names)}")

    def prune(self, threshold: float) -> tuple[int, ...]:
        """The units that stay at a threshold: the oracle for every view.

        A unit stays when its score is at least `threshold` times the largest of its row, and one of its parents stays.
        The classes always do. At 0 all stay; a higher threshold never brings one back.

        Parameters
        ----------
        threshold : float in 0..1

        Returns
        -------
        tuple of int
            Places among the units, ascending.
        """
        if not 0 <= threshold <= 1:
            raise ValueError(f"threshold must lie in 0..1, got {threshold}")
        stays: set[int] = set()
        for row in self.rows:
            most = max((self.units[at].score for at in row.units), default=0.0)
            for at in row.units:
                strong = self.units[at].score >= threshold * most
                if row.kind == CLASS or (strong and any(parent in stays for parent in self._above[at])):
                    stays.add(at)
        return tuple(sorted(stays))

    def tube(self, which: str | int, threshold: float = 0.0) -> NDArray[np.float32]:
        """Where a row's units are active: their maps, weighted by score and direction, stretched over the clip.

        Parameters
        ----------
        which : str or int
            The row, by name or place.
        threshold : float in 0..1
            As for ``prune``: only units that stay take part.

        Returns
        -------
        float32 array (time, height, width)

        Raises
        ------
        ValueError
            No such row, or one without maps (a class, a linear layer).
        """
        row = self.row(which)
        if row.maps is None or row.geometry is None:
            raise ValueError(f"row {row.name!r} has no maps: its units have no place in the clip")
        stays = set(self.prune(threshold))
        weights = [self.units[at].score * self.units[at].direction * (at in stays) for at in row.units]
        together = np.einsum("u,uthw->thw", np.asarray(weights, np.float32), row.maps)
        return stretch(together, row.geometry, self.clip.size)

    def to_json(self) -> dict[str, Any]:
        """The pyramid as a graph of plain values (no maps): ``nodes`` and ``links``, ready for ``json.dumps``."""
        nodes = [
            {
                "id": at,
                "row": unit.row,
                "layer": self.rows[unit.row].name,
                "kind": self.rows[unit.row].kind,
                "channel": unit.channel,
                "score": unit.score,
                "direction": unit.direction,
            }
            for at, unit in enumerate(self.units)
        ]
        links = [
            {"source": e.child, "target": e.parent, "contribution": e.contribution, "share": e.share, "kind": e.kind}
            for e in self.edges
        ]
        rows = [{"name": r.name, "kind": r.kind, "width": r.width, "coverage": r.coverage} for r in self.rows]
        return {"target": self.target.name, "logit": self.target.logit, "rows": rows, "nodes": nodes, "links": links}

    def to_tree(self) -> dict[str, Any]:
        """The pyramid as a nested tree (``name``, ``children``), as D3's hierarchies read it.

        A unit with several parents hangs under the one that it gives the largest share to.
        """
        best: dict[int, Edge] = {}
        for edge in self.edges:
            held = best.get(edge.child)
            weight = edge.share * self.units[edge.parent].score
            if held is None or weight > held.share * self.units[held.parent].score:
                best[edge.child] = edge
        branches: list[dict[str, Any]] = [
            {"name": f"{self.rows[unit.row].name} {unit.channel}", "score": unit.score, "children": []}
            for unit in self.units
        ]
        for child, edge in best.items():
            branches[edge.parent]["children"].append(branches[child])
        tops = [branch for at, branch in enumerate(branches) if at not in best]
        return {"name": self.target.name, "children": tops}
