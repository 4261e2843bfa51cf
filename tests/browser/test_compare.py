"""Explanations side by side, without a network: what moves all, what moves one, how they lie on the page."""

from __future__ import annotations

import dataclasses
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from playwright.sync_api import Locator

import notebook_explain as ne
from tests.browser.browser_driver import Viewer, changed, edited
from tests.browser.conftest import OpenPage
from tests.browser.example_tubes import frame_signals, tubes
from tests.browser.screenshots import uneven_sides
from tests.browser.test_viewer_frame_signals import signal_pixels


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    world = tubes()
    path = tmp_path_factory.mktemp("page") / "two.html"
    viewer = ne.compare(world, world, layer="stem", frame=9, linked=False)
    viewer.to_html(path)
    viewer.close()
    return path


def sides_of(first: Viewer) -> list[Viewer]:
    sides = [first, *(Viewer(first.page, k) for k in range(1, first.page.locator(".ne-tubes").count()))]
    for side in sides:
        side.root.scroll_into_view_if_needed()
        side.wait("root.dataset.ready")
        side.sharp()
    return sides


def shared(viewer: Viewer, name: str) -> Locator:
    """Return a control of all sides by its data-name."""
    return viewer.page.locator(f".ne-compare-bar [data-name={name}]")


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
    shared(a, "frame").press("Home")
    shared(a, "frame").press("ArrowRight")
    shared(a, "frame").press("ArrowRight")
    b.wait("root.dataset.frame === '2'")
    values = [side.root.locator(".ne-signal b").inner_text() for side in (a, b)]
    assert values == [f"frame 3: {world.frame_signals[0].values[2]:.3f}", "frame 3: 1 (yes)"]


def test_each_shared_control_is_reached_by_tab_once(open_page: OpenPage, path: Path) -> None:
    a, b = sides_of(open_page(path, 1000, 1000))
    shared(a, "more").click()
    shared(a, "play").focus()
    reached = ["play"]
    while reached[-1] and len(reached) < 60:
        a.page.keyboard.press("Tab")
        element = "(({ dataset, className }) => dataset.name ?? className)(document.activeElement)"
        reached.append(a.page.evaluate(element))
    bar = "play frame speed mode-tube mode-montage front side top reset linked more sign colours scale opacity".split()
    own = "target against ne-frame ne-tube check layer threshold threshold_by more".split()
    assert reached == [*bar, *own, *own, ""]

    shared(a, "colours").select_option("sequential")
    b.wait("root.dataset.colours === 'sequential'")
    shared(a, "mode-montage").click()
    for side in (a, b):
        side.wait("root.dataset.mode === 'montage' && root.querySelector('.ne-montage')")
    assert shared(a, "front").is_hidden()


def test_the_frame_slider_and_playback_move_all_sides(open_page: OpenPage, tmp_path: Path) -> None:
    world = tubes()
    viewer = ne.compare(world, world, world, frame=2)
    page = viewer.to_html(tmp_path / "three.html")
    viewer.close()
    sides = sides_of(open_page(page, 1200, 1600))
    before = [side.canvas("frame") for side in sides]
    box = shared(sides[0], "frame").bounding_box()
    assert box is not None
    mouse = sides[0].page.mouse
    mouse.move(box["x"] + 0.2 * box["width"], box["y"] + box["height"] / 2)
    mouse.down()
    mouse.move(box["x"] + 0.9 * box["width"], box["y"] + box["height"] / 2, steps=6)
    mouse.up()
    frame = float(shared(sides[0], "frame").input_value())
    assert frame > 10
    for side, old in zip(sides, before, strict=True):
        side.shows("frame", frame)
        assert changed(old, side.canvas("frame")).mean() > 0.005
    shared(sides[0], "play").click()
    for side in sides:
        side.wait("(root.seen ??= new Set()).add(root.dataset.frame).size > 2")
    shared(sides[0], "play").click()
    assert len({side.data("frame") for side in sides}) == 1


# Parts of a side, from top to bottom.
PARTS = ".ne-side-title .ne-head .ne-stage-frame .ne-timeline .ne-signal .ne-beside .ne-kept .ne-check .ne-strip-layer".split()
PARTS += ["[data-name=threshold]", ".ne-legend", ".ne-drawer", ".ne-caveats"]


