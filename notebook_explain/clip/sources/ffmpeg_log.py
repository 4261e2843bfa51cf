"""Silence the logs of FFmpeg and OpenCV on standard error while a file is decoded.

Losses are found by counting frames and reported in one warning. Both libraries have one log level per process: it is
lowered while any thread decodes, and restored when the last one has finished.
"""

from __future__ import annotations

import contextlib
import ctypes
import functools
import os
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

_OPENCV_SILENT, _FFMPEG_QUIET = 0, -8
_lock = threading.Lock()
_readers = 0
_saved_levels: tuple[int, int | None] = (0, None)


@contextlib.contextmanager
def silenced() -> Iterator[None]:
    """Silence both logs while the body runs, in any number of threads at once."""
    global _readers, _saved_levels
    with _lock:
        if _readers == 0:
            _saved_levels = _levels()
            _set_levels(_OPENCV_SILENT, _FFMPEG_QUIET)
        _readers += 1
    try:
        yield
    finally:
        with _lock:
            _readers -= 1
            if _readers == 0:
                _set_levels(*_saved_levels)


def silence_again() -> None:
    """Lower the levels again: some versions of OpenCV raise FFmpeg's whenever they open a file."""
    with _lock:
        if _readers > 0:
            _set_levels(_OPENCV_SILENT, _FFMPEG_QUIET)


def _levels() -> tuple[int, int | None]:
    ffmpeg = _ffmpeg()
    return int(_opencv_logging().getLogLevel()), None if ffmpeg is None else int(ffmpeg.av_log_get_level())


def _set_levels(opencv: int, ffmpeg: int | None) -> None:
    _opencv_logging().setLogLevel(opencv)
    library = _ffmpeg()
    if library is not None and ffmpeg is not None:
        library.av_log_set_level(ffmpeg)


def _opencv_logging() -> Any:
    """Return the module that has ``setLogLevel`` in this version of OpenCV."""
    import cv2

    return cv2 if hasattr(cv2, "setLogLevel") else cv2.utils.logging


@functools.cache
def _ffmpeg() -> Any:
    """Return the libavutil that OpenCV has loaded, its log level initialised; ``None`` if there is none."""
    import cv2

    level = _opencv_logging().getLogLevel()
    try:
        _opencv_logging().setLogLevel(_OPENCV_SILENT)
        cv2.VideoCapture("", cv2.CAP_FFMPEG)  # OpenCV sets FFmpeg's level when it opens its first file: do that now
    finally:
        _opencv_logging().setLogLevel(level)
    package = Path(cv2.__file__).parent
    for path in (*package.parent.glob("opencv_*.libs/libavutil*"), *package.glob(".dylibs/libavutil*")):
        with contextlib.suppress(OSError, AttributeError):  # not loaded, or no such flag on this system
            return ctypes.CDLL(str(path), mode=os.RTLD_NOLOAD | os.RTLD_LAZY)
    return None
