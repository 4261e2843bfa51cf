"""GIF files with one palette and a constant dither pattern for all frames, so that nothing flickers."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from notebook_explain._atomic import replacing
from notebook_explain._progress import counted, stage

COLOURS = 256
CLOSE = 3  # levels of 0..255: a palette colour this close needs no dither
SAMPLED, SEARCHED = 2**15, 2**18  # pixels: for computing the palette; for finding rare colours
MAX_FPS = 50.0  # browsers slow down faster files


def write_gif(path: Path, images: Iterable[NDArray[np.uint8]], fps: float, comment: str) -> Path:
    """Write a looping GIF; an existing file is replaced only once the new one is complete.

    Parameters
    ----------
    path : Path
    images : iterable of uint8 (height, width, 3), all of one size
    fps : float
        At most `MAX_FPS`; a GIF stores durations in hundredths of a second.
    comment : str
        Stored in the file, not displayed.
    """
    with replacing(path) as temporary:
        frames = np.stack(list(images))  # all at once, since the palette is computed from all frames
        stage("palette")
        palette = _compute_palette(frames)
        pattern = _dither_pattern(frames, palette)
        pages = [_apply_palette(frame, pattern, palette) for frame in counted(frames, "colours of frames", len(frames))]
        pages[0].save(
            temporary,
            "GIF",
            save_all=True,
            append_images=pages[1:],
            duration=_durations(len(pages), fps),
            loop=0,
            palette=bytes(palette.getpalette() or b""),  # given explicitly, so that no frame gets a palette of its own
            optimize=False,
            comment=comment.encode(),
        )
    return path


def _apply_palette(frame: NDArray[np.uint8], pattern: NDArray[np.float32], palette: Image.Image) -> Image.Image:
    """Return a frame in the palette's colours, dithered only where none is close, so that text stays clean."""
    nearest = _quantize(frame, palette)
    needs_dither = np.abs(_palette_colours(palette)[nearest].astype(np.int16) - frame).max(axis=-1) > CLOSE
    dithered = _quantize(np.clip(frame + pattern, 0, 255).round().astype(np.uint8), palette)
    page = Image.fromarray(np.where(needs_dither, dithered, nearest))
    page.putpalette(palette.getpalette() or b"")
    return page


def _quantize(frame: NDArray[np.uint8], palette: Image.Image) -> NDArray[np.uint8]:
    """Return the index of the nearest palette colour for every pixel."""
    return np.asarray(Image.fromarray(frame).quantize(palette=palette, dither=Image.Dither.NONE))


def _palette_colours(palette: Image.Image) -> NDArray[np.uint8]:
    """Return the palette's colours: (`COLOURS`, 3)."""
    colours = np.zeros((COLOURS, 3), np.uint8)
    used = np.array(palette.getpalette(), np.uint8).reshape(-1, 3)
    colours[: len(used)] = used
    return colours


def _compute_palette(frames: NDArray[np.uint8]) -> Image.Image:
    """Return an image that carries the best palette for all frames; the colours of small patches are included."""
    pixels = frames.reshape(-1, 3)
    sample = pixels[np.random.default_rng(0).integers(0, len(pixels), SEARCHED)]
    coarse = (sample >> 3).astype(np.int32) @ np.array([1024, 32, 1], np.int32)
    chosen = np.concatenate([sample[:SAMPLED], sample[np.unique(coarse, return_index=True)[1]]])
    side = int(np.ceil(np.sqrt(len(chosen))))
    square = np.resize(chosen, (side * side, 3)).reshape(side, side, 3)
    return Image.fromarray(square).quantize(COLOURS, method=Image.Quantize.MEDIANCUT, kmeans=1)


def _dither_pattern(frames: NDArray[np.uint8], palette: Image.Image) -> NDArray[np.float32]:
    """Return the pattern added to every frame, (height, width, 1); a coarser palette gets a stronger one."""
    middle = frames[len(frames) // 2]
    error = np.abs(_palette_colours(palette)[_quantize(middle, palette)].astype(np.float32) - middle).mean()
    return _threshold_map(*frames.shape[1:3])[..., None] * np.float32(np.clip(6 * error, 4, 16))


def _threshold_map(height: int, width: int) -> NDArray[np.float32]:
    """Return Bayer's ordered dither in -0.5..0.5: the same for a pixel in every frame."""
    tile = np.zeros((1, 1))
    for _ in range(3):
        tile = np.block([[4 * tile, 4 * tile + 2], [4 * tile + 3, 4 * tile + 1]])
    flat = (tile + 0.5) / tile.size - 0.5
    return np.tile(flat, (-(-height // 8), -(-width // 8)))[:height, :width].astype(np.float32)


def _durations(count: int, fps: float) -> list[int]:
    """Return the milliseconds of each frame: whole hundredths of a second whose sum keeps up with the exact time."""
    ends = np.rint(np.arange(1, count + 1) * 100 / fps)
    return [int(10 * max(2, hundredths)) for hundredths in np.diff(ends, prepend=0)]
