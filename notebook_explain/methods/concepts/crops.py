"""Crops, the published way to describe supervoxels: each one alone on grey, enlarged to a whole clip, through the network.

A crop loses where a supervoxel was and how large, and its grey surround is unlike any clip. A supervoxel that does not last
the whole clip is stretched in time.
"""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from notebook_explain._errors import ExplainError
from notebook_explain.clip import Clip
from notebook_explain.methods.concepts.embedding import layer_features
from notebook_explain.methods.concepts.units import Segmentation, normalised
from notebook_explain.models import Layer, VideoModel

GREY = 117  # of 255, as published


def crop_of(clip: Clip, mask: NDArray[np.bool_]) -> Clip:
    """Return a supervoxel alone: grey outside, cut to its bounding box, enlarged to the size of the clip.

    Parameters
    ----------
    clip : Clip
    mask : bool array (time, height, width)
        At least one voxel.
    """
    (t0, t1), (y0, y1), (x0, x1) = (_extent(mask, axis) for axis in range(3))
    time, height, width = clip.size
    part = np.where(mask[..., None], clip.frames, np.uint8(GREY))[t0:t1, y0:y1, x0:x1]
    frames = np.minimum(np.arange(time) * (t1 - t0) // time, t1 - t0 - 1)
    enlarged = [cv2.resize(part[frame], (width, height), interpolation=cv2.INTER_CUBIC) for frame in frames]
    return Clip(np.stack(enlarged), source=clip.source)


def _extent(mask: NDArray[np.bool_], axis: int) -> tuple[int, int]:
    others = tuple(other for other in range(3) if other != axis)
    found = np.flatnonzero(mask.any(others))
    return int(found[0]), int(found[-1]) + 1


def crop_descriptors(
    model: VideoModel, layers: Sequence[Layer], clip: Clip, segmentation: Segmentation
) -> tuple[NDArray[np.float32], int]:
    """Return the features of every unit's crop, averaged over positions, (unit, channels), and the number of passes."""
    if clip.values is not None:
        raise ExplainError("crops are cut from colours, but this clip has values of its own; use units='positions'")
    distinct = np.flatnonzero(segmentation.distinct)
    found = None
    for unit in distinct:
        crop = crop_of(clip, (segmentation.labels == unit).any(0))
        cells = [layer_features(model, [crop], layer)[0] for layer in layers]
        row = np.concatenate([normalised(one.features.mean(1)[None])[0] for one in cells])
        found = np.zeros((segmentation.count, len(row)), np.float32) if found is None else found
        found[unit] = row
    assert found is not None
    return found[segmentation.copies], len(distinct) * len(layers)
