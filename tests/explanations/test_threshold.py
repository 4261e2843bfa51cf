"""Numbers and sentences on what a threshold keeps, against a count voxel by voxel."""

from __future__ import annotations

import numpy as np
import pytest

from notebook_explain.explanations import DEFAULT_THRESHOLD, default_threshold, in_words, kept, threshold_for_share
from notebook_explain.explanations.text import verdict
from notebook_explain.explanations.threshold import LEAST_SHARE
from tests.example_values import small_tubes


@pytest.mark.parametrize("threshold", [0.0, 0.2, 0.5, 0.9, 1.0])
def test_fractions_match_a_count_voxel_by_voxel(threshold: float) -> None:
    volume = np.random.default_rng(5).normal(size=(4, 5, 6)).astype(np.float32)
    peak = float(np.abs(volume).max()) * 1.1
    over, total = [], 0.0
    for value in volume.ravel().tolist():
        total += max(value, 0)
        if value > 0 and value >= threshold * peak:
            over.append(value)
    found = kept(volume, peak, threshold)
    assert found.evidence == pytest.approx(sum(over) / total, abs=1e-6)
    assert found.volume == pytest.approx(len(over) / volume.size)


def test_a_bright_corner_and_its_frames_are_named() -> None:
    volume = np.zeros((8, 20, 30), np.float32)
    volume[2:5, 12:18, 22:28] = 2
    found = kept(volume, 2.0, 0.5)
    assert (found.frames, found.place) == ((2, 4), "at lower right")
    assert found.evidence == 1
    words = in_words("wave", 0.93, found, 8)
    assert words == (
        "'wave' 93 %. 2.3 % of the clip, at lower right, in frames 3 to 5, holds 100 % of the evidence for 'wave'."
    )


def test_one_frame_the_centre_and_no_evidence_have_sentences() -> None:
    volume = np.zeros((3, 9, 9), np.float32)
    assert kept(volume, 0.0, 0.4).frames is None
    assert in_words("jog", None, kept(volume, 0.0, 0.4), 3) == "'jog'. No evidence for 'jog' at this threshold."
    volume[1, 4, 4] = 1
    assert in_words("jog", 0.5, kept(volume, 1.0, 0.4), 3).endswith(
        "in the centre, in frame 2, holds 100 % of the evidence for 'jog'."
    )


def test_negative_evidence_is_not_counted() -> None:
    volume = np.full((2, 2, 2), -1, np.float32)
    assert kept(volume, 1.0, 0.0).volume == 0
    volume[0, 0, 0] = 3
    found = kept(volume, 3.0, 0.5)
    assert found.against == pytest.approx(0.7)
    assert in_words("jog", 0.04, found, 2).startswith("'jog' 4.0 %. 13 % of the clip, ")
    assert in_words("jog", 0.0004, found, 2).startswith("'jog' under 0.1 %")
    assert in_words("jog", None, found, 2).endswith(" Most of the evidence is against 'jog'.")


def test_a_threshold_outside_0_to_1_is_refused() -> None:
    with pytest.raises(ValueError, match=r"threshold must lie in 0..1, got 1.5"):
        kept(np.ones((1, 1, 1), np.float32), 1.0, 1.5)


def test_tubes_count_on_the_stretched_map_with_the_peak_of_the_coarse_map() -> None:
    tubes = small_tubes()
    for layer in tubes.layers:
        for target in (0, 1):
            volume = tubes.volume(layer.name, target)
            peak = np.abs(layer.values[target]).max()
            mask = (volume > 0) & (volume >= 0.3 * peak)
            found = tubes.kept(0.3, layer.name, target)
            assert found.volume == pytest.approx(mask.mean())
            assert found.evidence == pytest.approx(volume[mask].sum() / volume[volume > 0].sum(), rel=1e-5)


def test_unknown_layers_and_targets_are_errors_that_list_the_known() -> None:
    tubes = small_tubes()
    with pytest.raises(ValueError, match="layer 'layer9' is not in these tubes; they have stem, last"):
        tubes.volume("layer9")
    with pytest.raises(ValueError, match="target 5 is not among those computed, 0: 'class 0', 1: 'class 1'"):
        tubes.volume("last", 5)


def test_of_equally_short_runs_the_heaviest_then_the_first_is_the_core() -> None:
    def core(*weights: float) -> tuple[int, int] | None:
        volume = np.repeat(np.asarray(weights, np.float32), 4).reshape(-1, 2, 2)
        return kept(volume, float(max(weights)), 0.0).core

    assert core(1, 2, 4, 4, 4, 4) == (2, 5), "14 of 19 from the second on would do, but 16 lie behind"
    assert core(1, 1, 1, 1) == (0, 2), "of equals the first"
    assert core(9, 1, 1, 1) == (0, 0)


def test_a_wide_band_that_moves_down_is_named_by_its_heights() -> None:
    volume = np.zeros((8, 20, 20), np.float32)
    for frame in range(8):
        volume[frame, 9 + frame : 11 + frame] = 1
    assert kept(volume, 1.0, 0.5).place == "moving from the middle to the bottom"
    assert kept(volume[:, ::-1], 1.0, 0.5).place == "moving from the middle to the top"


def test_a_difference_is_one_class_rather_than_the_other() -> None:
    volume = np.full((2, 4, 4), -1, np.float32)
    volume[0, 0, 0] = 3
    found = kept(volume, 3.0, 0.5)
    words = in_words("jog", None, found, 2, against="kick")
    assert words == (
        "'jog' rather than 'kick'. 3.1 % of the clip, at upper left, in frame 1, holds 100 % of the evidence for this "
        "difference. Most of the evidence is against this difference."
    )
    assert "against this difference" in in_words(
        "jog", None, kept(-volume, 3.0, 0.3), 2, side="against", against="kick"
    )


