"""Windows of grey clips and clips that play, in a real JupyterLab: one message for a gesture, and Python changes the window."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from playwright.sync_api import Browser

from tests.browser import jupyter_driver
from tests.browser.browser_driver import READY, pixels_of
from tests.browser.jupyter_driver import REPOSITORY, Messages, Notebook
from tests.browser.test_lab import drag, inside, view_in

CELLS = (
    f"import sys; sys.path.insert(0, {str(REPOSITORY)!r})\n"
    "from tests.browser import example_tubes\n"
    "viewer = example_tubes.grey_tubes().view(window=(20, 110), threshold=1.0)\nviewer",
    "import json; print(json.dumps(viewer.window))",
    "viewer.window = (-160, 240)",
    "from notebook_explain import Clip\nimport numpy as np\n"
    "Clip(example_tubes.landscape(12, 64, 64), times=np.arange(12) / 8, source='/home/someone/ball.mp4')",
)
SHOW, PRINT, SET, CLIP = range(len(CELLS))


def test_a_window_and_a_clip_in_jupyterlab(browser: Browser, tmp_path: Path) -> None:
    (tmp_path / "work").mkdir()
    jupyter_driver.write_notebook(tmp_path / "work" / "windows.ipynb", CELLS)
    context = browser.new_context(viewport={"width": 960, "height": 1500})
    try:
        with jupyter_driver.server(tmp_path) as address:
            page = context.new_page()
            messages = Messages(page)
            notebook = Notebook(page, address, "windows.ipynb")
            notebook.run_all()
            viewer = view_in(page, notebook.cell(SHOW))
            inside(notebook.cell(SHOW)).locator(READY).wait_for(timeout=30_000)
            notebook.idle()
            viewer.wait("root.dataset.window === '-160,240'")  # the third cell has run

            # A drag sends nothing, its end one short message, and Python knows the window.
            messages.forget()
            viewer.part("width").scroll_into_view_if_needed()
            drag(page, viewer.part("width"), 0.4, 0.2, 10)
            page.wait_for_timeout(300)
            assert (messages.sent, messages.received) == ([], [])
            page.mouse.up()
            page.wait_for_timeout(500)
            assert len(messages.sent) == 1
            assert messages.sent[0] < 2048
            low, high = (float(bound) for bound in str(viewer.data("window")).split(","))
            assert (low + high) / 2 == pytest.approx(40)
            assert json.loads(notebook.run(PRINT)) == [low, high]
            messages.forget()
            notebook.run(SET)
            viewer.wait("root.dataset.window === '-160,240'")
            assert messages.sent == []

            # The clip plays, and its folder is nowhere.
            cell = notebook.cell(CLIP)
            image = cell.locator("figure img")
            image.scroll_into_view_if_needed()
            pictures = []
            for _ in range(2):
                pictures.append(pixels_of(image.screenshot()))
                page.wait_for_timeout(700)
            assert np.abs(pictures[0] - pictures[1]).max() > 30
            assert "ball.mp4" in cell.locator("figcaption").inner_text()
            page.screenshot(path=tmp_path / "lab.png")
            notebook.cell(PRINT).locator(".cm-content").first.click()
            page.keyboard.press("Control+s")
            page.locator(".jp-mod-dirty").wait_for(state="detached")
        saved = json.loads((tmp_path / "work" / "windows.ipynb").read_text())
        outputs = json.dumps(saved["cells"][CLIP]["outputs"])
        assert "ball.mp4" in outputs
        assert "someone" not in outputs
    finally:
        context.close()
