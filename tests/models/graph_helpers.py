"""Helpers for tests of which kernel feeds which: models without a survey, layers by name, routes as sets of names."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import nn

from notebook_explain.models import VideoModel
from notebook_explain.models.channel_graph import ChannelGraph, KernelLayer, Links, route
from notebook_explain.models.preprocessing import Preprocessing
from tests.models.perturbation_oracle import Key

Origins = list[set[tuple[str, int]]]  # for each channel, (layer or "input", kernel or colour)


class Base(nn.Module):
    """Two convolutions, pooling, a head; ``between`` is what the others change."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.norm = nn.Conv3d(3, 6, 3, padding=1), nn.BatchNorm3d(6)
        self.second = nn.Conv3d(6, 4, 3, padding=1)
        self.fc = nn.Linear(4, 5)

    def between(self, x: torch.Tensor) -> torch.Tensor:
        return F.relu(self.norm(x))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.fc(self.second(self.between(self.first(x))).mean((2, 3, 4)))


def as_model(net: nn.Module, frames: int = 4, size: int = 16, layout: str | tuple[int, ...] = "BCTHW") -> VideoModel:
    """A model as adapt makes it of what is stated, but for the layers to explain, which routes do not need."""
    return VideoModel(net, Preprocessing(size, frames, (0.45,) * 3, (0.225,) * 3, layout), {}, ())


def routed(net: nn.Module, frames: int = 4, size: int = 16, layout: str | tuple[int, ...] = "BCTHW") -> ChannelGraph:
    return route(as_model(net, frames, size, layout))


def origins(found: ChannelGraph, links: Links, *, gates: bool = False) -> Origins:
    """For each channel, the kernels that it comes from by the names of their layers."""
    return [
        {
            (node if node == "input" else found.layers[at].name, source)
            for node, at, source in found.origins(links, channel, gates=gates)
        }
        for channel in range(len(links))
    ]


def of_layer(found: ChannelGraph, name: str, *, gates: bool = False) -> Origins:
    return origins(found, found.layer(name).links, gates=gates)


def kernels(name: str, channels: range) -> Origins:
    """Kernel by kernel of one layer."""
    return [{(name, channel)} for channel in channels]


def keys(found: ChannelGraph) -> dict[Key, KernelLayer]:
    """Layers by module and number of the call, as hooks know them."""
    calls: dict[str, int] = {}
    result = {}
    for layer in found.layers:
        module = layer.site.module
        result[module, calls.get(module, 0)] = layer
        calls[module] = calls.get(module, 0) + 1
    return result
