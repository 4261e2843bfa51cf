"""The static page of a what-if: for everybody, in both themes, on narrow and wide screens, and on paper."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.browser.conftest import OpenPage
from tests.browser.test_viewer_accessibility import axe, wrongs
from tests.example_values import small_what_if

__all__ = ["axe"]  # a fixture


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return small_what_if().to_html(tmp_path_factory.mktemp("page") / "what_if.html")


@pytest.mark.parametrize(("width", "scheme"), [(1600, "light"), (360, "dark"), (360, "light"), (800, "dark")])
def test_the_page_is_accessible_and_fits(open_page: OpenPage, path: Path, axe: str, width: int, scheme: str) -> None:
    driver = open_page(path, width, 800, scheme, wait="h1", bypass_csp=True)
    assert wrongs(driver, axe) == []
    assert driver.page.evaluate("document.documentElement.scrollWidth") == width


def test_both_sides_are_shown_beside_each_other_and_stand_still_on_request(open_page: OpenPage, path: Path) -> None:
    page = open_page(path, 800, 800, wait="h1").page
    boxes = [figure.bounding_box() for figure in page.locator("figure").all()]
    assert [figure.inner_text().strip() for figure in page.locator("figcaption").all()] == ["before", "after"]
    assert boxes[0]["y"] == boxes[1]["y"]  # type: ignore[index]
    assert page.locator("tbody tr").count() == 3
    moving = page.locator("img").first.evaluate("one => one.currentSrc")
    page.emulate_media(reduced_motion="reduce")
    page.wait_for_function("before => document.querySelector('img').currentSrc !== before", arg=moving)


def test_print_is_dark_on_white(open_page: OpenPage, path: Path) -> None:
    page = open_page(path, wait="h1", color_scheme="dark").page
    page.emulate_media(media="print")
    colours = page.evaluate("(s => [s.color, s.backgroundColor])(getComputedStyle(document.body))")
    assert colours == ["rgb(0, 0, 0)", "rgb(255, 255, 255)"]
