"""The page in a real browser, opened from a file with the network off: every control works with no kernel at all."""

from __future__ import annotations

import re
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from notebook_explain.explanations import Tubes
from notebook_explain.widgets import page as page_of
from notebook_explain.widgets.html import read_data
from tests.browser.browser_driver import NO_WEBGL2, Viewer, changed, edited, pixels_of
from tests.browser.conftest import OpenPage
from tests.browser.example_tubes import COARSE, POSITIVE, tubes

SETTLED = ".ne-tubes:is([data-ready=true], [data-error=true])"
QUANTISED = 0.5  # points: the maps travel as bytes, and the share is printed in whole per cents
LOSE = (
    "canvas => { window.taken = canvas.getContext('webgl2').getExtension('WEBGL_lose_context'); taken.loseContext(); }"
)


@pytest.fixture(scope="module")
def world() -> Tubes:
    return tubes()


@pytest.fixture(scope="module")
def path(world: Tubes, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return world.to_html(tmp_path_factory.mktemp("page") / "page.html")


def fractions(world: Tubes, layer: int, target: int = 0) -> NDArray[np.float32]:
    """A layer's map over the clip as fractions of its peak."""
    return world.volume(layer, target) / world.layer(layer).peak(target)


# Painting


def test_the_page_paints_frame_and_tube(open_page: OpenPage, path: Path) -> None:
    viewer = open_page(path)
    viewer.sharp()
    assert viewer.data("gl") == "webgl2"
    for name in ("frame", "tube"):
        picture = viewer.screenshot(name)
        assert len(np.unique(picture.reshape(-1, 3), axis=0)) > 500, name
        assert picture.std() > 15, name


def test_the_page_forbids_itself_the_network(open_page: OpenPage, path: Path) -> None:
    viewer = open_page(path)
    policy = viewer.page.locator("meta[http-equiv=Content-Security-Policy]").get_attribute("content") or ""
    assert "default-src 'none'" in policy
    for attempt in ("fetch('data:,x')", "import('data:text/javascript,1')"):
        assert viewer.page.evaluate(f"{attempt}.then(() => 'let through', () => 'refused')") == "refused"
    assert all("Content Security Policy" in wrong for wrong in viewer.wrong)
    assert len(viewer.wrong) >= 2
    viewer.wrong.clear()


def test_the_frame_slider_shows_the_clips_own_frame(open_page: OpenPage, path: Path, world: Tubes) -> None:
    viewer = open_page(path)
    viewer.slide("threshold", 1)
    for frame in (0, 6, 15):
        viewer.put("frame", frame)
        shown = viewer.canvas("frame")[3::7, 3::7, :3]
        wrong = [np.abs(shown - other).mean() for other in world.clip.frames.astype(np.int16)]
        assert int(np.argmin(wrong)) == frame
        assert wrong[frame] < 6  # what JPEG and the canvas' smoothing leave


def test_the_frame_slider_moves_the_slab_through_the_tube(open_page: OpenPage, path: Path) -> None:
    viewer = open_page(path)
    viewer.slide("threshold", 1)
    viewer.look("side")  # time runs from left to right
    places = []
    for frame in (0, 5, 10, 15):
        viewer.slide("frame", frame)
        bright = viewer.screenshot("tube")[40:-30].astype(float).prod(axis=-1).mean(axis=0)
        places.append(float(bright[5:-5].argmax()) + 5)
    steps = np.diff(places)
    assert steps.min() > 30
    assert np.ptp(steps) <= 3  # equal steps of time are equal steps on the screen


def test_the_layer_slider_changes_overlay_and_tube(open_page: OpenPage, path: Path) -> None:
    viewer = open_page(path)
    seen = []
    for layer in range(4):
        viewer.slide("layer", layer)
        seen.append((viewer.canvas("frame"), viewer.screenshot("tube")))
    for before, after in pairwise(seen):
        assert changed(before[0], after[0]).mean() > 0.02
        assert changed(before[1], after[1]).mean() > 0.005


def test_the_target_select_changes_both_pictures(open_page: OpenPage, path: Path) -> None:
    viewer = open_page(path)
    viewer.sharp()
    before = viewer.canvas("frame"), viewer.screenshot("tube")
    viewer.part("target").select_option("1")
    viewer.shows("target", 1)
    assert changed(before[0], viewer.canvas("frame")).mean() > 0.02
    assert changed(before[1], viewer.screenshot("tube")).mean() > 0.005
    viewer.wait("root.querySelector('.ne-kept').textContent.includes(given)", "ball is thrown")


def test_dragging_turns_the_tube_and_reset_turns_it_back(open_page: OpenPage, path: Path) -> None:
    viewer = open_page(path)
    viewer.sharp()
    before = viewer.screenshot("tube")
    box = viewer.root.locator("canvas.ne-tube").bounding_box()
    assert box is not None
    viewer.page.mouse.move(box["x"] + 100, box["y"] + 150)
    viewer.page.mouse.down()
    viewer.page.mouse.move(box["x"] + 180, box["y"] + 180, steps=8)
    viewer.page.mouse.up()
    viewer.wait("root.dataset.camera === 'free'")
    viewer.sharp()
    assert changed(before, viewer.screenshot("tube")).mean() > 0.05
    viewer.look("reset")
    assert changed(before, viewer.screenshot("tube"), 40).mean() < 0.01


# Numbers: what is drawn agrees with numpy


def footprints(viewer: Viewer, thresholds: tuple[float, ...]) -> list[NDArray[np.bool_]]:
    """Return the area of the tube seen from the front at each threshold; the slab stands at the far end."""
    viewer.slide("frame", 15)
    viewer.look("front")
    viewer.slide("threshold", 1)
    viewer.page.mouse.move(0, 0)
    background = viewer.screenshot("tube")
    seen = []
    for threshold in thresholds:
        viewer.slide("threshold", threshold)
        seen.append(changed(background, viewer.screenshot("tube")))
    return seen


def test_the_tubes_footprint_is_that_of_the_volume_at_every_threshold(open_page: OpenPage, tmp_path: Path) -> None:
    world = tubes(layers=POSITIVE)
    thresholds = (0.2, 0.4, 0.6, 0.8)
    seen = footprints(open_page(world.to_html(tmp_path / "p.html")), thresholds)
    share = fractions(world, 0)
    expected = [(share >= threshold).any(axis=0) for threshold in thresholds]
    areas = np.array([mask.sum() for mask in seen]) / seen[0].sum()
    wanted = np.array([mask.sum() for mask in expected]) / expected[0].sum()
    assert np.abs(areas - wanted).max() < 0.05, (areas.round(3), wanted.round(3))

    # Not only as large but in the same place, neither turned nor mirrored: laid over one another about the middle.
    pixel = np.sqrt(seen[0].sum() / expected[0].sum())
    height, width = seen[0].shape
    y = np.floor((np.arange(height) + 0.5 - height / 2) / pixel + 32).astype(int)
    x = np.floor((np.arange(width) + 0.5 - width / 2) / pixel + 32).astype(int)
    inside = ((y >= 0) & (y < 64))[:, None] & ((x >= 0) & (x < 64))[None, :]
    for got, mask in zip(seen, expected, strict=True):
        scaled = mask[np.clip(y, 0, 63)][:, np.clip(x, 0, 63)] & inside
        assert (got & scaled).sum() / (got | scaled).sum() > 0.88


@pytest.mark.parametrize(("layer", "target"), [(0, 0), (2, 0), (3, 1)])
def test_the_overlay_colours_exactly_the_pixels_that_reach_the_threshold(
    open_page: OpenPage, path: Path, world: Tubes, layer: int, target: int
) -> None:
    viewer = open_page(path)
    viewer.slide("layer", layer)
    if target:
        viewer.part("target").select_option(str(target))
    share = fractions(world, layer, target)
    for frame in (2, 10):
        viewer.put("frame", frame)
        viewer.put("threshold", 1)
        plain = viewer.canvas("frame")[3::7, 3::7, :3]
        for threshold in (0.15, 0.5):
            viewer.put("threshold", threshold)
            shown = viewer.canvas("frame")[3::7, 3::7, :3]
            reached = np.abs(share[frame]) >= threshold
            clear = np.abs(np.abs(share[frame]) - threshold) > 3 / 127  # what rounding to bytes may move
            clear &= np.abs(share[frame]) < 1 - 3 / 127
            assert (changed(plain, shown, 0) == reached)[clear].all(), (frame, threshold)
            added = shown - plain
            warmer = added[..., :2].mean(axis=-1) - added[..., 2]  # yellow, orange, red against blue
            assert (warmer[clear & reached & (share[frame] > 0)] > 0).all()
            assert (warmer[clear & reached & (share[frame] < 0)] < 0).all()
    assert (np.abs(share) >= 0.5).any()


def test_a_clip_that_is_not_square_is_drawn_in_its_own_shape(open_page: OpenPage, tmp_path: Path) -> None:
    world = tubes(size=48, width=96, layers=POSITIVE)
    viewer = open_page(world.to_html(tmp_path / "p.html"))
    box = viewer.root.locator("canvas.ne-frame").bounding_box()
    assert box is not None
    assert box["width"] / box["height"] == pytest.approx(2, rel=0.02)
    (seen,) = footprints(viewer, (0.3,))
    expected = (fractions(world, 0) >= 0.3).any(axis=0)
    for axis in (0, 1):
        got = np.flatnonzero(seen.any(axis=1 - axis))
        wanted = np.flatnonzero(expected.any(axis=1 - axis))
        scale = np.sqrt(seen.sum() / expected.sum())
        assert np.ptp(got) == pytest.approx(np.ptp(wanted) * scale, rel=0.06)


def test_frames_larger_than_what_travels_fill_the_slab_too(open_page: OpenPage, tmp_path: Path) -> None:
    world = tubes(frames=4, size=640, layers=(COARSE,))
    viewer = open_page(world.to_html(tmp_path / "p.html"))
    viewer.slide("threshold", 1)
    viewer.look("front")
    viewer.slide("frame", 0)
    picture = viewer.screenshot("tube").astype(float)
    height, width, _ = picture.shape
    side = min(height, width) // 2 - 68
    for dy in (-1, 1):
        for dx in (-1, 1):
            y, x = height // 2 + dy * side, width // 2 + dx * side
            corner = picture[y - 5 : y + 5, x - 5 : x + 5].mean(axis=(0, 1))
            assert corner.max() > 45, (
                f"the slab is dark {'below' if dy > 0 else 'above'}, {'right' if dx > 0 else 'left'}"
            )


SHARES = (
    r"([\d.]+)\s% of the clip, .*, (in|mostly) (?:all (\d+) frames|frames? (\d+)(?: to (\d+))?)(?: \([^)]*\))?, "
    r"holds (?:under )?([\d.]+)\s% of the evidence"
)


@pytest.mark.parametrize("layer", [0, 2, 3])
def test_the_printed_shares_are_those_of_the_explanation(
    open_page: OpenPage, path: Path, world: Tubes, layer: int
) -> None:
    viewer = open_page(path)
    viewer.slide("layer", layer)
    for threshold in (0.05, 0.2, 0.4, 0.7, 0.95):
        viewer.put("threshold", threshold)
        viewer.wait("/evidence for/.test(root.querySelector('.ne-kept').textContent)")
        said = viewer.root.locator(".ne-kept").inner_text()
        found = world.kept(threshold, layer)
        numbers = re.search(SHARES, said)
        if numbers is None:
            assert found.frames is None or found.evidence < 0.005, said
            continue
        volume, how, every, first, last, evidence = numbers.groups()
        assert float(evidence) == pytest.approx(100 * found.evidence, abs=0.5 + QUANTISED), said
        assert float(volume) == pytest.approx(100 * found.volume, abs=0.5), said
        frames = (0, int(every) - 1) if every else (int(first) - 1, int(last or first) - 1)
        assert frames == (found.core if how == "mostly" else found.frames), said


# Playing and keys


def test_playing_runs_through_the_frames_and_stops(open_page: OpenPage, path: Path) -> None:
    viewer = open_page(path)
    viewer.put("frame", 13)
    viewer.part("speed").select_option("0.25")  # so that no frame is skipped on a busy machine
    viewer.part("play").evaluate("button => requestAnimationFrame(() => button.click())")
    # On to the last frame and from there to the first, each shown in its turn.
    now = "Number(root.dataset.frame)"
    viewer.wait(f"(window.shown ??= [13], shown.at(-1) === {now} || shown.push({now}), shown.length > 5)")
    viewer.part("play").click()
    assert viewer.page.evaluate("shown.slice(0, 5)") == [13, 14, 15, 0, 1]
    stopped = viewer.part("frame").input_value()
    viewer.page.wait_for_timeout(1000)  # two beats
    assert viewer.part("frame").input_value() == stopped
    assert viewer.number("frame") == float(stopped)


def test_the_play_button_says_what_it_does(open_page: OpenPage, path: Path) -> None:
    viewer = open_page(path)
    assert (viewer.part("play").get_attribute("aria-label") or "").startswith("play")
    viewer.part("play").click()
    viewer.wait("/^pause/.test(root.querySelector('.ne-play').getAttribute('aria-label'))")
    viewer.part("play").click()
    viewer.wait("/^play/.test(root.querySelector('.ne-play').getAttribute('aria-label'))")


def test_every_movement_has_a_key(open_page: OpenPage, path: Path) -> None:
    viewer = open_page(path)
    viewer.slide("frame", 4)
    viewer.slide("layer", 1)
    viewer.root.focus()
    for key, name, value in (
        ("ArrowRight", "frame", 5),
        ("ArrowRight", "frame", 6),
        ("ArrowLeft", "frame", 5),
        ("ArrowUp", "layer", 2),
        ("ArrowDown", "layer", 1),
        ("End", "frame", 15),
        ("ArrowRight", "frame", 15),
        ("Home", "frame", 0),
        ("ArrowLeft", "frame", 0),
        ("]", "threshold", 0.41),
        ("[", "threshold", 0.4),
    ):
        viewer.page.keyboard.press(key)
        viewer.wait(f"Math.abs(Number(root.dataset.{name}) - given) < 1e-9", value)
    viewer.page.keyboard.press("Space")
    viewer.wait("Number(root.dataset.frame) >= 2")
    viewer.page.keyboard.press("Space")
    stopped = viewer.part("frame").input_value()
    viewer.page.wait_for_timeout(400)
    assert viewer.part("frame").input_value() == stopped


def test_a_focused_slider_keeps_its_own_keys(open_page: OpenPage, path: Path) -> None:
    viewer = open_page(path)
    viewer.slide("frame", 4)
    viewer.slide("threshold", 0.5)
    viewer.part("threshold").focus()
    viewer.page.keyboard.press("ArrowRight")
    viewer.shows("threshold", 0.51)
    assert viewer.number("frame") == 4
    viewer.part("layer").focus()
    viewer.page.keyboard.press("Home")
    viewer.shows("layer", 0)
    assert viewer.number("frame") == 4


def test_tab_reaches_every_control(open_page: OpenPage, path: Path) -> None:
    viewer = open_page(path)
    viewer.sharp()
    reached = []
    for _ in range(24):
        viewer.page.keyboard.press("Tab")
        reached.append(viewer.page.evaluate("document.activeElement.dataset.name ?? document.activeElement.className"))
    assert {"target", "frame", "layer", "threshold", "play", "front", "side", "top", "reset", "ne-tube"} <= set(reached)


# Several, and strangers


def test_several_viewers_on_a_page_move_apart(open_page: OpenPage, world: Tubes, tmp_path: Path) -> None:
    widgets = [world.view(title="one"), world.view(title="two", layer=0)]
    path = tmp_path / "two.html"
    path.write_text(page_of(widgets, "two viewers"), encoding="utf-8")
    for widget in widgets:
        widget.close()
    one = open_page(path, 640, 1300)
    two = Viewer(one.page, 1)
    two.wait("root.dataset.ready === 'true'")
    assert (one.number("layer"), two.number("layer")) == (3, 0)
    one.slide("threshold", 0.2)
    one.slide("frame", 3)
    assert two.number("threshold") == pytest.approx(0.4)
    assert two.number("frame") != 3
    for viewer in (one, two):
        assert viewer.screenshot("tube").std() > 5


def test_twenty_viewers_on_a_page_all_paint_though_a_page_holds_sixteen_contexts(
    open_page: OpenPage, tmp_path: Path
) -> None:
    world = tubes(frames=4, size=32, layers=(COARSE,))
    widgets = [world.view() for _ in range(20)]
    path = tmp_path / "many.html"
    path.write_text(page_of(widgets, "many viewers"), encoding="utf-8")
    for widget in widgets:
        widget.close()
    first = open_page(path, 420, 700)
    for place in (*range(0, 20, 3), 19, 0):
        viewer = Viewer(first.page, place)
        viewer.root.scroll_into_view_if_needed()
        viewer.wait("root.dataset.gl === 'webgl2' && root.dataset.ready === 'true'")
        viewer.sharp()
        assert viewer.screenshot("tube").std() > 5, f"viewer {place} is empty"


def test_names_from_strangers_stay_text(open_page: OpenPage, tmp_path: Path) -> None:
    evil = "</script><script>window.hacked = 1</script><img src=x onerror='window.hacked = 2'> & \u2028 \"quoted\""
    world = tubes(
        targets=(f"a{evil}", f"b{evil}"),
        layers=(type(COARSE)(f"layer{evil}", "named", COARSE.grid),),
        source=f"clip{evil}",
        caveats=(f"caveat{evil}",),
    )
    viewer = open_page(world.to_html(tmp_path / "p.html", title=f"title{evil}"))
    viewer.slide("threshold", 0.3)
    viewer.wait("/evidence for/.test(root.querySelector('.ne-kept').textContent)")
    assert viewer.page.evaluate("window.hacked") is None
    assert viewer.root.locator("script, img").count() == 0
    assert viewer.page.locator("img").count() == 0
    text = viewer.root.evaluate("root => root.textContent")
    for start in ("a", "layer", "caveat"):
        assert f"{start}{evil}" in text
    whole = viewer.page.evaluate("document.body.textContent")
    assert f"title{evil}" in whole
    assert f"clip: {evil.split('/')[-1]}" in whole  # of the clip's source, the part behind the last slash


# Errors are shown


def _shorten(state: dict[str, Any]) -> None:
    state["maps"][0] = b"\0\0\0"


def _lose_a_frame(state: dict[str, Any]) -> None:
    state["frames"].pop()


def _spoil_a_frame(state: dict[str, Any]) -> None:
    state["frames"][3] = b"no JPEG"


def _lose_the_targets(state: dict[str, Any]) -> None:
    del state["targets"]


def _turn_time_back(state: dict[str, Any]) -> None:
    state["layers"][0]["geometry"]["rows"].reverse()


@pytest.mark.parametrize(
    ("edit", "words"),
    [
        (_shorten, r"layer 'stem'.*needs 16384 bytes of each map, got 3"),
        (_lose_a_frame, r"frames.*16 images.*got 15"),
        (_spoil_a_frame, r"frames\[3\].*could not be read as a JPEG"),
        (_lose_the_targets, r"targets.*got nothing"),
        (_turn_time_back, r"layer 'stem'.*increasing"),
    ],
)
def test_a_state_that_cannot_be_drawn_is_said_in_words(open_page: OpenPage, path: Path, edit: Any, words: str) -> None:
    viewer = open_page(edited(path, edit), wait=SETTLED)
    assert viewer.data("ready") is None
    alert = viewer.root.get_by_role("alert")
    assert alert.is_visible()
    assert re.search(words, alert.inner_text()), alert.inner_text()


def test_a_position_out_of_range_is_brought_into_it(open_page: OpenPage, path: Path) -> None:
    def far_off(state: dict[str, Any]) -> None:
        state.update(layer=99, frame=-7, target=5, threshold="much")

    viewer = open_page(edited(path, far_off))
    shown = {name: viewer.number(name) for name in ("layer", "frame", "target", "threshold")}
    assert shown == {"layer": 3, "frame": 0, "target": 1, "threshold": 0.4}


def test_without_webgl2_the_tube_is_shown_flat(open_page: OpenPage, path: Path) -> None:
    viewer = open_page(path, script=NO_WEBGL2)
    viewer.wait("root.dataset.gl === 'none'")
    viewer.sharp()
    assert "no WebGL2" in viewer.text
    before = viewer.screenshot("tube")
    assert before.std() > 10
    viewer.slide("threshold", 0.1)
    lower = viewer.screenshot("tube")
    assert changed(before, lower, 20).mean() > 0.01
    viewer.slide("frame", 2)
    assert changed(lower, viewer.screenshot("tube"), 20).any()


def test_a_lost_graphics_context_is_said_and_paints_again_when_restored(open_page: OpenPage, path: Path) -> None:
    viewer = open_page(path)
    viewer.sharp()
    before = viewer.screenshot("tube")
    viewer.root.locator("canvas.ne-tube").evaluate(LOSE)
    viewer.wait("root.dataset.gl === 'lost'")
    assert "stopped the 3D graphics" in viewer.text
    viewer.put("frame", 3)  # the rest of the viewer works on
    viewer.put("frame", 12)
    painted = viewer.number("painted")
    viewer.page.evaluate("taken.restoreContext()")
    viewer.wait("root.dataset.gl === 'webgl2'")
    viewer.painted_since(painted)
    assert changed(before, viewer.screenshot("tube"), 40).mean() < 0.01
    assert "stopped the 3D graphics" not in viewer.text


def test_a_context_that_never_comes_back_is_replaced_by_a_click(open_page: OpenPage, path: Path) -> None:
    viewer = open_page(path)
    viewer.sharp()
    before = viewer.screenshot("tube")
    viewer.root.locator("canvas.ne-tube").evaluate(LOSE)
    viewer.wait("root.dataset.gl === 'lost'")
    painted = viewer.number("painted")
    viewer.root.locator("canvas.ne-tube").click(position={"x": 30, "y": 200})
    viewer.wait("root.dataset.gl === 'webgl2'")
    viewer.painted_since(painted)
    assert changed(before, viewer.screenshot("tube"), 40).mean() < 0.01


# Looks


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_stands_out_in_light_and_dark(open_page: OpenPage, path: Path, scheme: str) -> None:
    viewer = open_page(path, color_scheme=scheme)
    back = luminance(css(viewer, ".", "backgroundColor"))
    assert (back > 0.8) == (scheme == "light")
    for part in (".ne-label", ".ne-value", ".ne-kept", ".ne-target", ".ne-legend span", "select"):
        ink = luminance(css(viewer, part, "color"))
        contrast = (max(ink, back) + 0.05) / (min(ink, back) + 0.05)
        assert contrast >= 4.5, part  # WCAG AA


def css(viewer: Viewer, part: str, name: str) -> list[float]:
    script = "(root, [part, name]) => getComputedStyle(part === '.' ? root : root.querySelector(part))[name]"
    return [float(number) for number in re.findall(r"[\d.]+", viewer.root.evaluate(script, [part, name]))][:3]


def luminance(colour: list[float]) -> float:
    linear = [part / 255 / 12.92 if part <= 10 else ((part / 255 + 0.055) / 1.055) ** 2.4 for part in colour]
    return float(np.dot(linear, [0.2126, 0.7152, 0.0722]))


@pytest.mark.parametrize("width", [360, 800, 1200])
def test_nothing_hangs_over_the_edge(open_page: OpenPage, tmp_path: Path, width: int) -> None:
    name = "a rather long name of a class, as some data sets have them"
    long = "backbone.blocks.4.res_blocks.6.branch2.conv_b"
    world = tubes(targets=(name, name + " indeed"), layers=(type(COARSE)(long, "block", COARSE.grid), COARSE))
    viewer = open_page(world.to_html(tmp_path / "p.html"), width=width)
    viewer.slide("layer", 0)
    wide, over = viewer.page.evaluate(
        """() => [document.documentElement.scrollWidth, [...document.querySelectorAll(".ne-tubes *:not(.ne-live)")]
          .filter(part => part.getBoundingClientRect().right > innerWidth + 0.5)
          .map(part => `${part.tagName} ${part.className}`)]"""
    )
    assert wide <= width
    assert over == []


def test_a_sharp_screen_gets_a_sharp_tube(open_page: OpenPage, path: Path) -> None:
    viewer = open_page(path, 600, 600, device_scale_factor=2)
    viewer.wait("(c => c && c.width >= 1.9 * c.clientWidth)(root.querySelector('.ne-tube'))")
    assert pixels_of(viewer.root.locator("canvas.ne-tube").screenshot()).std() > 15


def test_the_state_on_the_page_holds_nothing_that_ends_its_script(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    data = text.split("id='ne-data'>")[1].split("</script>")[0]
    assert re.fullmatch(r"[A-Za-z0-9+/=]+", data)
    assert read_data(text)["widgets"][0]["state"]["size"] == [16, 64, 64]
