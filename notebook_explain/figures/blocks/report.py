"""A block report for paper: the clip's frames, beneath them what blocks say of each moment, then numbers and tables.

Time runs from left to right and is the same for all: what stands beneath a frame was said of it. Blocks that say the
same kind of thing stand together, in the order of the network; where they are too many the page says how many it left
out, and what those say at most.
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from matplotlib.axes import Axes
from numpy.typing import NDArray
from PIL import Image

from notebook_explain._validation import check_int
from notebook_explain.explanations import BlockReport, Course, Numbers
from notebook_explain.explanations.blocks.report import report_sentences
from notebook_explain.explanations.caveats import caveats
from notebook_explain.explanations.provenance import provenance_lines
from notebook_explain.explanations.text import LONGEST_NAME, seconds, short
from notebook_explain.figures.base import TextFigure
from notebook_explain.figures.blocks.bars import numbers_parts
from notebook_explain.figures.blocks.groups import (
    LETTERS,
    block_name,
    first_groups,
    heading,
    is_evidence,
    less_said,
    remark,
)
from notebook_explain.figures.blocks.heatmaps import table_parts
from notebook_explain.figures.blocks.page import MAPS, MARGIN, Part, Scale, Sheet, fitted, paragraph, stacked, width_of
from notebook_explain.figures.placement import Placement, scaled
from notebook_explain.figures.png import png_of
from notebook_explain.figures.tubes import PIXELS, SMALL_PRINT

TIME, NAMES = 6.0, 1.9  # inches: for the clip, and at most for names of blocks
RIGHT, RANGES = 0.2, 1.05  # inches beyond the clip: where nothing stands there, and where ranges or a line's level do
LEAST_FRAME, TALLEST = 0.55, 1.3  # inches
FEW, MOST_ROWS = 3, 24  # blocks: so many are lines; more than these are left out
ROW, STRIP = 0.4, 0.15  # inches that a line of steps, or a strip of colours, takes
MOST_NUMBERS = 64  # of a line: more are never readable
DPI = 100
LEAST = 0.1  # of a neutral value: its colours and heights reach so far at least, for nothing is to look like much
FAR = 1.5  # usual distances of steps: between steps further apart than that frames were left out
STEPS = "Each block has its own steps in time; a value is drawn over the stretch that its step stands for."
SIDES = "Purple: less than neutral, green: more."
GAPS = "Hatched, or a gap in a line: frames that no step stands for."


def report_figure(report: BlockReport, frames: int = 8) -> TextFigure:
    """Draw a block report.

    Parameters
    ----------
    report : BlockReport
    frames : int
        How many of the clip's frames to show, evenly chosen.

    Returns
    -------
    matplotlib.figure.Figure
    """
    frames = check_int("frames", frames)
    groups, others = first_groups(report.courses)
    names = [block_name(one) for group in groups for one in _chosen(group)[0]]
    left = MARGIN + 0.1 + max((width_of(fitted(name, NAMES, LETTERS), LETTERS) for name in names), default=0.0)
    time = max(TIME, LEAST_FRAME * min(frames, len(report.clip)))
    wide = left + time + (RANGES if any(len(group) > FEW or _ground(group) is not None for group in groups) else RIGHT)
    parts = [
        paragraph(report_sentences(report, LONGEST_NAME), wide, 10),
        _space(0.1),
        _strip(report, frames, left, time),
    ]
    for at, courses in enumerate(groups):
        parts += [_space(0.12), *_courses(courses, len(report.clip), left, time, last=at == len(groups) - 1)]
    parts += others
    numbers = numbers_parts(report, wide)
    tables = table_parts(report, wide)
    if not (groups or numbers or tables):
        parts += [_space(0.1), paragraph("No block of this network said anything of this clip.", wide, 9)]
    small = [paragraph(text, wide, SMALL_PRINT, color="0.3") for text in _small_print(report)]
    return stacked(wide, [*parts, *numbers, *tables, _space(0.15), *small]).plot


def report_png(report: BlockReport) -> bytes:
    """The picture of a cell: no larger than it must be, for it is saved with the notebook."""
    with io.BytesIO() as out:
        report_figure(report).savefig(out, format="png", dpi=DPI)
        return png_of(Image.open(out), MAPS)


def _space(high: float) -> Part:
    return Part(high, lambda sheet, top: None)


def _small_print(report: BlockReport) -> list[str]:
    """What the picture means and where it comes from, then every caveat."""
    numbered: tuple[Course | Numbers, ...] = (*report.courses, *report.numbers)
    shown = [one for group in first_groups(report.courses)[0] for one in _chosen(group)[0]]
    sided = [one.neutral is not None and not is_evidence(one) for one in numbered]
    sided += [bool(table.values.min() < 0) for table in report.tables]
    said = {
        STEPS: report.courses,
        GAPS: [one for one in shown if len(gaps_of(one, len(report.clip)))],
        SIDES: any(sided),
        "Orange: for the class that is explained, blue: against it.": [one for one in numbered if is_evidence(one)],
    }
    meaning = " ".join(words for words, holds in said.items() if holds)
    return [*([meaning] if meaning else []), *provenance_lines(report), *caveats(report)]


# The clip


def _strip(report: BlockReport, frames: int, left: float, time: float) -> Part:
    """Frames side by side, each over the part of the clip that it is the middle of, but for half a frame."""
    clip = report.clip
    count, (height, width) = len(clip), clip.size[1:]
    shown = min(frames, count)
    chosen = (2 * np.arange(shown) + 1) * count // (2 * shown)  # the middle frame of each part
    slot = time / shown
    high = min(TALLEST, 0.95 * slot * height / width)
    wide = high * width / height
    words = 0.16 if clip.times is None else 0.29
    canvas = Placement.of(clip, max(PIXELS, *clip.size[1:]))

    def draw(sheet: Sheet, top: float) -> None:
        for k, at in enumerate(chosen):
            middle = left + (k + 0.5) * slot
            when = "" if clip.times is None else f"\n{seconds(clip.times[at])}"
            name = f"frame {at + 1}" if slot >= 0.65 else f"{at + 1}"
            sheet.say(middle, top, name + when, 7, ha="center")
            axes = sheet.axes(middle - wide / 2, top + words, wide, high)
            axes.imshow(scaled(clip.frames[at], canvas.size), aspect="auto")
            axes.axis("off")

    return Part(words + high + 0.02, draw)


# What is said of each moment


def _courses(courses: Sequence[Course], frames: int, left: float, time: float, last: bool) -> list[Part]:
    """A heading with the scale, a row for each block, and time beneath them."""
    every = np.concatenate([one.values for one in courses])
    scale = _scale(courses)
    shown, rest = _chosen(courses)
    few = len(courses) <= FEW
    high = (ROW if few else STRIP) * len(shown)

    def draw(sheet: Sheet, top: float) -> None:
        def beside(y: float, text: str) -> None:
            text = fitted(text, RANGES - 0.1, 6)
            sheet.say(left + time + 0.07, y, text, 6, va="center", color="0.3")

        axes = sheet.axes(left, top, time, high, xlim=(0.5, frames + 0.5), ylim=(high, 0))
        for at, course in enumerate(shown):
            y, row = at * high / len(shown), high / len(shown)
            name = fitted(block_name(course), left - MARGIN - 0.1, LETTERS)
            sheet.say(left - 0.07, top + y + row * (0.6 if few else 0.5), name, LETTERS, ha="right", va="center")
            if not few:
                _cells(axes, y, course, scale)
                beside(top + y + row / 2, scale.reach(course.values))
                continue
            ground = _steps(axes, y, course, _ground(courses), every, scale)
            if ground is not None:
                beside(top + ground, _ground_words(course))
            for x, text in _labels(course, frames, time, scale):
                sheet.say(left + x, top + y + 0.03, text, 6, ha="center", color="0.2")
        axes.set(yticks=[])
        axes.set_xticks(ticks(frames), [str(k) if last else "" for k in ticks(frames)])
        axes.spines[["top", "right", "left"]].set_visible(False)
        if last:
            sheet.say(left + time / 2, top + high + 0.17, f"frame (of {frames})", 7, ha="center")

    parts = [heading(courses, left + time, None if few else scale), Part(high + (0.33 if last else 0.05), draw)]
    if rest:
        parts.append(remark(less_said(len(rest), scale.reach(np.concatenate([one.values for one in rest]))), left))
    return parts


def _ground(courses: Sequence[Course]) -> float | None:
    """Where the steps of a group stand: on doing nothing; on 0, where they count from nothing and come near to it."""
    if courses[0].neutral is not None:
        return courses[0].neutral
    lowest = min(float(one.values.min()) for one in courses)
    highest = max(float(one.values.max()) for one in courses)
    return 0.0 if 0 <= lowest <= highest / 2 else None


def _ground_words(course: Course) -> str:
    if course.neutral is None:
        return "0"
    return f"{short(course.neutral)} = {'no evidence' if is_evidence(course) else 'neutral'}"


def _scale(courses: Sequence[Course]) -> Scale:
    """The colours of a group."""
    first = courses[0]
    every = np.concatenate([one.values for one in courses])
    return Scale.of(every, first.neutral, is_evidence(first), LEAST * abs(first.neutral or 0.0))


def _chosen(courses: Sequence[Course]) -> tuple[list[Course], list[Course]]:
    """Those that say most, where there are too many: that change most, or lie furthest from doing nothing; the rest.

    Where all strips would be alike one stands for them.
    """
    if len(courses) > FEW and _scale(courses).flat(np.concatenate([one.values for one in courses])):
        return [replace(courses[0], name=f"{len(courses)} blocks")], []

    def says(at: int) -> float:
        one = courses[at]
        values = one.values.astype(np.float64)
        return float(np.ptp(values) if one.neutral is None else np.abs(values - one.neutral).max())

    first = set(sorted(range(len(courses)), key=says, reverse=True)[:MOST_ROWS])
    shown = [one for at, one in enumerate(courses) if at in first]
    return shown, [one for at, one in enumerate(courses) if at not in first]


def stretches_of(course: Course, frames: int) -> NDArray[np.float64]:
    """Where each of its values begins and ends (step, 2), on an axis on which frame k (from 1) reaches from k - ½ to k + ½.

    Steps meet half way. Where they lie further apart than is usual, as in networks that choose frames, each reaches half
    the usual distance: what lies between them was not looked at.
    """
    rows, ends = course.rows + 1, np.array([0.5, frames + 0.5])
    if len(rows) == 1:
        return ends[None]
    gaps = np.diff(rows)
    usual = float(np.median(gaps))
    inner = np.where(gaps <= FAR * usual, gaps, usual) / 2
    outer = np.array([rows[0] - ends[0], ends[1] - rows[-1]])
    first, last = np.where(outer <= usual, outer, usual / 2)
    found = np.stack([rows - np.r_[first, inner], rows + np.r_[inner, last]], axis=1)
    # Neighbours meet in one number, whatever was rounded: then no gap is seen between them.
    found[1:, 0] = np.where(gaps <= FAR * usual, found[:-1, 1], found[1:, 0])
    clipped: NDArray[np.float64] = np.clip(found, *ends)
    return clipped


def gaps_of(course: Course, frames: int) -> NDArray[np.float64]:
    """What no step stands for, from where to where (gap, 2), on the axis of ``stretches_of``."""
    ends: NDArray[np.float64] = np.r_[0.5, stretches_of(course, frames).ravel(), frames + 0.5].reshape(-1, 2)
    blank: NDArray[np.float64] = ends[ends[:, 0] < ends[:, 1]]
    return blank


def ticks(frames: int) -> list[int]:
    """Frames to number: all, or round ones and the first."""
    step = next(step for step in (1, 2, 5, 10, 20, 50, frames) if frames / step <= 20)
    return sorted({1, *range(step, frames + 1, step)})


def _cells(axes: Axes, y: float, course: Course, scale: Scale) -> None:
    frames = _frames(axes)
    spans = stretches_of(course, frames)
    if len(gaps_of(course, frames)):  # one box behind them all: a hostile file may hold very many gaps
        box = ([(0.5, frames)], (y + 0.05 * STRIP, 0.9 * STRIP))
        axes.broken_barh(*box, facecolor="white", edgecolor="0.75", hatch="//////", lw=0, zorder=0)
    _boxes(axes, spans, np.full(len(course.values), y + 0.05 * STRIP), y + 0.95 * STRIP, course.values, scale)


def _steps(
    axes: Axes, y: float, course: Course, zero: float | None, every: NDArray[np.float32], scale: Scale
) -> float | None:
    """A line of steps, filled down or up to its ground; all rows of a group on one scale. Return where the ground lies."""
    frames = _frames(axes)
    spans = stretches_of(course, frames)
    least = LEAST * abs(course.neutral or 0.0)
    ends = [float(every.min()), float(every.max()), *([] if zero is None else [zero - least, zero + least])]
    low, span = min(ends), (max(ends) - min(ends)) or 1.0
    foot, tall = y + ROW - 0.04, ROW - 0.18  # above it there is room for the numbers
    tops = foot - tall * (course.values.astype(np.float64) - low) / span
    base = None if zero is None else foot - tall * (zero - low) / span
    if base is not None:
        _boxes(axes, spans, tops, base, course.values, scale)
        axes.plot([0.5, frames + 0.5], [base, base], color="0.4", linewidth=0.5)
    breaks = 2 * np.flatnonzero(spans[:-1, 1] < spans[1:, 0]) + 2
    x, y_line = (np.insert(along, breaks, np.nan) for along in (spans.ravel(), np.repeat(tops, 2)))
    axes.plot(x, y_line, color="0.15", linewidth=0.8, solid_capstyle="butt")
    return base


def _boxes(
    axes: Axes,
    spans: NDArray[np.float64],
    tops: NDArray[np.float64],
    base: float,
    values: NDArray[np.float32],
    scale: Scale,
) -> None:
    """Boxes side by side, as one mesh: a long clip has many. Between two lies a cell without width, or without colour."""
    x = spans.ravel()
    y = np.stack([np.full(len(x), base), np.repeat(tops, 2)])
    cells = np.repeat(values.astype(np.float64), 2)[:-1]
    cells[1::2][spans[:-1, 1] < spans[1:, 0]] = np.nan
    axes.pcolormesh(np.stack([x, x]), y, cells[None], cmap=scale.colours, vmin=scale.low, vmax=scale.high)


def _frames(axes: Axes) -> int:
    return round(axes.get_xlim()[1] - 0.5)


def _labels(course: Course, frames: int, time: float, scale: Scale) -> list[tuple[float, str]]:
    """The numbers of a course and how far from the left they stand, in inches: all that fit, else least and largest."""
    if len(course.values) > 1 and scale.flat(course.values):
        return [(time / 2, scale.reach(course.values))]
    middles = (stretches_of(course, frames).mean(axis=1) - 0.5) * time / frames
    ends = [int(course.values.argmax()), int(course.values.argmin())]
    for chosen in ([*range(len(middles))] if len(middles) <= MOST_NUMBERS else ends, ends[: 1 + (ends[0] != ends[1])]):
        texts = [scale.write(float(value)) for value in course.values[chosen]]
        need = max(width_of(text, 6) for text in texts) + 0.05
        if np.diff(np.sort(middles[chosen])).min(initial=time) >= need:
            return list(zip(middles[chosen].tolist(), texts, strict=True))
    return [(float(middles[ends[0]]), texts[0])]  # beside each other: the largest alone
