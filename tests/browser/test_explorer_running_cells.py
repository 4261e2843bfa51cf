"""The explorer while a cell runs: it answers where the kernel hears it, and after the cell elsewhere."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page

from tests.browser.explorer_notebook import SETUP, SHOW, ExplorerCell
from tests.browser.jupyter_driver import Notebook
from tests.browser.test_running_cells import need_kernel, two_kernels

# The first message of a kind while the cell runs, and the answer; the cell draws a figure meanwhile.
CELLS = (
    SETUP,
    "explorer",
    "import time, matplotlib.pyplot as plt\n%matplotlib inline\nbusy, heard = True, []\n"
    "receive = explorer._conversation.receive\n"
    "def note(content):\n    heard.append((content.get('type'), busy))\n    return receive(content)\n"
    "explorer._conversation.receive = note\nplt.plot([1, 2])\nprint('drawing', flush=True)\nend = time.time() + 8\n"
    "while time.time() < end and len(explorer.history) < 2:\n    time.sleep(0.05)\n"
    "plt.plot([2, 1])\nprint(len(plt.get_fignums()), len(plt.gca().lines), len(explorer.history))\nbusy = False",
    "explorer.wait()\nprint(*[was_busy for kind, was_busy in heard if kind == 'request'], len(explorer.history))",
)
DRAW, HEARD = 2, 3


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with two_kernels(tmp_path_factory.mktemp("lab"), CELLS) as address:
        yield address


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    context = browser.new_context(viewport={"width": 1300, "height": 1900})
    yield context.new_page()
    context.close()


@pytest.mark.parametrize(("kernel", "hears_while_busy"), [("python3", True), ("ipykernel6", False)])
def test_a_request_is_answered_during_a_cell_where_the_kernel_hears_it(
    address: str, page: Page, kernel: str, hears_while_busy: bool
) -> None:
    need_kernel(kernel)
    notebook = Notebook(page, address, f"{kernel}.ipynb")
    page.wait_for_timeout(2000)
    notebook.run(0)
    notebook.run(SHOW)
    explorer = ExplorerCell(page, notebook.cell(SHOW))
    explorer.opened()
    notebook.cell(DRAW).locator(".cm-content").first.click()
    page.keyboard.press("Control+Enter")
    notebook.cell(DRAW).locator(".jp-OutputArea").get_by_text("drawing").wait_for(timeout=40_000)
    explorer.root.locator("[data-class='1'] [data-name=explain]").click()
    notebook.cell(DRAW).locator("img").first.wait_for(timeout=60_000)
    notebook.idle()
    steps = 2 if hears_while_busy else 1
    assert notebook.printed(DRAW).split()[1:] == ["1", "2", str(steps)], "one figure with both lines"
    assert notebook.cell(DRAW).locator("img").count() == 1
    page.wait_for_timeout(500)
    assert notebook.run(HEARD).split() == [str(hears_while_busy), "2"]
