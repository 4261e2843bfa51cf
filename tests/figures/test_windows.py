"""Windows of grey volumes and the key to flow in figures, animations and the picture of a cell; PNGs; no captions."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from notebook_explain import Clip
from notebook_explain.clip.pictures import FLOW
from notebook_explain.explanations import Tubes
from notebook_explain.figures import strip_png
from notebook_explain.figures.flow_wheel import draw_wheel
from notebook_explain.figures.tubes import WHEEL
from tests.browser.example_tubes import flow_tubes, grey_tubes, scan, tubes
from tests.example_values import small_pyramid
from tests.figures.test_block_report import made as made_report
from tests.figures.test_video_export import gif_of, video_of

ORGAN, TISSUE = (32, 22), (48, 32)  # rows and columns of the phantom that never change
WINDOW = (20, 110)


def contrast(frame: NDArray[Any], factor: float = 1.0) -> float:
    """Return how much lighter the organ is than the tissue, as grey levels."""
    means = []
    for y, x in (ORGAN, TISSUE):
        rows, columns = (slice(round((k - 2) * factor), round((k + 3) * factor)) for k in (y, x))
        means.append(float(frame[rows, columns].mean()))
    return means[0] - means[1]


def test_another_range_changes_the_picture_and_not_the_values() -> None:
    clip = grey_tubes().clip
    narrow = clip.with_range(WINDOW)
    assert narrow.values is clip.values
    expected = np.rint(255 * np.clip((scan().astype(float) - 20) / 90, 0, 1))
    np.testing.assert_array_equal(narrow.frames[..., 0], expected)
    assert narrow.caveats == (
        "The picture shows the values in grey, from 20 to 110. The network gets the values themselves.",
    )
    assert narrow.with_range(WINDOW).caveats == narrow.caveats
    np.testing.assert_array_equal(clip.with_range((scan().min(), scan().max())).frames, clip.frames)
    assert narrow.resized(32).caveats == narrow.caveats
    assert narrow.sampled(4).picture == narrow.picture


def test_another_range_of_other_kinds_keeps_their_channels() -> None:
    values = np.random.default_rng(0).normal(size=(3, 8, 8, 5)).astype(np.float32)
    bands = Clip.from_array(values, channels=(4, 0, 2)).with_range([(0, 1), (-1, 1), (-2, 2)])
    assert bands.picture is not None
    assert (bands.picture.channels, bands.picture.ranges) == ((4, 0, 2), ((0, 1), (-1, 1), (-2, 2)))
    flow = flow_tubes().clip.with_range((0, 2))
    assert flow.picture is not None
    assert (flow.picture.kind, flow.picture.ranges) == (FLOW, ((0, 2),))
    heat = Clip.from_array(np.abs(values), channels="heatmaps").with_range((0, 3))
    assert heat.picture is not None
    assert (heat.picture.channels, heat.picture.ranges) == ((0, 1, 2, 3, 4), ((0, 3),))
    with pytest.raises(ValueError, match=r"range must be \(low, high\) with low < high"):
        flow.with_range((2, 2))
    with pytest.raises(ValueError, match=r"holds colours from 0 to 255, which have no other range; Clip.from_array"):
        tubes().clip.with_range((0, 1))


def test_a_figure_shows_the_window_and_states_it() -> None:
    grey = grey_tubes()
    frames, texts = [], []
    for window in (None, WINDOW):
        figure = grey.figure(frames=2, threshold=1.0, window=window)
        strip = [axes for axes in figure.findobj() if getattr(axes, "images", None)]
        frames.append(np.asarray(strip[0].images[0].get_array()))
        texts.append(" ".join(text.get_text() for text in figure.findobj(lambda artist: hasattr(artist, "get_text"))))
    factor = len(frames[0]) / 64
    assert contrast(frames[0], factor) < 6
    assert contrast(frames[1], factor) > 50
    assert "from 20 to 110" in texts[1].replace("\n", " ")
    assert "from 20 to 110" not in texts[0].replace("\n", " ")


@pytest.mark.parametrize("suffix", [".gif", ".mp4", ".webm"])
def test_an_animation_shows_the_window(suffix: str, tmp_path: Path) -> None:
    grey, found = grey_tubes(), []
    for window in (None, WINDOW):
        path = tmp_path / f"{window is None}{suffix}"
        options: dict[str, Any] = {"threshold": 1.0, "size": 128, "caption": False, "window": window}
        film = (
            gif_of(grey.to_gif(path, **options))[0] if suffix == ".gif" else video_of(grey.to_video(path, **options))[0]
        )
        found.append(contrast(film[0], 2))
    assert found[0] < 8
    assert found[1] > 50


@pytest.mark.parametrize("suffix", [".gif", ".mp4", ".webm"])
def test_without_a_caption_a_film_is_the_frames_alone(suffix: str, tmp_path: Path) -> None:
    shown = tubes(width=96)
    write = shown.to_gif if suffix == ".gif" else shown.to_video
    read = gif_of if suffix == ".gif" else video_of
    plain = read(write(tmp_path / f"plain{suffix}", size=96, caption=False))[0]
    captioned = read(write(tmp_path / f"captioned{suffix}", size=96))[0]
    assert plain.shape[:3] == (16, 64, 96)
    assert captioned.shape[1] > 120
    assert np.abs(plain - captioned[:, :64]).mean() < 8


def test_a_gif_without_a_caption_still_records_the_caveats(tmp_path: Path) -> None:
    shown = tubes(caveats=("Handle with care.",))
    comment = gif_of(shown.to_gif(tmp_path / "t.gif", caption=False))[2]["comment"]
    assert b"Handle with care." in comment


def _has_wheel(image: NDArray[Any], saturated: float = 0.02) -> bool:
    """Return whether many pixels outside the frames have the pure hues of a wheel."""
    return bool((np.ptp(image.astype(int), axis=-1) > 150).mean() > saturated)


def test_flow_has_its_key_in_every_picture(tmp_path: Path) -> None:
    flow = flow_tubes()
    figure = flow.figure(frames=3)
    images = [np.asarray(axes.images[0].get_array()) for axes in figure.findobj() if getattr(axes, "images", None)]
    assert flow.clip.picture is not None
    np.testing.assert_array_equal(images[-1], draw_wheel(flow.clip.picture, WHEEL))
    titles = [axes.get_title() for axes in figure.findobj() if getattr(axes, "images", None)]
    assert titles[-1] == "flow: direction,\nmagnitude 0 to 16.26"
    film = gif_of(flow.to_gif(tmp_path / "f.gif", size=320, fps=8))[0]
    assert _has_wheel(film[0, 320:416, 200:])
    assert not _has_wheel(film[0, 320:416, :150])
    with Image.open(io.BytesIO(strip_png(flow))) as strip:
        page = np.asarray(strip.convert("RGB"))
    assert _has_wheel(page[:80, -120:])
    assert page.shape[1] == 600


def test_colours_and_grey_have_no_key() -> None:
    for shown in (tubes(), grey_tubes()):
        figure = shown.figure(frames=3)
        assert len([axes for axes in figure.findobj() if getattr(axes, "images", None)]) == 3


@pytest.mark.parametrize("make", [tubes, small_pyramid, made_report], ids=["tubes", "pyramid", "report"])
def test_a_png_is_the_figure_at_a_resolution(make: Any, tmp_path: Path) -> None:
    shown = make()
    path = shown.to_png(tmp_path / "figure", dpi=50)
    assert path == tmp_path / "figure.png"
    with io.BytesIO() as out:
        shown.figure().savefig(out, format="png", dpi=50)
        with Image.open(out) as expected, Image.open(path) as written:
            np.testing.assert_array_equal(np.asarray(written), np.asarray(expected))
    with Image.open(shown.to_png(path, dpi=100)) as larger:
        assert larger.width == pytest.approx(2 * written.width, abs=2)


def test_a_png_takes_what_the_figure_takes(tmp_path: Path) -> None:
    shown: Tubes = grey_tubes()
    options: dict[str, Any] = {
        "layer": "stem",
        "target": "ball is thrown",
        "frames": 2,
        "threshold": 0.2,
        "window": WINDOW,
    }
    with io.BytesIO() as out:
        shown.figure(**options).savefig(out, format="png", dpi=150)
        with Image.open(out) as expected, Image.open(shown.to_png(tmp_path / "a.PNG", **options)) as written:
            np.testing.assert_array_equal(np.asarray(written), np.asarray(expected))


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("a.jpg", {}, r"to_png\(\) writes a PNG .*; name the file 'a.png', not 'a.jpg'"),
        ("a.png", {"dpi": 5}, "dpi must be 20 to 1200, got 5|dpi must"),
        ("none/a.png", {}, "no folder"),
        ("a.png", {"layer": "attic"}, "'attic' is not in these tubes"),
    ],
)
def test_a_png_that_cannot_be_written_leaves_no_file(
    name: str, options: dict[str, Any], message: str, tmp_path: Path
) -> None:
    with pytest.raises((ValueError, OSError), match=message):
        tubes().to_png(tmp_path / name, **options)
    assert not list(tmp_path.iterdir())
