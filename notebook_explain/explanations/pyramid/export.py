"""Export a pyramid as plain values: a graph, or the nested tree that D3 reads."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from notebook_explain._errors import UsageError
from notebook_explain.explanations.pyramid.units import Edge

if TYPE_CHECKING:
    from notebook_explain.explanations.pyramid.pyramid import Pyramid

FORMAT, VERSION = "notebook_explain.pyramid", 1


def graph(pyramid: Pyramid) -> dict[str, Any]:
    """Return ``rows``, ``nodes`` and ``links`` (no maps), ready for ``json.dumps``."""
    rows = [
        {
            "name": row.name,
            "kind": row.kind,
            "width": row.width,
            "coverage": row.coverage,
            "receptive_field": row.receptive_field and list(row.receptive_field),
        }
        for row in pyramid.rows
    ]
    nodes = [
        {
            "id": index,
            "row": unit.row,
            "layer": pyramid.rows[unit.row].name,
            "kind": pyramid.rows[unit.row].kind,
            "channel": unit.channel,
            "score": unit.score,
            "direction": unit.direction,
            "map_direction": unit.map_direction,
            "remainder": unit.remainder,
        }
        for index, unit in enumerate(pyramid.units)
    ]
    links = [
        {
            "source": edge.child,
            "target": edge.parent,
            "contribution": edge.contribution,
            "share": edge.share,
            "kind": edge.kind,
        }
        for edge in pyramid.edges
    ]
    return {"target": pyramid.target.name, "logit": pyramid.target.logit, "rows": rows, "nodes": nodes, "links": links}


def tree(pyramid: Pyramid) -> dict[str, Any]:
    """Return nested dicts of ``name``, ``score`` and ``children``; each unit has the parent that it contributes most to."""
    best: dict[int, tuple[float, Edge]] = {}
    for edge in pyramid.edges:
        weight = edge.share * pyramid.units[edge.parent].score
        if edge.child not in best or weight > best[edge.child][0]:
            best[edge.child] = weight, edge
    branches: list[dict[str, Any]] = [
        {"name": f"{pyramid.rows[unit.row].name} {unit.channel}", "score": unit.score, "children": []}
        for unit in pyramid.units
    ]
    for child, (_, edge) in best.items():
        branches[edge.parent]["children"].append(branches[child])
    roots = [branch for index, branch in enumerate(branches) if index not in best]
    return {"name": pyramid.target.name, "children": roots}


def text(pyramid: Pyramid, *, nested: bool) -> str:
    """Return the graph or the tree as JSON, with its format and provenance; paths are stripped for privacy."""
    body = {"tree": tree(pyramid)} if nested else graph(pyramid)
    document = {
        "format": FORMAT,
        "version": VERSION,
        **body,
        "clip": pyramid.clip.name,
        "provenance": json.loads(pyramid.provenance.to_json()),
    }
    try:
        return json.dumps(document, indent=1, ensure_ascii=False, allow_nan=False)
    except RecursionError:  # about 450 nested rows
        raise UsageError(
            f"a tree of {len(pyramid.rows)} rows is too deep for JSON; pass nested=False to write the graph"
        ) from None
