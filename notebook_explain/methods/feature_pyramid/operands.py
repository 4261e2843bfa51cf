"""Step 2 of a pyramid: the units that stand for the class, and the operands that chosen units of a layer read."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from notebook_explain.explanations import ExplainError, Target
from notebook_explain.methods.feature_pyramid.layer_records import LayerKey, LayerRecords
from notebook_explain.models.channel_graph import ChannelGraph, Links


@dataclass(frozen=True, eq=False)
class Operand:
    """An operand of a layer or sum, as chosen units read it.

    Attributes
    ----------
    links : Links
        Sources of all channels of the operand.
    first : int64 array (unit,)
        First channel that each unit reads; the others follow it.
    channel_means : float64 array (channel of the operand,)
    sign : int
        -1 where a sum subtracts it, else 1.
    """

    links: Links
    first: NDArray[np.int64]
    channel_means: NDArray[np.float64]
    sign: int = 1


def class_units(graph: ChannelGraph, target: Target) -> dict[LayerKey, dict[int, float]]:
    """Return the units that stand for a target, by layer and channel, with their signed scores.

    Absolute scores add up to 1. A score is negative for the class that is subtracted, and where less of the unit's
    output means more of the class.

    Parameters
    ----------
    graph : ChannelGraph
    target : Target
        Resolved: with head and index (``VideoModel.resolve``).

    Raises
    ------
    ExplainError
        The sources of the class are unknown.
    """
    signed_labels = [(int(target.label), 1.0)]
    if target.against is not None:
        signed_labels.append((int(target.against.label), -1.0))
    links = graph.heads.get(str(target.head))
    units: dict[LayerKey, dict[int, float]] = {}
    for label, sign in signed_labels:
        sources = []
        if links is not None and label < len(links):
            sources = [link for link in links[label] if link.kind != "gate"]
        if not sources:
            raise ExplainError(
                "the logits come from an operation that cannot be traced channel by channel, so a pyramid cannot start "
                "there; use SaliencyTubes for this model"
            )
        for link in sources:
            value = sign * (-1.0 if link.slope < 0 else 1.0) / len(sources)
            units.setdefault((link.node, link.owner), {})[link.channel] = value
    total = sum(abs(value) for channels in units.values() for value in channels.values())
    return {layer: {channel: value / total for channel, value in channels.items()} for layer, channels in units.items()}


def operands_of(graph: ChannelGraph, records: LayerRecords, layer: LayerKey, channels: list[int]) -> list[Operand]:
    """Return the operands that chosen units of a layer or sum read.

    Parameters
    ----------
    graph : ChannelGraph
    records : LayerRecords
    layer : LayerKey
    channels : list of int
        Kernels of the layer, or channels of the sum.

    Returns
    -------
    list of Operand
        One for a layer, both terms of a sum; empty where the layer did not run in the recorded pass.
    """
    if layer not in records.calls:
        return []
    means = [mean.cpu().numpy() for mean in records.channel_means[layer]]
    if layer[0] == "sum":  # each channel reads the same channel of both terms
        addends = graph.sums[layer[1]].addends
        first = np.array(channels, np.int64)
        return [Operand(addend.links, first, mean, addend.sign) for addend, mean in zip(addends, means, strict=True)]
    kernel_layer = graph.layers[layer[1]]
    first = np.array([kernel_layer.reads(channel).start for channel in channels], np.int64)
    return [Operand(kernel_layer.links, first, means[0])]
