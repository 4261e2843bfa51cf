"""Concepts of small networks and of the demo networks: sums, refusals, streams, caches."""

from __future__ import annotations

import gc
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

import notebook_explain as ne
from notebook_explain import samples
from notebook_explain.explanations import Concepts, Progress, Refusal
from notebook_explain.explanations.caveats import Caveat, CaveatCode
from notebook_explain.explanations.io.save_load import load
from notebook_explain.methods.concepts import clusters
from notebook_explain.methods.concepts.clustering import kmeans
from tests import zoo
from tests.explanations.equality import assert_same
from tests.methods.concepts.networks import SPECIFIED, Small, random_clips, small_concepts_run, small_model
from tests.models.test_adapt import adapted, clip_for

STAGES = ["embed", "segment", "cluster", "exemplars", "ablate", "test"]


def _gaps(concepts: Concepts) -> np.ndarray:
    """Return evidence of all concepts, remainder and bias, minus the logit."""
    biases = np.array([result.bias or 0.0 for result in concepts.results])
    logits = np.array([result.logit for result in concepts.results])
    return concepts.evidence.sum(1, dtype=np.float64) + concepts.remainder + biases - logits


@pytest.mark.parametrize("net", ["residual", "branches"])
def test_evidence_adds_up_to_the_score_on_both_demo_networks(net: str, branch_net: nn.Module) -> None:
    model = ne.demo_model() if net == "residual" else ne.demo_model().with_module(branch_net)
    clips = [samples.single("kick", seed=8_151_000 + seed) for seed in range(5)]
    concepts = ne.ConceptDiscovery(fills=("freeze",), presence=0)(model, clips, "kick")
    assert len(concepts) == 10
    np.testing.assert_allclose(concepts.remainder, 0, atol=1e-3)
    np.testing.assert_allclose(_gaps(concepts), 0, atol=1e-3)
    assert concepts.evidence.max() > 0.5
    pooled = ne.ConceptDiscovery(fills=("freeze",), cav_layer=concepts.layer)(model, clips, "kick")
    for concept in pooled:
        assert concept.tcav.fraction is None
        assert concept.tcav.reason is Refusal.CONSTANT_GRADIENT
        assert np.isfinite(concept.tcav.magnitude)
    assert all(concept.tcav.layer != concepts.layer for concept in concepts), "the gradient varies at an earlier layer"
    assert all(concept.tcav.fraction is not None for concept in concepts)


def test_everything_belongs_together() -> None:
    _, concepts = small_concepts_run()
    values = [concept.effects[0].value for concept in concepts]
    assert values == sorted(values, reverse=True)
    for concept in concepts:
        assert concept.effect.low <= concept.effect.value <= concept.effect.high
        assert concept.effect.p <= concept.effect.q
        shares = [concepts.mask(concept.index, clip).mean() for clip in range(8)]
        np.testing.assert_allclose(concept.presence, shares)
        assert concept.volume == pytest.approx(np.mean(shares))
        assert concept.evidence == pytest.approx(concepts.evidence[:, concept.index].mean())
        drops = concepts.drops[0, :, concept.index]
        assert drops[list(concept.exemplars)].tolist() == sorted(drops[list(concept.exemplars)], reverse=True)
        assert set(concept.exemplars) == {clip for clip in range(8) if shares[clip] > 0}
        share = concepts.drops[0, :, concept.index].sum() / (100 * np.sum(shares))
        assert concept.effect.value == pytest.approx(share, rel=1e-4)
    np.testing.assert_allclose(_gaps(concepts), 0, atol=1e-5)
    assert concepts.provenance.backwards == 8
    assert concepts.target_name == "class 1"


def test_a_stream_has_six_stages_and_its_results_grow() -> None:
    model, whole = small_concepts_run()
    steps: list[Progress] = list(ne.ConceptDiscovery(count=5).stream(model, random_clips(8), 1))
    assert list(dict.fromkeys(step.stage for step in steps)) == STAGES
    assert [step.done for step in steps if step.stage == "ablate"] == list(range(1, 9))
    assert {step.total for step in steps if step.stage == "embed"} == {8}
    partial = {step.stage: step.partial for step in steps}
    assert partial["cluster"] is None
    assert partial["exemplars"].fills == ()
    assert partial["ablate"].fills == ("blur", "freeze")
    assert partial["ablate"][0].tcav is None
    last = steps[-1].partial
    assert last.report().splitlines()[:8] == whole.report().splitlines()[:8]
    np.testing.assert_array_equal(last.grids, whole.grids)


