"""A made clip beside its start as an animated file: a GIF for a slide or a web page, a WebM or MP4 to play."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from notebook_explain._atomic import with_suffix
from notebook_explain._progress import counted, working
from notebook_explain._validation import check_range
from notebook_explain.explanations.number_format import short
from notebook_explain.explanations.provenance import provenance_lines
from notebook_explain.explanations.visualization.synthesis import Synthesis
from notebook_explain.explanations.visualization.text import NOBODY_ASKED, best_text, compared
from notebook_explain.explanations.visualization.visualization import Visualization
from notebook_explain.figures.captions import DARK, Paragraph, render_caption
from notebook_explain.figures.video import encoding, gif
from notebook_explain.figures.video.frames import MAX_SIZE, MIN_SIZE, mean_fps, resolve_fps

SIDE = 256  # default height of a frame in pixels
GAP_SHARE = 32  # the gap between the pictures is this part of their height
SHORTEST = 200  # pixels: a narrower picture gets room for its text at its sides
MAX_NAME_LINES, MAX_LINES = 3, 6


def visualization_gif(
    visualization: Visualization,
    path: str | os.PathLike[str],
    *,
    which: int | str = 0,
    side: int = SIDE,
    fps: float | None = None,
    caption: bool = True,
) -> Path:
    """Write a made clip beside its start as a looping GIF; see `Visualization.to_gif`."""
    path = with_suffix(path, (".gif",), "to_gif() writes a GIF (to_video() a video, figure() a picture)")
    one = visualization[which]
    images = _render(one, visualization, side, caption)
    fps = resolve_fps(fps, mean_fps(one.clip.times), gif.MAX_FPS)
    comment = "\n".join((one.name, *provenance_lines(visualization), *visualization.caveats))
    with working(f"writing {path.name}"):
        return gif.write_gif(path, counted(images, "frames", len(one.clip)), fps, comment)


def visualization_video(
    visualization: Visualization,
    path: str | os.PathLike[str],
    *,
    which: int | str = 0,
    side: int = SIDE,
    fps: float | None = None,
    caption: bool = True,
) -> Path:
    """Write a made clip beside its start as a video; see `Visualization.to_video`."""
    path = with_suffix(path, tuple(encoding.FORMATS), "to_video() writes WebM or MP4, which browsers play")
    one = visualization[which]
    images = _render(one, visualization, side, caption)
    fps = resolve_fps(fps, mean_fps(one.clip.times))
    with working(f"writing {path.name}"):
        return encoding.write_video(path, counted(images, "frames", len(one.clip)), fps)


def _render(one: Synthesis, visualization: Visualization, side: int, with_caption: bool) -> Iterator[NDArray[np.uint8]]:
    """Return the images of an animation, all of one size: uint8 (height, width, 3).

    Both pictures are enlarged by the largest whole factor for which they are at most ``side`` pixels high, so that every
    pixel of the clip is a square; they are never made smaller.
    """
    most = check_range("side", side, MIN_SIZE, MAX_SIZE, unit=" pixels")
    factor = max(1, int(most) // one.clip.size[1])
    return _images(one, visualization, factor, with_caption)


def _images(
    one: Synthesis, visualization: Visualization, factor: int, with_caption: bool
) -> Iterator[NDArray[np.uint8]]:
    _, height, width = one.clip.size
    height, width = factor * height, factor * width
    gap = max(4, height // GAP_SHARE)
    pictures = 2 * width + gap
    page = max(pictures, SHORTEST)
    left = (page - pictures) // 2
    above = _above(one, page, gap, (left, left + width + gap))
    below = _below(one, visualization, page, gap) if with_caption else np.zeros((0, page, 3), np.uint8)
    for frame in range(len(one.clip)):
        row = np.full((height, page, 3), DARK.background, np.uint8)
        row[:, left : left + width] = _enlarged(one.start.frames[frame % len(one.start)], factor)
        row[:, left + width + gap : left + pictures] = _enlarged(one.clip.frames[frame], factor)
        yield np.concatenate([above, row, below])


def _enlarged(image: NDArray[np.uint8], factor: int) -> NDArray[np.uint8]:
    return image.repeat(factor, axis=0).repeat(factor, axis=1)


def _above(one: Synthesis, width: int, gap: int, lefts: tuple[int, int]) -> NDArray[np.uint8]:
    """Draw the name, and what each picture is."""
    size = _font_size(width)
    name = render_caption([Paragraph(one.name, MAX_NAME_LINES, bold=True)], width, size, DARK, gap)
    labels = [render_caption([Paragraph(text, 1)], width // 2 - gap, size, DARK) for text in ("start", "made clip")]
    top = gap + name.height
    image = Image.new("RGB", (width, top + max(label.height for label in labels) + gap // 2), DARK.background)
    image.paste(name, (0, gap))
    for left, label in zip(lefts, labels, strict=True):
        image.paste(label, (max(left, gap), top))
    return np.asarray(image)


def _below(one: Synthesis, visualization: Visualization, width: int, gap: int) -> NDArray[np.uint8]:
    """Draw what the networks say about the clip, where it comes from, and every caveat."""
    texts = [f"Score {short(one.score, 3)}: {compared(one)}; the start alone scores {short(one.start_score, 3)}."]
    if one.best:
        texts[0] += f" The network calls it {best_text(one.best)}, and the start alone {best_text(one.start_best)}."
    others = [f"{verdict.model} calls it {best_text(verdict.best)}." for verdict in one.verdicts] or [NOBODY_ASKED]
    origin = f"{visualization.provenance.method} of {visualization.model_name}; start: {one.start.name}"
    texts = [*texts, *others, origin, *visualization.caveats]
    foot = render_caption([Paragraph(text, MAX_LINES) for text in texts], width, _font_size(width), DARK, gap)
    image = Image.new("RGB", (width, foot.height + 2 * gap), DARK.background)
    image.paste(foot, (0, gap))
    return np.asarray(image)


def _font_size(width: int) -> int:
    return int(np.clip(round(width / 34), 11, 30))
