"""From what a climb found to the pyramid, row by row: units by score, edges, their maps and where these lie."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from notebook_explain.clip import Clip
from notebook_explain.explanations import Geometry, Provenance, TargetResult
from notebook_explain.explanations.pyramid.pyramid import CLASS, INPUT, Edge, Pyramid, Row, Unit
from notebook_explain.methods.feature_pyramid.descent import Descent, Group
from notebook_explain.methods.feature_pyramid.layer_records import LayerRecords
from notebook_explain.models import VideoModel
from notebook_explain.models.channel_graph import ChannelGraph


@dataclass(eq=False)
class PyramidBuilder:
    """A pyramid that grows from the class down: at any time, what it is made of so far is a pyramid.

    Attributes
    ----------
    model, wired, passed : what the climb stands on
    clip : Clip
        The frames that the network saw.
    target : TargetResult
    told : function
        Where the pyramid comes from, as of now.
    """

    model: VideoModel
    wired: ChannelGraph
    passed: LayerRecords
    clip: Clip
    target: TargetResult
    told: Callable[[], Provenance]
    rows: list[Row] = field(default_factory=list)
    units: list[Unit] = field(default_factory=list)
    edges: list[Edge] = field(default_factory=list)
    places: dict[tuple[Group, int], int] = field(default_factory=dict)

    def pyramid(self) -> Pyramid:
        """What is there."""
        return Pyramid(self.clip, self.target, tuple(self.rows), tuple(self.units), tuple(self.edges), self.told())

    def add(self, group: Group, walk: Descent) -> None:
        """Add the kept nodes of a group, and the edges from them to what is there already."""
        first, row = len(self.units), len(self.rows)
        for channel in walk.kept[group]:
            self.places[group, channel] = len(self.units)
            direction = -1 if walk.flows[group][channel] < 0 else 1
            self.units.append(Unit(row, channel, min(1.0, walk.scores[group][channel]), direction))
        shown = tuple(range(first, len(self.units)))
        kind = group[0] if walk.steps[group] else CLASS  # nothing leads to a class
        name, width, field = self._about(group)
        maps, geometry = (None, None) if kind in (CLASS, INPUT) else self._maps(group, walk)
        self.rows.append(Row(name, kind, width, shown, walk.coverage(group), maps, geometry, field))
        self.edges += [
            Edge(self.places[step.child], self.places[step.parent], step.contribution, step.share, step.kind)
            for step in walk.steps[group]
            if step.child in self.places
        ]

    def _about(self, group: Group) -> tuple[str, int, tuple[int, int, int] | None]:
        """Name, width and receptive field."""
        if group[0] == "input":
            return "clip" if group[1] == 0 else f"clip, pathway {group[1]}", 3, (1, 1, 1)
        if group[0] == "sum":
            each = self.wired.sums[group[1]]
            return each.name, each.channels, each.receptive_field
        layer = self.wired.layers[group[1]]
        return layer.name, layer.out_channels, layer.receptive_field

    def _maps(self, group: Group, walk: Descent) -> tuple[NDArray[np.float32] | None, Geometry | None]:
        """What the kept nodes put out, (unit, time, height, width), and where it lies; None without a place in the clip."""
        if group[0] == "sum":
            axis, site = self.wired.sums[group[1]].axis, self.wired.sums[group[1]].site
        else:
            layer = self.wired.layers[group[1]]
            axis, site = -1 - len(layer.kernel), layer.site
        volume = _volume(self.passed.made[group], axis, len(self.clip))
        if volume is None:
            return None, None
        maps = volume[walk.kept[group]].float().cpu().numpy()
        return maps, _geometry(self.model, site.module, maps.shape[1:], self.clip)


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
