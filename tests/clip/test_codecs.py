"""Codecs and containers of cameras, discs, editors and screens: every frame and time as a bare loop of PyAV gives them."""

from __future__ import annotations

import warnings
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from notebook_explain import Clip
from tests.clip.video_files import decode_with_pyav, numbers_of, write

COUNT = 12
FIELDS = {"flags": "+ildct+ilme"}
INTERLACED: dict[str, tuple[str, dict[str, Any]]] = {
    "camcorder.mp4": ("libx264", {"options": {**FIELDS, "x264-params": "tff=1"}}),
    "broadcast.ts": ("libx264", {"options": {**FIELDS, "x264-params": "bff=1"}}),
    "disc.mpg": ("mpeg2video", {"options": {**FIELDS, "bf": "2"}}),
    "tape.dv": ("dvvideo", {"size": (576, 720)}),
    "tape.avi": ("dvvideo", {"size": (576, 720)}),
    "ntsc.mov": ("dvvideo", {"size": (480, 720), "pixels": "yuv411p", "rate": Fraction(30000, 1001)}),
}
PROGRESSIVE: dict[str, tuple[str, dict[str, Any]]] = {
    "prores.mov": ("prores_ks", {"pixels": "yuv422p10le"}),
    "prores_alpha.mov": ("prores_ks", {"pixels": "yuva444p10le"}),
    "studio.mov": ("v210", {"pixels": "yuv422p10le", "size": (96, 144)}),
    "mpeg2.mkv": ("mpeg2video", {"options": {"bf": "2"}}),
    "flash.flv": ("flv", {}),
    "windows.wmv": ("wmv2", {}),
    "professional.mxf": ("mpeg2video", {"options": {"bf": "2"}}),
    "phone.3gp": ("mpeg4", {}),
    "av1.mp4": ("libsvtav1", {"options": {"svtav1-params": "lp=1"}}),
    "av1.webm": ("libsvtav1", {"options": {"svtav1-params": "lp=1"}}),
    "vp9.ivf": ("libvpx-vp9", {}),
    "vp9_alpha.webm": ("libvpx-vp9", {"pixels": "yuva420p"}),
    "hidden_frames.webm": ("libvpx", {"options": {"auto-alt-ref": "1", "lag-in-frames": "8", "b": "200k"}}),
    "hevc_10_bits.mp4": ("libx265", {"pixels": "yuv420p10le"}),
    "hevc_12_bits.mkv": ("libx265", {"pixels": "yuv444p12le"}),
    "rgb_10_bits.mkv": ("ffv1", {"pixels": "gbrp10le"}),
    "rgb_16_bits.mkv": ("ffv1", {"pixels": "rgb48le"}),
    "grey_16_bits.mkv": ("ffv1", {"pixels": "gray16le"}),
    "animated.apng": ("apng", {"pixels": "rgba"}),
    "argb.mov": ("qtrle", {"pixels": "argb"}),
    "raw.avi": ("rawvideo", {"pixels": "bgr24"}),
    "raw.y4m": ("wrapped_avframe", {}),
    "lossless.avi": ("huffyuv", {"pixels": "yuv422p"}),
    "pictures.mjpeg": ("mjpeg", {"pixels": "yuvj422p"}),
    "odd.mkv": ("ffv1", {"pixels": "yuv420p", "size": (35, 51)}),
    "one.webm": ("libvpx", {"frames": 1}),
    "one.avi": ("mpeg4", {"frames": 1}),
}
KINDS = {**INTERLACED, **PROGRESSIVE}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("codecs")


def _written(folder: Path, name: str) -> Path:
    codec, options = KINDS[name]
    if codec not in av.codecs_available:
        pytest.skip(f"PyAV here has no encoder {codec}")
    return write(folder / name, codec, **{"frames": COUNT, **options})


@pytest.mark.parametrize("name", KINDS)
def test_every_frame_and_time_equals_that_of_pyav(folder: Path, name: str, capfd: pytest.CaptureFixture[str]) -> None:
    path = _written(folder, name)
    capfd.readouterr()  # encoders print
    frames, seconds = decode_with_pyav(path)
    count = KINDS[name][1].get("frames", COUNT)
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # nothing is damaged
        clip = Clip.read(path)
        some = Clip.read(path, frames=min(3, count))
    assert numbers_of(clip.frames) == list(range(count))
    np.testing.assert_array_equal(clip.frames, frames)
    np.testing.assert_allclose(clip.times, seconds, atol=1e-9)
    np.testing.assert_array_equal(some.frames, frames[some.frame_numbers])
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("name", KINDS)
def test_interlaced_frames_are_woven_and_only_those_say_so(folder: Path, name: str) -> None:
    path = folder / name if (folder / name).is_file() else _written(folder, name)
    caveats = Clip.read(path, frames=1).caveats
    assert any("interlaced: the two fields of each frame" in text for text in caveats) == (name in INTERLACED)


def test_the_fields_of_a_woven_frame_are_its_even_and_odd_rows(tmp_path: Path) -> None:
    picture = np.zeros((96, 128, 3), np.uint8)
    picture[0::2] = 60  # an earlier moment
    picture[1::2] = 190  # a later one
    path = write(tmp_path / "fields.mp4", frames=[picture] * 4, options={**FIELDS, "x264-params": "tff=1", "crf": "1"})
    frame = Clip.read(path).frames[2].astype(int)
    assert np.abs(frame[0::2] - 60).max() <= 6
    assert np.abs(frame[1::2] - 190).max() <= 6


def test_a_gif_that_redraws_parts_of_its_frames(tmp_path: Path) -> None:
    from PIL import Image

    film = np.full((6, 40, 60, 3), 200, np.uint8)
    for k in range(6):
        film[k, 10:20, 5 + 8 * k : 15 + 8 * k] = (250, 20, 30)
    for disposal in (0, 1, 2):
        pages = [Image.fromarray(frame) for frame in film]
        path = tmp_path / f"disposal {disposal}.gif"
        pages[0].save(
            path, save_all=True, append_images=pages[1:], duration=[40, 120, 70, 50, 300, 40], disposal=disposal
        )
        clip = Clip.read(path)
        np.testing.assert_allclose(clip.times, np.cumsum([0, 40, 120, 70, 50, 300]) / 1000, atol=1e-9)
        np.testing.assert_array_equal(clip.frames, decode_with_pyav(path)[0])
        assert np.abs(clip.frames.astype(int) - film).max() <= 8
