"""Chromium and a driver of the tube viewer, for tests, screenshots and benchmarks."""

from __future__ import annotations

import base64
import io
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from playwright.sync_api import Browser, BrowserContext, Locator, Page, Playwright, sync_playwright

from notebook_explain.widgets import page_data
from notebook_explain.widgets.html import DATA_ELEMENT, read_data

QUIET = (
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-default-apps",
    "--disable-sync",
    "--mute-audio",
)
ARGS = ("--no-sandbox", "--use-angle=swiftshader", "--enable-unsafe-swiftshader", *QUIET)
NO_WEBGL2 = """
const original = HTMLCanvasElement.prototype.getContext;
HTMLCanvasElement.prototype.getContext = function (kind, ...given) {
  return kind === "webgl2" ? null : original.call(this, kind, ...given);
};
"""
# Reading a pixel waits until rendering has finished; while it has not, the viewer postpones its next picture.
FINISH = """(root.dataset.gl === "webgl2" && (gl => gl.readPixels(0, 0, 1, 1, gl.RGBA, gl.UNSIGNED_BYTE, new Uint8Array(4)))
  (root.querySelector(".ne-tube").getContext("webgl2")))"""
READY = ".ne-tubes[data-ready=true]"
LOCAL = ("file:", "blob:", "data:")


def find_chromium() -> str | None:
    """Return the path of the installed Chromium, or None."""
    names = ("chromium", "chromium-browser", "google-chrome")
    return next((found for found in map(shutil.which, names) if found), None)


def launch(playwright: Playwright) -> Browser:
    return playwright.chromium.launch(executable_path=find_chromium(), args=list(ARGS))


@contextmanager
def chromium() -> Iterator[Browser]:
    """Start Chromium for a script."""
    if find_chromium() is None:
        raise SystemExit("no Chromium: make browser")
    with sync_playwright() as playwright:
        browser = launch(playwright)
        try:
            yield browser
        finally:
            browser.close()


def offline_page(
    browser: Browser, width: int, height: int, color_scheme: str = "light", **context: Any
) -> tuple[Page, list[str]]:
    """Return a page without a network, and the list of its exceptions, console errors and requests."""
    viewport = {"width": width, "height": height}
    browser_context: BrowserContext = browser.new_context(
        offline=True,
        viewport=viewport,
        color_scheme=color_scheme,
        **context,  # type: ignore[arg-type]
    )
    page = browser_context.new_page()
    wrong: list[str] = []
    page.on("pageerror", lambda error: wrong.append(f"exception: {error}"))
    page.on("console", lambda message: wrong.append(f"console: {message.text}") if message.type == "error" else None)
    page.on(
        "request", lambda request: None if request.url.startswith(LOCAL) else wrong.append(f"request: {request.url}")
    )
    return page, wrong


