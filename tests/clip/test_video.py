"""Video files: frames, times and numbers in every container, compared with a second decoder."""

from __future__ import annotations

import re
import warnings
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from av.codec.context import ThreadType

from notebook_explain import Clip
from tests.clip.video_files import decode_with_pyav, numbers_of, rotated, uneven_times, write

# File name -> codec, pixel format, further arguments: 10 bits, grey, alpha, odd sizes, late starts.
KINDS = {
    "h264.mp4": ("libx264", "yuv420p", {}),
    "h264.mkv": ("libx264", "yuv420p", {}),
    "h264.ts": ("libx264", "yuv420p", {}),
    "ten_bits.mp4": ("libx264", "yuv420p10le", {}),
    "odd.mp4": ("libx264", "yuv444p", {"size": (97, 131)}),
    "h265.mp4": ("libx265", "yuv420p", {}),
    "mpeg4.mp4": ("mpeg4", "yuv420p", {}),
    "mpeg4.avi": ("mpeg4", "yuv420p", {}),
    "mjpeg.avi": ("mjpeg", "yuvj420p", {}),
    "vp8.webm": ("libvpx", "yuv420p", {}),
    "vp9.webm": ("libvpx-vp9", "yuv420p", {}),
    "alpha.webm": ("libvpx-vp9", "yuva420p", {}),
    "grey.mkv": ("ffv1", "gray", {}),
    "grey_ten_bits.mkv": ("ffv1", "gray10le", {}),
    "four_channels.mkv": ("ffv1", "bgra", {}),
    "odd_colours.mkv": ("ffv1", "bgr0", {"size": (53, 71)}),
    "palette.gif": ("gif", "rgb8", {}),
    "uneven.mp4": ("libx264", "yuv420p", {"times_ms": uneven_times(60)}),
    "uneven.mkv": ("libx264", "yuv420p", {"times_ms": uneven_times(60, seed=1)}),
    "uneven.webm": ("libvpx", "yuv420p", {"times_ms": uneven_times(60, seed=2)}),
    "late.mp4": ("libx264", "yuv420p", {"times_ms": uneven_times(60, start=1500)}),
    "late.mkv": ("libx264", "yuv420p", {"times_ms": uneven_times(60, start=1500)}),
}


@pytest.fixture(scope="module")
def videos(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("videos with spaces ✓")
    return {name: write(folder / name, codec, pixels=pixels, **more) for name, (codec, pixels, more) in KINDS.items()}


@pytest.mark.parametrize("name", KINDS)
def test_every_frame_and_time_equals_that_of_a_second_decoder(videos: dict[str, Path], name: str) -> None:
    clip = Clip.read(videos[name])
    frames, seconds = decode_with_pyav(videos[name])
    assert numbers_of(clip.frames) == list(range(60))
    np.testing.assert_array_equal(clip.frames, frames)
    np.testing.assert_allclose(clip.times, seconds, atol=1e-9)
    np.testing.assert_array_equal(clip.frame_numbers, np.arange(60))
    assert clip.source_size == clip.frames.shape[1:3] == frames.shape[1:3]


@pytest.mark.parametrize("name", KINDS)
def test_frames_spread_evenly_over_a_window_in_seconds(videos: dict[str, Path], name: str) -> None:
    _, seconds = decode_with_pyav(videos[name])
    start, stop = float(seconds[7]), float(seconds[49])
    inside = np.flatnonzero((seconds >= start - 1e-4) & (seconds < stop - 1e-4))
    expected = inside[np.floor(np.linspace(0, len(inside) - 1, 8)).astype(int)]
    clip = Clip.read(videos[name], frames=8, window=(start, stop))
    assert numbers_of(clip.frames) == clip.frame_numbers.tolist() == expected.tolist()
    np.testing.assert_allclose(clip.times, seconds[expected], atol=1e-9)


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"frames": 8}, [0, 8, 16, 25, 33, 42, 50, 59]),
        ({"frames": 1}, [0]),
        ({"frames": 3, "window": (10, 20)}, [10, 14, 19]),
        ({"window": (57, 60)}, [57, 58, 59]),
        ({"window": (np.int64(3), np.int64(5))}, [3, 4]),
        ({"stride": 20}, [0, 20, 40]),
        ({"stride": 7, "frames": 4}, [0, 7, 14, 21]),
        ({"stride": 5, "window": (31, 45)}, [31, 36, 41]),
        ({"stride": 5, "window": (31, 60), "frames": 2}, [31, 36]),
        ({"stride": 10, "window": (0.4, 1.6)}, [10, 20, 30]),
        ({"window": (2.2, float("inf"))}, [55, 56, 57, 58, 59]),
        ({"window": (2.2, 2.9)}, [55, 56, 57, 58, 59]),  # within a second of the end: a rounded duration
    ],
)
def test_windows_and_strides_choose_frames(videos: dict[str, Path], options: dict, expected: list[int]) -> None:
    clip = Clip.read(videos["h264.mp4"], **options)
    assert numbers_of(clip.frames) == clip.frame_numbers.tolist() == expected
    np.testing.assert_allclose(clip.times, np.array(expected) / 25, atol=1e-9)


