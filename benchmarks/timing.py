"""Timings that are robust on a noisy machine: two functions run in turns, and the median ratio of the pairs counts."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
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


@dataclass(frozen=True)
class PairedTimes:
    """Times of two functions that ran in turns: wall-clock time and CPU time of this process.

    Attributes
    ----------
    pairs : tuple
        Of ((wall, cpu) of the work, (wall, cpu) of the reference), in seconds.
    """

    pairs: tuple[tuple[tuple[float, float], tuple[float, float]], ...]

    @property
    def wall(self) -> float:
        """Return the median ratio of wall-clock times."""
        return statistics.median(work[0] / reference[0] for work, reference in self.pairs)

    @property
    def cpu(self) -> float:
        """Return the median ratio of CPU times, which other processes on the machine disturb less."""
        return statistics.median(work[1] / reference[1] for work, reference in self.pairs)

    @property
    def cpu_range(self) -> tuple[float, float]:
        """Return the smallest and the largest ratio of CPU times."""
        ratios = [work[1] / reference[1] for work, reference in self.pairs]
        return min(ratios), max(ratios)

    def __str__(self) -> str:
        low, high = self.cpu_range
        return f"{self.cpu:.2f} ({low:.2f} to {high:.2f}; {len(self.pairs)}), wall {self.wall:.2f}"


def paired_times(
    work: Callable[[], Any], reference: Callable[[], Any], repeats: int, budget: float = float("inf")
) -> PairedTimes:
    """Time two functions in turns, after a warm-up of the reference.

    Parameters
    ----------
    work, reference : function
    repeats : int
        Number of pairs.
    budget : float
        Seconds after which no other pair begins; one always runs.
    """
    reference()
    start, pairs = time.perf_counter(), []
    while not pairs or (len(pairs) < repeats and time.perf_counter() - start < budget):
        pairs.append((_wall_and_cpu(work), _wall_and_cpu(reference)))
    return PairedTimes(tuple(pairs))


def _wall_and_cpu(work: Callable[[], Any]) -> tuple[float, float]:
    wall, cpu = time.perf_counter(), time.process_time()
    work()
    return time.perf_counter() - wall, time.process_time() - cpu


def line(name: str, value: str, goal: str = "") -> None:
    """Print one measurement."""
    print(f"  {name:<58} {value:<34} {goal}")
