"""Maps add up where they are said to, and nothing is said that was not tested."""

from __future__ import annotations

import copy
from functools import cache
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

import notebook_explain as ne
from notebook_explain.explanations import Tubes
from notebook_explain.explanations.caveats import Caveat, CaveatCode, incompleteness_caveat
from notebook_explain.explanations.reliability import EmptyCause
from tests import zoo
from tests.models.test_adapt import EXPLAINABLE, adapted, clip_for
from tests.zoo.review_kinds import COMPLETE_WITH_CONSTANT_NORMS, REVIEW_KINDS

NOT_IN_FLOAT64 = {"cnn_per_frame_lstm"}  # torch.nn.LSTM refuses the float32 tensor of positions
ADDS_UP = [
    name
    for name, entry in REVIEW_KINDS.items()
    if (entry.complete or name in COMPLETE_WITH_CONSTANT_NORMS | {"flatten_head", "mean_and_max", "segmentation"})
]
ADDS_UP_NOWHERE = ["class_token", "fused_vit_class_token", "cnn_per_frame_lstm"]


@cache
def _model(name: str) -> ne.VideoModel:
    entry = REVIEW_KINDS[name]
    return ne.adapt(entry.make(), size=entry.size, frames=entry.frames, layout=entry.layout, mean=zoo.MEAN, std=zoo.STD)


def _clip(name: str, seed: int = 0) -> np.ndarray:
    return zoo.random_clip(REVIEW_KINDS[name].frames, REVIEW_KINDS[name].size, seed)


@cache
def _tubes(name: str, norms: str = "constant") -> Tubes:
    return ne.SaliencyTubes(norms=norms)(_model(name), _clip(name), 1)


def _codes(tubes: Tubes) -> list[CaveatCode]:
    return [caveat.code for caveat in tubes.provenance.caveats if isinstance(caveat, Caveat)]


@pytest.mark.parametrize("name", ADDS_UP)
def test_the_first_map_shown_adds_up_to_the_score(name: str) -> None:
    tubes = _tubes(name)
    (result,) = tubes.targets
    assert result.bias is None or CaveatCode.INCOMPLETE_MAP not in _codes(tubes)
    total = float(tubes.layer().values[0].mean(dtype=np.float64))
    rest = result.logit - total
    assert min(abs(rest), abs(rest - (result.bias or 0.0))) < 1e-4 * max(1, abs(result.logit))
    assert tubes.layer().reliability is not None
    assert tubes.layer().reliability.share[0] == pytest.approx(1, abs=1e-3)


@pytest.mark.parametrize("name", ADDS_UP_NOWHERE)
def test_a_map_that_does_not_add_up_has_a_tested_caveat(name: str) -> None:
    assert CaveatCode.INCOMPLETE_MAP in _codes(_tubes(name))
    assert _tubes(name).provenance.forwards == 2


@pytest.mark.parametrize("kind", ["temperature", "offset", "two"])
def test_the_constant_of_an_affine_head_takes_the_place_of_the_bias(kind: str) -> None:
    net: Any = REVIEW_KINDS[f"{kind}_head"].make()
    pooled = net.trunk(torch.zeros(1, 3, 8, 32, 32)).mean((2, 3, 4))
    with torch.no_grad():
        zeros = nn.Module.__call__(_WithPooled(net), torch.zeros_like(pooled))
    result = _tubes(f"{kind}_head").targets[0]
    assert result.bias == pytest.approx(float(zeros[0, 1]), abs=1e-5)
    assert float(_tubes(f"{kind}_head").layers[-1].gap[0]) == pytest.approx(float(zeros[0, 1]), abs=1e-5)


class _WithPooled(nn.Module):
    """A head of ``review_kinds`` on given pooled features: its trunk returns them as one voxel."""

    def __init__(self, net: nn.Module) -> None:
        super().__init__()
        self.net = copy.deepcopy(net)

    def forward(self, pooled: torch.Tensor) -> torch.Tensor:
        voxel = pooled[..., None, None, None]
        self.net.trunk = _Return(voxel)  # type: ignore[assignment]
        output: torch.Tensor = self.net(torch.zeros(1, 3, 8, 32, 32))
        return output


