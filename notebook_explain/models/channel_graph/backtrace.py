"""Walk the autograd graph backward from the tensor that a layer reads to the kernels, sums and colours it comes from.

1. Number the channels of the tensor: every element gets the label of its channel.
2. Carry the labels from the result of each operation back to its inputs (``label_rules``).
3. Stop at terminals: results of convolutions, linear layers and additions, and the clip. The channel of a terminal where
   a label arrives is a source of the label's channel (``link_builder``).
4. Decide what an addition is when a walk first reaches it. If channels can be distinguished in both terms, it is a sum and
   becomes a terminal. If both terms have the same sources, follow the first. Otherwise it is opaque.
5. In a product of two tensors, follow the factor that carries the channels. The other factor is a gate (as in
   squeeze-and-excitation): trace it separately and link its sources as gates.
6. Trace a concatenation once and reuse the result for everything that reads it.
7. Where an operation mixes channels, record the labels that reached it as unknown, under the operation's name.

Only operations that keep channels apart lie between two terminals, so every walk is short and its result exact.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import torch

from notebook_explain.explanations.caveats import Caveat, CaveatCode
from notebook_explain.models.channel_graph.channel_labels import Edge, Labels, Node, Opaque, operation, saved_dims
from notebook_explain.models.channel_graph.graph import CONCAT, CONV, GATE, IDENTITY, SUM, Links
from notebook_explain.models.channel_graph.label_rules import COUPLING_NORMS, fit_to_shape, labels_on_inputs
from notebook_explain.models.channel_graph.link_builder import (
    Terminal,
    broadcast_links,
    channels_are_separate,
    compose_links,
    label_positions,
    labels_present,
    links_to_terminal,
    same_sources,
)
from notebook_explain.models.channel_graph.walk_records import Addition, Found, Path, Product, TracedSum
from notebook_explain.models.positions.tensor import narrow

MAX_STEPS = 100_000  # operations visited in one walk
MAX_GATES = 64  # gates per channel; a norm over channels depends on all of them and is not shown as gates
TOO_MANY_STEPS = "a part with too many paths to follow"
_READABLE_NAMES = {"CheckpointFunction": "reentrant checkpointing (use_reentrant=False helps)"}
_BOUNDEDNESS = {"Sigmoid": 2, "Hardsigmoid": 2, "Softmax": 2, "Tanh": 1, "Clamp": 1, "Hardtanh": 1}
_RESHAPING = frozenset({"Expand", "View", "UnsafeView", "Unsqueeze", "Clone", "Permute", "Transpose", "Squeeze"})


class AutogradWalker:
    """Traces channels backward through the autograd graph of one forward pass.

    Attributes
    ----------
    terminals : dict of node to Terminal
    additions : dict of node to Addition
        Additions that no walk has reached yet.
    sums : list of TracedSum
        Additions that turned out to be sums, in the order in which walks reached them.
    opaque : set of node
        Results of functions that mix channels, such as attention.
    names : dict of node to str
        Name of the function that made a node, for the notes.
    untraced_gates : dict used as an ordered set of str
        Products whose gates depend on too many channels to be shown.
    notes : dict used as an ordered set of sentences
    """

    def __init__(self) -> None:
        self.terminals: dict[Node, Terminal] = {}
        self.additions: dict[Node, Addition] = {}
        self.sums: list[TracedSum] = []
        self.opaque: set[Node] = set()
        self.names: dict[Node, str] = {}
        self.untraced_gates: dict[str, None] = {}
        self.notes: dict[Caveat, None] = {}
        self._pass_through: set[Node] = set()  # additions whose terms have the same sources: the first stands for both
        self._depends: dict[Node, bool] = {}
        self._products: dict[Node, Product | None] = {}
        self._concatenations: dict[Node, Links] = {}
        self._below: dict[Node, set[tuple[int, int]]] = {}

    def depends_on_clip(self, node: Node) -> bool:
        """Return whether the result of a node depends on the clip."""
        stack = [node]
        while stack:
            current = stack[-1]
            if current in self.terminals:
                self._depends[current] = True
            if current in self._depends:
                stack.pop()
                continue
            below = [following for following, _ in current.next_functions if following is not None]
            pending = [following for following in below if following not in self._depends]
            if pending:
                stack.extend(pending)
            else:
                self._depends[current] = any(self._depends[following] for following in below)
        return self._depends[node]

    def trace(self, edge: Edge, axis: int, kind: int = CONV) -> Links:
        """Return the sources of a tensor's channels, numbered along one of its axes."""
        found = self._walk([(edge, edge.labelled(axis), kind)])
        return found.links(edge.shape[axis])

    def name(self, node: Node) -> str:
        """Return the name of a node's operation, for the notes."""
        name = operation(node)
        return _READABLE_NAMES.get(name) or self.names.get(node, name)

    def _walk(self, paths: list[Path]) -> Found:
        found = Found()
        steps = 0
        while paths:
            edge, labels, kind = paths.pop()
            steps += 1
            if steps > MAX_STEPS:
                self._record_unknown(found, TOO_MANY_STEPS, edge, labels)
                continue
            if edge.node in self.additions:
                self._classify(self.additions.pop(edge.node))
            if edge.node in self.terminals:
                found.rows.append(links_to_terminal(self.terminals[edge.node], labels, kind))
                continue
            try:
                paths.extend(self._step(edge, labels, kind, found))
            except Opaque:
                self._record_unknown(found, self.name(edge.node), edge, labels)
        return found

    def _record_unknown(self, found: Found, name: str, edge: Edge, labels: Labels) -> None:
        found.unknown[name] |= labels_present(labels)
        found.below |= self._terminals_below(edge.node)

    def _terminals_below(self, node: Node) -> set[tuple[int, int]]:
        """Return node and owner of the nearest terminals that an operation depends on, whatever channels they feed."""
        if node not in self._below:
            below, visited, stack = set(), {node}, [node]
            while stack:
                current = stack.pop()
                if current in self.additions:
                    self._classify(self.additions.pop(current))
                if current in self.terminals:
                    below.add(self.terminals[current][:2])
                    continue
                inputs = [current.next_functions[index][0] for index in self._inputs(current)]
                stack.extend(following for following in inputs if following not in visited)
                visited.update(inputs)
            self._below[node] = below
        return self._below[node]

    def _step(self, edge: Edge, labels: Labels, kind: int, found: Found) -> Iterator[Path]:
        """Yield the paths that go on from the inputs of one operation."""
        inputs = self._inputs(edge.node)
        if not inputs:
            return
        if edge.node in self.opaque:
            raise Opaque
        name = operation(edge.node)
        if name in ("Mul", "Div") and len(inputs) == 2:
            yield from self._step_through_product(edge, labels, kind, found)
        elif name != "Cat" or not self._link_concatenation(edge, labels, kind, found):
            self._note(edge.node, name, labels)
            yield from self._step_to_inputs(edge, labels, kind, inputs)

    def _step_to_inputs(self, edge: Edge, labels: Labels, kind: int, inputs: list[int]) -> Iterator[Path]:
        for index, moved in labels_on_inputs(edge.node, edge.output, labels, inputs):
            if float(narrow(moved.values).amax()) > 0:
                yield Edge(*edge.node.next_functions[index]), moved, kind

    def _inputs(self, node: Node) -> list[int]:
        """Return the indices of an operation's inputs that depend on the clip and have to be followed."""
        inputs = [
            index
            for index, (below, _) in enumerate(node.next_functions)
            if below is not None and self.depends_on_clip(below)
        ]
        return inputs[:1] if node in self._pass_through else inputs

    def _note(self, node: Node, name: str, labels: Labels) -> None:
        """Note what an operation does that links do not show."""
        if name == "Glu":
            text = f"{self.name(node)} gates one half of its channels with the other; the gating half is not shown."
            self.notes[Caveat(text, CaveatCode.HIDDEN_LINKS)] = None
        couples = name in COUPLING_NORMS
        if name == "NativeGroupNorm":  # with one channel per group it is an instance norm
            couples = labels.values.shape[1] > int(node._saved_group)
        if couples:
            norm = COUPLING_NORMS[name].capitalize()
            text = f"{norm} makes channels share a mean or deviation; this dependence is not shown."
            self.notes[Caveat(text, CaveatCode.HIDDEN_LINKS)] = None

    # Concatenations -----------------------------------------------------------------------------------------------

    def _link_concatenation(self, edge: Edge, labels: Labels, kind: int, found: Found) -> bool:
        """Link the labels that arrive at whole channels of a concatenation; False where channels hold several labels."""
        axis = saved_dims(edge.node, len(edge.shape))[0]
        pairs = label_positions(labels, axis, unique=True)
        if pairs is None:
            return False
        if edge.node not in self._concatenations:
            paths = self._step_to_inputs(edge, edge.labelled(axis), CONV, self._inputs(edge.node))
            below = self._walk(list(paths))
            self._concatenations[edge.node] = below.links(edge.shape[axis])
        links = self._concatenations[edge.node]
        found.rows.append(compose_links(pairs, links, CONCAT if kind == CONV else kind))
        for name, channels in links.unknown:
            found.unknown[name].update(pairs.label[np.isin(pairs.position, channels)].tolist())
            found.below.update(map(tuple, links.layers_below.tolist()))
        return True

    # Products -----------------------------------------------------------------------------------------------------

    def _step_through_product(self, edge: Edge, labels: Labels, kind: int, found: Found) -> Iterator[Path]:
        if edge.node not in self._products:
            self._products[edge.node] = self._analyse_product(edge)
        product = self._products[edge.node]
        if product is None:
            raise Opaque
        if product.gate is not None and product.axis is not None:
            found.rows.append(compose_links(label_positions(labels, product.axis), product.gate, GATE))
        main = Edge(*edge.node.next_functions[product.main])
        for part in fit_to_shape(labels, main.shape):
            yield main, part, kind

    def _analyse_product(self, edge: Edge) -> Product | None:
        """Find the main factor of a product and the sources of its gate; None if no factor carries the channels."""
        factors = [Edge(*pair) for pair in edge.node.next_functions]
        axes = channel_axes(len(edge.shape))
        main = self._main_factor(edge, factors, axes)
        if main is None:
            return None
        factor, gate = factors[main], factors[1 - main]
        traced = self._trace_separate(factor, axes) if factor.shape == edge.shape else None
        if traced is None:
            return Product(main)
        axis, links = traced
        gates = self._trace_broadcast(gate, edge.shape, axis, CONV)
        if gates.unknown or not 0 < len(gates.node) <= MAX_GATES * len(gates):
            self.untraced_gates[self.name(edge.node)] = None
            return Product(main)
        return Product(main, axis, None if same_sources(links, gates) else gates)

    def _main_factor(self, edge: Edge, factors: list[Edge], axes: Sequence[int]) -> int | None:
        """Return the index of the factor that carries the channels: the larger one, or the one that is not bounded.

        Return either if both have the same sources, and None if nothing distinguishes the factors.
        """
        if operation(edge.node) == "Div":
            return 0
        origins = [_before_reshaping(factor, self.terminals) for factor in factors]
        sizes = [origin.shape.numel() for origin in origins]
        if sizes[0] != sizes[1]:
            return 0 if sizes[0] > sizes[1] else 1
        traced = [self._trace_separate(factor, axes) for factor in factors]
        if traced[0] is not None and traced[1] is not None and same_sources(traced[0][1], traced[1][1]):
            return 0
        bounds = [
            0 if origin.node in self.terminals else _BOUNDEDNESS.get(operation(origin.node), 0) for origin in origins
        ]
        return None if bounds[0] == bounds[1] else 0 if bounds[0] < bounds[1] else 1

    def _trace_separate(self, edge: Edge, axes: Sequence[int]) -> tuple[int, Links] | None:
        """Return the first of some axes along which channels are separate, and their links; None if there is none."""
        for axis in axes:
            links = self.trace(edge, axis)
            if channels_are_separate(links):
                return axis, links
        return None

    def _trace_broadcast(self, edge: Edge, shape: torch.Size, axis: int, kind: int) -> Links:
        """Trace a factor or term for each channel of the result, even if one value is broadcast to all channels."""
        local_axis = axis - (len(shape) - len(edge.shape))
        if local_axis >= 0 and edge.shape[local_axis] == shape[axis]:
            return self.trace(edge, local_axis, kind)
        found = self._walk([(edge, edge.labelled(None), kind)])
        return broadcast_links(found.links(1), shape[axis])

    # Sums ---------------------------------------------------------------------------------------------------------

    def _classify(self, addition: Addition) -> None:
        """Decide whether an addition is a sum of channels, passes its first term through, or is opaque."""
        node = addition.result.node
        traced = self._trace_sum(addition)
        if traced is None:
            self.opaque.add(node)
        elif same_sources(*traced.links):
            self._pass_through.add(node)
        else:
            self.sums.append(traced)
            self.terminals[node] = Terminal(SUM, len(self.sums) - 1, traced.axis)

    def _trace_sum(self, addition: Addition) -> TracedSum | None:
        """Trace both terms along the axis where their channels are separate; None if there is no such axis."""
        shape = addition.result.shape
        for axis in channel_axes(len(shape)):
            first, second = (self._trace_broadcast(term, shape, axis, IDENTITY) for term in addition.terms)
            full_size = [
                links
                for term, links in zip(addition.terms, (first, second), strict=True)
                if term.shape[axis - len(shape) :][:1] == shape[axis : axis + 1]
            ]
            if full_size and all(channels_are_separate(links) for links in full_size):
                return TracedSum(addition, axis, (first, second))
        return None


def channel_axes(ndim: int) -> list[int]:
    """Return the axes that may hold channels, the likeliest first: the second of a volume, the last of tokens."""
    axes = [1, ndim - 1, *range(2, ndim - 1)] if ndim > 3 else [ndim - 1, *range(1, ndim - 1)]
    return list(dict.fromkeys(axis for axis in axes if 0 <= axis < ndim))


def _before_reshaping(edge: Edge, terminals: dict[Node, Terminal]) -> Edge:
    """Return the tensor before operations that only change its shape."""
    while edge.node not in terminals and operation(edge.node) in _RESHAPING:
        below, output = edge.node.next_functions[0]
        if below is None:
            break
        edge = Edge(below, output)
    return edge
