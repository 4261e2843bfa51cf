"""What each channel adds to each kernel of a layer, from means and products small enough to be had in a moment.

Kernel i of a convolution with weights W puts out, before its bias, sum_j W[i, j] * A_j, so that channel j adds ::

    c[i, j] = mean over output positions of (W[i, j] * A_j) = sum over taps of W[i, j, tap] * M[j, tap]

to the mean of its pre-activation, where M[j, tap] is the mean of A_j over those positions that the tap sees. M is one
small product per axis, whatever the stride, padding and dilation, and the sum over j is exact.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.nn import grad

from notebook_explain.models.channel_graph import Call


def tap_means(read: Tensor, made: Sequence[int], call: Call) -> Tensor:
    """M: the mean of each input channel over the positions that each tap sees; float64 (channel, *kernel).

    Parameters
    ----------
    read : tensor (batch, channel, *positions), or without batch
        What the convolution reads; the mean is over the batch too.
    made : sizes of the output's axes of position
    """
    axes = len(call.kernel)
    seen = [_seen(read.shape[axis - axes], size, axis, call).to(read.device) for axis, size in enumerate(made)]
    # Along the last axis in single precision, in which all of it lies: only there would a copy cost time. The rest in
    # double precision, so that what is added up is exact to single precision even where things cancel.
    fine = read.detach() if read.dtype == torch.float64 else read.detach().float()
    along = fine.reshape(-1, read.shape[-1]) @ seen[-1].to(fine.dtype).T / made[-1]
    means = along.reshape(-1, *read.shape[-1 - axes : -1], seen[-1].shape[0]).double().mean(0)
    for each, size in zip(seen[:-1], made, strict=False):  # the axis goes to the end, as that of the taps
        means = torch.tensordot(means, each.double(), ([1], [1])) / size
    # Each tap of a transposed convolution sees one position in `stride`: the mean counts that.
    return means.movedim(1, -1)


def _seen(length: int, made: int, axis: int, call: Call) -> Tensor:
    """How often each tap of one axis sees each position: (tap, position), 0 or 1."""
    stride, dilation, before = call.stride[axis], call.dilation[axis], call.padding[axis][0]
    taps = torch.arange(call.kernel[axis])[:, None] * dilation
    if call.transposed:
        lands = torch.arange(length)[None] * stride + taps - before
        return ((lands >= 0) & (lands < made)).float()
    looks = torch.arange(made)[None] * stride + taps - before
    inside = (looks >= 0) & (looks < length)
    seen = torch.zeros(len(taps), length)
    return seen.scatter_add_(1, looks.clamp(0, length - 1), inside.float())


def channel_means(read: Tensor, axis: int) -> Tensor:
    """The mean of each channel over everything else: float64 (channel,)."""
    fine = read.detach() if read.dtype == torch.float64 else read.detach().float()
    others = [at for at in range(read.ndim) if at != axis % read.ndim]
    return (fine.mean(others) if others else fine).double()


def exact(call: Call, means: Tensor, kernels: Sequence[int]) -> Tensor:
    """What each channel adds to the mean pre-activation of chosen kernels: float64 (kernel, input channel of its group).

    `means` are ``tap_means`` of a convolution, ``channel_means`` of a linear layer.
    """
    weight, seen = chosen(call, kernels), _own(call, means, kernels)
    return (weight * seen).flatten(2).sum(2)


def fast(call: Call, means: Tensor, kernels: Sequence[int]) -> Tensor:
    """The same from ``channel_means``, as if every tap saw all of the map: exact for circular padding and a stride of 1."""
    taps = chosen(call, kernels).flatten(2).sum(2)
    return taps * _own(call, means, kernels).reshape(taps.shape)


def by_gradient(call: Call, read: Tensor, gradient: Tensor, kernels: Sequence[int]) -> Tensor:
    """What each channel adds to the class's score by way of chosen kernels, to first order: as ``exact``.

    The gradient of the score by W[i, j], times W[i, j], summed over taps: no pair is computed one by one.
    """
    weight = chosen(call, kernels)
    places = torch.as_tensor(list(kernels), device=weight.device)
    if not call.kernel:
        slope = gradient[..., places].reshape(-1, len(places)).T @ read.detach().reshape(-1, read.shape[-1])
        return slope.double() * weight[..., 0]
    if call.groups == 1 and not call.transposed:
        return (
            (_weight_gradient(call, read, gradient.index_select(-1 - len(call.kernel), places)) * weight)
            .flatten(2)
            .sum(2)
        )
    slope = _weight_gradient(call, read, gradient)
    slope = _by_kernel(call, slope) if call.transposed else slope
    return (slope[places] * weight).flatten(2).sum(2)


def _weight_gradient(call: Call, read: Tensor, gradient: Tensor) -> Tensor:
    """Of the score by the weights, in their shape but for as many kernels as there are gradients: float64."""
    assert call.weight is not None
    axes = len(call.kernel)
    function: Any = {1: grad.conv1d_weight, 2: grad.conv2d_weight, 3: grad.conv3d_weight}[axes]
    read, gradient = (part.detach().reshape(-1, *part.shape[-1 - axes :]) for part in (read, gradient))
    if call.transposed:  # it is the other one turned round
        padding = [before for before, _ in call.padding]
        shape: Sequence[int] = call.weight.shape
        slope: Tensor = function(gradient, shape, read, call.stride, padding, call.dilation, call.groups)
        return slope.double()
    pads = [side for before, after in reversed(call.padding) for side in (before, after)]
    even = all(before == after for before, after in call.padding)
    padding = [before if even else 0 for before, _ in call.padding]
    shape = (gradient.shape[1], *call.weight.shape[1:])
    read = read if even else F.pad(read, pads)
    slope = function(read, shape, gradient, call.stride, padding, call.dilation, call.groups)
    return slope.double()


def chosen(call: Call, kernels: Sequence[int]) -> Tensor:
    """Weights of chosen kernels: float64 (kernel, input channel of its group, *taps)."""
    assert call.weight is not None
    weight = _by_kernel(call, call.weight.detach()) if call.transposed else call.weight.detach()
    picked = weight[torch.as_tensor(list(kernels), device=weight.device)].double()
    return picked if call.kernel else picked[..., None]


def _by_kernel(call: Call, weight: Tensor) -> Tensor:
    """Weights of a transposed convolution, (in, out / groups, ...), as (out, in / groups, ...)."""
    grouped = weight.reshape(call.groups, weight.shape[0] // call.groups, *weight.shape[1:])
    return grouped.transpose(1, 2).reshape(-1, weight.shape[0] // call.groups, *weight.shape[2:])


def _own(call: Call, means: Tensor, kernels: Sequence[int]) -> Tensor:
    """The means of the channels that each kernel's group reads: (kernel, input channel of its group, *taps)."""
    assert call.weight is not None
    outputs = call.weight.shape[1] * call.groups if call.transposed else call.weight.shape[0]
    grouped = means.reshape(call.groups, -1, *means.shape[1:])
    groups = torch.as_tensor(list(kernels), device=means.device) // (outputs // call.groups)
    own = grouped[groups]
    return own if call.kernel else own[..., None]
