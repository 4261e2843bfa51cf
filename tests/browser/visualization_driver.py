"""Driver of the visualization viewer in a real browser."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from playwright.sync_api import Locator, Page

from notebook_explain.explanations import Visualization
from notebook_explain.widgets import page, visualization_viewer
from tests.browser.browser_driver import Viewer, pixels_of

SETTLED = ".ne-visualization:is([data-ready=true], [data-error=true])"


def written(visualization: Visualization, path: Path, **state: Any) -> Path:
    """Write a page of a visualization, which does not play by default."""
    values = {"playing": False, **state}
    content = visualization_viewer.initial_state(visualization, **values)
    path.write_text(page([(visualization_viewer.BUNDLE, content)], "What does it look for?"), encoding="utf-8")
    return path


class VisualizationDriver(Viewer):
    """Driver of the visualization viewer on a page."""

    def __init__(self, page: Page) -> None:
        super().__init__(page)
        self.root = page.locator(".ne-visualization")

    def card(self, index: int) -> Locator:
        return self.root.locator(f".ne-card[data-index='{index}']")

    def made(self, index: int) -> Locator:
        """Return the button that holds a made clip."""
        return self.card(index).locator(".ne-show")

    def picture(self, index: int, kind: str = "made") -> NDArray[np.int16]:
        """Return the pixels of a canvas: of the "made" clip, its "start", the "nearest" real one, or the "arrows"."""
        name = f".ne-{kind}" if kind in ("made", "arrows") else f"[data-kind={kind}] canvas"
        url = self.card(index).locator(name).evaluate("canvas => canvas.toDataURL()")
        return pixels_of(base64.b64decode(url.split(",")[1]), "RGBA")

    def frame(self, index: int, kind: str = "made") -> int:
        """Return the frame that a canvas shows."""
        canvas = self.card(index).locator(f"[data-kind={kind}] canvas").first
        return int(canvas.get_attribute("data-frame") or -1)
