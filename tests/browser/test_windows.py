"""Windows of grey clips, the key to flow, and clips that play in a cell, in a real browser."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from playwright.sync_api import Browser

from notebook_explain import Clip
from notebook_explain.display import compare
from notebook_explain.explanations import Tubes
from notebook_explain.widgets.wire.picture import picture_state
from tests.browser.browser_driver import Viewer, changed, offline_page, pixels_of
from tests.browser.conftest import OpenPage
from tests.browser.example_tubes import flow_tubes, grey_tubes, landscape

WINDOW = (20, 110)


@pytest.fixture(scope="module")
def grey() -> Tubes:
    return grey_tubes()


def shown_frame(viewer: Viewer) -> NDArray[np.int16]:
    """Return the grey levels of the frame canvas at the centres of the clip's pixels."""
    pixels = viewer.canvas("frame")[..., 0]
    factor = len(pixels) // 64
    assert factor % 2 == 1
    return pixels[factor // 2 :: factor, factor // 2 :: factor]


def distance(viewer: Viewer, clip: Clip) -> float:
    """Return the mean difference in grey levels between the canvas and a frame of a clip."""
    frame = int(viewer.number("frame"))
    return float(np.abs(shown_frame(viewer) - clip.frames[frame, ..., 0]).mean())


def test_the_window_follows_the_sliders_without_a_kernel(open_page: OpenPage, grey: Tubes, tmp_path: Path) -> None:
    viewer = open_page(grey.to_html(tmp_path / "page.html", threshold=1.0))
    viewer.sharp()
    narrow = grey.clip.with_range(WINDOW)
    assert distance(viewer, grey.clip) < 6
    assert distance(viewer, narrow) > 15
    tube = viewer.canvas("tube")
    state = picture_state(grey.clip)
    span = state["high"] - state["low"]
    for name, value in (("width", 1000 * (90 / span) ** 0.5), ("level", 1000 * (65 - state["low"]) / span)):
        viewer.part(name).evaluate(
            "(input, value) => { input.value = value; input.dispatchEvent(new Event('input', { bubbles: true }));"
            " input.dispatchEvent(new Event('change', { bubbles: true })); }",
            str(round(value)),
        )
    viewer.wait("root.dataset.window !== 'null'")
    viewer.sharp()
    low, high = (float(bound) for bound in str(viewer.data("window")).split(","))
    assert (low, high) == (pytest.approx(20, abs=4), pytest.approx(110, abs=4))
    assert distance(viewer, grey.clip.with_range((low, high))) < 1
    assert distance(viewer, grey.clip) > 15
    assert np.abs(viewer.canvas("tube") - tube).max() > 20
    viewer.part("reset-window").click()
    viewer.wait("root.dataset.window === 'null'")
    viewer.sharp()
    assert distance(viewer, grey.clip) < 6


def test_a_page_opens_in_a_window_in_every_mode(open_page: OpenPage, grey: Tubes, tmp_path: Path) -> None:
    viewer = open_page(grey.to_html(tmp_path / "page.html", threshold=1.0, window=WINDOW))
    viewer.sharp()
    assert viewer.data("window") == "20,110"
    assert distance(viewer, grey.clip.with_range(WINDOW)) < 1
    viewer.part("mode-montage").click()
    viewer.wait("root.dataset.mode === 'montage'")
    viewer.page.wait_for_timeout(300)
    before = viewer.canvas("montage")
    viewer.part("reset-window").click()
    viewer.wait("root.dataset.window === 'null'")
    viewer.page.wait_for_timeout(300)
    assert changed(viewer.canvas("montage"), before, 30).any()


def test_both_sides_of_a_comparison_follow_one_window(open_page: OpenPage, grey: Tubes, tmp_path: Path) -> None:
    widget = compare(grey, grey, threshold=1.0, window=WINDOW)
    viewer = open_page(widget.to_html(tmp_path / "page.html"), width=1000)
    widget.close()
    other = Viewer(viewer.page, 1)
    other.root.locator(".ne-beside").scroll_into_view_if_needed()
    other.wait("root.dataset.ready === 'true'")
    assert (viewer.data("window"), other.data("window")) == ("20,110", "20,110")
    viewer.part("reset-window").click()
    other.wait("root.dataset.window === 'null'")


def test_the_wheel_has_the_colours_of_the_frames(open_page: OpenPage, tmp_path: Path) -> None:
    viewer = open_page(flow_tubes().to_html(tmp_path / "page.html"))
    viewer.sharp()
    wheel = pixels_of(viewer.root.locator(".ne-wheel").screenshot())
    picture = flow_tubes().clip.picture
    assert picture is not None
    middle, radius = len(wheel) / 2, 0.8
    top = picture.ranges[0][1]
    for right, down in ((1, 0), (0, 1), (-1, 0), (0, -1), (0.6, -0.8)):
        pixel = wheel[int(middle + radius * middle * down), int(middle + radius * middle * right)]
        flow = np.array([right, down], np.float32).reshape(1, 1, 1, 2) * np.float32(radius * top)
        assert np.abs(pixel - picture.render(flow)[0, 0, 0]).max() < 24, (right, down)


@pytest.mark.parametrize("reduced", [False, True])
def test_a_clip_plays_in_a_cell_unless_motion_is_reduced(browser: Browser, reduced: bool, tmp_path: Path) -> None:
    clip = Clip(landscape(12, 64, 64), times=np.arange(12) / 8, source="ball.mp4", source_frames=90)
    page, wrong = offline_page(browser, 640, 480, "light", reduced_motion="reduce" if reduced else "no-preference")
    path = tmp_path / "cell.html"
    path.write_text(f"<!doctype html><html lang=en><title>cell</title>{clip._repr_mimebundle_()['text/html']}")
    try:
        page.goto(path.as_uri())
        image = page.locator("img")
        image.evaluate("img => img.decode()")
        pictures = []
        for _ in range(2):
            pictures.append(pixels_of(image.screenshot()))
            page.wait_for_timeout(700)
        moves = bool(np.abs(pictures[0] - pictures[1]).max() > 30)
        assert moves != reduced
        assert (image.evaluate("img => img.naturalWidth") > 500) == reduced  # the strip
        assert "12 of 90 frames" in page.locator("figcaption").inner_text()
        box, text = image.bounding_box(), page.locator("figcaption").bounding_box()
        assert box is not None
        assert text is not None
        assert reduced or text["x"] >= box["x"] + box["width"]  # beside the animation
    finally:
        page.context.close()
    assert wrong == []
