"""Recurrent networks in half, bfloat16 and double precision: they are adapted, and tubes equal an oracle in float64."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

import notebook_explain as ne
from notebook_explain.models import shadow
from notebook_explain.models.positions.tensor import PositionTensor
from tests import zoo
from tests.zoo import layout_nets, recurrent

FEATURES, HIDDEN = layout_nets.WIDTH, 10
# A part of the largest value: rounding of a few layers.
TOLERANCE = {torch.float64: 1e-6, torch.float32: 1e-5, torch.float16: 1e-2, torch.bfloat16: 8e-2}
STATED: dict[str, Any] = {"size": 32, "frames": 8, "mean": 0.5, "std": 0.25, "layout": "BTCHW"}


class CNNThenRNN(nn.Module):
    """A recurrent layer over the features of frames, or over their pixels."""

    def __init__(
        self, kind: type[nn.RNNBase] = nn.LSTM, *, packed: bool = False, pixels: bool = False, **options: Any
    ) -> None:
        super().__init__()
        # Smooth, because rounding may open or close a ReLU.
        self.cnn = nn.Sequential(nn.Conv2d(3, 8, 3, 2, 1), nn.SiLU(), nn.Conv2d(8, FEATURES, 3, 2, 1), nn.SiLU())
        self.reduce = nn.Conv3d(3, 3, (1, 8, 8), (1, 8, 8))
        self.packed, self.pixels = packed, pixels
        self.rnn = kind(3 * 16 if pixels else FEATURES, HIDDEN, batch_first=True, **options)
        width = options.get("proj_size") or HIDDEN
        self.fc = nn.Linear(width * (1 + options.get("bidirectional", False)), 5)

    def steps(self, x: Tensor) -> Tensor:
        if self.pixels:
            return self.reduce(x.transpose(1, 2)).transpose(1, 2).flatten(2)
        return self.cnn(x.flatten(0, 1)).mean((2, 3)).view(*x.shape[:2], -1)

    def forward(self, x: Tensor) -> Tensor:
        steps = self.steps(x)
        if self.packed:
            steps = pack_padded_sequence(steps, torch.full((len(x),), x.shape[1]), batch_first=True)
        states = self.rnn(steps)[0]
        return self.fc((pad_packed_sequence(states, batch_first=True)[0] if self.packed else states)[:, -1])


class StatedStates(CNNThenRNN):
    """Passes its own first states, in the precision of the clip, and writes the outputs into a buffer."""

    def forward(self, x: Tensor) -> Tensor:
        steps = self.steps(x)
        first = torch.zeros(1, len(x), HIDDEN, dtype=x.dtype, device=x.device)
        states = torch.zeros(len(x), x.shape[1], HIDDEN, dtype=steps.dtype)
        states[:, :] = self.rnn(steps, (first, first.clone()))[0]
        return self.fc(states.mean(1))


class Cells(CNNThenRNN):
    """Steps of an LSTM cell in a loop."""

    def __init__(self) -> None:
        super().__init__()
        self.rnn = nn.LSTMCell(FEATURES, HIDDEN)  # type: ignore[assignment]

    def forward(self, x: Tensor) -> Tensor:
        state = None
        for step in self.steps(x).unbind(1):
            state = self.rnn(step, state)
        assert state is not None
        return self.fc(state[0])


class MixedPrecision(CNNThenRNN):
    """The recurrent layer stays in float32, and its input and output are converted."""

    def forward(self, x: Tensor) -> Tensor:
        states = self.rnn(self.steps(x).float())[0]
        return self.fc(states[:, -1].to(self.fc.weight.dtype))


class ChecksDtype(CNNThenRNN):
    """Refuses a clip in another precision than its weights, as some layers do."""

    def forward(self, x: Tensor) -> Tensor:
        if x.dtype != self.fc.weight.dtype:
            raise TypeError(f"got {x.dtype}")
        return super().forward(x)


NETS: dict[str, Callable[[], nn.Module]] = {
    "cnn and lstm": CNNThenRNN,
    "cnn and gru": partial(CNNThenRNN, nn.GRU),
    "cnn and rnn": partial(CNNThenRNN, nn.RNN),
    "cnn and rnn, relu": partial(CNNThenRNN, nn.RNN, nonlinearity="relu"),
    "lstm over pixels": partial(CNNThenRNN, pixels=True),
    "lstm with projections": partial(CNNThenRNN, proj_size=6),
    "bidirectional lstm of two layers": partial(CNNThenRNN, bidirectional=True, num_layers=2),
    "bidirectional gru": partial(CNNThenRNN, nn.GRU, bidirectional=True),
    "packed lstm": partial(CNNThenRNN, packed=True),
    "packed gru": partial(CNNThenRNN, nn.GRU, packed=True),
    "first states": StatedStates,
    "cells": Cells,
    "checks its dtype": ChecksDtype,
}


def _first_convolution(net: nn.Module) -> str:
    return "reduce" if getattr(net, "pixels", False) else "cnn.0"


def _oracle(make: Callable[[], nn.Module], clip: np.ndarray, dtype: torch.dtype) -> np.ndarray:
    """Return gradient times activation of class 2 in float64, for weights rounded to a precision."""
    net = zoo.seeded(make).to(dtype).double()
    video = ((torch.from_numpy(clip).permute(0, 3, 1, 2)[None].double() / 255 - 0.5) / 0.25).to(dtype).double()
    kept: list[Tensor] = []

    def keep(_: nn.Module, __: Any, output: Tensor) -> None:
        output.retain_grad()
        kept.append(output)

    net.get_submodule(_first_convolution(net)).register_forward_hook(keep)
    net(video)[0, 2].backward()
    product = (kept[0].grad * kept[0]).detach()  # type: ignore[operator]  # retained
    product = product.sum(1)[0] if product.ndim == 5 else product.sum(1)
    return (product * product.numel()).numpy()


@pytest.mark.filterwarnings("ignore:LSTM with projections is not supported with oneDNN")
@pytest.mark.parametrize("dtype", TOLERANCE, ids=str)
@pytest.mark.parametrize("name", NETS)
def test_tubes_equal_gradients_in_float64(name: str, dtype: torch.dtype) -> None:
    net, clip = zoo.seeded(NETS[name]).to(dtype), zoo.random_clip(8, 32)
    layer = _first_convolution(net)
    tubes = ne.SaliencyTubes(layers=(layer,))(ne.adapt(net, **STATED), clip, 2)
    expected = _oracle(NETS[name], clip, dtype)
    assert tubes.layers[0].grid == expected.shape
    np.testing.assert_allclose(
        tubes.layers[0].values[0], expected, atol=TOLERANCE[dtype] * float(np.abs(expected).max()), rtol=0
    )
    assert next(net.parameters()).dtype is dtype


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64], ids=str)
def test_precision_follows_conversions_within_the_network(dtype: torch.dtype) -> None:
    net = zoo.seeded(MixedPrecision).to(dtype)
    net.rnn.float()
    model = ne.adapt(net, **STATED)
    assert model.layer_trace is not None
    tubes = ne.SaliencyTubes()(model, zoo.random_clip(8, 32), 2)
    assert np.isfinite(tubes.layers[0].values).all()


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64], ids=str)
@pytest.mark.parametrize("name", recurrent.RECURRENT)
def test_positions_are_the_same_in_every_precision(name: str, dtype: torch.dtype) -> None:
    if name == "convgru, states in a buffer" and dtype is not torch.float64:
        pytest.skip("its buffers are in float32")
    stated = {**STATED, "layout": "BCTHW"}
    models = [ne.adapt(zoo.seeded(recurrent.RECURRENT[name]).to(kind), **stated) for kind in (torch.float32, dtype)]
    grids = [[(layer.name, layer.grid, layer.geometry.rows.tolist()) for layer in model.layers] for model in models]
    assert grids[0] == grids[1]
    assert models[1].layer_trace is not None


def test_a_position_tensor_has_the_precision_of_what_made_it() -> None:
    x = PositionTensor.for_clip(2, 4, 4, torch.device("cpu"), torch.float16)
    assert x.dtype is torch.float16
    assert x.double().dtype is (x + 1).to(torch.float64).dtype is torch.float64
    assert x.bfloat16().relu().dtype is torch.bfloat16
    assert x.float().type_as(x).half().transpose(1, 2).dtype is torch.float16
    assert x.to("cpu").dtype is x.to(torch.zeros(1, dtype=torch.int64)).dtype is torch.float16
    weight = torch.zeros(3, 3, 1, 1, 1, dtype=torch.bfloat16)
    assert torch.nn.functional.conv3d(x, weight).dtype is torch.bfloat16
    assert {field.dtype for field in x.double().fields} == {torch.float32}


def test_recurrent_layers_on_cuda_run_without_dropout_in_the_mode_in_which_they_have_gradients(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    net = zoo.seeded(partial(CNNThenRNN, num_layers=2, dropout=0.5))
    clip = zoo.random_clip(8, 32)
    expected = ne.SaliencyTubes()(ne.adapt(net, **STATED), clip, 2)
    monkeypatch.setattr(shadow, "_is_on_cuda", lambda module: True)
    copied = shadow.shadow_of(net)
    assert copied.rnn.training
    assert not copied.training
    found = ne.SaliencyTubes()(ne.adapt(net, **STATED), clip, 2)
    np.testing.assert_allclose(found.layers[-1].values, expected.layers[-1].values, rtol=1e-5, atol=1e-6)
    assert (net.rnn.dropout, net.rnn.training) == (0.5, False)
