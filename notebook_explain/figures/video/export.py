"""Tubes as animated files: a GIF for a slide or a web page, a WebM or MP4 to play and to step through."""

from __future__ import annotations

import os
from pathlib import Path

from notebook_explain._atomic import with_suffix
from notebook_explain._progress import counted, working
from notebook_explain.explanations import Tubes
from notebook_explain.explanations.caveats import all_caveats
from notebook_explain.explanations.provenance import provenance_lines
from notebook_explain.figures.video import encoding, gif
from notebook_explain.figures.video.frames import (
    MAX_SIZE,
    clip_sequence,
    resolve_fps,
    resolve_size,
    source_sequence,
)
from notebook_explain.figures.video.render import render_frames

SMALL, LARGE = 320, 480  # default pixels of the longer side: readable on a slide, small enough for an email


def tubes_gif(
    tubes: Tubes,
    path: str | os.PathLike[str],
    *,
    layer: str | int | None = None,
    target: int = 0,
    threshold: float | None = None,
    fps: float | None = None,
    size: int | None = None,
    caption: bool = True,
) -> Path:
    """Write the clip's frames with their evidence as a looping GIF; see `Tubes.to_gif`."""
    path = with_suffix(path, (".gif",), "to_gif() writes a GIF (to_video() a video, figure() a picture)")
    least = tubes.threshold(threshold, layer, target)
    sequence = clip_sequence(tubes.clip, resolve_size(size, tubes.clip, SMALL, LARGE))
    fps = resolve_fps(fps, sequence.fps, gif.MAX_FPS)
    comment = "\n".join((*provenance_lines(tubes), *all_caveats(tubes, layer, target)))
    with working(f"writing {path.name}"):
        images = counted(render_frames(tubes, sequence, layer, target, least, caption), "frames", len(sequence.labels))
        return gif.write_gif(path, images, fps, comment)


def tubes_video(
    tubes: Tubes,
    path: str | os.PathLike[str],
    *,
    layer: str | int | None = None,
    target: int = 0,
    threshold: float | None = None,
    fps: float | None = None,
    size: int | None = None,
    source: bool | str | os.PathLike[str] = False,
    caption: bool = True,
) -> Path:
    """Write a video over the clip's frames or over the video that they came from; see `Tubes.to_video`."""
    path = with_suffix(path, tuple(encoding.FORMATS), "to_video() writes WebM or MP4, which browsers play")
    least = tubes.threshold(threshold, layer, target)
    if source is False:
        sequence = clip_sequence(tubes.clip, resolve_size(size, tubes.clip, SMALL, MAX_SIZE))
        fps = resolve_fps(fps, sequence.fps)
    else:
        longest = None if size is None else resolve_size(size, tubes.clip, SMALL, LARGE)
        sequence = source_sequence(tubes.clip, None if source is True else source, longest)
        # All frames of the source are shown, so its own speed can be followed.
        fps = resolve_fps(fps, None) if fps is not None or sequence.fps is None else sequence.fps
    with working(f"writing {path.name}"):
        images = counted(render_frames(tubes, sequence, layer, target, least, caption), "frames", len(sequence.labels))
        return encoding.write_video(path, images, fps)
