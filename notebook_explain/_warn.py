"""Warnings that point at the user's line."""

from __future__ import annotations

import sys
import warnings

from notebook_explain._progress import paused


def warn(text: str, category: type[Warning] = UserWarning) -> None:
    """Issue a warning that points at the first caller outside this package."""
    frame, level = sys._getframe(1), 2
    package = __name__.partition(".")[0]
    while frame.f_back is not None and str(frame.f_globals.get("__name__")).partition(".")[0] == package:
        frame, level = frame.f_back, level + 1
    with paused():
        warnings.warn(text, category, stacklevel=level)
