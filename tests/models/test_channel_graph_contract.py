"""Routing leaves no trace, is found once whatever the network does, and says what it cannot know."""

from __future__ import annotations

import threading
import time
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn
from torch.utils.checkpoint import checkpoint

import notebook_explain as ne
from notebook_explain.explanations import ExplainError
from notebook_explain.models import VideoModel
from notebook_explain.models.channel_graph import ChannelGraph, Links, connections, trace
from tests import zoo
from tests.models.graph_helpers import Base, as_model, kernels, of_layer, routed
from tests.zoo import wirings


def flat(found: ChannelGraph) -> list[np.ndarray]:
    every = [*(layer.links for layer in found.layers), *found.heads.values()]
    every += [addend.links for each in found.sums for addend in each.addends]
    return [
        array for links in every for array in (links.first, links.node, links.at, links.source, links.kind, links.slope)
    ]


def state(net: nn.Module) -> dict[str, Any]:
    return {
        "values": {name: value.clone() for name, value in net.state_dict().items()},
        "versions": [(id(p), p._version, p.requires_grad, p.grad) for p in net.parameters()],
        "training": [module.training for module in net.modules()],
        "hooks": [(dict(m._forward_hooks), dict(m._forward_pre_hooks)) for m in net.modules()],
        "attributes": [dict(vars(m)) for m in net.modules()],
        "random": torch.get_rng_state(),
    }


def assert_as_before(net: nn.Module, before: dict[str, Any]) -> None:
    after = state(net)
    torch.testing.assert_close(after.pop("values"), before.pop("values"), rtol=0, atol=0)
    assert torch.equal(after.pop("random"), before.pop("random"))
    assert after == before


@pytest.mark.parametrize("copyable", [True, False])
@pytest.mark.parametrize("name", ["residual", "depthwise", "slowfast", "no_grad_forward"])
def test_routing_leaves_no_trace(name: str, copyable: bool) -> None:
    entry = zoo.ZOO[name]
    net = entry.make().train()
    seen: list[object] = []
    net.register_forward_hook(lambda *_: seen.append(1))
    if not copyable:
        net.lock = threading.Lock()
    before = state(net)
    found = connections(as_model(net, entry.frames, entry.size, entry.layout))
    assert_as_before(net, before)
    assert not seen
    assert found.routed == 1


def test_a_network_that_raises_is_left_as_found_and_its_own_error_comes_through() -> None:
    class Raising(Base):
        def between(self, x: torch.Tensor) -> torch.Tensor:
            raise ValueError("out of luck")

    net = Raising()
    before = state(net)
    with pytest.raises(ValueError, match="out of luck"):
        connections(as_model(net))
    assert_as_before(net, before)
    assert torch.is_grad_enabled()


def test_a_network_that_cannot_be_copied_keeps_its_parameters_for_other_threads() -> None:
    class Uncopyable(Base):
        def between(self, x: torch.Tensor) -> torch.Tensor:
            seen.append((id(self.first.weight), self.first.weight.requires_grad))
            return super().between(x)

    seen: list[object] = []
    net = Uncopyable()
    net.lock = threading.Lock()
    assert of_layer(routed(net), "second") == kernels("first", range(6))
    assert set(seen) == {(id(net.first.weight), True)}


def test_random_numbers_and_gradient_mode_of_the_caller_do_not_matter() -> None:
    class Drawing(Base):
        def between(self, x: torch.Tensor) -> torch.Tensor:
            return F.dropout(x * torch.rand_like(x), 0.5)

    net = Drawing()
    before = torch.get_rng_state()
    with torch.no_grad():
        first = routed(net)
        assert not torch.is_grad_enabled()
    with torch.inference_mode():
        second = routed(net)
    assert torch.equal(before, torch.get_rng_state())
    assert of_layer(first, "second") == of_layer(second, "second") == kernels("first", range(6))


@pytest.mark.parametrize("name", ["depthwise", "dense", "x3d_head"])
def test_the_same_network_is_routed_the_same_way(name: str) -> None:
    entry = zoo.ZOO[name]
    first, second = (flat(routed(entry.make(), entry.frames, entry.size)) for _ in range(2))
    for a, b in zip(first, second, strict=True):
        np.testing.assert_array_equal(a, b)


def test_connections_are_found_once_whoever_asks(monkeypatch: pytest.MonkeyPatch) -> None:
    runs: list[object] = []
    real, every = trace.route, threading.Barrier(2)

    def slowly(model: VideoModel) -> ChannelGraph:
        runs.append(model)
        every.wait(timeout=5)  # until all threads are started
        time.sleep(0.1)
        return real(model)

    monkeypatch.setattr(trace, "route", slowly)
    model = as_model(Base())
    results: list[ChannelGraph] = []
    threads = [threading.Thread(target=lambda: results.append(connections(model))) for _ in range(4)]
    for thread in threads:
        thread.start()
    every.wait(timeout=5)
    for thread in threads:
        thread.join()
    assert len(runs) == 1
    assert all(result is results[0] for result in results)
    monkeypatch.undo()
    assert connections(as_model(Base())) is not results[0]


