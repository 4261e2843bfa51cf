"""Clips of arrays: numpy or torch, in any stated layout, as uint8 or as numbers that can only mean one thing."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from notebook_explain._errors import UsageError, UsageTypeError

_FORM = "(255 * frames).round().astype('uint8') makes it of values in 0..1, frames.astype('uint8') of values in 0..255"


def frames_of(value: Any, layout: str | None = None) -> NDArray[np.uint8]:
    """Frames (time, height, width, 3) of an array: a copy, so that what was explained stays what it was.

    Parameters
    ----------
    value : array, tensor, or list of pictures
        uint8, or numbers that can only mean one thing: whole numbers in 0..255, of which some are above 1, or
        fractions in 0..1.
    layout : str, optional
        The axes' letters in their order: T (time), H, W, and where there are such, C (3 colours, or 1) and B (a batch of
        one). "THWC" by default.

    Raises
    ------
    TypeError, ValueError
        Another layout than the one stated; values that are normalised or ambiguous.
    """
    array = as_numpy(value)
    return as_bytes(array if layout is None else arranged(array, layout))


def as_numpy(value: Any) -> NDArray[Any]:
    """The numbers of an array, a tensor on any device, or a list of pictures of one size."""
    if hasattr(value, "detach"):  # a tensor of torch, which need not be imported to be recognised
        value = value.detach().cpu()
        value = value.float() if str(value.dtype) == "torch.bfloat16" else value
    try:
        array = np.asarray(value)
    except ValueError as error:
        raise UsageError(f"the frames do not make one array ({error}); they must be of one size") from None
    if array.dtype == object:
        raise UsageTypeError("the frames do not make one array of numbers; they must be pictures of one size")
    return array


def arranged(array: NDArray[Any], layout: str) -> NDArray[Any]:
    """Any stated layout as (time, height, width, 3), grey repeated for the three colours."""
    if not isinstance(layout, str):
        raise UsageTypeError(f"layout must be a text such as 'TCHW', got {layout!r}")
    letters = layout.upper()
    if len(set(letters)) != len(letters) or not set("THW") <= set(letters) <= set("BTCHW"):
        raise UsageError(
            f"layout {layout!r} must name each axis once: T, H and W, with C for colours and B for a batch of one where "
            "there are such, as 'THWC', 'TCHW', 'CTHW', 'BTCHW', 'THW'"
        )
    if array.ndim != len(letters):
        raise UsageError(f"layout {layout!r} has {len(letters)} axes, but the array has the shape {array.shape}")
    sizes = dict(zip(letters, array.shape, strict=True))
    if sizes.get("B", 1) != 1:
        raise UsageError(f"layout {layout!r} says a batch of {sizes['B']}, but a clip is one; take frames[i] of it")
    if sizes.get("C", 1) not in (1, 3):
        raise UsageError(
            f"layout {layout!r} says {sizes['C']} colours in the shape {array.shape}; a clip has 3 (red, green, blue), or "
            "1 (grey)" + ("; drop the transparency" if sizes["C"] == 4 else "; is another axis that of the colours?")
        )
    if "C" not in letters:
        array, letters = array[..., None], letters + "C"
    if "B" in letters:
        array, letters = array.squeeze(letters.index("B")), letters.replace("B", "")
    array = array.transpose([letters.index(letter) for letter in "THWC"])
    return np.repeat(array, 3, axis=3) if array.shape[3] == 1 else array


def as_bytes(array: NDArray[Any]) -> NDArray[np.uint8]:
    """Values as uint8, where they can only mean one thing (TypeError otherwise)."""
    if array.dtype == np.uint8 or array.size == 0:
        return np.array(array, np.uint8)
    if array.dtype.kind not in "iuf":
        raise UsageTypeError(f"frames must be numbers, got {array.dtype}")
    low, high = array.min(), array.max()
    if not low >= 0 or not high <= 255:  # also where some are not numbers
        raise UsageTypeError(
            f"frames must be uint8 (0 to 255) or in 0..1, got {array.dtype} from {low:.4g} to {high:.4g}; "
            + ("undo the normalisation first: frames * std + mean" if low < 0 else _FORM)
        )
    fractions = array.dtype.kind == "f" and bool((array != np.floor(array)).any())
    if (high > 1 and not fractions) or high == 0:
        return array.astype(np.uint8)
    if high <= 1 and fractions:
        return np.asarray(np.round(array.astype(np.float32) * 255), np.uint8)
    raise UsageTypeError(
        f"frames must be uint8 (0 to 255), got {array.dtype} from {low:.4g} to {high:.4g}, which may mean 0..1 or "
        f"0..255: {_FORM}"
    )
