"""A pyramid for paper: the class on top, rows of units with their maps over the frame, and the links between them.

Words and lines are vectors. A link is as wide as what flows along it; where rows between two that are shown are left
out, it is what flows through them.
"""

from __future__ import annotations

import io
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
from notebook_explain.explanations import DEFAULT_THRESHOLD, LayerMap, percent
from notebook_explain.explanations.caveats import caveats
from notebook_explain.explanations.pyramid.pyramid import Pyramid
from notebook_explain.explanations.pyramid.text import receptive_field_text
from notebook_explain.explanations.pyramid.units import CLASS, COLOURS, INPUT, SUM, Row
from notebook_explain.explanations.text import shortened
from notebook_explain.figures.base import TextFigure, set_lines
from notebook_explain.figures.captions import plain
from notebook_explain.figures.overlay import INK_AGAINST, INK_FOR, overlaid
from notebook_explain.figures.placement import Placement, scaled
from notebook_explain.figures.tubes import SMALL_PRINT

TILE, GAP, ROW_GAP, MARGIN, OTHERS = 0.74, 0.1, 0.78, 1.55, 0.95  # inches
WIDEST_LINK = 5.0  # points
LEAST_LINK = 0.02  # of the strongest between two rows: what is weaker is not drawn
MOST_LINKS = 60  # between two rows: more is a haze
PIXELS = 160  # a tile's longer side, if the frame has fewer
DPI = 80
Rows = int | Sequence[str | int]


@dataclass(frozen=True)
class _Tile:
    """A unit on the page: its left edge and the top and bottom of its tile, in inches from the lower left."""

    x: float
    top: float
    bottom: float


def pyramid_figure(pyramid: Pyramid, rows: Rows = 6, units: int = 8, threshold: float = 0.0) -> TextFigure:
    """Draw a pyramid.

    Parameters
    ----------
    pyramid : Pyramid
    rows : int, or sequence of str and int
        How many, evenly chosen from the class down; or which, by name or place.
    units : int
        Of a row, at most.
    threshold : float in 0..1
        As for ``Pyramid.prune``.

    Returns
    -------
    matplotlib.figure.Figure
    """
    units = check_int("units", units)
    chosen = _chosen(pyramid, rows)
    stays = set(pyramid.prune(threshold))
    shown = {at: [unit for unit in pyramid.rows[at].units if unit in stays][:units] for at in chosen}
    shown = {at: found for at, found in shown.items() if found}
    across = max(map(len, shown.values()))
    wide = MARGIN + across * (TILE + GAP) + OTHERS
    lines = _words(pyramid, threshold, wide)
    foot = 0.25 + 0.125 * len(lines)
    title = set_lines(pyramid.in_words(threshold=threshold), wide, 10)
    high = foot + len(shown) * (TILE + ROW_GAP) - ROW_GAP + 0.55 + 0.18 * len(title)
    plot = TextFigure(figsize=(wide, high), facecolor="white")
    axes = plot.add_axes((0.0, 0.0, 1.0, 1.0), xlim=(0, wide), ylim=(0, high))
    axes.axis("off")
    axes.text(0.1, high - 0.1, "\n".join(title), fontsize=10, va="top")
    axes.text(0.1, foot - 0.1, "\n".join(lines), fontsize=SMALL_PRINT, va="top", color="0.3")
    places = _places(shown, wide, high - 0.25 - 0.18 * len(title))
    _draw_links(axes, pyramid, shown, places)
    for at, found in shown.items():
        _draw_row(axes, pyramid, at, found, places, wide)
    return plot


def pyramid_png(pyramid: Pyramid) -> bytes:
    """A picture for a cell where nothing else can be shown: the figure's first rows, in few colours."""
    with io.BytesIO() as out:
        pyramid_figure(pyramid, rows=4, units=6).savefig(out, format="png", dpi=DPI)
        picture = Image.open(out).convert("RGB").quantize(256, dither=Image.Dither.NONE)
    with io.BytesIO() as out:
        picture.save(out, "PNG")
        return out.getvalue()


def _chosen(pyramid: Pyramid, rows: Rows) -> list[int]:
    """Places of the rows to show, ascending, the class always among those that are chosen evenly."""
    if isinstance(rows, bool) or (isinstance(rows, int) and rows < 1) or isinstance(rows, str):
        raise UsageError(f"rows must be a number, 1 or more, or a list of names and places, got {rows!r}")
    if isinstance(rows, int):
        count = len(pyramid.rows)
        return sorted({round(at) for at in np.linspace(0, count - 1, min(rows, count))})
    chosen = sorted({pyramid.row_index(which) for which in rows})
    if not chosen:
        raise UsageError("rows is an empty list; give a number, or at least one row")
    return chosen


