"""Values are frozen and survive pickling; explainers compare by their parameters."""

from __future__ import annotations

import dataclasses
import pickle

import numpy as np
import pytest

import notebook_explain as ne
from tests.example_values import small_temporal_reliance, small_tubes, small_what_if
from tests.explanations.equality import assert_same


def test_explanations_clips_targets_and_explainers_survive_pickling() -> None:
    tubes = small_tubes()
    again = pickle.loads(pickle.dumps(tubes))
    np.testing.assert_array_equal(again.volume("stem", 1), tubes.volume("stem", 1))
    np.testing.assert_array_equal(again.clip.frames, tubes.clip.frames)
    assert again.targets == tubes.targets
    assert again.provenance == tubes.provenance
    difference = ne.Target("wave", head="verb") - ne.Target(3)
    assert pickle.loads(pickle.dumps(difference)) == difference
    explainer = ne.SaliencyTubes(layers=("stem",), pooled=True)
    assert pickle.loads(pickle.dumps(explainer)) == explainer


def test_what_ifs_survive_pickling() -> None:
    for value in (small_what_if(with_tubes=True), small_temporal_reliance()):
        assert_same(pickle.loads(pickle.dumps(value)), value)


def test_explainers_are_rebuilt_from_their_fields_and_are_hashable() -> None:
    explainer = ne.SaliencyTubes(layers=["stem", "layer1"])  # type: ignore[arg-type]  # lists are accepted
    assert ne.SaliencyTubes(**dataclasses.asdict(explainer)) == explainer
    assert len({explainer, ne.SaliencyTubes(layers=("stem", "layer1")), ne.SaliencyTubes()}) == 2


@pytest.mark.parametrize("value", [ne.SaliencyTubes(), ne.Target(1), small_tubes(), small_tubes().clip], ids=str)
def test_values_are_frozen(value: object) -> None:
    field = dataclasses.fields(value)[0].name  # type: ignore[arg-type]
    with pytest.raises(dataclasses.FrozenInstanceError, match=f"cannot assign to field '{field}'"):
        setattr(value, field, None)
