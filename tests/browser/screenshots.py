"""Screenshots of every viewer in every named state: ``python -m tests.browser.screenshots OUTDIR [--demo] [--lab]``."""

from __future__ import annotations

import argparse
import base64
import dataclasses
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from playwright.sync_api import Browser

from notebook_explain.clip import Clip
from notebook_explain.display import compare
from notebook_explain.explanations import Tubes
from tests.browser import jupyter_driver
from tests.browser.browser_driver import NO_WEBGL2, Viewer, chromium, edited, offline_page
from tests.browser.concept_screenshots import concept_pages
from tests.browser.example_tubes import (
    COARSE,
    LAYERS,
    TWO_PATHWAYS,
    Layer,
    flow_tubes,
    frame_signals,
    grey_tubes,
    landscape,
    tubes,
)
from tests.browser.explorer_screenshots import explorer_pages
from tests.browser.pyramid_screenshots import pyramid_pages
from tests.browser.visualization_screenshots import visualization_pages
from tests.browser.what_if_screenshots import what_if_pages
from tests.example_values import small_evaluation

HEIGHT = 760
TALL = 4000  # all sides of a comparison are in view at once
WIDTHS = (360, 800, 1600)
SETTLED = ".ne-tubes:is([data-ready=true], [data-error=true])"
LOSE = "canvas => canvas.getContext('webgl2').getExtension('WEBGL_lose_context').loseContext()"
Action = Callable[[Viewer], object]


def take(
    browser: Browser,
    path: Path,
    picture: Path,
    act: Action = lambda viewer: None,
    *,
    width: int = 800,
    height: int = HEIGHT,
    scheme: str = "light",
    script: str = "",
) -> Path:
    """Open a page, perform an action, and save a screenshot."""
    page, wrong = offline_page(browser, width, height, scheme)
    try:
        if script:
            page.add_init_script(script)
        page.goto(path.as_uri())
        page.locator(SETTLED).first.wait_for(state="attached", timeout=20_000)
        viewer = Viewer(page)
        if viewer.data("error") is None:
            viewer.wait("root.dataset.gl")
            viewer.sharp()
            act(viewer)
            viewer.wait("!/counting/i.test(root.querySelector('.ne-kept').textContent)")
            if (viewer.data("mode"), viewer.data("gl"), viewer.data("playing")) == ("tube", "webgl2", "false"):
                viewer.sharp()
        content = page.evaluate("Math.ceil(document.documentElement.getBoundingClientRect().height)")
        clip: Any = {"x": 0, "y": 0, "width": width, "height": content}
        page.screenshot(path=picture, full_page=True, clip=clip if height > content else None)
    finally:
        page.context.close()
    if wrong:
        print(f"{picture.name}: {wrong}")
    return picture


# Actions


def slide(**values: float) -> Action:
    return lambda viewer: [viewer.slide(name, value) for name, value in values.items()]


def press(*names: str) -> Action:
    return lambda viewer: [viewer.part(name).click() for name in names]


def choose(**choices: str) -> Action:
    """Choose from menus, including those of the settings panel, and close the panel."""

    def act(viewer: Viewer) -> None:
        viewer.part("more").click()
        for name, value in choices.items():
            viewer.part(name).select_option(value)
            viewer.wait(f"root.dataset['{name}'] === given", value)
        viewer.part("more").click()

    return act


def choose_unit(unit: str) -> Action:
    """Choose what the threshold is a fraction of."""

    def act(viewer: Viewer) -> None:
        viewer.part("threshold_by").select_option(unit)
        viewer.wait("root.dataset.threshold_by === given", unit)

    return act


def after(*steps: Action) -> Action:
    return lambda viewer: [step(viewer) for step in steps]


def play(viewer: Viewer) -> None:
    viewer.part("play").click()
    viewer.wait("(window.seen ??= new Set()).add(root.dataset.frame).size > 3")


def focus(name: str) -> Action:
    def act(viewer: Viewer) -> None:
        for _ in range(24):
            viewer.page.keyboard.press("Tab")
            if viewer.root.evaluate("(root, name) => document.activeElement.matches(name)", name):
                return

    return act


def lose(viewer: Viewer) -> None:
    viewer.root.locator("canvas.ne-tube").evaluate(LOSE)
    viewer.wait("root.dataset.gl === 'lost'")


def paper(viewer: Viewer) -> None:
    viewer.page.emulate_media(media="print")


