"""Layouts and geometry measured by positions, compared with the constants of the networks."""

from __future__ import annotations

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn

import notebook_explain as ne
from notebook_explain.models.layer_trace import trace_layers
from notebook_explain.models.layers import named_layer
from notebook_explain.models.preprocessing import Preprocessing
from notebook_explain.models.video_model import position_input
from tests import zoo
from tests.models.test_adapt import EXPLAINABLE, adapted, clip_for


class Emits(nn.Module):
    """A network whose only block returns its volume in another layout."""

    def __init__(self, layout: str) -> None:
        super().__init__()
        self.stem = nn.Conv3d(3, 6, 3, stride=2, padding=1)
        self.out, self.layout = nn.Identity(), layout
        self.token = nn.Parameter(torch.randn(1, 1, 6))
        self.head = nn.Linear(6, 4)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        volume = self.stem(x)
        b, c, t, h, w = volume.shape
        if self.layout == "channels last":
            return self.head(self.out(volume.permute(0, 2, 3, 4, 1)).mean((1, 2, 3)))
        if self.layout == "frames in batch":
            frames = self.out(volume.transpose(1, 2).reshape(b * t, c, h, w))
            return self.head(frames.mean((2, 3))).view(b, t, -1).mean(1)
        if self.layout == "tokens, space first":  # width, then height, then time: reshape(t, h, w) would be wrong
            return self.head(self.out(volume.permute(0, 4, 3, 2, 1).reshape(b, -1, c)).mean(1))
        if self.layout == "tokens with a class token":
            tokens = torch.cat([self.token.expand(b, -1, -1), volume.flatten(2).transpose(1, 2)], 1)
            return self.head(self.out(tokens)[:, 1:].mean(1))
        return self.head(self.out(volume).mean((2, 3, 4)))


LAYOUTS = ["plain", "channels last", "frames in batch", "tokens, space first", "tokens with a class token"]


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("batch", [1, 2])
def test_from_volume_is_the_inverse_of_to_volume(layout: str, batch: int) -> None:
    net = Emits(layout).eval()
    layer = named_layer(_trace(net, 8, 12), "out")
    kept = {}
    net.out.register_forward_hook(lambda *args: kept.update(out=args[2]))
    x = torch.randn(batch, 3, 8, 12, 12)
    net(x)
    truth = net.stem(x)
    volume = layer.layout.to_volume(kept["out"])
    torch.testing.assert_close(volume, truth)
    torch.testing.assert_close(layer.layout.from_volume(volume, kept["out"]), kept["out"])
    changed = layer.layout.to_volume(layer.layout.from_volume(2 * volume, kept["out"]))
    torch.testing.assert_close(changed, 2 * truth)


def _trace(net: nn.Module, frames: int, size: int):
    p = Preprocessing(size, frames, (0.5,) * 3, (0.5,) * 3, "BCTHW")
    return trace_layers(net, position_input(p, torch.device("cpu")), (frames, size, size))


@pytest.mark.parametrize("name", EXPLAINABLE)
def test_every_layer_converts_to_a_volume_and_back(name: str) -> None:
    model = adapted(name)

    def compute(recording):
        for layer in recording.layers:
            output = recording.outputs[layer.ref].detach()
            volume = layer.layout.to_volume(output)
            assert volume.shape[2:] == torch.Size(layer.grid)
            torch.testing.assert_close(layer.layout.from_volume(volume, output), output)
        return len(recording.layers)

    fitted = model.fit(ne.Clip(clip_for(name)))
    assert model.run(fitted, model.layers, compute)[0] == len(model.layers)


def test_an_output_of_another_size_is_refused() -> None:
    layer = adapted("residual").layers[0]
    with pytest.raises(
        ValueError, match=r"this layer returned \(1, 8, 4, 4, 4\), but .*; pass size= or frames= to adapt\(\)$"
    ):
        layer.layout.to_volume(torch.zeros(1, 8, 4, 4, 4))


def _gradient_centre(
    net: nn.Module, module: nn.Module, cell: tuple[int, int, int], shape: tuple[int, ...]
) -> np.ndarray:
    """Return the centre of a cell's receptive field from the bounding box of its gradient, independent of positions."""
    kept = {}
    handle = module.register_forward_hook(lambda *args: kept.update(out=args[2]))
    x = torch.rand(shape, requires_grad=True)
    net(x)
    handle.remove()
    (gradient,) = torch.autograd.grad(kept["out"][(0, slice(None), *cell)].sum(), x)
    seen = gradient[0].abs().sum(0) > 0
    axes = [torch.nonzero(seen.any(tuple(k for k in range(3) if k != axis))).flatten() for axis in range(3)]
    return np.array([float(axis[0] + axis[-1]) / 2 for axis in axes])


