"""Screenshots of what-ifs: the page without and with explanations, and the figures."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

from playwright.sync_api import Browser

from tests.browser.browser_driver import offline_page
from tests.example_values import small_temporal_reliance, small_what_if


def what_if_pages(browser: Browser, out: Path) -> Iterator[Path]:
    """Take the page of a what-if, static and as a comparison, in both schemes and as printed, and the figures."""
    yield small_what_if().to_png(out / "what-if-figure.png", dpi=110)
    yield small_temporal_reliance().to_png(out / "temporal-reliance-figure.png", dpi=110)
    states = (("dark", 360, "dark"), ("light", 800, "light"), ("light", 1600, "light"), ("print", 800, "light"))
    with tempfile.TemporaryDirectory() as folder:
        for kind in ("static", "compared"):
            path = small_what_if(with_tubes=kind == "compared").to_html(Path(folder) / f"{kind}.html")
            for name, width, scheme in states:
                page, _ = offline_page(browser, width, 760, scheme)
                page.goto(path.as_uri())
                page.emulate_media(media="print" if name == "print" else "screen")
                page.wait_for_timeout(1500)  # the viewer has drawn its first frame
                picture = out / f"what-if-{kind}-{name}-{width}.png"
                page.screenshot(path=picture, full_page=True, timeout=120_000)
                page.context.close()
                yield picture