def test_the_same_seed_gives_the_same_concepts_and_the_model_is_unchanged() -> None:
    net = zoo.seeded(Small).train()
    state = {name: value.clone() for name, value in net.state_dict().items()}
    model, expected = ne.adapt(net, **SPECIFIED), small_concepts_run()[1]
    steps = ne.ConceptDiscovery(count=5).stream(model, random_clips(8), 1)
    first = list(islice(steps, 9))
    assert first[-1].stage == "segment"
    assert net.training
    with torch.no_grad():
        for parameter in net.parameters():
            parameter.add_(1)
    for step in steps:  # it describes the parameters at its start
        last = step.partial
    np.testing.assert_array_equal(last.drops, expected.drops)
    with torch.no_grad():
        for parameter in net.parameters():
            parameter.sub_(1)
    for name, value in net.state_dict().items():
        torch.testing.assert_close(value, state[name])


def test_a_dropped_stream_ends() -> None:
    read = []

    def clips() -> Any:
        for number, clip in enumerate(random_clips(20)):
            read.append(number)
            yield clip

    steps = ne.ConceptDiscovery(count=5).stream(small_model(), clips(), 1)
    next(steps)
    next(steps)
    del steps
    gc.collect()
    assert read == [0, 1]


class Counting(nn.Module):
    """Network that counts its clips, and stops when it has seen too many."""

    def __init__(self) -> None:
        super().__init__()
        self.net, self.seen = zoo.seeded(Small), [0]
        self.most = [10**9]

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        self.seen[0] += len(x)
        if self.seen[0] > self.most[0]:
            raise KeyboardInterrupt
        return self.net(x)

    def __deepcopy__(self, memo: dict[int, Any]) -> Counting:
        return self  # so that shadows count too


def test_a_stopped_run_goes_on_where_it_was(tmp_path: Path) -> None:
    net = Counting()
    model, explainer = ne.adapt(net, **SPECIFIED), ne.ConceptDiscovery(count=5)
    net.seen[0] = 0
    expected = explainer(model, random_clips(6), 1)
    whole, net.seen[0], net.most[0] = net.seen[0], 0, net.seen[0] * 2 // 3
    with pytest.raises(KeyboardInterrupt):
        explainer(model, random_clips(6), 1, cache=tmp_path / "kept")
    net.seen[0], net.most[0] = 0, 10**9
    found = explainer(model, random_clips(6), 1, cache=tmp_path / "kept")
    assert net.seen[0] < whole * 0.6
    assert_same(found.concepts, expected.concepts)
    net.seen[0] = 0
    again = explainer(model, random_clips(6), 1, cache=tmp_path / "kept")
    assert net.seen[0] <= 1 + 6, "the first clip resolves the target, and directions are measured again"
    assert_same(again.concepts, expected.concepts)


def test_a_cache_is_by_content_and_damaged_entries_are_measured_again(tmp_path: Path) -> None:
    model, explainer = small_model(), ne.ConceptDiscovery(count=5, fills=("blur",))
    first = explainer(model, random_clips(6), 1, cache=tmp_path)
    for path in tmp_path.iterdir():
        path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    assert_same(explainer(model, random_clips(6), 1, cache=tmp_path).concepts, first.concepts)
    other = explainer(model, random_clips(6), 2, cache=tmp_path)
    assert_same(other.concepts, explainer(model, random_clips(6), 2).concepts)
    with torch.no_grad():
        model.module.head.weight.mul_(-1)
    turned = explainer(model, random_clips(6), 1, cache=tmp_path)
    assert_same(turned.concepts, explainer(model, random_clips(6), 1).concepts)
    (tmp_path / "file").write_text("x")
    with pytest.raises(ValueError, match="cache must be a folder"):
        explainer(model, random_clips(6), 1, cache=tmp_path / "file")


def test_a_file_that_was_saved_opens_as_the_same_concepts(tmp_path: Path) -> None:
    concepts = small_concepts_run()[1]
    found = load(concepts.save(tmp_path / "c.npz"))
    assert found.provenance == concepts.provenance
    assert_same(replace(found, provenance=concepts.provenance), concepts)


def test_signed_activations_add_up_too() -> None:
    model, clips = small_model(activation=nn.GELU()), random_clips(6)
    found = [ne.ConceptDiscovery(count=4)(model, clips, target) for target in range(3)]
    for concepts in found:
        np.testing.assert_allclose(concepts.remainder, 0, atol=1e-4)
    assert min(concepts.evidence.min() for concepts in found) < 0 < max(concepts.evidence.max() for concepts in found)


