"""Files with several tracks: the film is decoded, never a cover, a thumbnail or a preview, and nothing is called damaged."""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import av
import numpy as np
import pytest
from av.stream import Disposition

from notebook_explain import Clip
from notebook_explain.clip.sources.tracks import choose_track
from tests.clip.video_files import add_sound, add_video, coded, decode_with_pyav, numbers_of, write

FILM = [coded(index) for index in range(30)]
PICTURE = [np.full((90, 160, 3), 200, np.uint8)]


@pytest.fixture(autouse=True)
def _no_warnings() -> Iterator[None]:
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        yield


def _check_film(path: Path) -> Clip:
    clip = Clip.read(path)
    assert clip.size == (30, 96, 128)
    assert numbers_of(clip.frames) == list(range(30))
    np.testing.assert_allclose(clip.times, np.arange(30) / 25, atol=6e-4)
    assert numbers_of(Clip.read(path, frames=4, window=(0.2, 0.6)).frames) == [5, 8, 11, 14]
    return clip


@pytest.mark.parametrize(("kind", "codec"), [("mkv", "mjpeg"), ("mp4", "mjpeg"), ("mp4", "png"), ("mov", "png")])
@pytest.mark.parametrize("is_first", [True, False])
@pytest.mark.parametrize("count", [1, 2])
def test_a_track_of_thumbnails_is_not_the_film(
    tmp_path: Path, kind: str, codec: str, is_first: bool, count: int
) -> None:
    pictures = ("mjpeg", PICTURE * count, "yuvj420p") if codec == "mjpeg" else ("png", PICTURE * count, "rgb24")
    tracks = [pictures, ("libx264", FILM, "yuv420p")]
    with av.open(str(tmp_path / f"drone.{kind}"), "w") as out:
        for write_frames in [add_video(out, *track) for track in tracks[:: 1 if is_first else -1]]:
            write_frames()
    _check_film(tmp_path / f"drone.{kind}")


def test_an_attached_picture_is_not_the_film(tmp_path: Path) -> None:
    with av.open(str(tmp_path / "film.mp4"), "w") as out:
        writers = [
            add_video(out, "mjpeg", PICTURE, "yuvj420p", disposition=Disposition.attached_pic),
            add_video(out, "libx264", FILM),
        ]
        for write_frames in writers:
            write_frames()
    with av.open(str(tmp_path / "film.mp4")) as file:
        assert any(int(stream.disposition) == Disposition.attached_pic for stream in file.streams)
    _check_film(tmp_path / "film.mp4")


class _Track(SimpleNamespace):
    """A track as PyAV describes it, with a mark that no muxer here writes."""

    def __init__(self, index: int, mark: Disposition, codec: str = "h264") -> None:
        context = SimpleNamespace(codec=SimpleNamespace(canonical_name=codec), bit_rate=0)
        super().__init__(
            index=index, disposition=mark, codec_context=context, type="video", frames=0, width=8, height=6
        )


@pytest.mark.parametrize("name", ["attached_pic", "timed_thumbnails", "still_image"])
def test_tracks_that_are_marked_as_pictures_are_never_chosen(name: str) -> None:
    mark = Disposition[name] | Disposition.default
    picture, film = _Track(0, mark), _Track(1, Disposition(0))
    for tracks, expected in (((picture, film), 1), ((_Track(0, Disposition(0)), _Track(1, mark)), 0)):
        streams = SimpleNamespace(video=tracks, audio=(), best=lambda kind, first=tracks[0]: first)
        assert choose_track(SimpleNamespace(streams=streams), "a.mp4", lambda indices: {}) == expected

    class Streams(tuple):
        video, audio = (picture,), ()

        def best(self, kind: str) -> _Track:
            return picture

    with pytest.raises(ValueError, match=r"no video in 'a.mp4': its only track is h264 8 x 6 \("):
        choose_track(SimpleNamespace(streams=Streams((picture,))), "a.mp4", lambda indices: {})


