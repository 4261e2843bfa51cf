"""Screenshots of the explorer in every named state; ``tests.browser.screenshots`` takes them too.

``python -m tests.browser.explorer_screenshots FOLDER [NAME ...]`` takes only these, or only those of some names.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser

from tests.browser.browser_driver import chromium, edited, offline_page
from tests.browser.explorer_driver import ExplorerDriver, example_state, write_live_page, write_page

Action = Callable[[ExplorerDriver], object]
HOSTILE = "<img src=x onerror=\"document.title='owned'\"> " + "W" * 60


def take(
    browser: Browser, path: Path, picture: Path, act: Action, width: int, scheme: str, is_live: bool = True
) -> Path:
    """Open a page, perform an action, and save a screenshot."""
    page, wrong = offline_page(
        browser, width, 1000 if width > 500 else 3200, scheme
    )  # what is out of view is not drawn
    try:
        page.goto(path.as_uri(), timeout=120_000)
        driver = ExplorerDriver(page, is_live)
        driver.opened()
        if driver.data("error") is None:
            act(driver)
            page.wait_for_timeout(900)
        page.screenshot(path=picture, full_page=True)
    finally:
        page.context.close()
    if wrong:
        print(f"{picture.name}: {wrong}")
    return picture


def do_nothing(driver: ExplorerDriver) -> None:
    """Leave the view as it opens."""


def edit(driver: ExplorerDriver) -> None:
    driver.brush("box", (0.3, 0.2), (0.7, 0.7))
    driver.idle()
    driver.part("edit-menu").click()
    driver.part("edit-kind").select_option("Reverse")
    driver.part("add-edit").click()
    driver.idle()
    driver.part("edit-menu").click()
    driver.part("brush-box").click()


def brushing(driver: ExplorerDriver) -> None:
    driver.brush("ellipse", (0.25, 0.2), (0.75, 0.8), release=False)
    driver.wait("root.dataset.working === 'coarse'")


def free_hand(driver: ExplorerDriver) -> None:
    driver.brush("free", (0.2, 0.2), (0.2, 0.2), release=False)
    box = driver.root.locator(".ne-brush").bounding_box()
    assert box
    for x, y in ((0.7, 0.15), (0.8, 0.6), (0.5, 0.85), (0.3, 0.6)):
        driver.page.mouse.move(box["x"] + x * box["width"], box["y"] + y * box["height"], steps=6)


def by_keys(driver: ExplorerDriver) -> None:
    driver.part("brush-box").click()
    brush = driver.root.locator(".ne-brush")
    brush.focus()
    for key in ("ArrowRight", "ArrowRight", "ArrowDown", "Shift+ArrowRight", "Shift+ArrowRight"):
        driver.page.keyboard.press(key)


def streaming(driver: ExplorerDriver) -> None:
    driver.set_mode("hangs")
    driver.part("method").select_option("occlusion")
    driver.wait("/left/.test(root.querySelector('.ne-progress').textContent)")


def failing(driver: ExplorerDriver) -> None:
    edit(driver)
    driver.set_mode("fails")
    driver.part("edit-menu").click()
    driver.part("add-edit").click()
    driver.wait("root.querySelector('.ne-alert').textContent")


def silent(driver: ExplorerDriver) -> None:
    edit(driver)
    driver.set_mode("dead")
    driver.root.locator("[data-name=explain]").nth(2).click()
    driver.wait("root.dataset.kernel === 'silent'")


def history(driver: ExplorerDriver) -> None:
    edit(driver)
    driver.root.locator("[data-name=explain]").nth(1).click()
    driver.idle()
    driver.part("undo").click()
    driver.idle()
    driver.part("history").click()
    driver.root.locator("[data-name=pin]").first.click()
    for index in (0, 2):
        driver.root.locator("[data-name=mark]").nth(index).check()


def comparing(driver: ExplorerDriver) -> None:
    history(driver)
    driver.part("compare").click()
    driver.wait("root.querySelectorAll('.ne-compare .ne-tubes[data-ready]').length === 2")


def pyramid_tab(driver: ExplorerDriver) -> None:
    driver.part("tab-pyramid").click()
    driver.wait("root.querySelector('.ne-pyramid')?.dataset.ready")


def ablating(driver: ExplorerDriver) -> None:
    driver.wait("root.querySelector('.ne-pyramid')?.dataset.ready")
    driver.root.locator("[role=tree]").focus()
    for key in ("ArrowDown", "Enter"):
        driver.page.keyboard.press(key)


def before_the_edits(driver: ExplorerDriver) -> None:
    edit(driver)
    driver.part("before").click()


def knobs(driver: ExplorerDriver) -> None:
    driver.part("method").select_option("occlusion")
    driver.idle()
    driver.part("knobs").click()
    driver.part("edit-menu").click()
    driver.part("edit-kind").select_option("Ablate")


def paper(driver: ExplorerDriver) -> None:
    edit(driver)
    driver.page.emulate_media(media="print")


# By name: action, width in pixels, colour scheme.
STATES: dict[str, tuple[Action, int, str]] = {
    "light": (do_nothing, 1100, "light"),
    "dark": (edit, 1100, "dark"),
    "360": (do_nothing, 360, "light"),
    "360-edited": (edit, 360, "dark"),
    "800": (edit, 800, "light"),
    "1240": (edit, 1240, "light"),
    "1600": (edit, 1600, "dark"),
    "brushing": (brushing, 1100, "light"),
    "brushing-360": (brushing, 360, "dark"),
    "free-hand": (free_hand, 1100, "dark"),
    "by-keys": (by_keys, 1100, "light"),
    "streaming": (streaming, 1100, "light"),
    "error": (failing, 1100, "dark"),
    "error-360": (failing, 360, "light"),
    "silent": (silent, 1100, "light"),
    "history": (history, 1100, "light"),
    "history-360": (history, 360, "dark"),
    "comparing": (comparing, 1100, "light"),
    "pyramid-tab": (pyramid_tab, 1100, "light"),
    "ablating": (ablating, 1600, "light"),
    "before": (before_the_edits, 1100, "light"),
    "knobs": (knobs, 800, "dark"),
    "knobs-360": (knobs, 360, "light"),
    "print": (paper, 800, "light"),
}


def explorer_pages(browser: Browser, out: Path, names: Sequence[str] = ()) -> Iterator[Path]:
    """Take the explorer of the demo network in every state, without a kernel, with hostile names, and with damaged data."""
    state, pyramid = demo_state()
    with tempfile.TemporaryDirectory() as folder:
        live = write_live_page(Path(folder) / "live.html", state, pyramid)
        without = {**state, "pyramid": {}}
        tubes_only = write_live_page(Path(folder) / "tubes.html", without, pyramid)
        for name, (act, width, scheme) in STATES.items():
            if not names or name in names:
                path = tubes_only if name == "pyramid-tab" else live
                yield take(browser, path, out / f"explorer-{name}.png", act, width, scheme)
        offline = write_page(Path(folder) / "offline.html", state)
        hostile = write_page(Path(folder) / "hostile.html", {**state, **hostile_values(state)})
        damaged = edited(offline, lambda values: values.update(target=99))
        for name, path, width, scheme in (
            ("no-kernel", offline, 1100, "light"),
            ("no-kernel-360", offline, 360, "dark"),
            ("hostile", hostile, 800, "light"),
            ("hostile-360", hostile, 360, "dark"),
            ("damaged", damaged, 800, "light"),
        ):
            if not names or name in names:
                yield take(browser, path, out / f"explorer-{name}.png", do_nothing, width, scheme, is_live=False)


def demo_state() -> tuple[dict[str, Any], Any]:
    """Return the state of the explorer of the demo network and a clip of two actions, and the pyramid."""
    import notebook_explain as ne

    model, clip = ne.demo_model(), ne.samples.contrast("wave one hand", "kick")
    tubes = ne.SaliencyTubes()(model, clip)
    pyramid = ne.FeaturePyramid()(model, clip)
    return example_state(tubes, pyramid), pyramid


def hostile_values(state: dict[str, Any]) -> dict[str, Any]:
    """Return labels, edits, methods and history with names that are long, or markup."""
    labels = [f"{HOSTILE} {k}" for k in range(len(state["labels"]))]
    one = {"edit": {"edit": "Reverse"}, "enabled": True, "words": HOSTILE, "code": HOSTILE}
    step = {**state["history"][0], "words": HOSTILE, "code": HOSTILE, "top": [HOSTILE, 0.5]}
    methods = [{**method, "name": HOSTILE, "help": HOSTILE} for method in state["methods"]]
    layers = [{**layer, "name": HOSTILE} for layer in state["layers"]]
    texts = {"title": HOSTILE, "words": HOSTILE, "caveats": [HOSTILE], "error": HOSTILE}
    return {"labels": labels, "edit_list": [one, one], "history": [step], "methods": methods, "layers": layers, **texts}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("out", type=Path, help="folder for the pictures")
    parser.add_argument("names", nargs="*", help="states to take; all by default")
    arguments = parser.parse_args()
    arguments.out.mkdir(parents=True, exist_ok=True)
    with chromium() as browser:
        for picture in explorer_pages(browser, arguments.out, arguments.names):
            print(picture, flush=True)


if __name__ == "__main__":
    main()
