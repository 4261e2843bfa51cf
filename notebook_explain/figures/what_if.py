"""Figure of a what-if: frames before and after the edits, and the classes that moved most. Text stays text."""

from __future__ import annotations

from matplotlib.axes import Axes

from notebook_explain.explanations.number_format import percent, short
from notebook_explain.explanations.provenance import provenance_lines
from notebook_explain.explanations.what_if.text import Moved
from notebook_explain.explanations.what_if.what_if import Side, WhatIf
from notebook_explain.figures.base import SMALL_PRINT, TextFigure, break_lines, ellipsize
from notebook_explain.preview.images import spread

WIDTH, MOST_FRAME = 7.5, 1.2  # inches: the figure, and the highest frame
LABEL, HEADING = 8.0, 8.5  # points
ROW, AXIS = 0.36, 0.5  # inches: a class, and the numbers below
MAX_LABEL = 1.8  # inches of a class's name
BEFORE, AFTER, GREY = "0.68", "#b3400a", "0.35"


def what_if_figure(result: WhatIf, frames: int = 6, classes: int = 5) -> TextFigure:
    """Draw a strip of frames before and after, and bars of the classes that moved most.

    Parameters
    ----------
    result : WhatIf
    frames, classes : int
        Most frames and classes to draw.

    Returns
    -------
    matplotlib.figure.Figure
    """
    moved = result.moved(classes)
    sides = (("before", result.before), ("after", result.after))
    frame = max(min(MOST_FRAME, _frame_height(side, frames)) for _, side in sides)
    title = break_lines(result.in_words(), WIDTH, HEADING)
    notes = [
        line for note in (*result.caveats, *provenance_lines(result)) for line in break_lines(note, WIDTH, SMALL_PRINT)
    ]
    heights = (0.16 * len(title) + 0.08, 2 * (frame + 0.26), ROW * len(moved) + AXIS, 0.13 * len(notes) + 0.1)
    figure = TextFigure(figsize=(WIDTH, sum(heights)), layout="constrained", facecolor="white")
    top, strips, bars, foot = figure.subfigures(4, 1, squeeze=False, height_ratios=heights)[:, 0]
    top.text(0.01, 0.95, "\n".join(title), fontsize=HEADING, va="top")
    count = max(min(frames, len(side.clip)) for _, side in sides)
    for row, (name, side) in zip(strips.subplots(2, count, squeeze=False), sides, strict=True):
        _draw_strip(row, side, name, frames)
    _draw_bars(bars.subplots(), moved, result)
    foot.text(0.01, 0.95, "\n".join(notes), fontsize=SMALL_PRINT, color=GREY, va="top")
    figure.set_literal_text()
    return figure


def what_if_png(result: WhatIf) -> bytes:
    """Return the figure as a PNG, for the output of a cell."""
    return what_if_figure(result)._repr_png_()


def _frame_height(side: Side, frames: int) -> float:
    _, height, width = side.clip.size
    return 0.92 * WIDTH / min(frames, len(side.clip)) * height / width


def _draw_strip(row: list[Axes], side: Side, name: str, frames: int) -> None:
    chosen = spread(len(side.clip), frames)
    for axes in row:
        axes.set_axis_off()
    for axes, index in zip(row, chosen.tolist(), strict=False):
        axes.imshow(side.clip.frames[index], interpolation="nearest")
        label = f"{name}, frame {index + 1}" if index == chosen[0] else str(index + 1)
        axes.set_title(label, fontsize=SMALL_PRINT, loc="left", pad=2)


def _draw_bars(axes: Axes, moved: tuple[Moved, ...], result: WhatIf) -> None:
    """Draw two bars for each class: before the edits, and with them."""
    is_value = result.before.head().probabilities is None
    number = short if is_value else percent
    for y, one in enumerate(moved):
        for value, offset, colour in ((one.before, -0.19, BEFORE), (one.after, 0.19, AFTER)):
            axes.barh(y + offset, value, 0.36, color=colour)
            axes.annotate(
                number(value),
                (max(value, 0.0), y + offset),
                xytext=(3, 0),
                textcoords="offset points",
                fontsize=SMALL_PRINT,
                va="center",
            )
    axes.set_yticks(range(len(moved)), [ellipsize(one.label, MAX_LABEL, LABEL) for one in moved], fontsize=LABEL)
    axes.set_ylim(len(moved) - 0.4, -0.6)
    unit = result.before.head().unit
    axes.set_xlabel((f"value ({unit})" if unit else "value") if is_value else "probability", fontsize=LABEL)
    if not is_value:
        axes.set_xlim(0, 1.08)
        ticks = [0, 0.25, 0.5, 0.75, 1]
        axes.set_xticks(ticks, [percent(tick) for tick in ticks])
    else:
        axes.axvline(0, color="0.6", linewidth=0.8)
    axes.tick_params(labelsize=LABEL, length=2)
    axes.set_title("grey: before, orange: after", fontsize=LABEL, loc="left", color=GREY)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
