"""Pooling windows: their number, the cells of each window, and unfolding.

As in torch's own pooling, cells outside of the input belong to no window. A *tap* is one position within the window: the
cells at this position of all windows are a strided view of the input, so nothing is copied.
"""

from __future__ import annotations

import itertools
import math
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from notebook_explain._errors import UsageError, UsageTypeError

# Kernel, stride, padding and dilation, one number per axis each (lists, for TorchScript); ceil_mode.
Windows = tuple[list[int], list[int], list[int], list[int], bool]
# Also: the counts of adaptive pooling per axis; None for one window over the last axis.
AnyWindows = Windows | list[int] | None
Tap = tuple[Any, Any]  # index of the windows that have a cell at this tap, and index of these cells


def per_axis(value: Any, dims: int, name: str, least: int = 0) -> tuple[int, ...]:
    """Return one whole number per axis from one number or a sequence.

    Raises
    ------
    TypeError
        Values that are not whole numbers.
    ValueError
        Neither one number nor as many as there are axes, or one below `least`.
    """
    numbers = tuple(value) if isinstance(value, (tuple, list)) else (value,)
    numbers = numbers * dims if len(numbers) == 1 else numbers
    if not all(isinstance(number, int) and not isinstance(number, bool) for number in numbers):
        raise UsageTypeError(f"{name} must be one whole number or {dims} of them, got {value!r}")
    if len(numbers) != dims or min(numbers) < least:
        raise UsageError(f"{name} must be one number or {dims}, each at least {least}; got {value!r}")
    return numbers


def check_windows(dims: int, kernel_size: Any, stride: Any, padding: Any, dilation: Any, ceil_mode: Any) -> Windows:
    """Return the arguments of a pooling with one number per axis; ValueError or TypeError if they are invalid."""
    kernel = per_axis(kernel_size, dims, "kernel_size", 1)
    strides = kernel if stride is None else per_axis(stride, dims, "stride", 1)
    pads = per_axis(padding, dims, "padding")
    if any(2 * p > k for p, k in zip(pads, kernel, strict=True)):
        raise UsageError(f"padding must be at most half of kernel_size {kernel}, got {pads}")
    return list(kernel), list(strides), list(pads), list(per_axis(dilation, dims, "dilation", 1)), bool(ceil_mode)


def window_count(length: int, kernel: int, stride: int, padding: int, dilation: int, ceil_mode: bool) -> int:
    """Return the number of windows along an axis.

    With `ceil_mode` the last window may extend beyond the end, but not begin there.
    """
    room = length + 2 * padding - dilation * (kernel - 1) - 1
    count = (room + (stride - 1 if ceil_mode else 0)) // stride + 1
    if ceil_mode and (count - 1) * stride >= length + padding:
        count -= 1
    return count


def window_counts(
    lengths: list[int], kernel: list[int], stride: list[int], padding: list[int], dilation: list[int], ceil_mode: bool
) -> list[int]:
    """Return `window_count` for every axis."""
    return [
        window_count(lengths[a], kernel[a], stride[a], padding[a], dilation[a], ceil_mode) for a in range(len(kernel))
    ]


def check_window_counts(lengths: list[int], windows: Windows) -> list[int]:
    """Return `window_counts`; ValueError if no window fits."""
    counts = window_counts(lengths, *windows)
    if min(counts) < 1:
        raise UsageError(f"windows of {windows[0]} are larger than the input {lengths} with padding {windows[2]}")
    return counts


def adaptive_sizes(output_size: Any, dims: int) -> list[int]:
    """Return the requested number of windows per axis; 0, given as ``None``, keeps the length of the axis."""
    sizes = tuple(output_size) if isinstance(output_size, (tuple, list)) else (output_size,)
    sizes = sizes * dims if len(sizes) == 1 else sizes
    counts = per_axis([1 if size is None else size for size in sizes], dims, "output_size", 1)
    return [0 if size is None else count for size, count in zip(sizes, counts, strict=True)]


def adaptive_counts(lengths: list[int], sizes: list[int]) -> list[int]:
    """Return the number of windows of adaptive pooling per axis. Scriptable."""
    return [sizes[a] if sizes[a] > 0 else lengths[a] for a in range(len(sizes))]


def window_cells(length: int, count: int, kernel: int, stride: int, padding: int, dilation: int) -> list[list[int]]:
    """Return the cell at each tap of each window along one axis; -1 outside of the input."""
    windows = [[window * stride - padding + tap * dilation for tap in range(kernel)] for window in range(count)]
    return [[cell if 0 <= cell < length else -1 for cell in cells] for cells in windows]


