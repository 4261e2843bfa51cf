"""What the functions that draw clips ask of their arguments, and how they say that it is not so."""

from __future__ import annotations

import operator
from difflib import get_close_matches


def among(name: str, value: str, known: tuple[str, ...]) -> None:
    """Raise ValueError, with what is near, unless a value is one of those known."""
    if value not in known:
        near = get_close_matches(str(value), known, n=1, cutoff=0.5)
        hint = f"; did you mean {near[0]!r}?" if near else ""
        raise ValueError(f"{name} {value!r} is not one of {', '.join(map(repr, known))}{hint}")


def whole(name: str, value: int, least: int) -> int:
    """Return a whole number of at least ``least``; ValueError for anything else."""
    try:
        number = operator.index(value)
    except TypeError:
        number = least - 1
    if number < least:
        raise ValueError(f"{name} must be a whole number, {least} or more, got {value!r}")
    return number


def numbers(seed: int, frames: int, size: int) -> tuple[int, int, int]:
    """Check what every clip has: a seed, a number of frames, a height and width."""
    return whole("seed", seed, 0), whole("frames", frames, 4), whole("size", size, 32)
