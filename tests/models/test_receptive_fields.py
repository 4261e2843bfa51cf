"""Receptive fields_of, against closed forms of known stacks and against cells that really change with the clip."""

from __future__ import annotations

import math

import pytest
import torch
from torch import nn

from notebook_explain import layers
from notebook_explain.models.channel_graph import ChannelGraph
from tests import zoo
from tests.models.graph_helpers import TwoConvNet, graph_of, layers_by_call
from tests.models.perturbation_oracle import LAYERS
from tests.zoo import wirings


def fields_of(graph: ChannelGraph) -> list[tuple[int, int, int] | None]:
    return [layer.receptive_field for layer in graph.layers]


def closed_form(windows: list[tuple[int, int, int]]) -> int:
    """Return the receptive field of consecutive windows of (cells, stride, dilation) along one axis."""
    size, distance = 1, 1
    for cells, stride, dilation in windows:
        size += (cells - 1) * dilation * distance
        distance *= stride
    return size


STACKS = {
    "3x3x3": [((3, 3, 3), (1, 1, 1), (1, 1, 1))] * 3,
    "strided": [
        ((3, 7, 7), (1, 2, 2), (1, 1, 1)),
        ((3, 3, 3), (2, 2, 2), (1, 1, 1)),
        ((3, 3, 3), (2, 1, 2), (1, 1, 1)),
    ],
    "dilated": [((3, 3, 5), (1, 1, 1), (1, 2, 1)), ((3, 3, 3), (1, 1, 1), (2, 3, 1))],
    "even": [((2, 2, 2), (2, 2, 2), (1, 1, 1)), ((2, 4, 2), (1, 1, 1), (1, 1, 1)), ((1, 3, 3), (1, 2, 2), (1, 1, 1))],
}


