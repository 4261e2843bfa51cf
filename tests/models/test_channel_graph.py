"""Which kernel feeds which, on networks whose wiring is known, and against an oracle that perturbs."""

from __future__ import annotations

import random

import numpy as np
import pytest
import torch
from torch import nn

from notebook_explain.models.channel_graph import ChannelGraph
from tests import zoo
from tests.models.graph_helpers import Origins, as_model, kernels, keys, of_layer, origins, routed
from tests.models.perturbation_oracle import Perturbation
from tests.zoo import wirings

TRANSFORMERS = {"token_mean", "mean_then_norm", "cls_token", "channels_last"}


@pytest.mark.parametrize("name", wirings.WIRES)
def test_every_channel_is_routed_from_one_convolution_to_the_next(name: str) -> None:
    way, expected = wirings.WIRES[name]
    found = routed(zoo.seeded(lambda: wirings.Wire(way, len(expected))))
    assert [{c for _, c in each} for each in of_layer(found, "second")] == expected
    assert {layer for each in of_layer(found, "second") for layer, _ in each} == {"first"}
    assert not found.unknown
    assert not found.sums
    assert {link.kind for channel in range(len(expected)) for link in found.layer("second").links[channel]} <= {
        "conv",
        "concat",
    }
    constant = [channel for channel, sources in enumerate(expected) if not sources]
    np.testing.assert_array_equal(found.layer("second").links.constant, constant)


@pytest.mark.parametrize("name", wirings.MIXING)
def test_an_operation_that_mixes_channels_is_named_not_guessed(name: str) -> None:
    way, operation = wirings.MIXING[name]
    found = routed(zoo.seeded(lambda: wirings.Wire(way, 8)))
    links = found.layer("second").links
    assert [(text, list(channels)) for text, channels in links.unknown] == [(operation, list(range(8)))]
    assert len(links.node) == 0
    assert links.routed == 0
    assert found.unknown == {operation: 8}
    assert found.routed == pytest.approx(14 / 22)  # 3 colours, 6 of the classifier and 5 classes are known


def test_what_is_unknown_in_a_concatenation_is_said_of_its_own_channels() -> None:
    matrix = torch.ones(8, 8)
    mixed = wirings.Wire(lambda x: torch.cat((x[:, :3], (x.transpose(1, 4) @ matrix).transpose(1, 4)), 1), 11)
    found = routed(mixed)
    links = found.layer("second").links
    assert [(operation, list(channels)) for operation, channels in links.unknown] == [("matmul", list(range(3, 11)))]
    assert of_layer(found, "second") == [*kernels("first", range(3)), *[set()] * 8]
    assert links.routed == 3


def test_what_is_unknown_in_a_sum_is_said_too() -> None:
    def attend(x: torch.Tensor) -> torch.Tensor:
        flat = x.flatten(2)
        return x + ((flat @ flat.transpose(1, 2)).softmax(-1) @ flat).view_as(x)

    found = routed(zoo.seeded(lambda: wirings.Wire(attend, 8)))
    assert found.unknown == {"matmul": 8}
    assert [addend.links.routed for addend in found.sums[0].addends] == [8, 0]
    assert of_layer(found, "second") == kernels("first", range(8))


def wired_net(name: str) -> tuple[nn.Module, ChannelGraph]:
    net = zoo.seeded(wirings.WIRED[name])
    return net, routed(net)


def both(*lists: Origins) -> Origins:
    return [set.union(*each) for each in zip(*lists, strict=True)]


def test_identity_and_projected_shortcuts_are_sums_of_what_they_add() -> None:
    _, found = wired_net("identities")
    stem, a, b = (kernels(name, range(6)) for name in ("stem.0", "a.0", "b.0"))
    assert of_layer(found, "a.0") == stem
    assert of_layer(found, "b.0") == both(stem, a)
    assert of_layer(found, "c.0") == of_layer(found, "project.0") == both(stem, a, b)
    assert of_layer(found, "last") == both(kernels("project.0", range(8)), kernels("c.0", range(8)))
    assert [each.channels for each in found.sums] == [6, 6, 8]
    first, second, _ = found.sums
    assert [addend.links[2][0][:4] for addend in first.addends] == [
        ("kernel", 0, 2, "identity"),
        ("kernel", 1, 2, "identity"),
    ]
    assert [addend.links[2][0][:4] for addend in second.addends] == [
        ("kernel", 2, 2, "identity"),
        ("sum", 0, 2, "identity"),
    ]
    assert found.layer("b.0").links[5][0][:4] == ("sum", 0, 5, "conv")
    assert [layer.name for layer in found.predecessors(found.layer("c.0"))] == ["stem.0", "a.0", "b.0"]


