"""SoftPool as one operation with its own gradient, as a custom operator for torch.compile, and composed of torch's operations.

The backward pass saves only the input and computes the weights again: it needs one more tensor of the input's size, the
gradient itself. See ``kernels`` for the arithmetic.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from notebook_explain._errors import UsageError, UsageTypeError
from notebook_explain._validation import check_choice
from notebook_explain.layers.soft_pool.kernels import (
    adaptive_pool,
    adaptive_pool_backward,
    allocate,
    pool,
    pool_backward,
    upcast_half,
)
from notebook_explain.layers.soft_pool.windows import Windows, pad_to_tiles, unfold_tiles, unfold_windows

RELEASED = ("", "cpu", "cuda")


def check_input(x: Tensor, dims: int, temperature: float, released: str = "") -> None:
    """Raise ValueError or TypeError if `x` cannot be pooled over its last `dims` axes with these settings."""
    if x.dim() not in (dims + 1, dims + 2):
        raise UsageError(
            f"expected {dims + 1} axes (channel first) or {dims + 2} with a batch axis, got shape {tuple(x.shape)}"
        )
    if not x.is_floating_point():
        raise UsageTypeError(f"expected a floating-point tensor, got {x.dtype}; convert with x.float()")
    if not 0 < temperature < float("inf"):
        raise UsageError(f"temperature must be positive and finite, got {temperature!r}")
    check_choice("released", released, RELEASED)


def adaptive_soft_mean(x: Tensor, counts: list[int], temperature: float) -> Tensor:
    """Return the softmax-weighted mean of each window of adaptive pooling; `counts` windows along each of the last axes."""
    if torch.compiler.is_compiling() or set(counts) == {1}:
        return soft_mean(unfold_tiles(pad_to_tiles(x, counts), counts), None, temperature).squeeze(-1)
    out: Tensor = _SoftPool.apply(x, counts, temperature)  # type: ignore[no-untyped-call]
    return out


def soft_mean(x: Tensor, windows: Windows | None, temperature: float) -> Tensor:
    """Return the softmax-weighted mean of each window; without windows, over the last axis (kept with length 1)."""
    if torch.compiler.is_dynamo_compiling():
        compiled: Tensor = torch.ops.notebook_explain.soft_mean(x, *_to_lists(windows), temperature)
        return compiled
    out: Tensor = _SoftPool.apply(x, windows, temperature)  # type: ignore[no-untyped-call]
    return out


class _SoftPool(torch.autograd.Function):
    """Forward and backward pass.

    The channel graph recognises nodes of the autograd graph by "Pool" in their name: pooling does not mix channels.
    """

    @staticmethod
    def forward(x: Tensor, windows: Windows | list[int] | None, temperature: float) -> Tensor:
        if isinstance(windows, list):
            return adaptive_pool(x, windows, temperature)
        return pool(x, windows, temperature)

    @staticmethod
    def setup_context(ctx: Any, inputs: Any, output: Tensor) -> None:
        x, ctx.windows, ctx.temperature = inputs
        ctx.save_for_backward(x)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None, None]:
        (x,) = ctx.saved_tensors
        if torch.is_grad_enabled():  # the gradient will be differentiated again
            out = _differentiable(x, ctx.windows, ctx.temperature)
            return torch.autograd.grad(out, x, gradient, create_graph=True)[0], None, None
        if isinstance(ctx.windows, list):
            return adaptive_pool_backward(x, gradient, ctx.windows, ctx.temperature), None, None
        return pool_backward(x, gradient, ctx.windows, ctx.temperature), None, None

    @staticmethod
    def vmap(
        info: Any, in_dims: Any, x: Tensor, windows: Windows | list[int] | None, temperature: float
    ) -> tuple[Tensor, int]:
        return _SoftPool.apply(x.movedim(in_dims[0], 0), windows, temperature), 0  # type: ignore[no-untyped-call]


def _differentiable(x: Tensor, windows: Windows | list[int] | None, temperature: float) -> Tensor:
    """Pool by operations that torch can differentiate any number of times."""
    if isinstance(windows, list):
        cells = unfold_tiles(pad_to_tiles(upcast_half(x), windows), windows)
    else:
        cells = upcast_half(x)[..., None, :] if windows is None else unfold_windows(upcast_half(x), *windows)
    return weighted_mean(cells, cells / temperature).to(x.dtype)


# For torch.compile the pooling is one opaque custom operator: traced through, a window of 3 x 3 x 3 cells takes minutes to
# compile. Custom operators accept no None: empty lists stand for no windows.


def _to_lists(windows: Windows | None) -> Windows:
    return ([], [], [], [], False) if windows is None else windows


def _from_lists(
    kernel: list[int], stride: list[int], padding: list[int], dilation: list[int], ceil_mode: bool
) -> Windows | None:
    return (list(kernel), list(stride), list(padding), list(dilation), ceil_mode) if kernel else None


@torch.library.custom_op("notebook_explain::soft_mean", mutates_args=())
def _operation(
    x: Tensor,
    kernel: list[int],
    stride: list[int],
    padding: list[int],
    dilation: list[int],
    ceil_mode: bool,
    temperature: float,
) -> Tensor:
    return pool(x, _from_lists(kernel, stride, padding, dilation, ceil_mode), temperature)


@_operation.register_fake
def _(x: Tensor, kernel: list[int], *rest: Any) -> Tensor:
    return allocate(x, _from_lists(kernel, *rest[:4]))[0]


@torch.library.custom_op("notebook_explain::soft_mean_backward", mutates_args=())
def _operation_backward(
    x: Tensor,
    gradient: Tensor,
    kernel: list[int],
    stride: list[int],
    padding: list[int],
    dilation: list[int],
    ceil_mode: bool,
    temperature: float,
) -> Tensor:
    return pool_backward(x, gradient, _from_lists(kernel, stride, padding, dilation, ceil_mode), temperature)


@_operation_backward.register_fake
def _(x: Tensor, gradient: Tensor, *_: Any) -> Tensor:
    return torch.empty_like(x)


def _save_for_backward(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
    ctx.save_for_backward(inputs[0])
    ctx.settings = inputs[1:]


def _differentiate_operation(ctx: Any, gradient: Tensor) -> tuple[Tensor, None, None, None, None, None, None]:
    back: Tensor = torch.ops.notebook_explain.soft_mean_backward(ctx.saved_tensors[0], gradient, *ctx.settings)
    return back, None, None, None, None, None, None


_operation.register_autograd(_differentiate_operation, setup_context=_save_for_backward)


# The same composed of torch's own operations, with all windows in memory: for TorchScript, for gradients of gradients,
# for the behaviour of the released code, and for the weights themselves.


def composed_soft_pool(x: Tensor, windows: Windows, temperature: float, released: str = "") -> Tensor:
    """Pool with all windows in memory. Scriptable."""
    cells = unfold_windows(upcast_half(x), windows[0], windows[1], windows[2], windows[3], windows[4])
    scores = cell_scores(x, windows, temperature, released)
    return weighted_mean(cells, scores, released).to(x.dtype)


def cell_scores(x: Tensor, windows: Windows, temperature: float, released: str = "") -> Tensor:
    """Return the input of the softmax: (..., windows per axis, cells); -inf outside of the input."""
    scores = upcast_half(x) / temperature
    if released == "cpu":
        scores = scores.logsumexp(x.dim() - len(windows[0]) - 1, keepdim=True)
    return unfold_windows(scores, windows[0], windows[1], windows[2], windows[3], windows[4])


def weighted_mean(cells: Tensor, scores: Tensor, released: str = "") -> Tensor:
    """Return the mean over the last axis weighted by the softmax of `scores`; -inf if all cells are -inf."""
    weights = cell_weights(scores)
    out = cell_shares(cells, weights.detach() if released == "cuda" else weights).sum(-1)
    if released == "cpu":
        out = out.clamp_min(0.0)
    return out.masked_fill((cells == -float("inf")).all(-1), -float("inf"))


def cell_weights(scores: Tensor) -> Tensor:
    """Return the softmax over the last axis; 0 if all scores are -inf."""
    none = (scores == -float("inf")).all(-1, keepdim=True)
    return scores.masked_fill(none, 0.0).softmax(-1).masked_fill(none, 0.0)


def cell_shares(cells: Tensor, weights: Tensor) -> Tensor:
    """Return weight times value; cells of -inf add nothing."""
    return weights * cells.masked_fill(cells == -float("inf"), 0.0)
