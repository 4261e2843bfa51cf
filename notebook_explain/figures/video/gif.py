"""Write a film as a GIF: one palette for the whole film and a dither that stands still, so that nothing flickers."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from notebook_explain._atomic import replacing

COLOURS = 256
NEAR = 3  # levels of 0..255: a colour of the palette that is nearer needs no help
SAMPLED, LOOKED_AT = 2**15, 2**18  # pixels that the palette is chosen from; among which rare colours are looked for
FASTEST = 50.0  # frames a second; browsers slow what asks for more


def write_gif(path: Path, pictures: Iterable[NDArray[np.uint8]], fps: float, comment: str) -> Path:
    """Write a GIF that repeats for ever; an existing file is replaced as a whole.

    Parameters
    ----------
    path : Path
    pictures : iterable of uint8 (height, width, 3), all of one size
    fps : float
        Frames a second, at most `FASTEST`; a GIF counts in hundredths of a second.
    comment : str
        Travels in the file, unseen.
    """
    with replacing(path) as temporary:
        film = np.stack(list(pictures))  # all of them: the palette is chosen for the whole film
        palette = _palette(film)
        tile = _dither(film, palette)
        frames = [_with_palette(picture, tile, palette) for picture in film]
        frames[0].save(
            temporary,
            "GIF",
            save_all=True,
            append_images=frames[1:],
            duration=_durations(len(frames), fps),
            loop=0,
            palette=bytes(palette.getpalette() or b""),  # stated, so that no picture brings one of its own
            optimize=False,
            comment=comment.encode(),
        )
    return path


def _with_palette(picture: NDArray[np.uint8], tile: NDArray[np.float32], palette: Image.Image) -> Image.Image:
    """A picture in the palette's colours, dithered where none of them is near: letters on a plain ground stay plain."""
    nearest = _quantised(picture, palette)
    off = np.abs(_colours(palette)[nearest].astype(np.int16) - picture).max(axis=-1) > NEAR
    dithered = _quantised(np.clip(picture + tile, 0, 255).round().astype(np.uint8), palette)
    chosen = Image.fromarray(np.where(off, dithered, nearest))
    chosen.putpalette(palette.getpalette() or b"")
    return chosen


def _quantised(picture: NDArray[np.uint8], palette: Image.Image) -> NDArray[np.uint8]:
    """The place of the nearest colour in the palette for every pixel."""
    return np.asarray(Image.fromarray(picture).quantize(palette=palette, dither=Image.Dither.NONE))


def _colours(palette: Image.Image) -> NDArray[np.uint8]:
    """The palette's colours (`COLOURS`, 3)."""
    colours = np.zeros((COLOURS, 3), np.uint8)
    stated = np.array(palette.getpalette(), np.uint8).reshape(-1, 3)
    colours[: len(stated)] = stated
    return colours


def _palette(film: NDArray[np.uint8]) -> Image.Image:
    """The colours that serve the whole film best, as a picture that carries them; small patches get theirs too."""
    pixels = film.reshape(-1, 3)
    looked_at = pixels[np.random.default_rng(0).integers(0, len(pixels), LOOKED_AT)]
    kinds = (looked_at >> 3).astype(np.int32) @ np.array([1024, 32, 1], np.int32)
    chosen = np.concatenate([looked_at[:SAMPLED], looked_at[np.unique(kinds, return_index=True)[1]]])
    side = int(np.ceil(np.sqrt(len(chosen))))
    square = np.resize(chosen, (side * side, 3)).reshape(side, side, 3)
    return Image.fromarray(square).quantize(COLOURS, method=Image.Quantize.MEDIANCUT, kmeans=1)


def _dither(film: NDArray[np.uint8], palette: Image.Image) -> NDArray[np.float32]:
    """What is added to every picture, (height, width, 1): as strong as the palette is coarse, so that it hides its steps."""
    middle = film[len(film) // 2]
    coarse = np.abs(_colours(palette)[_quantised(middle, palette)].astype(np.float32) - middle).mean()
    return _threshold_map(*film.shape[1:3])[..., None] * np.float32(np.clip(6 * coarse, 4, 16))


def _threshold_map(height: int, width: int) -> NDArray[np.float32]:
    """Bayer's ordered dither in -0.5..0.5: the same at the same pixel of every frame."""
    tile = np.zeros((1, 1))
    for _ in range(3):
        tile = np.block([[4 * tile, 4 * tile + 2], [4 * tile + 3, 4 * tile + 1]])
    flat = (tile + 0.5) / tile.size - 0.5
    return np.tile(flat, (-(-height // 8), -(-width // 8)))[:height, :width].astype(np.float32)


def _durations(count: int, fps: float) -> list[int]:
    """Milliseconds of each frame, in whole hundredths of a second that keep in step with the true time."""
    ends = np.rint(np.arange(1, count + 1) * 100 / fps)
    return [int(10 * max(2, hundredths)) for hundredths in np.diff(ends, prepend=0)]
