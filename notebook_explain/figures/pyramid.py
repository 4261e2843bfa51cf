"""A figure of a pyramid: the class on top, rows of units with their maps over the frame, and the links between them.

Text and lines are vectors. The width of a link is the contribution that flows along it; if rows in between are not
shown, it is what flows through them.
"""

from __future__ import annotations

import io
import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.patches import FancyBboxPatch, PathPatch
from matplotlib.path import Path
from numpy.typing import NDArray
from PIL import Image

from notebook_explain._errors import UsageError
from notebook_explain._validation import check_int
from notebook_explain.clip.pictures import GREY, Picture
from notebook_explain.explanations import DEFAULT_THRESHOLD, LayerMap, percent
from notebook_explain.explanations.caveats import caveats
from notebook_explain.explanations.pyramid.pyramid import Pyramid
from notebook_explain.explanations.pyramid.text import has_colours, input_name, noun_of, receptive_field_text
from notebook_explain.explanations.pyramid.units import CLASS, COLOURS, INPUT, SUM, UNKNOWN, Row, Unit
from notebook_explain.explanations.targets import REGRESSION
from notebook_explain.explanations.text import MINUS, colour_legend, has_named_sides, shortened, sides_of
from notebook_explain.figures.base import SMALL_PRINT, TextFigure, break_lines
from notebook_explain.figures.captions import printable
from notebook_explain.figures.overlay import INK_AGAINST, INK_FOR, overlay_evidence
from notebook_explain.figures.placement import Placement, resize_image

TILE, GAP, ROW_GAP, MARGIN, OTHERS = 0.74, 0.1, 0.78, 1.55, 0.95  # inches
WIDEST_LINK = 5.0  # points
MIN_LINK = 0.02  # fraction of the strongest link: weaker ones are not drawn
MAX_LINKS = 60  # between two rows: more cannot be distinguished
PIXELS = 160  # largest size of a tile's longer side
DPI = 80
NAME_LENGTH = 26  # letters of a row's name on one line
DASHES, DOTS = (0, (3, 1.5)), (0, (0.6, 1.4))  # against the class; across an operation that cannot be traced
Rows = int | Sequence[str | int]


@dataclass(frozen=True)
class _Tile:
    """Position of a unit's tile: left, top and bottom edge in inches from the lower left corner of the page."""

    x: float
    top: float
    bottom: float


def pyramid_figure(
    pyramid: Pyramid,
    rows: Rows = 6,
    units: int = 8,
    threshold: float = 0.0,
    against: bool = True,
    by: str = "path",
) -> TextFigure:
    """Draw a pyramid.

    Parameters
    ----------
    pyramid : Pyramid
    rows : int, or sequence of str and int
        Number of rows, evenly spaced from the class down, or the rows themselves, by name or index.
    units : int
        Maximum number in a row.
    threshold : float in 0..1
    against : bool
        As for ``Pyramid.prune``; False leaves out the links against units too.
    by : "path" or "score"
        As for ``Pyramid.prune``.

    Returns
    -------
    matplotlib.figure.Figure
    """
    units = check_int("units", units)
    chosen = _chosen(pyramid, rows)
    kept = set(pyramid.prune(threshold, against, by))
    shown = {index: [unit for unit in pyramid.rows[index].units if unit in kept][:units] for index in chosen}
    shown = {index: row_units for index, row_units in shown.items() if row_units}
    width = MARGIN + max(map(len, shown.values())) * (TILE + GAP) + OTHERS
    small = _small_print(pyramid, threshold, width)
    foot = 0.25 + 0.125 * len(small)
    title = break_lines(pyramid.in_words(threshold=threshold, by=by), width, 10)
    height = foot + len(shown) * (TILE + ROW_GAP) - ROW_GAP + 0.55 + 0.18 * len(title)
    figure = TextFigure(figsize=(width, height), facecolor="white")
    axes = figure.add_axes((0.0, 0.0, 1.0, 1.0), xlim=(0, width), ylim=(0, height))
    axes.axis("off")
    axes.text(0.1, height - 0.1, "\n".join(title), fontsize=10, va="top")
    axes.text(0.1, foot - 0.1, "\n".join(small), fontsize=SMALL_PRINT, va="top", color="0.3")
    tiles = _lay_out_tiles(shown, width, height - 0.25 - 0.18 * len(title))
    _draw_links(axes, pyramid, shown, tiles, against)
    for index, row_units in shown.items():
        _draw_row(axes, pyramid, pyramid.rows[index], row_units, tiles)
    figure.set_literal_text()
    return figure


