"""Step 4 of a pyramid: from the class down, select the children of each row's units; every unit is expanded once."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from notebook_explain.methods.feature_pyramid.contributions import GRADIENT, OperandContributions, contributions
from notebook_explain.methods.feature_pyramid.layer_records import LayerKey, LayerRecords
from notebook_explain.models.channel_graph import ChannelGraph, Links
from notebook_explain.models.channel_graph.graph import GATE, KINDS, NODES

Floats = NDArray[np.float64]
UnitKey = tuple[LayerKey, int]  # a layer and a channel of it
SELECTIONS = MASS, TOP_K, MIN_MAX = ("mass", "topk", "minmax")


@dataclass(frozen=True)
class DescentOptions:
    """Options of ``FeaturePyramid`` that decide which units a descent keeps; see there."""

    contribution: str
    selection: str
    mass: float
    k: int
    theta: float
    max_units: int
    depth: int | None

    def select(self, shares: Floats) -> NDArray[np.int64]:
        """Return the indices of the children to follow, the largest share first; none without positive shares."""
        ranked: NDArray[np.int64] = np.argsort(-shares, kind="stable").astype(np.int64)
        ranked = ranked[shares[ranked] > 0]
        if self.selection == TOP_K:
            return ranked[: self.k]
        if self.selection == MIN_MAX:
            spread = shares.max() - shares.min()
            is_large: NDArray[np.bool_] = (shares[ranked] - shares.min()) >= self.theta * spread
            return ranked[is_large]
        cumulative = np.cumsum(shares[ranked])
        return ranked[: int(np.searchsorted(cumulative, self.mass * cumulative[-1] - 1e-12)) + 1]


@dataclass(frozen=True)
class CandidateEdge:
    """An edge from a child to its parent, whether or not the child is kept."""

    child: UnitKey
    parent: UnitKey
    contribution: float
    share: float
    kind: str


@dataclass(frozen=True, eq=False)
class DescentRow:
    """The units that a descent keeps of one layer, by descending score.

    Attributes
    ----------
    layer : LayerKey
    channels : list of int
        Empty where nothing of the layer is kept.
    scores : list of float
    directions : list of int
        1, or -1 where less of the unit's output helps.
    edges : list of CandidateEdge
        Edges to parents, of all candidates of the layer.
    coverage : float in 0..1
        Fraction of the positive evidence leading into the layer that the kept units carry.
    """

    layer: LayerKey
    channels: list[int]
    scores: list[float]
    directions: list[int]
    edges: list[CandidateEdge]
    coverage: float


def _floats_by_channel() -> dict[LayerKey, dict[int, float]]:
    return defaultdict(lambda: defaultdict(float))


@dataclass(eq=False)
class Descent:
    """State of a walk from the class to the clip.

    Attributes
    ----------
    scores : dict of layer to dict of channel to float
        Positive evidence that reaches a unit.
    signed_scores : dict of layer to dict of channel to float
        The same, counted negative where less of the unit's output helps.
    incoming : dict of layer to float
        Positive evidence that leads into a layer, including that of channels that were not selected.
    edges : dict of layer to list of CandidateEdge
        Edges whose children are in the layer.
    kept : dict of layer to list of channel
    net_contributions : dict of layer to dict of channel to float
        By gradient only: sum of what a channel adds, for and against the class, to all kept units that read it.
    total_support : float
        By gradient only: sum of everything that supports the class in the row right below it.
    """

    scores: dict[LayerKey, dict[int, float]] = field(default_factory=_floats_by_channel)
    signed_scores: dict[LayerKey, dict[int, float]] = field(default_factory=_floats_by_channel)
    incoming: dict[LayerKey, float] = field(default_factory=lambda: defaultdict(float))
    edges: dict[LayerKey, list[CandidateEdge]] = field(default_factory=lambda: defaultdict(list))
    kept: dict[LayerKey, list[int]] = field(default_factory=dict)
    net_contributions: dict[LayerKey, dict[int, float]] = field(default_factory=_floats_by_channel)
    total_support: float = 0.0

    def start(self, classes: dict[LayerKey, dict[int, float]]) -> None:
        """Enter the units that stand for the class with their signed scores."""
        for layer, channels in classes.items():
            for channel, value in channels.items():
                self.scores[layer][channel], self.signed_scores[layer][channel] = abs(value), value
                self.incoming[layer] += abs(value)

    def score_by_net_contribution(self, layer: LayerKey) -> None:
        """Score the selected units by their net contributions, once everything that reads them has been expanded."""
        nets, total = self.net_contributions[layer], self.total_support
        self.scores[layer] = defaultdict(float, {channel: nets[channel] / total for channel in self.scores[layer]})
        self.incoming[layer] = sum(net for net in nets.values() if net > 0) / total if total > 0 else 0.0

    def keep(self, layer: LayerKey, max_units: int) -> list[int]:
        """Keep the units with the highest positive scores, ties by channel."""
        scores = self.scores[layer]
        ranked = sorted(scores, key=lambda channel: (-scores[channel], channel))
        self.kept[layer] = [channel for channel in ranked if scores[channel] > 0][:max_units]
        return self.kept[layer]

    def row(self, layer: LayerKey) -> DescentRow:
        """Return the row of a layer, once its units are kept."""
        kept, scores, signed = self.kept[layer], self.scores[layer], self.signed_scores[layer]
        total = self.incoming[layer]
        return DescentRow(
            layer=layer,
            channels=list(kept),
            scores=[scores[channel] for channel in kept],
            directions=[-1 if signed[channel] < 0 else 1 for channel in kept],
            edges=list(self.edges[layer]),
            coverage=min(1.0, sum(scores[channel] for channel in kept) / total) if total > 0 else 1.0,
        )


def order_layers(graph: ChannelGraph, top: list[LayerKey]) -> list[LayerKey]:
    """Return the layers that a descent from some top layers visits, each after everything that reads it."""
    below: dict[LayerKey, set[LayerKey]] = {}
    stack = list(top)
    while stack:
        layer = stack.pop()
        if layer not in below:
            below[layer] = {child for links in _links_of(graph, layer) for child in _layers_read(links)}
            stack.extend(below[layer])
    readers_left = dict.fromkeys(below, 0)
    for children in below.values():
        for child in children:
            readers_left[child] += 1
    ready, ordered = [layer for layer in top if not readers_left[layer]], []
    while ready:
        # The layer that runs last in the network comes first, so that rows follow the network backward.
        ready.sort(key=_execution_order)
        layer = ready.pop()
        ordered.append(layer)
        for child in below[layer]:
            readers_left[child] -= 1
            if not readers_left[child]:
                ready.append(child)
    return ordered


def descend(
    graph: ChannelGraph,
    records: LayerRecords,
    layers: list[LayerKey],
    classes: dict[LayerKey, dict[int, float]],
    options: DescentOptions,
) -> Iterator[DescentRow]:
    """Descend from the class and yield after each row.

    Parameters
    ----------
    graph : ChannelGraph
    records : LayerRecords
    layers : list of LayerKey
        Each after everything that reads it (``order_layers``).
    classes : dict of layer to dict of channel to float
        Units to start from, with signed scores (``class_units``).
    options : DescentOptions
    """
    descent = Descent()
    descent.start(classes)
    by_gradient = options.contribution == GRADIENT
    for depth, layer in enumerate(layers):
        if by_gradient and layer not in classes:
            descent.score_by_net_contribution(layer)
        kept = descent.keep(layer, options.max_units)
        if kept and layer[0] != "input" and (options.depth is None or depth < options.depth):
            _expand(descent, layer, contributions(options.contribution, graph, records, layer, kept), options)
        yield descent.row(layer)


def _expand(descent: Descent, layer: LayerKey, operands: list[OperandContributions], options: DescentOptions) -> None:
    """Distribute the scores of a layer's kept units among their children."""
    tables: dict[tuple[int, ...], _ChildTable] = {}  # kernels of one convolution group read the same channels
    nets: dict[tuple[int, ...], Floats] = {}
    # Contributions by gradient are to the class score. Others are to the unit's output, which may have to be smaller.
    is_signed = options.contribution != GRADIENT
    for index, channel in enumerate(descent.kept[layer] if operands else ()):
        first = tuple(int(contribution.operand.first[index]) for contribution in operands)
        if first not in tables:
            tables[first] = _ChildTable.build(operands, first)
        children = tables[first]
        direction = -1.0 if is_signed and descent.signed_scores[layer][channel] < 0 else 1.0
        added, added_by_output = children.add_up([contribution.added[index] for contribution in operands])
        nets[first] = nets.get(first, np.zeros(len(added))) + added
        positive = (added * direction).clip(min=0)
        total = positive.sum()
        if total <= 0:
            continue
        descent.total_support += 0.0 if descent.edges[layer] else float(total)  # no edge leads to the class
        shares, score = positive / total, descent.scores[layer][channel]
        for k, part in enumerate(np.bincount(children.layer, shares, len(children.layers)).tolist()):
            descent.incoming[children.layers[k]] += score * part
        for k in options.select(shares).tolist():
            child, source = children.unit(k)
            passed_on = score * float(shares[k])
            descent.scores[child][source] += passed_on
            descent.signed_scores[child][source] += passed_on if added_by_output[k] * direction >= 0 else -passed_on
            kind = KINDS[children.kind[k]]
            edge = CandidateEdge((child, source), (layer, channel), float(added[k]), float(shares[k]), kind)
            descent.edges[child].append(edge)
    for first, net in nets.items():
        for k, value in enumerate(net.tolist()):
            child, source = tables[first].unit(k)
            descent.net_contributions[child][source] += value


