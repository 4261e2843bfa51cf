"""Read what is passed to a model as its clip: an array becomes a clip of values if its shape can mean nothing else."""

from __future__ import annotations

from typing import Any

import numpy as np

from notebook_explain._errors import UsageError
from notebook_explain.clip import Clip
from notebook_explain.clip.arrays import to_numpy


def is_array(value: Any) -> bool:
    """Return whether a value is an array, a tensor or a list of images."""
    return hasattr(value, "__array__") or (isinstance(value, (list, tuple)) and len(value) > 0)


def clip_of_array(value: Any, channels: int) -> Any:
    """Return a clip of values if an array can mean nothing else for this network; else the array itself.

    8-bit numbers with one or three channels are grey or colours.
    """
    array = to_numpy(value)
    layout = None if channels == 3 or array.dtype.kind not in "biuf" else _layout_of(array.shape, channels)
    if layout is None:
        return value
    if array.dtype != np.uint8:
        return Clip.from_array(array, layout=layout)
    if channels == 1:
        return Clip.of(array, layout=layout)
    raise UsageError(
        f"8-bit numbers in {channels} channels may be meant as 0..255 or as 0..1; pass "
        "Clip.from_array(values) to keep 0..255, or Clip.from_array(values / 255) for 0..1"
    )


def _layout_of(shape: tuple[int, ...], channels: int) -> str | None:
    """Return the layout in which the axis of channels is as long as the network has channels; None if it is not clear.

    If several layouts fit, the one with the channels last is taken.
    """
    batch = "B" if len(shape) == 5 and shape[0] == 1 else ""
    layouts = [batch + letters for letters in ("THWC", "CTHW", "TCHW")]
    fitting = [one for one in layouts if len(one) == len(shape) and shape[one.index("C")] == channels]
    if len(shape) == 3 and channels == 1:
        return "THW"
    return fitting[0] if len(fitting) == 1 or f"{batch}THWC" in fitting else None
