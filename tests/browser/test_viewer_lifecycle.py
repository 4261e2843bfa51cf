"""The viewer's life: drawn again and again, ten on a page, out of view, without a kernel, on paper, with less motion."""

from __future__ import annotations

import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page

from notebook_explain.explanations import Tubes
from notebook_explain.widgets import page as page_of
from tests.browser import jupyter_driver
from tests.browser.browser_driver import Viewer, changed, edited
from tests.browser.conftest import OpenPage
from tests.browser.example_tubes import COARSE, tubes


@pytest.fixture(scope="module")
def world() -> Tubes:
    return tubes()


@pytest.fixture(scope="module")
def path(world: Tubes, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return world.to_html(tmp_path_factory.mktemp("page") / "page.html")


# The page's own widget, imported, rendered and ended again and again, as a cell run again does it.
AGAIN = """async count => {
  const packed = Uint8Array.from(atob(document.getElementById("ne-data").textContent), c => c.charCodeAt(0));
  const stream = new Blob([packed]).stream().pipeThrough(new DecompressionStream("gzip"));
  const bytes = await new Response(stream).arrayBuffer(), length = new DataView(bytes).getUint32(0, true);
  const data = JSON.parse(new TextDecoder().decode(new Uint8Array(bytes, 4, length)), (_, v) =>
    Array.isArray(v?.$bytes) ? new DataView(bytes, 4 + length + v.$bytes[0], v.$bytes[1]) : v);
  const { esm } = Object.values(data.modules)[0], { state } = data.widgets[0], app = document.getElementById("app");
  for (let k = 0; k < count; k++) {
    const widget = (await import(URL.createObjectURL(new Blob([esm], { type: "text/javascript" })))).default;
    const el = app.appendChild(document.createElement("section"));
    const model = { get: name => state[name], set() {}, save_changes() {}, on() {}, off() {} };
    const end = widget().render({ model, el });
    while (!el.querySelector(".ne-tubes[data-ready=true]")) await new Promise(requestAnimationFrame);
    el.firstChild.scrollIntoView();
    await new Promise(done => setTimeout(done, 30));
    end();
    el.remove();
  }
}"""


def counters(page: Page) -> dict[str, float]:
    """Megabytes of JavaScript, elements, listeners, after the garbage is gone."""
    session = page.context.new_cdp_session(page)
    for _ in range(3):
        session.send("HeapProfiler.collectGarbage")
        page.wait_for_timeout(50)
    session.send("Performance.enable")
    found = {entry["name"]: entry["value"] for entry in session.send("Performance.getMetrics")["metrics"]}
    session.detach()
    return {
        "MB": found["JSHeapUsedSize"] / 1e6,
        "elements": found["Nodes"],
        "listeners": found["JSEventListeners"],
    }


def test_a_view_drawn_a_hundred_times_leaves_nothing_behind(open_page: OpenPage, tmp_path: Path) -> None:
    viewer = open_page(tubes(frames=8, size=32, layers=(COARSE,)).to_html(tmp_path / "p.html"))
    viewer.page.evaluate(AGAIN, 10)
    before = counters(viewer.page)
    viewer.page.evaluate(AGAIN, 100)
    after = counters(viewer.page)
    # A page never forgets a module that it imported: some kilobytes each are the browser's own.
    assert after["MB"] < before["MB"] + 4, (before, after)
    assert after["elements"] < before["elements"] + 50, (before, after)
    assert after["listeners"] < before["listeners"] + 20, (before, after)


def test_ten_viewers_in_one_view_all_have_their_tube(open_page: OpenPage, tmp_path: Path) -> None:
    widgets = [tubes(frames=4, size=32, layers=(COARSE,)).view() for _ in range(10)]
    path = tmp_path / "ten.html"
    path.write_text(page_of(widgets, "ten viewers"), encoding="utf-8")
    for widget in widgets:
        widget.close()
    first = open_page(path, 1900, 2400)
    first.page.add_style_tag(
        content="main { max-width: none } #app { display: grid; grid-template-columns: repeat(5, 1fr) }"
    )
    for place in range(10):
        viewer = Viewer(first.page, place)
        viewer.wait("root.dataset.gl === 'webgl2' && root.dataset.ready === 'true'", timeout=30)
        assert viewer.canvas("tube").std() > 5, place


def test_who_is_long_out_of_view_gives_the_graphics_back_and_has_them_again(open_page: OpenPage, path: Path) -> None:
    viewer = open_page(path)
    viewer.sharp()
    before = viewer.canvas("tube")
    viewer.page.evaluate("document.body.style.paddingTop = '5000px'")
    viewer.wait("root.dataset.gl === 'released' && !root.querySelector('.ne-tube')", timeout=30)
    viewer.page.evaluate("document.body.style.paddingTop = ''")
    viewer.wait("root.dataset.gl === 'webgl2'")
    viewer.sharp()
    assert changed(before, viewer.canvas("tube"), 40).mean() < 0.01


def _playing(state: dict[str, Any]) -> None:
    state["playing"] = True


@pytest.mark.parametrize("motion", ["reduce", "no-preference"])
def test_a_clip_that_plays_from_the_start_waits_for_who_asks_for_less_motion(
    open_page: OpenPage, path: Path, motion: str
) -> None:
    viewer = open_page(edited(path, _playing), reduced_motion=motion)
    if motion == "reduce":
        shown = viewer.data("frame")
        viewer.page.wait_for_timeout(600)
        assert (viewer.data("frame"), viewer.data("playing")) == (shown, "false")
        viewer.part("play").click()
    viewer.wait("(window.seen ??= new Set()).add(root.dataset.frame).size > 2")


def test_paper_shows_the_pictures_and_the_sentence_not_the_buttons(open_page: OpenPage, path: Path) -> None:
    viewer = open_page(path)
    viewer.sharp()
    viewer.page.emulate_media(media="print")
    for hidden in ("play", "front", "mode-montage", "more"):
        assert not viewer.part(hidden).is_visible(), hidden
    assert viewer.root.locator(".ne-play-bar .ne-value").is_visible(), "which frame it is"
    for shown in ("canvas.ne-frame", "canvas.ne-tube", ".ne-kept", ".ne-caveats"):
        assert viewer.root.locator(shown).is_visible(), shown


# A kernel that dies


@pytest.fixture
def notebook(browser: Browser, tmp_path: Path) -> Iterator[tuple[jupyter_driver.Notebook, str]]:
    (tmp_path / "work").mkdir()
    path = f"import sys; sys.path.insert(0, {str(jupyter_driver.REPOSITORY)!r})"
    cell = f"{path}\nfrom tests.browser import example_tubes\nexample_tubes.tubes().view()"
    jupyter_driver.write_notebook(tmp_path / "work" / "dead.ipynb", [cell])
    context = browser.new_context(viewport={"width": 960, "height": 1200})
    with jupyter_driver.server(tmp_path) as address:
        yield jupyter_driver.Notebook(context.new_page(), address, "dead.ipynb"), address
        context.close()


def test_every_control_works_when_the_kernel_is_gone(notebook: tuple[jupyter_driver.Notebook, str]) -> None:
    opened, address = notebook
    errors: list[str] = []
    opened.page.on("pageerror", lambda error: errors.append(str(error)))
    opened.run_all()
    viewer = Viewer(opened.page, within=opened.cell(0).locator("iframe").content_frame.locator("body"))
    viewer.wait("root.dataset.ready === 'true'")
    opened.idle()
    viewer.sharp()
    kernels = opened.page.evaluate("url => fetch(url).then(answer => answer.json())", f"{address}/api/kernels")
    for kernel in kernels:
        asked = urllib.request.Request(f"{address}/api/kernels/{kernel['id']}", method="DELETE")
        with urllib.request.urlopen(asked, timeout=10) as answer:
            assert answer.status == 204
    opened.page.wait_for_timeout(500)
    viewer.put("frame", 3)
    viewer.put("layer", 1)
    viewer.put("threshold", 0.2)
    viewer.part("target").select_option("1")
    viewer.wait("root.dataset.target === '1'")
    viewer.part("mode-montage").click()
    viewer.wait("root.dataset.mode === 'montage'")
    viewer.part("play").click()
    viewer.wait("(window.seen ??= new Set()).add(root.dataset.frame).size > 3")
    assert "of the evidence for " in viewer.text
    assert errors == []
