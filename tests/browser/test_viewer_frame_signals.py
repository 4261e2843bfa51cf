"""Frame signals on the timeline, on a page without a kernel: the line lies where its numbers say, its words follow the frame."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from notebook_explain.explanations import FrameSignal, Tubes
from tests.browser.browser_driver import Viewer, edited
from tests.browser.conftest import OpenPage
from tests.browser.example_tubes import frame_signals, tubes

LIGHT = (141, 240, 192)
EVIDENCE, LANE = 76, 54  # CSS pixels: where the evidence ends, and how high the lane beneath it is
TOP, BOTTOM = EVIDENCE + 14, EVIDENCE + LANE - 14  # where the line is highest and lowest


@pytest.fixture(scope="module")
def world() -> Tubes:
    return tubes().with_frame_signals(frame_signals())


@pytest.fixture(scope="module")
def path(world: Tubes, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return world.to_html(tmp_path_factory.mktemp("page") / "frame_signals.html", frame=6)


def line_of(viewer: Viewer) -> NDArray[np.bool_]:
    """Which pixels of the timeline are of the signal's colour (height, width)."""
    seen = viewer.root.locator(".ne-strip-frame canvas").evaluate(
        "(c, light) => { const p = c.getContext('2d').getImageData(0, 0, c.width, c.height).data, seen = [];"
        " for (let k = 0; k < p.length; k += 4)"
        " seen.push([0, 1, 2].every(i => Math.abs(p[k + i] - light[i]) < 40) && p[k + 3] > 200 ? 1 : 0);"
        " return { seen, shape: [c.height, c.width] }; }",
        list(LIGHT),
    )
    return np.array(seen["seen"], bool).reshape(seen["shape"])


def signal_pixels(viewer: Viewer) -> float:
    """Pixels of the signal's line for each pixel of the timeline's width, in columns: about one, where it is drawn."""
    return float(line_of(viewer).any(axis=0).mean())


def words(viewer: Viewer) -> str:
    return viewer.root.locator(".ne-signal b").inner_text()


def height_at(line: NDArray[np.bool_], frame: int, frames: int = 16) -> float:
    """Return the height of the line in the middle of a frame, from 0 (lowest) to 1 (highest)."""
    (rows,) = np.nonzero(line[:, int((frame + 0.5) / frames * line.shape[1])])
    return float((BOTTOM - rows.mean()) / (BOTTOM - TOP))


def test_the_first_frame_signal_is_drawn_where_its_values_lie(open_page: OpenPage, path: Path, world: Tubes) -> None:
    frame_signal = world.frame_signals[0]
    viewer = open_page(path, 1200, 900)
    viewer.wait("root.dataset.frame_signal === '0'")
    viewer.wait("!/counting/i.test(root.querySelector('.ne-kept').textContent)")
    line = line_of(viewer)
    low, high = frame_signal.values.min(), frame_signal.values.max()
    got = [height_at(line, frame) for frame in range(16)]
    np.testing.assert_allclose(got, (frame_signal.values - low) / (high - low), atol=0.06)
    assert line.shape[0] == EVIDENCE + LANE
    assert not line[:EVIDENCE].any(), "the evidence's area is the evidence's alone"
    numbers = viewer.root.locator(".ne-lane span").all_inner_texts()
    assert numbers == [f"{high:.3f}", f"{low:.3f}"]


def test_a_dot_lies_where_the_line_meets_the_frame(open_page: OpenPage, path: Path) -> None:
    viewer = open_page(path, 1200, 900)
    viewer.wait("!/counting/i.test(root.querySelector('.ne-kept').textContent)")
    line = line_of(viewer)
    strip = viewer.root.locator(".ne-strip-frame").bounding_box()
    assert strip is not None
    for frame in (0, 5, 15):
        viewer.put("frame", frame)
        dot = viewer.root.locator(".ne-lane i").bounding_box()
        assert dot is not None
        across = (dot["x"] + dot["width"] / 2 - strip["x"]) / strip["width"]
        assert across == pytest.approx((frame + 0.5) / 16, abs=0.004)
        down = dot["y"] + dot["height"] / 2 - strip["y"]
        assert (BOTTOM - down) / (BOTTOM - TOP) == pytest.approx(height_at(line, frame), abs=0.06)


def test_the_numbers_of_the_lane_stand_above_and_below_the_line(open_page: OpenPage, path: Path) -> None:
    viewer = open_page(path, 360, 900)
    viewer.wait("!/counting/i.test(root.querySelector('.ne-kept').textContent)")
    rows = np.flatnonzero(line_of(viewer).any(axis=1))
    strip = viewer.root.locator(".ne-strip-frame").bounding_box()
    high, low = (number.bounding_box() for number in viewer.root.locator(".ne-lane span").all())
    assert strip is not None
    assert high is not None
    assert low is not None
    assert high["y"] + high["height"] <= strip["y"] + rows[0] + 1
    assert low["y"] >= strip["y"] + rows[-1]
    assert high["x"] == low["x"]


