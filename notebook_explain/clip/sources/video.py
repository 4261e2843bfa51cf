"""Video files, decoded by OpenCV: every frame in turn, with the times of the container.

Three facts of OpenCV shape this code:

- The frame count of the header may be -1, a rounded duration, or the count before the file was truncated. Packets are
  counted first, which takes a few milliseconds, and frames as they are decoded.
- Seeking lands on the wrong frames. Every frame is decoded in turn.
- A failed ``grab`` is not always the end. Decoding continues for as many attempts as there are packets left.
"""

from __future__ import annotations

import contextlib
from collections.abc import Generator, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from notebook_explain._errors import UsageError
from notebook_explain.clip.sampling import Sampling, Times
from notebook_explain.clip.sources.base import SourceFrame, SourceInfo
from notebook_explain.clip.sources.ffmpeg_log import silence_again, silenced

# H.265 is decoded by one thread: in a damaged stream, FFmpeg's threads may wait for each other forever.
_SINGLE_THREAD_CODECS = ("hevc", "hev1", "hvc1", "dvhe", "dvh1", "h265", "x265")
_REORDERING = (64, 2.0)  # frames and seconds by which packets, which are in decoding order, may be late


@dataclass(frozen=True)
class _Header:
    """Header of a video: frames per second and frame count (0 if unknown), height and width, codec."""

    fps: float = 0.0
    count: int = 0
    size: tuple[int, int] = (0, 0)
    codec: str = ""


class VideoFile:
    """A video file.

    Attributes
    ----------
    path : Path
    name : str
        File name without its path; paths are stripped for privacy.
    """

    def __init__(self, path: Path) -> None:
        self.path, self.name = path, path.name
        self._header = _Header()

    def probe(self, sampling: Sampling) -> SourceInfo:
        """Read the header and count the packets, up to the last that is needed, without decoding."""
        packets, start = self._packet_times(sampling)
        if not packets:
            with self._open() as video:
                self._header = _read_header(video)
        header = self._header
        count, times = len(packets), self.frame_times(sorted(packets))
        if not any(packets) and (sampling.in_seconds or not packets):  # only decoding shows how many
            count, times = 0, np.zeros(0)
        seconds = header.count / header.fps - start if header.fps else 0.0
        return SourceInfo(count, times, header.size, header.count, seconds, len(packets))

    def frames(self, info: SourceInfo) -> Generator[SourceFrame, None, None]:
        """Decode from the first frame to the last, with the logs of FFmpeg and OpenCV silenced."""
        import cv2

        is_single = self._header.codec.lower() in _SINGLE_THREAD_CODECS
        decoded = failed = 0
        with self._open(*((cv2.CAP_PROP_N_THREADS, 1) if is_single else ())) as video:
            while True:
                if video.grab():
                    seconds = video.get(cv2.CAP_PROP_POS_MSEC) / 1000
                    yield SourceFrame(decoded, seconds, partial(self._retrieve, video, decoded))
                    decoded += 1
                elif decoded + failed < info.packet_count:
                    failed += 1
                else:
                    return

    def frame_times(self, seconds: list[Any]) -> Times:
        """Return the container's times if they are plausible, otherwise evenly spaced times at the frame rate.

        Times are plausible if more than 90 % of the steps are positive and none goes back by a second or more: videos
        without times report zeros, and times start again in concatenated videos.
        """
        times = np.asarray(seconds, np.float64)
        steps = np.diff(times)
        if len(times) < 2 or (np.mean(steps > 0) > 0.9 and steps.min() > -1):
            return np.maximum.accumulate(np.maximum(times, 0.0))
        return np.arange(len(times)) / self._header.fps if self._header.fps else None

    def no_frames_reason(self) -> str:
        """Return an error message for a file without a single decodable frame."""
        codec = self._header.codec
        reason = f"OpenCV has no decoder for its codec {codec!r}" if codec else "it is not a video"
        return (
            f"no frame of {str(self.path)!r} could be decoded; it may be empty or damaged, or {reason} "
            "(ffmpeg -i FILE -c:v libx264 OUT.mp4 converts it to a common format)"
        )

    def _packet_times(self, sampling: Sampling) -> tuple[list[float], float]:
        """Return the seconds of each packet from the first frame on, and the container's time of that first frame.

        The list is empty, or all zeros, if this version of OpenCV does not report packets.
        """
        import cv2

        times, start = list[float](), 0.0
        with contextlib.suppress(ValueError), self._open(cv2.CAP_PROP_FORMAT, -1) as video:
            self._header = _read_header(video)
            while video.grab():
                times.append(video.get(cv2.CAP_PROP_POS_MSEC) / 1000)
                if len(times) == 1 and self._header.fps and hasattr(cv2, "CAP_PROP_PTS"):
                    start = max(video.get(cv2.CAP_PROP_PTS) / self._header.fps, 0.0)
                if sampling.is_past_end(len(times), times[-1], _REORDERING):
                    break
        return times, start

    def _retrieve(self, video: Any, number: int) -> NDArray[np.uint8]:
        """Return the current frame as RGB."""
        import cv2

        succeeded, image = video.retrieve()
        if not succeeded:
            raise UsageError(f"frame {number} of {str(self.path)!r} was decoded, but cannot be converted to an image")
        return np.asarray(cv2.cvtColor(image, cv2.COLOR_BGR2RGB), np.uint8)

    @contextlib.contextmanager
    def _open(self, *parameters: int) -> Iterator[Any]:
        """Yield a ``cv2.VideoCapture``, and release it afterwards."""
        import cv2

        backend = cv2.CAP_FFMPEG if cv2.videoio_registry.hasBackend(cv2.CAP_FFMPEG) else cv2.CAP_ANY
        with silenced():
            video = cv2.VideoCapture(str(self.path.absolute()), backend, list(parameters))
            silence_again()
            try:
                if not video.isOpened():
                    raise UsageError(
                        f"{str(self.path)!r} could not be opened as a video; it may be empty, cut off, or not a video"
                    )
                yield video
            except (cv2.error, MemoryError) as error:
                raise UsageError(f"{str(self.path)!r} could not be decoded: {error}") from error
            finally:
                video.release()


def _read_header(video: Any) -> _Header:
    """Read the properties of an open video; implausible values become 0 or empty."""
    import cv2

    fps, count, height, width, codec = (
        float(video.get(property_id))
        for property_id in (
            cv2.CAP_PROP_FPS,
            cv2.CAP_PROP_FRAME_COUNT,
            cv2.CAP_PROP_FRAME_HEIGHT,
            cv2.CAP_PROP_FRAME_WIDTH,
            cv2.CAP_PROP_FOURCC,
        )
    )
    letters = "".join(chr(int(max(codec, 0)) >> shift & 255) for shift in (0, 8, 16, 24)).strip("\0 ")
    return _Header(
        fps if 0 < fps < 1000 else 0.0,
        max(int(count), 0),
        (int(height), int(width)),
        letters if letters.isprintable() else "",
    )
