"""Driver of the concept viewer in a real browser."""

from __future__ import annotations

from playwright.sync_api import Locator, Page

from tests.browser.browser_driver import Viewer

SETTLED = ".ne-concepts:is([data-ready=true], [data-error=true])"


class ConceptDriver(Viewer):
    """Driver of the concept viewer on a page."""

    def __init__(self, page: Page) -> None:
        super().__init__(page)
        self.root = page.locator(".ne-concepts")

    @property
    def shown(self) -> list[int]:
        """Return the concepts shown, in their order on the page."""
        rows = self.root.locator(".ne-concept:visible")
        return [int(index) for index in rows.evaluate_all("rows => rows.map(row => row.dataset.concept)")]

    def row(self, concept: int) -> Locator:
        return self.root.locator(f"[data-concept='{concept}']")

    def name(self, concept: int) -> Locator:
        return self.row(concept).locator("[data-name=name]")

    def exemplar(self, concept: int, position: int = 0) -> Locator:
        return self.row(concept).locator(".ne-exemplar").nth(position)

    @property
    def large(self) -> Locator:
        """Return the clip that is shown large."""
        return self.root.locator(".ne-large")

    def frame(self, concept: int, position: int = 0) -> int:
        """Return the frame that an exemplar shows."""
        return int(self.exemplar(concept, position).locator("canvas").get_attribute("data-frame") or -1)

    def choose(self, name: str, value: str) -> None:
        """Choose an option of a menu."""
        self.part(name).select_option(value)

    def drawn(self, concept: int, position: int = 0) -> list[list[int]]:
        """Return the pixels of an exemplar, 16 x 16 samples of its brightness, row by row."""
        script = """canvas => {
          const small = document.createElement("canvas");
          [small.width, small.height] = [16, 16];
          const context = small.getContext("2d");
          context.drawImage(canvas, 0, 0, 16, 16);
          const { data } = context.getImageData(0, 0, 16, 16);
          return Array.from({ length: 16 }, (_, y) => Array.from({ length: 16 }, (_, x) => {
            const k = 4 * (16 * y + x);
            return Math.max(data[k], data[k + 1], data[k + 2]);
          }));
        }"""
        found: list[list[int]] = self.exemplar(concept, position).locator("canvas").evaluate(script)
        return found
