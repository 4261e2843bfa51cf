"""Ablated kernels against the same network computed step by step; rankings against autograd."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor, nn

import notebook_explain as ne
from benchmarks.kernel_ablation import KernelAblation
from notebook_explain.explanations import ExplainError


class Small(nn.Module):
    """Two convolutions with norm and activation, the second with a shortcut around it."""

    def __init__(self, inplace: bool = False) -> None:
        super().__init__()
        self.conv1, self.norm1 = nn.Conv3d(3, 6, 3, padding=1), nn.BatchNorm3d(6)
        self.conv2, self.norm2 = nn.Conv3d(6, 6, 3, padding=1, groups=2), nn.BatchNorm3d(6)
        self.relu = nn.ReLU(inplace)
        self.head = nn.Linear(6, 4)
        self.ablated_conv = 0

    def forward(self, x: Tensor, is_off: Tensor | None = None, value: Tensor | float = 0.0) -> Tensor:
        def ablate(y: Tensor, conv: int) -> Tensor:
            if is_off is None or conv != self.ablated_conv:
                return y
            return torch.where(is_off.view(1, -1, 1, 1, 1), torch.as_tensor(value).view(-1, 1, 1, 1), y)

        first = ablate(self.relu(self.norm1(self.conv1(x))), 1)
        return self.head(self.relu(ablate(self.norm2(self.conv2(first)), 2) + first).mean((2, 3, 4)))


def make_net(seed: int = 0, inplace: bool = False) -> nn.Module:
    torch.manual_seed(seed)
    net = Small(inplace).eval()
    for norm in (net.norm1, net.norm2):
        for value in (norm.weight, norm.bias, norm.running_mean):
            nn.init.normal_(value.data, 0.5)
        nn.init.uniform_(norm.running_var, 0.5, 2)
    return net


def adapted(net: nn.Module) -> ne.VideoModel:
    return ne.adapt(net, frames=4, size=8, mean=0.5, std=0.25, layout="BCTHW")


def clip_of(seed: int) -> ne.Clip:
    return ne.Clip(np.random.default_rng(seed).integers(0, 256, (4, 8, 8, 3), np.uint8))


@pytest.mark.parametrize("inplace", [False, True])
@pytest.mark.parametrize(("layer", "conv"), [("conv1", 1), ("conv2", 2)])
def test_a_kernel_is_ablated_after_its_norm_and_activation(layer: str, conv: int, inplace: bool) -> None:
    net = make_net(inplace=inplace)
    model, clip = adapted(net), clip_of(0)
    x = model.preprocessing.tensor(clip, torch.device("cpu"), torch.float32)
    net.ablated_conv = conv
    sets = [[], [0], [1, 4], range(6)]
    means = KernelAblation(model).mean_outputs([clip_of(1), clip_of(2)])
    with torch.no_grad():
        for replacement in (None, means):
            logits = KernelAblation(model).logits_without(clip, layer, sets, replacement)
            last = 2 if conv == 1 else 1  # conv, norm, activation; conv, norm
            value = 0.0 if replacement is None else torch.from_numpy(replacement[layer, last]).float()
            for row, kernels in zip(logits, sets, strict=True):
                is_off = torch.zeros(6, dtype=torch.bool)
                is_off[list(kernels)] = True
                assert row == pytest.approx(net(x, is_off, value)[0].double().numpy(), abs=1e-5)
    assert (logits[0] != logits[3]).any()


def test_mean_outputs_are_over_all_clips_at_each_stage() -> None:
    net = make_net(inplace=True)
    model = adapted(net)
    means = KernelAblation(model).mean_outputs([clip_of(1), clip_of(2)])
    pixels = [model.preprocessing.tensor(clip_of(seed), torch.device("cpu"), torch.float32) for seed in (1, 2)]
    with torch.no_grad():
        x = net.conv1(torch.cat(pixels))
        normed = net.norm1(x)
        for stage, values in enumerate((x, normed, normed.relu())):
            assert means["conv1", stage] == pytest.approx(values.mean((0, 2, 3, 4)).numpy(), abs=1e-5)
    assert sorted(means) == [("conv1", 0), ("conv1", 1), ("conv1", 2), ("conv2", 0), ("conv2", 1)]


@pytest.mark.parametrize("inplace", [False, True])
def test_gradient_times_activation_agrees_with_autograd(inplace: bool) -> None:
    net = make_net(inplace=inplace)
    model, clip = adapted(net), clip_of(3)
    activation, product = KernelAblation(model).baseline_scores(clip, ne.Target(2))
    x = model.preprocessing.tensor(clip, torch.device("cpu"), torch.float32)
    first = net.norm1(net.conv1(x)).relu()
    second = net.norm2(net.conv2(first))
    score = net.head((second + first).relu().mean((2, 3, 4)))[0, 2]
    for name, values in (("conv1", first), ("conv2", second)):
        (gradient,) = torch.autograd.grad(score, values, retain_graph=True)
        assert product[name] == pytest.approx((gradient * values).sum((0, 2, 3, 4)).detach().numpy(), abs=1e-5)
        assert activation[name] == pytest.approx(values.abs().mean((0, 2, 3, 4)).detach().numpy(), abs=1e-5)


def test_the_network_is_unchanged() -> None:
    net = make_net(inplace=True).train()
    model, clip = adapted(net), clip_of(4)
    before = {name: value.clone() for name, value in net.state_dict().items()}
    KernelAblation(model).logits_without(clip, "conv1", [[0]])
    KernelAblation(model).baseline_scores(clip, ne.Target(0))
    assert all((before[name] == value).all() for name, value in net.state_dict().items())
    assert net.training
    assert all(parameter.grad is None for parameter in net.parameters())
    assert not [part for part in net.modules() if part._forward_hooks or part._forward_pre_hooks]


def test_invalid_ablations_raise_errors() -> None:
    model, clip = adapted(make_net()), clip_of(5)
    ablation = KernelAblation(model)
    with pytest.raises(ValueError, match="'conv3' is not a convolution of this model; it has conv1, conv2"):
        ablation.logits_without(clip, "conv3", [[0]])
    with pytest.raises(ValueError, match="no kernel 6 in 'conv1'; it has kernels 0 to 5"):
        ablation.logits_without(clip, "conv1", [[0], [6]])
    with pytest.raises(ValueError, match="kernel_sets is empty"):
        ablation.logits_without(clip, "conv1", [])
    with pytest.raises(ValueError, match="at least one clip"):
        ablation.mean_outputs([])

    class DictOutput(Small):
        def forward(self, x: Tensor) -> dict[str, Tensor]:  # type: ignore[override]
            return {"logits": super().forward(x)}

    torch.manual_seed(0)
    with pytest.raises(ExplainError, match=r"only in networks that return logits \(batch, class\)"):
        KernelAblation(adapted(DictOutput().eval())).logits_without(clip, "conv1", [[0]])
