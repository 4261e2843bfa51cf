"""State of a pyramid viewer on the wire: units and edges as columns, a thumbnail of every map, some maps in full.

The state is saved with the notebook, so its size is limited to `MAX_BYTES` for networks of any depth. A larger pyramid
loses, in this order, levels of its maps, detail of the thumbnails, full maps, and the weakest edges. The scores always
count everything.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from notebook_explain._errors import UsageError
from notebook_explain.explanations import Geometry
from notebook_explain.explanations.caveats import caveats
from notebook_explain.explanations.pyramid.pyramid import CLASS, INPUT, SUM, Pyramid, Row
from notebook_explain.explanations.pyramid.text import (
    has_colours,
    input_name,
    measure_of,
    receptive_field_text,
    remainder_share,
    unit_name,
)
from notebook_explain.explanations.pyramid.units import EDGE_KINDS, Edge
from notebook_explain.widgets.wire.common import clip_caveats, clip_state, geometry_state, target_state

MAX_BYTES = 2_000_000
TEXT_BYTES = 120_000  # part of MAX_BYTES reserved for text
MAX_EDGES = 60_000
MAX_SHORT_INDICES = 1 << 16  # units whose indices fit in two bytes
THUMBNAIL_SIZES = (  # largest first: (time, height, width)
    *((8, 14, 14), (8, 10, 10), (4, 10, 10), (4, 8, 8), (4, 7, 7), (2, 7, 7), (2, 6, 6), (2, 5, 5)),
    *((1, 5, 5), (1, 3, 3), (1, 1, 1)),
)
MAX_FULL_MAPS = 8  # per row
MANY_BYTES = 400_000  # of maps; from here on, their codes are multiples of a step, which compresses well
THUMBNAIL_STEP, FULL_MAP_STEP = 7, 6

Grid = tuple[int, int, int]


def state(pyramid: Pyramid, title: str = "") -> dict[str, Any]:
    """Return the traits that describe a pyramid, as plain values.

    Raises
    ------
    ValueError
        The units are not numbered row by row.
    """
    numbers = [unit for row in pyramid.rows for unit in row.units]
    if numbers != list(range(len(pyramid.units))):
        raise UsageError("the units of a pyramid must be numbered row by row; these are not")
    clip = clip_state(pyramid.clip)
    edges, omitted = _edge_columns(pyramid)
    units = _unit_columns(pyramid)
    used = (
        sum(map(len, clip["frames"]))
        + len(clip["picture"].get("data", b""))
        + sum(map(len, edges.values()))
        + sum(map(len, units.values()))
    )
    packed = _pack_maps(pyramid, max(MAX_BYTES - used - TEXT_BYTES, MAX_BYTES // 5))
    return {
        "title": title,
        **clip,
        "rows": [
            {**_row_state(pyramid, row), "map": described}
            for row, described in zip(pyramid.rows, packed.rows, strict=True)
        ],
        "units": {**units, "peak": packed.peaks.astype("<f4").tobytes()},
        "edges": edges,
        "thumbnails": packed.thumbnails,
        "maps": packed.full_maps,
        "explained": {**target_state(pyramid.target), "measure": measure_of(pyramid)},
        "caveats": [
            *clip_caveats(pyramid.clip, clip["picture"], caveats(pyramid)),
            *_omission_caveats(len(pyramid.edges), omitted),
        ],
    }


def _row_state(pyramid: Pyramid, row: Row) -> dict[str, Any]:
    return {
        "name": row.name,
        "kind": row.kind,
        "width": row.width,
        "count": len(row.units),
        "coverage": float(row.coverage),
        "is_local": pyramid.has_local_shares and row.kind == SUM,
        "sees": receptive_field_text(row, pyramid.clip.size),
        "names": _names(pyramid, row),
    }


def _names(pyramid: Pyramid, row: Row) -> list[str]:
    """Return the names of units that are more than a number: of classes, and of channels of the clip that are no colours."""
    if row.kind == CLASS:
        return [unit_name(pyramid, unit) for unit in row.units]
    if row.kind == INPUT and not has_colours(pyramid):
        return [input_name(pyramid, pyramid.units[unit].channel) for unit in row.units]
    return []


def _omission_caveats(edges: int, omitted: int) -> list[str]:
    if not omitted:
        return []
    return [f"Only the {edges - omitted:,} strongest of {edges:,} links are drawn; the scores count all of them."]


def _unit_columns(pyramid: Pyramid) -> dict[str, bytes]:
    return {
        "score": np.array([unit.score for unit in pyramid.units], "<f8").tobytes(),
        "channel": np.array([unit.channel for unit in pyramid.units], "<i4").tobytes(),
        "direction": np.array([unit.direction for unit in pyramid.units], "i1").tobytes(),
        "map_direction": np.array([unit.map_direction for unit in pyramid.units], "i1").tobytes(),
        "remainder": np.array(_remainders(pyramid), "<f8").tobytes(),
        "contribution": np.array(_contributions(pyramid), "<f8").tobytes(),
    }


def _contributions(pyramid: Pyramid) -> list[float]:
    """Return the contribution of each unit to the score; NaN where it is unknown."""
    known = map(pyramid.contribution, range(len(pyramid.units)))
    return [np.nan if value is None else value for value in known]


def _remainders(pyramid: Pyramid) -> list[float]:
    """Return the remainder of each unit as a share; NaN where it is unknown."""
    largest: dict[int, Edge] = {}
    for edge in pyramid.edges:
        if edge.contribution and edge.share:
            known = largest.get(edge.parent)
            if known is None or abs(edge.share) > abs(known.share):
                largest[edge.parent] = edge
    return [
        np.nan if unit.remainder is None or index not in largest else remainder_share(unit.remainder, largest[index])
        for index, unit in enumerate(pyramid.units)
    ]


# Edges


def _edge_columns(pyramid: Pyramid) -> tuple[dict[str, bytes], int]:
    """Return the columns of the edges, by parent and then by descending share, and the number of edges left out.

    ``fan`` is the number of children of each unit. A contribution is ``contribution / 32767 * scale[parent]``, a share
    is ``share / 32767``, at least -1.
    """
    count, units = len(pyramid.edges), len(pyramid.units)
    child = np.fromiter((edge.child for edge in pyramid.edges), np.int64, count)
    parent = np.fromiter((edge.parent for edge in pyramid.edges), np.int64, count)
    contribution = np.fromiter((edge.contribution for edge in pyramid.edges), np.float64, count)
    share = np.fromiter((edge.share for edge in pyramid.edges), np.float64, count)
    kind = np.fromiter((EDGE_KINDS.index(edge.kind) for edge in pyramid.edges), np.uint8, count)
    score = np.fromiter((unit.score for unit in pyramid.units), np.float64, units)
    kept = np.arange(count)
    if count > MAX_EDGES:
        required = _edges_for_pruning(pyramid, child, parent, score)
        strength = np.abs(share) * score[parent]
        strength[required] = np.inf
        kept = np.argsort(-strength, kind="stable")[: max(MAX_EDGES, len(required))]
    kept = kept[np.lexsort((kept, -share[kept], parent[kept]))]
    child, parent, kind = child[kept], parent[kept], kind[kept]
    contribution, share = contribution[kept], share[kept]
    scale = np.zeros(units)
    np.maximum.at(scale, parent, np.abs(contribution))
    scaled = np.divide(contribution, scale[parent], out=np.zeros(len(kept)), where=scale[parent] > 0)
    return {
        "child": child.astype("<u2" if units <= MAX_SHORT_INDICES else "<u4").tobytes(),
        "fan": np.bincount(parent, minlength=units).astype("<u4").tobytes(),
        "contribution": np.round(32767 * scaled).astype("<i2").tobytes(),
        "scale": scale.astype("<f4").tobytes(),
        "share": np.round(32767 * share.clip(-1, 1)).astype("<i2").tobytes(),
        "kind": kind.tobytes(),
    }, count - len(kept)


def _edges_for_pruning(
    pyramid: Pyramid, child: NDArray[np.int64], parent: NDArray[np.int64], score: NDArray[np.float64]
) -> NDArray[np.int64]:
    """Return, for each unit, the edge to the parent that is kept up to the highest threshold.

    Pruning gives the same result with these edges as with all of them: a unit is kept up to the smaller of its score
    over the largest of its row, and the highest threshold at which one of its parents is kept.
    """
    order = np.argsort(child, kind="stable")
    first = np.searchsorted(child[order], np.arange(len(score) + 1))
    limit = np.full(len(score), -1.0)  # highest threshold at which each unit is kept
    edges = []
    for row in pyramid.rows:
        largest = max((score[unit] for unit in row.units), default=0.0)
        for unit in row.units:
            if row.kind == CLASS:
                limit[unit] = np.inf
                continue
            parents_limit = -1.0
            to_parents = order[first[unit] : first[unit + 1]]
            if len(to_parents):
                best = to_parents[np.argmax(limit[parent[to_parents]])]
                edges.append(best)
                parents_limit = limit[parent[best]]
            score_limit = score[unit] / largest if largest > 0 else np.inf
            limit[unit] = min(score_limit, parents_limit)
    return np.array(edges, np.int64)


# Maps


@dataclass
class _PackedMaps:
    """Maps of all rows.

    Attributes
    ----------
    rows : list of dict or None
        Shape, offset and geometry of each row's maps; None for a row without maps.
    peaks : float array (unit,)
        Largest absolute value of each unit's thumbnail.
    thumbnails, full_maps : bytes
        One byte per value, row by row.
    """

    rows: list[dict[str, Any] | None]
    peaks: NDArray[np.float64]
    thumbnails: bytes
    full_maps: bytes


def _pack_maps(pyramid: Pyramid, room: int) -> _PackedMaps:
    """Pack thumbnails as fine as two thirds of ``room`` bytes allow, and full maps in the rest, best units first.

    A value of a thumbnail is ``code / 127 * peak`` with the peak of its unit, a value of a full map ``code / 127`` times
    the largest absolute value of that map, listed in ``peaks``.
    """
    rows = [row for row in pyramid.rows if row.maps is not None and row.geometry is not None and row.units]
    for size in THUMBNAIL_SIZES:
        shapes = {id(row): _thumbnail_shape(row, size) for row in rows}
        needed = sum(len(row.units) * int(np.prod(shapes[id(row)])) for row in rows)
        if 3 * needed <= 2 * room:
            break
    counts = _full_map_counts(rows, shapes, room - needed)
    full = sum(counts[id(row)] * int(np.prod(_grid(row))) for row in rows)
    is_large = needed + full > MANY_BYTES
    peaks = np.zeros(len(pyramid.units))
    described: list[dict[str, Any] | None] = []
    thumbnails, full_maps = bytearray(), bytearray()
    for row in pyramid.rows:
        if id(row) not in shapes or row.maps is None or row.geometry is None:
            described.append(None)
            continue
        shape, count, maps = shapes[id(row)], counts[id(row)], np.nan_to_num(row.maps)
        small_codes, peaks[list(row.units)] = _quantize(_mean_pool(maps, shape), THUMBNAIL_STEP if is_large else 1)
        full_codes, full_peaks = _quantize(maps[:count], FULL_MAP_STEP if is_large else 1)
        described.append(
            {
                "shape": list(shape),
                "offset": len(thumbnails),
                "geometry": geometry_state(_pooled_geometry(row.geometry, _grid(row), shape)),
                "whole": {
                    "shape": list(_grid(row)),
                    "offset": len(full_maps),
                    "geometry": geometry_state(row.geometry),
                    "peaks": [float(f"{peak:.6g}") for peak in full_peaks],
                },
            }
        )
        thumbnails += small_codes
        full_maps += full_codes
    return _PackedMaps(described, peaks, bytes(thumbnails), bytes(full_maps))


def _grid(row: Row) -> Grid:
    assert row.maps is not None
    time, height, width = row.maps.shape[1:]
    return time, height, width


def _thumbnail_shape(row: Row, limits: Grid) -> Grid:
    time, height, width = (min(cells, limit) for cells, limit in zip(_grid(row), limits, strict=True))
    return time, height, width


def _full_map_counts(rows: list[Row], shapes: dict[int, Grid], room: int) -> dict[int, int]:
    """Return how many full maps of each row fit in ``room`` bytes; 0 if the row's thumbnails are full maps already."""
    counts = dict.fromkeys(map(id, rows), 0)
    for rank in range(MAX_FULL_MAPS):
        for row in rows:
            cells = int(np.prod(_grid(row)))
            is_wanted = rank < len(row.units) and counts[id(row)] == rank and shapes[id(row)] != _grid(row)
            if is_wanted and cells <= room:
                room -= cells
                counts[id(row)] += 1
    return counts


