"""Videos of the source of a clip: every frame from the first to the last, with the evidence at its position."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from PIL import Image

import notebook_explain as ne
from notebook_explain.explanations import Tubes
from notebook_explain.figures.video.frames import DIMMED, source_sequence
from notebook_explain.figures.video.render import render_frames
from tests.figures.example_tubes import made
from tests.figures.test_video_export import video_of

CLIPS = Path(__file__).parents[3] / "shared" / "data" / "clips"
COUNT, HEIGHT, WIDTH = 30, 48, 64


@pytest.fixture(scope="module")
def pictures() -> np.ndarray:
    """Return thirty frames, each with its own grey level."""
    film = np.zeros((COUNT, HEIGHT, WIDTH, 3), np.uint8)
    film += np.arange(20, 20 + 6 * COUNT, 6, dtype=np.uint8)[:, None, None, None]
    film[:, 20:28, 28:36] = (200, 60, 60)
    return film


@pytest.fixture(scope="module")
def folder(pictures: np.ndarray, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with the frames as PNG files."""
    place = tmp_path_factory.mktemp("source") / "frames of a wave"
    place.mkdir()
    for k, picture in enumerate(pictures):
        Image.fromarray(picture).save(place / f"img_{k + 1:05d}.png")
    return place


@pytest.fixture(scope="module")
def video(pictures: np.ndarray, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("source") / "wave.avi"
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"MJPG"), 15, (WIDTH, HEIGHT))
    for picture in pictures:
        writer.write(picture[..., ::-1].copy())
    writer.release()
    return path


def explained(path: Path, **how: Any) -> Tubes:
    clip = ne.Clip.read(path, **({"frames": 4, "size": 24} | how))
    return made(clip=clip)


def test_every_source_frame_from_first_to_last_is_drawn_unchanged(folder: Path, pictures: np.ndarray) -> None:
    tubes = explained(folder, window=(5, 25), fps=10)
    numbers = tubes.clip.frame_numbers
    assert numbers is not None
    assert numbers.tolist() == [5, 11, 17, 24]
    sequence = source_sequence(tubes.clip)
    film = np.stack(list(sequence.images))
    assert sequence.placement.size == (HEIGHT, WIDTH)
    assert len(film) == 20
    np.testing.assert_array_equal(np.flatnonzero(sequence.is_input), numbers - 5)
    np.testing.assert_allclose(sequence.clip_frames[numbers - 5], [0, 1, 2, 3])
    assert sequence.clip_frames[3] == pytest.approx(0.5)
    assert sequence.labels[0] == "frame 6 · 0.50 s"
    assert sequence.fps == pytest.approx(10)
    # The middle square was seen: 48 of 64 columns, untouched; a line around it, and beyond it dimmed.
    np.testing.assert_array_equal(film[:, :, 8:56], pictures[5:25, :, 8:56])
    assert (film[:, :, [7, 56]] == 170).all()
    np.testing.assert_allclose(film[:, :, :7], (DIMMED * pictures[5:25, :, :7]).astype(int), atol=1)
    assert sequence.note == (
        "The network saw 4 of these 20 frames (ticks); between them the evidence is interpolated. Dimmed: outside its view."
    )


def test_evidence_on_the_source_matches_its_position_in_the_clip(folder: Path) -> None:
    tubes = explained(folder)
    sequence = source_sequence(tubes.clip)
    bare = list(source_sequence(tubes.clip).images)
    film = list(render_frames(tubes, sequence, None, 0, 0.4))
    for k in (0, 10, 29):
        fractions = sequence.placement.evidence(tubes.layer(), 0, sequence.clip_frames[k])
        rows, columns = sequence.placement.clip_slices(tubes.clip)
        expected = np.zeros((HEIGHT, WIDTH), bool)
        expected[rows, columns] = np.abs(fractions[rows, columns]) >= 0.4
        changed = (film[k][:HEIGHT] != bare[k]).any(axis=-1)
        assert changed[expected].all()
        assert not changed[~expected].any()
        # The upper left corner of the clip is the upper left corner of the middle square.
        assert changed[1, 9]
        assert not changed[1, 2]


def test_the_map_on_the_source_equals_the_map_of_the_clip(folder: Path) -> None:
    tubes = explained(folder, size=48, frames=30)  # nothing is resized, every frame is taken
    sequence = source_sequence(tubes.clip)
    volume, peak = tubes.volume(), tubes.layer().peak()
    for k in (0, 7, 29):
        found = sequence.placement.evidence(tubes.layer(), 0, float(sequence.clip_frames[k]))
        np.testing.assert_allclose(found[:, 8:56], volume[k] / peak, atol=1e-6)
    assert sequence.is_input.all()
    assert sequence.note == "Dimmed: outside its view."


def test_nothing_is_dimmed_if_the_network_saw_the_whole_frame(folder: Path, pictures: np.ndarray) -> None:
    for crop in ("letterbox", "stretch"):
        sequence = source_sequence(explained(folder, crop=crop, frames=30).clip)
        np.testing.assert_array_equal(np.stack(list(sequence.images)), pictures)
        assert sequence.note == ""


