"""The picture is honest: colours of the legend, what is extrapolated, thin evidence, and the frame in the front view."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from notebook_explain.explanations import Tubes, kept, threshold_for_share
from tests.browser.browser_driver import Viewer, changed, pixels_of
from tests.browser.conftest import OpenPage
from tests.browser.example_tubes import COARSE, TWO_PATHWAYS, Layer, tubes


@pytest.fixture(scope="module")
def world() -> Tubes:
    return tubes()


@pytest.fixture(scope="module")
def path(world: Tubes, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return world.to_html(tmp_path_factory.mktemp("page") / "page.html")


def legend_warmth(viewer: Viewer) -> NDArray[np.int16]:
    """Return red minus blue along the legend's colour bar, from left to right."""
    bar = pixels_of(viewer.root.locator(".ne-ramp").screenshot())
    row = bar[bar.shape[0] // 2, 8:-8]
    return row[:, 0] - row[:, 2]


def test_the_legend_has_the_colours_of_each_sign_in_every_order(open_page: OpenPage, path: Path) -> None:
    viewer = open_page(path)
    viewer.slide("threshold", 0)
    viewer.part("more").click()
    for sign in ("both", "positive", "both", "negative", "both", "negative", "positive", "negative", "both"):
        viewer.part("sign").select_option(sign)
        viewer.wait("root.dataset.sign === given", sign)
        warmth = legend_warmth(viewer)
        left, right = warmth[: len(warmth) // 2 - 3], warmth[len(warmth) // 2 + 3 :]
        assert (left > 40).all() if sign == "positive" else (left < -40).all(), sign
        assert (right < -40).all() if sign == "negative" else (right > 40).all(), sign


def test_the_default_threshold_is_pythons_at_every_layer(open_page: OpenPage, tmp_path: Path) -> None:
    thin = Layer("thin", "stem", (16, 32, 32), negative=0.05)
    world = tubes(layers=(thin, COARSE))
    weak = np.random.default_rng(0).uniform(0, 0.3, world.layers[0].values.shape).astype(np.float32)
    world.layers[0].values[:] += weak * world.layer(0).peak()  # most evidence is far below the maximum
    viewer = open_page(world.to_html(tmp_path / "page.html"))
    assert viewer.number("threshold") == 0.4 == world.threshold(layer=1)
    viewer.part("layer").focus()
    viewer.page.keyboard.press("ArrowLeft")
    viewer.wait("root.dataset.layer === '0' && root.dataset.kept")
    assert world.threshold(layer=0) < 0.35
    assert viewer.number("threshold") == pytest.approx(world.threshold(layer=0), abs=0.01)
    evidence = viewer.root.evaluate("root => JSON.parse(root.dataset.kept).evidence")
    assert evidence == pytest.approx(world.kept(layer=0).evidence, abs=0.005)
    assert "lowered" in viewer.text
    viewer.put("threshold", 0.4)
    viewer.wait("root.dataset.threshold_by === 'maximum'")


@pytest.mark.parametrize("sign", ["both", "negative"])
def test_a_share_of_the_evidence_is_kept_in_the_viewer_as_in_python(
    open_page: OpenPage, tmp_path: Path, sign: str
) -> None:
    world = tubes()
    viewer = open_page(world.to_html(tmp_path / "page.html", share=0.5, sign=sign))
    for layer in range(4):
        viewer.put("layer", layer)
        viewer.wait("root.dataset.kept && !/counting/i.test(root.querySelector('.ne-kept').textContent)")
        volume, peak = world.volume(layer) * (1 if sign == "both" else -1), world.layer(layer).peak()
        threshold = threshold_for_share(volume, peak, 0.5)
        assert viewer.number("threshold") == pytest.approx(threshold, abs=0.01), layer
        evidence = viewer.root.evaluate("root => JSON.parse(root.dataset.kept).evidence")
        assert evidence == pytest.approx(kept(volume, peak, threshold).evidence, abs=0.005), layer


def test_the_front_view_shows_the_frame_in_its_own_colours(open_page: OpenPage, path: Path) -> None:
    viewer = open_page(path)
    viewer.slide("threshold", 1)
    viewer.look("front")
    frame, tube = viewer.canvas("frame")[..., :3], viewer.canvas("tube")[..., :3]
    lit = (np.abs(tube - np.array([20, 23, 28])) > 12).any(axis=-1)
    rows, columns = np.flatnonzero(lit.mean(axis=1) > 0.4), np.flatnonzero(lit.mean(axis=0) > 0.4)
    shown = tube[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    for y, x in ((0.1, 0.15), (0.2, 0.85), (0.5, 0.1), (0.85, 0.3), (0.93, 0.9)):
        one, other = (
            picture[int(y * picture.shape[0]) - 2 :, int(x * picture.shape[1]) - 2 :][:5, :5].mean(axis=(0, 1))
            for picture in (frame, shown)
        )
        assert np.abs(one - other).max() < 12, (y, x)


def test_evidence_thinner_than_a_step_of_the_rays_has_no_gaps(open_page: OpenPage, tmp_path: Path) -> None:
    viewer = open_page(tubes(layers=TWO_PATHWAYS).to_html(tmp_path / "page.html"), width=800)
    viewer.sharp()
    tube = viewer.canvas("tube")[..., :3]
    viewer.slide("threshold", 0.41)  # the evidence against the class ends at 40.1 % of the maximum
    below = np.zeros(tube.shape[:2], bool)
    below[tube.shape[0] // 2 :, : tube.shape[1] // 2] = True
    blue = changed(tube, viewer.canvas("tube")[..., :3], 2) & below & (tube[..., 2] > tube[..., 0] + 14)
    rows, columns = np.nonzero(blue)
    assert blue.sum() > 100
    middle = blue[int(np.median(rows)), columns.min() : columns.max() + 1]
    assert middle.mean() > 0.9, "a sheet, not stripes"


def test_evidence_fades_towards_the_border_where_it_is_extrapolated(open_page: OpenPage, tmp_path: Path) -> None:
    world = tubes(layers=(COARSE,))
    world.layers[0].values[:] = 1
    viewer = open_page(world.to_html(tmp_path / "page.html", frame=8))
    viewer.put("threshold", 0.2)
    shown = viewer.canvas("frame")[..., :3]
    viewer.put("threshold", 0.2)
    viewer.part("more").click()
    viewer.slide("opacity", 0)
    added = np.abs(shown - viewer.canvas("frame")[..., :3]).sum(axis=-1)
    size = len(added)
    row = added[size // 3]
    centre = size // 14  # of the first of 7 cells
    assert row[2] < 0.5 * row[centre]
    assert row[size - 3] < 0.5 * row[size - centre]
    assert (np.diff(row[2:centre:8]) >= -6).all(), "step by step"
