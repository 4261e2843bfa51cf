"""The arithmetic of SoftPool and of its gradient, in eager torch, piece by piece.

The result is m + sum_i e_i d_i / sum_i e_i with d_i = a_i - m, e_i = exp(d_i / T) and m the window's maximum. Nothing
overflows at any finite magnitude, and half precision is summed in float32. The sums run over the taps of the window
(see ``windows``), whose cells are strided views, so that all that is needed besides is as large as the result; and over
pieces of the channels, so that this fits into a core's cache. Windows of adaptive pooling are laid side by side, also for
one piece at a time.
"""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

from notebook_explain.layers.soft_pool.windows import Tap, Windows, evened, taps, tiled, window_counts

LOWEST = -1e30  # exp of it is 0, and it times 0 is 0
WHOLE: list[Tap] = [(..., ...)]  # of a row: all of it
PIECE = (
    2**15
)  # elements of the result, or of rows, at a time: they fit into a core's cache, and torch leaves them to one
LOG2E = 1.4426950408889634  # for exp2: torch shares an exp of any size among cores


def in_full(x: Tensor) -> Tensor:
    """Half precision as float32; others as they are."""
    return x.float() if x.dtype == torch.float16 or x.dtype == torch.bfloat16 else x


def pooled(x: Tensor, windows: Windows | None, temperature: float) -> Tensor:
    """Softmax-weighted mean of each window, or of each row."""
    out, places = planned(x, windows)
    for cells, result in _pieces(x, out, *_extent(x, out, windows)):
        largest, _, mean = _moments(cells, result, places, temperature)
        result.copy_(largest.add_(mean))
    return out


def given_back(x: Tensor, gradient: Tensor, windows: Windows | None, temperature: float) -> Tensor:
    """The gradient of the input."""
    out, places = planned(x, windows)
    # A cell of several windows sums what they give it: in half precision, not well.
    back = torch.zeros_like(x, dtype=_full(x.dtype) if _overlap(windows) else x.dtype)
    whole, extent = gradient.expand_as(out), _extent(x, out, windows)
    for (cells, given), (into, _) in zip(_pieces(x, whole, *extent), _pieces(back, whole, *extent), strict=True):
        _give_back(cells, given, into, places, temperature)
    return back.to(x.dtype)


def evenly_pooled(x: Tensor, counts: list[int], temperature: float) -> Tensor:
    """Windows of adaptive pooling, laid side by side for one piece of the channels at a time."""
    out = x.new_empty((*x.shape[: -len(counts)], *counts))
    for cells, result in _pieces(x, out, len(counts), x.numel()):
        largest, _, mean = _moments(tiled(evened(cells, counts), counts), out, WHOLE, temperature)
        result.copy_(largest.add_(mean).squeeze(-1))
    return out


def evenly_given_back(x: Tensor, gradient: Tensor, counts: list[int], temperature: float) -> Tensor:
    """The gradient of the input of `evenly_pooled`."""
    dims = len(counts)
    back = torch.zeros_like(x, dtype=_full(x.dtype), memory_format=torch.contiguous_format)
    # Which cell each place of each window is: counted from 1, so that 0 stays for what fills up the shorter windows.
    numbers = torch.arange(1, x[(0,) * (x.dim() - dims)].numel() + 1, device=x.device, dtype=torch.float64)
    places = tiled(evened(numbers.view(x.shape[-dims:]), counts), counts).flatten()
    seen = places > 0
    index = places[seen].long() - 1
    extent = dims, x.numel()
    for (cells, given), (into, _) in zip(_pieces(x, gradient, *extent), _pieces(back, gradient, *extent), strict=True):
        rows = tiled(evened(cells, counts), counts)
        shares = torch.zeros_like(rows, dtype=_full(rows.dtype))
        _give_back(rows, given[..., None], shares, WHOLE, temperature)
        into.flatten(-dims).index_add_(-1, index, shares.flatten(-dims - 1)[..., seen])
    return back.to(x.dtype)


def planned(x: Tensor, windows: Windows | None) -> tuple[Tensor, list[Tap]]:
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


def _pieces(x: Tensor, result: Tensor, pooled: int, size: int) -> Iterator[tuple[Tensor, Tensor]]:
    """Cut both alike, along the axes in front of the `pooled` last ones, until a piece of that `size` is small."""
    cut = [axis for axis in range(result.dim() - pooled) if result.shape[axis] > 1]
    if torch.compiler.is_compiling() or size <= _piece(x.device) or not cut:
        yield x, result
        return
    for part, made in zip(x.tensor_split(2, cut[0]), result.tensor_split(2, cut[0]), strict=True):
        yield from _pieces(part, made, pooled, size * made.shape[cut[0]] // result.shape[cut[0]])


def _extent(x: Tensor, out: Tensor, windows: Windows | None) -> tuple[int, int]:
    """How many axes are pooled, and the size of what is in hand at once: a row, or a place of every window."""
    return (1, x.numel()) if windows is None else (len(windows[0]), out.numel())


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
