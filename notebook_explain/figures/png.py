"""PNG files that are small enough for a notebook and keep the colours of colour scales.

With 256 colours a file has a third of the bytes. A palette chosen by frequency alone would turn a colour bar, which is
small, into patches; so some of its colours are always in the palette.
"""

from __future__ import annotations

import io
from collections.abc import Sequence

import numpy as np
from matplotlib.colors import Colormap
from PIL import Image

MAX_BYTES = 120_000  # limit for an image in full colour
RAMP_COLOURS = 24  # colours kept of each colour map: enough for a smooth bar


def encode_png(image: Image.Image, colormaps: Sequence[Colormap]) -> bytes:
    """Encode an image in full colour or, where that is too large, in 256 colours that include those of colour maps."""
    image = image.convert("RGB")
    data = _encode(image)
    return data if len(data) <= MAX_BYTES else _encode(_reduce_colours(image, colormaps))


def _reduce_colours(image: Image.Image, colormaps: Sequence[Colormap]) -> Image.Image:
    """Return the image in 256 colours: white, some of each colour map, and the most frequent ones of the image."""
    ramps = [np.rint(255 * colormap(np.linspace(0, 1, RAMP_COLOURS))[:, :3]).astype(int) for colormap in colormaps]
    fixed = np.concatenate([np.full((1, 3), 255), *ramps])
    frequent = image.quantize(256 - len(fixed), dither=Image.Dither.NONE).getpalette() or []
    palette = [*fixed.ravel().tolist(), *frequent]
    holder = Image.new("P", (1, 1))
    holder.putpalette(palette)
    codes = np.array(image.quantize(palette=holder, dither=Image.Dither.NONE))
    codes[(np.asarray(image) == 255).all(axis=2)] = 0  # Pillow's search is coarse and may take what is almost white
    reduced = Image.fromarray(codes)
    reduced.putpalette(palette)
    return reduced


def _encode(image: Image.Image) -> bytes:
    with io.BytesIO() as out:
        image.save(out, "PNG", optimize=True)
        return out.getvalue()
