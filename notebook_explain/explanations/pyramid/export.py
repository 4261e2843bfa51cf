"""A pyramid as plain values for other programs: the graph that it is, and the nested tree that D3 reads."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from notebook_explain._errors import UsageError
from notebook_explain.explanations.pyramid.units import Edge

if TYPE_CHECKING:
    from notebook_explain.explanations.pyramid.pyramid import Pyramid

FORMAT, VERSION = "notebook_explain.pyramid", 1


def graph(pyramid: Pyramid) -> dict[str, Any]:
    """``rows``, ``nodes`` and ``links`` (no maps), ready for ``json.dumps``."""
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
            "id": at,
            "row": unit.row,
            "layer": pyramid.rows[unit.row].name,
            "kind": pyramid.rows[unit.row].kind,
            "channel": unit.channel,
            "score": unit.score,
            "direction": unit.direction,
        }
        for at, unit in enumerate(pyramid.units)
    ]
    links = [
        {"source": e.child, "target": e.parent, "contribution": e.contribution, "share": e.share, "kind": e.kind}
        for e in pyramid.edges
    ]
    return {"target": pyramid.target.name, "logit": pyramid.target.logit, "rows": rows, "nodes": nodes, "links": links}


def tree(pyramid: Pyramid) -> dict[str, Any]:
    """Nested dicts of ``name``, ``score`` and ``children``; each unit hangs under the parent that it gives most to."""
    best: dict[int, Edge] = {}
    for edge in pyramid.edges:
        held = best.get(edge.child)
        weight = edge.share * pyramid.units[edge.parent].score
        if held is None or weight > held.share * pyramid.units[held.parent].score:
            best[edge.child] = edge
    branches: list[dict[str, Any]] = [
        {"name": f"{pyramid.rows[unit.row].name} {unit.channel}", "score": unit.score, "children": []}
        for unit in pyramid.units
    ]
    for child, edge in best.items():
        branches[edge.parent]["children"].append(branches[child])
    tops = [branch for at, branch in enumerate(branches) if at not in best]
    return {"name": pyramid.target.name, "children": tops}


def text(pyramid: Pyramid, *, nested: bool) -> str:
    """JSON of the graph or the tree, with its format and where it comes from; folders are nobody else's business."""
    body = {"tree": tree(pyramid)} if nested else graph(pyramid)
    whole = {
        "format": FORMAT,
        "version": VERSION,
        **body,
        "clip": pyramid.clip.name,
        "provenance": json.loads(pyramid.provenance.to_json()),
    }
    try:
        return json.dumps(whole, indent=1, ensure_ascii=False, allow_nan=False)
    except RecursionError:  # some 450 rows, one in the other
        raise UsageError(
            f"a tree of {len(pyramid.rows)} rows is too deep for JSON; write the graph, nested=False"
        ) from None
