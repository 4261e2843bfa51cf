"""Supervoxels and crops."""

from __future__ import annotations

import sys

import numpy as np
import pytest

import notebook_explain as ne
from notebook_explain import samples
from notebook_explain.clip import Clip
from notebook_explain.explanations import Geometry
from notebook_explain.methods.concepts.crops import crop_of
from notebook_explain.methods.concepts.supervoxels import merged_levels, optical_flow, supervoxels
from notebook_explain.methods.concepts.units import LayerCells, Segmentation, unit_evidence, unit_features
from tests.methods.concepts.networks import random_clips, small_model

pytest.importorskip("skimage", reason="needs scikit-image")


def _overlap(found: Segmentation, mask: np.ndarray) -> float:
    """Return the overlap of a mask with all supervoxels of the finest level that lie mostly in it."""
    finest = found.labels[-1]
    sizes = np.bincount(finest[finest >= 0], minlength=found.count)
    own = np.bincount(finest[finest >= 0], mask[finest >= 0], minlength=found.count)
    chosen = np.isin(finest, np.flatnonzero(own > 0.5 * sizes))
    return float((chosen & mask).sum() / (chosen | mask).sum())


def test_supervoxels_follow_the_acting_parts_better_than_a_grid() -> None:
    overlaps, of_grid = [], []
    for number, action in enumerate(samples.ACTIONS[:5]):
        sample = samples.single(action, seed=8_154_000 + number)
        found = supervoxels(Clip.of(sample))
        grid = np.arange(5 * 8 * 8).reshape(5, 8, 8).repeat(3, 0).repeat(8, 1).repeat(8, 2)
        grid = np.concatenate([grid, grid[-1:]])
        overlaps.append(_overlap(found, sample.mask))
        of_grid.append(_overlap(Segmentation.at_voxels(grid[None], np.arange(320)), sample.mask))
    assert np.mean(overlaps) > np.mean(of_grid) + 0.1


def test_every_level_divides_the_clip() -> None:
    found = supervoxels(Clip.of(samples.single("kick", seed=8_154_000)))
    assert found.labels.shape == (3, 16, 64, 64)
    counts = [len(np.unique(level[level >= 0])) for level in found.labels]
    assert counts == sorted(counts)
    assert 15 < counts[0] < 60
    assert 150 < counts[2] < 500
    assert (found.labels >= 0).mean() > 0.98
    used = np.concatenate([np.unique(level[level >= 0]) for level in found.labels])
    np.testing.assert_array_equal(used, np.arange(found.count))


def test_flow_is_the_movement_in_pixels() -> None:
    rng = np.random.default_rng(0)
    picture = np.kron(rng.integers(0, 256, (12, 14, 3), np.uint8), np.ones((6, 6, 1), np.uint8))
    frames = np.stack([np.roll(picture, 2 * t, axis=1) for t in range(4)])
    flow = optical_flow(frames)
    assert flow.shape == (4, 72, 84, 2)
    inner = flow[:, 20:50, 20:60]
    assert np.median(inner[..., 0]) == pytest.approx(2, abs=0.2)
    assert np.median(inner[..., 1]) == pytest.approx(0, abs=0.2)
    assert not optical_flow(frames[:1]).any()


def test_a_supervoxel_that_repeats_a_coarser_one_takes_its_concept_and_specks_are_left_out() -> None:
    coarse = np.zeros((4, 20, 20), np.int64)
    coarse[:, 10:] = 1
    fine = np.zeros_like(coarse)
    fine[:, 9:] = 1  # nearly the lower half
    fine[:, :3] = 2
    fine[0, 0, 0] = 3  # one voxel of 1600 is below 0.1 %
    found = merged_levels([coarse, fine, fine])
    assert found.count == 2 + 3 + 3
    np.testing.assert_array_equal(found.copies[:5], [0, 1, 0, 1, 4])
    np.testing.assert_array_equal(found.copies[5:], [0, 1, 4])
    assert found.labels[1, 0, 0, 0] == -1
    np.testing.assert_array_equal(found.distinct, [True, True, False, False, True, False, False, False])


