"""Hooks on operations: another pass finds the operations of a channel graph again, with their operands."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import torch
import torch.nn.functional as F
from torch import nn

from notebook_explain.models.channel_graph import Call, watch
from tests import zoo
from tests.models.graph_helpers import graph_of
from tests.zoo import wirings


def run_watched(net: nn.Module, video: torch.Tensor, replacement: Any = None) -> tuple[dict[Any, Call], torch.Tensor]:
    """Run a network and return its calls by site, with copies of their operands, and its output."""
    calls: dict[Any, Call] = {}

    def on_call(call: Call) -> Any:
        copies = tuple(operand.clone() for operand in call.operands)
        calls[call.site] = replace(call, operands=copies)
        return None if replacement is None else lambda result: replacement(call, result)

    with torch.no_grad(), watch(net, on_call):
        output = net(video)
    return calls, output


def test_another_pass_finds_the_operations_of_the_graph() -> None:
    net = zoo.seeded(wirings.Identities)
    graph = graph_of(net)
    video = torch.randn(1, 3, 4, 16, 16)
    calls, output = run_watched(net, video)
    torch.testing.assert_close(output, net(video), rtol=0, atol=0)
    assert not any(part._forward_hooks or part._forward_pre_hooks for part in net.modules())
    assert {layer.site for layer in graph.layers} | {addition.site for addition in graph.sums} <= set(calls)
    for layer in graph.layers[:-1]:
        call = calls[layer.site]
        assert call.operands[0].shape[1] == layer.in_channels
        assert (call.stride, call.padding, call.groups) == (layer.stride, layer.padding, layer.groups)
    first, second = calls[graph.sums[0].site].operands
    read = calls[graph.layer("b.0").site].operands[0]
    torch.testing.assert_close(F.relu(first + second), read)


def test_operands_are_passed_before_an_in_place_addition_overwrites_them() -> None:
    net = zoo.ZOO["residual"].make()
    graph = graph_of(net, 8, 32)
    calls, _ = run_watched(net, torch.randn(1, 3, 8, 32, 32))
    first, second = calls[graph.sums[0].site].operands
    assert not torch.equal(first, first + second)
    read = calls[graph.layer("layer1.1.conv1.0").site].operands[0]
    torch.testing.assert_close(F.relu(first + second), read)


def test_a_hook_can_replace_a_result() -> None:
    net = zoo.seeded(wirings.Identities)
    video = torch.randn(1, 3, 4, 16, 16)

    def zero_last_layer(call: Call, result: torch.Tensor) -> torch.Tensor | None:
        return torch.zeros_like(result) if call.site.module == "last" else None

    _, output = run_watched(net, video, zero_last_layer)
    torch.testing.assert_close(output, net.fc.bias[None], rtol=0, atol=0)


def test_padding_is_given_for_both_ends() -> None:
    net = nn.Sequential(
        nn.Conv3d(3, 2, (1, 2, 3), padding="same"), nn.AdaptiveAvgPool3d(1), nn.Flatten(), nn.Linear(2, 5)
    )
    assert graph_of(net).layers[0].padding == ((0, 0), (0, 1), (1, 1))
