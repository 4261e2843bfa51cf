"""Pace of previews: one after each chunk of steps, but fewer where a step is long, as a preview takes passes of its own."""

from __future__ import annotations

import time

LONG = 1.0  # seconds: steps that take longer allow no preview a second
SHARE = 0.1  # of the time of long steps, for previews


class PreviewPace:
    """Decides after which chunk of steps a preview is made. It changes nothing in the steps themselves.

    Call `is_due` after each chunk, and `made` after each preview.
    """

    def __init__(self) -> None:
        self._last_chunk = self._last_preview = time.perf_counter()
        self._began, self._cost = 0.0, 0.0

    def is_due(self) -> bool:
        """Return whether to make a preview now, and take the time of it."""
        now = time.perf_counter()
        is_long = now - self._last_chunk > LONG
        self._last_chunk = self._began = now
        return not is_long or now - self._last_preview >= self._cost / SHARE

    def made(self) -> None:
        """Take the time of a preview that is finished."""
        self._last_chunk = self._last_preview = time.perf_counter()
        self._cost = self._last_preview - self._began
