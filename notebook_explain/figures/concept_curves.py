"""Figure of curves: the probability of a class as concepts are added and as they are removed. Text stays text."""

from __future__ import annotations

from matplotlib.axes import Axes

from notebook_explain.explanations.concepts.curves import DIRECTIONS, ORDERS, ConceptCurves
from notebook_explain.explanations.number_format import counted, percent
from notebook_explain.figures.base import SMALL_PRINT, TextFigure, break_lines

WIDTH, HEIGHT = 7.5, 2.9  # inches
HEADING, LABEL = 8.5, 7.5  # points
STYLES = {"top": ("#b3400a", "-"), "random": ("0.45", "--"), "least": ("#2a55c4", ":")}
_TITLES = {"add": "added to the {fill} clip", "remove": "removed from the clip"}
_FILLED = {"blur": "blurred", "freeze": "frozen", "mean": "mean-coloured", "grey": "grey"}
_AXES = {"change": "share of the change", "volume": "share of the volume", "concepts": "concepts"}


def curves_figure(curves: ConceptCurves) -> TextFigure:
    """Draw the mean over clips with its 95 % interval: the largest effects first, at random, and the smallest first.

    Returns
    -------
    matplotlib.figure.Figure
    """
    note = (
        f"Probability of {curves.target!r}: mean and 95 % interval over {counted(len(curves.baseline), 'clip')} that the "
        f"concepts were not made of. At random: the mean of {counted(curves.draws, 'order')}. Dotted grey: the whole clip."
    )
    lines = break_lines(note, WIDTH, SMALL_PRINT)
    foot = 0.13 * len(lines) + 0.1
    figure = TextFigure(figsize=(WIDTH, HEIGHT + foot), layout="constrained", facecolor="white")
    above, below = figure.subfigures(2, 1, squeeze=False, height_ratios=(HEIGHT, foot))[:, 0]
    panels = above.subplots(1, len(DIRECTIONS), sharey=True)
    for direction, axes in zip(DIRECTIONS, panels, strict=True):
        _draw_panel(axes, curves, direction)
    panels[0].set_ylabel("probability", fontsize=LABEL)
    panels[0].legend(fontsize=LABEL, frameon=False)
    below.text(0.02, 0.95, "\n".join(lines), fontsize=SMALL_PRINT, color="0.35", va="top")
    figure.set_literal_text()
    return figure


def _draw_panel(axes: Axes, curves: ConceptCurves, direction: str) -> None:
    for order in ORDERS:
        colour, line = STYLES[order]
        found = curves.intervals(direction, order)
        means = [one.mean for one in found]
        axes.plot(curves.steps, means, line, color=colour, linewidth=1.6, marker="o", markersize=3, label=order)
        ends = [(one.low, one.high) for one in found if one.low is not None and one.high is not None]
        if len(ends) == len(found):
            low, high = zip(*ends, strict=True)
            axes.fill_between(curves.steps, low, high, color=colour, alpha=0.14, linewidth=0)
    axes.axhline(float(curves.baseline.mean()), color="0.6", linewidth=0.9, linestyle=(0, (1, 2)))
    axes.set_title(f"Concepts {_TITLES[direction].format(fill=_FILLED[curves.fill])}", fontsize=HEADING)
    axes.set_xlabel(_AXES[curves.by], fontsize=LABEL)
    names = [f"{step:g}" if curves.by == "concepts" else percent(step) for step in curves.steps]
    axes.set_xticks(curves.steps, names)
    axes.set_ylim(-0.02, 1.02)
    axes.tick_params(labelsize=LABEL, length=2)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
