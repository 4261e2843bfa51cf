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
    return FeaturePyramid(**{"contribution": "preactivation"} | knobs)(ne.adapt(net.eval(), **STATED), clip, target)


def kernels(result, name):
    """Return the kernels of a row that carry evidence; those shown because they work against a unit have the score 0."""
    return [result.units[index].channel for index in result.row(name).units if result.units[index].score > 0]


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
    result = pyramid(net, 0, white, contribution="gradient")
    assert [row.name for row in result.rows] == ["6", "2", "0"]
    assert "Nothing below 0 supports the class on balance, so the pyramid ends there." in result.provenance.caveats
    deep = pyramid(net, 0, white, contribution="gradient", depth=2)
    assert not [caveat for caveat in deep.provenance.caveats if "on balance" in caveat]


@pytest.mark.parametrize(
    "contribution", ["preactivation", "preactivation_approximate", "gradient", "gradient_x_activation"]
)
@pytest.mark.parametrize("groups", [1, 2, 8])
def test_a_planted_path_is_the_whole_pyramid(groups, contribution):
    # The path stays within one group; in depthwise convolutions it is one channel.
    path = {1: (5, 2, 6), 2: (5, 6, 4), 8: (5, 5, 5)}[groups]
    body = nn.Sequential(conv(3, 8), nn.ReLU(), conv(8, 8, groups), nn.ReLU(), conv(8, 8, groups), nn.ReLU())
    net = zeroed(Net(body, 8))
    inside = 8 // groups
    with torch.no_grad():
        body[0].weight[path[0], 1] = 0.1
        body[2].weight[path[1], path[0] % inside] = 0.1
        body[4].weight[path[2], path[1] % inside] = 0.1
        net.head.weight[0, path[2]] = 1
    result = pyramid(net, contribution=contribution)
    assert [kernels(result, name) for name in ("body.0", "body.2", "body.4")] == [[channel] for channel in path]
    assert kernels(result, "clip") == [1]
    assert all(unit.score == pytest.approx(1) for unit in result.units)


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
    result = pyramid(net)
    assert kernels(result, "body.last") == [1]
    assert kernels(result, "body.b") == [2]
    assert kernels(result, "sum in body") == [3]
    assert kernels(result, "body.stem") == [3]
    names = [row.name for row in result.rows]
    assert "body.a" not in names
    assert "body.main" not in names
    kinds = {(result.rows[result.units[e.parent].row].name, e.kind) for e in result.edges}
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
    result = pyramid(net, clip=clip, mass=1.0)
    x = torch.from_numpy(clip).permute(3, 0, 1, 2)[None].float() / 255
    with torch.no_grad():
        means = torch.maximum(torch.relu(net.body.a(x)), torch.relu(net.body.b(x))).mean((0, 2, 3, 4))
    for name in ("body.a", "body.b"):
        for index in result.row(name).units:
            (edge,) = [edge for edge in result.edges if edge.child == index]
            assert edge.contribution == pytest.approx(0.5 * float(means[result.units[index].channel]) / 2, rel=1e-4)


def test_below_a_negative_norm_the_children_are_those_that_lower_the_kernel():
    body = nn.Sequential(conv(3, 4), nn.ReLU(), conv(4, 2, size=1), nn.BatchNorm3d(2), nn.ReLU())
    net = zeroed(Net(body, 2))
    with torch.no_grad():
        body[0].weight[:, 0] = 0.1
        body[2].weight[0, 0, 0, 0, 0], body[2].weight[0, 1, 0, 0, 0] = 1.0, -0.5
        body[3].weight[0], body[3].bias[0] = -1.0, 100.0
        net.head.weight[0, 0] = 1
    result = pyramid(net)
    assert [result.units[index].direction for index in result.row("body.2").units] == [-1]
    assert kernels(result, "body.0") == [1]  # it lowers a kernel that should be lower
    edges = [e for e in result.edges if result.rows[result.units[e.child].row].name == "body.0"]
    assert {(result.units[e.child].channel, e.contribution < 0, e.share > 0) for e in edges} >= {(1, True, True)}
    against = [result.units[e.child].channel for e in edges if e.share < 0]
    assert against == [0]  # it raises the kernel


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
    torch.manual_seed(0)  # with some weights nothing supports the top class
    body = nn.Sequential(conv(3, 4), nn.ReLU(), nn.MaxPool3d(2), conv(4, 4), nn.ReLU(inplace=True), nn.MaxPool3d(2))
    net = Net(body, 4).eval()
    clip = zoo.random_clip(8, 16)
    result = pyramid(net, clip=clip)
    x = torch.from_numpy(clip).permute(3, 0, 1, 2)[None].float() / 255
    with torch.no_grad():
        for name, depth in (("body.0", 2), ("body.3", 5)):
            row = result.row(name)
            channels = [result.units[index].channel for index in row.units]
            expected = body[:depth](x)[0, channels].numpy()
            np.testing.assert_allclose(row.maps, expected, rtol=1e-5, atol=1e-6)
            assert result.tube(name).shape == (8, 16, 16)


def test_each_unit_is_expanded_once_and_results_are_reproducible():
    result, again = (pyramid(zoo.ZOO["residual"].make(), target=1) for _ in range(2))
    assert json.dumps(result.to_json()) == json.dumps(again.to_json())
    assert len({(unit.row, unit.channel) for unit in result.units}) == len(result.units)
    assert len({(edge.child, edge.parent) for edge in result.edges}) == len(result.edges)


def test_scores_decrease_towards_the_clip_and_coverage_is_a_fraction():
    result = pyramid(zoo.ZOO["plain"].make(), target=2)
    totals = [sum(result.units[index].score for index in row.units) for row in result.rows if row.kind == "kernel"]
    assert all(above >= below - 1e-9 for above, below in pairwise(totals))
    assert all(0 < row.coverage <= 1 for row in result.rows)
    whole = pyramid(zoo.ZOO["plain"].make(), target=2, mass=1.0, most=10_000)
    assert all(row.coverage == pytest.approx(1) for row in whole.rows)


def test_pruning_is_monotone_and_keeps_connected_units():
    result = pyramid(zoo.ZOO["residual"].make(), target=0)
    kept = [set(result.prune(threshold)) for threshold in np.linspace(0, 1, 21)]
    assert kept[0] == set(range(len(result.units)))
    assert all(more >= fewer for more, fewer in pairwise(kept))
    assert len(kept[10]) < len(kept[3]) < len(kept[0])
    for row in result.rows:
        highest = max(result.units[index].score for index in row.units)
        assert all(result.units[index].score >= 0.3 * highest for index in row.units if index in kept[6])
    parents = {index: {edge.parent for edge in result.edges if edge.child == index} for index in kept[6]}
    assert all(parents[index] & kept[6] for index in kept[6] if result.rows[result.units[index].row].kind != "class")
    tree = result.to_tree()
    assert tree["children"][0]["name"].endswith(" 0")


def test_a_difference_of_classes_starts_at_both():
    result = pyramid(zoo.ZOO["plain"].make(), target=ne.Target(0) - ne.Target(1))
    top = [(result.units[index].channel, result.units[index].direction) for index in result.rows[0].units]
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
            "contribution must be one of 'gradient_x_activation', 'gradient', 'preactivation', .*; got 'exakt'",
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
