"""A figure of a block report: the frames of the clip, the frame signals of its blocks beneath them, labelled values and tables.

Time runs from left to right and is shared by all frame signals: what stands beneath a frame belongs to it. Blocks that
report the same quantity stand together in the order of the network; the figure states how many it leaves out.
"""

from __future__ import annotations

import io
from typing import Any

import numpy as np
from matplotlib.gridspec import GridSpec, SubplotSpec
from PIL import Image

from notebook_explain._validation import check_int
from notebook_explain.explanations import BlockReport, FrameSignal, LabelledValues
from notebook_explain.explanations.blocks.report import report_sentences
from notebook_explain.explanations.caveats import caveats
from notebook_explain.explanations.provenance import provenance_lines
from notebook_explain.explanations.targets import REGRESSION
from notebook_explain.explanations.text import LONGEST_NAME, colour_legend, seconds
from notebook_explain.figures.base import SMALL_PRINT, TextFigure, break_lines, ellipsize, text_width
from notebook_explain.figures.blocks.bars import number_rows
from notebook_explain.figures.blocks.frame_signals import select_blocks, signal_rows, uncovered_spans
from notebook_explain.figures.blocks.groups import LABEL, MARGIN, NAMES, RIGHT, Row, group_blocks, is_evidence
from notebook_explain.figures.blocks.heatmaps import table_rows
from notebook_explain.figures.blocks.scale import MAPS
from notebook_explain.figures.placement import Placement, resize_image
from notebook_explain.figures.png import encode_png
from notebook_explain.figures.tubes import MIN_PIXELS

WIDTH = 6.0  # inches, of the axes
MIN_FRAME, MAX_FRAME = 0.55, 1.3  # inches: width and height of a frame
DPI = 100
STEPS = "Blocks have time steps of their own; a value covers the frames that its step represents."
GAPS = "Hatching, or a gap in a line: frames that no step represents."
SIDES = "Purple: below neutral, green: above."
EVIDENCE = "{}, of the explained {}."
NOTHING = "No block of this network reports anything for this clip."


def report_figure(report: BlockReport, frames: int = 8) -> TextFigure:
    """Draw a block report.

    Parameters
    ----------
    report : BlockReport
    frames : int
        Number of frames of the clip to show, evenly spaced.

    Returns
    -------
    matplotlib.figure.Figure
    """
    frames = min(check_int("frames", frames), len(report.clip))
    width = max(WIDTH, MIN_FRAME * frames)
    rows = [_frames_row(report, frames, width), *signal_rows(report)]
    rows += [*number_rows(report, width), *table_rows(report, width)]
    names = [text_width(ellipsize(name, NAMES, LABEL), LABEL, bold=True) for row in rows for name in row.names]
    left = MARGIN + 0.1 + max(names, default=0.0)
    page = left + width + (RIGHT if report.frame_signals else 2 * MARGIN)
    sentence = break_lines(report_sentences(report, LONGEST_NAME), page - 2 * MARGIN, 10)
    small = [line for text in _small_print(report) for line in break_lines(text, page - 2 * MARGIN, SMALL_PRINT)]
    top, bottom = MARGIN + 0.19 * len(sentence), MARGIN + 0.13 * len(small) + 0.1
    heights = [inches for row in rows for inches in row[:3]]
    height = top + sum(heights) + bottom
    figure = TextFigure(figsize=(page, height), facecolor="white")
    options = {"left": left / page, "right": (left + width) / page, "top": 1 - top / height, "bottom": bottom / height}
    grid = GridSpec(len(heights), 1, figure, height_ratios=heights, hspace=0, **options)
    for i, row in enumerate(rows):
        row.draw(grid[3 * i + 1, 0])
    place: dict[str, Any] = {"va": "top", "linespacing": 1.35}
    figure.text(MARGIN / page, 1 - MARGIN / height, "\n".join(sentence), fontsize=10, **place)
    figure.text(MARGIN / page, (bottom - 0.1) / height, "\n".join(small), fontsize=SMALL_PRINT, color="0.3", **place)
    figure.set_literal_text()
    return figure


def report_png(report: BlockReport) -> bytes:
    """Draw the figure as a PNG that is small enough to be saved with a notebook."""
    with io.BytesIO() as out:
        report_figure(report).savefig(out, format="png", dpi=DPI)
        return encode_png(Image.open(out), MAPS)


def _small_print(report: BlockReport) -> list[str]:
    """Return how to read the figure, as far as it applies, where the report comes from, and every caveat."""
    valued: tuple[FrameSignal | LabelledValues, ...] = (*report.frame_signals, *report.labelled_values)
    shown = [signal for group, _ in group_blocks(report.frame_signals) for signal in select_blocks(group)[0]]
    has_sides = any(item.neutral is not None and not is_evidence(item) for item in valued)
    legend = {
        STEPS: bool(report.frame_signals),
        GAPS: any(len(uncovered_spans(signal, len(report.clip))) for signal in shown),
        SIDES: has_sides or any(table.values.min() < 0 for table in report.tables),
        _evidence_legend(report): any(map(is_evidence, valued)),
        NOTHING: not (valued or report.tables),
    }
    meaning = " ".join(text for text, applies in legend.items() if applies)
    return [*([meaning] if meaning else []), *provenance_lines(report), *dict.fromkeys(caveats(report))]


def _evidence_legend(report: BlockReport) -> str:
    legend = colour_legend(report.target)
    return EVIDENCE.format(legend[0].upper() + legend[1:], "value" if report.target.kind == REGRESSION else "class")


def _frames_row(report: BlockReport, count: int, width: float) -> Row:
    """Return a row of frames, each over the middle of its part of the clip, give or take half a frame."""
    clip, slot = report.clip, width / count
    chosen = (2 * np.arange(count) + 1) * len(clip) // (2 * count)
    placement = Placement.build(clip, max(MIN_PIXELS, *clip.size[1:]))

    def draw(cell: SubplotSpec) -> None:
        for axes, frame in zip(cell.subgridspec(1, count, wspace=0).subplots(squeeze=False)[0], chosen, strict=True):
            axes.imshow(resize_image(clip.frames[frame], placement.size))
            time = "" if clip.times is None else f"\n{seconds(clip.times[frame])}"
            axes.set_title(f"frame {frame + 1}{time}" if slot >= 0.65 else f"{frame + 1}{time}", fontsize=7, pad=2.5)
            axes.axis("off")

    height = min(MAX_FRAME, 0.95 * slot * clip.size[1] / clip.size[2])
    return Row(0.25 if clip.times is None else 0.4, height, 0.0, (), draw)
