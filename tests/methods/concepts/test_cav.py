"""Directions: a planted one is found, a random one is no better than chance, and the test is calibrated."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import binomtest, kstest

from notebook_explain.methods.concepts.cav import (
    UnitFeatures,
    concept_direction,
    gradient_variation,
    held_out_accuracy,
    magnitudes_with_p,
    sign_fraction,
)


def _clips(rng: np.random.Generator, clips: int = 24, units: int = 80, channels: int = 32) -> list[np.ndarray]:
    """Return units whose clips differ much more than the units within one."""
    mix = rng.normal(size=(channels, channels)) / np.sqrt(channels)
    return [
        ((rng.normal(size=(units, channels)) + 3 * rng.normal(size=channels)) @ mix).astype(np.float32)
        for _ in range(clips)
    ]


def _with_concept(values: list[np.ndarray], rng: np.random.Generator, share: float = 0.15) -> list[UnitFeatures]:
    """Return units of which some at random belong to concept 0."""
    return [UnitFeatures(one, np.where(rng.random(len(one)) < share, 0, -1)) for one in values]


def test_a_planted_direction_is_found() -> None:
    cosines = []
    for seed in range(20):
        rng = np.random.default_rng(seed)
        planted = rng.normal(size=32)
        planted /= np.linalg.norm(planted)
        units = _with_concept(_clips(rng), rng)
        moved = [
            UnitFeatures((one.values + 2 * np.outer(one.labels == 0, planted)).astype(np.float32), one.labels)
            for one in units
        ]
        found = concept_direction(moved, 0)
        cosines.append(found @ planted / np.linalg.norm(found))
        assert np.linalg.norm(found) == pytest.approx(2 * 0.85, rel=0.15), (
            "all units of the clip, with its own, are negatives"
        )
    assert np.mean(cosines) > 0.95
    assert min(cosines) > 0.90


def test_a_direction_does_not_depend_on_what_all_units_of_a_clip_share() -> None:
    rng = np.random.default_rng(0)
    units = _with_concept(_clips(rng), rng)
    shifted = [UnitFeatures(one.values + rng.normal(0, 50, 32).astype(np.float32), one.labels) for one in units]
    np.testing.assert_allclose(concept_direction(units, 0), concept_direction(shifted, 0), atol=1e-4)


def test_a_random_concept_is_told_apart_no_better_than_chance() -> None:
    found = []
    for seed in range(20):
        rng = np.random.default_rng(seed)
        found.append(held_out_accuracy(_with_concept(_clips(rng), rng), 0, seed))
    assert 0.45 < np.mean(found) < 0.55
    assert all(0.4 < one < 0.6 for one in found)
    rng = np.random.default_rng(
        0
    )  # more channels than units of the concept: any direction fits the clips that it was made of
    many = [held_out_accuracy(_with_concept(_clips(rng, 6, 30, 200), rng), 0, seed) for seed in range(10)]
    assert 0.4 < np.mean(many) < 0.6


def test_a_planted_concept_is_told_apart_on_clips_that_were_left_out() -> None:
    rng = np.random.default_rng(0)
    units = _with_concept([one / 4 for one in _clips(rng)], rng)
    planted = np.zeros(32, np.float32)
    planted[3] = 8
    moved = [
        UnitFeatures(one.values + np.outer(one.labels == 0, planted).astype(np.float32), one.labels) for one in units
    ]
    assert held_out_accuracy(moved, 0, 0) > 0.9


def test_magnitudes_are_the_mean_derivative_along_the_direction() -> None:
    rng = np.random.default_rng(0)
    values = _clips(rng, clips=8)
    units = [UnitFeatures(one, rng.integers(-1, 3, len(one))) for one in values]
    gradients = rng.normal(size=(8, 32)).astype(np.float32)
    found, _ = magnitudes_with_p(units, gradients, 3, 0)
    for concept in range(3):
        derivatives = gradients @ concept_direction(units, concept)
        assert found[concept] == pytest.approx(derivatives.mean(), rel=1e-4)
        assert sign_fraction(gradients, concept_direction(units, concept)) == (derivatives > 0).mean()


def test_the_permutation_within_clips_is_calibrated() -> None:
    p = []
    for seed in range(200):
        rng = np.random.default_rng(seed)
        values = _clips(rng, clips=6, units=40)
        # A random concept, in other numbers in every clip.
        units = [UnitFeatures(one, np.where(rng.random(40) < rng.random(), 0, -1)) for one in values]
        gradients = (rng.normal(size=(6, 32)) + rng.normal(size=32)).astype(np.float32)
        p.append(magnitudes_with_p(units, gradients, 1, seed)[1][0])
    found = np.array(p)
    for level in (0.05, 0.01):
        assert binomtest(int((found <= level).sum()), len(found), level).pvalue > 0.01
    assert kstest(found, "uniform").pvalue > 0.01


def test_a_planted_concept_is_significant() -> None:
    rng = np.random.default_rng(0)
    units = _with_concept(_clips(rng), rng)
    gradients = (rng.normal(0, 0.1, (24, 32)) + 1).astype(np.float32)
    moved = [UnitFeatures(one.values + (one.labels == 0)[:, None].astype(np.float32), one.labels) for one in units]
    magnitude, p = magnitudes_with_p(moved, gradients, 1, 0)
    assert magnitude[0] > 0
    assert p[0] == pytest.approx(0.001)


def test_the_variation_of_gradients() -> None:
    same = np.tile(np.random.default_rng(0).normal(size=8).astype(np.float32), (12, 1))
    assert gradient_variation(same) < 1e-6
    assert gradient_variation(np.zeros((5, 8), np.float32)) == 0
    assert gradient_variation(np.random.default_rng(0).normal(size=(200, 8)).astype(np.float32)) == pytest.approx(
        1.25, rel=0.1
    )
