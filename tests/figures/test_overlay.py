"""Evidence as colours: the numbers and the rules of the viewer, pixel by pixel."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pytest

from notebook_explain.figures import overlay
from notebook_explain.figures.overlay import AGAINST, FOR, LEVELS, RIM, TABLE, overlay_evidence

COLOURS = (Path(__file__).parents[2] / "js" / "src" / "shared" / "colormaps.js").read_text(encoding="utf-8")
RNG = np.random.default_rng(0)


@pytest.mark.parametrize(("name", "ramp"), [("FOR", FOR), ("AGAINST", AGAINST)])
def test_colour_ramps_match_the_viewer(name: str, ramp: tuple[tuple[int, ...], ...]) -> None:
    found = re.search(rf"\b{name}\s*=\s*(\[.*?\n\s*\])", COLOURS, re.DOTALL)
    assert found is not None, "the colour ramps of the viewer have moved"
    assert json.loads(re.sub(r",(\s*\])", r"\1", found.group(1))) == [list(colour) for colour in ramp]


def test_stronger_evidence_is_lighter_and_more_opaque() -> None:
    for side in (TABLE[LEVELS + 1 :], TABLE[LEVELS - 1 :: -1]):
        assert np.all(np.diff(side[:, :3] @ [0.2126, 0.7152, 0.0722]) > 0)
        assert np.all(np.diff(side[:, 3]) > 0)


def by_hand(picture: np.ndarray, fractions: np.ndarray, threshold: float) -> np.ndarray:
    height, width = fractions.shape
    least = max(threshold, 1e-6)
    side = np.where(fractions >= least, 1, np.where(fractions <= -least, -1, 0))
    painted = picture.astype(float)
    for y, x in np.ndindex(height, width):
        if side[y, x] == 0:
            continue
        strength = min(abs(float(fractions[y, x])), 1)
        ramp = np.array(FOR if side[y, x] > 0 else AGAINST, float)
        at = strength * 2
        low = min(int(at), 1)
        colour = ramp[low] + (at - low) * (ramp[low + 1] - ramp[low])
        around = [(y + dy, x + dx) for dy, dx in ((0, 1), (1, 0), (0, -1), (-1, 0))]
        border = any(side[q] != side[y, x] for q in around if 0 <= q[0] < height and 0 <= q[1] < width)
        alpha = RIM if border else 0.28 + 0.42 * strength
        painted[y, x] = (1 - alpha) * painted[y, x] + alpha * colour
    return painted


@pytest.mark.parametrize("threshold", [0.0, 0.3, 1.0])
def test_every_pixel_matches_the_reference(threshold: float) -> None:
    picture = RNG.integers(0, 256, (12, 17, 3), np.uint8)
    fractions = np.clip(RNG.normal(0, 0.6, (12, 17)), -1, 1).astype(np.float32)
    painted = overlay_evidence(picture[None], fractions[None], threshold)[0]
    np.testing.assert_allclose(painted, by_hand(picture, fractions, threshold), atol=1.5)  # 255 steps of strength
    untouched = np.abs(fractions) < max(threshold, 1e-6)
    np.testing.assert_array_equal(painted[untouched], picture[untouched])


def test_evidence_at_the_threshold_is_drawn_and_the_input_is_not_modified() -> None:
    picture = np.full((2, 2, 3), 100, np.uint8)
    before = picture.copy()
    painted = overlay_evidence(picture, np.array([[0.4, 0.39], [-0.4, 0.0]], np.float32), 0.4)
    np.testing.assert_array_equal((painted != 100).any(axis=-1), [[True, False], [True, False]])
    np.testing.assert_array_equal(picture, before)
    assert painted[0, 0, 0] > painted[0, 0, 2]  # for: red above blue
    assert painted[1, 0, 2] > painted[1, 0, 0]


def test_without_an_outline_the_border_looks_like_the_inside() -> None:
    picture = np.zeros((9, 9, 3), np.uint8)
    fractions = np.zeros((9, 9), np.float32)
    fractions[2:7, 2:7] = 0.5
    flat, firm = overlay_evidence(picture, fractions, rim=False), overlay_evidence(picture, fractions)
    assert len(np.unique(flat[2:7, 2:7].reshape(-1, 3), axis=0)) == 1
    assert (firm[2, 2:7] > flat[2, 2:7]).all()
    np.testing.assert_array_equal(firm[3:6, 3:6], flat[3:6, 3:6])
    assert pytest.approx(0.9) == overlay.RIM


def test_evidence_fades_beyond_the_outer_cells_and_loses_no_pixel() -> None:
    picture = np.full((1, 4, 3), 100, np.uint8)
    fractions = np.full((1, 4), 0.8, np.float32)
    beyond = np.array([[0.0, 0.25, 0.5, 3.0]], np.float32)
    full = overlay_evidence(picture, fractions, rim=False).astype(float) - 100
    faded = overlay_evidence(picture, fractions, rim=False, beyond=beyond).astype(float) - 100
    np.testing.assert_allclose(faded, full * np.array([1, 0.65, 0.3, 0.3])[:, None], atol=1)
