"""The explorer in a real JupyterLab: ``python -m benchmarks.explorer_live``.

A pointer draws a box over the frame, as a hand does. The times are those from a movement of the pointer to the new probability on
the bar of the class (the next picture of the browser included), with the kernel idle, beside a cell that trains the same network,
and beside one that loops in Python; then the messages that a gesture sends, and the time from its release to the final answer.
For a network of the size of r3d_18, times are ratios to its forward pass in the same kernel.
"""

from __future__ import annotations

import statistics

from playwright.sync_api import Page

from tests.browser.browser_driver import chromium
from tests.browser.explorer_notebook import SETUP, ExplorerCell, explorer_notebook
from tests.browser.jupyter_driver import Messages, Notebook

MOVES = 40
TRAIN = (
    "import time, torch\nend = time.time() + {seconds}\nnet = explorer.model.module\nsteps = 0\n"
    "optimiser = torch.optim.SGD(net.parameters(), lr=0.0)\n"
    "while time.time() < end:\n    optimiser.zero_grad()\n    net(torch.rand(2, 3, 16, 64, 64)).sum().backward()\n"
    "    optimiser.step()\n    steps += 1\nprint(steps)"
)
LOOP = "import time\nend = time.time() + {seconds}\ncount = 0\nwhile time.time() < end:\n    count += 1\nprint(count)"
LARGE = (
    "import time, numpy as np, torch\nfrom tests import zoo\n"
    "model = ne.adapt(zoo.full_size_r3d18(400).eval(), size=112, frames=16, mean=zoo.MEAN, std=zoo.STD, layout='BCTHW')\n"
    "pixels = np.random.default_rng(0).integers(0, 255, (16, 112, 112, 3), np.uint8)\n"
    "explorer = ne.Explorer(model, ne.Clip(pixels), method='saliency_tubes')\nexplorer.wait()\n"
    "video = torch.rand(1, 3, 16, 112, 112)\n"
    "def forward():\n    start = time.perf_counter()\n    with torch.no_grad():\n        model.module(video)\n"
    "    return time.perf_counter() - start\nprint(sorted(forward() for _ in range(7))[3])"
)
SECONDS = 14
IDLE, TRAINING, LOOPING = "kernel idle", "beside a cell that trains", "beside a cell that loops"

# Resolve with the milliseconds from a movement of the pointer until the bar of the class has changed and was drawn.
GESTURE = """async (root, [moves, pause, largest]) => {
  const brush = root.querySelector(".ne-brush"), box = brush.getBoundingClientRect();
  const bar = () => [...root.querySelectorAll(".ne-class-value")].map((each) => each.textContent).join();
  const at = (share) => ({ clientX: box.left + share * box.width, clientY: box.top + (0.3 + share / 2) * box.height });
  const options = { pointerId: 1, button: 0, buttons: 1, bubbles: true };
  const send = (type, share) => brush.dispatchEvent(new PointerEvent(type, { ...at(share), ...options }));
  const frame = () => new Promise(requestAnimationFrame), times = [];
  brush.setPointerCapture = () => {}; // there is no such pointer
  send("pointerdown", 0.05);
  for (let k = 1; k <= moves; k++) {
    const before = bar(), start = performance.now();
    send("pointermove", 0.1 + (0.8 * (k % 2 ? k : moves - k)) / moves);
    while (bar() === before && performance.now() - start < largest) await frame();
    if (bar() !== before) times.push(performance.now() - start);
    await new Promise((done) => setTimeout(done, pause));
  }
  send("pointermove", 0.7);
  const start = performance.now();
  send("pointerup", 0.7);
  await frame();
  while (root.dataset.working) await frame();
  return { times, release: performance.now() - start };
}"""


def gesture(explorer: ExplorerCell, moves: int = MOVES, largest: float = 4000) -> tuple[list[float], float]:
    """Draw a box, and return the milliseconds of each movement and of the release."""
    if explorer.part("brush-box").get_attribute("aria-pressed") != "true":
        explorer.part("brush-box").click()
    explorer.root.locator(".ne-brush").scroll_into_view_if_needed()
    found = explorer.root.evaluate(GESTURE, [moves, 30, largest])
    return found["times"], found["release"]


def print_bundled(page: Page) -> None:
    """Print times of the bundled network in three situations."""
    cells = ("print(0)", TRAIN.format(seconds=SECONDS), LOOP.format(seconds=SECONDS))
    messages = Messages(page)
    with explorer_notebook(page, cells) as (notebook, explorer):
        gesture(explorer, 10)  # the first ones find out how the network takes a batch
        for index, name in ((None, IDLE), (3, TRAINING), (4, LOOPING)):
            explorer.part("undo").click()
            explorer.settled()
            if index is not None:
                _start(notebook, index)
            messages.forget()
            times, release = gesture(explorer)
            sent = len(messages.sent)
            if index is not None:
                notebook.idle(3 * SECONDS)
            print(
                f"{name}: {len(times)} of {MOVES} movements changed a bar: median {statistics.median(times):.0f} ms, "
                f"worst {max(times):.0f} ms; release to the end {release:.0f} ms; {sent} messages up"
            )


def _start(notebook: Notebook, index: int) -> None:
    """Run a cell without waiting for its end."""
    notebook.cell(index).locator(".cm-content").first.click()
    notebook.page.keyboard.press("Control+Enter")
    notebook.page.wait_for_timeout(1500)


def print_large(page: Page) -> None:
    """Print times of a network of the size of r3d_18, as ratios to its forward pass in the same kernel."""
    setup = SETUP.split("clip = ", 1)[0] + LARGE
    with explorer_notebook(page, ("print(sorted(forward() for _ in range(5))[2])",), setup) as (notebook, explorer):
        forward = 1000 * float(notebook.run(2))
        gesture(explorer, 3, 20_000)
        explorer.part("undo").click()
        explorer.settled()
        times, release = gesture(explorer, 8, 20_000)
        print(
            f"r3d_18-sized network: forward {forward:.0f} ms; movement to bar {statistics.median(times) / forward:.2f} x "
            f"(worst {max(times) / forward:.2f} x); release to the end, with saliency tubes, {release / forward:.2f} x"
        )


def main() -> None:
    """Print all figures."""
    with chromium() as browser:
        for measure in (print_bundled, print_large):
            page = browser.new_page(viewport={"width": 1400, "height": 1500})
            measure(page)
            page.close()


if __name__ == "__main__":
    main()
