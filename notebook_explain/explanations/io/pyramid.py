"""Read and write pyramids."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from notebook_explain._errors import UsageError
from notebook_explain.explanations.geometry import Geometry
from notebook_explain.explanations.io.fields import (
    Arrays,
    pack_clip,
    pack_target,
    read_clip,
    read_fraction,
    read_geometry,
    read_int,
    read_maps,
    read_str,
    read_target,
)
from notebook_explain.explanations.io.npz import RefusedError
from notebook_explain.explanations.provenance import Provenance
from notebook_explain.explanations.pyramid.pyramid import Pyramid
from notebook_explain.explanations.pyramid.units import EDGE_KINDS, ROW_KINDS, Edge, Row, Unit

MAX_ROWS, MAX_WIDTH = 4096, 2**24  # more layers, and more channels of one layer, than any network has
_Table = NDArray[Any]


def pack(pyramid: Pyramid) -> tuple[dict[str, Any], Arrays]:
    """Return JSON fields and arrays; raise ValueError for a map or a number that `unpack` would refuse."""
    units, edges = pyramid.units, pyramid.edges
    arrays: Arrays = {
        "unit_channels": np.array([(unit.channel, unit.direction) for unit in units], np.int64).reshape(-1, 2),
        "unit_map_directions": np.array([unit.map_direction for unit in units], np.int64),
        "unit_scores": np.array([unit.score for unit in units], np.float64),
        "edge_ends": np.array(
            [(edge.child, edge.parent, EDGE_KINDS.index(edge.kind)) for edge in edges], np.int64
        ).reshape(-1, 3),
        "edge_weights": np.array([(edge.contribution, edge.share) for edge in edges], np.float64).reshape(-1, 2),
    }
    known = [unit.remainder is not None for unit in units]
    arrays["remainder_known"] = np.array(known, np.int64)
    arrays["unit_remainders"] = np.array([unit.remainder or 0.0 for unit in units], np.float64)
    for name in ("unit_scores", "unit_remainders", "edge_weights"):
        if not np.isfinite(arrays[name]).all():
            raise UsageError(f"it holds {name.replace('_', ' ')} that are not finite")
    text = {
        "clip": pack_clip(pyramid.clip, arrays),
        "target": pack_target(pyramid.target),
        "rows": [_pack_row(row, index, arrays) for index, row in enumerate(pyramid.rows)],
        "provenance": asdict(pyramid.provenance),
    }
    return text, arrays


def _pack_row(row: Row, index: int, arrays: Arrays) -> dict[str, Any]:
    entry: dict[str, Any] = {
        "name": row.name,
        "kind": row.kind,
        "width": row.width,
        "units": len(row.units),
        "coverage": row.coverage,
        "receptive_field": row.receptive_field,
        "origin": None,
        "step": None,
    }
    if row.maps is not None and row.geometry is not None:
        if not np.isfinite(row.maps).all():
            raise UsageError(f"row {row.name!r} holds values that are not finite")
        arrays[f"maps_{index}"], arrays[f"times_{index}"] = row.maps, row.geometry.rows
        entry |= {"origin": row.geometry.origin, "step": row.geometry.step}
    return entry


def unpack(text: Mapping[str, Any], arrays: Mapping[str, _Table]) -> Pyramid:
    """Read what `pack` returned."""
    clip, target = read_clip(text["clip"], arrays), read_target(text["target"])
    entries = text["rows"]
    if not isinstance(entries, list) or not 0 < len(entries) <= MAX_ROWS:
        raise RefusedError(f"it does not hold 1 to {MAX_ROWS:,} rows")
    channels, scores = _table(arrays, "unit_channels", np.int64, 2), _table(arrays, "unit_scores", np.float64)
    ends, weights = _table(arrays, "edge_ends", np.int64, 3), _table(arrays, "edge_weights", np.float64, 2)
    if len(channels) != len(scores) or len(ends) != len(weights):
        raise RefusedError("its units or edges are incomplete")
    rows: list[Row] = []
    first = 0
    for index, entry in enumerate(entries):
        count = read_int(entry["units"])
        if not 0 < count <= len(channels) - first:
            raise RefusedError(f"row {index} has {count} units, but only {len(channels) - first} are left")
        rows.append(_row(entry, index, range(first, first + count), arrays, clip.size))
        first += count
    if first != len(channels):
        raise RefusedError(f"its rows hold {first} of {len(channels)} units")
    row_of = np.repeat(np.arange(len(rows)), [len(row.units) for row in rows])
    units = _units(channels, scores, row_of, np.array([row.width for row in rows]))
    units = _with_signs(units, arrays)
    return Pyramid(clip, target, tuple(rows), units, _edges(ends, weights, row_of), Provenance.of(text["provenance"]))


def _table(arrays: Mapping[str, _Table], name: str, kind: type, columns: int | None = None) -> _Table:
    table = arrays[name]
    if table.dtype != kind or table.shape[1:] != (() if columns is None else (columns,)) or table.ndim < 1:
        raise RefusedError(f"its {name.replace('_', ' ')} are not a table of {columns or 1} columns")
    if not np.isfinite(table).all():
        raise RefusedError(f"its {name.replace('_', ' ')} are not finite")
    return table


def _units(channels: _Table, scores: _Table, row_of: _Table, widths: _Table) -> tuple[Unit, ...]:
    if np.any((channels[:, 0] < 0) | (channels[:, 0] >= widths[row_of])):
        raise RefusedError("a unit has a channel that its layer does not have")
    if np.any(np.abs(channels[:, 1]) != 1) or np.any((scores < 0) | (scores > 1)):
        raise RefusedError("a unit has a score outside 0..1, or a direction other than 1 and -1")
    rows = zip(row_of.tolist(), channels.tolist(), scores.tolist(), strict=True)
    return tuple(Unit(row, channel, score, direction) for row, (channel, direction), score in rows)


def _with_signs(units: tuple[Unit, ...], arrays: Mapping[str, _Table]) -> tuple[Unit, ...]:
    """Add the directions of the maps and the remainders, which older files do not hold."""
    names = ("unit_map_directions", "remainder_known", "unit_remainders")
    if not any(name in arrays for name in names):
        return units
    directions, known = (_table(arrays, name, np.int64) for name in names[:2])
    remainders = _table(arrays, names[2], np.float64)
    if not len(directions) == len(known) == len(remainders) == len(units):
        raise RefusedError("its units or edges are incomplete")
    if np.any(np.abs(directions) != 1) or np.any((known != 0) & (known != 1)):
        raise RefusedError("a unit has a direction of its map other than 1 and -1, or a flag other than 0 and 1")
    columns = zip(units, directions.tolist(), known.tolist(), remainders.tolist(), strict=True)
    return tuple(
        replace(unit, map_direction=direction, remainder=rest if is_known else None)
        for unit, direction, is_known, rest in columns
    )


def _edges(ends: _Table, weights: _Table, row_of: _Table) -> tuple[Edge, ...]:
    if len(ends):
        if ends[:, :2].min() < 0 or ends[:, :2].max() >= len(row_of):
            raise RefusedError("an edge leads to a unit that does not exist")
        if np.any(row_of[ends[:, 1]] >= row_of[ends[:, 0]]):
            raise RefusedError("an edge does not lead to a higher row")
        if ends[:, 2].min() < 0 or ends[:, 2].max() >= len(EDGE_KINDS) or np.any(weights[:, 1] > 1):
            raise RefusedError("an edge has a share above 1 or an unknown kind")
    return tuple(
        Edge(child, parent, contribution, share, EDGE_KINDS[kind])
        for (child, parent, kind), (contribution, share) in zip(ends.tolist(), weights.tolist(), strict=True)
    )


def _row(entry: Any, index: int, units: range, arrays: Mapping[str, _Table], size: tuple[int, int, int]) -> Row:
    width, kind = read_int(entry["width"]), read_str(entry["kind"])
    if kind not in ROW_KINDS or not 0 < width <= MAX_WIDTH:
        raise RefusedError(f"row {index} has the unknown kind {kind[:40]!r} or the width {width}")
    maps, geometry = None, None
    if entry["origin"] is not None:
        maps, geometry = _maps(entry, index, len(units), arrays, size)
    return Row(
        read_str(entry["name"]),
        kind,
        width,
        tuple(units),
        read_fraction(entry["coverage"]),
        maps,
        geometry,
        _receptive_field(entry["receptive_field"], index),
    )


def _maps(
    entry: Any, index: int, units: int, arrays: Mapping[str, _Table], size: tuple[int, int, int]
) -> tuple[NDArray[np.float32], Geometry]:
    maps = read_maps(f"row {index}", arrays[f"maps_{index}"], units, "unit")
    time, height, width = maps.shape[1:]
    return maps, read_geometry(f"row {index}", arrays[f"times_{index}"], entry, (time, height, width), size)


def _receptive_field(value: Any, index: int) -> tuple[int, int, int] | None:
    if value is None:
        return None
    time, height, width = (read_int(part) for part in value)
    if not 0 < min(time, height, width) <= max(time, height, width) <= 2**31:
        raise RefusedError(f"row {index} has the impossible receptive field {value}")
    return time, height, width
