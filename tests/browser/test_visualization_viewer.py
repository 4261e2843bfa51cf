"""Visualization viewer in a real browser: drawing, steps, arrows, playback, keys, accessibility, layout, print, damage."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from notebook_explain.clip import Clip
from notebook_explain.explanations import Visualization
from tests.browser.browser_driver import edited
from tests.browser.conftest import OpenPage
from tests.browser.test_viewer_accessibility import axe, wrongs
from tests.browser.visualization_driver import SETTLED, VisualizationDriver, written
from tests.browser.visualization_screenshots import HOSTILE, hostile
from tests.example_values import small_visualization
from tests.widgets.visualization_examples import drawn_visualization, with_facets, without_anything

__all__ = ["axe"]  # a fixture


@pytest.fixture(scope="module")
def drawn() -> Visualization:
    return with_facets(drawn_visualization(made=2, real=4, size=32))


@pytest.fixture(scope="module")
def path(drawn: Visualization, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return written(drawn, tmp_path_factory.mktemp("visualization") / "page.html", frame=5)


def opened(open_page: OpenPage, path: Path, width: int = 1000, **options: object) -> VisualizationDriver:
    viewer = open_page(path, width, 900, wait=SETTLED, **options)
    driver = VisualizationDriver(viewer.page)
    driver.wrong = viewer.wrong
    return driver


def is_near(found: np.ndarray, frame: np.ndarray) -> bool:
    return found.shape[:2] == frame.shape[:2] and bool(np.abs(found[..., :3] - frame.astype(int)).mean() < 6)


def test_a_card_draws_the_still_the_made_clip_and_the_nearest_real_one_in_step(
    open_page: OpenPage, path: Path, drawn: Visualization
) -> None:
    driver = opened(open_page, path)
    for index, one in enumerate(drawn):
        assert is_near(driver.picture(index), one.clip.frames[5])
        assert is_near(driver.picture(index, "start"), one.start.frames[0])
        assert is_near(driver.picture(index, "nearest"), drawn.clips[one.neighbours[0].clip].frames[5])
    driver.put("step", 3)
    driver.wait("root.querySelector('.ne-made').dataset.drawn === 'preview 3 5'")
    assert is_near(driver.picture(0), drawn.syntheses[0].previews[3, 5])
    canvas = driver.made(0).locator(".ne-made")
    box = canvas.bounding_box()
    assert box
    assert box["width"] > 4 * 32
    assert canvas.evaluate("canvas => getComputedStyle(canvas).imageRendering") == "pixelated"


@pytest.mark.parametrize("shade", [0, 255])
def test_arrows_point_where_pixels_go_and_can_be_seen_on_dark_and_on_light(
    open_page: OpenPage, tmp_path: Path, shade: int
) -> None:
    small = small_visualization()
    flow = np.zeros((6, 12, 12, 2), np.float16)
    flow[:, :6, :6, 0] = -np.arange(6)[:, None, None]  # the upper left quarter moves to the right, one pixel a frame
    plain = Clip(np.full((6, 12, 12, 3), shade, np.uint8))
    one = replace(small.syntheses[0], clip=plain, flow=flow)
    page = written(replace(small, syntheses=(one,)), tmp_path / "page.html", arrows=True)
    driver = opened(open_page, page)
    pixels = driver.picture(0, "arrows")
    height, width = pixels.shape[:2]
    drawn = pixels[..., 3] > 200
    quarter = drawn[: height // 2 + 4, : width // 2 + 16]
    assert quarter.sum() == drawn.sum() > 500
    seen = driver.screenshot("arrows")
    assert np.abs(seen - shade).max(-1).mean() > 8
    # A head is at the right end of its arrow: pixels far from the axis lie to the right of the middle.
    cell = height / 12
    first = drawn[: round(cell), : round(2 * cell)]
    y, x = np.nonzero(first)
    far = np.abs(y - cell / 2) > 0.2 * cell
    assert x[far].mean() > x.mean() + 0.1 * cell


def test_clips_loop_and_a_pause_holds_them(open_page: OpenPage, drawn: Visualization, tmp_path: Path) -> None:
    driver = opened(open_page, written(drawn, tmp_path / "page.html", playing=True))
    driver.wait("root.querySelector('.ne-made').dataset.frame === '15'")
    driver.wait("root.querySelector('.ne-made').dataset.frame === '0'")
    driver.part("play").click()
    held = driver.number("frame")
    driver.page.wait_for_timeout(400)
    assert driver.frame(0) == held == driver.number("frame")
    assert driver.frame(0, "nearest") == held
    assert driver.data("playing") == "false"


def test_nothing_moves_with_reduced_motion(open_page: OpenPage, drawn: Visualization, tmp_path: Path) -> None:
    driver = opened(open_page, written(drawn, tmp_path / "page.html", playing=True), reduced_motion="reduce")
    driver.page.wait_for_timeout(500)
    assert (driver.frame(0), driver.data("playing")) == (0, "false")


def test_keys_reach_every_made_clip_and_open_it(open_page: OpenPage, path: Path) -> None:
    driver = opened(open_page, path)
    driver.made(0).focus()
    before = driver.made(1).bounding_box()
    for key in ("ArrowDown", "ArrowRight", "Enter"):
        driver.page.keyboard.press(key)
    assert (driver.data("selected"), driver.number("frame")) == ("1", 6)
    after = driver.made(1).bounding_box()
    assert before
    assert after
    assert after["width"] > 1.5 * before["width"]
    driver.page.keyboard.press("Escape")
    assert driver.data("selected") == "-1"
    assert driver.made(1).evaluate("button => button === document.activeElement")


@pytest.mark.parametrize(("width", "scheme"), [(360, "dark"), (1000, "light")])
def test_axe_finds_nothing_wrong(open_page: OpenPage, path: Path, axe: str, width: int, scheme: str) -> None:
    driver = opened(open_page, path, width, color_scheme=scheme)
    driver.made(0).click()
    driver.part("arrows").click()
    assert wrongs(driver, axe) == []


def test_what_is_missing_is_said_and_axe_finds_nothing_wrong(open_page: OpenPage, axe: str, tmp_path: Path) -> None:
    page = written(without_anything(small_visualization()), tmp_path / "page.html", arrows=True)
    driver = opened(open_page, page, 360)
    for text in (
        "no gradient reached the canvas: this clip is its start",
        "no real clips were given",
        "not checked by another network",
        "made without a flow: no arrows",
    ):
        assert text in driver.text
    assert driver.part("arrows").is_disabled()
    assert not driver.part("step").is_visible()
    assert wrongs(driver, axe) == []


@pytest.mark.parametrize("width", [360, 700, 1600])
def test_nothing_is_wider_than_the_page_and_names_are_text(
    open_page: OpenPage, drawn: Visualization, tmp_path: Path, width: int
) -> None:
    driver = opened(open_page, written(hostile(drawn), tmp_path / "page.html", selected=0), width)
    assert driver.page.evaluate("document.documentElement.scrollWidth") <= width
    assert HOSTILE in driver.card(0).inner_text().replace("\n", " ")
    assert driver.page.title() == "What does it look for?"


def test_every_clip_is_drawn_for_paper(open_page: OpenPage, drawn: Visualization, tmp_path: Path) -> None:
    many = replace(drawn, syntheses=drawn.syntheses * 5)
    driver = opened(open_page, written(many, tmp_path / "page.html"))
    driver.page.emulate_media(media="print")
    driver.wait("[...root.querySelectorAll('canvas:not(.ne-arrows)')].every(one => one.dataset.drawn)")
    assert not driver.part("play").is_visible()


def test_damaged_data_shows_what_to_do(open_page: OpenPage, path: Path) -> None:
    driver = opened(open_page, edited(path, lambda state: state.update(flows=[b"\0", *state["flows"][1:]])))
    driver.wait("root.dataset.error === 'true'")
    assert "The data of this view is damaged or incomplete" in driver.text
    assert "`flows[0]` must hold 4320 bytes" in driver.text
