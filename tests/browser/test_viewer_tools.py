"""The toolbar in a real browser: pictures, films, full screen, links, the list of keys, and paper."""

from __future__ import annotations

import io
import itertools
import re
from pathlib import Path

import av
import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import Browser

from notebook_explain.explanations import Tubes
from notebook_explain.widgets.html import iframe
from tests.browser.browser_driver import NO_WEBGL2, Viewer, changed, offline_page
from tests.browser.conftest import OpenPage
from tests.browser.example_tubes import frame_signals, tubes

TOOLS = ("save", "copy", "film", "link", "fullscreen", "keys")


@pytest.fixture(scope="module")
def world() -> Tubes:
    return tubes(caveats=("These maps are made by hand.",)).with_frame_signals(frame_signals())


@pytest.fixture(scope="module")
def path(world: Tubes, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return world.to_html(tmp_path_factory.mktemp("page") / "page.html")


def saved(viewer: Viewer, name: str) -> tuple[str, bytes]:
    """Press a button that saves a file, and return the file's name and contents."""
    with viewer.page.expect_download(timeout=60_000) as waiting:
        viewer.part(name).click()
    return waiting.value.suggested_filename, Path(waiting.value.path()).read_bytes()


def said(viewer: Viewer) -> str:
    return viewer.root.locator(".ne-readout").inner_text()


@pytest.mark.parametrize("width", [360, 1200])
def test_every_button_has_a_name_and_they_fit_in_one_row(open_page: OpenPage, path: Path, width: int) -> None:
    viewer = open_page(path, width, 900)
    boxes = []
    for name in TOOLS:
        button = viewer.part(name)
        assert button.get_attribute("aria-label")
        assert button.get_attribute("title")
        boxes.append(button.bounding_box())
    assert len({box["y"] for box in boxes if box}) == 1
    assert viewer.page.evaluate("document.documentElement.scrollWidth") == width


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("mode", ["tube", "montage"])
def test_a_saved_picture_shows_the_view_twice_as_fine_without_controls(
    open_page: OpenPage, path: Path, scheme: str, mode: str
) -> None:
    viewer = open_page(path, 700, 900, color_scheme=scheme)
    viewer.slide("threshold", 0.25)
    viewer.part(f"mode-{mode}").click()
    viewer.wait("root.dataset.mode === given", mode)
    if mode == "tube":
        viewer.sharp()
    # While the picture is drawn the view has this class, which hides the controls.
    viewer.root.evaluate("root => root.classList.add('ne-picture')")
    before = viewer.root.screenshot()
    places = [
        viewer.root.locator(name).bounding_box() for name in (".ne-frame", f".ne-{mode}", ".ne-strip-frame canvas")
    ]
    viewer.root.evaluate("root => root.classList.remove('ne-picture')")
    name, contents = saved(viewer, "save")
    assert name == f"ball-rolls-right-layer4.1-frame-{int(viewer.number('frame')) + 1}.png"
    viewer.wait("root.querySelector('.ne-readout').textContent === 'Picture saved.'")
    with Image.open(io.BytesIO(contents)) as image:
        picture = np.asarray(image.convert("RGB")).astype(np.int16)
    assert picture.shape[1] == 2 * viewer.root.evaluate("root => root.clientWidth")
    with Image.open(io.BytesIO(before)) as image:
        page = np.asarray(image.convert("RGB")).astype(np.int16)
    height, width = min(page.shape[0], picture.shape[0] // 2), page.shape[1]
    page, small = page[:height], picture[: 2 * height, : 2 * width].reshape(height, 2, width, 2, 3).mean(axis=(1, 3))
    background = page[2, 2]
    assert (background.mean() > 200) == (scheme == "light")
    assert (picture[2, 2] == background).all()
    # The canvases and the texts below them are those of the page, at the same place.
    root = viewer.root.bounding_box()
    assert root is not None
    boxes = [box for box in places if box]
    for box, most in zip(boxes[:2], (0.02, 0.02 if mode == "tube" else 0.15), strict=True):  # gaps of the montage
        top, left = round(box["y"] - root["y"]), round(box["x"] - root["x"])
        area = np.s_[top : top + round(box["height"]), left : left + round(box["width"])]
        assert changed(page[area], small[area], 60).mean() < most
    bottom = round(max(box["y"] + box["height"] for box in boxes) - root["y"]) + 60
    written = [changed(part[bottom:], background, 60).mean() for part in (page, small)]
    assert 0.02 < written[0] == pytest.approx(written[1], rel=0.3)


def test_a_picture_is_copied_where_the_browser_allows_it(browser: Browser, path: Path) -> None:
    page, _ = offline_page(browser, 640, 700, permissions=["clipboard-read", "clipboard-write"])
    try:
        page.goto(path.as_uri())
        viewer = Viewer(page)
        viewer.wait("root.dataset.ready")
        viewer.part("copy").click()
        viewer.wait("/copied/.test(root.querySelector('.ne-readout').textContent)")
        kinds = page.evaluate("navigator.clipboard.read().then(items => items.flatMap(item => item.types))")
        assert kinds == ["image/png"]
    finally:
        page.context.close()


def test_a_picture_that_cannot_be_copied_says_why(open_page: OpenPage, path: Path) -> None:
    refuse = "navigator.clipboard.write = () => Promise.reject(new DOMException('Write permission denied.'))"
    viewer = open_page(path, script=refuse)
    viewer.part("copy").click()
    viewer.wait("root.querySelector('[data-name=copy]').disabled")
    assert said(viewer) == "This browser cannot copy picture here. Error: Write permission denied."
    assert viewer.part("copy").get_attribute("title") == said(viewer)
    without = open_page(path, script="delete window.ClipboardItem")
    assert without.part("copy").count() == 0
    assert without.part("save").is_visible()


def test_in_a_sandboxed_frame_what_works_is_offered(open_page: OpenPage, path: Path, tmp_path: Path) -> None:
    shown = iframe(path.read_text(encoding="utf-8"), "iVBORw0KGgo=", "a page").replace(
        "<iframe", "<iframe sandbox='allow-scripts'"
    )
    host = tmp_path / "host.html"
    host.write_text(f"<!doctype html><body>{shown}</body>", encoding="utf-8")
    page = open_page(host, wait="iframe").page
    inside = Viewer(page, within=page.locator("iframe").content_frame)  # type: ignore[arg-type]
    inside.wait("root.dataset.ready")
    assert inside.part("link").count() == 0, "a frame has no address of its own"
    assert inside.part("fullscreen").count() == 0
    assert inside.part("save").count() == 1
    assert inside.part("keys").count() == 1
    assert inside.part("copy").count() == 0


def test_a_film_shows_every_frame_for_its_time(open_page: OpenPage, tmp_path: Path) -> None:
    viewer = open_page(tubes(frames=6).to_html(tmp_path / "page.html"), 600, 800)
    viewer.slide("threshold", 0.3)
    viewer.put("frame", 2)
    name, contents = saved(viewer, "film")
    assert re.fullmatch(r"ball-rolls-right-layer4.1\.(mp4|webm)", name)
    film = tmp_path / name
    film.write_bytes(contents)
    with av.open(str(film)) as container:
        shots = [(float(shot.time or 0), shot.to_ndarray(format="rgb24")) for shot in container.decode(video=0)]
    assert shots[-1][0] - shots[0][0] > 0.6, "each of the 6 frames is shown for an eighth of a second"
    # The pictures move on, at least four times: a busy machine drops some.
    steps = [
        changed(one.astype(int), other.astype(int), 60).mean() for (_, one), (_, other) in itertools.pairwise(shots)
    ]
    assert sum(0.001 < step < 0.5 for step in steps) >= 4
    viewer.wait("root.dataset.frame === '2'")  # back where it was
    viewer.wait("root.querySelector('.ne-readout').textContent === 'Film saved.'")


def test_a_browser_that_records_nothing_offers_no_film(open_page: OpenPage, path: Path) -> None:
    assert open_page(path, script="delete window.MediaRecorder").part("film").count() == 0


def test_full_screen_is_entered_and_left(open_page: OpenPage, path: Path) -> None:
    viewer = open_page(path)
    viewer.part("fullscreen").click()
    viewer.wait("document.fullscreenElement === root")
    viewer.root.focus()
    viewer.page.keyboard.press("f")
    viewer.wait("!document.fullscreenElement")
    never = "Object.defineProperty(document, 'fullscreenEnabled', { get: () => false })"
    assert open_page(path, script=never).part("fullscreen").count() == 0


def test_a_link_opens_the_page_in_the_same_state(open_page: OpenPage, path: Path) -> None:
    viewer = open_page(path)
    viewer.put("layer", 1)
    viewer.put("threshold", 0.31)
    viewer.put("frame", 5)
    viewer.part("target").select_option("1")
    viewer.part("mode-montage").click()
    viewer.part("mode-tube").click()
    viewer.look("side")
    viewer.root.locator("canvas.ne-tube").press("Shift+ArrowLeft")
    viewer.part("link").click()
    viewer.wait("/address bar/.test(root.querySelector('.ne-readout').textContent)")
    address = viewer.page.url
    assert "#" in address
    assert "title" not in address.split("#")[1]
    viewer.sharp()
    before = viewer.canvas("tube")
    other = viewer.page.context.new_page()
    other.goto(address)
    again = Viewer(other)
    again.wait("root.dataset.ready")
    again.sharp()
    for name in ("layer", "threshold", "frame", "target", "mode", "camera"):
        assert again.data(name) == viewer.data(name), name
    assert changed(before, again.canvas("tube"), 40).mean() < 0.01


def test_a_link_cannot_change_more_than_the_controls_can(open_page: OpenPage, path: Path) -> None:
    viewer = open_page(path)
    viewer.page.goto("about:blank")
    viewer.page.goto(path.as_uri() + "#frame=999&threshold=x&mode=5&title=<b>x</b>&size=[1,2,3]&nothing=1&camera=7")
    viewer.wait("root.dataset.ready")
    assert (viewer.data("frame"), viewer.data("threshold"), viewer.data("mode")) == ("15", "0.4", "tube")
    assert viewer.data("camera") == "reset"
    assert viewer.root.locator(".ne-title").inner_text() == ""


def test_links_of_two_viewers_on_a_page_are_apart(open_page: OpenPage, world: Tubes, tmp_path: Path) -> None:
    from notebook_explain.widgets.html import page
    from notebook_explain.widgets.tube_viewer import initial_state

    state = initial_state(world)
    two = tmp_path / "two.html"
    two.write_text(page([("tube_viewer", state), ("tube_viewer", state)]), encoding="utf-8")
    first = open_page(two)
    second = Viewer(first.page, 1)
    second.wait("root.dataset.ready")
    for viewer, frame in ((first, 3), (second, 11)):
        viewer.put("frame", frame)
        viewer.part("link").click()
        viewer.wait("/address bar/.test(root.querySelector('.ne-readout').textContent)")
    first.page.reload()
    for viewer, frame in ((first, 3), (second, 11)):
        viewer.wait("root.dataset.ready")
        assert viewer.number("frame") == frame


def test_the_keys_are_listed_and_the_focus_returns(open_page: OpenPage, path: Path) -> None:
    viewer = open_page(path)
    keys = viewer.root.locator(".ne-keys")
    assert not keys.is_visible()
    viewer.root.focus()
    viewer.page.keyboard.press("?")
    assert keys.is_visible()
    assert keys.evaluate("keys => document.activeElement === keys")
    assert viewer.part("keys").get_attribute("aria-expanded") == "true"
    text = keys.inner_text()
    for words in ("− + (not on the tube)", "− + 0 (on the tube)", "Shift + arrows (on the frame)", "full screen"):
        assert words in text
    viewer.page.keyboard.press("Escape")
    assert not keys.is_visible()
    assert viewer.part("keys").evaluate("button => document.activeElement === button")
    assert viewer.part("keys").get_attribute("aria-expanded") == "false"
    viewer.part("keys").click()
    assert keys.is_visible()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("mode", ["tube", "montage"])
def test_paper_is_white_beyond_the_pictures_and_has_no_controls(
    open_page: OpenPage, path: Path, scheme: str, mode: str
) -> None:
    viewer = open_page(path, 800, 900, color_scheme=scheme)
    viewer.part(f"mode-{mode}").click()
    viewer.wait("root.dataset.mode === given", mode)
    if mode == "tube":
        viewer.sharp()
    viewer.page.emulate_media(media="print")
    assert (
        viewer.root.locator("button:visible, input[type=range]:visible").count() <= 1
    )  # the timeline's, which is clear
    assert viewer.root.locator(".ne-row input:visible, .ne-drawer:visible, .ne-readout:visible").count() == 0
    rows = viewer.root.locator(".ne-row").all_inner_texts()
    assert [" ".join(row.split())[:22] for row in rows] == ["layer 4 of 4: layer4.1", "threshold 40 % of the m"[:22]]
    for part in (".ne-kept", ".ne-legend", ".ne-caveats"):
        assert viewer.root.locator(part).is_visible()
    with Image.open(io.BytesIO(viewer.page.screenshot(full_page=True))) as image:
        page = np.asarray(image.convert("L")).astype(np.int16).copy()
    for canvas in viewer.root.locator("canvas:visible").all():
        box = canvas.bounding_box()
        assert box is not None
        x, y, w, h = (round(box[key]) for key in ("x", "y", "width", "height"))
        page[max(y - 1, 0) : y + h + 1, max(x - 1, 0) : x + w + 1] = 255
    assert (page > 200).mean() > 0.95
    assert (page < 60).mean() < 0.03  # text and the legend


def test_a_printed_tube_is_cropped_to_its_box(open_page: OpenPage, path: Path) -> None:
    viewer = open_page(path, 800, 900)
    viewer.look("top")
    viewer.page.emulate_media(media="print")
    box = viewer.root.locator(".ne-stage-tube").bounding_box()
    assert box is not None
    with Image.open(io.BytesIO(viewer.page.screenshot(full_page=True))) as image:
        page = np.asarray(image.convert("L"))
    column = page[round(box["y"]) : round(box["y"] + box["height"]), round(box["x"] + box["width"] / 2)]
    dark = np.flatnonzero(column < 60)
    assert 0.3 < (dark[-1] - dark[0]) / len(column) < 0.8
    for label in viewer.root.locator(".ne-labels span").all():
        place = label.bounding_box()
        assert place is not None
        assert box["y"] + dark[0] < place["y"]
        assert place["y"] + place["height"] < box["y"] + dark[-1] + 1


def test_without_webgl2_the_flat_views_use_their_room(open_page: OpenPage, path: Path) -> None:
    for width in (360, 800):
        viewer = open_page(path, width, 1200, script=NO_WEBGL2)
        viewer.wait("root.dataset.flat")
        note = viewer.root.locator(".ne-tube-note").bounding_box()
        canvas = viewer.root.locator(".ne-tube").bounding_box()
        assert note is not None
        assert canvas is not None
        assert note["y"] >= canvas["y"] + canvas["height"], "the note stands below the views"
        pixels = viewer.canvas("tube")
        tiles = pixels[..., 3] > 200
        quarter = tiles[tiles.shape[0] // 2 + 20 :, tiles.shape[1] // 2 + 20 :]
        assert quarter.mean() > 0.5, "the third view is as wide as the other two"


def test_a_host_that_offers_tools_once_hides_them_in_its_views(
    open_page: OpenPage, world: Tubes, tmp_path: Path
) -> None:
    text = world.to_html(tmp_path / "page.html").read_text(encoding="utf-8")
    text, count = re.subn(r"experimental:(\w),link:", r"experimental:\1,tools:['save','keys'],link:", text)
    assert count == 1
    some = tmp_path / "some.html"
    some.write_text(text, encoding="utf-8")
    buttons = open_page(some).root.locator(".ne-toolbar button")
    assert buttons.evaluate_all("all => all.map(one => one.dataset.name)") == ["save", "keys"]
