"""Ten real clips: every frame and time as an independent decoder gives them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from notebook_explain import Clip
from tests.clip.video_files import decode_with_pyav

CLIPS = Path(__file__).parents[3] / "shared" / "data" / "clips"
NAMES = sorted(path.name for path in CLIPS.glob("*") if path.suffix in (".mp4", ".avi", ".mkv", ".gif"))

pytestmark = pytest.mark.skipif(not NAMES, reason="no real clips beside the checkout")


@pytest.mark.parametrize("name", NAMES or ["none"])
def test_frames_and_times_equal_those_of_a_second_decoder(name: str) -> None:
    frames, seconds = decode_with_pyav(CLIPS / name)
    count = len(frames)
    even = np.floor(np.linspace(0, count - 1, 16)).astype(int)
    start, stop = count // 3, min(count // 3 + 20, count)
    np.testing.assert_allclose(Clip.read(CLIPS / name, size=24).times, seconds, atol=1e-9)
    for options, expected in (
        ({}, np.arange(count)),
        ({"frames": 16}, even),
        ({"stride": 4, "frames": 5}, np.arange(0, 20, 4)),
        ({"window": (start, stop)}, np.arange(start, stop)),
        ({"window": (float(seconds[5]), float(seconds[-3])), "stride": 3}, np.arange(5, count - 3, 3)),
    ):
        clip = Clip.read(CLIPS / name, **options)
        np.testing.assert_array_equal(clip.frame_numbers, expected)
        np.testing.assert_allclose(clip.times, seconds[expected], atol=1e-9)
        np.testing.assert_array_equal(clip.frames, frames[expected])
        assert clip.source_size == frames.shape[1:3]


def test_all_ten_clips_are_present() -> None:
    assert len(NAMES) == 10
