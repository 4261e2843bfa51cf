"""Combined maps of pathways: nothing is lost, added or moved."""

from __future__ import annotations

import numpy as np
import pytest

import notebook_explain as ne
from notebook_explain.explanations import Geometry, LayerMap
from notebook_explain.methods.pathways import combine, distribution
from tests.models.test_adapt import adapted, clip_for


def _map(grid: tuple[int, int, int], seed: int = 0, values: np.ndarray | None = None) -> LayerMap:
    if values is None:
        values = np.random.default_rng(seed).normal(size=(2, *grid)).astype(np.float32)
    geometry = Geometry.even(grid, (16, 32, 48))
    return LayerMap(f"layer {seed}", "pooling input", values, geometry, seed, np.zeros(2, np.float32))


@pytest.mark.parametrize("seed", range(20))
def test_each_cell_distributes_exactly_what_it_holds(seed: int) -> None:
    rng = np.random.default_rng(seed)
    coarse, fine = (np.cumsum(rng.uniform(0.1, 4, rng.integers(1, 9))) for _ in range(2))
    weights = distribution(coarse, fine)
    assert weights.min() >= 0
    np.testing.assert_allclose(weights.sum(axis=1), 1)


def test_the_sum_of_means_is_kept_for_every_target() -> None:
    maps = [_map((4, 8, 8), 0), _map((16, 4, 4), 1), _map((1, 1, 1), 2)]
    combined = combine(maps)
    assert combined.grid == (16, 8, 8)
    expected = sum(layer.values.mean(axis=(1, 2, 3), dtype=np.float64) for layer in maps)
    np.testing.assert_allclose(combined.values.mean(axis=(1, 2, 3), dtype=np.float64), expected, atol=1e-6)


def test_evidence_of_a_coarse_cell_stays_around_its_centre() -> None:
    values = np.zeros((2, 4, 4, 4), np.float32)
    values[:, 1, 2, 3] = 1
    combined = combine([_map((16, 8, 8), values=np.zeros((2, 16, 8, 8), np.float32)), _map((4, 4, 4), 1, values)])
    marginals = [combined.values[0].sum(axis=axes) for axes in ((1, 2), (0, 2), (0, 1))]
    t, y, x = (np.average(np.arange(len(marginal)), weights=marginal) for marginal in marginals)
    assert (t, y) == pytest.approx((5.5, 4.5), abs=0.01)
    assert x == pytest.approx(6.5, abs=0.2)  # the outer cell reaches to the border


def test_the_map_of_both_pathways_is_shown_first_and_holds_all_of_the_score() -> None:
    tubes = ne.SaliencyTubes()(adapted("slowfast"), clip_for("slowfast"), [1, 3])
    shown = tubes.layer()
    assert (shown.name, shown.kind) == ("all pathways", "combined")
    slow, fast = (layer for layer in tubes.layers if layer.kind == "pooling input")
    for index, result in enumerate(tubes.targets):
        total = float(shown.values[index].mean(dtype=np.float64))
        assert total + (result.bias or 0.0) == pytest.approx(result.logit, abs=1e-4)
        shares = [layer.reliability.share[index] for layer in (slow, fast, shown)]
        assert shares[0] + shares[1] == pytest.approx(shares[2], abs=1e-4)
        assert shares[2] == pytest.approx(1, abs=1e-4)
    assert "of the score" in ne.explanations.caveats.incompleteness_caveat(slow, 0, tubes.targets[0])
