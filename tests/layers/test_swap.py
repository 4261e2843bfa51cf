"""swap: the copy has what was asked for and keeps what it can; the user's network is as it was."""

from __future__ import annotations

import threading
from typing import Any

import pytest
import torch
from torch import nn

from notebook_explain import layers
from tests import zoo


class Pooling(nn.Module):
    """Two max poolings, one of which stands in two places."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv3d(3, 4, 3, padding=1)
        self.pool = nn.MaxPool3d((1, 3, 3), (1, 2, 2), (0, 1, 1), ceil_mode=True)
        self.last = nn.ModuleDict({"again": self.pool, "norm": nn.BatchNorm3d(4), "act": nn.ReLU()})

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.last["act"](self.last["norm"](self.last["again"](self.pool(self.conv(x)))))


class OwnForward(nn.MaxPool3d):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return super().forward(x) + 1


class OnlyName(nn.MaxPool3d):
    pass


def state(net: nn.Module) -> list[Any]:
    tensors = [*net.named_parameters(), *net.named_buffers()]
    return [
        [(name, id(module), module.training, dict(module._forward_hooks)) for name, module in net.named_modules()],
        [(name, id(value), value._version, value.requires_grad, value.grad) for name, value in tensors],
    ]


def test_the_copy_pools_softly_with_the_same_settings_and_the_network_is_as_it_was() -> None:
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
    soft = layers.soft_pool3d(layers.soft_pool3d(net.conv(x), *before_windows(net.pool)), *before_windows(net.pool))
    torch.testing.assert_close(swapped.model(x), net.last["act"](net.last["norm"](soft)))


def before_windows(pool: nn.MaxPool3d) -> tuple[Any, ...]:
    return pool.kernel_size, pool.stride, pool.padding, pool.dilation, pool.ceil_mode


def test_the_copy_shares_nothing_with_the_network() -> None:
    net = Pooling()
    copied = layers.swap(net, {nn.MaxPool3d: layers.SoftPool3d}).model
    with torch.no_grad():
        copied.conv.weight.zero_()
        copied.last["norm"].running_mean += 1
    assert net.conv.weight.abs().max() > 0
    assert net.last["norm"].running_mean.abs().max() == 0


def test_weights_of_the_same_name_and_shape_are_kept_with_mode_precision_and_what_is_frozen() -> None:
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


def test_what_does_not_fit_is_new_and_listed() -> None:
    swapped = layers.swap(nn.Sequential(nn.Linear(4, 2)), {"0": lambda old: nn.Linear(old.in_features, 3)})
    assert swapped.changes[0].new == ("weight", "bias")
    assert repr(swapped) == "Sequential, 1 module exchanged:\n  0: Linear -> Linear, 0 weights kept, 2 new"


def test_kinds_fit_what_is_derived_from_them_unless_it_has_a_forward_of_its_own() -> None:
    swapped = layers.swap(nn.Sequential(OwnForward(2), OnlyName(2)), {nn.MaxPool3d: layers.SoftPool3d})
    assert [type(part) for part in swapped.model] == [OwnForward, layers.SoftPool3d]


def test_the_first_key_that_fits_counts_and_names_may_be_patterns() -> None:
    net = nn.Sequential(nn.ReLU(), nn.ReLU(), nn.Sequential(nn.ReLU()))
    swapped = layers.swap(net, {"1": None, "2.*": nn.GELU(), nn.ReLU: nn.SiLU})
    assert [type(part).__name__ for part in swapped.model] == ["SiLU", "Identity", "Sequential"]
    assert type(swapped.model[2][0]) is nn.GELU


def test_a_module_is_copied_for_every_place_and_a_function_may_leave_one_or_hold_it() -> None:
    given = nn.PReLU()
    swapped = layers.swap(nn.Sequential(nn.ReLU(), nn.ReLU()), {nn.ReLU: given})
    assert given not in list(swapped.model)
    assert swapped.model[0] is not swapped.model[1]
    kept = layers.swap(
        nn.Sequential(nn.Conv3d(3, 4, 1), nn.Conv3d(4, 4, 3)),
        {nn.Conv3d: lambda conv: nn.Sequential(conv, nn.BatchNorm3d(4)) if conv.kernel_size[0] == 3 else None},
    )
    assert kept.left == ("0",)
    assert kept.changes[0].kept == ("0.weight", "0.bias")
    assert "left as they were: 0" in repr(kept)


def test_average_pooling_can_be_exchanged_too_and_what_returns_indices_is_left() -> None:
    net = nn.Sequential(nn.AvgPool3d(2, 1, 1), nn.AdaptiveAvgPool3d((1, None, 2)), nn.MaxPool3d(2, return_indices=True))
    exchanges = {nn.AvgPool3d: layers.SoftPool3d, nn.AdaptiveAvgPool3d: layers.AdaptiveSoftPool3d}
    swapped = layers.swap(net, {**exchanges, nn.MaxPool3d: layers.SoftPool3d})
    assert repr(swapped.model[0]) == "SoftPool3d(kernel_size=(2, 2, 2), stride=(1, 1, 1), padding=(1, 1, 1))"
    assert swapped.model[1].output_size == (1, None, 2)
    assert swapped.left == ("2",)


def test_the_network_itself_can_be_exchanged_or_followed() -> None:
    swapped = layers.swap(nn.MaxPool3d(2), {nn.MaxPool3d: layers.SoftPool3d})
    assert isinstance(swapped.model, layers.SoftPool3d)
    assert str(swapped.changes[0]) == "(the network): MaxPool3d -> SoftPool3d"


def test_what_follows_has_the_channels_and_the_place_of_what_comes_before() -> None:
    net = zoo.ZOO["residual"].make().half()
    swapped = layers.swap(net, {"layer?": layers.followed_by(layers.SRTG, gate="closed")}).model
    blocks = [part for part in swapped.modules() if isinstance(part, layers.SRTG)]
    assert [part.channels for part in blocks] == [8, 12, 16, 24]
    assert all(p.dtype == torch.float16 for p in swapped.parameters())
    assert not any(part.training for part in swapped.modules())
    growing = nn.Sequential(nn.Conv3d(3, 5, 1), nn.BatchNorm3d(5), nn.ReLU(), nn.Conv3d(5, 9, 1), nn.ReLU())
    assert layers.followed_by(layers.SRTG)(growing)[1].channels == 9
    assert layers.followed_by(layers.SRTG, channels=7)(nn.ReLU())[1].channels == 7
    with pytest.raises(ValueError, match="how many channels come out of ReLU cannot be read off it; state channels="):
        layers.followed_by(layers.SRTG)(nn.ReLU())


def test_shut_blocks_leave_every_answer_as_it_was() -> None:
    net, x = zoo.ZOO["residual"].make(), zoo.feed(zoo.ZOO["residual"], zoo.random_clip(8, 32))
    assert torch.equal(layers.swap(net, {"layer?": layers.followed_by(layers.SRTG, gate="closed")}).model(x), net(x))


def test_cubes_become_planes_in_a_residual_network_and_shortcuts_stay() -> None:
    swapped = layers.swap(zoo.ZOO["residual"].make(), {nn.Conv3d: layers.FAST3d})
    assert {change.after for change in swapped.changes} == {"FAST3d"}
    assert swapped.left == ("stem.0", "layer2.0.shortcut.0", "layer3.0.shortcut.0", "layer4.0.shortcut.0")


def test_hooks_of_what_was_exchanged_are_counted_others_are_copied() -> None:
    net, fired = Pooling(), []
    net.pool.register_forward_hook(lambda *_: fired.append("pool"))
    net.conv.register_forward_hook(lambda *_: fired.append("conv"))
    swapped = layers.swap(net, {nn.MaxPool3d: layers.SoftPool3d})
    assert swapped.changes[0].lost_hooks == 1
    assert "1 hook lost" in repr(swapped)
    swapped.model(torch.randn(1, 3, 4, 9, 9))
    assert fired == ["conv"]


@pytest.mark.parametrize(
    ("exchanges", "error", "said"),
    [
        (
            {nn.MaxPool2d: None},
            ValueError,
            r"Pooling has no MaxPool2d; its modules are BatchNorm3d, Conv3d, MaxPool3d, ReLU",
        ),
        ({"pol": None}, ValueError, "no module of Pooling is called 'pol'; near it are pool"),
        ({3: None}, TypeError, "a key of exchanges must be a kind of module or a name, got 3"),
        ({nn.MaxPool3d: dict}, TypeError, "dict is no kind of module"),
        ({nn.MaxPool3d: 3}, TypeError, "must be a kind of module, a module, a function or None; got 3"),
        ({nn.MaxPool3d: lambda _: 3}, TypeError, "a function in exchanges must return a module or None, got int"),
        (
            {nn.ReLU: nn.Conv3d},
            ValueError,
            r"Conv3d cannot be made with the settings of a ReLU: .*followed_by\(Conv3d\)",
        ),
        ({}, TypeError, "exchanges must map kinds or names of modules"),
        ([nn.MaxPool3d], TypeError, "exchanges must map kinds or names of modules"),
    ],
)
def test_exchanges_that_cannot_be_are_refused(exchanges: Any, error: type[Exception], said: str) -> None:
    with pytest.raises(error, match=said):
        layers.swap(Pooling(), exchanges)


def test_what_is_no_network_or_cannot_be_copied_is_refused() -> None:
    with pytest.raises(TypeError, match=r"model must be a torch.nn.Module, got str"):
        layers.swap("net", {nn.ReLU: None})  # type: ignore[arg-type]
    net = Pooling()
    net.lock = threading.Lock()
    with pytest.raises(TypeError, match=r"Pooling cannot be copied .*; take what cannot be copied"):
        layers.swap(net, {nn.MaxPool3d: None})
