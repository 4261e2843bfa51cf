"""What travels from a pyramid to the browser: units and edges as columns, every unit's map as a thumbnail, some whole.

The text travels with the notebook too, so it has a budget: `LARGEST` bytes for a network of any depth. What a pyramid
has beyond that is left out in this order: detail of the thumbnails, whole maps, the weakest edges. The scores count all.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from notebook_explain._errors import UsageError
from notebook_explain.explanations import Geometry
from notebook_explain.explanations.caveats import caveats
from notebook_explain.explanations.pyramid.pyramid import CLASS, Pyramid, Row
from notebook_explain.explanations.pyramid.text import receptive_field_text, unit_name
from notebook_explain.explanations.pyramid.units import EDGE_KINDS
from notebook_explain.widgets.wire import common

LARGEST = 2_000_000  # bytes
ROOM = 120_000  # of them, for what is text
MOST_EDGES = 60_000
MOST_SHORT = 1 << 16  # units whose places fit in two bytes
SIZES = (  # of a thumbnail, at most: (time, height, width)
    *((8, 14, 14), (8, 10, 10), (4, 10, 10), (4, 8, 8), (4, 7, 7), (2, 7, 7), (2, 6, 6), (2, 5, 5)),
    *((1, 5, 5), (1, 3, 3), (1, 1, 1)),
)
WHOLE_MAPS = 8  # of a row

Grid = tuple[int, int, int]


def state(pyramid: Pyramid, title: str = "") -> dict[str, Any]:
    """Every trait that the viewer needs, as plain values.

    Raises
    ------
    ValueError
        The units do not follow one another row by row.
    """
    places = [at for row in pyramid.rows for at in row.units]
    if places != list(range(len(pyramid.units))):
        raise UsageError("the units of a pyramid must follow one another row by row; these do not")
    frames = common.jpegs(pyramid.clip.frames)
    edges, left_out = _edges(pyramid)
    units = _units(pyramid)
    known = sum(map(len, frames)) + sum(map(len, edges.values())) + sum(map(len, units.values()))
    packed = _maps(pyramid, max(LARGEST - known - ROOM, LARGEST // 5))
    times = pyramid.clip.times
    return {
        "title": title,
        "size": list(pyramid.clip.size),
        "times": [] if times is None else [round(float(t), 4) for t in times],
        "frames": frames,
        "rows": [{**_row(pyramid, row), "map": told} for row, told in zip(pyramid.rows, packed.told, strict=True)],
        "units": {**units, "peak": packed.peaks.astype("<f4").tobytes()},
        "edges": edges,
        "thumbnails": packed.thumbnails,
        "maps": packed.whole,
        "explained": common.targets((pyramid.target,))[0],
        "caveats": _caveats(pyramid, left_out),
    }


def _row(pyramid: Pyramid, row: Row) -> dict[str, Any]:
    return {
        "name": row.name,
        "kind": row.kind,
        "width": row.width,
        "count": len(row.units),
        "coverage": float(row.coverage),
        "sees": receptive_field_text(row, pyramid.clip.size),
        "names": [unit_name(pyramid, at) for at in row.units if row.kind == CLASS],
    }


def _caveats(pyramid: Pyramid, left_out: int) -> list[str]:
    said = caveats(pyramid)
    if left_out:
        kept = len(pyramid.edges) - left_out
        said.append(f"Of {len(pyramid.edges):,} links the {kept:,} strongest are drawn; the scores count all of them.")
    return said


def _units(pyramid: Pyramid) -> dict[str, bytes]:
    return {
        "score": np.array([unit.score for unit in pyramid.units], "<f8").tobytes(),
        "channel": np.array([unit.channel for unit in pyramid.units], "<i4").tobytes(),
        "direction": np.array([unit.direction for unit in pyramid.units], "i1").tobytes(),
    }


# Edges


def _edges(pyramid: Pyramid) -> tuple[dict[str, bytes], int]:
    """Columns of the edges, sorted by parent, each parent's from the largest share down; and how many are left out.

    ``fan`` counts each unit's children. A contribution is ``contribution / 32767 * scale[parent]``, a share
    ``share / 65535``.
    """
    count, units = len(pyramid.edges), len(pyramid.units)
    child = np.fromiter((edge.child for edge in pyramid.edges), np.int64, count)
    parent = np.fromiter((edge.parent for edge in pyramid.edges), np.int64, count)
    added = np.fromiter((edge.contribution for edge in pyramid.edges), np.float64, count)
    share = np.fromiter((edge.share for edge in pyramid.edges), np.float64, count)
    kind = np.fromiter((EDGE_KINDS.index(edge.kind) for edge in pyramid.edges), np.uint8, count)
    score = np.fromiter((unit.score for unit in pyramid.units), np.float64, units)
    kept = np.arange(count)
    if count > MOST_EDGES:
        ways = _ways(pyramid, child, parent, score)
        strength = share * score[parent]
        strength[ways] = np.inf
        kept = np.argsort(-strength, kind="stable")[: max(MOST_EDGES, len(ways))]
    kept = kept[np.lexsort((kept, -share[kept], parent[kept]))]
    child, parent, added, share, kind = child[kept], parent[kept], added[kept], share[kept], kind[kept]
    scale = np.zeros(units)
    np.maximum.at(scale, parent, np.abs(added))
    parts = np.divide(added, scale[parent], out=np.zeros(len(kept)), where=scale[parent] > 0)
    return {
        "child": child.astype("<u2" if units <= MOST_SHORT else "<u4").tobytes(),
        "fan": np.bincount(parent, minlength=units).astype("<u4").tobytes(),
        "contribution": np.round(32767 * parts).astype("<i2").tobytes(),
        "scale": scale.astype("<f4").tobytes(),
        "share": np.round(65535 * share.clip(0, 1)).astype("<u2").tobytes(),
        "kind": kind.tobytes(),
    }, count - len(kept)


def _ways(
    pyramid: Pyramid, child: NDArray[np.int64], parent: NDArray[np.int64], score: NDArray[np.float64]
) -> NDArray[np.int64]:
    """For each unit the edge to the parent that stays longest as a threshold rises: all that pruning needs to know.

    A unit stays up to the smaller of its own part of the row's largest score and the latest end of its parents.
    """
    order = np.argsort(child, kind="stable")
    first = np.searchsorted(child[order], np.arange(len(score) + 1))
    end = np.full(len(score), -1.0)
    ways = []
    for row in pyramid.rows:
        most = max((score[at] for at in row.units), default=0.0)
        for at in row.units:
            above = order[first[at] : first[at + 1]]
            latest = np.inf
            if row.kind != CLASS:
                latest = -1.0
                if len(above):
                    best = above[np.argmax(end[parent[above]])]
                    ways.append(best)
                    latest = end[parent[best]]
            own = score[at] / most if most > 0 and row.kind != CLASS else np.inf
            end[at] = min(own, latest)
    return np.array(ways, np.int64)


# Maps


@dataclass
class _Packed:
    """The maps of all rows; ``told`` says of each row where they lie, None without maps."""

    told: list[dict[str, Any] | None]
    peaks: NDArray[np.float64]
    thumbnails: bytes
    whole: bytes


def _maps(pyramid: Pyramid, room: int) -> _Packed:
    """Thumbnails as fine as two thirds of the room allow, then whole maps, each row's best unit first, in what is left.

    A value of a thumbnail is ``code / 127 * peak``; of a whole map ``code / 127`` times its own largest, in ``peaks``.
    """
    rows = [row for row in pyramid.rows if row.maps is not None and row.geometry is not None and row.units]
    for most in SIZES:
        shapes = {id(row): _shape(row, most) for row in rows}
        needs = sum(len(row.units) * int(np.prod(shapes[id(row)])) for row in rows)
        if 3 * needs <= 2 * room:
            break
    counts = _whole_counts(rows, shapes, room - needs)
    peaks = np.zeros(len(pyramid.units))
    told: list[dict[str, Any] | None] = []
    thumbnails, whole = bytearray(), bytearray()
    for row in pyramid.rows:
        if id(row) not in shapes or row.maps is None or row.geometry is None:
            told.append(None)
            continue
        shape, count, maps = shapes[id(row)], counts[id(row)], np.nan_to_num(row.maps)
        small, peak = _coded(_pooled(maps, shape))
        fine, fine_peak = _coded(maps[:count])
        peaks[list(row.units)] = peak
        told.append(
            {
                "shape": list(shape),
                "offset": len(thumbnails),
                "geometry": _plain(_coarser(row.geometry, _grid(row), shape)),
                "whole": {
                    "shape": list(_grid(row)),
                    "offset": len(whole),
                    "geometry": _plain(row.geometry),
                    "peaks": [float(f"{most:.6g}") for most in fine_peak],
                },
            }
        )
        thumbnails += small
        whole += fine
    return _Packed(told, peaks, bytes(thumbnails), bytes(whole))


def _grid(row: Row) -> Grid:
    assert row.maps is not None
    time, height, width = row.maps.shape[1:]
    return time, height, width


def _shape(row: Row, most: Grid) -> Grid:
    time, height, width = (min(cells, limit) for cells, limit in zip(_grid(row), most, strict=True))
    return time, height, width


def _whole_counts(rows: list[Row], shapes: dict[int, Grid], room: int) -> dict[int, int]:
    """How many whole maps each row has: none where the thumbnails are whole already."""
    counts = dict.fromkeys(map(id, rows), 0)
    for rank in range(WHOLE_MAPS):
        for row in rows:
            cells = int(np.prod(_grid(row)))
            wanted = rank < len(row.units) and counts[id(row)] == rank and shapes[id(row)] != _grid(row)
            if wanted and cells <= room:
                room -= cells
                counts[id(row)] += 1
    return counts


def _coded(maps: NDArray[np.float32]) -> tuple[bytes, NDArray[np.float32]]:
    """One byte for each value, and each map's largest absolute value."""
    peaks: NDArray[np.float32] = np.abs(maps).max(axis=(1, 2, 3), initial=0.0)
    scale = np.where(peaks > 0, peaks, 1)[:, None, None, None]
    return np.round(127 * (maps / scale)).astype("i1").tobytes(), peaks


