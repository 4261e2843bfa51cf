"""SoftPool as one operation with its own derivatives, as a custom operator for torch.compile, and composed of torch's operations.

The backward pass saves only the input and computes the weights again: it needs one more tensor of the input's size, the
gradient itself. See ``kernels`` for the arithmetic. Derivatives of derivatives, forward-mode derivatives, and the gradient of
the temperature hold all windows in memory; see ``derivatives``.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from notebook_explain._errors import UsageError, UsageTypeError
from notebook_explain._validation import check_choice
from notebook_explain.layers.soft_pool.derivatives import gradients, tangent
from notebook_explain.layers.soft_pool.kernels import (
    adaptive_pool,
    adaptive_pool_backward,
    allocate,
    pool,
    pool_backward,
    upcast_half,
)
from notebook_explain.layers.soft_pool.windows import (
    AnyWindows,
    Windows,
    pad_to_tiles,
    unfold_tiles,
    unfold_windows,
)

RELEASED = ("", "cpu", "cuda")
Temperature = float | Tensor


def check_input(x: Tensor, dims: int, temperature: Temperature, released: str = "") -> None:
    """Raise ValueError or TypeError if `x` cannot be pooled over its last `dims` axes with these settings."""
    if x.dim() not in (dims + 1, dims + 2):
        raise UsageError(
            f"expected {dims + 1} axes (channel first) or {dims + 2} with a batch axis, got shape {tuple(x.shape)}"
        )
    if not x.is_floating_point():
        raise UsageTypeError(f"expected a floating-point tensor, got {x.dtype}; convert with x.float()")
    check_choice("released", released, RELEASED)
    if isinstance(temperature, Tensor):
        _check_temperature_tensor(temperature, released)
    elif not 0 < temperature < float("inf"):
        raise UsageError(f"temperature must be positive and finite, got {temperature!r}")


def _check_temperature_tensor(temperature: Tensor, released: str) -> None:
    if temperature.numel() != 1 or not temperature.is_floating_point():
        got = f"{temperature.dtype} of shape {tuple(temperature.shape)}"
        raise UsageTypeError(f"a temperature that is a tensor must hold one floating-point number, got {got}")
    if released:
        raise UsageTypeError("the released code has no temperature that is a tensor; give a number")
    # The value cannot be read while torch.compile traces, and within torch.func.vmap over temperatures.
    if not torch.compiler.is_compiling() and not _is_batched(temperature):
        value = float(temperature.detach())
        if not 0 < value < float("inf"):
            raise UsageError(f"temperature must be positive and finite, got {value!r}")


def _is_batched(x: Tensor) -> bool:
    """Return whether a transform of ``torch.func`` wraps the tensor in a batch, at any level."""
    while torch._C._functorch.is_functorch_wrapped_tensor(x):
        if torch._C._functorch.is_batchedtensor(x):
            return True
        x = torch._C._functorch.get_unwrapped(x)
    return False


def adaptive_soft_mean(x: Tensor, counts: list[int], temperature: Temperature) -> Tensor:
    """Return the softmax-weighted mean of each window of adaptive pooling; `counts` windows along each of the last axes."""
    if torch.compiler.is_compiling() or set(counts) == {1}:
        return soft_mean(unfold_tiles(pad_to_tiles(x, counts), counts), None, temperature).squeeze(-1)
    return _apply(x, counts, temperature)


def soft_mean(x: Tensor, windows: Windows | None, temperature: Temperature) -> Tensor:
    """Return the softmax-weighted mean of each window; without windows, over the last axis (kept with length 1)."""
    if torch.compiler.is_compiling() and (_is_exporting() or isinstance(temperature, Tensor)):
        cells = upcast_half(x)[..., None, :] if windows is None else unfold_windows(upcast_half(x), *windows)
        return weighted_mean(cells, cells / temperature).to(x.dtype)  # of operations that other runtimes have
    if torch.compiler.is_dynamo_compiling():
        compiled: Tensor = torch.ops.notebook_explain.soft_mean(x, *_to_lists(windows), temperature)
        return compiled
    return _apply(x, windows, temperature)


def _is_exporting() -> bool:
    is_exporting = getattr(torch.compiler, "is_exporting", None)  # of torch 2.7 and later
    return is_exporting is not None and bool(is_exporting())


def _apply(x: Tensor, windows: AnyWindows, temperature: Temperature) -> Tensor:
    if isinstance(temperature, Tensor):
        temperature = temperature.reshape(())
    out: Tensor = _SoftPool.apply(x, temperature, windows)  # type: ignore[no-untyped-call]
    return out


class _SoftPool(torch.autograd.Function):
    """Forward pass and both kinds of derivative.

    The channel graph recognises nodes of the autograd graph by "Pool" in their name: pooling does not mix channels.
    """

    @staticmethod
    def forward(x: Tensor, temperature: Temperature, windows: AnyWindows) -> Tensor:
        if isinstance(windows, list):
            return adaptive_pool(x, windows, float(temperature))
        return pool(x, windows, float(temperature))

    @staticmethod
    def setup_context(ctx: Any, inputs: Any, output: Tensor) -> None:
        x, temperature, ctx.windows = inputs
        is_tensor = isinstance(temperature, Tensor)
        ctx.temperature = None if is_tensor else temperature
        saved = (x, temperature) if is_tensor else (x,)
        ctx.save_for_backward(*saved)
        ctx.save_for_forward(*saved)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, Tensor | None, None]:
        x, temperature = _saved(ctx)
        of_input, of_temperature = ctx.needs_input_grad[:2]
        # Composed where the gradient will be differentiated again, or is one of a batch of gradients.
        if torch.is_grad_enabled() or of_temperature or torch._C._functorch.is_functorch_wrapped_tensor(gradient):
            back, slope = gradients(x, temperature, ctx.windows, gradient)
            return back if of_input else None, slope if of_temperature else None, None
        if isinstance(ctx.windows, list):
            return adaptive_pool_backward(x, gradient, ctx.windows, float(temperature)), None, None
        return pool_backward(x, gradient, ctx.windows, float(temperature)), None, None

    @staticmethod
    def jvp(ctx: Any, x_tangent: Tensor | None, temperature_tangent: Tensor | None, _: None) -> Tensor:
        x, temperature = _saved(ctx)
        return tangent(x, temperature, ctx.windows, x_tangent, temperature_tangent)

    @staticmethod
    def vmap(info: Any, in_dims: Any, x: Tensor, temperature: Temperature, windows: AnyWindows) -> tuple[Tensor, int]:
        of_x, of_temperature, _ = in_dims
        if of_temperature is None:
            return _apply(x.movedim(of_x, 0), windows, temperature), 0
        assert isinstance(temperature, Tensor)
        inputs = [x] * info.batch_size if of_x is None else x.unbind(of_x)
        pooled = [_apply(*each) for each in zip(inputs, [windows] * info.batch_size, temperature, strict=True)]
        return torch.stack(pooled), 0


def _saved(ctx: Any) -> tuple[Tensor, Temperature]:
    x, *temperature = ctx.saved_tensors
    return x, temperature[0] if temperature else ctx.temperature


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
    """Return the mean over the last axis weighted by the softmax of `scores`; -inf if all cells are -inf. Scriptable."""
    weights = cell_weights(scores)
    if released == "cuda":
        weights = weights.detach()
    if released == "cpu":
        return cell_shares(cells, weights).sum(-1).clamp_min(0.0).masked_fill(_is_lowest(cells).all(-1), -float("inf"))
    # From the largest cell, so that no infinity is multiplied by a derivative of the weights.
    largest = cells.amax(-1, keepdim=True).detach()
    top = largest.masked_fill(largest.isinf(), 0.0)
    differences = (cells - top).masked_fill(_is_lowest(cells) | (largest == float("inf")), 0.0)
    mean = (top + (weights * differences).sum(-1, keepdim=True)).squeeze(-1)
    infinite = cell_shares(cells, weights.detach()).sum(-1)
    out = torch.where((largest == float("inf")).squeeze(-1), infinite, mean)
    return out.masked_fill((largest == -float("inf")).squeeze(-1), -float("inf"))


def cell_weights(scores: Tensor) -> Tensor:
    """Return the softmax over the last axis; 0 if all scores are -inf. Scores of +inf share the weight equally. Scriptable."""
    highest = scores == float("inf")
    finite_scores = scores.masked_fill(highest, 0.0).masked_fill(
        highest.any(-1, keepdim=True) & ~highest & ~scores.isnan(), -float("inf")
    )
    none = _is_lowest(scores).all(-1, keepdim=True)
    return finite_scores.masked_fill(none, 0.0).softmax(-1).masked_fill(none, 0.0)


def cell_shares(cells: Tensor, weights: Tensor) -> Tensor:
    """Return weight times value; cells of -inf add nothing."""
    return weights * cells.masked_fill(_is_lowest(cells), 0.0)


def _is_lowest(cells: Tensor) -> Tensor:
    return cells == -float("inf")
