"""Concepts in other clips: tubes, sums, and where the model comes from."""

from __future__ import annotations

import gc
from pathlib import Path

import numpy as np
import pytest

import notebook_explain as ne
from notebook_explain import samples
from notebook_explain.explanations import Tubes
from notebook_explain.explanations.io.save_load import load
from tests.methods.concepts.networks import random_clips, small_concepts_run, small_model
from tests.models.test_adapt import adapted, clip_for


def test_a_clip_that_was_used_has_the_evidence_that_was_found() -> None:
    _, concepts = small_concepts_run()
    for index, clip in enumerate(random_clips(3)):
        told = concepts.explain(clip)
        np.testing.assert_allclose(told.contributions, concepts.evidence[index], atol=1e-5)
        np.testing.assert_allclose(told.volumes, [concept.presence[index] for concept in concepts], atol=1e-6)
        assert told.names == tuple(concept.name for concept in concepts)
        assert told.bias + told.remainder + sum(told.contributions) == pytest.approx(told.result.logit, abs=1e-5)


def test_tubes_of_all_concepts_add_up_to_the_map_of_the_layer() -> None:
    model, concepts = small_concepts_run()
    clip = random_clips(1, 30)[0]
    tubes = [concepts.tube(clip, k) for k in range(len(concepts))]
    whole = ne.SaliencyTubes(layers=(concepts.layer,))(model, clip, 1)
    np.testing.assert_allclose(sum(tube.layers[0].values for tube in tubes), whole.layers[0].values, atol=1e-5)
    told = concepts.explain(clip)
    for k, tube in enumerate(tubes):
        assert isinstance(tube, Tubes)
        assert tube.layers[0].values.mean() == pytest.approx(told.contributions[k], abs=1e-6)
        assert (tube.layers[0].values != 0).mean() < 1.5 * told.volumes[k], "0 outside of the concept"
        assert tube.targets[0].name == "class 1"
    assert concepts.with_name(0, "leg").tube(clip, "leg").layers[0].name == "leg"
    assert concepts.explain(clip).in_words().startswith("class 1 ")


@pytest.mark.parametrize("name", ["slowfast", "token_mean"])
def test_pathways_and_tokens_add_up(name: str) -> None:
    model = adapted(name)
    concepts = ne.ConceptDiscovery(count=4, presence=0)(model, [clip_for(name, seed) for seed in range(6)], 1)
    told = concepts.explain(clip_for(name, 40))
    assert told.remainder == pytest.approx(0, abs=1e-4)
    tubes = [concepts.tube(clip_for(name, 40), k) for k in range(len(concepts))]
    for k, tube in enumerate(tubes):
        assert tube.layers[0].values.mean() == pytest.approx(told.contributions[k], abs=1e-5)


def test_loaded_concepts_need_the_model_and_work_with_it(tmp_path: Path) -> None:
    model, concepts = small_concepts_run()
    clip = random_clips(1, 31)[0]
    loaded = load(concepts.save(tmp_path / "c.npz"))
    with pytest.raises(ne.ExplainError, match="the model of these concepts is not in memory; pass model="):
        loaded.explain(clip)
    np.testing.assert_allclose(loaded.explain(clip, model).contributions, concepts.explain(clip).contributions)
    np.testing.assert_array_equal(
        loaded.tube(clip, 0, model=model).layers[0].values, concepts.tube(clip, 0).layers[0].values
    )
    with pytest.raises(TypeError, match="model must be a VideoModel, got str"):
        loaded.tube(clip, 0, model="net")
    with pytest.raises(ValueError, match="describes positions by 64 channels, but these concepts have 12"):
        loaded.explain(samples.single("kick", seed=8_153_000), ne.demo_model())


def test_no_network_is_kept_in_memory() -> None:
    concepts = ne.ConceptDiscovery(count=3, fills=("blur",))(small_model(), random_clips(5), 1)
    gc.collect()
    with pytest.raises(ne.ExplainError, match="not in memory"):
        concepts.explain(random_clips(1)[0])


def test_a_concept_that_is_unknown() -> None:
    with pytest.raises(ValueError, match="concept 'ball' is not among 0: 'concept 1'"):
        small_concepts_run()[1].tube(random_clips(1)[0], "ball")
