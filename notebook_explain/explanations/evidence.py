"""How much of the evidence a threshold keeps, and where it lies, in numbers and in words.

These functions are the oracle for every place that counts: the viewer's line, the figure, the command line.
A threshold is a fraction of the largest absolute value that the layer's map has for the target over the whole clip;
"evidence" and "volume" are counted on the positive part of the stretched map.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

DEFAULT_THRESHOLD = 0.4


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
    against : float in 0..1
        Share of the negative part in all the evidence of the map, whatever the threshold.
    place : str
        Where its weight lies in the picture ("upper left", "centre"); "" where nothing is kept.
    """

    evidence: float
    volume: float
    frames: tuple[int, int] | None
    place: str
    against: float = 0.0


def kept(volume: NDArray[np.float32], peak: float, threshold: float) -> Kept:
    """Count what a threshold keeps of a stretched map.

    Parameters
    ----------
    volume : float array (time, height, width)
        The map, stretched over the clip, signed.
    peak : float
        Largest absolute value of the map at its own resolution.
    threshold : float in 0..1
        Fraction of ``peak``.
    """
    if not 0 <= threshold <= 1:
        raise ValueError(f"threshold must lie in 0..1, got {threshold}")
    mask = (volume > 0) & (volume >= threshold * peak)
    everything = np.abs(volume).sum(dtype=np.float64)
    against = float(-volume[volume < 0].sum(dtype=np.float64) / everything) if everything > 0 else 0.0
    if not mask.any():
        return Kept(0.0, 0.0, None, "", against)
    weight = np.where(mask, volume, 0).astype(np.float64)
    frames = np.flatnonzero(mask.any(axis=(1, 2)))
    evidence = weight.sum() / volume[volume > 0].sum(dtype=np.float64)
    return Kept(
        float(min(1.0, evidence)), float(mask.mean()), (int(frames[0]), int(frames[-1])), _place(weight), against
    )


def _place(weight: NDArray[np.float64]) -> str:
    """The ninth of the picture in which the centre of the weight lies."""
    _, height, width = weight.shape
    y = (weight.sum(axis=(0, 2)) @ (np.arange(height) + 0.5)) / weight.sum() / height
    x = (weight.sum(axis=(0, 1)) @ (np.arange(width) + 0.5)) / weight.sum() / width
    vertical = "upper" if y < 0.4 else "lower" if y > 0.6 else ""
    horizontal = "left" if x < 0.4 else "right" if x > 0.6 else ""
    return " ".join(word for word in (vertical, horizontal) if word) or "centre"


def in_words(name: str, probability: float | None, found: Kept, frames: int) -> str:
    """One sentence for people: "'wave' 93 %: 71 % of the evidence for it in 8.0 % of the clip, frames 5 to 11 of 16"."""
    head = f"'{name}'" if probability is None else f"'{name}' {percent(probability)}"
    against = "; most of the evidence is against it" if found.against > 0.5 else ""
    if found.frames is None:
        return f"{head}: no evidence for it at this threshold{against}"
    first, last = found.frames[0] + 1, found.frames[1] + 1
    when = f"frame {first}" if first == last else f"frames {first} to {last}"
    return (
        f"{head}: {percent(found.evidence)} of the evidence for it in {percent(found.volume, 1)} of the clip, "
        f"{when} of {frames}, {found.place}{against}"
    )


def percent(share: float, digits: int = 0) -> str:
    """A share as people read it: "93 %", "8.4 %", "under 0.1 %"; the viewer says it alike."""
    if 0 < share < 0.001:
        return "under 0.1 %"
    return f"{100 * share:.{max(digits, 1 if 0 < share < 0.0995 else 0)}f} %"
