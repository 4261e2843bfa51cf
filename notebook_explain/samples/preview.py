"""Previews of a sample: an animation next to a copy with the masks in colour, and a strip of frames.

Each label of the sample has a colour, and so has the mark of the world `shortcut`; everything else is pale grey. The
colours differ in lightness, so they can be distinguished with colour-blindness and in print. Every preview states in its
pixels that it is synthetic, so the information stays with the image.
"""

from __future__ import annotations

import base64
import html
import io
import os
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import numpy as np
from numpy.typing import NDArray

from notebook_explain._atomic import replacing
from notebook_explain._errors import UsageError
from notebook_explain._validation import check_int

if TYPE_CHECKING:
    from PIL.Image import Image as Picture
    from PIL.ImageFont import FreeTypeFont, ImageFont

    from notebook_explain.samples.sample import Sample

Images = NDArray[np.uint8]
Colour = tuple[int, int, int]
Kind = TypeVar("Kind", bound=np.generic)

LABEL_COLOURS: tuple[Colour, Colour] = ((250, 225, 60), (126, 47, 142))  # yellow, purple: evidence is orange and blue
MARK_COLOUR: Colour = (0, 158, 115)
INK, TRACK, PAPER = 30, 205, 255  # grey levels: text and outlines, the empty timeline, the background
GAP = 8  # pixels between two images
FONT_SIZE = 13  # pixels
MAX_CELL_FRAMES = 48  # longer clips are subsampled in a cell
FORMATS = {".gif": "GIF", ".webp": "WEBP"}


