"""Concept viewer in a real browser: drawing, order, names, keys, accessibility, layout, print, damaged data."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import notebook_explain as ne
from notebook_explain.explanations import Concepts
from notebook_explain.figures.concepts import best_frame
from notebook_explain.widgets.html import read_data
from tests.browser.browser_driver import edited
from tests.browser.concept_driver import SETTLED, ConceptDriver
from tests.browser.conftest import OpenPage
from tests.browser.test_viewer_accessibility import axe, wrongs
from tests.widgets.concept_examples import many_concepts, unmeasured, within_chance

__all__ = ["axe"]  # a fixture
HOSTILE = (
    "<img src=x onerror=\"document.title='owned'\">",
    "W" * 80,
    "</script><script>alert(1)</script>",
    "\u0645\u0641\u0647\u0648\u0645 (right to left)",
    "\u8db3 \U0001f9b5",
    "{{7*7}} ${1+1} `rm`",
)


def with_hostile_names(concepts: Concepts) -> Concepts:
    names = [concept.name for concept in concepts]
    return concepts.with_names([*HOSTILE, *names[len(HOSTILE) :]])


@pytest.fixture(scope="module")
def world() -> Concepts:
    return many_concepts()


@pytest.fixture(scope="module")
def path(world: Concepts, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return world.to_html(tmp_path_factory.mktemp("concepts") / "page.html", playing=False)


def opened(open_page: OpenPage, path: Path, width: int = 1000, **options: object) -> ConceptDriver:
    viewer = open_page(path, width, 800, wait=SETTLED, **options)
    driver = ConceptDriver(viewer.page)
    driver.wrong = viewer.wrong
    return driver


def test_an_exemplar_is_bright_inside_its_concept_and_dimmed_outside(
    open_page: OpenPage, path: Path, world: Concepts
) -> None:
    driver = opened(open_page, path)
    clip = world[0].exemplars[0]
    mask = world.mask(0, clip)
    frame = best_frame(mask)
    assert driver.frame(0) == frame
    picture = Image.fromarray(world.clips[clip].frames[frame]).resize((16, 16), Image.Resampling.BOX)
    inside = np.asarray(Image.fromarray(mask[frame].astype(np.float32)).resize((16, 16), Image.Resampling.BOX))
    plain, found = np.asarray(picture).max(-1).astype(float), np.array(driver.drawn(0), float)
    assert (inside > 0.99).sum() > 4
    assert np.abs(found - plain)[inside > 0.99].mean() < 8
    shade = 0.28 * plain + 0.72 * 70
    assert np.abs(found - shade)[inside == 0].mean() < 8


def test_rows_stand_in_order_and_are_sorted_and_filtered(open_page: OpenPage, path: Path, world: Concepts) -> None:
    driver = opened(open_page, path)
    assert driver.shown == list(range(10))
    driver.part("more").click()
    driver.choose("sort_by", "freeze")
    by_freeze = sorted(world, key=lambda concept: -concept.effects[1].value)
    assert driver.shown == [concept.index for concept in by_freeze]
    driver.choose("max_q", "0.05")
    sure = [concept.index for concept in by_freeze if min(effect.q for effect in concept.effects) <= 0.05]
    assert driver.shown == sure
    assert f"{len(sure)} of 14 concepts" in driver.text


def test_a_name_is_typed_by_keyboard_and_shown_as_text(open_page: OpenPage, path: Path) -> None:
    driver = opened(open_page, path)
    driver.name(1).click()
    driver.page.keyboard.press("Control+a")
    driver.page.keyboard.type(HOSTILE[0])
    driver.page.keyboard.press("Tab")
    assert driver.name(1).input_value() == HOSTILE[0]
    assert HOSTILE[0] in (driver.exemplar(1).get_attribute("aria-label") or "")
    driver.exemplar(1).click()
    assert HOSTILE[0] in driver.large.inner_text()
    assert driver.page.title() != "owned"
    driver.name(2).fill(HOSTILE[0])
    driver.page.keyboard.press("Enter")
    assert "Another concept has this name" in driver.text


def test_names_of_a_file_are_shown_as_text(open_page: OpenPage, world: Concepts, tmp_path: Path) -> None:
    named = ne.load(with_hostile_names(world).save(tmp_path / "named"))
    driver = opened(open_page, named.to_html(tmp_path / "page.html"), width=360)  # type: ignore[union-attr]
    for concept, name in enumerate(HOSTILE):
        assert driver.name(concept).input_value() == name
        driver.exemplar(concept).click()
        assert name in driver.large.inner_text()
    assert driver.page.title() != "owned"
    assert driver.page.evaluate("document.documentElement.scrollWidth") <= 360


def test_keys_reach_every_clip_and_open_it(open_page: OpenPage, path: Path, world: Concepts) -> None:
    driver = opened(open_page, path)
    driver.name(0).focus()
    for key in ("Tab", "ArrowRight", "ArrowDown", "Enter"):
        driver.page.keyboard.press(key)
    assert driver.data("selected") == f"1,{world[1].exemplars[1]}"
    assert driver.large.is_visible()
    driver.page.keyboard.press("Escape")
    assert not driver.large.count()
    assert driver.exemplar(1, 1).evaluate("button => button === document.activeElement")


def test_pointing_at_a_clip_enlarges_it_and_moves_nothing(open_page: OpenPage, path: Path) -> None:
    driver = opened(open_page, path)
    before = [driver.row(concept).bounding_box() for concept in (0, 1, 2)]
    small = driver.exemplar(1, 1).bounding_box()
    driver.exemplar(1, 1).hover()
    driver.page.wait_for_timeout(400)
    large = driver.exemplar(1, 1).bounding_box()
    assert small
    assert large
    assert large["width"] > 2 * small["width"]
    assert [driver.row(concept).bounding_box() for concept in (0, 1, 2)] == before
    assert driver.page.evaluate("document.documentElement.scrollWidth") <= 1000


def test_clips_loop_and_only_what_is_seen_is_drawn(open_page: OpenPage, world: Concepts, tmp_path: Path) -> None:
    driver = opened(open_page, world.to_html(tmp_path / "page.html"))
    driver.wait("root.querySelector('canvas').dataset.frame === '3'")
    driver.wait("root.querySelector('canvas').dataset.frame === '0'")
    driver.part("play").click()
    held = driver.frame(0)
    driver.page.wait_for_timeout(400)
    assert driver.frame(0) == held
    assert driver.data("playing") == "false"


def test_nothing_moves_with_reduced_motion(open_page: OpenPage, world: Concepts, tmp_path: Path) -> None:
    driver = opened(open_page, world.to_html(tmp_path / "page.html"), reduced_motion="reduce")
    best = driver.frame(0)
    driver.exemplar(0).hover()
    driver.page.wait_for_timeout(500)
    assert driver.frame(0) == best
    assert driver.data("playing") == "false"
    driver.part("play").click()
    driver.wait("Number(root.querySelector('canvas').dataset.frame) !== given", best)


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [360, 1000])
def test_axe_finds_nothing_wrong(open_page: OpenPage, path: Path, axe: str, width: int, scheme: str) -> None:
    driver = opened(open_page, path, width, color_scheme=scheme)
    assert wrongs(driver, axe) == []
    driver.exemplar(0).click()
    driver.name(2).fill("concept 1")
    driver.page.keyboard.press("Enter")
    assert wrongs(driver, axe) == []
    driver.name(2).fill("concept 3")
    driver.choose("max_q", "0.01")
    assert wrongs(driver, axe) == []


def test_no_concept_beyond_chance_and_none_that_passes(open_page: OpenPage, world: Concepts, tmp_path: Path) -> None:
    page = within_chance(world).to_html(tmp_path / "page.html", max_q=0.05, playing=False)
    driver = opened(open_page, page, width=360)
    assert driver.shown == []
    assert "None of them has an effect beyond chance" in driver.text
    assert "None of 14 concepts has q at most 0.05." in driver.text
    driver.part("everything").click()
    assert len(driver.shown) == 10


def test_concepts_without_effects_are_shown_by_their_fraction(
    open_page: OpenPage, world: Concepts, tmp_path: Path
) -> None:
    driver = opened(open_page, unmeasured(world).to_html(tmp_path / "page.html", playing=False))
    assert "their effects were not measured" in driver.text
    assert not driver.root.locator(".ne-chart").count()
    assert "What if" not in driver.text


@pytest.mark.parametrize("width", [360, 700, 1000, 1600])
def test_nothing_is_wider_than_the_page(open_page: OpenPage, path: Path, width: int) -> None:
    driver = opened(open_page, path, width)
    driver.exemplar(2, 3).click()
    assert driver.page.evaluate("document.documentElement.scrollWidth") <= width
    assert driver.root.evaluate(
        "root => [...root.querySelectorAll('.ne-effect')].every(e => e.scrollWidth <= e.clientWidth)"
    )


def test_every_clip_is_drawn_for_paper(open_page: OpenPage, path: Path) -> None:
    driver = opened(open_page, path)
    driver.page.emulate_media(media="print")
    driver.wait("[...root.querySelectorAll('.ne-concept:not([hidden]) canvas')].every(one => one.dataset.frame)")
    assert not driver.part("sort_by").is_visible()


def test_damaged_data_shows_what_to_do(open_page: OpenPage, path: Path) -> None:
    broken = edited(path, lambda state: state.update(masks=[b"\0", *state["masks"][1:]]))
    driver = opened(open_page, broken)
    driver.wait("root.dataset.error === 'true'")
    assert "The data of this view is damaged or incomplete" in driver.text
    assert "`masks[0]` must hold 280 bytes" in driver.text


def test_a_page_of_sixty_clips_is_small(tmp_path: Path) -> None:
    page = many_concepts(clips=60, size=64, concepts=30).to_html(tmp_path / "large.html")
    assert page.stat().st_size < 3e6
    assert len(read_data(page.read_text(encoding="utf-8"))["widgets"][0]["state"]["clips"]) > 25
