"""Derivatives of SoftPool in operations that torch can differentiate any number of times, in both modes; all windows in memory.

With the weights w_i of the cells a_i, d_i = a_i - m as in ``kernels``, and T the temperature::

    d out / d a_i = w_i (1 + (d_i - mean) / T)        mean = sum_i w_i d_i
    d out / d T   = -sum_i w_i (d_i - mean)^2 / T^2

m is a constant here: none of these depends on it.
"""

from __future__ import annotations

import torch
from torch import Tensor

from notebook_explain.layers.soft_pool.kernels import LOWEST, finite, upcast_half
from notebook_explain.layers.soft_pool.windows import AnyWindows, numbered_cells


def gradients(x: Tensor, temperature: float | Tensor, windows: AnyWindows, gradient: Tensor) -> tuple[Tensor, Tensor]:
    """Return the gradients of input and temperature for a gradient of the result."""
    numbers, dims = numbered_cells(x, windows)
    slopes, of_temperature = _slopes(x, numbers, dims, temperature)
    given = upcast_half(gradient)
    shares = (given[..., None] * slopes).flatten(-numbers.dim())
    flat = numbers.flatten()
    inside = flat >= 0
    empty = torch.zeros_like(upcast_half(x), memory_format=torch.contiguous_format).flatten(-dims)
    back = empty.index_add(-1, flat[inside], shares[..., inside])
    slope = (given * of_temperature).sum()
    if isinstance(temperature, Tensor):
        slope = slope.to(temperature.dtype)
    return back.view(x.shape).to(x.dtype), slope


def tangent(
    x: Tensor,
    temperature: float | Tensor,
    windows: AnyWindows,
    x_tangent: Tensor | None,
    temperature_tangent: Tensor | None,
) -> Tensor:
    """Return the derivative of the result along tangents of input and temperature; at least one is given."""
    numbers, dims = numbered_cells(x, windows)
    slopes, of_temperature = _slopes(x, numbers, dims, temperature)
    out = torch.zeros_like(of_temperature)
    if x_tangent is not None:
        out = out + (slopes * _gather(upcast_half(x_tangent), numbers, dims, 0.0)).sum(-1)
    if temperature_tangent is not None:
        out = out + of_temperature * temperature_tangent
    return out.to(x.dtype)


def _slopes(x: Tensor, numbers: Tensor, dims: int, temperature: float | Tensor) -> tuple[Tensor, Tensor]:
    """Return d out / d cell (..., windows per axis, cells) and d out / d temperature (..., windows per axis)."""
    cells = _gather(upcast_half(x), numbers, dims, -float("inf"))
    largest = cells.amax(-1, keepdim=True).detach()
    ignored = (cells == -float("inf")) | (largest == float("inf")) & (cells < float("inf"))
    # Infinities are replaced before the division: a derivative of 0 times infinity would be NaN.
    d = (cells - finite(largest)).masked_fill(ignored | cells.isinf(), 0.0)
    scaled = (d / temperature).clamp_min(LOWEST).masked_fill(ignored, LOWEST)
    weights = scaled.softmax(-1).masked_fill(largest == -float("inf"), 0.0)
    centred = scaled - (weights * scaled).sum(-1, keepdim=True)
    return weights * (1 + centred), -(weights * centred.square()).sum(-1)


def _gather(x: Tensor, numbers: Tensor, dims: int, fill: float) -> Tensor:
    """Return the cells of all windows (..., windows per axis, cells); ``fill`` outside of the input."""
    cells = x.flatten(-dims).index_select(-1, numbers.clamp_min(0).flatten()).view(*x.shape[:-dims], *numbers.shape)
    return cells.masked_fill(numbers < 0, fill)
