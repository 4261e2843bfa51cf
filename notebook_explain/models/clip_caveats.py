"""Caveats about how a clip was made to fit a network: repeated frames, grey, and values in another unit than mean and std."""

from __future__ import annotations

import numpy as np

from notebook_explain.clip import Clip
from notebook_explain.explanations.caveats import Caveat, CaveatCode
from notebook_explain.models.preprocessing import Preprocessing

FAR_FROM_NORMALISED = 20.0  # standard deviations
_IN_GREY = Caveat(
    "The network takes one channel, so it gets the clip in grey: 0.299 red + 0.587 green + 0.114 blue.",
    CaveatCode.GREY_INPUT,
)


def clip_caveats(p: Preprocessing, clip: Clip) -> tuple[str, ...]:
    """Return caveats about how a clip was made to fit, as sentences."""
    wanted = p.frames
    available = len(clip) if clip.times is None else len(np.unique(clip.times))
    found = []
    if available < wanted:
        text = f"The clip has {available} frames and the network takes {wanted}, so some frames are repeated."
        found.append(Caveat(text, CaveatCode.REPEATED_FRAMES))
    if p.takes_grey_of(clip.sampled(wanted)):
        found.append(_IN_GREY)
    if clip.values is not None and clip.values.shape[3] == p.channels:
        found += _unit_caveat(p, clip)
    return tuple(found)


def _unit_caveat(p: Preprocessing, clip: Clip) -> list[Caveat]:
    """Return a caveat if values are far from normalised, unless mean and std of 0 and 1 are stated."""
    low, high = p.range_of(clip)
    is_stated = not {"mean", "std"} & set(p.assumed)
    as_they_are = set(p.mean) == {0.0} and set(p.std) == {1.0}
    if max(-low, high) <= FAR_FROM_NORMALISED or (is_stated and as_they_are):
        return []
    text = (
        f"After mean and std, the network gets numbers from {low:.4g} to {high:.4g}. If it was trained on normalised values, "
        "mean and std are not in the unit of the clip's values."
    )
    return [Caveat(text, CaveatCode.ASSUMED_PREPROCESSING, ("mean", "std"))]
