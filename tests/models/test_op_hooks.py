"""What was routed is found again in another pass: operations are watched where they stand, with what they read."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import torch
import torch.nn.functional as F
from torch import nn

from notebook_explain.models.channel_graph import Call, watch
from tests import zoo
from tests.models.graph_helpers import routed
from tests.zoo import wirings


def watched(net: nn.Module, video: torch.Tensor, instead: Any = None) -> tuple[dict[Any, Call], torch.Tensor]:
    """The calls by site, their operands copied before anything overwrites them, and what the network says."""
    calls: dict[Any, Call] = {}

    def seen(call: Call) -> Any:
        copied = tuple(operand.clone() for operand in call.operands)
        calls[call.site] = replace(call, operands=copied)
        return None if instead is None else lambda result: instead(call, result)

    with torch.no_grad(), watch(net, seen):
        output = net(video)
    return calls, output


def test_what_was_routed_is_found_again_in_another_pass() -> None:
    net = zoo.seeded(wirings.Identities)
    found = routed(net)
    video = torch.randn(1, 3, 4, 16, 16)
    calls, output = watched(net, video)
    torch.testing.assert_close(output, net(video), rtol=0, atol=0)
    assert not any(part._forward_hooks or part._forward_pre_hooks for part in net.modules())
    assert {layer.site for layer in found.layers} | {each.site for each in found.sums} <= set(calls)
    for layer in found.layers[:-1]:
        call = calls[layer.site]
        assert call.operands[0].shape[1] == layer.in_channels
        assert (call.stride, call.padding, call.groups) == (layer.stride, layer.padding, layer.groups)
    first, second = calls[found.sums[0].site].operands
    read = calls[found.layer("b.0").site].operands[0]
    torch.testing.assert_close(F.relu(first + second), read)


def test_operands_are_seen_before_an_addition_in_place_overwrites_them() -> None:
    net = zoo.ZOO["residual"].make()
    found = routed(net, 8, 32)
    calls, _ = watched(net, torch.randn(1, 3, 8, 32, 32))
    first, second = calls[found.sums[0].site].operands
    assert not torch.equal(first, first + second)
    read = calls[found.layer("layer1.1.conv1.0").site].operands[0]
    torch.testing.assert_close(F.relu(first + second), read)


def test_a_watcher_may_put_another_result_in_place() -> None:
    net = zoo.seeded(wirings.Identities)
    video = torch.randn(1, 3, 4, 16, 16)

    def silence(call: Call, result: torch.Tensor) -> torch.Tensor | None:
        return torch.zeros_like(result) if call.site.module == "last" else None

    _, output = watched(net, video, silence)
    torch.testing.assert_close(output, net.fc.bias[None], rtol=0, atol=0)


def test_padding_is_told_for_both_ends() -> None:
    found = routed(
        nn.Sequential(
            nn.Conv3d(3, 2, (1, 2, 3), padding="same"), nn.AdaptiveAvgPool3d(1), nn.Flatten(), nn.Linear(2, 5)
        )
    )
    assert found.layers[0].padding == ((0, 0), (0, 1), (1, 1))
