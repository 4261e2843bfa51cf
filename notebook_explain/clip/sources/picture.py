"""A decoded frame as an upright 8-bit RGB picture, and what readers must know about it."""

from __future__ import annotations

import math
import struct
from fractions import Fraction
from typing import Any

import numpy as np
from numpy.typing import NDArray

from notebook_explain.clip.sources import matrices
from notebook_explain.clip.sources.base import Note
from notebook_explain.clip.sources.colour import BT2020, ColourTags, describe_mapping, tone_map

Orientation = tuple[bool, bool, bool]
_LARGEST_TILT = math.radians(10)  # a display matrix further from a right angle is not a rotation that a player shows
_LARGE = 2**20  # pixels from which several threads convert a frame faster than one
_RESERVED = 3  # a colour matrix without a meaning
_NEARLY_SQUARE = 0.02  # proportions of pixels this close to 1 are not worth a caveat


def to_picture(frame: Any, context: Any, reformatter: Any, *, maps_tones: bool) -> tuple[NDArray[np.uint8], list[Note]]:
    """Return a frame as RGB (height, width, 3), upright, and notes on how it differs from what a player shows.

    Matrix and range are those that the frame is tagged with; without a tag, FFmpeg assumes BT.601 and limited range. Chroma is
    enlarged bilinearly, for each field of its own if the frame is interlaced. Alpha is dropped, deeper colours are rounded.
    HDR and wide gamut are mapped as `colour` describes.

    Parameters
    ----------
    frame : av.VideoFrame
    context : av.VideoCodecContext
        Its decoder.
    reformatter : av.video.reformatter.VideoReformatter
        Kept for all frames of a pass: a new one for each frame takes most of the time of a small frame.
    maps_tones : bool
        False to leave HDR and wide gamut as they are stored.
    """
    tags, notes = ColourTags.read(frame, context), []
    if frame.interlaced_frame:
        notes.append(
            Note(
                "The video is interlaced: the two fields of each frame, taken at different moments, are woven into one "
                "picture, so moving edges look like combs."
            )
        )
    if tags.is_mapped and maps_tones:
        matrix = _supported_matrix(int(frame.colorspace), tags, notes)
        picture = tone_map(matrices.to_rgb16(frame, matrix), tags)
        what = f"The video's {tags.describe()} is {describe_mapping(tags)}"
        advice = "; for a network that was trained with the stored numbers, pass tone_map=False to Clip.read"
        notes.append(Note(f"{what}.", f"{what}{advice}"))
    else:
        picture = _convert_to_8_bits(frame, reformatter, tags, notes)
        if tags.is_mapped:
            notes.append(Note(f"The video's {tags.describe()} is not mapped to the colours of a usual screen."))
    return make_upright(picture, display_orientation(frame)), notes


def pixel_note(ratio: Fraction | None, size: tuple[int, int]) -> list[Note]:
    """Return a note if pixels are not square.

    Parameters
    ----------
    ratio : Fraction or None
        Width of a pixel divided by its height, as stored; None if unknown.
    size : (height, width) ints
        Size of a frame, as stored.
    """
    if not ratio or abs(ratio - 1) < _NEARLY_SQUARE:
        return []
    height, width = size
    return [
        Note(
            f"The video's pixels are not square ({ratio.numerator}:{ratio.denominator}): frames stay {width} x {height} as "
            f"stored, where a player shows {round(width * ratio)} x {height}."
        )
    ]


def make_upright(picture: NDArray[Any], orientation: Orientation | None) -> NDArray[Any]:
    """Return a picture with its axes swapped and reversed as an orientation says."""
    if orientation is None:
        return picture
    has_swapped_axes, has_reversed_x, has_reversed_y = orientation
    upright = picture.swapaxes(0, 1) if has_swapped_axes else picture
    upright = upright[:: -1 if has_reversed_y else 1, :: -1 if has_reversed_x else 1]
    return np.ascontiguousarray(upright)


def display_orientation(frame: Any) -> Orientation | None:
    """Return the orientation of a frame by its display matrix; None if it is shown as it is stored."""
    for data in frame.side_data:
        if data.type.name == "DISPLAYMATRIX":
            return nearest_orientation(struct.unpack("=9i", bytes(data)[:36]))
    return None


def nearest_orientation(matrix: tuple[int, ...]) -> Orientation | None:
    """Return the nearest of the eight orientations to a display matrix; None if it is far from all, or changes nothing.

    An orientation is three bools: whether the axes are swapped, and then whether x and whether y are reversed. The matrix maps
    the stored pixel (x, y) to (a x + c y, b x + d y), with a, b, c, d at its indices 0, 1, 3, 4; y points down.
    """
    a, b, c, d = (float(matrix[index]) for index in (0, 1, 3, 4))
    is_swapped = abs(b) > abs(a)
    x_from, y_from, rest = (c, b, (a, d)) if is_swapped else (a, d, (b, c))
    if math.atan2(max(map(abs, rest)), min(abs(x_from), abs(y_from))) > _LARGEST_TILT:
        return None
    orientation = is_swapped, x_from < 0, y_from < 0
    return orientation if any(orientation) else None


def _convert_to_8_bits(frame: Any, reformatter: Any, tags: ColourTags, notes: list[Note]) -> NDArray[np.uint8]:
    """Return a frame as R'G'B'; a note is added for a colour matrix that cannot be converted exactly."""
    import av

    threads = 1 if frame.width * frame.height < _LARGE else 0  # 0: all
    try:
        return np.asarray(reformatter.reformat(frame, format="rgb24", threads=threads).to_ndarray(), np.uint8)
    except (av.FFmpegError, ValueError):
        matrix = _supported_matrix(int(frame.colorspace), tags, notes)
    if matrix == matrices.YCGCO:
        return np.ascontiguousarray(
            np.moveaxis(np.rint(matrices.to_rgb16(frame, matrix) / 257).astype(np.uint8), 0, -1)
        )
    frame.colorspace = matrix
    return np.asarray(frame.to_ndarray(format="rgb24"), np.uint8)


def _supported_matrix(matrix: int, tags: ColourTags, notes: list[Note]) -> int:
    """Return a colour matrix that can be converted: the same, an equal one, or the nearest with a note."""
    if matrix == matrices.DERIVED:
        return matrices.BT2020 if tags.gamut == BT2020 else matrices.BT709
    if matrix <= matrices.BT2020 and matrix != _RESERVED:
        return matrix
    name, nearest = matrices.UNSUPPORTED.get(matrix, (f"number {matrix} of ITU-T H.273", matrices.UNSPECIFIED))
    what = f"The video's colour matrix ({name}) is not supported: that of {matrices.NAMES[nearest]} is used"
    notes.append(Note(f"{what}, so hues are approximate.", f"{what}, so hues are approximate"))
    return nearest
