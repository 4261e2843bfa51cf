"""The viewer in a real JupyterLab with a real kernel: a gesture sends Python one message, and Python changes the view."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, FrameLocator, Locator, Page, expect

from tests.browser import jupyter_driver
from tests.browser.browser_driver import READY, Viewer, changed
from tests.browser.concept_driver import ConceptDriver
from tests.browser.jupyter_driver import REPOSITORY, Messages, Notebook

CELLS = (
    f"import sys; sys.path.insert(0, {str(REPOSITORY)!r})\n"
    "from tests.browser import example_tubes\ntubes = example_tubes.tubes()\nviewer = tubes.view()\nviewer",
    "import json; print(json.dumps([viewer.frame, viewer.layer, viewer.threshold, viewer.playing]))",
    "viewer.frame = 3",
    "tubes",
    "from notebook_explain import display\ndisplay.cells.LARGEST_CELL = 0  # as if the page were too large to be saved\ntubes",
    "from ipywidgets.widgets.widget import _instances; print(json.dumps(sorted(type(w).__name__ for w in _instances.values())))",
)
SHOW, PRINT, SET, TUBES, LARGE, COUNT = range(len(CELLS))
CONCEPT_CELLS = (
    f"import sys; sys.path.insert(0, {str(REPOSITORY)!r})\n"
    "import ipywidgets\nimport notebook_explain as ne\nfrom tests.methods.concepts.networks import random_clips, small_model\n"
    "model = small_model()\nconcepts = ne.ConceptDiscovery(count=4, fills=('blur',))(model, random_clips(5), 1)\n"
    "viewer, output = concepts.view(), ipywidgets.Output()\n"
    "@output.capture(clear_output=True)\n"
    "def show(change):\n"
    "    concept, clip = change.new\n"
    "    display(concepts.tube(concepts.clips[clip], concept))\n"
    "viewer.observe(show, 'selected')\n"
    "display(viewer, output)",
    "import json; print(json.dumps([viewer.concepts[0].name, viewer.selected, viewer.playing]))",
    "from tests.example_values import small_visualization\nmade = small_visualization(size=16).view(playing=False)\nmade",
    "made.step = 0; print(json.dumps([made.arrows, made.selected]))",
)


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder = tmp_path_factory.mktemp("lab")
    (folder / "work").mkdir()
    jupyter_driver.write_notebook(folder / "work" / "viewer.ipynb", CELLS)
    jupyter_driver.write_notebook(folder / "work" / "concepts.ipynb", CONCEPT_CELLS)
    with jupyter_driver.server(folder) as address:
        yield address


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    context = browser.new_context(viewport={"width": 960, "height": 1500})
    yield context.new_page()
    context.close()


def inside(cell: Locator) -> FrameLocator:
    """The page that stands in a cell's output."""
    return cell.locator("iframe").first.content_frame


def view_in(page: Page, cell: Locator, index: int = 0) -> Viewer:
    """The tube viewer on the page in a cell's output."""
    return Viewer(page, index, within=inside(cell).locator("body"))


def drag(page: Page, slider: Locator, start: float, end: float, moves: int) -> None:
    """Hold a slider and pull it from one share of its length to another; do not let go."""
    slider.scroll_into_view_if_needed()
    box = slider.bounding_box()
    assert box is not None
    y = box["y"] + box["height"] / 2
    at = [box["x"] + 8 + share * (box["width"] - 16) for share in (start, end)]
    page.mouse.move(at[0], y)
    page.mouse.down()
    page.mouse.move(at[1], y, steps=moves)


