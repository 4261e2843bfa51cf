"""Damaged files and files that are not videos: a correct result, or one sentence with advice."""

from __future__ import annotations

import os
import re
import warnings
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import av
import numpy as np
import pytest

from notebook_explain import Clip
from tests.clip.video_files import numbers_of, write


@pytest.mark.parametrize(
    ("path", "error", "message"),
    [
        ("https://example.com/a.mp4", ValueError, "is a URL, and clips are not read from the network; download it"),
        (Path("https://example.com/a.mp4"), ValueError, "is a URL, and clips are not read from the network"),
        ("rtsp://camera/1", ValueError, "is a URL"),
        ("data:video/mp4;base64,AAAA", ValueError, "is a URL"),
        ("file:///films/two%20words.mp4", ValueError, "is a URL; give the plain path, '/films/two words.mp4'"),
        ("file://localhost/films/a.mp4", ValueError, "give the plain path, '/films/a.mp4'"),
        ("", ValueError, "'' is not a path; give the path of an mp4"),
        ("a\0b.mp4", ValueError, "is not a path"),
        (
            "nowhere.mp4",
            FileNotFoundError,
            "no video file at 'nowhere.mp4'; give the path of an mp4, avi, mkv, webm or gif file",
        ),
        (0, TypeError, "expected the path of a clip, got 0; for an array, use Clip.of"),
        (None, TypeError, "expected the path of a clip, got None"),
        ("/dev/null", ValueError, "'/dev/null' is a pipe or a device, not a file"),
    ],
)
def test_anything_but_the_path_of_a_file_is_refused(path: object, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        Clip.read(path)  # type: ignore[arg-type]


def test_a_pipe_is_refused_without_waiting_for_it(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.mp4")
    with pytest.raises(ValueError, match="is a pipe or a device, not a file; write its contents to a file first"):
        Clip.read(tmp_path / "pipe.mp4")


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", r"is empty \(0 bytes\)"),
        (b"wave\nclap\n" * 300, "is a text file, not a video"),
        ("übung\n".encode("utf-16"), "is a text file, not a video"),
        (b"\xef\xbb\xbf#EXTM3U\n#\x01\nhttps://example.com/a.ts\n", "is a text file, not a video"),
        (b"ffconcat version 1.0\nfile 'secret.mp4'\n\0\0", "is a text file, not a video"),
        (bytes(range(256)) * 40, "could not be opened as a video|no frame of .* could be decoded"),
        (b"\0" * 5000, "could not be opened as a video|no frame of .* could be decoded"),
        (b"\0\0\0\x18ftypmp42" + b"\0" * 400, "could not be opened as a video"),
    ],
)
def test_files_that_are_not_videos_are_refused_whatever_their_name(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], data: bytes, message: str
) -> None:
    path = tmp_path / "renamed.mp4"
    path.write_bytes(data)
    with pytest.raises(ValueError, match=message):
        Clip.read(path, frames=4)
    assert capfd.readouterr().err == ""


@pytest.mark.parametrize(
    "text",
    [
        "ffconcat version 1.0\nfile secret.mp4\n",
        "#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\nsecret.ts\n#EXT-X-ENDLIST\n",
        "<?xml version='1.0'?><MPD xmlns='urn:mpeg:dash:schema:mpd:2011' type='static'></MPD>",
        "v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nt=0 0\nm=video 5004 RTP/AVP 96\n",
    ],
)
def test_ffmpeg_itself_may_not_open_lists_of_other_files(tmp_path: Path, text: str) -> None:
    from notebook_explain.clip.sources.container import open_container

    for name in ("secret.mp4", "secret.ts"):
        write(tmp_path / name, frames=2)
    path = tmp_path / ("list.m3u8" if text.startswith("#EXTM3U") else "list.mp4")  # HLS needs its suffix
    path.write_text(text)
    if text.startswith("ffconcat"):
        with av.open(str(path)) as followed:  # without the list of formats, FFmpeg follows it
            assert followed.streams.video
    with pytest.raises(ValueError, match="could not be opened as a video"):
        open_container(path, 10**6)


