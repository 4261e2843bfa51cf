"""A clip in a cell: it plays, with what was read beside it; a strip of frames where HTML is not shown."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from notebook_explain.clip import Clip
from notebook_explain.clip.description import facts
from notebook_explain.explanations.text import seconds
from notebook_explain.figures.captions import LIGHT, Paragraph, render_caption
from notebook_explain.figures.flow_wheel import wheel_key
from notebook_explain.preview import cell, encoding
from notebook_explain.preview.images import PAPER, Images, render_lines, resize_frames, side_by_side, spread

USUAL, SLOWEST, FASTEST = 8.0, 2.0, 25.0  # frames per second
MAX_BYTES = 400_000  # of an animation
SIZES = ((48, 256), (48, 160), (32, 128), (16, 96), (8, 64))  # most frames, and height in pixels; the first that fits
MAX_PNG = 100_000  # bytes of a strip in full colour
STRIP_FRAMES, STRIP_SIDE, STRIP_WIDTH = 6, 128, 560  # frames; pixels
LEAST_WIDTH = 120  # pixels: room for the label of a frame


def clip_bundle(clip: Clip) -> dict[str, str]:
    """Return what a cell shows of a clip, at most about `MAX_BYTES` as an animation."""
    kind = encoding.best_kind()
    for frames, side in SIZES:
        chosen = spread(len(clip), frames)
        animation = encoding.encode(_animation(clip, chosen, side), _fps(clip, len(chosen)), kind)
        if len(animation) <= MAX_BYTES:
            break
    strip = render_strip(clip)
    pairs = facts(clip)
    if len(chosen) < len(clip):
        pairs.append(("preview", f"{len(chosen)} of the {len(clip):,} frames"))
    return cell.mimebundle(
        repr(clip),
        (animation, kind),
        (encoding.encode(np.asarray(strip)[None], 1, kind), kind),
        _png(strip),
        f"Clip {clip.name}, {dict(pairs)['frames']}; animation",
        cell.definitions(pairs, _caveats(clip)),
        beside=True,
    )


def _png(strip: Image.Image) -> bytes:
    """Encode a strip in full colour or, where that is too large, in 256 colours."""
    data = encoding.png(strip)
    return data if len(data) <= MAX_PNG else encoding.small_png(strip)


def render_strip(clip: Clip) -> Image.Image:
    """Draw evenly spaced frames side by side, with what was read and the caveats below."""
    chosen = spread(len(clip), STRIP_FRAMES)
    images = _widened(resize_frames(clip.frames[chosen], _height(clip, STRIP_SIDE)), LEAST_WIDTH)
    row = side_by_side(images, [f"frame {index + 1}" for index in chosen])
    key = wheel_key(clip.picture, row.shape[0])
    row = row if key is None else np.concatenate((row, key), axis=1)
    row = _widened(row[None], STRIP_WIDTH)[0]
    (_, name), *pairs = facts(clip)
    lines = [
        Paragraph(name, bold=True),
        *(Paragraph(f"{term}: {text}", 3) for term, text in pairs),
        *(Paragraph(text, 4) for text in _caveats(clip)),
    ]
    text = render_caption(lines, row.shape[1], 13, LIGHT, pad=4)
    return Image.fromarray(np.concatenate((row, np.full((6, *row.shape[1:]), PAPER, np.uint8), np.asarray(text))))


def _caveats(clip: Clip) -> list[str]:
    synthetic = [f"The clip is a {clip.source}."] if clip.is_synthetic else []
    return [*synthetic, *clip.caveats]


def _animation(clip: Clip, chosen: NDArray[np.int64], side: int) -> Images:
    """Return frames with the number and the time of each below: uint8 (time, height, width, 3)."""
    images = _widened(resize_frames(clip.frames[chosen], _height(clip, side)), LEAST_WIDTH)
    width = images.shape[2]
    labels = [
        render_lines([(None, f"frame {index + 1} of {len(clip)}"), *_time_line(clip, index)], width) for index in chosen
    ]
    labelled = np.concatenate((images, np.stack(labels)), axis=1)
    key = wheel_key(clip.picture, labelled.shape[1])
    if key is None:
        return labelled
    return np.concatenate((labelled, np.broadcast_to(key, (len(chosen), *key.shape))), axis=2)


def _time_line(clip: Clip, index: int) -> list[tuple[None, str]]:
    return [] if clip.times is None else [(None, seconds(clip.times[index]))]


def _height(clip: Clip, side: int) -> int:
    """Return the greatest height of a frame: wide frames are at most twice ``side`` wide."""
    _, height, width = clip.size
    return max(min(side, 2 * side * height // width), 1)


def _widened(images: Images, width: int) -> Images:
    """Return images (count, height, width, 3) with white on the right, at least ``width`` pixels wide."""
    missing = max(width - images.shape[2], 0)
    return np.pad(images, ((0, 0), (0, 0), (0, missing), (0, 0)), constant_values=PAPER)


def _fps(clip: Clip, count: int) -> float:
    """Return the frames per second at which ``count`` frames of the clip last as long as the clip, if one can follow."""
    duration = 0.0 if clip.times is None else float(clip.times[-1] - clip.times[0])
    rate = (len(clip) - 1) / duration if duration > 0 else USUAL
    return min(max(rate * count / len(clip), SLOWEST), FASTEST)
