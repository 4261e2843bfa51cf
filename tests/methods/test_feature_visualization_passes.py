"""Kept outputs of layers: without a copy where nothing overwrites them, and the same numbers where something does."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

import notebook_explain as ne
from notebook_explain.methods.feature_visualization.passes import Runner
from notebook_explain.methods.feature_visualization.reference_set import LEAST_SPREAD, LayerStatistics
from tests import zoo
from tests.methods.visualization_networks import CountingNet, TinyNet, clips, tiny_model


class Overwriting(CountingNet):
    """Overwrites the output of its stem, and twice that of its block: whole, and a part of it."""

    is_in_place = True

    def forward(self, x: Tensor) -> Tensor:
        self.log.passes.append(len(x))
        stem = self.stem(x)
        block = self.block(stem.mul_(0.5) if self.is_in_place else stem * 0.5)
        if self.is_in_place:
            block.sub_(0.1)
            block[:, :2].tanh_()
        else:
            block = block - 0.1
            block = torch.cat([block[:, :2].tanh(), block[:, 2:]], 1)
        return self.fc(block.mean((2, 3, 4)))


class Plain(Overwriting):
    """The same without overwriting anything."""

    is_in_place = False


@pytest.fixture
def copying(monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """Return a function that makes every runner copy the outputs from the start."""
    make = Runner.__init__

    def with_copies(self: Runner, *arguments: Any) -> None:
        make(self, *arguments)
        self._makes_copies = True

    return lambda: monkeypatch.setattr(Runner, "__init__", with_copies)


def test_volumes_are_those_before_an_operation_overwrites_them() -> None:
    nets = Plain(), Overwriting()
    nets[1].load_state_dict(nets[0].state_dict())
    volumes = []
    for net in nets:
        model = tiny_model(net)
        runner = Runner(model, [layer for layer in model.layers if layer.name in ("stem", "block")])
        volumes.append(runner.pass_of(model.prepare(clips()[0])[1]).volumes)
    for name in ("stem", "block"):
        torch.testing.assert_close(volumes[1][name], volumes[0][name], rtol=0, atol=0)


@pytest.mark.parametrize(
    "knobs", [{}, {"objective": ne.objectives.Channel("block", 1)}, {"mode": "paper", "facets": 2}]
)
def test_a_network_that_overwrites_outputs_gives_the_same_clip_with_one_more_pass(
    knobs: Any, copying: Callable[[], None]
) -> None:
    explainer = ne.FeatureVisualization(steps=4, restarts=2, **knobs)
    net = Overwriting()
    model = tiny_model(net)
    net.log.passes.clear()
    found = explainer(model, clips())
    assert sum(net.log.passes) == found.provenance.forwards
    copying()
    wanted = explainer(model, clips())
    assert found.provenance.forwards == wanted.provenance.forwards + 1
    for one, other in zip(found, wanted, strict=True):
        assert np.array_equal(one.curve, other.curve)
        assert np.array_equal(one.clip.frames, other.clip.frames)
        assert one.is_moved


@pytest.mark.parametrize("name", ["tiny", "residual"])
def test_kept_outputs_give_the_numbers_of_copies(name: str, copying: Callable[[], None]) -> None:
    specified = {"size": 32, "frames": 8, "mean": zoo.MEAN, "std": zoo.STD, "layout": "BCTHW"}
    model = tiny_model() if name == "tiny" else ne.adapt(zoo.ZOO[name].make(), **specified)
    reals = clips() if name == "tiny" else [zoo.random_clip(8, 32)]
    explainer = ne.FeatureVisualization(steps=4, restarts=2)
    kept = explainer(model, reals, 1)[0]
    copying()
    copied = explainer(model, reals, 1)[0]
    assert kept.curve[0] == copied.curve[0]
    np.testing.assert_allclose(kept.curve, copied.curve, rtol=1e-5)
    if name == "tiny":  # where an output goes two ways, copies change the order in which gradients are added
        assert np.array_equal(kept.curve, copied.curve)
        assert np.array_equal(kept.clip.frames, copied.clip.frames)


class _Watching(TinyNet):
    """Tells where the output of its block lies when the network goes on with it."""

    seen: list[int] = []  # noqa: RUF012  shared with the shadow

    def forward(self, x: Tensor) -> Tensor:
        block = self.block(self.stem(x))
        self.seen.append(block.data_ptr())
        return self.fc(block.mean((2, 3, 4)))


def test_outputs_that_nothing_overwrites_are_not_copied() -> None:
    model = tiny_model(_Watching())
    runner = Runner(model, model.layers)
    clip = model.prepare(clips()[0])[1]
    found = runner.pass_of(clip)
    assert found.volumes["block"].data_ptr() == _Watching.seen[-1]
    assert runner.forwards == 1


def test_the_distance_is_that_of_means_and_standard_deviations() -> None:
    generator = torch.Generator().manual_seed(0)
    volume = (3 + torch.randn(2, 5, 3, 4, 6, generator=generator)).requires_grad_()
    known = LayerStatistics(torch.rand(5, generator=generator), torch.rand(5, generator=generator))
    found = known.distance(volume)
    (gradient,) = torch.autograd.grad(found.sum(), volume)
    exact = volume.detach().double().requires_grad_()
    spread = (exact.flatten(2).var(2, correction=0) + 1e-8).sqrt()
    mean, scale = exact.flatten(2).mean(2), known.spread.mean().clamp_min(LEAST_SPREAD)
    wanted = (((mean - known.mean) / scale) ** 2 + ((spread - known.spread) / scale) ** 2).mean(1)
    (expected,) = torch.autograd.grad(wanted.sum(), exact)
    torch.testing.assert_close(found.double(), wanted, rtol=1e-5, atol=0)
    torch.testing.assert_close(gradient.double(), expected, rtol=1e-4, atol=1e-7)


def test_a_far_mean_does_not_cancel_the_spread() -> None:
    noise = torch.randn(1, 1, 4, 8, 8, generator=torch.Generator().manual_seed(0))
    known = LayerStatistics(torch.tensor([1000.0]), torch.tensor([1.0]))
    wanted = known.distance((1000 + noise.double()).float().double())
    torch.testing.assert_close(known.distance(1000 + noise).double(), wanted, rtol=1e-2, atol=1e-5)
