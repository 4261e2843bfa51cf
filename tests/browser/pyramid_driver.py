"""Driver of the pyramid viewer in a real browser, and pages with pyramids."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from playwright.sync_api import Locator, Page

from notebook_explain.explanations.pyramid.pyramid import Pyramid
from notebook_explain.widgets import page, pyramid_viewer
from tests.browser.browser_driver import Viewer, pixels_of

SETTLED = ".ne-pyramid:is([data-ready=true], [data-error=true])"
BACKGROUND = (20, 23, 28)


def write_page(path: Path, pyramid: Pyramid, title: str = "", **state: Any) -> Path:
    """Write a page with the viewer of a pyramid, and return its path."""
    view = pyramid_viewer.BUNDLE, pyramid_viewer.initial_state(pyramid, title=title, **state)
    path.write_text(page([view], f"Why {pyramid.target.name!r}?", width=1600), encoding="utf-8")
    return path


class PyramidDriver(Viewer):
    """Driver of the pyramid viewer on a page."""

    def __init__(self, page: Page) -> None:
        super().__init__(page)
        self.root = page.locator(".ne-pyramid")
        self.tree = self.root.locator("[role=tree]")
        self.tube = Viewer(page)

    def part(self, name: str) -> Locator:
        """Return a control of the pyramid; the tube panel has others of the same name."""
        return self.root.locator(f".ne-pyramid-views > div:first-child [data-name={name}]")

    @property
    def heading(self) -> str:
        return self.root.locator(".ne-heading").inner_text()

    @property
    def caption(self) -> str:
        return self.root.locator(".ne-said").inner_text().replace("\u00a0", " ")

    def settled(self) -> None:
        """Wait until nothing has been painted for 250 ms."""
        since = "(root.last?.[0] === root.dataset.painted ? performance.now() - root.last[1] : 0)"
        self.wait(
            f"{since} > 250 || (root.last?.[0] !== root.dataset.painted && "
            "!(root.last = [root.dataset.painted, performance.now()]))"
        )

    def tile(self, unit: int) -> tuple[float, float, float, float]:
        """Return x, y, width and height of a unit's tile in the canvas, as given by the accessible tree."""
        self.settled()
        item = self.tree.locator(f"[data-unit='{unit}']")
        item.wait_for(state="attached")
        self.wait("root.querySelector(given)?.style.width", f"[data-unit='{unit}']")
        box, tree = item.bounding_box(), self.tree.bounding_box()
        assert box
        assert tree
        return box["x"] - tree["x"], box["y"] - tree["y"], box["width"], box["height"]

    @property
    def tip(self) -> str:
        """Return the text beside the pointer; empty if there is none."""
        tip = self.root.locator(".ne-pyramid-tip")
        return tip.inner_text().replace("\u00a0", " ") if tip.is_visible() else ""

    def hover_link(self, above: int, below: int) -> tuple[float, float]:
        """Move the pointer to a link between the rows of two units with tiles, and return its position."""
        first, second = self.tile(above), self.tile(below)
        y = (first[1] + first[3] + second[1]) / 2
        for x in range(170, 400, 3):
            self.tree.hover(position={"x": x, "y": y})
            if "→" in self.tip:
                return x, y
        raise AssertionError(f"no link at height {y}")

    def pixels(self) -> NDArray[np.int16]:
        """Return a screenshot of the canvas, RGB."""
        return pixels_of(self.tree.screenshot())
