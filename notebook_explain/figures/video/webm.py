"""Write a film as WebM (VP8) with OpenCV: the one kind of video that it can make and that every browser plays."""

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
    "this OpenCV cannot write VP8 video (webm): it was built without FFmpeg or without libvpx. The wheels of "
    "opencv-python-headless on PyPI carry both (pip install --force-reinstall opencv-python-headless); "
    "to_gif() needs neither"
)


def write_webm(path: Path, pictures: Iterable[NDArray[np.uint8]], fps: float) -> Path:
    """Write a video, and read it back: a file that stands there in the end is whole.

    Parameters
    ----------
    path : Path
        An existing file is replaced as a whole.
    pictures : iterable of uint8 (height, width, 3), all of one size
        Taken one by one. An odd width or height is filled up by one pixel: VP8 knows even ones only.
    fps : float

    Raises
    ------
    ExplainError
        OpenCV lacks the codec, or the file came out short.
    """
    with replacing(path) as temporary, tempfile.TemporaryDirectory(dir=path.parent, prefix=".") as folder:
        draft = Path(folder) / "film.webm"  # OpenCV tells the container by the ending
        size, count = _encode(draft, pictures, fps)
        _check(draft, size, count)
        draft.replace(temporary)
    return path


def _encode(path: Path, pictures: Iterable[NDArray[np.uint8]], fps: float) -> tuple[tuple[int, int], int]:
    """Size (height, width) and number of the pictures written."""
    import cv2

    writer: Any = None
    size, count = (0, 0), 0
    try:
        for picture in pictures:
            height, width = picture.shape[:2]
            even = np.pad(picture, ((0, height % 2), (0, width % 2), (0, 0)), mode="edge")
            if writer is None:
                size = even.shape[0], even.shape[1]
                with _silence():
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
    """OpenCV says nothing when a disk is full: decode what was written and count."""
    import cv2

    video = cv2.VideoCapture(str(path), cv2.CAP_FFMPEG) if path.is_file() else None
    came = 0
    if video is not None:
        there = int(video.get(cv2.CAP_PROP_FRAME_HEIGHT)), int(video.get(cv2.CAP_PROP_FRAME_WIDTH))
        while there == size and video.grab():
            came += 1
        video.release()
    if came != count:
        raise ExplainError(
            f"the video came out short: {count} frames of {size[1]} x {size[0]} were written, {came} can be read back; "
            "is the disk full?"
        )


@contextlib.contextmanager
def _silence() -> Iterator[None]:
    """Keep off standard error what OpenCV says whenever it opens a WebM, that VP8 has no tag there: it needs none.

    It writes past every level of logging, so that the stream itself is turned away for these milliseconds.
    """
    sys.stderr.flush()
    with contextlib.ExitStack() as undo:
        try:
            kept = os.dup(2)
            undo.callback(os.close, kept)
            nowhere = os.open(os.devnull, os.O_WRONLY)
            undo.callback(os.close, nowhere)
            os.dup2(nowhere, 2)
            undo.callback(os.dup2, kept, 2)
        except OSError:  # a process without a standard error has nothing to keep quiet
            pass
        yield