def pyramid_png(pyramid: Pyramid) -> bytes:
    """Draw four rows of the figure as a PNG in 256 colours, for cells where no page or widget can be shown."""
    with io.BytesIO() as out:
        pyramid_figure(pyramid, rows=4, units=6).savefig(out, format="png", dpi=DPI)
        image = Image.open(out).convert("RGB").quantize(256, dither=Image.Dither.NONE)
    with io.BytesIO() as out:
        image.save(out, "PNG")
        return out.getvalue()


def _chosen(pyramid: Pyramid, rows: Rows) -> list[int]:
    """Return the indices of the rows to show, ascending; evenly spaced rows include the class."""
    if isinstance(rows, bool) or (isinstance(rows, int) and rows < 1) or isinstance(rows, str):
        raise UsageError(f"rows must be a number, 1 or more, or a list of row names and indices, got {rows!r}")
    if isinstance(rows, int):
        count = len(pyramid.rows)
        return sorted({round(index) for index in np.linspace(0, count - 1, min(rows, count))})
    chosen = sorted({pyramid.row_index(row) for row in rows})
    if not chosen:
        raise UsageError("rows is an empty list; give a number or at least one row")
    return chosen


def _lay_out_tiles(shown: dict[int, list[int]], width: float, top: float) -> dict[int, _Tile]:
    """Return the tile of each unit; rows run from the top and are centred."""
    tiles = {}
    for line, units in enumerate(shown.values()):
        left = MARGIN + (width - MARGIN - OTHERS - len(units) * (TILE + GAP)) / 2
        row_top = top - line * (TILE + ROW_GAP)
        for k, unit in enumerate(units):
            tiles[unit] = _Tile(left + k * (TILE + GAP), row_top, row_top - TILE)
    return tiles


# Links


def _draw_links(
    axes: Axes, pyramid: Pyramid, shown: dict[int, list[int]], tiles: dict[int, _Tile], against: bool
) -> None:
    """Draw the strongest links between each two rows: orange if the child strengthens its parent, else blue.

    Links that work against the class are dashed, those across an operation that cannot be traced are dotted.
    """
    drawn = [unit for units in shown.values() for unit in units]
    flow, evidence = flows(pyramid, drawn), flows(pyramid, drawn, of_class=True)
    if not against:
        flow = {pair: value for pair, value in flow.items() if evidence.get(pair, 0.0) >= 0}
    unknown = {(edge.child, edge.parent) for edge in pyramid.edges if edge.kind == UNKNOWN}
    strongest = max((abs(value) for value in flow.values()), default=0.0)
    between: dict[tuple[int, int], list[tuple[float, int, int]]] = {}
    for (child, parent), value in flow.items():
        if abs(value) >= MIN_LINK * strongest:
            pair = pyramid.units[child].row, pyramid.units[parent].row
            between.setdefault(pair, []).append((value, child, parent))
    for links in between.values():
        for value, child, parent in sorted(links, key=lambda link: abs(link[0]))[-MAX_LINKS:]:
            low, high = tiles[child], tiles[parent]
            label_height = 0.0 if pyramid.rows[pyramid.units[parent].row].kind == CLASS else 0.16
            start, end = (low.x + TILE / 2, low.top), (high.x + TILE / 2, high.bottom - label_height)
            middle = (start[1] + end[1]) / 2
            path = Path([start, (start[0], middle), (end[0], middle), end], [Path.MOVETO, *[Path.CURVE4] * 3])
            fraction = abs(value) / strongest
            style = {"linewidth": max(0.25, WIDEST_LINK * fraction), "alpha": 0.25 + 0.5 * fraction**0.5}
            is_against = evidence.get((child, parent), 0.0) < 0
            dashes = DOTS if (child, parent) in unknown else DASHES if is_against else "-"
            ink = INK_FOR if value > 0 and not is_against else INK_AGAINST
            axes.add_patch(PathPatch(path, fill=False, edgecolor=ink, linestyle=dashes, zorder=1, **style))


