"""Sharp tubes add up exactly, follow their rule, and light the limb that acts."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
import pytest
import torch
from sklearn.metrics import average_precision_score
from torch import nn

import notebook_explain as ne
from notebook_explain import samples
from notebook_explain.explanations import Tubes
from notebook_explain.explanations.caveats import Caveat, CaveatCode, all_caveats
from notebook_explain.explanations.layer_map import DETAIL, SHARP
from notebook_explain.models.demo import demo_net
from tests import zoo
from tests.models.test_adapt import EXPLAINABLE, adapted, clip_for
from tests.zoo.review_kinds import COMPLETE_WITH_CONSTANT_NORMS, REVIEW_KINDS

COMPLETE = [name for name, entry in REVIEW_KINDS.items() if entry.complete or name in COMPLETE_WITH_CONSTANT_NORMS]


@cache
def _review_tubes(name: str) -> Tubes:
    entry = REVIEW_KINDS[name]
    model = ne.adapt(
        entry.make(), size=entry.size, frames=entry.frames, layout=entry.layout, mean=zoo.MEAN, std=zoo.STD
    )
    return ne.SharpTubes()(model, zoo.random_clip(entry.frames, entry.size, 0), 1)


def _assert_adds_up(tubes: Tubes) -> None:
    sharp, source = tubes.layers[-1], tubes.layers[-2]
    assert sharp.kind == SHARP
    assert sharp.grid == tubes.clip.size
    for index, result in enumerate(tubes.targets):
        cells, values = source.values[index].astype(np.float64), sharp.values[index].astype(np.float64)
        scale = max(1.0, abs(result.logit))
        assert values.mean() == pytest.approx(cells.mean(), abs=1e-5 * scale)
        difference = values.mean() + (result.bias or 0.0) - result.logit
        assert abs(difference) <= 1e-5 * scale or abs(difference - (result.bias or 0.0)) <= 1e-5 * scale
        assert np.maximum(values, 0).mean() <= np.maximum(cells, 0).mean() + 1e-5 * scale
        assert float(sharp.gap[index]) == pytest.approx(result.logit - values.mean(), abs=1e-5 * scale)


@pytest.mark.parametrize("name", COMPLETE)
def test_it_adds_up_on_every_complete_network(name: str) -> None:
    _assert_adds_up(_review_tubes(name))


@pytest.mark.parametrize("name", sorted(EXPLAINABLE))
def test_it_runs_on_every_network_of_the_zoo(name: str) -> None:
    model = adapted(name)
    tubes = ne.SharpTubes()(model, clip_for(name), 0)
    assert tubes.layers[-1].kind == SHARP
    assert tubes.layers[-1].grid == tubes.clip.size
    assert np.isfinite(tubes.layers[-1].values).all()
    coarse = ne.SaliencyTubes()(model, clip_for(name), 0)
    for ours, theirs in zip(tubes.layers, coarse.layers, strict=False):
        np.testing.assert_array_equal(ours.values, theirs.values)


@cache
def _demo_tubes(conserve: bool = True) -> tuple[samples.Sample, Tubes]:
    sample = samples.contrast("kick", "wave one hand", seed=4)
    return sample, ne.SharpTubes(conserve=conserve)(ne.demo_model(), sample, list(sample.labels))


def test_it_adds_up_for_several_targets_and_a_difference() -> None:
    sample, tubes = _demo_tubes()
    _assert_adds_up(tubes)
    difference = ne.SharpTubes()(ne.demo_model(), sample, ne.Target("kick") - ne.Target("clap"))
    _assert_adds_up(difference)


def test_evidence_for_and_against_is_redistributed_each_by_itself() -> None:
    _, tubes = _demo_tubes()
    sharp, source = tubes.layers[-1].values.astype(np.float64), tubes.layers[-2].values.astype(np.float64)
    for values, cells in zip(sharp, source, strict=True):
        net = values.mean()
        assert net == pytest.approx(np.maximum(cells, 0).mean() - np.maximum(-cells, 0).mean(), abs=1e-5)
        assert (values < 0).any()
        assert (values > 0).any()


def test_it_lights_the_acting_limb_where_the_coarse_tube_does_not(branch_net: nn.Module) -> None:
    gains = []
    for net in (demo_net(), branch_net):
        model = ne.demo_model().with_module(net)
        for seed, pair in enumerate([("kick", "clap"), ("wave one hand", "squat"), ("punch", "jumping jack")]):
            sample = samples.contrast(*pair, seed=41 + seed)
            tubes = ne.SharpTubes()(model, sample, list(sample.labels))
            for index, mask in enumerate(sample.masks):
                scores = [
                    average_precision_score(mask.ravel(), tubes.volume(layer, index).ravel())
                    for layer in (tubes.layers[-1].name, tubes.layers[-2].name)
                ]
                gains.append(scores[0] - scores[1])
    assert np.mean(gains) > 0.25
    assert np.mean(np.array(gains) > 0) > 0.8


def test_the_map_of_detail_is_positive_and_says_that_it_adds_up_to_nothing() -> None:
    _, tubes = _demo_tubes(conserve=False)
    detail = tubes.layers[-1]
    assert detail.kind == DETAIL
    assert detail.quantity == "relevance"
    assert detail.gap is None
    assert (detail.values >= 0).all()
    assert detail.values.any()
    assert CaveatCode.PLACEMENT in _codes(all_caveats(tubes))


def test_it_is_said_that_a_pixels_value_is_not_its_effect() -> None:
    _, tubes = _demo_tubes()
    assert CaveatCode.PLACEMENT in _codes(all_caveats(tubes))
    assert CaveatCode.PLACEMENT not in _codes(all_caveats(tubes, tubes.layers[-2].name))


def _codes(found: list[str]) -> list[CaveatCode]:
    return [caveat.code for caveat in found if isinstance(caveat, Caveat)]


def test_the_sharp_map_is_shown_first_and_a_file_keeps_it(tmp_path: Any) -> None:
    _, tubes = _demo_tubes()
    assert tubes.layer().kind == SHARP
    read = ne.load(tubes.save(tmp_path / "sharp.npz"))
    assert read.layer().kind == SHARP
    np.testing.assert_array_equal(read.layer().values, tubes.layer().values)


def test_one_coarse_layer_gives_the_same_sharp_map() -> None:
    sample, tubes = _demo_tubes()
    few = ne.SharpTubes(layers=("blocks.0",))(ne.demo_model(), sample, list(sample.labels))
    assert [layer.name for layer in few.layers] == ["blocks.0", "blocks.3", "sharp map"]
    np.testing.assert_allclose(few.layers[-1].values, tubes.layers[-1].values, rtol=1e-4, atol=1e-2)


def test_it_counts_its_passes() -> None:
    _, tubes = _demo_tubes()
    assert (tubes.provenance.forwards, tubes.provenance.backwards) == (1, 6)


class _Detached(nn.Module):
    """A network that cuts the gradient behind its input."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv3d(3, 4, 3, padding=1)
        self.head = nn.Linear(4, 3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.head(self.conv(x.detach()).relu().mean((2, 3, 4)))


def test_without_a_gradient_at_the_clip_the_coarse_maps_are_left_and_a_caveat_says_so() -> None:
    torch.manual_seed(0)
    model = ne.adapt(_Detached().eval(), size=16, frames=4, layout="BCTHW", mean=0.5, std=0.25)
    tubes = ne.SharpTubes()(model, zoo.random_clip(4, 16, 0), 0)
    assert SHARP not in [layer.kind for layer in tubes.layers]
    assert CaveatCode.NO_GRADIENT in _codes(list(tubes.provenance.caveats))


@pytest.mark.parametrize("wrong", [{"conserve": 1}, {"guided": 1}, {"layers": "blocks.0"}, {"norms": "off"}])
def test_wrong_arguments_are_one_clear_error(wrong: dict[str, Any]) -> None:
    with pytest.raises((TypeError, ValueError), match=next(iter(wrong))):
        ne.SharpTubes(**wrong)
