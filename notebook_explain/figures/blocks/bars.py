"""Labelled values of a block report as horizontal bars from their neutral value, with the values written beside them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.gridspec import SubplotSpec
from numpy.typing import NDArray

from notebook_explain.explanations import BlockReport, LabelledValues
from notebook_explain.explanations.targets import TargetResult
from notebook_explain.explanations.text import LEGEND_NAME, counted, has_named_sides, short, sides_of
from notebook_explain.figures.base import ellipsize, text_width
from notebook_explain.figures.blocks.groups import (
    HEADING,
    LABEL,
    LINE,
    Row,
    add_axes,
    block_name,
    draw_heading,
    draw_notes,
    group_blocks,
    is_evidence,
    label_rows,
    label_values,
    left_out_note,
    size_in_inches,
)
from notebook_explain.figures.blocks.scale import Scale, format_numbers, label_ends
from notebook_explain.figures.captions import printable

BAR, MAX_WIDTH, GAP = 0.15, 3.0, 0.25  # inches: a bar's height, a panel's width, and between two panels
COLUMNS, MAX_PANELS = 4, 8  # panels in a row, and in total
MANY_LABELS, LARGEST, MAX_BLOCKS = 12, 10, 24  # more labels: only the LARGEST are shown; most blocks
PAD = 0.04  # fraction of the span beside the line from which bars start
Table = tuple[list[str], list[str], NDArray[np.float64], list[str]]  # names of rows and columns, values, notes


def number_rows(report: BlockReport, width: float) -> list[Row]:
    """Return a row for each line of panels of bars; ``width`` is that of the rows in inches."""
    return [
        row for group, note in group_blocks(report.labelled_values) for row in _rows(group, report.target, width, note)
    ]


def _rows(group: Sequence[LabelledValues], target: TargetResult, width: float, note: list[str]) -> list[Row]:
    by_block = len(group[0].labels) <= COLUMNS and len(group) > 1
    names, columns, values, notes = _by_block(group) if by_block else _by_label(group, target.name)
    notes, texts, across = [*notes, *note], format_numbers(values), min(len(columns), COLUMNS)
    numbers = max(text_width(text, LABEL) for text in texts.flat) + 0.08
    room = max(min(MAX_WIDTH, (width - GAP * (across - 1)) / across) - numbers, 0.2)
    ratios = [room, numbers + GAP] * across
    ratios[-1] = max(width - sum(ratios[:-1]), 0.0)
    named, ended = len(columns) > 1, is_evidence(group[0]) or group[0].bounds is not None

    def row(first: int) -> Row:
        is_last = first + COLUMNS >= len(columns)

        def draw(cell: SubplotSpec) -> None:
            grid = cell.subgridspec(1, 2 * across, width_ratios=ratios, wspace=0)
            for i in range(first, min(first + COLUMNS, len(columns))):
                axes = add_axes(grid[0, 2 * (i - first)])
                _draw_bars(axes, group[0], values, i, target)
                label_values(axes, [k + 0.5 for k in range(len(names))], list(texts[:, i]), right=numbers)
                label_rows(axes, names if i == first else [], bold=target.name)
                title = ellipsize(columns[i], room + numbers, LABEL)
                axes.set_title(title, fontsize=LABEL, loc="left", color="0.35", y=1, pad=3)
                if i == 0:
                    draw_heading(axes, 0.1 + LINE * named, group)
                if is_last and i == first:
                    draw_notes(axes, LINE * ended + 0.02, notes)

        above, below = LINE * named + HEADING * (first == 0), LINE * ended + 0.04
        return Row(above, BAR * len(names), below + LINE * len(notes) * is_last, names, draw)

    return [row(first) for first in range(0, len(columns), COLUMNS)]


def _draw_bars(
    axes: Axes, labelled: LabelledValues, values: NDArray[np.float64], column: int, target: TargetResult
) -> None:
    """Draw the bars of one column from the neutral value; name the ends of the axis if they have a meaning."""
    scale, evidence = Scale.build(values, labelled.neutral, is_evidence(labelled)), is_evidence(labelled)
    low, high = _span(labelled, values, scale)
    zero = min(max(labelled.neutral or 0.0, low), high)
    drawn = values[:, column]
    colours = "0.55" if labelled.neutral is None else scale.colours((drawn >= zero).astype(float))
    axes.barh(np.arange(len(drawn)) + 0.5, drawn - zero, 0.7, zero, color=colours, linewidth=0)
    axes.axvline(zero, color="0.2", linewidth=0.8, zorder=3, clip_on=False)
    axes.set_facecolor("0.94")
    room, (positive, negative) = size_in_inches(axes)[0] / 2 - 0.05, sides_of(target, LEGEND_NAME)
    name = "" if has_named_sides(target) else f" '{printable(target.name)}'"
    name = name if text_width(f"← {negative}{name}", LABEL) < room else ""
    ends = (f"← {negative}{name}", f"{positive}{name} →") if evidence else (short(low), short(high))
    label_ends(axes, dict(zip((low, high), ends, strict=True)) if evidence or labelled.bounds else {})
    axes.set(xlim=(low, high), ylim=(len(drawn), 0))


def _span(labelled: LabelledValues, values: NDArray[np.float64], scale: Scale) -> tuple[float, float]:
    """Return the ends of the axis: the bounds, if any; symmetric for evidence; else what the values and zero span."""
    if labelled.bounds is not None:
        return labelled.bounds
    if is_evidence(labelled):
        return scale.low, scale.high
    zero = labelled.neutral or 0.0
    low, high = min(float(values.min()), zero), max(float(values.max()), zero)
    pad = PAD * ((high - low) or 1.0)  # so that the line from which bars start is never the border
    return low - pad * (low == zero), high + pad * (high == zero)


def _by_block(group: Sequence[LabelledValues]) -> Table:
    """Return a row for each block and a column for each of its few labels; of many blocks those that deviate most."""
    values = np.stack([labelled.values for labelled in group]).astype(np.float64)
    neutral, labels = group[0].neutral, list(group[0].labels)
    deviation = np.abs(values - (neutral or 0.0)).max(axis=1)
    shown = np.sort(np.argsort(-deviation, kind="stable")[:MAX_BLOCKS])
    rest = np.delete(values, shown, axis=0)
    notes = [left_out_note(len(rest), Scale.build(values, neutral).format_range(rest))] if len(rest) else []
    return [block_name(group[i]) for i in shown], labels if len(labels) > 1 else [""], values[shown], notes


def _by_label(group: Sequence[LabelledValues], target: str) -> Table:
    """Return a row for each label and a column for each block; of many labels the largest and that of the target."""
    labels, first = list(group[0].labels), max(0, len(group) - MAX_PANELS)  # the last blocks are nearest to the score
    values = np.stack([labelled.values for labelled in group[first:]], axis=1).astype(np.float64)
    notes = [f"… and {counted(first, 'earlier block')}"] if first else []
    shown = list(range(len(labels)))
    if len(labels) > MANY_LABELS:
        largest, rank = ("strongest", np.abs(values[:, -1])) if is_evidence(group[0]) else ("largest", values[:, -1])
        shown = [int(i) for i in np.argsort(-rank, kind="stable")[:LARGEST]]
        note = f"the {LARGEST} {largest} of {len(labels)}" + (f" in {block_name(group[-1])}" if len(group) > 1 else "")
        if target in labels and labels.index(target) not in shown:
            shown.append(labels.index(target))
            note += ", and the explained class"
        notes.append(note)
    columns = [block_name(labelled) for labelled in group[first:]] if len(group) > 1 else [""]
    return [labels[i] for i in shown], columns, values[shown], notes
