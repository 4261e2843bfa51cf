"""Animations and pictures as bytes: looping GIF and WebP with one palette, and small PNGs."""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence
from typing import TYPE_CHECKING

from notebook_explain.preview.images import INK, PAPER, Colour, Images

if TYPE_CHECKING:
    from PIL.Image import Image as Picture

FREQUENT, RARE = 205, 46  # colours of a palette: for large areas, and for small, saturated ones


def compute_palette(image: Picture, fixed: Sequence[Colour] = ()) -> Picture:
    """Compute 256 colours as an image for Pillow's `quantize`: most for large areas, some for small, saturated ones.

    White, the ink of texts and at most three ``fixed`` colours are always among them.
    """
    from PIL import Image

    frequent = image.quantize(FREQUENT, Image.Quantize.MEDIANCUT).getpalette() or []
    rare = image.quantize(RARE, Image.Quantize.FASTOCTREE).getpalette() or []
    always = [(PAPER,) * 3, (INK,) * 3, *fixed]
    palette = Image.new("P", (1, 1))
    palette.putpalette(frequent[: 3 * FREQUENT] + rare[: 3 * RARE] + [part for colour in always for part in colour])
    return palette


def encode(frames: Images, fps: float, kind: str, fixed: Sequence[Colour] = ()) -> bytes:
    """Encode frames (time, height, width, 3) as a looping "GIF" or "WEBP"."""
    from PIL import Image

    images = [Image.fromarray(frame) for frame in frames]
    options: dict[str, int] = {"quality": 75, "method": 2}
    if kind == "GIF":  # one palette for all frames, so that the background does not flicker
        montage = Image.fromarray(frames[:, ::2, ::2].reshape(-1, (frames.shape[2] + 1) // 2, 3))
        palette = compute_palette(montage, fixed)
        images = [image.quantize(palette=palette, dither=Image.Dither.NONE) for image in images]
        options = {}
    duration = max(round(1000 / fps), 20)  # browsers slow down faster files
    with io.BytesIO() as out:
        images[0].save(out, kind, save_all=True, append_images=images[1:], loop=0, duration=duration, **options)
        return out.getvalue()


def best_kind() -> str:
    """Return the kind of an animation for a cell: "WEBP", or "GIF" where Pillow lacks it."""
    from PIL import features

    return "WEBP" if features.check("webp") else "GIF"


def small_png(image: Picture, fixed: Sequence[Colour] = ()) -> bytes:
    """Encode an image as a PNG of 256 colours, which takes a third of the bytes."""
    from PIL import Image

    return png(image.quantize(palette=compute_palette(image, fixed), dither=Image.Dither.NONE))


def png(image: Picture) -> bytes:
    """Encode an image as a PNG."""
    with io.BytesIO() as out:
        image.save(out, "PNG", optimize=True)
        return out.getvalue()


def data_url(data: bytes, kind: str) -> str:
    """Return bytes of an image as a URL."""
    return f"data:image/{kind.lower()};base64,{base64.b64encode(data).decode()}"
