"""Screenshots of the pyramid viewer in every named state; ``tests.browser.screenshots`` takes them too."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser

from notebook_explain.explanations.pyramid.pyramid import Pyramid
from tests.browser.browser_driver import edited, offline_page
from tests.browser.pyramid_driver import SETTLED, PyramidDriver, write_page
from tests.widgets.pyramid_examples import of_a_value, of_two_names
from tests.widgets.random_pyramids import deep_pyramid, r3d_18_names, r3d_18_pyramid

Action = Callable[[PyramidDriver], object]
DEEP = "blocks.1.conv2.0"


def take(browser: Browser, path: Path, picture: Path, act: Action, width: int, scheme: str) -> Path:
    """Open a page, perform an action, and save a screenshot."""
    page, wrong = offline_page(browser, width, 900, scheme)
    try:
        page.goto(path.as_uri())
        page.locator(SETTLED).wait_for(state="attached", timeout=20_000)
        driver = PyramidDriver(page)
        if driver.data("error") is None:
            driver.settled()
            page.locator(".ne-tube-panel").scroll_into_view_if_needed()  # the tube is drawn only while it is visible
            driver.tube.wait("root.dataset.gl")
            act(driver)
            page.wait_for_timeout(900)
        page.screenshot(path=picture, full_page=True)
    finally:
        page.context.close()
    if wrong:
        print(f"{picture.name}: {wrong}")
    return picture


def do_nothing(driver: PyramidDriver) -> None:
    """Leave the view as it opens."""


def hover(driver: PyramidDriver) -> None:
    driver.tree.hover(position={"x": 210, "y": 300})


def hover_unit(driver: PyramidDriver) -> None:
    x, y, width, height = driver.tile(0)
    driver.tree.hover(position={"x": x + width / 2, "y": y + height + 90})


def hover_link(driver: PyramidDriver) -> None:
    driver.tree.focus()
    driver.tree.press("ArrowDown")
    driver.hover_link(0, int(driver.number("focused")))


def step_through_links(driver: PyramidDriver) -> None:
    driver.page.evaluate("scrollTo(0, 0)")
    driver.part("threshold").focus()
    for key in ("ArrowDown", "ArrowRight", "l", "l"):
        driver.tree.press(key)


def keys(driver: PyramidDriver) -> None:
    driver.page.evaluate("scrollTo(0, 0)")
    driver.part("threshold").focus()
    driver.tree.press("ArrowDown")
    driver.tree.press("ArrowDown")
    driver.tree.press("ArrowRight")


def zoom(driver: PyramidDriver) -> None:
    driver.tree.focus()
    for _ in range(6):
        driver.tree.press("+")


# By name: first values, action, width in pixels, colour scheme.
STATES: dict[str, tuple[dict[str, Any], Action, int, str]] = {
    "light": ({}, do_nothing, 1100, "light"),
    "dark": ({}, do_nothing, 1100, "dark"),
    "360": ({}, do_nothing, 360, "light"),
    "360-dark": ({"selected": [3]}, do_nothing, 360, "dark"),
    "800": ({}, do_nothing, 800, "light"),
    "1600": ({}, do_nothing, 1600, "dark"),
    "pruned-hard": ({"threshold": 0.6}, do_nothing, 1100, "light"),
    "one-selected": ({"selected": [2]}, do_nothing, 1100, "light"),
    "several-selected": ({"selected": [1, 2, 20], "row": 2}, do_nothing, 1100, "dark"),
    "deep-row": ({"row": DEEP}, do_nothing, 1100, "light"),
    "last-row": ({"row": "clip"}, do_nothing, 1100, "light"),
    "class-row": ({"row": 0}, do_nothing, 1100, "light"),
    "collapsed": ({"row": 3, "collapsed": [2, 3]}, do_nothing, 1100, "light"),
    "hover": ({}, hover, 1100, "light"),
    "keys": ({}, keys, 1100, "dark"),
    "zoomed": ({"row": DEEP}, zoom, 1100, "light"),
}


# The rows of an r3d_18: every row is named, tiles whose parents are pruned are grey, numbers stand beside the pointer.
ROW_STATES: dict[str, tuple[dict[str, Any], Action, int, str]] = {
    "names": ({}, do_nothing, 1100, "light"),
    "names-360": ({"row": 3}, do_nothing, 360, "light"),
    "names-1600": ({"row": 14}, do_nothing, 1600, "dark"),
    "pruned-grey": ({"threshold": 0.4, "row": 12}, do_nothing, 1100, "dark"),
    "pruned-by-score": ({"threshold": 0.4, "row": 12, "prune_by": "score"}, do_nothing, 1100, "dark"),
    "hover-unit": ({}, hover_unit, 1100, "dark"),
    "hover-link": ({}, hover_link, 1100, "light"),
    "link-by-key": ({}, step_through_links, 1100, "light"),
}


def pyramid_pages(browser: Browser, out: Path) -> Iterator[Path]:
    """Take the demo network's pyramid in every state, one of 120 layers, and one with invalid data."""
    with tempfile.TemporaryDirectory() as folder:
        pyramid = _demo_pyramid()
        for name, (state, act, width, scheme) in STATES.items():
            path = write_page(Path(folder) / f"{name}.html", pyramid, "", **state)
            yield take(browser, path, out / f"pyramid-{name}.png", act, width, scheme)
        rows = r3d_18_pyramid()
        for name, (state, act, width, scheme) in ROW_STATES.items():
            path = write_page(Path(folder) / f"{name}.html", rows, "", **state)
            yield take(browser, path, out / f"pyramid-{name}.png", act, width, scheme)
        long_names = r3d_18_pyramid([f"backbone.encoder.stages.{name}" for name in r3d_18_names()])
        others = {"long-names": long_names, "two-names": of_two_names(pyramid), "value": of_a_value(pyramid)}
        for name, other in others.items():
            path = write_page(Path(folder) / f"{name}.html", other, "")
            yield take(browser, path, out / f"pyramid-{name}.png", do_nothing, 1100, "light")
        deep = deep_pyramid()
        for name, state in (("big-network", {}), ("big-network-deep", {"row": 60, "threshold": 0.1})):
            path = write_page(Path(folder) / f"{name}.html", deep, "120 random layers", **state)
            yield take(browser, path, out / f"pyramid-{name}.png", do_nothing, 1100, "light")
        invalid = edited(path, lambda state: state.update(thumbnails=b"\0\0\0"))
        yield take(browser, invalid, out / "pyramid-error.png", do_nothing, 800, "light")


def _demo_pyramid() -> Pyramid:
    import notebook_explain as ne

    pyramid: Pyramid = ne.FeaturePyramid()(ne.demo_model(), ne.samples.contrast("wave one hand", "kick"))
    return pyramid
