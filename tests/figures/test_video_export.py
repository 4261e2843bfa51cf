"""Videos of the clip's frames as GIF, WebM and MP4: every frame, no flicker, all text; a complete file or none."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from PIL import Image

from notebook_explain.clip import Clip
from notebook_explain.explanations import ExplainError, Tubes
from notebook_explain.figures.overlay import overlay_evidence
from notebook_explain.figures.video import encoding
from notebook_explain.figures.video.encoding import write_video
from notebook_explain.figures.video.frames import clip_sequence, resolve_fps
from notebook_explain.figures.video.gif import write_gif
from notebook_explain.figures.video.render import render_frames
from tests.figures.example_tubes import CAVEATS, COARSE, every_shape, made

Frames = np.ndarray


def gif_of(path: Path) -> tuple[Frames, list[int], dict[Any, Any]]:
    """Return the frames, the milliseconds of each, and the metadata."""
    with Image.open(path) as image:
        pictures, durations = [], []
        for k in range(image.n_frames):
            image.seek(k)
            pictures.append(np.asarray(image.convert("RGB")).astype(int))
            durations.append(int(image.info["duration"]))
        image.seek(0)
        return np.stack(pictures), durations, dict(image.info)


def video_of(path: Path) -> tuple[Frames, float]:
    """Return the frames and the frames per second."""
    with av.open(str(path)) as container:
        pictures = [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]
        return np.stack(pictures).astype(int), float(container.streams.video[0].average_rate)


def times_of(path: Path) -> list[float]:
    """Return the seconds of each frame."""
    with av.open(str(path)) as container:
        return [float(frame.pts * frame.time_base) for frame in container.decode(video=0)]


def rendered_frames(tubes: Tubes, longest: int = 96, threshold: float = 0.4) -> Frames:
    return np.stack(list(render_frames(tubes, clip_sequence(tubes.clip, longest), None, 0, threshold)))


@every_shape
def test_every_frame_is_drawn_with_its_evidence(tubes: Tubes) -> None:
    film = rendered_frames(tubes)
    sequence = clip_sequence(tubes.clip, 96)
    height, width = sequence.placement.size
    assert film.shape[0] == len(tubes.clip)
    assert film.shape[2] == width
    assert film.shape[1] > height + 40  # the words
    for k, picture in enumerate(sequence.images):
        fractions, beyond = (
            sequence.placement.evidence(tubes.layer(), 0, k),
            sequence.placement.beyond(tubes.layer(), k),
        )
        expected = overlay_evidence(picture, fractions, 0.4, beyond=beyond)
        np.testing.assert_array_equal(film[k, :height], expected)


def test_a_video_states_its_origin_the_times_and_every_caveat(drawn: list[str]) -> None:
    rendered_frames(made(), 200)
    content = " ".join(drawn)
    for words in ("'wave' 93 %", "for it", "against it", "40 % of the strongest", "layer blocks.2", COARSE, *CAVEATS):
        assert words in content
    assert "The clip is a synthetic sample: wave." in content
    assert [text for text in drawn if text.startswith("frame ")] == [
        f"frame {k + 1} of 6 · 0.{when} s" for k, when in enumerate(("00", "13", "25", "38", "50", "63"))
    ]


def test_a_real_clip_is_named_without_its_folders(drawn: list[str]) -> None:
    rendered_frames(made(source="/home/me/secret/wave.mp4"), 300)
    content = " ".join(drawn)
    assert "clip: wave.mp4" in content
    assert "secret" not in content


def test_the_time_mark_moves_evenly_from_left_to_right() -> None:
    film = rendered_frames(made(8), 240)
    band = (film[:, 240:] > 250).all(axis=-1)
    moving = band & ~band.all(axis=0)
    rows = moving.any(axis=(0, 2))
    tall = [row for row in np.flatnonzero(rows) if moving[:, row].any(axis=1).all()]
    places = [float(np.flatnonzero(moving[k, tall[len(tall) // 2]]).mean()) for k in range(8)]
    assert np.ptp(np.diff(places)) <= 2
    assert places[0] < 30
    assert places[-1] > 210


def test_a_gif_loops_at_the_requested_speed(tmp_path: Path) -> None:
    path = made(9).to_gif(tmp_path / "wave", fps=7, size=64)
    assert path == tmp_path / "wave.gif"
    pictures, durations, info = gif_of(path)
    assert len(pictures) == 9
    assert info["loop"] == 0
    assert sum(durations) == pytest.approx(9 / 7 * 1000, abs=10)
    assert max(durations) - min(durations) <= 10
    assert pictures.shape[2] == 64


def test_the_comment_of_a_gif_states_its_origin_and_every_caveat(tmp_path: Path) -> None:
    content = gif_of(made(caveats=("Größe: 3 × 4.", *CAVEATS)).to_gif(tmp_path / "g.gif"))[2]["comment"].decode()
    for words in ("Saliency tubes of Net", "The clip is a synthetic sample: wave.", "Größe: 3 × 4.", *CAVEATS):
        assert words in content


def noisy(frames: int = 8) -> Frames:
    """Return a static, noisy background with one moving square."""
    room = np.random.default_rng(0).integers(60, 190, (8, 12, 3))
    room = np.asarray(Image.fromarray(room.astype(np.uint8)).resize((120, 80), Image.Resampling.BICUBIC))
    film = np.repeat(room[None], frames, 0)
    for k in range(frames):
        film[k, 30:50, 5 + 12 * k : 15 + 12 * k] = (250, 20, 120)
    return film


def test_static_areas_of_a_gif_do_not_flicker(tmp_path: Path) -> None:
    film = noisy()
    pictures, _, _ = gif_of(write_gif(tmp_path / "g.gif", film, 10, ""))
    still = (film == film[0]).all(axis=(0, 3))
    assert still.mean() > 0.7
    assert (pictures[:, still] == pictures[0, still]).all()
    wrong = np.abs(pictures - film).max(axis=-1)
    assert wrong.mean() < 12
    assert np.percentile(wrong, 99) < 40
    assert np.abs(pictures[3, 40, 45] - [250, 20, 120]).max() < 16  # a small patch keeps its colour


def test_a_small_patch_in_one_frame_of_a_gif_keeps_its_colour(tmp_path: Path) -> None:
    film = noisy()
    film[5, 60:66, 100:106] = (20, 250, 30)
    pictures, _, _ = gif_of(write_gif(tmp_path / "g.gif", film, 10, ""))
    assert np.abs(pictures[5, 60:66, 100:106].mean(axis=(0, 1)) - [20, 250, 30]).max() < 16


def test_a_gif_has_one_palette_for_all_its_frames(tmp_path: Path) -> None:
    data = write_gif(tmp_path / "g.gif", noisy(), 10, "c").read_bytes()
    assert data[10] & 0x80, "no global palette"
    at, local = 13 + 3 * 2 ** ((data[10] & 7) + 1), 0
    while data[at] != 0x3B:
        if data[at] == 0x2C:
            local += data[at + 9] >> 7
            at += 11 + (3 * 2 ** ((data[at + 9] & 7) + 1) if data[at + 9] >> 7 else 0)
        else:
            at += 2
        while data[at]:
            at += data[at] + 1
        at += 1
    assert local == 0


def test_a_gif_of_one_frame(tmp_path: Path) -> None:
    pictures, _, _ = gif_of(made(1).to_gif(tmp_path / "g.gif"))
    assert len(pictures) == 1
    assert pictures.shape[2] == 320


@pytest.mark.parametrize(
    ("side", "size", "longer"), [(24, None, 320), (400, None, 400), (600, None, 480), (24, 100, 100)]
)
def test_default_size_of_a_gif(tmp_path: Path, side: int, size: int | None, longer: int) -> None:
    pictures, _, _ = gif_of(made(2, side // 2, side).to_gif(tmp_path / "g.gif", size=size))
    assert pictures.shape[2] == longer


@pytest.mark.parametrize(
    ("name", "head", "start"),
    [
        ("wave", b"\x1a\x45\xdf\xa3", b"webm"),
        ("wave.webm", b"\x1a\x45\xdf\xa3", b"webm"),
        ("WAVE.MP4", b"\0\0\0", b"ftyp"),
    ],
)
def test_a_video_has_every_frame_at_the_requested_speed(tmp_path: Path, name: str, head: bytes, start: bytes) -> None:
    tubes = made(9, 30, 40)
    path = tubes.to_video(tmp_path / name, fps=12.5, size=200)
    assert path.name == ("wave.webm" if name == "wave" else name)
    assert path.read_bytes().startswith(head)
    assert start in path.read_bytes()[:64]
    pictures, fps = video_of(path)
    film = rendered_frames(tubes, 200)
    assert fps == pytest.approx(12.5)
    assert len(pictures) == 9
    assert times_of(path) == pytest.approx(np.arange(9) / 12.5, abs=1e-9 if path.suffix == ".MP4" else 5e-4)
    assert np.abs(pictures[:, : film.shape[1], : film.shape[2]] - film).mean() < 3
    for k in range(9):  # each is nearer to its own than to any other
        wrong = [np.abs(pictures[k, : film.shape[1]] - other).mean() for other in film]
        assert int(np.argmin(wrong)) == k


@pytest.mark.parametrize("kind", ["webm", "mp4"])
@pytest.mark.parametrize("fps", [29.97, 7.3, 60.0, 0.1])
def test_frame_times_are_exact(tmp_path: Path, kind: str, fps: float) -> None:
    pictures = [np.full((32, 32, 3), 20 * k, np.uint8) for k in range(7)]
    path = write_video(tmp_path / f"v.{kind}", pictures, fps)
    assert times_of(path) == pytest.approx(np.arange(7) / fps, abs=1e-5 if kind == "mp4" else 6e-4)


@pytest.mark.parametrize("kind", ["webm", "mp4"])
def test_colours_of_a_video_survive(tmp_path: Path, kind: str) -> None:
    colours = np.array([(220, 30, 30), (30, 200, 40), (40, 50, 220), (128, 128, 128), (250, 250, 250), (240, 140, 20)])
    picture = np.repeat(np.repeat(colours[None].astype(np.uint8), 64, 0), 32, 1)
    shown, _ = video_of(write_video(tmp_path / f"v.{kind}", [picture] * 3, 5))
    assert np.abs(shown[:, 32, 16::32] - colours).max() <= 4
    np.testing.assert_array_equal(Clip.read(tmp_path / f"v.{kind}").frames, shown)


@pytest.mark.parametrize("kind", ["webm", "mp4"])
def test_a_video_of_odd_width_and_height_loses_nothing(tmp_path: Path, kind: str) -> None:
    picture = np.zeros((33, 47, 3), np.uint8)
    picture[:, -1] = picture[-1] = 255
    shown, _ = video_of(write_video(tmp_path / f"v.{kind}", [picture] * 3, 5))
    assert shown.shape == (3, 34, 48, 3)
    assert shown[1, 10, 46].min() > 180
    assert shown[1, 32, 10].min() > 180


@pytest.mark.parametrize("kind", ["webm", "mp4"])
def test_a_video_is_silent_on_standard_error(tmp_path: Path, capfd: pytest.CaptureFixture[str], kind: str) -> None:
    made().to_video(tmp_path / f"v.{kind}")
    print("still here")
    content = capfd.readouterr()
    assert content.err == ""
    assert content.out == "still here\n"


@pytest.mark.parametrize(("kind", "codec"), [("webm", "VP8"), ("mp4", "H.264")])
def test_a_missing_codec_is_an_error_with_a_remedy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str, codec: str
) -> None:
    path = tmp_path / f"v.{kind}"
    path.write_bytes(b"of before")
    monkeypatch.setattr(av, "codecs_available", {"mpeg4"})
    with pytest.raises(
        ExplainError, match=rf"cannot write {codec} video here: .* --force-reinstall av\).* to_gif\(\) needs none"
    ):
        made().to_video(path)
    assert [path.read_bytes() for path in tmp_path.iterdir()] == [b"of before"]


def test_an_incomplete_video_is_not_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    encode = encoding._encode

    def cut_off(path: Path, *given: Any) -> Any:
        found = encode(path, *given)
        path.write_bytes(path.read_bytes()[:-200])
        return found

    monkeypatch.setattr(encoding, "_encode", cut_off)
    with pytest.raises(
        ExplainError, match=r"is incomplete: 6 frames of 320 x \d+ were written, [0-5] can be read back"
    ):
        made().to_video(tmp_path / "v.webm")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("kind", ["gif", "webm", "mp4"])
def test_the_old_file_is_kept_if_writing_fails(tmp_path: Path, kind: str) -> None:
    path = tmp_path / f"f.{kind}"
    path.write_bytes(b"of before")

    def failing() -> Iterator[np.ndarray]:
        yield from itertools.repeat(np.zeros((32, 32, 3), np.uint8), 3)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_gif(path, failing(), 5, "") if kind == "gif" else write_video(path, failing(), 5)
    assert [file.read_bytes() for file in tmp_path.iterdir()] == [b"of before"]


@pytest.mark.parametrize("method", ["to_gif", "to_video"])
@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"fps": 0}, "fps must be 0.1 to [56]0 frames a second, got 0"),
        ({"fps": float("nan")}, "fps must be"),
        ({"fps": 61}, "fps must be"),
        ({"fps": True}, "fps must be"),
        ({"size": 8}, "size must be 16 to 4096 pixels for the picture's longer side, got 8"),
        ({"size": 1e9}, "size must be"),
        ({"threshold": -1}, r"threshold must lie in 0\.\.1, got -1"),
        ({"layer": "stem"}, "layer 'stem' is not in these tubes; they have blocks.2"),
        ({"target": "jump"}, "target 'jump' is not among those computed, 0: 'wave'"),
    ],
)
def test_invalid_arguments_are_errors_and_nothing_is_written(
    tmp_path: Path, method: str, options: dict[str, Any], words: str
) -> None:
    ending = {"to_gif": ".gif", "to_video": ".webm"}[method]
    with pytest.raises(ValueError, match=words):
        getattr(made(), method)(tmp_path / f"f{ending}", **options)
    assert list(tmp_path.iterdir()) == []


def test_other_suffixes_are_errors_that_name_the_right_one(tmp_path: Path) -> None:
    with pytest.raises(
        ValueError, match=r"writes WebM or MP4, .* name the file 'wave.webm' or 'wave.mp4', not 'wave.avi'"
    ):
        made().to_video(tmp_path / "wave.avi")
    with pytest.raises(ValueError, match=r"to_gif\(\) writes a GIF .* name the file 'wave.gif', not 'wave.png'"):
        made().to_gif(tmp_path / "wave.png")
    assert made().to_gif(tmp_path / "WAVE.GIF").name == "WAVE.GIF"


def test_the_default_speed_is_that_of_the_clip_within_limits() -> None:
    assert resolve_fps(None, 8.0) == 8
    assert resolve_fps(None, 30.0) == 10
    assert resolve_fps(None, 0.5) == 2
    assert resolve_fps(None, None) == 8
    assert resolve_fps(24, 3.0) == 24
