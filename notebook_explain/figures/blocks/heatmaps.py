"""The tables of a block report, classes by channels, as colours; channels in the order of what they say of the class."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from notebook_explain.explanations import BlockReport, ClassTable
from notebook_explain.explanations.text import counted
from notebook_explain.figures.blocks.groups import LETTERS, block_name, first_groups, heading, remark
from notebook_explain.figures.blocks.page import MARGIN, Part, Scale, Sheet, fitted, width_of

NAMES = 1.9  # inches for names of classes, at most
ROW, GAP = 0.14, 0.2  # inches: a class, and between two tables
COLUMNS, MOST = 2, 8  # tables beside each other, and in all
FINE, WIDEST = 16, 2048  # pixels of a class, and of all channels, before they are drawn
MANY, STRONGEST = 10, 6  # classes from which on only some are shown; how many beside the target's own


def table_parts(report: BlockReport, wide: float) -> list[Part]:
    """Parts of a page for all tables of a report."""
    parts: list[Part] = []
    groups, others = first_groups(report.tables)
    for group in groups:
        # The last ones are nearest to the score.
        shown, before = group[-MOST:], max(0, len(group) - MOST)
        low = min(float(one.values.min()) for one in shown)
        every = np.concatenate([one.values.ravel() for one in shown])
        scale = Scale.of(every, 0.0 if low < 0 else None)
        classes, said = _classes(shown[-1], report.target.name)
        parts += [Part(0.15, lambda sheet, top: None), heading(group, wide - MARGIN, scale)]
        parts += _lines(shown, classes, report.target.name, scale, wide)
        said = ([f"… and {counted(before, 'more block')} before these"] if before else []) + said
        parts += [remark(text, MARGIN) for text in said]
    return parts + others


def _classes(table: ClassTable, target: str) -> tuple[list[int], list[str]]:
    """Which classes stand from top to bottom, the target first; and in words, which and in which order channels stand."""
    own = table.classes.index(target) if target in table.classes else None
    strongest = [int(at) for at in np.argsort(-table.values.mean(axis=1, dtype=np.float64), kind="stable")]
    others = [at for at in (strongest if len(table.classes) > MANY else range(len(table.classes))) if at != own]
    said = []
    if len(table.classes) > MANY:
        others = others[:STRONGEST]
        which = "the class that is explained, and " if own is not None else ""
        said.append(f"{which}the {len(others)} of {len(table.classes)} classes with the largest mean in the last table")
    rows = [*([] if own is None else [own]), *others]
    return rows, said


def _lines(tables: Sequence[ClassTable], classes: list[int], target: str, scale: Scale, wide: float) -> list[Part]:
    """Tables side by side, with the names of the classes at the left."""
    names = [fitted(tables[0].classes[at], NAMES, LETTERS) for at in classes]
    strong = tables[0].classes[classes[0]] == target
    left = MARGIN + 0.15 + max(width_of(name, LETTERS, bold=True) for name in names)
    across = min(len(tables), COLUMNS)
    room = (wide - MARGIN - left - GAP * (across - 1)) / across
    high = ROW * len(classes)

    def line(first: int) -> Part:
        def draw(sheet: Sheet, top: float) -> None:
            for at, name in enumerate(names):
                weight = "bold" if strong and at == 0 else "normal"
                y = top + 0.17 + ROW * (at + 0.5)
                sheet.say(left - 0.07, y, name, LETTERS, ha="right", va="center", weight=weight)
            for k, table in enumerate(tables[first : first + COLUMNS]):
                x = left + k * (room + GAP)
                sheet.say(x, top + 0.02, fitted(block_name(table), room, LETTERS), LETTERS, color="0.35")
                _table(sheet, (x, top + 0.17, room, high), table, classes, scale)
                words = f"{counted(table.values.shape[1], 'channel')}, by their value for '{names[0]}', largest first"
                sheet.say(x, top + 0.17 + high + 0.02, fitted(words, room, LETTERS), LETTERS, color="0.35")

        return Part(0.17 + high + 0.2, draw)

    return [line(first) for first in range(0, len(tables), COLUMNS)]


def _table(
    sheet: Sheet, place: tuple[float, float, float, float], table: ClassTable, classes: list[int], scale: Scale
) -> None:
    order = np.argsort(-table.values[classes[0]], kind="stable")
    axes = sheet.axes(*place)
    colours = (255 * scale(table.values[classes][:, order])).astype(np.uint8)
    # Enlarged first: where channels are more than pixels they are averaged, and classes are not smeared into each other.
    fine = colours.repeat(FINE, axis=0).repeat(-(-WIDEST // len(order)), axis=1)
    axes.imshow(fine, aspect="auto", interpolation="antialiased")
    axes.set(xticks=[], yticks=[])
    axes.spines[:].set_visible(False)
