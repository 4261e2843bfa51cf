"""Screenshots of the visualization viewer in every named state; ``tests.browser.screenshots`` takes them too.

``python -m tests.browser.visualization_screenshots FOLDER`` takes only these.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser

from notebook_explain.explanations import Visualization
from tests.browser.browser_driver import chromium, edited, offline_page
from tests.browser.visualization_driver import SETTLED, VisualizationDriver, written
from tests.example_values import small_visualization
from tests.widgets.visualization_examples import drawn_visualization, with_facets, without_anything

Action = Callable[[VisualizationDriver], object]
HOSTILE = "<img src=x onerror=\"document.title='owned'\"> " + "W" * 80


def take(browser: Browser, path: Path, picture: Path, act: Action, width: int, scheme: str) -> Path:
    """Open a page, perform an action, and save a screenshot."""
    page, wrong = offline_page(browser, width, 900, scheme)
    try:
        page.goto(path.as_uri())
        page.locator(SETTLED).wait_for(state="attached", timeout=20_000)
        driver = VisualizationDriver(page)
        if driver.data("error") is None:
            act(driver)
            page.wait_for_timeout(400)
        page.screenshot(path=picture, full_page=True)
    finally:
        page.context.close()
    if wrong:
        print(f"{picture.name}: {wrong}")
    return picture


def do_nothing(driver: VisualizationDriver) -> None:
    """Leave the view as it opens."""


def focus(driver: VisualizationDriver) -> None:
    driver.made(0).focus()
    for key in ("ArrowDown", "ArrowRight"):
        driver.page.keyboard.press(key)


def paper(driver: VisualizationDriver) -> None:
    driver.page.emulate_media(media="print")


# By name: first values, action, width in pixels, colour scheme.
STATES: dict[str, tuple[dict[str, Any], Action, int, str]] = {
    "light": ({"frame": 5}, do_nothing, 1100, "light"),
    "dark": ({"frame": 5}, do_nothing, 1100, "dark"),
    "arrows": ({"frame": 5, "arrows": True}, do_nothing, 1100, "light"),
    "large": ({"frame": 5, "arrows": True, "selected": 1}, do_nothing, 1100, "dark"),
    "step": ({"frame": 5, "arrows": True, "step": 3}, do_nothing, 1100, "light"),
    "360": ({"frame": 5}, do_nothing, 360, "light"),
    "360-large": ({"frame": 5, "selected": 0, "arrows": True}, do_nothing, 360, "dark"),
    "700": ({"frame": 5}, do_nothing, 700, "light"),
    "1600": ({"frame": 5, "selected": 0}, do_nothing, 1600, "dark"),
    "focus": ({}, focus, 1100, "dark"),
    "print": ({}, paper, 800, "light"),
}


def visualization_pages(browser: Browser, out: Path) -> Iterator[Path]:
    """Take drawn clips in every state, facets, clips of noise, nothing but clips, hostile names, damaged data."""
    drawn, small = drawn_visualization(), small_visualization()
    with tempfile.TemporaryDirectory() as folder:
        for name, (state, act, width, scheme) in STATES.items():
            path = written(drawn, Path(folder) / f"{name}.html", **state)
            yield take(browser, path, out / f"visualization-{name}.png", act, width, scheme)
        others: dict[str, tuple[Visualization, dict[str, Any]]] = {
            "facets": (with_facets(drawn), {}),
            "small": (small, {"arrows": True}),
            "bare": (without_anything(small), {"arrows": True}),
            "hostile": (hostile(drawn), {"selected": 0}),
        }
        for name, (visualization, state) in others.items():
            path = written(visualization, Path(folder) / f"{name}.html", **state)
            for width, scheme in ((1100, "light"), (360, "dark")):
                yield take(browser, path, out / f"visualization-{name}-{width}.png", do_nothing, width, scheme)
        damaged = edited(path, lambda state: state.update(flows=[]))
        yield take(browser, damaged, out / "visualization-error.png", do_nothing, 800, "light")


def hostile(visualization: Visualization) -> Visualization:
    """Return a visualization whose names are long, or markup."""
    first, *others = visualization
    best = ((HOSTILE, 0.9),)
    verdicts = tuple(replace(one, model="M" * 90, best=best, shuffled=best) for one in first.verdicts)
    named = replace(first, name=HOSTILE, objective=f"Logit({HOSTILE!r})", best=best, start_best=best, verdicts=verdicts)
    labels = tuple(f"{HOSTILE} {k}" for k in range(len(visualization.clips)))
    return replace(visualization, syntheses=(named, *others), labels=labels, layer="blocks." * 20)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("out", type=Path, help="folder for the pictures")
    arguments = parser.parse_args()
    arguments.out.mkdir(parents=True, exist_ok=True)
    with chromium() as browser:
        for picture in visualization_pages(browser, arguments.out):
            print(picture, flush=True)


if __name__ == "__main__":
    main()
