"""Step 5 of a pyramid: turn the rows of a descent into a Pyramid, with names, maps and geometry."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from notebook_explain.clip import Clip
from notebook_explain.explanations import Geometry, Provenance, TargetResult
from notebook_explain.explanations.pyramid.pyramid import CLASS, INPUT, Edge, Pyramid, Row, Unit
from notebook_explain.methods.feature_pyramid.child_table import UnitKey
from notebook_explain.methods.feature_pyramid.descent_state import DescentRow
from notebook_explain.methods.feature_pyramid.layer_records import LayerKey, LayerRecords
from notebook_explain.models import VideoModel
from notebook_explain.models.channel_graph import ChannelGraph


@dataclass(eq=False)
class PyramidBuilder:
    """A pyramid that grows row by row from the class down; it can be read after each row.

    Attributes
    ----------
    model : VideoModel
    graph : ChannelGraph
    records : LayerRecords
    clip : Clip
        Frames that the network saw.
    target : TargetResult
    rows, units, edges
        Parts of the pyramid so far.
    unit_indices : dict of unit key to int
        Index of each unit in ``units``.
    remainders : list of float, or None
        For each unit, what channels add to it that are not linked to it so far; None if that was not computed.
    """

    model: VideoModel
    graph: ChannelGraph
    records: LayerRecords
    clip: Clip
    target: TargetResult
    rows: list[Row] = field(default_factory=list)
    units: list[Unit] = field(default_factory=list)
    edges: list[Edge] = field(default_factory=list)
    unit_indices: dict[UnitKey, int] = field(default_factory=dict)
    remainders: list[float | None] = field(default_factory=list)

    @property
    def reaches_clip(self) -> bool:
        """True if a colour of the clip is among the units."""
        return any(layer[0] == "input" for layer, _ in self.unit_indices)

    def pyramid(self, provenance: Provenance) -> Pyramid:
        """Return the rows added so far as a pyramid."""
        units = (replace(unit, remainder=rest) for unit, rest in zip(self.units, self.remainders, strict=True))
        return Pyramid(self.clip, self.target, tuple(self.rows), tuple(units), tuple(self.edges), provenance)

    def add(self, row: DescentRow) -> None:
        """Add the units of a row, and the edges from them to units that were added before; skip an empty row."""
        if not row.channels:
            return
        first, row_index = len(self.units), len(self.rows)
        columns = zip(row.channels, row.scores, row.directions, row.map_directions, strict=True)
        for channel, score, direction, map_direction in columns:
            self.unit_indices[row.layer, channel] = len(self.units)
            self.units.append(Unit(row_index, channel, min(1.0, score), direction, map_direction))
        self.remainders += [None] * len(row.channels) if row.totals is None else row.totals
        indices = tuple(range(first, len(self.units)))
        kind = row.layer[0] if row.edges else CLASS  # no edge leads to the class
        name, width, receptive_field = self._describe(row.layer)
        maps, geometry = (None, None) if kind in (CLASS, INPUT) else self._maps(row.layer, row.channels)
        self.rows.append(Row(name, kind, width, indices, row.coverage, maps, geometry, receptive_field))
        for edge in row.edges:
            if edge.child not in self.unit_indices:
                continue
            child, parent = self.unit_indices[edge.child], self.unit_indices[edge.parent]
            self.edges.append(Edge(child, parent, edge.contribution, edge.share, edge.kind))
            rest = self.remainders[parent]
            self.remainders[parent] = None if rest is None else rest - edge.contribution

    def _describe(self, layer: LayerKey) -> tuple[str, int, tuple[int, int, int] | None]:
        """Return the name, width and receptive field of a layer, a sum or the clip."""
        kind, index = layer
        if kind == "input":
            name = "clip" if index == 0 else f"clip, pathway {index}"
            return name, self.model.preprocessing.channels, (1, 1, 1)
        if kind == "sum":
            addition = self.graph.sums[index]
            return addition.name, addition.channels, addition.receptive_field
        kernels = self.graph.layers[index]
        return kernels.name, kernels.out_channels, kernels.receptive_field

    def _maps(self, layer: LayerKey, channels: list[int]) -> tuple[NDArray[np.float32] | None, Geometry | None]:
        """Return the outputs of some channels, (unit, time, height, width), and their geometry; None without such axes."""
        kind, index = layer
        if kind == "sum":
            axis, site = self.graph.sums[index].axis, self.graph.sums[index].site
        else:
            kernels = self.graph.layers[index]
            axis, site = -1 - len(kernels.kernel), kernels.site
        volume = _volume(self.records.activations[layer], axis, len(self.clip))
        if volume is None:
            return None, None
        maps = volume[channels].float().cpu().numpy()
        return maps, _geometry(self.model, site.module, maps.shape[1:], self.clip)


def _volume(activation: Tensor, axis: int, frames: int) -> Tensor | None:
    """Return a layer's output as (channel, time, height, width); None if it has no height and width."""
    if activation.ndim == 5 and len(activation) == 1 and axis % 5 == 1:
        return activation[0]
    if activation.ndim == 4 and axis % 4 == 1 and frames % len(activation) == 0:  # the batch axis holds the frames
        return activation.transpose(0, 1)
    return None


def _geometry(model: VideoModel, module: str, grid: tuple[int, ...], clip: Clip) -> Geometry:
    """Return the geometry that the model measured for a module; an even grid where it has none for this number of rows."""
    time, height, width = grid
    try:
        known = model.layer(module).geometry
    except ValueError:
        known = None
    if known is not None and len(known.rows) == time:
        return known
    return Geometry.even((time, height, width), clip.size)
