"""Convert arrays of real numbers, with any number of channels, to the values of a clip and their picture."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from notebook_explain._errors import UsageError, UsageTypeError
from notebook_explain._validation import check_range
from notebook_explain.clip.arrays import reorder, to_numpy
from notebook_explain.clip.pictures import Picture
from notebook_explain.clip.sources.open import MAX_PIXELS

_DEFAULT_LAYOUTS = {3: "THW", 4: "THWC"}
_DEFAULTS = {  # by whether the channels and the range are not stated
    (True, True): "The channels and range are defaults",
    (True, False): "The channels are a default",
    (False, True): "The range is a default",
}
MAX_FPS = 1e6


def to_values(value: Any, layout: str | None) -> NDArray[np.float32]:
    """Return values (time, height, width, channel) as a copy in float32.

    Parameters
    ----------
    value : array or tensor of numbers or bools
    layout : str or None
        As for `Clip.from_array`.

    Raises
    ------
    TypeError, ValueError
        No numbers; a shape other than the layout; more than `MAX_PIXELS` numbers; NaN or infinite values.
    """
    array = to_numpy(value)
    if array.dtype.kind not in "biuf":
        raise UsageTypeError(f"values must be real numbers or bools, got {array.dtype}")
    if layout is None and array.ndim not in _DEFAULT_LAYOUTS:
        raise UsageError(
            f"values must have the axes (time, height, width, channel) or (time, height, width), got shape {array.shape}; "
            "name the axes with layout='BCTHW', for example"
        )
    array = reorder(array, _DEFAULT_LAYOUTS[array.ndim] if layout is None else layout)
    if array.size == 0:
        raise UsageError(f"values must have no axis of length 0, got (time, height, width, channel) = {array.shape}")
    if array.size > MAX_PIXELS:
        raise UsageError(
            f"a clip holds at most {MAX_PIXELS:,} values, got {array.size:,}; take fewer or smaller frames"
        )
    with np.errstate(over="ignore"):
        values = np.array(array, np.float32, order="C")
    check_finite(values)
    return values


def check_finite(values: NDArray[np.float32]) -> None:
    """Raise ValueError if values are NaN or infinite in float32: a network would spread them over its whole output."""
    if np.isfinite(values).all():
        return
    missing, infinite = int(np.isnan(values).sum()), int(np.isinf(values).sum())
    raise UsageError(
        f"values must be finite float32 numbers, but {missing:,} of {values.size:,} are NaN and {infinite:,} are infinite; "
        "replace them first, for example with numpy.nan_to_num(values, nan=low)"
    )


def choose_picture(array: Any, values: NDArray[np.float32], channels: Any, limits: Any) -> tuple[Picture, str]:
    """Return the picture of values, and a sentence that describes it and says what was chosen by default.

    Parameters
    ----------
    array : array or tensor
        As it was given; 8-bit values are shown from 0 to 255 by default.
    values : float32 array (time, height, width, channel)
    channels, limits
        As for `Picture.choose`.
    """
    is_8_bit = str(getattr(array, "dtype", "")).removeprefix("torch.") == "uint8"
    picture = Picture.choose(values, channels, (0, 255) if limits is None and is_8_bit else limits)
    count = values.shape[-1]
    default = _DEFAULTS.get((channels is None and count > 1, limits is None))
    note = "" if default is None else f" {default}; Clip.from_array takes other ones."
    return picture, picture.describe(count) + note


def frame_times(count: int, fps: Any) -> NDArray[np.float64] | None:
    """Return the seconds of ``count`` frames; None if the rate is not known."""
    if fps is None:
        return None
    rate = check_range("fps", fps, 1 / MAX_FPS, MAX_FPS, unit=" frames per second")
    return np.arange(count) / rate
