"""Controls: as many voxels elsewhere in the same clip, with which the effect of a concept is compared.

Under the null hypothesis it does not matter which units a concept covers, so its control must be as likely as itself. Cells of
a layer are shifted and mirrored together, by whole cells: a shift by fewer voxels cuts cells apart, and called 16 % of random
concepts significant at 0.05. The borders of supervoxels follow the clip, so that they cannot be shifted: their control is made
of other supervoxels.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from notebook_explain.methods.concepts.units import Segmentation
from notebook_explain.methods.random_parts import elsewhere

Bools = NDArray[np.bool_]


def controls_of(segmentation: Segmentation, masks: Bools, rng: np.random.Generator) -> Bools:
    """Return a control of every concept in one clip.

    Parameters
    ----------
    segmentation : Segmentation
    masks : bool array (concept, time, height, width)
        Voxels of each concept; the control of an empty one is empty.
    rng : numpy Generator

    Returns
    -------
    bool array (concept, time, height, width)
    """
    size = masks.shape[1:]
    if segmentation.labels.shape[1:] != size:
        pairs = zip(size, segmentation.labels.shape[1:], strict=True)
        time, height, width = (max(1, round(length / cells)) for length, cells in pairs)
        found = [elsewhere(mask, rng, (time, height, width)) if mask.any() else mask for mask in masks]
    else:
        found = [_other_units(segmentation.labels[-1], int(mask.sum()), rng) for mask in masks]
    return np.stack(found)


def _other_units(labels: NDArray[np.integer], voxels: int, rng: np.random.Generator) -> Bools:
    """Return random units of a level that have together as nearly as possible a number of voxels."""
    sizes = np.bincount(labels[labels >= 0])
    order = rng.permutation(np.flatnonzero(sizes))
    reached = np.concatenate([[0], np.cumsum(sizes[order])])
    count = int(np.abs(reached - voxels).argmin())
    return np.asarray(np.isin(labels, order[:count]), np.bool_)
