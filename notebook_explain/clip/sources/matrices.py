"""Convert Y'CbCr to 16-bit R'G'B' where FFmpeg does so coarsely (deep colours are 0.5 % off) or not at all (YCgCo)."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

# Code points of ITU-T H.273, as FFmpeg has them.
BT709, UNSPECIFIED, YCGCO, BT2020, DERIVED = 1, 2, 8, 9, 12
NAMES = {UNSPECIFIED: "BT.601", BT2020: "BT.2020"}
UNSUPPORTED = {  # name, and the nearest matrix that can be converted
    10: ("BT.2020 with constant luminance", BT2020),
    13: ("derived from the primaries, with constant luminance", BT2020),
    14: ("ICtCp", BT2020),
    15: ("IPT", BT2020),
}
_BT601 = (0.299, 0.114)
_LUMA = {
    BT709: (0.2126, 0.0722),
    4: (0.30, 0.11),
    7: (0.212, 0.087),
    BT2020: (0.2627, 0.0593),
}  # weights of red and blue
_FULL_RANGE = 2


def to_rgb16(frame: Any, matrix: int) -> NDArray[np.uint16]:
    """Return a frame as R'G'B' (3, height, width) of 16 bits, full range.

    Parameters
    ----------
    frame : av.VideoFrame
        Its tag of the matrix is cleared.
    matrix : int
        One of FFmpeg's matrices, or `YCGCO`.
    """
    if frame.format.is_rgb:
        return np.ascontiguousarray(np.moveaxis(np.asarray(frame.to_ndarray(format="rgb48le"), np.uint16), -1, 0))
    frame.colorspace = UNSPECIFIED  # the planes are to be enlarged and deepened, not converted
    luma, first, second = _planes(frame)
    rgb = np.stack(_combine(luma, first, second, matrix))
    return np.asarray(np.clip(rgb, 0, 1, out=rgb) * np.float32(65535) + np.float32(0.5), np.uint16)


def _planes(frame: Any) -> list[Any]:
    """Return luma in 0..1 and both differences in -0.5..0.5, float32, all of the size of the frame."""
    planes = frame.reformat(format="yuv444p16le").planes
    deep: list[Any] = [
        np.frombuffer(plane, "<u2").reshape(plane.height, -1)[:, : plane.width].astype(np.float32) for plane in planes
    ]
    if int(frame.color_range) == _FULL_RANGE:
        return [deep[0] / 65535, deep[1] / 65535 - 32768 / 65535, deep[2] / 65535 - 32768 / 65535]
    return [(deep[0] / 256 - 16) / 219, (deep[1] / 256 - 128) / 224, (deep[2] / 256 - 128) / 224]


def _combine(luma: Any, first: Any, second: Any, matrix: int) -> tuple[Any, Any, Any]:
    """Return R', G' and B' in 0..1 of luma and two differences (blue and red; or green and orange)."""
    if matrix == YCGCO:
        return luma - first + second, luma + first, luma - first - second
    of_red, of_blue = _LUMA.get(matrix, _BT601)
    red, blue = luma + (2 - 2 * of_red) * second, luma + (2 - 2 * of_blue) * first
    return red, (luma - of_red * red - of_blue * blue) / (1 - of_red - of_blue), blue
