"""RISE against a brute-force mean over the same masks, and on a linear network whose weights are known."""

from __future__ import annotations

import threading
from itertools import islice
from typing import Any

import numpy as np
import pytest
import torch
from scipy.ndimage import gaussian_filter
from torch import nn

import notebook_explain as ne
from notebook_explain.explanations import Tubes
from notebook_explain.explanations.caveats import Caveat, CaveatCode
from notebook_explain.explanations.layer_map import RELEVANCE
from notebook_explain.methods.random_masks import random_masks
from notebook_explain.methods.rise import WeightedMean
from notebook_explain.models.fills import background
from tests import zoo
from tests.models.test_adapt import adapted, clip_for

SPECIFIED: dict[str, Any] = {"size": 32, "frames": 8, "mean": zoo.MEAN, "std": zoo.STD, "layout": "BCTHW"}
CLIP = zoo.random_clip(8, 32)
SIZE = (8, 32, 32)


def _masks(
    count: int, cells: tuple[int, int, int] = (4, 7, 7), size: tuple[int, int, int] = SIZE, p: float = 0.5
) -> Any:
    return random_masks(count, cells, size, p, torch.Generator().manual_seed(0))


def _fill_by_hand(video: np.ndarray, fill: str) -> np.ndarray:
    if fill == "blur":
        sigma = (0, *(length / 8 for length in video.shape[1:]))
        return gaussian_filter(video, sigma, mode="nearest", truncate=3)
    if fill == "grey":
        return np.full_like(video, (0.5 - zoo.MEAN) / zoo.STD)
    axes = (1, 2, 3) if fill == "mean" else 1
    return np.broadcast_to(video.mean(axes, keepdims=True), video.shape)


@pytest.mark.parametrize("fill", ["blur", "mean", "freeze", "grey"])
def test_it_is_the_weighted_mean_over_the_masks(fill: str) -> None:
    net = zoo.ZOO["residual"].make()
    steps = list(ne.RISE(masks=20, batch=8, fill=fill).stream(ne.adapt(net, **SPECIFIED), CLIP, [1, 0]))
    video = (CLIP.astype(np.float32) / 255 - zoo.MEAN).transpose(3, 0, 1, 2) / zoo.STD
    masks, hidden = _masks(20).double().numpy(), _fill_by_hand(video, fill)
    with torch.no_grad():
        scores = np.stack(
            [net(torch.from_numpy(m * video + (1 - m) * hidden).float()[None])[0, [1, 0]].numpy() for m in masks]
        ).astype(np.float64)
    tubes = steps[-1].partial
    for target in (0, 1):
        s = scores[:, target, None, None, None]
        ratio = (s * masks).sum(0) / masks.sum(0)
        wanted = ratio - s.mean()
        np.testing.assert_allclose(tubes.layers[0].values[target], wanted, atol=2e-3 * np.abs(wanted).max())
        influence = masks * (s - ratio) / masks.mean(0) - (s - s.mean())
        error = np.sqrt(np.square(influence).mean(0) / len(masks))
        np.testing.assert_allclose(steps[-1].standard_error[target], error, rtol=5e-3)
    assert (tubes.layers[0].kind, tubes.layers[0].gap) == (RELEVANCE, None)


def test_its_standard_error_is_the_spread_between_seeds() -> None:
    found, errors = [], []
    weights = np.random.default_rng(1).normal(size=(2, 6, 6))
    for seed in range(300):
        masks = random_masks(60, (2, 3, 3), (2, 6, 6), 0.5, torch.Generator().manual_seed(seed)).numpy()
        scores = 5 + np.stack([(masks * weights).sum((1, 2, 3)), masks[:, 0, 0, 0] ** 2], axis=1)
        mean = WeightedMean(np.zeros(2), (2, 6, 6))
        mean.add(scores[:25], masks[:25])
        mean.add(scores[25:], masks[25:])
        found.append(mean.values())
        errors.append(mean.standard_error())
    spread, typical = np.std(found, axis=0), np.mean(errors, axis=0)
    assert np.median(typical / spread) == pytest.approx(1, abs=0.1)
    assert (np.abs(typical / spread - 1) < 0.35).all()


