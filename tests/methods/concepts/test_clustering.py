"""K-means and its stability, beside scikit-learn."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.cluster import KMeans
from sklearn.metrics import adjusted_rand_score

from notebook_explain.methods.concepts.clustering import _means, kmeans, nearest
from notebook_explain.methods.concepts.stability import adjusted_rand_index, clustering_stability


def _blobs(count: int, points: int = 60, spread: float = 0.3, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    centres = rng.normal(0, 4, (count, 6))
    truth = np.repeat(np.arange(count), points)
    return (centres[truth] + rng.normal(0, spread, (len(truth), 6))).astype(np.float32), truth


@pytest.mark.parametrize("seed", range(5))
def test_separate_groups_are_found(seed: int) -> None:
    points, truth = _blobs(8)
    labels, centres = kmeans(points, 8, seed)
    assert adjusted_rand_index(labels, truth) == 1
    for k in range(8):
        np.testing.assert_allclose(centres[k], points[labels == k].mean(0), atol=1e-5)


def test_the_sum_of_squares_is_that_of_scikit_learn() -> None:
    rng = np.random.default_rng(1)
    points = rng.normal(size=(3_000, 12)).astype(np.float32) * np.linspace(0.3, 2, 12, dtype=np.float32)
    theirs = np.mean([KMeans(10, n_init=1, random_state=seed).fit(points).inertia_ for seed in range(5)])
    own = []
    for seed in range(5):
        labels, centres = kmeans(points, 10, seed)
        own.append(np.square(points - centres[labels]).sum())
    assert np.mean(own) < 1.01 * theirs


def test_the_same_seed_gives_the_same_clusters() -> None:
    points, _ = _blobs(5, spread=3.0)
    np.testing.assert_array_equal(kmeans(points, 7, 3)[0], kmeans(points, 7, 3)[0])
    assert not np.array_equal(kmeans(points, 7, 3)[0], kmeans(points, 7, 4)[0])


def test_every_cluster_has_points_and_repeated_points_make_fewer_clusters() -> None:
    points = np.repeat(np.eye(4, 6, dtype=np.float32), 50, 0)
    labels, centres = kmeans(points, 10, 0)
    assert len(centres) == 4
    assert set(labels) == set(range(4))
    np.testing.assert_array_equal(centres[labels], points)
    alone, one = kmeans(np.ones((5, 3), np.float32), 4, 0)
    assert len(one) == 1
    assert not alone.any()


def test_an_empty_cluster_takes_the_farthest_point() -> None:
    points, _ = _blobs(3)
    centres = np.concatenate([points[:1], points[:1] + 1000, points[100:101]])
    labels, distances = nearest(points, centres)
    assert not (labels == 1).any()
    moved = _means(points, labels, distances, centres)
    np.testing.assert_array_equal(moved[1], points[distances.argmax()])


def test_nearest_is_brute_force() -> None:
    rng = np.random.default_rng(2)
    points, centres = rng.normal(size=(500, 7)).astype(np.float32), rng.normal(size=(9, 7)).astype(np.float32)
    labels, distances = nearest(points, centres)
    exact = np.square(points[:, None] - centres).sum(-1)
    np.testing.assert_array_equal(labels, exact.argmin(1))
    np.testing.assert_allclose(distances, exact.min(1), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("seed", range(8))
def test_the_adjusted_rand_index_is_that_of_scikit_learn(seed: int) -> None:
    rng = np.random.default_rng(seed)
    first = rng.integers(0, 1 + seed, 200)
    second = np.where(rng.random(200) < 0.6, first, rng.integers(0, 5, 200))
    assert adjusted_rand_index(first, second) == pytest.approx(adjusted_rand_score(first, second), abs=1e-12)


def test_stability_is_high_for_groups_and_low_for_noise() -> None:
    assert clustering_stability(_blobs(6)[0], 6, 0) == pytest.approx(1)
    noise = np.random.default_rng(0).normal(size=(10_000, 20)).astype(np.float32)
    assert clustering_stability(noise, 10, 0) < 0.3
