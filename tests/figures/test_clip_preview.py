"""A clip as the last line of a cell: it plays, says what was read, stays small, and has a strip for other places."""

from __future__ import annotations

import base64
import html
import io
import re
from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from notebook_explain import Clip, samples
from notebook_explain.clip.pictures import Picture
from notebook_explain.figures import clip_preview
from notebook_explain.figures.flow_wheel import draw_wheel
from tests.browser.example_tubes import landscape

CLIP = Clip(landscape(16, 64, 64), times=np.arange(16) / 8, source="/home/someone/secret/ball.mp4", source_frames=90)


def pictures_of(clip: Clip) -> tuple[list[NDArray[np.uint8]], NDArray[np.uint8], NDArray[np.uint8], float]:
    """Return the frames of the animation, the still picture, the PNG, and the seconds that the animation lasts."""
    bundle = clip._repr_mimebundle_()
    still, animation = (base64.b64decode(data) for data in re.findall(r"base64,([^\"]+)\"", bundle["text/html"]))
    frames, duration = [], 0
    with Image.open(io.BytesIO(animation)) as film:
        for index in range(getattr(film, "n_frames", 1)):
            film.seek(index)
            film.load()
            duration += film.info.get("duration", 0)
            frames.append(np.asarray(film.convert("RGB")))
    pictures = []
    for data in (still, base64.b64decode(bundle["image/png"])):
        with Image.open(io.BytesIO(data)) as picture:
            pictures.append(np.asarray(picture.convert("RGB")))
    return frames, *pictures, duration / 1000


def test_a_clip_plays_at_its_own_speed_and_shows_its_frames() -> None:
    frames, still, png, duration = pictures_of(CLIP)
    assert len(frames) == 16
    assert duration == pytest.approx(2, rel=0.05)
    shown = np.stack(frames)[:, :256, :256].reshape(16, 64, 4, 64, 4, 3).mean((2, 4))
    assert np.abs(shown - CLIP.frames).mean() < 4
    assert np.abs(shown - np.roll(CLIP.frames, 4, axis=0)).mean() > np.abs(shown - CLIP.frames).mean() + 1
    assert still.shape == png.shape
    assert np.abs(still.astype(int) - png).mean() < 4


def test_what_was_read_stands_beside_it_as_text() -> None:
    bundle = replace(CLIP, caveats=("Fields are <woven>.",))._repr_mimebundle_()
    assert set(bundle) == {"text/plain", "text/html", "image/png"}
    assert bundle["text/plain"] == "Clip('ball.mp4', 16 of 90 frames of 64 x 64, 0.00 to 1.88 s)"
    text = html.unescape(re.sub(r"<[^>]+>", "\n", re.sub(r"base64,[^\"]+", "", bundle["text/html"])))
    for expected in ("ball.mp4", "16 of 90 frames", "0.00 to 1.88 s, 8 frames per second", "Fields are <woven>."):
        assert expected in text
    assert "secret" not in "".join(bundle.values())


def test_names_and_caveats_are_escaped() -> None:
    page = replace(CLIP, source='<script>alert("x")</script>', caveats=("<img src=x>",))._repr_mimebundle_()[
        "text/html"
    ]
    assert "<script" not in page
    assert "<img src=x" not in page
    assert page.count("<img ") == 1


def test_a_synthetic_clip_says_so_wherever_it_is_shown() -> None:
    clip = Clip.of(samples.single("kick", seed=3))
    assert "The clip is a synthetic sample: kick." in clip._repr_mimebundle_()["text/html"]
    plain = np.asarray(clip_preview.render_strip(replace(clip, is_synthetic=False)))
    assert len(np.asarray(clip_preview.render_strip(clip))) > len(plain)


@pytest.mark.parametrize("shape", [(64, 224, 224), (300, 240, 320), (8, 900, 1600)])
def test_huge_clips_of_noise_stay_small(shape: tuple[int, int, int]) -> None:
    clip = Clip(np.random.default_rng(0).integers(0, 256, (*shape, 3), np.uint8))
    sizes = {kind: len(data) for kind, data in clip._repr_mimebundle_().items()}
    assert sizes["text/html"] < 4 / 3 * (clip_preview.MAX_BYTES + 120_000)
    assert sizes["image/png"] < 200_000


def test_a_long_clip_says_that_the_preview_leaves_frames_out_and_keeps_its_duration() -> None:
    clip = Clip(landscape(120, 16, 16), times=np.arange(120) / 30)
    frames, _, _, duration = pictures_of(clip)
    assert len(frames) == 48
    assert duration == pytest.approx(4, rel=0.05)
    assert "48 of the 120 frames" in clip._repr_mimebundle_()["text/html"]


@pytest.mark.parametrize("size", [(1, 180, 320), (3, 2, 2), (5, 16, 900), (4, 900, 16)])
def test_every_shape_has_a_preview(size: tuple[int, int, int]) -> None:
    frames, _, png, _ = pictures_of(Clip(landscape(*size)))
    assert len(frames) == size[0]
    assert max(png.shape) < 4000
    assert max(frames[0].shape) <= 640


def test_the_window_of_a_grey_volume_is_shown() -> None:
    y, x = np.mgrid[:32, :32]
    tissue = 40 + 20 * (np.hypot(y - 16, x - 16) < 6)
    volume = np.tile(np.where(np.hypot(y - 16, x - 16) < 14, tissue, -1000), (4, 1, 1))
    wide, narrow = (
        np.stack(pictures_of(Clip.from_array(volume, layout="THW", range=limits))[0])[0, :256, :256].astype(int)
        for limits in ((-1000, 1000), (30, 70))
    )
    assert abs(wide[128, 128] - wide[128, 90]).max() < 6
    assert abs(narrow[128, 128] - narrow[128, 40]).min() > 60


def flow_clip() -> Clip:
    return Clip.from_array(np.ones((3, 24, 24, 2), np.float32), channels="flow", range=(0, 2))


def test_flow_has_a_wheel_with_its_colours() -> None:
    picture = flow_clip().picture
    assert picture is not None
    wheel = draw_wheel(picture, 65)
    assert (wheel[32, 32] < 16).all()
    for (row, column), flow in {(32, 63): (1, 0), (63, 32): (0, 1), (32, 1): (-1, 0), (1, 32): (0, -1)}.items():
        expected = picture.render(np.array(flow, np.float32).reshape(1, 1, 1, 2) * 2)[0, 0, 0].astype(int)
        assert np.abs(wheel[row, column] - expected).max() < 16
    assert (wheel[0, 0] == 255).all()
    with_key, _, _, _ = pictures_of(flow_clip())
    without, _, _, _ = pictures_of(Clip(flow_clip().frames))
    assert with_key[0].shape[1] > without[0].shape[1]


def test_other_channels_of_flow_have_the_same_wheel() -> None:
    swapped = Picture("flow", (1, 0), ((0, 2),))
    np.testing.assert_array_equal(draw_wheel(swapped, 33), draw_wheel(Picture("flow", (0, 1), ((0, 2),)), 33))
