"""Helpers for tests of channel graphs: models without a layer trace, layers by call, origins as sets of names."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import nn

from notebook_explain.models import VideoModel
from notebook_explain.models.channel_graph import ChannelGraph, KernelLayer, Links, trace_channels
from notebook_explain.models.preprocessing import Preprocessing
from tests.models.perturbation_oracle import CallKey

Origins = list[set[tuple[str, int]]]  # for each channel: (layer name or "input", kernel or colour)
Layout = str | tuple[int, ...]


class TwoConvNet(nn.Module):
    """Two convolutions, pooling and a head; subclasses change ``between``."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.norm = nn.Conv3d(3, 6, 3, padding=1), nn.BatchNorm3d(6)
        self.second = nn.Conv3d(6, 4, 3, padding=1)
        self.fc = nn.Linear(4, 5)

    def between(self, x: torch.Tensor) -> torch.Tensor:
        return F.relu(self.norm(x))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.fc(self.second(self.between(self.first(x))).mean((2, 3, 4)))


def as_model(net: nn.Module, frames: int = 4, size: int = 16, layout: Layout = "BCTHW") -> VideoModel:
    """Return the model that adapt() makes from stated preprocessing, without layers, which tracing does not need."""
    return VideoModel(net, Preprocessing(size, frames, (0.45,) * 3, (0.225,) * 3, layout), {}, ())


def graph_of(net: nn.Module, frames: int = 4, size: int = 16, layout: Layout = "BCTHW") -> ChannelGraph:
    """Return the channel graph of a network."""
    return trace_channels(as_model(net, frames, size, layout))


def origins(graph: ChannelGraph, links: Links, *, gates: bool = False) -> Origins:
    """Return the kernels and colours that each channel comes from, with the names of their layers."""
    return [
        {
            (node if node == "input" else graph.layers[owner].name, source)
            for node, owner, source in graph.origins(links, channel, gates=gates)
        }
        for channel in range(len(links))
    ]


def layer_origins(graph: ChannelGraph, name: str, *, gates: bool = False) -> Origins:
    """Return the origins of a layer's input channels."""
    return origins(graph, graph.layer(name).links, gates=gates)


def kernels(name: str, channels: range) -> Origins:
    """Return origins in which each channel comes from one kernel of a layer."""
    return [{(name, channel)} for channel in channels]


def union(*lists: Origins) -> Origins:
    """Return the union of origins, channel by channel."""
    return [set.union(*sets) for sets in zip(*lists, strict=True)]


def layers_by_call(graph: ChannelGraph) -> dict[CallKey, KernelLayer]:
    """Return layers by module and number of the call, as module hooks identify them."""
    counts: dict[str, int] = {}
    result = {}
    for layer in graph.layers:
        module = layer.site.module
        result[module, counts.get(module, 0)] = layer
        counts[module] = counts.get(module, 0) + 1
    return result
