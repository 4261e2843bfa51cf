"""How much of the evidence a threshold keeps, when and where it lies, in numbers and in words.

These functions are the oracle for every place that counts: the viewer's line, the figure, the command line.
A threshold is a fraction of the largest absolute value that the layer's map has for the target over the whole clip
(or over each frame, where every frame has a scale of its own); "evidence" and "volume" are counted on the positive part
of the stretched map. Whoever asks for the evidence against a class gives the map with its sign turned.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from notebook_explain._errors import UsageError

DEFAULT_THRESHOLD = 0.4
CORE = 0.7  # of the evidence kept: what "mostly" means
MOVES, SPREAD = 0.25, 0.22  # of the picture: a way worth telling; a spread (standard deviation) that is no place
LOW, HIGH = 0.4, 0.6  # of the picture: between them lies the middle


@dataclass(frozen=True)
class Kept:
    """What lies at or above a threshold.

    Attributes
    ----------
    evidence : float in 0..1
        Share of the positive evidence (0 where there is none).
    volume : float in 0..1
        Share of the clip's voxels.
    frames : (first, last) indices or None
        Frames that hold any of it.
    place : str
        Where its weight lies in the picture ("upper left", "from left to right"); "" where nothing is kept.
    against : float in 0..1
        Share of the negative part in all the evidence of the map, whatever the threshold.
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
        Largest absolute value of the map at its own resolution; of each frame, where each has a scale of its own.
    threshold : float in 0..1
        Fraction of ``peak``.
    """
    if not 0 <= threshold <= 1:
        raise UsageError(f"threshold must lie in 0..1, got {threshold}")
    least = threshold * np.asarray(peak, np.float32).reshape(-1, 1, 1)
    mask = (volume > 0) & (volume >= least)
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
        place=_place(weight),
        against=against,
        core=_core(weight.sum(axis=(1, 2))),
    )


def _core(weight: NDArray[np.float64]) -> tuple[int, int]:
    """The shortest run of frames that holds `CORE` of the weight; of several the one that holds most, the first of equals."""
    sums = np.concatenate([[0.0], np.cumsum(weight)])
    wanted = CORE * sums[-1] * (1 - 1e-9)  # a hair less, so that rounding does not decide
    runs = []
    for first in range(len(weight)):
        enough = np.flatnonzero(sums[first + 1 :] - sums[first] >= wanted)
        if len(enough):
            length = int(enough[0])
            runs.append((length, -round(float((sums[first + length + 1] - sums[first]) / sums[-1]), 6), first))
    length, _, first = min(runs)  # rounded, so that rounding does not decide here either
    return first, first + length


def _course(weight: NDArray[np.float64]) -> tuple[float, float, float, float]:
    """Where the weight (time, pixels of one axis) lies along that axis, in shares of the picture.

    A straight line through its places in time: where it begins and ends, its middle, the spread around the line.
    """
    time, pixels = weight.shape
    at, when, total = (np.arange(pixels) + 0.5) / pixels, np.arange(time), weight.sum()
    now = when - weight.sum(axis=1) @ when / total
    duration = weight.sum(axis=1) @ now**2 / total
    middle = (weight @ at).sum() / total
    slope = now @ (weight @ at) / total / duration if duration > 1e-9 else 0.0
    rest = (weight @ at**2).sum() / total - middle**2 - slope**2 * duration
    way = slope * np.sqrt(3 * duration)  # to the ends of a stretch of even weight
    return middle - way, middle + way, middle, float(np.sqrt(max(rest, 0.0)))


def _thirds(course: tuple[float, float, float, float]) -> tuple[int, int]:
    """Low (0), middle (1), high (2) or spread (-1), at the beginning and at the end."""
    start, end, middle, spread = course
    if spread > SPREAD:
        return -1, -1
    third = [0 if place < LOW else 2 if place > HIGH else 1 for place in (start, end, middle)]
    return (third[0], third[1]) if abs(end - start) >= MOVES else (third[2], third[2])


def _place(weight: NDArray[np.float64]) -> str:
    """Where the weight (time, height, width) lies in the picture, and where it goes."""
    down, across = _thirds(_course(weight.sum(axis=2))), _thirds(_course(weight.sum(axis=1)))
    start, end = zip(down, across, strict=True)
    return _spot(*start) if start == end else f"from {_stop(*start)} to {_stop(*end)}"


_DOWN, _ACROSS = ("top", "middle", "bottom"), ("left", "middle", "right")


def _spot(down: int, across: int) -> str:
    """A place that stays."""
    if down < 0:
        return ("down the left side", "down the middle", "down the right side", "all over the picture")[across]
    if across < 0:
        return f"across the {_DOWN[down]}"
    if down == 1:
        return ("on the left", "in the centre", "on the right")[across]
    return f"at the {_DOWN[down]}" if across == 1 else _stop(down, across)


def _stop(down: int, across: int) -> str:
    """A place on the way from one to another."""
    if down < 0 or (down == 1 and across != 1):
        return _ACROSS[across]
    if across < 0 or (across == 1 and down != 1):
        return _DOWN[down]
    return "centre" if down == 1 else f"{('upper', '', 'lower')[down]} {_ACROSS[across]}"
