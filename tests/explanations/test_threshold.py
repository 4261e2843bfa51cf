"""What a threshold keeps, in numbers and in words, against counting voxel by voxel."""

from __future__ import annotations

import numpy as np
import pytest

from notebook_explain.explanations import in_words, kept
from tests.example_values import small_tubes


@pytest.mark.parametrize("threshold", [0.0, 0.2, 0.5, 0.9, 1.0])
def test_shares_are_what_counting_gives(threshold: float) -> None:
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


def test_a_bright_corner_is_named_with_its_frames() -> None:
    volume = np.zeros((8, 20, 30), np.float32)
    volume[2:5, 12:18, 22:28] = 2
    found = kept(volume, 2.0, 0.5)
    assert (found.frames, found.place) == ((2, 4), "lower right")
    assert found.evidence == 1
    words = in_words("wave", 0.93, found, 8)
    assert words == "'wave' 93 %: 100 % of the evidence for it in 2.3 % of the clip, frames 3 to 5 of 8, lower right"


def test_one_frame_the_centre_and_nothing_at_all_have_their_words() -> None:
    volume = np.zeros((3, 9, 9), np.float32)
    assert kept(volume, 0.0, 0.4).frames is None
    assert in_words("jog", None, kept(volume, 0.0, 0.4), 3) == "'jog': no evidence for it at this threshold"
    volume[1, 4, 4] = 1
    assert in_words("jog", 0.5, kept(volume, 1.0, 0.4), 3).endswith("frame 2 of 3, in the centre")


def test_negative_evidence_is_not_counted() -> None:
    volume = np.full((2, 2, 2), -1, np.float32)
    assert kept(volume, 1.0, 0.0).volume == 0
    volume[0, 0, 0] = 3
    found = kept(volume, 3.0, 0.5)
    assert found.against == pytest.approx(0.7)
    assert in_words("jog", 0.04, found, 2).startswith("'jog' 4.0 %: 100 % of the evidence for it in 13 % of the clip")
    assert in_words("jog", 0.0004, found, 2).startswith("'jog' under 0.1 %")
    assert in_words("jog", None, found, 2).endswith("; most of the evidence is against it")


def test_a_threshold_outside_0_to_1_is_refused() -> None:
    with pytest.raises(ValueError, match=r"threshold must lie in 0..1, got 1.5"):
        kept(np.ones((1, 1, 1), np.float32), 1.0, 1.5)


def test_tubes_count_on_the_stretched_map_with_the_peak_of_the_map_itself() -> None:
    tubes = small_tubes()
    for layer in tubes.layers:
        for target in (0, 1):
            volume = tubes.volume(layer.name, target)
            peak = np.abs(layer.values[target]).max()
            mask = (volume > 0) & (volume >= 0.3 * peak)
            found = tubes.kept(0.3, layer.name, target)
            assert found.volume == pytest.approx(mask.mean())
            assert found.evidence == pytest.approx(volume[mask].sum() / volume[volume > 0].sum(), rel=1e-5)


def test_an_unknown_layer_or_target_of_tubes_is_named_with_what_there_is() -> None:
    tubes = small_tubes()
    with pytest.raises(ValueError, match="layer 'layer9' is not in these tubes; they have stem, last"):
        tubes.volume("layer9")
    with pytest.raises(ValueError, match="target 5 is not among those computed, 0: 'class 0', 1: 'class 1'"):
        tubes.volume("last", 5)


def test_of_several_shortest_runs_that_hold_most_the_one_is_named_that_holds_more() -> None:
    def core(*weights: float) -> tuple[int, int] | None:
        volume = np.repeat(np.asarray(weights, np.float32), 4).reshape(-1, 2, 2)
        return kept(volume, float(max(weights)), 0.0).core

    assert core(1, 2, 4, 4, 4, 4) == (2, 5), "14 of 19 from the second on would do, but 16 lie behind"
    assert core(1, 1, 1, 1) == (0, 2), "of equals the first"
    assert core(9, 1, 1, 1) == (0, 0)
