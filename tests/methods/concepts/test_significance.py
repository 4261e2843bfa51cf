"""Intervals and p-values: beside closed forms and SciPy, and under the null hypothesis."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
from scipy.stats import binomtest, false_discovery_control, kstest

from notebook_explain.methods.concepts.significance import benjamini_hochberg, ratio_intervals, sign_flip


def test_q_values_are_those_of_scipy() -> None:
    for seed in range(5):
        p = np.random.default_rng(seed).random(20) ** 2
        np.testing.assert_allclose(benjamini_hochberg(p), false_discovery_control(p, method="bh"), atol=1e-12)


def test_sign_flip_agrees_with_all_signs() -> None:
    differences = np.random.default_rng(0).normal(0.4, 1, (9, 3))
    sums = np.array([np.array(signs) @ differences for signs in product([-1, 1], repeat=9)])
    exact = (sums >= differences.sum(0) - 1e-12).mean(0)
    np.testing.assert_allclose(sign_flip(differences, 0, flips=20_000), exact, atol=0.02)


def test_no_difference_has_p_1_and_the_smallest_p_is_bounded_by_the_number_of_flips() -> None:
    assert sign_flip(np.zeros((12, 2)), 0).tolist() == [1, 1]
    assert sign_flip(np.ones((30, 1)), 0)[0] == pytest.approx(0.001)
    assert sign_flip(-np.ones((30, 1)), 0)[0] == 1


def test_sign_flip_is_calibrated_under_the_null_hypothesis() -> None:
    rng = np.random.default_rng(0)
    p = np.concatenate([sign_flip(rng.laplace(size=(15, 50)) * rng.random((15, 1)), seed) for seed in range(40)])
    for level in (0.05, 0.01):
        assert binomtest(int((p <= level).sum()), len(p), level).pvalue > 0.01
    assert kstest(p, "uniform").pvalue > 0.01


def test_ratios_and_their_intervals() -> None:
    rng = np.random.default_rng(1)
    below = rng.random((40, 2)) * 5
    above = 0.3 * below + rng.normal(0, 0.2, below.shape)
    value, low, high = ratio_intervals(above, below, 0)
    np.testing.assert_allclose(value, above.sum(0) / below.sum(0))
    assert (low < value).all()
    assert (value < high).all()
    # The delta method gives the standard error of a ratio of sums.
    error = np.sqrt(np.square(above - value * below).sum(0)) / below.sum(0)
    np.testing.assert_allclose(high - low, 2 * 1.96 * error, rtol=0.15)


def test_intervals_hold_the_truth_as_often_as_they_say() -> None:
    rng = np.random.default_rng(2)
    below = rng.random((30, 400)) + 0.5
    above = 0.3 * below + rng.normal(0, 0.3, below.shape)
    _, low, high = ratio_intervals(above, below, 0)
    assert 0.90 <= ((low <= 0.3) & (high >= 0.3)).mean() <= 0.98


def test_a_concept_that_occurs_nowhere_or_once_has_finite_numbers() -> None:
    above, below = np.zeros((10, 2)), np.zeros((10, 2))
    above[3, 1], below[3, 1] = 2.0, 4.0
    found = np.stack(ratio_intervals(above, below, 0))
    np.testing.assert_array_equal(found[:, 0], 0)
    np.testing.assert_allclose(found[:, 1], 0.5)