@pytest.mark.parametrize("kind", ["mkv", "mp4", "avi"])
def test_of_two_films_the_default_one_is_decoded_whole(tmp_path: Path, kind: str) -> None:
    larger = [coded(100 + index, 120, 160) for index in range(20)]
    for name, default, films in (("first", 0, (FILM, larger)), ("second", 1, (larger, FILM))):
        path = tmp_path / f"{name}.{kind}"
        with av.open(str(path), "w") as out:
            marks = [Disposition.default if index == default else Disposition(0) for index in (0, 1)]
            codec = "mpeg4" if kind == "avi" else "libx264"
            for write_frames in [
                add_video(out, codec, film, disposition=mark) for film, mark in zip(films, marks, strict=True)
            ]:
                write_frames()
        with av.open(str(path)) as file:
            best = file.streams.best("video").index  # AVI and mp4 do not store which of several is the default
        frames, _ = decode_with_pyav(path, best)
        clip = Clip.read(path)
        np.testing.assert_array_equal(clip.frames, frames)
        if kind == "mkv":
            assert best == default


@pytest.mark.parametrize("pixels", ["yuv420p"])
@pytest.mark.parametrize("codec", ["libx264", "mpeg2video"])
def test_tracks_of_a_transport_stream(tmp_path: Path, codec: str, pixels: str) -> None:
    with av.open(str(tmp_path / "two.ts"), "w") as out:
        writers = [add_sound(out, 1.2, "mp2", 44100), add_video(out, codec, FILM, pixels)]
        for write_frames in writers:
            write_frames()
    _check_film(tmp_path / "two.ts")


@pytest.mark.parametrize("kind", ["mka", "mkv", "mp4"])
@pytest.mark.parametrize("mark", [Disposition.attached_pic, Disposition(0)])
def test_a_song_with_a_cover_is_no_video(tmp_path: Path, kind: str, mark: Disposition) -> None:
    path = tmp_path / f"song.{kind}"
    with av.open(str(path), "w", format="matroska" if kind == "mka" else None) as out:
        writers = [add_video(out, "mjpeg", PICTURE, "yuvj420p", disposition=mark), add_sound(out, 2)]
        for write_frames in writers:
            write_frames()
    with pytest.raises(ValueError, match=rf"no video in 'song.{kind}': its tracks are") as refused:
        Clip.read(path)
    assert re.search(r"mjpeg 160 x 90 \((attached )?picture\)", str(refused.value))
    assert "aac (audio)" in str(refused.value)


@pytest.mark.skipif("libmp3lame" not in av.codecs_available, reason="PyAV here has no encoder for MP3")
def test_an_mp3_with_a_cover_is_no_video(tmp_path: Path) -> None:
    path = tmp_path / "song.mp3"
    with av.open(str(path), "w") as out:
        sound = out.add_stream("libmp3lame", rate=44100, layout="mono")
        add_video(out, "mjpeg", PICTURE, "yuvj420p", disposition=Disposition.attached_pic)()
        for start in range(0, 44100, 1152):
            frame = av.AudioFrame.from_ndarray(np.zeros((1, 1152), np.float32), format="fltp", layout="mono")
            frame.sample_rate, frame.pts = 44100, start
            out.mux(sound.encode(frame))
        out.mux(sound.encode(None))
    message = (
        r"no video in 'song.mp3': its tracks are mp3 \(audio\) and mjpeg 160 x 90 \(attached picture\); give a file"
    )
    with pytest.raises(ValueError, match=message):
        Clip.read(path)


def test_a_film_of_jpegs_with_sound_is_a_video(tmp_path: Path) -> None:
    with av.open(str(tmp_path / "camera.avi"), "w") as out:
        writers = [add_video(out, "mjpeg", FILM, "yuvj420p"), add_sound(out, 1.2, "pcm_s16le")]
        for write_frames in writers:
            write_frames()
    _check_film(tmp_path / "camera.avi")


FRAGMENTED = {
    "dash": "frag_keyframe+empty_moov+default_base_moof+global_sidx",
    "recorder": "frag_keyframe+empty_moov",
    "hybrid": "frag_keyframe",
    "usual": "faststart",
}


