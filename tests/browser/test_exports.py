"""Exports in a real browser without a network: films that play, pages in cells, notebooks of earlier versions."""

from __future__ import annotations

import base64
import io
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import nbformat
import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import Browser, Frame, Page

import notebook_explain as ne
from tests.browser import jupyter_driver
from tests.browser.browser_driver import READY, Viewer, offline_page, pixels_of
from tests.browser.conftest import OpenPage
from tests.browser.example_tubes import COARSE, tubes
from tests.figures.test_video_export import rendered_frames

REPOSITORY = Path(__file__).parents[2]
# The frames of a video as a browser shows them, each sought for by its time.
VIDEO = """async ([url, count, fps]) => {
  const video = document.createElement("video");
  video.muted = true;
  const happens = name => new Promise((done, failed) => {
    video.addEventListener(name, done, { once: true });
    video.addEventListener("error", () => failed(new Error(video.error.message)), { once: true });
  });
  const loaded = happens("loadeddata");
  video.src = url;
  document.body.append(video);
  await loaded;
  const canvas = new OffscreenCanvas(video.videoWidth, video.videoHeight), frames = [];
  for (let k = 0; k < count; k++) {
    // A frame that was sought may be drawn a while later.
    const shown = new Promise(done => { video.requestVideoFrameCallback(done); setTimeout(done, 1000); });
    const sought = happens("seeked");
    video.currentTime = (k + 0.5) / fps;
    await Promise.all([sought, shown]);
    canvas.getContext("2d").drawImage(video, 0, 0);
    const png = await canvas.convertToBlob({ type: "image/png" });
    frames.push(btoa(String.fromCharCode(...new Uint8Array(await png.arrayBuffer()))));
  }
  video.currentTime = 0;
  const ended = happens("ended");
  const start = performance.now();
  video.playbackRate = 4;
  await video.play();
  await ended;
  return { frames, duration: video.duration, took: (performance.now() - start) / 1000 };
}"""
GIF = """async url => {
  const data = Uint8Array.from(atob(url.split(",")[1]), letter => letter.charCodeAt(0));
  const decoder = new ImageDecoder({ data, type: "image/gif" });
  await decoder.tracks.ready;
  const { frameCount, repetitionCount } = decoder.tracks.selectedTrack, durations = [];
  for (let frameIndex = 0; frameIndex < frameCount; frameIndex++)
    durations.push((await decoder.decode({ frameIndex })).image.duration / 1e6);
  return { durations, forever: repetitionCount === Infinity };
}"""


def data_url(path: Path, kind: str) -> str:
    return f"data:{kind};base64,{base64.b64encode(path.read_bytes()).decode()}"


@pytest.fixture
def page(browser: Browser, tmp_path: Path) -> Iterator[Page]:
    """An empty page without a network; at the end nothing may have gone wrong."""
    page, wrong = offline_page(browser, 800, 600)
    (tmp_path / "empty.html").write_text("<!doctype html>")
    page.goto((tmp_path / "empty.html").as_uri())
    yield page
    page.context.close()
    assert wrong == []


def test_a_browser_plays_the_video_every_frame_of_it(page: Page, tmp_path: Path) -> None:
    world = tubes()
    path = world.to_video(tmp_path / "v.webm", fps=8, size=160)
    film = rendered_frames(world, 160)
    shown = page.evaluate(VIDEO, [data_url(path, "video/webm"), len(film), 8])
    assert shown["duration"] == pytest.approx(2, abs=0.13)
    assert 0.3 < shown["took"] < 5
    frames = [pixels_of(base64.b64decode(frame)) for frame in shown["frames"]]
    assert frames[0].shape[1] == 160
    assert frames[0].shape[0] - film.shape[1] in (0, 1)
    for k, frame in enumerate(frames):
        wrong = [np.abs(frame[: film.shape[1]] - other).mean() for other in film]
        assert int(np.argmin(wrong)) == k
        assert wrong[k] < 8


def test_a_browser_plays_the_gif_for_ever_at_its_speed(page: Page, tmp_path: Path) -> None:
    path = tubes().to_gif(tmp_path / "g.gif", fps=8)
    shown = page.evaluate(GIF, data_url(path, "image/gif"))
    assert shown["forever"]
    assert len(shown["durations"]) == 16
    assert sum(shown["durations"]) == pytest.approx(2, abs=0.01)