def test_yes_and_no_are_blocks_and_none_leaves_the_evidence_alone(open_page: OpenPage, path: Path) -> None:
    viewer = open_page(path, 1200, 900)
    viewer.wait("!/counting/i.test(root.querySelector('.ne-kept').textContent)")
    viewer.part("frame_signal").select_option("1")
    viewer.wait("root.dataset.frame_signal === '1'")
    line = line_of(viewer)
    kept = frame_signals()[1]
    nearest = [int(kept.values[np.abs(kept.rows - frame).argmin()]) for frame in range(16)]
    filled = [line[TOP + 2 : BOTTOM - 2, int((frame + 0.5) / 16 * line.shape[1])] for frame in range(16)]
    assert [one.all() for one in filled] == [bool(yes) for yes in nearest]
    assert [one.any() for one in filled] == [bool(yes) for yes in nearest]
    assert {0, 1} == set(nearest)
    assert not viewer.root.locator(".ne-lane").is_visible()
    assert words(viewer) == f"frame 7: {nearest[6]} ({'yes' if nearest[6] else 'no'})"
    legend = viewer.root.locator(".ne-signal-legend").inner_text()
    assert "filled: 1 (yes)" in legend
    assert "dashed" not in legend
    viewer.part("frame_signal").select_option("null")
    viewer.wait("root.dataset.frame_signal === 'null'")
    assert signal_pixels(viewer) == 0
    assert not viewer.root.locator(".ne-signal-legend").is_visible()


def test_its_words_follow_the_frame_and_are_read_when_a_gesture_ends(
    open_page: OpenPage, path: Path, world: Tubes
) -> None:
    viewer = open_page(path)
    values = world.frame_signals[0].values
    assert words(viewer) == f"frame 7: {values[6]:.3f}"
    viewer.put("frame", 12)
    assert words(viewer) == f"frame 13: {values[12]:.3f}"
    legend = viewer.root.locator(".ne-signal-legend").inner_text()
    assert f"{world.frame_signals[0].what}: {values.min():.3f} to {values.max():.3f}" in legend
    assert "dashed: neutral value 1" in legend
    assert "reported by layer2.1 (SRTG), independent of the layer shown" in legend
    said = viewer.root.locator("[aria-live=polite]").text_content() or ""
    assert f"{world.frame_signals[0].what} · layer2.1 (SRTG), frame 13: {values[12]:.3f}. 'ball rolls" in said
    viewer.root.locator(".ne-strip-frame input").press("ArrowRight")
    assert words(viewer) == f"frame 14: {values[13]:.3f}"


def test_a_constant_frame_signal_is_a_line_in_the_middle(open_page: OpenPage, path: Path) -> None:
    viewer = open_page(path, 1200, 900)
    viewer.part("frame_signal").select_option("2")
    viewer.wait("root.dataset.frame_signal === '2'")
    viewer.wait("!/counting/i.test(root.querySelector('.ne-kept').textContent)")
    line = line_of(viewer)
    assert [height_at(line, frame) for frame in (0, 7, 15)] == pytest.approx([0.5] * 3, abs=0.03)
    assert words(viewer) == "frame 7: 1"
    legend = viewer.root.locator(".ne-signal-legend").inner_text()
    assert "1 throughout (neutral)" in legend
    assert "dashed" not in legend


def test_a_page_from_before_frame_signals_opens_without_them(open_page: OpenPage, path: Path) -> None:
    def older(state: dict[str, object]) -> None:
        del state["frame_signals"], state["frame_signal"]

    viewer = open_page(edited(path, older))
    assert viewer.data("frame_signal") == "null"
    assert not viewer.part("frame_signal").is_visible()


def test_an_unreadable_frame_signal_is_reported_as_an_error(open_page: OpenPage, path: Path) -> None:
    copy = edited(path, lambda state: state["frame_signals"][1].update(rows=[1, 0]))
    page = open_page(copy, wait="[data-error=true]").page
    said = page.get_by_role("alert").inner_text()
    assert said.startswith("The data of this view is damaged or incomplete.")
    assert "`frame_signals[1]`: rows must be 8 increasing numbers, got [1,0]." in said


@pytest.mark.parametrize("width", [360, 800])
def test_a_name_of_any_length_stays_within_the_view(open_page: OpenPage, tmp_path: Path, width: int) -> None:
    what = "what this part of the network, which has a rather long description, says of each frame"
    long = FrameSignal(
        "backbone.blocks.4.res_blocks.6.branch2.conv_b.short", "MTConv3d", what, np.arange(3), np.arange(3)
    )
    viewer = open_page(tubes().with_frame_signals([long]).to_html(tmp_path / "long.html"), width, 900)
    assert viewer.page.evaluate("document.documentElement.scrollWidth") == width
    assert what in viewer.root.locator(".ne-signal-legend").inner_text()
