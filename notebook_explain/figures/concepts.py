"""Figure of concepts: a row for each, with clips that show it and its effects with intervals. Text stays text."""

from __future__ import annotations

import io
from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.gridspec import GridSpec
from numpy.typing import NDArray
from PIL import Image

from notebook_explain._validation import check_int
from notebook_explain.explanations.concepts.concept import Concept
from notebook_explain.explanations.concepts.concepts import Concepts
from notebook_explain.explanations.concepts.text import QUESTIONS, SIGNIFICANT
from notebook_explain.explanations.number_format import counted, fixed, percent, short
from notebook_explain.explanations.text import quoted_target
from notebook_explain.figures.base import SMALL_PRINT, TextFigure, break_lines, ellipsize

WIDTH, ROW = 10.0, 1.3  # inches: the figure, a concept
NAME, CHART = 1.7, 1.75  # inches: the name and numbers, the effects of a fill
HEADING, LABEL = 8.5, 7.5  # points
DIMMED, SHADE = 0.72, (58, 62, 70)  # share of the shade outside the concept
FALL, RISE, BAR, GREY = "#b3400a", "#2a55c4", "0.62", "0.35"  # of the viewer
EFFECT_AT, BAR_AT = 0.32, -0.32  # heights of the two bars of a chart
DPI = 90  # of the picture in a cell


def concepts_figure(concepts: Concepts, count: int = 8, exemplars: int = 4) -> TextFigure:
    """Draw the concepts with the largest effects.

    Parameters
    ----------
    concepts : Concepts
    count : int
        Largest number of concepts.
    exemplars : int
        Largest number of clips of each; each shows the frame in which the concept covers most.

    Returns
    -------
    matplotlib.figure.Figure

    Raises
    ------
    ValueError
        A number is out of range.
    """
    shown = concepts.concepts[: check_int("count", count)]
    columns = check_int("exemplars", exemplars)
    notes = [line for note in _notes(concepts, shown) for line in break_lines(note, 0.93 * WIDTH, SMALL_PRINT)]
    head, foot = 0.62, 0.13 * len(notes) + 0.12
    axis = 0.3 if concepts.fills else 0.0
    height = head + ROW * len(shown) + axis + foot
    figure = TextFigure(figsize=(WIDTH, height), facecolor="white")
    figure.text(0.012, 1 - 0.1 / height, _title(concepts), fontsize=10, va="top")
    figure.text(0.012, (foot - 0.04) / height, "\n".join(notes), fontsize=SMALL_PRINT, color=GREY, va="top")
    clips = (WIDTH - NAME - CHART * len(concepts.fills)) / columns
    grid = GridSpec(
        len(shown),
        1 + columns + len(concepts.fills),
        figure=figure,
        width_ratios=[NAME, *[clips] * columns, *[CHART] * len(concepts.fills)],
        left=0.012,
        right=0.985,
        top=1 - head / height,
        bottom=(foot + axis) / height,
        wspace=0.06,
        hspace=0.1,
    )
    limits = _limits(concepts, shown)
    for row, concept in enumerate(shown):
        _draw_name(figure.add_subplot(grid[row, 0]), concepts, concept)
        for column, clip in enumerate(concept.exemplars[:columns]):
            _draw_exemplar(figure.add_subplot(grid[row, 1 + column]), concepts, concept, clip)
        for column, fill in enumerate(concepts.fills):
            axes = figure.add_subplot(grid[row, 1 + columns + column])
            _draw_effect(axes, concepts, concept, fill, limits)
            if row == 0:
                axes.set_title(QUESTIONS[fill], fontsize=HEADING)
            axes.tick_params(labelbottom=row == len(shown) - 1)
    figure.set_literal_text()
    return figure


def concepts_png(concepts: Concepts) -> bytes:
    """Draw the first five concepts as a PNG in 256 colours, for cells where no page or widget can be shown."""
    with io.BytesIO() as out:
        concepts_figure(concepts, count=5).savefig(out, format="png", dpi=DPI)
        image = Image.open(out).convert("RGB").quantize(256, dither=Image.Dither.NONE)
    with io.BytesIO() as out:
        image.save(out, "PNG")
        return out.getvalue()