class Viewer:
    """Driver of one tube viewer on a page."""

    def __init__(
        self, page: Page, index: int = 0, within: Locator | None = None, wrong: list[str] | None = None
    ) -> None:
        self.page = page
        self.wrong = [] if wrong is None else wrong  # errors on the page so far
        self.root = (within or page).locator(".ne-tubes").nth(index)

    def part(self, name: str) -> Locator:
        """Return a control by its data-name."""
        return self.root.locator(f"[data-name={name}]")

    @property
    def text(self) -> str:
        return self.root.inner_text()

    def data(self, name: str) -> str | None:
        return self.root.get_attribute(f"data-{name}")

    def number(self, name: str) -> float:
        return float(self.data(name) or "nan")

    def wait(self, condition: str, given: Any = None, timeout: float = 30) -> Any:
        """Wait until a JavaScript expression of ``root`` and ``given`` is true, evaluated once per frame."""
        script = f"""(root, [given, limit]) => new Promise((done, failed) => {{
          const end = performance.now() + limit;
          const poll = () => {{
            let met; try {{ met = {condition}; }} catch (error) {{ failed(error); return; }}
            if (met) done(met);
            else if (performance.now() > end) failed(new Error("timed out; data: " + JSON.stringify(root.dataset)));
            else requestAnimationFrame(poll);
          }};
          poll();
        }})"""
        try:
            return self.root.evaluate(script, [given, 1000 * timeout])
        except Exception as error:
            raise AssertionError(f"{condition} (given {given!r}): {error}") from error

    def sharp(self) -> None:
        """Wait until the tube is drawn at full resolution; it is lower while pictures follow each other."""
        full = "(canvas => canvas && canvas.width >= canvas.clientWidth - 1)(root.querySelector('.ne-tube'))"
        count, now = "root.dataset.painted", "performance.now()"
        rests = f"(root.last?.[0] === {count} ? {now} - root.last[1] > 120 : !(root.last = [{count}, {now}]))"
        self.root.evaluate("root => { root.last = undefined; }")  # ignore earlier rests
        self.wait(f"({FINISH}, {rests}) && {full}")

    def slide(self, name: str, value: float) -> None:
        """Set a slider in one gesture, and wait for the sharp picture."""
        self.put(name, value)
        self.sharp()

    def put(self, name: str, value: float) -> None:
        """Set a slider in one gesture, and wait for the viewer to follow."""
        self.part(name).evaluate(
            "(input, value) => { input.value = value; input.dispatchEvent(new Event('input', { bubbles: true }));"
            " input.dispatchEvent(new Event('change', { bubbles: true })); }",
            str(value),
        )
        self.wait(f"Math.abs(Number(root.dataset['{name}']) - given) < 1e-9", value)

    def shows(self, name: str, value: float) -> None:
        """Wait until the sharp picture shows a value."""
        self.wait(f"Math.abs(Number(root.dataset['{name}']) - given) < 1e-9", value)
        self.sharp()

    def look(self, view: str) -> None:
        """Press a button that rotates the tube, and wait for the new picture."""
        before = self.number("painted")
        self.part(view).click()
        self.painted_since(before)

    def painted_since(self, before: float) -> None:
        """Wait for a picture after the first ``before`` ones."""
        self.wait("Number(root.dataset.painted) > given", before)
        self.sharp()

    def canvas(self, name: str) -> NDArray[np.int16]:
        """Return the pixels of a canvas, "frame" or "tube", as RGBA."""
        url = self.root.locator(f"canvas.ne-{name}").evaluate("canvas => canvas.toDataURL()")
        return pixels_of(base64.b64decode(url.split(",")[1]), "RGBA")

    def screenshot(self, name: str) -> NDArray[np.int16]:
        """Return a screenshot of a canvas, with the elements over it."""
        return pixels_of(self.root.locator(f"canvas.ne-{name}").screenshot())


def pixels_of(picture: bytes, mode: str = "RGB") -> NDArray[np.int16]:
    """Decode a PNG as an array (height, width, channel)."""
    with Image.open(io.BytesIO(picture)) as image:
        return np.asarray(image.convert(mode)).astype(np.int16)


def changed(one: NDArray[np.int16], other: NDArray[np.int16], by: int = 3) -> NDArray[np.bool_]:
    """Return where two pictures differ, at the smaller of their sizes: a busy machine draws the tube at a lower resolution."""
    if other.ndim == 3 and one.shape != other.shape:
        height, width = np.minimum(one.shape, other.shape)[:2]
        one, other = (_resize(picture, (int(width), int(height))) for picture in (one, other))
    return np.abs(one - other).max(axis=-1) > by


def _resize(picture: NDArray[np.int16], size: tuple[int, int]) -> NDArray[np.int16]:
    resized = Image.fromarray(picture.astype(np.uint8)).resize(size, Image.Resampling.BOX)
    return np.asarray(resized, np.int16)


def edited(path: Path, edit: Callable[[dict[str, Any]], None]) -> Path:
    """Return a copy of a page with the state of its first widget edited."""
    text = path.read_text(encoding="utf-8")
    start = text.index(DATA_ELEMENT) + len(DATA_ELEMENT)
    data = read_data(text)
    edit(data["widgets"][0]["state"])
    copy = path.with_name("edited.html")
    copy.write_text(text[:start] + page_data.pack(data) + text[text.index("</script>", start) :], encoding="utf-8")
    return copy
