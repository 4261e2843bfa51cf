"""Scores, links against units, remainders, and pyramids through operations that channels cannot be followed through.

The oracles are hooks of these tests on the network in float64.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

import notebook_explain as ne
from notebook_explain.explanations.caveats import CaveatCode
from notebook_explain.explanations.pyramid.pyramid import Pyramid
from notebook_explain.methods.feature_pyramid import FeaturePyramid
from notebook_explain.methods.feature_pyramid.contributions import CONTRIBUTIONS
from tests import zoo
from tests.zoo.wirings import WIRED

STATED: dict[str, Any] = {"size": 16, "frames": 8, "mean": 0.45, "std": 0.225, "layout": "BCTHW"}
WIRED_NETS = [name for name in WIRED if name != "flattening"]


def wired(name: str) -> nn.Module:
    return zoo.seeded(WIRED[name]).double()


def explained(net: nn.Module, **knobs: Any) -> Pyramid:
    return FeaturePyramid(**knobs)(ne.adapt(net, **STATED), zoo.random_clip(8, 16), 1)


def video() -> Tensor:
    clip = zoo.random_clip(8, 16)
    return (torch.from_numpy(clip).permute(3, 0, 1, 2)[None].double() / 255 - 0.45) / 0.225


def outputs_of(net: nn.Module) -> dict[str, tuple[Tensor, Tensor]]:
    """Return the output of each convolution and linear layer without its bias, and the score's gradient there."""
    found: dict[str, Tensor] = {}
    layers = {name: module for name, module in net.named_modules() if isinstance(module, (nn.Conv3d, nn.Linear))}

    def keep(name: str) -> Any:
        def hook(_: nn.Module, args: object, output: Tensor) -> Tensor:
            found[name] = output
            return output.clone()  # an activation may overwrite it

        return hook

    handles = [module.register_forward_hook(keep(name)) for name, module in layers.items()]
    score = net(video())[0, 1]
    for handle in handles:
        handle.remove()
    gradients = torch.autograd.grad(score, list(found.values()))
    result = {}
    for (name, output), gradient in zip(found.items(), gradients, strict=True):
        axis = -1 if isinstance(layers[name], nn.Linear) else 1
        bias = layers[name].bias
        plain = (
            output
            if bias is None
            else output - bias.view([-1 if k == axis % output.ndim else 1 for k in range(output.ndim)])
        )
        result[name] = plain.detach().movedim(axis, 0).flatten(1), gradient.movedim(axis, 0).flatten(1)
    return result


def sums_of_contributions(pyramid: Pyramid) -> list[float]:
    """Return, for each unit, the sum of the contributions of its edges and of its remainder."""
    totals = [0.0 if unit.remainder is None else unit.remainder for unit in pyramid.units]
    for edge in pyramid.edges:
        totals[edge.parent] += edge.contribution
    return totals


@pytest.mark.parametrize("name", WIRED_NETS)
@pytest.mark.parametrize("knobs", [{}, {"mass": 0.5, "most": 4}], ids=["default", "few"])
def test_contributions_and_remainder_add_up_to_the_pre_activation(name: str, knobs: dict[str, Any]) -> None:
    net = wired(name)
    outputs = outputs_of(net)
    for contribution in ("preactivation", "gradient", "gradient_x_activation"):
        pyramid = explained(net, contribution=contribution, **knobs)
        totals = sums_of_contributions(pyramid)
        checked = 0
        for row in pyramid.rows:
            for index in row.units if row.name in outputs else ():
                output, gradient = (part[pyramid.units[index].channel] for part in outputs[row.name])
                expected = output.mean() if contribution == "preactivation" else (output * gradient).sum()
                scale = max(1e-3, float(output.abs().mean())) if contribution == "preactivation" else 1e-3
                assert pyramid.units[index].remainder is not None
                assert totals[index] == pytest.approx(float(expected), rel=1e-5, abs=1e-5 * scale)
                checked += 1
        assert checked >= 2


