"""swap: the copy has the requested modules and keeps matching weights; the user's network is not modified."""

from __future__ import annotations

import threading
from typing import Any

import pytest
import torch
from torch import nn

import notebook_explain as ne
from notebook_explain import layers
from tests import zoo


class Pooling(nn.Module):
    """Network with one max pooling that is used in two places."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv3d(3, 4, 3, padding=1)
        self.pool = nn.MaxPool3d((1, 3, 3), (1, 2, 2), (0, 1, 1), ceil_mode=True)
        self.last = nn.ModuleDict({"again": self.pool, "norm": nn.BatchNorm3d(4), "act": nn.ReLU()})

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.last["act"](self.last["norm"](self.last["again"](self.pool(self.conv(x)))))


class OverriddenForward(nn.MaxPool3d):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return super().forward(x) + 1


class PlainSubclass(nn.MaxPool3d):
    pass


def state(net: nn.Module) -> list[Any]:
    tensors = [*net.named_parameters(), *net.named_buffers()]
    return [
        [(name, id(module), module.training, dict(module._forward_hooks)) for name, module in net.named_modules()],
        [(name, id(value), value._version, value.requires_grad, value.grad) for name, value in tensors],
    ]


def test_the_copy_has_soft_pooling_with_the_same_settings_and_the_network_is_not_modified() -> None:
    net = Pooling().eval()
    net.conv.register_forward_hook(lambda *_: None)
    before = state(net)
    swapped = layers.swap(net, {nn.MaxPool3d: layers.SoftPool3d})
    assert state(net) == before
    pool = swapped.model.pool
    assert repr(pool) == "SoftPool3d(kernel_size=(1, 3, 3), stride=(1, 2, 2), padding=(0, 1, 1), ceil_mode=True)"
    assert swapped.model.last["again"] is pool
    assert not swapped.model.training
    assert [(c.name, c.before, c.after) for c in swapped.changes] == [("pool", "MaxPool3d", "SoftPool3d")]
    x = torch.randn(1, 3, 4, 9, 9)
    soft = layers.soft_pool3d(layers.soft_pool3d(net.conv(x), *windows_of(net.pool)), *windows_of(net.pool))
    torch.testing.assert_close(swapped.model(x), net.last["act"](net.last["norm"](soft)))


def windows_of(pool: nn.MaxPool3d) -> tuple[Any, ...]:
    return pool.kernel_size, pool.stride, pool.padding, pool.dilation, pool.ceil_mode


def test_the_copy_shares_no_tensors_with_the_network() -> None:
    net = Pooling()
    copied = layers.swap(net, {nn.MaxPool3d: layers.SoftPool3d}).model
    with torch.no_grad():
        copied.conv.weight.zero_()
        copied.last["norm"].running_mean += 1
    assert net.conv.weight.abs().max() > 0
    assert net.last["norm"].running_mean.abs().max() == 0


def test_weights_of_the_same_name_and_shape_are_kept_with_mode_precision_and_requires_grad() -> None:
    net = nn.Sequential(nn.Conv3d(3, 4, 3, bias=False), nn.BatchNorm3d(4)).double()
    net[1].running_mean += 3
    net[1].weight.requires_grad_(False)
    net[1].eval()
    swapped = layers.swap(net, {nn.BatchNorm3d: nn.InstanceNorm3d, "0": nn.Conv3d})
    conv, norm = swapped.model
    assert conv.bias is None
    assert torch.equal(conv.weight, net[0].weight)
    assert torch.equal(norm.running_mean, net[1].running_mean)
    assert norm.weight.dtype == torch.float64
    assert not norm.weight.requires_grad
    assert not norm.training
    assert conv.training
    assert swapped.changes[0].kept == ("weight",)
    assert swapped.changes[1].kept[:2] == ("weight", "bias")


def test_weights_of_another_shape_are_new_and_listed() -> None:
    swapped = layers.swap(nn.Sequential(nn.Linear(4, 2)), {"0": lambda old: nn.Linear(old.in_features, 3)})
    assert swapped.changes[0].new == ("weight", "bias")
    changes = "0: Linear -> Linear, 0 weights kept, 2 new\n  the new network is .model"
    assert repr(swapped) == f"Sequential, 1 module exchanged:\n  {changes}"
    with pytest.raises(TypeError, match=r"got Swapped; pass its \.model"):
        ne.adapt(swapped)


def test_a_class_matches_subclasses_unless_they_override_forward() -> None:
    swapped = layers.swap(nn.Sequential(OverriddenForward(2), PlainSubclass(2)), {nn.MaxPool3d: layers.SoftPool3d})
    assert [type(part) for part in swapped.model] == [OverriddenForward, layers.SoftPool3d]


def test_the_first_matching_key_is_used_and_names_may_be_patterns() -> None:
    net = nn.Sequential(nn.ReLU(), nn.ReLU(), nn.Sequential(nn.ReLU()))
    swapped = layers.swap(net, {"1": None, "2.*": nn.GELU(), nn.ReLU: nn.SiLU})
    assert [type(part).__name__ for part in swapped.model] == ["SiLU", "Identity", "Sequential"]
    assert type(swapped.model[2][0]) is nn.GELU


def test_a_module_is_copied_each_time_and_a_function_may_leave_or_contain_the_old_module() -> None:
    activation = nn.PReLU()
    swapped = layers.swap(nn.Sequential(nn.ReLU(), nn.ReLU()), {nn.ReLU: activation})
    assert activation not in list(swapped.model)
    assert swapped.model[0] is not swapped.model[1]
    kept = layers.swap(
        nn.Sequential(nn.Conv3d(3, 4, 1), nn.Conv3d(4, 4, 3)),
        {nn.Conv3d: lambda conv: nn.Sequential(conv, nn.BatchNorm3d(4)) if conv.kernel_size[0] == 3 else None},
    )
    assert kept.left == ("0",)
    assert kept.changes[0].kept == ("0.weight", "0.bias")
    assert "left unchanged: 0" in repr(kept)


def test_average_pooling_is_exchanged_and_pooling_that_returns_indices_is_left() -> None:
    net = nn.Sequential(nn.AvgPool3d(2, 1, 1), nn.AdaptiveAvgPool3d((1, None, 2)), nn.MaxPool3d(2, return_indices=True))
    exchanges = {nn.AvgPool3d: layers.SoftPool3d, nn.AdaptiveAvgPool3d: layers.AdaptiveSoftPool3d}
    swapped = layers.swap(net, {**exchanges, nn.MaxPool3d: layers.SoftPool3d})
    assert repr(swapped.model[0]) == "SoftPool3d(kernel_size=(2, 2, 2), stride=(1, 1, 1), padding=(1, 1, 1))"
    assert swapped.model[1].output_size == (1, None, 2)
    assert swapped.left == ("2",)


def test_the_network_itself_can_be_exchanged() -> None:
    swapped = layers.swap(nn.MaxPool3d(2), {nn.MaxPool3d: layers.SoftPool3d})
    assert isinstance(swapped.model, layers.SoftPool3d)
    assert str(swapped.changes[0]) == "(the network): MaxPool3d -> SoftPool3d"


def test_an_appended_module_has_the_channels_precision_and_mode_of_the_module_before() -> None:
    net = zoo.ZOO["residual"].make().half()
    swapped = layers.swap(net, {"layer?": layers.followed_by(layers.SRTG, gate="closed")}).model
    blocks = [part for part in swapped.modules() if isinstance(part, layers.SRTG)]
    assert [part.channels for part in blocks] == [8, 12, 16, 24]
    assert all(p.dtype == torch.float16 for p in swapped.parameters())
    assert not any(part.training for part in swapped.modules())
    growing = nn.Sequential(nn.Conv3d(3, 5, 1), nn.BatchNorm3d(5), nn.ReLU(), nn.Conv3d(5, 9, 1), nn.ReLU())
    assert layers.followed_by(layers.SRTG)(growing)[1].channels == 9
    assert layers.followed_by(layers.SRTG, channels=7)(nn.ReLU())[1].channels == 7
    with pytest.raises(
        ValueError, match=r"cannot infer .* output channels of ReLU, .*; pass channels= to followed_by\(\)"
    ):
        layers.followed_by(layers.SRTG)(nn.ReLU())


def test_blocks_with_closed_gates_do_not_change_the_output() -> None:
    net, x = zoo.ZOO["residual"].make(), zoo.feed(zoo.ZOO["residual"], zoo.random_clip(8, 32))
    assert torch.equal(layers.swap(net, {"layer?": layers.followed_by(layers.SRTG, gate="closed")}).model(x), net(x))


def test_cubic_convolutions_of_a_residual_network_become_planes_and_shortcuts_stay() -> None:
    swapped = layers.swap(zoo.ZOO["residual"].make(), {nn.Conv3d: layers.FAST3d})
    assert {change.after for change in swapped.changes} == {"FAST3d"}
    assert swapped.left == ("stem.0", "layer2.0.shortcut.0", "layer3.0.shortcut.0", "layer4.0.shortcut.0")


def test_hooks_on_exchanged_modules_are_counted_and_others_are_copied() -> None:
    net, fired = Pooling(), []
    net.pool.register_forward_hook(lambda *_: fired.append("pool"))
    net.conv.register_forward_hook(lambda *_: fired.append("conv"))
    swapped = layers.swap(net, {nn.MaxPool3d: layers.SoftPool3d})
    assert swapped.changes[0].lost_hooks == 1
    assert "1 hook lost" in repr(swapped)
    swapped.model(torch.randn(1, 3, 4, 9, 9))
    assert fired == ["conv"]


@pytest.mark.parametrize(
    ("exchanges", "error", "message"),
    [
        (
            {nn.MaxPool2d: None},
            ValueError,
            r"Pooling has no MaxPool2d; its modules are BatchNorm3d, Conv3d, MaxPool3d, ReLU",
        ),
        ({"pol": None}, ValueError, "Pooling has no module named 'pol'; similar names are pool"),
        ({3: None}, TypeError, "a key of exchanges must be a module class or a name, got 3"),
        ({nn.MaxPool3d: dict}, TypeError, "must be a class of nn.Module, got dict"),
        ({nn.MaxPool3d: 3}, TypeError, "must be a module class, a module, a function or None; got 3"),
        ({nn.MaxPool3d: lambda _: 3}, TypeError, "a function in exchanges must return a module or None, got int"),
        (
            {nn.ReLU: nn.Conv3d},
            ValueError,
            r"cannot make a Conv3d with the settings of a ReLU: .*followed_by\(Conv3d\)",
        ),
        ({}, TypeError, "exchanges must map module classes or names to their replacements"),
        ([nn.MaxPool3d], TypeError, "exchanges must map module classes or names to their replacements"),
    ],
)
def test_invalid_exchanges_raise(exchanges: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        layers.swap(Pooling(), exchanges)


def test_objects_that_are_no_network_or_cannot_be_copied_raise() -> None:
    with pytest.raises(TypeError, match=r"model must be a torch.nn.Module or a VideoModel, got str"):
        layers.swap("net", {nn.ReLU: None})  # type: ignore[arg-type]
    net = Pooling()
    net.lock = threading.Lock()
    with pytest.raises(TypeError, match=r"Pooling cannot be copied .*; remove the attribute that cannot be copied"):
        layers.swap(net, {nn.MaxPool3d: None})
