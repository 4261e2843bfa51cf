"""What a cell sees of the clip: closed forms of known stacks, and what really changes when the clip does."""

from __future__ import annotations

import math

import pytest
import torch
from torch import nn

from notebook_explain.models.channel_graph import ChannelGraph
from tests import zoo
from tests.models.graph_helpers import Base, keys, routed
from tests.models.perturbation_oracle import LAYERS
from tests.zoo import wirings


def fields(found: ChannelGraph) -> list[tuple[int, int, int] | None]:
    return [layer.receptive_field for layer in found.layers]


def closed_form(steps: list[tuple[int, int, int]]) -> int:
    """Of windows of (cells, step, dilation) one behind the other, along one axis."""
    seen, apart = 1, 1
    for cells, step, dilation in steps:
        seen += (cells - 1) * dilation * apart
        apart *= step
    return seen


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
def test_a_chain_sees_what_its_closed_form_says(stack, pool):
    parts: list[nn.Module] = []
    steps: list[list[tuple[int, int, int]]] = [[], [], []]
    expected = []
    for at, (kernel, stride, dilation) in enumerate(stack):
        padding = tuple(d * (k - 1) // 2 for k, d in zip(kernel, dilation, strict=True))
        parts += [nn.Conv3d(3 if at == 0 else 4, 4, kernel, stride, padding, dilation), nn.BatchNorm3d(4), nn.ReLU()]
        for axis in range(3):
            steps[axis].append((kernel[axis], stride[axis], dilation[axis]))
        expected.append(tuple(map(closed_form, steps)))
        if pool and at == 0:
            parts.append(nn.MaxPool3d((1, 3, 3), (1, 2, 2), (0, 1, 1)))
            for axis, (size, step) in enumerate(((1, 1), (3, 2), (3, 2))):
                steps[axis].append((size, step, 1))
    net = nn.Sequential(*parts, nn.AdaptiveAvgPool3d(1), nn.Flatten(), nn.Linear(4, 3)).eval()
    assert fields(routed(net, frames=16, size=32))[:-1] == expected


def visible(net: nn.Module, entry: zoo.Entry) -> dict[tuple[str, int], list[tuple[int, int, int]]]:
    """For each layer and axis of the clip: first and last plane that the middle cell sees, and how many there are.

    What is no number stays none: whatever a cell is made of tells, with weights of zero and behind a maximum too.
    """
    clip = torch.randn(1, 3, entry.frames, entry.size, entry.size, generator=torch.Generator().manual_seed(0))
    seen: dict[tuple[str, int], list[list[int]]] = {}
    for axis in range(3):
        for plane in range(clip.shape[2 + axis]):
            spoilt = clip.clone()
            spoilt.select(2 + axis, plane).fill_(math.nan)
            for key, output in outputs(net, arranged(spoilt, entry)).items():
                middle = output[0] if output.ndim in (2, 5) else output[len(output) // 2]
                cell = middle[(slice(None), *(n // 2 for n in middle.shape[1:]))] if middle.ndim > 1 else middle
                if cell.isnan().any():
                    seen.setdefault(key, [[], [], []])[axis].append(plane)
    return {
        key: [(min(p), max(p), clip.shape[2 + axis]) for axis, p in enumerate(planes)] for key, planes in seen.items()
    }


def arranged(clip: torch.Tensor, entry: zoo.Entry):
    if isinstance(entry.layout, tuple):
        return [clip[:, :, ::step].clone() for step in entry.layout]
    return clip.transpose(1, 2).contiguous() if entry.layout == "BTCHW" else clip


def outputs(net: nn.Module, given) -> dict[tuple[str, int], torch.Tensor]:
    calls: dict[str, int] = {}
    found: dict[tuple[str, int], torch.Tensor] = {}

    def hook(name: str):
        def see(_: nn.Module, __: object, output: torch.Tensor) -> None:
            found[name, calls.get(name, 0)] = output.clone()
            calls[name] = calls.get(name, 0) + 1

        return see

    handles = [m.register_forward_hook(hook(name)) for name, m in net.named_modules() if isinstance(m, LAYERS)]
    with torch.no_grad():
        net(given)
    for handle in handles:
        handle.remove()
    return found


APART = {"slowfast": 2}  # planes, from where a slow frame lies to the middle of what a lateral convolution reads
WHOLE = ["plain", "residual", "grouped", "dense", "inception", "strided_pool", "tsm", "slowfast", "causal", "squeeze"]


@pytest.mark.parametrize("name", WHOLE)
def test_a_cell_sees_what_changes_it(name):
    entry = zoo.ZOO[name]
    net = entry.make()
    layers = keys(routed(net, entry.frames, entry.size, entry.layout))
    exact = 0
    for key, planes in visible(net, entry).items():
        assert layers[key].receptive_field is not None, key
        for field, (first, last, count) in zip(layers[key].receptive_field, planes, strict=True):
            if first > 0 and last < count - 1:
                over = field - (last - first + 1)
                assert 0 <= over <= APART.get(name, 0), (key, planes, layers[key].receptive_field)
                exact += over == 0
            else:  # it reaches beyond the clip
                assert last - first + 1 <= field, (key, planes, layers[key].receptive_field)
    assert exact >= 2


def test_behind_a_gate_the_gated_alone_counts():
    found = routed(zoo.ZOO["depthwise"].make(), 8, 32)
    gates = [layer for layer in found.layers if ".se." in layer.name or "gate" in layer.name]
    assert min(max(layer.receptive_field) for layer in gates) >= 32, "a gate itself sees everything"
    assert all(max(layer.receptive_field) < 32 for layer in found.layers[:-1] if layer not in gates)


def test_behind_attention_nothing_is_known():
    found = routed(zoo.ZOO["token_mean"].make(), 8, 32, "BTCHW")
    assert found.layers[0].receptive_field == (2, 8, 8)
    assert found.layers[-1].receptive_field is None


def test_an_operation_that_positions_cannot_be_followed_through_leaves_what_came_before():
    class Strange(Base):
        def between(self, x):
            return x.cumsum(2)

    assert fields(routed(Strange())) == [(3, 3, 3), None, None]


def test_the_whole_of_a_pathway_is_seen_by_what_is_joined():
    found = routed(wirings.Fibres(), 8, 64)
    assert found.layers[-1].receptive_field is not None