def point(name: str, x: float, y: float) -> Action:
    """Point at a fraction of an element's width and height."""

    def act(viewer: Viewer) -> None:
        box = viewer.root.locator(name).bounding_box()
        assert box is not None
        viewer.page.mouse.move(box["x"] + x * box["width"], box["y"] + y * box["height"])

    return act


def crosshair(viewer: Viewer) -> None:
    for key in ("ArrowRight", "ArrowUp", "ArrowUp"):
        viewer.root.locator(".ne-frame").press(f"Shift+{key}")


MONTAGE, MORE = press("mode-montage"), press("more")
STATES: dict[str, Action] = {
    "second-target": choose(target="1"),
    "difference": choose(against="1"),
    "first-layer": slide(layer=0, threshold=0.25),
    "uneven-layer": slide(layer=2),
    "high-threshold": slide(threshold=0.85),
    "no-threshold": slide(threshold=0),
    "all-hidden": slide(threshold=1),
    "against-only": choose(sign="negative"),
    "for-only": choose(sign="positive"),
    "sequential": choose(colours="sequential"),
    "sequential-for-only": choose(colours="sequential", sign="positive"),
    "scale-per-frame": choose(scale="frame"),
    "opaque": after(MORE, slide(opacity=1), MORE),
    "faint": after(MORE, slide(opacity=0.25), MORE),
    "drawer": MORE,
    "share": choose_unit("evidence"),
    "share-first-layer": after(choose_unit("evidence"), slide(layer=0)),
    "legend-for-only-and-back": after(choose(sign="positive"), choose(sign="both")),
    "extrapolated": after(slide(threshold=0.15), lambda viewer: viewer.look("side")),
    "front": lambda viewer: viewer.look("front"),
    "side": lambda viewer: viewer.look("side"),
    "top": lambda viewer: viewer.look("top"),
    "zoomed": lambda viewer: [viewer.root.locator(".ne-tube").press("+") for _ in range(3)],
    "playing": play,
    "focus-timeline": focus("[data-name=frame]"),
    "focus-layer": focus("[data-name=layer]"),
    "focus-tube": focus(".ne-tube"),
    "graphics-lost": lose,
    "keys": press("keys"),
    "value-frame": point(".ne-frame", 0.62, 0.45),
    "value-tube": point(".ne-tube", 0.7, 0.5),
    "value-montage": after(MONTAGE, point(".ne-montage", 0.4, 0.6)),
    "value-timeline": point(".ne-strip-frame", 0.3, 0.5),
    "crosshair": crosshair,
    "print": paper,
    "print-montage": after(MONTAGE, paper),
}


def _truncate_maps(state: dict[str, Any]) -> None:
    state["maps"][0] = b"\0\0\0"


