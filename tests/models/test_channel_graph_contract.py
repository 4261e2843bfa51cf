"""Tracing the channel graph leaves the network unchanged, happens once per model, and reports what it cannot trace."""

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
from notebook_explain.models.channel_graph import ChannelGraph, Links, channel_graph, trace
from tests import zoo
from tests.models.graph_helpers import TwoConvNet, as_model, graph_of, kernels, layer_origins
from tests.zoo import wirings


def arrays_of(graph: ChannelGraph) -> list[np.ndarray]:
    return [
        array
        for links in graph.all_links
        for array in (links.first, links.node, links.owner, links.channel, links.kind, links.slope)
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
def test_tracing_leaves_the_network_unchanged(name: str, copyable: bool) -> None:
    entry = zoo.ZOO[name]
    net = entry.make().train()
    user_hook_calls: list[object] = []
    net.register_forward_hook(lambda *_: user_hook_calls.append(1))
    if not copyable:
        net.lock = threading.Lock()
    before = state(net)
    graph = channel_graph(as_model(net, entry.frames, entry.size, entry.layout))
    assert_as_before(net, before)
    assert not user_hook_calls
    assert graph.known_fraction == 1


def test_a_network_that_raises_is_left_unchanged_and_its_error_is_not_replaced() -> None:
    class Raising(TwoConvNet):
        def between(self, x: torch.Tensor) -> torch.Tensor:
            raise ValueError("out of luck")

    net = Raising()
    before = state(net)
    with pytest.raises(ValueError, match="out of luck"):
        channel_graph(as_model(net))
    assert_as_before(net, before)
    assert torch.is_grad_enabled()


def test_a_network_that_cannot_be_copied_keeps_its_parameters_while_it_is_traced() -> None:
    class Uncopyable(TwoConvNet):
        def between(self, x: torch.Tensor) -> torch.Tensor:
            parameters.append((id(self.first.weight), self.first.weight.requires_grad))
            return super().between(x)

    parameters: list[object] = []
    net = Uncopyable()
    net.lock = threading.Lock()
    assert layer_origins(graph_of(net), "second") == kernels("first", range(6))
    assert set(parameters) == {(id(net.first.weight), True)}


def test_the_random_state_and_gradient_mode_of_the_caller_have_no_effect() -> None:
    class Drawing(TwoConvNet):
        def between(self, x: torch.Tensor) -> torch.Tensor:
            return F.dropout(x * torch.rand_like(x), 0.5)

    net = Drawing()
    before = torch.get_rng_state()
    with torch.no_grad():
        first = graph_of(net)
        assert not torch.is_grad_enabled()
    with torch.inference_mode():
        second = graph_of(net)
    assert torch.equal(before, torch.get_rng_state())
    assert layer_origins(first, "second") == layer_origins(second, "second") == kernels("first", range(6))


@pytest.mark.parametrize("name", ["depthwise", "dense", "x3d_head"])
def test_the_same_network_has_the_same_graph(name: str) -> None:
    entry = zoo.ZOO[name]
    first, second = (arrays_of(graph_of(entry.make(), entry.frames, entry.size)) for _ in range(2))
    for a, b in zip(first, second, strict=True):
        np.testing.assert_array_equal(a, b)


def test_the_graph_is_traced_once_for_all_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    runs: list[object] = []
    trace_channels, all_started = trace.trace_channels, threading.Barrier(2)

    def slow_trace(model: VideoModel) -> ChannelGraph:
        runs.append(model)
        all_started.wait(timeout=5)
        time.sleep(0.1)
        return trace_channels(model)

    monkeypatch.setattr(trace, "trace_channels", slow_trace)
    model = as_model(TwoConvNet())
    results: list[ChannelGraph] = []
    threads = [threading.Thread(target=lambda: results.append(channel_graph(model))) for _ in range(4)]
    for thread in threads:
        thread.start()
    all_started.wait(timeout=5)
    for thread in threads:
        thread.join()
    assert len(runs) == 1
    assert all(result is results[0] for result in results)
    monkeypatch.undo()
    assert channel_graph(as_model(TwoConvNet())) is not results[0]


def test_dead_kernels_and_zero_weights_stay_linked() -> None:
    net = zoo.seeded(wirings.Identities)
    alive = graph_of(net)
    with torch.no_grad():
        for part in net.modules():
            if isinstance(part, nn.BatchNorm3d):
                part.weight.zero_()
                part.bias.fill_(-1.0)
            elif isinstance(part, nn.Conv3d):
                part.weight.zero_()
    dead = graph_of(net)
    for layer in alive.layers:
        assert layer_origins(dead, layer.name) == layer_origins(alive, layer.name)
    assert dead.layer("a.0").links[1][0].slope == 0


def test_slopes_are_the_factors_between_a_kernel_and_its_reader() -> None:
    class Scaled(TwoConvNet):
        def between(self, x: torch.Tensor) -> torch.Tensor:
            kept, negated = (-0.5 * self.norm(x) / 4).chunk(2, 1)
            return torch.cat((kept, 1 - negated), 1)

    net = zoo.seeded(Scaled)
    with torch.no_grad():
        net.norm.weight[2] = -3.0
    links = graph_of(net).layer("second").links
    x = torch.randn(1, 6, 4, 5, 5, requires_grad=True)
    for channel in range(6):
        (gradient,) = torch.autograd.grad(net.between(x)[0, channel].sum(), x, retain_graph=True)
        assert links[channel][0].slope == pytest.approx(float(gradient[0, channel].mean()), rel=1e-5)
    assert links[0][0].slope < 0 < links[2][0].slope
    assert links[3][0].slope > 0


def test_every_channel_that_a_kernel_is_broadcast_to_has_the_slope() -> None:
    broadcast = wirings.Wire(lambda x: -2 * (x[:, 3:4] * torch.ones(1, 5, 1, 1, 1)), 5)
    links = graph_of(broadcast).layer("second").links
    assert [link[:3] for channel in range(5) for link in links[channel]] == [("kernel", 0, 3)] * 5
    np.testing.assert_array_equal(links.slope, [-2] * 5)


def test_a_difference_is_a_sum_with_a_negative_sign() -> None:
    class Difference(TwoConvNet):
        def between(self, x: torch.Tensor) -> torch.Tensor:
            return x - self.third(x)

    net = Difference()
    net.third = nn.Conv3d(6, 6, 1)
    graph = graph_of(net)
    assert [addend.sign for addend in graph.sums[0].addends] == [1, -1]
    assert graph.sums[0].name == "sum"
    assert repr(graph) == "ChannelGraph(4 layers, 1 sums, 100.0 % of channels known)"


def test_a_module_that_runs_several_times_is_several_layers() -> None:
    graph = graph_of(zoo.ZOO["reused_relu"].make(), 8, 32)
    assert [layer.name for layer in graph.layers] == ["stem", "conv", "conv#2", "conv#3", "fc"]
    assert [layer.site.number for layer in graph.layers[1:4]] == [0, 1, 2]
    assert layer_origins(graph, "conv#3") == kernels("conv#2", range(16))


class Wrapper(nn.Module):
    def __init__(self, net: nn.Module) -> None:
        super().__init__()
        self.module = net

    def forward(self, *args: Any) -> Any:
        return self.module(*args)


def test_networks_in_wrappers_are_traced() -> None:
    stated = {"size": 16, "frames": 4, "mean": 0.5, "std": 0.25, "layout": "BCTHW"}
    parallel = channel_graph(ne.adapt(nn.DataParallel(TwoConvNet()), **stated))
    wrapped = graph_of(Wrapper(TwoConvNet()))
    assert layer_origins(parallel, "second") == kernels("first", range(6))
    assert layer_origins(wrapped, "module.second") == kernels("module.first", range(6))


class Functional(TwoConvNet):
    """Convolutions without modules, with computed weights, transposed, and on clips without a batch axis."""

    def __init__(self) -> None:
        super().__init__()
        self.second = nn.utils.parametrizations.weight_norm(nn.Conv3d(6, 4, 3, padding="same"))
        self.up = nn.ConvTranspose3d(4, 8, 2, 2, groups=2)
        self.weight = nn.Parameter(torch.randn(4, 4, 1, 1, 1))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.up(self.second(self.between(self.first(x[0])[None])))
        return self.fc(F.conv3d(x[:, ::2], self.weight - self.weight.mean()).mean((2, 3, 4)))


def test_convolutions_are_found_wherever_they_are_called() -> None:
    graph = graph_of(Functional())
    assert [layer.name for layer in graph.layers] == ["first", "second", "up", "network", "fc"]
    assert layer_origins(graph, "second") == kernels("first", range(6))
    assert layer_origins(graph, "network") == [{("up", c)} for c in (0, 2, 4, 6)]
    up = graph.layer("up")
    assert (up.transposed, up.in_channels, up.out_channels, up.groups) == (True, 4, 8, 2)
    assert (up.stride, up.dilation) == ((2, 2, 2), (1, 1, 1))
    assert list(up.reads(3)) == [0, 1]
    assert list(up.reads(4)) == [2, 3]
    assert repr(up) == "KernelLayer('up', 4 to 8, 2x2x2, 2 groups)"


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16, torch.float64])
def test_precision_has_no_effect(dtype: torch.dtype) -> None:
    net = zoo.seeded(wirings.Branches)
    assert [layer_origins(graph_of(net.to(dtype)), "after.0")] == [layer_origins(graph_of(net.float()), "after.0")]


