"""Arithmetic of SoftPool and of its gradient in eager torch, in chunks.

The result is m + sum_i e_i d_i / sum_i e_i with d_i = a_i - m, e_i = exp(d_i / T) and m the window's maximum. It does not
overflow at any finite magnitude, and half precision is summed in float32. Where m is infinite, d is 0 for cells of +inf,
which share the weight equally, and without weight for all others; a window of -inf alone has no weights and no gradient.

The sums run over the taps of the window (see ``windows``), whose cells are strided views, so intermediate tensors are no
larger than the result. They also run over chunks of the channels, so that intermediate tensors fit into a core's cache.
Windows of adaptive pooling are unfolded for one chunk at a time.
"""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

from notebook_explain.layers.soft_pool.windows import (
    Tap,
    Windows,
    pad_to_tiles,
    unfold_tiles,
    window_counts,
    window_taps,
)

LOWEST = -1e4  # its exp is 0, and 0 times it is 0; d / T is never below
FULL_ROW: list[Tap] = [(..., ...)]
CHUNK = 2**15  # elements of the result or of rows: they fit into a core's cache, and torch does not parallelise them
LOG2E = 1.4426950408889634  # for exp2: torch parallelises exp at any size


def upcast_half(x: Tensor) -> Tensor:
    """Convert half precision to float32; return other types unchanged."""
    return x.float() if x.dtype == torch.float16 or x.dtype == torch.bfloat16 else x


def pool(x: Tensor, windows: Windows | None, temperature: float) -> Tensor:
    """Return the softmax-weighted mean of each window, or of each row without windows."""
    out, taps = allocate(x, windows)
    for cells, result in _chunks(x, out, *_extent(x, out, windows)):
        largest, _, mean = _moments(cells, result, taps, temperature)
        result.copy_(largest.add_(mean))
    return out


def pool_backward(x: Tensor, gradient: Tensor, windows: Windows | None, temperature: float) -> Tensor:
    """Return the gradient of the input of `pool`."""
    out, taps = allocate(x, windows)
    # Cells of several windows sum their gradients: too inaccurate in half precision.
    back = torch.zeros_like(x, dtype=_upcast_dtype(x.dtype) if _may_overlap(windows) else x.dtype)
    full, extent = gradient.expand_as(out), _extent(x, out, windows)
    for (cells, given), (into, _) in zip(_chunks(x, full, *extent), _chunks(back, full, *extent), strict=True):
        _add_gradient(cells, given, into, taps, temperature)
    return back.to(x.dtype)


def adaptive_pool(x: Tensor, counts: list[int], temperature: float) -> Tensor:
    """Return the softmax-weighted mean of each window of adaptive pooling, unfolded for one chunk at a time."""
    out = x.new_empty((*x.shape[: -len(counts)], *counts))
    for cells, result in _chunks(x, out, len(counts), x.numel()):
        largest, _, mean = _moments(unfold_tiles(pad_to_tiles(cells, counts), counts), out, FULL_ROW, temperature)
        result.copy_(largest.add_(mean).squeeze(-1))
    return out


def adaptive_pool_backward(x: Tensor, gradient: Tensor, counts: list[int], temperature: float) -> Tensor:
    """Return the gradient of the input of `adaptive_pool`."""
    dims = len(counts)
    back = torch.zeros_like(x, dtype=_upcast_dtype(x.dtype), memory_format=torch.contiguous_format)
    # Number of the cell at each tap of each window: counted from 1; padding of shorter windows is -inf.
    numbers = torch.arange(1, x[(0,) * (x.dim() - dims)].numel() + 1, device=x.device, dtype=torch.float64)
    cell_numbers = unfold_tiles(pad_to_tiles(numbers.view(x.shape[-dims:]), counts), counts).flatten()
    inside = cell_numbers > 0
    index = cell_numbers[inside].long() - 1
    extent = dims, x.numel()
    for (cells, given), (into, _) in zip(_chunks(x, gradient, *extent), _chunks(back, gradient, *extent), strict=True):
        rows = unfold_tiles(pad_to_tiles(cells, counts), counts)
        shares = torch.zeros_like(rows, dtype=_upcast_dtype(rows.dtype))
        _add_gradient(rows, given[..., None], shares, FULL_ROW, temperature)
        into.flatten(-dims).index_add_(-1, index, shares.flatten(-dims - 1)[..., inside])
    return back.to(x.dtype)


def allocate(x: Tensor, windows: Windows | None) -> tuple[Tensor, list[Tap]]:
    """Return an empty result, and the taps of its windows (the full row without windows)."""
    if windows is None:
        return x.new_empty((*x.shape[:-1], 1)), FULL_ROW
    dims = len(windows[0])
    lengths = list(x.shape[-dims:])
    counts = window_counts(lengths, *windows)
    shape = (*x.shape[:-dims], *counts)
    out = torch.empty(shape, dtype=x.dtype, device=x.device, memory_format=_memory_format(x))
    return out, window_taps(lengths, counts, windows)