@dataclass(frozen=True, eq=False)
class _ChildTable:
    """Everything that one unit reads, each child once.

    Attributes
    ----------
    layers : list of LayerKey
    layer, channel, kind : int64 arrays (child,)
        Index into ``layers``, channel there, kind of the link.
    operand_channel : int64 array (link,)
        Index among all channels that are read, those of the operands one after the other.
    source_count : float64 array (link,)
        Number of nodes among which the contribution of the link's channel is divided evenly, because a channel that
        merges several nodes does not show which of them it comes from.
    sign : float64 array (link,)
        Sign of the child's output in what its channel adds.
    child : int64 array (link,)
    """

    layers: list[LayerKey]
    layer: NDArray[np.int64]
    channel: NDArray[np.int64]
    kind: NDArray[np.int64]
    operand_channel: NDArray[np.int64]
    source_count: Floats
    sign: Floats
    child: NDArray[np.int64]

    @classmethod
    def build(cls, operands: list[OperandContributions], firsts: tuple[int, ...]) -> _ChildTable:
        """Collect the children of a unit that reads each operand from the given channel on."""
        parts, before = [], 0
        for contribution, first in zip(operands, firsts, strict=True):
            operand, count = contribution.operand, contribution.added.shape[1]
            links = operand.links
            rows = np.arange(links.first[first], links.first[first + count])
            rows = rows[links.kind[rows] != GATE]
            readers = links.reader[rows]
            mean_sign = np.where(operand.channel_means[readers] < 0, -1.0, 1.0)
            sign = mean_sign * np.where(links.slope[rows] < 0, -1.0, 1.0)
            nodes = np.stack([links.node[rows], links.owner[rows], links.channel[rows]], axis=1)
            source_count = np.bincount(readers, minlength=1)[readers].astype(np.float64)
            parts.append((nodes, readers - first + before, source_count, sign, links.kind[rows]))
            before += count
        nodes, channels, source_count, sign, kinds = (np.concatenate(part) for part in zip(*parts, strict=True))
        units, first_row, child = np.unique(nodes, axis=0, return_index=True, return_inverse=True)
        owners, layer = np.unique(units[:, :2], axis=0, return_inverse=True)
        layers = [(NODES[node], owner) for node, owner in owners.tolist()]
        return cls(
            layers, layer.reshape(-1), units[:, 2], kinds[first_row], channels, source_count, sign, child.reshape(-1)
        )

    def unit(self, index: int) -> UnitKey:
        """Return the layer and the channel of a child."""
        return self.layers[self.layer[index]], int(self.channel[index])

    def add_up(self, added: list[Floats]) -> tuple[Floats, Floats]:
        """Return what each child adds to a unit, and the same times the sign of the child's output in it: (child,)."""
        per_link = np.concatenate(added)[self.operand_channel] / self.source_count
        count = len(self.channel)
        total, by_output = (np.bincount(self.child, values, count) for values in (per_link, per_link * self.sign))
        return total.astype(np.float64), by_output.astype(np.float64)


def _links_of(graph: ChannelGraph, layer: LayerKey) -> list[Links]:
    if layer[0] == "kernel":
        return [graph.layers[layer[1]].links]
    return [addend.links for addend in graph.sums[layer[1]].addends] if layer[0] == "sum" else []


def _layers_read(links: Links) -> Iterator[LayerKey]:
    main = links.kind != GATE
    for node, owner in set(zip(links.node[main].tolist(), links.owner[main].tolist(), strict=True)):
        yield NODES[node], owner


def _execution_order(layer: LayerKey) -> tuple[bool, int, int]:
    """Sort key: the clip first, then sums, then layers, each in order of execution."""
    kind, index = layer
    return (kind != "input", *((index, 0) if kind == "kernel" else (-1, index)))
