"""The user's forward hooks: left out with a caveat if they change the output, or kept, and never fired on the user's objects."""

from __future__ import annotations

import copy
import threading
import warnings
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

import notebook_explain as ne
from notebook_explain.explanations.caveats import CaveatCode
from notebook_explain.models.channel_graph import channel_graph
from tests import zoo

SPECIFIED: dict[str, Any] = {"size": 32, "frames": 8, "mean": zoo.MEAN, "std": zoo.STD, "layout": "BCTHW"}
CLIP = zoo.random_clip(8, 32)
GLOBAL: list[torch.Tensor] = []


class Net(nn.Module):
    """Two convolutions, global pooling and a classifier."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.conv, self.out = nn.Conv3d(3, 4, 3, padding=1), nn.Conv3d(4, 5, 3, padding=1)
        self.fc, self.gain = nn.Linear(5, 3), 3.0
        self.recorded: list[torch.Tensor] = []

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.fc(torch.relu(self.out(torch.relu(self.conv(x)))).mean((2, 3, 4)))

    def scale(self, _: Any, __: Any, output: torch.Tensor) -> torch.Tensor:
        """Hook that is a method of the network, and keeps a count in it."""
        self.recorded.append(output)
        return output * self.gain


def mask(_: nn.Module, __: Any, output: torch.Tensor) -> torch.Tensor:
    keep = torch.ones_like(output)
    keep[..., :16] = 0
    return output * keep


def in_place(_: nn.Module, __: Any, output: torch.Tensor) -> None:
    output.mul_(-1)


def of_input(_: nn.Module, inputs: tuple[torch.Tensor]) -> tuple[torch.Tensor]:
    return (inputs[0] * 2 + 1,)


def only_of_plain_tensors(_: nn.Module, __: Any, output: torch.Tensor) -> torch.Tensor:
    if type(output) is not torch.Tensor:
        raise TypeError("for plain tensors only")
    return output.flip(4)


CHANGES: dict[str, Callable[[Net], Any]] = {
    "scale": lambda net: net.conv.register_forward_hook(lambda *args: args[2] * 3),
    "method": lambda net: net.conv.register_forward_hook(net.scale),
    "mask": lambda net: net.out.register_forward_hook(mask),
    "in place": lambda net: net.conv.register_forward_hook(in_place),
    "pre": lambda net: net.out.register_forward_pre_hook(of_input),
    "network": lambda net: net.register_forward_hook(lambda *args: args[2] - 1),
    "keywords": lambda net: net.conv.register_forward_hook(lambda *args: args[3] * 3, with_kwargs=True),
}
CHANGING = pytest.mark.parametrize("add", CHANGES.values(), ids=CHANGES)


def codes(explanation: Any) -> list[CaveatCode]:
    return [getattr(caveat, "code", None) for caveat in explanation.provenance.caveats]


def video() -> torch.Tensor:
    """Return the clip as the network sees it."""
    return (torch.from_numpy(CLIP).permute(3, 0, 1, 2)[None].float() / 255 - zoo.MEAN) / zoo.STD


def local_product(net: Net, layer: str, index: int) -> np.ndarray:
    """Return gradient x activation at a layer and the logit, by autograd on a copy with its own hooks."""
    net = copy.deepcopy(net)
    kept: dict[str, torch.Tensor] = {}
    net.get_submodule(layer).register_forward_hook(lambda *args: kept.update(A=args[2]))
    logits = net(video())
    gradient = torch.autograd.grad(logits[0, index], kept["A"])[0]
    product = (gradient * kept["A"]).sum(1)[0].detach().numpy()
    return product * product.size, logits[0].detach().numpy()


@pytest.fixture(autouse=True)
def no_other_warnings() -> Iterator[None]:
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        yield


@CHANGING
def test_hooks_that_change_the_output_are_left_out_with_a_warning_and_a_caveat(add: Any) -> None:
    net = Net()
    add(net)
    with pytest.warns(UserWarning, match="forward hooks that change its output") as caught:
        model = ne.adapt(net, **SPECIFIED)
    assert len(caught) == 1
    tubes = ne.SaliencyTubes(layers=["out"])(model, CLIP, 1)
    assert codes(tubes).count(CaveatCode.FORWARD_HOOKS) == 1
    product, logits = local_product(Net(), "out", 1)
    np.testing.assert_allclose(tubes.layers[0].values[0], product, atol=1e-4 * np.abs(product).max())
    assert tubes.targets[0].logit == pytest.approx(logits[1], abs=1e-5)
    assert CaveatCode.FORWARD_HOOKS in codes(ne.FeaturePyramid()(model, CLIP, 1))


@CHANGING
@pytest.mark.parametrize("copyable", [True, False])
def test_kept_hooks_are_part_of_the_network(add: Any, copyable: bool) -> None:
    net = Net()
    add(net)
    product, logits = local_product(net, "out", 1)
    if not copyable:
        net.lock = threading.Lock()
    model = ne.adapt(net, **SPECIFIED, keep_hooks=True)
    tubes = ne.SaliencyTubes(layers=["out"])(model, CLIP, 1)
    assert CaveatCode.FORWARD_HOOKS not in codes(tubes)
    assert CaveatCode.ASSUMED_POSITIONS not in codes(tubes)
    np.testing.assert_allclose(tubes.layers[0].values[0], product, atol=1e-4 * np.abs(product).max())
    assert tubes.targets[0].logit == pytest.approx(logits[1], abs=1e-5)
    assert len(channel_graph(model).layers) == 3
    again = ne.explain(net, CLIP, 1, **SPECIFIED, keep_hooks=True)
    assert again.targets[0].logit == tubes.targets[0].logit
    if copyable:
        assert not net.recorded


def test_hooks_that_only_record_are_no_caveat_and_leave_the_users_objects_alone() -> None:
    net, features, seen = Net(), {}, []
    net.conv.register_forward_hook(lambda _, __, output: features.update(conv=output))
    net.out.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    net.fc.register_forward_hook(lambda _, __, output: GLOBAL.append(output))
    net.register_forward_hook(lambda *args: net.recorded.append(args[2]) or None)
    net(torch.rand(1, 3, 8, 32, 32))  # the recorded activations are part of a graph, which deepcopy refuses
    before = [len(seen), len(GLOBAL), len(net.recorded), id(features["conv"])]
    for keep in (False, True):
        model = ne.adapt(net, **SPECIFIED, keep_hooks=keep)
        assert model.caveats == ()
        assert codes(ne.SaliencyTubes()(model, CLIP, 1)).count(CaveatCode.FORWARD_HOOKS) == 0
    assert before == [len(seen), len(GLOBAL), len(net.recorded), id(features["conv"])] == [1, 1, 1, before[3]]


def test_hooks_share_what_they_hand_to_one_another() -> None:
    net, stored = Net(), {}
    net.conv.register_forward_hook(lambda _, __, output: stored.update(x=output))
    net.out.register_forward_hook(lambda _, __, output: output + stored["x"].mean(1, keepdim=True))
    _, logits = local_product(net, "out", 0)
    tubes = ne.explain(net, CLIP, 0, **SPECIFIED, keep_hooks=True)
    assert tubes.targets[0].logit == pytest.approx(logits[0], abs=1e-5)


def test_a_hook_that_positions_cannot_pass_leaves_assumed_positions() -> None:
    net = Net()
    net.out.register_forward_hook(only_of_plain_tensors)
    tubes = ne.explain(net, CLIP, 0, **SPECIFIED, keep_hooks=True)
    assert CaveatCode.ASSUMED_POSITIONS in codes(tubes)
    assert tubes.targets[0].logit == pytest.approx(local_product(net, "out", 0)[1][0], abs=1e-5)


def test_hooks_of_a_network_that_cannot_be_copied_are_not_run_to_test_them() -> None:
    net = Net()
    net.lock = threading.Lock()
    net.conv.register_forward_hook(net.scale)
    with pytest.warns(UserWarning, match="may change its output"):
        model = ne.adapt(net, **SPECIFIED)
    assert not net.recorded
    assert [caveat.code for caveat in model.caveats] == [CaveatCode.FORWARD_HOOKS]


def test_hooks_that_were_added_after_adapt_are_a_caveat() -> None:
    net = Net()
    model = ne.adapt(net, **SPECIFIED)
    assert CaveatCode.FORWARD_HOOKS not in codes(ne.SaliencyTubes()(model, CLIP, 0))
    handle = net.conv.register_forward_hook(mask)
    assert CaveatCode.FORWARD_HOOKS in codes(ne.SaliencyTubes()(model, CLIP, 0))
    handle.remove()
    assert CaveatCode.FORWARD_HOOKS not in codes(ne.SaliencyTubes()(model, CLIP, 0))


@pytest.mark.filterwarnings("ignore::FutureWarning", "ignore::DeprecationWarning")
@pytest.mark.parametrize("norm", [nn.utils.spectral_norm, nn.utils.weight_norm, nn.utils.parametrizations.weight_norm])
@pytest.mark.parametrize("keep", [False, True])
def test_hooks_that_compute_weights_are_always_kept(norm: Any, keep: bool) -> None:
    net = Net()
    norm(net.out)
    net.eval()
    with torch.no_grad():
        for parameter in net.out.parameters():
            parameter.mul_(1.5)
    model = ne.adapt(net, **SPECIFIED, keep_hooks=keep)
    assert model.caveats == ()
    expected = net(video())[0, 1].item()
    assert ne.SaliencyTubes()(model, CLIP, 1).targets[0].logit == pytest.approx(expected, abs=1e-5)


def test_backward_hooks_are_never_kept() -> None:
    net, fired = Net(), []
    net.conv.register_full_backward_hook(lambda *_: fired.append(1))
    tubes = ne.explain(net, CLIP, 0, **SPECIFIED, keep_hooks=True)
    assert not fired
    assert codes(tubes) == codes(ne.explain(Net(), CLIP, 0, **SPECIFIED))
