"""Figure of an evaluation: a panel for each metric, with the mean and the interval of each method. Text stays text."""

from __future__ import annotations

from collections.abc import Sequence

from matplotlib.axes import Axes

from notebook_explain._errors import UsageError
from notebook_explain.explanations.evaluation.result import Evaluation
from notebook_explain.explanations.evaluation.rows import Better, MetricInfo
from notebook_explain.explanations.evaluation.tables import TableRow
from notebook_explain.explanations.evaluation.text import evaluation_notes
from notebook_explain.explanations.number_format import fixed
from notebook_explain.figures.base import SMALL_PRINT, TextFigure, break_lines, ellipsize, text_width

WIDTH, COLUMNS = 7.5, 2  # inches; panels in a row
ROW, TITLE, AXIS = 0.22, 0.34, 0.3  # inches: a method, a title, the numbers below a panel
LABEL, HEADING = 8.0, 8.5  # points
MAX_LABEL = 2.2  # inches of a method's name
INK, GREY = "#b3400a", "0.35"
_DIRECTIONS = {Better.HIGHER: " ↑ higher is better", Better.LOWER: " ↓ lower is better", Better.NEITHER: ""}


def evaluation_figure(evaluation: Evaluation, metrics: Sequence[str] | None = None) -> TextFigure:
    """Draw the means of an evaluation with their intervals.

    Parameters
    ----------
    evaluation : Evaluation
    metrics : sequence of str, optional
        Names of the metrics to draw; all by default.

    Returns
    -------
    matplotlib.figure.Figure

    Raises
    ------
    ValueError
        An unknown metric, or nothing to draw.
    """
    chosen = evaluation if metrics is None else evaluation.select(metrics=list(metrics))
    table = chosen.table()
    panels = [(metric, table.of(metric.name)) for metric in chosen.metrics if table.of(metric.name)]
    if not panels:
        raise UsageError("this evaluation has no values to draw")
    columns = min(COLUMNS, len(panels))
    lines = -(-len(panels) // columns)
    panel_height = TITLE + ROW * len(chosen.methods) + AXIS
    notes = [line for note in evaluation_notes(chosen) for line in break_lines(note, WIDTH, SMALL_PRINT)]
    heights = (panel_height * lines, 0.12 * len(notes) + 0.1)
    figure = TextFigure(figsize=(WIDTH, sum(heights)), layout="constrained", facecolor="white")
    above, below = figure.subfigures(2, 1, squeeze=False, height_ratios=heights)[:, 0]
    grid = above.subplots(lines, columns, squeeze=False)
    for index, axes in enumerate(grid.flat):
        if index < len(panels):
            _draw_panel(axes, *panels[index], chosen.methods, has_names=index % columns == 0)
        else:
            axes.set_axis_off()
    below.text(0.02, 0.98, "\n".join(notes), fontsize=SMALL_PRINT, color=GREY, va="top")
    figure.set_literal_text()
    return figure


def _draw_panel(
    axes: Axes, metric: MetricInfo, rows: Sequence[TableRow], methods: Sequence[str], *, has_names: bool
) -> None:
    """Draw the mean of each method as a point, its interval as a line, and the mean as a number."""
    for row in rows:
        y, interval = methods.index(row.method), row.interval
        if interval.low is not None and interval.high is not None:
            axes.plot([interval.low, interval.high], [y, y], color=INK, linewidth=1.6, solid_capstyle="butt")
        axes.plot([interval.mean], [y], "o", color=INK, markersize=4.5)
        axes.annotate(
            fixed(interval.mean, 2),
            (1.0, y),
            xycoords=("axes fraction", "data"),
            xytext=(4, 0),
            textcoords="offset points",
            fontsize=LABEL,
            va="center",
        )
    low, high = axes.get_xlim()
    if low < 0 < high:
        axes.axvline(0, color="0.6", linewidth=0.8, zorder=0)
    width = WIDTH / COLUMNS - 0.6
    direction = _DIRECTIONS[metric.better]
    name = ellipsize(metric.name, width - text_width(direction, HEADING), HEADING)
    axes.set_title(f"{name}{direction}", fontsize=HEADING, loc="left")
    labels = [ellipsize(method, MAX_LABEL, LABEL) for method in methods] if has_names else []
    axes.set_yticks(range(len(methods)), labels or [""] * len(methods), fontsize=LABEL)
    axes.tick_params(labelsize=LABEL, length=2)
    axes.set_ylim(len(methods) - 0.4, -0.6)
    axes.grid(axis="y", color="0.9", linewidth=0.6)
    axes.set_axisbelow(True)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)


def evaluation_png(evaluation: Evaluation) -> bytes:
    """Return the figure as a PNG, for the output of a cell."""
    return evaluation_figure(evaluation)._repr_png_()