def adaptive_window_cells(length: int, count: int) -> list[list[int]]:
    """Return the cells of each window of adaptive pooling along one axis; -1 pads the shorter windows.

    Window `i` of `n` over a length `l` has the cells from floor(i l / n) to ceil((i + 1) l / n), exclusive.
    Scriptable.
    """
    starts = [window * length // count for window in range(count)]
    ends = [((window + 1) * length + count - 1) // count for window in range(count)]
    longest = max([ends[window] - starts[window] for window in range(count)])
    windows: list[list[int]] = []
    for window in range(count):
        cells = [starts[window] + tap for tap in range(longest)]
        windows.append([cell if cell < ends[window] else -1 for cell in cells])
    return windows


def window_taps(lengths: list[int], counts: list[int], windows: Windows) -> list[Tap]:
    """Return, for every tap of the window, the index of the windows with a cell there and the index of these cells."""
    kernel, stride, padding, dilation, _ = windows
    axes = []
    for length, count, k, s, p, d in zip(lengths, counts, kernel, stride, padding, dilation, strict=True):
        taps = [_axis_tap(length, count, tap * d - p, s) for tap in range(k)]
        axes.append([tap for tap in taps if tap is not None])
    return [((..., *(tap[0] for tap in taps)), (..., *(tap[1] for tap in taps))) for taps in itertools.product(*axes)]


def _axis_tap(length: int, count: int, first: int, stride: int) -> tuple[slice, slice] | None:
    """Return windows and cells of one tap along one axis, if that of the first window would be cell `first`."""
    low = max(0, -(first // stride))
    high = min(count - 1, (length - 1 - first) // stride)
    if low > high:
        return None
    start = first + low * stride
    return slice(low, high + 1), slice(start, start + (high - low) * stride + 1, stride)


def unfold_windows(
    x: Tensor, kernel: list[int], stride: list[int], padding: list[int], dilation: list[int], ceil_mode: bool
) -> Tensor:
    """Return the cells of each window along a last axis: (..., windows per axis, cells), -inf outside of the input.

    As large as all windows together. Scriptable.
    """
    dims = len(kernel)
    first = x.dim() - dims
    counts = window_counts(list(x.shape[first:]), kernel, stride, padding, dilation, ceil_mode)
    pads: list[int] = []
    for back in range(dims):
        a = dims - 1 - back
        extent = (counts[a] - 1) * stride[a] + dilation[a] * (kernel[a] - 1) + 1
        pads.append(padding[a])
        pads.append(max(extent - padding[a] - x.shape[first + a], 0))
    if max(pads) > 0:
        x = F.pad(x, pads, value=-float("inf"))
    for a in range(dims):
        x = x.unfold(first + a, dilation[a] * (kernel[a] - 1) + 1, stride[a])
        x = x.narrow(first + a, 0, counts[a])
        x = x[..., :: dilation[a]]
    return x.flatten(x.dim() - dims)


def is_tiling(lengths: list[int], counts: list[int], windows: Windows) -> bool:
    """Return whether each cell is in exactly one window."""
    kernel, stride, padding, dilation, _ = windows
    covers = all(count * k == length for count, k, length in zip(counts, kernel, lengths, strict=True))
    return covers and stride == kernel and not any(padding) and set(dilation) == {1}


def unfold_tiles(x: Tensor, counts: list[int]) -> Tensor:
    """Return the cells of each window along a last axis, for windows that tile: (..., windows per axis, cells).

    Copies unless there is only one window. Scriptable.
    """
    first, dims = x.dim() - len(counts), len(counts)
    split = list(x.shape[:first])
    order = list(range(first + 2 * dims))
    for a in range(dims):
        split += [counts[a], x.shape[first + a] // counts[a]]
        order[first + a] = first + 2 * a
        order[first + dims + a] = first + 2 * a + 1
    return x.reshape(split).permute(order).flatten(first + dims)


def pad_to_tiles(x: Tensor, counts: list[int]) -> Tensor:
    """Lay out windows of adaptive pooling, which differ in length and overlap, as tiles; -inf pads the shorter ones.

    Scriptable.
    """
    first = x.dim() - len(counts)
    for a in range(len(counts)):
        length = x.shape[first + a]
        if length % counts[a] == 0:
            continue
        cells = torch.tensor(adaptive_window_cells(length, counts[a]), device=x.device).flatten()
        x = x.index_select(first + a, cells.clamp_min(0))
        x = x.masked_fill((cells < 0).view([-1] + [1] * (len(counts) - 1 - a)), -float("inf"))
    return x


def numbered_cells(x: Tensor, windows: AnyWindows) -> tuple[Tensor, int]:
    """Return the number of each window's cells among the flattened pooled axes of `x`, and the number of these axes.

    Returns
    -------
    numbers : int64 tensor (windows per axis, cells)
        -1 outside of the input, and in the padding of the shorter windows of adaptive pooling.
    dims : int
    """
    dims = 1 if windows is None else len(windows) if isinstance(windows, list) else len(windows[0])
    lengths = list(x.shape[-dims:])
    every = torch.arange(math.prod(lengths), dtype=torch.float64).view(
        lengths
    )  # on the CPU: some devices have no float64
    if windows is None:
        cells = every[None]
    elif isinstance(windows, list):
        cells = unfold_tiles(pad_to_tiles(every, windows), windows)
    else:
        cells = unfold_windows(every, *windows)
    return cells.clamp_min(-1.0).long().to(x.device), dims
