"""Every named state of the pyramid's viewer as a PNG, to look at; ``tests.browser.screenshots`` takes them too."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser

from notebook_explain.explanations.pyramid.pyramid import Pyramid
from tests.browser.browser_driver import edited, offline_page
from tests.browser.pyramid_driver import SETTLED, PyramidHand, write_page
from tests.widgets.random_pyramids import deep_pyramid

Do = Callable[[PyramidHand], object]
DEEP = "blocks.1.conv2.0"


def take(browser: Browser, path: Path, picture: Path, do: Do, width: int, scheme: str) -> Path:
    """Open a page, do something, and keep what is then seen."""
    page, wrong = offline_page(browser, width, 900, scheme)
    try:
        page.goto(path.as_uri())
        page.locator(SETTLED).wait_for(state="attached", timeout=20_000)
        hand = PyramidHand(page)
        if hand.data("error") is None:
            hand.settled()
            page.locator(".ne-tube-panel").scroll_into_view_if_needed()  # out of sight no tube is drawn
            hand.tube.wait("root.dataset.gl")
            do(hand)
            page.wait_for_timeout(900)
        page.screenshot(path=picture, full_page=True)
    finally:
        page.context.close()
    if wrong:
        print(f"{picture.name}: {wrong}")
    return picture


def nothing(hand: PyramidHand) -> None:
    """Only look."""


def hover(hand: PyramidHand) -> None:
    hand.tree.hover(position={"x": 210, "y": 300})


def keys(hand: PyramidHand) -> None:
    hand.page.evaluate("scrollTo(0, 0)")
    hand.part("threshold").focus()
    hand.tree.press("ArrowDown")
    hand.tree.press("ArrowDown")
    hand.tree.press("ArrowRight")


def zoom(hand: PyramidHand) -> None:
    hand.tree.focus()
    for _ in range(6):
        hand.tree.press("+")


# What each shows: how the view opens, what is done then, how wide and in which scheme.
STATES: dict[str, tuple[dict[str, Any], Do, int, str]] = {
    "light": ({}, nothing, 1100, "light"),
    "dark": ({}, nothing, 1100, "dark"),
    "360": ({}, nothing, 360, "light"),
    "360-dark": ({"selected": [3]}, nothing, 360, "dark"),
    "800": ({}, nothing, 800, "light"),
    "1600": ({}, nothing, 1600, "dark"),
    "pruned-hard": ({"threshold": 0.6}, nothing, 1100, "light"),
    "one-selected": ({"selected": [2]}, nothing, 1100, "light"),
    "several-selected": ({"selected": [1, 2, 20], "row": 2}, nothing, 1100, "dark"),
    "deep-row": ({"row": DEEP}, nothing, 1100, "light"),
    "last-row": ({"row": "clip"}, nothing, 1100, "light"),
    "class-row": ({"row": 0}, nothing, 1100, "light"),
    "collapsed": ({"row": 3, "collapsed": [2, 3]}, nothing, 1100, "light"),
    "hover": ({}, hover, 1100, "light"),
    "keys": ({}, keys, 1100, "dark"),
    "zoomed": ({"row": DEEP}, zoom, 1100, "light"),
}


def pyramid_pages(browser: Browser, out: Path) -> Iterator[Path]:
    """The bundled network's pyramid in every state, a network of 120 layers, and one that cannot be drawn."""
    with tempfile.TemporaryDirectory() as folder:
        pyramid = _bundled()
        for name, (state, do, width, scheme) in STATES.items():
            path = write_page(Path(folder) / f"{name}.html", pyramid, "", **state)
            yield take(browser, path, out / f"pyramid-{name}.png", do, width, scheme)
        big = deep_pyramid()
        for name, state in (("big-network", {}), ("big-network-deep", {"row": 60, "threshold": 0.1})):
            path = write_page(Path(folder) / f"{name}.html", big, "120 layers, made at random", **state)
            yield take(browser, path, out / f"pyramid-{name}.png", nothing, 1100, "light")
        broken = edited(path, lambda state: state.update(thumbnails={"$b64": "AAAA"}))
        yield take(browser, broken, out / "pyramid-error.png", nothing, 800, "light")


def _bundled() -> Pyramid:
    import notebook_explain as ne

    made: Pyramid = ne.FeaturePyramid()(ne.demo_model(), ne.samples.contrast("wave one hand", "kick"))
    return made
