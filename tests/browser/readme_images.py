"""Take the pictures of the README and the how-to guides: ``python -m tests.browser.readme_images docs/images``."""

from __future__ import annotations

import argparse
import io
import tempfile
from pathlib import Path
from typing import Any

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from PIL import Image, ImageSequence
from playwright.sync_api import Browser
from torch import nn

import notebook_explain as ne
from notebook_explain.figures.overlay import overlay_evidence
from tests.browser.browser_driver import Viewer, chromium, offline_page
from tests.browser.explorer_notebook import explorer_notebook
from tests.browser.pyramid_driver import PyramidDriver

HEIGHT, PAD = 900, 10


def reduce_colours(picture: Path) -> None:
    """Reduce a PNG to 256 colours, a third of the bytes; the difference is not visible at this size."""
    with Image.open(picture) as whole:
        fewer = whole.convert("RGB").quantize(256, dither=Image.Dither.NONE)
    fewer.save(picture, optimize=True)


def take(browser: Browser, explanation: Any, picture: Path, kind: str, width: int) -> None:
    """Save a screenshot of an explanation's viewer, without the page around it."""
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
            driver = PyramidDriver(page)
            driver.settled()
            page.locator(".ne-tube-panel").scroll_into_view_if_needed()
            driver.tube.wait("root.dataset.gl")
            page.wait_for_timeout(900)
        page.evaluate("scrollTo(0, 0)")
        box = page.locator(kind).first.bounding_box()
        assert box is not None
        area = {"x": box["x"] - PAD, "y": box["y"] - PAD, "width": box["width"] + 2 * PAD}
        page.screenshot(path=picture, full_page=True, clip={**area, "height": box["height"] + 2 * PAD})
        page.context.close()
    reduce_colours(picture)
    if wrong:
        raise SystemExit(f"{picture.name}: {wrong}")


def concept_rows(browser: Browser, picture: Path, width: int = 1000, rows: int = 4) -> None:
    """Save a screenshot of the first concepts of a kick, each in the frame in which it covers most."""
    others = [action for action in ne.samples.ACTIONS if action != "kick"]
    clips = [ne.samples.contrast("kick", others[seed % len(others)], seed=seed) for seed in range(24)]
    concepts = ne.ConceptDiscovery()(ne.demo_model(), clips, "kick").with_name(0, "kicking leg")
    with tempfile.TemporaryDirectory() as folder:
        path = concepts.to_html(Path(folder) / "page.html", playing=False)
        page, wrong = offline_page(browser, width, HEIGHT)
        page.goto(path.as_uri())
        page.locator(".ne-concepts[data-ready=true]").wait_for(state="attached", timeout=20_000)
        page.wait_for_timeout(900)
        view = page.locator(".ne-concepts").bounding_box()
        last = page.locator(".ne-concept").nth(rows - 1).bounding_box()
        assert view is not None
        assert last is not None
        area = {"x": view["x"] - PAD, "y": view["y"] - PAD, "width": view["width"] + 2 * PAD}
        page.screenshot(path=picture, clip={**area, "height": last["y"] + last["height"] + PAD - view["y"]})
        page.context.close()
    reduce_colours(picture)
    if wrong:
        raise SystemExit(f"{picture.name}: {wrong}")


