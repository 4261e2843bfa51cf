"""Measured geometry, compared with where cells look: an oracle plants changes in the clip (``geometry_oracle``)."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

import notebook_explain as ne
from notebook_explain.explanations.caveats import CaveatCode
from notebook_explain.models import VideoModel
from notebook_explain.models.positions.tensor import PositionTensor
from tests import zoo
from tests.models.geometry_oracle import errors_in_cells, influence_on_cell, median_index, with_positive_weights
from tests.models.test_adapt import EXPLAINABLE
from tests.zoo.mixers import ATTENTION, CONTEXTS, MIXERS, UPSAMPLED, FourierFilter, OnlyMixed, Pooled, UpsampledTime
from tests.zoo.recurrent import FINAL_STATES, RECURRENT

SPECIFIED: dict[str, Any] = {"size": 32, "frames": 8, "mean": 0.5, "std": 0.25, "layout": "BCTHW"}
CLIP = zoo.random_clip(8, 32)
BOUND = 0.5  # cells
BORDER_BOUND = 0.6  # grids of fewer than 5 cells, where padding is never far


def positive(make: Any) -> tuple[VideoModel, nn.Module]:
    net = with_positive_weights(zoo.seeded(make))
    return ne.adapt(net, **SPECIFIED), net


def assert_cells_lie_where_they_look(model: VideoModel, net: nn.Module, bound: float = BOUND) -> None:
    for layer in model.layers:
        if layer.ref.module is None:
            continue
        for axis, error in enumerate(errors_in_cells(model, layer, net)):
            assert error <= (bound if layer.grid[axis] >= 5 else BORDER_BOUND), (layer, axis, error)


@pytest.mark.parametrize("name", EXPLAINABLE)
def test_cells_of_the_zoo_lie_where_they_look(name: str) -> None:
    entry = zoo.ZOO[name]
    size, frames = (entry.size, entry.frames) if "fixed_shape" in entry.traits else (48, 16)
    net = with_positive_weights(entry.make())
    model = ne.adapt(net, size=size, frames=frames, mean=0.5, std=0.25, layout=entry.layout)
    assert_cells_lie_where_they_look(model, net)


@pytest.mark.parametrize("name", [*MIXERS, *CONTEXTS])
def test_what_mixes_all_positions_leaves_those_of_the_residual_connection(name: str) -> None:
    model, net = positive({**MIXERS, **CONTEXTS}[name])
    assert len(model.layers) >= 2
    assert_cells_lie_where_they_look(model, net)
    stem, last = model.layers[0], model.layers[-1]
    np.testing.assert_allclose(last.geometry.rows, stem.geometry.rows, atol=1e-3)
    np.testing.assert_allclose(last.geometry.step, stem.geometry.step, atol=1e-3)
    np.testing.assert_allclose(last.geometry.origin, stem.geometry.origin, atol=1e-2)


@pytest.mark.parametrize(
    ("name", "words", "where"),
    [
        ("time mixer: linear", "mixes frames", "the network's forward"),
        ("time mixer: windows", "mixes frames", "the network's forward"),
        ("time mixer: gate", "mixes frames", "the network's forward"),
        ("mlp-mixer", "mixes frames, rows and columns", "'blocks.0', 'blocks.1' and 'blocks.2'"),
        ("resmlp by frame", "mixes rows and columns", "'blocks.0', 'blocks.1' and 'blocks.2'"),
    ],
)
def test_readers_are_told_what_is_mixed_and_where(name: str, words: str, where: str) -> None:
    model = ne.adapt(zoo.seeded(MIXERS[name]), **SPECIFIED)
    (caveat,) = model.caveats
    assert caveat.code == CaveatCode.ASSUMED_POSITIONS  # type: ignore[attr-defined]
    assert words in caveat
    assert f"A layer in {where} " in caveat
    assert caveat in ne.SaliencyTubes()(model, CLIP, 0).provenance.caveats


@pytest.mark.parametrize("name", CONTEXTS)
def test_global_context_is_no_mixture_and_no_end_of_the_network(name: str) -> None:
    model = ne.adapt(zoo.seeded(CONTEXTS[name]), **SPECIFIED)
    assert model.caveats == ()
    assert [(layer.name, layer.kind) for layer in model.layers] == [("stem", "stem"), ("last", "pooling input")]


def test_every_pooling_of_the_end_is_found_next_to_a_convolution_over_everything() -> None:
    class TwoEnds(Pooled):
        def __init__(self) -> None:
            super().__init__()
            self.whole, self.fc = nn.Conv3d(8, 8, 8), nn.Linear(16, 5)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            x = self.last(self.stem(x))
            return self.fc(torch.cat([x.mean((2, 3, 4)), self.whole(x).flatten(1)], 1))

    model = ne.adapt(zoo.seeded(TwoEnds), **SPECIFIED)
    assert [(layer.name, layer.kind) for layer in model.layers] == [("stem", "stem"), ("last", "pooling input")]


@pytest.mark.parametrize("without_positions", [torch.zeros_like, lambda x: x.new_zeros(x.shape)])
def test_sums_after_patches_are_no_mixtures(without_positions: Any) -> None:
    class Patches(Pooled):
        def __init__(self) -> None:
            super().__init__()
            self.merge = nn.Linear(32, 8)

        def middle(self, x: torch.Tensor) -> torch.Tensor:
            corners = [x[..., i::2, j::2] for i in (0, 1) for j in (0, 1)]
            x = self.merge(torch.cat(corners, 1).movedim(1, -1)).movedim(-1, 1)
            x = x + x.mean((3, 4), keepdim=True).expand_as(x)
            return x + without_positions(x)

    model = ne.adapt(zoo.seeded(Patches), **SPECIFIED)
    assert model.caveats == ()
    assert model.layers[-1].geometry.step == (8.0, 8.0)


@pytest.mark.parametrize("leaves_torch", [False, True])
def test_a_head_without_positions_is_no_loss(leaves_torch: bool) -> None:
    class LearnedQuery(Pooled):
        def __init__(self) -> None:
            super().__init__()
            self.query, self.attention = (
                nn.Parameter(torch.randn(1, 1, 8)),
                nn.MultiheadAttention(8, 2, batch_first=True),
            )

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            tokens = self.last(self.stem(x)).flatten(2).transpose(1, 2)
            pooled = self.attention(self.query, tokens, tokens)[0][:, 0]
            return self.fc(torch.zeros(1, 8) + pooled.sum().item() if leaves_torch else pooled)

    model = ne.adapt(zoo.seeded(LearnedQuery), **SPECIFIED)
    assert model.caveats == ()
    assert model.layers[-1].name == "last"


@pytest.mark.parametrize("name", ATTENTION)
def test_attention_lies_where_the_queries_are(name: str) -> None:
    model = ne.adapt(zoo.seeded(ATTENTION[name]), **SPECIFIED)
    stem, last = model.layers[0], model.layers[-1]
    assert (last.name, last.kind, model.caveats) == ("last", "pooling input", ())
    np.testing.assert_allclose(last.geometry.rows, stem.geometry.rows, atol=1e-3)
    assert last.geometry.step == pytest.approx(stem.geometry.step, abs=1e-3)
    assert last.geometry.origin == pytest.approx(stem.geometry.origin, abs=1e-3)


@pytest.mark.parametrize(
    ("make", "where"),
    [(OnlyMixed, "in 'mix', without"), (lambda: FourierFilter(residual=False), "in the network's forward, without")],
)
def test_a_mixture_alone_has_no_positions(make: Any, where: str) -> None:
    model = ne.adapt(zoo.seeded(make), **SPECIFIED)
    assert [layer.name for layer in model.layers] == ["stem"]
    (caveat,) = model.caveats
    assert caveat.code == CaveatCode.ASSUMED_POSITIONS  # type: ignore[attr-defined]
    assert where in caveat
    with pytest.raises(
        ValueError, match=r"layer 'last' (returns .*, whose axes are not time|cannot be explained: its output)"
    ):
        model.layer("last")


@pytest.mark.parametrize("name", RECURRENT)
def test_a_recurrent_state_lies_at_the_frame_that_it_has_just_seen(name: str) -> None:
    model, net = positive(RECURRENT[name])
    layer = model.layers[-1]
    assert layer.grid == (8, 8, 8)
    assert model.caveats == ()
    for step in range(2, 7):
        influence = influence_on_cell(net, layer, (step, 4, 4), (8, 32, 32), lambda clip: clip).sum((1, 2))
        newest = np.flatnonzero(influence > 1e-6 * influence.max())[-1] - 1  # the stem sees one frame ahead
        if "bidirectional" in name:
            newest = round(median_index(influence))
        assert layer.geometry.rows[step] == pytest.approx(newest, abs=1e-4)
        assert newest == step
    assert max(errors_in_cells(model, layer, net)[1:]) < BOUND


@pytest.mark.parametrize("name", FINAL_STATES)
def test_a_final_state_covers_the_whole_clip_and_says_so(name: str) -> None:
    model, net = positive(FINAL_STATES[name])
    layer = model.layers[-1]
    assert layer.grid == (1, 8, 8)
    assert layer.geometry.rows.tolist() == [3.5]
    influence = influence_on_cell(net, layer, (0, 4, 4), (8, 32, 32), lambda clip: clip).sum((1, 2))
    assert influence.min() > 0  # it has seen all frames
    tubes = ne.SaliencyTubes(layers=(layer.name,))(model, CLIP, 0)
    volume = tubes.volume()
    np.testing.assert_array_equal(volume, np.broadcast_to(volume[:1], volume.shape))
    (caveat,) = [text for text in tubes.provenance.caveats if "cannot tell when" in text]
    assert caveat.code == CaveatCode.ASSUMED_POSITIONS  # type: ignore[attr-defined]
    assert "computed from frames 1 to 8" in caveat
    stem_only = ne.SaliencyTubes(layers=("stem",))(model, CLIP, 0)
    assert not [text for text in stem_only.provenance.caveats if "cannot tell when" in text]


TIES = {"nearest", "pixel shuffle", "transposed, kernel 2", "transposed, kernel 4", "transposed frames, stride 3"}
TIES |= {"transposed time steps"}


@pytest.mark.parametrize("name", UPSAMPLED)
def test_layers_that_make_more_cells_are_placed(name: str) -> None:
    """Where two cells look at the same pixels, both lie half a cell from there, on either side."""
    model, net = positive(UPSAMPLED[name])
    assert model.caveats == ()
    assert model.layers[-1].name == "last"
    assert_cells_lie_where_they_look(model, net, 0.55 if name in TIES else 0.25)


@pytest.mark.parametrize("stride", [1, 2, 3])
@pytest.mark.parametrize("kernel", [1, 2, 3, 4, 5])
@pytest.mark.parametrize("dilation", [1, 2, 3])
def test_cells_of_a_transposed_convolution_lie_between_the_inputs_that_reach_them(
    stride: int, kernel: int, dilation: int
) -> None:
    """Planted ramps: the convolution itself, with equal weights, sums how many inputs reach a cell and where they lie."""
    length = 30
    for padding in range(min(3, dilation * (kernel - 1) + 1)):
        for extra in range(stride):
            options = {"stride": stride, "padding": padding, "output_padding": extra, "dilation": dilation}
            up = nn.ConvTranspose1d(1, 1, kernel, bias=False, **options)
            nn.init.constant_(up.weight, 1.0)
            positions = PositionTensor.for_clip(length, 1, 1, torch.device("cpu"))[:, :1, :, 0, 0]
            ours = up(positions)
            with torch.no_grad():
                count = up(torch.ones(1, 1, length))[0, 0]
                mean = up(torch.arange(length, dtype=torch.float32)[None, None])[0, 0] / count
            assert ours.shape[2:] == count.shape
            middle = slice(len(count) // 3, 2 * len(count) // 3)
            t = ours.positions()[0][0, 0][middle]
            assert torch.allclose(t.diff(), torch.full((len(t) - 1,), 1 / stride), atol=1e-4)
            off = (t - mean[middle])[count[middle] > 0]
            assert off.abs().max() * stride <= dilation * (stride - 1) / 2 + 1e-3
            if int(count[middle].min()) > 0:
                assert abs(off.mean()) * stride < 0.2


def test_a_transposed_convolution_over_time_keeps_the_order_of_frames() -> None:
    model = ne.adapt(zoo.seeded(UpsampledTime), **SPECIFIED)
    rows = model.layers[-1].geometry.rows
    np.testing.assert_allclose(rows, [0, *(np.arange(14) / 2 + 0.25), 7], atol=1e-5)


def test_a_network_that_leaves_torch_says_that_positions_are_lost() -> None:
    class Leaving(Pooled):
        def middle(self, x: torch.Tensor) -> torch.Tensor:
            return torch.zeros(x.shape) + x.sum().item()

    model = ne.adapt(zoo.seeded(Leaving), **SPECIFIED)
    assert [layer.name for layer in model.layers] == ["stem"]
    assert "in the network's forward" in model.caveats[0]


def test_a_buffer_of_the_network_is_not_traced_into() -> None:
    class Memory(Pooled):
        def __init__(self) -> None:
            super().__init__()
            self.register_buffer("memory", torch.zeros(1, 8, 8, 8, 8))

        def middle(self, x: torch.Tensor) -> torch.Tensor:
            self.memory[:, :, :4] = x[:, :, :4]
            return self.memory

    net = zoo.seeded(Memory)
    assert "cannot be followed" in ne.adapt(net, **SPECIFIED).caveats[0]
    assert type(net.memory) is torch.Tensor
    assert not net.memory.any()


def test_repeated_frames_lie_next_to_each_other() -> None:
    class Repeated(Pooled):
        def middle(self, x: torch.Tensor) -> torch.Tensor:
            return x.repeat_interleave(2, 2)

    model = ne.adapt(zoo.seeded(Repeated), **SPECIFIED)
    np.testing.assert_allclose(model.layers[-1].geometry.rows, np.arange(16) / 2 - 0.25, atol=1e-5)