def test_kernels_that_are_dead_or_have_weight_zero_stay_connected() -> None:
    net = zoo.seeded(wirings.Identities)
    alive = routed(net)
    with torch.no_grad():
        for part in net.modules():
            if isinstance(part, nn.BatchNorm3d):
                part.weight.zero_()
                part.bias.fill_(-1.0)
            elif isinstance(part, nn.Conv3d):
                part.weight.zero_()
    dead = routed(net)
    for layer in alive.layers:
        assert of_layer(dead, layer.name) == of_layer(alive, layer.name)
    assert dead.layer("a.0").links[1][0].slope == 0


def test_slopes_tell_what_a_change_of_a_kernel_is_multiplied_by() -> None:
    class Scaled(Base):
        def between(self, x: torch.Tensor) -> torch.Tensor:
            kept, turned = (-0.5 * self.norm(x) / 4).chunk(2, 1)
            return torch.cat((kept, 1 - turned), 1)

    net = zoo.seeded(Scaled)
    with torch.no_grad():
        net.norm.weight[2] = -3.0
    links = routed(net).layer("second").links
    x = torch.randn(1, 6, 4, 5, 5, requires_grad=True)
    for channel in range(6):
        (gradient,) = torch.autograd.grad(net.between(x)[0, channel].sum(), x, retain_graph=True)
        assert links[channel][0].slope == pytest.approx(float(gradient[0, channel].mean()), rel=1e-5)
    assert links[0][0].slope < 0 < links[2][0].slope
    assert links[3][0].slope > 0


def test_what_one_channel_is_spread_to_has_its_slope_each() -> None:
    spread = wirings.Wire(lambda x: -2 * (x[:, 3:4] * torch.ones(1, 5, 1, 1, 1)), 5)
    links = routed(spread).layer("second").links
    assert [link[:3] for channel in range(5) for link in links[channel]] == [("kernel", 0, 3)] * 5
    np.testing.assert_array_equal(links.slope, [-2] * 5)


def test_a_difference_is_a_sum_with_a_sign() -> None:
    class Difference(Base):
        def between(self, x: torch.Tensor) -> torch.Tensor:
            return x - self.third(x)

    net = Difference()
    net.third = nn.Conv3d(6, 6, 1)
    found = routed(net)
    assert [addend.sign for addend in found.sums[0].addends] == [1, -1]
    assert found.sums[0].name == "sum"
    assert repr(found) == "ChannelGraph(4 layers, 1 sums, 100.0 % of channels known)"


def test_a_module_that_runs_several_times_is_several_layers() -> None:
    found = routed(zoo.ZOO["reused_relu"].make(), 8, 32)
    assert [layer.name for layer in found.layers] == ["stem", "conv", "conv#2", "conv#3", "fc"]
    assert [layer.site.number for layer in found.layers[1:4]] == [0, 1, 2]
    assert of_layer(found, "conv#3") == kernels("conv#2", range(16))


class Wrapper(nn.Module):
    def __init__(self, net: nn.Module) -> None:
        super().__init__()
        self.module = net

    def forward(self, *args: Any) -> Any:
        return self.module(*args)


def test_networks_in_wrappers_are_routed() -> None:
    stated = {"size": 16, "frames": 4, "mean": 0.5, "std": 0.25, "layout": "BCTHW"}
    parallel = connections(ne.adapt(nn.DataParallel(Base()), **stated))
    own = routed(Wrapper(Base()))
    assert of_layer(parallel, "second") == kernels("first", range(6))
    assert of_layer(own, "module.second") == kernels("module.first", range(6))


class Functional(Base):
    """Convolutions without modules, weights computed on the way, a transposed one, one on clips without a batch."""

    def __init__(self) -> None:
        super().__init__()
        self.second = nn.utils.parametrizations.weight_norm(nn.Conv3d(6, 4, 3, padding="same"))
        self.up = nn.ConvTranspose3d(4, 8, 2, 2, groups=2)
        self.weight = nn.Parameter(torch.randn(4, 4, 1, 1, 1))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.up(self.second(self.between(self.first(x[0])[None])))
        return self.fc(F.conv3d(x[:, ::2], self.weight - self.weight.mean()).mean((2, 3, 4)))


