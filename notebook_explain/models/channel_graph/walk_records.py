"""Records of a walk through the autograd graph: additions, sums, products, links."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field

from notebook_explain.models.channel_graph.channel_labels import Edge, Labels
from notebook_explain.models.channel_graph.graph import Links
from notebook_explain.models.channel_graph.link_builder import LinkRows, to_links


@dataclass(frozen=True, eq=False)
class Addition:
    """An addition of two tensors that depend on the clip: index of the call, both terms, and the result."""

    order: int
    terms: tuple[Edge, Edge]
    result: Edge


@dataclass(frozen=True, eq=False)
class TracedSum:
    """An addition whose channels are nodes: their axis, and the links of both terms."""

    addition: Addition
    axis: int
    links: tuple[Links, Links]


@dataclass(frozen=True, eq=False)
class Product:
    """A product of two tensors that depend on the clip: index of the factor to follow, and sources of the other one."""

    main: int
    axis: int | None = None  # of the channels; None if the gate is not shown
    gate: Links | None = None


@dataclass(eq=False)
class Found:
    """Result of a walk: links, labels that reached opaque operations, by name, and the terminals that these read."""

    rows: list[LinkRows] = field(default_factory=list)
    unknown: dict[str, set[int]] = field(default_factory=lambda: defaultdict(set))
    below: set[tuple[int, int]] = field(default_factory=set)  # node and owner

    def links(self, channels: int) -> Links:
        """Return the links of so many channels."""
        return to_links(channels, self.rows, self.unknown, self.below)


Path = tuple[Edge, Labels, int]  # a tensor still to be walked from, its labels, and the kind of link to record