def _memory_format(x: Tensor) -> torch.memory_format:
    for axes, order in ((4, torch.channels_last), (5, torch.channels_last_3d)):
        if x.dim() == axes and x.is_contiguous(memory_format=order) and not x.is_contiguous():
            return order
    return torch.contiguous_format


def _may_overlap(windows: Windows | None) -> bool:
    """Return whether a cell may be in several windows."""
    if windows is None:
        return False
    kernel, stride, _, dilation, _ = windows
    return any(d * (k - 1) >= s for k, s, d in zip(kernel, stride, dilation, strict=True))


def _chunks(x: Tensor, result: Tensor, dims: int, size: int) -> Iterator[tuple[Tensor, Tensor]]:
    """Split both tensors alike, along the axes before the last `dims`, until the `size` of a chunk is small."""
    axes = [axis for axis in range(result.dim() - dims) if result.shape[axis] > 1]
    if torch.compiler.is_compiling() or size <= _chunk_size(x.device) or not axes:
        yield x, result
        return
    axis = axes[0]
    for x_half, result_half in zip(x.tensor_split(2, axis), result.tensor_split(2, axis), strict=True):
        yield from _chunks(x_half, result_half, dims, size * result_half.shape[axis] // result.shape[axis])


def _extent(x: Tensor, out: Tensor, windows: Windows | None) -> tuple[int, int]:
    """Return the number of pooled axes, and the size of intermediate tensors: that of rows, or of one tap."""
    return (1, x.numel()) if windows is None else (len(windows[0]), out.numel())


def _chunk_size(device: torch.device) -> int:
    """Return the number of elements per chunk.

    On a CPU with two cores, parallelising so many small steps gains little, and loses much when another process keeps one
    core busy. On other devices the chunk only limits the memory of intermediate tensors.
    """
    if device.type != "cpu":
        return 512 * CHUNK
    threads = torch.get_num_threads()
    return CHUNK if threads <= 2 else CHUNK * threads


def _moments(x: Tensor, like: Tensor, taps: list[Tap], temperature: float) -> tuple[Tensor, Tensor, Tensor]:
    """Return the largest cell of each window, the sum of e, and the mean of d weighted by e."""
    if taps == FULL_ROW:
        largest = upcast_half(x.amax(-1, keepdim=True))
        d, e = _d_and_e(x, finite(largest), temperature)
        total = e.sum(-1, keepdim=True).clamp_min_(1.0)
        return largest, total, e.mul_(d).sum(-1, keepdim=True).div_(total)
    largest = torch.full_like(like, -float("inf"), dtype=_upcast_dtype(x.dtype))
    total, mean = torch.zeros_like(largest), torch.zeros_like(largest)
    for window, cells in taps:
        largest[window].clamp_min_(x[cells])
    top = finite(largest)
    for window, cells in taps:
        d, e = _d_and_e(x[cells], top[window], temperature)
        total[window] += e
        mean[window].addcmul_(e, d)
    total.clamp_min_(1.0)  # the largest cell adds 1; less means a window without cells, or of -inf alone
    return largest, total, mean.div_(total)


def _add_gradient(x: Tensor, gradient: Tensor, into: Tensor, taps: list[Tap], temperature: float) -> None:
    """Add each window's gradient to its cells: e / sum(e) (1 + (d - mean) / T)."""
    largest, total, mean = _moments(x, gradient, taps, temperature)
    scale, offset, top = gradient / total, 1 - mean / temperature, finite(largest)
    for window, cells in taps:
        d, e = _d_and_e(x[cells], top[window], temperature)
        share = (d if temperature == 1 else d.div_(temperature)).add_(offset[window]).mul_(e)
        into[cells].add_(share.mul_(scale[window]))


def _d_and_e(cells: Tensor, largest: Tensor, temperature: float) -> tuple[Tensor, Tensor]:
    """Return (d, e) of some cells, see the module; `largest` is finite."""
    d = torch.sub(cells, largest).clamp_(LOWEST * temperature, 0.0)
    return d, d.mul(LOG2E / temperature).exp2_()


def finite(largest: Tensor) -> Tensor:
    """Replace infinities by the largest finite numbers, so that the difference of two infinities is not NaN."""
    bound = torch.finfo(largest.dtype).max
    return largest.clamp(-bound, bound)


def _upcast_dtype(dtype: torch.dtype) -> torch.dtype:
    return torch.float32 if dtype in (torch.float16, torch.bfloat16) else dtype