def test_a_supervoxel_that_repeats_a_repetition_takes_the_concept_of_the_first() -> None:
    levels = []
    for rows in (10, 6, 4):  # of 20; each covers more than half of the one before, the last one not of the first
        level = np.zeros((4, 20, 20), np.int64)
        level[:, rows:] = 1 + (np.arange(20)[rows:, None] // 2 % 2)
        levels.append(level)
    found = merged_levels(levels)
    first = [int(level[0, 0, 0]) for level in found.labels]
    assert [int(found.copies[unit]) for unit in first] == [0, 0, 0]


def test_units_get_the_mean_features_and_the_evidence_of_their_voxels() -> None:
    rng = np.random.default_rng(0)
    size, grid = (4, 8, 8), (2, 4, 4)
    labels = np.stack([rng.integers(-1, 5, size), rng.integers(5, 9, size)])
    segmentation = Segmentation.at_voxels(labels, np.arange(9))
    cells = LayerCells(
        Geometry.even(grid, size),
        grid,
        rng.normal(size=(3, 32)).astype(np.float32),
        rng.normal(size=32).astype(np.float32),
    )
    features = unit_features(segmentation, cells, size)
    evidence = unit_evidence(segmentation, cells, size)
    at_voxels = cells.features.reshape(3, *grid).repeat(2, 1).repeat(2, 2).repeat(2, 3)
    spread = (cells.evidence.reshape(grid) / 8).repeat(2, 0).repeat(2, 1).repeat(2, 2)
    for unit in range(9):
        level = 0 if unit < 5 else 1
        inside = labels[level] == unit
        np.testing.assert_allclose(features[unit], at_voxels[:, inside].mean(1), atol=1e-5)
        assert evidence[level, unit] == pytest.approx(spread[inside].sum(), abs=1e-5)
        assert evidence[1 - level, unit] == 0
    assert evidence[1].sum() == pytest.approx(cells.evidence.sum(), abs=1e-5)


def test_concepts_of_supervoxels_add_up_and_open_again(tmp_path_factory: pytest.TempPathFactory) -> None:
    model, clips = small_model(), random_clips(6)
    explainer = ne.ConceptDiscovery(units="supervoxels", count=6, presence=0)
    folder = tmp_path_factory.mktemp("kept")
    concepts = explainer(model, clips, 1, cache=folder)
    assert concepts.grids.shape == (6, 3, 8, 32, 32)
    total = concepts.evidence.sum(1) + concepts.remainder
    logits = [result.logit - result.bias for result in concepts.results]
    np.testing.assert_allclose(total, logits, atol=1e-5)
    assert np.abs(concepts.remainder).max() < 0.05 * np.abs(logits).max(), "specks only"
    again = explainer(model, clips, 1, cache=folder)
    np.testing.assert_array_equal(again.grids, concepts.grids)
    told = concepts.explain(clips[0])
    np.testing.assert_allclose(told.contributions, concepts.evidence[0], atol=1e-5)
    tube = concepts.tube(clips[0], 0)
    assert tube.layers[0].values.mean() == pytest.approx(told.contributions[0], abs=1e-5)
    assert not tube.layers[0].values[0][~concepts.mask(0, 0)].any()
    assert concepts.curves(random_clips(2, 60), draws=2).probabilities.shape == (2, 3, 2, 5)


def test_a_crop_is_the_supervoxel_alone_on_grey_enlarged() -> None:
    clip = Clip(random_clips(1)[0])
    mask = np.zeros(clip.size, bool)
    mask[2:6, 8:16, 4:20] = True
    crop = crop_of(clip, mask)
    assert crop.size == clip.size
    part = clip.frames[2:6, 8:16, 4:20]
    assert abs(float(crop.frames.mean()) - float(part.mean())) < 5
    mask[2:6, 8:16, 12:20] = False  # now the box is narrower
    mask[2, 8, 19] = True  # and wide again, mostly grey
    grey = (np.abs(crop_of(clip, mask).frames.astype(int) - 117) < 2).all(-1).mean()
    assert 0.3 < grey < 0.6


def test_concepts_of_crops_are_found_and_their_passes_are_counted() -> None:
    model = small_model()
    concepts = ne.ConceptDiscovery(units="crops", count=4, fills=("blur",), presence=0)(model, random_clips(5), 1)
    assert concepts.units == "crops"
    assert concepts.provenance.forwards > 5 * 100
    assert len(concepts) == 4


def test_without_scikit_image_the_error_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "skimage.color", None)
    with pytest.raises(ne.ExplainError, match=r"pip install 'notebook_explain\[concepts\]', or use units='positions'"):
        ne.ConceptDiscovery(units="supervoxels")(small_model(), random_clips(5), 1)
