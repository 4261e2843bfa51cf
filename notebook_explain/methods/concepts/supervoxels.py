"""Supervoxels: SLIC on colour and optical flow, at three resolutions.

SLIC groups voxels that are close in space, time, colour (CIE Lab) and movement (dense inverse search flow, in pixels per
frame). Of a supervoxel that covers more than half of the same voxels as a coarser one, only the coarser one is grouped.

References: Achanta et al.: SLIC Superpixels, TPAMI 2012; Kroeger et al.: Fast Optical Flow using Dense Inverse Search, ECCV
2016, arXiv:1603.03590.
"""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from notebook_explain._errors import ExplainError
from notebook_explain.clip import Clip
from notebook_explain.methods.concepts.units import Segmentation

SEGMENTS = (30, 100, 300)  # in a clip, from coarse to fine
COMPACTNESS, SIGMA = 20.0, 0.5  # weight of distance in units of colour; blur before, in voxels
FLOW = 5.0  # units of colour for a movement of one pixel per frame
LEAST_VOLUME, LARGEST_OVERLAP = 0.001, 0.5  # of the clip; intersection over union


def supervoxels(clip: Clip) -> Segmentation:
    """Divide a clip into supervoxels.

    Parameters
    ----------
    clip : Clip
        A clip that fits the network.

    Raises
    ------
    ExplainError
        scikit-image is not installed.
    """
    try:
        from skimage.color import rgb2lab
        from skimage.segmentation import slic
    except ImportError:
        raise ExplainError(
            "supervoxels need scikit-image, which is not installed; run pip install 'notebook_explain[concepts]', or use "
            "units='positions'"
        ) from None
    channels = np.concatenate([rgb2lab(clip.frames), FLOW * optical_flow(clip.frames)], axis=-1)
    span = float(channels.max() - channels.min())  # slic scales all channels to 0..1 by it
    compactness = COMPACTNESS / max(span, 1e-6)

    def divide(segments: int) -> NDArray[np.int64]:
        found: Any = slic(
            channels,
            n_segments=segments,
            compactness=compactness,
            sigma=SIGMA,
            convert2lab=False,
            start_label=0,
            channel_axis=-1,
        )
        return np.asarray(found, np.int64)

    return merged_levels([divide(segments) for segments in SEGMENTS])


def optical_flow(frames: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Return the movement from each frame to the next, float32 (time, height, width, 2) in pixels; the last one is repeated."""
    grey = [cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY) for frame in frames]
    flow = cv2.DISOpticalFlow_create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)  # type: ignore[attr-defined]
    found = [flow.calc(before, after, None) for before, after in pairwise(grey)]
    if not found:
        return np.zeros((*frames.shape[:3], 2), np.float32)
    return np.stack([*found, found[-1]]).astype(np.float32)


def merged_levels(levels: list[NDArray[np.int64]]) -> Segmentation:
    """Number the supervoxels of all levels, from coarse to fine; leave out specks, and mark those that repeat a coarser one."""
    labels: list[NDArray[np.int64]] = []
    copies = np.zeros(0, np.int64)
    for level in levels:
        is_kept = np.bincount(level.ravel()) >= LEAST_VOLUME * level.size
        first, number = len(copies), int(is_kept.sum())
        numbered = np.where(is_kept, first - 1 + np.cumsum(is_kept), -1)[level]
        own = np.arange(first, first + number)
        for coarser in labels:
            own = _repeated(numbered, coarser, own, first)
        copies = np.append(copies, own)
        copies[first:] = copies[own]  # the coarser one may itself repeat another
        labels.append(numbered)
    return Segmentation.at_voxels(np.stack(labels), copies)


def _repeated(
    level: NDArray[np.int64], coarser: NDArray[np.int64], own: NDArray[np.int64], first: int
) -> NDArray[np.int64]:
    """Replace each unit of a level by the unit of a coarser one that covers the same voxels."""
    both = (level >= 0) & (coarser >= 0)
    width = int(coarser.max()) + 1
    shared = np.bincount((level[both] - first) * width + coarser[both], minlength=len(own) * width)
    shared = shared.reshape(len(own), width)
    fine = np.bincount(level[level >= 0] - first, minlength=len(own))[:, None]
    coarse = np.bincount(coarser[coarser >= 0], minlength=width)
    overlap = shared / np.maximum(fine + coarse - shared, 1)
    best = overlap.argmax(1)
    is_new = (own >= first) & (overlap[np.arange(len(own)), best] > LARGEST_OVERLAP)
    return np.where(is_new, best, own)