@pytest.mark.parametrize(("recurrent", "operation"), [(nn.LSTM, "lstm"), (nn.GRU, "gru")])
def test_a_recurrent_gate_is_named_and_the_gated_channels_are_traced(recurrent: Any, operation: str) -> None:
    class Gated(TwoConvNet):
        def between(self, x: torch.Tensor) -> torch.Tensor:
            over_time = self.recurrent(x.mean((3, 4)).transpose(1, 2))[0].transpose(1, 2)
            return x * torch.sigmoid(over_time)[..., None, None]

    net = Gated()
    net.recurrent = recurrent(6, 6, batch_first=True)
    graph = graph_of(net)
    assert layer_origins(graph, "second") == kernels("first", range(6))
    assert not graph.unknown
    assert graph.notes == ("The gate of mul depends on many channels at once; its sources are not shown.",)


@pytest.mark.parametrize("reentrant", [True, False])
def test_checkpointed_parts_are_traced(reentrant: bool) -> None:
    class Checkpointed(TwoConvNet):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            def whole(video: torch.Tensor) -> torch.Tensor:
                return self.second(self.between(self.first(video)))

            return self.fc(checkpoint(whole, x, use_reentrant=reentrant).mean((2, 3, 4)))

    graph = graph_of(Checkpointed())
    assert layer_origins(graph, "fc") == kernels("second", range(4))
    assert list(graph.unknown) == []