def resize_frames(images: Images, side: int) -> Images:
    """Enlarge images (time, height, width, 3) by an integer factor to a height of at most `side` pixels, or shrink them.

    Enlarged pixels stay squares: the preview shows what a network gets.
    """
    from PIL import Image

    height = images.shape[1]
    if height <= side:
        return _enlarge(images, side // height)
    return np.stack([np.asarray(Image.fromarray(image).reduce(-(-height // side))) for image in images])


def draw_masks(sample: Sample, side: int) -> Images:
    """Draw pale frames with the acting parts of each label and the mark in colour.

    Returns uint8 (time, height, width, 3), as high as `fitted` makes the frames.
    """
    factor = max(side // sample.frames.shape[1], 1)
    frames = _enlarge(sample.frames, factor)
    masks = [(colour, _enlarge(mask, factor)) for colour, mask in coloured_masks(sample)]
    rim = max(round(frames.shape[1] / 128), 1)
    drawn = 0.55 * (0.2 * frames + 0.8 * frames.mean(axis=-1, keepdims=True)) + 0.45 * TRACK
    for _, mask in masks:  # dark outlines first, since yellow is invisible on white
        drawn[_dilate(mask, rim)] = INK
    for colour, mask in masks:
        drawn[mask] = 0.45 * frames[mask].mean(axis=-1, keepdims=True) + 0.55 * np.array(colour)
        drawn[mask & _dilate(~mask, rim)] = colour
    return resize_frames(np.rint(drawn).astype(np.uint8), side)


def _enlarge(volume: NDArray[Kind], factor: int) -> NDArray[Kind]:
    """Return pixels (time, height, width, ...) as squares of `factor` by `factor`."""
    return volume.repeat(factor, axis=1).repeat(factor, axis=2)


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


def render_lines(lines: list[tuple[Colour | None, str]], width: int) -> Images:
    """Render lines of text, each with a square of its colour in front: uint8 (height, width, 3)."""
    from PIL import Image, ImageDraw, ImageFont

    font = ImageFont.load_default(FONT_SIZE)
    rows = [
        (colour if first else None, left, row)
        for colour, text in lines
        for left in [FONT_SIZE + 9 if colour else 4]
        for first, row in _wrap_words(text, width - left - 4, font)
    ]
    step = FONT_SIZE + 5
    paper = Image.new("RGB", (width, step * len(rows) + 4), (PAPER,) * 3)
    pen = ImageDraw.Draw(paper)
    for i, (colour, left, row) in enumerate(rows):
        if colour:
            pen.rectangle((4, i * step + 4, FONT_SIZE + 2, i * step + FONT_SIZE + 2), fill=colour, outline=(INK,) * 3)
        pen.text((left, i * step + 2), row, fill=(INK,) * 3, font=font)
    return np.asarray(paper)


def _wrap_words(text: str, width: int, font: FreeTypeFont | ImageFont) -> list[tuple[bool, str]]:
    """Break text between words into rows of at most `width` pixels; return (is it the first, row)."""
    rows = [""]
    for word in text.split():
        longer = f"{rows[-1]} {word}".strip()
        rows[-1:] = [longer] if not rows[-1] or font.getlength(longer) <= width else [rows[-1], word]
    return [(i == 0, row) for i, row in enumerate(rows)]


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

    count = min(check_int("frames", frames), len(sample.frames))
    chosen = np.rint(np.linspace(0, len(sample.frames) - 1, count)).astype(int)
    rows = [resize_frames(sample.frames, side)[chosen]] + ([draw_masks(sample, side)[chosen]] if masks else [])
    columns = np.concatenate(rows, axis=1)
    heads = np.stack([render_lines([(None, f"frame {i + 1}")], columns.shape[2]) for i in chosen])
    columns = np.pad(np.concatenate((heads, columns), axis=1), ((0, 0), (0, 0), (0, 2), (0, 0)), constant_values=PAPER)
    image = np.concatenate(list(columns), axis=1)
    return Image.fromarray(np.concatenate((image, render_lines(legend(sample, masks), image.shape[1]))))


def compute_palette(image: Picture) -> Picture:
    """Compute 256 colours as an image for Pillow's `quantize`: most for large areas, some for small, saturated ones."""
    from PIL import Image

    frequent = image.quantize(205, Image.Quantize.MEDIANCUT).getpalette() or []
    rare = image.quantize(46, Image.Quantize.FASTOCTREE).getpalette() or []
    fixed = [*[PAPER] * 3, *[INK] * 3, *LABEL_COLOURS[0], *LABEL_COLOURS[1], *MARK_COLOUR]
    palette = Image.new("P", (1, 1))
    palette.putpalette(frequent[: 3 * 205] + rare[: 3 * 46] + fixed)
    return palette


def encode(frames: Images, fps: float, kind: str) -> bytes:
    """Encode frames (time, height, width, 3) as a looping "GIF" or "WEBP"."""
    from PIL import Image

    images = [Image.fromarray(frame) for frame in frames]
    options: dict[str, int] = {"quality": 75, "method": 2}
    if kind == "GIF":  # one palette for all frames, so that the background does not flicker
        montage = Image.fromarray(frames[:, ::2, ::2].reshape(-1, (frames.shape[2] + 1) // 2, 3))
        palette = compute_palette(montage)
        images = [image.quantize(palette=palette, dither=Image.Dither.NONE) for image in images]
        options = {}
    duration = max(round(1000 / fps), 20)  # browsers slow down faster files
    with io.BytesIO() as out:
        images[0].save(out, kind, save_all=True, append_images=images[1:], loop=0, duration=duration, **options)
        return out.getvalue()


def write_animation(sample: Sample, path: str | os.PathLike[str], masks: bool, side: int) -> Path:
    """Write the animation to a .gif or .webp file; an existing file is replaced only once the new one is complete."""
    path = Path(path)
    kind = FORMATS.get(path.suffix.lower())
    if kind is None:
        raise UsageError(f"path must end in .gif or .webp, got {str(path)!r}")
    data = encode(render_animation(sample, masks, check_int("side", side, least=32)), sample.fps, kind)
    with replacing(path) as temporary:
        temporary.write_bytes(data)
    return path


def mimebundle(sample: Sample) -> dict[str, str]:
    """Return what a cell shows: the animation as HTML, and a strip as PNG where HTML is not shown.

    With prefers-reduced-motion the HTML shows the strip, too.
    """
    from PIL import Image, features

    kind = "WEBP" if features.check("webp") else "GIF"
    text, strip, short = html.escape(sample.caption), render_strip(sample, frames=6), subsample(sample, MAX_CELL_FRAMES)
    markup = (
        '<figure style="margin:0"><picture>'
        f'<source media="(prefers-reduced-motion: reduce)" srcset="{_url(encode(np.asarray(strip)[None], 1, kind), kind)}">'
        f'<img src="{_url(encode(render_animation(short), short.fps, kind), kind)}" style="max-width:100%" '
        f'alt="{text}; animation, next to a copy with the acting parts in colour">'
        f"</picture><figcaption>{text}</figcaption></figure>"
    )
    with io.BytesIO() as out:
        strip.quantize(palette=compute_palette(strip), dither=Image.Dither.NONE).save(out, "PNG")
        png = base64.b64encode(out.getvalue()).decode()
    return {"text/plain": repr(sample), "text/html": markup, "image/png": png}


def subsample(sample: Sample, max_frames: int) -> Sample:
    """Return a sample of at most `max_frames` frames, evenly spaced, of the same duration."""
    count = len(sample.frames)
    if count <= max_frames:
        return sample
    kept = np.rint(np.linspace(0, count - 1, max_frames)).astype(int)
    masks = tuple(mask[kept] for mask in sample.masks)
    fps = sample.fps * max_frames / count
    frames, mask, mark = sample.frames[kept], sample.mask[kept], sample.mark[kept]
    return replace(sample, frames=frames, mask=mask, masks=masks, mark=mark, fps=fps)


def _url(data: bytes, kind: str) -> str:
    return f"data:image/{kind.lower()};base64,{base64.b64encode(data).decode()}"
