"""The published rule on a whole model: the sets it selects, its faults, and the caveats about them."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

import notebook_explain as ne
from notebook_explain.explanations import ExplainError
from notebook_explain.methods.feature_pyramid import FeaturePyramid, published_backstep, published_first
from tests import zoo
from tests.methods.test_feature_pyramid import STATED, Net, conv, kernels, pyramid

CLIP = zoo.random_clip(8, 16)


def three_layers(groups: int = 1) -> Net:
    torch.manual_seed(3)
    body = nn.Sequential(conv(3, 8), nn.ReLU(), conv(8, 8, groups), nn.ReLU(), conv(8, 8, groups), nn.ReLU())
    return Net(body, 8).eval()


def expected_children(net: Net, target: int, theta: float) -> list[dict[int, list[int]]]:
    """Return the sets of three steps, computed from tensors that plain hooks record; each kernel is expanded once."""
    inputs = {}
    layers = [net.body[0], net.body[2], net.body[4]]
    handles = [m.register_forward_pre_hook(lambda m, args: inputs.update({m: args[0].numpy()})) for m in layers]
    x = torch.from_numpy(CLIP).permute(3, 0, 1, 2)[None].float() / 255
    with torch.no_grad():
        net(x)
    for handle in handles:
        handle.remove()
    steps = [{target: published_first(net.head.weight.detach().numpy(), target, theta)}]
    for layer in (net.body[4], net.body[2]):
        parents = sorted({child for children in steps[-1].values() for child in children})
        steps.append(published_backstep(layer.weight.detach().numpy(), inputs[layer], parents, theta))
    return steps


@pytest.mark.parametrize("groups", [1, 4])
@pytest.mark.parametrize("theta", [0.5, 0.9])
def test_three_layers_select_the_sets_of_the_rule(groups, theta):
    net = three_layers(groups)
    expected = expected_children(net, 1, theta)
    result = pyramid(net, target=1, clip=CLIP, mode="paper", theta=theta)
    assert [row.name for row in result.rows] == ["head", "body.4", "body.2", "body.0"]
    for row, children in enumerate(expected):
        edges: dict[int, list[int]] = {parent: [] for parent in children}
        for edge in result.edges:
            if result.units[edge.parent].row == row:
                edges[result.units[edge.parent].channel].append(result.units[edge.child].channel)
                assert edge.share >= theta
        assert {parent: sorted(selected) for parent, selected in edges.items()} == children


def test_a_score_is_the_share_of_the_selections_in_a_row():
    result = pyramid(three_layers(), target=1, clip=CLIP, mode="paper", theta=0.5)
    for row in result.rows[2:]:
        votes = [sum(edge.child == index for edge in result.edges) for index in row.units]
        scores = [result.units[index].score for index in row.units]
        assert scores == pytest.approx([count / sum(votes) for count in votes])
    assert all(unit.direction == 1 for unit in result.units)


def test_with_groups_the_published_children_lie_outside_the_group_and_the_corrected_ones_do_not():
    net = three_layers(groups=4)
    outside = {}
    for mode in ("paper", "corrected"):
        result = pyramid(net, target=1, clip=CLIP, mode=mode)
        pairs = [
            (result.units[e.parent].channel, result.units[e.child].channel)
            for e in result.edges
            if result.rows[result.units[e.parent].row].name in ("body.4", "body.2")
        ]
        outside[mode] = np.mean([parent // 2 != child // 2 for parent, child in pairs])
        if mode == "paper":
            caveats = " ".join(result.provenance.caveats)
            assert "This is the published rule" in caveats
            assert "body.4 has 4 groups; the published rule selects children outside them." in caveats
            assert result.provenance.method == "Class feature pyramid, the published rule"
    assert outside["corrected"] == 0
    assert outside["paper"] > 0.5


def test_a_large_depth_reaches_the_first_convolution():
    result = pyramid(zoo.ZOO["plain"].make(), target=1, clip=zoo.random_clip(8, 32), mode="paper", depth=50)
    convolutions = [m for m in zoo.ZOO["plain"].make().modules() if isinstance(m, nn.Conv3d)]
    assert len(result.rows) == 1 + len(convolutions)
    assert result.rows[-1].kind == "kernel"


def test_it_stops_with_a_caveat_where_no_layer_has_as_many_kernels():
    class Body(nn.Module):
        def __init__(self):
            super().__init__()
            self.a, self.b, self.last = conv(3, 4), conv(3, 5), conv(9, 4)

        def forward(self, x):
            return torch.relu(self.last(torch.cat([self.a(x), self.b(x)], 1)))

    torch.manual_seed(0)
    result = pyramid(Net(Body(), 4), mode="paper", clip=CLIP, theta=0.1)
    assert [row.name for row in result.rows] == ["head", "body.last"]
    expected = "The published rule stops at body.last: it reads 9 channels, and no earlier layer has 9 kernels."
    assert expected in result.provenance.caveats


def test_most_keeps_the_units_that_most_parents_selected():
    whole = pyramid(three_layers(), target=1, clip=CLIP, mode="paper", theta=0.3)
    few = pyramid(three_layers(), target=1, clip=CLIP, mode="paper", theta=0.3, most=2)
    scores = [whole.units[index].score for index in whole.row("body.2").units]
    assert scores == sorted(scores, reverse=True) != sorted(scores)
    assert kernels(few, "body.4") == kernels(whole, "body.4")[:2]
    assert few.row("body.4").coverage < 1
    assert whole.row("body.4").coverage == 1


def test_the_published_rule_refuses_a_difference():
    model = ne.adapt(three_layers(), **STATED)
    with pytest.raises(ValueError, match="the published rule explains one class, not a difference"):
        FeaturePyramid(mode="paper")(model, CLIP, ne.Target(0) - ne.Target(1))


def test_the_published_rule_refuses_classes_that_are_sums():
    class Two(nn.Module):
        def __init__(self):
            super().__init__()
            self.body, self.one, self.two = conv(3, 4), nn.Linear(4, 3), nn.Linear(4, 3)

        def forward(self, x):
            x = torch.relu(self.body(x)).mean((2, 3, 4))
            return self.one(x) + self.two(x)

    model = ne.adapt(Two().eval(), **STATED)
    with pytest.raises(ExplainError, match="the published rule needs a classifier with weights"):
        FeaturePyramid(mode="paper")(model, CLIP, 0)
