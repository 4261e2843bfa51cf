"""Timeline, layers, signs, scales, colours, differences, montage: what is drawn and counted agrees with numpy."""

from __future__ import annotations

import dataclasses
import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from notebook_explain.explanations import Geometry, Kept, LayerMap, Tubes, in_words, kept, stretch
from notebook_explain.explanations.text import rival_of
from tests.browser.browser_driver import Viewer, changed
from tests.browser.conftest import OpenPage
from tests.browser.example_tubes import tubes

STAGE = np.array([20, 23, 28, 255], np.int16)  # what the tube stands on
POINTS = 0.005  # half a point: what the shares may differ by


@pytest.fixture(scope="module")
def world() -> Tubes:
    return tubes()


@pytest.fixture(scope="module")
def path(world: Tubes, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return world.to_html(tmp_path_factory.mktemp("page") / "page.html")


def counted(viewer: Viewer) -> dict[str, Any]:
    """The numbers behind the sentence, once they are there."""
    viewer.wait("root.dataset.kept && !/counting/i.test(root.querySelector('.ne-kept').textContent)")
    return dict(json.loads(viewer.data("kept") or ""))


def same(viewer: Viewer, found: Kept, where: str) -> None:
    shown = counted(viewer)
    assert shown["evidence"] == pytest.approx(found.evidence, abs=POINTS), where
    assert shown["volume"] == pytest.approx(found.volume, abs=POINTS), where
    assert shown["against"] == pytest.approx(found.against, abs=POINTS), where


def choose(viewer: Viewer, **choices: str) -> None:
    """Choose in the drawer."""
    if not viewer.part("sign").is_visible():
        viewer.part("more").click()
    for name, value in choices.items():
        viewer.part(name).select_option(value)
        viewer.wait(f"root.dataset['{name}'] === given", value)


# The shares and the sentence


def spiky(grid: tuple[int, int, int], tail: float, seed: int, size: tuple[int, int, int]) -> LayerMap:
    """A map as networks have them: mostly next to nothing, of either sign, a few cells very strong, many exactly 0."""
    rng = np.random.default_rng(seed)
    values = rng.standard_t(tail, (1, *grid)) * (rng.random((1, *grid)) > 0.3)
    return LayerMap(f"spiky {seed}", "named", values.astype(np.float32), Geometry.even(grid, size))


def test_the_shares_are_pythons_on_10_layers_at_10_thresholds(open_page: OpenPage, tmp_path: Path) -> None:
    world = tubes(targets=("ball rolls right",))
    grids = ((16, 32, 32), (16, 56, 56), (8, 28, 28), (4, 14, 14), (2, 7, 7), (16, 64, 64))
    tails = (1.5, 2, 2, 3, 3, 4)
    more = [
        spiky(grid, tail, seed, world.clip.size) for seed, (grid, tail) in enumerate(zip(grids, tails, strict=True))
    ]
    world = dataclasses.replace(world, layers=(*world.layers, *more))
    assert len(world.layers) == 10
    viewer = open_page(world.to_html(tmp_path / "p.html"))
    for layer in range(10):
        viewer.put("layer", layer)
        for threshold in (0.0, 0.01, 0.05, 0.1, 0.2, 0.3, 0.4, 0.55, 0.7, 0.9):
            viewer.put("threshold", threshold)
            same(viewer, world.kept(threshold, layer), f"layer {layer} at {threshold}")


def test_the_sentence_is_pythons(open_page: OpenPage, path: Path, world: Tubes) -> None:
    viewer = open_page(path)
    for layer, target, threshold in ((3, 0, 0.4), (3, 1, 0.4), (2, 0, 0.1), (0, 1, 0.7), (1, 0, 1.0)):
        viewer.put("layer", layer)
        viewer.part("target").select_option(str(target))
        viewer.put("threshold", threshold)
        counted(viewer)
        result = world.targets[target]
        found = world.kept(threshold, layer, target)
        said = in_words(
            result.name, result.probability, found, len(world.clip), rival_of(result), times=world.clip.times
        )
        assert viewer.root.locator(".ne-kept").inner_text().replace("\u00a0", " ") == said


def test_a_difference_is_that_of_the_two_maps(open_page: OpenPage, path: Path, world: Tubes) -> None:
    viewer = open_page(path)
    viewer.part("against").select_option("1")
    for layer in (0, 3):
        viewer.put("layer", layer)
        values = world.layer(layer).values[0] - world.layer(layer).values[1]
        volume = stretch(values, world.layer(layer).geometry, world.clip.size)
        for threshold in (0.1, 0.5):
            viewer.put("threshold", threshold)
            same(viewer, kept(volume, float(np.abs(values).max()), threshold), f"layer {layer} at {threshold}")
    assert "'ball rolls right' rather than 'ball is thrown'. " in viewer.text


def frame_peaks(layer: LayerMap, frames: int) -> NDArray[np.float32]:
    """Largest absolute value of the map at each frame, its cells untouched."""
    _, height, width = layer.grid
    at_frames = stretch(layer.values[0], Geometry(layer.geometry.rows, (0, 0), (1, 1)), (frames, height, width))
    return np.abs(at_frames).max(axis=(1, 2))


def test_on_a_scale_of_its_own_every_frame_shows_its_strongest(open_page: OpenPage, path: Path, world: Tubes) -> None:
    viewer = open_page(path)
    choose(viewer, scale="frame")
    for layer in (0, 2, 3):
        viewer.put("layer", layer)
        peaks = frame_peaks(world.layer(layer), len(world.clip))
        for threshold in (0.0, 0.3, 0.6):
            viewer.put("threshold", threshold)
            found = kept(world.volume(layer), peaks, threshold)
            same(viewer, found, f"layer {layer} at {threshold}")
            assert tuple(counted(viewer)["frames"]) == found.frames
    assert "Each frame has its own scale" in viewer.text


# What is painted


def overlay_mask(viewer: Viewer, threshold: float) -> NDArray[np.bool_]:
    """Return the pixels of the frame that are coloured at a threshold."""
    viewer.put("threshold", 1)
    plain = viewer.canvas("frame")[3::7, 3::7, :3]
    viewer.put("threshold", threshold)
    return changed(plain, viewer.canvas("frame")[3::7, 3::7, :3], 0)


def test_one_sign_alone_hides_the_other_in_frame_and_tube(open_page: OpenPage, path: Path, world: Tubes) -> None:
    viewer = open_page(path)
    viewer.slide("layer", 0)
    viewer.put("frame", 3)
    share = world.volume(0)[3] / world.layer(0).peak()
    clear = np.abs(np.abs(share) - 0.2) > 3 / 127
    viewer.slide("threshold", 1)
    empty = viewer.canvas("tube")[..., :3]
    seen = {}
    for sign, wanted in (("both", np.abs(share) >= 0.2), ("positive", share >= 0.2), ("negative", share <= -0.2)):
        choose(viewer, sign=sign)
        assert (overlay_mask(viewer, 0.2) == wanted)[clear].all(), sign
        viewer.sharp()
        added = viewer.canvas("tube")[..., :3] - empty
        warmth = added[..., 0] - added[..., 2]
        seen[sign] = (warmth > 40).mean(), (warmth < -40).mean()
    assert min(seen["both"]) > 0.005
    assert seen["positive"][0] == pytest.approx(seen["both"][0], rel=0.3)
    assert seen["negative"][1] == pytest.approx(seen["both"][1], rel=0.3)
    assert seen["positive"][1] < 0.1 * seen["both"][1]
    assert seen["negative"][0] < 0.1 * seen["both"][0]


def test_opacity_reaches_from_nothing_to_all(open_page: OpenPage, path: Path) -> None:
    viewer = open_page(path)
    viewer.part("more").click()
    seen = {}
    for opacity in (0, 0.3, 1):
        viewer.slide("opacity", opacity)
        seen[opacity] = viewer.canvas("frame"), viewer.canvas("tube")
    viewer.slide("threshold", 1)
    bare = viewer.canvas("frame"), viewer.canvas("tube")
    for k, name in enumerate(("frame", "tube")):
        distances = [np.abs(seen[opacity][k] - bare[k]).mean() for opacity in (0, 0.3, 1)]
        assert distances[0] < 0.05, name
        assert distances[2] > 1.3 * distances[1] > 0.5, name


def test_the_sequential_colours_are_drawn(open_page: OpenPage, path: Path) -> None:
    viewer = open_page(path)
    viewer.sharp()
    before = viewer.canvas("frame"), viewer.canvas("tube")
    choose(viewer, colours="sequential")
    viewer.sharp()
    assert changed(before[0], viewer.canvas("frame")).mean() > 0.02
    assert changed(before[1], viewer.canvas("tube")).mean() > 0.01


def test_the_montage_shows_every_frame_with_its_evidence(open_page: OpenPage, path: Path, world: Tubes) -> None:
    viewer = open_page(path, 540, 900)  # with nothing beside it, the tiles stand 4 pixels apart
    viewer.put("layer", 0)
    viewer.part("mode-montage").click()
    viewer.wait("root.dataset.mode === 'montage'")
    pictures = {}
    for threshold in (1, 0.3):
        viewer.put("threshold", threshold)
        pictures[threshold] = viewer.canvas("montage")[..., :3]
    marked = changed(pictures[1], pictures[0.3], 0)
    height, width = marked.shape
    columns = 4
    across, down = (width + 4) / columns, (height + 4) / 4
    share = world.volume(0) / world.layer(0).peak()
    for frame in range(16):
        if frame == viewer.number("frame"):
            continue  # it has a border
        row, column = divmod(frame, columns)
        y = (row * down + (np.arange(64) + 0.5) / 64 * (down - 4)).astype(int)
        x = (column * across + (np.arange(64) + 0.5) / 64 * (across - 4)).astype(int)
        got, wanted = marked[y][:, x][16:], (np.abs(share[frame]) >= 0.3)[16:]  # the number stands above
        assert (got & wanted).sum() >= 0.8 * (got | wanted).sum(), frame
    viewer.root.locator("canvas.ne-montage").scroll_into_view_if_needed()
    box = viewer.root.locator("canvas.ne-montage").bounding_box()
    assert box is not None
    viewer.page.mouse.click(box["x"] + 2.5 * across, box["y"] + 1.5 * down)
    viewer.wait("root.dataset.frame === '6'")


@pytest.mark.parametrize("width", [640, 800, 1600])
def test_the_montage_is_as_high_as_what_stands_beside_it(open_page: OpenPage, path: Path, width: int) -> None:
    viewer = open_page(path, width, 900)
    viewer.part("mode-montage").click()
    viewer.wait("root.dataset.mode === 'montage'")
    boxes = [viewer.root.locator(name).bounding_box() for name in (".ne-play-bar", ".ne-tools", ".ne-stage-montage")]
    play, tools, stage = (box for box in boxes if box)
    assert play["y"] + play["height"] == pytest.approx(tools["y"] + tools["height"], abs=8), (
        "no hole below the play bar"
    )
    assert stage["y"] + stage["height"] == pytest.approx(tools["y"], abs=8), "nor below the montage"


@pytest.mark.parametrize(("view", "name"), [("top", "x"), ("side", "y"), ("front", "y")])
def test_the_names_of_the_axes_stand_beside_the_box(open_page: OpenPage, path: Path, view: str, name: str) -> None:
    viewer = open_page(path, 800, 900)
    viewer.look(view)
    pixels = viewer.canvas("tube")[..., :3]
    box = viewer.root.locator(".ne-tube").bounding_box()
    assert box is not None
    edges = np.flatnonzero((pixels.mean(axis=-1) > 70).mean(axis=0) > 0.3)  # the box's upright lines
    left = edges[0] / pixels.shape[1] * box["width"]
    label = viewer.root.locator(".ne-labels span", has_text=re.compile(rf"^{name}")).bounding_box()
    assert label is not None
    assert label["x"] - box["x"] + label["width"] <= left


def test_a_turned_tube_lays_out_nothing(open_page: OpenPage, path: Path) -> None:
    viewer = open_page(path, 800, 900)
    viewer.look("side")  # a label may come or go on the way
    session = viewer.page.context.new_cdp_session(viewer.page)
    session.send("Performance.enable")

    def layouts() -> float:
        metrics = session.send("Performance.getMetrics")["metrics"]
        return float(next(metric["value"] for metric in metrics if metric["name"] == "LayoutCount"))

    turn = """async root => {
      for (let k = 0; k < 20; k++) {
        const before = root.dataset.painted;
        const move = { buttons: 1, movementX: 1, movementY: k % 2, bubbles: true };
        root.querySelector(".ne-tube").dispatchEvent(new PointerEvent("pointermove", move));
        while (root.dataset.painted === before) await new Promise(requestAnimationFrame);
      }
    }"""
    viewer.root.evaluate(turn)
    before = layouts()
    viewer.root.evaluate(turn)
    assert layouts() - before <= 4


@pytest.mark.parametrize("width", [360, 500, 800, 1200])
def test_the_settings_fill_their_rows(open_page: OpenPage, path: Path, width: int) -> None:
    viewer = open_page(path, width, 900)
    viewer.part("more").click()
    tops = [box["y"] for field in viewer.root.locator(".ne-field").all() if (box := field.bounding_box())]
    rows = [sum(abs(top - other) < 4 for other in tops) for top in tops]
    assert len(tops) == 4
    assert len(set(rows)) == 1, "no setting stands alone"


def test_what_is_drawn_follows_the_width(open_page: OpenPage, path: Path) -> None:
    viewer = open_page(path, 500, 900)
    viewer.part("mode-montage").click()
    viewer.wait("root.dataset.mode === 'montage'")
    for width in (900, 420):
        viewer.page.set_viewport_size({"width": width, "height": 900})
        for canvas in (".ne-montage", ".ne-strip-frame canvas"):
            viewer.wait("(c => c.width === c.clientWidth && c.clientWidth > 100)(root.querySelector(given))", canvas)


# The timeline and the map of the network


def middle(viewer: Viewer, name: str, stop: int, stops: int) -> tuple[float, float]:
    """Return the position on the page of the middle of a strip's stop."""
    viewer.part(name).scroll_into_view_if_needed()
    box = viewer.part(name).bounding_box()
    assert box is not None
    return box["x"] + (stop + 0.5) / stops * box["width"], box["y"] + box["height"] / 2


def test_a_press_on_the_timeline_goes_to_the_frame_beneath(open_page: OpenPage, path: Path) -> None:
    viewer = open_page(path)
    for frame in (0, 5, 15, 8):
        viewer.page.mouse.click(*middle(viewer, "frame", frame, 16))
        viewer.wait("root.dataset.frame === given", str(frame))
    viewer.page.mouse.move(*middle(viewer, "frame", 8, 16))
    viewer.page.mouse.down()
    for frame in (9, 11, 13):
        viewer.page.mouse.move(*middle(viewer, "frame", frame, 16))
        viewer.wait("root.dataset.frame === given", str(frame))
    viewer.page.mouse.up()


def test_a_finger_scrubs_too(open_page: OpenPage, path: Path) -> None:
    viewer = open_page(path, 400, 900, has_touch=True)
    for frame in (2, 12):
        viewer.page.touchscreen.tap(*middle(viewer, "frame", frame, 16))
        viewer.wait("root.dataset.frame === given", str(frame))


def test_a_press_on_the_map_of_the_network_picks_the_layer(open_page: OpenPage, path: Path) -> None:
    viewer = open_page(path)
    for layer in (1, 0, 3):
        viewer.sharp()  # the words of the layer before have moved what stands below them
        viewer.page.mouse.click(*middle(viewer, "layer", layer, 4))
        viewer.wait("root.dataset.layer === given", str(layer))
    viewer.page.mouse.move(*middle(viewer, "layer", 2, 4))
    viewer.wait("root.querySelector('[data-name=layer]').title.startsWith('layer3.1 · block · 5×14×14')")


def test_the_curve_is_the_evidence_of_each_frame(open_page: OpenPage, path: Path, world: Tubes) -> None:
    viewer = open_page(path, 1200, 900)
    viewer.put("layer", 0)
    viewer.put("threshold", 0.3)
    counted(viewer)
    viewer.wait("Number(root.dataset.painted) > 0")
    url = viewer.root.locator(".ne-strip-frame canvas")
    rows = url.evaluate(
        "c => { const w = c.width, h = c.height, p = c.getContext('2d').getImageData(0, 0, w, h).data;"
        " return Array.from({length: 16}, (_, f) => { const x = Math.floor((f + .5) * w / 16); const seen = [0, 0, 0, 0];"
        " for (let y = 38; y < h; y++) { const k = (y * w + x) * 4, warm = p[k] - p[k + 2];"
        " if (warm > 20) seen[p[k + 3] > 200 ? 1 : 0]++; if (warm < -20) seen[p[k + 3] > 200 ? 3 : 2]++; } return seen; }); }"
    )
    seen = np.array(rows, float)
    volume = world.volume(0)
    least = 0.3 * world.layer(0).peak()
    positive, negative = volume.clip(min=0), (-volume).clip(min=0)
    wanted = [part.sum(axis=(1, 2)) for part in (positive, np.where(positive >= least, positive, 0))]
    wanted += [part.sum(axis=(1, 2)) for part in (negative, np.where(negative >= least, negative, 0))]
    scale = (wanted[0].max() + wanted[2].max()) / (seen[:, :2].sum(axis=1).max() + seen[:, 2:].sum(axis=1).max())
    drawn = (seen[:, 0] + seen[:, 1], seen[:, 1], seen[:, 2] + seen[:, 3], seen[:, 3])
    for got, true in zip(drawn, wanted, strict=True):
        assert np.abs(got - true / scale).max() <= 2.5  # pixels


# The camera


def test_the_wheel_zooms_once_the_tube_has_the_focus_and_a_double_click_resets(open_page: OpenPage, path: Path) -> None:
    viewer = open_page(path)
    viewer.sharp()
    before = viewer.canvas("tube")
    box = viewer.root.locator("canvas.ne-tube").bounding_box()
    assert box is not None
    at = box["x"] + 60, box["y"] + 60
    viewer.page.mouse.move(*at)
    viewer.page.mouse.wheel(0, -400)  # without the focus the page scrolls, if it can
    viewer.page.wait_for_timeout(200)
    assert not changed(before, viewer.canvas("tube")).any()
    viewer.page.mouse.click(*at)
    painted = viewer.number("painted")
    viewer.page.mouse.wheel(0, -400)
    viewer.painted_since(painted)
    closer = viewer.canvas("tube")
    assert changed(closer, STAGE).mean() > 1.3 * changed(before, STAGE).mean()
    painted = viewer.number("painted")
    viewer.page.mouse.dblclick(*at)
    viewer.painted_since(painted)
    assert changed(before, viewer.canvas("tube"), 40).mean() < 0.01
