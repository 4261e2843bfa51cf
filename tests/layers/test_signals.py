"""Signals of the blocks in a network: their values, and that the network is not modified."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from notebook_explain import layers
from tests import zoo

CLIPS = torch.cat([zoo.feed(zoo.ZOO["residual"], zoo.random_clip(8, 32, seed)) for seed in (0, 1)])


def net_of(name: str) -> nn.Module:
    return zoo.seeded(zoo.BLOCKS[name])


def test_every_block_explains_its_input_and_the_network_is_not_modified() -> None:
    net = net_of("srtg").train()
    before = {name: value.clone() for name, value in net.state_dict().items()}
    found = layers.signals(net, CLIPS)
    assert list(found) == ["layer1.recursion", "layer2.recursion"]
    assert found["layer1.recursion"].factor.shape == (2, 8, 8)
    assert found["layer2.recursion"].likelihood.shape == (2, 4)
    assert net.training
    assert not any(part._forward_pre_hooks for part in net.modules())
    assert all(torch.equal(value, before[name]) for name, value in net.state_dict().items())
    kept: list[torch.Tensor] = []
    net.eval().layer1.recursion.register_forward_hook(lambda _, inputs, output: kept.extend([inputs[0], output]))
    net(CLIPS)
    torch.testing.assert_close(kept[0] * found["layer1.recursion"].factor[..., None, None], kept[1])


def test_a_block_that_runs_twice_has_two_entries() -> None:
    pool = layers.SoftPool3d((1, 2, 2))
    found = layers.signals(nn.Sequential(pool, nn.ReLU(), pool), CLIPS)
    assert list(found) == ["0", "0#2"]
    assert found["0"].weights.shape == (2, 3, 8, 16, 16, 4)
    assert found["0#2"].shares.shape == (2, 3, 8, 8, 8, 4)
    torch.testing.assert_close(found["0"].shares.sum(-1), pool(CLIPS))


def test_signals_of_streams_and_guesses() -> None:
    mtnet = net_of("mtnet")
    shares = layers.signals(mtnet, CLIPS)[""]
    torch.testing.assert_close(shares.logits.sum(2) + mtnet.fc.bias, mtnet(CLIPS))
    guesses = layers.signals(net_of("class regularization"), CLIPS)
    assert [guess.table.shape for guess in guesses.values()] == [(5, 8), (5, 16)]


def test_the_error_for_a_network_without_blocks_names_swap() -> None:
    with pytest.raises(ValueError, match=r"ResNet3D has no module that reports signals; .*ne.layers.swap"):
        layers.signals(zoo.ZOO["residual"].make(), CLIPS)


class Moving(nn.Module):
    """One FAST convolution that responds to a point that moves along x (class 0) or along y (class 1)."""

    def __init__(self) -> None:
        super().__init__()
        self.fast = layers.FAST3d(3, 2, width=2, parallel=True, merge="concat", bias=False)
        with torch.no_grad():
            for plane in (self.fast.yx, self.fast.tx, self.fast.ty):
                plane[0].weight.zero_()
            self.fast.yx[0].weight[0, 0, 0, 1, 1] = 1
            for step in range(3):
                self.fast.tx[0].weight[0, 0, step, 0, step] = 1
                self.fast.ty[0].weight[0, 0, step, step, 0] = 1

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.relu(self.fast(x) - 2).amax((2, 3, 4))


def moving(axis: int) -> torch.Tensor:
    clip = torch.zeros(1, 3, 6, 8, 8)
    for t in range(6):
        clip[(0, 0, t, *((2, t) if axis == 1 else (t, 2)))] = 1
    return clip


def test_horizontal_motion_is_evidence_of_the_tx_plane_and_vertical_motion_of_the_ty_plane() -> None:
    net = Moving().eval()
    clips = torch.cat([moving(1), moving(0)])
    before = net.fast.tx[0].weight.clone()
    horizontal, vertical = (layers.plane_evidence(net, clips, target) for target in (0, 1))
    assert net(clips).argmax(1).tolist() == [0, 1]
    assert horizontal["tx"][0] > 0.5
    assert horizontal["ty"].tolist() == [0, 0]
    assert vertical["ty"][1] > 0.5
    assert vertical["tx"].tolist() == [0, 0]
    assert torch.equal(net.fast.tx[0].weight, before)


def test_a_plane_that_reads_only_its_middle_cell_has_no_evidence() -> None:
    torch.manual_seed(0)
    net = nn.Sequential(layers.FAST3d(3, 4), nn.AdaptiveAvgPool3d(1), nn.Flatten()).eval()
    for name in ("tx", "ty"):
        weight = getattr(net[0], name)[0].weight
        middle = (..., *(size // 2 for size in weight.shape[2:]))
        kept = weight[middle].clone()
        with torch.no_grad():
            weight.zero_()[middle] = kept
    found = layers.plane_evidence(net, CLIPS, 2)
    assert found["tx"].abs().max() == found["ty"].abs().max() == 0
    assert found["yx"].abs().max() > 0


def test_evidence_of_planes_can_be_limited_to_some_blocks() -> None:
    net = net_of("fast")
    single = layers.plane_evidence(net, CLIPS, 1, ["layer1.0.conv1.0"])
    together = layers.plane_evidence(net, CLIPS, 1)
    assert single.keys() == together.keys() == {"yx", "tx", "ty"}
    assert all(value.shape == (2,) for value in (*single.values(), *together.values()))
    assert not torch.allclose(single["tx"], together["tx"])
    with pytest.raises(ValueError, match=r"no FAST convolution 'layer9' in ResNet3D; it has layer1.0.conv1.0"):
        layers.plane_evidence(net, CLIPS, 1, ["layer9"])
    with pytest.raises(ValueError, match=r"no FAST convolution in ResNet3D$"):
        layers.plane_evidence(zoo.ZOO["residual"].make(), CLIPS, 1)
