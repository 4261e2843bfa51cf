"""Where a pyramid begins, and what chosen nodes of a layer or sum read: links with what each channel adds."""

from __future__ import annotations

import numpy as np
import torch

from notebook_explain.explanations import ExplainError
from notebook_explain.methods.feature_pyramid.contributions import by_gradient, exact, fast
from notebook_explain.methods.feature_pyramid.descent import Group, OperandContributions
from notebook_explain.methods.feature_pyramid.layer_records import LayerRecords
from notebook_explain.models.channel_graph import ChannelGraph


def class_units(wired: ChannelGraph, head: str, label: int, against: int | None) -> dict[Group, dict[int, float]]:
    """The kernels of the classifier that are the class, and those of one that is subtracted: score times direction."""
    tops: dict[Group, dict[int, float]] = {}
    for index, sign in ((label, 1.0), (against, -1.0)):
        if index is None:
            continue
        links = wired.heads.get(head)
        found = [] if links is None or index >= len(links) else [each for each in links[index] if each.kind != "gate"]
        if not found:
            raise ExplainError(
                "the logits come out of an operation that cannot be seen through, so no pyramid can begin there; "
                "SaliencyTubes explain this model"
            )
        for link in found:
            value = sign * (-1.0 if link.slope < 0 else 1.0) / len(found)
            tops.setdefault((link.node, link.at), {})[link.channel] = value
    total = sum(abs(value) for nodes in tops.values() for value in nodes.values())
    return {group: {at: value / total for at, value in nodes.items()} for group, nodes in tops.items()}


def operands(
    how: str, wired: ChannelGraph, passed: LayerRecords, group: Group, nodes: list[int]
) -> list[OperandContributions]:
    """What chosen nodes of a group read from each operand.

    Parameters
    ----------
    how : "exact", "fast" or "gradient"
    wired : ChannelGraph
    passed : Passed
        With gradients, where they are asked for.
    group : Group
    nodes : list of int
        Kernels of the layer, or channels of the sum.
    """
    if group not in passed.calls or (how == "gradient" and group not in passed.slopes):
        return []
    if group[0] == "sum":
        return _of_sum(how, wired, passed, group, nodes)
    call, layer = passed.calls[group], wired.layers[group[1]]
    if how == "gradient":
        pairs = by_gradient(call, passed.read[group][0], passed.slopes[group], nodes)
    elif how == "fast":
        pairs = fast(call, passed.levels[group][0], nodes)
    else:
        pairs = exact(call, passed.means[group][0], nodes)
    first = np.array([layer.reads(node).start for node in nodes], np.int64)
    return [OperandContributions(layer.links, first, pairs.cpu().numpy(), passed.levels[group][0].cpu().numpy())]


def _of_sum(
    how: str, wired: ChannelGraph, passed: LayerRecords, group: Group, nodes: list[int]
) -> list[OperandContributions]:
    """Each channel of a sum reads the same channel of both its terms."""
    each, places = wired.sums[group[1]], np.array(nodes, np.int64)
    levels = [level.cpu().numpy() for level in passed.levels[group]]
    added = levels
    if how == "gradient":
        products = (passed.slopes[group] * read for read in passed.read[group])
        added = [_summed(product, each.axis).cpu().numpy() for product in products]
    return [
        OperandContributions(addend.links, places, addend.sign * values[places][:, None], level)
        for addend, values, level in zip(each.addends, added, levels, strict=True)
    ]


def _summed(product: torch.Tensor, axis: int) -> torch.Tensor:
    """Over all but one axis, float64."""
    return product.movedim(axis, -1).flatten(0, -2).sum(0, dtype=torch.float64)
