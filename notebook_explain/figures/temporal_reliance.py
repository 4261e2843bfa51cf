"""Figure of temporal reliance: the value of each variant of the clip, and of each frame held. Text stays text."""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from notebook_explain.explanations.number_format import percent, short
from notebook_explain.explanations.provenance import provenance_lines
from notebook_explain.explanations.what_if.temporal_reliance import TemporalReliance
from notebook_explain.figures.base import SMALL_PRINT, TextFigure, break_lines

WIDTH, HEIGHT = 7.5, 2.7  # inches
LABEL, HEADING = 8.0, 8.5  # points
INK, ALONE, GREY = "#b3400a", "#2a55c4", "0.35"


def temporal_reliance_figure(reliance: TemporalReliance) -> TextFigure:
    """Draw the value as it is, shuffled, backwards and at half speed, beside the value with each frame held.

    Returns
    -------
    matplotlib.figure.Figure
    """
    title = break_lines(reliance.in_words(), WIDTH, HEADING)
    notes = [
        line
        for note in (*reliance.caveats, *provenance_lines(reliance))
        for line in break_lines(note, WIDTH, SMALL_PRINT)
    ]
    heights = (0.16 * len(title) + 0.08, HEIGHT, 0.13 * len(notes) + 0.1)
    figure = TextFigure(figsize=(WIDTH, sum(heights)), layout="constrained", facecolor="white")
    top, middle, foot = figure.subfigures(3, 1, squeeze=False, height_ratios=heights)[:, 0]
    top.text(0.01, 0.95, "\n".join(title), fontsize=HEADING, va="top")
    left, right = middle.subplots(1, 2, width_ratios=(1, 1.25))
    _draw_variants(left, reliance)
    _draw_frames(right, reliance)
    handles, labels = right.get_legend_handles_labels()
    middle.legend(handles, labels, fontsize=SMALL_PRINT, frameon=False, loc="outside lower right", ncols=3)
    foot.text(0.01, 0.95, "\n".join(notes), fontsize=SMALL_PRINT, color=GREY, va="top")
    figure.set_literal_text()
    return figure


def temporal_reliance_png(reliance: TemporalReliance) -> bytes:
    """Return the figure as a PNG, for the output of a cell."""
    return temporal_reliance_figure(reliance)._repr_png_()


def _draw_variants(axes: Axes, reliance: TemporalReliance) -> None:
    """Draw each variant as a point; of the shuffled ones every order, and their mean with the 95 % interval."""
    names = ("as it is", "shuffled", "backwards", "half speed")
    for y, value in ((0, reliance.value), (2, reliance.reversed), (3, reliance.half_speed)):
        axes.plot([value], [y], "o", color=INK, markersize=5)
    axes.plot(reliance.shuffled, np.full(len(reliance.shuffled), 1), "o", color=INK, alpha=0.25, markersize=4)
    effect = reliance.shuffle_effect
    if effect.low is not None and effect.high is not None:
        ends = [reliance.value - effect.high, reliance.value - effect.low]
        axes.plot(ends, [1, 1], color=INK, linewidth=1.8)
    axes.plot([reliance.value - effect.mean], [1], "D", color=INK, markersize=5)
    axes.axvline(reliance.value, color="0.6", linewidth=0.9, linestyle=(0, (1, 2)))
    axes.set_yticks(range(len(names)), names, fontsize=LABEL)
    axes.set_ylim(len(names) - 0.5, -0.5)
    _set_values(axes, reliance, "x")
    axes.set_title("The whole clip", fontsize=HEADING, loc="left")


def _draw_frames(axes: Axes, reliance: TemporalReliance) -> None:
    numbers = np.arange(len(reliance.frozen)) + 1
    axes.plot(
        numbers, reliance.held, "s--", color=ALONE, markersize=3, linewidth=1.2, label="this frame shows its neighbour"
    )
    axes.plot(numbers, reliance.frozen, "o-", color=INK, markersize=3, linewidth=1.4, label="all frames show this one")
    axes.axhline(reliance.value, color="0.6", linewidth=0.9, linestyle=(0, (1, 2)), label="as it is")
    axes.set_xlabel("frame", fontsize=LABEL)
    _set_values(axes, reliance, "y")
    axes.set_title("Frame by frame", fontsize=HEADING, loc="left")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))


def _set_values(axes: Axes, reliance: TemporalReliance, axis: str) -> None:
    """Label the axis of the values: 0 to 100 % for probabilities."""
    is_score = reliance.target.probability is None
    setter = axes.set_xlabel if axis == "x" else axes.set_ylabel
    unit = reliance.target.unit
    setter((f"value ({unit})" if unit else "score") if is_score else "probability", fontsize=LABEL)
    if not is_score:
        ticks = [0, 0.25, 0.5, 0.75, 1]
        (axes.set_xlim if axis == "x" else axes.set_ylim)(-0.03, 1.03)
        (axes.set_xticks if axis == "x" else axes.set_yticks)(ticks, [percent(tick) for tick in ticks])
    else:
        (axes.xaxis if axis == "x" else axes.yaxis).set_major_formatter(lambda value, _: short(value))
    axes.tick_params(labelsize=LABEL, length=2)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
