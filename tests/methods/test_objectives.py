"""Objectives: their algebra, the code that they print, and the numbers that they read off a pass."""

from __future__ import annotations

import numpy as np
import pytest
import torch

import notebook_explain as ne
from notebook_explain._errors import UsageError
from notebook_explain.explanations import Target
from notebook_explain.methods.feature_visualization.objectives import (
    Channel,
    Direction,
    Logit,
    Objective,
    Scaled,
    Sum,
    Unit,
)
from notebook_explain.methods.feature_visualization.passes import Pass, Runner
from tests.example_values import small_concepts

A, B, C = Channel("layer3", 5), Unit("layer4", 2, (1, 2, 3)), Logit("kick")


@pytest.mark.parametrize(
    "objective",
    [
        *(A, B, C, Logit(3), Unit("stem", 0), -A, A + B, A - B, A - 0.5 * B, 2 * (A + B), A - (B - C), -(A - B)),
        *(Logit(Target("kick", "head")), Logit(Target("a") - Target("b")), Direction("layer3", (0.6, 0.8), "leg")),
    ],
    ids=repr,
)
def test_an_objective_prints_as_the_code_that_makes_it(objective: Objective) -> None:
    made = eval(repr(objective), vars(ne.objectives))
    assert made == objective
    assert repr(made) == repr(objective)


def test_sums_and_multiples_have_the_score_of_their_parts() -> None:
    rng = torch.Generator().manual_seed(0)
    found = Pass(
        {"layer3": torch.randn(2, 8, 2, 3, 3, generator=rng), "layer4": torch.randn(2, 4, 2, 3, 4, generator=rng)},
        ({}, {}),
    )
    a, b = A.scores(found), B.scores(found)
    assert torch.allclose(a, found.volumes["layer3"][:, 5].mean((1, 2, 3)))
    assert torch.equal(b, found.volumes["layer4"][:, 2, 1, 2, 3])
    assert torch.allclose((A - 0.5 * B).scores(found), a - 0.5 * b)
    assert torch.allclose((-(2 * A + B)).scores(found), -(2 * a + b))
    values = np.arange(8.0)
    expected = found.volumes["layer3"].mean((2, 3, 4)) @ torch.tensor(values / np.linalg.norm(values)).float()
    assert torch.allclose(Direction("layer3", tuple(values)).scores(found), expected)


def test_an_objective_reads_logits_channels_and_the_central_unit_of_a_network() -> None:
    model = ne.demo_model()
    sample = ne.samples.single("kick", seed=1)
    runner = Runner(model, model.layers)
    found = runner.pass_of(model.prepare(sample)[1])
    channels = {name: volume.shape[1] for name, volume in found.volumes.items()}
    logit = Logit("kick").resolved(model, dict(found.heads[0]), channels)
    assert logit.scores(found)[0] == pytest.approx(ne.SaliencyTubes()(model, sample, "kick").targets[0].logit, abs=1e-5)
    unit = Unit("blocks.3", 7).resolved(model, dict(found.heads[0]), channels)
    assert isinstance(unit, Unit)
    assert unit.cell == (4, 4, 4)
    assert repr(Logit(4).named(model.labels)) == "Logit('kick')"
    assert (logit.title, logit.target) == ("kick", Target(4, ""))
    difference = Logit(Target(4) - Target(5))
    assert difference.named(model.labels) is difference


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Channel(3, 1), r"layer must be the name of a layer \(str\), got 3"),
        (lambda: Channel("layer3", -1), "channel must be at least 0, got -1"),
        (lambda: Unit("layer3", 1, (1, 2)), r"cell must be three numbers \(time, height, width\)"),
        (lambda: Direction("layer3", (0.0, 0.0)), "finite numbers, one for each channel, that are not all 0"),
        (lambda: A * float("nan"), "scaled by a finite number, got nan"),
        (lambda: ne.FeatureVisualization(objective="kick"), "must be one of notebook_explain.objectives"),
        (lambda: ne.FeatureVisualization(objective=[]), "objective is an empty list"),
        (lambda: ne.FeatureVisualization(objective=A, facets=2), "facets or an objective, not both"),
        (lambda: A + 1, "unsupported operand"),
    ],
)
def test_wrong_objectives_are_one_clear_error(make, message: str) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises((TypeError, ValueError), match=message):
        make()


@pytest.mark.parametrize(
    ("objective", "message"),
    [
        (Channel("blocks.3", 64), "channel 64 is out of range; layer 'blocks.3' has channels 0 to 63"),
        (Unit("blocks.3", 0, (8, 0, 0)), r"cell \(8, 0, 0\) is outside of layer 'blocks.3', whose grid is \(8, 8, 8\)"),
        (
            Direction("blocks.3", (1.0, 2.0)),
            "has 2 values, but layer 'blocks.3' has 64 channels; was it made for another network",
        ),
        (Channel("blocks.9", 0), "layer 'blocks.9' is not in this model; similar names"),
        (Logit("kicks"), "target 'kicks' is not a label of this model; similar labels: 'kick'"),
    ],
)
def test_an_objective_of_another_network_is_one_clear_error(objective: Objective, message: str) -> None:
    explainer = ne.FeatureVisualization(objective=objective, steps=1, restarts=1)
    with pytest.raises(UsageError, match=message):
        explainer(ne.demo_model(), [ne.samples.single("kick", seed=1)])


def test_the_direction_of_a_concept_leads_from_the_other_clusters_to_it() -> None:
    concepts = small_concepts()
    direction = Direction.of_concept(concepts, 1)
    difference = concepts.centres[1] - np.delete(concepts.centres, 1, axis=0).mean(0)
    assert np.allclose(direction.values, difference / np.linalg.norm(difference), atol=1e-6)
    assert (direction.layer, direction.title) == (concepts.layer, concepts[1].name)
    assert isinstance(2 * A, Scaled)
    assert isinstance(A + B, Sum)
