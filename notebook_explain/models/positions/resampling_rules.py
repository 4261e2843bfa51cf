"""Rules for operations that make more cells: transposed convolutions and interpolation.

Cell ``o`` of a result lies between the input cells that reach it, at the fractional index ``u(o)`` of the input. For a
transposed convolution the middle of the kernel decides, as in a convolution: ``u = (o + padding - dilation * (kernel - 1) / 2)
/ stride``. Cells beyond the first and the last input cell lie there, since they see nothing else.
"""

from __future__ import annotations

from typing import Any

import torch

from notebook_explain.models.positions.extents import narrow
from notebook_explain.models.positions.merging import contract, expanded, with_weight
from notebook_explain.models.positions.position_rules import per_axis
from notebook_explain.models.positions.tensor import PositionTensor, keep_positions, map_fields, rule

_NEAREST = ("nearest", "nearest-exact")


@rule("conv_transpose1d", "conv_transpose2d", "conv_transpose3d")
def _transposed_conv(
    x: PositionTensor,
    weight: torch.Tensor,
    bias: Any = None,
    stride: Any = 1,
    padding: Any = 0,
    output_padding: Any = 0,
    groups: int = 1,
    dilation: Any = 1,
) -> PositionTensor:
    dims = weight.ndim - 2
    if x.ndim != weight.ndim or x.shape[1] != weight.shape[0]:
        raise RuntimeError(
            f"expected input with {weight.shape[0]} channels in {weight.ndim} axes, got the shape {tuple(x.shape)}"
        )
    result = contract(x, with_weights=True)
    options = [per_axis(option, dims) for option in (stride, padding, output_padding, dilation)]
    for k, (s, p, extra, d) in enumerate(zip(*options, strict=True)):
        span = d * (weight.shape[2 + k] - 1)
        length = (x.shape[2 + k] - 1) * s - 2 * p + span + extra + 1
        if length <= 0:
            raise RuntimeError(f"a transposed convolution of the shape {tuple(x.shape)} has no output")
        result = _resampled(result, 2 + k, (torch.arange(length) + p - span / 2) / s)
    return with_weight(expanded(result, (-1, weight.shape[1] * groups, *result.shape[2:])), weight)


@rule("interpolate", "upsample")
def _interpolate(
    input: PositionTensor,
    size: Any = None,
    scale_factor: Any = None,
    mode: str = "nearest",
    align_corners: bool | None = None,
    recompute_scale_factor: bool | None = None,
    antialias: bool = False,
) -> PositionTensor:
    """Sample positions where the values are sampled; nearest values that are repeated lie next to each other."""
    dims = input.ndim - 2
    lengths = input.shape[2:]
    if (size is None) == (scale_factor is None):
        raise ValueError("only one of size and scale_factor must be given")
    scales = None if scale_factor is None else per_axis(scale_factor, dims)
    sizes = per_axis(size, dims) if scales is None else [int(n * s) for n, s in zip(lengths, scales, strict=True)]
    result = keep_positions(input)
    for k, (before, after) in enumerate(zip(lengths, sizes, strict=True)):
        ratio = before / after if scales is None or recompute_scale_factor else 1 / scales[k]
        cells = torch.arange(after, dtype=torch.float64)
        if align_corners:
            index = cells * (before - 1) / max(after - 1, 1)
        elif mode in _NEAREST and after < before:
            index = ((cells + 0.5 * (mode == _NEAREST[1])) * ratio).floor()
        else:
            index = (cells + 0.5) * ratio - 0.5
        result = _resampled(result, 2 + k, index)
    return result


def _resampled(x: PositionTensor, axis: int, index: torch.Tensor) -> PositionTensor:
    """Return the positions at fractional indices along an axis; those outside of it lie at the first and the last cell."""
    length = x.shape[axis]
    if len(index) == length and torch.equal(index, torch.arange(length).to(index)):
        return x
    index = index.clamp(0, length - 1)
    low = index.floor().long()
    high = (low + 1).clamp(max=length - 1)
    device = x.fields[0].device
    share = (index - low).to(device, torch.float32).view([-1 if k == axis else 1 for k in range(x.ndim)])
    low, high = low.to(device), high.to(device)

    def sample(field: torch.Tensor) -> torch.Tensor:
        field = _at_length(field, axis, length)
        ends = (field.index_select(axis, low), field.index_select(axis, high))
        return torch.lerp(*torch.broadcast_tensors(*ends, share)).expand(size)

    size = [len(index) if k == axis else n for k, n in enumerate(x.shape)]
    return PositionTensor.from_fields(map_fields(x, sample), x)


def _at_length(field: torch.Tensor, axis: int, length: int) -> torch.Tensor:
    """Return a field that is narrow along all other axes along which it is expanded."""
    field = narrow(field)
    return field.expand([length if k == axis else n for k, n in enumerate(field.shape)])
