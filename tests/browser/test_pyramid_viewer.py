"""A pyramid in a real browser: what is drawn, pruned, clicked, walked by keys, zoomed; and the tube that it shows."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from notebook_explain.explanations.pyramid.pyramid import Pyramid
from notebook_explain.explanations.pyramid.text import unit_name
from tests.browser.browser_driver import edited
from tests.browser.conftest import OpenPage
from tests.browser.pyramid_driver import SETTLED, STAGE, PyramidHand, write_page
from tests.browser.test_viewer_accessibility import axe, wrongs
from tests.widgets.random_pyramids import deep_pyramid, random_pyramid

__all__ = ["axe"]  # a fixture
FIRST = 1  # the first unit below the class


@pytest.fixture(scope="module")
def world() -> Pyramid:
    """One kernel looks at the upper left only, all others nowhere in particular."""
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


def opened(open_page: OpenPage, path: Path, **how: int | str) -> PyramidHand:
    hand = PyramidHand(open_page(path, wait=SETTLED, **how).page)
    hand.settled()
    return hand


def test_a_tile_shows_where_its_kernel_looks(open_page: OpenPage, path: Path) -> None:
    hand = opened(open_page, path, width=900, height=900)
    hand.tree.focus()
    hand.tree.press("PageDown")
    x, y, width, height = (round(value) for value in hand.tile(FIRST))
    hand.part("threshold").focus()  # no ring around the tile
    hand.settled()
    tile = hand.pixels()[y + 18 : y + height - 8, x + 3 : x + width - 3]  # without its number and its bar
    warm = tile[..., 0] - tile[..., 2]
    rows, columns = warm.shape
    there = warm[: rows // 3, : columns // 3].mean()
    elsewhere = warm[rows // 2 :, columns // 2 :].mean()
    assert there > elsewhere + 60


def test_pruning_by_the_slider_keeps_what_python_keeps(open_page: OpenPage, path: Path, world: Pyramid) -> None:
    hand = opened(open_page, path)
    for threshold in (0.0, 0.13, 0.5, 0.98):
        hand.put("threshold", threshold)
        hand.wait("Number(root.dataset.shown) === given", len(world.prune(threshold)))
    assert f"{len(world.prune(0.98))} of {len(world.units)} units" in hand.text


def test_a_click_shows_a_kernels_tube_and_a_shifted_one_another(
    open_page: OpenPage, path: Path, world: Pyramid
) -> None:
    hand = opened(open_page, path, width=1100, height=900)
    assert hand.heading.startswith("Where the ")
    hand.tree.focus()
    hand.tree.press("PageDown")
    first, second = hand.tile(FIRST), hand.tile(FIRST + 1)
    hand.tree.click(position={"x": first[0] + 9, "y": first[1] + 30})
    hand.wait("root.dataset.selected === given", str(FIRST))
    hand.wait("root.querySelector('.ne-heading').textContent === given", f"Where {unit_name(world, FIRST)} looked")
    assert hand.words.startswith(f"{unit_name(world, FIRST)} carries ")
    hand.tube.wait("root.dataset.gl === 'webgl2'")
    hand.tube.sharp()
    frame = hand.tube.canvas("frame")
    warm = (frame[..., 0] - frame[..., 2]).astype(float)
    height, width = warm.shape
    assert warm[: height // 3, : width // 3].mean() > warm[height // 2 :, width // 2 :].mean() + 60
    hand.tree.click(position={"x": second[0] + 9, "y": second[1] + 30}, modifiers=["Shift"])
    hand.wait("root.dataset.selected === given", f"{FIRST},{FIRST + 1}")
    hand.wait("/^Where .* looked: 2 of 2 chosen/.test(root.querySelector('.ne-heading').textContent)")


def test_the_frame_is_one_for_the_tree_and_the_tube(open_page: OpenPage, path: Path) -> None:
    hand = opened(open_page, path, width=1100, height=900)
    before = hand.pixels()
    hand.tube.slide("frame", 1)
    hand.wait("root.dataset.frame === '1'")
    hand.settled()
    assert (np.abs(hand.pixels() - before).max(axis=-1) > 12).mean() > 0.02


def test_keys_walk_the_tree_with_a_ring_around_the_unit_in_focus(
    open_page: OpenPage, path: Path, world: Pyramid
) -> None:
    hand = opened(open_page, path, width=900, height=900)
    hand.page.keyboard.press("Tab")
    assert hand.tree.evaluate("tree => tree.matches(':focus-visible')")
    for key in ("ArrowDown", "ArrowRight"):
        hand.page.keyboard.press(key)
    hand.settled()
    unit = int(hand.number("focused"))
    assert world.units[unit].row >= 1
    x, y, width, _ = (round(value) for value in hand.tile(unit))
    ring = hand.pixels()[y - 2 : y + 1, x : x + width]
    assert (np.abs(ring - (100, 177, 246)).max(axis=-1) < 30).mean() > 0.2
    hand.page.keyboard.press("Enter")
    hand.wait("root.dataset.selected === given", str(unit))
    assert hand.words.startswith(unit_name(world, unit))


def test_the_wheel_zooms_with_the_focus_only_and_a_drag_pans(open_page: OpenPage, path: Path) -> None:
    hand = opened(open_page, path, width=900, height=900)
    hand.tree.hover(position={"x": 420, "y": 300})
    hand.page.mouse.wheel(0, -300)
    hand.page.wait_for_timeout(150)
    assert hand.number("zoom") == 1
    hand.tree.focus()
    hand.tree.hover(position={"x": 420, "y": 300})
    hand.page.mouse.wheel(0, -600)
    hand.wait("Number(root.dataset.zoom) > 2")
    hand.settled()
    before = hand.pixels()
    hand.page.mouse.down()
    hand.page.mouse.move(300, 260, steps=4)
    hand.page.mouse.up()
    hand.settled()
    assert (np.abs(hand.pixels() - before).max(axis=-1) > 12).mean() > 0.05
    assert hand.data("selected") == ""
    hand.part("reset").click()
    hand.wait("root.dataset.zoom === '1'")


@pytest.mark.parametrize("width", [700, 1100])
def test_nothing_moves_under_the_pointer(open_page: OpenPage, path: Path, width: int) -> None:
    hand = opened(open_page, path, width=width, height=900)
    before, words = hand.tree.bounding_box(), hand.words
    assert before
    for x, y in ((220, 120), (230, 300), (400, 300), (400, 545)):
        hand.tree.hover(position={"x": x, "y": y})
        hand.settled()
        after = hand.tree.bounding_box()
        assert after
        assert after["y"] == before["y"], hand.words
    assert hand.words != words


def test_a_thin_row_that_is_pointed_at_is_named_where_names_have_no_margin(open_page: OpenPage, path: Path) -> None:
    hand = opened(open_page, path, width=360, height=900)
    before = hand.pixels()
    foot = before.shape[0] - 12
    hand.tree.hover(position={"x": 100, "y": foot})
    hand.settled()
    assert hand.words.startswith("clip: ")
    new = (hand.pixels() > 235).all(axis=-1) & ~(before > 235).all(axis=-1)
    letters = new[foot - 40 : foot - 10, 8:40]
    assert 20 < letters.sum() < 0.5 * letters.size


@pytest.mark.parametrize(("width", "scheme"), [(360, "light"), (1100, "dark")])
def test_axe_finds_nothing_and_nothing_is_cut_off(
    open_page: OpenPage, path: Path, axe: str, width: int, scheme: str
) -> None:
    hand = opened(open_page, path, width=width, height=900, color_scheme=scheme)
    hand.tree.focus()
    hand.tree.press("ArrowDown")
    hand.settled()
    assert wrongs(hand, axe) == []
    assert hand.page.evaluate("document.documentElement.scrollWidth <= innerWidth")


def test_a_network_of_120_layers_is_drawn_whole(open_page: OpenPage, tmp_path: Path) -> None:
    hand = opened(open_page, write_page(tmp_path / "deep.html", deep_pyramid(), row=60), width=900, height=900)
    assert int(hand.number("shown")) > 6000
    drawn = (np.abs(hand.pixels() - STAGE).max(axis=-1) > 12).mean(axis=1)
    assert (drawn[70:-8] > 0.2).mean() > 0.7  # from below the class to the foot: rows, nothing left empty
    assert (drawn[-60:-12] > 0.5).mean() > 0.8


def test_what_cannot_be_drawn_is_said_in_its_place(open_page: OpenPage, path: Path) -> None:
    copy = edited(path, lambda state: state.update(thumbnails={"$b64": "AAAA"}))
    hand = PyramidHand(open_page(copy, wait=SETTLED).page)
    assert "This view cannot be drawn: row 'sum in block1': " in hand.text
    assert "within their buffer, got 3 bytes." in hand.text
