"""Networks that cut the gradient or compute parts again: what lies after the cut is explained, and the cut is named."""

from __future__ import annotations

import re
import threading
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn
from torch.utils import checkpoint as checkpointing
from torch.utils.checkpoint import checkpoint, checkpoint_sequential

import notebook_explain as ne
from notebook_explain.explanations.caveats import CaveatCode
from notebook_explain.models.checkpointing import no_checkpointing
from tests import zoo

SPECIFIED: dict[str, Any] = {"size": 32, "frames": 8, "mean": 0.5, "std": 0.25, "layout": "BCTHW"}
CLIP = zoo.random_clip(8, 32)


class Net(nn.Module):
    """A stem, two layers and a classifier; ``how`` says what happens between the layers."""

    def __init__(self, how: str = "plain") -> None:
        super().__init__()
        self.how = how
        self.stem = nn.Sequential(nn.Conv3d(3, 8, 3, (1, 2, 2), 1), nn.ReLU())
        self.l1 = nn.Sequential(nn.Conv3d(8, 8, 3, 2, 1), nn.ReLU())
        self.quantise = Quantise()
        self.l2 = nn.Sequential(nn.Conv3d(8, 8, 3, 1, 1), nn.ReLU())
        self.fc = nn.Linear(8, 5)

    def before(self, x: torch.Tensor) -> torch.Tensor:
        return self.l1(self.stem(x))

    def features(self, x: torch.Tensor) -> torch.Tensor:
        if self.how == "no_grad":
            with torch.no_grad():
                x = self.before(x)
        elif self.how == "inference":
            with torch.inference_mode():
                x = self.before(x)
            x = x.clone()
        else:
            x = self.before(x)
        if self.how == "detach":
            x = x.detach()
        elif self.how == "detach in place":
            x = x * 1
            x.detach_()
        elif self.how == "data":
            x = x.data
        elif self.how == "quantise":
            x = self.quantise(x)
        return self.l2(x)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.fc(self.features(x).mean((2, 3, 4)))