def _places(shown: dict[int, list[int]], wide: float, top: float) -> dict[int, _Tile]:
    """Where each unit's tile lies: rows from the top, in the middle of the page."""
    found = {}
    for line, units in enumerate(shown.values()):
        left = MARGIN + (wide - MARGIN - OTHERS - len(units) * (TILE + GAP)) / 2
        above = top - line * (TILE + ROW_GAP)
        for k, unit in enumerate(units):
            found[unit] = _Tile(left + k * (TILE + GAP), above, above - TILE)
    return found


# Links


def _draw_links(axes: Axes, pyramid: Pyramid, shown: dict[int, list[int]], places: dict[int, _Tile]) -> None:
    """Between each two rows the strongest ones, orange where more of the child makes more of its parent."""
    flow = flows(pyramid, [unit for units in shown.values() for unit in units])
    strongest = max((abs(value) for value in flow.values()), default=0.0)
    between: dict[tuple[int, int], list[tuple[float, int, int]]] = {}
    for (child, parent), value in flow.items():
        if abs(value) >= LEAST_LINK * strongest:
            pair = pyramid.units[child].row, pyramid.units[parent].row
            between.setdefault(pair, []).append((value, child, parent))
    for links in between.values():
        for value, child, parent in sorted(links, key=lambda link: abs(link[0]))[-MOST_LINKS:]:
            low, high = places[child], places[parent]
            start, end = (
                (low.x + TILE / 2, low.top),
                (
                    high.x + TILE / 2,
                    high.bottom - (0.16 if pyramid.rows[pyramid.units[parent].row].kind != CLASS else 0.0),
                ),
            )
            middle = (start[1] + end[1]) / 2
            path = Path([start, (start[0], middle), (end[0], middle), end], [Path.MOVETO, *[Path.CURVE4] * 3])
            part = abs(value) / strongest
            style = {"linewidth": max(0.25, WIDEST_LINK * part), "alpha": 0.25 + 0.5 * part**0.5}
            axes.add_patch(
                PathPatch(path, fill=False, edgecolor=INK_FOR if value > 0 else INK_AGAINST, zorder=1, **style)
            )


def flows(pyramid: Pyramid, shown: Sequence[int]) -> dict[tuple[int, int], float]:
    """What of a unit's score flows to each shown unit below, directly or through units that are not shown.

    Parameters
    ----------
    pyramid : Pyramid
    shown : sequence of int
        Places among the units.

    Returns
    -------
    dict of (child, parent) to float
        Of the class's evidence; negative where what the child adds to the next one above is negative.
    """
    column = {unit: k for k, unit in enumerate(shown)}
    arrives = np.zeros((len(pyramid.units), len(shown)))
    found: dict[tuple[int, int], float] = {}
    children: list[list[int]] = [[] for _ in pyramid.units]
    for at, edge in enumerate(pyramid.edges):
        children[edge.parent].append(at)
    for unit in range(len(pyramid.units)):  # each after its parents
        if unit in column:
            found |= {
                (unit, shown[k]): float(value) for k, value in enumerate(arrives[unit]) if value and shown[k] != unit
            }
            arrives[unit] = 0
            arrives[unit, column[unit]] = pyramid.units[unit].score
        if arrives[unit].any():
            for at in children[unit]:
                edge = pyramid.edges[at]
                sign = -1 if edge.contribution < 0 and unit in column else 1
                arrives[edge.child] += sign * edge.share * arrives[unit]
    return found


# Rows


def _draw_row(axes: Axes, pyramid: Pyramid, at: int, found: list[int], places: dict[int, _Tile], wide: float) -> None:
    row = pyramid.rows[at]
    first, last = places[found[0]], places[found[-1]]
    axes.text(0.1, first.top, "\n".join(_label(pyramid, row)), fontsize=7, va="top", linespacing=1.35)
    rest = row.width - len(found)
    carried = sum(pyramid.units[unit].score for unit in found)
    every = sum(pyramid.units[unit].score for unit in row.units)
    part = 1 - row.coverage * (carried / every if every > 0 else 1.0)
    if row.kind not in (CLASS, INPUT) and rest > 0:
        words = f"+ {rest:,} others\n{percent(max(part, 0.0))} of what\nleads here"
        axes.text(last.x + TILE + 0.12, (first.top + first.bottom) / 2, words, fontsize=6.5, va="center", color="0.4")
    for unit in found:
        _draw_unit(axes, pyramid, row, unit, places[unit])


