"""The arithmetic of SoftPool: in eager torch, with its gradient, and, lower down, by torch's own operations.

The result is m + sum_i e_i d_i / sum_i e_i with d_i = a_i - m, e_i = exp(d_i / T) and m the window's maximum. Nothing
overflows at any finite magnitude, and half precision is summed in float32. The sums run over the taps of the window
(see ``windows``), whose cells are strided views, so that all that is needed besides is as large as the result; and over
pieces of the channels, so that this fits into a core's cache.

Only the input is kept for the backward pass, which makes the weights again: it needs one more tensor of the input's
size, the gradient itself.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor

from notebook_explain.layers.windows import Tap, Windows, taps, unfolded, window_counts

RELEASED = ("", "cpu", "cuda")
LOWEST = -1e30  # exp of it is 0, and it times 0 is 0
WHOLE: list[Tap] = [(..., ...)]  # of a row: all of it
PIECE = (
    2**15
)  # elements of the result, or of rows, at a time: they fit into a core's cache, and torch leaves them to one
LOG2E = 1.4426950408889634  # for exp2: torch shares an exp of any size among cores


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


def in_full(x: Tensor) -> Tensor:
    """Half precision as float32; others as they are."""
    return x.float() if x.dtype == torch.float16 or x.dtype == torch.bfloat16 else x


def soft_mean(x: Tensor, windows: Windows | None, temperature: float) -> Tensor:
    """Softmax-weighted mean of each window, or, without windows, over the last axis (which is kept, with length 1)."""
    if torch.compiler.is_dynamo_compiling():
        compiled: Tensor = torch.ops.notebook_explain.soft_mean(x, *_flat(windows), temperature)
        return compiled
    pooled: Tensor = _SoftPool.apply(x, windows, temperature)  # type: ignore[no-untyped-call]
    return pooled


class _SoftPool(torch.autograd.Function):
    """Forward and backward pass. Who reads the graph by names sees by the "Pool" that channels stay apart."""

    @staticmethod
    def forward(x: Tensor, windows: Windows | None, temperature: float) -> Tensor:
        return _pooled(x, windows, temperature)

    @staticmethod
    def setup_context(ctx: Any, inputs: Any, output: Tensor) -> None:
        x, ctx.windows, ctx.temperature = inputs
        ctx.save_for_backward(x)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None, None]:
        (x,) = ctx.saved_tensors
        if torch.is_grad_enabled():  # somebody wants the gradient of this gradient
            pooled = _differentiable(x, ctx.windows, ctx.temperature)
            return torch.autograd.grad(pooled, x, gradient, create_graph=True)[0], None, None
        return _given_back(x, gradient, ctx.windows, ctx.temperature), None, None

    @staticmethod
    def vmap(info: Any, in_dims: Any, x: Tensor, windows: Windows | None, temperature: float) -> tuple[Tensor, int]:
        return soft_mean(x.movedim(in_dims[0], 0), windows, temperature), 0


def _pooled(x: Tensor, windows: Windows | None, temperature: float) -> Tensor:
    out, places = _plan(x, windows)
    for cells, result in _pieces(x, out):
        largest, _, mean = _moments(cells, result, places, temperature)
        result.copy_(largest.add_(mean))
    return out


def _given_back(x: Tensor, gradient: Tensor, windows: Windows | None, temperature: float) -> Tensor:
    """The gradient of the input."""
    out, places = _plan(x, windows)
    # A cell of several windows sums what they give it: in half precision, not well.
    back = torch.zeros_like(x, dtype=_full(x.dtype) if _overlap(windows) else x.dtype)
    whole = gradient.expand_as(out)
    for (cells, given), (into, _) in zip(_pieces(x, whole), _pieces(back, whole), strict=True):
        _give_back(cells, given, into, places, temperature)
    return back.to(x.dtype)


def _plan(x: Tensor, windows: Windows | None) -> tuple[Tensor, list[Tap]]:
    """Room for the result, and where its windows look (nowhere: at their row)."""
    if windows is None:
        return x.new_empty((*x.shape[:-1], 1)), WHOLE
    dims = len(windows[0])
    lengths = list(x.shape[-dims:])
    counts = window_counts(lengths, *windows)
    shape = (*x.shape[:-dims], *counts)
    out = torch.empty(shape, dtype=x.dtype, device=x.device, memory_format=_memory_format(x))
    return out, taps(lengths, counts, windows)


def _memory_format(x: Tensor) -> torch.memory_format:
    for axes, order in ((4, torch.channels_last), (5, torch.channels_last_3d)):
        if x.dim() == axes and x.is_contiguous(memory_format=order) and not x.is_contiguous():
            return order
    return torch.contiguous_format


def _overlap(windows: Windows | None) -> bool:
    """Whether a cell may lie in several windows."""
    if windows is None:
        return False
    kernel, stride, _, dilation, _ = windows
    return any(d * (k - 1) >= s for k, s, d in zip(kernel, stride, dilation, strict=True))


def _pieces(x: Tensor, result: Tensor) -> Iterator[tuple[Tensor, Tensor]]:
    """Cut both alike, along the batch and then the channels, until a piece is small."""
    if torch.compiler.is_compiling():
        yield x, result
        return
    axis = 0 if result.shape[0] > 1 else 1
    size = x.numel() if result.shape[-1] == 1 else result.numel()
    if size <= _piece(x.device) or axis >= result.dim() - 1 or result.shape[axis] < 2:
        yield x, result
        return
    for half in zip(x.tensor_split(2, axis), result.tensor_split(2, axis), strict=True):
        yield from _pieces(*half)


def _piece(device: torch.device) -> int:
    """How many elements go at a time.

    Two cores gain little by sharing each of so many small steps, and lose much when something else keeps one of them
    busy. Not on a CPU, it is only that what is needed besides must not grow large.
    """
    if device.type != "cpu":
        return 512 * PIECE
    threads = torch.get_num_threads()
    return PIECE if threads <= 2 else PIECE * threads


def _moments(x: Tensor, like: Tensor, places: list[Tap], temperature: float) -> tuple[Tensor, Tensor, Tensor]:
    """Of each window: its largest cell, the sum of e, and the mean of d weighted by e."""
    if places == WHOLE:
        largest = in_full(x.amax(-1, keepdim=True))
        d, e = _compared(x, largest, temperature)
        total = e.sum(-1, keepdim=True)
        return largest, total, e.mul_(d).sum(-1, keepdim=True).div_(total)
    largest = torch.full_like(like, -float("inf"), dtype=_full(x.dtype))
    total, mean = torch.zeros_like(largest), torch.zeros_like(largest)
    for window, cells in places:
        largest[window].clamp_min_(x[cells])
    for window, cells in places:
        d, e = _compared(x[cells], largest[window], temperature)
        total[window] += e
        mean[window].addcmul_(e, d)
    return largest, total, mean.div_(total.clamp_min(1.0))  # the largest adds 1; less is a window without cells


def _give_back(x: Tensor, gradient: Tensor, into: Tensor, places: list[Tap], temperature: float) -> None:
    """Add each window's gradient to its cells: e / sum(e) (1 + (d - mean) / T)."""
    largest, total, mean = _moments(x, gradient, places, temperature)
    scale, offset = gradient / total, 1 - mean / temperature
    for window, cells in places:
        d, e = _compared(x[cells], largest[window], temperature)
        share = (d if temperature == 1 else d.div_(temperature)).add_(offset[window]).mul_(e)
        into[cells].add_(share.mul_(scale[window]))


def _compared(cells: Tensor, largest: Tensor, temperature: float) -> tuple[Tensor, Tensor]:
    """(d, e) of some cells."""
    d = torch.sub(cells, largest).clamp_min_(LOWEST)
    return d, d.mul(LOG2E / temperature).exp2_()


def _full(dtype: torch.dtype) -> torch.dtype:
    return torch.float32 if dtype in (torch.float16, torch.bfloat16) else dtype


def _differentiable(x: Tensor, windows: Windows | None, temperature: float) -> Tensor:
    """Compute the same by operations that torch can differentiate as often as is liked."""
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
    return _pooled(x, _unflat(kernel, stride, padding, dilation, ceil_mode), temperature)


@_operation.register_fake
def _(x: Tensor, kernel: list[int], *rest: Any) -> Tensor:
    return _plan(x, _unflat(kernel, *rest[:4]))[0]


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
    return _given_back(x, gradient, _unflat(kernel, stride, padding, dilation, ceil_mode), temperature)


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
