"""The numbers of a block report as horizontal bars, each with its value: blocks beside each other, or beneath."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from notebook_explain.explanations import BlockReport, Numbers
from notebook_explain.explanations.text import counted, short
from notebook_explain.figures.blocks.groups import (
    LETTERS,
    block_name,
    first_groups,
    heading,
    is_evidence,
    less_said,
    remark,
)
from notebook_explain.figures.blocks.page import MARGIN, Part, Scale, Sheet, fitted, told, width_of
from notebook_explain.figures.captions import plain

NAMES = 2.6  # inches for names, at most
BAR, WIDEST, GAP = 0.15, 3.0, 0.2  # inches: a bar's height, its room at most, and between two panels
COLUMNS, MOST_PANELS = 4, 8  # beside each other, and in all
HEAD, FOOT, PAD = (
    0.17,
    0.14,
    0.04,
)  # inches for names of columns and of sides, for bounds; room beside a line, as a share
MANY, LARGEST, MOST_BLOCKS = 12, 10, 24  # labels from which on only some are shown; how many; rows of blocks at most


@dataclass(frozen=True)
class _Bars:
    """A panel for each column, a bar for each row, and what was left out."""

    rows: list[str]
    columns: list[str]
    values: NDArray[np.float64]  # (row, column)
    left_out: str = ""


def numbers_parts(report: BlockReport, wide: float) -> list[Part]:
    """Parts of a page for all numbers of a report."""
    parts: list[Part] = []
    groups, others = first_groups(report.numbers)
    for group in groups:
        parts += [Part(0.15, lambda sheet, top: None), heading(group, wide - MARGIN), *_panels(group, report, wide)]
    return parts + others


def _panels(group: Sequence[Numbers], report: BlockReport, wide: float) -> list[Part]:
    bars = _by_block(group) if len(group[0].labels) <= COLUMNS and len(group) > 1 else _by_label(group, report)
    neutral = group[0].neutral
    scale = Scale.of(bars.values, neutral, is_evidence(group[0]))
    names = [fitted(name, NAMES, LETTERS) for name in bars.rows]
    left = MARGIN + 0.15 + max(width_of(name, LETTERS, bold=True) for name in names)
    across = min(len(bars.columns), COLUMNS)
    room = min(WIDEST, (wide - MARGIN - left - GAP * (across - 1)) / across)
    span = _span(group[0], bars.values, scale)
    sides = report.target.name if is_evidence(group[0]) else None
    texts = np.reshape(told(bars.values.ravel()), bars.values.shape)
    strong = [name == report.target.name for name in bars.rows]

    def line(first: int) -> Part:
        columns = range(first, min(first + COLUMNS, len(bars.columns)))
        named = HEAD if len(bars.columns) > 1 else 0.0
        head, foot = named + (0.0 if sides is None else HEAD), 0.0 if group[0].bounds is None else FOOT

        def draw(sheet: Sheet, top: float) -> None:
            for at, name in enumerate(names):
                weight = "bold" if strong[at] else "normal"
                y = top + head + BAR * (at + 0.5)
                sheet.say(left - 0.07, y, name, LETTERS, ha="right", va="center", weight=weight)
            for k, column in enumerate(columns):
                x = left + k * (room + GAP)
                if named:
                    sheet.say(x, top + 0.02, fitted(bars.columns[column], room, LETTERS), LETTERS, color="0.35")
                drawn = bars.values[:, column]
                wide = _panel(sheet, (x, top + head, room), drawn, list(texts[:, column]), scale, span)
                if sides is not None:
                    _name_sides(sheet, (x, top + named, wide), sides)
                if foot:
                    _name_ends(sheet, (x, top + head + BAR * len(names), wide), span)

        return Part(head + BAR * len(names) + foot + 0.04, draw)

    lines = [line(first) for first in range(0, len(bars.columns), COLUMNS)]
    return [*lines, *([remark(bars.left_out, left)] if bars.left_out else [])]


def _span(one: Numbers, values: NDArray[np.float64], scale: Scale) -> tuple[float, float]:
    """What a panel reaches over: the bounds, where there are any; both sides alike, where they are for and against."""
    if one.bounds is not None:
        return one.bounds
    if is_evidence(one):
        return scale.low, scale.high
    zero = one.neutral or 0.0
    low, high = min(float(values.min()), zero), max(float(values.max()), zero)
    pad = PAD * ((high - low) or 1.0)  # so that the line from which bars go is never the border
    return low - pad * (low == zero), high + pad * (high == zero)


def _panel(
    sheet: Sheet,
    place: tuple[float, float, float],
    values: NDArray[np.float64],
    texts: list[str],
    scale: Scale,
    span: tuple[float, float],
) -> float:
    """Bars from doing nothing to the value; the values in a column at the right, where no bar reaches. Return its width."""
    x, top, room = place
    numbers = max(width_of(text, LETTERS) for text in texts) + 0.08
    wide = max(room - numbers, 0.2)
    axes: Any = sheet.axes(x, top, wide, BAR * len(values), xlim=span, ylim=(len(values), 0))
    zero = min(max(scale.neutral or 0.0, span[0]), span[1])
    middle = np.arange(len(values)) + 0.5
    inks = "0.55" if scale.neutral is None else scale.sides()
    colours = inks if isinstance(inks, str) else np.where((values < zero)[:, None], inks[0], inks[1])
    axes.barh(middle, values - zero, 0.7, zero, color=colours, linewidth=0)
    axes.axvspan(*span, color="0.94", linewidth=0, zorder=0)  # how far a bar could go
    axes.axvline(zero, color="0.2", linewidth=0.8, zorder=3, clip_on=False)
    axes.axis("off")
    for at, text in enumerate(texts):
        sheet.say(x + room, top + BAR * (at + 0.5), text, LETTERS, ha="right", va="center")
    return wide


def _name_sides(sheet: Sheet, place: tuple[float, float, float], target: str) -> None:
    """Which side is for the class and which against it, with its name where there is room."""
    x, top, wide = place
    named = f" '{plain(target)}'"
    name = named if width_of(f"← against{named}", LETTERS) < wide / 2 - 0.05 else ""
    for at, align, text in ((x, "left", f"← against{name}"), (x + wide, "right", f"for{name} →")):
        sheet.say(at, top + 0.02, fitted(text, wide / 2, LETTERS), LETTERS, ha=align, color="0.35")


def _name_ends(sheet: Sheet, place: tuple[float, float, float], span: tuple[float, float]) -> None:
    """The bounds, beneath the bars."""
    x, top, wide = place
    for at, align, end in zip((x, x + wide), ("left", "right"), span, strict=True):
        sheet.say(at, top + 0.02, short(end), LETTERS, ha=align, color="0.35")


def _by_block(group: Sequence[Numbers]) -> _Bars:
    """A row for each block, a column for each of its few labels: where they are too many, those that say most."""
    values = np.stack([one.values for one in group]).astype(np.float64)
    says = np.abs(values - (group[0].neutral or 0.0)).max(axis=1)
    shown = np.sort(np.argsort(-says, kind="stable")[:MOST_BLOCKS])
    rest = np.delete(values, shown, axis=0)
    left_out = ""
    if len(rest):
        scale = Scale.of(values, group[0].neutral)
        left_out = less_said(len(rest), scale.reach(rest))
    labels = list(group[0].labels)
    columns = labels if len(labels) > 1 else [""]
    return _Bars([block_name(group[at]) for at in shown], columns, values[shown], left_out)


def _by_label(group: Sequence[Numbers], report: BlockReport) -> _Bars:
    """A row for each label, a column for each block; of many labels the largest and the target's own."""
    labels, count = list(group[0].labels), len(group)
    first = max(0, count - MOST_PANELS)  # the last ones are nearest to the score
    values = np.stack([one.values for one in group[first:]], axis=1).astype(np.float64)
    said = [f"… and {counted(first, 'more block')} before these"] if first else []
    shown = list(range(len(labels)))
    if len(labels) > MANY:
        evidence = is_evidence(group[0])
        strength = np.abs(values[:, -1]) if evidence else values[:, -1]
        own = [labels.index(report.target.name)] if report.target.name in labels else []
        shown = [int(at) for at in np.argsort(-strength, kind="stable")[:LARGEST]]
        said += [
            f"the {LARGEST} {'strongest' if evidence else 'largest'} of {len(labels)}"
            + (f" by {block_name(group[-1])}" if count > 1 else "")
            + (", and the class that is explained" if own and own[0] not in shown else "")
        ]
        shown += [at for at in own if at not in shown]
    columns = [block_name(one) for one in group[first:]] if count > 1 else [""]
    return _Bars([labels[at] for at in shown], columns, values[shown], "; ".join(said))
