"""The explorer in a cell of a local JupyterLab."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from playwright.sync_api import Locator, Page

from tests.browser import jupyter_driver
from tests.browser.explorer_driver import ExplorerDriver
from tests.browser.jupyter_driver import REPOSITORY, Notebook
from tests.browser.test_lab import inside

SETUP = (
    f"import sys; sys.path.insert(0, {str(REPOSITORY)!r})\nimport notebook_explain as ne\nfrom notebook_explain import samples\n"
    "clip = samples.contrast('kick', 'wave one hand', seed=4)\nexplorer = ne.Explorer(ne.demo_model(), clip)\n"
    "print(explorer.clip.size)"
)
SHOW = 1


@contextmanager
def explorer_notebook(page: Page, cells: Sequence[str], setup: str = SETUP) -> Iterator[tuple[Notebook, ExplorerCell]]:
    """Open a notebook whose first two cells make and show an explorer, and run these two."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "work").mkdir()
        jupyter_driver.write_notebook(folder / "work" / "explorer.ipynb", (setup, "explorer", *cells))
        with jupyter_driver.server(folder) as address:
            notebook = Notebook(page, address, "explorer.ipynb")
            page.wait_for_timeout(2000)  # right after opening, the menu may not yet refer to this notebook
            assert notebook.run(0).strip()
            notebook.run(SHOW)
            explorer = ExplorerCell(page, notebook.cell(SHOW))
            explorer.opened()
            yield notebook, explorer


class ExplorerCell(ExplorerDriver):
    """Driver of the explorer in the output of a cell."""

    def __init__(self, page: Page, cell: Locator) -> None:
        super().__init__(page)
        body = inside(cell).locator("body")
        self.root = body.locator(".ne-explorer")
        self.tubes = type(self.tubes)(page, within=self.root)

    def percent(self, label: str) -> float:
        """Return the probability on the bar of a class, in percent."""
        value = self.root.locator(f"[data-name=explain]:has(.ne-class-name:text-is({label!r})) .ne-class-value").first
        return float(value.inner_text().replace("\u00a0", " ").removesuffix(" %").replace("under ", ""))

    def settled(self, timeout: float = 30_000) -> None:
        """Wait until nothing is in work, and the newest tube is drawn."""
        self.root.and_(self.page.locator("[data-working='']")).wait_for(state="attached", timeout=timeout)
        self.idle()


def values(text: str) -> list[Any]:
    """Return the numbers of a printed line."""
    return [float(part) for part in text.split()]