def test_fibres_are_grouped_and_norms_before_them_pass() -> None:
    _, found = wired_net("fibres")
    stem = kernels("stem.0", range(8))
    assert of_layer(found, "multiplexer.0.2") == of_layer(found, "shortcut.2") == stem
    assert of_layer(found, "multiplexer.1.2") == kernels("multiplexer.0.2", range(4))
    assert of_layer(found, "fibres.0.2") == both(stem, kernels("multiplexer.1.2", range(8)))
    assert of_layer(found, "fibres.1.2") == kernels("fibres.0.2", range(12))
    assert of_layer(found, "fc") == both(kernels("fibres.1.2", range(12)), kernels("shortcut.2", range(12)))
    fibre = found.layer("fibres.0.2")
    assert [list(fibre.reads(kernel)) for kernel in (0, 2, 3, 11)] == [[0, 1], [0, 1], [2, 3], [6, 7]]


def test_splits_and_shuffles_are_followed_through_several_units() -> None:
    _, found = wired_net("shuffling")
    assert of_layer(found, "depthwise.0") == [{("reduce.0", c)} for c in (0, 4, 1, 5, 2, 6, 3, 7)]
    summed = both(kernels("stem.0", range(8)), kernels("expand.0", range(8)))
    assert of_layer(found, "units.0.0") == summed[4:]
    # Joined: the sum's 0 to 3, then the unit's 0 to 3; shuffled: 0, u0, 1, u1, 2, u2, 3, u3.
    unit = kernels("units.0.0", range(4))
    assert of_layer(found, "units.1.0") == [summed[2], unit[2], summed[3], unit[3]]
    again = kernels("units.1.0", range(4))
    kept = [summed[0], unit[0], summed[1], unit[1]]
    assert of_layer(found, "fc") == [each for pair in zip(kept, again, strict=True) for each in pair]
    assert list(found.layer("depthwise.0").reads(5)) == [5]


def test_branches_keep_their_place_and_a_gate_is_no_edge() -> None:
    _, found = wired_net("branches")
    parts = [("b0.0.0", 4), ("b1.1.0", 5), ("b2.1.0", 3), ("stem.0", 6)]
    joined = [each for name, count in parts for each in kernels(name, range(count))]
    assert of_layer(found, "b2.1.0") == kernels("stem.0", range(6))
    assert of_layer(found, "after.0") == of_layer(found, "gate.block.1") == joined
    gates = kernels("gate.block.3", range(18))
    gates[:4] = both(gates[:4], kernels("b0.1.block.3", range(4)))
    assert of_layer(found, "after.0", gates=True) == both(joined, gates)
    assert [link.kind for link in found.layer("after.0").links[4]] == ["concat", "gate"]
    assert [link.kind for link in found.layer("gate.block.1").links[3]] == ["concat", "gate"]
    assert "gate.block.3" not in [layer.name for layer in found.predecessors(found.layer("after.0"))]


def test_sums_go_by_the_order_of_execution() -> None:
    _, found = wired_net("crossed sums")
    stem = kernels("stem", range(4))
    assert of_layer(found, "c") == both(stem, kernels("b", range(4)))
    assert of_layer(found, "d") == both(stem, kernels("a", range(4)))
    assert [each.name for each in found.sums] == ["sum", "sum#2"]
    assert [found.layer(name).links[0][0].at for name in "cd"] == [1, 0]


def test_laterals_join_pathways() -> None:
    _, found = wired_net("laterals")
    assert of_layer(found, "lateral.0") == of_layer(found, "fast2.0") == kernels("fast.0", range(2))
    assert of_layer(found, "slow2.0") == kernels("slow.0", range(6)) + kernels("lateral.0", range(4))
    assert of_layer(found, "fc") == kernels("slow2.0", range(5)) + kernels("fast2.0", range(3))
    assert found.layer("slow.0").links[1] == (("input", 0, 1, "conv", 1.0),)


def test_a_flattened_classifier_reads_each_kernel_at_all_its_places() -> None:
    _, found = wired_net("flattening")
    assert of_layer(found, "fc") == [{("conv", c)} for c in range(4) for _ in range(18)]


def test_classes_are_kernels_of_the_classifier() -> None:
    _, found = wired_net("laterals")
    assert origins(found, found.heads[""]) == kernels("fc", range(5))
    two = routed(zoo.ZOO["logits_dict"].make(), 8, 32)
    assert origins(two, two.heads["noun"]) == kernels("fc_noun", range(7))
    mean_of_windows = routed(zoo.ZOO["i3d_per_time"].make(), 8, 32)
    assert origins(mean_of_windows, mean_of_windows.heads[""]) == kernels("logits", range(5))


