"""Clips on the wire: one JPEG of each clip, with all of its frames side by side, as small as a page needs."""

from __future__ import annotations

import io
import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from notebook_explain.widgets.wire.common import QUALITY, SMALL_SIDE

MAX_BYTES = 1_200_000  # of all frames: the page then fits in the output of a cell
# (pixels of the longer side, quality of the JPEG) at most, the best first; the first that fits is sent, else the last one.
PRECISIONS = ((320, 88), (256, 85), (224, 82), (192, 80), (160, 78), (128, 75), (112, 72), (96, 70), (80, 65), (64, 60))
BLOCK = 16  # pixels; a JPEG mixes colours within a block, so each frame has blocks of its own

Precisions = Sequence[tuple[int, int]]


def pack_clips(
    clips: Sequence[NDArray[np.uint8]], max_bytes: int = MAX_BYTES, precisions: Precisions = PRECISIONS
) -> tuple[list[bytes], dict[str, Any]]:
    """Return a JPEG of each clip, and how its frames lie in it: their ``size`` in pixels, ``columns``, and ``tile`` sizes.

    Parameters
    ----------
    clips : sequence of uint8 arrays (time, height, width, 3)
        At least one. All have the size of the first; their lengths may differ, and a short one has fewer columns.
    max_bytes : int
        Of all JPEGs.
    precisions : sequence of (pixels, quality)
        What may be sent, the best first.
    """
    columns = math.ceil(math.sqrt(max(map(len, clips))))
    sample = clips[:: max(len(clips) // 4, 1)]
    weight = sum(map(len, clips)) / sum(map(len, sample))
    for side, quality in precisions:
        is_last = (side, quality) == precisions[-1]
        if not is_last and weight * sum(len(_sheet(clip, side, quality, columns)) for clip in sample) > max_bytes:
            continue
        sheets = [_sheet(clip, side, quality, columns) for clip in clips]
        if is_last or sum(map(len, sheets)) <= max_bytes:
            break
    size = _scaled(clips[0].shape[1:3], side)
    return sheets, {"size": list(size), "columns": columns, "tile": [_blocks(pixels) for pixels in size]}


def _sheet(frames: NDArray[np.uint8], side: int, quality: int, columns: int) -> bytes:
    """Return one JPEG of all frames, row by row, each extended at its right and lower edge to whole blocks."""
    columns = min(columns, len(frames))
    rows = -(-len(frames) // columns)
    height, width = _scaled(frames.shape[1:3], side)
    small = np.stack([np.asarray(Image.fromarray(frame).resize((width, height))) for frame in frames])
    tile = (_blocks(height), _blocks(width))
    tiles = np.pad(small, ((0, 0), (0, tile[0] - height), (0, tile[1] - width), (0, 0)), "edge")
    missing = columns * rows - len(frames)
    tiles = np.concatenate([tiles, np.repeat(tiles[-1:], missing, 0)]) if missing else tiles
    page = tiles.reshape(rows, columns, *tile, 3).swapaxes(1, 2).reshape(rows * tile[0], columns * tile[1], 3)
    with io.BytesIO() as out:
        options = {"subsampling": 0} if max(height, width) <= SMALL_SIDE and quality >= QUALITY else {}
        Image.fromarray(page).save(out, "JPEG", quality=quality, optimize=True, **options)
        return out.getvalue()


def _scaled(size: tuple[int, ...], side: int) -> tuple[int, int]:
    """Return (height, width) whose longer side has at most ``side`` pixels."""
    scale = min(side / max(size), 1.0)
    return max(round(size[0] * scale), 1), max(round(size[1] * scale), 1)


def _blocks(pixels: int) -> int:
    return -(-pixels // BLOCK) * BLOCK
