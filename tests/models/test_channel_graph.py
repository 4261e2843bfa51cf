"""Channel graphs of networks whose wiring is known, and against an oracle that perturbs kernels."""

from __future__ import annotations

import random

import numpy as np
import pytest
import torch
from torch import nn

import notebook_explain as ne
from notebook_explain.models import channel_graph as package
from notebook_explain.models.channel_graph import ChannelGraph, channel_graph
from tests import zoo
from tests.models.graph_helpers import as_model, graph_of, kernels, layer_origins, layers_by_call, origins, union
from tests.models.perturbation_oracle import Perturbation
from tests.zoo import wirings

TRANSFORMERS = {"token_mean", "mean_then_norm", "cls_token", "channels_last"}


@pytest.mark.parametrize("name", wirings.WIRES)
def test_every_channel_is_traced_from_one_convolution_to_the_next(name: str) -> None:
    path, expected = wirings.WIRES[name]
    graph = graph_of(zoo.seeded(lambda: wirings.Wire(path, len(expected))))
    assert [{c for _, c in sources} for sources in layer_origins(graph, "second")] == expected
    assert {layer for sources in layer_origins(graph, "second") for layer, _ in sources} == {"first"}
    assert not graph.unknown
    assert not graph.sums
    assert {link.kind for channel in range(len(expected)) for link in graph.layer("second").links[channel]} <= {
        "conv",
        "concat",
    }
    constant = [channel for channel, sources in enumerate(expected) if not sources]
    np.testing.assert_array_equal(graph.layer("second").links.constant, constant)


@pytest.mark.parametrize("name", wirings.MIXING)
def test_an_operation_that_mixes_channels_is_named_not_guessed(name: str) -> None:
    path, operation = wirings.MIXING[name]
    graph = graph_of(zoo.seeded(lambda: wirings.Wire(path, 8)))
    links = graph.layer("second").links
    assert [(text, list(channels)) for text, channels in links.unknown] == [(operation, list(range(8)))]
    assert len(links.node) == 0
    assert links.known_count == 0
    assert graph.unknown == {operation: 8}
    assert graph.known_fraction == pytest.approx(14 / 22)  # 3 colours, 6 of the classifier and 5 classes are known


def test_a_concatenation_has_unknown_channels_only_where_one_part_is_unknown() -> None:
    matrix = torch.ones(8, 8)
    mixed = wirings.Wire(lambda x: torch.cat((x[:, :3], (x.transpose(1, 4) @ matrix).transpose(1, 4)), 1), 11)
    graph = graph_of(mixed)
    links = graph.layer("second").links
    assert [(operation, list(channels)) for operation, channels in links.unknown] == [("matmul", list(range(3, 11)))]
    assert layer_origins(graph, "second") == [*kernels("first", range(3)), *[set()] * 8]
    assert links.known_count == 3


def test_an_unknown_addend_is_reported() -> None:
    def attend(x: torch.Tensor) -> torch.Tensor:
        flat = x.flatten(2)
        return x + ((flat @ flat.transpose(1, 2)).softmax(-1) @ flat).view_as(x)

    graph = graph_of(zoo.seeded(lambda: wirings.Wire(attend, 8)))
    assert graph.unknown == {"matmul": 8}
    assert [addend.links.known_count for addend in graph.sums[0].addends] == [8, 0]
    assert layer_origins(graph, "second") == kernels("first", range(8))


def wired_net(name: str) -> tuple[nn.Module, ChannelGraph]:
    net = zoo.seeded(wirings.WIRED[name])
    return net, graph_of(net)


def test_identity_and_projected_shortcuts_are_sums() -> None:
    _, graph = wired_net("identities")
    stem, a, b = (kernels(name, range(6)) for name in ("stem.0", "a.0", "b.0"))
    assert layer_origins(graph, "a.0") == stem
    assert layer_origins(graph, "b.0") == union(stem, a)
    assert layer_origins(graph, "c.0") == layer_origins(graph, "project.0") == union(stem, a, b)
    assert layer_origins(graph, "last") == union(kernels("project.0", range(8)), kernels("c.0", range(8)))
    assert [addition.channels for addition in graph.sums] == [6, 6, 8]
    first, second, _ = graph.sums
    assert [addend.links[2][0][:4] for addend in first.addends] == [
        ("kernel", 0, 2, "identity"),
        ("kernel", 1, 2, "identity"),
    ]
    assert [addend.links[2][0][:4] for addend in second.addends] == [
        ("kernel", 2, 2, "identity"),
        ("sum", 0, 2, "identity"),
    ]
    assert graph.layer("b.0").links[5][0][:4] == ("sum", 0, 5, "conv")
    assert [layer.name for layer in graph.predecessors(graph.layer("c.0"))] == ["stem.0", "a.0", "b.0"]