def test_the_viewer_in_jupyterlab(address: str, page: Page) -> None:
    errors: list[str] = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    messages = Messages(page)
    notebook = Notebook(page, address, "viewer.ipynb")
    notebook.run_all()
    viewer = view_in(page, notebook.cell(SHOW))
    inside(notebook.cell(SHOW)).locator(READY).wait_for(timeout=30_000)
    notebook.idle()
    viewer.sharp()

    # Both cells show a viewer that paints.
    assert viewer.screenshot("frame").std() > 15
    assert viewer.screenshot("tube").std() > 15
    inside(notebook.cell(TUBES)).locator(READY).wait_for(timeout=15_000)
    view_in(page, notebook.cell(LARGE)).root.wait_for(timeout=15_000)

    # A drag moves the picture and sends no message; its end sends one short message.
    for name, start, end in (("frame", 0.1, 0.95), ("threshold", 0.4, 0.7), ("layer", 0.9, 0.1)):
        before = viewer.canvas("frame")
        messages.forget()
        drag(page, viewer.part(name), start, end, 20)
        wanted = float(viewer.part(name).input_value())
        viewer.shows(name, wanted)
        page.wait_for_timeout(300)  # what were to come would have come
        assert (messages.sent, messages.received) == ([], []), f"messages while {name} was dragged"
        assert changed(before, viewer.canvas("frame")).mean() > 0.01, f"{name} at {wanted}"
        page.mouse.up()
        page.wait_for_timeout(500)
        assert len(messages.sent) == 1, f"{len(messages.sent)} messages after {name} was let go"
        assert messages.sent[0] < 2048
        assert set(messages.received) <= {"echo_update"}
        assert len(messages.received) <= 1

    # Playback sends at most two messages a second, and one when it begins and ends.
    messages.forget()
    start = time.monotonic()
    viewer.part("play").click()
    viewer.wait("(window.frames_seen ??= new Set()).add(root.dataset.frame).size > 5")
    page.wait_for_timeout(max(0, 3000 - 1000 * (time.monotonic() - start)))
    seconds = time.monotonic() - start
    assert 2 <= len(messages.sent) <= 2 * seconds + 1.5
    viewer.part("play").click()

    # Python knows all of it.
    page.wait_for_timeout(300)
    shown = [viewer.number(name) for name in ("frame", "layer", "threshold")]
    assert json.loads(notebook.run(PRINT)) == pytest.approx([*shown, 0])
    assert shown[1] == 0

    # And the view follows Python, without an answer.
    messages.forget()
    notebook.run(SET)
    viewer.shows("frame", 3)
    assert viewer.part("frame").input_value() == "3"
    assert messages.sent == []

    # A cell run again closes what its last run drew.
    alive = []
    for _ in range(5):
        notebook.run(LARGE)
        alive.append(json.loads(notebook.run(COUNT)))
    view_in(page, notebook.cell(LARGE)).root.wait_for()
    assert notebook.cell(LARGE).locator("iframe").count() == 1
    assert errors == []
    assert [names.count("TubeViewer") for names in alive] == [2] * 5
    assert alive[-1] == alive[0]  # nor anything that a viewer brought with it

    # Saved, and opened without its kernel, a cell shows its explanation as before, and it moves.
    notebook.cell(PRINT).locator(".cm-content").first.click()
    page.keyboard.press("Control+s")
    page.locator(".jp-mod-dirty").wait_for(state="detached")
    jupyter_driver.end_kernels(address)
    notebook = Notebook(page, address, "viewer.ipynb")
    frame = inside(notebook.cell(TUBES))
    frame.locator(READY).wait_for(timeout=15_000)
    frame.locator("[data-name=frame]").fill("2")
    frame.locator(f"{READY}[data-frame='2']").wait_for(timeout=5_000)
    assert errors == []


def concepts_in(page: Page, frame: FrameLocator) -> ConceptDriver:
    """Return the driver of the concept viewer in a frame, once it is drawn."""
    driver = ConceptDriver(page)
    driver.root = frame.locator(".ne-concepts")
    frame.locator(".ne-concepts[data-ready=true]").wait_for(timeout=60_000)
    return driver


def test_concepts_and_made_clips_in_jupyterlab(address: str, page: Page) -> None:
    errors: list[str] = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    messages = Messages(page)
    notebook = Notebook(page, address, "concepts.ipynb")
    notebook.run_all()
    driver = concepts_in(page, inside(notebook.cell(0)))
    notebook.idle()
    assert max(map(max, driver.drawn(0))) > 100
    messages.forget()

    # Clips play without a message, and a name is one message.
    driver.exemplar(0).scroll_into_view_if_needed()
    first = driver.frame(0)
    driver.exemplar(0).locator(f"canvas:not([data-frame='{first}'])").wait_for(timeout=10_000)
    assert messages.sent == []
    driver.name(0).fill("kicking leg")
    page.keyboard.press("Enter")
    page.wait_for_timeout(300)
    assert len(messages.sent) == 1

    # A click asks for the tube of the concept in that clip, and the cell shows it.
    shown = driver.exemplar(0, 1)
    clip = int(shown.get_attribute("data-clip") or -1)
    shown.click()
    tube = notebook.cell(0).locator("iframe").nth(1).content_frame
    tube.locator(READY).wait_for(timeout=15_000)
    assert json.loads(notebook.run(1)) == ["kicking leg", [0, clip], True]

    # Arrows over made clips are one message, and Python sets the step.
    frame = inside(notebook.cell(2))
    made = frame.locator(".ne-visualization[data-ready=true]")
    made.wait_for(timeout=30_000)
    messages.forget()
    made.locator("[data-name=arrows]").click()
    page.wait_for_timeout(300)
    assert len(messages.sent) == 1
    assert json.loads(notebook.run(3)) == [True, -1]
    expect(made.locator("[data-name=step]")).to_have_value("0")

    assert errors == []

    # Opened again while the kernel runs, the notebook shows the name.
    page.keyboard.press("Control+s")
    page.locator(".jp-mod-dirty").wait_for(state="detached")
    notebook = Notebook(page, address, "concepts.ipynb")
    driver = concepts_in(page, inside(notebook.cell(0)))
    expect(driver.name(0)).to_have_value("kicking leg", timeout=30_000)  # once it is connected
