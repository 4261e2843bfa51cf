"""Figure of a visualization: for each made clip its start and frames, above the frames of the nearest real clip."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from matplotlib.axes import Axes
from numpy.typing import NDArray
from PIL import Image

from notebook_explain._validation import check_int
from notebook_explain.clip import Clip
from notebook_explain.explanations.number_format import counted, short
from notebook_explain.explanations.provenance import provenance_lines
from notebook_explain.explanations.visualization.synthesis import Synthesis
from notebook_explain.explanations.visualization.text import (
    NOBODY_ASKED,
    NOT_MOVED,
    best_text,
    compared,
    facet_text,
    nearest_text,
)
from notebook_explain.explanations.visualization.visualization import Visualization
from notebook_explain.figures.base import SMALL_PRINT, TextFigure, break_lines, ellipsize
from notebook_explain.figures.placement import evenly_spaced

WIDTH, MARGIN, NAME = 11.0, 0.12, 2.35  # inches: the figure, its margin, the column of names and numbers
COLUMN, TALLEST = 1.5, 1.9  # inches: widest and highest frame
GAP, START_GAP, BLOCK_GAP = 0.04, 0.12, 0.24  # inches: between frames, after the start, between made clips
DRAWN = 0.92  # of a width that text is measured to fit: matplotlib draws it wider
REAL = 0.72  # size of a real clip's frame as a fraction of a made one's
TITLE, HEADING, LABEL = 10.0, 8.5, 7.0  # points
LINE = 0.135  # inches: a line of numbers
HEADING_LINE = 0.155  # inches: a line of a name
MAX_NAME_LINES, MAX_TEXT_LINES = 2, 3
GREY = "0.35"
CELL_CLIPS, CELL_FRAMES, DPI = 4, 6, 80  # of the picture in a cell
Size = tuple[float, float]  # width, height in inches


@dataclass(frozen=True)
class _Block:
    """A made clip with the text beside it.

    Attributes
    ----------
    one : Synthesis
    real : Clip or None
        The nearest real clip.
    name, lines : tuple of str
        Bold and plain lines of text.
    caption : str
        What the real clip is.
    frame, real_frame : (width, height) in inches
        Of the made clip and of the real one.
    """

    one: Synthesis
    real: Clip | None
    name: tuple[str, ...]
    lines: tuple[str, ...]
    caption: str
    frame: Size
    real_frame: Size

    @property
    def height(self) -> float:
        """Height in inches."""
        text = HEADING_LINE * len(self.name) + LINE * len(self.lines) + 0.06
        return max(text, LINE + self.frame[1] + (0 if self.real is None else LINE + GAP + self.real_frame[1]))


def visualization_figure(visualization: Visualization, frames: int = 8) -> TextFigure:
    """Draw every made clip beside its start and above the nearest real clip.

    Parameters
    ----------
    visualization : Visualization
    frames : int
        Largest number of frames of each clip, evenly spaced.

    Returns
    -------
    matplotlib.figure.Figure

    Raises
    ------
    ValueError
        ``frames`` is below 1.
    """
    columns = check_int("frames", frames)
    blocks = [_block(one, visualization, columns) for one in visualization]
    notes = [line for note in _notes(visualization) for line in break_lines(note, WIDTH - 2 * MARGIN, SMALL_PRINT)]
    head, foot = 0.42, 0.13 * len(notes) + 0.16
    height = head + sum(block.height + BLOCK_GAP for block in blocks) + foot
    figure = TextFigure(figsize=(WIDTH, height), facecolor="white")
    axes = figure.add_axes((0.0, 0.0, 1.0, 1.0), aspect="auto")  # in inches from the lower left
    axes.text(MARGIN, height - 0.1, _title(visualization), fontsize=TITLE, va="top")
    axes.text(MARGIN, foot - 0.06, "\n".join(notes), fontsize=SMALL_PRINT, color=GREY, va="top")
    top = height - head
    for block in blocks:
        _draw_text(axes, block, top)
        _draw_clips(axes, block, top, columns)
        top -= block.height + BLOCK_GAP
    axes.set(xlim=(0, WIDTH), ylim=(0, height))
    axes.axis("off")
    figure.set_literal_text()
    return figure


def visualization_png(visualization: Visualization) -> bytes:
    """Draw the first made clips as a PNG in 256 colours, for cells where no page or widget can be shown."""
    few = replace(visualization, syntheses=visualization.syntheses[:CELL_CLIPS])
    left_out = len(visualization) - len(few)
    if left_out:
        note = f"{counted(left_out, 'more made clip')} not shown here."
        caveats = (note, *visualization.caveats)
        few = replace(few, provenance=replace(few.provenance, caveats=caveats))
    with io.BytesIO() as out:
        visualization_figure(few, CELL_FRAMES).savefig(out, format="png", dpi=DPI)
        image = Image.open(out).convert("RGB").quantize(256, dither=Image.Dither.NONE)
    with io.BytesIO() as out:
        image.save(out, "PNG")
        return out.getvalue()


def _title(visualization: Visualization) -> str:
    real = f" beside {counted(len(visualization.clips), 'real clip')}" if visualization.clips else ""
    made = counted(len(visualization), "made clip")
    model = f" ({visualization.model_name})" if visualization.model_name else ""
    return ellipsize(f"What the network looks for{model}: {made}{real}", DRAWN * (WIDTH - 2 * MARGIN), TITLE)


def _notes(visualization: Visualization) -> list[str]:
    frames = "Above: the start, then frames of the made clip. "
    nearest = (
        "Below: frames of the nearest real clip; distance 1 is that of a typical real clip to its nearest, in features of "
        f"layer {visualization.layer}. "
        if any(one.neighbours for one in visualization)
        else ""
    )
    return [frames + nearest + "; ".join(provenance_lines(visualization)), *visualization.caveats]


def _block(one: Synthesis, visualization: Visualization, columns: int) -> _Block:
    real = visualization.clips[one.neighbours[0].clip] if one.neighbours else None
    count = 1 + min(columns, len(one.clip))
    room = WIDTH - 2 * MARGIN - NAME - START_GAP
    frame = _frame_size(one.clip, room / count - GAP)
    room_of_real = REAL * frame[0], REAL * frame[1]
    return _Block(
        one=one,
        real=real,
        name=tuple(break_lines(one.name, NAME, HEADING, MAX_NAME_LINES)),
        lines=tuple(line for text in _texts(one) for line in break_lines(text, NAME, LABEL, MAX_TEXT_LINES)),
        caption=nearest_text(one, visualization),
        frame=frame,
        real_frame=room_of_real if real is None else _frame_size(real, *room_of_real),
    )


def _frame_size(clip: Clip, width: float, height: float = TALLEST) -> Size:
    """Return the largest size of a frame within limits, in inches."""
    _, rows, columns = clip.size
    width = min(width, COLUMN, height * columns / rows)
    return width, width * rows / columns


def _texts(one: Synthesis) -> list[str]:
    """Return the numbers beside a made clip, each a text of its own."""
    texts = [f"score {short(one.score, 3)}: {compared(one)}", f"start alone: {short(one.start_score, 3)}"]
    if not one.is_moved:
        texts.append(NOT_MOVED)
    if one.best:
        texts += [f"called {best_text(one.best)}", f"start called {best_text(one.start_best)}"]
    for verdict in one.verdicts:
        texts += [f"{verdict.model}:", best_text(verdict.best), f"shuffled {best_text(verdict.shuffled)}"]
    if not one.verdicts:
        texts.append(NOBODY_ASKED)
    if one.facet is not None:
        texts.append(facet_text(one.facet))
    if one.motion is not None:
        texts.append(f"moves {short(one.motion, 2)} × as much as a real clip")
    return texts


def _draw_text(axes: Axes, block: _Block, top: float) -> None:
    axes.text(MARGIN, top, "\n".join(block.name), fontsize=HEADING, weight="bold", va="top", linespacing=1.25)
    top -= HEADING_LINE * len(block.name) + 0.02
    axes.text(MARGIN, top, "\n".join(block.lines), fontsize=LABEL, color=GREY, va="top", linespacing=1.35)


def _draw_clips(axes: Axes, block: _Block, top: float, columns: int) -> None:
    """Draw the start and the made clip, and below them the real clip, each frame under the frame of the same time."""
    one, left = block.one, MARGIN + NAME
    chosen = evenly_spaced(len(one.clip), columns).tolist()
    xs = [left + block.frame[0] + GAP + START_GAP + k * (block.frame[0] + GAP) for k in range(len(chosen))]
    top -= LINE
    still = "start" if len(one.start) == 1 else "start, frame 1"
    _draw_frame(axes, one.start.frames[0], (left, top), block.frame, still)
    for x, frame in zip(xs, chosen, strict=True):
        _draw_frame(axes, one.clip.frames[frame], (x, top), block.frame, f"frame {frame + 1}")
    if block.real is None:
        return
    top -= block.frame[1] + GAP + LINE
    shown = _same_times(block.real, one.clip, chosen)
    caption = ellipsize(block.caption, DRAWN * (WIDTH - MARGIN - xs[0]), LABEL)
    for x, frame in zip(xs, shown, strict=True):
        _draw_frame(axes, block.real.frames[frame], (x, top), block.real_frame, caption if x == xs[0] else "")


def _same_times(real: Clip, made: Clip, chosen: Sequence[int]) -> list[int]:
    """Return the frames of a real clip at the same fractions of its length as the chosen frames of a made one."""
    scale = (len(real) - 1) / max(1, len(made) - 1)
    return [round(scale * frame) for frame in chosen]


def _draw_frame(axes: Axes, image: NDArray[np.uint8], at: Size, size: Size, title: str) -> None:
    """Draw a frame, whose upper left corner is ``at``, with a title above it."""
    (x, y), (width, height) = at, size
    axes.imshow(image, extent=(x, x + width, y - height, y), aspect="auto")
    if title:
        axes.text(x, y + 0.03, title, fontsize=LABEL, color=GREY, va="bottom")