def worlds() -> Iterator[tuple[str, Tubes]]:
    """Yield tubes of other clips, classes and networks by name."""
    long = "a rather long name of a class, as some data sets have them"
    layer = Layer("backbone.blocks.4.res_blocks.6.branch2.conv_b", "block", COARSE.grid, gap=2.2)
    made_by_hand = ("These maps are made by hand: they show how a caveat reads.",)
    yield "wide-clip", tubes(size=72, width=128, targets=(long,), layers=(*LAYERS, layer), caveats=made_by_hand)
    yield "tall-clip", tubes(size=128, width=72)
    yield "long-clip", tubes(frames=64)
    yield "two-frames", tubes(frames=2, layers=(COARSE,))
    yield "two-pathways", tubes(layers=TWO_PATHWAYS)
    yield "late-rows", tubes(layers=(Layer("starts in the middle", "block", (4, 8, 8), rows=(8.0, 10.0, 12.0, 14.0)),))
    yield (
        "many-layers",
        tubes(layers=[Layer(f"blocks.{k}", "block", (16 // (1 + k // 12), 40 - k, 40 - k)) for k in range(36)]),
    )
    unsure = tubes(probabilities=(0.06, 0.05), source="synthetic sample: a ball")
    best = (("ball bounces", 0.31), ("ball rests", 0.29), ("ball rolls right", 0.06))
    yield (
        "unsure",
        dataclasses.replace(unsure, targets=tuple(dataclasses.replace(t, top5=best) for t in unsure.targets)),
    )


def pages(browser: Browser, out: Path) -> Iterator[Path]:
    with tempfile.TemporaryDirectory() as folder:
        path = tubes().to_html(Path(folder) / "page.html")
        for scheme in ("light", "dark"):
            for width in WIDTHS:
                options: dict[str, Any] = {"width": width, "scheme": scheme}
                yield take(browser, path, out / f"{scheme}-{width}.png", **options)
                yield take(browser, path, out / f"{scheme}-{width}-montage.png", MONTAGE, **options)
            yield take(browser, path, out / f"{scheme}-360-drawer.png", MORE, width=360, scheme=scheme)
            yield take(browser, path, out / f"{scheme}-360-keys.png", press("keys"), width=360, scheme=scheme)
            yield take(browser, path, out / f"{scheme}-print.png", paper, scheme=scheme)
            yield take(browser, path, out / f"{scheme}-no-webgl2.png", script=NO_WEBGL2, scheme=scheme)
            yield take(browser, edited(path, _truncate_maps), out / f"{scheme}-malformed.png", scheme=scheme)
        for name, act in STATES.items():
            yield take(browser, path, out / f"{name}.png", act)
        for name, world in worlds():
            path = world.to_html(Path(folder) / f"{name}.html")
            yield take(browser, path, out / f"{name}.png")
            yield take(browser, path, out / f"{name}-360.png", width=360, scheme="dark")
            yield take(browser, path, out / f"{name}-montage.png", MONTAGE)


def with_frame_signals(browser: Browser, out: Path) -> Iterator[Path]:
    """Take frame signals on the timeline: a gate, a binary one, a constant one, none; printed and with other colours."""
    with tempfile.TemporaryDirectory() as folder:
        path = tubes().with_frame_signals(frame_signals()).to_html(Path(folder) / "page.html")
        for scheme in ("light", "dark"):
            for width in WIDTHS:
                yield take(browser, path, out / f"signals-{scheme}-{width}.png", width=width, scheme=scheme)
        bright = after(choose(colours="sequential"), slide(threshold=0))
        focused = focus("[data-name=frame_signal]")
        states = {
            "kept": choose(frame_signal="1"),
            "flat": choose(frame_signal="2"),
            "none": choose(frame_signal="null"),
        }
        for name, act in {**states, "sequential": bright, "focus": focused, "print": paper}.items():
            yield take(browser, path, out / f"signals-{name}.png", act)
        path = (
            tubes(frames=64).with_frame_signals(frame_signals(64)).to_html(Path(folder) / "long.html", frame_signal=1)
        )
        yield take(browser, path, out / "signals-long-clip-360.png", width=360)


def wait_for_all(viewer: Viewer) -> None:
    """Wait for every viewer of a comparison; each is drawn once it is visible."""
    for index in range(1, viewer.page.locator(".ne-tubes").count()):
        other = Viewer(viewer.page, index)
        other.root.locator(".ne-beside").scroll_into_view_if_needed()
        other.wait("root.dataset.mode === 'montage' || root.dataset.gl")
        if other.data("mode") == "tube":
            other.sharp()
        other.wait("!/counting/i.test(root.querySelector('.ne-kept').textContent)")


def _truncate_second_maps(state: dict[str, Any]) -> None:
    state["b_maps"][0] = b"\0\0\0"


def press_shared(*names: str) -> Action:
    """Press controls that all sides share."""
    return lambda viewer: [viewer.page.locator(f".ne-compare-bar [data-name={name}]").click() for name in names]


def uneven_sides() -> list[Tubes]:
    """Return tubes that differ in all that takes room: caveats, frame signals, targets, names, shape of the clip."""
    plain = tubes(targets=("ball rolls right",), probabilities=(0.83,))
    long = ("a rather long name of a class, as some data sets have them", "ball is thrown")
    made_by_hand = ("These maps are made by hand: they show how a caveat reads, and how a long one wraps in a column.",)
    full = tubes(size=72, width=128, targets=long, caveats=made_by_hand).with_frame_signals(frame_signals())
    return [plain, full, tubes(size=128, width=72), tubes(targets=long, probabilities=(0.06, 0.05))]


def comparisons() -> Iterator[tuple[str, tuple[int, ...], list[Tubes], dict[str, Any]]]:
    """Yield the name, widths, sides and arguments of comparisons."""
    world, unsure = tubes(), tubes(probabilities=(0.21, 0.55))
    tuned = dataclasses.replace(unsure, provenance=dataclasses.replace(unsure.provenance, model="fine-tuned"))
    gated = world.with_frame_signals(frame_signals())
    yield "layers", (360, 900, 1400), [world, world], {"a_layer": "stem"}
    yield "classes", (1400,), [world, world], {"b_target": 1}
    yield "networks", (1400,), [world, tuned], {}
    yield "signals-one-side", (1400,), [gated, world], {}
    yield "signals", (360, 1400), [gated, gated], {"a_frame_signal": 0, "b_frame_signal": 1}
    yield "three", (900, 1200, 1600), [world, tuned, world], {"c_layer": "stem", "titles": ("before", "after", "stem")}
    four = {"a_layer": 0, "b_layer": 1, "c_layer": 2, "d_layer": 3}
    yield "four", (360, 900, 1300, 1800), [world] * 4, four
    uneven = uneven_sides()
    yield "uneven", (360, 900, 1400), uneven[:2], {"titles": ("", "everything"), "same_clip": False}
    yield "uneven-four", (900, 1300, 1600), uneven, {"titles": ("", "a long title " * 4, "", "x"), "same_clip": False}
    other = tubes(source="another landscape", size=48, width=80)
    yield "clips", (360, 1400), [world, other], {"same_clip": False}
    yield "times", (360, 1400), [world, tubes(frames=10, source="a shorter clip")], {"same_clip": False, "frame": 9}


def with_values(browser: Browser, out: Path) -> Iterator[Path]:
    """Take clips of values: a grey volume in its own range and in a narrow window, and flow with its wheel."""
    with tempfile.TemporaryDirectory() as folder:
        grey = grey_tubes().to_html(Path(folder) / "grey.html")
        narrow = grey_tubes().to_html(Path(folder) / "narrow.html", window=(20, 110))
        flow = flow_tubes().to_html(Path(folder) / "flow.html")
        yield take(browser, grey, out / "grey.png")
        for name, path in (("window", narrow), ("flow", flow)):
            for width, scheme in ((360, "dark"), (800, "light"), (1600, "dark")):
                yield take(browser, path, out / f"{name}-{scheme}-{width}.png", width=width, scheme=scheme)
            yield take(browser, path, out / f"{name}-print.png", paper)
        yield take(browser, narrow, out / "window-montage.png", MONTAGE)
        yield take(browser, narrow, out / "window-focus.png", focus("[data-name=width]"))
        viewer = compare(grey_tubes(), grey_tubes(), a_layer="stem", window=(20, 110))
        path = viewer.to_html(Path(folder) / "compare.html")
        viewer.close()
        yield take(browser, path, out / "window-compare.png", wait_for_all, width=1400)


def clip_previews(browser: Browser, out: Path) -> Iterator[Path]:
    """Take clips as a cell shows them: the animation beside what was read, in both schemes, and the strips as they are."""
    ball = Clip(landscape(16, 64, 96), times=np.arange(16) / 8, source="bowling.mp4", source_frames=300)
    clips = {"colours": ball.resized(64), "grey": grey_tubes().clip.with_range((20, 110)), "flow": flow_tubes().clip}
    bundles = {name: clip._repr_mimebundle_() for name, clip in clips.items()}
    for name, bundle in bundles.items():
        (out / f"clip-strip-{name}.png").write_bytes(base64.b64decode(bundle["image/png"]))
        yield out / f"clip-strip-{name}.png"
    style = "<style>:root { color-scheme: light dark; } body { font: 14px system-ui; }</style>"
    text = "<hr>".join(bundle["text/html"] for bundle in bundles.values())
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "clips.html"
        path.write_text(f"<!doctype html><meta charset=utf-8>{style}{text}", encoding="utf-8")
        for width, scheme in ((360, "dark"), (800, "light")):
            page, _ = offline_page(browser, width, HEIGHT, scheme)
            page.goto(path.as_uri())
            page.screenshot(path=out / f"clips-{scheme}-{width}.png", full_page=True, timeout=120_000)
            page.context.close()
            yield out / f"clips-{scheme}-{width}.png"


def evaluation_pages(browser: Browser, out: Path) -> Iterator[Path]:
    """Take the page of an evaluation with its classes unfolded, in both schemes and as printed, and its figure."""
    evaluation = small_evaluation(methods=6)
    yield evaluation.to_png(out / "evaluation-figure.png", dpi=110)
    with tempfile.TemporaryDirectory() as folder:
        path = evaluation.to_html(Path(folder) / "evaluation.html")
        for name, width, scheme in (("dark", 360, "dark"), ("light", 1600, "light"), ("print", 800, "light")):
            page, _ = offline_page(browser, width, HEIGHT, scheme)
            page.goto(path.as_uri())
            page.locator("summary").first.click()
            page.emulate_media(media="print" if name == "print" else "screen")
            page.screenshot(path=out / f"evaluation-{name}-{width}.png", full_page=True, timeout=120_000)
            page.context.close()
            yield out / f"evaluation-{name}-{width}.png"


def pairs(browser: Browser, out: Path) -> Iterator[Path]:
    """Take comparisons of two to four layers, classes, networks and clips, and one with invalid data."""
    with tempfile.TemporaryDirectory() as folder:
        for name, widths, sides, state in comparisons():
            viewer = compare(*sides, **state)
            path = viewer.to_html(Path(folder) / f"{name}.html")
            viewer.close()
            schemes = ("light", "dark") if name in ("layers", "four", "times") else ("light",)
            for scheme in schemes:
                for width in widths:
                    picture = out / f"compare-{name}-{scheme}-{width}.png"
                    yield take(browser, path, picture, wait_for_all, width=width, height=TALL, scheme=scheme)
            if name == "layers":
                montage = after(press_shared("mode-montage"), wait_for_all)
                for state_name, act in {
                    "montage": montage,
                    "more": after(press_shared("more"), wait_for_all),
                    "print": after(wait_for_all, paper),
                    "print-montage": after(montage, paper),
                }.items():
                    yield take(browser, path, out / f"compare-{state_name}.png", act, width=1400, height=TALL)
                malformed = edited(path, _truncate_second_maps)
                yield take(browser, malformed, out / "compare-one-malformed.png", width=1400, height=TALL)
            if name == "networks":
                turned = after(press_shared("side"), slide(threshold=0.2), wait_for_all)
                yield take(browser, path, out / "compare-linked.png", turned, width=1400, height=TALL, scheme="dark")


def demo(browser: Browser, out: Path) -> Iterator[Path]:
    """Take the page of the demo model and clip."""
    import notebook_explain

    with tempfile.TemporaryDirectory() as folder:
        path = notebook_explain.demo().to_html(Path(folder) / "demo.html")
        for scheme in ("light", "dark"):
            yield take(browser, path, out / f"demo-{scheme}.png", width=1000, scheme=scheme)
        yield take(browser, path, out / "demo-montage.png", MONTAGE, width=1000)


def in_lab(browser: Browser, out: Path) -> Iterator[Path]:
    cells = (
        f"import sys; sys.path.insert(0, {str(jupyter_driver.REPOSITORY)!r})\n"
        "from tests.browser.example_tubes import tubes\ntubes()",
    )
    for scheme in ("light", "dark"):
        with tempfile.TemporaryDirectory() as folder:
            (Path(folder) / "work").mkdir()
            jupyter_driver.write_notebook(Path(folder) / "work" / "viewer.ipynb", cells)
            context = browser.new_context(viewport={"width": 1200, "height": 1100})
            try:
                with jupyter_driver.server(Path(folder), f"JupyterLab {scheme.title()}") as address:
                    page = context.new_page()
                    notebook = jupyter_driver.Notebook(page, address, "viewer.ipynb")
                    notebook.run_all()
                    viewer = Viewer(page, within=notebook.cell(0).locator("iframe").first.content_frame.locator("body"))
                    viewer.root.wait_for(timeout=30_000)
                    viewer.wait("root.dataset.gl")
                    viewer.sharp()
                    viewer.wait("!/counting/i.test(root.querySelector('.ne-kept').textContent)")
                    picture = out / f"lab-{scheme}.png"
                    page.screenshot(path=picture)
                    yield picture
            finally:
                context.close()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("out", type=Path, help="folder for the pictures")
    parser.add_argument("--demo", action="store_true", help="include the page of notebook_explain.demo()")
    parser.add_argument("--lab", action="store_true", help="include JupyterLab, light and dark")
    arguments = parser.parse_args()
    arguments.out.mkdir(parents=True, exist_ok=True)
    with chromium() as browser:
        for take_all in (
            pages,
            with_frame_signals,
            with_values,
            clip_previews,
            evaluation_pages,
            what_if_pages,
            pairs,
            pyramid_pages,
            concept_pages,
            visualization_pages,
            explorer_pages,
            *([demo] if arguments.demo else []),
            *([in_lab] if arguments.lab else []),
        ):
            for picture in take_all(browser, arguments.out):
                print(picture, flush=True)


if __name__ == "__main__":
    main()
