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


def checked(dims: int, kernel_size: Any, stride: Any, padding: Any, dilation: Any, ceil_mode: Any) -> Windows:
    """Windows as they are meant; ValueError or TypeError where they cannot be."""
    kernel = entries(kernel_size, dims, "kernel_size", 1)
    strides = kernel if stride is None else entries(stride, dims, "stride", 1)
    pads = entries(padding, dims, "padding")
    if any(2 * p > k for p, k in zip(pads, kernel, strict=True)):
        raise ValueError(f"padding must be at most half of kernel_size {kernel}, got {pads}")
    return list(kernel), list(strides), list(pads), list(entries(dilation, dims, "dilation", 1)), bool(ceil_mode)


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


def fitting_counts(lengths: list[int], windows: Windows) -> list[int]:
    """`window_counts`; ValueError where no window fits."""
    counts = window_counts(lengths, *windows)
    if min(counts) < 1:
        raise ValueError(f"windows of {windows[0]} are larger than {lengths} with padding {windows[2]}")
    return counts


def adaptive_sizes(output_size: Any, dims: int) -> list[int]:
    """How many windows adaptive pooling shall have along each axis; 0, given as ``None``, is as many as there are cells."""
    several = tuple(output_size) if isinstance(output_size, (tuple, list)) else (output_size,)
    several = several * dims if len(several) == 1 else several
    counts = entries([1 if size is None else size for size in several], dims, "output_size", 1)
    return [0 if size is None else count for size, count in zip(several, counts, strict=True)]


def adaptive_counts(lengths: list[int], sizes: list[int]) -> list[int]:
    """How many windows adaptive pooling has; in TorchScript too."""
    return [sizes[a] if sizes[a] > 0 else lengths[a] for a in range(len(sizes))]


def places(length: int, count: int, kernel: int, stride: int, padding: int, dilation: int) -> list[list[int]]:
    """Along one axis, for each window, the cell at each of its places; -1 outside of the input."""
    found = [[window * stride - padding + at * dilation for at in range(kernel)] for window in range(count)]
    return [[cell if 0 <= cell < length else -1 for cell in cells] for cells in found]


def adaptive_places(length: int, count: int) -> list[list[int]]:
    """`places` of adaptive pooling: -1 fills up the shorter windows.

    Window `i` of `n` over a length `l` sees the cells from floor(i l / n) up to, not with, ceil((i + 1) l / n).
    In TorchScript too.
    """
    starts = [at * length // count for at in range(count)]
    ends = [((at + 1) * length + count - 1) // count for at in range(count)]
    longest = max([ends[at] - starts[at] for at in range(count)])
    found: list[list[int]] = []
    for window in range(count):
        cells = [starts[window] + at for at in range(longest)]
        found.append([cell if cell < ends[window] else -1 for cell in cells])
    return found


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

    A copy, unless there is but one window. In TorchScript too.
    """
    first, dims = x.dim() - len(counts), len(counts)
    split = list(x.shape[:first])
    order = list(range(first + 2 * dims))
    for a in range(dims):
        split += [counts[a], x.shape[first + a] // counts[a]]
        order[first + a] = first + 2 * a
        order[first + dims + a] = first + 2 * a + 1
    return x.reshape(split).permute(order).flatten(first + dims)


def evened(x: Tensor, counts: list[int]) -> Tensor:
    """Make the windows of adaptive pooling, which differ in length and overlap, tile: -inf fills up the shorter ones.

    In TorchScript too.
    """
    first = x.dim() - len(counts)
    for a in range(len(counts)):
        length = x.shape[first + a]
        if length % counts[a] == 0:
            continue
        cells = torch.tensor(adaptive_places(length, counts[a]), device=x.device).flatten()
        x = x.index_select(first + a, cells.clamp_min(0))
        x = x.masked_fill((cells < 0).view([-1] + [1] * (len(counts) - 1 - a)), -float("inf"))
    return x
