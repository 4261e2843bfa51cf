"""The published rule of Class Feature Pyramids, faults included, for teaching and to compare with.

Stergiou, Kapidis, Kalliatakis, Chrysoulas, Poppe, Veltkamp: Class Feature Pyramids for Video Explanation (ICCV
Workshops 2019, arXiv:1909.08611). What follows is the rule of the authors' released code, in our words:

    k_j = mean of W[i, j] over its taps,  a_j = mean of A_j over time, height and width
    p = k * a,  q = p / sum(p),  r = (q - min q) / (max q - min q),  children of i = {j : r_j >= theta}

Faults of the released code that this shares, since they decide which channels come out: where sum(p) is below 0 the
division turns the order round, so that what speaks most *against* kernel i is chosen; with groups, the tap means are
repeated one by one although group after group is meant, so that children lie outside the kernel's own group; batch
normalisation, sums and concatenations are not seen; the first step weighs the classifier alone, not the clip, and
scales all classes together. It is not slow like the released code, expands a kernel once however many parents it has,
and takes tapes of weights and activations that belong together, where the released one sometimes pairs them wrongly.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

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
        raise ValueError(f"theta must lie in 0..1, got {theta}")
    branches = [np.asarray(each) for each in ([weights] if isinstance(weights, np.ndarray) else weights)]
    maps = np.asarray(activation)
    means = maps.reshape(maps.shape[-4], -1).mean(axis=1)
    ends = np.cumsum([len(branch) for branch in branches])
    children = {}
    for kernel in selected:
        if not 0 <= kernel < ends[-1]:
            raise ValueError(f"there is no kernel {kernel}; this layer has 0 to {ends[-1] - 1}")
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
        raise ValueError(f"an activation of {len(means)} channels does not divide into groups of {len(taps)}")
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
