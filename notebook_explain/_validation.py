"""Checks of arguments that several packages share."""

from __future__ import annotations

import numbers
import operator
import os
from collections.abc import Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from notebook_explain._errors import UsageError, UsageTypeError


def check_int(name: str, value: Any, *, least: int = 1, unit: str = "") -> int:
    """Return a whole number of at least ``least``; a float is one if it has no fraction, as 112.0 has none.

    Parameters
    ----------
    name : str
        Name of the argument, for the error.
    value : object
    least : int
    unit : str
        Follows ``least`` in the error, such as ``" pixels"``.

    Raises
    ------
    TypeError
        Not a whole number.
    ValueError
        Below ``least``.
    """
    number: int | None
    try:
        number = operator.index(value)
    except TypeError:
        is_whole = isinstance(value, numbers.Real) and float(value).is_integer()
        number = int(value) if is_whole else None
    if number is None or isinstance(value, bool):
        raise UsageTypeError(f"{name} must be a whole number, got {value!r}")
    if number < least:
        raise UsageError(f"{name} must be at least {least}{unit}, got {value!r}")
    return number


def check_range(name: str, value: Any, low: float, high: float, *, unit: str = "") -> float:
    """Return a number from ``low`` to ``high``.

    Parameters
    ----------
    name : str
        Name of the argument, for the error.
    value : object
    low, high : float
        Smallest and largest valid value.
    unit : str
        Follows ``high`` in the error, such as ``" frames per second"``.

    Raises
    ------
    TypeError
        Not a number.
    ValueError
        Outside the range, or NaN.
    """
    if isinstance(value, bool) or not isinstance(value, numbers.Real):
        raise UsageTypeError(f"{name} must be a number, got {value!r}")
    number = float(value)
    if not low <= number <= high:
        raise UsageError(f"{name} must lie in {low:g}..{high:g}{unit}, got {value!r}")
    return number


def check_choice(name: str, value: Any, choices: Sequence[str]) -> str:
    """Return a value that is one of the choices; the ValueError for any other one names the nearest choice."""
    if value not in choices:
        near = get_close_matches(str(value), choices, n=1, cutoff=0.5)
        hint = f"; did you mean {near[0]!r}?" if near else ""
        raise UsageError(f"{name} must be one of {', '.join(map(repr, choices))}; got {value!r}{hint}")
    return str(value)


def check_size(size: Any) -> tuple[int, int]:
    """Return (height, width) in pixels, given one number (a square) or two.

    Raises
    ------
    TypeError
        Not whole numbers.
    ValueError
        More than two numbers, or one below 1.
    """
    sides = tuple(size) if isinstance(size, (list, tuple)) or getattr(size, "ndim", 0) > 0 else (size, size)
    if len(sides) != 2:
        raise UsageError(f"size must be one number (a square) or (height, width), got {size!r}")
    height, width = (check_int("size", side, unit=" pixel") for side in sides)
    return height, width


def made_folder(name: str, folder: str | os.PathLike[str]) -> Path:
    """Return a folder as a path, made if it does not exist (ValueError for a file)."""
    path = Path(folder)
    if path.exists() and not path.is_dir():
        raise UsageError(f"{name} must be a folder, but {str(path)!r} is a file")
    path.mkdir(parents=True, exist_ok=True)
    return path
