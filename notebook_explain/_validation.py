"""Checks of arguments that several packages share."""

from __future__ import annotations

import operator
from collections.abc import Sequence
from difflib import get_close_matches
from typing import Any

from notebook_explain._errors import UsageError, UsageTypeError


def check_int(name: str, value: Any, *, least: int = 1, unit: str = "") -> int:
    """Return a whole number of at least ``least``.

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
    try:
        number = operator.index(value)
    except TypeError:
        number = None
    if number is None or isinstance(value, bool):
        raise UsageTypeError(f"{name} must be a whole number, got {value!r}")
    if number < least:
        raise UsageError(f"{name} must be at least {least}{unit}, got {value!r}")
    return number


def check_choice(name: str, value: Any, choices: Sequence[str]) -> None:
    """Raise ValueError, with the nearest choice, unless a value is one of the choices."""
    if value not in choices:
        near = get_close_matches(str(value), choices, n=1, cutoff=0.5)
        hint = f"; did you mean {near[0]!r}?" if near else ""
        raise UsageError(f"{name} must be one of {', '.join(map(repr, choices))}; got {value!r}{hint}")
