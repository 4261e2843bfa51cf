"""Timings that are robust on a noisy machine: two functions run in turns, and the median ratio of the pairs counts."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from typing import Any


def seconds(work: Callable[[], Any]) -> float:
    """Return the wall-clock time of one call."""
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def ratio(work: Callable[[], Any], reference: Callable[[], Any], repeats: int = 7) -> tuple[float, float, float, float]:
    """Time two functions in turns after one warm-up each.

    Returns
    -------
    tuple of float
        Median, smallest and largest ratio of their times, and the median seconds of the reference.
    """
    work(), reference()
    pairs = [(seconds(work), seconds(reference)) for _ in range(repeats)]
    ratios = sorted(a / b for a, b in pairs)
    return statistics.median(ratios), ratios[0], ratios[-1], statistics.median(b for _, b in pairs)


def line(name: str, value: str, goal: str = "") -> None:
    """Print one measurement."""
    print(f"  {name:<58} {value:<34} {goal}")
