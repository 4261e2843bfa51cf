"""A sample as a person sees it: its film, beside it the same film with the truth in colour, and a strip of frames.

Each of the sample's labels has a colour, and so has the mark of the world `shortcut`; all else is pale and grey. The
colours differ in lightness, so that every eye and a grey print tell them apart. Every picture says in its own pixels
that it is synthetic, so that it still does when it travels without its notebook.
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

ACTING: tuple[Colour, Colour] = ((250, 225, 60), (126, 47, 142))  # yellow, purple: evidence is orange and blue
MARKED: Colour = (0, 158, 115)
INK, TRACK, PAPER = 30, 205, 255  # grey levels: text and rims, the empty bar of time, the ground
GAP = 8  # pixels between two pictures
LETTERS = 13  # size of the text in pixels
IN_A_CELL = 48  # frames at most
FORMATS = {".gif": "GIF", ".webp": "WEBP"}


def fitted(pictures: Images, side: int) -> Images:
    """Enlarge pictures (time, height, width, 3) by a whole factor to at most `side` pixels of height, or shrink them.

    Enlarged pixels stay squares: what is seen is what a network gets.
    """
    from PIL import Image

    height = pictures.shape[1]
    if height <= side:
        return _larger(pictures, side // height)
    return np.stack([np.asarray(Image.fromarray(picture).reduce(-(-height // side))) for picture in pictures])


def truth(sample: Sample, side: int) -> Images:
    """Draw the frames pale, and on them in colour the acting parts of each label and the mark.

    Returns uint8 (time, height, width, 3), as high as `fitted` makes the frames.
    """
    factor = max(side // sample.frames.shape[1], 1)
    frames = _larger(sample.frames, factor)
    masks = [(colour, _larger(mask, factor)) for colour, mask in coloured(sample)]
    rim = max(round(frames.shape[1] / 128), 1)
    drawn = 0.55 * (0.2 * frames + 0.8 * frames.mean(axis=-1, keepdims=True)) + 0.45 * TRACK
    for _, mask in masks:  # a dark rim first, or yellow would be lost on white
        drawn[_grown(mask, rim)] = INK
    for colour, mask in masks:
        drawn[mask] = 0.45 * frames[mask].mean(axis=-1, keepdims=True) + 0.55 * np.array(colour)
        drawn[mask & _grown(~mask, rim)] = colour
    return fitted(np.rint(drawn).astype(np.uint8), side)


def _larger(volume: NDArray[Kind], factor: int) -> NDArray[Kind]:
    """Pixels (time, height, width, ...) as squares of `factor` by `factor`."""
    return volume.repeat(factor, axis=1).repeat(factor, axis=2)


def coloured(sample: Sample) -> list[tuple[Colour, NDArray[np.bool_]]]:
    """Return what is drawn in colour: (colour, mask) of each label, the mark in the corner last."""
    shown = list(zip(ACTING, sample.masks, strict=False))
    return [*shown, (MARKED, sample.mark)] if sample.mark.any() else shown


def _grown(mask: NDArray[np.bool_], by: int) -> NDArray[np.bool_]:
    """A mask (time, height, width) and what lies within `by` pixels of it, up, down and sideways."""
    for _ in range(by):
        wide = np.pad(mask, ((0, 0), (1, 1), (1, 1)))
        mask = wide[:, 1:-1, 1:-1] | wide[:, :-2, 1:-1] | wide[:, 2:, 1:-1] | wide[:, 1:-1, :-2] | wide[:, 1:-1, 2:]
    return mask


def legend(sample: Sample, masks: bool) -> list[tuple[Colour | None, str]]:
    """Return the lines below a picture: a colour or None, and a text."""
    lines: list[tuple[Colour | None, str]] = [(None, sample.caption)]
    if masks:
        lines += [(colour, f"acting: {label}") for colour, label in zip(ACTING, sample.labels, strict=False)]
        lines += [] if sample.labels else [(None, "nobody acts")]
        lines += [(MARKED, "mark in the corner")] if sample.mark.any() else []
    return lines


def written(lines: list[tuple[Colour | None, str]], width: int) -> Images:
    """Write lines below one another, each behind a square of its colour: uint8 (height, width, 3)."""
    from PIL import Image, ImageDraw, ImageFont

    font = ImageFont.load_default(LETTERS)
    rows = [
        (colour if first else None, left, row)
        for colour, text in lines
        for left in [LETTERS + 9 if colour else 4]
        for first, row in _wrapped(text, width - left - 4, font)
    ]
    step = LETTERS + 5
    paper = Image.new("RGB", (width, step * len(rows) + 4), (PAPER,) * 3)
    pen = ImageDraw.Draw(paper)
    for at, (colour, left, row) in enumerate(rows):
        if colour:
            pen.rectangle((4, at * step + 4, LETTERS + 2, at * step + LETTERS + 2), fill=colour, outline=(INK,) * 3)
        pen.text((left, at * step + 2), row, fill=(INK,) * 3, font=font)
    return np.asarray(paper)


def _wrapped(text: str, width: int, font: FreeTypeFont | ImageFont) -> list[tuple[bool, str]]:
    """Break a text between words into rows no wider than `width` pixels: (is it the first, row)."""
    rows = [""]
    for word in text.split():
        longer = f"{rows[-1]} {word}".strip()
        rows[-1:] = [longer] if not rows[-1] or font.getlength(longer) <= width else [rows[-1], word]
    return [(at == 0, row) for at, row in enumerate(rows)]


def course(sample: Sample, width: int) -> Images:
    """Draw bars of time, one for each label, coloured where it acts; a dark frame stands at the frame shown.

    Returns uint8 (time, height, width, 3).
    """
    high, edges = 7, np.rint(np.linspace(0, width, len(sample.frames) + 1)).astype(int)
    bars = []
    for colour, mask in list(zip(ACTING, sample.masks, strict=False)) or [(ACTING[0], sample.mask)]:
        acts = np.asarray(mask.any(axis=(1, 2)))[:, None]
        cells = np.where(acts, np.array(colour, np.uint8), np.uint8(TRACK))
        bars += [np.tile(cells.repeat(np.diff(edges), axis=0), (high, 1, 1)), np.full((3, width, 3), PAPER, np.uint8)]
    film = np.tile(np.concatenate(bars), (len(sample.frames), 1, 1, 1))
    for picture, left, right in zip(film, edges[:-1], edges[1:], strict=True):
        picture[:-3, left : left + 2] = picture[:-3, right - 2 : right] = INK
        picture[[0, 1, -5, -4], left:right] = INK
    return film


def film(sample: Sample, masks: bool = True, side: int = 256) -> Images:
    """Draw the film with its caption: uint8 (time, height, width, 3); `masks` adds the truth, right of it."""
    left = fitted(sample.frames, side)
    if masks:
        gap = np.full((*left.shape[:2], GAP, 3), PAPER, np.uint8)
        left = np.concatenate((left, gap, truth(sample, side)), axis=2)
    parts, width = [left], left.shape[2]
    if masks:
        parts += [np.full((len(left), 3, width, 3), PAPER, np.uint8), course(sample, width)]
    text = written(legend(sample, masks), width)
    return np.concatenate((*parts, np.tile(text, (len(left), 1, 1, 1))), axis=1)


def strip(sample: Sample, frames: int = 8, masks: bool = True, side: int = 128) -> Picture:
    """Draw evenly chosen frames side by side, below them the truth, the numbers above and the caption at the end."""
    from PIL import Image

    count = min(check_int("frames", frames), len(sample.frames))
    chosen = np.rint(np.linspace(0, len(sample.frames) - 1, count)).astype(int)
    rows = [fitted(sample.frames, side)[chosen]] + ([truth(sample, side)[chosen]] if masks else [])
    columns = np.concatenate(rows, axis=1)
    heads = np.stack([written([(None, f"frame {at + 1}")], columns.shape[2]) for at in chosen])
    columns = np.pad(np.concatenate((heads, columns), axis=1), ((0, 0), (0, 0), (0, 2), (0, 0)), constant_values=PAPER)
    picture = np.concatenate(list(columns), axis=1)
    return Image.fromarray(np.concatenate((picture, written(legend(sample, masks), picture.shape[1]))))


def palette_of(picture: Picture) -> Picture:
    """Choose 256 colours, as an image for Pillow's `quantize`: most for large areas, some for what is small and gaudy."""
    from PIL import Image

    usual = picture.quantize(205, Image.Quantize.MEDIANCUT).getpalette() or []
    rare = picture.quantize(46, Image.Quantize.FASTOCTREE).getpalette() or []
    ours = [*[PAPER] * 3, *[INK] * 3, *ACTING[0], *ACTING[1], *MARKED]
    palette = Image.new("P", (1, 1))
    palette.putpalette(usual[: 3 * 205] + rare[: 3 * 46] + ours)
    return palette


