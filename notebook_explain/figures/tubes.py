"""A figure for papers: a strip of frames with the evidence over them, and the evidence over time. Text stays text."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from notebook_explain._errors import UsageError
from notebook_explain.clip import Picture
from notebook_explain.clip.pictures import FLOW, number_text
from notebook_explain.explanations import Tubes, percent
from notebook_explain.explanations.caveats import all_caveats
from notebook_explain.explanations.text import (
    LEGEND_NAME,
    caption_sentence,
    layer_phrase,
    seconds,
    sides_of,
    totals_words,
)
from notebook_explain.figures.base import SMALL_PRINT, TextFigure, break_lines
from notebook_explain.figures.flow_wheel import draw_wheel
from notebook_explain.figures.overlay import INK_AGAINST, INK_FOR, overlay_evidence
from notebook_explain.figures.placement import Placement, evenly_spaced, evidence_per_frame, resize_image

FRAME_WIDTH, FRAME_HEIGHT = 1.5, 2.2  # inches at most
MIN_WIDTH = 6.0  # inches: leaves room for text below a single frame
MIN_PIXELS = 320  # least size of a frame's longer side
WHEEL = 160  # pixels


def tubes_figure(
    tubes: Tubes, layer: str | int | None = None, target: int = 0, frames: int = 8, threshold: float | None = None
) -> TextFigure:
    """Draw a strip of frames with the evidence over them, and the evidence per frame as a curve.

    Parameters
    ----------
    tubes : Tubes
    layer : str or int, optional
        The last by default.
    target : int
    frames : int
        Number of frames of the clip to show, evenly spaced.
    threshold : float in 0..1, optional
        Evidence below this fraction of the layer's largest absolute value is not drawn; as `Tubes.threshold` by default.

    Returns
    -------
    matplotlib.figure.Figure
    """
    if frames < 1:
        raise UsageError(f"frames must be at least 1, got {frames}")
    threshold = tubes.threshold(threshold, layer, target)
    chosen = evenly_spaced(len(tubes.clip), frames)
    _, height, width = tubes.clip.size
    frame_width = min(FRAME_WIDTH, FRAME_HEIGHT * width / height)
    has_wheel = tubes.clip.picture is not None and tubes.clip.picture.kind == FLOW
    inches = max(MIN_WIDTH, frame_width * (len(chosen) + has_wheel))
    title = break_lines(caption_sentence(tubes, threshold, layer, target), inches, 10)
    small = _small_print(tubes, layer, target, threshold, inches)
    heights = (frame_width * height / width + 0.5 + 0.18 * len(title), 1.6 + 0.12 * len(small))
    figure = TextFigure(figsize=(inches, sum(heights)), layout="constrained", facecolor="white")
    strip, below = figure.subfigures(2, 1, squeeze=False, height_ratios=heights)[:, 0]
    strip.suptitle("\n".join(title), fontsize=10)
    columns = strip.subplots(1, len(chosen) + has_wheel, squeeze=False)[0]
    _draw_frames(columns[: len(chosen)], tubes, chosen, layer, target, threshold)
    if tubes.clip.picture is not None and has_wheel:
        _draw_wheel(columns[-1], tubes.clip.picture)
    _draw_curve(below.subplots(), tubes, layer, target, chosen)
    below.supxlabel("\n".join(small), fontsize=SMALL_PRINT, x=0.01, ha="left", color="0.3")
    figure.set_literal_text()
    return figure


def _draw_frames(row: Any, tubes: Tubes, chosen: Any, layer: Any, target: int, threshold: float) -> None:
    clip, shown = tubes.clip, tubes.layer(layer)
    placement = Placement.build(clip, max(MIN_PIXELS, *clip.size[1:]))
    for axes, frame in zip(row, chosen, strict=True):
        image = resize_image(clip.frames[frame], placement.size)
        fractions = placement.evidence(shown, target, float(frame))
        axes.imshow(overlay_evidence(image, fractions, threshold, beyond=placement.beyond(shown, float(frame))))
        time = "" if clip.times is None else f"\n{seconds(clip.times[frame])}"
        axes.set_title(f"frame {frame + 1}{time}", fontsize=8)
        axes.axis("off")


def _draw_wheel(axes: Any, picture: Picture) -> None:
    """Draw the key to the colours of flow."""
    low, high = map(number_text, picture.ranges[0])
    axes.imshow(draw_wheel(picture, WHEEL))
    axes.set_title(f"flow: direction,\nmagnitude {low} to {high}", fontsize=8)
    axes.axis("off")


def _small_print(tubes: Tubes, layer: str | int | None, target: int, threshold: float, inches: float) -> list[str]:
    """Return what the figure shows and where it comes from, then every caveat."""
    shown = tubes.layer(layer)
    time, height, width = shown.grid
    about = (
        f"{tubes.provenance.method}, {layer_phrase(shown, shown.kind, f'{time}×{height}×{width} cells')}, shown from "
        f"{percent(threshold)} of its largest value; clip: {tubes.clip.name}"
    )
    totals = totals_words(shown, target, tubes.targets[target])
    about += f"; {totals}" if totals else ""
    return [
        line for text in (about, *all_caveats(tubes, layer, target)) for line in break_lines(text, inches, SMALL_PRINT)
    ]


def _draw_curve(axes: Any, tubes: Tubes, layer: str | int | None, target: int, chosen: NDArray[np.int64]) -> None:
    """Draw evidence for and against: the means of the map's positive and negative part, one step per frame.

    Most other quantities have no negative part.
    """
    volume, shown = tubes.volume(layer, target), tubes.layer(layer)
    edges = np.arange(len(volume) + 1) + 0.5
    labels = sides_of(tubes.targets[target], LEGEND_NAME) if shown.is_signed else (shown.quantity,)
    for values, colour, label in zip(
        evidence_per_frame(volume), (INK_FOR, INK_AGAINST), labels, strict=shown.is_signed
    ):
        axes.stairs(values, edges, fill=True, color=colour, label=label)
    axes.axhline(0, color="0.4", linewidth=0.8)
    axes.set_xlim(edges[0], edges[-1])
    axes.set_xticks(chosen + 1)
    axes.set_xlabel(f"frame (of {len(volume)})", fontsize=8)
    axes.set_ylabel(shown.quantity, fontsize=8)
    axes.tick_params(labelsize=7)
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(fontsize=7, loc="lower left", bbox_to_anchor=(0, 1), ncols=2, frameon=False, borderaxespad=0.2)
