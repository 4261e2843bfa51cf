"""Networks that select frames by what these hold: what is shown lies at those that they kept of the clip."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np
import pytest
import torch

import notebook_explain as ne
from notebook_explain.layers.mtconv import CAVEAT, choices
from notebook_explain.methods.block_recorder import CHOSEN
from tests import zoo

STATED = {"size": 32, "frames": 16, "mean": zoo.MEAN, "std": zoo.STD, "layout": "BCTHW"}
CLIPS = [zoo.random_clip(16, 32, seed) for seed in (0, 1)]


@cache
def model() -> ne.VideoModel:
    return ne.adapt(zoo.seeded(zoo.BLOCKS["mtnet"]), **STATED)


def kept(clip: Any) -> list[int]:
    """Frames that the short stream begins with, asked of the network directly."""
    net: Any = model().module
    x = net.pool(net.stem(zoo.feed(replace(zoo.ZOO["residual"], frames=16), clip)))
    chosen = ne.layers.select_frames(x)
    return [next(t for t in range(16) if torch.equal(x[:, :, t], chosen[:, :, k])) for k in range(chosen.shape[2])]


@pytest.mark.parametrize("at", [0, 1])
def test_maps_lie_at_the_frames_that_were_kept(at: int) -> None:
    frames = kept(CLIPS[at])
    tubes = ne.SaliencyTubes(layers=("blocks.0.conv1[0]", "blocks.0[0]", "blocks.1[0]"))(model(), CLIPS[at], 1)
    for layer in tubes.layers[:2]:
        np.testing.assert_allclose(layer.geometry.rows, frames)
    np.testing.assert_allclose(tubes.layers[2].geometry.rows, frames[::2])  # the second block has a stride
    assert CHOSEN in tubes.provenance.caveats
    assert CAVEAT not in tubes.provenance.caveats
    assert frames != list(range(1, 16, 2)), "not what an even choice would be"


def test_the_default_layers_are_placed_too_and_the_model_stays_as_it_was_adapted() -> None:
    before = [layer.geometry.rows.tolist() for layer in model().layers]
    one, other = (ne.SaliencyTubes()(model(), clip, 1) for clip in CLIPS)
    assert len(one.layers) == len(model().layers)
    assert any(
        a.geometry.rows.tolist() != b.geometry.rows.tolist() for a, b in zip(one.layers, other.layers, strict=True)
    )
    assert all((np.diff(layer.geometry.rows) > 0).all() for layer in (*one.layers, *other.layers))
    assert before == [layer.geometry.rows.tolist() for layer in model().layers]
    assert CAVEAT in model().caveats


def test_courses_of_both_streams_lie_there_too() -> None:
    found = ne.BlockSignals()(model(), CLIPS[0], 1)
    short = next(c for c in found.courses if c.name == "blocks.0" and "short" in c.what)
    np.testing.assert_allclose(short.rows, kept(CLIPS[0]))
    factor = next(c for c in found.courses if c.name == "blocks.0.recursion_short")
    np.testing.assert_allclose(factor.rows, kept(CLIPS[0]))


def test_where_positions_cannot_be_followed_the_caveat_stays() -> None:
    blind = replace(model(), layer_trace=None)
    tubes = ne.SaliencyTubes()(blind, CLIPS[0], 1)
    assert CAVEAT in tubes.provenance.caveats
    assert CHOSEN not in tubes.provenance.caveats


def test_choices_are_written_down_within_and_not_beyond() -> None:
    x = torch.rand(2, 3, 6, 4, 4, generator=torch.Generator().manual_seed(0))
    with choices() as made:
        first = ne.layers.select_frames(x)
        with choices() as inner:
            ne.layers.select_frames(first)
        ne.layers.select_frames(x[:, :, :2])
    ne.layers.select_frames(x)
    assert [tuple(each.shape) for each in made] == [(2, 3)]
    assert [tuple(each.shape) for each in inner] == [(2, 1)]
    torch.testing.assert_close(first[1], x[1][:, made[0][1]])
