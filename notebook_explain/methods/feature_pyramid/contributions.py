"""What each channel adds to each kernel of a layer, from means and products small enough to be had in a moment.

Kernel i of a convolution with weights W puts out, before its bias, sum_j W[i, j] * A_j, so that channel j adds ::

    c[i, j] = mean over output positions of (W[i, j] * A_j) = sum over taps of W[i, j, tap] * M[j, tap]

to the mean of its pre-activation, where M[j, tap] is the mean of A_j over those positions that the tap sees. M is one
small product per axis, whatever the stride, padding and dilation, and the sum over j is exact.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from notebook_explain.models.connectivity import Call


def tap_means(read: Tensor, made: Sequence[int], call: Call) -> Tensor:
    """M: the mean of each input channel over the positions that each tap sees; float64 (channel, *kernel).

    Parameters
    ----------
    read : tensor (batch, channel, *positions), or without batch
        What the convolution reads; the mean is over the batch too.
    made : sizes of the output's axes of position
    """
    axes = len(call.kernel)
    # Double precision, so that what is added up is exact to single precision even where things cancel.
    means = read.detach().reshape(-1, *read.shape[-1 - axes :]).to(torch.float64).mean(0)
    for axis, size in enumerate(made):
        seen = _seen(means.shape[1], size, axis, call).to(means)
        means = torch.tensordot(means, seen, ([1], [1])) / size  # the axis goes to the end, as that of the taps
    if call.transposed:
        return means  # each output position sees a tap of only one in `stride` inputs: the mean counts that
    return means


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
    return read.detach().movedim(axis, -1).flatten(0, -2).to(torch.float64).mean(0) if read.ndim > 1 else read.double()


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
    assert call.weight is not None
    places = torch.as_tensor(list(kernels), device=call.weight.device)
    with torch.enable_grad():
        weight = call.weight.detach().clone().requires_grad_()
        if call.kernel:
            made = _convolve(call, read.detach(), weight, gradient.shape[-len(call.kernel) :])
        else:
            made = F.linear(read.detach(), weight)
        (slope,) = torch.autograd.grad(made, weight, gradient)
    product = (slope * weight.detach()).double()
    if call.transposed:
        product = _by_kernel(call, product)
    return product[places].flatten(2).sum(2) if product.ndim > 2 else product[places]


def chosen(call: Call, kernels: Sequence[int]) -> Tensor:
    """Weights of chosen kernels: float64 (kernel, input channel of its group, *taps)."""
    assert call.weight is not None
    weight = call.weight.detach().double()
    weight = _by_kernel(call, weight) if call.transposed else weight
    picked = weight[torch.as_tensor(list(kernels), device=weight.device)]
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


def _convolve(call: Call, read: Tensor, weight: Tensor, made: Sequence[int]) -> Tensor:
    axes = len(call.kernel)
    if call.transposed:
        least = [
            (size - 1) * stride - before - after + dilation * (kernel - 1) + 1
            for size, stride, (before, after), dilation, kernel in zip(
                read.shape[-axes:], call.stride, call.padding, call.dilation, call.kernel, strict=True
            )
        ]
        extra = [got - own for got, own in zip(made, least, strict=True)]
        back = {1: F.conv_transpose1d, 2: F.conv_transpose2d, 3: F.conv_transpose3d}[axes]
        padding = [before for before, _ in call.padding]
        return back(read, weight, None, call.stride, padding, extra, call.groups, call.dilation)
    pads = [side for before, after in reversed(call.padding) for side in (before, after)]
    function = {1: F.conv1d, 2: F.conv2d, 3: F.conv3d}[axes]
    return function(F.pad(read, pads), weight, None, call.stride, 0, call.dilation, call.groups)
