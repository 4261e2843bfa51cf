"""Contributions of channels to kernels, against what each layer really outputs."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from notebook_explain.methods.feature_pyramid.contributions import (
    approximate_contributions,
    gradient_contributions,
    preactivation_contributions,
)
from notebook_explain.methods.feature_pyramid.layer_records import channel_means, tap_means
from notebook_explain.models.channel_graph import Call, Site


def conv_call(inputs, outputs, kernel, stride, padding, dilation, groups):
    weight = torch.randn(outputs, inputs // groups, *kernel, generator=torch.Generator().manual_seed(1))
    pads = tuple((pad, pad) for pad in padding)
    return Call(Site("", "conv", 0), (), weight, None, stride, pads, dilation, groups)


SHAPES = {
    "plain": (4, 6, (3, 3, 3), (1, 1, 1), (1, 1, 1), (1, 1, 1), 1),
    "strided": (4, 6, (3, 5, 3), (2, 2, 1), (1, 2, 1), (1, 1, 1), 1),
    "dilated": (4, 6, (3, 3, 3), (1, 2, 1), (2, 1, 0), (2, 1, 2), 1),
    "grouped": (8, 4, (3, 3, 3), (1, 2, 2), (1, 1, 1), (1, 1, 1), 4),
    "depthwise": (6, 6, (3, 3, 3), (1, 1, 1), (1, 1, 1), (1, 1, 1), 6),
    "pointwise": (5, 7, (1, 1, 1), (2, 2, 2), (0, 0, 0), (1, 1, 1), 1),
}


@pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES)
def test_preactivation_contributions_add_up_to_the_mean_pre_activation(shape):
    call = conv_call(*shape)
    x = torch.randn(1, shape[0], 6, 9, 8, generator=torch.Generator().manual_seed(2))
    padding = [before for before, _ in call.padding]
    output = torch.conv3d(x, call.weight, None, call.stride, padding, call.dilation, call.groups)
    added = preactivation_contributions(call, tap_means(x, output.shape[2:], call), range(shape[1]))
    torch.testing.assert_close(added.sum(1), output.double().mean((0, 2, 3, 4)), rtol=1e-5, atol=1e-6)
    first_channel = x.clone()
    first_channel[:, 1:] = 0
    output = torch.conv3d(first_channel, call.weight, None, call.stride, padding, call.dilation, call.groups)
    torch.testing.assert_close(added[0, 0], output[:, 0].double().mean(), rtol=1e-5, atol=1e-6)


def test_approximate_contributions_are_exact_for_circular_padding_and_a_stride_of_1():
    call = conv_call(*SHAPES["plain"])
    x = torch.randn(1, 4, 6, 8, 8, generator=torch.Generator().manual_seed(2))
    output = torch.conv3d(nn.functional.pad(x, (1,) * 6, mode="circular"), call.weight)
    added = approximate_contributions(call, channel_means(x, 1), range(6))
    torch.testing.assert_close(added.sum(1), output.double().mean((0, 2, 3, 4)), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("transposed", [False, True])
def test_gradient_contributions_add_up_to_gradient_times_output(transposed):
    g = torch.Generator().manual_seed(3)
    weight = torch.randn(*((8, 3) if transposed else (6, 4)), 3, 3, 3, generator=g)
    call = Call(Site("", "conv", 0), (), weight, None, (2, 2, 2), ((1, 1),) * 3, (1, 1, 1), 2, transposed)
    x = torch.randn(1, 8, 5, 7, 7, generator=g)
    function = torch.conv_transpose3d if transposed else torch.conv3d
    output = function(x, weight, stride=2, padding=1, groups=2)
    gradient = torch.randn(output.shape, generator=g)
    added = gradient_contributions(call, x, gradient, range(6))
    torch.testing.assert_close(added.sum(1), (gradient * output).double().sum((0, 2, 3, 4)), rtol=1e-4, atol=1e-4)
    if transposed:
        added = preactivation_contributions(call, tap_means(x, output.shape[2:], call), range(6))
        torch.testing.assert_close(added.sum(1), output.double().mean((0, 2, 3, 4)), rtol=1e-5, atol=1e-6)
