"""Timings that a noisy machine cannot bend much: two things in turns, their ratio pair by pair, the median quoted."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from typing import Any


def seconds(work: Callable[[], Any]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def ratio(work: Callable[[], Any], reference: Callable[[], Any], repeats: int = 7) -> tuple[float, float, float, float]:
    """(median ratio, smallest, largest, median seconds of the reference), both run in turns after one warm-up each."""
    work(), reference()
    pairs = [(seconds(work), seconds(reference)) for _ in range(repeats)]
    ratios = sorted(a / b for a, b in pairs)
    return statistics.median(ratios), ratios[0], ratios[-1], statistics.median(b for _, b in pairs)


def line(name: str, value: str, goal: str = "") -> None:
    print(f"  {name:<58} {value:<34} {goal}")
