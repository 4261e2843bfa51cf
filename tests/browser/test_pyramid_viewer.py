"""Pyramid viewer in a real browser: drawing, pruning, pointer, keyboard, zoom, and the tube panel."""

from __future__ import annotations

import itertools
from pathlib import Path

import numpy as np
import pytest

from notebook_explain.explanations.pyramid.pyramid import Pyramid
from notebook_explain.explanations.pyramid.text import contribution_text, unit_name
from tests.browser.browser_driver import edited
from tests.browser.conftest import OpenPage
from tests.browser.pyramid_driver import BACKGROUND, SETTLED, PyramidDriver, write_page
from tests.browser.test_viewer_accessibility import axe, wrongs
from tests.widgets.random_pyramids import deep_pyramid, r3d_18_pyramid, random_pyramid

__all__ = ["axe"]  # a fixture
FIRST = 1  # the first unit below the class


@pytest.fixture(scope="module")
def world() -> Pyramid:
    """Return a pyramid with one kernel that is active in the upper left only; all other maps are random."""
    pyramid = random_pyramid(11, rows=5, size=(8, 48, 60), grid=(4, 12, 15), units=(6, 10))
    maps = pyramid.rows[1].maps
    assert maps is not None
    maps[0] = 0
    maps[0, :, :5, :6] = 1
    assert pyramid.units[FIRST].direction == 1
    return pyramid