def flows(pyramid: Pyramid, shown: Sequence[int], *, of_class: bool = False) -> dict[tuple[int, int], float]:
    """Return how much of a unit's score flows to each shown unit below, directly or through units that are not shown.

    Parameters
    ----------
    pyramid : Pyramid
    shown : sequence of int
        Indices of units.
    of_class : bool
        Count a flow as negative only where it works against the class, not where a child lowers a parent that should be
        lower.

    Returns
    -------
    dict of (child, parent) to float
        Fraction of the class's evidence; negative where the child's contribution to the next unit above is negative.
    """
    column = {unit: k for k, unit in enumerate(shown)}
    arriving = np.zeros((len(pyramid.units), len(shown)))
    flow: dict[tuple[int, int], float] = {}
    children: list[list[int]] = [[] for _ in pyramid.units]
    for i, edge in enumerate(pyramid.edges):
        children[edge.parent].append(i)
    for unit in range(len(pyramid.units)):  # parents come before their children
        if unit in column:
            flow |= {
                (unit, shown[k]): float(value) for k, value in enumerate(arriving[unit]) if value and shown[k] != unit
            }
            arriving[unit] = 0
            arriving[unit, column[unit]] = pyramid.units[unit].score
        if arriving[unit].any():
            for i in children[unit]:
                edge = pyramid.edges[i]
                is_lowered = edge.contribution < 0 and edge.share > 0 and unit in column and not of_class
                arriving[edge.child] += (-1 if is_lowered else 1) * edge.share * arriving[unit]
    return flow


# Rows


def _draw_row(axes: Axes, pyramid: Pyramid, row: Row, units: list[int], tiles: dict[int, _Tile]) -> None:
    first, last = tiles[units[0]], tiles[units[-1]]
    axes.text(0.1, first.top, "\n".join(_label(pyramid, row)), fontsize=7, va="top", linespacing=1.35)
    rest = row.width - len(units)
    shown = sum(pyramid.units[unit].score for unit in units)
    total = sum(pyramid.units[unit].score for unit in row.units)
    missing = 1 - row.coverage * (shown / total if total > 0 else 1.0)
    if row.kind not in (CLASS, INPUT) and rest > 0:
        text = f"+ {rest:,} others\n{percent(max(missing, 0.0))} of what\nleads here"
        axes.text(last.x + TILE + 0.12, (first.top + first.bottom) / 2, text, fontsize=6.5, va="center", color="0.4")
    for unit in units:
        _draw_unit(axes, pyramid, row, unit, tiles[unit])


def _label(pyramid: Pyramid, row: Row) -> list[str]:
    inputs = "colours" if has_colours(pyramid) else "channels"
    kind = {CLASS: f"the {noun_of(pyramid.target)[0]}", SUM: "channels", INPUT: inputs}.get(row.kind, "kernels")
    field = "" if row.kind in (CLASS, INPUT) else receptive_field_text(row, pyramid.clip.size)
    lines = [
        *(printable(line) for line in _name_lines(row.name)),
        kind if row.kind in (CLASS, INPUT) else f"{row.width:,} {kind}",
    ]
    if field:
        first, *others = (part.strip() for part in field.split(","))
        lines += [f"sees {first}", *others]
    return lines


def _name_lines(name: str) -> list[str]:
    """Break a long name after a dot or a space, onto two lines at most; of a longer one the first and the last parts are kept."""
    if len(name) <= NAME_LENGTH:
        return [name]
    parts = re.split(r"(?<=[. ])", name)
    for first in range(len(parts) - 1, 0, -1):
        lines = ["".join(parts[:first]), "".join(parts[first:])]
        if len(lines[0]) <= NAME_LENGTH:
            last = next((k for k in range(first, len(parts)) if len("".join(parts[k:])) < NAME_LENGTH), None)
            if last is None:
                break
            return [lines[0], lines[1] if len(lines[1]) <= NAME_LENGTH else "…" + "".join(parts[last:])]
    return [shortened(name, NAME_LENGTH)]


def _draw_unit(axes: Axes, pyramid: Pyramid, row: Row, index: int, tile: _Tile) -> None:
    unit = pyramid.units[index]
    extent = (tile.x, tile.x + TILE, tile.bottom, tile.top)
    image = _tile_image(pyramid, row, index)
    ink = INK_AGAINST if unit.direction < 0 else INK_FOR
    if image is not None:
        axes.imshow(image, extent=extent, aspect="auto", zorder=2, interpolation="none")
    box = FancyBboxPatch(
        (tile.x, tile.bottom), TILE, TILE, boxstyle="square,pad=0", zorder=3, edgecolor=ink, linewidth=1
    )
    box.set_facecolor("none" if image is not None else "#f4f5f7")
    axes.add_patch(box)
    if row.kind == CLASS:
        name = "\n".join(break_lines(shortened(pyramid.target.name, 40), TILE - 0.06, 7)[:4])
        axes.text(tile.x + TILE / 2, tile.top - TILE / 2, name, fontsize=7, ha="center", va="center", zorder=4)
    below = "" if row.kind == CLASS else f"{_channel_name(pyramid, row, unit.channel)}:  {_score_text(unit)}"
    axes.text(tile.x + TILE / 2, tile.bottom - 0.03, below, fontsize=6, ha="center", va="top", zorder=4)


