"""Explainers on networks with building blocks: tubes add up, channels are followed or reported, swaps change maps."""

from __future__ import annotations

import random
from functools import cache

import numpy as np
import pytest
import torch
from torch import nn

import notebook_explain as ne
from notebook_explain.layers.mtconv import CAVEAT
from notebook_explain.models.channel_graph import channel_graph
from tests import zoo
from tests.models.graph_helpers import layers_by_call, origins
from tests.models.perturbation_oracle import Perturbation

STATED = {"size": 32, "frames": 8, "mean": zoo.MEAN, "std": zoo.STD, "layout": "BCTHW"}
CLIP = zoo.random_clip(8, 32)
FULLY_ROUTED = (
    "soft pool",
    "soft pool at the end",
    "fast",
    "fast, parallel",
    "max pool",
    "class regularization",
    "mtconv",
)


@cache
def model(name: str) -> ne.VideoModel:
    return ne.adapt(zoo.seeded(zoo.BLOCKS[name]), **STATED)


@pytest.mark.parametrize("name", zoo.BLOCKS)
def test_tubes_before_the_pooling_plus_the_bias_equal_the_logit(name: str) -> None:
    tubes = ne.SaliencyTubes()(model(name), CLIP, [0, 2])
    last = [layer for layer in tubes.layers if layer.kind == "pooling input"]
    assert len(last) == (2 if "mtnet" in name else 1)
    missing = [caveat for caveat in tubes.provenance.caveats if "adds up to" in caveat]
    if name == "soft pool at the end":  # its weights depend on what it pools
        assert len(missing) == 2
        return
    assert not missing
    for index, target in enumerate(tubes.targets):
        total = sum(float(layer.values[index].mean(dtype=np.float64)) for layer in last) + float(target.bias or 0)
        assert total == pytest.approx(target.logit, abs=1e-4)


@pytest.mark.parametrize("name", zoo.BLOCKS)
def test_frame_times_of_layers_increase_within_the_clip(name: str) -> None:
    for layer in model(name).layers:
        rows = np.asarray(layer.geometry.rows)
        assert (np.diff(rows) > 0).all()
        assert rows[0] >= 0
        assert rows[-1] <= 7
    assert (CAVEAT in model(name).caveats) == name.startswith("mt")


@pytest.mark.parametrize("name", FULLY_ROUTED)
def test_every_channel_is_followed(name: str) -> None:
    found = channel_graph(model(name))
    assert found.known_fraction == 1
    assert not found.unknown


@pytest.mark.parametrize("name", ["soft pool", "soft pool at the end", "fast", "fast, parallel"])
def test_perturbing_a_kernel_changes_exactly_the_linked_channels(name: str) -> None:
    net, found = model(name).module, channel_graph(model(name))
    x = (torch.from_numpy(CLIP).permute(3, 0, 1, 2)[None].float() / 255 - zoo.MEAN) / zoo.STD
    oracle, layers = Perturbation(net, lambda: x.clone()), layers_by_call(found)
    for key, channel in random.Random(0).sample(oracle.kernels(), 8):
        source = layers[key].name, channel
        for other, changed in oracle.changed(key, channel).items():
            linked = {index for index, sources in enumerate(origins(found, layers[other].links)) if source in sources}
            assert linked == changed, (key, channel, other)


@pytest.mark.parametrize("name", [name for name in zoo.BLOCKS if name not in FULLY_ROUTED])
def test_channels_that_a_recursion_mixes_are_reported_and_those_that_it_scales_are_followed(name: str) -> None:
    found = channel_graph(model(name))
    assert any("of mul in" in note or "lstm" in note for note in found.notes)
    assert all(any(word in operation for word in ("lstm", "gru", "matmul")) for operation in found.unknown)
    fed = [layer for layer in found.layers if layer.kernel and layer.name != found.layers[0].name]
    assert len(fed) > 3
    assert all(layer.links.known_count == layer.in_channels for layer in fed)


@pytest.mark.parametrize("name", zoo.BLOCKS)
@pytest.mark.parametrize("contribution", ["preactivation", "gradient", "gradient_x_activation"])
def test_pyramids_reach_from_the_class_through_every_block(name: str, contribution: str) -> None:
    found = ne.FeaturePyramid(contribution=contribution)(model(name), CLIP, 1)
    assert found.rows[0].name == "fc"
    assert len(found.rows) > 3
    ends_early = any("so the pyramid ends there" in caveat for caveat in found.provenance.caveats)
    assert (found.rows[-1].name == "clip") is not ends_early  # it ends where nothing more supports the class
    assert all(row.units for row in found.rows)


def test_swapping_the_pooling_changes_the_tube() -> None:
    net = zoo.seeded(zoo.BLOCKS["max pool"])
    soft = ne.layers.swap(net, {nn.MaxPool3d: ne.layers.SoftPool3d}).model
    with_max, with_soft = (ne.SaliencyTubes()(ne.adapt(model, **STATED), CLIP, 1) for model in (net, soft))
    assert [layer.name for layer in with_max.layers] == [layer.name for layer in with_soft.layers]
    for before, after in zip(with_max.layers, with_soft.layers, strict=True):
        assert not np.allclose(before.values, after.values)
        assert before.geometry.rows == pytest.approx(after.geometry.rows)