@pytest.mark.parametrize(
    ("strided", "words"),
    [(2, "The last layer has 1×2×2 cells, too few to tell positions apart; the earlier layer 'block' is used"),
     (3, "No pooling over several positions was found; concepts are those of layer 'block'")],
)  # fmt: skip
def test_a_layer_of_few_cells_is_replaced_by_an_earlier_one(strided: int, words: str) -> None:
    concepts = ne.ConceptDiscovery(count=4)(small_model(strided=strided), random_clips(6), 1)
    assert concepts.layer == "block"
    assert any(words in caveat for caveat in concepts.caveats)
    np.testing.assert_allclose(_gaps(concepts), 0, atol=1e-5)


def test_a_layer_of_one_cell_is_refused_by_name() -> None:
    with pytest.raises(ValueError, match="layer 'last' cannot be explained: its output has no separate positions left"):
        ne.ConceptDiscovery(layer="last")(small_model(strided=3), random_clips(6), 1)


class Switch(nn.Module):
    """Two convolutions that always run; the brightness of the clip decides which of them the score depends on."""

    def __init__(self) -> None:
        super().__init__()
        self.bright, self.dark = nn.Conv3d(3, 6, 3, 2, 1), nn.Conv3d(3, 6, 3, 2, 1)
        self.head = nn.Linear(6, 5)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return logits (batch, class)."""
        bright, dark = self.bright(x).mean((2, 3, 4)), self.dark(x).mean((2, 3, 4))
        return self.head(bright if x.mean() > 0 else dark)


@pytest.mark.parametrize("knobs", [{}, {"layer": "bright"}, {"cav_layer": "dark"}], ids=str)
def test_clips_that_share_no_layer_are_refused(knobs: dict[str, Any]) -> None:
    clips = [
        (clip // 2 if index % 2 else 127 + clip // 2).astype(np.uint8) for index, clip in enumerate(random_clips(6))
    ]
    model = ne.adapt(zoo.seeded(Switch), **SPECIFIED)
    with pytest.raises(ne.ExplainError, match="no layer of several cells on which the score of every clip depends"):
        ne.ConceptDiscovery(count=3, **knobs)(model, clips, 1)


def test_any_layer_can_be_named() -> None:
    model = small_model()
    concepts = ne.ConceptDiscovery(count=4, layer="stem", cav_layer="block")(model, random_clips(6), 1)
    assert concepts.layer == "stem"
    assert concepts.grids.shape == (6, 1, 8, 16, 16)
    assert concepts[0].tcav.layer == "block"
    np.testing.assert_allclose(_gaps(concepts), 0, atol=1e-5)
    with pytest.raises(ValueError, match="layer 'stam' is not in this model"):
        ne.ConceptDiscovery(layer="stam")(model, random_clips(6), 1)
    other = ne.ConceptDiscovery(cav_layer="stem.0", count=4, fills=("blur",))(model, random_clips(6), 1)
    assert other[0].tcav.layer == "stem.0"
    with pytest.raises(ValueError, match="layer 'blok' is not in this model"):
        ne.ConceptDiscovery(cav_layer="blok").stream(model, random_clips(6), 1)


@pytest.mark.parametrize("name", ["token_mean", "cls_token", "slowfast", "tsm", "channels_last", "dropped_frames"])
def test_transformers_pathways_and_unusual_layouts_are_divided_into_concepts(name: str) -> None:
    model = adapted(name)
    concepts = ne.ConceptDiscovery(count=4)(model, [clip_for(name, seed) for seed in range(6)], 1)
    np.testing.assert_allclose(_gaps(concepts), 0, atol=1e-4)
    is_incomplete = any(getattr(c, "code", None) is CaveatCode.INCOMPLETE_MAP for c in concepts.caveats)
    assert is_incomplete == (name == "cls_token"), "a class token's part belongs to no position"
    if not is_incomplete:
        np.testing.assert_allclose(concepts.remainder, 0, atol=1e-4)


def test_evidence_is_that_of_saliency_tubes() -> None:
    """Also behind a norm, whose statistics are held constant."""
    model, clips = adapted("mean_then_norm"), [clip_for("mean_then_norm", seed) for seed in range(6)]
    concepts = ne.ConceptDiscovery(count=4, presence=0)(model, clips, 1)
    for clip, evidence in zip(clips, concepts.evidence, strict=True):
        tubes = ne.SaliencyTubes(layers=(concepts.layer,))(model, clip, 1)
        assert evidence.sum() == pytest.approx(tubes.layers[0].values.mean(), abs=1e-5)


def test_a_network_without_gradients_gives_one_error() -> None:
    with pytest.raises(ne.ExplainError, match="no gradient"):
        ne.ConceptDiscovery()(adapted("no_grad_forward"), [clip_for("no_grad_forward", seed) for seed in range(6)], 1)


def test_numbers_that_are_not_finite_give_one_error() -> None:
    net = zoo.seeded(Small)
    model = ne.adapt(net, **SPECIFIED)
    with torch.no_grad():
        net.stem[0].bias[0] = torch.inf
    with pytest.raises(ne.ExplainError, match="the model returns NaN for this clip"):
        ne.ConceptDiscovery()(model, random_clips(5), 1)


def test_many_positions_are_drawn_and_the_rest_join_the_nearest_cluster(monkeypatch: pytest.MonkeyPatch) -> None:
    model, clips = small_model(), random_clips(6)
    monkeypatch.setattr(clusters, "MOST_POINTS", 600)
    seen = []
    monkeypatch.setattr(clusters, "kmeans", lambda points, *rest: (seen.append(len(points)), kmeans(points, *rest))[1])
    concepts = ne.ConceptDiscovery(count=4, presence=0)(model, clips, 1)
    assert seen == [600]
    assert (concepts.grids >= 0).all()


def test_clusters_that_vanish_are_said() -> None:
    model, one = small_model(), random_clips(1)[0]
    still = [
        np.full_like(one, shade) for shade in range(0, 120, 20)
    ]  # nothing moves: positions differ at the borders only
    concepts = ne.ConceptDiscovery(count=40)(model, still, 1)
    assert len(concepts) < 40
    assert any("not into 40: the rest were empty" in caveat for caveat in concepts.caveats)
    assert all(concept.effect_of("freeze").value == 0 for concept in concepts)
    assert all(concept.effect_of("freeze").p == 1 for concept in concepts)


def test_concepts_must_occur_in_enough_clips() -> None:
    model, clips = small_model(), random_clips(8)
    loose = ne.ConceptDiscovery(count=40, presence=0)(model, clips, 1)
    strict = ne.ConceptDiscovery(count=40, presence=0.9)(model, clips, 1)
    assert len(loose) == 40
    assert len(strict) < 40
    assert all(sum(share > 0 for share in concept.presence) >= 0.9 * 8 for concept in strict)
    assert any("occur in fewer than 90 % of the clips" in caveat for caveat in strict.caveats)
    assert len(strict.centres) == 40
    for concepts in (loose, strict):
        np.testing.assert_allclose(_gaps(concepts), 0, atol=1e-5)
    assert np.abs(strict.remainder).max() > 1e-3
    told = strict.explain(clips[0])
    np.testing.assert_allclose(told.contributions, strict.evidence[0], atol=1e-6)
    assert told.remainder == pytest.approx(strict.remainder[0], abs=1e-6)


def test_a_class_that_is_never_predicted_and_few_clips_are_caveats() -> None:
    model = small_model()
    clips = random_clips(6)
    last = ne.ConceptDiscovery(count=4)
    found = [last(model, clips, target) for target in range(5)]
    never = [c for c in found if all(result.top5[0][0] != result.name for result in c.results)]
    assert never
    for concepts in never:
        codes = [caveat.code for caveat in concepts.caveats if isinstance(caveat, Caveat)]
        assert CaveatCode.LOW_PROBABILITY in codes
        assert any("for none of the 6 clips" in caveat for caveat in concepts.caveats)
    assert any("Made of 6 clips" in caveat for caveat in found[0].caveats)
    assert "Made of" not in " ".join(last(model, random_clips(20), 0).caveats)


def test_a_cache_without_a_named_class_does_not_mix_the_top_classes_of_two_runs(tmp_path: Path) -> None:
    model = ne.demo_model()
    kicks = [samples.single("kick", seed=8_160_000 + seed) for seed in range(5)]
    squat = samples.single("squat", seed=8_160_010)
    small = ne.ConceptDiscovery(count=3)
    small(model, kicks, cache=tmp_path)
    kept = small(model, [squat, *kicks], cache=tmp_path)
    plain = small(model, [squat, *kicks])
    assert kept.target_name == plain.target_name == "squat"
    assert [one.name for one in kept.results] == ["squat"] * 6
    np.testing.assert_array_equal(kept.evidence, plain.evidence)
    np.testing.assert_array_equal(kept.drops, plain.drops)