def _label(pyramid: Pyramid, row: Row) -> list[str]:
    what = {CLASS: "the class", SUM: "channels", INPUT: "colours"}.get(row.kind, "kernels")
    name = plain(shortened(row.name, 26))
    seen = "" if row.kind in (CLASS, INPUT) else receptive_field_text(row, pyramid.clip.size)
    lines = [name, what if row.kind in (CLASS, INPUT) else f"{row.width:,} {what}"]
    lines += (
        [f"sees {part.strip()}" if k == 0 else part.strip() for k, part in enumerate(seen.split(","))] if seen else []
    )
    return [line.replace("$", r"\$") for line in lines]


def _draw_unit(axes: Axes, pyramid: Pyramid, row: Row, unit: int, place: _Tile) -> None:
    one = pyramid.units[unit]
    extent = (place.x, place.x + TILE, place.bottom, place.top)
    picture = _picture(pyramid, row, unit)
    ink = INK_AGAINST if one.direction < 0 else INK_FOR
    if picture is not None:
        axes.imshow(picture, extent=extent, aspect="auto", zorder=2, interpolation="none")
    box = FancyBboxPatch(
        (place.x, place.bottom), TILE, TILE, boxstyle="square,pad=0", zorder=3, edgecolor=ink, linewidth=1
    )
    box.set_facecolor("none" if picture is not None else "#f4f5f7")
    axes.add_patch(box)
    if row.kind == CLASS:
        name = "\n".join(set_lines(shortened(pyramid.target.name, 40), TILE - 0.06, 7)[:4])
        axes.text(place.x + TILE / 2, place.top - TILE / 2, name, fontsize=7, ha="center", va="center", zorder=4)
    below = "" if row.kind == CLASS else f"{_number(row, one.channel)}:  {percent(one.score)}"
    axes.text(place.x + TILE / 2, place.bottom - 0.03, below, fontsize=6, ha="center", va="top", zorder=4)


def _number(row: Row, channel: int) -> str:
    return COLOURS[channel] if row.kind == INPUT and channel < len(COLOURS) else str(channel)


def _picture(pyramid: Pyramid, row: Row, unit: int) -> NDArray[np.uint8] | None:
    """The frame in which a unit is most active with its map over it; a colour of the clip by itself; None for others."""
    clip, one = pyramid.clip, pyramid.units[unit]
    canvas = Placement.of(clip, min(PIXELS, max(clip.size[1:]) * 4))
    side = min(canvas.size)
    if row.kind == INPUT and one.channel < 3:
        frame = scaled(clip.frames[len(clip) // 2], canvas.size)
        alone = np.zeros_like(frame)
        alone[..., one.channel] = frame[..., one.channel]
        return _square(alone, side)
    if row.maps is None or row.geometry is None:
        return None
    values = row.maps[row.units.index(unit)] * one.direction
    moment = float(row.geometry.rows[np.abs(values).max(axis=(1, 2)).argmax()])
    frame = clip.frames[int(np.clip(round(moment), 0, len(clip) - 1))]
    layer = LayerMap(row.name, row.kind, values[None], row.geometry)
    over = overlaid(scaled(frame, canvas.size), canvas.evidence(layer, 0, moment), DEFAULT_THRESHOLD)
    return _square(over, side)


def _square(picture: NDArray[np.uint8], side: int) -> NDArray[np.uint8]:
    """As a square tile: a wide or tall frame with bars of white."""
    high, wide = picture.shape[:2]
    longest = max(high, wide)
    if high == wide:
        return picture
    tile = np.full((longest, longest, 3), 255, np.uint8)
    top, left = (longest - high) // 2, (longest - wide) // 2
    tile[top : top + high, left : left + wide] = picture
    return tile


def _words(pyramid: Pyramid, threshold: float, inches: float) -> list[str]:
    """What the picture means and where it comes from, then every caveat."""
    pruned = f", units from {percent(threshold)} of their row's largest score" if threshold > 0 else ""
    about = (
        f"{pyramid.provenance.method}{pruned}; clip: {pyramid.clip.name}. Beneath a tile: kernel (or channel) and how much of "
        f"the positive evidence reaches it. A tile shows the frame in which the unit is most active, its map from "
        f"{percent(DEFAULT_THRESHOLD)} of its largest value: orange where it speaks for the class, blue where it speaks "
        f"against it. Links are as wide as what flows along them; blue: the child makes its parent less."
    )
    return [line for text in (about, *caveats(pyramid)) for line in set_lines(text, inches - 0.2, SMALL_PRINT)]
