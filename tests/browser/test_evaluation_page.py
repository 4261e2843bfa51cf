"""The static page of an evaluation: for everybody, in both themes, on narrow and wide screens, and on paper."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.browser.conftest import OpenPage
from tests.browser.test_viewer_accessibility import axe, wrongs
from tests.example_values import small_evaluation

__all__ = ["axe"]  # a fixture


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return small_evaluation(methods=6).to_html(tmp_path_factory.mktemp("page") / "evaluation.html")


@pytest.mark.parametrize(("width", "scheme"), [(1600, "light"), (360, "dark"), (360, "light")])
def test_the_page_is_accessible_and_fits(open_page: OpenPage, path: Path, axe: str, width: int, scheme: str) -> None:
    driver = open_page(path, width, 800, scheme, wait="h1", bypass_csp=True)
    driver.page.eval_on_selector_all("details", "all => all.forEach(one => { one.open = true; })")
    assert wrongs(driver, axe) == []
    assert driver.page.evaluate("document.documentElement.scrollWidth") == width


def test_the_keyboard_unfolds_the_classes_and_print_is_dark_on_white(open_page: OpenPage, path: Path) -> None:
    page = open_page(path, wait="h1", color_scheme="dark").page
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    assert page.locator("details").first.evaluate("one => one.open")
    assert page.locator("details").first.locator("tr.class").count() == 6 * 3
    page.emulate_media(media="print")
    colours = page.evaluate("(s => [s.color, s.backgroundColor])(getComputedStyle(document.body))")
    assert colours == ["rgb(0, 0, 0)", "rgb(255, 255, 255)"]