def test_links_against_a_unit_are_shown_from_the_strongest_down() -> None:
    """Weights are planted: of six inputs two add much, one adds little, and three subtract."""
    conv, last = nn.Conv3d(3, 6, 1), nn.Conv3d(6, 1, 1)
    net = nn.Sequential(conv, nn.ReLU(), last, nn.AdaptiveAvgPool3d(1), nn.Flatten(), nn.Linear(1, 2)).double().eval()
    planted = torch.tensor([1.0, -0.9, 0.8, -0.4, 0.1, -0.05], dtype=torch.float64)
    with torch.no_grad():
        conv.weight.fill_(0.0)
        conv.bias.fill_(1.0)
        last.weight.copy_(planted.view(1, 6, 1, 1, 1))
        last.bias.fill_(0.0)
        net[5].weight.copy_(torch.tensor([[0.0], [2.0]]))
        net[5].bias.fill_(0.0)
    for contribution, factor in (("preactivation", 1.0), ("gradient", 2.0), ("gradient_x_activation", 2.0)):
        pyramid = explained(net, contribution=contribution, mass=0.9)
        edges = [edge for edge in pyramid.edges if pyramid.rows[pyramid.units[edge.parent].row].name == "2"]
        shown = {pyramid.units[edge.child].channel: edge for edge in edges}
        # 0 and 2 carry 1.8 of 1.9; of those against only 1 is as strong as 0.8.
        assert set(shown) == {0, 1, 2}
        for channel, edge in shown.items():
            assert edge.contribution == pytest.approx(factor * float(planted[channel]))
            assert edge.share == pytest.approx(float(planted[channel]) / 1.9)
        (parent,) = pyramid.row("2").units
        assert pyramid.units[parent].remainder == pytest.approx(factor * (-0.4 + 0.1 - 0.05))
        against = shown[1].child
        assert pyramid.units[against].score == 0
        words = pyramid.in_words(against)
        measured = "" if contribution == "preactivation" else " (\N{MINUS SIGN}1.8 logits)"
        assert f"carries no positive evidence for 'class 1'{measured}. It works against kernel 0 of layer 2." in words
        assert "Inputs against it: kernel 1 of layer 0 (\N{MINUS SIGN}47 %)." in pyramid.in_words(parent)
        assert "All inputs without a link together: \N{MINUS SIGN}18 %." in pyramid.in_words(parent)
        assert against not in pyramid.prune(0, against=False)
        assert against in pyramid.prune(0)


@pytest.mark.parametrize("name", [*WIRED_NETS, "zoo residual", "zoo dense"])
def test_the_scores_of_a_row_add_up_to_at_most_the_evidence_that_reaches_it(name: str) -> None:
    net = zoo.ZOO[name.removeprefix("zoo ")].make() if name.startswith("zoo ") else wired(name)
    for target in range(3):
        model = ne.adapt(net, **{**STATED, "size": 32 if name.startswith("zoo ") else 16})
        clip = zoo.random_clip(8, model.preprocessing.size[0])
        for contribution in CONTRIBUTIONS:
            pyramid = FeaturePyramid(contribution=contribution)(model, clip, target)
            for row in pyramid.rows:
                assert sum(pyramid.units[index].score for index in row.units) <= 1 + 1e-9, (contribution, row.name)
                assert row.units[0] == max(row.units, key=lambda index: pyramid.units[index].score)
        paper = FeaturePyramid(mode="paper", theta=0.3)(model, clip, target) if name != "crossed sums" else None
        for row in paper.rows if paper is not None else ():
            assert sum(paper.units[index].score for index in row.units) <= 1 + 1e-9


