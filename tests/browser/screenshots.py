"""Every named state of the viewer as a PNG, to look at: ``python -m tests.browser.screenshots OUTDIR [--demo] [--lab]``."""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser

from tests.browser import lab
from tests.browser.driving import NO_WEBGL2, Viewer, chromium, edited, offline_page
from tests.browser.worlds import tubes

HEIGHT = 760
SETTLED = ".ne-tubes:is([data-ready=true], [data-error=true])"


def take(
    browser: Browser,
    path: Path,
    picture: Path,
    do: Callable[[Viewer], object] = lambda viewer: None,
    *,
    width: int = 800,
    scheme: str = "light",
    script: str = "",
) -> Path:
    """Open a page, do something, and keep what is then seen."""
    page, wrong = offline_page(browser, width, HEIGHT, scheme)
    try:
        if script:
            page.add_init_script(script)
        page.goto(path.as_uri())
        page.locator(SETTLED).first.wait_for(state="attached", timeout=20_000)
        viewer = Viewer(page)
        if viewer.data("error") is None:
            viewer.wait("root.dataset.gl")
            viewer.sharp()
            do(viewer)
            viewer.wait("/evidence for/.test(root.querySelector('.ne-kept').textContent)")
        page.screenshot(path=picture, full_page=True)
    finally:
        page.context.close()
    if wrong:
        print(f"{picture.name}: {wrong}")
    return picture


def _lowest(viewer: Viewer) -> None:
    viewer.slide("layer", 0)
    viewer.slide("threshold", 0.25)


def _second(viewer: Viewer) -> None:
    viewer.part("target").select_option("1")
    viewer.shows("target", 1)


def _play(viewer: Viewer) -> None:
    viewer.part("play").click()
    viewer.wait("(window.seen ??= new Set()).add(root.dataset.frame).size > 3")


def _focus(viewer: Viewer) -> None:
    for _ in range(2):
        viewer.page.keyboard.press("Tab")


def _spoil(state: dict[str, Any]) -> None:
    state["maps"][0] = {"$b64": "AAAA"}


STATES: dict[str, Callable[[Viewer], object]] = {
    "second-target": _second,
    "first-layer": _lowest,
    "uneven-layer": lambda viewer: viewer.slide("layer", 2),
    "high-threshold": lambda viewer: viewer.slide("threshold", 0.85),
    "no-threshold": lambda viewer: viewer.slide("threshold", 0),
    "all-hidden": lambda viewer: viewer.slide("threshold", 1),
    "front": lambda viewer: viewer.look("front"),
    "side": lambda viewer: viewer.look("side"),
    "top": lambda viewer: viewer.look("top"),
    "playing": _play,
    "focus": _focus,
}


def pages(browser: Browser, out: Path) -> list[Path]:
    made = []
    with tempfile.TemporaryDirectory() as folder:
        path = tubes().to_html(Path(folder) / "page.html")
        for scheme in ("light", "dark"):
            for width in (360, 800, 1200):
                made.append(take(browser, path, out / f"{scheme}-{width}.png", width=width, scheme=scheme))
        made += [take(browser, path, out / f"{name}.png", do) for name, do in STATES.items()]
        made.append(take(browser, path, out / "no-webgl2.png", script=NO_WEBGL2))
        made.append(take(browser, edited(path, _spoil), out / "malformed.png"))
        made.append(take(browser, edited(path, _spoil), out / "malformed-dark.png", scheme="dark"))
        wide = tubes(
            size=72,
            width=128,
            targets=("a rather long name of a class, as some data sets have them",),
            caveats=("These maps are made by hand: they show how a caveat reads.",),
        )
        path = wide.to_html(Path(folder) / "wide.html")
        made.append(take(browser, path, out / "one-target-wide-clip.png"))
        made.append(take(browser, path, out / "one-target-wide-clip-360.png", width=360))
    return made


def demo(browser: Browser, out: Path) -> list[Path]:
    """The page of the bundled model and clip."""
    import notebook_explain

    with tempfile.TemporaryDirectory() as folder:
        path = notebook_explain.demo().to_html(Path(folder) / "demo.html")
        return [
            take(browser, path, out / f"demo-{scheme}.png", width=1000, scheme=scheme) for scheme in ("light", "dark")
        ]


def in_lab(browser: Browser, out: Path) -> list[Path]:
    made = []
    cells = (
        f"import sys; sys.path.insert(0, {str(lab.REPOSITORY)!r})\nfrom tests.browser.worlds import tubes\ntubes()",
    )
    for scheme in ("light", "dark"):
        with tempfile.TemporaryDirectory() as folder:
            (Path(folder) / "work").mkdir()
            lab.write_notebook(Path(folder) / "work" / "viewer.ipynb", cells)
            context = browser.new_context(viewport={"width": 1200, "height": 900})
            try:
                with lab.server(Path(folder), f"JupyterLab {scheme.title()}") as address:
                    page = context.new_page()
                    notebook = lab.Notebook(page, address, "viewer.ipynb")
                    notebook.run_all()
                    viewer = Viewer(page, within=notebook.cell(0))
                    viewer.root.wait_for(timeout=30_000)
                    viewer.wait("root.dataset.gl")
                    viewer.sharp()
                    viewer.wait("/evidence for/.test(root.querySelector('.ne-kept').textContent)")
                    made.append(out / f"lab-{scheme}.png")
                    page.screenshot(path=made[-1])
            finally:
                context.close()
    return made


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("out", type=Path, help="folder for the pictures")
    parser.add_argument("--demo", action="store_true", help="the page of notebook_explain.demo() too")
    parser.add_argument("--lab", action="store_true", help="JupyterLab too, light and dark")
    given = parser.parse_args()
    given.out.mkdir(parents=True, exist_ok=True)
    with chromium() as browser:
        made = pages(browser, given.out)
        if given.demo:
            made += demo(browser, given.out)
        if given.lab:
            made += in_lab(browser, given.out)
    print(*made, sep="\n")


if __name__ == "__main__":
    main()