def _pooled(maps: NDArray[np.float32], shape: Grid) -> NDArray[np.float32]:
    """Maps (unit, time, height, width) of fewer cells: the mean of what each covers."""
    time, height, width = (_overlaps(cells, fewer) for cells, fewer in zip(maps.shape[1:], shape, strict=True))
    pooled: NDArray[np.float32] = np.einsum("uthw,at,bh,cw->uabc", maps, time, height, width, optimize=True)
    return pooled.astype(np.float32)


def _overlaps(cells: int, fewer: int) -> NDArray[np.float64]:
    """(fewer, cells): how much of each of `fewer` even parts is each cell."""
    ends = np.arange(fewer + 1) * cells / fewer
    at = np.arange(cells)
    high, low = np.minimum(ends[1:, None], at + 1), np.maximum(ends[:-1, None], at)
    return (high - low).clip(min=0) * fewer / cells


def _coarser(geometry: Geometry, grid: Grid, shape: Grid) -> Geometry:
    """Where the cells of a pooled map lie."""
    factors = [cells / fewer for cells, fewer in zip(grid, shape, strict=True)]
    rows = np.interp((np.arange(shape[0]) + 0.5) * factors[0] - 0.5, np.arange(grid[0]), geometry.rows)
    step = (geometry.step[0] * factors[1], geometry.step[1] * factors[2])
    origin = [at + (new - old) / 2 for at, new, old in zip(geometry.origin, step, geometry.step, strict=True)]
    return Geometry(rows, (origin[0], origin[1]), step)


def _plain(geometry: Geometry) -> dict[str, Any]:
    return {
        "rows": [round(float(row), 4) for row in geometry.rows],
        "origin": list(geometry.origin),
        "step": list(geometry.step),
    }