def _score_text(unit: Unit) -> str:
    """Return a unit's score, with a minus sign where lower output favours the class, short enough for a tile."""
    if unit.score == 0:
        return "against"
    return f"{MINUS if unit.direction < 0 else ''}{percent(unit.score).replace('under ', '<')}"


def _channel_name(pyramid: Pyramid, row: Row, channel: int) -> str:
    return input_name(pyramid, channel).removeprefix("channel ") if row.kind == INPUT else str(channel)


def _tile_image(pyramid: Pyramid, row: Row, index: int) -> NDArray[np.uint8] | None:
    """Return the frame in which a unit is most active with its map over it, a colour channel of the clip, or None."""
    clip, unit = pyramid.clip, pyramid.units[index]
    placement = Placement.build(clip, min(PIXELS, max(clip.size[1:]) * 4))
    if row.kind == INPUT:
        return _input_image(pyramid, unit.channel, placement)
    if row.maps is None or row.geometry is None:
        return None
    values = row.maps[row.units.index(index)] * unit.map_direction
    peak_frame = float(row.geometry.rows[np.abs(values).max(axis=(1, 2)).argmax()])
    frame = clip.frames[int(np.clip(round(peak_frame), 0, len(clip) - 1))]
    layer = LayerMap(row.name, row.kind, values[None], row.geometry)
    evidence = placement.evidence(layer, 0, peak_frame)
    image, beyond = resize_image(frame, placement.size), placement.beyond(layer, peak_frame)
    return _pad_to_square(overlay_evidence(image, evidence, DEFAULT_THRESHOLD, beyond=beyond))


def _input_image(pyramid: Pyramid, channel: int, placement: Placement) -> NDArray[np.uint8] | None:
    """Return one channel of the clip's middle frame: a colour, or in grey from its smallest to its largest value."""
    clip, middle = pyramid.clip, len(pyramid.clip) // 2
    if clip.values is not None and channel < clip.values.shape[3]:
        values = clip.values[..., channel : channel + 1]
        frame = Picture.choose(values, GREY).render(values[middle : middle + 1])[0]
        return _pad_to_square(resize_image(frame, placement.size))
    if clip.values is not None or channel >= len(COLOURS):
        return None
    frame = resize_image(clip.frames[middle], placement.size)
    if has_colours(pyramid):
        frame = frame * (np.arange(3) == channel)
    return _pad_to_square(frame)


def _pad_to_square(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return a wide or tall image with white bars that make it square."""
    height, width = image.shape[:2]
    longest = max(height, width)
    if height == width:
        return image
    square = np.full((longest, longest, 3), 255, np.uint8)
    top, left = (longest - height) // 2, (longest - width) // 2
    square[top : top + height, left : left + width] = image
    return square


def _small_print(pyramid: Pyramid, threshold: float, inches: float) -> list[str]:
    """Return how to read the figure and where it comes from, then every caveat."""
    against = "lowers the value" if pyramid.target.kind == REGRESSION else "works against the class"
    if has_named_sides(pyramid.target):
        against = f"works {sides_of(pyramid.target)[1]}"
    pruned = f", units from {percent(threshold)} of their row's largest score" if threshold > 0 else ""
    about = (
        f"{pyramid.provenance.method}{pruned}; clip: {pyramid.clip.name}. Below a tile: kernel (or channel) and the share of "
        f"the positive evidence that reaches it; {MINUS}: less of its output helps. A tile shows the frame in which the unit is "
        f"most active, with its map from {percent(DEFAULT_THRESHOLD)} of its largest value; {colour_legend(pyramid.target)} "
        f"(the {noun_of(pyramid.target)[0]}). The width of a link is the evidence that flows along it; blue: the child weakens "
        f"its parent; dashed: it {against} there."
    )
    if any(edge.kind == UNKNOWN for edge in pyramid.edges):
        about += " Dotted: through an operation that channels cannot be followed through."
    return [line for text in (about, *caveats(pyramid)) for line in break_lines(text, inches - 0.2, SMALL_PRINT)]