def test_cells_lie_at_the_centres_of_their_receptive_fields() -> None:
    class Odd(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.a = nn.Conv3d(3, 4, (3, 5, 4), stride=(1, 2, 2), padding=(0, 2, 1))
            self.pool = nn.AvgPool3d((2, 2, 2), stride=(2, 2, 2))
            self.b = nn.Conv3d(4, 5, 3, dilation=(1, 2, 1), padding=(1, 2, 1))
            self.head = nn.Linear(5, 3)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.head(self.b(self.pool(self.a(x[:, :, 2:]))).mean((2, 3, 4)))

    net = Odd().eval()
    trace = _trace(net, 20, 60)
    for name in ("a", "pool", "b"):
        geometry, grid = named_layer(trace, name).geometry, named_layer(trace, name).grid
        cell = tuple(n // 2 for n in grid)
        ours = [geometry.rows[cell[0]], *(geometry.origin[k] + geometry.step[k] * cell[k + 1] for k in (0, 1))]
        np.testing.assert_allclose(ours, _gradient_centre(net, getattr(net, name), cell, (1, 3, 20, 60, 60)), atol=1e-3)


def test_dropped_frames_slow_pathways_and_causal_padding_have_correct_times() -> None:
    assert adapted("dropped_frames").layers[0].geometry.rows.tolist() == [0, 2, 4, 6]
    slow, fast = (layer.geometry.rows for layer in adapted("slowfast").layers[-2:])
    assert len(slow) == 4
    assert fast.tolist() == list(range(16))
    assert np.all(np.diff(slow) > 3)
    causal = adapted("causal").layers[0].geometry.rows
    assert causal[0] < 0
    assert np.all(np.diff(causal) == 1)


def test_a_tube_is_largest_where_the_detector_fired() -> None:
    """A matched filter and a pooled head: the maximum of the tube is at the planted position."""

    class Detector(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv = nn.Conv3d(3, 1, (3, 5, 5), stride=(2, 2, 2), padding=(1, 2, 2), bias=False)
            nn.init.constant_(self.conv.weight, 1 / 75)
            self.head = nn.Linear(1, 1)
            nn.init.constant_(self.head.weight, 1.0)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.head(F.relu(self.conv(x) - 0.5).mean((2, 3, 4)))

    frames = np.zeros((16, 32, 32, 3), np.uint8)
    frames[8:11, 18:23, 6:11] = 255
    tubes = ne.explain(Detector(), frames, 0, size=32, frames=16, mean=0.0, std=1.0, layout="BCTHW")
    volume = tubes.volume("conv")
    t, y, x = np.unravel_index(volume.argmax(), volume.shape)
    assert abs(t - 9) <= 1
    assert abs(y - 20) <= 1
    assert abs(x - 8) <= 1


def test_a_network_without_measured_positions_runs_with_a_caveat() -> None:
    class Opaque(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.net = zoo.ZOO["residual"].make()

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            if type(x) is not torch.Tensor:
                raise TypeError("only plain tensors")
            return self.net(x)

    model = ne.adapt(Opaque(), size=32, frames=8, mean=zoo.MEAN, std=zoo.STD, layout="BCTHW")
    assert "could not be measured" in model.caveats[0]
    tubes = ne.SaliencyTubes()(model, clip_for("residual"))
    assert tubes.volume().shape == (8, 32, 32)
    assert any("could not be measured" in caveat for caveat in tubes.provenance.caveats)


def test_plain_tensors_cast_like_activations_stay_plain() -> None:
    class Positions(Emits):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            tokens = self.stem(x).flatten(2).transpose(1, 2)
            positions = torch.linspace(0, 1, tokens.shape[1]).type_as(tokens)[None, :, None]
            return self.head(self.out(tokens + positions.to(tokens)).mean(1))

    layer = named_layer(_trace(Positions("plain").eval(), 8, 12), "out")
    assert layer.grid == (4, 6, 6)
    assert layer.geometry.rows.tolist() == [0, 2, 4, 6]
