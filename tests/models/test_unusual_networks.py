"""Networks that write into their input, store activations, freeze a backbone or draw random numbers stay unchanged."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn

import notebook_explain as ne
from notebook_explain.models.positions.tensor import PositionTensor
from tests import zoo

SPECIFIED = {"size": 32, "frames": 8, "mean": 0.5, "std": 0.25, "layout": "BCTHW"}
CLIP = zoo.random_clip(8, 32)


class Base(nn.Module):
    """Three convolutions, pooling and a linear head; subclasses change the forward pass."""

    def __init__(self, classes: int = 5) -> None:
        super().__init__()
        self.stem = nn.Sequential(nn.Conv3d(3, 8, 3, (1, 2, 2), 1), nn.BatchNorm3d(8), nn.ReLU(inplace=True))
        self.l1 = nn.Sequential(nn.Conv3d(8, 12, 3, 2, 1), nn.ReLU())
        self.l2 = nn.Sequential(nn.Conv3d(12, 16, 3, 1, 1), nn.ReLU())
        self.fc = nn.Linear(16, classes)

    def features(self, x: torch.Tensor) -> torch.Tensor:
        return self.l2(self.l1(self.stem(x)))

    def forward(self, x: torch.Tensor) -> Any:
        return self.fc(self.features(x).mean((2, 3, 4)))


def explained(net: nn.Module, target: Any = 0, **changes: Any) -> Any:
    return ne.explain(net, CLIP, target, **{**SPECIFIED, **changes})


class Storing(Base):
    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(16))
        self.calls, self.cache = 0, {}

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        pooled = self.features(x).mean((2, 3, 4))
        self.last, self.calls = pooled, self.calls + 1
        self.cache["pooled"] = pooled
        self.mean = 0.9 * self.mean + 0.1 * pooled.detach().mean(0)
        return self.fc(pooled)


@pytest.mark.parametrize("copyable", [True, False])
def test_stored_activations_and_buffers_stay_unchanged(copyable: bool) -> None:
    net = Storing()
    if not copyable:
        net.lock = threading.Lock()
    net(torch.randn(1, 3, 8, 32, 32))
    last, mean, cached = net.last, net.mean, net.cache["pooled"]
    explained(net)
    assert net.last is last
    assert net.mean is mean
    assert net.calls == 1
    assert not isinstance(net.state_dict()["mean"], PositionTensor)
    if copyable:
        assert net.cache["pooled"] is cached


def test_a_guarded_network_does_not_restore_the_random_state_of_another_thread() -> None:
    net = Base()
    net.lock = threading.Lock()

    class Drawing(nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            thread = threading.Thread(target=lambda: torch.rand(1))  # of the user, during the explanation
            thread.start()
            thread.join()
            return x

    net.l2.add_module("draw", Drawing())
    model = ne.adapt(net, **SPECIFIED)
    before = torch.get_rng_state()
    ne.SaliencyTubes()(model, CLIP, 0)
    assert not torch.equal(before, torch.get_rng_state())


DRAWS = {
    "gumbel": lambda f: F.gumbel_softmax(f, dim=1) * f,
    "hard gumbel": lambda f: F.gumbel_softmax(f, dim=1, hard=True) * f,
    "randint_like": lambda f: f * torch.randint_like(f, 1, 3),
    "attention": lambda f: (
        F.scaled_dot_product_attention(*[f.flatten(2).transpose(1, 2)] * 3, dropout_p=0.3)
        .transpose(1, 2)
        .reshape(f.shape)
    ),
}


@pytest.mark.parametrize("draw", DRAWS.values(), ids=DRAWS)
def test_random_networks_are_repeatable_and_do_not_use_the_global_generator(draw: Any) -> None:
    class Draws(Base):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.fc(draw(self.features(x)).mean((2, 3, 4)))

    model = ne.adapt(Draws(), **SPECIFIED)
    before = torch.get_rng_state()
    first, second = (ne.SaliencyTubes()(model, CLIP, 0) for _ in range(2))
    assert torch.equal(before, torch.get_rng_state())
    np.testing.assert_array_equal(first.layers[-1].values, second.layers[-1].values)


def test_a_network_may_write_into_its_input() -> None:
    class Normalising(Base):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            x.sub_(0.5).div_(0.2)
            x[:, :, 0] = 0
            return super().forward(x)

    assert np.abs(explained(Normalising()).layers[0].values).max() > 0


def test_a_frozen_backbone_is_explained_from_its_output() -> None:
    class Frozen(Base):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            with torch.no_grad():
                features = self.features(x)
            return self.fc(features.mean((2, 3, 4)))

    net = Frozen()
    tubes = explained(net)
    assert float(tubes.layers[-1].gap[0]) == pytest.approx(float(net.fc.bias[0].detach()), abs=1e-5)


def test_layers_without_gradients_are_empty_and_have_a_caveat() -> None:
    class Detached(Base):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.fc(self.features(x).detach().mean((2, 3, 4)) + x.mean((2, 3, 4)).sum())

    class Half(Base):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.fc(self.l2(self.l1(self.stem(x)).detach()).mean((2, 3, 4)))

    half = explained(Half())
    assert [bool(layer.values.any()) for layer in half.layers] == [False, False, True]
    assert any(
        text.startswith("No gradient reaches stem, l1, so nothing is shown there") for text in half.provenance.caveats
    )
    model = ne.adapt(Detached(), **SPECIFIED)
    with pytest.raises(ne.ExplainError, match="no gradient of the score reaches any of the layers"):
        ne.SaliencyTubes(layers=("stem", "l1"))(model, CLIP, 0)


def test_a_module_that_returns_its_input_is_explained_by_its_output_only() -> None:
    class Aside(Base):
        def __init__(self) -> None:
            super().__init__()
            self.drop = nn.Dropout(0.5)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            features = self.l1(self.stem(x))
            return self.fc(self.l2(self.drop(features)).mean((2, 3, 4))) + features.sum()

    net = Aside().eval()
    model = ne.adapt(net, **SPECIFIED)
    ours = ne.SaliencyTubes(layers=("drop",))(model, CLIP, 0).layers[0].values[0].mean()
    features = net.l1(net.stem(zoo.feed(zoo.ZOO["residual"], CLIP) * 0.225 / 0.25 + (0.45 - 0.5) / 0.25)).detach()
    features.requires_grad_()
    (gradient,) = torch.autograd.grad(net.fc(net.l2(features).mean((2, 3, 4)))[0, 0], features)
    assert ours == pytest.approx(float((gradient * features).sum().detach()), abs=1e-4)


class Gated(nn.Module):
    def __init__(self, gate: Any, channels: int) -> None:
        super().__init__()
        self.a, self.c, self.fc = nn.Conv3d(3, 16, 3, 1, 1), nn.Conv3d(channels, 8, 3, 1, 1), nn.Linear(8, 5)
        self.gate = gate

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.fc(F.relu(self.c(self.gate(self.a(x)))).mean((2, 3, 4)))


def test_gated_linear_units_keep_positions() -> None:
    model = ne.adapt(Gated(lambda f: F.glu(f, dim=1), 8), **SPECIFIED)
    assert model.caveats == ()
    assert model.layers[-1].geometry.rows.tolist() == list(range(8))


def test_an_operation_that_moves_positions_outside_the_clip_is_rejected() -> None:
    def beyond(f: torch.Tensor) -> torch.Tensor:
        return f * F.pairwise_distance(f, f.roll(1, 3), keepdim=True)

    model = ne.adapt(Gated(beyond, 16), **SPECIFIED)
    assert "could not be measured" in model.caveats[0]


@pytest.mark.parametrize("length", range(3, 12))
@pytest.mark.parametrize(
    ("kernel", "stride", "padding"), [(1, 2, 0), (2, 2, 0), (3, 2, 1), (2, 3, 0), (2, 3, 1), (3, 3, 1)]
)
def test_pooling_with_ceil_mode_has_as_many_windows_as_in_torch(
    length: int, kernel: int, stride: int, padding: int
) -> None:
    positions = PositionTensor.for_clip(length, length, length, torch.device("cpu"))
    for pool in (
        nn.MaxPool3d(kernel, stride, padding, ceil_mode=True),
        nn.AvgPool3d(kernel, stride, padding, ceil_mode=True),
    ):
        assert pool(positions).shape == pool(torch.zeros(1, 3, length, length, length)).shape


def test_a_flattening_view_is_followed() -> None:
    class Flat(Base):
        def __init__(self) -> None:
            super().__init__()
            self.fc = nn.Linear(16 * 4 * 8 * 8, 5)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            features = self.features(x)
            return self.fc(features.view(features.size(0), -1))

    assert ne.adapt(Flat(), **SPECIFIED).caveats == ()


def test_attention_weights_can_be_used() -> None:
    class Attending(Base):
        def __init__(self) -> None:
            super().__init__()
            self.attention = nn.MultiheadAttention(16, 2, batch_first=True)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            tokens = self.features(x).flatten(2).transpose(1, 2)
            mixed, weights = self.attention(tokens, tokens, tokens)
            return self.fc((tokens + mixed * weights.mean(-1, keepdim=True)).mean(1))

    model = ne.adapt(Attending(), **SPECIFIED)
    assert model.caveats == ()
    assert model.layers[-1].kind == "pooling input"
    assert model.layers[-1].grid == (4, 8, 8)


def test_an_autocast_around_the_call_changes_nothing() -> None:
    net = Base()
    plain = explained(net)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        inside = explained(net)
    np.testing.assert_array_equal(plain.layers[-1].values, inside.layers[-1].values)
    assert inside.provenance.caveats == plain.provenance.caveats


def test_probabilities_averaged_over_time_equal_the_networks() -> None:
    class PerTime(Base):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.fc(self.features(x).mean((3, 4)).transpose(1, 2)).sigmoid()

    net = PerTime().eval()
    tubes = explained(net)
    x = zoo.feed(zoo.ZOO["residual"], CLIP) * 0.225 / 0.25 + (0.45 - 0.5) / 0.25
    assert tubes.targets[0].probability == pytest.approx(float(net(x).mean(1)[0, 0].detach()), abs=1e-4)
    # The score is the mean of the logits before the sigmoid, whose evidence adds up; not the logarithm of a mean.
    assert tubes.targets[0].logit == pytest.approx(float(net(x).logit().mean(1)[0, 0].detach()), abs=1e-4)
    assert not any("log p is explained" in caveat for caveat in tubes.provenance.caveats)


@pytest.mark.parametrize("frozen", [False, True])
def test_a_backbone_can_return_an_object(frozen: bool) -> None:
    @dataclass(frozen=True)
    class Output:
        feature: torch.Tensor
        itself: Any = None

    class Backbone(Base):
        def forward(self, x: torch.Tensor) -> Any:
            if frozen:
                return Output(self.features(x) * 2)
            output = SimpleNamespace(feature=self.features(x) * 2)
            output.itself = output
            return output

    class Whole(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.backbone, self.fc = Backbone(), nn.Linear(16, 5)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.fc(self.backbone(x).feature.mean((2, 3, 4)))

    net = Whole()
    model = ne.adapt(net, **SPECIFIED)
    tubes = ne.SaliencyTubes(layers=("backbone",))(model, CLIP, 1)
    assert tubes.layers[0].name == "backbone"
    assert tubes.targets[0].logit - tubes.layers[0].values.mean() == pytest.approx(
        float(net.fc.bias[1].detach()), abs=1e-5
    )


def test_labels_of_a_stale_configuration_are_refused_with_advice() -> None:
    net = Base()
    net.config = SimpleNamespace(id2label={index: str(index) for index in range(400)})
    with pytest.raises(
        ValueError, match=r"the labels in module.config.id2label hold 400 names, .*; pass labels= to adapt"
    ):
        explained(net)
    assert explained(net, labels=list("abcde")).targets[0].name == "a"


def test_a_module_renamed_after_adapt_is_reported() -> None:
    net = Base()
    model = ne.adapt(net, **SPECIFIED)
    net.head, net.l2 = net.l2, nn.Identity()
    net.stub, net.l1 = net.l1, nn.Identity()
    del net.l1
    with pytest.raises(ne.ExplainError, match=r"module 'l1.1' is no longer in this model|module 'l1' is no longer"):
        ne.SaliencyTubes()(model, CLIP, 0)


def test_a_model_without_weights_is_refused() -> None:
    with torch.device("meta"):
        net = Base()
    with pytest.raises(ne.ExplainError, match="its parameters are on the meta device; load them first"):
        ne.adapt(net, **SPECIFIED)


def test_an_explanation_keeps_its_clip_when_the_array_changes() -> None:
    frames = CLIP.copy()
    tubes = ne.explain(Base(), frames, 0, **SPECIFIED)
    frames[:] = 0
    assert tubes.clip.frames.max() > 0


def test_a_saved_explanation_keeps_its_provenance(tmp_path: Any) -> None:
    tubes = explained(Base())
    assert ne.load(tubes.save(tmp_path / "t")).provenance == tubes.provenance


def test_the_stem_is_kept_among_many_layers() -> None:
    class Long(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.stem = nn.Sequential(nn.Conv3d(3, 4, 3, 1, 1), nn.ReLU())
            for index in range(20):
                setattr(self, f"s{index}", nn.Sequential(nn.Sequential(nn.Conv3d(4, 4, 3, 1, 1), nn.ReLU())))
            self.fc = nn.Linear(4, 3)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            x = self.stem(x)
            for index in range(20):
                x = getattr(self, f"s{index}")(x)
            return self.fc(x.mean((2, 3, 4)))

    layers = ne.adapt(Long(), **SPECIFIED).layers
    assert layers[0].name == "stem"
    assert layers[-1].kind == "pooling input"
    assert len(layers) == 16