def test_tubes_name_the_runner_up() -> None:
    assert small_tubes().in_words().startswith("'class 0' 60 %, ahead of 'class 1' 30 %. ")


def test_sentences_give_seconds_where_the_clip_has_times() -> None:
    volume = np.zeros((16, 4, 4), np.float32)
    volume[5:13, 2:, :2] = 1
    found = kept(volume, 1.0, 0.5)
    times = [frame / 25 for frame in range(16)]
    assert "in frames 6 to 13 (0.20 to 0.48 s), holds" in in_words("kick", 0.7, found, 16, times=times)
    assert "in frames 6 to 13, holds" in in_words("kick", 0.7, found, 16)
    volume[6:] = 0
    assert "in frame 6 (0.20 s), holds" in in_words("kick", 0.7, kept(volume, 1.0, 0.5), 16, times=times)
    volume[:] = 1
    assert "in all 16 frames, holds" in in_words("kick", 0.7, kept(volume, 1.0, 0.5), 16, times=times)


@pytest.mark.parametrize(
    ("own", "other", "narrow"),
    [(0.45, 0.40, True), (0.40, 0.45, True), (0.079, 0.12, False), (0.5, 0.39, False), (0.004, 0.003, False)],
)
def test_narrowly_means_a_small_difference_and_a_similar_ratio(own: float, other: float, narrow: bool) -> None:
    assert ("narrowly" in verdict("wave", own, ("clap", other))) == narrow


@pytest.mark.parametrize("share", [0.0, 0.1, 0.5, 0.9, 1.0])
def test_a_share_of_the_evidence_is_kept_by_the_fewest_voxels_that_hold_it(share: float) -> None:
    volume = np.random.default_rng(8).normal(size=(4, 5, 6)).astype(np.float32)
    peak = float(np.abs(volume).max())
    strongest = sorted((value for value in volume.ravel().tolist() if value > 0), reverse=True)
    count = next(k for k in range(1, len(strongest) + 1) if sum(strongest[:k]) >= share * sum(strongest) - 1e-5)
    threshold = threshold_for_share(volume, peak, share)
    assert kept(volume, peak, threshold).volume == pytest.approx(count / volume.size)
    assert kept(volume, peak, min(1.0, threshold * 1.001)).volume < count / volume.size or strongest[count - 1] == peak


def test_values_that_are_equal_are_kept_together() -> None:
    volume = np.full((2, 3, 4), 0.5, np.float32)
    threshold = threshold_for_share(volume, 1.0, 0.1)
    assert threshold == pytest.approx(0.5, abs=1e-5)
    assert kept(volume, 1.0, threshold).evidence == 1


def test_every_frame_may_have_its_own_scale() -> None:
    volume = np.array([1.0, 0.5, 4.0, 0.8], np.float32).reshape(2, 1, 2)
    peaks = np.array([1.0, 4.0], np.float32)
    threshold = threshold_for_share(volume, peaks, 0.75)
    assert threshold == pytest.approx(1, abs=1e-5)
    assert threshold_for_share(volume, peaks, 0.85) == pytest.approx(0.5, abs=1e-5)


def test_the_default_is_40_percent_unless_that_shows_less_than_a_quarter() -> None:
    flat = np.linspace(0.5, 1, 60, dtype=np.float32).reshape(3, 4, 5)
    assert default_threshold(flat, 1.0) == DEFAULT_THRESHOLD
    thin = np.full((10, 10, 10), 0.02, np.float32)
    thin[3, 4, 5] = 1
    assert kept(thin, 1.0, DEFAULT_THRESHOLD).evidence < 0.05
    assert kept(thin, 1.0, default_threshold(thin, 1.0)).evidence == 1
    assert default_threshold(-flat, 1.0) == DEFAULT_THRESHOLD, "no evidence for the target, however low"


@pytest.mark.parametrize("power", [1, 3, 5, 6, 7, 9])
def test_the_default_is_the_same_whether_or_not_the_values_are_sorted(power: int) -> None:
    volume = np.random.default_rng(power).uniform(-1, 1, (6, 20, 20)).astype(np.float32) ** power
    for peak in (float(np.abs(volume).max()), np.abs(volume).max(axis=(1, 2))):
        sorted_ = min(DEFAULT_THRESHOLD, threshold_for_share(volume, peak, LEAST_SHARE))
        assert default_threshold(volume, peak) == sorted_


def test_the_default_is_lower_only_below_a_quarter_of_the_evidence() -> None:
    for share in (0.2, 0.24999, 0.25001, 0.3):  # in one voxel; the rest is far below 40 %
        volume = np.full((1, 1, 1000), (1 - share) / share / 999, np.float32)
        volume[0, 0, 0] = 1
        assert (default_threshold(volume, 1.0) == DEFAULT_THRESHOLD) == (share > 0.25), share


def test_tubes_take_a_share_wherever_they_take_a_threshold() -> None:
    tubes = small_tubes()
    half = tubes.threshold(share=0.5, layer="stem", target=1)
    assert half == threshold_for_share(tubes.volume("stem", 1), tubes.layer("stem").peak(1), 0.5)
    assert tubes.kept(layer="stem", target=1, share=0.5) == tubes.kept(half, "stem", 1)
    assert tubes.in_words(layer="stem", target=1, share=0.5) == tubes.in_words(half, "stem", 1)
    assert tubes.threshold(0.123) == 0.123
    with pytest.raises(ValueError, match=r"give one of them, got threshold=0\.4 and share=0\.5"):
        tubes.kept(0.4, share=0.5)
    with pytest.raises(ValueError, match=r"share must lie in 0\.\.1, got 2"):
        tubes.figure(share=2)
