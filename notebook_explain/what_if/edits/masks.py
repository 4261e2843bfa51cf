"""Masks of edits: boxes, ellipses and polygons in pixels, and bool arrays as JSON and as code."""

from __future__ import annotations

import base64
import binascii
import math
import zlib
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from notebook_explain._errors import UsageError, UsageTypeError
from notebook_explain._validation import check_int, check_range
from notebook_explain.explanations.targets import Mask

Bools = NDArray[np.bool_]
Box = tuple[int, int, int, int]
Polygon = tuple[tuple[float, float], ...]
MAX_VOXELS = 2**28
MAX_POINTS = 10_000
FAR = 1e6  # pixels


def check_box(value: Any) -> Box:
    """Return (left, top, right, bottom) in pixels, without the right column and the bottom row.

    Raises
    ------
    TypeError, ValueError
        Not four whole numbers; upside down, or left of or above the picture.
    """
    form = "box must be (left, top, right, bottom) in pixels, such as (20, 10, 60, 90)"
    entries = tuple(value) if isinstance(value, Iterable) and not isinstance(value, (str, bytes, dict)) else ()
    if len(entries) != 4:
        raise UsageTypeError(f"{form}; got {value!r}")
    left, top, right, bottom = (check_int(f"{form}: each", entry, least=0) for entry in entries)
    if not (left < right and top < bottom):
        raise UsageError(f"{form}, with left < right and top < bottom; got {value!r}")
    return left, top, right, bottom


def check_polygon(value: Any) -> Polygon:
    """Return at least three points (x, y) in pixels, where pixel k reaches from k to k + 1."""
    form = "polygon must be at least three points (x, y) in pixels, such as [(10, 10), (50, 10), (30, 40)]"
    points = tuple(value) if isinstance(value, Iterable) and not isinstance(value, (str, bytes, dict)) else ()
    if not 3 <= len(points) <= MAX_POINTS:
        count = f"{len(points):,} points" if points else repr(value)
        raise UsageError(f"{form}, and at most {MAX_POINTS:,}; got {count}")
    found = []
    for point in points:
        pair = tuple(point) if isinstance(point, Iterable) and not isinstance(point, (str, bytes, dict)) else ()
        if len(pair) != 2:
            raise UsageTypeError(f"{form}; got the point {point!r}")
        x, y = (check_range("a coordinate of polygon", entry, -FAR, FAR, unit=" pixels") for entry in pair)
        found.append((x, y))
    return tuple(found)


def fill_box(box: Box, size: tuple[int, int], is_ellipse: bool = False) -> Bools:
    """Return the pixels (height, width) of a box, or of the ellipse that touches its sides.

    Raises
    ------
    ValueError
        The box reaches beyond the picture.
    """
    height, width = size
    left, top, right, bottom = box
    if right > width or bottom > height:
        raise UsageError(
            f"box {box} (left, top, right, bottom) lies outside the picture, which is {width} pixels wide and {height} high"
        )
    mask = np.zeros(size, np.bool_)
    if not is_ellipse:
        mask[top:bottom, left:right] = True
        return mask
    y = (np.arange(top, bottom) + 0.5 - (top + bottom) / 2) / ((bottom - top) / 2)
    x = (np.arange(left, right) + 0.5 - (left + right) / 2) / ((right - left) / 2)
    mask[top:bottom, left:right] = y[:, None] ** 2 + x**2 <= 1
    return mask


