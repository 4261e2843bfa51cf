"""Count what a threshold keeps of a map: how much of the evidence, in which frames, where in the picture.

These functions are the reference for the viewer, the figures and the command line. A threshold is a fraction of the
largest absolute value that the layer's map has for the target over the whole clip (or over each frame, if every frame has
its own scale); `threshold_for_share` finds the one that keeps a share of the evidence. Evidence and volume are counted on
the positive part of the stretched map; for the evidence against a class, pass the negated map.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from notebook_explain._errors import UsageError
from notebook_explain._validation import check_range

DEFAULT_THRESHOLD = 0.4
# Of the evidence: where `DEFAULT_THRESHOLD` keeps less, the default is lower. A sharp map has few pixels of large values.
LEAST_SHARE, LEAST_SHARE_SHARP = 0.25, 0.5
CORE = 0.7  # fraction of the kept evidence in the frames called "mostly"
MOVES, SPREAD = 0.25, 0.22  # fractions of the picture: least movement; largest standard deviation that has a location
LOW, HIGH = 0.4, 0.6  # fractions of the picture: the middle lies between them
_SPREAD, _LOW, _MIDDLE, _HIGH = -1, 0, 1, 2  # where the evidence lies along one axis


@dataclass(frozen=True)
class Kept:
    """Part of a map at or above a threshold.

    Attributes
    ----------
    evidence : float in 0..1
        Fraction of the positive evidence (0 if there is none).
    volume : float in 0..1
        Fraction of the clip's voxels.
    frames : (first, last) indices or None
        Frames that hold any of it.
    place : str
        Where it lies in the picture ("at upper left", "moving from upper left to the top"); "" if nothing is kept.
    against : float in 0..1
        Fraction of all the evidence of the map that is negative, whatever the threshold.
    core : (first, last) indices or None
        The shortest run of frames that holds most of what is kept (`CORE`).
    """

    evidence: float
    volume: float
    frames: tuple[int, int] | None
    place: str
    against: float = 0.0
    core: tuple[int, int] | None = None


def kept(volume: NDArray[np.float32], peak: float | NDArray[np.float32], threshold: float) -> Kept:
    """Count what a threshold keeps of a stretched map.

    Parameters
    ----------
    volume : float array (time, height, width)
        The map, stretched over the clip, signed.
    peak : float, or float array (time,)
        Largest absolute value of the map at its own resolution; of each frame, if every frame has its own scale.
    threshold : float in 0..1
        Fraction of ``peak``.

    Raises
    ------
    ValueError
        A threshold outside 0..1.
    """
    if not 0 <= threshold <= 1:
        raise UsageError(f"threshold must lie in 0..1, got {threshold}")
    mask = voxels_kept(volume, peak, threshold)
    everything = np.abs(volume).sum(dtype=np.float64)
    against = float(-volume[volume < 0].sum(dtype=np.float64) / everything) if everything > 0 else 0.0
    if not mask.any():
        return Kept(0.0, 0.0, None, "", against)
    weight = np.where(mask, volume, 0).astype(np.float64)
    frames = np.flatnonzero(mask.any(axis=(1, 2)))
    evidence = weight.sum() / volume[volume > 0].sum(dtype=np.float64)
    return Kept(
        evidence=float(min(1.0, evidence)),
        volume=float(mask.mean()),
        frames=(int(frames[0]), int(frames[-1])),
        place=_location(weight),
        against=against,
        core=_core(weight.sum(axis=(1, 2))),
    )


def threshold_for_share(volume: NDArray[np.float32], peak: float | NDArray[np.float32], share: float) -> float:
    """Return the highest threshold that keeps at least a share of the evidence.

    Parameters
    ----------
    volume, peak
        As for `kept`.
    share : float in 0..1
        Fraction of the positive evidence: 0.5 for the strongest half.

    Returns
    -------
    float in 0..1
        Fraction of ``peak``; `DEFAULT_THRESHOLD` if the map has no positive evidence.

    Raises
    ------
    TypeError, ValueError
        The share is no number in 0..1.
    """
    share = check_range("share", share, 0, 1)
    scale = np.broadcast_to(np.asarray(peak, np.float32).reshape(-1, 1, 1), volume.shape)
    positive = (volume > 0) & (scale > 0)
    if not positive.any():
        return DEFAULT_THRESHOLD
    fractions = volume[positive] / scale[positive]
    strongest_first = np.argsort(-fractions)
    sums = np.cumsum(volume[positive][strongest_first], dtype=np.float64)
    index = np.searchsorted(sums, share * sums[-1] * (1 - 1e-9))
    # Slightly lower, so that rounding does not lose the value itself.
    return float(min(1.0, fractions[strongest_first[min(index, len(sums) - 1)]] * (1 - 1e-6)))


def default_threshold(
    volume: NDArray[np.float32], peak: float | NDArray[np.float32], least: float = LEAST_SHARE
) -> float:
    """Return `DEFAULT_THRESHOLD`, or less where it would keep too little of the evidence of the stronger sign.

    The little evidence for a class that is not there does not lower it: most of the evidence is against that class.

    Parameters
    ----------
    volume, peak
        As for `kept`.
    least : float in 0..1
        Least share to keep.
    """
    side = -volume if float(volume.sum(dtype=np.float64)) < 0 else volume
    # Most maps keep enough; sums are faster than sorting. The margin leaves rounding to the exact answer.
    enough = (1 + 1e-5) * least * side[side > 0].sum(dtype=np.float64)
    if side[voxels_kept(side, peak, (1 + 1e-5) * DEFAULT_THRESHOLD)].sum(dtype=np.float64) > enough:
        return DEFAULT_THRESHOLD
    return min(DEFAULT_THRESHOLD, threshold_for_share(side, peak, least))


def chosen_threshold(
    volume: Callable[[], NDArray[np.float32]],
    peak: float | NDArray[np.float32],
    threshold: float | None = None,
    share: float | None = None,
    least: float = LEAST_SHARE,
) -> float:
    """Return a given threshold, the one that keeps a share of the evidence, or the default one.

    ``volume`` is called only if it is needed: stretching a map takes a while.
    """
    if threshold is not None and share is not None:
        raise UsageError(
            "threshold is a fraction of the largest value and share one of the evidence; give one of them, "
            f"got threshold={threshold!r} and share={share!r}"
        )
    if threshold is not None:
        return threshold
    return default_threshold(volume(), peak, least) if share is None else threshold_for_share(volume(), peak, share)


def voxels_kept(volume: NDArray[np.float32], peak: float | NDArray[np.float32], threshold: float) -> NDArray[np.bool_]:
    """Return the voxels (time, height, width) at or above a threshold; arguments as for `kept`."""
    least = threshold * np.asarray(peak, np.float32).reshape(-1, 1, 1)
    return np.asarray((volume > 0) & (volume >= least))


def _core(weight: NDArray[np.float64]) -> tuple[int, int]:
    """Return the shortest run of frames that holds `CORE` of the weight; of several the heaviest, then the first."""
    sums = np.concatenate([[0.0], np.cumsum(weight)])
    wanted = CORE * sums[-1] * (1 - 1e-9)  # slightly less, so that rounding does not decide
    runs = []
    for first in range(len(weight)):
        enough = np.flatnonzero(sums[first + 1 :] - sums[first] >= wanted)
        if len(enough):
            length = int(enough[0])
            runs.append((length, -round(float((sums[first + length + 1] - sums[first]) / sums[-1]), 6), first))
    length, _, first = min(runs)  # rounded, so that rounding does not decide here either
    return first, first + length


def _path(weight: NDArray[np.float64]) -> tuple[float, float, float, float]:
    """Fit a straight line through time to the weight (time, pixels of one axis).

    Returns
    -------
    start, end, middle, spread : float
        Fractions of the picture; the spread is the standard deviation around the line.
    """
    time, pixels = weight.shape
    position, frame, total = (np.arange(pixels) + 0.5) / pixels, np.arange(time), weight.sum()
    centred = frame - weight.sum(axis=1) @ frame / total
    duration = weight.sum(axis=1) @ centred**2 / total
    middle = (weight @ position).sum() / total
    slope = centred @ (weight @ position) / total / duration if duration > 1e-9 else 0.0
    rest = (weight @ position**2).sum() / total - middle**2 - slope**2 * duration
    reach = slope * np.sqrt(3 * duration)  # to the ends of a stretch of even weight
    return middle - reach, middle + reach, middle, float(np.sqrt(max(rest, 0.0)))


def _thirds(path: tuple[float, float, float, float]) -> tuple[int, int]:
    """Classify the start and the end of a path along one axis: low, middle, high or spread."""
    start, end, middle, spread = path
    if spread > SPREAD:
        return _SPREAD, _SPREAD
    third = [_LOW if x < LOW else _HIGH if x > HIGH else _MIDDLE for x in (start, end, middle)]
    return (third[0], third[1]) if abs(end - start) >= MOVES else (third[2], third[2])


def _location(weight: NDArray[np.float64]) -> str:
    """Describe where the weight (time, height, width) lies in the picture, and where it moves."""
    down, across = _thirds(_path(weight.sum(axis=2))), _thirds(_path(weight.sum(axis=1)))
    start, end = zip(down, across, strict=True)
    return _region(*start) if start == end else f"moving from {_waypoint(*start)} to {_waypoint(*end)}"


_DOWN, _ACROSS = ("top", "middle", "bottom"), ("left", "middle", "right")


def _region(down: int, across: int) -> str:
    """Describe a location that does not move."""
    if down == _SPREAD:
        return ("down the left side", "down the middle", "down the right side", "all over the picture")[across]
    if across == _SPREAD:
        return f"across the {_DOWN[down]}"
    if down == _MIDDLE:
        return ("on the left", "in the centre", "on the right")[across]
    return f"at {_waypoint(down, across)}"


def _waypoint(down: int, across: int) -> str:
    """Name the start or the end of a movement."""
    if across == _SPREAD:
        return f"the {_DOWN[down]}"
    if down == _SPREAD:
        return f"the {_ACROSS[across]}"
    if across == _MIDDLE:
        return "the centre" if down == _MIDDLE else f"the {_DOWN[down]}"
    return f"the {_ACROSS[across]}" if down == _MIDDLE else f"{('upper', '', 'lower')[down]} {_ACROSS[across]}"
