"""Silence FFmpeg while a file is read: losses are counted, and reported in one warning.

PyAV passes FFmpeg's messages to Python's ``logging`` if the user set a level, and drops them otherwise. The level belongs to
the whole process: it is lowered while any thread reads, and restored when the last one has finished.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator

_lock = threading.Lock()
_readers = 0
_saved_level: int | None = None


@contextlib.contextmanager
def silenced() -> Iterator[None]:
    """Drop FFmpeg's messages while the body runs, in any number of threads at once."""
    global _readers, _saved_level
    from av import logging

    with _lock:
        if _readers == 0:
            _saved_level = logging.get_level()
            if _saved_level is not None:  # without a level, PyAV is silent
                logging.set_level(None)
        _readers += 1
    try:
        yield
    finally:
        with _lock:
            _readers -= 1
            if _readers == 0 and _saved_level is not None:
                logging.set_level(_saved_level)