def test_on_a_long_page_every_viewer_draws_when_it_is_looked_at(open_page: OpenPage, tmp_path: Path) -> None:
    count = 18  # a browser gives a page sixteen contexts of graphics
    one = tubes(frames=4, size=32, layers=(COARSE,))
    viewer = open_page(ne.to_html([one] * count, tmp_path / "p.html"))
    for place in (0, 8, count - 1, 0):
        other = Viewer(viewer.page, place)
        other.root.scroll_into_view_if_needed()
        other.root.locator("canvas.ne-tube").scroll_into_view_if_needed()
        other.wait("root.dataset.gl === 'webgl2'")
        other.sharp()
        assert other.screenshot("tube").std() > 12, place
        assert other.screenshot("frame").std() > 12, place


def inner(page: Page, place: int = 0) -> Frame:
    """The page within a page, once its viewer draws."""
    frame = page.locator("iframe").nth(place).element_handle().content_frame()
    assert frame is not None
    frame.locator(READY).first.wait_for(timeout=20_000)
    return frame


@pytest.mark.parametrize(("around", "scheme"), [("", "light"), ("", "dark"), ("false", "light"), ("true", "dark")])
def test_a_page_in_a_cell_is_as_high_as_it_needs_and_as_light_as_the_notebook(
    browser: Browser, tmp_path: Path, around: str, scheme: str
) -> None:
    path = tmp_path / "n.html"
    path.write_text(
        f"<!doctype html><meta charset=utf-8><body {f'data-jp-theme-light={around}' if around else ''}>"
        f"{tubes().embed().html}<p id=after>after</p>",
        encoding="utf-8",
    )
    page, wrong = offline_page(browser, 900, 700, scheme)
    try:
        page.goto(path.as_uri())
        frame = inner(page)
        page.wait_for_function(
            "() => { const f = document.querySelector('iframe'), d = f.contentDocument.documentElement;"
            " return Math.abs(f.clientHeight - f.contentDocument.body.getBoundingClientRect().height) < 2"
            " && d.scrollHeight <= d.clientHeight; }"
        )
        back = frame.evaluate("getComputedStyle(document.body).backgroundColor")
        light = {"": scheme == "light", "true": True, "false": False}[around]
        assert (sum(map(int, re.findall(r"\d+", back)[:3])) > 384) == light
        assert frame.evaluate("document.querySelector('.ne-tubes').matches('[data-ready=true]')")
        picture = page.locator("iframe").bounding_box()
        after = page.locator("#after").bounding_box()
        assert picture is not None
        assert after is not None
        assert after["y"] >= picture["y"] + picture["height"]
        slider = frame.locator("input[data-name=threshold]")
        slider.evaluate("i => { i.value = 0.8; i.dispatchEvent(new Event('input', { bubbles: true })); }")
        frame.wait_for_function("() => Number(document.querySelector('.ne-tubes').dataset.threshold) === 0.8")
    finally:
        page.context.close()
    assert wrong == []


# Notebooks that ran without anybody watching

CELLS = (
    f"import sys; sys.path.insert(0, {str(REPOSITORY)!r})\nfrom tests.browser.example_tubes import tubes\nmade = tubes()",
    "made",
    "made.view()",
)