@pytest.mark.parametrize("pool", [False, True])
@pytest.mark.parametrize("stack", STACKS.values(), ids=STACKS)
def test_a_chain_of_layers_has_its_closed_form_receptive_field(stack, pool):
    parts: list[nn.Module] = []
    windows: list[list[tuple[int, int, int]]] = [[], [], []]
    expected = []
    for index, (kernel, stride, dilation) in enumerate(stack):
        padding = tuple(d * (k - 1) // 2 for k, d in zip(kernel, dilation, strict=True))
        parts += [nn.Conv3d(3 if index == 0 else 4, 4, kernel, stride, padding, dilation), nn.BatchNorm3d(4), nn.ReLU()]
        for axis in range(3):
            windows[axis].append((kernel[axis], stride[axis], dilation[axis]))
        expected.append(tuple(map(closed_form, windows)))
        if pool and index == 0:
            parts.append(nn.MaxPool3d((1, 3, 3), (1, 2, 2), (0, 1, 1)))
            for axis, (size, stride) in enumerate(((1, 1), (3, 2), (3, 2))):
                windows[axis].append((size, stride, 1))
    net = nn.Sequential(*parts, nn.AdaptiveAvgPool3d(1), nn.Flatten(), nn.Linear(4, 3)).eval()
    assert fields_of(graph_of(net, frames=16, size=32))[:-1] == expected


def visible_planes(net: nn.Module, entry: zoo.Entry) -> dict[tuple[str, int], list[tuple[int, int, int]]]:
    """Return, for each layer and axis of the clip, the first and last plane that the middle cell sees, and their number.

    Planes are set to NaN one by one: NaN spreads to everything computed from it, through zero weights and maxima too.
    """
    clip = torch.randn(1, 3, entry.frames, entry.size, entry.size, generator=torch.Generator().manual_seed(0))
    planes_seen: dict[tuple[str, int], list[list[int]]] = {}
    for axis in range(3):
        for plane in range(clip.shape[2 + axis]):
            changed = clip.clone()
            changed.select(2 + axis, plane).fill_(math.nan)
            for key, output in layer_outputs(net, arrange(changed, entry)).items():
                middle = output[0] if output.ndim in (2, 5) else output[len(output) // 2]
                cell = middle[(slice(None), *(n // 2 for n in middle.shape[1:]))] if middle.ndim > 1 else middle
                if cell.isnan().any():
                    planes_seen.setdefault(key, [[], [], []])[axis].append(plane)
    return {
        key: [(min(p), max(p), clip.shape[2 + axis]) for axis, p in enumerate(planes)]
        for key, planes in planes_seen.items()
    }


def arrange(clip: torch.Tensor, entry: zoo.Entry):
    if isinstance(entry.layout, tuple):
        return [clip[:, :, ::step].clone() for step in entry.layout]
    return clip.transpose(1, 2).contiguous() if entry.layout == "BTCHW" else clip


def layer_outputs(net: nn.Module, inputs) -> dict[tuple[str, int], torch.Tensor]:
    counts: dict[str, int] = {}
    outputs: dict[tuple[str, int], torch.Tensor] = {}

    def hook(name: str):
        def record(_: nn.Module, __: object, output: torch.Tensor) -> None:
            outputs[name, counts.get(name, 0)] = output.clone()
            counts[name] = counts.get(name, 0) + 1

        return record

    handles = [m.register_forward_hook(hook(name)) for name, m in net.named_modules() if isinstance(m, LAYERS)]
    with torch.no_grad():
        net(inputs)
    for handle in handles:
        handle.remove()
    return outputs


# Planes by which a field may be too large: distance of a slow frame from the middle of a lateral convolution's window.
EXCESS = {"slowfast": 2}
TRACEABLE = [
    "plain",
    "residual",
    "grouped",
    "dense",
    "inception",
    "strided_pool",
    "tsm",
    "slowfast",
    "causal",
    "squeeze",
]


@pytest.mark.parametrize("name", TRACEABLE)
def test_the_receptive_field_is_what_changes_a_cell(name):
    entry = zoo.ZOO[name]
    net = entry.make()
    layers = layers_by_call(graph_of(net, entry.frames, entry.size, entry.layout))
    exact = 0
    for key, planes in visible_planes(net, entry).items():
        assert layers[key].receptive_field is not None, key
        for field, (first, last, count) in zip(layers[key].receptive_field, planes, strict=True):
            if first > 0 and last < count - 1:
                excess = field - (last - first + 1)
                assert 0 <= excess <= EXCESS.get(name, 0), (key, planes, layers[key].receptive_field)
                exact += excess == 0
            else:  # it extends beyond the clip
                assert last - first + 1 <= field, (key, planes, layers[key].receptive_field)
    assert exact >= 2


@pytest.mark.parametrize(
    ("pool", "size"),
    [
        (layers.SoftPool3d(3, 2, 1), 9),
        (layers.SoftPool3d(3, 2, 1, dilation=2), 11),
        (nn.MaxPool3d(3, 2, 1), 9),
        (nn.MaxPool3d(3, 2, 1, dilation=2), 11),
        (layers.AdaptiveSoftPool3d((8, 16, 16)), 8),
    ],
    ids=repr,
)
def test_windows_of_pooling_count_in_the_receptive_field(pool: nn.Module, size: int) -> None:
    """The convolutions before and after it see 3 cells: 3 + (window - 1) + (3 - 1) * stride 2."""
    net = nn.Sequential(
        nn.Conv3d(3, 4, 3, padding=1), pool, nn.Conv3d(4, 4, 3, padding=1), nn.AdaptiveAvgPool3d(1), nn.Flatten(),
        nn.Linear(4, 3),
    ).eval()  # fmt: skip
    assert fields_of(graph_of(net, frames=16, size=32))[1] == (size,) * 3


def test_a_gate_does_not_enlarge_the_receptive_field():
    graph = graph_of(zoo.ZOO["depthwise"].make(), 8, 32)
    gates = [layer for layer in graph.layers if ".se." in layer.name or "gate" in layer.name]
    assert min(max(layer.receptive_field) for layer in gates) >= 32, "a gate sees the whole clip"
    assert all(max(layer.receptive_field) < 32 for layer in graph.layers[:-1] if layer not in gates)


def test_receptive_fields_behind_attention_are_unknown():
    graph = graph_of(zoo.ZOO["token_mean"].make(), 8, 32, "BTCHW")
    assert graph.layers[0].receptive_field == (2, 8, 8)
    assert graph.layers[-1].receptive_field is None


def test_layers_before_an_unsupported_operation_keep_their_receptive_field():
    class Unsupported(TwoConvNet):
        def between(self, x):
            return x.cumsum(2)

    assert fields_of(graph_of(Unsupported())) == [(3, 3, 3), None, None]


def test_receptive_fields_are_known_to_the_last_layer():
    graph = graph_of(wirings.Fibres(), 8, 64)
    assert graph.layers[-1].receptive_field is not None
