"""Metrics of a map alone, or of a map and a mask, against scikit-learn, scipy, brute force and closed forms."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats
from sklearn.metrics import average_precision_score

from notebook_explain import evaluation as ev
from notebook_explain.evaluation.correlation import pearson, ranks, spearman, ssim
from notebook_explain.evaluation.localisation import average_precision, near
from notebook_explain.evaluation.map_statistics import gini

SIZE = (3, 4, 5)
WITH_TRUTH = [
    ev.AveragePrecision(),
    ev.PrecisionAtMask(),
    ev.Pointing(0),
    ev.Energy(),
    ev.TemporalIoU(),
]


def case(attribution: Any, mask: Any = None, other: Any = None, **others: Any) -> Any:
    example = SimpleNamespace(mask=mask, other_mask=other)
    return SimpleNamespace(attribution=np.asarray(attribution, np.float32), example=example, others=others)


def some_mask() -> np.ndarray:
    mask = np.zeros(SIZE, bool)
    mask[1, 1:3, 2:4] = True
    return mask


@given(st.integers(0, 10_000), st.integers(1, 6))
def test_average_precision_is_that_of_scikit_learn_with_and_without_ties(seed: int, levels: int) -> None:
    rng = np.random.default_rng(seed)
    values = rng.integers(-levels, levels + 1, SIZE) if levels < 6 else rng.normal(size=SIZE)
    mask = rng.random(SIZE) < 0.3
    mask[0, 0, 0] = True
    expected = average_precision_score(mask.ravel(), values.ravel())
    assert average_precision(values, mask) == pytest.approx(expected)


@given(st.integers(0, 10_000))
def test_correlations_are_those_of_scipy(seed: int) -> None:
    rng = np.random.default_rng(seed)
    a, b = rng.integers(0, 6, 40), rng.normal(size=40)
    np.testing.assert_allclose(ranks(a), stats.rankdata(a))
    assert spearman(a, b) == pytest.approx(stats.spearmanr(a, b).statistic)
    assert pearson(a, b) == pytest.approx(stats.pearsonr(a, b).statistic)
    assert spearman(a, np.ones(40)) is None


@pytest.mark.parametrize("metric", WITH_TRUTH, ids=lambda metric: type(metric).__name__)
def test_the_mask_itself_is_the_best_map_and_the_metric_needs_a_mask(metric: Any) -> None:
    mask = some_mask()
    assert metric(case(mask, mask)) == pytest.approx(1)
    assert metric(case(1.0 * mask - 0.5, mask)) == pytest.approx(1)
    assert metric(case(mask, None)) is None
    assert metric(case(mask, np.zeros(SIZE, bool))) is None
    assert metric(case(mask, np.ones(SIZE, bool))) is None
    far = np.zeros(SIZE)
    far[0, 0, 0] = 1
    assert metric(case(far, mask)) <= average_precision(far, mask)


def test_a_constant_map_has_the_value_of_chance() -> None:
    mask, flat = some_mask(), np.full(SIZE, 2.0)
    for metric in (ev.AveragePrecision(), ev.PrecisionAtMask(), ev.Pointing(0), ev.Energy()):
        assert metric(case(flat, mask)) == pytest.approx(mask.mean())


@given(st.integers(0, 10_000))
def test_precision_at_mask_is_the_mean_over_the_orders_of_ties(seed: int) -> None:
    rng = np.random.default_rng(seed)
    values, mask = rng.integers(0, 3, 12), rng.permutation(12) < 4
    draws = [mask[np.lexsort((rng.permutation(12), -values))[:4]].mean() for _ in range(400)]
    found = ev.PrecisionAtMask()(case(values.reshape(1, 3, 4), mask.reshape(1, 3, 4)))
    assert found == pytest.approx(np.mean(draws), abs=0.08)


def test_pointing_counts_pixels_near_the_mask_in_the_same_frame() -> None:
    mask = np.zeros((2, 20, 20), bool)
    mask[0, 10, 10] = True
    expected = {(0, 10, 10): 0, (0, 10, 12): 2, (0, 13, 14): 5, (1, 10, 10): None}
    for voxel, distance in expected.items():
        values = np.zeros(mask.shape)
        values[voxel] = 1
        for tolerance in (0, 1, 2, 4.9, 5, 9):
            hit = distance is not None and distance <= tolerance
            assert ev.Pointing(tolerance)(case(values, mask)) == float(hit), (voxel, tolerance)
    assert near(mask, 3).sum() == sum(y * y + x * x <= 9 for y in range(-3, 4) for x in range(-3, 4))


def test_energy_counts_positive_evidence_and_the_other_mask_is_subtracted() -> None:
    mask, other = some_mask(), np.zeros(SIZE, bool)
    other[2] = True
    values = np.where(mask, 3.0, np.where(other, 1.0, -5.0))
    inside = 3 * mask.sum() / (3 * mask.sum() + other.sum())
    assert ev.Energy()(case(values, mask)) == pytest.approx(inside)
    assert ev.OwnMinusOther()(case(values, mask, other)) == pytest.approx(2 * inside - 1)
    assert ev.OwnMinusOther()(case(values, mask)) is None
    assert ev.Energy()(case(-np.ones(SIZE), mask)) == 0


def test_temporal_iou_compares_frames() -> None:
    mask = np.zeros((6, 2, 2), bool)
    mask[1:4] = True
    values = np.array([0, 0.4, 1, 0.5, 0.6, -3])[:, None, None] * np.ones((6, 2, 2))
    assert ev.TemporalIoU()(case(values, mask)) == pytest.approx(2 / 4)  # frames 2 to 4 against 1 to 3


def test_the_gini_index_has_its_limits_and_its_closed_form() -> None:
    assert gini(np.full(50, -2.0)) == pytest.approx(0)
    assert gini(np.eye(1, 50)) == pytest.approx(1 - 1 / 50)
    assert gini(np.arange(1, 101)) == pytest.approx(99 / 300)  # 1 to n: (n - 1) / 3n
    assert gini(np.zeros(3)) is None
    values = np.random.default_rng(0).normal(size=30)
    size = np.abs(values)
    differences = np.abs(size[:, None] - size).sum() / (2 * 30 * size.sum())
    assert ev.Sparsity()(case(values)) == pytest.approx(differences, rel=1e-5)


def test_agreement_is_the_mean_rank_correlation_with_the_others() -> None:
    rng = np.random.default_rng(0)
    mine, one, two = rng.normal(size=(3, *SIZE))
    expected = np.mean([stats.spearmanr(mine.ravel(), other.ravel()).statistic for other in (one, two)])
    assert ev.Agreement()(case(mine, one=one, two=two, flat=np.ones(SIZE))) == pytest.approx(expected, abs=1e-6)
    assert ev.Agreement()(case(mine, same=mine**3)) == pytest.approx(1)
    assert ev.Agreement()(case(mine)) is None


def test_structural_similarity_follows_its_definition() -> None:
    rng = np.random.default_rng(0)
    a, b = rng.random((2, 1, 11, 11))
    for part in (a, b):  # 0 and 1 are their limits, so that they are not scaled
        part[0, 0, 0], part[0, 0, 1] = 0, 1
    taps = np.exp(-0.5 * (np.arange(-5, 6) / 1.5) ** 2)
    window = np.outer(taps, taps) / taps.sum() ** 2
    mean_a, mean_b = (window * a[0]).sum(), (window * b[0]).sum()
    var_a, var_b = (window * (a[0] - mean_a) ** 2).sum(), (window * (b[0] - mean_b) ** 2).sum()
    covariance = (window * (a[0] - mean_a) * (b[0] - mean_b)).sum()
    c1, c2 = 1e-4, 9e-4
    expected = (2 * mean_a * mean_b + c1) * (2 * covariance + c2)
    expected /= (mean_a**2 + mean_b**2 + c1) * (var_a + var_b + c2)
    assert ssim(a, b) == pytest.approx(expected)
    assert ssim(a, 3 * a - 1) == pytest.approx(1)
    assert ssim(rng.random((2, 9, 9)), rng.random((2, 9, 9))) < 0.5