class _Return(nn.Module):
    def __init__(self, value: torch.Tensor) -> None:
        super().__init__()
        self.value = value

    def forward(self, _: torch.Tensor) -> torch.Tensor:
        return self.value


@pytest.mark.parametrize("name", ["class_token", "fused_vit_class_token"])
def test_a_layer_after_which_only_the_class_token_is_read_is_empty_and_not_shown_first(name: str) -> None:
    tubes = _tubes(name)
    last = tubes.layers[-1]
    assert last.reliability is not None
    assert last.reliability.empty == (EmptyCause.TOKENS,)
    assert not last.values.any()
    assert tubes.layer().name == "blocks.1"
    assert tubes.layer().values.any()
    assert "class token" in incompleteness_caveat(last, 0, tubes.targets[0])
    assert "No evidence" in tubes.in_words(layer=last.name)


@pytest.mark.parametrize("name", ["rms_norm_end", "group_norm_end", "cosine_head", "convnext"])
def test_a_map_in_front_of_a_differentiated_norm_is_empty_instead_of_noise(name: str) -> None:
    tubes = _tubes(name, "differentiated")
    causes = [layer.reliability.empty[0] for layer in tubes.layers if layer.reliability is not None]
    dead = _dead_in_float64(name, [layer.name for layer in tubes.layers])
    assert [cause is not None for cause in causes] == dead
    if name in ("rms_norm_end", "convnext"):
        assert EmptyCause.CANCELS in causes


def _dead_in_float64(name: str, layers: list[str]) -> list[bool]:
    """Return whether gradient x activation sums to nothing at every cell, by hooks of this test in float64."""
    net, kept = REVIEW_KINDS[name].make().double(), {}
    for layer in layers:
        net.get_submodule(layer).register_forward_hook(lambda *args, layer=layer: kept.update({layer: args[2]}))
    score = net(zoo.feed(REVIEW_KINDS[name], _clip(name)).double())[0, 1]
    gradients = torch.autograd.grad(score, list(kept.values()))
    dead = []
    for gradient, activation in zip(gradients, kept.values(), strict=True):
        products = gradient * activation
        dead.append(bool(products.sum(1).abs().sum() < 1e-5 * products.abs().sum()))
    return dead


@pytest.mark.parametrize("name", [*EXPLAINABLE, *(name for name in REVIEW_KINDS if name not in NOT_IN_FLOAT64)])
def test_no_map_that_is_shown_is_rounding(name: str) -> None:
    """The map of every layer that is not empty agrees with float64, with norms differentiated in both."""
    is_kind = name in REVIEW_KINDS
    entry = REVIEW_KINDS[name] if is_kind else zoo.ZOO[name]
    clip = _clip(name) if is_kind else clip_for(name)
    explainer = ne.SaliencyTubes(norms="differentiated")
    in_float32 = explainer(_model(name) if is_kind else adapted(name), clip, 1)
    double = ne.adapt(
        entry.make().double(), size=entry.size, frames=entry.frames, layout=entry.layout, mean=zoo.MEAN, std=zoo.STD
    )
    in_float64 = explainer(double, clip, 1)
    assert any(layer.values.any() for layer in in_float32.layers)
    for low, high in zip(in_float32.layers, in_float64.layers, strict=True):
        if low.values.any():
            error = np.linalg.norm(low.values - high.values) / np.linalg.norm(high.values)
            assert error < 0.02, low.name
        else:
            scale = abs(in_float64.targets[0].logit)
            assert np.abs(high.values).mean() < 1e-4 * max(scale, 1e-3), low.name