def _quantize(maps: NDArray[np.float32], step: int) -> tuple[bytes, NDArray[np.float32]]:
    """Return maps with one byte per value, a multiple of ``step`` or the largest code, and the largest absolute value of each.

    Few distinct codes compress well.
    """
    peaks: NDArray[np.float32] = np.abs(maps).max(axis=(1, 2, 3), initial=0.0)
    scale = np.where(peaks > 0, peaks, 1)[:, None, None, None]
    codes = step * np.round(127 * (maps / scale) / step)
    return codes.clip(-127, 127).astype("i1").tobytes(), peaks


def _mean_pool(maps: NDArray[np.float32], shape: Grid) -> NDArray[np.float32]:
    """Return maps (unit, time, height, width) with fewer cells, each the mean of the cells that it covers."""
    time, height, width = (_overlaps(cells, fewer) for cells, fewer in zip(maps.shape[1:], shape, strict=True))
    pooled: NDArray[np.float32] = np.einsum("uthw,at,bh,cw->uabc", maps, time, height, width, optimize=True)
    return pooled.astype(np.float32)


def _overlaps(cells: int, parts: int) -> NDArray[np.float64]:
    """Return the share of each cell in each of ``parts`` equal parts of an axis: (parts, cells)."""
    ends = np.arange(parts + 1) * cells / parts
    starts = np.arange(cells)
    low, high = np.maximum(ends[:-1, None], starts), np.minimum(ends[1:, None], starts + 1)
    return (high - low).clip(min=0) * parts / cells


def _pooled_geometry(geometry: Geometry, grid: Grid, shape: Grid) -> Geometry:
    """Return the geometry of maps that were pooled from ``grid`` to ``shape``."""
    factors = [cells / fewer for cells, fewer in zip(grid, shape, strict=True)]
    rows = np.interp((np.arange(shape[0]) + 0.5) * factors[0] - 0.5, np.arange(grid[0]), geometry.rows)
    step = (geometry.step[0] * factors[1], geometry.step[1] * factors[2])
    origin = [start + (new - old) / 2 for start, new, old in zip(geometry.origin, step, geometry.step, strict=True)]
    return Geometry(rows, (origin[0], origin[1]), step)
