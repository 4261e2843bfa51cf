"""How a picture is made to fit: crop, letterbox or stretch, and the way back to the source's pixels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from notebook_explain._errors import UsageError
from notebook_explain._validation import check_choice, check_int

CROPS = ("center", "letterbox", "stretch")
Size = int | Sequence[int]


@dataclass(frozen=True)
class Resize:
    """A box of the source's picture, resized, with black bars around it.

    Attributes
    ----------
    source : (height, width) ints
        The picture that goes in, in pixels.
    box : (top, left, height, width) ints
        The part of it that is used.
    inner : (height, width) ints
        What that part is resized to.
    bars : (top, left) ints
        Black rows above it and black columns left of it.
    size : (height, width) ints
        The picture that comes out.
    """

    source: tuple[int, int]
    box: tuple[int, int, int, int]
    inner: tuple[int, int]
    bars: tuple[int, int]
    size: tuple[int, int]

    @classmethod
    def of(cls, source: tuple[int, int], size: tuple[int, int] | None, crop: str) -> Resize:
        """The framing that fits pictures of one size into another; ``None`` leaves them as they are."""
        height, width = source
        whole_picture, none = (0, 0, height, width), (0, 0)
        if size is None or size == source:
            return cls(source, whole_picture, source, none, source)
        if crop == "stretch":
            return cls(source, whole_picture, size, none, size)
        if crop == "letterbox":
            inner = _inscribed(size, source)
            return cls(source, whole_picture, inner, ((size[0] - inner[0]) // 2, (size[1] - inner[1]) // 2), size)
        rows, columns = _inscribed(source, size)
        return cls(source, ((height - rows) // 2, (width - columns) // 2, rows, columns), size, none, size)

    def apply(self, picture: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """A picture (height, width, 3) made to fit; the picture itself where nothing is to be done."""
        top, left, height, width = self.box
        resized = _resized(picture[top : top + height, left : left + width], self.inner)
        if self.inner == self.size:
            return resized
        framed = np.zeros((*self.size, picture.shape[2]), np.uint8)
        top, left = self.bars
        framed[top : top + self.inner[0], left : left + self.inner[1]] = resized
        return framed

    def transform(
        self, origin: tuple[float, float], step: tuple[float, float]
    ) -> tuple[tuple[float, float], tuple[float, float]]:
        """Origin and step of the picture that comes out, given those of the one that goes in.

        Pixel ``p`` of the resized box is centred at ``(p + 1/2) * scale - 1/2`` of the box: half-pixel centres.
        """
        scale = [self.box[2 + axis] / self.inner[axis] for axis in (0, 1)]
        first = [
            self.box[axis] + (scale[axis] - 1) / 2 - scale[axis] * self.bars[axis] for axis in (0, 1)
        ]  # where pixel 0 of what comes out lies in what goes in
        return (
            (origin[0] + step[0] * first[0], origin[1] + step[1] * first[1]),
            (step[0] * scale[0], step[1] * scale[1]),
        )


def check_size(size: Any) -> tuple[int, int] | None:
    """(height, width) of a size that is ``None``, one number or two (TypeError or ValueError otherwise)."""
    return None if size is None else pixels(size)


def pixels(size: Any) -> tuple[int, int]:
    """(height, width) of one number, which is a square, or of two (TypeError or ValueError otherwise)."""
    parts = tuple(size) if isinstance(size, (list, tuple, np.ndarray)) and np.ndim(size) else (size, size)
    if len(parts) != 2:
        raise UsageError(f"size must be one number (a square) or (height, width), got {size!r}")
    height, width = (check_int("size", part, unit=" pixel") for part in parts)
    return height, width


def check_crop(crop: Any) -> str:
    """A way of fitting that exists (ValueError otherwise)."""
    check_choice("crop", crop, CROPS)
    return str(crop)


def _inscribed(outer: tuple[int, int], shape: tuple[int, int]) -> tuple[int, int]:
    """The largest (height, width) of a shape's proportions that lies inside another, in whole pixels."""
    if outer[0] * shape[1] <= outer[1] * shape[0]:  # the height is what limits
        return outer[0], min(max(round(outer[0] * shape[1] / shape[0]), 1), outer[1])
    return min(max(round(outer[1] * shape[0] / shape[1]), 1), outer[0]), outer[1]


def _resized(picture: NDArray[np.uint8], size: tuple[int, int]) -> NDArray[np.uint8]:
    """Resized with half-pixel centres: each axis by area where it shrinks, linearly where it grows."""
    import cv2

    smaller = min(picture.shape[0], size[0]), min(picture.shape[1], size[1])
    for target, how in ((smaller, cv2.INTER_AREA), (size, cv2.INTER_LINEAR)):
        if picture.shape[:2] != target:
            picture = np.asarray(cv2.resize(picture, target[::-1], interpolation=how), np.uint8)
    return picture
