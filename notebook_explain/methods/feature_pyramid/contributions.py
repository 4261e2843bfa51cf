"""Step 3 of a pyramid: what each channel that is read adds to each chosen unit of a layer.

Kernel i of a convolution with weights W outputs, before its bias, sum_j W[i, j] * A_j. Channel j therefore adds ::

    c[i, j] = mean over output positions of (W[i, j] * A_j) = sum over taps of W[i, j, tap] * M[j, tap]

to the mean of its pre-activation, where M[j, tap] is the mean of A_j over the positions that the tap sees (``tap_means``).
M is one small product per axis, whatever the stride, padding and dilation, and the sum over j is exact.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import grad

from notebook_explain.methods.feature_pyramid.layer_records import LayerKey, LayerRecords
from notebook_explain.methods.feature_pyramid.operands import Operand, operands_of
from notebook_explain.models.channel_graph import Call, ChannelGraph

PRODUCT, GRADIENT, PREACTIVATION, APPROXIMATE = CONTRIBUTIONS = (
    *("gradient_x_activation", "gradient"),
    *("preactivation", "preactivation_approximate"),
)
FIRST_ORDER = (PRODUCT, GRADIENT)  # contributions to the class score; the others are to the unit right above
OLD_NAMES = {"exact": PREACTIVATION, "fast": APPROXIMATE}  # of version 0.2


@dataclass(frozen=True, eq=False)
class OperandContributions:
    """An operand of some units, and what each of its channels adds to each unit: float64 (unit, channel read)."""

    operand: Operand
    added: NDArray[np.float64]


def contributions(
    kind: str, graph: ChannelGraph, records: LayerRecords, layer: LayerKey, channels: list[int]
) -> list[OperandContributions]:
    """Return what chosen units of a layer or sum read, and what it adds to them.

    Parameters
    ----------
    kind : str
        One of ``CONTRIBUTIONS``. The contributions of channels are the same for both kinds of first order.
    graph : ChannelGraph
    records : LayerRecords
        With gradients or tap means where the kind needs them.
    layer : LayerKey
    channels : list of int
        Kernels of the layer, or channels of the sum.

    Returns
    -------
    list of OperandContributions
        One for each operand; empty where the records lack the layer.
    """
    operands = operands_of(graph, records, layer, channels)
    if not operands or (kind in FIRST_ORDER and layer not in records.gradients):
        return []
    # The caller's mode may differ from step to step of a stream.
    with torch.inference_mode(False), torch.no_grad():
        if layer[0] == "sum":
            added = _to_sum(kind, graph.sums[layer[1]].axis, records, layer, operands)
        else:
            added = [_to_kernels(kind, records, layer, channels).cpu().numpy()]
    return [OperandContributions(operand, values) for operand, values in zip(operands, added, strict=True)]


def _to_kernels(kind: str, records: LayerRecords, layer: LayerKey, kernels: Sequence[int]) -> Tensor:
    call = records.calls[layer]
    if kind in FIRST_ORDER:
        return gradient_contributions(call, records.inputs[layer][0], records.gradients[layer], kernels)
    if kind == APPROXIMATE:
        return approximate_contributions(call, records.channel_means[layer][0], kernels)
    return preactivation_contributions(call, records.tap_means[layer], kernels)


def _to_sum(
    kind: str, axis: int, records: LayerRecords, layer: LayerKey, operands: list[Operand]
) -> list[NDArray[np.float64]]:
    """Return what each term adds to the same channel of the sum, (unit, 1)."""
    values = [operand.channel_means for operand in operands]
    if kind in FIRST_ORDER:
        products = (records.gradients[layer] * term for term in records.inputs[layer])
        values = [
            product.movedim(axis, -1).flatten(0, -2).sum(0, dtype=torch.float64).cpu().numpy() for product in products
        ]
    return [operand.sign * value[operand.first][:, None] for operand, value in zip(operands, values, strict=True)]


def preactivation_contributions(call: Call, means: Tensor, kernels: Sequence[int]) -> Tensor:
    """Return what each channel adds to the mean pre-activation of chosen kernels.

    Parameters
    ----------
    call : Call
        Call of a convolution or linear layer.
    means : tensor
        ``tap_means`` of a convolution, ``channel_means`` of a linear layer.
    kernels : sequence of int

    Returns
    -------
    float64 tensor (kernel, input channel of its group)
    """
    weight, means_read = weights_of(call, kernels), _means_read(call, means, kernels)
    return (weight * means_read).flatten(2).sum(2)


def approximate_contributions(call: Call, means: Tensor, kernels: Sequence[int]) -> Tensor:
    """Return `preactivation_contributions` computed from ``channel_means``, as if each tap saw the whole map.

    Exact for circular padding and a stride of 1.
    """
    summed = weights_of(call, kernels).flatten(2).sum(2)
    return summed * _means_read(call, means, kernels).reshape(summed.shape)


def gradient_contributions(call: Call, x: Tensor, gradient: Tensor, kernels: Sequence[int]) -> Tensor:
    """Return what each channel adds to the class score through chosen kernels, to first order.

    This is the gradient of the score with respect to W[i, j], times W[i, j], summed over taps; pairs of channel and
    kernel need no computation of their own.

    Parameters
    ----------
    call : Call
    x : tensor
        Input of the layer.
    gradient : tensor
        Gradient of the score with respect to the layer's output.
    kernels : sequence of int

    Returns
    -------
    float64 tensor (kernel, input channel of its group)
    """
    weight = weights_of(call, kernels)
    indices = torch.as_tensor(list(kernels), device=weight.device)
    if not call.kernel:
        slope = gradient[..., indices].reshape(-1, len(indices)).T @ x.detach().reshape(-1, x.shape[-1])
        return slope.double() * weight[..., 0]
    if call.groups == 1 and not call.transposed:
        slope = _weight_gradient(call, x, gradient.index_select(-1 - len(call.kernel), indices))
        return (slope * weight).flatten(2).sum(2)
    slope = _weight_gradient(call, x, gradient)
    slope = _by_kernel(call, slope) if call.transposed else slope
    return (slope[indices] * weight).flatten(2).sum(2)


def _weight_gradient(call: Call, x: Tensor, gradient: Tensor) -> Tensor:
    """Return the gradient of the score with respect to the weights, for as many kernels as ``gradient`` has; float64."""
    assert call.weight is not None
    axes = len(call.kernel)
    function: Any = {1: grad.conv1d_weight, 2: grad.conv2d_weight, 3: grad.conv3d_weight}[axes]
    x, gradient = (part.detach().reshape(-1, *part.shape[-1 - axes :]) for part in (x, gradient))
    if call.transposed:  # a convolution from output to input
        padding = [before for before, _ in call.padding]
        shape: Sequence[int] = call.weight.shape
        slope: Tensor = function(gradient, shape, x, call.stride, padding, call.dilation, call.groups)
        return slope.double()
    pads = [side for before, after in reversed(call.padding) for side in (before, after)]
    is_symmetric = all(before == after for before, after in call.padding)
    padding = [before if is_symmetric else 0 for before, _ in call.padding]
    shape = (gradient.shape[1], *call.weight.shape[1:])
    x = x if is_symmetric else F.pad(x, pads)
    slope = function(x, shape, gradient, call.stride, padding, call.dilation, call.groups)
    return slope.double()


def weights_of(call: Call, kernels: Sequence[int]) -> Tensor:
    """Return the weights of chosen kernels: float64 (kernel, input channel of its group, *taps)."""
    assert call.weight is not None
    weight = _by_kernel(call, call.weight.detach()) if call.transposed else call.weight.detach()
    selected = weight[torch.as_tensor(list(kernels), device=weight.device)].double()
    return selected if call.kernel else selected[..., None]


def _by_kernel(call: Call, weight: Tensor) -> Tensor:
    """Reorder the weights of a transposed convolution, (in, out / groups, ...), to (out, in / groups, ...)."""
    grouped = weight.reshape(call.groups, weight.shape[0] // call.groups, *weight.shape[1:])
    return grouped.transpose(1, 2).reshape(-1, weight.shape[0] // call.groups, *weight.shape[2:])


def _means_read(call: Call, means: Tensor, kernels: Sequence[int]) -> Tensor:
    """Return the means of the channels that each kernel reads: (kernel, input channel of its group, *taps)."""
    grouped = means.reshape(call.groups, -1, *means.shape[1:])
    groups = torch.as_tensor(list(kernels), device=means.device) // (call.out_channels // call.groups)
    selected = grouped[groups]
    return selected if call.kernel else selected[..., None]
