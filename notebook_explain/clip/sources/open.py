"""What lies at a path: a video or pictures to read, or one clear sentence why not."""

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
from notebook_explain.clip.sources.image_folder import PICTURES, Folder
from notebook_explain.clip.sources.video import Video

MAX_PIXELS = 2**30  # about 3 GB of RGB: more than any network is shown, less than a laptop has
# What begins a list of other files: FFmpeg would open those in its place.
_LISTS = (b"#EXTM3U", b"ffconcat", b"<?xml", b"<MPD", b"<Smooth", b"v=0")
_WIDE_TEXT = (b"\xff\xfe", b"\xfe\xff")  # how text of two bytes a letter begins
_GIVE = "give the path of an mp4, avi, mkv, webm or gif, or of a folder of pictures"


def open_source(path: Any, *, fps: float | None = None, max_pixels: int = MAX_PIXELS) -> Source:
    """The video or the pictures at a path, nothing of them decoded yet.

    Parameters
    ----------
    path : path to a video file, to a folder of pictures, or to one picture
    fps : float, optional
        Frames per second of a folder of pictures.
    max_pixels : int
        The size above which a picture of a folder is refused unread.

    Raises
    ------
    FileNotFoundError, TypeError, ValueError
        Nothing there; a URL, a device, a text; ``fps`` for a video.
    """
    path = _checked(path)
    fps = _checked_rate(fps)
    if path.is_dir() or path.suffix.lower() in PICTURES:
        return Folder(path, fps, max_pixels)
    if fps is not None:
        raise UsageError(
            f"fps= is for folders of pictures; {path.name!r} is a video, which tells the times of its frames"
        )
    return Video(path)


def _checked(path: Any) -> Path:
    """The path of a folder or of a regular file that may be a video."""
    try:
        text = os.fsdecode(path)
    except TypeError:
        raise UsageTypeError(f"a clip is read from a path, got {path!r}; an array is made a clip by Clip.of") from None
    _refuse_url(text)
    if not text or "\0" in text:
        raise UsageError(f"{text!r} is no path; {_GIVE}")
    found = Path(text).expanduser() if text.startswith(("~/", "~\\")) else Path(text)
    try:
        status = found.stat()
    except (FileNotFoundError, NotADirectoryError):
        raise FileNotFoundError(f"no video file at {text!r}; {_GIVE}") from None
    if stat.S_ISDIR(status.st_mode):
        return found
    if not stat.S_ISREG(status.st_mode):
        raise UsageError(f"{text!r} is a pipe or a device, not a file; write what it gives to a file first")
    if status.st_size == 0:
        raise UsageError(f"{text!r} is empty (0 bytes); {_GIVE}")
    if _is_text(found):
        raise UsageError(f"{text!r} is a text file, not a video; {_GIVE}")
    return found


def _checked_rate(fps: Any) -> float | None:
    if fps is None:
        return None
    if isinstance(fps, bool) or not isinstance(fps, numbers.Real) or not 0 < float(fps) < 100_000:
        raise UsageError(f"fps must be a number of frames per second above 0, got {fps!r}")
    return float(fps)


def _refuse_url(text: str) -> None:
    if re.match(r"file:/", text, re.IGNORECASE):
        plain = urllib.parse.unquote(re.sub(r"^file:/+(localhost/)?", "/", text, flags=re.IGNORECASE))
        raise UsageError(f"{text!r} is a URL; give the plain path, {plain!r}")
    if re.match(r"[a-z][a-z0-9+.-]+:/|data:", text, re.IGNORECASE):  # two letters at least: C:/ is a drive
        raise UsageError(f"{text!r} is a URL, and nothing is read from the network; download it and give its path")


def _is_text(path: Path) -> bool:
    """Whether a file begins as text does: FFmpeg would draw it letter by letter, or open the files that it lists."""
    with path.open("rb") as file:
        start = file.read(4096)
    listed = start.lstrip(b"\xef\xbb\xbf \t\r\n").startswith(_LISTS)
    return listed or start.startswith(_WIDE_TEXT) or all(byte >= 32 or byte in b"\t\n\r\f\x1b" for byte in start)
