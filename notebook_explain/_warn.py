"""Warnings that point at the user's own line."""

from __future__ import annotations

import sys
import warnings


def warn(text: str) -> None:
    """Warn in the name of the first caller outside this package."""
    frame, level = sys._getframe(1), 2
    while frame.f_back is not None and str(frame.f_globals.get("__name__")).startswith("notebook_explain"):
        frame, level = frame.f_back, level + 1
    warnings.warn(text, stacklevel=level)
