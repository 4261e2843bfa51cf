"""The viewer for everybody: what axe-core finds in every mode and theme, and the keyboard, the touch, the reader, the print."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import notebook_explain as ne
from notebook_explain.explanations import Tubes
from notebook_explain.widgets.html import iframe
from tests.browser.browser_driver import NO_WEBGL2, Viewer, edited
from tests.browser.conftest import OpenPage
from tests.browser.example_tubes import flow_tubes, frame_signals, grey_tubes, tubes

AXE = Path(__file__).parents[2] / "js" / "node_modules" / "axe-core" / "axe.min.js"
SETTLED = ".ne-tubes:is([data-ready=true], [data-error=true])"


@pytest.fixture(scope="module")
def axe() -> str:
    if AXE.is_file():
        return AXE.read_text(encoding="utf-8")
    if os.environ.get("NE_REQUIRE_BROWSER") == "1":
        pytest.fail("no axe-core: make lint installs it (NE_REQUIRE_BROWSER=1 forbids the skip)")
    pytest.skip("no axe-core in js/node_modules: make lint installs it")


@pytest.fixture(scope="module")
def world() -> Tubes:
    return tubes(caveats=("These maps are made by hand.",))


@pytest.fixture(scope="module")
def path(world: Tubes, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return world.to_html(tmp_path_factory.mktemp("page") / "page.html")


def wrongs(viewer: Viewer, axe: str) -> list[str]:
    """Return the violations that axe-core finds in the page, each with the element concerned."""
    viewer.page.add_script_tag(content=axe)
    found = viewer.page.evaluate("axe.run(document)")
    assert found["passes"]
    return [
        f"{wrong['impact']}: {wrong['id']}: {node['html'][:120]} {node['failureSummary']}"
        for wrong in found["violations"]
        for node in wrong["nodes"]
    ]


def _shown(viewer: Viewer) -> None:
    viewer.sharp()


def _drawer(viewer: Viewer) -> None:
    viewer.part("more").click()
    viewer.part("colours").select_option("sequential")
    viewer.sharp()


def _montage(viewer: Viewer) -> None:
    viewer.part("mode-montage").click()
    viewer.wait("root.dataset.mode === 'montage'")


def _keys(viewer: Viewer) -> None:
    """With the list of keys, and a value read by the keyboard."""
    viewer.part("keys").click()
    viewer.root.locator(".ne-frame").press("Shift+ArrowLeft")


def _lost(viewer: Viewer) -> None:
    viewer.sharp()
    viewer.root.locator("canvas.ne-tube").evaluate(
        "canvas => canvas.getContext('webgl2').getExtension('WEBGL_lose_context').loseContext()"
    )
    viewer.wait("root.dataset.gl === 'lost'")


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("make", [grey_tubes, flow_tubes])
def test_axe_finds_nothing_wrong_with_clips_of_values(
    open_page: OpenPage, make: Callable[[], Tubes], scheme: str, axe: str, tmp_path: Path
) -> None:
    viewer = open_page(make().to_html(tmp_path / "page.html"), color_scheme=scheme)
    viewer.sharp()
    assert wrongs(viewer, axe) == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize(
    "do", [_shown, _drawer, _montage, _lost, _keys], ids=["tube", "drawer", "montage", "graphics-lost", "keys"]
)
def test_axe_finds_nothing_wrong(
    open_page: OpenPage, path: Path, axe: str, scheme: str, do: Callable[[Viewer], None]
) -> None:
    viewer = open_page(path, 360 if do in (_drawer, _keys) else 640, color_scheme=scheme)
    do(viewer)
    assert wrongs(viewer, axe) == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_wrong_with_an_error_or_without_webgl2(
    open_page: OpenPage, path: Path, axe: str, scheme: str
) -> None:
    def spoil(state: dict[str, Any]) -> None:
        state["maps"][0] = b"\0\0\0"

    assert wrongs(open_page(edited(path, spoil), color_scheme=scheme, wait=SETTLED), axe) == []
    assert wrongs(open_page(path, color_scheme=scheme, script=NO_WEBGL2), axe) == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_wrong_with_two_side_by_side(
    open_page: OpenPage, world: Tubes, axe: str, scheme: str, tmp_path: Path
) -> None:
    two = ne.compare(world, world, titles=("before", "after"), b_target=1, b_layer=0)
    path = two.to_html(tmp_path / "two.html")
    two.close()
    viewer = open_page(path, 900, 1200, color_scheme=scheme)
    viewer.sharp()
    viewer.page.locator(".ne-compare-bar [data-name=more]").click()
    assert wrongs(viewer, axe) == []

    def spoil(state: dict[str, Any]) -> None:
        state["b_maps"][0] = b"\0\0\0"

    assert wrongs(open_page(edited(path, spoil), 900, color_scheme=scheme), axe) == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_wrong_with_four_clips_side_by_side(
    open_page: OpenPage, axe: str, scheme: str, tmp_path: Path
) -> None:
    four = ne.compare(*(tubes(frames=frames) for frames in (16, 8, 8, 4)), same_clip=False)
    path = four.to_html(tmp_path / "four.html")
    four.close()
    viewer = open_page(path, 900, 2400, color_scheme=scheme)
    viewer.sharp()
    assert wrongs(viewer, axe) == []


def test_every_control_is_reached_by_tab_and_shows_that_it_has_the_focus(open_page: OpenPage, path: Path) -> None:
    viewer = open_page(path, 800, 1000)
    viewer.part("more").click()
    viewer.sharp()
    viewer.page.evaluate("document.activeElement.blur()")
    rings = {}
    for _ in range(34):
        viewer.page.keyboard.press("Tab")
        name, style, width = viewer.page.evaluate(
            "(({ dataset, className }, style) => [dataset.name ?? className, style.outlineStyle, parseFloat(style.outlineWidth)])"
            "(document.activeElement, getComputedStyle(document.activeElement))"
        )
        rings[name] = style != "none" and width >= 1
    wanted = {
        "target",
        "against",
        "frame",
        "play",
        "speed",
        "ne-tube",
        "mode-tube",
        "mode-montage",
        "front",
        "side",
        "top",
    }
    wanted |= {"ne-frame", "save", "copy", "film", "link", "fullscreen", "keys"}
    wanted |= {"reset", "layer", "threshold", "more", "sign", "colours", "scale", "opacity"}
    assert wanted <= set(rings)
    assert [name for name in wanted if not rings[name]] == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_wrong_with_frame_signals(open_page: OpenPage, tmp_path: Path, axe: str, scheme: str) -> None:
    path = tubes().with_frame_signals(frame_signals()).to_html(tmp_path / "frame_signals.html")
    viewer = open_page(path, color_scheme=scheme)
    viewer.sharp()
    assert viewer.root.locator(".ne-signal-legend").is_visible()
    assert wrongs(viewer, axe) == []


def test_a_reader_hears_what_a_gesture_changed(open_page: OpenPage, path: Path) -> None:
    viewer = open_page(path)
    viewer.wait("/of the evidence/.test(root.querySelector('.ne-kept').textContent)")
    live = viewer.root.locator("[aria-live=polite]")
    assert live.inner_text() == ""
    viewer.put("frame", 3)
    heard = live.inner_text().replace("\u00a0", " ")
    assert heard.startswith(
        "frame 4 (index 3) of 16 · 0.38 s, layer4.1 · pooling input · 2×7×7 cells, threshold 40 %. 'ball rolls"
    )
    names = viewer.root.evaluate(
        "root => [...root.querySelectorAll('input, select, button, canvas[role]')].filter(e => e.offsetParent)"
        ".map(e => e.getAttribute('aria-label') ?? e.textContent).filter(text => !text.trim())"
    )
    assert names == []


def test_a_view_is_as_dark_as_the_place_where_it_stands(open_page: OpenPage, path: Path, tmp_path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    backs = {}
    for scheme in ("light", "dark"):
        page = tmp_path / f"{scheme}.html"
        page.write_text(
            text.replace("<div id='app'>", f"<div id='app' style='color-scheme:{scheme}'>"), encoding="utf-8"
        )
        for browser in ("light", "dark"):
            viewer = open_page(page, color_scheme=browser)
            backs[scheme, browser] = viewer.root.evaluate("root => getComputedStyle(root).backgroundColor")
    assert backs["light", "light"] == backs["light", "dark"] == "rgb(255, 255, 255)"
    assert backs["dark", "light"] == backs["dark", "dark"] == "rgb(27, 30, 35)"


def test_in_a_host_that_wraps_frames_the_page_lies_over_its_picture_and_is_as_dark(
    open_page: OpenPage, path: Path, tmp_path: Path
) -> None:
    """A host like marimo wraps each frame in an element and marks the document as dark."""
    shown = iframe(path.read_text(encoding="utf-8"), "iVBORw0KGgo=", "a page")
    host = tmp_path / "host.html"
    wrapped = shown.replace("<iframe", "<div><iframe").replace("</iframe>", "</iframe></div>")
    host.write_text(f"<!doctype html><html style='color-scheme:dark'><body>{wrapped}</body></html>", encoding="utf-8")
    page = open_page(host, wait="iframe").page
    inside = Viewer(page, within=page.locator("iframe").content_frame)  # type: ignore[arg-type]
    inside.wait("root.dataset.ready")
    assert inside.root.evaluate("root => getComputedStyle(root).backgroundColor") == "rgb(27, 30, 35)"
    tops = [page.locator(name).evaluate("one => one.getBoundingClientRect().top") for name in ("img", "iframe")]
    assert tops[0] == tops[1]
