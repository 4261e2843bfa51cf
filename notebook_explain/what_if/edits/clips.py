"""New clips with other frames or other pixels; values and their picture, times and numbers of frames stay consistent."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from notebook_explain._errors import UsageError
from notebook_explain.clip import Clip
from notebook_explain.clip.sources.open import MAX_PIXELS


def with_frames(clip: Clip, chosen: NDArray[np.int64], words: str) -> Clip:
    """Return a clip that shows chosen frames in the order given.

    Times are those at which the edited clip shows its frames: of as many frames they are the clip's own; more frames go on at
    its mean rate. The numbers of frames in the source move with the frames.

    Parameters
    ----------
    clip : Clip
    chosen : int64 array (frame,)
        Indices of frames; they may repeat.
    words : str
        What was edited, for the caveat of the clip.

    Raises
    ------
    ValueError
        More pixels than a clip holds.
    """
    if len(chosen) == len(clip) and (chosen == np.arange(len(clip))).all():
        return clip
    pixels = len(chosen) * clip.frames[0].size
    if pixels > MAX_PIXELS:
        raise UsageError(
            f"the edited clip has {len(chosen):,} frames, more than the {MAX_PIXELS:,} values that a clip may hold"
        )
    return edited(
        clip,
        words,
        frames=clip.frames[chosen],
        values=None if clip.values is None else clip.values[chosen],
        times=None if clip.times is None else _times(clip.times, len(chosen)),
        frame_numbers=None if clip.frame_numbers is None else clip.frame_numbers[chosen],
    )


def _times(times: NDArray[np.float64], count: int) -> NDArray[np.float64]:
    if count <= len(times):
        return times[:count]
    step = (times[-1] - times[0]) / (len(times) - 1) if len(times) > 1 else 0.0
    return np.concatenate([times, times[-1] + step * np.arange(1, count - len(times) + 1)])


def with_pixels(clip: Clip, change: Callable[[NDArray[Any]], NDArray[Any]], words: str) -> Clip:
    """Return a clip whose pixels are changed; the picture of a clip of values is drawn again.

    Parameters
    ----------
    clip : Clip
    change : function
        Takes uint8 or float32 (time, height, width, channel), which it must not write into; returns the same shape and type.
    words : str
        What was edited, for the caveat of the clip.
    """
    if clip.values is None:
        return edited(clip, words, frames=change(clip.frames))
    values = change(clip.values)
    frames = change(clip.frames) if clip.picture is None else clip.picture.render(values)
    return edited(clip, words, frames=frames, values=values)


def edited(clip: Clip, words: str, **changes: Any) -> Clip:
    """Return a clip with other fields, and a caveat that says what was edited."""
    return replace(clip, **changes, caveats=(*clip.caveats, f"The clip was edited: {words}."))