def compared_with_the_oracle(net: nn.Module, found: ChannelGraph, feed: object, sampled: int) -> int:
    """Perturb some kernels: exactly what is claimed changes, at every layer. Returns how many channels did."""
    oracle = Perturbation(net, feed)  # type: ignore[arg-type]
    by_key = keys(found)
    assert set(by_key) == set(oracle.outputs)
    claims = {key: of_layer(found, layer.name, gates=True) for key, layer in by_key.items()}
    every = oracle.kernels()
    random.Random(0).shuffle(every)
    moved = 0
    for key, channel in every[:sampled]:
        changed = oracle.changed(key, channel)
        node = by_key[key].name, channel
        for other, channels in changed.items():
            claimed = {at for at, sources in enumerate(claims[other]) if node in sources}
            assert channels == claimed, f"{node} to {other[0]}"
            moved += len(channels)
    return moved


@pytest.mark.parametrize("name", [name for name in zoo.ZOO if name not in TRANSFORMERS])
def test_perturbing_a_kernel_changes_what_is_claimed_and_nothing_else(name: str) -> None:
    entry = zoo.ZOO[name]
    net = entry.make()
    found = routed(net, entry.frames, entry.size, entry.layout)
    assert found.routed == 1
    clip = zoo.random_clip(entry.frames, entry.size)
    assert compared_with_the_oracle(net, found, lambda: zoo.feed(entry, clip), 6) > 0


@pytest.mark.parametrize("name", wirings.WIRED)
def test_perturbation_agrees_on_wired_networks(name: str) -> None:
    net, found = wired_net(name)
    video = torch.randn(1, 3, 4, 16, 16)
    assert compared_with_the_oracle(net, found, video.clone, 20) > 0


@pytest.mark.parametrize("name", ["plain", "slowfast", "tsm"])
def test_perturbing_a_colour_changes_what_reads_the_clip(name: str) -> None:
    entry = zoo.ZOO[name]
    net = entry.make()
    found = routed(net, entry.frames, entry.size, entry.layout)
    clip = zoo.random_clip(entry.frames, entry.size)
    oracle = Perturbation(net, lambda: zoo.feed(entry, clip))
    changed = oracle.changed_by_colour(2 if entry.layout == "BTCHW" else 1, 2)
    for key, layer in keys(found).items():
        assert changed[key] == {at for at, each in enumerate(of_layer(found, layer.name)) if ("input", 2) in each}
    assert any(changed.values())


@pytest.mark.parametrize("name", sorted(TRANSFORMERS))
def test_transformers_name_their_attention_and_route_the_rest(name: str) -> None:
    entry = zoo.ZOO[name]
    found = routed(entry.make(), entry.frames, entry.size, entry.layout)
    assert 0.8 < found.routed < 1
    assert all(operation.split()[0] in ("scaled_dot_product_attention", "matmul") for operation in found.unknown)
    assert all(layer.name.endswith("proj") for layer in found.layers if layer.links.unknown)
    block = "layers.0.0" if name == "channels_last" else "layers.0"
    patches = "patch_embed" if name == "channels_last" else "patch_embedding"
    width = len(found.layer(f"{block}.mlp.0").links)
    expected = both(kernels(patches, range(width)), kernels(f"{block}.attention.proj", range(width)))
    assert of_layer(found, f"{block}.mlp.0") == expected
    assert "Layer norm lets channels share" in found.notes[-1]
    assert all("which mixes channels: what feeds them is not known" in note for note in found.notes[:-1])
    assert sum(int(note.split()[0]) for note in found.notes[:-1]) == sum(found.unknown.values())


def test_a_grouped_convolution_reads_what_its_block_diagonal_twin_does() -> None:
    grouped = nn.Conv3d(6, 9, 1, groups=3, bias=False)
    net = nn.Sequential(nn.Conv3d(3, 6, 1), grouped, nn.AdaptiveAvgPool3d(1), nn.Flatten(), nn.Linear(9, 5))
    layer = routed(net).layer("1")
    for channel in range(6):
        one = torch.zeros(1, 6, 1, 1, 1)
        one[:, channel] = 1
        reading = grouped(one)[0, :, 0, 0, 0] != 0
        assert [channel in layer.reads(kernel) for kernel in range(9)] == reading.tolist()


def test_as_model_is_what_adapt_makes() -> None:
    import notebook_explain as ne
    from notebook_explain.models.channel_graph import connections

    net = zoo.ZOO["slowfast"].make()
    stated = {"size": 32, "frames": 16, "mean": 0.45, "std": 0.225, "layout": (4, 1)}
    adapted, plain = connections(ne.adapt(net, **stated)), connections(as_model(net, 16, 32, (4, 1)))
    assert [of_layer(adapted, layer.name) for layer in adapted.layers] == [
        of_layer(plain, layer.name) for layer in plain.layers
    ]
