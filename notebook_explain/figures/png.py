"""A picture of a cell in as many bytes as a notebook can bear, with colours that keep their meaning.

256 colours are a third of the bytes, but chosen by how often they occur they make patches of a colour bar, which is
small: its colours must have a say of their own.
"""

from __future__ import annotations

import io
from collections.abc import Sequence

import numpy as np
from matplotlib.colors import Colormap
from PIL import Image

MOST_BYTES = 120_000  # of a picture in full colour
KEPT = 24  # colours of each map: a bar of them looks smooth


def png_of(page: Image.Image, maps: Sequence[Colormap]) -> bytes:
    """A PNG in full colour, or in 256 where that were too large, among them enough of each of some colour maps."""
    page = page.convert("RGB")
    whole = _written(page)
    if len(whole) <= MOST_BYTES:
        return whole
    return _written(_reduced(page, maps))


def _reduced(page: Image.Image, maps: Sequence[Colormap]) -> Image.Image:
    """A page in 256 colours: white, some of each colour map, and those that the page itself has most."""
    ramps = [np.rint(255 * one(np.linspace(0, 1, KEPT))[:, :3]).astype(int) for one in maps]
    fixed = np.concatenate([np.full((1, 3), 255), *ramps])
    own = page.quantize(256 - len(fixed), dither=Image.Dither.NONE).getpalette() or []
    palette = [*fixed.ravel().tolist(), *own]
    holder = Image.new("P", (1, 1))
    holder.putpalette(palette)
    codes = np.array(page.quantize(palette=holder, dither=Image.Dither.NONE))
    codes[(np.asarray(page) == 255).all(axis=2)] = 0  # Pillow looks coarsely, and may take what is almost white
    reduced = Image.fromarray(codes)
    reduced.putpalette(palette)
    return reduced


def _written(picture: Image.Image) -> bytes:
    with io.BytesIO() as out:
        picture.save(out, "PNG", optimize=True)
        return out.getvalue()
