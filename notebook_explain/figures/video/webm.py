"""WebM files (VP8) written with OpenCV: the only video format that it writes and every browser plays."""

from __future__ import annotations

import contextlib
import os
import sys
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from notebook_explain._atomic import replacing
from notebook_explain.explanations import ExplainError

CODEC = "VP80"
NO_CODEC = (
    "this OpenCV cannot write VP8 video (WebM): it was built without FFmpeg or without libvpx. The wheels of "
    "opencv-python-headless on PyPI include both (pip install --force-reinstall opencv-python-headless); "
    "to_gif() needs neither"
)


def write_webm(path: Path, images: Iterable[NDArray[np.uint8]], fps: float) -> Path:
    """Write a video and read it back; only a complete file is kept.

    Parameters
    ----------
    path : Path
        An existing file is replaced only once the new one is complete.
    images : iterable of uint8 (height, width, 3), all of one size
        Consumed one by one. An odd width or height is padded by one pixel, since VP8 requires even ones.
    fps : float

    Raises
    ------
    ExplainError
        OpenCV lacks the codec, or the file is incomplete.
    """
    with replacing(path) as temporary, tempfile.TemporaryDirectory(dir=path.parent, prefix=".") as folder:
        draft = Path(folder) / "video.webm"  # OpenCV chooses the container by the suffix
        size, count = _encode(draft, images, fps)
        _check(draft, size, count)
        draft.replace(temporary)
    return path


def _encode(path: Path, images: Iterable[NDArray[np.uint8]], fps: float) -> tuple[tuple[int, int], int]:
    """Write images; return their size (height, width) and number."""
    import cv2

    writer: Any = None
    size, count = (0, 0), 0
    try:
        for image in images:
            height, width = image.shape[:2]
            even = np.pad(image, ((0, height % 2), (0, width % 2), (0, 0)), mode="edge")
            if writer is None:
                size = even.shape[0], even.shape[1]
                with _silence_stderr():
                    writer = cv2.VideoWriter(
                        str(path), cv2.CAP_FFMPEG, cv2.VideoWriter.fourcc(*CODEC), fps, (size[1], size[0])
                    )
                if not writer.isOpened():
                    raise ExplainError(NO_CODEC)
            writer.write(cv2.cvtColor(even, cv2.COLOR_RGB2BGR))
            count += 1
    finally:
        if writer is not None:
            writer.release()
    return size, count


def _check(path: Path, size: tuple[int, int], count: int) -> None:
    """Decode the file and count its frames, since OpenCV does not report a full disk."""
    import cv2

    video = cv2.VideoCapture(str(path), cv2.CAP_FFMPEG) if path.is_file() else None
    found = 0
    if video is not None:
        actual = int(video.get(cv2.CAP_PROP_FRAME_HEIGHT)), int(video.get(cv2.CAP_PROP_FRAME_WIDTH))
        while actual == size and video.grab():
            found += 1
        video.release()
    if found != count:
        raise ExplainError(
            f"the video is incomplete: {count} frames of {size[1]} x {size[0]} were written, {found} can be read back; "
            "is the disk full?"
        )


@contextlib.contextmanager
def _silence_stderr() -> Iterator[None]:
    """Suppress the message about a missing VP8 tag that OpenCV prints whenever it opens a WebM.

    It ignores all logging levels, so standard error itself is redirected for these milliseconds.
    """
    sys.stderr.flush()
    with contextlib.ExitStack() as undo:
        try:
            original = os.dup(2)
            undo.callback(os.close, original)
            devnull = os.open(os.devnull, os.O_WRONLY)
            undo.callback(os.close, devnull)
            os.dup2(devnull, 2)
            undo.callback(os.dup2, original, 2)
        except OSError:  # the process has no standard error
            pass
        yield
