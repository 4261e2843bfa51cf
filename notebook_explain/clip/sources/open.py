"""Open the video or the images at a path; refuse everything else before FFmpeg sees it."""

from __future__ import annotations

import numbers
import os
import re
import stat
import urllib.parse
from pathlib import Path
from typing import Any

from notebook_explain._errors import UsageError, UsageTypeError
from notebook_explain.clip.sources.base import Source
from notebook_explain.clip.sources.image_folder import IMAGE_SUFFIXES, ImageFolder
from notebook_explain.clip.sources.video import VideoFile

MAX_PIXELS = 2**30  # about 3 GB of RGB: more than any network takes, less than a laptop has
_PLAYLIST_STARTS = (b"#EXTM3U", b"ffconcat", b"<?xml", b"<MPD", b"<Smooth", b"v=0")  # FFmpeg would open what they list
_UTF16_STARTS = (b"\xff\xfe", b"\xfe\xff")
_EXPECTED = "give the path of an mp4, avi, mkv, webm or gif file, or of a folder of images"


def open_source(path: Any, *, fps: float | None = None, max_pixels: int = MAX_PIXELS, tone_map: bool = True) -> Source:
    """Return the video or the images at a path, without decoding anything.

    Parameters
    ----------
    path : path to a video file, a folder of images, or one image
    fps : float, optional
        Frames per second of a folder of images.
    max_pixels : int
        Limit for one frame or image, checked before it is decoded.
    tone_map : bool
        False to leave HDR and wide gamut as they are stored.

    Raises
    ------
    FileNotFoundError, TypeError, ValueError
        Nothing there; a URL, a device, a text file; ``fps`` for a video.
    """
    path = _check_path(path)
    fps = _check_fps(fps)
    if path.is_dir() or path.suffix.lower() in IMAGE_SUFFIXES:
        return ImageFolder(path, fps, max_pixels)
    if fps is not None:
        raise UsageError(
            f"fps applies to folders of images, but {path.name!r} is a video, which has its own frame times"
        )
    return VideoFile(path, max_pixels, maps_tones=tone_map)


def _check_path(path: Any) -> Path:
    """Return the path of a folder, or of a regular file that may be a video."""
    try:
        text = os.fsdecode(path)
    except TypeError:
        raise UsageTypeError(f"expected the path of a clip, got {path!r}; for an array, use Clip.of") from None
    _refuse_url(text)
    if not text or "\0" in text:
        raise UsageError(f"{text!r} is not a path; {_EXPECTED}")
    expanded = Path(text).expanduser() if text.startswith(("~/", "~\\")) else Path(text)
    try:
        status = expanded.stat()
    except (FileNotFoundError, NotADirectoryError):
        raise FileNotFoundError(f"no video file at {text!r}; {_EXPECTED}") from None
    if stat.S_ISDIR(status.st_mode):
        return expanded
    if not stat.S_ISREG(status.st_mode):
        raise UsageError(f"{text!r} is a pipe or a device, not a file; write its contents to a file first")
    if status.st_size == 0:
        raise UsageError(f"{text!r} is empty (0 bytes); {_EXPECTED}")
    if _is_text(expanded):
        raise UsageError(f"{text!r} is a text file, not a video; {_EXPECTED}")
    return expanded


def _check_fps(fps: Any) -> float | None:
    if fps is None:
        return None
    if isinstance(fps, bool) or not isinstance(fps, numbers.Real) or not 0 < float(fps) < 100_000:
        raise UsageError(f"fps must be a number of frames per second above 0 and below 100,000, got {fps!r}")
    return float(fps)


def _refuse_url(text: str) -> None:
    if re.match(r"file:/", text, re.IGNORECASE):
        plain = urllib.parse.unquote(re.sub(r"^file:/+(localhost/)?", "/", text, flags=re.IGNORECASE))
        raise UsageError(f"{text!r} is a URL; give the plain path, {plain!r}")
    if re.match(r"[a-z][a-z0-9+.-]+:/|data:", text, re.IGNORECASE):  # at least two letters: C:/ is a drive
        raise UsageError(f"{text!r} is a URL, and clips are not read from the network; download it and give its path")


def _is_text(path: Path) -> bool:
    """Return whether a file begins like text: FFmpeg would render it as a video, or open the files that it lists."""
    with path.open("rb") as file:
        start = file.read(4096)
    if start.startswith(b"YUV4MPEG2"):  # raw frames after one line of text
        return False
    is_playlist = start.lstrip(b"\xef\xbb\xbf \t\r\n").startswith(_PLAYLIST_STARTS)
    return (
        is_playlist or start.startswith(_UTF16_STARTS) or all(byte >= 32 or byte in b"\t\n\r\f\x1b" for byte in start)
    )
