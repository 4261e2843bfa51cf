"""Explorer in a real browser beside a scripted kernel: brush, edits, streams, history, panels, accessibility, no kernel."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from notebook_explain.explanations.pyramid.pyramid import Pyramid
from tests.browser.browser_driver import edited
from tests.browser.conftest import OpenPage
from tests.browser.example_tubes import tubes
from tests.browser.explorer_driver import SETTLED, ExplorerDriver, example_state, write_live_page, write_page
from tests.browser.explorer_screenshots import (
    brushing,
    comparing,
    edit,
    failing,
    hostile_values,
    knobs,
    pyramid_tab,
    silent,
    streaming,
)
from tests.browser.test_viewer_accessibility import axe, wrongs
from tests.example_values import small_pyramid

__all__ = ["axe"]  # a fixture

WATCH_HEIGHT = """root => {
  root.seen = [];
  const look = () => { root.seen.push(root.querySelector('.ne-slot').offsetHeight); requestAnimationFrame(look); };
  look();
}"""


@pytest.fixture(scope="module")
def pyramid() -> Pyramid:
    return small_pyramid(time=16, size=64)


@pytest.fixture(scope="module")
def state(pyramid: Pyramid) -> dict[str, Any]:
    return example_state(tubes(), pyramid)


@pytest.fixture(scope="module")
def live(state: dict[str, Any], pyramid: Pyramid, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("explorer")
    return write_live_page(folder / "live.html", {**state, "pyramid": {}}, pyramid, streams=2)


@pytest.fixture(scope="module")
def offline(state: dict[str, Any], tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_page(tmp_path_factory.mktemp("explorer") / "offline.html", state)


def opened(open_page: OpenPage, path: Path, width: int = 1000, height: int = 1100, **options: Any) -> ExplorerDriver:
    is_live = "live" in path.name
    viewer = open_page(path, width, height, wait="iframe" if is_live else SETTLED, **options)
    driver = ExplorerDriver(viewer.page, is_live)
    driver.opened()
    return driver


def test_the_bars_follow_the_brush_and_one_step_is_made_on_release(open_page: OpenPage, live: Path) -> None:
    driver = opened(open_page, live)
    assert driver.bar("ball rolls right").startswith("ball rolls right 83 %")
    driver.brush("box", (0.25, 0.25), (0.75, 0.5), release=False)
    driver.wait("root.dataset.working === 'coarse' && !root.querySelector('.ne-brush canvas').hidden")
    assert "42 % was 83 %" in driver.bar("ball rolls right")
    assert not any(message["settled"] for message in driver.sent)
    driver.page.mouse.up()
    driver.idle()
    settled = [message for message in driver.sent if message["settled"]]
    assert [item["edit"] for item in settled[0]["edits"]] == [
        {"edit": "Occlude", "box": [16, 16, 48, 32], "fill": "blur"}
    ]
    assert len(settled) == 1
    assert driver.part("history").inner_text() == "history: step 2 of 2"
    assert driver.root.locator("[data-name=toggle]").all_inner_texts() == ["hide a region"]
    assert driver.root.locator(".ne-brush canvas").is_hidden(), "the new tube shows the edited clip"


def test_the_brush_lies_exactly_over_the_frame_at_every_width(open_page: OpenPage, live: Path) -> None:
    for width in (360, 800, 1500):
        driver = opened(open_page, live, width)
        frame, brush = (driver.root.locator(name).bounding_box() for name in ("canvas.ne-frame", ".ne-brush"))
        assert frame == pytest.approx(brush, abs=0.5), width


def test_escape_takes_the_brush_back_and_the_frames_of_an_edit_are_dragged_on_the_timeline(
    open_page: OpenPage, live: Path
) -> None:
    driver = opened(open_page, live)
    span = driver.root.locator(".ne-span").bounding_box()
    assert span
    for x, act in ((0.3, driver.page.mouse.down), (0.55, driver.page.mouse.up)):
        driver.page.mouse.move(span["x"] + x * span["width"], span["y"] + 5)
        act()
    assert [driver.part(f"{end}-frame").input_value() for end in ("first", "last")] == ["5", "9"]
    driver.brush("ellipse", (0.2, 0.2), (0.8, 0.8), release=False)
    driver.wait("root.dataset.working === 'coarse'")
    assert driver.sent[0]["edits"][0]["edit"]["frames"] == [4, 9]
    driver.page.keyboard.press("Escape")
    driver.page.mouse.up()
    driver.wait("root.dataset.working === ''")
    assert "83 %" in driver.bar("ball rolls right")
    assert not any(message["settled"] for message in driver.sent)


def test_settings_and_focus_survive_a_new_result_and_nothing_jumps(open_page: OpenPage, live: Path) -> None:
    driver = opened(open_page, live)
    driver.tubes.put("threshold", 0.25)
    driver.tubes.put("frame", 7)
    driver.tubes.part("layer").focus()
    driver.page.keyboard.press("ArrowLeft")
    driver.tubes.wait("root.dataset.layer === '2'")
    counted = "!/counting/i.test(root.querySelector('.ne-kept').textContent)"
    driver.tubes.wait(counted)
    height = driver.root.bounding_box()["height"]  # type: ignore[index]
    top = driver.root.locator("canvas.ne-frame").bounding_box()
    driver.root.evaluate(WATCH_HEIGHT)
    driver.root.locator("[data-name=explain]").nth(1).evaluate("button => button.click()")  # the focus stays
    driver.idle()
    driver.tubes.wait(counted)
    assert (driver.tubes.data("threshold"), driver.tubes.data("frame"), driver.tubes.data("layer")) == (
        "0.25",
        "7",
        "2",
    )
    assert driver.root.evaluate("root => root.ownerDocument.activeElement.dataset.name") == "layer"
    assert driver.root.locator("canvas.ne-frame").bounding_box() == top
    assert driver.root.bounding_box()["height"] == pytest.approx(height, abs=2)  # type: ignore[index]
    heights = driver.root.evaluate("root => root.seen")
    assert max(heights) - min(heights) <= 2


def test_a_long_request_shows_progress_and_is_cancelled(open_page: OpenPage, live: Path) -> None:
    driver = opened(open_page, live)
    streaming(driver)
    assert "Occlusion · 3 of 8" in driver.root.locator(".ne-progress").inner_text()
    driver.part("cancel").click()
    driver.idle()
    assert driver.sent[-1]["type"] == "cancel"
    assert driver.part("method").input_value() == "tubes"


def test_frame_and_playback_are_linked_between_the_panels(open_page: OpenPage, live: Path) -> None:
    driver = opened(open_page, live)
    pyramid_tab(driver)
    assert driver.sent[-1]["wants"] == ["tubes", "pyramid"]
    inner = driver.root.locator(".ne-pyramid [data-name=frame]")
    inner.evaluate("input => { input.value = 3; input.dispatchEvent(new Event('input', { bubbles: true })); }")
    driver.part("tab-tubes").click()
    driver.tubes.wait("root.dataset.frame === '3'")
    driver.tubes.put("frame", 11)
    driver.part("tab-pyramid").click()
    driver.wait("root.querySelector('.ne-pyramid').dataset.frame === '11'")


def test_units_picked_in_the_pyramid_are_ablated(open_page: OpenPage, live: Path) -> None:
    driver = opened(open_page, live, 1500)
    pyramid_tab(driver)
    driver.idle()
    assert driver.part("ablate").is_disabled()
    driver.root.locator("[role=tree]").focus()
    for key in ("ArrowDown", "Enter"):
        driver.page.keyboard.press(key)
    driver.part("ablate-to").select_option("mean")
    driver.part("ablate").click()
    driver.idle()
    made = driver.sent[-1]["edits"][-1]["edit"]
    assert (made["edit"], made["to"], made["layer"]) == ("Ablate", "mean", "late")
    assert driver.root.locator("[data-name=toggle]").all_inner_texts() == ["switch off kernels in late"]


def test_undo_shows_the_step_before_and_two_steps_are_compared(open_page: OpenPage, live: Path) -> None:
    driver = opened(open_page, live)
    comparing(driver)
    assert [message["type"] for message in driver.sent if message["type"] != "request"] == ["step", "pin", "compare"]
    assert driver.root.locator(".ne-compare .ne-side-title").all_inner_texts()[0].startswith("step 1")
    driver.part("close-comparison").click()
    assert driver.root.locator(".ne-compare").count() == 0


def test_a_page_that_opens_again_shows_the_state_of_now(
    open_page: OpenPage, state: dict[str, Any], tmp_path: Path
) -> None:
    entry = {"edit": {"edit": "Reverse"}, "enabled": True, "words": "reversed since then", "code": ""}
    path = write_live_page(tmp_path / "live.html", state, edit_list=[entry], words="kick 72 % to 31 %")
    driver = opened(open_page, path)
    driver.wait("root.querySelector('.ne-words').textContent === given", "kick 72 % to 31 %")
    assert driver.root.locator("[data-name=toggle]").all_inner_texts() == ["reversed since then"]


def test_an_error_leaves_what_was_there(open_page: OpenPage, live: Path) -> None:
    driver = opened(open_page, live)
    failing(driver)
    assert "Keep at least one frame" in driver.root.locator("[role=alert]").inner_text()
    assert driver.root.locator("[data-name=toggle]").count() == 2


STATES: dict[str, tuple[Callable[[ExplorerDriver], object], int, str]] = {
    "edited": (edit, 1000, "light"),
    "narrow": (edit, 360, "dark"),
    "brushing": (brushing, 1000, "dark"),
    "streaming": (streaming, 800, "light"),
    "error": (failing, 1000, "dark"),
    "silent": (silent, 1000, "light"),
    "comparing": (comparing, 1000, "light"),
    "knobs": (knobs, 360, "light"),
    "wide": (pyramid_tab, 1500, "dark"),
}


@pytest.mark.parametrize("name", STATES)
def test_axe_finds_nothing_wrong(open_page: OpenPage, live: Path, axe: str, name: str) -> None:
    act, width, scheme = STATES[name]
    driver = opened(open_page, live, width, color_scheme=scheme)
    act(driver)
    frame: Any = SimpleNamespace(page=driver.page.frames[1])
    assert wrongs(frame, axe) == []
    overflow = driver.page.frames[1].evaluate("document.documentElement.scrollWidth - innerWidth")
    assert overflow <= 0, f"{overflow} pixels wider than the page"


@pytest.mark.parametrize(("width", "scheme"), [(360, "dark"), (1000, "light")])
def test_without_a_kernel_the_last_result_is_there(
    open_page: OpenPage, offline: Path, axe: str, width: int, scheme: str
) -> None:
    driver = opened(open_page, offline, width, color_scheme=scheme)
    assert "No kernel" in driver.root.locator(".ne-notice").inner_text()
    assert driver.part("brush-box").is_disabled()
    driver.tubes.put("threshold", 0.6)
    driver.part("tab-pyramid").click()
    driver.wait("root.querySelector('.ne-pyramid')?.dataset.ready")
    assert wrongs(driver, axe) == []


def test_hostile_names_are_text_and_fit(open_page: OpenPage, state: dict[str, Any], tmp_path: Path) -> None:
    path = write_page(tmp_path / "hostile.html", {**state, **hostile_values(state)})
    driver = opened(open_page, path, 360)
    assert driver.page.title() != "owned"
    assert driver.page.evaluate("document.documentElement.scrollWidth - innerWidth") <= 0


def test_damaged_data_is_an_alert(open_page: OpenPage, offline: Path) -> None:
    driver = opened(open_page, edited(offline, lambda values: values.update(target=99)))
    assert "`target`" in driver.root.locator("[role=alert]").inner_text()