@pytest.mark.parametrize("name", ["mean_and_branch", "doubled_output", "mean_and_max", "multi_scale", "two_stream"])
def test_evidence_is_counted_once_per_pooling(name: str) -> None:
    """The ends add up to the score without the constant, and no two of them hold the same evidence."""
    tubes = _tubes(name)
    ends = [layer for layer in tubes.layers if layer.kind == "pooling input"]
    total = sum(float(layer.values[0].mean(dtype=np.float64)) for layer in ends)
    result = tubes.targets[0]
    assert total + (result.bias or 0.0) == pytest.approx(result.logit, abs=1e-4)


def test_agreement_with_float64_is_measured_on_request() -> None:
    tubes = ne.SaliencyTubes(check_rounding=True)(_model("rms_norm_end"), _clip("rms_norm_end"), [1, 2])
    for layer in tubes.layers:
        assert layer.reliability is not None
        assert layer.reliability.agreement is not None
        np.testing.assert_allclose(layer.reliability.agreement, 1, atol=1e-6)
    plain = _tubes("rms_norm_end")
    assert plain.layers[0].reliability is not None
    assert plain.layers[0].reliability.agreement is None
    assert next(_model("rms_norm_end").module.parameters()).dtype == torch.float32


def test_reliability_is_saved(tmp_path: Any) -> None:
    tubes = _tubes("class_token")
    again = ne.load(tubes.save(tmp_path / "tubes.npz"))
    for before, after in zip(tubes.layers, again.layers, strict=True):
        assert before.reliability is not None
        assert after.reliability is not None
        assert before.reliability.empty == after.reliability.empty
        np.testing.assert_array_equal(before.reliability.share, after.reliability.share)


class _DoubledInside(nn.Module):
    """A module returns (2c, c); both are filtered before they are pooled."""

    def __init__(self) -> None:
        super().__init__()
        self.twice = _Twice()
        self.left, self.right, self.fc = nn.Conv3d(4, 4, 1), nn.Conv3d(4, 4, 1), nn.Linear(8, 5)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        left, right = self.twice(x)
        return self.fc(torch.cat([self.left(left).relu().mean((2, 3, 4)), self.right(right).mean((2, 3, 4))], 1))


class _Twice(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv3d(3, 4, 3, 2, 1)

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        c = self.conv(x)
        return 2 * c, c


def test_outputs_of_one_module_count_only_their_own_use() -> None:
    net = zoo.seeded(_DoubledInside)
    model = ne.adapt(net, size=32, frames=8, layout="BCTHW", mean=zoo.MEAN, std=zoo.STD)
    clip = zoo.random_clip(8, 32)
    tubes = ne.SaliencyTubes(layers=("twice[0]", "twice[1]"))(model, clip, 1)
    c = net.twice.conv(zoo.feed(zoo.ZOO["plain"], clip)).detach()
    left, right = (2 * c).requires_grad_(), c.clone().requires_grad_()
    net.twice.forward = lambda _: (left, right)  # type: ignore[method-assign]
    gradients = torch.autograd.grad(net(torch.zeros(1))[0, 1], (left, right))
    for layer, gradient, value in zip(tubes.layers, gradients, (left, right), strict=True):
        expected = float((gradient * value).sum().detach())
        assert float(layer.values[0].mean(dtype=np.float64)) == pytest.approx(expected, abs=1e-5)


@pytest.mark.parametrize("size", [64, 112])
def test_streams_of_an_mtnet_add_up_or_are_not_claimed_to(size: int) -> None:
    """At 64 pixels the long stream ends in a single cell, which has no map."""
    net = zoo.seeded(lambda: ne.layers.mtnet("XS", classes=5))
    model = ne.adapt(net, size=size, frames=16, layout="BCTHW", mean=zoo.MEAN, std=zoo.STD)
    tubes = ne.SaliencyTubes()(model, zoo.random_clip(16, size), 1)
    result = tubes.targets[0]
    rest = result.logit - float(tubes.layer().values[0].mean(dtype=np.float64))
    adds_up = abs(rest - (result.bias or 0.0)) < 1e-3 * abs(result.logit)
    assert adds_up == (size == 112)
    assert adds_up == (CaveatCode.INCOMPLETE_MAP not in _codes(tubes))
