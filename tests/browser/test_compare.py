"""Two explanations side by side, without a network: what moves both, what moves one, how they lie on the page."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import notebook_explain as ne
from tests.browser.browser_driver import Viewer, changed, edited
from tests.browser.conftest import OpenPage
from tests.browser.example_tubes import frame_signals, tubes
from tests.browser.test_viewer_frame_signals import signal_pixels


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    world = tubes()
    path = tmp_path_factory.mktemp("page") / "two.html"
    viewer = ne.compare(world, world, layer="stem", frame=9, linked=False)
    viewer.to_html(path)
    viewer.close()
    return path


def sides_of(first: Viewer) -> tuple[Viewer, Viewer]:
    sides = (first, Viewer(first.page, 1))
    for side in sides:
        side.root.scroll_into_view_if_needed()
        side.wait("root.dataset.ready")
        side.sharp()
    return sides


def labels(viewer: Viewer) -> str:
    """Return the labels of the tube's axes with their positions, which show its rotation."""
    return viewer.root.locator(".ne-labels").inner_html()


def test_frame_and_camera_are_one_and_a_threshold_is_its_own(open_page: OpenPage, path: Path) -> None:
    a, b = sides_of(open_page(path, 1000, 1000))
    assert labels(a) == labels(b)
    first, seen = labels(a), [side.screenshot("tube") for side in (a, b)]

    # A hand turns the second tube: the first turns with it, by as much.
    box = b.root.locator(".ne-tube").bounding_box()
    assert box is not None
    mouse, x, y = b.page.mouse, box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    mouse.move(x, y)
    mouse.down()
    mouse.move(x + 60, y - 30, steps=4)
    mouse.up()
    for side, old in zip((a, b), seen, strict=True):
        side.sharp()
        assert changed(old, side.screenshot("tube"), by=20).mean() > 0.05
    assert labels(a) == labels(b) != first

    # A key on one side moves the frame of both.
    before = [side.canvas("frame") for side in (a, b)]
    b.root.locator(".ne-tube").press("ArrowRight")
    for side, old in zip((a, b), before, strict=True):
        side.shows("frame", 10)
        assert changed(old, side.canvas("frame")).mean() > 0.005
    np.testing.assert_array_equal(a.canvas("frame"), b.canvas("frame"))

    # A threshold moves its own side, until both are linked.
    a.slide("threshold", 0.8)
    assert (a.number("threshold"), b.number("threshold")) == (0.8, 0.4)
    assert changed(a.canvas("frame"), b.canvas("frame")).mean() > 0.01
    a.page.locator("[data-name=linked]").check()
    b.shows("threshold", 0.8)
    np.testing.assert_array_equal(a.canvas("frame"), b.canvas("frame"))


def test_each_side_draws_the_frame_signal_that_it_chose(open_page: OpenPage, tmp_path: Path) -> None:
    world = tubes().with_frame_signals(frame_signals())
    viewer = ne.compare(world, world, a_frame_signal=0, b_frame_signal=None, frame=9, linked=True)
    path = viewer.to_html(tmp_path / "frame_signals.html")
    viewer.close()
    a, b = sides_of(open_page(path, 1000, 1000))
    assert (a.data("frame_signal"), b.data("frame_signal")) == ("0", "null")
    assert (signal_pixels(a), signal_pixels(b)) == (pytest.approx(1, abs=0.5), 0)
    b.part("frame_signal").select_option(label=frame_signals()[1].what + " · layer3.0.conv (MTConv)")
    b.wait("root.dataset.frame_signal === '1'")
    assert a.data("frame_signal") == "0"
    assert signal_pixels(b) > 0.3
    a.put("frame", 2)
    b.wait("root.dataset.frame === '2'")
    values = [side.root.locator(".ne-signal b").inner_text() for side in (a, b)]
    assert values == [f"frame 3: {world.frame_signals[0].values[2]:.3f}", "frame 3: 1 (yes)"]


@pytest.mark.parametrize(("width", "level"), [(1200, True), (700, False)])
def test_where_one_side_draws_a_frame_signal_the_other_leaves_its_room(
    open_page: OpenPage, tmp_path: Path, width: int, level: bool
) -> None:
    viewer = ne.compare(tubes().with_frame_signals(frame_signals()), tubes(), a_frame_signal=0)
    path = viewer.to_html(tmp_path / "one.html")
    viewer.close()
    sides = sides_of(open_page(path, width, 1000))
    below = []
    for side in sides:
        timeline, bar = (side.root.locator(name).bounding_box() for name in (".ne-timeline", ".ne-play-bar"))
        assert timeline is not None
        assert bar is not None
        below.append(bar["y"] - timeline["y"])
    assert below[0] - below[1] == pytest.approx(0 if level else 40, abs=0.5)


@pytest.mark.parametrize(("width", "beside"), [(1200, True), (840, True), (700, False), (360, False)])
def test_the_sides_lie_beside_one_another_where_there_is_room(
    open_page: OpenPage, path: Path, width: int, beside: bool
) -> None:
    first = open_page(path, width, 800)
    boxes = [first.page.locator(".ne-side").nth(k).bounding_box() for k in (0, 1)]
    assert boxes[0] is not None
    assert boxes[1] is not None
    assert (boxes[1]["x"] > boxes[0]["x"] + boxes[0]["width"] - 1) == beside
    assert (boxes[1]["y"] > boxes[0]["y"] + boxes[0]["height"] - 1) == (not beside)
    assert first.page.evaluate("document.documentElement.scrollWidth") == width


def test_a_side_that_cannot_be_drawn_says_so_in_its_place(open_page: OpenPage, path: Path) -> None:
    def spoil(state: dict[str, Any]) -> None:
        state["b_layers"][0]["shape"] = [0, 1]

    first = open_page(edited(path, spoil), 1000, 900)
    first.sharp()
    assert first.screenshot("tube").std() > 15
    alerts = first.page.get_by_role("alert")
    assert alerts.count() == 1
    second = first.page.get_by_role("group", name="second explanation")
    said = second.get_by_role("alert").inner_text()
    assert said.startswith("The data of this view is damaged or incomplete. In a notebook, run the cell again;")
    assert "This view cannot be drawn: layer 'stem': shape must be" in said
