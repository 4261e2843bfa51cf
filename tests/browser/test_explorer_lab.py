"""A whole story with the explorer in a real JupyterLab, in front of the bundled network."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser.explorer_notebook import explorer_notebook, values

CELLS = (
    "print(*explorer.after['probabilities'], len(explorer.history))",
    "",  # the copied code comes here
    "print(*result.after.head().probabilities)",
)
STATE, CODE, NUMBERS = 2, 3, 4


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    context = browser.new_context(
        viewport={"width": 1400, "height": 1500}, permissions=["clipboard-read", "clipboard-write"]
    )
    yield context.new_page()
    context.close()


def test_a_story_from_the_clip_to_code_with_the_same_numbers(page: Page) -> None:
    errors: list[str] = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    with explorer_notebook(page, CELLS) as (notebook, explorer):
        # Open and play.
        assert explorer.percent("kick") == 54
        frame = explorer.tubes.data("frame")
        explorer.tubes.part("play").click()
        explorer.tubes.wait("root.dataset.frame !== given", frame)
        explorer.tubes.part("play").click()

        # Brush the kicking leg away: probabilities follow during the gesture, and the explanation at its end.
        explorer.brush("box", (0.02, 0.5), (0.48, 0.98), release=False)
        bar = explorer.root.locator("[data-name=explain]:has(.ne-class-name:text-is('kick')) .ne-class-value").first
        expect(bar).not_to_have_text(re.compile("54"), timeout=5000)
        assert explorer.data("working") == "coarse"
        assert len(explorer.root.locator("[data-name=toggle]").all()) == 0, "no edit before the release"
        page.mouse.up()
        explorer.settled()
        brushed = explorer.percent("kick")
        assert brushed < 40
        assert explorer.root.locator("[data-name=toggle]").count() == 1

        # Switch off the strongest units of the pyramid.
        explorer.root.locator("[data-name=tab-pyramid]").click()
        tree = explorer.root.locator(".ne-pyramid [role=tree]").first
        tree.wait_for(timeout=30_000)
        explorer.settled()
        tree.focus()
        for key in ("ArrowDown", "ArrowDown", "Enter"):
            page.keyboard.press(key)
        ablate = explorer.root.locator("[data-name=ablate]")
        expect(ablate).to_be_enabled(timeout=10_000)
        ablate.click()
        explorer.settled()
        assert explorer.root.locator("[data-name=toggle]").count() == 2
        state = values(notebook.run(STATE))
        assert state[-1] == 3
        ablated = state[:-1]

        # Cancel a long run: the step before stays.
        explorer.root.locator("[data-name=method]").select_option("rise")
        explorer.root.locator("[data-name=cancel]").click(timeout=10_000)
        explorer.settled(5000)
        assert values(notebook.run(STATE)) == state

        # Undo and redo.
        explorer.root.locator("[data-name=undo]").click()
        explorer.settled()
        assert explorer.percent("kick") == brushed
        explorer.root.locator("[data-name=redo]").click()
        explorer.settled()

        # Copy as code, run it in the next cell, and get the same numbers.
        explorer.root.locator("[data-name=copy-code]").first.click()
        page.wait_for_timeout(300)
        code = page.evaluate("navigator.clipboard.readText()")
        assert "ne.what_if(" in code
        notebook.cell(CODE).locator(".cm-content").first.click()
        page.keyboard.insert_text(code.removesuffix("\nresult"))
        notebook.run(CODE)
        again = values(notebook.run(NUMBERS))
        assert len(again) == len(ablated) == 10
        assert all(abs(a - b) <= 1e-4 for a, b in zip(again, ablated, strict=True))
        assert errors == []
