"""Saliency tubes against closed forms and gradients computed by hand."""

from __future__ import annotations

import copy
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

import notebook_explain as ne
from notebook_explain.explanations.caveats import Caveat, CaveatCode
from tests import zoo
from tests.models.test_adapt import EXPLAINABLE, adapted, clip_for

COMPLETE = [name for name in EXPLAINABLE if zoo.ZOO[name].complete]


def _classifier_bias(name: str) -> torch.Tensor:
    heads = [m for m in zoo.ZOO[name].make().modules() if isinstance(m, (nn.Linear, nn.Conv3d)) and m.bias is not None]
    return heads[-1].bias.detach()


def _sum_before_pooling(tubes: ne.explanations.Tubes, target: int) -> float:
    last = [layer for layer in tubes.layers if layer.kind == "pooling input"]
    return float(sum(layer.values[target].mean(dtype=np.float64) for layer in last))


@pytest.mark.parametrize("name", [*COMPLETE, "inception", "i3d_per_time"])
@pytest.mark.parametrize("seed", [0, 1])
def test_the_mean_of_the_tube_plus_the_bias_is_the_logit(name: str, seed: int) -> None:
    target = 3 if name != "logits_dict" else 1
    tubes = ne.SaliencyTubes()(adapted(name), clip_for(name, seed), target)
    logit = tubes.targets[0].logit
    bias = 0.0 if "class_maps" in zoo.ZOO[name].traits else float(_first_head_bias(name)[target])
    assert _sum_before_pooling(tubes, 0) + bias == pytest.approx(logit, abs=1e-4)
    assert not any("adds up to" in caveat for caveat in tubes.provenance.caveats)
    last = [layer for layer in tubes.layers if layer.kind == "pooling input"][-1]
    assert last.gap is not None
    assert float(last.gap[0]) == pytest.approx(bias, abs=1e-4)


def _first_head_bias(name: str) -> torch.Tensor:
    if name != "logits_dict":
        return _classifier_bias(name)
    return next(m for m in zoo.ZOO[name].make().modules() if isinstance(m, nn.Linear)).bias.detach()


@pytest.mark.parametrize("name", ["strided_pool", "cls_token"])
def test_a_nonlinear_head_gives_a_caveat(name: str) -> None:
    tubes = ne.SaliencyTubes()(adapted(name), clip_for(name))
    assert any("what follows is not linear" in caveat for caveat in _incomplete(tubes))
    assert tubes.provenance.forwards == 2  # the second tests it


def _incomplete(tubes: ne.explanations.Tubes) -> list[str]:
    caveats = tubes.provenance.caveats
    return [c for c in caveats if isinstance(c, Caveat) and c.code == CaveatCode.INCOMPLETE_MAP]


def test_a_norm_after_the_pooling_is_linear_while_its_statistics_are_constant() -> None:
    model, clip = adapted("mean_then_norm"), clip_for("mean_then_norm")
    constant, differentiated = (ne.SaliencyTubes(norms=norms)(model, clip) for norms in ("constant", "differentiated"))
    assert not _incomplete(constant)
    assert "statistics of norms held constant" in constant.provenance.method
    assert _incomplete(differentiated)


@pytest.mark.parametrize("name", ["residual", "grouped", "depthwise"])
def test_maps_before_the_pooling_equal_cam_and_n_times_grad_cam_and_hirescam(name: str) -> None:
    entry = zoo.ZOO[name]
    net = entry.make()
    kept: dict[str, torch.Tensor] = {}
    pool = [m for m in net.modules() if isinstance(m, nn.AdaptiveAvgPool3d)][-1]
    pool.register_forward_pre_hook(lambda _, args: kept.update(A=args[0]))
    logits = net(zoo.feed(entry, clip_for(name)))
    head = [m for m in net.modules() if isinstance(m, nn.Linear)][-1]
    A, U = kept["A"].detach()[0], head.weight.detach()
    cam = torch.einsum("kc,cthw->kthw", U, A).numpy()
    model = adapted(name)
    targets = [0, 1, ne.Target(0) - ne.Target(1)]
    exact = ne.SaliencyTubes()(model, clip_for(name), targets).layers[-1].values
    pooled = ne.SaliencyTubes(pooled=True)(model, clip_for(name), targets).layers[-1].values
    scale = np.abs(cam).max()
    np.testing.assert_allclose(exact[:2] / scale, cam[:2] / scale, atol=1e-5)
    np.testing.assert_allclose(pooled[:2] / scale, cam[:2] / scale, atol=1e-5)
    np.testing.assert_allclose(exact[2] / scale, (cam[0] - cam[1]) / scale, atol=1e-5)
    assert logits.shape == (1, zoo.CLASSES)


def _by_hand(net: nn.Module, module: str, x: torch.Tensor, target: int) -> tuple[np.ndarray, np.ndarray]:
    """Return N * sum g*A and N * sum mean(g)*A of one layer, from a copy without in-place operations."""
    copied = copy.deepcopy(net)
    for part in copied.modules():
        if hasattr(part, "inplace"):
            part.inplace = False
    kept = {}
    copied.get_submodule(module).register_forward_hook(lambda *args: kept.update(A=args[2]))
    logit = copied(x)[0, target]
    (g,) = torch.autograd.grad(logit, kept["A"])
    A = kept["A"].detach()
    n = A[0, 0].numel()
    hires = (g * A).sum(1)[0] * n
    grad_cam = (g.mean((2, 3, 4), keepdim=True) * A).sum(1)[0] * n
    return hires.numpy(), grad_cam.numpy()