def encoded(pictures: Images, fps: float, kind: str) -> bytes:
    """Encode a film (time, height, width, 3) that plays for ever, as "GIF" or "WEBP"."""
    from PIL import Image

    images = [Image.fromarray(picture) for picture in pictures]
    options: dict[str, int] = {"quality": 75, "method": 2}
    if kind == "GIF":  # one palette for all frames, or what stands still would flicker
        montage = Image.fromarray(pictures[:, ::2, ::2].reshape(-1, (pictures.shape[2] + 1) // 2, 3))
        palette = palette_of(montage)
        images = [image.quantize(palette=palette, dither=Image.Dither.NONE) for image in images]
        options = {}
    duration = max(round(1000 / fps), 20)  # browsers slow down what is faster
    with io.BytesIO() as out:
        images[0].save(out, kind, save_all=True, append_images=images[1:], loop=0, duration=duration, **options)
        return out.getvalue()


def write(sample: Sample, path: str | os.PathLike[str], masks: bool, side: int) -> Path:
    """Write the film to a .gif or .webp file; what stood there is replaced as a whole."""
    path = Path(path)
    kind = FORMATS.get(path.suffix.lower())
    if kind is None:
        raise UsageError(f"a film is written to a .gif or .webp file, got {str(path)!r}; give a name that ends so")
    data = encoded(film(sample, masks, check_int("side", side, least=32)), sample.fps, kind)
    with replacing(path) as temporary:
        temporary.write_bytes(data)
    return path


def mimebundle(sample: Sample) -> dict[str, str]:
    """Return what a cell shows: the film as HTML, and a strip as PNG where no film is shown.

    Whoever asks their system for less motion sees a strip in the HTML too.
    """
    from PIL import Image, features

    kind = "WEBP" if features.check("webp") else "GIF"
    text, quiet, short = html.escape(sample.caption), strip(sample, frames=6), thinned(sample, IN_A_CELL)
    markup = (
        '<figure style="margin:0"><picture>'
        f'<source media="(prefers-reduced-motion: reduce)" srcset="{_url(encoded(np.asarray(quiet)[None], 1, kind), kind)}">'
        f'<img src="{_url(encoded(film(short), short.fps, kind), kind)}" style="max-width:100%" '
        f'alt="{text}; a film, and beside it what acts, in colour">'
        f"</picture><figcaption>{text}</figcaption></figure>"
    )
    with io.BytesIO() as out:
        quiet.quantize(palette=palette_of(quiet), dither=Image.Dither.NONE).save(out, "PNG")
        png = base64.b64encode(out.getvalue()).decode()
    return {"text/plain": repr(sample), "text/html": markup, "image/png": png}


def thinned(sample: Sample, most: int) -> Sample:
    """Return a sample of at most `most` frames, evenly chosen, that lasts as long: a notebook keeps what a cell shows."""
    count = len(sample.frames)
    if count <= most:
        return sample
    at = np.rint(np.linspace(0, count - 1, most)).astype(int)
    masks = tuple(mask[at] for mask in sample.masks)
    fps = sample.fps * most / count
    return replace(sample, frames=sample.frames[at], mask=sample.mask[at], masks=masks, mark=sample.mark[at], fps=fps)


def _url(data: bytes, kind: str) -> str:
    return f"data:image/{kind.lower()};base64,{base64.b64encode(data).decode()}"
