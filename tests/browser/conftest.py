"""Fixtures: a real browser without a network."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("playwright.sync_api", reason="no playwright: pip install -e '.[test]'")
from playwright.sync_api import Browser, sync_playwright

from tests.browser import browser_driver
from tests.browser.browser_driver import READY, Viewer

OpenPage = Callable[..., Viewer]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.browser)


# Not session-scoped: playwright's event loop runs as long as the browser, and tests in other folders need their own loop.
@pytest.fixture(scope="package")
def browser() -> Iterator[Browser]:
    if browser_driver.find_chromium() is None:
        if os.environ.get("NE_REQUIRE_BROWSER") == "1":
            pytest.fail("no Chromium: make browser (NE_REQUIRE_BROWSER=1 forbids the skip)")
        pytest.skip("no Chromium: make browser")
    with sync_playwright() as playwright:
        chromium = browser_driver.launch(playwright)
        yield chromium
        chromium.close()


@pytest.fixture
def open_page(browser: Browser) -> Iterator[OpenPage]:
    """Open files without a network; at teardown, assert that no exception, console error or request occurred."""
    opened = []

    def open_(
        path: Path,
        width: int = 640,  # as small as possible, because software rendering is slow
        height: int = 620,
        color_scheme: str = "light",
        *,
        script: str = "",
        wait: str = READY,
        **context: Any,
    ) -> Viewer:
        page, wrong = browser_driver.offline_page(browser, width, height, color_scheme, **context)
        opened.append((page, wrong))
        if script:
            page.add_init_script(script)
        page.goto(path.as_uri())
        page.locator(wait).first.wait_for(state="attached", timeout=45_000)
        return Viewer(page, wrong=wrong)

    yield open_
    for page, _ in opened:
        page.context.close()
    assert [wrong for _, wrong in opened if wrong] == []