def test_a_source_video_keeps_its_size_speed_and_frames(video: Path, pictures: np.ndarray, tmp_path: Path) -> None:
    tubes = explained(video)
    shown, fps = video_of(tubes.to_video(tmp_path / "on source", source=True, threshold=1.0))
    assert fps == pytest.approx(15)
    assert len(shown) == COUNT
    assert shown.shape[2] == WIDTH
    assert np.abs(shown[:, 2:14, 12:20].mean(axis=(1, 2, 3)) - pictures[:, 0, 0, 0]).max() < 4
    larger, _ = video_of(tubes.to_video(tmp_path / "large", source=True, size=256))
    assert larger.shape[2] == 256
    slower, fps = video_of(tubes.to_video(tmp_path / "slow", source=True, fps=5))
    assert fps == pytest.approx(5)
    assert len(slower) == COUNT


def test_a_saved_explanation_still_finds_its_video(video: Path, tmp_path: Path) -> None:
    tubes = ne.load(explained(video, window=(10, 20)).save(tmp_path / "t"))
    shown, _ = video_of(tubes.to_video(tmp_path / "v", source=True))
    assert len(shown) == 10
    moved = tmp_path / "moved, too.avi"
    moved.write_bytes(video.read_bytes())
    lost = replace(tubes, clip=replace(tubes.clip, source="/gone/wave.avi"))
    with pytest.raises(FileNotFoundError, match=r"no video at '/gone/wave.avi' to draw on; .* \(source='clip.mp4'\)"):
        lost.to_video(tmp_path / "w", source=True)
    assert lost.to_video(tmp_path / "w", source=moved).is_file()


def test_times_replace_missing_frame_numbers(video: Path) -> None:
    clip = explained(video, window=(10, 20)).clip
    sequence = source_sequence(replace(clip, frame_numbers=None))
    np.testing.assert_array_equal(np.flatnonzero(sequence.is_input), np.flatnonzero(source_sequence(clip).is_input))
    with pytest.raises(
        ValueError, match=r"does not record which frames of 'wave.avi' it holds: it has neither frame_numbers nor times"
    ):
        source_sequence(replace(clip, frame_numbers=None, times=None))


def test_a_clip_of_one_frame_or_of_repeated_frames(folder: Path) -> None:
    one = source_sequence(explained(folder, frames=1).clip)
    assert len(list(one.images)) == 1
    clip = explained(folder, frames=4).clip
    same = source_sequence(replace(clip, frame_numbers=np.array([7, 7, 9, 9])))
    assert len(list(same.images)) == 3
    np.testing.assert_allclose(same.clip_frames, [0.5, 1.5, 2.5])


@pytest.mark.filterwarnings("ignore::UserWarning")  # the reader's own, of short files
def test_a_different_video_is_an_error_and_nothing_is_written(video: Path, folder: Path, tmp_path: Path) -> None:
    tubes = explained(video)
    out = tmp_path / "out"
    out.mkdir()
    small = tmp_path / "small"
    small.mkdir()
    for k in range(COUNT):
        Image.fromarray(np.zeros((8, 10, 3), np.uint8)).save(small / f"{k:03d}.png")
    with pytest.raises(
        ValueError, match=r"the frames of 'small' are 8 x 10, but those that the clip was read from are 48 x 64"
    ):
        tubes.to_video(out / "v", source=small)
    short = tmp_path / "short"
    short.mkdir()
    for path in sorted(folder.iterdir())[:12]:
        (short / path.name).write_bytes(path.read_bytes())
    with pytest.raises(
        ValueError, match=r"'short' ends after 12 frames, but the clip contains frame 30; is it the same video"
    ):
        tubes.to_video(out / "v", source=short)
    far = replace(tubes, clip=replace(tubes.clip, frame_numbers=np.array([0, 1, 2, 5000])))
    with pytest.raises(ValueError, match=r"'wave.avi' has 30 frames, but the clip contains frame 5001"):
        far.to_video(out / "v", source=True)
    with pytest.raises(ValueError, match=r"could not be opened as a video|is a text file|no video"):
        tubes.to_video(out / "v", source=__file__)
    with pytest.raises(FileNotFoundError, match=r"no video at 'synthetic sample: wave' to draw on"):
        made().to_video(out / "v", source=True)
    assert list(out.iterdir()) == []


@pytest.mark.skipif(not CLIPS.is_dir(), reason="needs the project's shared clips of real video")
@pytest.mark.parametrize("name", ["mmaction2_part_0.mp4", "v_CricketShot_g04_c01_rgb.gif"])
def test_real_videos(tmp_path: Path, name: str) -> None:
    clip = ne.Clip.read(CLIPS / name, frames=8, size=112)
    assert clip.frame_numbers is not None
    shown, _ = video_of(made(clip=clip).to_video(tmp_path / "v", source=True, threshold=1.0))
    assert len(shown) == clip.frame_numbers[-1] - clip.frame_numbers[0] + 1
    assert shown.shape[2] == (clip.source_size or (0, 0))[1]
    for at, number in enumerate(clip.frame_numbers - clip.frame_numbers[0]):
        rows, columns = source_sequence(clip).placement.clip_slices(clip)
        seen = cv2.resize(shown[number, rows, columns].astype(np.uint8), (112, 112), interpolation=cv2.INTER_AREA)
        assert np.abs(seen.astype(int) - clip.frames[at]).mean() < 8
