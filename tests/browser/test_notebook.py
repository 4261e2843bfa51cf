"""The viewers in a real Notebook 7 with a real kernel: a viewer, the page of a bare value, and two side by side."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page

from tests.browser import jupyter_driver
from tests.browser.browser_driver import READY, changed
from tests.browser.jupyter_driver import REPOSITORY, Messages, Notebook
from tests.browser.test_lab import drag, inside, view_in

CELLS = (
    f"import sys; sys.path.insert(0, {str(REPOSITORY)!r})\n"
    "from tests.browser import example_tubes\nimport notebook_explain as ne\n"
    "tubes = example_tubes.tubes()\nviewer = tubes.view()\nviewer",
    "tubes",
    "two = ne.compare(tubes, tubes, a_layer=0)\ntwo",
    "import json; print(json.dumps([viewer.frame, two.frame, two.a_threshold, two.b_threshold, two.linked]))",
    "two.b_threshold = 0.25",
)
SHOW, TUBES, TWO, PRINT, SET = range(len(CELLS))


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder = tmp_path_factory.mktemp("notebook")
    (folder / "work").mkdir()
    jupyter_driver.write_notebook(folder / "work" / "viewer.ipynb", CELLS)
    with jupyter_driver.server(folder, app="notebook") as address:
        yield address


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    context = browser.new_context(viewport={"width": 1200, "height": 1100})
    yield context.new_page()
    context.close()


def test_the_viewers_in_notebook_7(address: str, page: Page) -> None:
    messages = Messages(page)
    notebook = Notebook(page, address, "viewer.ipynb", "notebooks")
    errors: list[str] = []  # from here on: Notebook has one of its own while it starts
    page.on("pageerror", lambda error: errors.append(f"{error}\n{error.stack}"))
    notebook.run_all()
    viewer = view_in(page, notebook.cell(SHOW))
    inside(notebook.cell(SHOW)).locator(READY).wait_for(timeout=30_000)
    notebook.idle()
    viewer.sharp()
    assert viewer.screenshot("tube").std() > 15
    frame = viewer.number("frame") - 1
    viewer.part("frame").press("ArrowLeft")
    viewer.shows("frame", frame)

    # A bare value is its page, in a frame of its own.
    notebook.cell(TUBES).scroll_into_view_if_needed()
    inside(notebook.cell(TUBES)).locator(READY).wait_for(timeout=30_000)

    # Two side by side: a drag sends no message until it ends, and moves its own side, or both sides if they share the value.
    notebook.cell(TWO).scroll_into_view_if_needed()
    sides = [view_in(page, notebook.cell(TWO), k) for k in (0, 1)]
    for side in sides:
        side.root.locator(".ne-beside").scroll_into_view_if_needed()
        side.wait("root.dataset.ready === 'true'")
        side.sharp()
    slider = inside(notebook.cell(TWO)).locator(".ne-compare-bar [data-name=frame]")
    for control, name, moved in (
        (slider, "frame", (True, True)),
        (sides[0].part("frame"), "frame", (True, True)),
        (sides[0].part("threshold"), "threshold", (True, False)),
    ):
        control.scroll_into_view_if_needed()
        before, stood = [side.canvas("frame") for side in sides], sides[0].number(name)
        messages.forget()
        drag(page, control, 0.1, 0.6 if control == slider else 0.3, 12)
        for side, follows in zip(sides, moved, strict=True):
            if follows:
                side.wait(f"Number(root.dataset.{name}) === given", float(control.input_value()))
        assert sides[0].number(name) != stood
        page.wait_for_timeout(300)  # what were to come would have come
        assert (messages.sent, messages.received) == ([], []), f"messages while {name} was dragged"
        now = [side.canvas("frame") for side in sides]
        assert tuple(bool(changed(*pair).mean() > 0.005) for pair in zip(before, now, strict=True)) == moved
        page.mouse.up()
        page.wait_for_timeout(400)
        assert len(messages.sent) == 1
        assert messages.sent[0] < 2048

    # Python knows all of it, and the side follows Python.
    shown = [side.number("threshold") for side in sides]
    wanted = [frame, sides[0].number("frame"), *shown, 0]
    assert json.loads(notebook.run(PRINT)) == pytest.approx(wanted)
    notebook.run(SET)
    sides[1].root.scroll_into_view_if_needed()
    sides[1].shows("threshold", 0.25)
    assert sides[0].number("threshold") == shown[0]
    assert errors == []
