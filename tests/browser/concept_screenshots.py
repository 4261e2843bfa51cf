"""Screenshots of the concept viewer in every named state; ``tests.browser.screenshots`` takes them too.

``python -m tests.browser.concept_screenshots FOLDER`` takes only these.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser

from notebook_explain.explanations import Concepts
from tests.browser.browser_driver import chromium, edited, offline_page
from tests.browser.concept_driver import SETTLED, ConceptDriver
from tests.browser.test_concept_viewer import with_hostile_names
from tests.widgets.concept_examples import example_curves, many_concepts, unmeasured, within_chance

Action = Callable[[ConceptDriver], object]
CLIPS = 12
NAMES = ("kicking leg", "other leg", "wall")


def take(browser: Browser, path: Path, picture: Path, act: Action, width: int, scheme: str) -> Path:
    """Open a page, perform an action, and save a screenshot."""
    page, wrong = offline_page(browser, width, 900, scheme)
    try:
        page.goto(path.as_uri())
        page.locator(SETTLED).wait_for(state="attached", timeout=20_000)
        driver = ConceptDriver(page)
        if driver.data("error") is None:
            act(driver)
            page.wait_for_timeout(400)
        page.screenshot(path=picture, full_page=True)
    finally:
        page.context.close()
    if wrong:
        print(f"{picture.name}: {wrong}")
    return picture


def do_nothing(driver: ConceptDriver) -> None:
    """Leave the view as it opens."""


def open_one(driver: ConceptDriver) -> None:
    driver.exemplar(0, 1).click()


def hover(driver: ConceptDriver) -> None:
    driver.exemplar(1, 2).hover()


def focus(driver: ConceptDriver) -> None:
    driver.name(0).focus()
    for key in ("Tab", "ArrowDown"):
        driver.page.keyboard.press(key)


def name_twice(driver: ConceptDriver) -> None:
    driver.name(1).fill("concept 1")
    driver.page.keyboard.press("Enter")


def show_more(driver: ConceptDriver) -> None:
    driver.part("more").click()


def paper(driver: ConceptDriver) -> None:
    driver.page.emulate_media(media="print")


# By name: first values, action, width in pixels, colour scheme.
STATES: dict[str, tuple[dict[str, Any], Action, int, str]] = {
    "light": ({}, do_nothing, 1100, "light"),
    "dark": ({}, do_nothing, 1100, "dark"),
    "360": ({}, do_nothing, 360, "light"),
    "360-open": ({}, open_one, 360, "dark"),
    "700": ({}, do_nothing, 700, "light"),
    "1600": ({}, open_one, 1600, "dark"),
    "open": ({}, open_one, 1100, "light"),
    "hover": ({}, hover, 1100, "light"),
    "focus": ({}, focus, 1100, "dark"),
    "sorted": ({"sort_by": "change"}, do_nothing, 1100, "light"),
    "name-twice": ({}, name_twice, 700, "light"),
    "print": ({}, paper, 800, "light"),
}


def concept_pages(browser: Browser, out: Path) -> Iterator[Path]:
    """Take the demo network's concepts in every state, many, none beyond chance, unmeasured, hostile names, damaged data."""
    demo = demo_concepts()
    yield demo.to_png(out / "concepts-figure.png", dpi=110)
    yield example_curves().to_png(out / "concepts-curves-figure.png", dpi=110)
    with tempfile.TemporaryDirectory() as folder:
        for name, (state, act, width, scheme) in STATES.items():
            path = demo.to_html(Path(folder) / f"{name}.html", playing=False, **state)
            yield take(browser, path, out / f"concepts-{name}.png", act, width, scheme)
        many = many_concepts(concepts=26)
        others: dict[str, tuple[Concepts, dict[str, Any], Action]] = {
            "curves": (demo, {"curves": example_curves("kick"), "max_q": 0.05}, do_nothing),
            "many": (many, {}, do_nothing),
            "many-all": (many, {}, show_more),
            "none-beyond-chance": (within_chance(many), {}, do_nothing),
            "none-passes": (within_chance(many), {"max_q": 0.05}, do_nothing),
            "unmeasured": (unmeasured(many), {}, do_nothing),
            "named": (demo.with_names([*NAMES, *[one.name for one in demo][len(NAMES) :]]), {}, do_nothing),
            "hostile": (with_hostile_names(many), {}, open_one),
        }
        for name, (concepts, values, act) in others.items():
            path = concepts.to_html(Path(folder) / f"{name}.html", playing=False, **values)
            for width, scheme in ((1100, "light"), (360, "dark")):
                yield take(browser, path, out / f"concepts-{name}-{width}.png", act, width, scheme)
        damaged = edited(path, lambda state: state.update(masks=[]))
        yield take(browser, damaged, out / "concepts-error.png", do_nothing, 800, "light")


def demo_concepts() -> Concepts:
    """Return concepts of "kick" of the demo network, in clips of two people."""
    import notebook_explain as ne

    others = [action for action in ne.samples.ACTIONS if action != "kick"]
    clips = [ne.samples.contrast("kick", others[seed % len(others)], seed=seed) for seed in range(CLIPS)]
    concepts: Concepts = ne.ConceptDiscovery()(ne.demo_model(), clips, "kick")
    return concepts


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("out", type=Path, help="folder for the pictures")
    arguments = parser.parse_args()
    arguments.out.mkdir(parents=True, exist_ok=True)
    with chromium() as browser:
        for picture in concept_pages(browser, arguments.out):
            print(picture, flush=True)


if __name__ == "__main__":
    main()
