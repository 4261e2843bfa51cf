"""Random pyramids without torch: any number of rows, equal scores, several parents or none, links against and unknown."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from notebook_explain.clip import Clip
from notebook_explain.explanations import Geometry, Provenance, TargetResult
from notebook_explain.explanations.pyramid.pyramid import Edge, Pyramid, Row, Unit
from notebook_explain.explanations.pyramid.units import CONV, IDENTITY, UNKNOWN

KINDS = ("kernel", "sum", "kernel")


def random_pyramid(
    seed: int = 0,
    *,
    rows: int = 6,
    units: tuple[int, int] = (3, 12),
    links: int = 4,
    grid: tuple[int, int, int] = (4, 6, 5),
    size: tuple[int, int, int] = (8, 24, 30),
    name: str = "wave",
) -> Pyramid:
    """Return a pyramid of a class, ``rows`` rows of kernels and sums, and the clip; a unit has up to ``links`` parents."""
    rng, more = np.random.default_rng(seed), np.random.default_rng([seed, 1])
    counts = [1, *rng.integers(*units, rows, endpoint=True).tolist(), 3]
    firsts = np.cumsum([0, *counts])
    all_rows, all_units, edges = [], [], []
    for row, count in enumerate(counts):
        kind = "class" if row == 0 else "input" if row == rows + 1 else KINDS[row % 3]
        width = 3 if kind == "input" else 4 * count
        scores = np.round(np.sort(rng.exponential(size=count))[::-1] / 4 / count, 3).clip(
            0, 1
        )  # rounded, so that some are equal
        channels = np.arange(3) if kind == "input" else rng.permutation(width)[:count]
        for score, channel in zip(scores, channels, strict=True):
            direction = 1 if row == 0 or rng.random() < 0.8 else -1
            map_direction = -direction if len(all_units) > 1 and more.random() < 0.1 else direction
            remainder = None if kind == "input" else float(np.round(more.normal(), 3))
            value = 1.0 if row == 0 else float(score)
            all_units.append(Unit(row, int(channel), value, direction, map_direction, remainder))
        for child in range(firsts[row], firsts[row + 1]) if row else ():
            lowest = max(firsts[row - 1], firsts[max(row - 2, 0)]) if rng.random() < 0.7 else 0
            parent_count = rng.integers(1, links, endpoint=True) if row == 1 or rng.random() < 0.9 else 0
            parents = rng.integers(lowest, firsts[row], parent_count)
            for parent in set(parents.tolist()):
                share = float(rng.random())
                sign = -1 if all_units[parent].direction < 0 else 1
                edge_kind = IDENTITY if rng.random() < 0.2 else str(more.choice([CONV, UNKNOWN], p=[0.94, 0.06]))
                edges.append(Edge(child, parent, sign * share * 3, share, edge_kind))
        maps = geometry = receptive_field = None
        if kind in ("kernel", "sum"):
            maps = rng.normal(size=(count, *grid)).astype(np.float32) * rng.exponential()
            geometry, receptive_field = Geometry.even(grid, size), (3, 5 + 2 * row, 5 + 2 * row)
        indices = tuple(range(firsts[row], firsts[row + 1]))
        titles = {"class": "head", "input": "clip", "sum": f"sum in block{row}", "kernel": f"block{row}.conv"}
        coverage = 1.0 if row == 0 else round(float(rng.uniform(0.6, 1)), 3)
        all_rows.append(Row(titles[kind], kind, width, indices, coverage, maps, geometry, receptive_field))
    target = TargetResult(name, 1, "", 2.5, 0.7, top5=((name, 0.7), ("clap", 0.2)))
    clip = Clip(rng.integers(0, 256, (*size, 3), np.uint8), times=np.arange(size[0]) / 8, source="by hand")
    provenance = Provenance("Class feature pyramid, by hand", {}, "none", {}, {"numpy": np.__version__}, 0.1, 1, 0)
    totals = np.zeros(len(all_units))
    for edge in edges:
        totals[edge.parent] += edge.share
    totals /= more.uniform(0.8, 0.95, len(totals))  # channels that are not shown have the rest
    edges = [replace(edge, share=edge.share / totals[edge.parent]) for edge in edges]
    is_against = more.random(len(edges)) < 0.15
    edges = [
        replace(edge, share=-edge.share, contribution=-edge.contribution) if flipped and edge.parent else edge
        for edge, flipped in zip(edges, is_against.tolist(), strict=True)
    ]
    edges = [replace(edge, contribution=0.0) if edge.kind == UNKNOWN else edge for edge in edges]
    edges = [replace(edge, share=abs(edge.share)) if edge.kind == UNKNOWN else edge for edge in edges]
    order = rng.permutation(len(edges))
    return Pyramid(clip, target, tuple(all_rows), tuple(all_units), tuple(edges[k] for k in order.tolist()), provenance)


def r3d_18_names() -> list[str]:
    """Return the names of the rows of a torchvision r3d_18, between the class and the clip."""
    names = []
    for layer, block in ((layer, block) for layer in (4, 3, 2, 1) for block in (1, 0)):
        name = f"layer{layer}.{block}"
        shortcut = [f"{name}.downsample.0"] if block == 0 and layer > 1 else []
        names += [f"sum in {name}", *shortcut, f"{name}.conv2.0", f"{name}.conv1.0"]
    return [*names, "stem.0"]


def r3d_18_pyramid(names: list[str] | None = None) -> Pyramid:
    """Return a random pyramid with the rows of an r3d_18, of up to 64 units each; ``names`` replaces their names."""
    names = names or r3d_18_names()
    pyramid = random_pyramid(3, rows=len(names), units=(14, 64), links=8, size=(8, 56, 56), grid=(4, 7, 7))
    titles = ["fc", *names, "clip"]
    rows = [
        replace(row, name=name, kind=row.kind if row.maps is None else "sum" if name.startswith("sum") else "kernel")
        for row, name in zip(pyramid.rows, titles, strict=True)
    ]
    edges = [
        replace(edge, kind=CONV, contribution=3 * edge.share) if edge.kind == UNKNOWN else edge
        for edge in pyramid.edges
    ]
    kept = set(pyramid.prune(0))
    for row, above in zip(pyramid.rows[1:], pyramid.rows, strict=False):  # as in real pyramids, every unit has a parent
        edges += [Edge(unit, above.units[0], 0.03, 0.01, CONV) for unit in row.units if unit not in kept]
    provenance = replace(pyramid.provenance, knobs={"contribution": "gradient_x_activation"})
    return replace(pyramid, rows=tuple(rows), edges=tuple(edges), provenance=provenance)


def deep_pyramid(rows: int = 120, units: int = 64, links: int = 30) -> Pyramid:
    """Return a pyramid as large as that of a DenseNet-121: 120 rows of 64 units, about 94,000 edges, 28 x 28 maps."""
    return random_pyramid(5, rows=rows, units=(units, units), links=links, grid=(4, 28, 28), size=(16, 112, 112))
