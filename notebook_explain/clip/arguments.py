"""Checks of numbers that people state."""

from __future__ import annotations

from typing import Any


def whole(name: str, value: Any, *, least: int = 1, unit: str = "") -> int:
    """A whole number of at least ``least`` (TypeError, ValueError otherwise)."""
    if isinstance(value, bool) or not hasattr(value, "__index__"):
        raise TypeError(f"{name} must be a whole number, got {value!r}")
    if value < least:
        raise ValueError(f"{name} must be at least {least}{unit}, got {value!r}")
    return int(value)
