"""Keep FFmpeg's and OpenCV's own words off standard error while a file of unknown health is decoded.

What they would say is found out by counting frames, and said in one sentence. Both have one level of noise per process: it
is lowered while anybody reads, and put back when the last one has done.
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

_SILENT, _FFMPEG_QUIET = 0, -8
_lock = threading.Lock()
_readers = 0
_before: tuple[int, int | None] = (0, None)


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Silence while the body runs, in any number of threads at once."""
    global _readers, _before
    with _lock:
        if _readers == 0:
            _before = _levels()
            _set_levels(_SILENT, _FFMPEG_QUIET)
        _readers += 1
    try:
        yield
    finally:
        with _lock:
            _readers -= 1
            if _readers == 0:
                _set_levels(*_before)


def silence_again() -> None:
    """Lower FFmpeg's level again: some versions of OpenCV raise it whenever they open a file."""
    with _lock:
        if _readers > 0:
            _set_levels(_SILENT, _FFMPEG_QUIET)


def _levels() -> tuple[int, int | None]:
    ffmpeg = _ffmpeg()
    return int(_opencv().getLogLevel()), None if ffmpeg is None else int(ffmpeg.av_log_get_level())


def _set_levels(opencv: int, ffmpeg: int | None) -> None:
    _opencv().setLogLevel(opencv)
    library = _ffmpeg()
    if library is not None and ffmpeg is not None:
        library.av_log_set_level(ffmpeg)


def _opencv() -> Any:
    """Where this version of OpenCV keeps ``setLogLevel``."""
    import cv2

    return cv2 if hasattr(cv2, "setLogLevel") else cv2.utils.logging


@functools.cache
def _ffmpeg() -> Any:
    """The libavutil that OpenCV's wheel brought and has loaded, its level of noise set; ``None`` where there is none."""
    import cv2

    level = _opencv().getLogLevel()
    try:
        _opencv().setLogLevel(_SILENT)
        cv2.VideoCapture("", cv2.CAP_FFMPEG)  # the first file that OpenCV opens sets FFmpeg's level: not later than now
    finally:
        _opencv().setLogLevel(level)
    home = Path(cv2.__file__).parent
    for path in (*home.parent.glob("opencv_*.libs/libavutil*"), *home.glob(".dylibs/libavutil*")):
        with contextlib.suppress(OSError, AttributeError):  # not loaded; no such flag on this system
            return ctypes.CDLL(str(path), mode=os.RTLD_NOLOAD | os.RTLD_LAZY)
    return None
