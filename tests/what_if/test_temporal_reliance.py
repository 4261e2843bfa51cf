"""Reliance on time of networks whose answer is known."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import notebook_explain as ne
from notebook_explain.explanations import OrderUse
from tests import zoo
from tests.example_values import small_temporal_reliance
from tests.explanations.equality import assert_same
from tests.what_if.networks import FRAMES, coloured_clip, reads_frames

CLIP = coloured_clip()
BRIGHTNESS = CLIP.frames.reshape(FRAMES, -1).mean(1) / 255


def probability(score: float) -> float:
    return float(1 / (1 + np.exp(-score)))


def test_a_network_that_averages_over_time_has_a_shuffle_effect_of_zero() -> None:
    found = ne.temporal_reliance(reads_frames([1 / FRAMES] * FRAMES), CLIP, "bright")
    assert np.abs(found.shuffled - found.value).max() < 1e-6
    assert found.shuffle_effect.mean == pytest.approx(0, abs=1e-6)
    assert found.reversed == pytest.approx(found.value, abs=1e-6)
    assert found.order is OrderUse.NOT_NEEDED
    assert "does not need the order of the frames for 'bright'" in found.in_words()


def test_a_network_that_reads_one_frame_falls_only_when_that_frame_is_touched() -> None:
    weights = np.zeros(FRAMES)
    weights[7] = 20
    found = ne.temporal_reliance(reads_frames(weights.tolist()), CLIP, "bright")
    touched = np.flatnonzero(np.abs(found.held - found.value) > 1e-7)
    assert touched.tolist() == [7]
    np.testing.assert_allclose(found.held[7], probability(20 * BRIGHTNESS[6]), atol=1e-5)
    np.testing.assert_allclose(found.frozen, [probability(20 * b) for b in BRIGHTNESS], atol=1e-5)
    assert found.frozen[7] == pytest.approx(found.value, abs=1e-7)


def test_every_variant_is_that_of_the_closed_form() -> None:
    weights = np.linspace(-4, 4, FRAMES)
    model = reads_frames(weights.tolist())
    found = ne.temporal_reliance(model, CLIP, "bright", seeds=5)
    score = lambda order: probability(float(weights @ BRIGHTNESS[list(order)]))  # noqa: E731
    assert found.value == pytest.approx(score(range(FRAMES)), abs=1e-5)
    assert found.reversed == pytest.approx(score(range(FRAMES)[::-1]), abs=1e-5)
    doubled = np.repeat(np.arange(5), 2)  # five frames twice, of which nine are taken evenly
    assert found.half_speed == pytest.approx(
        score(doubled[np.floor(np.linspace(0, 9, 9) + 1e-9).astype(int)]), abs=1e-5
    )
    orders = [ne.edits.Shuffle(seed).chosen(CLIP) for seed in range(5)]
    np.testing.assert_allclose(found.shuffled, [score(order) for order in orders], atol=1e-5)
    assert found.order is OrderUse.NEEDED
    assert ne.temporal_reliance(model, CLIP, "dark").order is OrderUse.HARMFUL


def test_of_values_the_score_is_told() -> None:
    found = ne.temporal_reliance(reads_frames([1.0] * FRAMES), CLIP, ne.Target("bright") - "dark")
    assert found.target.probability is None
    assert found.value == pytest.approx(BRIGHTNESS.sum(), rel=1e-5)
    assert "%" not in found.in_words()


def test_the_verdict_follows_the_interval() -> None:
    reliance = small_temporal_reliance()
    shuffled = {
        OrderUse.NEEDED: [0.2, 0.21],
        OrderUse.NOT_NEEDED: [0.6, 0.61],
        OrderUse.HARMFUL: [0.8, 0.81],
        OrderUse.UNCLEAR: [0.2, 0.9],
    }
    for order, values in shuffled.items():
        assert replace(reliance, shuffled=np.array(values)).order is order


def test_it_is_the_same_after_saving_and_is_drawn(tmp_path: Path) -> None:
    found = ne.temporal_reliance(ne.demo_model(), coloured_clip(frames=16, size=64), seeds=2)
    assert_same(ne.load(found.save(tmp_path / "t")), found)
    assert found.to_png(tmp_path / "t").read_bytes().startswith(b"\x89PNG")
    assert found.in_words() in found._repr_mimebundle_()["text/plain"]


def test_bad_arguments_are_one_clear_error() -> None:
    with pytest.raises(ValueError, match="seeds must be at least 2"):
        ne.temporal_reliance(ne.demo_model(), CLIP, seeds=1)
    with pytest.raises(TypeError, match="model must be a VideoModel"):
        ne.temporal_reliance(None, CLIP)  # type: ignore[arg-type]
    single = ne.adapt(zoo.ZOO["plain"].make(), size=32, frames=8, mean=0.5, std=0.2, layout="BCTHW")
    with pytest.raises(ValueError, match="target 99 is out of range"):
        ne.temporal_reliance(single, CLIP, 99)