def test_convolutions_count_wherever_they_are_called_from() -> None:
    found = routed(Functional())
    assert [layer.name for layer in found.layers] == ["first", "second", "up", "network", "fc"]
    assert of_layer(found, "second") == kernels("first", range(6))
    assert of_layer(found, "network") == [{("up", c)} for c in (0, 2, 4, 6)]
    up = found.layer("up")
    assert (up.transposed, up.in_channels, up.out_channels, up.groups) == (True, 4, 8, 2)
    assert (up.stride, up.dilation) == ((2, 2, 2), (1, 1, 1))
    assert list(up.reads(3)) == [0, 1]
    assert list(up.reads(4)) == [2, 3]
    assert repr(up) == "KernelLayer('up', 4 to 8, 2x2x2, 2 groups)"


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16, torch.float64])
def test_precision_does_not_matter(dtype: torch.dtype) -> None:
    net = zoo.seeded(wirings.Branches)
    assert [of_layer(routed(net.to(dtype)), "after.0")] == [of_layer(routed(net.float()), "after.0")]


@pytest.mark.parametrize(("recurrent", "operation"), [(nn.LSTM, "lstm"), (nn.GRU, "gru")])
def test_a_recurrent_gate_is_named_and_the_channels_it_gates_are_routed(recurrent: Any, operation: str) -> None:
    class Gated(Base):
        def between(self, x: torch.Tensor) -> torch.Tensor:
            over_time = self.recurrent(x.mean((3, 4)).transpose(1, 2))[0].transpose(1, 2)
            return x * torch.sigmoid(over_time)[..., None, None]

    net = Gated()
    net.recurrent = recurrent(6, 6, batch_first=True)
    found = routed(net)
    assert of_layer(found, "second") == kernels("first", range(6))
    assert not found.unknown
    assert found.notes == ("The gate of mul is mixed of many channels: what it comes from is not shown.",)


@pytest.mark.parametrize("reentrant", [True, False])
def test_checkpointing_is_seen_through_or_named(reentrant: bool) -> None:
    class Checkpointed(Base):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            def whole(video: torch.Tensor) -> torch.Tensor:
                return self.second(self.between(self.first(video)))

            return self.fc(checkpoint(whole, x, use_reentrant=reentrant).mean((2, 3, 4)))

    found = routed(Checkpointed())
    known = kernels("second", range(4))
    assert of_layer(found, "fc") == ([set()] * 4 if reentrant else known)
    assert list(found.unknown) == (["reentrant checkpointing (use_reentrant=False helps)"] if reentrant else [])


def test_what_runs_in_inference_mode_is_unknown_not_constant() -> None:
    class Inferring(Base):
        def between(self, x: torch.Tensor) -> torch.Tensor:
            with torch.inference_mode():
                hidden = self.third(F.relu(x))
            return x + hidden.clone()

    net = Inferring()
    net.third = nn.Conv3d(6, 6, 1)
    found = routed(net)
    assert found.layer("third").links.unknown[0][0] == "an operation without gradients"
    assert len(found.layer("third").links.constant) == 0


def test_a_network_that_leaves_torch_on_its_way_is_refused() -> None:
    class Leaving(Base):
        def between(self, x: torch.Tensor) -> torch.Tensor:
            return torch.from_numpy(x.detach().numpy() + 1)

    with pytest.raises(ExplainError, match="no gradient reaches the model's output"):
        connections(as_model(Leaving()))


def test_networks_without_convolutions_are_told_what_explains_them() -> None:
    class Tokens(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.fc = nn.Linear(3, 5)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.fc(x.mean((2, 3, 4)))

    with pytest.raises(ExplainError, match=r"Tokens has no convolutions, so there .*\. SaliencyTubes explain it"):
        connections(as_model(Tokens()))
    entry = zoo.ZOO["token_mean"]
    text = r"TokenNet has no convolution that feeds another: .* \(scaled_dot_product_attention in layers\.0\.attention"
    with pytest.raises(ExplainError, match=text):
        connections(as_model(entry.make(), entry.frames, entry.size, entry.layout))


def test_asking_for_what_is_not_there() -> None:
    found = routed(Base())
    with pytest.raises(ValueError, match="'third' is no layer with kernels; this network has first, second, fc"):
        found.layer("third")
    with pytest.raises(IndexError, match="channel 6 is out of range; there are 6"):
        found.layer("second").links[6]
    with pytest.raises(ValueError, match="read-only"):
        found.layer("second").links.source[0] = 1


def test_links_hold_several_rows_or_none_for_a_channel() -> None:
    way, expected = wirings.WIRES["zeros beside"]
    links: Links = routed(zoo.seeded(lambda: wirings.Wire(way, len(expected)))).layer("second").links
    assert len(links) == 10
    assert links[9] == ()
    assert list(links.constant) == [8, 9]
    assert links.routed == 10
    np.testing.assert_array_equal(links.reader, range(8))
