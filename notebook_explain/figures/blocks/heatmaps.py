"""Tables of classes by channels of a block report as heat maps, channels sorted by their value for the explained class."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.gridspec import SubplotSpec

from notebook_explain.explanations import BlockReport, ClassChannelTable
from notebook_explain.explanations.text import counted
from notebook_explain.figures.base import ellipsize
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
    label_rows,
)
from notebook_explain.figures.blocks.scale import Scale

ROW, GAP = 0.14, 0.25  # inches: a class, and between two tables
COLUMNS, MAX_TABLES = 2, 8  # tables in a row, and in total
MANY_CLASSES, LARGEST = 10, 6  # more classes: only the LARGEST are shown, beside the explained one
PIXELS, MIN_PIXELS = 16, 2048  # in the drawn image: height of a class; least width of all channels together


def table_rows(report: BlockReport, width: float) -> list[Row]:
    """Return a row for each line of heat maps; ``width`` is that of the rows in inches."""
    return [row for group, note in group_blocks(report.tables) for row in _rows(group, report.target.name, width, note)]


def _rows(group: Sequence[ClassChannelTable], target: str, width: float, note: list[str]) -> list[Row]:
    shown, before = group[-MAX_TABLES:], max(0, len(group) - MAX_TABLES)  # the last are nearest to the score
    values = np.concatenate([table.values.ravel() for table in shown])
    scale = Scale.build(values, 0.0 if values.min() < 0 else None)
    classes, class_note = _select_classes(shown[-1], target)
    names = [shown[0].classes[i] for i in classes]
    notes = [*([f"… and {counted(before, 'earlier block')}"] if before else []), *class_note, *note]
    columns = min(len(shown), COLUMNS)
    room = (width - GAP * (columns - 1)) / columns

    def row(first: int) -> Row:
        is_last = first + COLUMNS >= len(shown)

        def draw(cell: SubplotSpec) -> None:
            grid = cell.subgridspec(1, columns, wspace=GAP / room)
            for i, table in enumerate(shown[first : first + COLUMNS]):
                axes = add_axes(grid[0, i])
                _draw_table(axes, table, classes, scale)
                label_rows(axes, names if i == 0 else [], 0.0, bold=target)
                title = ellipsize(block_name(table), room, LABEL)
                axes.set_title(title, fontsize=LABEL, loc="left", color="0.35", y=1, pad=3)
                about = f"{counted(table.values.shape[1], 'channel')}, sorted by value for '{names[0]}', largest first"
                axes.set_xlabel(ellipsize(about, room, LABEL), fontsize=LABEL, loc="left", color="0.35", labelpad=2)
                if first == 0 and i == columns - 1:
                    draw_heading(axes, LINE + 0.12, group, scale)
                if is_last and i == 0:
                    draw_notes(axes, LINE + 0.06, notes)

        above = LINE + (HEADING + 0.02) * (first == 0)
        return Row(above, ROW * len(names), LINE + 0.06 + LINE * len(notes) * is_last, names, draw)

    return [row(first) for first in range(0, len(shown), COLUMNS)]


def _select_classes(table: ClassChannelTable, target: str) -> tuple[list[int], list[str]]:
    """Return the classes to show from top to bottom, the explained one first, and a note if they are not all."""
    explained = [table.classes.index(target)] if target in table.classes else []
    if len(table.classes) <= MANY_CLASSES:
        return [*explained, *(i for i in range(len(table.classes)) if i not in explained)], []
    largest = np.argsort(-table.values.mean(axis=1, dtype=np.float64), kind="stable")
    others = [int(i) for i in largest if i not in explained][:LARGEST]
    also = "the explained class, and " if explained else ""
    note = f"{also}the {len(others)} of {len(table.classes)} classes with the largest mean in the last table"
    return [*explained, *others], [note]


def _draw_table(axes: Axes, table: ClassChannelTable, classes: list[int], scale: Scale) -> None:
    order = np.argsort(-table.values[classes[0]], kind="stable")
    colours = (255 * scale(table.values[classes][:, order])).astype(np.uint8)
    # Enlarged first: channels narrower than a pixel are then averaged, and classes are not blurred into each other.
    image = colours.repeat(PIXELS, axis=0).repeat(-(-MIN_PIXELS // len(order)), axis=1)
    extent = (0, 1, len(classes) - 0.5, -0.5)
    axes.imshow(image, aspect="auto", interpolation="antialiased", extent=extent)
    axes.set_xticks([])
