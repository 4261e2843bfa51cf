"""The published rule of Class Feature Pyramids, complete with its faults, for teaching and comparison.

Stergiou, Kapidis, Kalliatakis, Chrysoulas, Poppe, Veltkamp: Class Feature Pyramids for Video Explanation (ICCV
Workshops 2019, arXiv:1909.08611). The rule of the authors' released code, in our words::

    k_j = mean of W[i, j] over its taps,  a_j = mean of A_j over time, height and width
    p = k * a,  q = p / sum(p),  r = (q - min q) / (max q - min q),  children of i = {j : r_j >= theta}

Faults of the released code that are kept, because they decide which channels are selected:

* Where sum(p) is negative, the division reverses the order: the channels that count most against kernel i are selected.
* With groups, tap means are repeated one by one instead of group by group, so children lie outside the kernel's group.
* Batch normalisation, sums and concatenations are ignored. A kernel's children are assumed to be kernels of the last
  layer that ran before and has as many kernels as this one reads channels.
* The first step depends on the classifier's weights alone, not on the clip, and scales all classes together.

Faults that are not kept: layers recorded twice or not at all; weights paired with another layer's activation; maps of
a neighbouring layer; a network rewritten into another one; a kernel expanded once per path to it; a crash where only
the largest channels are requested. Here a layer's activation is its input, after norm and activation.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from notebook_explain._errors import UsageError
from notebook_explain.explanations import ExplainError
from notebook_explain.methods.feature_pyramid.descent_state import CandidateEdge, Descent, DescentRow
from notebook_explain.methods.feature_pyramid.layer_records import LayerKey, LayerRecords
from notebook_explain.models.channel_graph import ChannelGraph

Floats = NDArray[np.floating]
DEPTH = 3  # of the released code
CAVEAT = (
    "This is the published rule, shown for comparison. Where the scores of a kernel's children add up to less than 0, it "
    "selects the channels that count against the kernel; it mixes up groups and ignores norms, sums and concatenations."
)

# The rule for one layer -------------------------------------------------------------------------------------------


def published_first(classifier: Floats, target: int, theta: float) -> list[int]:
    """First step: return the kernels whose weight for a class is large, whatever the clip.

    Parameters
    ----------
    classifier : float (class, channel)
    target : int
    theta : float in 0..1
        Smallest weight to select, after scaling the whole matrix, all classes together, to 0..1.
    """
    return np.flatnonzero(_scale(classifier)[target] >= theta).tolist()


def published_backstep(
    weights: Floats | Sequence[Floats], activation: Floats, selected: Sequence[int], theta: float
) -> dict[int, list[int]]:
    """One step back: return, for selected kernels of a layer, the channels of its input that the rule selects.

    Parameters
    ----------
    weights : float (output, input / groups, time, height, width), or a sequence of these
        Weights of the layer; several for parallel branches, whose inputs are assumed to be concatenated too.
    activation : float (channel, time, height, width), or with an axis of 1 before
        Input of the layer.
    selected : sequence of int
        Kernels to go back from, counted over all branches.
    theta : float in 0..1
        Smallest scaled score to select.

    Returns
    -------
    dict of int to list of int
        Children of each kernel, in ascending order; none where all scores are equal. With branches they are counted
        from the first input of the kernel's branch, as in the released code.

    Raises
    ------
    ValueError
        ``theta`` outside 0..1, a kernel that does not exist, or an activation whose channels the weights do not divide.
    """
    if not 0 <= theta <= 1:
        raise UsageError(f"theta must lie in 0..1, got {theta}")
    branches = [np.asarray(branch) for branch in ([weights] if isinstance(weights, np.ndarray) else weights)]
    maps = np.asarray(activation)
    means = maps.reshape(maps.shape[-4], -1).mean(axis=1)
    ends = np.cumsum([len(branch) for branch in branches])
    children = {}
    for kernel in selected:
        if not 0 <= kernel < ends[-1]:
            raise UsageError(f"there is no kernel {kernel}; this layer has kernels 0 to {ends[-1] - 1}")
        index = int(np.searchsorted(ends, kernel, side="right"))
        weight = branches[index][kernel - (ends[index] - len(branches[index]))]
        scores = _scores(weight, _means_of_branch(branches, index, means))
        children[int(kernel)] = np.flatnonzero(_scaled_shares(scores) >= theta).tolist()  # NaN is never selected
    return children


def _means_of_branch(branches: list[Floats], index: int, means: Floats) -> Floats:
    """Return the channel means that the released code gives to a branch."""
    if len(branches) == 1:
        return means
    first = sum(branch.shape[1] for branch in branches[:index])
    return means[first : first + branches[index].shape[1]]


def _scores(weight: Floats, means: Floats) -> Floats:
    """Return the scores p of one kernel's input channels, grouped as in the released code: (channel,).

    Parameters
    ----------
    weight : float (input / groups, *taps)
    means : float (input,)
    """
    taps = weight.reshape(len(weight), -1).mean(axis=1)
    if len(means) % len(taps):
        raise UsageError(f"an activation of {len(means)} channels does not divide into groups of {len(taps)}")
    scores: Floats = np.repeat(taps, len(means) // len(taps)) * means
    return scores


def _scaled_shares(scores: Floats) -> Floats:
    """Return the scaled scores r, 0 to 1; NaN where all scores are equal."""
    with np.errstate(divide="ignore", invalid="ignore"):
        return _scale(scores / scores.sum())


def _scale(values: Floats) -> Floats:
    """Shift and scale all values together to 0..1."""
    result: Floats = (values - values.min()) / (values.max() - values.min())
    return result


# The rule for a network -------------------------------------------------------------------------------------------


def select_layers(graph: ChannelGraph, top: LayerKey, depth: int) -> tuple[list[LayerKey], list[str]]:
    """Return the layers that the rule visits, the classifier first, and caveats about them.

    Parameters
    ----------
    graph : ChannelGraph
    top : LayerKey
        Layer whose kernels are the classes.
    depth : int
        Number of layers below the classifier.

    Raises
    ------
    ExplainError
        The classes are not kernels of a layer.
    """
    if top[0] != "kernel":
        raise ExplainError(
            "the classes are channels of a sum, but the published rule needs a classifier with weights; use mode='corrected'"
        )
    index = top[1]
    layers, caveats = [top], []
    for _ in range(depth):
        layer = graph.layers[index]
        below = next((k for k in range(index - 1, -1, -1) if graph.layers[k].out_channels == layer.in_channels), None)
        if below is None:
            if index != 0:
                caveats.append(
                    f"The published rule stops at {layer.name}: it reads {layer.in_channels} channels, and no earlier "
                    f"layer has {layer.in_channels} kernels."
                )
            break
        if layer.groups > 1:
            caveats.append(f"{layer.name} has {layer.groups} groups; the published rule selects children outside them.")
        layers.append(("kernel", below))
        index = below
    return layers, caveats


def descend(
    records: LayerRecords, layers: list[LayerKey], label: int, theta: float, max_units: int
) -> Iterator[DescentRow]:
    """Descend by the published rule and yield after each row; the score of a unit is its share of all selections in its row.

    Parameters
    ----------
    records : LayerRecords
    layers : list of LayerKey
        From the classifier down (``select_layers``).
    label : int
        Index of the class.
    theta : float in 0..1
        Smallest scaled score of a child.
    max_units : int
        Units to keep per row.
    """
    descent = Descent()
    top = layers[0]
    descent.start({top: {label: 1.0}})
    descent.keep(top, 1)
    yield descent.row(top)
    for above, layer in pairwise(layers):
        weights = _weights(records, above)
        means = records.channel_means[above][0].cpu().numpy()
        parents = descent.kept[above]
        for parent in parents:
            children, added, shares = _children(weights, means, parent, theta, is_first=above == top)
            for child in children:
                descent.scores[layer][child] += 1 / len(parents)
                descent.signed_scores[layer][child] += 1 / len(parents)
                descent.edges[layer].append(
                    CandidateEdge((layer, child), (above, parent), float(added[child]), float(shares[child]), "conv")
                )
        votes = sum(descent.scores[layer].values())
        for channel in descent.scores[layer]:
            descent.scores[layer][channel] /= votes
        descent.incoming[layer] = sum(descent.scores[layer].values())
        if not descent.keep(layer, max_units):
            return
        yield descent.row(layer)


def _children(
    weights: Floats, means: Floats, parent: int, theta: float, is_first: bool
) -> tuple[list[int], Floats, Floats]:
    """Return the channels that one kernel selects, and for every channel its contribution by the rule and its scaled score."""
    if is_first:  # the classifier alone, all classes together
        matrix = weights.reshape(*weights.shape[:2], -1).mean(axis=2)
        return published_first(matrix, parent, theta), matrix[parent], _scale(matrix)[parent]
    added = _scores(weights[parent], means)
    selected = published_backstep(weights, means.reshape(-1, 1, 1, 1), [parent], theta)[parent]
    return selected, added, _scaled_shares(added)


def _weights(records: LayerRecords, layer: LayerKey) -> Floats:
    weight = records.calls[layer].weight
    assert weight is not None
    return np.asarray(weight.float().cpu().numpy())
