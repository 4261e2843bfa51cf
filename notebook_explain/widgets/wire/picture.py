"""Picture of a clip's values on the wire: the scale of flow, and the values of a grey clip, which the browser windows.

Frames are JPEGs of 8 bits, which cannot show a narrow window of a wide range. So a grey clip also sends its values with up
to 16 bits each, compressed. Within `MAX_BYTES` they are exact if they are whole numbers; a larger clip loses pixels, then
precision, and a caveat says so. The clip that the network gets is another one and stays as it is.
"""

from __future__ import annotations

import zlib
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from notebook_explain.clip import Clip
from notebook_explain.clip.pictures import FLOW, GREY, number_text

MAX_BYTES = 600_000  # of compressed values
MAX_VALUES = 2_000_000  # what a browser draws while a slider moves
LEVELS = 1 << 16
# (pixels of the longer side, levels) at most, the best first; the first that fits is sent.
PRECISIONS = (
    *((512, LEVELS), (256, LEVELS), (256, 4096), (192, 4096), (128, 4096), (128, 1024)),
    *((96, 1024), (64, 1024), (64, 256), (32, 256)),
)
_SAMPLED = 4  # frames from which the compressed size is estimated


def picture_state(clip: Clip) -> dict[str, Any]:
    """Return the trait ``picture``: empty for a clip of colours.

    ``kind`` and ``range`` are those of the clip's picture, for "grey" and "flow". A grey clip that fits has ``low`` and
    ``high`` (its smallest and largest value), ``step``, ``size`` (height, width) and ``data``: a value is
    ``low + step * code``. The codes of all frames are differences from the code before (modulo 65536), first all their low
    bytes, then all their high bytes, compressed by zlib.
    """
    if clip.values is None or clip.picture is None or clip.picture.kind not in (GREY, FLOW):
        return {}
    state: dict[str, Any] = {"kind": clip.picture.kind, "range": list(clip.picture.ranges[0])}
    if clip.picture.kind == FLOW:
        return state
    values = clip.values[..., clip.picture.channels[0]]
    low, high = float(values.min()), float(values.max())
    exact = _exact_step(values, low, high)
    for side, levels in PRECISIONS:
        step = max(exact, (high - low) / (levels - 1))
        small = _shrink(values[:: max(len(values) // _SAMPLED, 1)], side)
        scale = len(values) / len(small)
        if scale * small.size > MAX_VALUES or scale * len(_pack(small, low, step)) > MAX_BYTES:
            continue
        small = _shrink(values, side)
        return {
            **state,
            "low": low,
            "high": high,
            "step": step,
            "size": list(small.shape[1:]),
            "data": _pack(small, low, step),
        }
    return state


def picture_caveats(clip: Clip, state: dict[str, Any]) -> list[str]:
    """Return caveats in place of that of the clip's picture where readers choose the window themselves."""
    assert clip.picture is not None
    assert clip.values is not None
    found = [clip.picture.describe(clip.values.shape[3], with_range=False)]
    values = clip.values[..., clip.picture.channels[0]]
    losses = []
    if tuple(state["size"]) != clip.size[1:]:
        losses.append(f"at {state['size'][0]} x {state['size'][1]} pixels")
    if state["step"] > _exact_step(values, state["low"], state["high"]):
        losses.append(f"in steps of {number_text(state['step'])}")
    if losses:
        found.append(f"Other windows are drawn {' and '.join(losses)}, to keep the page small.")
    return found


def _exact_step(values: NDArray[np.float32], low: float, high: float) -> float:
    """Return the step between two codes: 1 for whole numbers, else a 65535th of the range."""
    is_whole = high - low < LEVELS and bool((values == np.rint(values)).all())
    return 1.0 if is_whole or high == low else (high - low) / (LEVELS - 1)


def _shrink(values: NDArray[np.float32], side: int) -> NDArray[np.float32]:
    """Return frames (time, height, width) whose longer side has at most ``side`` pixels, averaged over areas."""
    height, width = values.shape[1:]
    scale = side / max(height, width)
    if scale >= 1:
        return values
    size = (max(round(width * scale), 1), max(round(height * scale), 1))
    return np.stack([np.asarray(Image.fromarray(frame).resize(size, Image.Resampling.BOX)) for frame in values])


def _pack(values: NDArray[np.float32], low: float, step: float) -> bytes:
    codes = np.rint((values.astype(np.float64) - low) / step).astype(np.uint16).ravel()
    differences = np.diff(codes, prepend=np.uint16(0))
    return zlib.compress((differences & 255).astype(np.uint8).tobytes() + (differences >> 8).astype(np.uint8).tobytes())
