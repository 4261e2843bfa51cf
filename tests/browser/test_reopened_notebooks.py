"""Saved notebooks show every result again: opened without their kernel in JupyterLab and Notebook 7, and as HTML by nbconvert."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import nbformat
import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser import jupyter_driver
from tests.browser.browser_driver import offline_page
from tests.browser.jupyter_driver import REPOSITORY, Notebook
from tests.browser.test_lab import inside

CELLS = (
    f"import sys; sys.path.insert(0, {str(REPOSITORY)!r})\n"
    "import notebook_explain as ne\nfrom tests.browser.example_tubes import noisy_tubes, tubes\n"
    "from tests.example_values import small_pyramid\n"
    "small, pyramid = tubes(), small_pyramid()\n"
    "medium, large = noisy_tubes((32, 224, 224), layers=3), noisy_tubes((64, 224, 224), layers=13)",
    "small",
    "small.view()",
    "ne.compare(small, small, a_layer=0)",
    "pyramid",
    "pyramid.view()",
    "medium",
    "medium.view()",
    "large",
    "large.view()",
)
LIVE = range(1, len(CELLS))
PAGES = LIVE[:-2]  # their pages are saved; of the largest, a picture and a sentence are
VIEW = ":is(.ne-tubes, .ne-pyramid)[data-ready=true]"
TOO_LARGE = "This view is too large to be saved in the notebook."


@pytest.fixture(scope="module", params=["jupyterlab", "notebook"])
def server(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, str, Path]]:
    folder = tmp_path_factory.mktemp(request.param)
    (folder / "work").mkdir()
    jupyter_driver.write_notebook(folder / "work" / "n.ipynb", CELLS)
    with jupyter_driver.server(folder, app=request.param) as address:
        yield address, "lab/tree" if request.param == "jupyterlab" else "notebooks", folder / "work" / "n.ipynb"


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    context = browser.new_context(viewport={"width": 1000, "height": 1300})
    yield context.new_page()
    context.close()


def views_in(notebook: Notebook, cells: range) -> None:
    """Wait until every cell shows a view that is drawn."""
    for index in cells:
        notebook.cell(index).scroll_into_view_if_needed()
        expect(inside(notebook.cell(index)).locator(VIEW).first).to_be_attached(timeout=60_000)


def saved_outputs(page: Page, path: Path) -> list[nbformat.NotebookNode]:
    """Return the outputs of a notebook once they are saved."""
    outputs: list[nbformat.NotebookNode] = []
    for _ in range(60):
        with suppress(nbformat.reader.NotJSONError):  # while the server writes the file
            outputs = [output for cell in nbformat.read(path, as_version=4).cells for output in cell.outputs]
        if len(outputs) == len(LIVE):
            return outputs
        page.wait_for_timeout(500)
    raise AssertionError(f"{len(outputs)} outputs were saved")


def test_every_result_is_there_again_when_the_notebook_is_opened(server: tuple[str, str, Path], page: Page) -> None:
    address, app, path = server
    notebook = Notebook(page, address, path.name, app)
    notebook.run_all()
    page.wait_for_timeout(1000)
    notebook.idle(200)  # the largest pages take a while to pack
    views_in(notebook, LIVE)  # the largest too, while their widgets live
    notebook.cell(0).locator(".cm-content").first.click()
    page.keyboard.press("Control+s")
    for output in saved_outputs(page, path):
        assert sorted(output["data"]) == ["image/png", "text/html", "text/plain"]
        assert len(output["data"]["text/html"]) < 2_500_000
    jupyter_driver.end_kernels(address)

    notebook = Notebook(page, address, path.name, app)
    views_in(notebook, PAGES)
    for index in (7, 8):
        frame = inside(notebook.cell(LIVE[index]))
        expect(frame.get_by_text(TOO_LARGE)).to_be_visible(timeout=20_000)
        expect(frame.locator("#app img")).to_be_visible()
    assert page.get_by_text("Error displaying widget").count() == 0


def test_nbconvert_shows_every_result(browser: Browser, tmp_path: Path) -> None:
    jupyter_driver.write_notebook(tmp_path / "n.ipynb", CELLS)
    convert = [sys.executable, "-m", "jupyter", "nbconvert", "--execute", "--to", "html", "n.ipynb"]
    environment = os.environ | {"JUPYTER_CONFIG_DIR": str(tmp_path / "config"), "IPYTHONDIR": str(tmp_path / "ipython")}
    subprocess.run(convert, cwd=tmp_path, check=True, capture_output=True, env=environment)
    page, wrong = offline_page(browser, 1000, 1300)
    try:
        page.goto((tmp_path / "n.html").as_uri(), wait_until="domcontentloaded", timeout=120_000)
        frames = page.locator("iframe")
        assert frames.count() == len(LIVE)
        for index in range(len(LIVE)):
            frames.nth(index).scroll_into_view_if_needed()
            expect(frames.nth(index).content_frame.locator(VIEW).first).to_be_attached(timeout=60_000)
    finally:
        page.context.close()
    assert not [text for text in wrong if text.startswith("exception")]
