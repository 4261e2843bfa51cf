"""The pictures of the README and the how-tos, taken anew: ``python -m tests.browser.readme_images docs/images``."""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path
from typing import Any

from PIL import Image
from playwright.sync_api import Browser
from torch import nn

import notebook_explain as ne
from tests.browser.browser_driver import Viewer, chromium, offline_page
from tests.browser.pyramid_driver import PyramidHand

HEIGHT, PAD = 900, 10


def small(picture: Path) -> None:
    """256 colours: a third of the bytes, and nobody sees it at this size."""
    with Image.open(picture) as whole:
        fewer = whole.convert("RGB").quantize(256, dither=Image.Dither.NONE)
    fewer.save(picture, optimize=True)


def shot(browser: Browser, explanation: Any, picture: Path, kind: str, width: int) -> None:
    """Of the view alone, without the page around it."""
    with tempfile.TemporaryDirectory() as folder:
        path = explanation.to_html(Path(folder) / "page.html")
        page, wrong = offline_page(browser, width, HEIGHT)
        page.goto(path.as_uri())
        page.locator(f"{kind}[data-ready=true]").first.wait_for(state="attached", timeout=20_000)
        if kind == ".ne-tubes":
            viewer = Viewer(page)
            viewer.wait("root.dataset.gl")
            viewer.sharp()
        else:
            hand = PyramidHand(page)
            hand.settled()
            page.locator(".ne-tube-panel").scroll_into_view_if_needed()
            hand.tube.wait("root.dataset.gl")
            page.wait_for_timeout(900)
        page.evaluate("scrollTo(0, 0)")
        box = page.locator(kind).first.bounding_box()
        assert box is not None
        around = {"x": box["x"] - PAD, "y": box["y"] - PAD, "width": box["width"] + 2 * PAD}
        page.screenshot(path=picture, full_page=True, clip={**around, "height": box["height"] + 2 * PAD})
        page.context.close()
    small(picture)
    if wrong:
        raise SystemExit(f"{picture.name}: {wrong}")


def blocks() -> Any:
    """What soft pooling listens to, in the bundled network."""
    model = ne.demo_model()
    swapped = ne.layers.swap(model.module, {nn.AdaptiveAvgPool3d: ne.layers.AdaptiveSoftPool3d}).model
    p = model.preprocessing
    softly = ne.adapt(
        swapped, size=p.size, frames=p.frames, mean=p.mean, std=p.std, layout=p.layout, labels=model.labels[""]
    )
    return ne.BlockSignals()(softly, ne.samples.contrast("kick", "wave one hand", seed=4), "kick")


def main() -> None:
    """Write all pictures into a folder."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("folder", type=Path)
    folder: Path = parser.parse_args().folder
    demo = ne.demo()
    with chromium() as browser:
        shot(browser, demo, folder / "viewer.png", ".ne-tubes", 1060)
        pyramid = ne.FeaturePyramid()(ne.demo_model(), demo.clip, "kick")
        shot(browser, pyramid, folder / "pyramid.png", ".ne-pyramid", 1100)
    blocks().figure().savefig(folder / "blocks.png", dpi=110)
    small(folder / "blocks.png")


if __name__ == "__main__":
    main()
