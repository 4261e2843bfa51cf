"""Pyramids against known answers: planted paths, exact sums, signs, equivalent networks; and checks of arguments."""

from __future__ import annotations

import json
from itertools import pairwise

import numpy as np
import pytest
import torch
from torch import nn

import notebook_explain as ne
from notebook_explain.methods.feature_pyramid import FeaturePyramid, descent
from notebook_explain.methods.feature_pyramid.contributions import (
    exact_contributions,
    fast_contributions,
    gradient_contributions,
)
from notebook_explain.methods.feature_pyramid.layer_records import channel_means, tap_means
from notebook_explain.models.channel_graph import Call, Site
from tests import zoo

STATED = {"size": 16, "frames": 8, "mean": 0.0, "std": 1.0, "layout": "BCTHW"}


class Net(nn.Module):
    """A body, global pooling and a classifier."""

    def __init__(self, body: nn.Module, channels: int, classes: int = 3) -> None:
        super().__init__()
        self.body, self.pool, self.head = body, nn.AdaptiveAvgPool3d(1), nn.Linear(channels, classes)

    def forward(self, x):
        return self.head(self.pool(self.body(x)).flatten(1))


def zeroed(module):
    """Set all weights and biases to zero."""
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.zero_()
    return module


def conv(inputs, outputs, groups=1, size=3):
    return nn.Conv3d(inputs, outputs, size, padding=size // 2, groups=groups)


def pyramid(net, target=0, clip=None, **knobs):
    clip = zoo.random_clip(8, 16) if clip is None else clip
    return FeaturePyramid(**{"contribution": "exact"} | knobs)(ne.adapt(net.eval(), **STATED), clip, target)


def kernels(found, name):
    return [found.units[index].channel for index in found.row(name).units]


def conv_call(inputs, outputs, kernel, stride, padding, dilation, groups):
    weight = torch.randn(outputs, inputs // groups, *kernel, generator=torch.Generator().manual_seed(1))
    pads = tuple((pad, pad) for pad in padding)
    return Call(Site("", "conv", 0), (), weight, None, stride, pads, dilation, groups)


SHAPES = {
    "plain": (4, 6, (3, 3, 3), (1, 1, 1), (1, 1, 1), (1, 1, 1), 1),
    "strided": (4, 6, (3, 5, 3), (2, 2, 1), (1, 2, 1), (1, 1, 1), 1),
    "dilated": (4, 6, (3, 3, 3), (1, 2, 1), (2, 1, 0), (2, 1, 2), 1),
    "grouped": (8, 4, (3, 3, 3), (1, 2, 2), (1, 1, 1), (1, 1, 1), 4),
    "depthwise": (6, 6, (3, 3, 3), (1, 1, 1), (1, 1, 1), (1, 1, 1), 6),
    "pointwise": (5, 7, (1, 1, 1), (2, 2, 2), (0, 0, 0), (1, 1, 1), 1),
}


@pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES)
def test_exact_contributions_add_up_to_the_mean_pre_activation(shape):
    call = conv_call(*shape)
    x = torch.randn(1, shape[0], 6, 9, 8, generator=torch.Generator().manual_seed(2))
    padding = [before for before, _ in call.padding]
    output = torch.conv3d(x, call.weight, None, call.stride, padding, call.dilation, call.groups)
    added = exact_contributions(call, tap_means(x, output.shape[2:], call), range(shape[1]))
    torch.testing.assert_close(added.sum(1), output.double().mean((0, 2, 3, 4)), rtol=1e-5, atol=1e-6)
    first_channel = x.clone()
    first_channel[:, 1:] = 0
    output = torch.conv3d(first_channel, call.weight, None, call.stride, padding, call.dilation, call.groups)
    torch.testing.assert_close(added[0, 0], output[:, 0].double().mean(), rtol=1e-5, atol=1e-6)


def test_fast_contributions_are_exact_for_circular_padding_and_a_stride_of_1():
    call = conv_call(*SHAPES["plain"])
    x = torch.randn(1, 4, 6, 8, 8, generator=torch.Generator().manual_seed(2))
    output = torch.conv3d(nn.functional.pad(x, (1,) * 6, mode="circular"), call.weight)
    added = fast_contributions(call, channel_means(x, 1), range(6))
    torch.testing.assert_close(added.sum(1), output.double().mean((0, 2, 3, 4)), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("transposed", [False, True])
def test_gradient_contributions_add_up_to_gradient_times_output(transposed):
    g = torch.Generator().manual_seed(3)
    weight = torch.randn(*((8, 3) if transposed else (6, 4)), 3, 3, 3, generator=g)
    call = Call(Site("", "conv", 0), (), weight, None, (2, 2, 2), ((1, 1),) * 3, (1, 1, 1), 2, transposed)
    x = torch.randn(1, 8, 5, 7, 7, generator=g)
    function = torch.conv_transpose3d if transposed else torch.conv3d
    output = function(x, weight, stride=2, padding=1, groups=2)
    gradient = torch.randn(output.shape, generator=g)
    added = gradient_contributions(call, x, gradient, range(6))
    torch.testing.assert_close(added.sum(1), (gradient * output).double().sum((0, 2, 3, 4)), rtol=1e-4, atol=1e-4)
    if transposed:
        added = exact_contributions(call, tap_means(x, output.shape[2:], call), range(6))
        torch.testing.assert_close(added.sum(1), output.double().mean((0, 2, 3, 4)), rtol=1e-5, atol=1e-6)


def test_a_caveat_names_the_row_where_a_pyramid_by_gradient_ends() -> None:
    torch.manual_seed(0)
    net = nn.Sequential(
        nn.Conv3d(3, 4, 1),
        nn.ReLU(),
        nn.Conv3d(4, 4, 1),
        nn.ReLU(),
        nn.AdaptiveAvgPool3d(1),
        nn.Flatten(),
        nn.Linear(4, 2),
    )
    with torch.no_grad():
        for part in (net[0], net[2], net[6]):
            part.weight.fill_(0.1)
            part.bias.fill_(0.0)
        net[2].weight[:, 0] = 1.0
        net[2].weight[:, 1:] = -0.01
        net[2].bias.fill_(1.0)
        net[0].weight[0] = -1.0  # the only kernel that supports the class is active because of its bias alone
        net[0].bias.fill_(5.0)
    white = np.full((8, 16, 16, 3), 255, np.uint8)
    found = pyramid(net, 0, white, contribution="gradient")
    assert [row.name for row in found.rows] == ["6", "2", "0"]
    assert "Nothing below 0 supports the class on balance, so the pyramid ends there." in found.provenance.caveats
    deep = pyramid(net, 0, white, contribution="gradient", depth=2)
    assert not [caveat for caveat in deep.provenance.caveats if "on balance" in caveat]


@pytest.mark.parametrize("contribution", ["exact", "fast", "gradient"])
@pytest.mark.parametrize("groups", [1, 2, 8])
def test_a_planted_path_is_the_whole_pyramid(groups, contribution):
    path = {1: (5, 2, 6), 2: (5, 6, 4), 8: (5, 5, 5)}[
        groups
    ]  # within one group; the same channel throughout when depthwise
    body = nn.Sequential(conv(3, 8), nn.ReLU(), conv(8, 8, groups), nn.ReLU(), conv(8, 8, groups), nn.ReLU())
    net = zeroed(Net(body, 8))
    inside = 8 // groups
    with torch.no_grad():
        body[0].weight[path[0], 1] = 0.1
        body[2].weight[path[1], path[0] % inside] = 0.1
        body[4].weight[path[2], path[1] % inside] = 0.1
        net.head.weight[0, path[2]] = 1
    found = pyramid(net, contribution=contribution)
    assert [kernels(found, name) for name in ("body.0", "body.2", "body.4")] == [[channel] for channel in path]
    assert kernels(found, "clip") == [1]
    assert all(unit.score == pytest.approx(1) for unit in found.units)


def test_a_planted_path_through_a_residual_sum_a_concatenation_and_a_shuffle():
    class Body(nn.Module):
        def __init__(self):
            super().__init__()
            self.stem, self.main, self.a, self.b, self.last = conv(3, 4), conv(4, 4), conv(4, 4), conv(4, 4), conv(8, 4)

        def forward(self, x):
            x = torch.relu(self.stem(x))
            x = torch.relu(self.main(x) + x)
            x = torch.cat([torch.relu(self.a(x)), torch.relu(self.b(x))], 1)
            x = x.unflatten(1, (2, 4)).transpose(1, 2).flatten(1, 2)  # a0 b0 a1 b1 ...
            return torch.relu(self.last(x))

    body = zeroed(Body())
    net = zeroed(Net(body, 4))
    with torch.no_grad():
        body.stem.weight[3, 0] = 0.1  # through the shortcut: main outputs 0
        body.b.weight[2, 3] = 0.1
        body.last.weight[1, 5] = 0.1  # b2, after the shuffle
        net.head.weight[0, 1] = 1
    found = pyramid(net)
    assert kernels(found, "body.last") == [1]
    assert kernels(found, "body.b") == [2]
    assert kernels(found, "sum in body") == [3]
    assert kernels(found, "body.stem") == [3]
    names = [row.name for row in found.rows]
    assert "body.a" not in names
    assert "body.main" not in names
    kinds = {(found.rows[found.units[e.parent].row].name, e.kind) for e in found.edges}
    assert ("sum in body", "identity") in kinds
    assert ("body.last", "concat") in kinds


def test_a_grouped_network_has_the_pyramid_of_the_equivalent_dense_one():
    torch.manual_seed(5)
    grouped = conv(8, 8, 4)
    dense = zeroed(conv(8, 8))
    with torch.no_grad():
        for i in range(8):
            first = i // 2 * 2
            dense.weight[i, first : first + 2] = grouped.weight[i]
        dense.bias.copy_(grouped.bias)
    stem = conv(3, 8)
    nets = [Net(nn.Sequential(stem, nn.ReLU(), layer, nn.ReLU()), 8) for layer in (grouped, dense)]
    nets[1].head = nets[0].head
    first, second = (pyramid(net).to_json()["nodes"] for net in nets)
    assert [node["channel"] for node in first] == [node["channel"] for node in second]
    np.testing.assert_allclose([node["score"] for node in first], [node["score"] for node in second], rtol=1e-6)


def test_the_contribution_of_a_channel_is_divided_among_the_kernels_it_merges():
    class Maximum(nn.Module):
        def __init__(self):
            super().__init__()
            self.a, self.b, self.last = conv(3, 2), conv(3, 2), conv(2, 1, size=1)

        def forward(self, x):
            return self.last(torch.maximum(torch.relu(self.a(x)), torch.relu(self.b(x))))

    torch.manual_seed(0)
    net = Net(Maximum(), 1).eval()
    with torch.no_grad():
        net.body.last.weight.fill_(0.5)
        net.body.last.bias.fill_(5)
        net.head.weight.fill_(1)
    clip = zoo.random_clip(8, 16)
    found = pyramid(net, clip=clip, mass=1.0)
    x = torch.from_numpy(clip).permute(3, 0, 1, 2)[None].float() / 255
    with torch.no_grad():
        means = torch.maximum(torch.relu(net.body.a(x)), torch.relu(net.body.b(x))).mean((0, 2, 3, 4))
    for name in ("body.a", "body.b"):
        for index in found.row(name).units:
            (edge,) = [edge for edge in found.edges if edge.child == index]
            assert edge.contribution == pytest.approx(0.5 * float(means[found.units[index].channel]) / 2, rel=1e-4)


def test_below_a_negative_norm_the_children_are_those_that_lower_the_kernel():
    body = nn.Sequential(conv(3, 4), nn.ReLU(), conv(4, 2, size=1), nn.BatchNorm3d(2), nn.ReLU())
    net = zeroed(Net(body, 2))
    with torch.no_grad():
        body[0].weight[:, 0] = 0.1
        body[2].weight[0, 0, 0, 0, 0], body[2].weight[0, 1, 0, 0, 0] = 1.0, -0.5
        body[3].weight[0], body[3].bias[0] = -1.0, 100.0
        net.head.weight[0, 0] = 1
    found = pyramid(net)
    assert [found.units[index].direction for index in found.row("body.2").units] == [-1]
    assert kernels(found, "body.0") == [1]  # it lowers a kernel that should be lower
    edge = next(e for e in found.edges if found.rows[found.units[e.child].row].name == "body.0")
    assert edge.contribution < 0


def test_the_only_channel_that_helps_is_selected():
    body = nn.Sequential(conv(3, 5, size=1), nn.ReLU(), conv(5, 1, size=1), nn.ReLU())
    net = zeroed(Net(body, 1))
    with torch.no_grad():
        body[0].weight[:, 0] = 1
        body[2].weight[0, :, 0, 0, 0] = torch.tensor([-1.0, -0.2, -0.3, 0.1, -0.5])
        body[2].bias[0] = 100.0
        net.head.weight[0, 0] = 1
    assert kernels(pyramid(net), "body.0") == [3]


def test_the_maps_of_a_row_are_the_outputs_of_its_layer_after_the_activation():
    body = nn.Sequential(conv(3, 4), nn.ReLU(), nn.MaxPool3d(2), conv(4, 4), nn.ReLU(inplace=True), nn.MaxPool3d(2))
    net = Net(body, 4).eval()
    clip = zoo.random_clip(8, 16)
    found = pyramid(net, clip=clip)
    x = torch.from_numpy(clip).permute(3, 0, 1, 2)[None].float() / 255
    with torch.no_grad():
        for name, depth in (("body.0", 2), ("body.3", 5)):
            row = found.row(name)
            expected = body[:depth](x)[0, kernels(found, name)].numpy()
            np.testing.assert_allclose(row.maps, expected, rtol=1e-5, atol=1e-6)
            assert found.tube(name).shape == (8, 16, 16)


def test_each_unit_is_expanded_once_and_results_are_reproducible():
    found, again = (pyramid(zoo.ZOO["residual"].make(), target=1) for _ in range(2))
    assert json.dumps(found.to_json()) == json.dumps(again.to_json())
    assert len({(unit.row, unit.channel) for unit in found.units}) == len(found.units)
    assert len({(edge.child, edge.parent) for edge in found.edges}) == len(found.edges)


def test_scores_decrease_towards_the_clip_and_coverage_is_a_fraction():
    found = pyramid(zoo.ZOO["plain"].make(), target=2)
    totals = [sum(found.units[index].score for index in row.units) for row in found.rows if row.kind == "kernel"]
    assert all(above >= below - 1e-9 for above, below in pairwise(totals))
    assert all(0 < row.coverage <= 1 for row in found.rows)
    whole = pyramid(zoo.ZOO["plain"].make(), target=2, mass=1.0, most=10_000)
    assert all(row.coverage == pytest.approx(1) for row in whole.rows)


def test_pruning_is_monotone_and_keeps_connected_units():
    found = pyramid(zoo.ZOO["residual"].make(), target=0)
    kept = [set(found.prune(threshold)) for threshold in np.linspace(0, 1, 21)]
    assert kept[0] == set(range(len(found.units)))
    assert all(more >= fewer for more, fewer in pairwise(kept))
    assert len(kept[10]) < len(kept[3]) < len(kept[0])
    for row in found.rows:
        highest = max(found.units[index].score for index in row.units)
        assert all(found.units[index].score >= 0.3 * highest for index in row.units if index in kept[6])
    parents = {index: {edge.parent for edge in found.edges if edge.child == index} for index in kept[6]}
    assert all(parents[index] & kept[6] for index in kept[6] if found.rows[found.units[index].row].kind != "class")
    tree = found.to_tree()
    assert tree["children"][0]["name"].endswith(" 0")


def test_a_difference_of_classes_starts_at_both():
    found = pyramid(zoo.ZOO["plain"].make(), target=ne.Target(0) - ne.Target(1))
    top = [(found.units[index].channel, found.units[index].direction) for index in found.rows[0].units]
    assert sorted(top) == [(0, 1), (1, -1)]


def test_depth_and_most_limit_the_pyramid():
    deep = pyramid(zoo.ZOO["residual"].make(), target=0)
    assert len(pyramid(zoo.ZOO["residual"].make(), target=0, depth=2).rows) < len(deep.rows)
    assert max(len(row.units) for row in pyramid(zoo.ZOO["residual"].make(), target=0, most=3).rows) == 3


@pytest.mark.parametrize(
    ("knobs", "words"),
    [
        (
            {"contribution": "exakt"},
            "contribution must be one of 'gradient', 'exact', 'fast'; got 'exakt'; did you mean 'exact'",
        ),
        ({"selection": "best"}, "selection must be one of"),
        ({"mass": 0}, "mass must be greater than 0 and at most 1, got 0"),
        ({"depth": 0}, "depth must be at least 1, got 0"),
        ({"mode": "published"}, "mode must be one of 'corrected', 'paper'; got 'published'"),
    ],
)
def test_invalid_knobs_raise_errors(knobs, words):
    with pytest.raises(ValueError, match=words):
        FeaturePyramid(**knobs)


def test_several_targets_and_wrong_types_are_refused():
    model = ne.adapt(zoo.ZOO["plain"].make(), **STATED)
    with pytest.raises(TypeError, match="a pyramid has one target"):
        FeaturePyramid()(model, zoo.random_clip(8, 16), [0, 1])
    with pytest.raises(TypeError, match="model must be a VideoModel"):
        FeaturePyramid()(nn.Linear(1, 1), zoo.random_clip(8, 16))
    with pytest.raises(ValueError, match=r"threshold must lie in 0\.\.1"):
        pyramid(zoo.ZOO["plain"].make()).prune(2)


def test_the_stream_computes_a_row_only_when_it_is_requested(monkeypatch):
    expanded = []
    compute = descent.contributions
    monkeypatch.setattr(descent, "contributions", lambda *args: expanded.append(args[3]) or compute(*args))
    model = ne.adapt(zoo.ZOO["plain"].make(), **STATED)
    rows = (step for step in FeaturePyramid().stream(model, zoo.random_clip(8, 16), 0) if step.stage == "rows")
    for count, step in zip(range(1, 4), rows, strict=False):
        assert len(step.partial.rows) == len(expanded) == count