@pytest.mark.parametrize(
    ("options", "message", "expected"),
    [
        (
            {"frames": 5, "window": (58, 60)},
            r"5 frames requested, 2 available in the window \(58, 60\): some are repeated",
            [58] * 4 + [59],
        ),
        (
            {"frames": 9, "stride": 20},
            "9 frames requested, 3 available with a stride of 20: the clip is shorter",
            [0, 20, 40],
        ),
        (
            {"window": (58, 70)},
            r"\(58, 70\) extends past the end \(the source has frames 0 to 59, the last one at 2.36 s",
            [58, 59],
        ),
        ({"window": (2.3, 9.0)}, r"\(2.3, 9.0\) extends past the end", [58, 59]),
    ],
)
def test_missing_frames_give_one_warning(
    videos: dict[str, Path], options: dict, message: str, expected: list[int]
) -> None:
    with pytest.warns(UserWarning, match=message) as caught:
        clip = Clip.read(videos["mjpeg.avi"], **options)
    assert len(caught) == 1
    assert numbers_of(clip.frames) == expected


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"window": (60, 70)}, ValueError, r"no frame lies in the window \(60, 70\); the source has frames 0 to 59"),
        ({"window": (2.41, 2.42)}, ValueError, r"no frame lies in the window"),
        ({"window": (0, 2.5)}, TypeError, r"got one of each: \(0, 2.5\); write \(0.0, 2.5\) for seconds"),
        ({"window": (5, 5)}, ValueError, "must start at 0 or later and stop after its start"),
        ({"window": (-1.0, 2.0)}, ValueError, "must start at 0 or later and stop after its start"),
        ({"window": (0.0, float("nan"))}, ValueError, "must start at 0 or later and stop after its start"),
        ({"window": (True, False)}, TypeError, r"window must be \(start, stop\)"),
        ({"window": 3.0}, TypeError, r"window must be \(start, stop\): two floats for seconds"),
        ({"window": ("0", "1")}, TypeError, r"window must be \(start, stop\): two floats for seconds"),
        ({"frames": 0}, ValueError, "frames must be at least 1, got 0"),
        ({"frames": 2.5}, TypeError, "frames must be a whole number, got 2.5"),
        ({"stride": 0}, ValueError, "stride must be at least 1, got 0"),
        ({"size": 0}, ValueError, "size must be at least 1 pixel, got 0"),
        ({"size": (4, 5, 6)}, ValueError, r"size must be one number \(a square\) or \(height, width\)"),
        ({"crop": "middle"}, ValueError, "crop must be one of 'center', 'letterbox', 'stretch'; got 'middle'"),
        ({"max_pixels": 0}, ValueError, "max_pixels must be at least 1"),
        ({"fps": 25}, ValueError, "fps applies to folders of images, but 'h264.mp4' is a video"),
    ],
)
def test_invalid_arguments_are_refused(
    videos: dict[str, Path], options: dict, error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        Clip.read(videos["h264.mp4"], **options)


def test_too_many_pixels_are_refused_before_decoding_unless_the_limit_is_raised(
    videos: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    from notebook_explain.clip.sources.video import VideoFile

    path = videos["h264.mp4"]
    with monkeypatch.context() as patch:
        patch.setattr(VideoFile, "frames", lambda self, info: pytest.fail("frames were decoded"))
        with pytest.raises(
            ValueError,
            match=r"60 frames of 96 x 128 of 'h264.mp4' have 737,280 pixels, above the limit of 100,000; .* max_pixels=",
        ):
            Clip.read(path, max_pixels=100_000)
        with pytest.raises(
            ValueError, match=r"have 96 x 128 = 12,288 pixels, above the limit of 10,000; pass max_pixels="
        ):
            Clip.read(path, frames=1, size=8, max_pixels=10_000)
    assert len(Clip.read(path, max_pixels=60 * 96 * 128)) == 60
    assert len(Clip.read(path, size=16, max_pixels=100_000)) == 60  # the limit applies to the resized frames


@pytest.mark.parametrize("degrees", [0, 90, 180, 270])
def test_a_video_is_rotated_as_its_metadata_say(tmp_path: Path, degrees: int) -> None:
    path = write(tmp_path / "rotated.mp4", frames=12)
    upright, _ = decode_with_pyav(path)  # before the metadata is written: the second decoder ignores it
    clip = Clip.read(rotated(path, degrees), frames=4)
    expected = np.rot90(upright[clip.frame_numbers], -degrees // 90, axes=(1, 2))
    np.testing.assert_array_equal(clip.frames, expected)
    assert clip.source_size == expected.shape[1:3]
    assert (clip.origin, clip.step) == ((0.0, 0.0), (1.0, 1.0))


def test_a_single_frame_is_a_clip_or_repeats_with_a_warning(tmp_path: Path) -> None:
    path = write(tmp_path / "one.mp4", frames=1)
    clip = Clip.read(path)
    assert (clip.size, clip.times.tolist(), numbers_of(clip.frames)) == ((1, 96, 128), [0.0], [0])
    with pytest.warns(UserWarning, match="4 frames requested, 1 available: some are repeated"):
        assert numbers_of(Clip.read(path, frames=4).frames) == [0] * 4


def test_a_video_without_times_uses_its_frame_rate(tmp_path: Path) -> None:
    path = write(tmp_path / "bare.h264", frames=20)
    clip = Clip.read(path, window=(0.4, 0.6))
    assert numbers_of(clip.frames) == [10, 11, 12, 13, 14]
    np.testing.assert_allclose(clip.times, np.arange(10, 15) / 25)


def test_resizing_while_decoding_equals_resizing_afterwards(videos: dict[str, Path]) -> None:
    whole = Clip.read(videos["vp8.webm"], frames=5)
    for crop in ("center", "letterbox", "stretch"):
        fitted, again = Clip.read(videos["vp8.webm"], frames=5, size=(40, 60), crop=crop), whole.resized((40, 60), crop)
        np.testing.assert_array_equal(fitted.frames, again.frames)
        assert (fitted.origin, fitted.step, fitted.source_size) == (again.origin, again.step, (96, 128))


def test_an_intact_video_is_decoded_once(videos: dict[str, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    from notebook_explain.clip.sources.video import VideoFile

    passes, frames = [], VideoFile.frames
    monkeypatch.setattr(VideoFile, "frames", lambda self, info: passes.append(self.name) or frames(self, info))
    for name in KINDS:
        Clip.read(videos[name], frames=16)
        Clip.read(videos[name], frames=4, window=(0.5, 1.5))
    assert passes == [name for name in KINDS for _ in range(2)]


def test_frames_past_the_last_requested_one_are_not_decoded(
    videos: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    from notebook_explain.clip.sources.base import SourceFrame
    from notebook_explain.clip.sources.video import VideoFile

    decoded: list[SourceFrame] = []
    frames = VideoFile.frames

    def recorded(self: VideoFile, info):
        for frame in frames(self, info):
            decoded.append(frame)
            yield frame

    monkeypatch.setattr(VideoFile, "frames", recorded)
    for options in ({"window": (2, 5)}, {"window": (0.08, 0.2)}, {"stride": 2, "frames": 3}, {"frames": 1}):
        decoded.clear()
        Clip.read(videos["h264.mp4"], **options)
        assert len(decoded) <= 6


def test_intact_videos_give_no_warning_and_no_output(
    videos: dict[str, Path], capfd: pytest.CaptureFixture[str]
) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for path in videos.values():
            Clip.read(path, frames=16, size=32)
    assert capfd.readouterr().err == ""


def test_colours_are_rgb(tmp_path: Path) -> None:
    red = np.zeros((32, 32, 3), np.uint8)
    red[..., 0] = 255
    clip = Clip.read(write(tmp_path / "red.mkv", "ffv1", [red] * 3, pixels="bgr0"))
    np.testing.assert_array_equal(clip.frames, np.stack([red] * 3))


def test_threads_decode_different_frames_except_those_of_h265(
    videos: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    from notebook_explain.clip.sources import video

    types: list[ThreadType] = []
    real = video._set_threads

    def recorded(context: Any, **how: Any) -> None:
        real(context, **how)
        types.append(context.thread_type)

    monkeypatch.setattr(video, "_set_threads", recorded)
    for name in ("h265.mp4", "h264.mp4"):
        Clip.read(videos[name], frames=2)
    assert types == [ThreadType.SLICE, ThreadType.AUTO]


def test_after_a_packet_that_cannot_be_decoded_one_thread_gives_every_other_frame(tmp_path: Path) -> None:
    path = write(tmp_path / "intra.mkv", "mpeg2video", 60, options={"g": "1"})
    data = bytearray(path.read_bytes())
    pictures = [match.start() for match in re.finditer(b"\0\0\1\0", data)]  # start codes of pictures
    assert len(pictures) == 60
    for index in (7, 8, 30, 59):
        end = pictures[index + 1] - 40 if index < 59 else pictures[index] + 150
        data[pictures[index] : end] = bytes(end - pictures[index])
    path.write_bytes(data)
    with pytest.warns(UserWarning, match=r"claims 60 frames, but only 56 could be decoded \(cut off or damaged\)"):
        clip = Clip.read(path)
    shown = [number for number in range(60) if number not in (7, 8, 30, 59)]
    assert numbers_of(clip.frames) == shown
    np.testing.assert_allclose(clip.times, np.array(shown) / 25, atol=1e-9)
    with pytest.warns(UserWarning, match=r"claims 10 frames in the window \(0.2, 0.6\), but only 8 could be decoded"):
        assert numbers_of(Clip.read(path, window=(0.2, 0.6)).frames) == [5, 6, 9, 10, 11, 12, 13, 14]


def test_an_intact_video_is_opened_once_if_its_packets_fit_into_memory(
    videos: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    from notebook_explain.clip.sources import container

    opened: list[Any] = []
    real_open = av.open
    monkeypatch.setattr(av, "open", lambda *args, **how: opened.append(args) or real_open(*args, **how))
    for limit, expected in ((2**26, 1), (500, 2)):
        monkeypatch.setattr(container, "_MAX_CACHED", limit)
        for name in ("h264.mp4", "uneven.webm", "palette.gif"):
            for options in ({}, {"window": (3, 7)}, {"window": (0.2, 0.5)}, {"frames": 4, "stride": 3}):
                opened.clear()
                clip = Clip.read(videos[name], **options)
                assert len(opened) == expected
                assert numbers_of(clip.frames) == clip.frame_numbers.tolist()