def test_grouped_convolutions_behind_norms_are_traced() -> None:
    _, graph = wired_net("fibres")
    stem = kernels("stem.0", range(8))
    assert layer_origins(graph, "multiplexer.0.2") == layer_origins(graph, "shortcut.2") == stem
    assert layer_origins(graph, "multiplexer.1.2") == kernels("multiplexer.0.2", range(4))
    assert layer_origins(graph, "fibres.0.2") == union(stem, kernels("multiplexer.1.2", range(8)))
    assert layer_origins(graph, "fibres.1.2") == kernels("fibres.0.2", range(12))
    assert layer_origins(graph, "fc") == union(kernels("fibres.1.2", range(12)), kernels("shortcut.2", range(12)))
    fibre = graph.layer("fibres.0.2")
    assert [list(fibre.reads(kernel)) for kernel in (0, 2, 3, 11)] == [[0, 1], [0, 1], [2, 3], [6, 7]]


def test_splits_and_shuffles_are_traced_through_several_units() -> None:
    _, graph = wired_net("shuffling")
    assert layer_origins(graph, "depthwise.0") == [{("reduce.0", c)} for c in (0, 4, 1, 5, 2, 6, 3, 7)]
    summed = union(kernels("stem.0", range(8)), kernels("expand.0", range(8)))
    assert layer_origins(graph, "units.0.0") == summed[4:]
    # Concatenated: the sum's 0 to 3, then the unit's 0 to 3. Shuffled: 0, u0, 1, u1, 2, u2, 3, u3.
    unit = kernels("units.0.0", range(4))
    assert layer_origins(graph, "units.1.0") == [summed[2], unit[2], summed[3], unit[3]]
    again = kernels("units.1.0", range(4))
    kept = [summed[0], unit[0], summed[1], unit[1]]
    assert layer_origins(graph, "fc") == [sources for pair in zip(kept, again, strict=True) for sources in pair]
    assert list(graph.layer("depthwise.0").reads(5)) == [5]


def test_branches_keep_their_order_and_gates_are_not_origins() -> None:
    _, graph = wired_net("branches")
    parts = [("b0.0.0", 4), ("b1.1.0", 5), ("b2.1.0", 3), ("stem.0", 6)]
    joined = [sources for name, count in parts for sources in kernels(name, range(count))]
    assert layer_origins(graph, "b2.1.0") == kernels("stem.0", range(6))
    assert layer_origins(graph, "after.0") == layer_origins(graph, "gate.block.1") == joined
    gates = kernels("gate.block.3", range(18))
    gates[:4] = union(gates[:4], kernels("b0.1.block.3", range(4)))
    assert layer_origins(graph, "after.0", gates=True) == union(joined, gates)
    assert [link.kind for link in graph.layer("after.0").links[4]] == ["concat", "gate"]
    assert [link.kind for link in graph.layer("gate.block.1").links[3]] == ["concat", "gate"]
    assert "gate.block.3" not in [layer.name for layer in graph.predecessors(graph.layer("after.0"))]


def test_sums_are_in_order_of_execution() -> None:
    _, graph = wired_net("crossed sums")
    stem = kernels("stem", range(4))
    assert layer_origins(graph, "c") == union(stem, kernels("b", range(4)))
    assert layer_origins(graph, "d") == union(stem, kernels("a", range(4)))
    assert [addition.name for addition in graph.sums] == ["sum", "sum#2"]
    assert [graph.layer(name).links[0][0].owner for name in "cd"] == [1, 0]


def test_lateral_connections_join_pathways() -> None:
    _, graph = wired_net("laterals")
    assert layer_origins(graph, "lateral.0") == layer_origins(graph, "fast2.0") == kernels("fast.0", range(2))
    assert layer_origins(graph, "slow2.0") == kernels("slow.0", range(6)) + kernels("lateral.0", range(4))
    assert layer_origins(graph, "fc") == kernels("slow2.0", range(5)) + kernels("fast2.0", range(3))
    assert graph.layer("slow.0").links[1] == (("input", 0, 1, "conv", 1.0),)


def test_a_flattened_classifier_reads_each_kernel_at_every_position() -> None:
    _, graph = wired_net("flattening")
    assert layer_origins(graph, "fc") == [{("conv", c)} for c in range(4) for _ in range(18)]


def test_classes_are_kernels_of_the_classifier() -> None:
    _, graph = wired_net("laterals")
    assert origins(graph, graph.heads[""]) == kernels("fc", range(5))
    two_heads = graph_of(zoo.ZOO["logits_dict"].make(), 8, 32)
    assert origins(two_heads, two_heads.heads["noun"]) == kernels("fc_noun", range(7))
    mean_of_windows = graph_of(zoo.ZOO["i3d_per_time"].make(), 8, 32)
    assert origins(mean_of_windows, mean_of_windows.heads[""]) == kernels("logits", range(5))


