"""Convert numpy arrays and torch tensors of any layout to uint8 frames; refuse values of ambiguous range."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from notebook_explain._errors import UsageError, UsageTypeError

UINT8_HINT = (
    "convert values in 0..1 with (255 * frames).round().astype('uint8'), values in 0..255 with frames.astype('uint8')"
)


def to_frames(value: Any, layout: str | None = None) -> NDArray[np.uint8]:
    """Return frames (time, height, width, 3) as a copy, so that later changes of the array do not reach the clip.

    Parameters
    ----------
    value : array, tensor, or list of images
        uint8, bool (black and white), or numbers of unambiguous range: whole numbers in 0..255 with some above 1, or
        fractions in 0..1.
    layout : str, optional
        Letter of each axis in order: T (time), H, W, and optionally C (3 colours, or 1) and B (batch of one).
        "THWC" by default.

    Raises
    ------
    TypeError, ValueError
        A shape other than the layout; values that are normalised or ambiguous.
    """
    array = to_numpy(value)
    return to_uint8(array if layout is None else to_thwc(array, layout), layout)


def to_numpy(value: Any) -> NDArray[Any]:
    """Convert an array, a tensor on any device, or a list of images of one size."""
    if hasattr(value, "detach"):  # a torch tensor, recognised without importing torch
        value = value.detach().cpu()
        value = value.float() if str(value.dtype) == "torch.bfloat16" else value
    try:
        array = np.asarray(value)
    except ValueError as error:
        raise UsageError(f"the frames do not form one array ({error}); they must have one size") from None
    if array.dtype == object:
        raise UsageTypeError("the frames do not form one array of numbers; they must be images of one size")
    return array


def to_thwc(array: NDArray[Any], layout: str) -> NDArray[Any]:
    """Reorder the axes to (time, height, width, 3); grey is repeated for the three colours."""
    ordered = reorder(array, layout)
    channels = ordered.shape[3]
    if channels not in (1, 3):
        raise UsageError(
            f"layout {layout!r} gives {channels} colours in shape {array.shape}; a clip has 3 (red, green, blue) or 1 (grey)"
            + ("; drop the alpha channel, or " if channels == 4 else "; is the colour axis another one? If not, ")
            + f"keep all channels with Clip.from_array(values, layout={layout!r})"
        )
    return np.repeat(ordered, 3, axis=3) if channels == 1 else ordered


def reorder(array: NDArray[Any], layout: str) -> NDArray[Any]:
    """Reorder the axes to (time, height, width, channel)."""
    if not isinstance(layout, str):
        raise UsageTypeError(f"layout must be a string such as 'TCHW', got {layout!r}")
    letters = layout.upper()
    if len(set(letters)) != len(letters) or not set("THW") <= set(letters) <= set("BTCHW"):
        raise UsageError(
            f"layout {layout!r} must name each axis once: T, H and W, and optionally C (colours) and B (a batch of one), "
            "as in 'THWC', 'TCHW', 'CTHW', 'BTCHW', 'THW'"
        )
    if array.ndim != len(letters):
        raise UsageError(f"layout {layout!r} has {len(letters)} axes, but the array has shape {array.shape}")
    sizes = dict(zip(letters, array.shape, strict=True))
    if sizes.get("B", 1) != 1:
        raise UsageError(
            f"layout {layout!r} gives a batch of {sizes['B']}, but one clip is expected; pass frames[i] instead"
        )
    if "C" not in letters:
        array, letters = array[..., None], letters + "C"
    if "B" in letters:
        array, letters = array.squeeze(letters.index("B")), letters.replace("B", "")
    return array.transpose([letters.index(letter) for letter in "THWC"])


def to_uint8(array: NDArray[Any], layout: str | None = None) -> NDArray[np.uint8]:
    """Convert values of unambiguous range to uint8 (TypeError otherwise); bools are black and white."""
    if array.dtype == np.uint8 or array.size == 0:
        return np.array(array, np.uint8)
    if array.dtype == np.bool_:
        return np.where(array, np.uint8(255), np.uint8(0))
    if array.dtype.kind not in "iuf":
        raise UsageTypeError(f"frames must be numbers, got {array.dtype}")
    low, high = array.min(), array.max()
    has_fractions = array.dtype.kind == "f" and bool((array != np.floor(array)).any())
    if not low >= 0 or not high <= 255:  # also true for NaN
        raise UsageTypeError(
            f"frames must be uint8 (0 to 255) or in 0..1, got {array.dtype} from {low:.4g} to {high:.4g}; "
            + _out_of_range_hint(array.dtype, has_fractions and low < 0, layout)
        )
    if (high > 1 and not has_fractions) or high == 0:
        return array.astype(np.uint8)
    if high <= 1 and has_fractions:
        return np.asarray(np.round(array.astype(np.float32) * 255), np.uint8)
    raise UsageTypeError(
        f"frames must be uint8 (0 to 255), got {array.dtype} from {low:.4g} to {high:.4g}, which could mean 0..1 or "
        f"0..255; {UINT8_HINT}"
    )


def _out_of_range_hint(dtype: np.dtype[Any], may_be_normalised: bool, layout: str | None) -> str:
    """Return advice for values that are no colours: volumes, depth, flow; or colours that were normalised."""
    axes = "" if layout is None else f"layout={layout!r}, "
    keep = f"Clip.from_array(volume, {axes}range=(low, high)), which shows them from low to high"
    if may_be_normalised:
        return f"undo the normalisation first: frames * std + mean; or, if these are no colours, keep the values with {keep}"
    return f"keep the values with {keep}"
