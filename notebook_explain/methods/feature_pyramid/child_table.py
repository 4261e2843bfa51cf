"""Children of a unit: the channels that it reads, matched with the kernels, sums and colours they come from."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from notebook_explain.methods.feature_pyramid.contributions import OperandContributions
from notebook_explain.methods.feature_pyramid.layer_records import LayerKey
from notebook_explain.models.channel_graph.graph import GATE, NODES

Floats = NDArray[np.float64]
UnitKey = tuple[LayerKey, int]  # a layer and a channel of it


@dataclass(frozen=True, eq=False)
class ChildTable:
    """Everything that one unit reads, each known child once, and the channels whose sources are unknown.

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
    unknown : int64 array
        Channels, counted like ``operand_channel``, that come from operations that cannot be traced and from nothing else.
    layers_below : list of LayerKey
        Layers that these operations read.
    operations : tuple of str
        Names of these operations.
    """

    layers: list[LayerKey]
    layer: NDArray[np.int64]
    channel: NDArray[np.int64]
    kind: NDArray[np.int64]
    operand_channel: NDArray[np.int64]
    source_count: Floats
    sign: Floats
    child: NDArray[np.int64]
    unknown: NDArray[np.int64]
    layers_below: tuple[LayerKey, ...]
    operations: tuple[str, ...]

    @classmethod
    def build(cls, operands: list[OperandContributions], firsts: tuple[int, ...]) -> ChildTable:
        """Collect the children of a unit that reads each operand from the given channel on."""
        parts, unknown, before = [], [np.empty(0, np.int64)], 0
        below: dict[LayerKey, None] = {}
        operations: dict[str, None] = {}
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
            hidden = np.setdiff1d(links.unknown_channels, readers)
            hidden = hidden[(hidden >= first) & (hidden < first + count)]
            if len(hidden):
                unknown.append(hidden - first + before)
                below |= dict.fromkeys((NODES[node], owner) for node, owner in links.layers_below.tolist())
                names = (name for name, channels in links.unknown if np.isin(hidden, channels).any())
                operations |= dict.fromkeys(names)
            before += count
        nodes, channels, source_count, sign, kinds = (np.concatenate(part) for part in zip(*parts, strict=True))
        units, first_row, child = np.unique(nodes, axis=0, return_index=True, return_inverse=True)
        owners, layer = np.unique(units[:, :2], axis=0, return_inverse=True)
        layers = [(NODES[node], owner) for node, owner in owners.tolist()]
        links_of_children = (channels, source_count, sign, child.reshape(-1))
        children = (layers, layer.reshape(-1), units[:, 2], kinds[first_row])
        return cls(*children, *links_of_children, np.concatenate(unknown), tuple(below), tuple(operations))

    def unit(self, index: int) -> UnitKey:
        """Return the layer and the channel of a child."""
        return self.layers[self.layer[index]], int(self.channel[index])

    def add_up(self, added: list[Floats]) -> tuple[Floats, Floats]:
        """Return what each child adds to a unit, and the same times the sign of the child's output in it: (child,)."""
        per_link = np.concatenate(added)[self.operand_channel] / self.source_count
        count = len(self.channel)
        total, by_output = (np.bincount(self.child, values, count) for values in (per_link, per_link * self.sign))
        return total.astype(np.float64), by_output.astype(np.float64)
