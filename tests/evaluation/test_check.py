"""The check says what its numbers say, and needs the network that made the explanation."""

from __future__ import annotations

import copy
import gc
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import notebook_explain as ne
from notebook_explain import samples
from notebook_explain.evaluation import with_random_weights
from notebook_explain.evaluation.check import check
from notebook_explain.explanations import ExplainError, Tubes
from notebook_explain.explanations.check import Check, Verdict
from notebook_explain.methods.random_parts import elsewhere

SAMPLE = samples.contrast("kick", "wave one hand", seed=4)
LABELS = ["kick", "wave one hand"]
SHARP = ne.SharpTubes(layers=("blocks.3",))
MODEL = ne.demo_model()


@cache
def _tubes() -> Tubes:
    return SHARP(MODEL, SAMPLE, LABELS)


@cache
def _checked() -> Tubes:
    return _tubes().check(fill="freeze")  # the network reads nothing but movement


def test_the_sharp_map_of_the_bundled_model_is_faithful() -> None:
    checked = _checked()
    assert [check.verdict for check in checked.checks] == [Verdict.FAITHFUL, Verdict.FAITHFUL]
    assert [check.target for check in checked.checks] == LABELS
    assert checked.check_of("kick") == checked.checks[0]
    assert checked.check_of("kick", "blocks.3") is None
    assert _tubes().checks == (), "the explanation itself is not changed"


def test_the_fall_of_the_score_is_that_of_the_clip_without_the_shown_part() -> None:
    tubes, (found, _) = _tubes(), _checked().checks
    volume = tubes.volume()
    part = volume >= tubes.threshold() * tubes.layer().peak()
    video = MODEL.preprocessing.tensor(tubes.clip, torch.device("cpu"), torch.float32)
    frozen = video.mean(2, keepdim=True).expand_as(video)
    with torch.no_grad():
        hidden = MODEL.module(torch.where(torch.from_numpy(part), frozen, video))
    index = samples.ACTIONS.index("kick")
    (frozen_check, _) = tubes.check(fill="freeze", parts=1, networks=1).checks
    assert frozen_check.drop == pytest.approx(tubes.targets[0].logit - float(hidden[0, index]), abs=1e-4)
    assert frozen_check.probabilities == pytest.approx(
        (tubes.targets[0].probability, float(hidden.softmax(1)[0, index])), abs=1e-4
    )
    assert found.volume == pytest.approx(part.mean())


def test_the_map_of_a_random_network_is_not_called_faithful() -> None:
    verdicts = []
    for seed in range(3):
        model = with_random_weights(MODEL, seed=90 + seed)
        verdicts += [check.verdict for check in SHARP(model, SAMPLE, LABELS).check(parts=5).checks]
    assert Verdict.FAITHFUL not in verdicts


@dataclass(frozen=True)
class _Whatever:
    """A map of movement, whatever the network."""

    def __call__(self, model: Any, clip: Any, target: Any = None) -> Tubes:
        tubes = SHARP(model, clip, target)
        frames = tubes.clip.frames.astype(np.float32).mean(-1)
        movement = np.abs(frames - frames.mean(0))
        layers = (replace(tubes.layers[-1], values=np.stack([movement] * len(tubes.targets))),)
        return replace(tubes, layers=layers)


def test_a_map_that_ignores_the_weights_fails() -> None:
    explainer = _Whatever()
    checked = explainer(MODEL, SAMPLE, LABELS).check(MODEL, explainer, parts=2)
    assert {check.verdict for check in checked.checks} == {Verdict.FAILS}


def test_a_map_that_shows_nothing_is_not_checked() -> None:
    tubes = _tubes()
    empty = replace(tubes, layers=(replace(tubes.layers[-1], values=-np.abs(tubes.layers[-1].values)),))
    found = check(empty, MODEL, SHARP, parts=1, networks=1).checks[0]
    assert found.verdict is Verdict.NOT_CHECKED
    assert "nothing was hidden" in found.in_words()


