"""Step 4 of a pyramid: from the class down, select the children of each row's units; every unit is expanded once."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np

from notebook_explain.explanations.pyramid.units import UNKNOWN
from notebook_explain.methods.feature_pyramid.child_table import ChildTable, Floats, UnitKey
from notebook_explain.methods.feature_pyramid.contributions import (
    FIRST_ORDER,
    PRODUCT,
    OperandContributions,
    contributions,
)
from notebook_explain.methods.feature_pyramid.descent_state import (
    BestLinks,
    CandidateEdge,
    Descent,
    DescentOptions,
    DescentRow,
    select_against,
)
from notebook_explain.methods.feature_pyramid.layer_records import LayerKey, LayerRecords
from notebook_explain.models.channel_graph import ChannelGraph
from notebook_explain.models.channel_graph.graph import KINDS


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
    descent = Descent(records.channel_gradients)
    descent.start(classes)
    for depth, layer in enumerate(layers):
        if options.contribution in FIRST_ORDER and layer not in classes:
            descent.score_to_first_order(layer, options)
        kept = descent.keep(layer, options.max_units)
        if kept and layer[0] != "input" and (options.depth is None or depth < options.depth):
            operands = contributions(options.contribution, graph, records, layer, kept)
            if operands:
                _Expansion(descent, layer, operands, options).expand()
        yield descent.row(layer)


@dataclass(eq=False)
class _Expansion:
    """Distribution of the scores of a layer's kept units among their children.

    Attributes
    ----------
    descent : Descent
    layer : LayerKey
    operands : list of OperandContributions
    options : DescentOptions
    tables : dict of first channels to ChildTable
        Kernels of one convolution group read the same channels.
    nets : dict of first channels to float64 array (child,)
        Sum of what each child adds to all units that read the same channels.
    """

    descent: Descent
    layer: LayerKey
    operands: list[OperandContributions]
    options: DescentOptions
    tables: dict[tuple[int, ...], ChildTable] = field(default_factory=dict)
    nets: dict[tuple[int, ...], Floats] = field(default_factory=dict)

    def expand(self) -> None:
        descent = self.descent
        descent.totals[self.layer] = []
        for index, channel in enumerate(descent.kept[self.layer]):
            added = [contribution.added[index] for contribution in self.operands]
            descent.totals[self.layer].append(float(sum(part.sum() for part in added)))
            if descent.scores[self.layer][channel] > 0:
                self._expand_unit((self.layer, channel), index, added)
        for first, net in self.nets.items():
            for k, value in enumerate(net.tolist()):
                child, source = self.tables[first].unit(k)
                descent.nets[child][source] += value

    def _expand_unit(self, unit: UnitKey, index: int, added: list[Floats]) -> None:
        descent, options = self.descent, self.options
        first = tuple(int(contribution.operand.first[index]) for contribution in self.operands)
        if first not in self.tables:
            self.tables[first] = ChildTable.build(self.operands, first)
        children = self.tables[first]
        # Contributions of first order are to the class score. Others are to the unit's output, which may have to be smaller.
        direction = 1 if options.contribution in FIRST_ORDER else descent.direction(*unit)
        by_child, by_output = children.add_up(added)
        self.nets[first] = self.nets.get(first, np.zeros(len(by_child))) + by_child
        untraced = float((np.concatenate(added)[children.unknown] * direction).clip(min=0).sum())
        total = float((by_child * direction).clip(min=0).sum()) + untraced
        if total <= 0:
            return
        shares, score = by_child * direction / total, descent.scores[self.layer][unit[1]]
        positive = shares.clip(min=0)
        for k, part in enumerate(np.bincount(children.layer, positive, len(children.layers)).tolist()):
            descent.incoming[children.layers[k]] += score * part
        selected = options.select(positive)
        for k in selected.tolist():
            child, source = children.unit(k)
            passed_on = score * float(shares[k])
            descent.scores[child][source] += passed_on
            descent.signed_scores[child][source] += passed_on if by_output[k] * direction >= 0 else -passed_on
        against = select_against(shares, selected)
        for k in against.tolist():
            child, source = children.unit(k)
            descent.against[child][source] -= score * float(shares[k])
        for k in [*selected.tolist(), *against.tolist()]:
            kind = KINDS[children.kind[k]]
            edge = CandidateEdge(children.unit(k), unit, float(by_child[k]), float(shares[k]), kind)
            descent.edges[children.unit(k)[0]].append(edge)
        if options.contribution == PRODUCT:
            self._note_best_links(unit, children, by_child, shares)
        if untraced > 0:
            self._cross(unit, children, score, untraced / total)

    def _note_best_links(self, unit: UnitKey, children: ChildTable, added: Floats, shares: Floats) -> None:
        for k, layer in enumerate(children.layers):
            if layer in self.descent.gradients:
                width = len(self.descent.gradients[layer].product)
                links = self.descent.best_links.setdefault(layer, BestLinks.empty(width))
                here = children.layer == k
                links.update(unit, children.channel[here], added[here], shares[here], children.kind[here])

    def _cross(self, unit: UnitKey, children: ChildTable, score: float, share: float) -> None:
        """Distribute what comes through operations that cannot be traced by gradient x activation in the layers below."""
        descent = self.descent
        layers = [layer for layer in children.layers_below if layer in descent.gradients]
        if not layers:
            return
        products = [descent.gradients[layer].product.clip(min=0) for layer in layers]
        owner = np.repeat(np.arange(len(layers)), [len(product) for product in products])
        channel = np.concatenate([np.arange(len(product)) for product in products])
        weights = np.concatenate(products)
        if weights.sum() <= 0:
            return
        weights /= weights.sum()
        for k, part in enumerate(np.bincount(owner, weights, len(layers)).tolist()):
            descent.incoming[layers[k]] += score * share * part
            descent.operations[layers[k]] |= dict.fromkeys(children.operations)
        for k in self.options.select(weights)[: self.options.max_units].tolist():
            child, source = layers[owner[k]], int(channel[k])
            passed_on = share * float(weights[k])
            descent.scores[child][source] += score * passed_on
            descent.signed_scores[child][source] += score * passed_on
            descent.edges[child].append(CandidateEdge((child, source), unit, 0.0, passed_on, UNKNOWN))
