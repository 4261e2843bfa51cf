"""Order in which a descent visits the layers: each after everything that reads it."""

from __future__ import annotations

from collections.abc import Iterator

from notebook_explain.methods.feature_pyramid.layer_records import LayerKey
from notebook_explain.models.channel_graph import ChannelGraph, Links
from notebook_explain.models.channel_graph.graph import GATE, NODES


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


def _links_of(graph: ChannelGraph, layer: LayerKey) -> list[Links]:
    if layer[0] == "kernel":
        return [graph.layers[layer[1]].links]
    return [addend.links for addend in graph.sums[layer[1]].addends] if layer[0] == "sum" else []


def _layers_read(links: Links) -> Iterator[LayerKey]:
    main = links.kind != GATE
    for node, owner in links.layers_below.tolist():
        yield NODES[node], owner
    for node, owner in set(zip(links.node[main].tolist(), links.owner[main].tolist(), strict=True)):
        yield NODES[node], owner


def _execution_order(layer: LayerKey) -> tuple[bool, int, int]:
    """Sort key: the clip first, then sums, then layers, each in order of execution."""
    kind, index = layer
    return (kind != "input", *((index, 0) if kind == "kernel" else (-1, index)))
