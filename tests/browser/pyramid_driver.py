"""A hand that works a pyramid's viewer in a real browser, and pages with pyramids."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from playwright.sync_api import Locator, Page

from notebook_explain.explanations.pyramid.pyramid import Pyramid
from notebook_explain.widgets import PyramidViewer, page
from tests.browser.browser_driver import Viewer, pixels_of

SETTLED = ".ne-pyramid:is([data-ready=true], [data-error=true])"
STAGE = (20, 23, 28)


def write_page(path: Path, pyramid: Pyramid, title: str = "", **state: Any) -> Path:
    viewer = PyramidViewer(pyramid, title=title, **state)
    try:
        path.write_text(page([viewer], f"Why {pyramid.target.name!r}?", width=1600), encoding="utf-8")
    finally:
        viewer.close()
    return path


class PyramidHand(Viewer):
    """One pyramid on a page, worked as a person works it."""

    def __init__(self, page: Page) -> None:
        super().__init__(page)
        self.root = page.locator(".ne-pyramid")
        self.tree = self.root.locator("[role=tree]")
        self.tube = Viewer(page)

    def part(self, name: str) -> Locator:
        """A control of the pyramid's own; the tube inside has others of the same name."""
        return self.root.locator(f".ne-pyramid-views > div:first-child [data-name={name}]")

    @property
    def heading(self) -> str:
        return self.root.locator(".ne-heading").inner_text()

    @property
    def words(self) -> str:
        return self.root.locator(".ne-said").inner_text().replace("\u00a0", " ")

    def settled(self) -> None:
        """Wait until nothing new is painted and the tube inside is drawn."""
        since = "(root.last?.[0] === root.dataset.painted ? performance.now() - root.last[1] : 0)"
        self.wait(
            f"{since} > 250 || (root.last?.[0] !== root.dataset.painted && "
            "!(root.last = [root.dataset.painted, performance.now()]))"
        )

    def tile(self, unit: int) -> tuple[float, float, float, float]:
        """Where a unit's tile lies in the stage, as the tree for readers knows it: x, y, width, height."""
        self.settled()
        item = self.tree.locator(f"[data-unit='{unit}']")
        item.wait_for(state="attached")
        self.wait("root.querySelector(given)?.style.width", f"[data-unit='{unit}']")
        box, around = item.bounding_box(), self.tree.bounding_box()
        assert box
        assert around
        return box["x"] - around["x"], box["y"] - around["y"], box["width"], box["height"]

    def pixels(self) -> NDArray[np.int16]:
        """The stage as the person sees it, RGB."""
        return pixels_of(self.tree.screenshot())