@pytest.fixture(scope="module")
def path(world: Pyramid, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_page(tmp_path_factory.mktemp("pyramid") / "page.html", world, "a pyramid", frame=4)


def opened(open_page: OpenPage, path: Path, **options: int | str) -> PyramidDriver:
    driver = PyramidDriver(open_page(path, wait=SETTLED, **options).page)
    driver.settled()
    return driver


def test_a_tile_shows_where_its_kernel_is_active(open_page: OpenPage, path: Path) -> None:
    driver = opened(open_page, path, width=900, height=900)
    driver.tree.focus()
    driver.tree.press("PageDown")
    x, y, width, height = (round(value) for value in driver.tile(FIRST))
    driver.part("threshold").focus()  # removes the focus ring
    driver.settled()
    tile = driver.pixels()[y + 18 : y + height - 8, x + 3 : x + width - 3]  # without the label and the score bar
    warm = tile[..., 0] - tile[..., 2]
    rows, columns = warm.shape
    active = warm[: rows // 3, : columns // 3].mean()
    elsewhere = warm[rows // 2 :, columns // 2 :].mean()
    assert active > elsewhere + 60


def test_pruning_by_the_slider_keeps_the_same_units_as_python(open_page: OpenPage, path: Path, world: Pyramid) -> None:
    driver = opened(open_page, path)
    for threshold in (0.0, 0.13, 0.5, 0.98):
        driver.put("threshold", threshold)
        driver.wait("Number(root.dataset.shown) === given", len(world.prune(threshold)))
    assert f"{len(world.prune(0.98))} of {len(world.units)} units" in driver.text


def test_a_click_shows_the_tube_of_a_kernel_and_a_shift_click_adds_one(
    open_page: OpenPage, path: Path, world: Pyramid
) -> None:
    driver = opened(open_page, path, width=1100, height=900)
    assert driver.heading.startswith("Activity of the ")
    driver.tree.focus()
    driver.tree.press("PageDown")
    driver.settled()
    first, second = driver.tile(FIRST), driver.tile(FIRST + 1)
    driver.tree.click(position={"x": first[0] + 9, "y": first[1] + 30})
    driver.wait("root.dataset.selected === given", str(FIRST))
    driver.wait("root.querySelector('.ne-heading').textContent === given", f"Activity of {unit_name(world, FIRST)}")
    assert driver.caption.startswith(f"{unit_name(world, FIRST)} carries ")
    driver.tube.wait("root.dataset.gl === 'webgl2'")
    driver.tube.sharp()
    frame = driver.tube.canvas("frame")
    warm = (frame[..., 0] - frame[..., 2]).astype(float)
    height, width = warm.shape
    assert warm[: height // 3, : width // 3].mean() > warm[height // 2 :, width // 2 :].mean() + 60
    driver.tree.click(position={"x": second[0] + 9, "y": second[1] + 30}, modifiers=["Shift"])
    driver.wait("root.dataset.selected === given", f"{FIRST},{FIRST + 1}")
    driver.wait("/^Activity of .* \\(2 of 2 selected;/.test(root.querySelector('.ne-heading').textContent)")


def test_pyramid_and_tube_share_the_frame(open_page: OpenPage, path: Path) -> None:
    driver = opened(open_page, path, width=1100, height=900)
    before = driver.pixels()
    driver.tube.slide("frame", 1)
    driver.wait("root.dataset.frame === '1'")
    driver.settled()
    assert (np.abs(driver.pixels() - before).max(axis=-1) > 12).mean() > 0.02


def test_keys_move_the_focus_ring_through_the_tree(open_page: OpenPage, path: Path, world: Pyramid) -> None:
    driver = opened(open_page, path, width=900, height=900)
    driver.page.keyboard.press("Tab")
    assert driver.tree.evaluate("tree => tree.matches(':focus-visible')")
    for key in ("ArrowDown", "ArrowRight"):
        driver.page.keyboard.press(key)
    driver.settled()
    unit = int(driver.number("focused"))
    assert world.units[unit].row >= 1
    x, y, width, _ = (round(value) for value in driver.tile(unit))
    ring = driver.pixels()[y - 2 : y + 1, x : x + width]
    assert (np.abs(ring - (100, 177, 246)).max(axis=-1) < 30).mean() > 0.2
    driver.page.keyboard.press("Enter")
    driver.wait("root.dataset.selected === given", str(unit))
    assert driver.caption.startswith(unit_name(world, unit))


def test_the_wheel_zooms_only_with_the_focus_and_a_drag_pans(open_page: OpenPage, path: Path) -> None:
    driver = opened(open_page, path, width=900, height=900)
    driver.tree.hover(position={"x": 420, "y": 300})
    driver.page.mouse.wheel(0, -300)
    driver.page.wait_for_timeout(150)
    assert driver.number("zoom") == 1
    driver.tree.focus()
    driver.tree.hover(position={"x": 420, "y": 300})
    driver.page.mouse.wheel(0, -600)
    driver.wait("Number(root.dataset.zoom) > 2")
    driver.settled()
    before = driver.pixels()
    driver.page.mouse.down()
    driver.page.mouse.move(300, 260, steps=4)
    driver.page.mouse.up()
    driver.settled()
    assert (np.abs(driver.pixels() - before).max(axis=-1) > 12).mean() > 0.05
    assert driver.data("selected") == ""
    driver.part("reset").click()
    driver.wait("root.dataset.zoom === '1'")


@pytest.mark.parametrize("width", [700, 1100])
def test_hovering_does_not_move_the_layout(open_page: OpenPage, path: Path, width: int) -> None:
    driver = opened(open_page, path, width=width, height=900)
    before, caption = driver.tree.bounding_box(), driver.caption
    assert before
    for x, y in ((220, 120), (230, 300), (400, 300), (400, 545)):
        driver.tree.hover(position={"x": x, "y": y})
        driver.settled()
        after = driver.tree.bounding_box()
        assert after
        assert after["y"] == before["y"], driver.caption
    assert driver.caption != caption


def test_a_hovered_thin_row_is_named_in_white_if_there_is_no_margin(open_page: OpenPage, path: Path) -> None:
    driver = opened(open_page, path, width=360, height=900)
    before = driver.pixels()
    bottom = before.shape[0] - 12
    driver.tree.hover(position={"x": 100, "y": bottom})
    driver.settled()
    assert driver.caption.startswith("clip: ")
    new = (driver.pixels() > 200).all(axis=-1) & ~(before > 200).all(axis=-1)
    letters = new[bottom - 12 : bottom + 6, -32:-12]
    assert 5 < letters.sum() < 0.5 * letters.size


RECORD_TEXT = """
window.written = []; // texts of the last paint, which begins by setting the transform
const { setTransform } = CanvasRenderingContext2D.prototype;
CanvasRenderingContext2D.prototype.setTransform = function (...values) {
  if (this.canvas.className === "ne-pyramid-canvas") written.length = 0;
  return setTransform.apply(this, values);
};
const original = CanvasRenderingContext2D.prototype.fillText;
CanvasRenderingContext2D.prototype.fillText = function (text, x, y) {
  if (this.canvas.className === "ne-pyramid-canvas") written.push([text, x, y, this.measureText(text).width]);
  return original.call(this, text, x, y);
};
"""


@pytest.mark.parametrize("width", [360, 1100])
@pytest.mark.parametrize("row", [1, 14, 29])
def test_every_row_of_an_r3d_18_is_named(open_page: OpenPage, tmp_path: Path, width: int, row: int) -> None:
    pyramid = r3d_18_pyramid()
    page = write_page(tmp_path / "rows.html", pyramid, row=row)
    driver = opened(open_page, page, width=width, height=900, script=RECORD_TEXT)
    written = driver.page.evaluate("written")
    titles = [text.removeprefix("▾ ").split(" · ")[0] for text, *_ in written]
    titles += [first + second for first, second in itertools.pairwise(titles)]  # names on two lines
    names = [each.name for each in pyramid.rows]
    assert [name for name in names[1:] if name not in titles] == []
    limit = driver.tree.bounding_box()
    assert limit
    thin = [(y, x, x + wide) for text, x, y, wide in written if text in names]
    assert len(thin) > 20
    assert min(left for _, left, _ in thin) >= 0
    assert max(right for *_, right in thin) <= (164 if width == 1100 else limit["width"])
    assert min(np.diff(sorted(y for y, *_ in thin))) > 9, "names overlap"


def test_numbers_stand_beside_the_pointer_within_a_frame(open_page: OpenPage, tmp_path: Path) -> None:
    pyramid = r3d_18_pyramid()
    driver = opened(open_page, write_page(tmp_path / "rows.html", pyramid, row=1), width=900, height=900)
    driver.tree.focus()
    driver.tree.press("PageDown")
    unit = FIRST
    x, y, _, _ = driver.tile(unit)
    driver.tree.hover(position={"x": x + 9, "y": y + 30})
    contribution = pyramid.contribution(unit)
    assert contribution is not None
    name = unit_name(pyramid, unit).split(" of ")[0]
    assert driver.tip.startswith(f"{name}: {contribution_text(contribution, 'logits')}, ")
    position = driver.hover_link(0, unit)
    assert " → 'wave': " in driver.tip
    assert " logits, " in driver.tip
    assert driver.caption.endswith(" of the positive contributions there.")
    took = driver.tree.evaluate(
        """(tree, [x, y]) => {
          const { left, top } = tree.getBoundingClientRect();
          return Array.from({ length: 21 }, (_, k) => {
            const start = performance.now();
            tree.dispatchEvent(new PointerEvent("pointermove", { clientX: left + x + k, clientY: top + y }));
            return performance.now() - start;
          });
        }""",
        list(position),
    )
    assert float(np.median(took)) < 16, took


def test_numbers_beside_the_pointer_stay_inside_the_picture(open_page: OpenPage, tmp_path: Path) -> None:
    pyramid = r3d_18_pyramid()
    last = len(pyramid.rows) - 1
    driver = opened(open_page, write_page(tmp_path / "rows.html", pyramid, row=last), width=360, height=1000)
    driver.tree.focus()
    driver.tree.press("PageDown")
    driver.put("row", last)
    driver.tree.focus()
    driver.tree.press("End")
    unit = int(driver.number("focused"))
    assert pyramid.rows[pyramid.units[unit].row].kind == "input"
    x, y, width, height = driver.tile(unit)
    driver.tree.hover(position={"x": x + width - 4, "y": y + height - 4})
    assert " logits, " in driver.tip
    box, picture = driver.root.locator(".ne-pyramid-tip").bounding_box(), driver.tree.bounding_box()
    assert box
    assert picture
    assert picture["x"] <= box["x"]
    assert box["x"] + box["width"] <= picture["x"] + picture["width"]
    assert box["y"] + box["height"] <= picture["y"] + picture["height"]


def test_tiles_whose_parents_are_pruned_are_grey(open_page: OpenPage, path: Path, world: Pyramid) -> None:
    kept = {by: set(world.prune(0.4, by=by)) for by in ("path", "score")}
    grey = min(unit for unit in kept["score"] - kept["path"] if world.rows[world.units[unit].row].maps is not None)
    driver = opened(open_page, path, width=900, height=900)
    driver.put("threshold", 0.4)
    driver.wait("Number(root.dataset.shown) === given", len(kept["path"]))
    driver.put("row", world.units[grey].row)
    driver.tree.focus()
    for _ in range(len(world.rows[world.units[grey].row].units)):
        if int(driver.number("focused")) == grey:
            break
        before = driver.number("focused")
        driver.tree.press("ArrowRight")
        driver.wait("Number(root.dataset.focused) !== given", before)
    assert "was pruned." in driver.caption or "were pruned." in driver.caption

    def colour() -> float:
        x, y, width, height = (round(value) for value in driver.tile(grey))
        driver.part("threshold").focus()  # removes the focus ring, and the dimming of other tiles
        driver.settled()
        tile = driver.pixels()[y + 18 : y + height - 8, x + 3 : x + width - 3]
        return float((tile.max(axis=-1) - tile.min(axis=-1)).mean())

    assert colour() < 4
    driver.part("prune_by").select_option("score")
    driver.wait("Number(root.dataset.shown) === given", len(kept["score"]))
    assert driver.data("prune_by") == "score"
    driver.tree.focus()
    assert colour() > 15


@pytest.mark.parametrize(("width", "scheme"), [(360, "light"), (1100, "dark")])
def test_the_page_is_accessible_and_fits_the_width(
    open_page: OpenPage, path: Path, axe: str, width: int, scheme: str
) -> None:
    driver = opened(open_page, path, width=width, height=900, color_scheme=scheme)
    driver.tree.focus()
    driver.tree.press("ArrowDown")
    driver.settled()
    assert wrongs(driver, axe) == []
    assert driver.page.evaluate("document.documentElement.scrollWidth <= innerWidth")


def test_a_pyramid_of_120_layers_fills_the_canvas(open_page: OpenPage, tmp_path: Path) -> None:
    driver = opened(open_page, write_page(tmp_path / "deep.html", deep_pyramid(), row=60), width=900, height=900)
    assert int(driver.number("shown")) > 6000
    drawn = (np.abs(driver.pixels() - BACKGROUND).max(axis=-1) > 12).mean(axis=1)
    assert (drawn[70:-8] > 0.2).mean() > 0.7  # rows from below the class to the bottom, no empty space
    assert (drawn[-60:-12] > 0.5).mean() > 0.7


def test_invalid_data_show_an_error(open_page: OpenPage, path: Path) -> None:
    copy = edited(path, lambda state: state.update(thumbnails=b"\0\0\0"))
    driver = PyramidDriver(open_page(copy, wait=SETTLED).page)
    assert "This view cannot be drawn: row 'sum in block1': " in driver.text
    assert "within their buffer, got 3 bytes." in driver.text
