"""Reference implementations of the building blocks: loops that follow the formulas, in float64."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]


def window_cells(shape: tuple[int, ...], index: tuple[int, ...], settings: Any) -> list[tuple[int, ...]]:
    """Cells of the window with an index."""
    kernel, stride, padding, dilation = settings
    axes = [
        [i * s - p + j * d for j in range(k) if 0 <= i * s - p + j * d < length]
        for length, i, k, s, p, d in zip(shape, index, kernel, stride, padding, dilation, strict=True)
    ]
    return list(itertools.product(*axes))


def pooled_shape(shape: tuple[int, ...], settings: Any, ceil_mode: bool) -> tuple[int, ...]:
    """Number of windows per axis, as in torch's documentation."""
    counts = []
    for length, k, s, p, d in zip(shape, *settings, strict=True):
        room = (length + 2 * p - d * (k - 1) - 1) / s
        count = int(np.ceil(room) if ceil_mode else np.floor(room)) + 1
        if ceil_mode and (count - 1) * s >= length + p:
            count -= 1
        counts.append(count)
    return tuple(counts)


def soft_pool(maps: Array, settings: Any, ceil_mode: bool, temperature: float, gradient: Array | None = None) -> Any:
    """Pool (channel, ...); return the result and the gradient of the input for a `gradient` of the result."""
    counts = pooled_shape(maps.shape[1:], settings, ceil_mode)
    out, back = np.full((len(maps), *counts), -np.inf), np.zeros_like(maps)
    for channel in range(len(maps)):
        for index in itertools.product(*map(range, counts)):
            cells = window_cells(maps.shape[1:], index, settings)
            if not cells:
                continue
            values = np.array([maps[channel][cell] for cell in cells])
            weights = np.exp((values - values.max()) / temperature)
            weights /= weights.sum()
            mean = (weights * values).sum()
            out[channel][index] = mean
            if gradient is not None:
                for cell, value, weight in zip(cells, values, weights, strict=True):
                    back[channel][cell] += gradient[channel][index] * weight * (1 + (value - mean) / temperature)
    return out, back


def adaptive_soft_pool(maps: Array, counts: tuple[int, ...], temperature: float) -> Array:
    """Pool (channel, ...) with windows from floor(i L / n) to ceil((i + 1) L / n)."""
    out = np.zeros((len(maps), *counts))
    for index in itertools.product(*map(range, counts)):
        window = tuple(
            slice(int(np.floor(i * length / n)), int(np.ceil((i + 1) * length / n)))
            for i, n, length in zip(index, counts, maps.shape[1:], strict=True)
        )
        for channel in range(len(maps)):
            values = maps[channel][window].ravel()
            weights = np.exp((values - values.max()) / temperature)
            out[channel][index] = (weights * values).sum() / weights.sum()
    return out


def kept_frames(maps: Array, keep: str, ends: bool) -> list[int]:
    """Indices of the frames of (channel, time, height, width) that are most or least like their neighbours."""
    frames = maps.mean((2, 3)).T
    if len(frames) <= 2:
        return list(range(len(frames)))

    def similarity(a: int, b: int) -> float:
        return float((frames[a] @ frames[b]) ** 2 / (frames[a] @ frames[a]) / (frames[b] @ frames[b]))

    likeness = {}
    for t in range(len(frames)):
        near = [similarity(t, other) for other in (t - 1, t + 1) if 0 <= other < len(frames)]
        if len(near) == 2 or ends:
            likeness[t] = np.mean(near)
    order = sorted(likeness, key=lambda t: -likeness[t] if keep == "most" else likeness[t])
    return sorted(order[: len(frames) // 2])


def cycle(s: Array, r: Array, temperature: float) -> tuple[list[bool], list[float]]:
    """Return for each frame of `s` (channel, time) if its cycle through `r` returns, and the likelihood."""
    frames = s.shape[1]
    returns, likelihood = [], []
    for t in range(frames):
        nearness = np.array([np.exp(-((s[:, t] - r[:, u]) ** 2).sum() / temperature) for u in range(frames)])
        neighbour = (r * nearness / nearness.sum()).sum(1)
        distances = [((neighbour - s[:, u]) ** 2).sum() for u in range(frames)]
        returns.append(all(distances[t] < distances[u] for u in range(frames) if u != t))
        back = np.exp(-np.array(distances) / temperature)
        likelihood.append(float(back[t] / back.sum()))
    return returns, likelihood
