"""From what a climb found to the pyramid: rows from the class down, units by score, their maps and where these lie."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from notebook_explain.clip import Clip
from notebook_explain.explanations import Geometry, Provenance, TargetResult
from notebook_explain.explanations.pyramids import CLASS, Edge, Pyramid, Row, Unit
from notebook_explain.methods.feature_pyramid.climbing import Climb, Group
from notebook_explain.methods.feature_pyramid.passing import Passed
from notebook_explain.models import VideoModel
from notebook_explain.models.connectivity import Connections


def assembled(
    model: VideoModel,
    wired: Connections,
    passed: Passed,
    clip: Clip,
    target: TargetResult,
    groups: list[Group],
    walk: Climb,
    provenance: Provenance,
) -> Pyramid:
    """Put a pyramid together from the kept nodes of each group, in the order in which they were reached."""
    tops = {step.parent[0] for step in walk.steps} - {step.child[0] for step in walk.steps} or set(groups[:1])
    units: list[Unit] = []
    rows: list[Row] = []
    places: dict[tuple[Group, int], int] = {}
    for at, group in enumerate(groups):
        first = len(units)
        for channel in walk.kept[group]:
            places[group, channel] = len(units)
            direction = -1 if walk.flows[group][channel] < 0 else 1
            units.append(Unit(at, channel, min(1.0, walk.scores[group][channel]), direction))
        kind = CLASS if group in tops else group[0]
        maps, geometry = (None, None) if kind in (CLASS, "input") else _maps(model, wired, passed, clip, group, walk)
        shown = tuple(range(first, len(units)))
        rows.append(Row(_name(wired, group), kind, _width(wired, group), shown, walk.coverage(group), maps, geometry))
    edges = tuple(
        Edge(places[step.child], places[step.parent], step.contribution, step.share, step.kind)
        for step in walk.steps
        if step.child in places
    )
    return Pyramid(clip, target, tuple(rows), tuple(units), edges, provenance)


def _name(wired: Connections, group: Group) -> str:
    if group[0] == "input":
        return "clip" if group[1] == 0 else f"clip, pathway {group[1]}"
    return wired.layers[group[1]].name if group[0] == "kernel" else wired.sums[group[1]].name


def _width(wired: Connections, group: Group) -> int:
    if group[0] == "input":
        return 3
    return wired.layers[group[1]].out_channels if group[0] == "kernel" else wired.sums[group[1]].channels


def _maps(
    model: VideoModel, wired: Connections, passed: Passed, clip: Clip, group: Group, walk: Climb
) -> tuple[NDArray[np.float32] | None, Geometry | None]:
    """What the kept nodes put out, (unit, time, height, width), and where its cells lie; None without a place in the clip."""
    axis = wired.sums[group[1]].axis if group[0] == "sum" else -1 - len(wired.layers[group[1]].kernel)
    volume = _volume(passed.made[group], axis, len(clip))
    if volume is None:
        return None, None
    maps = volume[walk.kept[group]].float().cpu().numpy()
    site = wired.layers[group[1]].site if group[0] == "kernel" else wired.sums[group[1]].site
    return maps, _geometry(model, site.module, maps.shape[1:], clip)


def _volume(made: Tensor, axis: int, frames: int) -> Tensor | None:
    """(channel, time, height, width) of what a layer puts out; None where it has no height and width."""
    if made.ndim == 5 and len(made) == 1 and axis % 5 == 1:
        return made[0]
    if made.ndim == 4 and axis % 4 == 1 and frames % len(made) == 0:  # the frames are in the batch
        return made.transpose(0, 1)
    return None


def _geometry(model: VideoModel, module: str, grid: tuple[int, ...], clip: Clip) -> Geometry:
    """As the model's survey measured it for this module; evenly divided where it did not."""
    time, height, width = grid
    try:
        known = model.layer(module).geometry
    except ValueError:
        known = None
    if known is not None and len(known.rows) == time:
        return known
    return Geometry.even((time, height, width), clip.size)
