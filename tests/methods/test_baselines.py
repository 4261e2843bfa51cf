"""Baselines have the values that their names promise, and the model's score."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

import notebook_explain as ne
from notebook_explain import samples
from notebook_explain.explanations import Tubes
from notebook_explain.explanations.caveats import Caveat, CaveatCode, all_caveats
from notebook_explain.explanations.layer_map import DETAIL
from tests import zoo

SAMPLE = samples.contrast("kick", "wave one hand", seed=4)
BASELINES = [ne.RandomMap(), ne.CentreMap(), ne.MotionMap(), ne.MotionMap(stabilised=False), ne.MotionTubes()]


@pytest.mark.parametrize("explainer", BASELINES, ids=repr)
def test_it_reports_the_models_score_and_says_what_it_is(explainer: Any) -> None:
    model = ne.demo_model()
    tubes, reference = (one(model, SAMPLE, list(SAMPLE.labels)) for one in (explainer, ne.SaliencyTubes()))
    for ours, theirs in zip(tubes.targets, reference.targets, strict=True):
        assert (ours.name, ours.logit, ours.probability) == (theirs.name, theirs.logit, theirs.probability)
    shown = tubes.layer()
    assert (shown.kind, shown.quantity, shown.grid, shown.gap) == (DETAIL, "relevance", tubes.clip.size, None)
    assert (shown.values >= 0).all()
    codes = [caveat.code for caveat in all_caveats(tubes) if isinstance(caveat, Caveat)]
    assert CaveatCode.BASELINE in codes


def _values(explainer: Any, clip: Any, target: Any = 0) -> np.ndarray:
    tubes: Tubes = explainer(ne.demo_model(), clip, target)
    return tubes.layer().values


def test_random_numbers_depend_on_the_seed_and_the_target_only() -> None:
    first = _values(ne.RandomMap(), SAMPLE, [0, 1])
    np.testing.assert_array_equal(first, _values(ne.RandomMap(), zoo.random_clip(16, 64), [0, 1]))
    assert abs(np.corrcoef(first[0].ravel(), first[1].ravel())[0, 1]) < 0.02
    assert abs(np.corrcoef(first[0].ravel(), _values(ne.RandomMap(seed=1), SAMPLE)[0].ravel())[0, 1]) < 0.02
    neighbours = np.corrcoef(first[0, :, :, 1:].ravel(), first[0, :, :, :-1].ravel())[0, 1]
    assert abs(neighbours) < 0.02
    assert first.mean() == pytest.approx(0.5, abs=0.01)


def test_the_centre_map_is_a_gaussian_of_a_quarter_of_the_side() -> None:
    values = _values(ne.CentreMap(), SAMPLE)[0]
    axis = (np.arange(64) - 31.5) / 16
    np.testing.assert_allclose(values[5], np.exp(-(axis[:, None] ** 2 + axis**2) / 2), rtol=1e-5)
    np.testing.assert_array_equal(values, np.broadcast_to(values[:1], values.shape))


def test_without_a_camera_motion_is_the_blurred_difference_from_the_median() -> None:
    values = _values(ne.MotionMap(), SAMPLE)[0]
    frames = ne.demo_model().prepare(SAMPLE)[1].frames / 255.0
    distance = np.sqrt(np.square(frames - np.median(frames, axis=0)).sum(-1))
    wanted = np.stack([gaussian_filter(frame, 1.0, mode="mirror", truncate=3) for frame in distance])
    np.testing.assert_allclose(values, wanted, atol=1e-5)
    np.testing.assert_array_equal(values, _values(ne.MotionMap(stabilised=False), SAMPLE)[0])


def test_stabilised_motion_ignores_a_pan() -> None:
    rng = np.random.default_rng(0)
    room = cv2.GaussianBlur(rng.integers(0, 255, (64, 128, 3)).astype(np.uint8), (0, 0), 2.0)
    room = cv2.normalize(room, None, 0, 255, cv2.NORM_MINMAX)
    clip = np.stack([room[:, 2 * t : 2 * t + 64] for t in range(16)])
    still, plain = _values(ne.MotionMap(), clip), _values(ne.MotionMap(stabilised=False), clip)
    assert still.mean() < 0.2 * plain.mean()


def test_motion_tubes_are_the_positive_exact_tube_times_motion() -> None:
    tubes = ne.MotionTubes()(ne.demo_model(), SAMPLE, list(SAMPLE.labels))
    exact = ne.SaliencyTubes()(ne.demo_model(), SAMPLE, list(SAMPLE.labels))
    moving = _values(ne.MotionMap(), SAMPLE)[0]
    assert [layer.name for layer in tubes.layers] == ["blocks.3", "motion tubes"]
    for target in (0, 1):
        wanted = exact.volume("blocks.3", target).clip(min=0) * moving
        np.testing.assert_allclose(tubes.volume(None, target), wanted, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    ("explainer", "wrong"),
    [
        (ne.RandomMap, {"seed": -1}),
        (ne.RandomMap, {"seed": 0.5}),
        (ne.CentreMap, {"sigma": 0}),
        (ne.CentreMap, {"sigma": "wide"}),
        (ne.MotionMap, {"stabilised": 1}),
        (ne.MotionTubes, {"stabilised": "yes"}),
    ],
)
def test_wrong_arguments_are_one_clear_error(explainer: Any, wrong: dict[str, Any]) -> None:
    with pytest.raises((TypeError, ValueError), match=f"^{next(iter(wrong))} "):
        explainer(**wrong)


def test_a_wrong_model_is_one_clear_error() -> None:
    with pytest.raises(TypeError, match=r"must be a VideoModel"):
        ne.RandomMap()("net", SAMPLE)
