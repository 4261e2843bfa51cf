"""Fit a frame to a size by cropping, letterboxing or stretching, and map pixels back to the source."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from notebook_explain._validation import check_choice

CROPS = ("center", "letterbox", "stretch")
_CV_CHANNELS = 4  # OpenCV resizes more of them at once in some of its versions and modes only


@dataclass(frozen=True)
class Resize:
    """Crop a box from a frame, resize it, and pad it with black.

    Attributes
    ----------
    source_size : (height, width) ints
        Input frame, in pixels.
    box : (top, left, height, width) ints
        Part of the input that is kept.
    inner_size : (height, width) ints
        Size to which the box is resized.
    padding : (top, left) ints
        Black rows above and black columns left of the resized box.
    size : (height, width) ints
        Output frame.
    """

    source_size: tuple[int, int]
    box: tuple[int, int, int, int]
    inner_size: tuple[int, int]
    padding: tuple[int, int]
    size: tuple[int, int]

    @classmethod
    def fit(cls, source_size: tuple[int, int], size: tuple[int, int] | None, crop: str) -> Resize:
        """Return the operation that fits frames of one size to another; ``None`` leaves them as they are."""
        height, width = source_size
        whole, none = (0, 0, height, width), (0, 0)
        if size is None or size == source_size:
            return cls(source_size, whole, source_size, none, source_size)
        if crop == "stretch":
            return cls(source_size, whole, size, none, size)
        if crop == "letterbox":
            inner = _largest_inside(size, source_size)
            return cls(source_size, whole, inner, ((size[0] - inner[0]) // 2, (size[1] - inner[1]) // 2), size)
        rows, columns = _largest_inside(source_size, size)
        return cls(source_size, ((height - rows) // 2, (width - columns) // 2, rows, columns), size, none, size)

    def apply(self, frame: NDArray[Any], background: Any = 0) -> NDArray[Any]:
        """Return a frame (height, width, channel) of the output size; the input itself if nothing changes.

        Parameters
        ----------
        frame : uint8 or float32 array (height, width, channel)
        background : number, or one for each channel
            What the bars of a letterbox hold.
        """
        top, left, height, width = self.box
        resized = _resize(frame[top : top + height, left : left + width], self.inner_size)
        if self.inner_size == self.size:
            return resized
        padded = np.empty((*self.size, frame.shape[2]), frame.dtype)
        padded[...] = background
        top, left = self.padding
        padded[top : top + self.inner_size[0], left : left + self.inner_size[1]] = resized
        return padded

    def transform(
        self, origin: tuple[float, float], step: tuple[float, float]
    ) -> tuple[tuple[float, float], tuple[float, float]]:
        """Return origin and step of the output frame, given those of the input frame.

        Pixel ``p`` of the resized box is centred at ``(p + 1/2) * scale - 1/2`` of the box: half-pixel centres.
        """
        scale = [self.box[2 + axis] / self.inner_size[axis] for axis in (0, 1)]
        first = [
            self.box[axis] + (scale[axis] - 1) / 2 - scale[axis] * self.padding[axis] for axis in (0, 1)
        ]  # centre of output pixel 0 in input pixels
        return (
            (origin[0] + step[0] * first[0], origin[1] + step[1] * first[1]),
            (step[0] * scale[0], step[1] * scale[1]),
        )


def check_crop(crop: Any) -> str:
    """Return the name of a crop mode (ValueError for an unknown one)."""
    return check_choice("crop", crop, CROPS)


def _largest_inside(outer: tuple[int, int], shape: tuple[int, int]) -> tuple[int, int]:
    """Return the largest (height, width), in whole pixels, that fits inside ``outer`` with the proportions of ``shape``."""
    if outer[0] * shape[1] <= outer[1] * shape[0]:  # limited by the height
        return outer[0], min(max(round(outer[0] * shape[1] / shape[0]), 1), outer[1])
    return min(max(round(outer[1] * shape[0] / shape[1]), 1), outer[0]), outer[1]


def _resize(frame: NDArray[Any], size: tuple[int, int]) -> NDArray[Any]:
    """Resize with half-pixel centres: average areas along axes that shrink, interpolate linearly along those that grow."""
    import cv2

    channels, dtype = frame.shape[2], frame.dtype
    smaller = min(frame.shape[0], size[0]), min(frame.shape[1], size[1])
    for target, interpolation in ((smaller, cv2.INTER_AREA), (size, cv2.INTER_LINEAR)):
        if frame.shape[:2] != target:
            groups = [frame[..., first : first + _CV_CHANNELS] for first in range(0, channels, _CV_CHANNELS)]
            parts = [
                cv2.resize(np.ascontiguousarray(part), target[::-1], interpolation=interpolation) for part in groups
            ]
            frame = np.concatenate([np.reshape(part, (*target, -1)) for part in parts], axis=2).astype(
                dtype, copy=False
            )
    return frame
