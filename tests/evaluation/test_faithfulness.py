"""Metrics that hide parts of a clip, on linear networks whose effects are known, and by brute force."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

import notebook_explain as ne
from notebook_explain import evaluation as ev
from notebook_explain.evaluation import captum_metrics
from notebook_explain.evaluation.cells import Cells
from tests.evaluation.fakes import FRAMES, SIDE, Constant, LinearNet, Noise, adapted, clip, exact_explainer, mean_colour

GRID = (2, 4, 4)
NET = LinearNet(scale=0.03)


def value(explainer: Any, metric: Any, given: Any = None, net: LinearNet = NET, **options: Any) -> float:
    given = (clip(), "b") if given is None else given
    (row,) = ne.evaluate(adapted(net), {"map": explainer}, [given], [metric], baselines=False, **options).rows
    return row.value


@torch.no_grad()
def probability(net: LinearNet, video: torch.Tensor, index: int) -> float:
    return float(net(video).softmax(-1)[0, index])


def brute_force(metric: Any, volume: np.ndarray, *, is_insertion: bool, index: int = 1) -> float:
    """Return the area with one pass for each step, cell by cell."""
    model = adapted(NET)
    video = model.preprocessing.tensor(clip(), torch.device("cpu"), torch.float32)
    hidden = mean_colour(video).expand_as(video)
    means = Cells((FRAMES, SIDE, SIDE), GRID).means(volume)
    order = np.argsort(-means)
    owner = Cells((FRAMES, SIDE, SIDE), GRID).expand(torch.arange(len(means))[None])[0]
    curve = []
    for step in range(metric.steps + 1):
        chosen = torch.from_numpy(np.isin(owner, order[: round(step * len(means) / metric.steps)]))
        shown = chosen if is_insertion else ~chosen
        mixed = torch.where(shown, video, hidden)
        curve.append(
            float(NET(mixed).detach()[0, index]) if metric.score == "logit" else probability(NET, mixed, index)
        )
    return float(np.trapezoid(curve, dx=1 / metric.steps))


@pytest.mark.parametrize("score", ["probability", "logit"])
@pytest.mark.parametrize("steps", [4, 32])
def test_insertion_and_deletion_equal_one_pass_for_each_step(steps: int, score: str) -> None:
    volume = np.random.default_rng(0).normal(size=(FRAMES, SIDE, SIDE)).astype(np.float32)
    for kind, is_insertion in ((ev.Insertion, True), (ev.Deletion, False)):
        metric = kind("mean", steps, GRID, score)
        expected = brute_force(metric, volume, is_insertion=is_insertion)
        assert value(Constant.of(volume), metric, batch=5) == pytest.approx(expected, abs=1e-5)


def test_the_exact_map_inserts_and_deletes_best_and_the_reversed_one_worst() -> None:
    rows = {}
    for sign in (1, -1):
        explainer = exact_explainer(NET, mean_colour, sign)
        rows[sign] = [value(explainer, kind("mean", 32, GRID)) for kind in (ev.Insertion, ev.Deletion)]
    noise = [[value(Noise(k), kind("mean", 32, GRID)) for kind in (ev.Insertion, ev.Deletion)] for k in range(5)]
    assert rows[1][0] > np.max(noise, 0)[0] > np.min(noise, 0)[0] > rows[-1][0]
    assert rows[1][1] < np.min(noise, 0)[1] < np.max(noise, 0)[1] < rows[-1][1]
    # Hiding the weakest cells first is showing the strongest first, seen from the other end.
    assert rows[1][0] == pytest.approx(rows[-1][1], abs=1e-5)


def test_equal_cells_are_ranked_by_lot_and_by_the_seed() -> None:
    flat = Constant.of(np.ones((FRAMES, SIDE, SIDE)))
    found = [value(flat, ev.Insertion("mean", 8, GRID), seed=seed) for seed in (0, 0, 1)]
    assert found[0] == found[1] != found[2]


def test_more_steps_than_cells_take_one_cell_a_step() -> None:
    volume = np.arange(FRAMES * SIDE * SIDE).reshape(FRAMES, SIDE, SIDE)
    few, many = (value(Constant.of(volume), ev.Insertion("mean", steps, (1, 2, 2))) for steps in (4, 100))
    assert few == many


def test_average_drop_and_increase_in_confidence_show_what_the_map_marks() -> None:
    model, index = adapted(NET), 1
    video = model.preprocessing.tensor(clip(), torch.device("cpu"), torch.float32)
    whole = probability(NET, video, index)
    nothing = probability(NET, mean_colour(video).expand_as(video), index)
    volume = np.random.default_rng(3).normal(size=(FRAMES, SIDE, SIDE)).astype(np.float32)
    share = torch.from_numpy(volume.clip(0) / volume.max())
    shown = probability(NET, mean_colour(video) + share * (video - mean_colour(video)), index)
    cases = {"all": (np.ones(volume.shape), whole), "none": (-np.ones(volume.shape), nothing), "some": (volume, shown)}
    for given, expected in cases.values():
        drop = value(Constant.of(given), ev.AverageDrop("mean"))
        assert drop == pytest.approx(max(0, whole - expected) / whole, abs=1e-5)
        rise = value(Constant.of(given), ev.IncreaseInConfidence("mean"))
        assert rise == (expected > whole + 1e-7)


def test_block_correlation_is_one_for_the_exact_map_of_a_linear_network() -> None:
    metric = ev.BlockCorrelation("mean", GRID)
    exact = exact_explainer(NET, mean_colour)
    assert value(exact, metric) == pytest.approx(1, abs=1e-5)
    assert value(exact_explainer(NET, mean_colour, -1), metric) == pytest.approx(-1, abs=1e-5)
    assert abs(value(Noise(), metric)) < 0.7
    difference = (clip(), ne.Target("b") - "c")

    def explain_difference(model: Any, given: Any, target: Any) -> Any:
        from tests.evaluation.fakes import tubes_of

        first, second = (exact(model, given, part) for part in (ne.Target(target.label), target.against))
        return tubes_of(model, given, first.volume() - second.volume())

    assert value(explain_difference, metric, difference) == pytest.approx(1, abs=1e-5)
    result = ne.evaluate(adapted(NET), {"flat": Constant.of(np.ones((4, 8, 8)))}, [clip()], [metric], baselines=False)
    assert result.rows == ()
    assert result.provenance.caveats == (
        "BlockCorrelation(fill='mean', grid=(2, 4, 4)) is undefined for 1 of the maps.",
    )


def test_the_fill_matters() -> None:
    exact = exact_explainer(NET, mean_colour)
    found = {fill: value(exact, ev.BlockCorrelation(fill, GRID)) for fill in ("blur", "freeze", "mean", "linear")}
    assert len(set(found.values())) == 4
    assert max(found, key=lambda fill: found[fill]) == "mean"


def test_infidelity_is_zero_for_the_exact_map_and_that_of_its_definition_for_others() -> None:
    exact = exact_explainer(NET, mean_colour)
    assert value(exact, ev.Infidelity("mean", GRID, 20)) == pytest.approx(0, abs=1e-8)
    volume = np.random.default_rng(5).normal(size=(FRAMES, SIDE, SIDE)).astype(np.float32)
    found = value(Constant.of(volume), ev.Infidelity("mean", GRID, 3000))
    # Of independent halves: the variance of what the best multiple of the map leaves of the effects.
    cells = Cells((FRAMES, SIDE, SIDE), GRID)
    model = adapted(NET)
    effects = cells.sums(exact(model, clip(), ne.Target(1)).volume())
    sums = cells.sums(volume)
    second = np.full((32, 32), 0.25) + np.eye(32) * 0.25  # of the random sets
    factor = sums @ second @ effects / (sums @ second @ sums)
    rest = effects - factor * sums
    assert found == pytest.approx(rest @ second @ rest, rel=0.15)


def test_max_sensitivity_is_the_largest_relative_change() -> None:
    flat, metric = Constant.of(np.ones((4, 8, 8))), ev.MaxSensitivity(samples=3)
    assert value(flat, metric) == 0
    video = adapted(NET).preprocessing.tensor(clip(), torch.device("cpu"), torch.float32)
    exact = value(exact_explainer(NET, mean_colour), metric)
    most = 2 * 0.02 / 0.25  # change of a voxel and of the mean colour, in units of the network's input
    effect = (NET.weights[1] * (video - mean_colour(video))[0]).sum(0)
    bound = float(most * NET.weights[1].abs().sum(0).norm() / effect.norm())
    assert 0 < exact < bound
    assert value(exact_explainer(NET, mean_colour), ev.MaxSensitivity(radius=0.2, samples=3)) > 5 * exact
    assert value(Noise(), metric) > 1


def test_metrics_of_captum_say_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "captum.metrics", None)
    monkeypatch.setitem(__import__("sys").modules, "captum", None)
    with pytest.raises(
        ne.ExplainError, match=r"Infidelity is computed by captum, .*pip install 'notebook_explain\[captum\]'"
    ):
        captum_metrics.captum_metrics("Infidelity")


@pytest.mark.parametrize("kind", [ev.Insertion, ev.Deletion])
def test_a_difference_has_no_probability(kind: Any) -> None:
    given = (clip(), ne.Target("a") - "b")
    with pytest.raises(ValueError, match=rf"a difference of classes.*pass {kind.__name__}\(score='logit'\)"):
        value(Noise(), kind(), given)
    assert np.isfinite(value(Noise(), kind(score="logit"), given))
    with pytest.raises(ValueError, match="leave AverageDrop out"):
        value(Noise(), ev.AverageDrop(), given)


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: ev.Insertion("blurr"), "did you mean 'blur'"),
        (lambda: ev.Insertion(steps=1), "steps must be at least 2"),
        (lambda: ev.Deletion(score="logits"), "did you mean 'logit'"),
        (lambda: ev.AverageDrop("linear"), "fill must be one of 'blur', 'freeze', 'mean'"),
        (lambda: ev.BlockCorrelation(grid=(4, 4)), "grid must be"),
        (lambda: ev.Pointing(-1), "tolerance must lie in 0"),
        (lambda: ev.Infidelity(samples=1), "samples must be at least 2"),
        (lambda: ev.MaxSensitivity(radius=0), "radius must lie in"),
        (lambda: ev.WeightRandomisation(similarity="pearson"), "similarity must be one of 'spearman', 'ssim'"),
        (lambda: ev.TemporalShuffle(0), "shuffles must be at least 1"),
    ],
)
def test_invalid_knobs(make: Any, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        make()
