"""Guided Grad-CAM against the published rule by hand and captum's guided backpropagation."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from captum.attr import GuidedBackprop
from scipy.ndimage import gaussian_filter
from torch import nn

import notebook_explain as ne
from notebook_explain import samples
from notebook_explain.explanations.caveats import Caveat, CaveatCode
from notebook_explain.explanations.layer_map import DETAIL, SHARP
from notebook_explain.methods.guided_relu import GuidedReLU
from notebook_explain.methods.sharp_tubes.readout import ReadOut
from notebook_explain.methods.sharp_tubes.redistribution import redistributed, windows
from tests import zoo

SAMPLE = samples.contrast("kick", "wave one hand", seed=4)
SPECIFIED: dict[str, Any] = {"size": 16, "frames": 4, "layout": "BCTHW", "mean": 0.5, "std": 0.25}
CLIP = zoo.random_clip(4, 16, 3)
RELUS: dict[str, Callable[[], Callable[[torch.Tensor], torch.Tensor]]] = {
    "module": nn.ReLU,
    "in place": lambda: nn.ReLU(inplace=True),
    "function": lambda: F.relu,
    "method": lambda: torch.Tensor.relu,
    "in-place method": lambda: torch.Tensor.relu_,
}


class _Chain(nn.Module):
    """Three convolutions with activations between them, a pooling and a linear classifier."""

    def __init__(self, activation: Callable[[], Any] = nn.ReLU) -> None:
        super().__init__()
        self.convs = nn.ModuleList(nn.Conv3d(c, 5, 3, padding=1) for c in (3, 5, 5))
        self.activations = [activation() for _ in range(3)]
        if isinstance(self.activations[0], nn.Module):
            self.activations = nn.ModuleList(self.activations)
        self.head = nn.Linear(5, 4)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        for conv, activation in zip(self.convs, self.activations, strict=True):
            x = activation(conv(x))
        return self.head(x.mean((2, 3, 4)))


def _chain(activation: Callable[[], Any] = nn.ReLU) -> _Chain:
    net = zoo.seeded(lambda: _Chain(activation), 5)
    assert isinstance(net, _Chain)
    return net


def _video(model: ne.VideoModel) -> torch.Tensor:
    clip = model.prepare(CLIP)[1]
    return model.preprocessing.tensor(clip, torch.device("cpu"), torch.float32)


def _guided_by_hand(net: _Chain, video: torch.Tensor, index: int, sign: float = 1) -> torch.Tensor:
    """Go back through the chain, with both masks of guided backpropagation written out."""
    before = []
    x = video
    for conv in net.convs:
        before.append(conv(x))
        x = before[-1].clamp_min(0)
    cells = x[0, 0].numel()
    gradient = (sign * net.head.weight[index] / cells).view(1, -1, 1, 1, 1).expand_as(x)
    for conv, values in zip(reversed(net.convs), reversed(before), strict=True):
        gradient = gradient * (values > 0) * (gradient > 0)
        gradient = F.conv_transpose3d(gradient, conv.weight, padding=1)
    return gradient[0].detach()


def _guided(net: nn.Module, video: torch.Tensor, index: int) -> torch.Tensor:
    leaf, relus = video.clone().requires_grad_(), GuidedReLU()
    with relus:
        score = net(leaf.clone())[0, index]
    with relus.guided():
        (found,) = torch.autograd.grad(score, leaf, retain_graph=True)
    (exact,) = torch.autograd.grad(score, leaf)
    other = video.clone().requires_grad_()
    np.testing.assert_array_equal(exact, torch.autograd.grad(net(other)[0, index], other)[0])
    return found[0]


@pytest.mark.parametrize("relu", RELUS.values(), ids=RELUS)
def test_gradients_are_guided_however_a_relu_is_written(relu: Callable[[], Any]) -> None:
    net = _chain(relu)
    video = _video(ne.adapt(_chain(), **SPECIFIED))
    wanted = _guided_by_hand(net, video, 2)
    assert wanted.abs().max() > 0
    np.testing.assert_allclose(_guided(net, video, 2), wanted, rtol=1e-4, atol=1e-8)


def test_guided_gradients_equal_those_of_captum_on_a_residual_network() -> None:
    net = zoo.ZOO["residual"].make()
    for part in net.modules():
        if isinstance(part, nn.ReLU):
            part.inplace = False
    video = zoo.feed(zoo.ZOO["residual"], zoo.random_clip(8, 32))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        wanted = GuidedBackprop(net).attribute(video.clone().requires_grad_(), target=1)[0].detach()
    np.testing.assert_allclose(_guided(net, video, 1), wanted, rtol=1e-3, atol=1e-7)


def test_relu6_is_guided_and_a_hardtanh_is_not() -> None:
    x = torch.tensor([-1.0, 1.0, 2.0], requires_grad=True)
    for function, wanted in ((nn.ReLU6(), [0, 0, 1]), (nn.Hardtanh(-3, 3), [-1, -1, 1])):
        relus = GuidedReLU()
        with relus:
            y = function(x)
        with relus.guided():
            (found,) = torch.autograd.grad((y * torch.tensor([-1.0, -1.0, 1.0])).sum(), x)
        assert found.tolist() == wanted


def _cam_by_hand(net: _Chain, video: torch.Tensor, index: int, sign: float = 1) -> np.ndarray:
    x = video
    for conv in net.convs:
        x = conv(x).clamp_min(0)
    return (sign * net.head.weight[index].view(1, -1, 1, 1, 1) * x).sum(1)[0].clamp_min(0).detach().numpy()


def test_it_is_the_published_rule() -> None:
    net = _chain()
    model = ne.adapt(net, **SPECIFIED)
    tubes = ne.GuidedGradCAM()(model, CLIP, [2, 0])
    video = _video(model)
    for target, index in enumerate((2, 0)):
        product = _guided_by_hand(net, video, index).numpy() * _cam_by_hand(net, video, index)
        norm = np.sqrt(np.square(product).sum(0))
        wanted = np.stack([gaussian_filter(frame, 1.0, mode="mirror", truncate=3) for frame in norm])
        np.testing.assert_allclose(tubes.layer().values[target], wanted, rtol=1e-3, atol=1e-5 * wanted.max())
    assert (tubes.layer().kind, tubes.layer().gap) == (DETAIL, None)
    assert (tubes.provenance.forwards, tubes.provenance.backwards) == (1, 4)


def test_the_read_out_is_that_of_sharp_tubes() -> None:
    net = _chain()
    model = ne.adapt(net, **SPECIFIED)
    tubes = ne.GuidedGradCAM(read_out=True)(model, CLIP, 2)
    video = _video(model)
    product = _guided_by_hand(net, video, 2) * torch.from_numpy(_cam_by_hand(net, video, 2))
    wanted = ReadOut(tubes.clip.frames)(product[None])[0].numpy()
    np.testing.assert_allclose(tubes.layer().values[0], wanted, rtol=1e-3, atol=1e-5 * wanted.max())


@pytest.mark.parametrize("read_out", [False, True])
def test_with_sign_it_adds_up_to_the_score(read_out: bool) -> None:
    targets = [*SAMPLE.labels, ne.Target("kick") - ne.Target("clap")]
    tubes = ne.GuidedGradCAM(read_out=read_out, signed=True)(ne.demo_model(), SAMPLE, targets)
    exact = ne.SaliencyTubes(layers=("blocks.3",))(ne.demo_model(), SAMPLE, targets).layers[0]
    np.testing.assert_array_equal(tubes.layers[0].values, exact.values)
    shown = tubes.layer()
    assert (shown.kind, shown.grid) == (SHARP, tubes.clip.size)
    for index, result in enumerate(tubes.targets):
        values, cells = shown.values[index].astype(np.float64), exact.values[index].astype(np.float64)
        assert values.mean() + result.bias == pytest.approx(result.logit, abs=1e-4)
        assert (values < 0).any()
        assert values.clip(max=0).mean() >= cells.clip(max=0).mean() - 1e-5


def test_the_negative_part_follows_the_negated_score() -> None:
    net = _chain()
    model = ne.adapt(net, **SPECIFIED)
    signed = ne.GuidedGradCAM(signed=True)
    video = _video(model)
    tubes = signed(model, CLIP, 2)
    cells = tubes.layers[0].values[0].astype(np.float64) / tubes.layers[0].values[0].size
    wanted = 0
    for sign in (1, -1):
        product = _guided_by_hand(net, video, 2, sign).numpy() * _cam_by_hand(net, video, 2, sign)
        norm = np.sqrt(np.square(product).sum(0))
        detail = np.stack([gaussian_filter(frame, 1.0, mode="mirror", truncate=3) for frame in norm])
        over = windows(tubes.layers[0], tubes.clip.size)
        wanted = wanted + sign * redistributed(np.maximum(sign * cells, 0), detail, over)
    wanted = wanted * tubes.layer().values[0].size
    np.testing.assert_allclose(tubes.layer().values[0], wanted, rtol=1e-2, atol=1e-4 * np.abs(wanted).max())


@pytest.mark.parametrize(("activation", "names"), [(nn.GELU, "no ReLU"), (nn.SiLU, "no ReLU"), (nn.ReLU, None)])
def test_other_activations_are_a_caveat(activation: Any, names: str | None) -> None:
    tubes = ne.GuidedGradCAM()(ne.adapt(_chain(activation), **SPECIFIED), CLIP, 0)
    found = [text for text in tubes.provenance.caveats if "guided" in text.lower()]
    assert bool(found) == (names is not None)
    assert names is None or names in found[0]
    if names is not None:  # the plain gradient
        model = ne.adapt(_chain(activation), **SPECIFIED)
        video = _video(model).requires_grad_()
        (plain,) = torch.autograd.grad(model.module(video)[0, 0], video)
        np.testing.assert_allclose(_guided(model.module, video.detach(), 0), plain[0], rtol=1e-5)


class _Detached(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv, self.head = nn.Conv3d(3, 4, 3, padding=1), nn.Linear(4, 3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.head(self.conv(x.detach()).relu().mean((2, 3, 4)))


def test_without_a_gradient_at_the_clip_a_caveat_says_so() -> None:
    tubes = ne.GuidedGradCAM()(ne.adapt(zoo.seeded(_Detached), **SPECIFIED), CLIP, 0)
    assert DETAIL not in [layer.kind for layer in tubes.layers]
    codes = [caveat.code for caveat in tubes.provenance.caveats if isinstance(caveat, Caveat)]
    assert CaveatCode.NO_GRADIENT in codes


@pytest.mark.parametrize("wrong", [{"read_out": 1}, {"signed": "yes"}])
def test_wrong_arguments_are_one_clear_error(wrong: dict[str, Any]) -> None:
    with pytest.raises(TypeError, match=next(iter(wrong))):
        ne.GuidedGradCAM(**wrong)
