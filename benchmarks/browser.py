"""Speed of the viewers in headless Chromium with software rendering: ``python -m benchmarks.browser``.

Each figure is the median and range of several runs, and its ratio to a baseline measured at the same moment on the same
machine: an empty page, or one idle frame of the browser.
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

# Milliseconds from setting a slider to the pixels of the tube: drawing, then reading back a pixel to wait for the GPU.
SLIDE = """async (root, [name, values]) => {
  const input = root.querySelector(`input[data-name=${name}]`), gl = root.querySelector(".ne-tube").getContext("webgl2");
  const times = [], pixel = new Uint8Array(4), frame = () => new Promise(requestAnimationFrame);
  for (const value of values) {
    if (Math.abs(input.value - value) < 1e-6) continue;  // no repaint
    const start = performance.now(), before = root.dataset.painted;
    input.value = value;
    input.dispatchEvent(new Event("input", { bubbles: true }));
    while (root.dataset.painted === before) await frame();
    gl.readPixels(0, 0, 1, 1, gl.RGBA, gl.UNSIGNED_BYTE, pixel);
    times.push(performance.now() - start);
    await frame();
  }
  return times;
}"""
# Milliseconds from a movement of the pointer over an element to the value in the readout, layout included.
HOVER = """(root, [selector, count]) => {
  const target = root.querySelector(selector), box = target.getBoundingClientRect(), readout = root.querySelector(".ne-readout");
  return Array.from({ length: count }, (_, k) => {
    const clientX = box.left + (0.3 + (0.4 * k) / count) * box.width, clientY = box.top + box.height / 2;
    const start = performance.now();
    target.dispatchEvent(new PointerEvent("pointermove", { clientX, clientY, bubbles: true }));
    readout.getBoundingClientRect();
    return performance.now() - start;
  });
}"""
# Frames per second while the tube is dragged: those painted, and those of the browser.
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
# Frames per second while the wheel zooms a pyramid in and out: those painted, and those of the browser.
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
# Milliseconds of each frame of the browser while nothing is drawn.
FRAMES = """async count => {
  const times = []; let last = await new Promise(requestAnimationFrame);
  for (let k = 0; k < count; k++) {
    const now = await new Promise(requestAnimationFrame);
    times.push(now - last); last = now;
  }
  return times;
}"""


# Canvas size at which the prototype was timed; the goals are twice its frames per second.
STAGE = ".ne-stage-tube { width: 480px; height: 360px; min-height: 0 !important }"
TURNS = {16: 60, 32: 28}


@dataclass(frozen=True)
class Timing:
    """Milliseconds of several runs, and of their baseline."""

    name: str
    times: list[float]
    baseline: list[float]

    def __str__(self) -> str:
        median, base = statistics.median(self.times), statistics.median(self.baseline)
        return f"{self.name:<44}{median:8.0f}{min(self.times):8.0f} ..{max(self.times):6.0f}{base:9.1f}{median / base:9.1f}"


def time_to_open(browser: Browser, path: Path, width: int = 1000) -> float:
    """Return the milliseconds from opening a page until it is ready."""
    page, _ = offline_page(browser, width, 700)
    try:
        start = time.perf_counter()
        page.goto(path.as_uri())
        page.locator(READY).first.wait_for(state="attached", timeout=60_000)
        return 1000 * (time.perf_counter() - start)
    finally:
        page.context.close()


@dataclass(frozen=True)
class FrameRate:
    """Frames per second of several runs, and of the browser meanwhile."""

    name: str
    painted: list[float]
    browser: list[float]
    goal: int

    def __str__(self) -> str:
        median, limit = statistics.median(self.painted), statistics.median(self.browser)
        return (
            f"{self.name:<44}{median:6.0f}/s{min(self.painted):8.0f} ..{max(self.painted):6.0f}"
            f"{limit:7.0f}/s  goal {self.goal} per second (browsers draw at most 60)"
        )


def measure(browser: Browser, folder: Path, frames: int, size: int, runs: int) -> list[Timing | FrameRate]:
    """Time opening, sliders and turning for the viewer of one clip."""
    label = f"{frames}x{size}x{size}"
    path = tubes(frames=frames, size=size, layers=LAYERS).to_html(folder / f"{label}.html")
    empty = folder / "empty.html"
    empty.write_text(EMPTY, encoding="utf-8")
    opened, baseline = [], []
    for _ in range(runs):
        baseline.append(time_to_open(browser, empty))
        opened.append(time_to_open(browser, path))
    figures: list[Timing | FrameRate] = [Timing(f"{label} open to first paint", opened, baseline)]

    page, _ = offline_page(browser, 1000, 700)
    try:
        page.goto(path.as_uri())
        page.locator(READY).wait_for()
        page.add_style_tag(content=STAGE)
        viewer = Viewer(page)
        viewer.sharp()

        def record(name: str, run: Callable[[], list[float]]) -> None:
            idle = page.evaluate(FRAMES, 20)
            figures.append(Timing(f"{label} {name}", run(), [*idle, *page.evaluate(FRAMES, 20)]))

        for layer, grid in enumerate("x".join(map(str, example.grid)) for example in LAYERS):
            viewer.slide("layer", layer)
            steps = [[0.3 + 0.02 * (k % 8) for k in range(3 * runs)], [k % frames for k in range(1, 3 * runs + 1)]]
            for name, values in zip(("threshold", "frame"), steps, strict=True):
                record(f"{name} to pixels, map {grid}", lambda: viewer.root.evaluate(SLIDE, [name, values]))  # noqa: B023
            for place in ("frame", "tube"):
                where = [f".ne-{place}", 8 * runs]
                record(f"hover to value in the {place}, map {grid}", lambda: viewer.root.evaluate(HOVER, where))  # noqa: B023
            turns = [viewer.root.evaluate(TURN, 1000) for _ in range(runs)]
            painted, limit = (list(column) for column in zip(*turns, strict=True))
            figures.append(FrameRate(f"{label} turning at 480x360, map {grid}", painted, limit, TURNS[frames]))
    finally:
        page.context.close()
    return figures


def measure_zoom(browser: Browser, folder: Path, runs: int) -> FrameRate:
    """Time zooming a pyramid as large as that of a DenseNet-121."""
    path = write_page(folder / "deep.html", deep_pyramid())
    page, _ = offline_page(browser, 1100, 900)
    try:
        page.goto(path.as_uri())
        root = page.locator(SETTLED).first
        root.wait_for(state="attached", timeout=30_000)
        rates = [root.evaluate(ZOOM, 2000) for _ in range(runs)]
    finally:
        page.context.close()
    painted, limit = (list(column) for column in zip(*rates, strict=True))
    return FrameRate("zooming a pyramid of 122 rows, 7,684 units", painted, limit, 30)


def measure_cells(browser: Browser, folder: Path, runs: int) -> list[Timing]:
    """Time cells in a real JupyterLab, from the key press to the first paint; the baseline is a cell that prints a word."""
    (folder / "work").mkdir(parents=True)
    imports = (
        f"import sys; sys.path.insert(0, {str(jupyter_driver.REPOSITORY)!r})\nfrom tests.browser import example_tubes"
    )
    tubes_of_sizes = [f"tubes_{frames} = example_tubes.tubes(frames={frames}, size={size})" for frames, size in SIZES]
    displays = [f"tubes_{frames}{call}" for frames, _ in SIZES for call in ("", ".view()")]
    cells = ["\n".join((imports, *tubes_of_sizes)), "print('a word')", *displays]
    jupyter_driver.write_notebook(folder / "work" / "bench.ipynb", cells)
    figures = []
    with jupyter_driver.server(folder) as address:
        context = browser.new_context(viewport={"width": 1000, "height": 1600})
        try:
            page = context.new_page()
            notebook = jupyter_driver.Notebook(page, address, "bench.ipynb")
            notebook.run_all()
            notebook.idle()
            kinds = [(f"{frames}x{size}x{size} cell", kind) for frames, size in SIZES for kind in ("page", "widget")]
            for index, (name, kind) in enumerate(kinds, start=2):
                times, baseline = [], []
                for _ in range(runs):
                    baseline.append(
                        _time_cell(notebook, 1, lambda cell: cell.locator(".jp-OutputArea-output:not([data-old])"))
                    )
                    times.append(_time_cell(notebook, index, _shown))
                figures.append(Timing(f"{name} to first paint ({kind}, JupyterLab)", times, baseline))
        finally:
            context.close()
    return figures


def _shown(cell: Locator) -> Locator:
    """Return the view on the page in a cell's new output."""
    return cell.locator("iframe:not([data-old])").first.content_frame.locator(READY)


def _time_cell(notebook: jupyter_driver.Notebook, index: int, shown: Callable[[Locator], Locator]) -> float:
    """Return the milliseconds from running a cell until it shows new output."""
    cell = notebook.cell(index)
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
        print("The viewers were not timed: Chromium is missing (make browser installs it).")
        return
    for bundle in sorted(STATIC.glob("tube_viewer.*")):
        print(
            f"{bundle.name:<44}{bundle.stat().st_size / 1000:8.1f} kB"
            + ("  goal 66 kB" if bundle.suffix == ".js" else "")
        )
    print(f"{'ms':<44}{'median':>8}{'range':>16}{'baseline':>9}{'ratio':>9}")
    with chromium() as browser, tempfile.TemporaryDirectory() as folder:
        for frames, size in SIZES:
            for figure in measure(browser, Path(folder), frames, size, runs):
                print(figure)
        print(measure_zoom(browser, Path(folder), runs))
        for figure in measure_cells(browser, Path(folder) / "lab", runs):
            print(figure)


if __name__ == "__main__":
    main()
