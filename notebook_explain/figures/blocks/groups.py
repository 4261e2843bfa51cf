"""Groups of blocks that report the same quantity, and the labels that all rows of the figure share."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple, TypeVar

from matplotlib.axes import Axes
from matplotlib.gridspec import SubplotSpec

from notebook_explain.explanations import ClassTable, Course, Numbers, Quantity
from notebook_explain.explanations.text import counted
from notebook_explain.figures.base import ellipsize, text_width
from notebook_explain.figures.blocks.scale import Scale

Reported = TypeVar("Reported", Course, Numbers, ClassTable)
MARGIN, NAMES, RIGHT = 0.12, 2.0, 1.05  # inches: around the page; left and right of axes, for names and for ranges
LABEL, TITLE = 6.5, 8.0  # points
LINE, HEADING, BAR_WIDTH = (
    0.14,
    0.36,
    1.3,
)  # inches: height of a line of labels and of a heading; width of its colour bar
MIN_ABOUT = 1.0  # inches: a shorter name is not informative
MAX_GROUPS = 12  # limit for each: frame signals, numbers, tables


class Row(NamedTuple):
    """A row of axes in the figure: heights in inches, names of what is in it, and the function that draws it."""

    above: float
    height: float
    below: float
    names: Sequence[str]
    draw: Callable[[SubplotSpec], None]


def group_blocks(reported: Iterable[Reported]) -> list[tuple[list[Reported], list[str]]]:
    """Group what blocks of one kind report of one quantity and of the same labels or classes, in order of appearance.

    Each group comes with notes: those of the last one say how many groups did not fit into the figure.
    """
    groups: dict[object, list[Reported]] = {}
    for item in reported:
        labels = getattr(item, "labels", None) or getattr(item, "classes", None)
        key = (item.kind, item.what, getattr(item, "neutral", None), getattr(item, "bounds", None), labels)
        groups.setdefault(key, []).append(item)
    rest = len(groups) - MAX_GROUPS
    note = [f"… and {counted(rest, 'more kind', 'more kinds')} of values from other blocks"] if rest > 0 else []
    shown = list(groups.values())[:MAX_GROUPS]
    return [(group, note if group is shown[-1] else []) for group in shown]


def is_evidence(item: Course | Numbers) -> bool:
    """Return whether positive values count for the class and negative values against it, as in the maps of tubes."""
    return item.quantity is not Quantity.OTHER and item.neutral == 0


def block_name(item: Course | Numbers | ClassTable) -> str:
    """Return the dotted name of a block, or the class of the network itself."""
    return item.name or item.kind or "the network"


def left_out_note(count: int, values: str) -> str:
    """Return a note on blocks that were left out, and on their values."""
    return f"… and {counted(count, 'more block that deviates', 'more blocks that deviate')} less: {values}"


def draw_heading(axes: Axes, above: float, group: Sequence[Any], scale: Scale | None = None) -> None:
    """Write the quantity of a group ``above`` inches above the axes, with kind and number of its blocks and the colours."""
    room = page_size(axes)[0] - 2 * MARGIN
    if scale is not None:
        width, height = size_in_inches(axes)
        bar = (1 - BAR_WIDTH / width, 1 + (above + 0.04) / height, BAR_WIDTH / width, 0.08 / height)
        scale.draw(axes.inset_axes(bar))
        room = axes.get_position().x1 * page_size(axes)[0] - MARGIN - BAR_WIDTH - 0.15
    blocks = f"{len(group)} blocks" if len(group) > 1 else ""
    about = ", ".join(text for text in (group[0].kind, blocks) if text)
    title, left = ellipsize(group[0].what, room, TITLE, bold=True), MARGIN
    place = ("figure points", "axes fraction"), "offset points"
    for text, size, weight, colour in ((title, TITLE, "bold", "black"), (about, 7, "normal", "0.35")):
        if room > MIN_ABOUT:
            style: dict[str, Any] = {"fontsize": size, "weight": weight, "color": colour, "annotation_clip": False}
            axes.annotate(ellipsize(text, room, 7), (72 * left, 1), (0, 72 * above), *place, **style)
        used = text_width(title, TITLE, bold=True) + 0.1
        room, left = room - used, left + used


def draw_notes(axes: Axes, below: float, notes: Sequence[str]) -> None:
    """Write notes ``below`` inches below the axes."""
    width = page_size(axes)[0] * (1 - axes.get_position().x0) - MARGIN
    text = "\n".join(ellipsize(note, width, LABEL) for note in notes)
    place: dict[str, Any] = {"va": "top", "fontsize": LABEL, "color": "0.3", "annotation_clip": False}
    axes.annotate(text, (0, 0), (0, -72 * below), "axes fraction", "offset points", **place)


def add_axes(cell: SubplotSpec) -> Axes:
    """Add axes without a frame."""
    grid: Any = cell.get_gridspec()
    axes: Axes = grid.figure.add_subplot(cell)
    axes.spines[:].set_visible(False)
    return axes


def size_in_inches(axes: Axes) -> tuple[float, float]:
    """Return width and height of axes."""
    box, (width, height) = axes.get_position(), page_size(axes)
    return box.width * width, box.height * height


def page_size(axes: Axes) -> tuple[float, float]:
    """Return width and height in inches of the figure that axes belong to."""
    figure: Any = axes.figure
    width, height = figure.get_size_inches()
    return float(width), float(height)


def label_rows(axes: Axes, names: Sequence[str], first: float = 0.5, bold: str | None = None) -> None:
    """Write names of rows, one unit high each, left of the axes; one of them may be in bold."""
    axes.set_yticks([first + row for row in range(len(names))], [ellipsize(name, NAMES, LABEL) for name in names])
    axes.tick_params(axis="y", length=0, pad=5, labelsize=LABEL)
    for name, label in zip(names, axes.get_yticklabels(), strict=True):
        label.set_fontweight("bold" if name == bold else "normal")


def label_values(axes: Axes, positions: Sequence[float], texts: Sequence[str], right: float | None = None) -> None:
    """Write texts right of the axes: they end ``right`` inches from it, or start next to it without ``right``."""
    width, _ = size_in_inches(axes)
    size, style = (6.0, {"ha": "left", "color": "0.3"}) if right is None else (LABEL, {"ha": "right"})
    place: dict[str, Any] = {"transform": axes.get_yaxis_transform(), "va": "center", "fontsize": size, **style}
    for position, text in zip(positions, texts, strict=True):
        text = ellipsize(text, RIGHT - 0.12, size)
        axes.text(1 + (0.07 if right is None else right) / width, position, text, **place)
