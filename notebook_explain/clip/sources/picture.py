"""A decoded frame as an upright 8-bit RGB picture."""

from __future__ import annotations

import math
import struct
from typing import Any

import numpy as np
from numpy.typing import NDArray

_LARGEST_TILT = math.radians(10)  # a display matrix further from a right angle is not a rotation that a player shows


def to_rgb(frame: Any) -> NDArray[np.uint8]:
    """Return the stored pixels of a frame as RGB (height, width, 3), not yet upright.

    Matrix and range are those that the frame is tagged with; without a tag, FFmpeg assumes BT.601 and limited range. Chroma is
    enlarged bilinearly, separately for the two fields of an interlaced frame. Alpha is dropped, deeper colours are rounded.
    """
    return np.asarray(frame.to_ndarray(format="rgb24"), np.uint8)


def make_upright(picture: NDArray[Any], frame: Any) -> NDArray[Any]:
    """Return a picture rotated and mirrored as the frame's display matrix says."""
    matrix = display_matrix(frame)
    if matrix is None:
        return picture
    across, mirrored_x, mirrored_y = matrix
    if across:
        picture = picture.swapaxes(0, 1)
    if mirrored_x:
        picture = picture[:, ::-1]
    if mirrored_y:
        picture = picture[::-1]
    return np.ascontiguousarray(picture)


def display_matrix(frame: Any) -> tuple[bool, bool, bool] | None:
    """Return how a frame is shown: whether its axes are swapped, then whether x and y are reversed; None if as stored."""
    entries = [data for data in frame.side_data if data.type.name == "DISPLAYMATRIX"]
    if not entries:
        return None
    return orientation(struct.unpack("=9i", bytes(entries[0])[:36]))


def orientation(matrix: tuple[int, ...]) -> tuple[bool, bool, bool] | None:
    """Return the nearest of the eight orientations to a display matrix; None if it is none, or changes nothing.

    The matrix maps a stored pixel (x, y) to (a x + c y, b x + d y), with a, b, c, d at 0, 1, 3, 4; y points down.
    """
    a, b, c, d = (matrix[index] / 65536 for index in (0, 1, 3, 4))
    across = abs(b) > abs(a)
    first, second, rest = (b, c, (a, d)) if across else (a, d, (b, c))
    tilt = math.atan2(max(map(abs, rest)), min(abs(first), abs(second)))
    if tilt > _LARGEST_TILT:
        return None
    # x of the screen comes from a (or from c, if the axes are swapped), y from d (or from b).
    mirrored_x, mirrored_y = (c < 0, b < 0) if across else (a < 0, d < 0)
    return (across, mirrored_x, mirrored_y) if across or mirrored_x or mirrored_y else None
