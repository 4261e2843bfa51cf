"""Localisation: how well a map finds the voxels that truly show the target, where a sample says which these are.

All metrics take the signed map as it is; equal values share their rank. They are undefined without a mask.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import cv2
import numpy as np
from numpy.typing import NDArray

from notebook_explain._validation import check_range
from notebook_explain.evaluation.examples import Mask
from notebook_explain.evaluation.metric import Attribution, Case
from notebook_explain.explanations.evaluation.rows import Better


def has_truth(case: Case) -> bool:
    """Return whether the example has a mask with at least one voxel, and not all of them."""
    mask = case.example.mask
    return mask is not None and bool(mask.any()) and not bool(mask.all())


@dataclass(frozen=True)
class AveragePrecision:
    """Mean precision over all thresholds of the map, weighted by the recall that each adds."""

    better: ClassVar[Better] = Better.HIGHER

    def __call__(self, case: Case) -> float | None:
        """Return the average precision."""
        return average_precision(case.attribution, _mask(case)) if has_truth(case) else None


@dataclass(frozen=True)
class PrecisionAtMask:
    """Share of the strongest voxels, as many as the mask has, that lie in the mask."""

    better: ClassVar[Better] = Better.HIGHER

    def __call__(self, case: Case) -> float | None:
        """Return the precision; of voxels that tie for the last ranks, their mean counts."""
        if not has_truth(case):
            return None
        mask = _mask(case)
        count = int(mask.sum())
        least = np.partition(case.attribution.ravel(), -count)[-count]
        above, tied = case.attribution > least, case.attribution == least
        return float((mask[above].sum() + (count - above.sum()) * mask[tied].mean()) / count)


@dataclass(frozen=True)
class Pointing:
    """Hit if the strongest voxel lies in the mask or near it, in the same frame.

    Attributes
    ----------
    tolerance : float
        Distance in pixels that still counts.
    """

    tolerance: float = 2.0
    better: ClassVar[Better] = Better.HIGHER

    def __post_init__(self) -> None:
        object.__setattr__(self, "tolerance", check_range("tolerance", self.tolerance, 0, 1e6, unit=" pixels"))

    def __call__(self, case: Case) -> float | None:
        """Return 1 for a hit, else 0; the share of hits, if several voxels are strongest."""
        if not has_truth(case):
            return None
        strongest = case.attribution == case.attribution.max()
        hits = near(_mask(case), self.tolerance) & strongest
        return float(hits.sum() / strongest.sum())


@dataclass(frozen=True)
class Energy:
    """Share of the positive evidence that lies in the mask; 0 for a map without any."""

    better: ClassVar[Better] = Better.HIGHER

    def __call__(self, case: Case) -> float | None:
        """Return the share."""
        return _energy(case.attribution, _mask(case)) if has_truth(case) else None


@dataclass(frozen=True)
class OwnMinusOther:
    """Share of the positive evidence in the target's own mask, minus the share in the mask of other actions."""

    better: ClassVar[Better] = Better.HIGHER

    def __call__(self, case: Case) -> float | None:
        """Return the difference, from -1 to 1; ``None`` without another action in the clip."""
        other = case.example.other_mask
        if not has_truth(case) or other is None or not other.any():
            return None
        return _energy(case.attribution, _mask(case)) - _energy(case.attribution, other)


@dataclass(frozen=True)
class TemporalIoU:
    """Overlap in time: frames with at least half of the largest positive evidence, and frames in which the mask has voxels."""

    better: ClassVar[Better] = Better.HIGHER

    def __call__(self, case: Case) -> float | None:
        """Return the number of frames in both over the number in either."""
        if not has_truth(case):
            return None
        per_frame = np.maximum(case.attribution, 0).sum((1, 2), dtype=np.float64)
        marked = (per_frame >= per_frame.max() / 2) & (per_frame > 0)
        acting = _mask(case).any((1, 2))
        return float((marked & acting).sum() / (marked | acting).sum())


def average_precision(values: NDArray[Any], mask: Mask) -> float:
    """Return the average precision of values as a detector of a mask; equal values are one threshold."""
    order = np.argsort(-values.ravel(), kind="stable")
    ranked, hits = values.ravel()[order], np.cumsum(mask.ravel()[order])
    last = np.flatnonzero(np.append(ranked[1:] != ranked[:-1], True))  # of each group of equal values
    precision, gained = hits[last] / (last + 1), np.diff(hits[last], prepend=0)
    return float(precision @ gained / hits[-1])


def near(mask: Mask, tolerance: float) -> Mask:
    """Return the voxels at most ``tolerance`` pixels from a mask, frame by frame."""
    if tolerance == 0:
        return mask
    distances = [
        cv2.distanceTransform(np.uint8(~frame), cv2.DIST_L2, cv2.DIST_MASK_PRECISE)  # type: ignore[call-overload]
        if frame.any()
        else np.full(frame.shape, np.inf, np.float32)
        for frame in mask
    ]
    found: Mask = np.stack(distances) <= tolerance + 1e-4
    return found


def _energy(attribution: Attribution, mask: Mask) -> float:
    positive = np.maximum(attribution, 0).astype(np.float64)
    total = positive.sum()
    return float(positive[mask].sum() / total) if total > 0 else 0.0


def _mask(case: Case) -> Mask:
    assert case.example.mask is not None
    return case.example.mask
