"""Labels travel from what a layer reads back through the autograd graph, until they stop at the kernels they come from.

Stops are the results of convolutions, linear layers and additions, and the clip. Between two stops lies what leaves
channels whole, so every walk is short and exact. A gate (squeeze and excitation) is a product, whose smaller or bounded
factor is followed for itself; a concatenation is read once for all who read it.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
import torch

from notebook_explain.models.channel_graph.channel_labels import (
    Labels,
    Node,
    Opaque,
    device_of,
    operation,
    saved_dims,
    shape_of,
)
from notebook_explain.models.channel_graph.graph import CONCAT, CONV, GATE, IDENTITY, SUM, Links
from notebook_explain.models.channel_graph.label_rules import COUPLING, backward, fitted
from notebook_explain.models.channel_graph.link_builder import (
    Rows,
    Stop,
    apart,
    arrived,
    composed,
    pairs_along,
    present,
    repeated,
    same_sources,
    to_links,
)
from notebook_explain.models.positions.tensor import narrow

MOST_STEPS = 100_000  # of one walk
MOST_GATES = 64  # on each channel: a norm over channels is made of all of them, and no gate
_KNOWN_AS = {"CheckpointFunction": "reentrant checkpointing (use_reentrant=False helps)"}
_BOUNDED = {"Sigmoid": 2, "Hardsigmoid": 2, "Softmax": 2, "Tanh": 1, "Clamp": 1, "Hardtanh": 1}
_LOOKED_THROUGH = frozenset({"Expand", "View", "UnsafeView", "Unsqueeze", "Clone", "Permute", "Transpose", "Squeeze"})


class Edge(NamedTuple):
    """A tensor as the graph knows it: the node that made it, and which of its results it is."""

    node: Node
    output: int

    @property
    def shape(self) -> torch.Size:
        """Of the tensor."""
        return shape_of(self.node, self.output)

    def labelled(self, axis: int | None) -> Labels:
        """Number the indices of an axis, or give all of the tensor the number 1."""
        return Labels.along(axis, self.shape, device_of(self.node, self.output))


@dataclass(frozen=True, eq=False)
class Addition:
    """A sum of two tensors that both come from the clip: its place in the order of calls, and what is added."""

    order: int
    terms: tuple[Edge, Edge]
    made: Edge


@dataclass(frozen=True, eq=False)
class Added:
    """An addition whose channels are nodes of their own: their axis, and the links of both terms."""

    addition: Addition
    axis: int
    links: tuple[Links, Links]


@dataclass(frozen=True, eq=False)
class _Product:
    """A product of two tensors that both come from the clip: labels go to the main factor, the other one is a gate."""

    main: int
    axis: int | None = None
    gate: Links | None = None


@dataclass(eq=False)
class _Found:
    rows: list[Rows] = field(default_factory=list)
    lost: dict[str, set[int]] = field(default_factory=lambda: defaultdict(set))


_Way = tuple[Edge, Labels, int]  # a tensor, the labels on it, and how what reads it is linked


class Graph:
    """The autograd graph of one pass, with what is known of it so far.

    Attributes
    ----------
    stops : dict of node to Stop
    additions : dict of node to Addition
        Looked at when a walk first comes to them.
    sums : list of Added
        Those of them whose channels are nodes.
    closed : set of node
        Results of functions that mix channels inside, such as attention.
    names : dict of node to text
        What to call an operation that cannot be seen through.
    mixed : dict used as an ordered set of texts
        Products whose gates are mixed of many channels.
    notes : dict used as an ordered set of sentences
    """

    def __init__(self) -> None:
        self.stops: dict[Node, Stop] = {}
        self.additions: dict[Node, Addition] = {}
        self.sums: list[Added] = []
        self.closed: set[Node] = set()
        self.names: dict[Node, str] = {}
        self.mixed: dict[str, None] = {}
        self.notes: dict[str, None] = {}
        self._first_only: set[Node] = set()  # additions of a thing to itself: one term stands for both
        self._depends: dict[Node, bool] = {}
        self._products: dict[Node, _Product | None] = {}
        self._stations: dict[Node, Links] = {}

    def depends(self, node: Node) -> bool:
        """Whether what a node made comes from the clip."""
        stack = [node]
        while stack:
            at = stack[-1]
            if at in self.stops:
                self._depends[at] = True
            if at in self._depends:
                stack.pop()
                continue
            below = [following for following, _ in at.next_functions if following is not None]
            unknown = [following for following in below if following not in self._depends]
            if unknown:
                stack.extend(unknown)
            else:
                self._depends[at] = any(self._depends[following] for following in below)
        return self._depends[node]

    def read(self, edge: Edge, axis: int, kind: int = CONV) -> Links:
        """Where the channels of a tensor come from, numbered along one of its axes."""
        found = self._follow([(edge, edge.labelled(axis), kind)])
        return to_links(edge.shape[axis], found.rows, found.lost)

    def _follow(self, stack: list[_Way]) -> _Found:
        found = _Found()
        steps = 0
        while stack:
            at, labels, kind = stack.pop()
            steps += 1
            if steps > MOST_STEPS:
                found.lost["more ways than can be followed"] |= present(labels)
                continue
            if at.node in self.additions:
                self._look_at(self.additions.pop(at.node))
            if at.node in self.stops:
                found.rows.append(arrived(self.stops[at.node], labels, kind))
                continue
            try:
                stack.extend(self._steps(at, labels, kind, found))
            except Opaque:
                found.lost[self.name(at.node)] |= present(labels)
        return found

    def _steps(self, at: Edge, labels: Labels, kind: int, found: _Found) -> Iterator[_Way]:
        inputs = self._inputs(at.node)
        if not inputs:
            return
        if at.node in self.closed:
            raise Opaque
        name = operation(at.node)
        if name in ("Mul", "Div") and len(inputs) == 2:
            yield from self._through_product(at, labels, kind, found)
        elif name != "Cat" or not self._at_station(at, labels, kind, found):
            if name == "Glu":
                self.notes[f"{self.name(at.node)} gates half of its channels by the other half: that is not shown."] = (
                    None
                )
            if name in COUPLING and (name != "NativeGroupNorm" or labels.values.shape[1] > int(at.node._saved_group)):
                text = f"{COUPLING[name].capitalize()} lets channels share their mean or deviation; that is no link."
                self.notes[text] = None
            yield from self._onward(at, labels, kind, inputs)

    def _onward(self, at: Edge, labels: Labels, kind: int, inputs: list[int]) -> Iterator[_Way]:
        for k, moved in backward(at.node, at.output, labels, inputs):
            if float(narrow(moved.values).amax()) > 0:
                yield Edge(*at.node.next_functions[k]), moved, kind

    def _inputs(self, node: Node) -> list[int]:
        """Which inputs of an operation come from the clip."""
        found = [k for k, (below, _) in enumerate(node.next_functions) if below is not None and self.depends(below)]
        return found[:1] if node in self._first_only else found

    def name(self, node: Node) -> str:
        """What to call the operation of a node."""
        own = operation(node)
        return _KNOWN_AS.get(own) or self.names.get(node, own)

    # Concatenations -----------------------------------------------------------------------------------------------

    def _at_station(self, at: Edge, labels: Labels, kind: int, found: _Found) -> bool:
        """A concatenation is read once for all: whole channels that arrive there go on from it together."""
        axis = saved_dims(at.node, len(at.shape))[0]
        pairs = pairs_along(labels, axis, whole=True)
        if pairs is None:
            return False
        if at.node not in self._stations:
            below = self._follow(list(self._onward(at, at.labelled(axis), CONV, self._inputs(at.node))))
            self._stations[at.node] = to_links(at.shape[axis], below.rows, below.lost)
        links = self._stations[at.node]
        found.rows.append(composed(pairs, links, CONCAT if kind == CONV else kind))
        for name, channels in links.unknown:
            found.lost[name].update(pairs.label[np.isin(pairs.place, channels)].tolist())
        return True

    # Products -----------------------------------------------------------------------------------------------------

    def _through_product(self, at: Edge, labels: Labels, kind: int, found: _Found) -> Iterator[_Way]:
        if at.node not in self._products:
            self._products[at.node] = self._product(at)
        product = self._products[at.node]
        if product is None:
            raise Opaque
        if product.gate is not None and product.axis is not None:
            found.rows.append(composed(pairs_along(labels, product.axis), product.gate, GATE))
        edge = Edge(*at.node.next_functions[product.main])
        for part in fitted(labels, edge.shape):
            yield edge, part, kind

    def _product(self, at: Edge) -> _Product | None:
        factors = [Edge(*pair) for pair in at.node.next_functions]
        axes = channel_axes(len(at.shape))
        main = self._main_factor(at, factors, axes)
        if main is None:
            return None
        factor, gate = factors[main], factors[1 - main]
        first = self._read_along(factor, axes) if factor.shape == at.shape else None
        if first is None:
            return _Product(main)
        axis, links = first
        gates = self._broadcast(gate, at.shape, axis, CONV)
        if gates.unknown or not 0 < len(gates.node) <= MOST_GATES * len(gates):
            self.mixed[self.name(at.node)] = None
            return _Product(main)
        return _Product(main, axis, None if same_sources(links, gates) else gates)

    def _main_factor(self, at: Edge, factors: list[Edge], axes: Sequence[int]) -> int | None:
        """Which factor carries the channels: the larger one, or the one that is not bounded; either if they are one."""
        if operation(at.node) == "Div":
            return 0
        origins = [_looked_through(factor, self.stops) for factor in factors]
        sizes = [origin.shape.numel() for origin in origins]
        if sizes[0] != sizes[1]:
            return 0 if sizes[0] > sizes[1] else 1
        read = [self._read_along(factor, axes) for factor in factors]
        if read[0] is not None and read[1] is not None and same_sources(read[0][1], read[1][1]):
            return 0
        bounds = [0 if origin.node in self.stops else _BOUNDED.get(operation(origin.node), 0) for origin in origins]
        return None if bounds[0] == bounds[1] else 0 if bounds[0] < bounds[1] else 1

    def _read_along(self, edge: Edge, axes: Sequence[int]) -> tuple[int, Links] | None:
        """The first of some axes along which channels lie, each from one place, and what was read there."""
        for axis in axes:
            links = self.read(edge, axis)
            if apart(links):
                return axis, links
        return None

    def _broadcast(self, edge: Edge, shape: torch.Size, axis: int, kind: int) -> Links:
        """Links of a factor or term for each channel of the result, also where it has but one for all of them."""
        own = axis - (len(shape) - len(edge.shape))
        if own >= 0 and edge.shape[own] == shape[axis]:
            return self.read(edge, own, kind)
        found = self._follow([(edge, edge.labelled(None), kind)])
        return repeated(to_links(1, found.rows, found.lost), shape[axis])

    # Sums ---------------------------------------------------------------------------------------------------------

    def _look_at(self, addition: Addition) -> None:
        """Find out what an addition is: sums of channels, a way through, or something that mixes them."""
        node = addition.made.node
        added = self._added(addition)
        if added is None:
            self.closed.add(node)
        elif same_sources(*added.links):
            self._first_only.add(node)
        else:
            self.sums.append(added)
            self.stops[node] = Stop(SUM, len(self.sums) - 1, added.axis)

    def _added(self, addition: Addition) -> Added | None:
        shape = addition.made.shape
        for axis in channel_axes(len(shape)):
            first, second = (self._broadcast(term, shape, axis, IDENTITY) for term in addition.terms)
            whole = [
                links
                for term, links in zip(addition.terms, (first, second), strict=True)
                if term.shape[axis - len(shape) :][:1] == shape[axis : axis + 1]
            ]
            if whole and all(apart(links) for links in whole):
                return Added(addition, axis, (first, second))
        return None


def channel_axes(ndim: int) -> list[int]:
    """Axes that may hold channels, the likeliest first: the second of a volume, the last of tokens."""
    axes = [1, ndim - 1, *range(2, ndim - 1)] if ndim > 3 else [ndim - 1, *range(1, ndim - 1)]
    return list(dict.fromkeys(axis for axis in axes if 0 <= axis < ndim))


def _looked_through(edge: Edge, stops: dict[Node, Stop]) -> Edge:
    """The tensor itself, where only its shape was changed since."""
    while edge.node not in stops and operation(edge.node) in _LOOKED_THROUGH:
        below, output = edge.node.next_functions[0]
        if below is None:
            break
        edge = Edge(below, output)
    return edge