def animate(browser: Browser, explanation: Any, picture: Path, width: int = 860, steps: int = 26) -> None:
    """Save an animation: the tube makes one full turn while the clip plays twice."""
    with tempfile.TemporaryDirectory() as folder:
        path = explanation.to_html(Path(folder) / "page.html")
        page, wrong = offline_page(browser, width, HEIGHT)
        page.goto(path.as_uri())
        viewer = Viewer(page)
        viewer.wait("root.dataset.gl")
        tube = page.locator("canvas.ne-tube")
        top = viewer.root.bounding_box()
        bottom = viewer.root.locator(".ne-kept").bounding_box()
        assert top is not None
        assert bottom is not None
        height = bottom["y"] + bottom["height"] + PAD - top["y"]
        clip = {"x": top["x"] - PAD, "y": top["y"] - PAD, "width": top["width"] + 2 * PAD, "height": height}
        pictures = []
        for step in range(steps):
            viewer.put("frame", step * 2 * len(explanation.clip) // steps % len(explanation.clip))
            for _ in range(2):  # 2 x 26 x 0.12 radians are one turn
                tube.press("Shift+ArrowRight")
            viewer.sharp()
            tube.blur()  # no focus ring in the picture
            with Image.open(io.BytesIO(page.screenshot(clip=clip))) as image:  # type: ignore[arg-type]
                pictures.append(image.convert("RGB"))
        page.context.close()
    pictures[0].save(picture, save_all=True, append_images=pictures[1:], duration=160, loop=0, quality=70, method=6)
    if wrong:
        raise SystemExit(f"{picture.name}: {wrong}")


def explore(browser: Browser, picture: Path, width: int = 1560) -> None:
    """Save a screenshot of the explorer in JupyterLab, after the kicking leg was brushed away."""
    page = browser.new_page(viewport={"width": width, "height": 1700})
    with explorer_notebook(page, ()) as (_, explorer):
        explorer.brush("box", (0.04, 0.52), (0.47, 0.97))
        explorer.settled()
        explorer.part("brush-box").click()
        page.wait_for_timeout(1500)
        explorer.root.screenshot(path=picture)
    page.close()
    reduce_colours(picture)


def moving_stills(picture: Path, side: int = 192) -> None:
    """Save an animation of two stills that move as the bundled network expects of other actions."""
    stills = (("wave both hands", 9_781_024, "jumping jack"), ("jog", 9_781_022, "kick"))
    films = []
    with tempfile.TemporaryDirectory() as folder:
        for action, seed, target in stills:
            reals = [ne.samples.single(target, seed=number) for number in range(9_780_000, 9_780_012)]
            still = ne.samples.single(action, seed=seed)
            made = ne.animate(ne.demo_model(), still, target, reals, steps=60, restarts=1)
            with Image.open(made.to_gif(Path(folder) / "film.gif", side=side, caption=False)) as film:
                films.append([frame.convert("RGB") for frame in ImageSequence.Iterator(film)])
    pictures = []
    for frames in zip(*films, strict=True):
        page = Image.new("RGB", (sum(frame.width for frame in frames) + PAD, frames[0].height), "white")
        page.paste(frames[0], (0, 0))
        page.paste(frames[1], (frames[0].width + PAD, 0))
        pictures.append(page)
    pictures[0].save(picture, save_all=True, append_images=pictures[1:], duration=125, loop=0, quality=75, method=6)


def soft_pooling_report() -> Any:
    """Return the report of soft pooling in the demo network."""
    model = ne.demo_model()
    swapped = ne.layers.swap(model.module, {nn.AdaptiveAvgPool3d: ne.layers.AdaptiveSoftPool3d}).model
    p = model.preprocessing
    model_with_blocks = ne.adapt(
        swapped, size=p.size, frames=p.frames, mean=p.mean, std=p.std, layout=p.layout, labels=model.labels[""]
    )
    return ne.BlockSignals()(model_with_blocks, ne.samples.contrast("kick", "wave one hand", seed=4), "kick")


def coarse_and_sharp() -> Any:
    """Return a figure of two clips of two people: a frame, the coarse tube and the sharp map of one person's action."""
    # The class takes no part in the state of pyplot, which a script may have changed.
    figure = Figure(figsize=(7.2, 4.9), layout="constrained")
    FigureCanvasAgg(figure)
    rows = (ne.samples.contrast("kick", "wave one hand", seed=4), ne.samples.moving_pair("squat", "punch", seed=24))
    for row, sample in enumerate(rows):
        tubes = ne.SharpTubes()(ne.demo_model(), sample, sample.labels[0])
        frame = int(tubes.volume().clip(min=0).sum((1, 2)).argmax())
        pictures = [sample.frames[frame]]
        for layer in (tubes.layers[-2].name, tubes.layers[-1].name):
            fractions = tubes.volume(layer)[frame : frame + 1] / tubes.layer(layer).peak()
            shown = overlay_evidence(
                sample.frames[frame : frame + 1], fractions, tubes.threshold(layer=layer), rim=False
            )
            pictures.append(shown[0])
        first, second = sample.labels
        titles = (f"{first} and {second}", f"coarse tube of {first!r}", f"sharp map of {first!r}")
        for column, (picture, title) in enumerate(zip(pictures, titles, strict=True)):
            axes = figure.add_subplot(2, 3, 3 * row + column + 1)
            axes.imshow(picture, interpolation="bilinear")
            axes.set_title(title, fontsize=10)
            axes.axis("off")
    return figure


def main() -> None:
    """Write all pictures into a folder."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("folder", type=Path)
    folder: Path = parser.parse_args().folder
    demo = ne.demo()
    with chromium() as browser:
        animate(browser, demo, folder / "demo.webp")
        take(browser, demo, folder / "viewer.png", ".ne-tubes", 1060)
        pyramid = ne.FeaturePyramid()(ne.demo_model(), demo.clip, "kick")
        take(browser, pyramid, folder / "pyramid.png", ".ne-pyramid", 1100)
        concept_rows(browser, folder / "concepts.png")
        explore(browser, folder / "explorer.png")
    moving_stills(folder / "moving-stills.webp")
    coarse_and_sharp().savefig(folder / "sharp.png", dpi=110)
    reduce_colours(folder / "sharp.png")
    soft_pooling_report().figure().savefig(folder / "blocks.png", dpi=110)
    reduce_colours(folder / "blocks.png")


if __name__ == "__main__":
    main()
