"""Attention calls are found in every form; fused ones are recomputed as torch computes them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from notebook_explain.models.attention.attention_calls import AttentionRecorder, attention_weights
from tests import zoo
from tests.zoo.attention_nets import HEADS, WIDTH, JointTransformer, SelfAttention


def tensors(seed: int = 0, heads: int = 4, key_heads: int = 4) -> tuple[Tensor, Tensor, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    q, k, v = (
        torch.randn(2, count, length, 8, generator=generator)
        for count, length in ((heads, 5), (key_heads, 7), (key_heads, 7))
    )
    return q.requires_grad_(), k, v


MASK = torch.rand(2, 1, 5, 7, generator=torch.Generator().manual_seed(1)) > 0.4
OPTIONS: dict[str, dict[str, Any]] = {
    "plain": {},
    "scale": {"scale": 0.7},
    "boolean mask": {"attn_mask": MASK},
    "float mask": {"attn_mask": torch.randn(5, 7, generator=torch.Generator().manual_seed(2))},
    "causal": {"is_causal": True},
    "a row without keys": {"attn_mask": torch.arange(5)[:, None].expand(5, 7) != 2},
    "grouped queries": {"enable_gqa": True},
}


class Function(nn.Module):
    """A module that calls a function."""

    def __init__(self, function: Callable[..., Tensor]) -> None:
        super().__init__()
        self.function = function

    def forward(self, *args: Tensor) -> Tensor:
        return self.function(*args)


def recorded(function: Callable[..., Tensor], *args: Tensor) -> tuple[Tensor, AttentionRecorder]:
    module, recorder = Function(function), AttentionRecorder()
    with recorder.watch(module):
        result = module(*args)
    return result, recorder


@pytest.mark.parametrize("options", OPTIONS.values(), ids=OPTIONS)
def test_fused_attention_is_recomputed_with_its_probabilities_in_the_graph(options: dict[str, Any]) -> None:
    q, k, v = tensors(key_heads=2 if "enable_gqa" in options else 4)
    expected = F.scaled_dot_product_attention(q, k, v, **options)
    result, recorder = recorded(lambda *args: F.scaled_dot_product_attention(*args, **options), q, k, v)
    torch.testing.assert_close(result, expected, atol=1e-5, rtol=1e-5)
    (call,) = recorder.calls
    assert call.weights.shape == (2, 4, 5, 7)
    sums = call.weights.sum(-1)
    assert ((sums - 1).abs() < 1e-5).logical_or(sums == 0).all()
    (gradient,) = torch.autograd.grad(result[0, 1, 3, 0], call.weights)
    values = v.repeat_interleave(2, 1) if "enable_gqa" in options else v
    torch.testing.assert_close(gradient[0, 1, 3], values[0, 1, :, 0])
    assert gradient.count_nonzero() == 7


def test_probabilities_of_torch_s_own_module_are_recorded() -> None:
    attention = zoo.seeded(lambda: nn.MultiheadAttention(WIDTH, HEADS, batch_first=True))
    x = torch.randn(2, 6, WIDTH, generator=torch.Generator().manual_seed(0))
    expected, probabilities = attention(x, x, x, average_attn_weights=False)
    for need_weights in (True, False):
        recorder = AttentionRecorder()
        with recorder.watch(attention):
            result, _ = attention(x, x, x, need_weights=need_weights)
        torch.testing.assert_close(result, expected, atol=1e-5, rtol=1e-5)
        (call,) = recorder.calls
        torch.testing.assert_close(call.weights.view(2, HEADS, 6, 6), probabilities, atol=1e-6, rtol=1e-5)


def _with_mask(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    p = F.softmax(q @ k.mT, dim=-1, dtype=torch.float32).to(q.dtype)
    return torch.matmul(F.dropout(p, 0.1, False) * torch.ones(4, 1, 1), v)


WRITTEN: dict[str, Callable[..., Tensor]] = {
    "matmul": lambda q, k, v: (q @ k.mT).softmax(-1) @ v,
    "head mask, cast and dropout": _with_mask,
    "bmm": lambda q, k, v: torch.bmm(torch.softmax(q.flatten(0, 1) @ k.flatten(0, 1).mT, 2), v.flatten(0, 1)),
    "einsum": lambda q, k, v: torch.einsum("bhqk,bhkd->bqhd", (q @ k.mT).softmax(-1), v),
    "einsum of a list": lambda q, k, v: torch.einsum("bhqk,bhkd->bqhd", [(q @ k.mT).softmax(-1), v]),
    "values first": lambda q, k, v: v.mT @ (q @ k.mT).softmax(-1).mT,
    "module": lambda q, k, v: nn.Softmax(-1)(q @ k.mT) @ v,
}


@pytest.mark.parametrize("function", WRITTEN.values(), ids=WRITTEN)
def test_a_softmax_that_multiplies_values_is_attention(function: Callable[..., Tensor]) -> None:
    q, k, v = tensors()
    expected = function(q, k, v)
    result, recorder = recorded(function, q, k, v)
    assert torch.equal(result, expected)
    (call,) = recorder.calls
    probabilities = (q @ k.mT).softmax(-1)
    torch.testing.assert_close(call.weights.detach().sum(), probabilities.detach().sum())
    (gradient,) = torch.autograd.grad(result.sum(), call.weights)
    per_key = v.sum(-1)[:, :, None].expand_as(probabilities)
    torch.testing.assert_close((gradient * call.weights).sum(), (per_key * probabilities).sum())


NOT_ATTENTION: dict[str, Callable[..., Tensor]] = {
    "a product of activations": lambda q, k, v: (q @ k.mT) @ v,
    "a sigmoid": lambda q, k, v: (q @ k.mT).sigmoid() @ v,
    "class probabilities": lambda q, k, v: (q @ k.mT).softmax(-1),
    "a gate": lambda q, k, v: (v * v.mean(-1, keepdim=True).softmax(2)).sum(2),
}


@pytest.mark.parametrize("function", NOT_ATTENTION.values(), ids=NOT_ATTENTION)
def test_other_products_are_not_recorded(function: Callable[..., Tensor]) -> None:
    assert not recorded(function, *tensors())[1].calls


def test_one_softmax_that_multiplies_twice_is_two_calls_with_a_gradient_each() -> None:
    q, k, v = tensors()

    def twice(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        p = (q @ k.mT).softmax(-1)
        return (p @ v).sum() + (p @ v.square()).sum()

    result, recorder = recorded(twice, q, k, v)
    first, second = torch.autograd.grad(result, [call.weights for call in recorder.calls])
    torch.testing.assert_close(first[0, 0, 0], v[0, 0].sum(-1))
    torch.testing.assert_close(second[0, 0, 0], v[0, 0].square().sum(-1))


def test_calls_are_named_after_modules_and_the_modules_before_the_first_are_known() -> None:
    net = zoo.seeded(lambda: JointTransformer("fused"))
    recorder = AttentionRecorder()
    with recorder.watch(net):
        net(torch.zeros(1, 3, 8, 32, 32))
    assert [call.module for call in recorder.calls] == [f"blocks.{k}.attention" for k in range(3)]
    assert recorder.finished == {("patches", 0), ("blocks.0.norm1", 0)}
    assert not any(part._forward_hooks or part._forward_pre_hooks for part in net.modules())
    assert isinstance(net.blocks[0].attention, SelfAttention)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_keeps_its_type(dtype: torch.dtype) -> None:
    q, k, v = (part.detach().to(dtype) for part in tensors())
    result, _ = recorded(F.scaled_dot_product_attention, q, k, v)
    assert result.dtype == dtype
    assert attention_weights(q, k).dtype == dtype