def test_channels_computed_in_inference_mode_are_unknown_not_constant() -> None:
    class Inferring(TwoConvNet):
        def between(self, x: torch.Tensor) -> torch.Tensor:
            with torch.inference_mode():
                hidden = self.third(F.relu(x))
            return x + hidden.clone()

    net = Inferring()
    net.third = nn.Conv3d(6, 6, 1)
    graph = graph_of(net)
    assert graph.layer("third").links.unknown[0][0] == "an operation without gradients"
    assert len(graph.layer("third").links.constant) == 0


def test_a_network_that_computes_outside_torch_is_refused() -> None:
    class Leaving(TwoConvNet):
        def between(self, x: torch.Tensor) -> torch.Tensor:
            return torch.from_numpy(x.detach().numpy() + 1)

    with pytest.raises(ExplainError, match="no gradient reaches the model's output"):
        channel_graph(as_model(Leaving()))


def test_errors_for_networks_without_convolutions_suggest_saliency_tubes() -> None:
    class Tokens(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.fc = nn.Linear(3, 5)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.fc(x.mean((2, 3, 4)))

    with pytest.raises(ExplainError, match=r"Tokens has no convolutions, so there .*\. Use SaliencyTubes"):
        channel_graph(as_model(Tokens()))
    entry = zoo.ZOO["token_mean"]
    text = r"TokenNet has no convolution that feeds another: .* \(scaled_dot_product_attention in layers\.0\.attention"
    with pytest.raises(ExplainError, match=text):
        channel_graph(as_model(entry.make(), entry.frames, entry.size, entry.layout))


def test_unknown_layers_and_channels_raise_errors() -> None:
    graph = graph_of(TwoConvNet())
    with pytest.raises(
        ValueError, match="'third' is not a convolution or linear layer of this network; it has first, second, fc"
    ):
        graph.layer("third")
    with pytest.raises(IndexError, match="channel 6 is out of range; there are 6"):
        graph.layer("second").links[6]
    with pytest.raises(ValueError, match="read-only"):
        graph.layer("second").links.channel[0] = 1


def test_a_constant_channel_has_no_links() -> None:
    path, expected = wirings.WIRES["zeros appended"]
    links: Links = graph_of(zoo.seeded(lambda: wirings.Wire(path, len(expected)))).layer("second").links
    assert len(links) == 10
    assert links[9] == ()
    assert list(links.constant) == [8, 9]
    assert links.known_count == 10
    np.testing.assert_array_equal(links.reader, range(8))
