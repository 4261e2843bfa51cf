"""An oracle for geometry: plant a change in the clip, and see which cells of a layer it reaches.

It shares nothing with the code that it checks: weights are made positive, so that nothing cancels, and the gradient of one
cell with respect to the pixels of the clip shows where the cell looks. The cell lies at the median of that gradient along
each axis, which a faint dependence on everything else does not move.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from notebook_explain.models import VideoModel
from notebook_explain.models.layer_trace import tensors
from notebook_explain.models.layers import Layer

CLIPS = 3
_Arrange = Callable[[torch.Tensor], Any]  # (1, 3, time, height, width) in the layout of the network


def with_positive_weights(net: nn.Module) -> nn.Module:
    """Make every weight positive, and every layer an average of its inputs."""
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for name, parameter in net.named_parameters():
            if parameter.ndim < 2:
                parameter.fill_(0.1 if name.endswith("bias") else 1.0)
            else:
                fan_in = parameter[0].numel()
                parameter.copy_((0.5 + torch.rand(parameter.shape, generator=generator)) / fan_in)
        for name, buffer in net.named_buffers():
            if name.endswith("running_mean"):
                buffer.zero_()
    return net


def centre_of_cell(
    net: nn.Module, layer: Layer, cell: tuple[int, int, int], size: tuple[int, int, int], arrange: _Arrange
) -> NDArray[np.float64]:
    """Return the frame, row and column of the clip that one cell of a layer depends on most."""
    influence = influence_on_cell(net, layer, cell, size, arrange)
    return np.array([median_index(influence.sum(tuple(k for k in range(3) if k != axis))) for axis in range(3)])


def influence_on_cell(
    net: nn.Module, layer: Layer, cell: tuple[int, int, int], size: tuple[int, int, int], arrange: _Arrange
) -> NDArray[np.float64]:
    """Return how much each pixel of the clip moves a cell, (time, height, width), up to a factor."""
    assert layer.ref.module is not None
    influence = torch.zeros(size)
    for seed in range(CLIPS):  # max pooling looks elsewhere in each clip
        generator = torch.Generator().manual_seed(seed)
        clip = (0.5 + 0.1 * torch.rand((1, 3, *size), generator=generator)).requires_grad_()
        kept: list[torch.Tensor] = []
        handle = net.get_submodule(layer.ref.module).register_forward_hook(_keep(layer, kept))
        try:
            net(arrange(clip))
        finally:
            handle.remove()
        volume = layer.layout.to_volume(kept[0])
        (gradient,) = torch.autograd.grad(volume[(0, slice(None), *cell)].sum(), clip)
        influence += gradient[0].abs().sum(0)
    return influence.double().numpy()


def _keep(layer: Layer, kept: list[torch.Tensor]) -> Callable[..., None]:
    calls = iter(range(10_000))

    def hook(_: nn.Module, __: Any, output: Any) -> None:
        if next(calls) == layer.ref.call:
            kept.extend(tensor for path, tensor in tensors(output) if path == layer.ref.path)

    return hook


def errors_in_cells(model: VideoModel, layer: Layer, net: nn.Module) -> list[float]:
    """Return how far a layer's middle cell lies from where it looks, in cells, for each axis of the clip."""
    cell = (layer.grid[0] // 2, layer.grid[1] // 2, layer.grid[2] // 2)  # away from padding
    expected = centre_of_cell(net, layer, cell, model.preprocessing.shape, model.preprocessing.arrange)
    errors = []
    for axis in range(3):
        centre, step = _centre(layer, axis, cell[axis])
        errors.append(abs(centre - expected[axis]) / step if layer.grid[axis] > 1 else 0.0)
    return errors


def _centre(layer: Layer, axis: int, index: int) -> tuple[float, float]:
    """Return where the geometry has a cell, and the size of a cell."""
    geometry = layer.geometry
    if axis == 0:
        return float(geometry.rows[index]), float(np.median(np.diff(geometry.rows)))
    return geometry.origin[axis - 1] + index * geometry.step[axis - 1], geometry.step[axis - 1]


def median_index(weights: NDArray[np.float64]) -> float:
    """Return the fractional index that halves the weights; each stands for an interval of length 1."""
    total = np.cumsum(weights) / weights.sum()
    index = int(np.searchsorted(total, 0.5))
    before = total[index - 1] if index else 0.0
    return index - 0.5 + (0.5 - before) / (total[index] - before)
