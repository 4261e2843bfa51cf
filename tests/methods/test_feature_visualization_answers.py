"""Made clips where the answer is known: linear detectors, planted motion, planted appearances."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import notebook_explain as ne
from benchmarks.visualization_answers import TOLERANCE, cosine_with_detector, velocities, velocity_of
from notebook_explain import samples
from notebook_explain.methods.feature_visualization.facets import silhouette
from tests.methods.visualization_networks import PICTURES, GaborNet, grating


@pytest.mark.parametrize("canvas", [ne.Pixels(jitter=0), ne.Spectrum(jitter=0)])
def test_a_linear_detector_gets_its_weights(canvas: Any) -> None:
    assert cosine_with_detector(canvas, 1, steps=200) >= 0.999
    assert abs(cosine_with_detector(canvas, 1, steps=1)) < 0.9


def test_the_velocity_of_a_wave_is_measured() -> None:
    t, _, x = np.mgrid[:16, :24, :24]
    wave = 127 + 100 * np.cos(2 * np.pi * 0.25 * (x - 0.5 * t))
    assert velocity_of(np.repeat(wave[..., None], 3, -1).astype(np.uint8)) == pytest.approx(0.5, abs=0.02)
    assert velocity_of(np.repeat(wave[::-1, ..., None], 3, -1).astype(np.uint8)) == pytest.approx(-0.5, abs=0.02)


def test_planted_motion_is_made() -> None:
    filters = [(0.0, 0.25), (1.0, 0.1875), (-1.5, 0.25)]
    found = velocities(filters, steps=80)
    assert [abs(a - wanted) <= TOLERANCE for a, (wanted, _) in zip(found, filters, strict=True)] == [True] * 3


def purity(result: ne.Visualization, truth: list[int]) -> float:
    """Return the share of clips that are in the facet of most clips of their kind."""
    return sum(np.bincount([truth[clip] for clip in one.facet.members]).max() for one in result) / len(truth)


def test_two_orientations_are_two_facets() -> None:
    truth = [0, 1] * 6
    pictures = [grating(2 * kind, seed) for seed, kind in enumerate(truth)]
    result = ne.FeatureVisualization(facets="auto", steps=40, restarts=1)(ne.adapt(GaborNet(), **PICTURES), pictures)
    assert len(result) == 2
    assert purity(result, truth) >= 0.9
    assert all(one.facet.is_nearest_own and one.facet.cosine > 0.8 for one in result)
    assert all(one.score > one.start_score for one in result)


def test_two_appearances_of_an_action_are_two_facets() -> None:
    truth, clips = [0, 1] * 5, []
    for number, kind in enumerate(truth):
        frames = samples.single("jumping jack", seed=9_650_000 + number).frames.astype(np.float32)
        contrast = 0.35 if kind else 1.0
        clips.append((127 + contrast * (frames - 127)).astype(np.uint8))
    explain = ne.FeatureVisualization(facets="auto", layer="blocks.2", steps=1, restarts=1, canvas=ne.Spectrum())
    result = explain(ne.demo_model(), clips)
    assert len(result) == 2
    assert purity(result, truth) >= 0.9


def test_silhouette_of_two_pairs() -> None:
    points = np.array([[0.0], [1.0], [10.0], [11.0]])
    assert silhouette(points, np.array([0, 0, 1, 1])) == pytest.approx(np.mean([1 - 1 / 10.5, 1 - 1 / 9.5] * 2))
    assert silhouette(points, np.array([0, 1, 0, 1])) < 0