@pytest.mark.parametrize("flags", FRAGMENTED)
@pytest.mark.parametrize("seconds", [0.5, 4.0])
def test_sound_of_another_length_is_no_damage(tmp_path: Path, flags: str, seconds: float) -> None:
    path = tmp_path / "fragments.mp4"
    with av.open(str(path), "w", options={"movflags": FRAGMENTED[flags]}) as out:
        writers = [add_video(out, "libx264", FILM), add_sound(out, seconds)]
        for write_frames in writers:
            write_frames()
    _check_film(path)


@pytest.mark.parametrize(
    ("kind", "sound"), [("mkv", "aac"), ("flv", "aac"), ("wmv", "mp2"), ("avi", "pcm_s16le"), ("mov", "aac")]
)
def test_longer_sound_is_no_damage_in_other_containers(tmp_path: Path, kind: str, sound: str) -> None:
    path = tmp_path / f"long.{kind}"
    codec = {"flv": "flv", "wmv": "wmv2", "avi": "mpeg4"}.get(kind, "libx264")
    with av.open(str(path), "w") as out:
        writers = [add_video(out, codec, FILM), add_sound(out, 5, sound, 44100)]
        for write_frames in writers:
            write_frames()
    _check_film(path)


def test_a_picture_in_the_container_of_videos_is_no_video(tmp_path: Path) -> None:
    path = write(tmp_path / "picture.mkv", "mjpeg", 1, pixels="yuvj420p")
    assert len(Clip.read(path)) == 1  # one frame, and nothing says that it is no video
    picture = tmp_path / "renamed.mp4"
    with av.open(str(picture), "w", format="image2") as out:
        add_video(out, "mjpeg", PICTURE, "yuvj420p")()
    with pytest.raises(ValueError, match="could not be opened as a video"):
        Clip.read(picture)


def test_a_film_cut_off_before_its_longer_sound_claims_the_frames_of_the_film(tmp_path: Path) -> None:
    path = tmp_path / "cut.mkv"
    with av.open(str(path), "w") as out:
        film, sound = (
            out.add_stream("libx264", rate=25, options={"g": "5"}),
            out.add_stream("aac", rate=16000, layout="mono"),
        )
        film.height, film.width, film.pix_fmt = 96, 128, "yuv420p"
        silence = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), format="fltp", layout="mono")
        silence.sample_rate = 16000
        for index in range(240):
            if index < 100:
                out.mux(film.encode(av.VideoFrame.from_ndarray(coded(index), format="rgb24")))
            for start in range(1024 * ((640 * index) // 1024), 640 * (index + 1), 1024):
                if start >= 640 * index:
                    silence.pts = start
                    out.mux(sound.encode(silence))
        out.mux(film.encode(None))
        out.mux(sound.encode(None))
    assert len(Clip.read(path)) == 100
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 3])
    with pytest.warns(UserWarning, match=r"claims 100 frames, but only \d\d could be decoded"):
        clip = Clip.read(path)
    assert 10 < len(clip) < 95


@pytest.mark.parametrize("kind", ["mp4", "mkv"])
def test_a_fragmented_file_that_is_cut_off_says_so_with_both_numbers(tmp_path: Path, kind: str) -> None:
    path = tmp_path / f"cut.{kind}"
    film = [coded(index) for index in range(100)]
    with av.open(str(path), "w", options={"movflags": "faststart"} if kind == "mp4" else {}) as out:
        stream = out.add_stream("libx264", rate=25, options={"g": "10"})
        stream.height, stream.width, stream.pix_fmt = 96, 128, "yuv420p"
        for image in film:
            out.mux(stream.encode(av.VideoFrame.from_ndarray(image, format="rgb24")))
        out.mux(stream.encode(None))
    path.write_bytes(path.read_bytes()[: path.stat().st_size * 2 // 3])
    with pytest.warns(
        UserWarning, match=r"claims 100 frames, but only \d\d could be decoded \(cut off or damaged\)"
    ) as caught:
        clip = Clip.read(path)
    assert len(caught) == 1
    assert 30 < len(clip) < 90
    assert numbers_of(clip.frames)[:-1] == list(range(len(clip) - 1))
