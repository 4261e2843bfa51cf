"""A figure for paper: frames in a strip with the evidence over them, and its course in time. Text stays text."""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib import rcParams
from numpy.typing import NDArray

from notebook_explain._errors import UsageError
from notebook_explain.explanations import DEFAULT_THRESHOLD, Tubes, percent
from notebook_explain.explanations.caveats import all_caveats
from notebook_explain.explanations.text import caption_sentence, seconds
from notebook_explain.figures.base import TextFigure, set_lines
from notebook_explain.figures.fonts import font_for
from notebook_explain.figures.overlay import INK_AGAINST, INK_FOR, overlaid
from notebook_explain.figures.placement import Placement, course, evenly, scaled

WIDE, TALL = 1.5, 2.2  # inches that a frame takes at most
LEAST_WIDTH = 6.0  # inches: one frame alone still has words under it
SMALL_PRINT = 7.0  # points
PIXELS = 320  # a frame's longer side, if it has fewer


def tubes_figure(
    tubes: Tubes, layer: str | int | None = None, target: int = 0, frames: int = 8, threshold: float = DEFAULT_THRESHOLD
) -> TextFigure:
    """A strip of frames with the evidence over them, and the evidence per frame as a curve.

    Parameters
    ----------
    tubes : Tubes
    layer : str or int, optional
        The last by default.
    target : int
    frames : int
        How many of the clip's frames to show, evenly chosen.
    threshold : float in 0..1
        Below this fraction of the layer's largest absolute value a frame is left as it is.

    Returns
    -------
    matplotlib.figure.Figure
    """
    if frames < 1:
        raise UsageError(f"frames must be at least 1, got {frames}")
    chosen = evenly(len(tubes.clip), frames)
    _, height, width = tubes.clip.size
    wide = min(WIDE, TALL * width / height)
    inches = max(LEAST_WIDTH, wide * len(chosen))
    title, small = (
        set_lines(caption_sentence(tubes, threshold, layer, target), inches, 10),
        _small_print(tubes, layer, target, threshold, inches),
    )
    other = font_for("".join((*title, *small)))
    family = [*rcParams["font.family"], *([] if other is None else [other.name])]  # the first that has a letter sets it
    heights = (wide * height / width + 0.5 + 0.18 * len(title), 1.6 + 0.12 * len(small))
    plot = TextFigure(figsize=(inches, sum(heights)), layout="constrained", facecolor="white")
    strip, below = plot.subfigures(2, 1, squeeze=False, height_ratios=heights)[:, 0]
    strip.suptitle("\n".join(title), fontsize=10, family=family)
    _frames(strip.subplots(1, len(chosen), squeeze=False)[0], tubes, chosen, layer, target, threshold)
    _curve(below.subplots(), tubes, tubes.volume(layer, target), chosen)
    below.supxlabel("\n".join(small), fontsize=SMALL_PRINT, x=0.01, ha="left", color="0.3", family=family)
    return plot


def _frames(axes: Any, tubes: Tubes, chosen: Any, layer: Any, target: int, threshold: float) -> None:
    clip = tubes.clip
    canvas = Placement.of(clip, max(PIXELS, *clip.size[1:]))
    for place, at in zip(axes, chosen, strict=True):
        picture = scaled(clip.frames[at], canvas.size)
        place.imshow(overlaid(picture, canvas.evidence(tubes.layer(layer), target, float(at)), threshold))
        when = "" if clip.times is None else f"\n{seconds(clip.times[at])}"
        place.set_title(f"frame {at + 1}{when}", fontsize=8)
        place.axis("off")


def _small_print(tubes: Tubes, layer: str | int | None, target: int, threshold: float, inches: float) -> list[str]:
    """What the picture means and where it comes from, then every caveat."""
    shown = tubes.layer(layer)
    time, height, width = shown.grid
    about = (
        f"{tubes.provenance.method}, layer {shown.name} ({shown.kind}, {time}×{height}×{width} cells), shown from "
        f"{percent(threshold)} of its largest value; clip: {tubes.clip.name}"
    )
    return [
        line for text in (about, *all_caveats(tubes, layer, target)) for line in set_lines(text, inches, SMALL_PRINT)
    ]


def _curve(axes: Any, tubes: Tubes, volume: NDArray[np.float32], chosen: NDArray[np.int64]) -> None:
    """Evidence for and against per frame: the mean of the map's positive and negative part, one step a frame."""
    edges = np.arange(len(volume) + 1) + 0.5
    for values, colour, label in zip(course(volume), (INK_FOR, INK_AGAINST), ("for", "against"), strict=True):
        axes.stairs(values, edges, fill=True, color=colour, label=label)
    axes.axhline(0, color="0.4", linewidth=0.8)
    axes.set_xlim(edges[0], edges[-1])
    axes.set_xticks(chosen + 1)
    axes.set_xlabel(f"frame (of {len(volume)})", fontsize=8)
    axes.set_ylabel("evidence", fontsize=8)
    axes.tick_params(labelsize=7)
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(fontsize=7, loc="lower left", bbox_to_anchor=(0, 1), ncols=2, frameon=False, borderaxespad=0.2)
