"""Checks of the arrays that a clip is made of."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from notebook_explain._errors import UsageError
from notebook_explain.clip.values import check_finite


def check_length(name: str, value: Any, dtype: type, count: int) -> NDArray[Any]:
    """Return one number per frame."""
    array: NDArray[Any] = np.asarray(value, dtype)
    if array.shape != (count,):
        raise UsageError(f"{name} must have one number per frame ({count}), got shape {array.shape}")
    return array


def check_values(value: Any, size: tuple[int, ...]) -> NDArray[np.float32]:
    """Return values that fit frames of (time, height, width)."""
    values = np.asarray(value)
    if values.dtype != np.float32 or values.ndim != 4 or values.shape[:3] != size or values.shape[3] < 1:
        raise UsageError(
            f"values must be a float32 array (time, height, width, channel) of {' x '.join(map(str, size))} pixels, got "
            f"{values.dtype} of shape {values.shape}; Clip.from_array makes a clip of any numbers"
        )
    check_finite(values)
    return values


def shape_hint(shape: tuple[int, ...]) -> str:
    """Return a hint on how to fix an array of nearly the right shape."""
    if len(shape) == 5 and shape[0] == 1:
        call = "of(frames" if {1, 3} & set(shape[1:]) else "from_array(values"
        return f"; for a batch of one, name the axes as in Clip.{call}, layout='BTCHW'), or pass frames[0]"
    if len(shape) == 4 and shape[3] == 4:
        return "; drop the alpha channel with frames[..., :3], or keep four channels with Clip.from_array(values)"
    if (len(shape) == 4 and shape[3] == 1) or (len(shape) == 3 and 3 not in shape):
        return f"; for grey frames, use Clip.of(frames, layout={'THWC' if len(shape) == 4 else 'THW'!r})"
    if len(shape) == 4 and 3 in shape[:2]:
        layouts = " or ".join(repr(layout) for axis, layout in ((1, "TCHW"), (0, "CTHW")) if shape[axis] == 3)
        return f"; name the axes with Clip.of(frames, layout=...): {layouts}"
    return "; for channels other than red, green and blue, use Clip.from_array(values)" if len(shape) == 4 else ""