def test_by_gradient_x_activation_the_units_of_a_layer_are_ranked_by_it() -> None:
    net = zoo.seeded(
        lambda: nn.Sequential(
            *(nn.Conv3d(3, 8, 3, padding=1), nn.BatchNorm3d(8), nn.SiLU()),
            *(nn.Conv3d(8, 12, 3, padding=1), nn.BatchNorm3d(12), nn.SiLU()),
            *(nn.AdaptiveAvgPool3d(1), nn.Flatten(), nn.Linear(12, 4)),
        )
    ).double()
    pyramid = explained(net, mass=1.0, most=100)
    x = video()
    for name, depth in (("0", 3), ("3", 6)):
        activation = net[:depth](x).detach().requires_grad_()
        (gradient,) = torch.autograd.grad(net[depth:](activation)[0, 1], activation)
        products = (gradient * activation).sum((0, 2, 3, 4))
        row = pyramid.row(name)
        scores = torch.zeros_like(products)
        for index in row.units:
            scores[pyramid.units[index].channel] = pyramid.units[index].score
        positive = products.clamp(min=0)
        assert row.coverage == pytest.approx(1)
        torch.testing.assert_close(scores / scores.sum(), positive / positive.sum(), rtol=1e-5, atol=1e-7)


# Operations that channels cannot be followed through


class Recurrent(nn.Module):
    """A convolution, one vector per frame, an LSTM, a classifier of its last output."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = nn.Conv3d(3, 6, 3, padding=1), nn.Conv3d(6, 5, 3, padding=1)
        self.lstm, self.fc = nn.LSTM(5, 7, batch_first=True), nn.Linear(7, 3)

    def forward(self, x: Tensor) -> Tensor:
        x = torch.relu(self.second(torch.relu(self.first(x)))).mean((3, 4)).transpose(1, 2)
        return self.fc(self.lstm(x)[0][:, -1])


class Attending(nn.Module):
    """Convolutions, attention over all positions with a shortcut, mean pooling, a classifier."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = nn.Conv3d(3, 6, 3, 2, 1), nn.Conv3d(6, 8, 3, 2, 1)
        self.attention, self.fc = nn.MultiheadAttention(8, 2, batch_first=True), nn.Linear(8, 3)

    def forward(self, x: Tensor) -> Tensor:
        x = torch.relu(self.second(torch.relu(self.first(x)))).flatten(2).transpose(1, 2)
        return self.fc((self.attention(x, x, x)[0]).mean(1))


@pytest.mark.parametrize("contribution", CONTRIBUTIONS)
@pytest.mark.parametrize(("make", "operation"), [(Recurrent, "lstm"), (Attending, "attention")])
def test_a_pyramid_goes_on_below_what_channels_cannot_be_followed_through(
    make: type[nn.Module], operation: str, contribution: str
) -> None:
    net = zoo.seeded(make).double()
    pyramid = explained(net, contribution=contribution)
    names = [row.name for row in pyramid.rows]
    assert names[0] == "fc"
    assert {"second", "first"} <= set(names)  # by "gradient" it ends where nothing contributes on balance
    across = [edge for edge in pyramid.edges if edge.kind == "unknown"]
    assert across
    assert all(edge.contribution == 0 and 0 < edge.share <= 1 for edge in across)
    caveats = [c for c in pyramid.provenance.caveats if "cannot be followed through" in c]
    assert caveats
    assert operation in caveats[0]
    assert caveats[0].code is CaveatCode.CHANNEL_GRAPH
    # The units right below are ranked by gradient x activation.
    below = pyramid.rows[pyramid.units[across[0].child].row]
    assert below.name == "second"
    x = video()
    activation = torch.relu(net.second(torch.relu(net.first(x)))).detach().requires_grad_()
    net.second.forward = lambda _: activation
    (gradient,) = torch.autograd.grad(net(x)[0, 1], activation)
    products = (gradient * activation).sum((0, 2, 3, 4))
    ranked = [pyramid.units[index].channel for index in below.units if pyramid.units[index].score > 0]
    expected = [int(channel) for channel in products.argsort(descending=True) if products[channel] > 0]
    assert ranked == expected[: len(ranked)]
    assert len(ranked) >= 1


class PerFrame(nn.Module):
    """A 2-D network called once a frame, an LSTM, a classifier."""

    def __init__(self) -> None:
        super().__init__()
        self.stem, self.conv = nn.Conv2d(3, 4, 3, 2, 1), nn.Conv2d(4, 8, 3, 2, 1)
        self.lstm, self.fc = nn.LSTM(8, 6, batch_first=True), nn.Linear(6, 3)

    def forward(self, x: Tensor) -> Tensor:
        frames = [torch.relu(self.conv(self.stem(x[:, :, time]))).mean((2, 3)) for time in range(x.shape[2])]
        return self.fc(self.lstm(torch.stack(frames, 1))[0][:, -1])