@pytest.mark.parametrize(
    ("kind", "codec", "pixels"),
    [
        ("avi", "mjpeg", "yuvj420p"),
        ("mkv", "libx264", "yuv420p"),
        ("webm", "libvpx", "yuv420p"),
        ("gif", "gif", "rgb8"),
        ("ts", "libx264", "yuv420p"),
    ],
)
def test_frames_are_spread_over_what_can_be_decoded_of_a_truncated_file(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], kind: str, codec: str, pixels: str
) -> None:
    data = write(tmp_path / f"whole.{kind}", codec, pixels=pixels, options={"g": "10"}).read_bytes()
    cut = tmp_path / f"cut.{kind}"
    cut.write_bytes(data[: len(data) // 2])
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        clip = Clip.read(cut, frames=5)
    numbers = numbers_of(clip.frames)
    assert numbers[:-1] == clip.frame_numbers[:-1].tolist()  # the last frame may be incomplete
    assert numbers[0] == 0
    assert 10 < clip.frame_numbers[-1] < 45
    if kind in ("avi", "mkv", "webm"):  # the others have no frame count
        decoded = clip.frame_numbers[-1] + 1
        message = (
            rf"cut.{kind}: the file claims 60 frames, but only {decoded} could be decoded .*; "
            "the 5 frames requested are spread over those"
        )
        assert len(caught) == 1
        assert re.match(message, str(caught[0].message))
    assert capfd.readouterr().err == ""


def test_an_mp4_without_its_end_cannot_be_opened(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    path = write(tmp_path / "cut.mp4")  # the index is at its end
    path.write_bytes(path.read_bytes()[:2500])
    with pytest.raises(ValueError, match="could not be opened as a video; it may be empty, cut off, or not a video"):
        Clip.read(path, frames=5)
    assert capfd.readouterr().err == ""


def test_frames_after_damaged_ones_are_decoded_with_their_times(tmp_path: Path) -> None:
    path = write(tmp_path / "holes.avi", "mjpeg", pixels="yuvj420p")
    data = bytearray(path.read_bytes())
    images = [match.start() for match in re.finditer(b"00dc", data) if match.start() > data.index(b"movi")]
    for index in (20, 21, 22, 40):
        data[images[index] + 10 : images[index] + 600] = bytes(590)  # the header of the image
    path.write_bytes(data)
    with pytest.warns(UserWarning, match=r"claims 60 frames, but only 56 could be decoded .*; the clip has those 56"):
        clip = Clip.read(path)
    shown = [number for number in range(60) if number not in (20, 21, 22, 40)]
    assert numbers_of(clip.frames) == shown
    np.testing.assert_allclose(clip.times, np.array(shown) / 25)
    with pytest.warns(UserWarning, match=r"claims 10 frames in the window \(0.6, 1.0\), but only 7 could be decoded"):
        assert numbers_of(Clip.read(path, frames=3, window=(0.6, 1.0)).frames) == [15, 18, 24]


def test_a_video_trimmed_without_re_encoding_starts_where_a_player_starts(tmp_path: Path) -> None:
    whole, trimmed = write(tmp_path / "whole.mp4", options={"g": "12", "bf": "2"}), tmp_path / "trimmed.mp4"
    with av.open(str(whole)) as source, av.open(str(trimmed), "w") as target:
        stream = source.streams.video[0]
        copy = target.add_stream_from_template(stream)
        for packet in source.demux(stream):
            if packet.dts is not None:
                shift = round(0.2 / packet.time_base)  # five frames, which the decoder needs and a player hides
                packet.stream, packet.pts, packet.dts = copy, packet.pts - shift, packet.dts - shift
                target.mux(packet)
    clip = Clip.read(trimmed)  # without a warning: nothing is missing
    assert numbers_of(clip.frames) == list(range(5, 60))
    np.testing.assert_allclose(clip.times, np.arange(55) / 25)


def test_a_codec_without_decoder_is_an_error(tmp_path: Path) -> None:
    path = write(tmp_path / "new.mp4", frames=4)
    path.write_bytes(path.read_bytes().replace(b"avc1", b"zzz9").replace(b"avcC", b"free"))
    with pytest.raises(ValueError, match=r"FFmpeg has no decoder for it \(ffmpeg -i FILE -c:v libx264 OUT.mp4"):
        Clip.read(path)


def test_sound_alone_is_not_a_video(tmp_path: Path) -> None:
    path = tmp_path / "sound.mp4"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("aac", rate=16000)
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 16000), np.float32), format="fltp", layout="mono")
        frame.sample_rate = 16000
        container.mux([*stream.encode(frame), *stream.encode(None)])
    with pytest.raises(
        ValueError, match=r"no video in 'sound.mp4': its only track is aac \(audio\); give a file with a"
    ):
        Clip.read(path)


def test_special_characters_in_paths_are_literal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("100%d done.avi", "a:b.avi", "~draft.avi", "-i.avi", "ünï côdé 影.avi"):
        write(tmp_path / name, "mjpeg", 3, pixels="yuvj420p")
        assert numbers_of(Clip.read(name).frames) == [0, 1, 2]
        assert Clip.read(name).name == name
    Path("home").mkdir()
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    write(tmp_path / "home" / "mine.avi", "mjpeg", 2, pixels="yuvj420p")
    assert Clip.read("~/mine.avi").source == str(tmp_path / "home" / "mine.avi")


def test_the_log_level_of_the_user_is_silenced_and_restored(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = write(tmp_path / "short.avi", "mjpeg", 2, pixels="yuvj420p")
    caplog.set_level(1)
    try:
        for level in (None, av.logging.DEBUG):
            av.logging.set_level(level)
            Clip.read(path)
            with pytest.raises(ValueError, match="no frame lies in the window"):
                Clip.read(path, window=(5, 6))
            with ThreadPoolExecutor(4) as threads:
                assert [len(clip) for clip in threads.map(Clip.read, [path] * 40)] == [2] * 40
            assert av.logging.get_level() == level
            assert not [record for record in caplog.records if record.name.startswith("libav")]
    finally:
        av.logging.set_level(None)
