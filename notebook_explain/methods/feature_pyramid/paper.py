"""The published rule of Class Feature Pyramids, whole, with its faults, for teaching and comparison.

Stergiou, Kapidis, Kalliatakis, Chrysoulas, Poppe, Veltkamp: Class Feature Pyramids for Video Explanation (ICCV
Workshops 2019, arXiv:1909.08611). The rule of the authors' released code, in our words::

    k_j = mean of W[i, j] over its taps,  a_j = mean of A_j over time, height and width
    p = k * a,  q = p / sum(p),  r = (q - min q) / (max q - min q),  children of i = {j : r_j >= theta}

Faults of the released code that are kept, because they decide which channels come out:

* Where sum(p) is negative, the division reverses the order: the channels that speak most against kernel i are chosen.
* With groups, tap means are repeated one by one instead of group by group, so children lie outside the kernel's group.
* Batch normalisation, sums and concatenations are ignored. A kernel's children are assumed to be kernels of the last
  layer that ran before and has as many kernels as this one reads channels.
* The first step weighs the classifier alone, not the clip, and scales all classes together.

Faults that are not kept: layers recorded twice or not at all; weights paired with another layer's activation; maps of
a neighbouring layer; a network rewritten into another one; a kernel expanded once per path to it; a crash where only
the largest channels are wanted. Here a layer's activation is its input, after norm and activation.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from notebook_explain._errors import UsageError
from notebook_explain.explanations import ExplainError
from notebook_explain.methods.feature_pyramid.descent import CandidateEdge, Descent, Group
from notebook_explain.methods.feature_pyramid.layer_records import LayerRecords
from notebook_explain.models.channel_graph import ChannelGraph

DEPTH = 3  # of the released code
CAVEAT = (
    "This is the published rule, for comparison: where the scores of a kernel's children add up to less than 0 it chooses "
    "what speaks against it; it mixes up groups, and sees neither norms nor sums nor concatenations."
)


def path(wired: ChannelGraph, top: Group, depth: int) -> tuple[list[Group], list[str]]:
    """The layers that the rule walks through, the classifier first, and what is to be said of them.

    Raises
    ------
    ExplainError
        The classes are no kernels of one layer, or no layer before has as many kernels as they read.
    """
    if top[0] != "kernel":
        raise ExplainError("the classes are channels of a sum: the published rule needs a classifier with weights")
    layers, at, said = [top], top[1], []
    for _ in range(depth):
        reads = wired.layers[at].in_channels
        below = next((k for k in range(at - 1, -1, -1) if wired.layers[k].out_channels == reads), None)
        if below is None:
            if at != 0:
                said.append(
                    f"It ends at {wired.layers[at].name}: no layer before has the {reads} kernels that it reads."
                )
            break
        if wired.layers[at].groups > 1:
            said.append(
                f"{wired.layers[at].name} has {wired.layers[at].groups} groups: its children lie outside of them."
            )
        layers.append(("kernel", below))
        at = below
    return layers, said


def walk_down(
    passed: LayerRecords, layers: list[Group], label: int, theta: float, most: int
) -> Iterator[tuple[Group, Descent]]:
    """Yield after each row; a unit's score is the share of the units above that chose it.

    Parameters
    ----------
    passed : Passed
    layers : list of Group
        From the classifier down (``path``).
    label : int
        Of the class.
    theta : float in 0..1
        Least scaled score of a child.
    most : int
        Units that a row keeps.
    """
    walk = Descent()
    top = layers[0]
    walk.scores[top][label] = walk.flows[top][label] = walk.arrived[top] = 1.0
    walk.kept[top] = [label]
    yield top, walk
    for above, group in pairwise(layers):
        weights = _weights(passed, above)
        means = passed.levels[above][0].cpu().numpy()
        parents = walk.kept[above]
        for parent in parents:
            chosen, added, shares = _children(weights, means, parent, theta, first=above == top)
            for child in chosen:
                walk.scores[group][child] += 1 / len(parents)
                walk.steps[group].append(
                    CandidateEdge((group, child), (above, parent), float(added[child]), float(shares[child]), "conv")
                )
        scores = walk.scores[group]
        walk.flows[group] = scores
        walk.arrived[group] = sum(scores.values())
        walk.kept[group] = sorted(scores, key=lambda at, scores=scores: (-scores[at], at))[:most]  # type: ignore[misc]
        if not walk.kept[group]:
            return
        yield group, walk


def _children(
    weights: Floats, means: Floats, parent: int, theta: float, first: bool
) -> tuple[list[int], Floats, Floats]:
    """Which channels one kernel chooses; what the rule takes each to add, and its scaled score."""
    if first:  # the classifier alone, all classes together
        matrix = weights.reshape(*weights.shape[:2], -1).mean(axis=2)
        return published_first(matrix, parent, theta), matrix[parent], scaled(matrix)[parent]
    added = published_scores(weights[parent], means)
    chosen = published_backstep(weights, means.reshape(-1, 1, 1, 1), [parent], theta)[parent]
    return chosen, added, shares_of(added)


def _weights(passed: LayerRecords, group: Group) -> Floats:
    weight = passed.calls[group].weight
    assert weight is not None
    return np.asarray(weight.float().cpu().numpy())


Floats = NDArray[np.floating]


def published_backstep(
    weights: Floats | Sequence[Floats], activation: Floats, selected: Sequence[int], theta: float
) -> dict[int, list[int]]:
    """One step back: from chosen kernels of a layer to channels of its input.

    Parameters
    ----------
    weights : float (output, input / groups, time, height, width), or a sequence of these
        Of the layer; several for branches side by side, whose inputs are taken to lie one after the other too.
    activation : float (channel, time, height, width), or with an axis of 1 before
        The layer's input.
    selected : sequence of int
        Kernels to go back from, counted over all branches.
    theta : float in 0..1
        Least normalised score of a child.

    Returns
    -------
    dict of int to list of int
        The children of each kernel, in ascending order; none where all scores are the same. With branches they are
        counted from the first input of the kernel's own branch, as in the published code.

    Raises
    ------
    ValueError
        ``theta`` outside 0..1, no such kernel, or an activation that the weights do not divide.
    """
    if not 0 <= theta <= 1:
        raise UsageError(f"theta must lie in 0..1, got {theta}")
    branches = [np.asarray(each) for each in ([weights] if isinstance(weights, np.ndarray) else weights)]
    maps = np.asarray(activation)
    means = maps.reshape(maps.shape[-4], -1).mean(axis=1)
    ends = np.cumsum([len(branch) for branch in branches])
    children = {}
    for kernel in selected:
        if not 0 <= kernel < ends[-1]:
            raise UsageError(f"there is no kernel {kernel}; this layer has 0 to {ends[-1] - 1}")
        at = int(np.searchsorted(ends, kernel, side="right"))
        row = branches[at][kernel - (ends[at] - len(branches[at]))]
        children[int(kernel)] = _chosen(published_scores(row, _seen(branches, at, means)), theta)
    return children


def published_first(classifier: Floats, target: int, theta: float) -> list[int]:
    """The first step: the kernels whose weight for a class is large, the clip unseen.

    Parameters
    ----------
    classifier : float (class, channel)
    target : int
    theta : float in 0..1
        Least weight, scaled so that the whole matrix, all classes together, fills 0 to 1.
    """
    return np.flatnonzero(scaled(classifier)[target] >= theta).tolist()


def _seen(branches: list[Floats], at: int, means: Floats) -> Floats:
    """The means of the inputs that the published code gives to a branch."""
    if len(branches) == 1:
        return means
    first = sum(branch.shape[1] for branch in branches[:at])
    return means[first : first + branches[at].shape[1]]


def published_scores(row: Floats, means: Floats) -> Floats:
    """The products p of one kernel's tap means and its input's means, grouped as published: (channel,).

    Parameters
    ----------
    row : float (input / groups, *taps)
    means : float (input,)
    """
    taps = row.reshape(len(row), -1).mean(axis=1)
    if len(means) % len(taps):
        raise UsageError(f"an activation of {len(means)} channels does not divide into groups of {len(taps)}")
    scores: Floats = np.repeat(taps, len(means) // len(taps)) * means
    return scores


def shares_of(scores: Floats) -> Floats:
    """The scaled scores r, 0 to 1; not a number where all are the same."""
    with np.errstate(divide="ignore", invalid="ignore"):
        return scaled(scores / scores.sum())


def scaled(values: Floats) -> Floats:
    """Shifted and stretched so that all of them together fill 0 to 1."""
    result: Floats = (values - values.min()) / (values.max() - values.min())
    return result


def _chosen(scores: Floats, theta: float) -> list[int]:
    return np.flatnonzero(shares_of(scores) >= theta).tolist()  # not a number is never above it
