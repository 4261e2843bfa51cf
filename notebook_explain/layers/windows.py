"""Pooling windows: how many there are, which cells each of them sees, and their cells side by side.

As in torch's own pooling, what lies outside of the input belongs to no window. A *tap* is one place of the window: the
cells that lie there, for all windows at once, are a strided view of the input, so that nothing is copied.
"""

from __future__ import annotations

import itertools
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

# Kernel, stride, padding and dilation, one number per axis each (lists, as TorchScript has it); ceil_mode.
Windows = tuple[list[int], list[int], list[int], list[int], bool]
Tap = tuple[Any, Any]  # indices: places among the windows, and the cells that they see there


def entries(value: Any, dims: int, name: str, least: int = 0) -> tuple[int, ...]:
    """One whole number per axis.

    Raises
    ------
    TypeError, ValueError
        No whole numbers, not as many as there are axes, or one below `least`.
    """
    several = tuple(value) if isinstance(value, (tuple, list)) else (value,)
    several = several * dims if len(several) == 1 else several
    if not all(isinstance(entry, int) and not isinstance(entry, bool) for entry in several):
        raise TypeError(f"{name} must be a whole number, or {dims} of them; got {value!r}")
    if len(several) != dims or min(several) < least:
        raise ValueError(f"{name} must be one number or {dims}, each at least {least}; got {value!r}")
    return several


def window_count(length: int, kernel: int, stride: int, padding: int, dilation: int, ceil_mode: bool) -> int:
    """How many windows fit along an axis; with `ceil_mode` the last may reach beyond the end, but not begin there."""
    room = length + 2 * padding - dilation * (kernel - 1) - 1
    count = (room + (stride - 1 if ceil_mode else 0)) // stride + 1
    if ceil_mode and (count - 1) * stride >= length + padding:
        count -= 1
    return count


def window_counts(
    lengths: list[int], kernel: list[int], stride: list[int], padding: list[int], dilation: list[int], ceil_mode: bool
) -> list[int]:
    """`window_count` of every axis."""
    return [
        window_count(lengths[a], kernel[a], stride[a], padding[a], dilation[a], ceil_mode) for a in range(len(kernel))
    ]


def taps(lengths: list[int], counts: list[int], windows: Windows) -> list[Tap]:
    """Every place of the window: which windows have a cell there, and which cells these are."""
    kernel, stride, padding, dilation, _ = windows
    seen = []
    for length, count, k, s, p, d in zip(lengths, counts, kernel, stride, padding, dilation, strict=True):
        axis = [_tap(length, count, at * d - p, s) for at in range(k)]
        seen.append([tap for tap in axis if tap is not None])
    return [
        ((..., *(tap[0] for tap in chosen)), (..., *(tap[1] for tap in chosen))) for chosen in itertools.product(*seen)
    ]


def _tap(length: int, count: int, first: int, stride: int) -> tuple[slice, slice] | None:
    """Windows and cells of one place along one axis, where that of the first window would be cell `first`."""
    low = max(0, -(first // stride))
    high = min(count - 1, (length - 1 - first) // stride)
    if low > high:
        return None
    start = first + low * stride
    return slice(low, high + 1), slice(start, start + (high - low) * stride + 1, stride)


def unfolded(
    x: Tensor, kernel: list[int], stride: list[int], padding: list[int], dilation: list[int], ceil_mode: bool
) -> Tensor:
    """Cells of each window side by side: (..., windows per axis, cells), -inf where a window sees none.

    As large as all windows together; in TorchScript too.
    """
    dims = len(kernel)
    first = x.dim() - dims
    counts = window_counts(list(x.shape[first:]), kernel, stride, padding, dilation, ceil_mode)
    pads: list[int] = []
    for back in range(dims):
        a = dims - 1 - back
        reach = (counts[a] - 1) * stride[a] + dilation[a] * (kernel[a] - 1) + 1
        pads.append(padding[a])
        pads.append(max(reach - padding[a] - x.shape[first + a], 0))
    if max(pads) > 0:
        x = F.pad(x, pads, value=-float("inf"))
    for a in range(dims):
        x = x.unfold(first + a, dilation[a] * (kernel[a] - 1) + 1, stride[a])
        x = x.narrow(first + a, 0, counts[a])
        x = x[..., :: dilation[a]]
    return x.flatten(x.dim() - dims)


def tile(lengths: list[int], counts: list[int], windows: Windows) -> bool:
    """Whether each cell lies in exactly one window."""
    kernel, stride, padding, dilation, _ = windows
    whole = all(count * k == length for count, k, length in zip(counts, kernel, lengths, strict=True))
    return whole and stride == kernel and not any(padding) and set(dilation) == {1}


def tiled(x: Tensor, counts: list[int]) -> Tensor:
    """Cells of each window side by side, where windows tile the input: (..., windows per axis, cells).

    A copy, unless there is but one window.
    """
    first = x.dim() - len(counts)
    split: list[int] = []
    for length, count in zip(x.shape[first:], counts, strict=True):
        split += [count, length // count]
    inner = [first + 2 * a for a in range(len(counts))]
    order = [*range(first), *inner, *(axis + 1 for axis in inner)]
    return x.reshape(*x.shape[:first], *split).permute(order).flatten(first + len(counts))


def evened(x: Tensor, counts: list[int]) -> Tensor:
    """Make the windows of adaptive pooling, which differ in length and overlap, tile: -inf fills up the shorter ones.

    Window `i` of `n` over a length `l` sees the cells from floor(i l / n) up to, not with, ceil((i + 1) l / n).
    """
    first = x.dim() - len(counts)
    for axis, count in enumerate(counts, start=first):
        length = x.shape[axis]
        if length % count == 0:
            continue
        starts = [at * length // count for at in range(count)]
        ends = [-(-(at + 1) * length // count) for at in range(count)]
        longest = max(end - start for start, end in zip(starts, ends, strict=True))
        cells = [min(start + at, length - 1) for start in starts for at in range(longest)]
        empty = [start + at >= end for start, end in zip(starts, ends, strict=True) for at in range(longest)]
        view = [-1 if a == axis else 1 for a in range(x.dim())]
        x = x.index_select(axis, torch.tensor(cells, device=x.device))
        x = x.masked_fill(torch.tensor(empty, device=x.device).view(view), -float("inf"))
    return x
