"""Clips: what is refused, and that frames, times and places are the right ones (bar codes tell which frame is which)."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from notebook_explain import Clip

CLIPS = Path(__file__).parents[2] / "shared" / "data" / "clips"


def _coded(index: int, height: int = 96, width: int = 128) -> np.ndarray:
    """A frame that shows its own number in 8 black and white bars."""
    frame = np.zeros((height, width, 3), np.uint8)
    for bit in range(8):
        frame[:, bit * width // 8 : (bit + 1) * width // 8] = 235 if index >> bit & 1 else 20
    return frame


def _decoded(frame: np.ndarray) -> int:
    width = frame.shape[1]
    middle = frame[frame.shape[0] // 2].mean(axis=1)
    return sum((middle[(2 * bit + 1) * width // 16] > 128) << bit for bit in range(8))


@pytest.fixture
def coded_video(tmp_path: Path) -> Path:
    import cv2

    path = tmp_path / "coded ✓.avi"
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*"MJPG"), 25, (128, 96))
    assert writer.isOpened()
    for index in range(60):
        writer.write(_coded(index))
    writer.release()
    return path


def test_reading_gives_the_frames_asked_for_in_order_with_their_times(coded_video: Path) -> None:
    clip = Clip.read(coded_video, frames=8)
    wanted = np.floor(np.linspace(0, 59, 8)).astype(int)
    assert [_decoded(frame) for frame in clip.frames] == wanted.tolist()
    assert clip.times is not None
    np.testing.assert_allclose(clip.times, wanted / 25)
    assert clip.source == str(coded_video)
    assert clip.name == "coded ✓.avi"


def test_reading_without_a_number_gives_every_frame(coded_video: Path) -> None:
    assert [_decoded(frame) for frame in Clip.read(coded_video).frames] == list(range(60))


def test_more_frames_than_there_are_repeats_some(coded_video: Path) -> None:
    clip = Clip.read(coded_video, frames=100)
    assert len(clip) == 100
    numbers = [_decoded(frame) for frame in clip.frames]
    assert numbers == sorted(numbers)
    assert set(numbers) == set(range(60))


def test_a_cut_off_file_spreads_over_what_came_and_warns_with_both_numbers(coded_video: Path, tmp_path: Path) -> None:
    cut = tmp_path / "cut.avi"
    data = coded_video.read_bytes()
    cut.write_bytes(data[: len(data) // 2])
    with pytest.warns(UserWarning, match=r"the header promises 60 frames, \d+ could be decoded"):
        clip = Clip.read(cut, frames=5)
    numbers = [_decoded(frame) for frame in clip.frames]
    assert len(clip) == 5
    assert numbers[0] == 0
    assert numbers[-1] < 40
    assert len(set(numbers)) == 5


def test_bad_files_are_told_in_one_line(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="no video file at"):
        Clip.read(tmp_path / "none.mp4")
    for name, data in {"empty.mp4": b"", "text.mp4": b"hello" * 100, "noise.avi": bytes(range(256)) * 20}.items():
        (tmp_path / name).write_bytes(data)
        with pytest.raises(
            ValueError, match=r"could not be opened as a video|could be decoded|is a text file, not a video"
        ):
            Clip.read(tmp_path / name, frames=4)


def test_what_is_no_video_file_is_told(tmp_path: Path) -> None:
    labels = tmp_path / "labels.txt"
    labels.write_text("wave\nclap\n" * 200)  # FFmpeg would draw these letters as a film
    for source, message in {
        labels: "is a text file, not a video",
        tmp_path: "is a folder; give the path of one video file",
        "https://example.com/a.mp4": "is a URL, and nothing is read from the network",
    }.items():
        with pytest.raises(ValueError, match=message):
            Clip.read(source)
    with pytest.raises(TypeError, match=r"a clip is a path, a Clip or a uint8 array .* got None"):
        Clip.of(None)


@pytest.mark.parametrize(
    ("shape", "hint"),
    [
        ((1, 8, 4, 4, 3), r"frames\[0\]"),
        ((8, 4, 4, 4), "drop the transparency"),
        ((8, 4, 4, 1), "repeat grey"),
        ((8, 4, 4), "repeat grey"),
        ((3, 8, 4, 5), "np.moveaxis"),
    ],
)
def test_arrays_nearly_right_are_told_how_to_mend_them(shape: tuple[int, ...], hint: str) -> None:
    with pytest.raises(ValueError, match=hint):
        Clip(np.zeros(shape, np.uint8))


def test_resizing_takes_the_middle_square_and_knows_its_way_back() -> None:
    frames = np.zeros((2, 60, 100, 3), np.uint8)
    frames[:, 30:34, 50:54] = 255  # a white square whose centre is source pixel (31.5, 51.5)
    clip = Clip(frames).resized(30)
    assert clip.size == (2, 30, 30)
    weight = clip.frames[0, ..., 0].astype(float)
    y, x = (weight.sum(axis=1 - axis) @ np.arange(30) / weight.sum() for axis in (0, 1))
    assert clip.origin[0] + clip.step[0] * y == pytest.approx(31.5, abs=0.1)
    assert clip.origin[1] + clip.step[1] * x == pytest.approx(51.5, abs=0.1)
    assert clip.source_size == (60, 100)


def test_sampling_spreads_from_the_first_frame_to_the_last() -> None:
    frames = np.stack([_coded(index) for index in range(11)])
    clip = Clip(frames, times=np.arange(11) / 5).sampled(4)
    assert [_decoded(frame) for frame in clip.frames] == [0, 3, 6, 10]
    np.testing.assert_allclose(clip.times, [0, 0.6, 1.2, 2.0])


@pytest.mark.parametrize("shape", [(4, 5, 3), (0, 4, 4, 3), (2, 4, 4, 4), (2, 3, 4, 4)])
def test_arrays_of_other_shapes_are_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match=r"shape \(time, height, width, 3\)"):
        Clip(np.zeros(shape, np.uint8))


def test_floats_are_refused_with_what_to_do() -> None:
    with pytest.raises(TypeError, match=r"frames must be uint8 .* \(255 \* frames\)"):
        Clip(np.zeros((2, 4, 4, 3)))
    with pytest.raises(ValueError, match="one number per frame"):
        Clip(np.zeros((2, 4, 4, 3), np.uint8), times=np.arange(3.0))
    with pytest.raises(ValueError, match="frames must be at least 1, got 0"):
        Clip(np.zeros((2, 4, 4, 3), np.uint8)).sampled(0)


@pytest.mark.skipif(not CLIPS.is_dir(), reason="no real clips beside the checkout")
@pytest.mark.parametrize("name", sorted(path.name for path in CLIPS.glob("*.*") if path.suffix != ".txt") or ["none"])
def test_real_clips_decode_to_what_was_asked_for(name: str) -> None:
    clip = Clip.read(CLIPS / name, frames=16, size=112)
    assert clip.size == (16, 112, 112)
    assert len({frame.tobytes() for frame in clip.frames}) >= 12