def test_layers_below_the_same_operation_share_a_caveat() -> None:
    pyramid = explained(zoo.seeded(PerFrame), mass=1.0)
    below = [row.name for row in pyramid.rows if row.name.startswith("conv")]
    assert len(below) > 3
    (caveat,) = [c for c in pyramid.provenance.caveats if "cannot be followed through" in c]
    assert f"The units of {below[0]} and {len(below) - 1} more layers are scored by gradient x activation" in caveat


# Names of the modes


@pytest.mark.parametrize(("old", "new"), [("exact", "preactivation"), ("fast", "preactivation_approximate")])
def test_old_names_of_the_modes_still_work(old: str, new: str) -> None:
    with pytest.warns(DeprecationWarning, match=f"contribution='{old}' is deprecated; use contribution='{new}'"):
        explainer = FeaturePyramid(contribution=old)
    assert explainer == FeaturePyramid(contribution=new)
    assert np.isfinite(explained(wired("identities"), contribution=new).target.logit)


# Outputs with several readers, and layers without a gradient


class NormFirst(nn.Module):
    """A sum that a norm and an activation read, and a shortcut past them."""

    def __init__(self) -> None:
        super().__init__()
        self.stem, self.conv = nn.Conv3d(3, 6, 1), nn.Conv3d(6, 6, 1)
        self.norm, self.last, self.fc = nn.BatchNorm3d(6), nn.Conv3d(6, 6, 1), nn.Linear(6, 3)

    def forward(self, x: Tensor) -> Tensor:
        x = self.stem(x)
        x = torch.relu(self.norm(x))
        x = self.conv(x) + x
        x = x + self.last(torch.relu(self.norm(x)))
        return self.fc(x.mean((2, 3, 4)))


def test_an_output_that_a_shortcut_reads_before_the_norm_counts_with_all_its_readers() -> None:
    net = zoo.seeded(NormFirst).double()
    pyramid = explained(net, mass=1.0)
    stem = torch.relu(net.norm(net.stem(video())))
    total = (net.conv(stem) + stem).detach().requires_grad_()
    logits = net.fc((total + net.last(torch.relu(net.norm(total)))).mean((2, 3, 4)))
    (gradient,) = torch.autograd.grad(logits[0, 1], total)
    products = (gradient * total).sum((0, 2, 3, 4)).clamp(min=0)
    row = pyramid.rows[[row.name for row in pyramid.rows].index("sum")]
    scores = torch.zeros_like(products)
    for index in row.units:
        scores[pyramid.units[index].channel] = pyramid.units[index].score
        assert pyramid.units[index].map_direction == pyramid.units[index].direction
    torch.testing.assert_close(scores / scores.sum(), products / products.sum(), rtol=1e-5, atol=1e-7)
    assert row.maps is not None
    channels = [pyramid.units[index].channel for index in row.units]
    np.testing.assert_allclose(row.maps, total[0, channels].detach().numpy(), rtol=1e-5, atol=1e-6)


class Detached(nn.Module):
    """Two convolutions; no gradient reaches the first."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second, self.fc = nn.Conv3d(3, 6, 1), nn.Conv3d(6, 6, 1), nn.Linear(6, 3)

    def forward(self, x: Tensor) -> Tensor:
        return self.fc(torch.relu(self.second(torch.relu(self.first(x)).detach())).mean((2, 3, 4)))


def test_a_caveat_names_layers_that_no_gradient_reaches() -> None:
    net = zoo.seeded(Detached)
    for contribution in CONTRIBUTIONS:
        pyramid = explained(net, contribution=contribution)
        (caveat,) = [c for c in pyramid.provenance.caveats if "No gradient reaches first" in c]
        assert caveat.code is CaveatCode.NO_GRADIENT
        assert not [c for c in pyramid.provenance.caveats if "on balance" in c]
        assert (pyramid.rows[-1].name == "clip") is contribution.startswith("preactivation")
