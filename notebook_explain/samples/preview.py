"""Previews of a sample: an animation next to a copy with the masks in colour, and a strip of frames.

Each label of the sample has a colour, and so has the mark of the world `shortcut`; everything else is pale grey. The
colours differ in lightness, so they can be distinguished with colour-blindness and in print. Every preview states in its
pixels that it is synthetic, so the information stays with the image.
"""

from __future__ import annotations

import html
import os
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from notebook_explain._atomic import replacing
from notebook_explain._errors import UsageError
from notebook_explain._validation import check_int
from notebook_explain.preview import cell, encoding
from notebook_explain.preview.images import (
    INK,
    PAPER,
    Colour,
    Images,
    enlarge,
    render_lines,
    resize_frames,
    side_by_side,
    spread,
)

if TYPE_CHECKING:
    from PIL.Image import Image as Picture

    from notebook_explain.samples.sample import Sample

LABEL_COLOURS: tuple[Colour, Colour] = ((250, 225, 60), (126, 47, 142))  # yellow, purple: evidence is orange and blue
MARK_COLOUR: Colour = (0, 158, 115)
COLOURS = (*LABEL_COLOURS, MARK_COLOUR)
TRACK = 205  # grey level of the empty timeline
GAP = 8  # pixels between two images
MAX_CELL_FRAMES = 48  # longer clips are subsampled in a cell
FORMATS = {".gif": "GIF", ".webp": "WEBP"}


