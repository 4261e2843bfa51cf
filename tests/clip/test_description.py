"""Clips in words: the frames that were taken of how many, their times, and how they were fitted."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from notebook_explain import Clip
from notebook_explain.clip.description import facts
from tests.clip.video_files import coded


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder of 25 images with a private name above it."""
    path = tmp_path_factory.mktemp("patient 0815") / "walk"
    path.mkdir()
    for index in range(25):
        Image.fromarray(coded(index)).save(path / f"{index}.png")
    return path


def fact(clip: Clip, term: str) -> str:
    return dict(facts(clip))[term]


def test_frames_that_were_read_have_a_number_a_total_and_a_stride(folder: Path) -> None:
    assert fact(Clip.read(folder), "frames") == "25 of 25 frames: numbers 1 to 25, stride 1"
    assert fact(Clip.read(folder, stride=4), "frames") == "7 of 25 frames: numbers 1 to 25, stride 4"
    assert fact(Clip.read(folder, frames=1, window=(3, 9)), "frames") == "1 of 25 frames: number 4"
    uneven = Clip.read(folder, frames=8)
    numbers = uneven.frame_numbers
    assert numbers is not None
    assert len(set(np.diff(numbers).tolist())) > 1
    about = f"stride about {(numbers[-1] - numbers[0]) / 7:.3g}"
    assert fact(uneven, "frames") == f"8 of 25 frames: numbers 1 to 25, spread evenly ({about})"


def test_a_window_that_ends_before_the_source_keeps_its_total(folder: Path) -> None:
    clip = Clip.read(folder, window=(5, 10))
    assert clip.source_frames == 25
    assert fact(clip, "frames") == "5 of 25 frames: numbers 6 to 10, stride 1"


def test_repeated_frames_are_named(folder: Path) -> None:
    clip = Clip.read(folder, window=(0, 3)).sampled(5)
    assert fact(clip, "frames").endswith(", some repeated")


def test_times_have_a_rate(folder: Path) -> None:
    assert fact(Clip.read(folder, fps=50), "time") == "0.00 to 0.48 s, 50 frames per second"
    assert "time" not in dict(facts(Clip.read(folder)))


def test_the_fit_names_the_part_of_the_source_and_what_was_done_to_it() -> None:
    clip = Clip(np.zeros((2, 60, 100, 3), np.uint8))
    assert fact(clip, "size") == "60 x 100 pixels"
    assert fact(clip.resized(30), "size") == "30 x 30 pixels: 60 x 60 of 60 x 100 (cropped, resized)"
    assert fact(clip.resized(60), "size") == "60 x 60 pixels: 60 x 60 of 60 x 100 (cropped)"
    letterboxed = fact(clip.resized(50, "letterbox"), "size")
    assert letterboxed == "50 x 50 pixels: all of 60 x 100 (black bars, resized)"
    assert fact(clip.resized(50, "stretch"), "size") == "50 x 50 pixels: all of 60 x 100 (resized, stretched)"
    assert fact(clip.resized((30, 50)), "size") == "30 x 50 pixels: all of 60 x 100 (resized)"


def test_values_have_their_channels_and_range() -> None:
    volume = np.arange(-1000, -1000 + 4 * 8 * 8, dtype=np.int16).reshape(4, 8, 8)
    clip = Clip.from_array(volume, layout="THW")
    assert fact(clip, "values") == "1 channel, from −1000 to −745"


def test_a_repr_is_readable_and_has_no_folder(folder: Path) -> None:
    clip = Clip.read(folder, frames=7, stride=4, fps=10, size=32)
    assert repr(clip) == "Clip('walk', 7 of 25 frames of 32 x 32, 0.00 to 2.40 s)"
    assert repr(Clip(np.zeros((1, 4, 6, 3), np.uint8))) == "Clip('array', 1 frame of 4 x 6)"
    flow = Clip.from_array(np.ones((3, 4, 6, 2), np.float32), channels="flow")
    assert repr(replace(flow, source="/home/someone/flow.npy")) == "Clip('flow.npy', 3 frames of 4 x 6, channels=2)"


def test_a_part_beside_the_centre_is_cropped_too() -> None:
    right = Clip(np.zeros((2, 60, 60, 3), np.uint8), origin=(0, 40), source_size=(60, 100))
    assert fact(right, "size") == "60 x 60 pixels: 60 x 60 of 60 x 100 (cropped)"
