"""SoftPool as one operation: with a gradient of its own, for torch.compile, and, lower down, by torch's own operations.

Only the input is kept for the backward pass, which makes the weights again: it needs one more tensor of the input's
size, the gradient itself. How it is computed stands in ``soft_mean_pieces``.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from notebook_explain.layers.soft_pool.kernels import (
    evenly_given_back,
    evenly_pooled,
    given_back,
    in_full,
    planned,
    pooled,
)
from notebook_explain.layers.soft_pool.windows import Windows, evened, tiled, unfolded

RELEASED = ("", "cpu", "cuda")


def check_input(x: Tensor, dims: int, temperature: float, released: str = "") -> None:
    """ValueError or TypeError where this cannot be pooled over the last `dims` axes."""
    if x.dim() not in (dims + 1, dims + 2):
        raise ValueError(
            f"expected {dims + 1} axes (channel first), or {dims + 2} with a batch; got shape {tuple(x.shape)}"
        )
    if not x.is_floating_point():
        raise TypeError(f"expected floats, got {x.dtype}; convert with x.float()")
    if not 0 < temperature < float("inf"):
        raise ValueError(f"temperature must be above 0 and finite, got {temperature!r}")
    if released not in RELEASED:
        raise ValueError(f"released must be one of {RELEASED}, got {released!r}")


def adaptive_soft_mean(x: Tensor, counts: list[int], temperature: float) -> Tensor:
    """Softmax-weighted mean of each window of adaptive pooling, so many along each of the last axes."""
    if torch.compiler.is_compiling() or set(counts) == {1}:
        return soft_mean(tiled(evened(x, counts), counts), None, temperature).squeeze(-1)
    made: Tensor = _SoftPool.apply(x, counts, temperature)  # type: ignore[no-untyped-call]
    return made


def soft_mean(x: Tensor, windows: Windows | None, temperature: float) -> Tensor:
    """Softmax-weighted mean of each window, or, without windows, over the last axis (which is kept, with length 1)."""
    if torch.compiler.is_dynamo_compiling():
        compiled: Tensor = torch.ops.notebook_explain.soft_mean(x, *_flat(windows), temperature)
        return compiled
    made: Tensor = _SoftPool.apply(x, windows, temperature)  # type: ignore[no-untyped-call]
    return made


class _SoftPool(torch.autograd.Function):
    """Forward and backward pass. Who reads the graph by names sees by the "Pool" that channels stay apart."""

    @staticmethod
    def forward(x: Tensor, windows: Windows | list[int] | None, temperature: float) -> Tensor:
        if isinstance(windows, list):
            return evenly_pooled(x, windows, temperature)
        return pooled(x, windows, temperature)

    @staticmethod
    def setup_context(ctx: Any, inputs: Any, output: Tensor) -> None:
        x, ctx.windows, ctx.temperature = inputs
        ctx.save_for_backward(x)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None, None]:
        (x,) = ctx.saved_tensors
        if torch.is_grad_enabled():  # somebody wants the gradient of this gradient
            again = _differentiable(x, ctx.windows, ctx.temperature)
            return torch.autograd.grad(again, x, gradient, create_graph=True)[0], None, None
        if isinstance(ctx.windows, list):
            return evenly_given_back(x, gradient, ctx.windows, ctx.temperature), None, None
        return given_back(x, gradient, ctx.windows, ctx.temperature), None, None

    @staticmethod
    def vmap(
        info: Any, in_dims: Any, x: Tensor, windows: Windows | list[int] | None, temperature: float
    ) -> tuple[Tensor, int]:
        return _SoftPool.apply(x.movedim(in_dims[0], 0), windows, temperature), 0  # type: ignore[no-untyped-call]


def _differentiable(x: Tensor, windows: Windows | list[int] | None, temperature: float) -> Tensor:
    """Compute the same by operations that torch can differentiate as often as is liked."""
    if isinstance(windows, list):
        cells = tiled(evened(in_full(x), windows), windows)
    else:
        cells = in_full(x)[..., None, :] if windows is None else unfolded(in_full(x), *windows)
    return mean_of_cells(cells, cells / temperature).to(x.dtype)


# For torch.compile the pooling is one operation, which it need not look into: laid open, a window of 3 x 3 x 3 places
# takes minutes to compile. An operation takes no None: empty lists stand for no windows.


def _flat(windows: Windows | None) -> Windows:
    return ([], [], [], [], False) if windows is None else windows


def _unflat(
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
    return pooled(x, _unflat(kernel, stride, padding, dilation, ceil_mode), temperature)


@_operation.register_fake
def _(x: Tensor, kernel: list[int], *rest: Any) -> Tensor:
    return planned(x, _unflat(kernel, *rest[:4]))[0]


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
    return given_back(x, gradient, _unflat(kernel, stride, padding, dilation, ceil_mode), temperature)


@_operation_backward.register_fake
def _(x: Tensor, gradient: Tensor, *_: Any) -> Tensor:
    return torch.empty_like(x)


def _remember(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
    ctx.save_for_backward(inputs[0])
    ctx.settings = inputs[1:]


def _differentiate(ctx: Any, gradient: Tensor) -> tuple[Tensor, None, None, None, None, None, None]:
    back: Tensor = torch.ops.notebook_explain.soft_mean_backward(ctx.saved_tensors[0], gradient, *ctx.settings)
    return back, None, None, None, None, None, None


_operation.register_autograd(_differentiate, setup_context=_remember)


# The same by torch's own operations, with all windows in memory: for TorchScript, for gradients of gradients, for what
# was released, and for whoever wants to see the weights.


def composed(x: Tensor, windows: Windows, temperature: float, released: str = "") -> Tensor:
    """Pool softly."""
    cells = unfolded(in_full(x), windows[0], windows[1], windows[2], windows[3], windows[4])
    scores = scores_of_cells(x, windows, temperature, released)
    return mean_of_cells(cells, scores, released).to(x.dtype)


def scores_of_cells(x: Tensor, windows: Windows, temperature: float, released: str = "") -> Tensor:
    """What the softmax is taken of: (..., windows per axis, cells); -inf where a window sees none."""
    scores = in_full(x) / temperature
    if released == "cpu":
        scores = scores.logsumexp(x.dim() - len(windows[0]) - 1, keepdim=True)
    return unfolded(scores, windows[0], windows[1], windows[2], windows[3], windows[4])


def mean_of_cells(cells: Tensor, scores: Tensor, released: str = "") -> Tensor:
    """Mean of the last axis, weighted by the softmax of `scores`; -inf where no cell takes part."""
    weights = weights_of_cells(scores)
    out = shares_of_cells(cells, weights.detach() if released == "cuda" else weights).sum(-1)
    if released == "cpu":
        out = out.clamp_min(0.0)
    return out.masked_fill((cells == -float("inf")).all(-1), -float("inf"))


def weights_of_cells(scores: Tensor) -> Tensor:
    """Softmax over the last axis; 0 where no cell takes part."""
    none = (scores == -float("inf")).all(-1, keepdim=True)
    return scores.masked_fill(none, 0.0).softmax(-1).masked_fill(none, 0.0)


def shares_of_cells(cells: Tensor, weights: Tensor) -> Tensor:
    """Weight times value; cells of -inf add nothing."""
    return weights * cells.masked_fill(cells == -float("inf"), 0.0)