class _Linear(nn.Module):
    """The score of class 0 is the sum of fixed weights times the clip; that of class 1 is its negative."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv3d(3, 1, 1)
        grid = np.random.default_rng(0).normal(size=(4, 5, 5))
        weights = nn.functional.interpolate(torch.from_numpy(grid)[None, None], SIZE, mode="trilinear")[0, 0]
        self.register_buffer("weights", weights.float())
        nn.init.constant_(self.conv.weight, 1 / 3)
        nn.init.zeros_(self.conv.bias)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        score = (self.conv(x)[:, 0] * self.weights).mean((1, 2, 3))
        return torch.stack([score, -score], 1)


def test_on_a_linear_network_it_finds_the_weights_and_more_masks_find_them_better() -> None:
    net = _Linear().eval()
    white = np.full((8, 32, 32, 3), 255, np.uint8)
    steps = list(ne.RISE(masks=400, fill="grey").stream(ne.adapt(net, **SPECIFIED), white, [0, 1]))
    weights = net.weights.numpy().ravel()
    few, many = (
        [np.corrcoef(step.partial.layers[0].values[target].ravel(), weights)[0, 1] for target in (0, 1)]
        for step in (steps[3], steps[-1])
    )
    assert many[0] > 0.7
    assert many[1] == pytest.approx(-many[0], abs=1e-6)
    assert few[0] < many[0]
    errors = [step.relative_error for step in steps[2:]]
    assert errors[-1] < 0.6 * errors[2]
    assert steps[0].relative_error == np.inf


def test_masks_keep_the_stated_fraction_and_are_smooth() -> None:
    masks = _masks(300, p=0.3).numpy()
    assert masks.shape == (300, *SIZE)
    assert masks.min() >= 0
    assert masks.max() <= 1
    np.testing.assert_allclose(masks.mean(0), 0.3, atol=0.12)
    assert masks.mean() == pytest.approx(0.3, abs=0.01)
    steps = [np.abs(np.diff(masks, axis=axis)).max() for axis in (1, 2, 3)]
    assert steps == pytest.approx([4 / 8, 7 / 32, 7 / 32], abs=0.01)
    assert len({mask.tobytes() for mask in masks}) == 300


def test_masks_are_shifted_along_every_axis() -> None:
    sizes = ((27, 1, 1), (1, 27, 1), (1, 1, 27))
    for axis, size in enumerate(sizes):
        cells = tuple(9 if length > 1 else 1 for length in size)
        lines = np.moveaxis(_masks(100, cells, size).numpy(), axis + 1, -1).reshape(100, 27)
        bends = np.abs(
            np.diff(lines, 2, axis=1)
        )  # at the centres of cells, every third pixel if these were not shifted
        assert (np.delete(bends, np.arange(0, 25, 3), axis=1).max(1) > 0.01).mean() > 0.8


def test_masks_drawn_in_batches_are_those_drawn_together() -> None:
    generator = torch.Generator().manual_seed(0)
    parts = [random_masks(count, (4, 7, 7), SIZE, 0.5, generator) for count in (3, 4)]
    torch.testing.assert_close(torch.cat(parts), _masks(7))


def test_a_clip_shorter_than_the_cells_has_masks() -> None:
    masks = _masks(4, cells=(4, 7, 7), size=(1, 3, 40))
    assert masks.shape == (4, 1, 3, 40)
    assert torch.isfinite(masks).all()


@pytest.mark.parametrize("fill", ["blur", "mean", "freeze", "grey"])
def test_fills_broadcast_to_the_clip(fill: str) -> None:
    video = torch.randn(1, 3, 4, 8, 6)
    filled = background(video, fill, (0.45,) * 3, (0.225,) * 3)
    assert torch.broadcast_shapes(filled.shape, video.shape) == video.shape


def test_the_size_of_a_batch_does_not_matter_and_passes_are_counted() -> None:
    model = ne.adapt(zoo.ZOO["residual"].make(), **SPECIFIED)
    one, many = (ne.RISE(masks=6, batch=batch)(model, CLIP, 1) for batch in (1, 6))
    np.testing.assert_allclose(one.layers[0].values, many.layers[0].values, rtol=1e-3, atol=1e-6)
    assert 7 <= many.provenance.forwards <= 7 + 5  # and those that find out how a batch is run
    assert many.provenance.backwards == 0


@pytest.mark.parametrize("name", ["slowfast", "features_and_logits", "probs_first", "channels_last", "cls_token"])
def test_it_runs_on_networks_of_other_forms(name: str) -> None:
    tubes = ne.RISE(masks=4, batch=2)(adapted(name), clip_for(name), 0)
    assert np.isfinite(tubes.layers[0].values).all()
    assert tubes.layers[0].grid == tubes.clip.size


def test_closing_the_stream_cancels_the_rest() -> None:
    net = zoo.ZOO["residual"].make()
    calls = []
    forward = net.avgpool.forward
    net.avgpool.forward = lambda x: (calls.append(len(x)), forward(x))[1]  # the shadow calls it too
    steps = ne.RISE(masks=400, batch=4).stream(ne.adapt(net, **SPECIFIED), CLIP, 1)
    partial = [step.partial for step in islice(steps, 3)]
    steps.close()
    assert isinstance(partial[-1], Tubes)
    assert partial[0] is None
    before = len(calls)
    assert list(steps) == []
    assert len(calls) == before


def test_a_network_that_cannot_be_copied_is_explained_too() -> None:
    net = zoo.ZOO["residual"].make()
    wanted = ne.RISE(masks=6)(ne.adapt(net, **SPECIFIED), CLIP, 1)
    net.lock = threading.Lock()
    found = ne.RISE(masks=6)(ne.adapt(net, **SPECIFIED), CLIP, 1)
    np.testing.assert_allclose(found.layers[0].values, wanted.layers[0].values, rtol=1e-4, atol=1e-7)


def test_its_caveats_name_the_cells_the_fill_and_the_error() -> None:
    tubes = ne.RISE(masks=8, cells=(2, 4, 4), fill="freeze")(ne.adapt(zoo.ZOO["residual"].make(), **SPECIFIED), CLIP)
    text = " ".join(tubes.provenance.caveats)
    assert "4 frames × 8 × 8 pixels" in text
    assert "its mean over time" in text
    assert "a mean over 8 random masks" in text
    codes = [caveat.code for caveat in tubes.provenance.caveats if isinstance(caveat, Caveat)]
    assert CaveatCode.COARSE_MAP in codes


@pytest.mark.parametrize(
    "wrong",
    [
        {"masks": 1},
        {"masks": "many"},
        {"cells": 7},
        {"cells": (4, 7)},
        {"cells": (0, 7, 7)},
        {"probability": 0},
        {"probability": 1.0},
        {"probability": 2},
        {"fill": "black"},
        {"batch": 0},
        {"seed": -1},
    ],
)
def test_wrong_arguments_are_one_clear_error(wrong: dict[str, Any]) -> None:
    with pytest.raises((TypeError, ValueError), match=f"^{next(iter(wrong))} "):
        ne.RISE(**wrong)