NUMBERS = Check("sharp map", "kick", 0.1, 0.02, "blur", 3.0, (0.1, 1.0), (0.7, 0.02), 2.0, (0.5, -0.6))


@pytest.mark.parametrize(
    ("change", "verdict"),
    [
        ({}, Verdict.FAITHFUL),
        ({"random_drops": (0.1, 3.5)}, Verdict.NOT_SHOWN),
        ({"motion_drop": 4.0}, Verdict.NOT_SHOWN),
        ({"motion_drop": None}, Verdict.FAITHFUL),
        ({"probabilities": (0.7, 0.69)}, Verdict.NOT_SHOWN),
        ({"probabilities": (0.999, 0.99)}, Verdict.FAITHFUL),
        ({"probabilities": None}, Verdict.FAITHFUL),
        ({"drop": -1.0, "random_drops": (-2.0,), "motion_drop": -3.0}, Verdict.NOT_SHOWN),
        ({"likeness": (0.95, -0.92)}, Verdict.FAILS),
        ({"likeness": ()}, Verdict.NOT_CHECKED),
        ({"random_drops": ()}, Verdict.NOT_CHECKED),
    ],
)
def test_the_verdict_follows_from_the_numbers(change: dict[str, Any], verdict: Verdict) -> None:
    assert replace(NUMBERS, **change).verdict is verdict


def test_every_number_is_in_the_words() -> None:
    words = NUMBERS.in_words()
    for part in ("2.0 %", "−3", "70 % to 2.0 %", "−1 to −0.1", "n = 2", "−2", "0.55"):
        assert part in words


def test_random_parts_have_the_same_volume() -> None:
    rng, part = np.random.default_rng(0), np.zeros((4, 6, 6), bool)
    part[1:3, 2:4, 1] = True
    moved = [elsewhere(part, rng) for _ in range(20)]
    assert {int(other.sum()) for other in moved} == {4}
    assert len({other.tobytes() for other in moved}) > 10


def test_a_file_keeps_the_checks_and_a_loaded_explanation_needs_its_model(tmp_path: Path) -> None:
    read = ne.load(_checked().save(tmp_path / "tubes.npz"))
    assert read.checks == _checked().checks
    with pytest.raises(ExplainError, match=r"the model and the explainer .* tubes\.check\(model"):
        read.check()
    again = read.check(MODEL, SHARP, fill="freeze")
    assert [check.drop for check in again.checks] == pytest.approx([check.drop for check in read.checks], abs=1e-4)


def test_another_model_is_refused() -> None:
    with pytest.raises(ValueError, match="pass the model that made it"):
        _tubes().check(with_random_weights(MODEL))


def test_the_same_seed_gives_the_same_check() -> None:
    assert _tubes().check(parts=3).checks == _tubes().check(parts=3).checks
    assert _tubes().check(parts=3).checks != _tubes().check(parts=3, seed=1).checks


def test_an_explanation_does_not_keep_the_network_and_a_check_leaves_it_as_it_was() -> None:
    net = copy.deepcopy(MODEL.module)
    before = {name: value.clone() for name, value in net.state_dict().items()}
    tubes = SHARP(MODEL.with_module(net), SAMPLE, "kick")
    tubes.check(parts=1, networks=1)
    assert all(torch.equal(before[name], value) for name, value in net.state_dict().items())
    del net
    gc.collect()
    with pytest.raises(ExplainError, match="the model of this explanation is not in memory"):
        tubes.check()


@pytest.mark.parametrize("wrong", [{"fill": "black"}, {"parts": 0}, {"networks": 0}, {"seed": -1}])
def test_wrong_knobs_are_one_clear_error(wrong: dict[str, Any]) -> None:
    with pytest.raises((TypeError, ValueError), match=next(iter(wrong))):
        _tubes().check(**wrong)