def fill_polygon(points: Polygon, size: tuple[int, int]) -> Bools:
    """Return the pixels (height, width) whose centre lies in a polygon; parts that it covers twice are outside.

    Raises
    ------
    ValueError
        No pixel of the picture lies in the polygon.
    """
    height, width = size
    rows = np.arange(height) + 0.5
    changes = np.zeros((height, width + 1), np.bool_)  # where a row passes an edge
    for (x0, y0), (x1, y1) in zip(points, (*points[1:], points[0]), strict=True):
        if y0 == y1:
            continue
        crossed = np.flatnonzero((rows >= min(y0, y1)) & (rows < max(y0, y1)))
        x = x0 + (rows[crossed] - y0) * (x1 - x0) / (y1 - y0)
        first = np.clip(np.ceil(x - 0.5), 0, width).astype(
            np.int64
        )  # the first pixel whose centre is not left of the edge
        changes[crossed, first] ^= True
    mask: Bools = np.logical_xor.accumulate(changes, axis=1)[:, :width]
    if not mask.any():
        raise UsageError(f"no pixel of the picture, {width} wide and {height} high, lies in the polygon")
    return mask


def mask_to_json(mask: Mask) -> dict[str, Any]:
    """Return a mask as its shape and its bits in base64, eight values to a byte."""
    return {"shape": list(mask.shape), "bits": base64.b64encode(mask.bits).decode()}


def mask_of(value: Any) -> Mask:
    """Return a mask given as such, as a bool array, or as the untrusted dict of `mask_to_json`.

    Raises
    ------
    TypeError, ValueError
        Another form or size; an empty mask.
    """
    if not isinstance(value, Mapping):
        try:
            return Mask.of(value)
        except UsageError:
            raise
        except ValueError:  # lists of different lengths
            raise UsageTypeError("a mask must be a bool array (height, width) or (time, height, width)") from None
    if set(value) != {"shape", "bits"} or not isinstance(value["bits"], str):
        raise UsageError(
            f"a mask has the keys 'shape' and 'bits' (base64), got {', '.join(map(repr, sorted(map(str, value))))}"
        )
    shape = _checked_shape(value["shape"])
    if len(value["bits"]) > 4 * (math.prod(shape) // 8 + 4):
        raise UsageError(f"bits of the mask hold more than its shape {shape}")
    try:
        bits = base64.b64decode(value["bits"], validate=True)
    except (binascii.Error, ValueError) as error:
        raise UsageError(f"bits of the mask are not base64: {error}") from None
    return _unpacked(shape, bits)


def packed_mask(shape: Any, bits: str) -> Mask:
    """Return the mask that the ``repr`` of an edit wrote.

    Parameters
    ----------
    shape : (height, width) or (time, height, width)
    bits : str
        The values, eight to a byte, compressed by zlib, in base64.
    """
    shape = _checked_shape(shape)
    length = -(-math.prod(shape) // 8)
    try:
        stream = zlib.decompressobj()
        found = stream.decompress(base64.b64decode(bits, validate=True), length + 1)
    except (binascii.Error, ValueError, TypeError, zlib.error) as error:
        raise UsageError(f"these are no bits of a mask: {error}") from None
    return _unpacked(shape, found)


def mask_code(mask: Mask) -> str:
    """Return the code that makes a mask."""
    return f"edits.packed_mask({mask.shape}, {base64.b64encode(zlib.compress(mask.bits, 9)).decode()!r})"


def _checked_shape(shape: Any) -> tuple[int, ...]:
    lengths = tuple(shape) if isinstance(shape, (list, tuple)) else ()
    if len(lengths) not in (2, 3):
        raise UsageTypeError(f"shape of a mask must be [height, width] or [time, height, width], got {shape!r}")
    checked = tuple(check_int("a length of a mask", length) for length in lengths)
    if math.prod(checked) > MAX_VOXELS:
        raise UsageError(f"a mask has at most {MAX_VOXELS:,} values, got shape {checked}")
    return checked


def _unpacked(shape: tuple[int, ...], bits: bytes) -> Mask:
    count = math.prod(shape)
    if len(bits) != -(-count // 8):
        raise UsageError(f"a mask of shape {shape} has {-(-count // 8):,} bytes, got {len(bits):,}")
    values = np.unpackbits(np.frombuffer(bits, np.uint8), count=count).astype(np.bool_)
    return Mask.of(values.reshape(shape))