@pytest.mark.parametrize(
    ("name", "modules"),
    [("residual", ("stem", "stem.1", "layer1.0", "layer2.0.conv1", "layer3.1")), ("plain", ("0", "1", "2", "4"))],
)
def test_maps_of_inner_layers_are_the_local_product_also_before_in_place_relus(
    name: str, modules: tuple[str, ...]
) -> None:
    entry = zoo.ZOO[name]
    net = entry.make()
    known = dict(net.named_modules())
    modules = tuple(module for module in modules if module in known)
    assert len(modules) >= 3
    model = adapted(name)
    exact = ne.SaliencyTubes(layers=modules)(model, clip_for(name), 2)
    pooled = ne.SaliencyTubes(layers=modules, pooled=True)(model, clip_for(name), 2)
    for module in modules:
        hires, grad_cam = _by_hand(net, module, zoo.feed(entry, clip_for(name)), 2)
        np.testing.assert_allclose(exact.layer(module).values[0], hires, atol=1e-5 * np.abs(hires).max())
        np.testing.assert_allclose(pooled.layer(module).values[0], grad_cam, atol=1e-5 * np.abs(grad_cam).max())


def test_each_call_of_a_reused_module_has_a_map() -> None:
    tubes = ne.SaliencyTubes()(adapted("reused_relu"), clip_for("reused_relu"))
    maps = [layer.values for layer in tubes.layers]
    assert len(maps) == 4
    assert all(not np.allclose(a, b) for a, b in pairwise(maps) if a.shape == b.shape)


def test_several_targets_give_the_same_maps_as_each_alone() -> None:
    model, clip = adapted("residual"), clip_for("residual")
    together = ne.SaliencyTubes()(model, clip, [0, 3])
    assert (together.provenance.forwards, together.provenance.backwards) == (1, 2)
    for index, target in enumerate([0, 3]):
        alone = ne.SaliencyTubes()(model, clip, target)
        for a, b in zip(together.layers, alone.layers, strict=True):
            np.testing.assert_allclose(a.values[index], b.values[0], atol=1e-6)


def test_gaps_are_the_score_minus_the_mean_summed_over_pathways() -> None:
    tubes = ne.SaliencyTubes()(adapted("slowfast"), clip_for("slowfast"), 1)
    for index in range(0, len(tubes.layers) - 1, 2):
        slow, fast = tubes.layers[index : index + 2]
        total = slow.values[0].mean(dtype=np.float64) + fast.values[0].mean(dtype=np.float64)
        for layer in (slow, fast):
            assert layer.gap is not None
            assert float(layer.gap[0]) == pytest.approx(tubes.targets[0].logit - total, abs=1e-4)


def test_the_map_of_a_shifted_clip_is_shifted() -> None:
    """The shift is a whole number of cells, and the clip is rolled, so no new content enters."""
    model = adapted("plain")
    clip = clip_for("plain")
    layer = model.layers[0]
    moved = np.roll(clip, 4, axis=2)
    before, after = (ne.SaliencyTubes(layers=(layer.name,))(model, x, 0).layers[0].values[0] for x in (clip, moved))
    cells = round(4 / layer.geometry.step[1])
    inner = np.s_[1:-1, 6:-6, 10:-6]
    correlation = np.corrcoef(np.roll(before, cells, axis=2)[inner].ravel(), after[inner].ravel())[0, 1]
    unshifted = np.corrcoef(before[inner].ravel(), after[inner].ravel())[0, 1]
    assert correlation > 0.9
    assert unshifted < 0.5


def test_provenance_records_method_knobs_and_versions() -> None:
    tubes = ne.SaliencyTubes(pooled=True)(adapted("residual"), clip_for("residual"))
    p = tubes.provenance
    assert "Grad-CAM" in p.method
    assert p.knobs == {"layers": None, "pooled": True, "norms": "constant", "check_rounding": False}
    assert p.preprocessing["size"] == [32, 32]
    assert p.preprocessing["assumed"] == []
    assert set(p.versions) == {"notebook_explain", "torch", "numpy", "python"}
    assert "parameters" in p.model
    assert p.seconds > 0


def test_errors_for_objects_that_are_not_models() -> None:
    with pytest.raises(TypeError, match=r"model must be a VideoModel, got .*make one with notebook_explain.adapt"):
        ne.SaliencyTubes()(zoo.ZOO["plain"].make(), clip_for("plain"))  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="this model is adapted already"):
        ne.explain(adapted("plain"), clip_for("plain"), size=32)


def test_the_clip_of_the_tubes_is_the_input_of_the_network() -> None:
    frames = zoo.random_clip(20, 50)
    seen: list[Any] = []
    net = zoo.ZOO["residual"].make()
    tubes = ne.explain(net, frames, size=32, frames=8, mean=zoo.MEAN, std=zoo.STD, layout="BCTHW")
    assert tubes.clip.size == (8, 32, 32)
    handle = net.register_forward_pre_hook(lambda _, args: seen.append(args[0]))
    with torch.no_grad():
        net(((torch.from_numpy(tubes.clip.frames).permute(3, 0, 1, 2)[None] / 255 - zoo.MEAN) / zoo.STD).float())
    handle.remove()
    again = ne.explain(net, tubes.clip, size=32, frames=8, mean=zoo.MEAN, std=zoo.STD, layout="BCTHW")
    np.testing.assert_array_equal(again.layers[-1].values, tubes.layers[-1].values)
