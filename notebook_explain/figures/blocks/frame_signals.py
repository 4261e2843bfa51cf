"""Frame signals of a block report: lines with their values for a few blocks, strips of colours for many."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial

import numpy as np
from matplotlib.axes import Axes
from matplotlib.gridspec import SubplotSpec
from numpy.typing import NDArray

from notebook_explain.explanations import BlockReport, FrameSignal
from notebook_explain.explanations.text import short
from notebook_explain.figures.base import text_width
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
from notebook_explain.figures.blocks.scale import Scale

MAX_LINES, MAX_STRIPS = 3, 24  # limits for the blocks of a group: drawn as lines, drawn in total
LINE_HEIGHT, STRIP = 0.26, 0.15  # inches
MAX_VALUES = 64  # values written at a line; more never fit
VALUE = 6.0  # points
MIN_REACH = 0.1  # fraction of the neutral value: least reach of a scale, so that tiny changes look tiny
GAP = 1.5  # multiple of the usual distance between steps: beyond it, frames in between were left out


def signal_rows(report: BlockReport) -> list[Row]:
    """Return a row for each signal that is drawn as a line, and for each group of signals drawn as strips."""
    groups = group_blocks(report.frame_signals)
    frames, rows = len(report.clip), list[Row]()
    for group, notes in groups:
        (shown, rest), is_last = select_blocks(group), group is groups[-1][0]
        if rest:
            values = np.concatenate([signal.values for signal in rest])
            notes = [left_out_note(len(rest), group_scale(group).format_range(values)), *notes]
        below = 0.36 if is_last else 0.06
        finish = partial(_draw_time_axis, frames=frames, labelled=is_last, below=below, notes=notes)
        below += LINE * len(notes)
        names = [block_name(signal) for signal in shown]
        if len(group) > MAX_LINES:
            draw = partial(_draw_strips, group=group, shown=shown, frames=frames, finish=finish)
            rows.append(Row(HEADING, STRIP * len(shown), below, names, draw))
            continue
        for signal in group:
            above = LINE + HEADING if signal is group[0] else LINE
            draw = partial(_draw_line, signal=signal, group=group, frames=frames, finish=finish)
            rows.append(Row(above, LINE_HEIGHT, below if signal is group[-1] else 0.0, names, draw))
    return rows


def group_scale(group: Sequence[FrameSignal]) -> Scale:
    """Return the scale of all signals of a group."""
    first, values = group[0], np.concatenate([signal.values for signal in group])
    return Scale.build(values, first.neutral, is_evidence(first), MIN_REACH * abs(first.neutral or 0.0))


def select_blocks(group: Sequence[FrameSignal]) -> tuple[list[FrameSignal], list[FrameSignal]]:
    """Split a group into the signals to show, which change or deviate from the neutral value most, and the rest.

    Where all strips would look the same, one stands for them all.
    """
    if len(group) > MAX_LINES and group_scale(group).is_flat(np.concatenate([signal.values for signal in group])):
        return [replace(group[0], name=f"{len(group)} blocks")], []

    def deviation(i: int) -> float:
        values, neutral = group[i].values.astype(np.float64), group[i].neutral
        return float(np.ptp(values) if neutral is None else np.abs(values - neutral).max())

    first = set(sorted(range(len(group)), key=deviation, reverse=True)[:MAX_STRIPS])
    shown = [signal for i, signal in enumerate(group) if i in first]
    return shown, [signal for i, signal in enumerate(group) if i not in first]


def step_spans(signal: FrameSignal, frames: int) -> NDArray[np.float64]:
    """Return start and end of each step (step, 2), on an axis on which frame k (from 1) spans k - ½ to k + ½.

    Steps meet half way. Steps further apart than usual, as in networks that select frames, reach half the usual
    distance: the network did not process the frames between them.
    """
    rows, ends = signal.rows + 1, np.array([0.5, frames + 0.5])
    if len(rows) == 1:
        return ends[None]
    gaps = np.diff(rows)
    usual = float(np.median(gaps))
    inner = np.where(gaps <= GAP * usual, gaps, usual) / 2
    outer = np.array([rows[0] - ends[0], ends[1] - rows[-1]])
    first, last = np.where(outer <= usual, outer, usual / 2)
    spans = np.stack([rows - np.r_[first, inner], rows + np.r_[inner, last]], axis=1)
    # Neighbours share one number, whatever was rounded: otherwise a hairline shows between them.
    spans[1:, 0] = np.where(gaps <= GAP * usual, spans[:-1, 1], spans[1:, 0])
    clipped: NDArray[np.float64] = np.clip(spans, *ends)
    return clipped


def uncovered_spans(signal: FrameSignal, frames: int) -> NDArray[np.float64]:
    """Return start and end of the stretches that no step covers (gap, 2), on the axis of ``step_spans``."""
    ends: NDArray[np.float64] = np.r_[0.5, step_spans(signal, frames).ravel(), frames + 0.5].reshape(-1, 2)
    gaps: NDArray[np.float64] = ends[ends[:, 0] < ends[:, 1]]
    return gaps


def _draw_line(
    cell: SubplotSpec, signal: FrameSignal, group: Sequence[FrameSignal], frames: int, finish: Callable[[Axes], None]
) -> None:
    """Draw a signal as steps with their values, filled from the neutral value, on the scale of its group."""
    axes = add_axes(cell)
    scale, values, spans = group_scale(group), signal.values.astype(np.float64), step_spans(signal, frames)
    every = np.concatenate([signal.values for signal in group]).astype(np.float64)
    low, high = every.min(), every.max()
    # Signals without a neutral value are filled from 0 if they start near it.
    baseline = signal.neutral if signal.neutral is not None else 0.0 if 0 <= low <= high / 2 else None
    if baseline is not None:
        reach = MIN_REACH * abs(signal.neutral or 0.0)
        low, high = min(low, baseline - reach), max(high, baseline + reach)
    heights = (values - low) / ((high - low) or 1.0)  # 0 to 1, since axes cannot span any two numbers
    if baseline is not None:
        base = (baseline - low) / ((high - low) or 1.0)
        _draw_boxes(axes, spans, np.full(len(heights), base), heights, values, scale)
        axes.plot([0.5, frames + 0.5], [base, base], color="0.4", linewidth=0.5)
        meaning = "" if signal.neutral is None else " = no evidence" if is_evidence(signal) else " = neutral"
        label_values(axes, [base], [short(baseline) + meaning])
    gaps = 2 * np.flatnonzero(spans[:-1, 1] < spans[1:, 0]) + 2
    x, y = (np.insert(line, gaps, np.nan) for line in (spans.ravel(), np.repeat(heights, 2)))
    axes.plot(x, y, color="0.15", linewidth=0.8, solid_capstyle="butt")
    for position, text in _value_labels(signal, frames, size_in_inches(axes)[0], scale):
        place = axes.get_xaxis_transform()
        axes.text(position, 1.1, text, transform=place, fontsize=VALUE, ha="center", va="bottom", color="0.2")
    label_rows(axes, [block_name(signal)])
    axes.set(xlim=(0.5, frames + 0.5), ylim=(-0.1, 1.05), xticks=[])
    if signal is group[0]:
        draw_heading(axes, 0.25, group)
    if signal is group[-1]:
        finish(axes)


def _draw_strips(
    cell: SubplotSpec,
    group: Sequence[FrameSignal],
    shown: Sequence[FrameSignal],
    frames: int,
    finish: Callable[[Axes], None],
) -> None:
    """Draw one strip of colours per signal, hatched where no step covers the clip, with its range of values."""
    axes, scale = add_axes(cell), group_scale(group)
    for row, signal in enumerate(shown):
        spans, count = step_spans(signal, frames), len(signal.values)
        if len(uncovered_spans(signal, frames)):  # one hatched box behind the strip: there may be very many gaps
            box = ([(0.5, frames)], (row + 0.05, 0.9))
            axes.broken_barh(*box, facecolor="white", edgecolor="0.75", hatch="//////", lw=0, zorder=0)
        _draw_boxes(axes, spans, np.full(count, row + 0.05), np.full(count, row + 0.95), signal.values, scale)
    rows = [row + 0.5 for row in range(len(shown))]
    label_values(axes, rows, [scale.format_range(signal.values) for signal in shown])
    label_rows(axes, [block_name(signal) for signal in shown])
    axes.set(xlim=(0.5, frames + 0.5), ylim=(len(shown), 0))
    draw_heading(axes, 0.1, group, scale)
    finish(axes)


def _draw_time_axis(axes: Axes, frames: int, labelled: bool, below: float, notes: Sequence[str]) -> None:
    """Draw the axis of frames, with numbers at all of them or at the first and round ones, and notes beneath."""
    step = next(step for step in (1, 2, 5, 10, 20, 50, frames) if frames / step <= 20)
    ticks = sorted({1, *range(step, frames + 1, step)})
    axes.set_xticks(ticks, [str(frame) if labelled else "" for frame in ticks])
    axes.tick_params(axis="x", length=2, pad=1.5, labelsize=LABEL)
    axes.spines["bottom"].set_visible(True)
    if labelled:
        axes.set_xlabel(f"frame (of {frames})", fontsize=7, labelpad=2)
    draw_notes(axes, below, notes)


def _draw_boxes(
    axes: Axes, spans: NDArray[np.float64], starts: NDArray[np.float64], ends: NDArray[np.float64],
    values: NDArray[np.floating], scale: Scale,
) -> None:  # fmt: skip
    """Draw boxes side by side, coloured by their values, as one mesh, since a clip may be long.

    Between two boxes lies a cell without width, or without colour where there is a gap.
    """
    x, y = spans.ravel(), np.stack([np.repeat(starts, 2), np.repeat(ends, 2)])
    cells = np.repeat(values.astype(np.float64), 2)[:-1]
    cells[1::2][spans[:-1, 1] < spans[1:, 0]] = np.nan
    axes.pcolormesh(np.stack([x, x]), y, cells[None], cmap=scale.colours, vmin=scale.low, vmax=scale.high)


def _value_labels(signal: FrameSignal, frames: int, width: float, scale: Scale) -> list[tuple[float, str]]:
    """Return the numbers to write above a line, with their positions: all if they fit, else largest and smallest."""
    values, middles = signal.values, step_spans(signal, frames).mean(axis=1)
    if len(values) > 1 and scale.is_flat(values):
        return [((frames + 1) / 2, scale.format_range(values))]
    ends = [int(values.argmax()), int(values.argmin())]
    every = [*range(len(values))] if len(values) <= MAX_VALUES else ends
    for chosen in (every, ends[: 1 + (ends[0] != ends[1])]):
        texts = [scale.format(float(value)) for value in values[chosen]]
        room = (max(text_width(text, VALUE) for text in texts) + 0.05) * frames / width
        if np.diff(np.sort(middles[chosen])).min(initial=frames) >= room:
            return list(zip(middles[chosen].tolist(), texts, strict=True))
    return [(float(middles[ends[0]]), texts[0])]  # the two stand beside each other: the largest alone
