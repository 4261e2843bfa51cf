"""Values under the pointer and the crosshair: those of the explanation, in the frame, the tube, the montage and the timeline."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest

from notebook_explain.explanations import Tubes
from tests.browser.browser_driver import Viewer, edited
from tests.browser.conftest import OpenPage
from tests.browser.example_tubes import frame_signals, tubes

FRAMES, SIDE = 16, 64
POINT = re.compile(
    r"frame (\d+) \(index (\d+)\) of 16 · (\d\.\d\d)\ss · x (\d+), y (\d+) · ([+−]?)(under )?([\d.]+)\s% of the maximum "
    r"\(([+−]?)([\d.e-]+)\)(?:, (for|against))?(?: · up to [+−]([\d.]+)\s% behind)?$"
)
# Moves the pointer over an element, and returns the readout.
HOVER = """(root, [selector, x, y]) => {
  root.querySelector(selector).scrollIntoView({ block: "center" });
  const box = root.querySelector(selector).getBoundingClientRect();
  const target = document.elementFromPoint(box.left + x * box.width, box.top + y * box.height);
  const where = { clientX: box.left + x * box.width, clientY: box.top + y * box.height, bubbles: true };
  target.dispatchEvent(new PointerEvent("pointermove", where));
  return root.querySelector(".ne-readout").textContent;
}"""


@pytest.fixture(scope="module")
def world() -> Tubes:
    return tubes().with_frame_signals(frame_signals())


@pytest.fixture(scope="module")
def path(world: Tubes, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return world.to_html(tmp_path_factory.mktemp("page") / "page.html")


def hover(viewer: Viewer, selector: str, x: float, y: float) -> str:
    return str(viewer.root.evaluate(HOVER, [selector, x, y]))


def read(text: str) -> dict[str, float]:
    """Return the numbers of a readout, after checking that they agree with each other."""
    found = POINT.search(text)
    assert found, text
    one, frame, time, x, y, sign, _, share, raw_sign, raw, side, peak = found.groups()
    assert int(one) == int(frame) + 1
    assert sign == raw_sign
    assert side == {"+": "for", "−": "against", "": None}[sign]
    factor = -1 if sign == "−" else 1
    numbers = {"frame": int(frame), "time": float(time), "x": int(x), "y": int(y)}
    return {
        **numbers,
        "share": factor * float(share) / 100,
        "raw": factor * float(raw),
        "peak": float(peak or "nan") / 100,
    }


@pytest.mark.parametrize("layer", [0, 2, 3])
def test_in_the_frame_they_are_those_of_the_volume(open_page: OpenPage, path: Path, world: Tubes, layer: int) -> None:
    viewer = open_page(path)
    viewer.put("layer", layer)
    viewer.put("frame", 4)
    volume, peak = world.volume(layer), world.layer(layer).peak()
    rng = np.random.default_rng(layer)
    signs = set()
    for y, x in [*rng.integers(0, SIDE, (12, 2)), (48, 40), (20, 24), (0, 0), (63, 63)]:
        got = read(hover(viewer, ".ne-frame", (x + 0.5) / SIDE, (y + 0.5) / SIDE))
        assert (got["frame"], got["x"], got["y"], got["time"]) == (4, x, y, 0.5)
        assert got["raw"] == pytest.approx(volume[4, y, x], abs=peak / 120)
        assert got["share"] == pytest.approx(volume[4, y, x] / peak, abs=0.011)
        signs.add(np.sign(got["share"]))
    assert {-1, 1} <= signs


def test_with_a_scale_per_frame_and_for_a_difference_the_values_stay_those_of_the_maps(
    open_page: OpenPage, path: Path, world: Tubes
) -> None:
    viewer = open_page(path)
    viewer.put("layer", 0)
    viewer.put("frame", 3)
    at = ".ne-frame", 20.5 / SIDE, 30.5 / SIDE
    plain = read(hover(viewer, *at))
    viewer.part("more").click()
    viewer.part("scale").select_option("frame")
    viewer.wait("root.dataset.scale === 'frame'")
    text = hover(viewer, *at)
    assert "of the frame's maximum" in text
    scaled = read(text.replace("frame's ", ""))
    assert scaled["raw"] == pytest.approx(plain["raw"], rel=0.02)
    assert abs(scaled["share"]) > abs(plain["share"])
    viewer.part("scale").select_option("clip")
    viewer.part("against").select_option("1")
    viewer.wait("root.dataset.against === '1'")
    wanted = world.volume(0, 0)[3, 30, 20] - world.volume(0, 1)[3, 30, 20]
    assert read(hover(viewer, *at))["raw"] == pytest.approx(wanted, abs=world.layer(0).peak() / 100)


def test_in_the_tube_they_are_those_of_the_surface_or_of_the_frame(
    open_page: OpenPage, path: Path, world: Tubes
) -> None:
    viewer = open_page(path, 900, 800)
    viewer.put("layer", 0)
    viewer.put("frame", 15)
    viewer.look("front")
    volume, peak = world.volume(0), world.layer(0).peak()
    box = viewer.root.locator(".ne-tube").bounding_box()
    assert box is not None
    side = min(box["width"] - 40 - 68, box["height"] - 68)  # of the box, seen from the front: it fits with its labels
    kept = np.abs(volume) / peak >= 0.4
    met = 0
    for y, x in ((47, 41), (40, 24), (24, 34), (5, 5), (60, 32), (30, 40)):
        across = 0.5 + ((x + 0.5) / SIDE - 0.5) * side / box["width"]
        down = 0.5 + ((y + 0.5) / SIDE - 0.5) * side / box["height"]
        got = read(hover(viewer, ".ne-tube", across, down))
        assert (got["x"], got["y"]) == (pytest.approx(x, abs=1), pytest.approx(y, abs=1))
        frames = np.flatnonzero(kept[:, y, x])
        if frames.size and frames[0] < 15:
            assert got["frame"] == pytest.approx(frames[0], abs=1)
            assert abs(got["share"]) >= 0.395
            assert got["peak"] >= abs(got["share"]) - 0.01
            met += 1
        else:
            assert got["frame"] == 15
            assert got["share"] == pytest.approx(volume[15, y, x] / peak, abs=0.03)
    assert met >= 3
    assert hover(viewer, ".ne-tube", 0.01, 0.01).startswith("Point at")  # beside the box


def test_in_the_montage_they_are_those_of_the_tile(open_page: OpenPage, path: Path, world: Tubes) -> None:
    viewer = open_page(path, 540, 900)
    viewer.put("layer", 0)
    viewer.part("mode-montage").click()
    viewer.wait("root.dataset.mode === 'montage'")
    canvas = viewer.root.locator(".ne-montage")
    canvas.scroll_into_view_if_needed()
    box = canvas.bounding_box()
    assert box is not None
    for frame, y, x in ((0, 46, 40), (5, 20, 30), (11, 40, 60), (15, 33, 50)):
        left = (frame % 4) * (box["width"] + 4) / 4 + (x + 0.5) / SIDE * ((box["width"] + 4) / 4 - 4)
        top = (frame // 4) * (box["height"] + 4) / 4 + (y + 0.5) / SIDE * ((box["height"] + 4) / 4 - 4)
        got = read(hover(viewer, ".ne-montage", left / box["width"], top / box["height"]))
        assert (got["frame"], got["x"], got["y"]) == (frame, x, y)
        assert got["raw"] == pytest.approx(world.volume(0)[frame, y, x], abs=world.layer(0).peak() / 120)


def test_on_the_timeline_they_are_the_evidence_of_the_frame_and_its_signal(
    open_page: OpenPage, path: Path, world: Tubes
) -> None:
    viewer = open_page(path)
    viewer.put("layer", 0)
    viewer.wait("!/counting/i.test(root.querySelector('.ne-kept').textContent)")
    volume = world.volume(0)
    positive, negative = (part.clip(min=0).sum(axis=(1, 2)) for part in (volume, -volume))
    total = positive.sum() + negative.sum()
    for frame in (0, 6, 15):
        text = hover(viewer, ".ne-strip-frame input", (frame + 0.5) / FRAMES, 0.5).replace("\xa0", " ")
        found = re.fullmatch(
            rf"frame {frame + 1} \(index {frame}\) of 16 · {frame / 8:.2f} s · ([\d.]+) % for, (?:under )?([\d.]+) % "
            rf"against, of all evidence shown · layer2.1: {world.frame_signals[0].values[frame]:.3f}",
            text,
        )
        assert found, text
        shares = [100 * positive[frame] / total, 100 * negative[frame] / total]
        assert [float(part) for part in found.groups()] == pytest.approx(shares, abs=0.25)


def test_the_values_follow_the_view_below_a_pointer_at_rest_and_leave_with_it(open_page: OpenPage, path: Path) -> None:
    viewer = open_page(path)
    readout = viewer.root.locator(".ne-readout")
    height = viewer.root.evaluate("root => root.clientHeight")
    hint = readout.inner_text()
    canvas = viewer.root.locator(".ne-frame")
    canvas.hover(position={"x": 40, "y": 40})
    first = readout.inner_text()
    assert POINT.search(first)
    viewer.page.keyboard.press("Tab")
    viewer.put("frame", 2)
    viewer.wait("/^frame 3 /.test(root.querySelector('.ne-readout').textContent)")
    assert viewer.root.evaluate("root => root.clientHeight") == height, "nothing jumps"
    viewer.page.mouse.move(1, 1)
    assert readout.inner_text() == hint


def test_the_keyboard_moves_a_crosshair_whose_value_is_read_aloud(
    open_page: OpenPage, path: Path, world: Tubes
) -> None:
    viewer = open_page(path)
    viewer.put("layer", 0)
    viewer.put("frame", 4)
    frame, cross, live = (viewer.root.locator(name) for name in (".ne-frame", ".ne-crosshair", "[aria-live=polite]"))
    frame.focus()
    viewer.page.keyboard.press("Shift+ArrowRight")
    assert read(live.inner_text())["x"] == SIDE // 2  # the first press shows it, in the middle
    for key in ("ArrowRight", "ArrowRight", "ArrowDown", "ArrowLeft"):
        viewer.page.keyboard.press(f"Shift+{key}")
    got = read(live.inner_text())
    assert (got["x"], got["y"], got["frame"]) == (33, 33, 4)
    assert got["raw"] == pytest.approx(world.volume(0)[4, 33, 33], abs=world.layer(0).peak() / 120)
    assert viewer.root.locator(".ne-readout").inner_text() == live.inner_text()
    box, at = frame.bounding_box(), cross.bounding_box()
    assert box is not None
    assert at is not None
    assert (at["x"] + at["width"] / 2 - box["x"]) / box["width"] == pytest.approx(33.5 / SIDE, abs=0.005)
    assert (at["y"] + at["height"] / 2 - box["y"]) / box["height"] == pytest.approx(33.5 / SIDE, abs=0.005)
    assert viewer.data("frame") == "4"  # the arrows alone step through the frames
    viewer.page.keyboard.press("ArrowRight")
    viewer.wait("/^frame 6 .* x 33, y 33 /.test(root.querySelector('.ne-readout').textContent)")
    viewer.page.keyboard.press("Escape")
    assert not cross.is_visible()
    assert viewer.root.locator(".ne-readout").inner_text().startswith("Point at")


def test_a_value_is_there_within_a_frame_of_the_screen(open_page: OpenPage, tmp_path: Path) -> None:
    """The slowest is the line of sight through a fine map; the median, because other tests share the machine."""
    viewer = open_page(tubes(frames=32, size=112).to_html(tmp_path / "page.html"))
    for selector in (".ne-frame", ".ne-tube", ".ne-strip-frame input"):
        times = viewer.root.evaluate(
            "(root, selector) => { const target = root.querySelector(selector), box = target.getBoundingClientRect();"
            " return Array.from({ length: 40 }, (_, k) => { const start = performance.now();"
            " target.dispatchEvent(new PointerEvent('pointermove', { bubbles: true,"
            " clientX: box.left + (0.3 + 0.01 * k) * box.width, clientY: box.top + box.height / 2 }));"
            " root.querySelector('.ne-readout').getBoundingClientRect(); return performance.now() - start; }); }",
            selector,
        )
        assert np.median(times) < 16, selector


def test_a_map_of_attention_has_no_sides(open_page: OpenPage, path: Path) -> None:
    def attend(state: dict[str, object]) -> None:
        for layer in state["layers"]:  # type: ignore[attr-defined]
            layer["quantity"] = "attention"

    viewer = open_page(edited(path, attend))
    text = hover(viewer, ".ne-frame", 0.6, 0.4)
    assert text.endswith(")"), text
