"""Occlude: hide a part of the clip, over a span of frames, behind a fill."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from notebook_explain._errors import UsageError
from notebook_explain._validation import check_choice
from notebook_explain.clip import Clip
from notebook_explain.explanations import Tubes
from notebook_explain.explanations.number_format import percent
from notebook_explain.explanations.targets import Mask
from notebook_explain.explanations.threshold import voxels_kept
from notebook_explain.models.fills import blurred
from notebook_explain.what_if.edits.base import ClipEdit, Span, check_span, span_of, span_words
from notebook_explain.what_if.edits.clips import with_pixels
from notebook_explain.what_if.edits.masks import (
    Bools,
    Box,
    Polygon,
    check_box,
    check_polygon,
    fill_box,
    fill_polygon,
    mask_of,
)

BOX, ELLIPSE = SHAPES = ("box", "ellipse")
BLUR, MEAN, FREEZE, NOISE, GREY = "blur", "mean", "freeze", "noise", "grey"
FILLS = (BLUR, MEAN, FREEZE, NOISE, GREY)
_FILL_WORDS = {
    BLUR: "blurred",
    MEAN: "mean-coloured",
    FREEZE: "frozen",
    NOISE: "replaced by noise",
    GREY: "grey",
}


@dataclass(frozen=True, repr=False)
class Occlude(ClipEdit):
    """Hide a part of the clip: a box, an ellipse, a polygon or a mask; the whole picture if none is given.

    Pixels count from 0 at the upper left; pixel k reaches from k to k + 1.

    Attributes
    ----------
    box : (left, top, right, bottom), optional
        In pixels of the clip, without the right column and the bottom row.
    frames : (start, stop), optional
        Span of frames, without the stop; the whole clip by default.
    fill : "blur", "mean", "freeze", "noise" or "grey"
        What is shown instead: the clip blurred in space and time by an eighth of each axis, its mean colour, the frame before
        the span, noise with the clip's mean and standard deviation, or grey (of a clip of values, the middle of each channel).
    outside : bool
        Hide everything but this part, during the span.
    shape : "box" or "ellipse"
        "ellipse" hides the ellipse that touches the sides of the box.
    polygon : sequence of (x, y), optional
        Corners in pixels; pixels whose centre lies inside are hidden.
    mask : bool array (height, width) or (time, height, width), optional
        In pixels and frames of the clip.

    Raises
    ------
    TypeError, ValueError
        Another form; several of box, polygon and mask; when applied, a part that lies outside the clip, or "freeze" without a
        frame before the span.

    Examples
    --------
    >>> Occlude(box=(20, 10, 60, 90), frames=(4, 9))
    edits.Occlude(box=(20, 10, 60, 90), frames=(4, 9))
    """

    box: Box | None = None
    frames: Span | None = None
    fill: str = BLUR
    outside: bool = False
    shape: str = BOX
    polygon: Polygon | None = None
    mask: Mask | None = None

    def __post_init__(self) -> None:
        checks = {"box": check_box, "polygon": check_polygon, "mask": mask_of}
        given = [name for name in checks if getattr(self, name) is not None]
        if len(given) > 1:
            raise UsageError(
                f"Occlude takes one of box, polygon and mask, got {' and '.join(given)}; use one edit for each"
            )
        for name in given:
            object.__setattr__(self, name, checks[name](getattr(self, name)))
        if self.frames is not None:
            object.__setattr__(self, "frames", check_span("frames", self.frames))
        check_choice("fill", self.fill, FILLS)
        check_choice("shape", self.shape, SHAPES)
        if self.shape == ELLIPSE and self.box is None:
            raise UsageError("shape='ellipse' needs a box, whose sides it touches")
        if not isinstance(self.outside, (bool, np.bool_)):
            raise UsageError(f"outside must be True or False, got {self.outside!r}")
        object.__setattr__(self, "outside", bool(self.outside))
        if self.fill == FREEZE and (self.frames is None or self.frames[0] == 0):
            raise UsageError(
                "fill='freeze' shows the frame before the span, so frames must start at 1 or later, such as (1, 9)"
            )

    @classmethod
    def of_tube(
        cls,
        tubes: Tubes,
        threshold: float | None = None,
        layer: str | int | None = None,
        target: int | str | None = None,
        outside: bool = False,
        *,
        share: float | None = None,
        fill: str = BLUR,
    ) -> Occlude:
        """Return the edit that hides a tube: what a threshold keeps of the evidence for a target.

        Parameters
        ----------
        tubes : Tubes
            The mask is in frames and pixels of ``tubes.clip``, the clip to edit.
        threshold, share : float in 0..1, optional
            As for `Tubes.threshold`.
        layer : str or int, optional
        target : str or int, optional
            Name or index among the computed targets; the first one by default.
        outside : bool
            Hide everything but the tube.
        fill : str

        Raises
        ------
        ValueError
            The threshold keeps nothing.
        """
        index = tubes.target_index(0 if target is None else target)
        least = tubes.threshold(threshold, layer, index, share=share)
        mask = voxels_kept(tubes.volume(layer, index), tubes.layer(layer).peak(index), least)
        if not mask.any():
            raise UsageError(
                f"the tube is empty at threshold {least:.3g}: the layer has no evidence for the target; choose another"
            )
        return cls(mask=Mask.of(mask), outside=outside, fill=fill)

    def __call__(self, clip: Clip) -> Clip:
        """Return the edited clip; see `ClipEdit`."""
        hidden = self.hidden(clip)
        if not hidden.any():
            return clip
        start, _ = span_of(self.frames, clip)

        def replaced(pixels: NDArray[Any]) -> NDArray[Any]:
            fill = _fill(self.fill, pixels, hidden, start)
            return np.where(hidden[..., None], fill, pixels)

        return with_pixels(clip, replaced, self.in_words())

    def hidden(self, clip: Clip) -> Bools:
        """Return the voxels of a clip that are hidden, bool (time, height, width).

        Raises
        ------
        ValueError
            The part or the span does not lie in the clip.
        """
        start, stop = span_of(self.frames, clip)
        found = np.zeros(clip.size, np.bool_)
        part = self._part(clip)[start:stop]
        found[start:stop] = ~part if self.outside else part
        return found

    def _part(self, clip: Clip) -> Bools:
        """Return the part (time, height, width), whatever the span."""
        size = clip.size[1:]
        if self.box is not None:
            part = fill_box(self.box, size, self.shape == ELLIPSE)
        elif self.polygon is not None:
            part = fill_polygon(self.polygon, size)
        elif self.mask is not None:
            part = np.asarray(self.mask)
            if part.shape != clip.size[-part.ndim :]:
                raise UsageError(
                    f"the mask is {_times(part.shape)}, but the clip is {_times(clip.size)} (time, height, width); make the "
                    "mask of this clip, or edit the clip that it belongs to, such as tubes.clip"
                )
        else:
            part = np.ones(size, np.bool_)
        return np.broadcast_to(part, clip.size)

    def in_words(self) -> str:
        """Return the edit as a phrase."""
        where = self._part_words()
        subject = f"everything outside {where}" if self.outside else where
        span = "" if self.frames is None else f" in {span_words(self.frames)}"
        return f"{subject} {_FILL_WORDS[self.fill]}{span}"

    def _part_words(self) -> str:
        if self.box is not None:
            left, top, right, bottom = self.box
            shape = "an ellipse" if self.shape == ELLIPSE else "a box"
            return f"{shape} of {right - left} x {bottom - top} pixels at ({left}, {top})"
        if self.polygon is not None:
            return f"a polygon of {len(self.polygon)} corners"
        if self.mask is not None:
            share = percent(float(np.asarray(self.mask).mean()))
            return f"a mask of {share} of the {'clip' if len(self.mask.shape) == 3 else 'picture'}"
        return "the whole picture"


def _fill(fill: str, pixels: NDArray[Any], hidden: Bools, start: int) -> Any:
    """Return what hidden voxels show, in the type of the pixels and in a shape that broadcasts to theirs."""
    if fill == FREEZE:
        return pixels[start - 1 : start]
    found = _real_fill(fill, pixels, hidden)
    found = np.clip(np.rint(found), 0, 255) if pixels.dtype == np.uint8 else found
    return np.asarray(found, pixels.dtype)


def _real_fill(fill: str, pixels: NDArray[Any], hidden: Bools) -> NDArray[Any]:
    axes = (0, 1, 2)
    if fill == BLUR:
        spans = [np.flatnonzero(hidden.any(axis=tuple(a for a in axes if a != axis)))[[0, -1]] for axis in axes]
        block = tuple(slice(int(first), int(last) + 1) for first, last in spans)
        found = np.zeros(pixels.shape, np.float32)
        video = torch.from_numpy(np.ascontiguousarray(pixels)).permute(3, 0, 1, 2)[None]
        found[block] = blurred(video.float(), block)[0].permute(1, 2, 3, 0).numpy()
        return found
    if fill == GREY:
        if pixels.dtype == np.uint8:
            return np.full(pixels.shape[3], 127.5)
        return np.asarray((pixels.min(axes) + pixels.max(axes)) / 2)
    mean = pixels.mean(axes, dtype=np.float64)
    if fill == MEAN:
        return np.asarray(mean)
    deviation = pixels.astype(np.float64).std(axes)
    return np.asarray(np.random.default_rng(0).normal(mean, deviation, pixels.shape))


def _times(lengths: tuple[int, ...]) -> str:
    return "x".join(map(str, lengths))
