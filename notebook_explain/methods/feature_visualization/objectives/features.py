"""Objectives of features: a channel, a unit, or a direction of a layer."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch

from notebook_explain._errors import UsageError, UsageTypeError
from notebook_explain._validation import check_int
from notebook_explain.explanations import Concepts
from notebook_explain.methods.feature_visualization.objectives.base import Objective
from notebook_explain.methods.feature_visualization.passes import Pass
from notebook_explain.models import VideoModel
from notebook_explain.models.heads import Head


@dataclass(frozen=True)
class Channel(Objective):
    """The mean of one channel over all positions of a layer.

    Attributes
    ----------
    layer : str
    channel : int
    """

    layer: str
    channel: int

    def __post_init__(self) -> None:
        _check_layer(self.layer)
        object.__setattr__(self, "channel", check_int("channel", self.channel, least=0))

    def __repr__(self) -> str:
        return f"Channel({self.layer!r}, {self.channel})"

    @property
    def layers(self) -> tuple[str, ...]:
        """Names of the layers whose activations it reads."""
        return (self.layer,)

    @property
    def title(self) -> str:
        """Name for readers."""
        return f"channel {self.channel} of {self.layer}"

    def resolved(self, model: VideoModel, heads: dict[str, Head], channels: dict[str, int]) -> Objective:
        """Return the same objective, checked against a pass of the network."""
        _check_channel(self.layer, self.channel, channels[self.layer])
        return self

    def scores(self, found: Pass) -> torch.Tensor:
        """Return a float tensor (clip,)."""
        return found.volumes[self.layer][:, self.channel].mean((1, 2, 3))


@dataclass(frozen=True)
class Unit(Objective):
    """One channel at one cell of a layer.

    Attributes
    ----------
    layer : str
    channel : int
    cell : (time, height, width) ints, optional
        Of the layer's grid; its centre by default.
    """

    layer: str
    channel: int
    cell: tuple[int, int, int] | None = None

    def __post_init__(self) -> None:
        _check_layer(self.layer)
        object.__setattr__(self, "channel", check_int("channel", self.channel, least=0))
        if self.cell is not None:
            if not isinstance(self.cell, (list, tuple)) or len(self.cell) != 3:
                raise UsageTypeError(f"cell must be three numbers (time, height, width), got {self.cell!r}")
            object.__setattr__(self, "cell", tuple(check_int("cell", index, least=0) for index in self.cell))

    def __repr__(self) -> str:
        return f"Unit({self.layer!r}, {self.channel}" + ("" if self.cell is None else f", {self.cell}") + ")"

    @property
    def layers(self) -> tuple[str, ...]:
        """Names of the layers whose activations it reads."""
        return (self.layer,)

    @property
    def title(self) -> str:
        """Name for readers."""
        return f"unit {self.channel} of {self.layer}" + ("" if self.cell is None else f" at {self.cell}")

    def resolved(self, model: VideoModel, heads: dict[str, Head], channels: dict[str, int]) -> Objective:
        """Return the same objective, checked against a pass of the network."""
        _check_channel(self.layer, self.channel, channels[self.layer])
        grid = model.layer(self.layer).grid
        t, y, x = grid
        cell = (t // 2, y // 2, x // 2) if self.cell is None else self.cell
        if any(index >= length for index, length in zip(cell, grid, strict=True)):
            raise UsageError(f"cell {cell} is outside of layer {self.layer!r}, whose grid is {grid}")
        return replace(self, cell=cell)

    def scores(self, found: Pass) -> torch.Tensor:
        """Return a float tensor (clip,)."""
        assert self.cell is not None
        t, y, x = self.cell
        return found.volumes[self.layer][:, self.channel, t, y, x]


@dataclass(frozen=True)
class Direction(Objective):
    """The mean activation of a layer along a direction, such as that of a concept.

    Attributes
    ----------
    layer : str
    values : tuple of float (channel,)
        Scaled to length 1.
    name : str
        For readers.
    """

    layer: str
    values: tuple[float, ...]
    name: str = ""

    def __post_init__(self) -> None:
        _check_layer(self.layer)
        array = np.asarray(self.values, np.float64)
        length = float(np.linalg.norm(array)) if array.ndim == 1 and array.size else 0.0
        if not np.isfinite(length) or length == 0:
            raise UsageError("values must be finite numbers, one for each channel, that are not all 0")
        object.__setattr__(self, "values", tuple((array / length).tolist()))

    @classmethod
    def of_concept(cls, concepts: Concepts, which: int | str) -> Direction:
        """Return the direction from the mean of the other clusters to a concept, at the layer of the concepts."""
        if " + " in concepts.layer:
            raise UsageError(f"these concepts are of several layers ({concepts.layer}), which have no common direction")
        index = concepts.index(which)
        others = np.delete(concepts.centres, index, axis=0)
        difference = concepts.centres[index] - (others.mean(0) if len(others) else 0)
        return cls(concepts.layer, tuple(difference.tolist()), concepts[index].name)

    def __repr__(self) -> str:
        name = f", {self.name!r}" if self.name else ""
        return f"Direction({self.layer!r}, {self.values}{name})"

    @property
    def layers(self) -> tuple[str, ...]:
        """Names of the layers whose activations it reads."""
        return (self.layer,)

    @property
    def title(self) -> str:
        """Name for readers."""
        return self.name or f"direction in {self.layer}"

    def resolved(self, model: VideoModel, heads: dict[str, Head], channels: dict[str, int]) -> Objective:
        """Return the same objective, checked against a pass of the network."""
        if len(self.values) != channels[self.layer]:
            raise UsageError(
                f"this direction has {len(self.values)} values, but layer {self.layer!r} has {channels[self.layer]} channels; "
                "was it made for another network?"
            )
        return self

    def scores(self, found: Pass) -> torch.Tensor:
        """Return a float tensor (clip,)."""
        volume = found.volumes[self.layer]
        return volume.mean((2, 3, 4)) @ torch.tensor(self.values, dtype=volume.dtype, device=volume.device)


def _check_layer(layer: Any) -> None:
    if not isinstance(layer, str):
        raise UsageTypeError(f"layer must be the name of a layer (str), got {layer!r}; model.layers lists them")


def _check_channel(layer: str, channel: int, count: int) -> None:
    if channel >= count:
        raise UsageError(f"channel {channel} is out of range; layer {layer!r} has channels 0 to {count - 1}")
