"""Moving pictures of tubes as files: a GIF for a slide or a web page, a WebM to play and to step through."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from tqdm.auto import tqdm

from notebook_explain._errors import UsageError
from notebook_explain.explanations import DEFAULT_THRESHOLD, Tubes
from notebook_explain.explanations.caveats import all_caveats
from notebook_explain.explanations.provenance import provenance_lines
from notebook_explain.figures.video import gif, webm
from notebook_explain.figures.video.frames import MOST, clip_reel, longest_side, rate, source_reel
from notebook_explain.figures.video.render import render_frames

SMALL, LARGE = 320, 480  # pixels of the longer side, where nobody states it: readable on a slide, light in a mail


def tubes_gif(
    tubes: Tubes,
    path: str | os.PathLike[str],
    *,
    layer: str | int | None = None,
    target: int = 0,
    threshold: float = DEFAULT_THRESHOLD,
    fps: float | None = None,
    size: int | None = None,
) -> Path:
    """Write the clip's frames with their evidence as a GIF that repeats; see `Tubes.to_gif`."""
    path = _ending(path, ".gif", "to_gif() writes a GIF (to_video() a WebM, figure() a picture)")
    reel = clip_reel(tubes.clip, longest_side(size, tubes.clip, SMALL, LARGE))
    speed = rate(fps, reel.fps, gif.FASTEST)
    comment = "\n".join((*provenance_lines(tubes), *all_caveats(tubes, layer, target)))
    return gif.write_gif(path, render_frames(tubes, reel, layer, target, threshold), speed, comment)


def tubes_video(
    tubes: Tubes,
    path: str | os.PathLike[str],
    *,
    layer: str | int | None = None,
    target: int = 0,
    threshold: float = DEFAULT_THRESHOLD,
    fps: float | None = None,
    size: int | None = None,
    source: bool | str | os.PathLike[str] = False,
) -> Path:
    """Write a film as WebM, over the clip's frames or over the video that they came from; see `Tubes.to_video`."""
    path = _ending(path, ".webm", "to_video() writes WebM, the one kind that OpenCV makes and browsers play")
    if source is False:
        reel = clip_reel(tubes.clip, longest_side(size, tubes.clip, SMALL, MOST))
        speed = rate(fps, reel.fps)
    else:
        longest = None if size is None else longest_side(size, tubes.clip, SMALL, LARGE)
        reel = source_reel(tubes.clip, None if source is True else source, longest)
        speed = rate(fps, None) if fps is not None or reel.fps is None else reel.fps  # every frame is there
    pictures = _told(render_frames(tubes, reel, layer, target, threshold), len(reel.labels))
    return webm.write_webm(path, pictures, speed)


def _ending(path: str | os.PathLike[str], ending: str, why: str) -> Path:
    """The path, its ending added where it has none (ValueError for another one)."""
    path = Path(path)
    if not path.name:
        raise IsADirectoryError(f"{str(path)!r} is a folder; give the path of a file in it")
    if path.suffix.lower() == ending:
        return path
    if path.suffix:
        raise UsageError(f"{why}; name the file {path.stem + ending!r}, not {path.name!r}")
    return path.with_name(path.name + ending)


def _told(pictures: Iterable[NDArray[np.uint8]], count: int) -> Iterator[NDArray[np.uint8]]:
    """The same pictures, with a bar where somebody waits for long."""
    watched = sys.stderr is not None and (sys.stderr.isatty() or "ipykernel" in sys.modules)
    yield from tqdm(pictures, "film", count, leave=False, delay=2, unit=" frames", disable=not watched)