@pytest.mark.parametrize(
    ("count", "width", "columns"),
    [
        *((2, 360, 1), (2, 700, 1), (2, 840, 2), (2, 1400, 2)),
        *((3, 700, 1), (3, 900, 2), (3, 1200, 3)),
        *((4, 360, 1), (4, 900, 2), (4, 1300, 2), (4, 1600, 4)),
    ],
)
def test_the_parts_of_sides_beside_one_another_align_whatever_each_side_has(
    open_page: OpenPage, tmp_path: Path, count: int, width: int, columns: int
) -> None:
    titles = ("", "a long title that wraps in a narrow column", "", "d")[:count]
    viewer = ne.compare(*uneven_sides()[:count], titles=titles, same_clip=False, linked=False)
    path = viewer.to_html(tmp_path / "uneven.html")
    viewer.close()
    sides = sides_of(open_page(path, width, 2400))
    for side in sides:
        side.wait("!/counting/i.test(root.querySelector('.ne-kept').textContent)")
    page = sides[0].page
    boxes: list[dict[str, dict[str, float]]] = page.evaluate(
        """parts => [...document.querySelectorAll(".ne-side")].map(side => Object.fromEntries(["self", ...parts]
          .map(part => [part, part === "self" ? side : side.querySelector(part)])
          .filter(([, element]) => element?.getClientRects().length)
          .map(([part, element]) => [part, element.getBoundingClientRect().toJSON()])))""",
        PARTS,
    )
    assert len({round(box["self"]["left"]) for box in boxes}) == columns
    rows: dict[int, list[dict[str, dict[str, float]]]] = {}
    for box in boxes:
        rows.setdefault(round(box["self"]["top"]), []).append(box)
    assert len(rows) == -(-count // columns)
    for row in rows.values():
        for part in PARTS:
            tops = [box[part]["top"] for box in row if part in box]
            assert max(tops, default=0) - min(tops, default=0) < 0.6, part
    # No part covers another one, and nothing is wider than the page.
    for box in boxes:
        for one, other in combinations([box[part] for part in PARTS if part in box], 2):
            across = min(one["right"], other["right"]) - max(one["left"], other["left"])
            down = min(one["bottom"], other["bottom"]) - max(one["top"], other["top"])
            assert min(across, down) < 0.6
    assert page.evaluate("document.documentElement.scrollWidth") == width


def test_clips_of_different_length_show_their_nearest_frames_and_name_them(open_page: OpenPage, tmp_path: Path) -> None:
    long, short = tubes(), tubes(frames=10, source="a shorter clip")
    times = np.linspace(0, 1.8, 10)
    short = dataclasses.replace(short, clip=dataclasses.replace(short.clip, times=times))
    viewer = ne.compare(long, short, same_clip=False, frame=0)
    page = viewer.to_html(tmp_path / "times.html")
    steps = viewer.times
    viewer.close()
    a, b = sides_of(open_page(page, 1200, 1000))
    slider = shared(a, "frame")
    assert long.clip.times is not None
    for step in (3, len(steps) - 1):
        slider.fill(str(step))
        nearest = [int(np.abs(each - steps[step]).argmin()) for each in (long.clip.times, times)]
        a.shows("frame", nearest[0])
        b.shows("frame", nearest[1])
        named = a.page.locator(".ne-side-frame").all_inner_texts()
        assert [text.replace("\u00a0", " ") for text in named] == [
            f"frame {nearest[0] + 1} of 16 · {long.clip.times[nearest[0]]:.2f} s",
            f"frame {nearest[1] + 1} of 10 · {times[nearest[1]]:.2f} s",
        ]
    # The timeline of a side moves all to the time of its frame.
    b.put("frame", 4)
    a.shows("frame", int(np.abs(long.clip.times - times[4]).argmin()))
    # Each side shows its own pictures.
    alone = open_page(short.to_html(tmp_path / "alone.html", frame=4), 900)
    alone.sharp()
    np.testing.assert_array_equal(b.canvas("frame"), alone.canvas("frame"))


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
