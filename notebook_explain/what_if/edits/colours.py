"""Edits of the whole picture: mirrored, without colours, brighter or darker."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from notebook_explain._errors import UsageError
from notebook_explain._validation import check_range
from notebook_explain.clip import Clip
from notebook_explain.clip.pictures import FLOW
from notebook_explain.explanations.number_format import short
from notebook_explain.what_if.edits.base import ClipEdit
from notebook_explain.what_if.edits.clips import with_pixels

MOST_BRIGHT = 10.0


@dataclass(frozen=True, repr=False)
class Flip(ClipEdit):
    """Mirror left and right. Of a clip of flow, the motion to the right becomes one to the left."""

    def __call__(self, clip: Clip) -> Clip:
        """Return the edited clip; see `ClipEdit`."""
        flow = clip.picture.channels[0] if clip.picture is not None and clip.picture.kind == FLOW else None

        def mirrored(pixels: NDArray[Any]) -> NDArray[Any]:
            found = np.ascontiguousarray(pixels[:, :, ::-1])
            if flow is not None and pixels.dtype != np.uint8:
                found[..., flow] = -found[..., flow]
            return found

        # A mirrored clip has no pixel of the source at a positive distance from the next one.
        place: dict[str, Any] = {
            "origin": (0.0, 0.0),
            "step": (1.0, 1.0),
            "source_size": clip.size[1:],
            "source": clip.name,
        }
        return replace(with_pixels(clip, mirrored, self.in_words()), **place)

    def in_words(self) -> str:
        """Return the edit as a phrase."""
        return "mirrored left to right"


@dataclass(frozen=True, repr=False)
class Grey(ClipEdit):
    """Replace colours by their brightness, 0.299 red + 0.587 green + 0.114 blue."""

    def __call__(self, clip: Clip) -> Clip:
        """Return the edited clip; see `ClipEdit`."""
        _check_colours(clip, "Grey")

        def grey(pixels: NDArray[Any]) -> NDArray[Any]:
            red, green, blue = (pixels[..., k].astype(np.uint32) for k in range(3))
            # In whole numbers, so that grey stays as it is.
            luminance = ((299 * red + 587 * green + 114 * blue + 500) // 1000).astype(np.uint8)
            return np.repeat(luminance[..., None], 3, axis=-1)

        return with_pixels(clip, grey, self.in_words())

    def in_words(self) -> str:
        """Return the edit as a phrase."""
        return "without colours"


@dataclass(frozen=True, repr=False)
class Brighten(ClipEdit):
    """Multiply the brightness of all colours; what exceeds white becomes white.

    Attributes
    ----------
    factor : float
        0 (black) to 10; 1 changes nothing.
    """

    factor: float = 1.3

    def __post_init__(self) -> None:
        object.__setattr__(self, "factor", check_range("factor", self.factor, 0, MOST_BRIGHT))

    def __call__(self, clip: Clip) -> Clip:
        """Return the edited clip; see `ClipEdit`."""
        _check_colours(clip, "Brighten")
        table = np.clip(np.rint(np.arange(256) * self.factor), 0, 255).astype(np.uint8)
        return with_pixels(clip, lambda pixels: table[pixels], self.in_words())

    def in_words(self) -> str:
        """Return the edit as a phrase."""
        return f"{short(self.factor)} times as bright"


def _check_colours(clip: Clip, name: str) -> None:
    if clip.values is not None:
        raise UsageError(
            f"{name}() needs a clip of colours, but clip {clip.name!r} holds values of {clip.values.shape[3]} channels, such as "
            "flow; edit the values yourself and make another clip with Clip.from_array"
        )
