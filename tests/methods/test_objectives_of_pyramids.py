"""Objectives of pyramid units: the outputs of their kernels, and the logit of the class."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import notebook_explain as ne
from notebook_explain.explanations import Pyramid
from notebook_explain.methods.feature_visualization.objectives import Channel, Logit, of_unit
from tests import zoo

SPECIFIED: dict[str, Any] = {"size": 32, "frames": 8, "mean": zoo.MEAN, "std": zoo.STD, "layout": "BCTHW"}
CLIP = zoo.random_clip(8, 32)


@pytest.fixture(scope="module")
def model() -> ne.VideoModel:
    return ne.adapt(zoo.ZOO["residual"].make(), **SPECIFIED)


@pytest.fixture(scope="module")
def pyramid(model: ne.VideoModel) -> Pyramid:
    found: Pyramid = ne.FeaturePyramid()(model, CLIP, 1)
    return found


def _kernels(pyramid: Pyramid) -> list[int]:
    return [index for index, unit in enumerate(pyramid.units) if pyramid.rows[unit.row].kind == "kernel"]


def test_the_score_of_a_kernel_is_the_mean_of_the_output_of_its_module(model: ne.VideoModel, pyramid: Pyramid) -> None:
    chosen = _kernels(pyramid)[::9]
    objectives: list[Any] = [of_unit(pyramid, index) for index in chosen]
    assert all(isinstance(one, Channel) for one in objectives)
    modules, kept = dict(model.module.named_modules()), dict[Any, torch.Tensor]()
    handles = [
        modules[one.layer].register_forward_hook(lambda *call, one=one: kept.__setitem__(one, call[2].detach().clone()))
        for one in objectives
    ]
    with torch.no_grad():
        model.module.eval()(zoo.feed(zoo.ZOO["residual"], CLIP))
    for handle in handles:
        handle.remove()
    made = ne.FeatureVisualization(objective=objectives, steps=2, restarts=1)(model, [CLIP])
    for index, one, found in zip(chosen, objectives, made, strict=True):
        channel = pyramid.units[index].channel
        np.testing.assert_allclose(found.real_scores, [float(kept[one][0, channel].mean())], rtol=1e-3, atol=1e-5)
        assert of_unit(pyramid, pyramid.units[index]) == one


def test_the_class_is_its_logit_also_of_a_difference_and_of_a_loaded_pyramid(
    model: ne.VideoModel, pyramid: Pyramid, tmp_path: Path
) -> None:
    objective = of_unit(pyramid, 0)
    assert isinstance(objective, Logit)
    made = ne.FeatureVisualization(objective=objective, steps=2, restarts=1)(model, [CLIP])
    np.testing.assert_allclose(made[0].real_scores, [pyramid.target.logit], rtol=1e-4)
    loaded: Any = ne.load(pyramid.save(tmp_path / "pyramid.npz"))
    assert [of_unit(loaded, one) for one in (0, *_kernels(pyramid))] == [
        of_unit(pyramid, one) for one in (0, *_kernels(pyramid))
    ]
    rather = ne.FeaturePyramid()(model, CLIP, ne.Target(1) - ne.Target(0))
    made = ne.FeatureVisualization(objective=of_unit(rather, 0), steps=2, restarts=1)(model, [CLIP])
    np.testing.assert_allclose(made[0].real_scores, [rather.target.logit], rtol=1e-4)


def test_what_is_no_output_of_a_layer_is_one_clear_error(pyramid: Pyramid) -> None:
    kinds = [pyramid.rows[unit.row].kind for unit in pyramid.units]
    with pytest.raises(
        ValueError,
        match=r"^unit must be a kernel or the class, got channel \d+ of 'sum in layer4.1'.*'layer4.1.conv2.0'",
    ):
        of_unit(pyramid, kinds.index("sum"))
    with pytest.raises(ValueError, match=r"^unit must be a kernel or the class, got channel \d of 'clip'.*layer$"):
        of_unit(pyramid, kinds.index("input"))
    for index in (len(kinds), -1):
        with pytest.raises(ValueError, match=rf"^unit must lie in 0\.\.{len(kinds) - 1}, .* got {index}"):
            of_unit(pyramid, index)
    for wrong in ("layer4", True, 1.5):
        with pytest.raises(TypeError, match=r"^unit must be an index"):
            of_unit(pyramid, wrong)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match=r"^pyramid must be a Pyramid, got str; ne\.FeaturePyramid makes one"):
        of_unit("pyramid", 0)  # type: ignore[arg-type]
    other = ne.FeaturePyramid()(ne.demo_model(), ne.samples.single("kick", seed=1))
    with pytest.raises(ValueError, match=r"^unit is not one of this pyramid's"):
        of_unit(pyramid, other.units[3])
