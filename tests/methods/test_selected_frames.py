"""Networks that select frames by their content: maps and signals are drawn at the frames selected in the clip."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

import notebook_explain as ne
from notebook_explain.explanations.caveats import Caveat, CaveatCode
from notebook_explain.layers.mtconv import CAVEAT
from notebook_explain.layers.signal_types import recording_selected_frames
from notebook_explain.methods.block_recorder import AT_SELECTED_FRAMES, SignalRecorder
from tests import zoo

STATED = {"size": 32, "frames": 16, "mean": zoo.MEAN, "std": zoo.STD, "layout": "BCTHW"}
CLIPS = [zoo.random_clip(16, 32, seed) for seed in (0, 1)]


@cache
def model() -> ne.VideoModel:
    return ne.adapt(zoo.seeded(zoo.BLOCKS["mtnet"]), **STATED)


def kept(clip: Any) -> list[int]:
    """Return the frames that the short stream keeps at its beginning, from the network itself."""
    net: Any = model().module
    x = net.pool(net.stem(zoo.feed(replace(zoo.ZOO["residual"], frames=16), clip)))
    selected = ne.layers.select_frames(x)
    return [next(t for t in range(16) if torch.equal(x[:, :, t], selected[:, :, k])) for k in range(selected.shape[2])]


@pytest.mark.parametrize("clip", CLIPS, ids=["first", "second"])
def test_maps_are_drawn_at_the_kept_frames(clip: Any) -> None:
    frames = kept(clip)
    tubes = ne.SaliencyTubes(layers=("blocks.0.conv1[0]", "blocks.0[0]", "blocks.1[0]"))(model(), clip, 1)
    for layer in tubes.layers[:2]:
        np.testing.assert_allclose(layer.geometry.rows, frames)
    np.testing.assert_allclose(tubes.layers[2].geometry.rows, frames[::2])  # the second block has a stride
    assert AT_SELECTED_FRAMES in tubes.provenance.caveats
    assert CAVEAT not in tubes.provenance.caveats
    assert frames != list(range(1, 16, 2)), "an even selection would not distinguish them"


def test_the_default_layers_are_drawn_there_and_the_model_is_not_modified() -> None:
    before = [layer.geometry.rows.tolist() for layer in model().layers]
    first, second = (ne.SaliencyTubes()(model(), clip, 1) for clip in CLIPS)
    assert len(first.layers) == len(model().layers) + 1  # the sum of both streams
    assert any(
        a.geometry.rows.tolist() != b.geometry.rows.tolist() for a, b in zip(first.layers, second.layers, strict=True)
    )
    assert all((np.diff(layer.geometry.rows) > 0).all() for layer in (*first.layers, *second.layers))
    assert before == [layer.geometry.rows.tolist() for layer in model().layers]
    assert CAVEAT in model().caveats


def test_frame_signals_of_both_streams_are_drawn_there() -> None:
    found = ne.BlockSignals()(model(), CLIPS[0], 1)
    short = next(signal for signal in found.frame_signals if signal.name == "blocks.0" and "short" in signal.what)
    np.testing.assert_allclose(short.rows, kept(CLIPS[0]))
    factor = next(signal for signal in found.frame_signals if signal.name == "blocks.0.recursion_short")
    np.testing.assert_allclose(factor.rows, kept(CLIPS[0]))


def test_the_caveat_stays_if_positions_cannot_be_followed() -> None:
    untraced = replace(model(), layer_trace=None)
    tubes = ne.SaliencyTubes()(untraced, CLIPS[0], 1)
    assert CAVEAT in tubes.provenance.caveats
    assert AT_SELECTED_FRAMES not in tubes.provenance.caveats


def test_frame_selections_are_recorded_within_the_context_only() -> None:
    x = torch.rand(2, 3, 6, 4, 4, generator=torch.Generator().manual_seed(0))
    with recording_selected_frames() as outer:
        first = ne.layers.select_frames(x)
        with recording_selected_frames() as inner:
            ne.layers.select_frames(first)
        ne.layers.select_frames(x[:, :, :2])
    ne.layers.select_frames(x)
    assert [tuple(indices.shape) for indices in outer] == [(2, 3)]
    assert [tuple(indices.shape) for indices in inner] == [(2, 1)]
    torch.testing.assert_close(first[1], x[1][:, outer[0][1]])


class EveryThird(nn.Module):
    """Selection by a user's module, which reports its frames through the protocol alone."""

    caveat, caveat_code = "Every third frame is selected.", "frame_selection"

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        ne.layers.report_selected_frames(torch.arange(0, x.shape[2], 3).expand(len(x), -1))
        return x[:, :, ::3]


def test_the_caveat_of_a_users_module_is_known_by_its_code() -> None:
    net = zoo.seeded(zoo.BLOCKS["max pool"])
    net.stem = nn.Sequential(net.stem, EveryThird())
    adapted = ne.adapt(net, **STATED)
    (caveat,) = adapted.caveats
    assert isinstance(caveat, Caveat)
    assert (caveat, caveat.code) == (EveryThird.caveat, CaveatCode.FRAME_SELECTION)
    assert AT_SELECTED_FRAMES in ne.SaliencyTubes()(adapted, CLIPS[0], 1).provenance.caveats
    recorder = SignalRecorder(adapted)
    with recorder.hooks(net), torch.no_grad():
        net(zoo.feed(replace(zoo.ZOO["residual"], frames=16), CLIPS[0]))
    assert [frames.tolist() for frames in recorder.selected_frames] == [[0, 3, 6, 9, 12, 15]]