def convert(folder: Path, *options: str) -> None:
    subprocess.run(
        [sys.executable, "-m", "jupyter", "nbconvert", "--execute", *options, "in.ipynb"],
        cwd=folder,
        check=True,
        capture_output=True,
        env=os.environ | {"JUPYTER_CONFIG_DIR": str(folder / "config"), "IPYTHONDIR": str(folder / "ipython")},
    )


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A notebook, the same executed, and both its pages: with `nbconvert --execute`, and from the executed one."""
    pytest.importorskip("nbconvert")
    folder = tmp_path_factory.mktemp("notebook")
    jupyter_driver.write_notebook(folder / "in.ipynb", CELLS)
    convert(folder, "--to", "notebook", "--output", "ran.ipynb")
    convert(folder, "--to", "html")
    return folder


def test_a_converted_notebook_is_alive_without_a_network(browser: Browser, folder: Path) -> None:
    page, wrong = offline_page(browser, 1000, 900)
    try:
        page.goto((folder / "in.html").as_uri())
        frame = inner(page)
        viewer = Viewer(page, within=page.frame_locator("iframe").first.locator("body"))
        viewer.sharp()
        before = viewer.canvas("frame")
        assert viewer.screenshot("tube").std() > 15
        frame.locator("input[data-name=frame]").evaluate(
            "i => { i.value = 3; i.dispatchEvent(new Event('input', { bubbles: true })); }"
        )
        viewer.wait("Number(root.dataset.frame) === 3")
        assert (before != viewer.canvas("frame")).any()
    finally:
        page.context.close()
    # nbconvert's own template makes network requests; the page makes none.
    assert not [text for text in wrong if text.startswith("exception")]


def test_a_notebook_that_ran_shows_a_picture_where_pages_are_cut_out(folder: Path) -> None:
    ran = nbformat.read(folder / "ran.ipynb", as_version=4)
    (output,) = ran.cells[1].outputs
    assert sorted(output["data"]) == ["image/png", "text/html", "text/plain"]
    with Image.open(io.BytesIO(base64.b64decode(output["data"]["image/png"]))) as picture:
        assert picture.width == 600
    # Without the frame, as GitHub leaves it, the picture lies in the open.
    left = re.sub(r"<iframe.*?</iframe>", "", output["data"]["text/html"], flags=re.DOTALL)
    assert output["data"]["image/png"] in left
    assert "hidden" not in left


@pytest.fixture(scope="module")
def address(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """JupyterLab over an executed notebook that is trusted, the same that is not, and one that has not run yet."""
    place = tmp_path_factory.mktemp("lab")
    work = place / "work"
    work.mkdir()
    notebook = nbformat.read(folder / "ran.ipynb", as_version=4)
    nbformat.write(notebook, work / "mine.ipynb")
    notebook.cells[0].source += "  # from somebody else"  # a signature is of the content
    nbformat.write(notebook, work / "theirs.ipynb")
    jupyter_driver.write_notebook(work / "volume.ipynb", (CELLS[0], "made.to_ipyvolume(threshold=0.3)"))
    environment = os.environ | {"JUPYTER_DATA_DIR": str(place / "data"), "JUPYTER_CONFIG_DIR": str(place / "config")}
    trust = [sys.executable, "-m", "jupyter", "trust", str(work / "mine.ipynb")]
    subprocess.run(trust, check=True, env=environment, capture_output=True)
    with jupyter_driver.server(place, "JupyterLab Dark") as address:
        yield address


@pytest.fixture
def page_in_lab(browser: Browser) -> Iterator[Page]:
    context = browser.new_context(viewport={"width": 1000, "height": 1300})
    yield context.new_page()
    context.close()


def test_a_notebook_of_before_opens_in_jupyterlab_without_its_kernel(address: str, page_in_lab: Page) -> None:
    notebook = jupyter_driver.Notebook(page_in_lab, address, "mine.ipynb")
    notebook.cell(1).locator("iframe").wait_for(timeout=20_000)
    back = inner(page_in_lab).evaluate("getComputedStyle(document.body).backgroundColor")
    assert sum(map(int, re.findall(r"\d+", back)[:3])) < 200
    # The page of the other cell's widget works too, without the widget.
    notebook.cell(2).locator("iframe").content_frame.locator(READY).wait_for(timeout=20_000)


def test_a_notebook_that_is_not_trusted_shows_the_picture_in_jupyterlab(address: str, page_in_lab: Page) -> None:
    cell = jupyter_driver.Notebook(page_in_lab, address, "theirs.ipynb").cell(1)
    picture = cell.locator(".jp-OutputArea-output img")
    picture.wait_for(timeout=20_000)
    assert cell.locator("iframe").count() == 0
    box = picture.bounding_box()
    assert box is not None
    assert box["width"] > 300
    assert picture.evaluate("image => image.naturalWidth") == 600


def test_an_ipyvolume_figure_draws_in_jupyterlab_with_its_words(address: str, page_in_lab: Page) -> None:
    pytest.importorskip("ipyvolume", reason="pip install -e '.[ipyvolume]'")
    errors: list[str] = []
    asked: list[str] = []
    page_in_lab.on("pageerror", lambda error: errors.append(str(error)))
    page_in_lab.on(
        "request", lambda one: None if one.url.startswith((address, "data:", "blob:")) else asked.append(one.url)
    )
    notebook = jupyter_driver.Notebook(page_in_lab, address, "volume.ipynb")
    notebook.run_all()
    canvas = notebook.cell(1).locator("canvas:visible").first
    canvas.wait_for(timeout=40_000)
    warm = cold = 0.0
    for _ in range(60):
        picture = pixels_of(canvas.screenshot())
        warm = (picture[..., 0] - picture[..., 2] > 80).mean()
        cold = (picture[..., 2] - picture[..., 0] > 60).mean()
        if warm > 0.02:
            break
        page_in_lab.wait_for_timeout(250)
    assert warm > 0.02, "no orange tube"
    assert 0.002 < cold < warm, "no blue one, smaller"
    assert "'ball rolls right' 83 %" in notebook.cell(1).inner_text()
    assert errors == []
    assert asked == []
