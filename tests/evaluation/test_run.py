"""Runs: rows, truth, names, progress, cancelling, resuming from a cache, repeatability, errors, and an untouched model."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
import torch

import notebook_explain as ne
from notebook_explain import evaluation as ev
from notebook_explain import samples
from notebook_explain.evaluation import run as run_module
from notebook_explain.evaluation.examples import list_clip_targets, prepare_example
from notebook_explain.evaluation.names import short_name
from notebook_explain.evaluation.scores import Scorer
from notebook_explain.explanations import Better
from notebook_explain.models.content_key import content_key, model_key
from tests import zoo
from tests.evaluation.fakes import Constant, LinearNet, Noise, adapted, clip, tubes_of
from tests.test_contract import SPECIFIED, _assert_same, _snapshot, _used_network

METRICS = [ev.Insertion("mean", 4, 2), ev.BlockCorrelation("mean", 2), ev.Sparsity(), ev.Agreement()]
METHODS = {"one": Noise(1), "two": Noise(2)}
CLIPS = [clip(0), (clip(1), "b"), (clip(2), 2)]


def evaluated(net: LinearNet | None = None, **options: Any) -> Any:
    arguments = {"explainers": METHODS, "clips": CLIPS, "metrics": METRICS, "baselines": False, **options}
    return ne.evaluate(adapted(net or LinearNet(scale=0.05)), **arguments)


def test_every_method_metric_and_clip_has_a_row() -> None:
    result = evaluated()
    assert len(result.rows) == 3 * 2 * 4
    assert result.methods == ("one", "two")
    assert [metric.name for metric in result.metrics] == [short_name(metric) for metric in METRICS]
    assert result.clips == ("clip 0", "clip 1", "clip 2")
    assert [row.target for row in result.rows if row.clip == 1] == ["b"] * 8
    assert {row.class_name for row in result.rows if row.clip == 2} == {"c"}
    assert result.metrics[0].knobs == {"fill": "mean", "steps": 4, "grid": [2, 2, 2], "score": "probability"}
    assert result.provenance.method == "Evaluation"
    assert result.provenance.knobs["methods"]["one"] == "Noise(seed=1)"


def test_forwards_are_counted_and_shared_by_methods() -> None:
    net = LinearNet(scale=0.05)
    model = adapted(net)
    net.counted.clips = 0
    result = ne.evaluate(model, METHODS, CLIPS, METRICS, baselines=False, batch=4)
    assert result.provenance.forwards == net.counted.clips
    # Each clip: its target, the ends, the blocks, and three steps for each method. Once: two clips are checked alone.
    assert net.counted.clips == 3 * (1 + 2 + 8 + 2 * 3) + 2


def test_samples_are_explained_for_each_action_with_its_masks() -> None:
    model = ne.demo_model()
    sample = samples.contrast("kick", "clap", seed=1)
    entries = list_clip_targets([sample, (sample, "jog"), (sample, "clap"), samples.still(seed=1)])
    assert [(entry.index, entry.target) for entry in entries] == [
        (0, "kick"),
        (0, "clap"),
        (1, "jog"),
        (2, "clap"),
        (3, None),
    ]
    assert [entry.mask is not None for entry in entries] == [True, True, False, True, False]
    example = prepare_example(model, Scorer(model), entries[1])
    np.testing.assert_array_equal(example.mask, sample.masks[1])
    np.testing.assert_array_equal(example.other_mask, sample.masks[0])
    assert example.result.name == "clap"
    # At another size and length, the mask is where its frames are.
    small = replace(model, preprocessing=replace(model.preprocessing, size=32, frames=8))
    fitted = prepare_example(small, Scorer(small), entries[1]).mask
    assert fitted is not None
    assert fitted.shape == (8, 32, 32)
    numbered = np.arange(16, dtype=np.uint8)[:, None, None, None] * np.ones((1, 64, 64, 3), np.uint8)
    coarse = sample.masks[1][small.fit(ne.Clip(numbered)).frames[:, 0, 0, 0]]
    shares = coarse.reshape(8, 32, 2, 32, 2).mean((2, 4))
    assert (fitted == (shares > 0.5))[shares != 0.5].mean() > 0.98


def test_the_default_metrics_use_the_truth_where_it_is_known() -> None:
    with_truth = {short_name(metric) for metric in ev.default_metrics(has_truth=True)}
    without = {short_name(metric) for metric in ev.default_metrics(has_truth=False)}
    assert without == {"Insertion", "Deletion", "BlockCorrelation", "Sparsity"}
    assert with_truth - without == {"AveragePrecision", "Pointing", "Energy", "OwnMinusOther"}
    model = adapted(LinearNet())
    first = next(ev.stream(model, Noise(), [clip()], baselines=False)).partial
    assert {metric.name for metric in first.metrics} == without


def test_a_map_on_the_mask_has_full_marks_on_the_bundled_model() -> None:
    sample = samples.contrast("kick", "clap", seed=2)
    model = ne.demo_model()

    def truth(model: Any, given: Any, target: Any) -> Any:
        return tubes_of(model, given, sample.masks[sample.labels.index(ne.demo_model().labels[""][int(target.label)])])

    metrics = [ev.AveragePrecision(), ev.Pointing(), ev.Energy(), ev.OwnMinusOther()]
    result = ne.evaluate(model, {"truth": truth}, [sample], metrics, baselines=False)
    assert [row.value for row in result.rows] == [1.0] * 8
    assert [row.class_name for row in result.rows] == ["kick"] * 4 + ["clap"] * 4


def test_a_stream_reports_progress_and_ends_with_the_result_of_a_call() -> None:
    steps = list(ev.stream(adapted(LinearNet(scale=0.05)), METHODS, CLIPS, METRICS, baselines=False))
    assert [step.done for step in steps] == list(range(1, 25))
    assert {step.total for step in steps} == {24}
    assert all(a.seconds <= b.seconds for a, b in pairwise(steps))
    assert [len(step.partial.rows) for step in steps] == list(range(1, 25))
    assert steps[-1].partial.rows == evaluated().rows


def test_a_run_that_was_stopped_goes_on_where_it_was(tmp_path: Path) -> None:
    whole = evaluated()
    net = LinearNet(scale=0.05)
    model = adapted(net)
    made = []

    @dataclass(frozen=True)
    class Counted(Noise):
        def __call__(self, model: Any, given: Any, target: Any = None) -> Any:
            made.append(self.seed)
            return super().__call__(model, given, target)

    methods = {"one": Counted(1), "two": Counted(2)}
    net.counted.clips = 0
    steps = ev.stream(model, methods, CLIPS, METRICS[:3], baselines=False, cache=tmp_path / "cache", batch=4)
    for _ in range(9):  # the first clip and a half
        last = next(steps)
    steps.close()  # type: ignore[attr-defined]
    half, half_made = net.counted.clips, len(made)
    assert last.done == 9
    resumed = ne.evaluate(model, methods, CLIPS, METRICS[:3], baselines=False, cache=tmp_path / "cache", batch=4)
    assert resumed.rows == tuple(row for row in whole.rows if row.metric != "Agreement")
    # Each clip's target is resolved anew; of the second clip, the ends are needed again for the second method.
    everything = 3 * (1 + 2 + 8 + 2 * 3) + 2
    assert net.counted.clips == everything + 2 + (2 + 8) * 1 + 2
    assert half < everything
    assert len(made) == half_made + 3
    net.counted.clips, made[:] = 0, []
    again = ne.evaluate(model, methods, CLIPS, METRICS[:3], baselines=False, cache=tmp_path / "cache")
    assert again.rows == resumed.rows
    assert net.counted.clips == 3
    assert made == []


def test_a_line_that_was_cut_off_is_measured_again_and_others_stay(tmp_path: Path) -> None:
    first = evaluated(cache=tmp_path)
    (path,) = tmp_path.iterdir()
    lines = path.read_text().splitlines()
    assert len(lines) == len(first.rows)
    assert all(set(json.loads(line)) == {"key", "value"} for line in lines)
    path.write_bytes(("\n".join([*lines[:5], '{"key": "x", "value": NaN}', "[]", lines[6][:30]])).encode())
    for _ in range(2):  # the second run measures nothing
        assert evaluated(cache=tmp_path).rows == first.rows
        assert len(path.read_text().splitlines()) == 8 + len(lines) - 5


CHANGES: dict[str, dict[str, Any]] = {
    "weights": {"net": LinearNet(seed=1, scale=0.05)},
    "seed": {"seed": 1},
    "clip": {"clips": [clip(3)]},
    "target": {"clips": [(clip(0), "b")]},
    "knob of a metric": {"metrics": [ev.Insertion("mean", 3, 2)]},
    "knob of a method": {"explainers": {"one": Noise(3)}},
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_cache_is_not_used_for_anything_else(change: str, tmp_path: Path) -> None:
    same: dict[str, Any] = {"explainers": {"one": Noise(1)}, "clips": [(clip(0), "a")], "metrics": METRICS[:1]}
    evaluated(cache=tmp_path, **same)
    (path,) = tmp_path.iterdir()
    evaluated(cache=tmp_path, **same)
    assert len(path.read_text().splitlines()) == 1
    changed = {**same, **CHANGES[change]}
    found = evaluated(cache=tmp_path, **changed)
    assert len(path.read_text().splitlines()) == 2
    assert found.rows == evaluated(**changed).rows


def test_keys_depend_on_content_and_on_code() -> None:
    def noise(body: str) -> Any:
        scope: dict[str, Any] = {"__name__": __name__, "dataclass": dataclass}
        exec(
            f"@dataclass(frozen=True)\nclass Mine:\n    size: int = 1\n    def __call__(self, *a):\n        {body}",
            scope,
        )
        return scope["Mine"]()

    assert content_key(noise("return 1")) == content_key(noise("return 1"))
    assert content_key(noise("return 1")) != content_key(noise("return 2"))
    assert content_key(1) != content_key("1") != content_key(["1"]) != content_key([["1"]])
    assert content_key(ev.WithRandomWeights(Noise(1))) != content_key(ev.WithRandomWeights(Noise(2)))
    model = adapted(LinearNet())
    assert model_key(model) == model_key(adapted(LinearNet()))
    assert model_key(model) != model_key(adapted(LinearNet(), std=0.3))
    with pytest.raises(ValueError, match="cannot be kept in a cache"):
        content_key(lambda: 1)


def test_what_cannot_be_cached_is_refused_before_the_first_pass(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="make it a frozen dataclass"):
        ev.stream(adapted(LinearNet()), {"mine": lambda *_: None}, [clip()], cache=tmp_path)
    (tmp_path / "file").write_text("")
    with pytest.raises(ValueError, match="cache must be a folder"):
        evaluated(cache=tmp_path / "file")


def test_the_same_seed_gives_the_same_rows_whatever_the_global_one() -> None:
    chosen: dict[str, Any] = {"metrics": [ev.Insertion("linear", 4, 2), ev.TemporalShuffle()]}
    torch.manual_seed(0)
    first = evaluated(seed=3, **chosen)
    torch.manual_seed(1)
    assert evaluated(seed=3, **chosen).rows == first.rows
    assert evaluated(seed=4, **chosen).rows != first.rows
    alone = evaluated(seed=3, batch=1, **chosen).rows
    assert [row.value for row in alone] == pytest.approx([row.value for row in first.rows], abs=1e-5)


@pytest.mark.parametrize("context", [torch.enable_grad, torch.no_grad, torch.inference_mode])
def test_a_model_is_unchanged_between_the_steps_and_after_it_is_stopped(context: Any) -> None:
    net = _used_network()
    before = _snapshot(net)
    metrics = [
        ev.Insertion(steps=3, grid=2),
        ev.BlockCorrelation(grid=2),
        ev.WeightRandomisation(2),
        ev.TemporalShuffle(),
    ]
    methods = [ne.SaliencyTubes(), ev.WithRandomWeights(ne.SaliencyTubes())]
    with context():
        model = ne.adapt(net, **SPECIFIED)
        expected = {**before, "grad_mode": (torch.is_grad_enabled(), torch.is_inference_mode_enabled())}
        steps = ev.stream(model, methods, [(zoo.random_clip(8, 32), 1)], metrics)
        for _ in range(6):
            next(steps)
            _assert_same(expected, _snapshot(net))
        steps.close()  # type: ignore[attr-defined]
    _assert_same(before, _snapshot(net))


def test_baselines_come_first_unless_they_are_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    names = [short_name(baseline) for baseline in ev.default_baselines()]
    assert names[:2] == ["RandomMap", "CentreMap"]
    assert len(names) == len(set(names)) == 8
    monkeypatch.setattr(run_module, "default_baselines", lambda: (Noise(7),))
    assert evaluated(baselines=True).methods == ("Noise(seed=7)", "one", "two")
    assert evaluated(baselines=False).methods == ("one", "two")


def test_names_of_methods_and_metrics() -> None:
    assert short_name(ne.SaliencyTubes()) == "SaliencyTubes"
    assert short_name(ne.SaliencyTubes(pooled=True)) == "SaliencyTubes(pooled=True)"
    assert short_name(ev.WithRandomWeights(ne.SaliencyTubes(pooled=True), 3)) == (
        "WithRandomWeights(SaliencyTubes(pooled=True), seed=3)"
    )
    assert short_name(ev.Insertion(steps=128)) == "Insertion(steps=128)"
    assert short_name(evaluated) == "evaluated"
    listed = evaluated(explainers=[Noise(), Noise(1)], metrics=ev.Sparsity())
    assert listed.methods == ("Noise", "Noise(seed=1)")
    assert evaluated(explainers=Noise(), clips=clip()).methods == ("Noise",)


def test_a_metric_of_ones_own() -> None:
    @dataclass(frozen=True)
    class Peak:
        """Largest value."""

        better: ClassVar[Better] = Better.NEITHER

        def __call__(self, case: ev.Case) -> float | None:
            return float(case.attribution.max())

    result = evaluated(metrics=[Peak()], explainers={"ones": Constant.of(np.ones((4, 8, 8)))})
    assert {row.value for row in result.rows} == {1.0}
    assert (result.metrics[0].name, result.metrics[0].summary) == ("Peak", "Largest value.")


class _Broken:
    better = Better.HIGHER

    def __call__(self, case: Any) -> float:
        return float("nan")


ERRORS: list[tuple[dict[str, Any], str]] = [
    ({"explainers": []}, "explainers is empty"),
    ({"explainers": [Noise(), Noise()]}, "two explainers are called 'Noise'"),
    ({"explainers": [ne.SaliencyTubes]}, r"write SaliencyTubes\(\)"),
    ({"explainers": {"three": 3}}, "an explainer is called as .* got 3 for 'three'"),
    ({"explainers": {"none": lambda *_: None}}, "must return Tubes, as SaliencyTubes does; <lambda> returned NoneType"),
    ({"explainers": {"nan": lambda m, c, t: tubes_of(m, c, np.full((4, 8, 8), np.nan))}}, "is not finite"),
    ({"clips": []}, "clips is empty"),
    ({"clips": 3}, "clips must be a list of clips"),
    ({"clips": clip().frames}, "clips must be a list of clips"),
    ({"clips": [(clip(), "bb")]}, "target 'bb' is not a label of this model"),
    ({"clips": ["missing.mp4"]}, "missing.mp4"),
    ({"metrics": []}, "metrics is empty"),
    ({"metrics": [ev.Insertion]}, r"metrics are objects .*write Insertion\(\)"),
    ({"metrics": ["insertion"]}, "metrics are objects"),
    ({"metrics": [ev.Sparsity(), ev.Sparsity()]}, "the metric Sparsity is listed twice"),
    ({"metrics": [_Broken()]}, "_Broken of one is nan, which is not a finite number"),
    ({"batch": 0}, "batch must be at least 1"),
    ({"seed": -1}, "seed must be at least 0"),
]  # fmt: skip


@pytest.mark.parametrize(("arguments", "words"), ERRORS, ids=[words[:30] for _, words in ERRORS])
def test_errors(arguments: dict[str, Any], words: str) -> None:
    with pytest.raises((ValueError, TypeError, ne.ExplainError, FileNotFoundError), match=words):
        evaluated(**arguments)


def test_a_map_of_another_size_is_refused() -> None:
    def small(model: Any, given: Any, target: Any) -> Any:
        other = replace(model, preprocessing=replace(model.preprocessing, size=4))
        return tubes_of(other, given, np.ones((4, 4, 4)))

    with pytest.raises(ne.ExplainError, match=r"has the size \(4, 4, 4\), but the network sees \(4, 8, 8\)"):
        evaluated(explainers={"small": small})
    with pytest.raises(TypeError, match="model must be a VideoModel, got LinearNet"):
        ne.evaluate(LinearNet(), Noise(), [clip()])  # type: ignore[arg-type]
