"""Sanity checks, and networks with random weights."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

import notebook_explain as ne
from notebook_explain import evaluation as ev
from notebook_explain.evaluation.random_weights import parametrised_modules, stages_from_head
from tests import zoo
from tests.evaluation.fakes import FRAMES, SIDE, Constant, LinearNet, adapted, clip, tubes_of
from tests.test_contract import _assert_same, _snapshot, _used_network

STATED = {"size": 32, "frames": 8, "mean": zoo.MEAN, "std": zoo.STD, "layout": "BCTHW"}


@dataclass(frozen=True)
class Weights:
    """The classifier's weights as a map, whatever the clip."""

    def __call__(self, model: Any, given: Any, target: Any = None) -> Any:
        return tubes_of(model, given, model.module.weights[0].sum(0).numpy())


@dataclass(frozen=True)
class Brightness:
    """The clip's own values, whatever the model."""

    def __call__(self, model: Any, given: Any, target: Any = None) -> Any:
        return tubes_of(model, given, ne.Clip.of(given).frames.sum(-1))


def value(explainer: Any, metric: Any, given: Any = None) -> float:
    chosen = [clip() if given is None else given]
    (row,) = ne.evaluate(adapted(LinearNet()), {"map": explainer}, chosen, [metric], baselines=False).rows
    return row.value


def test_random_weights_are_new_seeded_and_leave_the_network_and_torch_as_they_were() -> None:
    net = _used_network()
    before = _snapshot(net)
    model = ne.adapt(net, **STATED)
    first, again, other = (ev.with_random_weights(model, seed=seed).module.state_dict() for seed in (1, 1, 2))
    _assert_same(before, _snapshot(net))
    mine = net.state_dict()
    for name in mine:
        assert torch.equal(first[name], again[name])
        if mine[name].ndim > 1:  # convolutions and the classifier
            assert not torch.equal(first[name], mine[name])
            assert not torch.equal(first[name], other[name])
    explainer = ev.WithRandomWeights(ne.SaliencyTubes(), seed=1)
    tubes = explainer(model, zoo.random_clip(8, 32), 1)
    _assert_same(before, _snapshot(net))
    trained = ne.SaliencyTubes()(model, zoo.random_clip(8, 32), 1)
    assert not np.allclose(tubes.volume(), trained.volume())
    np.testing.assert_array_equal(tubes.volume(), explainer(model, zoo.random_clip(8, 32), 1).volume())


def test_parameters_without_a_reset_are_shuffled() -> None:
    class Scaled(LinearNet):
        def __init__(self) -> None:
            super().__init__()
            self.offset = nn.Parameter(torch.arange(FRAMES * 1.0).view(-1, 1, 1))

        def forward(self, clips: torch.Tensor) -> torch.Tensor:
            return super().forward(clips + self.offset)

    model = adapted(Scaled())
    for seed in range(5):
        found = ev.with_random_weights(model, seed=seed).module.offset.detach().flatten()
        assert sorted(found.tolist()) == [0, 1, 2, 3]
        if found.tolist() != [0, 1, 2, 3]:
            break
    else:
        pytest.fail("the parameter was never shuffled")


def test_only_the_chosen_modules_are_random() -> None:
    model = ne.adapt(zoo.ZOO["residual"].make(), **STATED)
    names = parametrised_modules(model.module)
    changed = ev.with_random_weights(model, ["fc"]).module
    for name in names:
        same = all(
            torch.equal(a, b)
            for a, b in zip(
                changed.get_submodule(name).parameters(recurse=False),
                model.module.get_submodule(name).parameters(recurse=False),
                strict=True,
            )
        )
        assert same == (name != "fc")


def test_stages_run_from_the_classifier_to_the_stem_and_hold_every_module_once() -> None:
    model = ne.adapt(zoo.ZOO["residual"].make(), **STATED)
    stages = stages_from_head(model)
    assert (stages[0][0], stages[-1][0]) == ("fc", "stem")
    assert len({name for name, _ in stages}) == len(stages)
    assert sorted(name for _, names in stages for name in names) == sorted(parametrised_modules(model.module))


def test_a_network_that_cannot_be_copied_is_refused() -> None:
    net = LinearNet()
    net.lock = threading.Lock()
    with pytest.raises(
        ne.ExplainError, match="random weights need a copy of the network, and LinearNet cannot be copied"
    ):
        ev.with_random_weights(adapted(net))
    with pytest.raises(TypeError, match="explainer must be an explainer"):
        ev.WithRandomWeights(ne.SaliencyTubes)


@pytest.mark.parametrize("similarity", ["spearman", "ssim"])
def test_a_map_that_ignores_the_weights_stays_and_one_of_the_weights_changes(similarity: str) -> None:
    metric = ev.WeightRandomisation(similarity=similarity)
    assert value(Brightness(), metric) == pytest.approx(1)
    assert abs(value(Weights(), metric)) < 0.3


def test_the_cascade_has_its_stages_in_order() -> None:
    net = LinearNet()
    case: Any = None

    @dataclass(frozen=True)
    class Spy:
        better = ev.Sparsity.better

        def __call__(self, given: Any) -> float:
            nonlocal case
            case = given
            return 0.0

    ne.evaluate(adapted(net), {"weights": Weights()}, [clip()], [Spy()], baselines=False)
    found = ev.WeightRandomisation(stages=2).by_stage(case)
    assert [name for name, _ in found] == ["classifier", "identity"]
    assert [name for name, _ in ev.WeightRandomisation(stages=1).by_stage(case)] == ["identity"]
    assert [name for name, _ in ev.WeightRandomisation(stages=9).by_stage(case)] == ["classifier", "identity"]


def test_a_map_that_follows_its_frames_is_told_from_one_that_stays() -> None:
    static = np.random.default_rng(0).normal(size=(FRAMES, SIDE, SIDE))
    assert value(Brightness(), ev.TemporalShuffle(4)) > 0.5
    assert value(Constant.of(static), ev.TemporalShuffle(4)) < -0.5
    assert value(Constant.of(np.broadcast_to(static[0], static.shape)), ev.TemporalShuffle(4)) == pytest.approx(0)
