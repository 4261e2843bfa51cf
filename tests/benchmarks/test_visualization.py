"""Figures of the study of made clips, on planted flows, and a short run."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from benchmarks.visualization import main, motion_of_parts, person_share, shuffled
from benchmarks.visualization_flows import folded
from notebook_explain.clip import Clip
from notebook_explain.samples import still
from tests.example_values import small_visualization


def test_what_moves_is_read_off_the_parts_of_the_body() -> None:
    sample = still(seed=9_850_000)
    parts = sample.people[0].parts
    arms = np.any([mask[0] for name, mask in parts.items() if "arm" in name or "hand" in name], axis=0)
    flow = np.zeros((*sample.frames.shape[:3], 2), np.float32)
    flow[1::2, arms, 0] = 2.0
    in_arms, in_legs = motion_of_parts(flow, sample)
    assert in_arms == pytest.approx(2.0)
    assert in_legs == 0.0


def test_change_on_people_is_a_share_of_all_change() -> None:
    sample = still(seed=9_850_000)
    people = np.any([person.person[0] for person in sample.people], axis=0)
    frames = np.zeros_like(sample.frames)
    frames[1::2, people] = 200
    one = replace(small_visualization()[0], clip=Clip(frames))
    assert person_share(one, sample) == 1.0
    frames[1::2, ~people] = 200
    assert person_share(replace(one, clip=Clip(frames)), sample) == pytest.approx(people.mean(), abs=1e-6)


def test_shuffled_frames_are_the_same_frames_in_another_order() -> None:
    frames = np.arange(16, dtype=np.uint8)[:, None, None, None].repeat(3, 3)
    assert sorted(shuffled(frames)[:, 0, 0, 0]) == list(range(16))
    assert not np.array_equal(shuffled(frames), frames)


def test_a_short_run_compares_channels_with_real_clips(capsys: pytest.CaptureFixture[str]) -> None:
    main(["--parts", "channels", "--classes", "1", "--steps", "40"])
    assert "channels above the best of 20 real clips after 10 steps: 1 of 1" in capsys.readouterr().out


def test_a_flow_folds_where_pixels_change_their_order() -> None:
    flow = np.zeros((2, 11, 11, 2), np.float32)
    assert folded(flow) == 0
    flow[1, :, :, 0] = -0.9 * np.arange(11)  # compresses the picture
    assert folded(flow) == 0
    flow[1, :, :, 0] = -1.1 * np.arange(11)  # mirrors it
    assert folded(flow) == 0.5
    flow[1, :, :, 1] = -1.1 * np.arange(11)[:, None]  # turns it round
    assert folded(flow) == 0