def check_against_oracle(net: nn.Module, graph: ChannelGraph, make_input: object, sampled: int) -> int:
    """Assert that perturbing kernels changes exactly the channels that the graph links; return how many changed."""
    oracle = Perturbation(net, make_input)  # type: ignore[arg-type]
    by_key = layers_by_call(graph)
    assert set(by_key) == set(oracle.outputs)
    claims = {key: layer_origins(graph, layer.name, gates=True) for key, layer in by_key.items()}
    sample = oracle.kernels()
    random.Random(0).shuffle(sample)
    count = 0
    for key, channel in sample[:sampled]:
        changed = oracle.changed(key, channel)
        node = by_key[key].name, channel
        for other, channels in changed.items():
            claimed = {index for index, sources in enumerate(claims[other]) if node in sources}
            assert channels == claimed, f"{node} to {other[0]}"
            count += len(channels)
    return count


@pytest.mark.parametrize("name", [name for name in zoo.ZOO if name not in TRANSFORMERS])
def test_perturbing_a_kernel_changes_the_channels_linked_to_it_and_no_others(name: str) -> None:
    entry = zoo.ZOO[name]
    net = entry.make()
    graph = graph_of(net, entry.frames, entry.size, entry.layout)
    assert graph.known_fraction == 1
    clip = zoo.random_clip(entry.frames, entry.size)
    assert check_against_oracle(net, graph, lambda: zoo.feed(entry, clip), 6) > 0


@pytest.mark.parametrize("name", wirings.WIRED)
def test_perturbation_agrees_with_known_wirings(name: str) -> None:
    net, graph = wired_net(name)
    video = torch.randn(1, 3, 4, 16, 16)
    assert check_against_oracle(net, graph, video.clone, 20) > 0


@pytest.mark.parametrize("name", ["plain", "slowfast", "tsm"])
def test_perturbing_a_colour_changes_the_channels_linked_to_it(name: str) -> None:
    entry = zoo.ZOO[name]
    net = entry.make()
    graph = graph_of(net, entry.frames, entry.size, entry.layout)
    clip = zoo.random_clip(entry.frames, entry.size)
    oracle = Perturbation(net, lambda: zoo.feed(entry, clip))
    changed = oracle.changed_by_colour(2 if entry.layout == "BTCHW" else 1, 2)
    for key, layer in layers_by_call(graph).items():
        assert changed[key] == {
            index for index, sources in enumerate(layer_origins(graph, layer.name)) if ("input", 2) in sources
        }
    assert any(changed.values())


@pytest.mark.parametrize("name", sorted(TRANSFORMERS))
def test_transformers_report_their_attention_and_trace_the_rest(name: str) -> None:
    entry = zoo.ZOO[name]
    graph = graph_of(entry.make(), entry.frames, entry.size, entry.layout)
    assert 0.8 < graph.known_fraction < 1
    assert all(operation.split()[0] in ("scaled_dot_product_attention", "matmul") for operation in graph.unknown)
    assert all(layer.name.endswith("proj") for layer in graph.layers if layer.links.unknown)
    block = "layers.0.0" if name == "channels_last" else "layers.0"
    patches = "patch_embed" if name == "channels_last" else "patch_embedding"
    width = len(graph.layer(f"{block}.mlp.0").links)
    expected = union(kernels(patches, range(width)), kernels(f"{block}.attention.proj", range(width)))
    assert layer_origins(graph, f"{block}.mlp.0") == expected
    assert "Layer norm makes channels share" in graph.notes[-1]
    assert all("which cannot be traced channel by channel" in note for note in graph.notes[:-1])
    assert sum(int(note.split()[0]) for note in graph.notes[:-1]) == sum(graph.unknown.values())


def test_a_grouped_convolution_reads_the_channels_that_change_its_output() -> None:
    grouped = nn.Conv3d(6, 9, 1, groups=3, bias=False)
    net = nn.Sequential(nn.Conv3d(3, 6, 1), grouped, nn.AdaptiveAvgPool3d(1), nn.Flatten(), nn.Linear(9, 5))
    layer = graph_of(net).layer("1")
    for channel in range(6):
        x = torch.zeros(1, 6, 1, 1, 1)
        x[:, channel] = 1
        responds = grouped(x)[0, :, 0, 0, 0] != 0
        assert [channel in layer.reads(kernel) for kernel in range(9)] == responds.tolist()


def test_as_model_has_the_graph_of_an_adapted_model() -> None:
    net = zoo.ZOO["slowfast"].make()
    stated = {"size": 32, "frames": 16, "mean": 0.45, "std": 0.225, "layout": (4, 1)}
    adapted, plain = channel_graph(ne.adapt(net, **stated)), channel_graph(as_model(net, 16, 32, (4, 1)))
    assert [layer_origins(adapted, layer.name) for layer in adapted.layers] == [
        layer_origins(plain, layer.name) for layer in plain.layers
    ]


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("connections", "channel_graph"),
        ("Connections", "ChannelGraph"),
        ("route", "trace_channels"),
        ("SHAPING", "ELEMENTWISE"),
    ],
)
def test_old_names_are_aliases_that_warn(old: str, new: str) -> None:
    with pytest.warns(DeprecationWarning, match=rf"\.{old} is deprecated; use .*\.{new}"):
        alias = getattr(package, old)
    assert alias is getattr(package, new)
    with pytest.raises(AttributeError, match="has no attribute 'links'"):
        package.links  # noqa: B018
