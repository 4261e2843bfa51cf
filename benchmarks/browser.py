"""How fast the viewer is in headless Chromium with software graphics: ``python -m benchmarks.browser``.

Each figure is the median and range of several runs, and its ratio to a trivial thing measured beside it on the same
machine in the same moment: a page with nothing on it, or one empty frame of the browser.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from playwright.sync_api import Browser, Locator

from notebook_explain.widgets.base import STATIC
from tests.browser import jupyter_driver
from tests.browser.browser_driver import READY, Viewer, chromium, find_chromium, offline_page
from tests.browser.example_tubes import Layer, tubes
from tests.browser.pyramid_driver import SETTLED, write_page
from tests.widgets.random_pyramids import deep_pyramid

SIZES = ((16, 112), (32, 224))
LAYERS = (Layer("stem", "stem", (16, 56, 56)), Layer("last", "pooling input", (2, 7, 7)))
EMPTY = "<!doctype html><title>empty</title><p class=ne-tubes data-ready=true>nothing</p>"

# Milliseconds from setting a slider to the tube's pixels: the paint, and a read of the graphics card that waits for it.
SLIDE = """async (root, [name, values]) => {
  const input = root.querySelector(`input[data-name=${name}]`), gl = root.querySelector(".ne-tube").getContext("webgl2");
  const took = [], one = new Uint8Array(4), frame = () => new Promise(requestAnimationFrame);
  for (const value of values) {
    if (Math.abs(input.value - value) < 1e-6) continue;  // nothing would be painted
    const start = performance.now(), before = root.dataset.painted;
    input.value = value;
    input.dispatchEvent(new Event("input", { bubbles: true }));
    while (root.dataset.painted === before) await frame();
    gl.readPixels(0, 0, 1, 1, gl.RGBA, gl.UNSIGNED_BYTE, one);
    took.push(performance.now() - start);
    await frame();
  }
  return took;
}"""
# Frames a second while a hand turns the tube: those painted, and those that the browser itself made meanwhile.
TURN = """async (root, ms) => {
  const canvas = root.querySelector(".ne-tube"), before = Number(root.dataset.painted), start = performance.now();
  let frames = 0;
  while (performance.now() - start < ms) {
    canvas.dispatchEvent(new PointerEvent("pointermove", { buttons: 1, movementX: 4, movementY: frames % 2, bubbles: true }));
    frames++;
    await new Promise(requestAnimationFrame);
  }
  const seconds = (performance.now() - start) / 1000;
  return [(Number(root.dataset.painted) - before) / seconds, frames / seconds];
}"""
# Frames a second while a wheel zooms a pyramid in and out: those painted, and those that the browser itself made meanwhile.
ZOOM = """async (root, ms) => {
  const tree = root.querySelector(".ne-branches"), before = Number(root.dataset.painted), start = performance.now();
  let frames = 0;
  tree.focus();
  while (performance.now() - start < ms) {
    const deltaY = frames++ % 60 < 30 ? -50 : 50;
    tree.dispatchEvent(new WheelEvent("wheel", { deltaY, clientX: 500, clientY: 500, bubbles: true, cancelable: true }));
    await new Promise(requestAnimationFrame);
  }
  const seconds = (performance.now() - start) / 1000;
  return [(Number(root.dataset.painted) - before) / seconds, frames / seconds];
}"""
# Milliseconds of each of the browser's frames while nothing is drawn.
FRAMES = """async count => {
  const took = []; let last = await new Promise(requestAnimationFrame);
  for (let k = 0; k < count; k++) {
    const now = await new Promise(requestAnimationFrame);
    took.push(now - last); last = now;
  }
  return took;
}"""


# The size at which the prototype was timed, and twice its frames a second: the goals.
STAGE = ".ne-stage-tube { width: 480px; height: 360px; min-height: 0 !important }"
TURNS = {16: 60, 32: 28}


@dataclass(frozen=True)
class Figure:
    """Milliseconds of several runs, and of the trivial thing beside them."""

    name: str
    took: list[float]
    trivial: list[float]

    def __str__(self) -> str:
        middle, base = statistics.median(self.took), statistics.median(self.trivial)
        return (
            f"{self.name:<44}{middle:8.0f}{min(self.took):8.0f} ..{max(self.took):6.0f}{base:9.1f}{middle / base:9.1f}"
        )


def opening(browser: Browser, path: Path, width: int = 1000) -> float:
    """Milliseconds from opening a page to its being ready."""
    page, _ = offline_page(browser, width, 700)
    try:
        start = time.perf_counter()
        page.goto(path.as_uri())
        page.locator(READY).first.wait_for(state="attached", timeout=60_000)
        return 1000 * (time.perf_counter() - start)
    finally:
        page.context.close()


@dataclass(frozen=True)
class Turning:
    """Frames a second of several runs, beside those of the browser itself."""

    name: str
    painted: list[float]
    browser: list[float]
    goal: int

    def __str__(self) -> str:
        middle, most = statistics.median(self.painted), statistics.median(self.browser)
        return (
            f"{self.name:<44}{middle:6.0f}/s{min(self.painted):8.0f} ..{max(self.painted):6.0f}"
            f"{most:7.0f}/s  goal {self.goal} a second; a browser makes 60 at most"
        )


def measure(browser: Browser, folder: Path, frames: int, size: int, runs: int) -> list[Figure | Turning]:
    """Open, slide and turn a viewer of one clip."""
    label = f"{frames}x{size}x{size}"
    path = tubes(frames=frames, size=size, layers=LAYERS).to_html(folder / f"{label}.html")
    empty = folder / "empty.html"
    empty.write_text(EMPTY, encoding="utf-8")
    opened, trivial = [], []
    for _ in range(runs):
        trivial.append(opening(browser, empty))
        opened.append(opening(browser, path))
    figures: list[Figure | Turning] = [Figure(f"{label} open to first paint", opened, trivial)]

    page, _ = offline_page(browser, 1000, 700)
    try:
        page.goto(path.as_uri())
        page.locator(READY).wait_for()
        page.add_style_tag(content=STAGE)
        viewer = Viewer(page)
        viewer.sharp()

        def beside(name: str, run: Callable[[], list[float]]) -> None:
            idle = page.evaluate(FRAMES, 20)
            figures.append(Figure(f"{label} {name}", run(), [*idle, *page.evaluate(FRAMES, 20)]))

        for layer, grid in enumerate("x".join(map(str, made.grid)) for made in LAYERS):
            viewer.slide("layer", layer)
            steps = [[0.3 + 0.02 * (k % 8) for k in range(3 * runs)], [k % frames for k in range(1, 3 * runs + 1)]]
            for name, values in zip(("threshold", "frame"), steps, strict=True):
                beside(f"{name} to pixels, map {grid}", lambda: viewer.root.evaluate(SLIDE, [name, values]))  # noqa: B023
            turns = [viewer.root.evaluate(TURN, 1000) for _ in range(runs)]
            painted, most = (list(column) for column in zip(*turns, strict=True))
            figures.append(Turning(f"{label} turning at 480x360, map {grid}", painted, most, TURNS[frames]))
    finally:
        page.context.close()
    return figures


def zooming(browser: Browser, folder: Path, runs: int) -> Turning:
    """A pyramid as large as of a DenseNet-121, zoomed."""
    path = write_page(folder / "deep.html", deep_pyramid())
    page, _ = offline_page(browser, 1100, 900)
    try:
        page.goto(path.as_uri())
        root = page.locator(SETTLED).first
        root.wait_for(state="attached", timeout=30_000)
        rates = [root.evaluate(ZOOM, 2000) for _ in range(runs)]
    finally:
        page.context.close()
    painted, possible = (list(column) for column in zip(*rates, strict=True))
    return Turning("zooming a pyramid of 122 rows, 7,684 units", painted, possible, 30)


def cell_to_paint(browser: Browser, folder: Path, runs: int) -> list[Figure]:
    """In a real JupyterLab, from the key to the first paint of tubes, and of their widget, beside a cell that prints a word."""
    (folder / "work").mkdir(parents=True)
    imports = (
        f"import sys; sys.path.insert(0, {str(jupyter_driver.REPOSITORY)!r})\nfrom tests.browser import example_tubes"
    )
    makes = [f"made_{frames} = example_tubes.tubes(frames={frames}, size={size})" for frames, size in SIZES]
    shown = [f"made_{frames}{how}" for frames, _ in SIZES for how in ("", ".view()")]
    cells = ["\n".join((imports, *makes)), "print('a word')", *shown]
    jupyter_driver.write_notebook(folder / "work" / "bench.ipynb", cells)
    figures = []
    with jupyter_driver.server(folder) as address:
        context = browser.new_context(viewport={"width": 1000, "height": 1600})
        try:
            page = context.new_page()
            notebook = jupyter_driver.Notebook(page, address, "bench.ipynb")
            notebook.run_all()
            notebook.idle()
            kinds = [(f"{frames}x{size}x{size} cell", how) for frames, size in SIZES for how in ("page", "widget")]
            for place, (name, how) in enumerate(kinds, start=2):
                took, trivial = [], []
                for _ in range(runs):
                    trivial.append(
                        _cell(notebook, 1, lambda cell: cell.locator(".jp-OutputArea-output:not([data-old])"))
                    )
                    took.append(_cell(notebook, place, SHOWN[how]))
                figures.append(Figure(f"{name} to first paint ({how}, JupyterLab)", took, trivial))
        finally:
            context.close()
    return figures


SHOWN: dict[str, Callable[[Locator], Locator]] = {
    "page": lambda cell: cell.locator("iframe:not([data-old])").first.content_frame.locator(READY),
    "widget": lambda cell: cell.locator(f"{READY}:not([data-old])"),
}


def _cell(notebook: jupyter_driver.Notebook, place: int, shown: Callable[[Locator], Locator]) -> float:
    """Milliseconds from running a cell until something new is shown in it."""
    cell = notebook.cell(place)
    old = ".ne-tubes, iframe, .jp-OutputArea-output"
    cell.evaluate("(cell, old) => cell.querySelectorAll(old).forEach(e => e.dataset.old = 1)", old)
    cell.locator(".cm-content").first.click()
    start = time.perf_counter()
    notebook.page.keyboard.press("Control+Enter")
    shown(cell).first.wait_for(state="attached", timeout=30_000)
    return 1000 * (time.perf_counter() - start)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=5)
    runs = parser.parse_args().runs
    if find_chromium() is None:
        print("The viewer was not timed: no Chromium (make browser).")
        return
    for bundle in sorted(STATIC.glob("tube_viewer.*")):
        print(
            f"{bundle.name:<44}{bundle.stat().st_size / 1000:8.1f} kB"
            + ("  goal 60 kB" if bundle.suffix == ".js" else "")
        )
    print(f"{'ms':<44}{'median':>8}{'range':>16}{'trivial':>9}{'ratio':>9}")
    with chromium() as browser, tempfile.TemporaryDirectory() as folder:
        for frames, size in SIZES:
            for figure in measure(browser, Path(folder), frames, size, runs):
                print(figure)
        print(zooming(browser, Path(folder), runs))
        for figure in cell_to_paint(browser, Path(folder) / "lab", runs):
            print(figure)


if __name__ == "__main__":
    main()