class Quantise(nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return (x.data * 8).round() / 8


def network(how: str, kind: type[Net] = Net) -> Net:
    net = zoo.seeded(lambda: kind(how))
    assert isinstance(net, Net)
    return net


def expected(net: Net, target: int) -> np.ndarray:
    """Return gradient x activation at the last layer by the test's own hook: (time, height, width), with mean 1 a cell."""
    kept: list[torch.Tensor] = []
    handle = net.l2.register_forward_hook(lambda *args: kept.append(args[2]))
    x = (torch.from_numpy(CLIP).permute(3, 0, 1, 2)[None].float() / 255 - 0.5) / 0.25
    score = net(x)[0, target]
    handle.remove()
    (gradient,) = torch.autograd.grad(score, kept[0])
    product: np.ndarray = (gradient * kept[0]).sum(1)[0].detach().numpy() * kept[0][0, 0].numel()
    return product


CUTS = {
    "detach": "it is cut between 'l1' and 'l2.0'",
    "detach in place": "it is cut between 'l1' and 'l2.0'",
    "data": "it is cut between 'l1' and 'l2.0'",
    "no_grad": "what 'stem.0' to 'l1' returns has no gradient",
    "inference": "what 'stem.0' to 'l1' returns has no gradient",
    "quantise": "what 'quantise' returns has no gradient",
}


@pytest.mark.parametrize("how", CUTS)
def test_layers_after_a_cut_are_explained_and_readers_are_told_where_it_is(how: str) -> None:
    net = network(how)
    model = ne.adapt(net, **SPECIFIED)
    assert model.caveats == ()
    assert model.layers[-1].name == "l2"
    assert model.layers[-1].geometry.rows.tolist() == [0, 2, 4, 6]
    tubes = ne.SaliencyTubes(layers=("stem", "l1", "l2"))(model, CLIP, 3)
    np.testing.assert_allclose(tubes.layers[-1].values[0], expected(net, 3), rtol=1e-4, atol=1e-5)
    (caveat,) = [c for c in tubes.provenance.caveats if c.code == CaveatCode.NO_GRADIENT]  # type: ignore[attr-defined]
    assert CUTS[how] in caveat
    if how not in ("no_grad", "inference"):
        assert caveat.startswith("No gradient reaches stem, l1, so nothing is shown there: ")
        assert not tubes.layers[0].values.any()


def test_an_error_names_the_cut_if_no_layer_is_reached() -> None:
    model = ne.adapt(network("detach"), **SPECIFIED)
    with pytest.raises(ne.ExplainError, match=f"reaches any of the layers: {re.escape(CUTS['detach'])}"):
        ne.SaliencyTubes(layers=("stem", "l1"))(model, CLIP, 0)


def test_a_forward_without_any_gradient_is_named() -> None:
    class Frozen(Net):
        @torch.no_grad()
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return super().forward(x)

    with pytest.raises(
        ne.ExplainError, match=r"no gradient reaches the model's output: .*; what 'stem.0' to 'fc' returns"
    ):
        ne.SaliencyTubes()(ne.adapt(network("plain", Frozen), **SPECIFIED), CLIP, 0)


def test_inference_tensors_that_autograd_cannot_use_are_named() -> None:
    class Bare(Net):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            with torch.inference_mode():
                pooled = self.features(x).mean((2, 3, 4))
            return self.fc(pooled)

    model = ne.adapt(network("plain", Bare), **SPECIFIED)
    with pytest.raises(
        ne.ExplainError, match=r"no gradient passes 'stem.0' to 'l2', which runs under torch.inference_mode"
    ):
        ne.SaliencyTubes()(model, CLIP, 0)


class Checkpointed(Net):
    """The same network, with parts that are computed again in the backward pass."""

    def features(self, x: torch.Tensor) -> torch.Tensor:
        if self.how == "sequential":
            parts = nn.Sequential(self.stem, self.l1, self.l2)
            return checkpoint_sequential(parts, 2, x, use_reentrant=True)
        if self.how == "by module name":
            return checkpointing.checkpoint(super().features, x, use_reentrant=True)
        if self.how == "nested":
            return checkpoint(
                lambda y: self.l2(checkpoint(self.l1, y, use_reentrant=True)), self.stem(x), use_reentrant=True
            )
        return checkpoint(super().features, x, use_reentrant=self.how != "not reentrant")


@pytest.mark.parametrize("how", ["by name", "by module name", "sequential", "nested", "not reentrant"])
def test_checkpointed_networks_are_explained_as_without_checkpointing(how: str) -> None:
    net, plain = network(how, Checkpointed), network("plain")
    ours, theirs = (ne.SaliencyTubes()(ne.adapt(part, **SPECIFIED), CLIP, [0, 3]) for part in (net, plain))
    assert [layer.name for layer in ours.layers] == [layer.name for layer in theirs.layers]
    assert ours.provenance.caveats == theirs.provenance.caveats
    for one, other in zip(ours.layers, theirs.layers, strict=True):
        np.testing.assert_array_equal(one.values, other.values)
        assert one.geometry.rows.tolist() == other.geometry.rows.tolist()
    np.testing.assert_allclose(ours.layers[-1].values[1], expected(plain, 3), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("reentrant", [True, False])
def test_checkpointed_parts_run_once_and_draw_the_same_random_numbers(reentrant: bool) -> None:
    runs: list[str] = []

    class Drawing(Net):
        def part(self, x: torch.Tensor) -> torch.Tensor:
            runs.append(self.how)
            x = self.l1(self.stem(x))
            return self.l2(x * torch.rand_like(x))

        def features(self, x: torch.Tensor) -> torch.Tensor:
            return self.part(x) if self.how == "plain" else checkpoint(self.part, x, use_reentrant=reentrant)

    state = torch.get_rng_state()
    ours, theirs = (
        ne.SaliencyTubes()(ne.adapt(network(how, Drawing), **SPECIFIED), CLIP, 2) for how in ("checkpointed", "plain")
    )
    assert runs.count("checkpointed") == runs.count("plain") > 0
    for one, other in zip(ours.layers, theirs.layers, strict=True):
        np.testing.assert_array_equal(one.values, other.values)
    assert torch.equal(torch.get_rng_state(), state)


@pytest.mark.parametrize("reentrant", [True, False])
def test_the_users_network_is_checkpointed_as_before(reentrant: bool) -> None:
    net = network("by name" if reentrant else "not reentrant", Checkpointed)
    runs: list[int] = []
    ne.SaliencyTubes()(ne.adapt(net, **SPECIFIED), CLIP, 0)
    assert "apply" not in vars(checkpointing.CheckpointFunction)
    net.l1.register_forward_hook(lambda *_: runs.append(1))
    net(torch.randn(1, 3, 8, 32, 32, requires_grad=True)).sum().backward()
    assert len(runs) == 2  # computed again in the backward pass


@pytest.mark.parametrize("reentrant", [True, False])
def test_another_thread_is_checkpointed_while_an_explanation_runs(reentrant: bool) -> None:
    runs: list[int] = []

    def part(x: torch.Tensor) -> torch.Tensor:
        runs.append(threading.get_ident())
        return (x * 2).sin()

    def train() -> None:
        checkpoint(part, torch.ones(1, requires_grad=True), use_reentrant=reentrant).sum().backward()

    with no_checkpointing(), no_checkpointing():
        train()
        assert len(runs) == 1
        thread = threading.Thread(target=train)
        thread.start()
        thread.join()
        assert len(runs) == 3  # computed again in the backward pass
    train()
    assert len(runs) == 5
    with pytest.raises(ZeroDivisionError), no_checkpointing():
        1 / 0  # noqa: B018
    assert "apply" not in vars(checkpointing.CheckpointFunction)
    train()
    assert len(runs) == 7