def best_frame(mask: NDArray[np.bool_]) -> int:
    """Return the frame in which a mask (time, height, width) covers most; of several, the one in the middle."""
    covered = mask.sum(axis=(1, 2))
    largest = np.flatnonzero(covered == covered.max())
    return int(largest[(len(largest) - 1) // 2])


def dimmed(frame: NDArray[np.uint8], mask: NDArray[np.bool_]) -> NDArray[np.uint8]:
    """Return a frame (height, width, 3), dimmed outside a mask (height, width)."""
    outside = (1 - DIMMED) * frame + DIMMED * np.array(SHADE)
    return np.where(mask[..., None], frame, np.round(outside)).astype(np.uint8)


def _title(concepts: Concepts) -> str:
    what = f"Concepts of {quoted_target(concepts.results[0])} in {counted(len(concepts.clips), 'clip')}"
    return f"{what}: {concepts.units} of layer {concepts.layer}"


def _notes(concepts: Concepts, shown: Sequence[Concept]) -> list[str]:
    notes = []
    if concepts.fills:
        notes.append(
            "Orange: fall of the margin (the logit minus the mean of the other logits) for each 1 % of the clip that is "
            "replaced (blue: rise), with its 95 % interval; hollow if q is above 0.05. Grey: what it would be if only the "
            "change of the input counted. q: chance that the same shape elsewhere does as much, corrected for the number of "
            "concepts."
        )
    notes.append(
        f"Stability over seeds {fixed(concepts.stability)}: 1 if another seed finds the same concepts, 0 by chance."
    )
    if len(shown) < len(concepts):
        notes.append(f"The first {len(shown)} of {len(concepts)} concepts.")
    return [*notes, *concepts.caveats]


def _limits(concepts: Concepts, shown: Sequence[Concept]) -> tuple[float, float]:
    """Return the ends of the axis that all charts share."""
    ends = [end for concept in shown for effect in concept.effects for end in (effect.low, effect.high)]
    bars = [concepts.no_model_effects(fill)[concept.index] for fill in concepts.fills for concept in shown]
    low, high = min([0.0, *ends, *bars]), max([0.0, *ends, *bars])
    room = 0.06 * (high - low or 1.0)
    return low - room, high + room


def _draw_name(axes: Axes, concepts: Concepts, concept: Concept) -> None:
    present = sum(share > 0 for share in concept.presence)
    lines = [
        f"in {present} of {counted(len(concepts.clips), 'clip')}, {percent(concept.volume)}",
        f"evidence {short(concept.evidence, 2)}",
    ]
    if concept.tcav is not None:
        fraction = "" if concept.tcav.fraction is None else f", TCAV {fixed(concept.tcav.fraction)}"
        lines.append(f"CAV accuracy {fixed(concept.tcav.accuracy)}{fraction}")
    axes.axis("off")
    axes.text(0, 0.96, ellipsize(concept.name, NAME, HEADING, bold=True), fontsize=HEADING, weight="bold", va="top")
    axes.text(0, 0.76, "\n".join(lines), fontsize=LABEL, color=GREY, va="top", linespacing=1.35)


def _draw_exemplar(axes: Axes, concepts: Concepts, concept: Concept, clip: int) -> None:
    mask = concepts.mask(concept.index, clip)
    frame = best_frame(mask)
    axes.imshow(dimmed(concepts.clips[clip].frames[frame], mask[frame]), aspect="equal")
    axes.axis("off")


def _draw_effect(axes: Axes, concepts: Concepts, concept: Concept, fill: str, limits: tuple[float, float]) -> None:
    """Draw the effect as a bar with its interval, above the bar that needs no model, and its numbers."""
    effect = concept.effect_of(fill)
    assert effect is not None
    is_sure = effect.q <= SIGNIFICANT
    colour = FALL if effect.value >= 0 else RISE
    axes.barh(EFFECT_AT, effect.value, 0.4, color=colour if is_sure else "white", edgecolor=colour, linewidth=0.8)
    axes.plot([effect.low, effect.high], [EFFECT_AT, EFFECT_AT], color="black", linewidth=1.1, solid_capstyle="butt")
    axes.barh(BAR_AT, concepts.no_model_effects(fill)[concept.index], 0.26, color=BAR)
    axes.axvline(0, ymax=0.6, color="0.5", linewidth=0.8)
    interval = f"{fixed(effect.value, 3)} ({fixed(effect.low, 3)} to {fixed(effect.high, 3)})"
    axes.text(0.03, 0.97, f"{interval}\nq = {short(effect.q, 2)}", fontsize=LABEL, va="top", transform=axes.transAxes)
    axes.set(xlim=limits, ylim=(-0.75, 1.75), yticks=[])
    axes.locator_params(axis="x", nbins=3)
    axes.tick_params(labelsize=LABEL, length=2)
    for side in ("top", "right", "left"):
        axes.spines[side].set_visible(False)
