"""Ablations beside brute force, and what they cost."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.stats import binomtest, kstest

import notebook_explain as ne
from notebook_explain import samples
from notebook_explain.clip import Clip
from notebook_explain.explanations import Geometry
from notebook_explain.explanations.concepts.cells import over_clip
from notebook_explain.methods.concepts.ablation import Ablation
from notebook_explain.methods.concepts.controls import controls_of
from notebook_explain.methods.concepts.significance import sign_flip
from notebook_explain.methods.concepts.supervoxels import supervoxels
from notebook_explain.methods.concepts.units import Segmentation
from notebook_explain.models.fills import background
from tests.methods.concepts.networks import SIZE, random_clips, small_model

FILLS = ("blur", "freeze")


def _ablation(
    model: ne.VideoModel, target: int = 1, fills: tuple[str, ...] = FILLS, batch: int | None = None
) -> Ablation:
    return Ablation(model, ne.Target(target, ""), fills, batch)


def _margin(model: ne.VideoModel, video: torch.Tensor, target: int = 1) -> float:
    with torch.no_grad():
        logits = model.module(video)[0].double()
    others = [float(value) for index, value in enumerate(logits) if index != target]
    return float(logits[target]) - sum(others) / len(others)


def _masks(count: int, seed: int = 0, size: tuple[int, int, int] = SIZE) -> np.ndarray:
    rng = np.random.default_rng(seed)
    coarse = rng.random((count, 4, 8, 8)) < 0.2
    return np.kron(coarse, np.ones((size[0] // 4, size[1] // 8, size[2] // 8), bool)).astype(bool)


def test_drops_are_those_of_brute_force() -> None:
    model, clip, masks = small_model(), Clip(random_clips(1)[0]), _masks(3)
    found = _ablation(model)(clip, masks, masks)
    video = model.preprocessing.tensor(clip, torch.device("cpu"), torch.float32)
    for f, fill in enumerate(FILLS):
        hidden = background(video, fill).expand_as(video)
        for k, mask in enumerate(masks):
            without = torch.where(torch.from_numpy(mask), hidden, video)
            assert found.drops[f, k] == pytest.approx(_margin(model, video) - _margin(model, without), abs=1e-5)
            change = (hidden - video).abs().mean(1)[0].numpy()[mask].sum()
            assert found.changes[f, k] == pytest.approx(change, rel=1e-4)
    np.testing.assert_array_equal(found.voxels, masks.sum((1, 2, 3)))
    assert np.abs(found.drops).max() > 0.01


def test_controls_are_ablated_too_and_weighed_by_their_voxels() -> None:
    model, clip, masks = small_model(), Clip(random_clips(1)[0]), _masks(2)
    controls = _masks(2, seed=7)
    found, other = _ablation(model)(clip, masks, controls), _ablation(model)(clip, controls, masks)
    ratio = masks.sum((1, 2, 3)) / controls.sum((1, 2, 3))
    np.testing.assert_allclose(found.controls, other.drops * ratio, atol=1e-6)
    nothing = _ablation(model)(clip, np.zeros_like(masks), np.zeros_like(masks))
    for values in (nothing.drops, nothing.controls, nothing.changes, nothing.voxels):
        np.testing.assert_array_equal(values, 0)


def test_a_fill_that_equals_the_clip_has_no_effect_and_costs_no_pass() -> None:
    model = small_model()
    still = Clip(np.repeat(random_clips(1)[0][:1], 8, 0))
    ablation = _ablation(model, fills=("freeze",))
    found = ablation(still, _masks(4), _masks(4, 1))
    for values in (found.drops, found.controls, found.changes):
        np.testing.assert_array_equal(values, 0)
    assert ablation.forwards == 0
    assert sign_flip(found.drops - found.controls, 0).tolist() == [1, 1, 1, 1]


def test_a_static_mark_has_no_freeze_effect_under_a_network_that_subtracts_the_mean_over_time() -> None:
    model = ne.demo_model()
    marked = [samples.shortcut("kick", seed=8_150_000 + seed) for seed in range(3)]
    for sample in marked:
        masks = np.stack([sample.mark, sample.mask])
        assert sample.mark.any()
        found = _ablation(model, samples.ACTIONS.index("kick"))(Clip.of(sample), masks, masks)
        mark, acting = found.drops[FILLS.index("freeze")]
        assert abs(mark) < 0.02 * abs(acting), "the acting parts lose the score when they stand still"
        assert acting > 0.5


def test_passes_are_counted() -> None:
    ablation = _ablation(small_model(), batch=4)
    ablation(Clip(random_clips(1)[0]), _masks(5), _masks(5, 1))
    passes = 1 + 5 * 2 * 2  # the clip; concepts and controls, by two fills
    probe = 1 + 2 + 2  # the form of the output; two clips one by one, and together
    assert ablation.forwards == passes + probe
    before = ablation.forwards
    ablation(Clip(random_clips(1, 9)[0]), _masks(5), _masks(5, 1))
    assert ablation.forwards == before + passes


@pytest.mark.parametrize("batch", [1, 3, 64])
def test_the_size_of_a_batch_does_not_matter(batch: int) -> None:
    model, clip = small_model(), Clip(random_clips(1)[0])
    found, other = (_ablation(model, batch=size)(clip, _masks(3), _masks(3, 1)) for size in (batch, None))
    np.testing.assert_allclose(found.drops, other.drops, atol=1e-5)


def test_a_difference_of_two_classes_and_a_value_have_their_own_score() -> None:
    model, clip, masks = small_model(), Clip(random_clips(1)[0]), _masks(1)
    video = model.preprocessing.tensor(clip, torch.device("cpu"), torch.float32)
    hidden = torch.where(torch.from_numpy(masks[0]), background(video, "blur").expand_as(video), video)
    with torch.no_grad():
        before, after = model.module(video)[0], model.module(hidden)[0]
    difference = ne.Target(1, "") - ne.Target(2, "")
    found = Ablation(model, difference, ("blur",))(clip, masks, masks)
    assert found.drops[0, 0] == pytest.approx(float((before[1] - before[2]) - (after[1] - after[2])), abs=1e-5)
    value = ne.adapt(model.module, outputs="regression", **{"size": 32, "frames": 8, "mean": 0.5, "std": 0.25})
    found = Ablation(value, ne.Target(3, ""), ("blur",))(clip, masks, masks)
    assert found.drops[0, 0] == pytest.approx(float(before[3] - after[3]), abs=1e-5)


def _calibration(segmentations: list[Segmentation], clips: list[np.ndarray], share: float) -> np.ndarray:
    """Return p-values of 200 concepts, each of random units."""
    gaps, ablation = [], _ablation(small_model(), fills=("blur",), batch=16)
    for number, (clip, segmentation) in enumerate(zip(clips, segmentations, strict=True)):
        rng = np.random.default_rng(number)
        labels = over_clip(segmentation.labels[-1], segmentation.geometry, SIZE)
        masks = np.stack([(rng.random(segmentation.count) < share)[labels] & (labels >= 0) for _ in range(200)])
        found = ablation(Clip(clip), masks, controls_of(segmentation, masks, rng))
        gaps.append((found.drops - found.controls)[0])
    return sign_flip(np.stack(gaps), 0)


@pytest.mark.parametrize("units", ["positions", "supervoxels"])
def test_the_test_is_calibrated_for_random_concepts(units: str) -> None:
    """A concept of random units is called significant as often as the level says: 200 draws."""
    clips, grid = random_clips(10), (4, 8, 8)
    if units == "positions":
        cells = np.arange(256).reshape(1, *grid)
        divided = [Segmentation(cells, Geometry.even(grid, SIZE), 256, np.arange(256))] * 10
    else:
        pytest.importorskip("skimage", reason="needs scikit-image")
        divided = [supervoxels(Clip(clip)) for clip in clips]
    p = _calibration(divided, clips, 0.2)
    for level in (0.05, 0.01):
        assert binomtest(int((p <= level).sum()), len(p), level).pvalue > 0.01
    assert kstest(p, "uniform").pvalue > 0.01


def test_the_control_of_cells_is_the_same_shape_and_that_of_supervoxels_has_as_many_voxels() -> None:
    rng = np.random.default_rng(0)
    cells = Segmentation(np.arange(256).reshape(1, 4, 8, 8), Geometry.even((4, 8, 8), SIZE), 256, np.arange(256))
    masks = np.concatenate([_masks(6), np.zeros((1, *SIZE), bool)])
    found = controls_of(cells, masks, rng)
    np.testing.assert_array_equal(found.sum((1, 2, 3)), masks.sum((1, 2, 3)))
    blocks = found.reshape(7, 4, 2, 8, 4, 8, 4)
    assert (blocks.all((2, 4, 6)) == blocks.any((2, 4, 6))).all(), "whole cells"
    assert (found != masks).any((1, 2, 3))[:6].all()
    labels = rng.integers(0, 300, (1, *SIZE))
    found = controls_of(Segmentation.at_voxels(labels, np.arange(300)), masks, rng)
    assert np.abs(found.sum((1, 2, 3)) - masks.sum((1, 2, 3))).max() <= np.bincount(labels.ravel()).max()
    for mask in found:
        assert all(mask[labels[0] == unit].all() or not mask[labels[0] == unit].any() for unit in range(300))