def draw_masks(sample: Sample, side: int) -> Images:
    """Draw pale frames with the acting parts of each label and the mark in colour.

    Returns uint8 (time, height, width, 3), as high as `resize_frames` makes the frames.
    """
    factor = max(side // sample.frames.shape[1], 1)
    frames = enlarge(sample.frames, factor)
    masks = [(colour, enlarge(mask, factor)) for colour, mask in coloured_masks(sample)]
    rim = max(round(frames.shape[1] / 128), 1)
    drawn = 0.55 * (0.2 * frames + 0.8 * frames.mean(axis=-1, keepdims=True)) + 0.45 * TRACK
    for _, mask in masks:  # dark outlines first, since yellow is invisible on white
        drawn[_dilate(mask, rim)] = INK
    for colour, mask in masks:
        drawn[mask] = 0.45 * frames[mask].mean(axis=-1, keepdims=True) + 0.55 * np.array(colour)
        drawn[mask & _dilate(~mask, rim)] = colour
    return resize_frames(np.rint(drawn).astype(np.uint8), side)


def coloured_masks(sample: Sample) -> list[tuple[Colour, NDArray[np.bool_]]]:
    """Return the colour and mask of each label, then those of the mark in the corner, if any."""
    shown = list(zip(LABEL_COLOURS, sample.masks, strict=False))
    return [*shown, (MARK_COLOUR, sample.mark)] if sample.mark.any() else shown


def _dilate(mask: NDArray[np.bool_], pixels: int) -> NDArray[np.bool_]:
    """Dilate a mask (time, height, width) by a number of pixels in the four directions."""
    for _ in range(pixels):
        wide = np.pad(mask, ((0, 0), (1, 1), (1, 1)))
        mask = wide[:, 1:-1, 1:-1] | wide[:, :-2, 1:-1] | wide[:, 2:, 1:-1] | wide[:, 1:-1, :-2] | wide[:, 1:-1, 2:]
    return mask


def legend(sample: Sample, masks: bool) -> list[tuple[Colour | None, str]]:
    """Return the lines of the caption: a colour or None, and a text."""
    lines: list[tuple[Colour | None, str]] = [(None, sample.caption)]
    if masks:
        lines += [(colour, f"acting: {label}") for colour, label in zip(LABEL_COLOURS, sample.labels, strict=False)]
        lines += [] if sample.labels else [(None, "nobody acts")]
        lines += [(MARK_COLOUR, "mark in the corner")] if sample.mark.any() else []
    return lines


def render_timeline(sample: Sample, width: int) -> Images:
    """Draw a timeline for each label, coloured where it acts, with a dark box around the current frame.

    Returns uint8 (time, height, width, 3).
    """
    high, edges = 7, np.rint(np.linspace(0, width, len(sample.frames) + 1)).astype(int)
    bars = []
    for colour, mask in list(zip(LABEL_COLOURS, sample.masks, strict=False)) or [(LABEL_COLOURS[0], sample.mask)]:
        acts = np.asarray(mask.any(axis=(1, 2)))[:, None]
        cells = np.where(acts, np.array(colour, np.uint8), np.uint8(TRACK))
        bars += [np.tile(cells.repeat(np.diff(edges), axis=0), (high, 1, 1)), np.full((3, width, 3), PAPER, np.uint8)]
    images = np.tile(np.concatenate(bars), (len(sample.frames), 1, 1, 1))
    for image, left, right in zip(images, edges[:-1], edges[1:], strict=True):
        image[:-3, left : left + 2] = image[:-3, right - 2 : right] = INK
        image[[0, 1, -5, -4], left:right] = INK
    return images


def render_animation(sample: Sample, masks: bool = True, side: int = 256) -> Images:
    """Draw the frames with a caption: uint8 (time, height, width, 3); `masks` adds the masks on the right."""
    left = resize_frames(sample.frames, side)
    if masks:
        gap = np.full((*left.shape[:2], GAP, 3), PAPER, np.uint8)
        left = np.concatenate((left, gap, draw_masks(sample, side)), axis=2)
    parts, width = [left], left.shape[2]
    if masks:
        parts += [np.full((len(left), 3, width, 3), PAPER, np.uint8), render_timeline(sample, width)]
    text = render_lines(legend(sample, masks), width)
    return np.concatenate((*parts, np.tile(text, (len(left), 1, 1, 1))), axis=1)


def render_strip(sample: Sample, frames: int = 8, masks: bool = True, side: int = 128) -> Picture:
    """Draw evenly spaced frames side by side with numbers above, the masks below and a caption at the end."""
    from PIL import Image

    chosen = spread(len(sample.frames), check_int("frames", frames))
    rows = [resize_frames(sample.frames, side)[chosen]] + ([draw_masks(sample, side)[chosen]] if masks else [])
    image = side_by_side(np.concatenate(rows, axis=1), [f"frame {i + 1}" for i in chosen])
    return Image.fromarray(np.concatenate((image, render_lines(legend(sample, masks), image.shape[1]))))


def write_animation(sample: Sample, path: str | os.PathLike[str], masks: bool, side: int) -> Path:
    """Write the animation to a .gif or .webp file; an existing file is replaced only once the new one is complete."""
    path = Path(path)
    kind = FORMATS.get(path.suffix.lower())
    if kind is None:
        raise UsageError(f"path must end in .gif or .webp, got {str(path)!r}")
    images = render_animation(sample, masks, check_int("side", side, least=32))
    data = encoding.encode(images, sample.fps, kind, COLOURS)
    with replacing(path) as temporary:
        temporary.write_bytes(data)
    return path


def mimebundle(sample: Sample) -> dict[str, str]:
    """Return what a cell shows: the animation as HTML, and a strip as PNG where HTML is not shown.

    With prefers-reduced-motion the HTML shows the strip, too.
    """
    kind, strip, short = encoding.best_kind(), render_strip(sample, frames=6), subsample(sample, MAX_CELL_FRAMES)
    return cell.mimebundle(
        repr(sample),
        (encoding.encode(render_animation(short), short.fps, kind, COLOURS), kind),
        (encoding.encode(np.asarray(strip)[None], 1, kind, COLOURS), kind),
        encoding.small_png(strip, COLOURS),
        f"{sample.caption}; animation, next to a copy with the acting parts in colour",
        html.escape(sample.caption),
    )


def subsample(sample: Sample, max_frames: int) -> Sample:
    """Return a sample of at most `max_frames` frames, evenly spaced, of the same duration."""
    count = len(sample.frames)
    if count <= max_frames:
        return sample
    kept = spread(count, max_frames)
    masks = tuple(mask[kept] for mask in sample.masks)
    fps = sample.fps * max_frames / count
    frames, mask, mark = sample.frames[kept], sample.mask[kept], sample.mark[kept]
    return replace(sample, frames=frames, mask=mask, masks=masks, mark=mark, fps=fps)
