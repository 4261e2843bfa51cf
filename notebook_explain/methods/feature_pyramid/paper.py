"""The published rule on a whole model: layers in the order of execution, three deep unless more is asked for.

It shares these faults of the released code (``published``): a negative sum turns the choice round, groups are mixed up,
norms, sums and concatenations are not seen, and the first step does not look at the clip. A kernel's children are taken
to be kernels of the layer that ran last before it and has as many as it reads channels, whatever really feeds it.

It does not imitate these: layers that are recorded twice or not at all, weights paired with another layer's activation
(here it is what the layer reads, after norm and activation), maps from the layer beside, a network rewritten into
another one, a tree that expands a kernel once for each way to it, and a crash where only the largest are wanted.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

import numpy as np

from notebook_explain.explanations import ExplainError
from notebook_explain.methods.feature_pyramid.descent import Climb, Group, Step
from notebook_explain.methods.feature_pyramid.layer_records import Passed
from notebook_explain.methods.feature_pyramid.published import (
    Floats,
    published_backstep,
    published_first,
    published_scores,
    scaled,
    shares_of,
)
from notebook_explain.models.channel_graph import Connections

DEPTH = 3  # of the released code
CAVEAT = (
    "This is the published rule, for comparison: where the scores of a kernel's children add up to less than 0 it chooses "
    "what speaks against it; it mixes up groups, and sees neither norms nor sums nor concatenations."
)


def path(wired: Connections, top: Group, depth: int) -> tuple[list[Group], list[str]]:
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
    passed: Passed, layers: list[Group], label: int, theta: float, most: int
) -> Iterator[tuple[Group, Climb]]:
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
    walk = Climb()
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
                    Step((group, child), (above, parent), float(added[child]), float(shares[child]), "conv")
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


def _weights(passed: Passed, group: Group) -> Floats:
    weight = passed.calls[group].weight
    assert weight is not None
    return np.asarray(weight.float().cpu().numpy())
