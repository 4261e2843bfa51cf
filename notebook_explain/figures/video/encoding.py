"""Video files written with PyAV: WebM (VP8) and MP4 (H.264), which browsers and players show."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from notebook_explain._atomic import replacing
from notebook_explain.clip.sources.ffmpeg_log import silenced
from notebook_explain.explanations import ExplainError

_BT709, _LIMITED = 1, 1  # code points of FFmpeg
_MAX_DENOMINATOR = 1001  # frame rates are fractions such as 30000/1001


@dataclass(frozen=True)
class Format:
    """Container and codec of a video file.

    Attributes
    ----------
    container : str
    codec : str
        Its name as readers know it.
    encoders : tuple of str
        FFmpeg's encoders for it, the best first.
    options, container_options : dict
        For the encoder and for the container.
    is_bt709 : bool
        Whether the file states its colours, BT.709; VP8 cannot, and is shown as BT.601.
    """

    container: str
    codec: str
    encoders: tuple[str, ...]
    options: dict[str, str]
    container_options: dict[str, str] = field(default_factory=dict)
    is_bt709: bool = False


FORMATS = {
    ".webm": Format(
        "webm",
        "VP8",
        ("libvpx",),
        {"crf": "6", "b": "4M", "deadline": "realtime", "cpu-used": "4", "lag-in-frames": "0"},
    ),
    ".mp4": Format(
        "mp4",
        "H.264",
        ("libx264", "libopenh264", "h264_videotoolbox"),
        {"crf": "16", "preset": "fast", "b": "8M"},
        {"movflags": "+faststart"},
        is_bt709=True,
    ),
}


def write_video(path: Path, images: Iterable[NDArray[np.uint8]], fps: float) -> Path:
    """Write a video and read it back; only a complete file is kept.

    Parameters
    ----------
    path : Path
        Its suffix is one of `FORMATS`. An existing file is replaced only once the new one is complete.
    images : iterable of uint8 (height, width, 3), all of one size
        Consumed one by one. An odd width or height is padded by one pixel, since colours are stored for two by two pixels.
    fps : float
        Frame ``k`` is shown at ``k / fps`` seconds; WebM rounds to milliseconds.

    Raises
    ------
    ExplainError
        PyAV lacks the encoder, or the file is incomplete.
    """
    kind = FORMATS[path.suffix.lower()]
    with replacing(path) as temporary, silenced():
        size, count = _encode(temporary, kind, images, Fraction(fps).limit_denominator(_MAX_DENOMINATOR))
        _check(temporary, size, count)
    return path


def _encode(
    path: Path, kind: Format, images: Iterable[NDArray[np.uint8]], rate: Fraction
) -> tuple[tuple[int, int], int]:
    """Write images; return their size (height, width) and number."""
    import av

    encoder = next((name for name in kind.encoders if name in av.codecs_available), None)
    if encoder is None:
        raise ExplainError(_missing_encoder(kind))
    size, count = (0, 0), 0
    with av.open(f"file:{path.absolute()}", "w", format=kind.container, options=kind.container_options) as container:
        stream: Any = None
        for image in images:
            even = np.pad(image, ((0, image.shape[0] % 2), (0, image.shape[1] % 2), (0, 0)), mode="edge")
            if stream is None:
                size = even.shape[0], even.shape[1]
                stream = _add_stream(container, encoder, kind, size, rate)
            frame = _to_frame(even, kind)
            frame.pts, frame.time_base = count, 1 / rate
            container.mux(stream.encode(frame))
            count += 1
        if stream is not None:
            container.mux(stream.encode(None))
    return size, count


def _add_stream(container: Any, encoder: str, kind: Format, size: tuple[int, int], rate: Fraction) -> Any:
    stream = container.add_stream(encoder, rate=rate, options=dict(kind.options))
    stream.height, stream.width = size
    stream.pix_fmt = "yuv420p"
    stream.time_base = stream.codec_context.time_base = 1 / rate
    if kind.is_bt709:
        context = stream.codec_context
        context.colorspace = context.color_primaries = context.color_trc = _BT709
        context.color_range = _LIMITED
    return stream


def _to_frame(image: NDArray[np.uint8], kind: Format) -> Any:
    """Return an RGB image as a frame with subsampled colours, by the matrix that the file states."""
    import av

    frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(image), format="rgb24")
    if not kind.is_bt709:
        return frame.reformat(format="yuv420p")
    return frame.reformat(format="yuv420p", dst_colorspace=_BT709, dst_color_range=_LIMITED)


def _check(path: Path, size: tuple[int, int], count: int) -> None:
    """Decode the file and count its frames: a full disk may go unnoticed while writing."""
    import av

    found = 0
    try:
        with av.open(f"file:{path.absolute()}") as container:
            for frame in container.decode(video=0):
                found += (frame.height, frame.width) == size
    except (av.FFmpegError, IndexError):  # not a video, or one that ends within a frame
        pass
    if found != count:
        raise ExplainError(
            f"the video is incomplete: {count} frames of {size[1]} x {size[0]} were written, {found} can be read back; "
            "is the disk full?"
        )


def _missing_encoder(kind: Format) -> str:
    other = next(suffix for suffix in FORMATS if FORMATS[suffix] is not kind)
    return (
        f"PyAV cannot write {kind.codec} video here: its FFmpeg was built without {' and '.join(kind.encoders)}. The wheels "
        f"of av on PyPI include an encoder (pip install --force-reinstall av); a file that ends in {other} needs another one, "
        "to_gif() needs none"
    )
