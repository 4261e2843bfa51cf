"""Video files by OpenCV: every frame decoded in turn, counted as it comes, with the time that its container tells.

How OpenCV lies, and what is done about it: the number of frames in its header is a promise (-1, a rounded duration, or what
was there before the file was cut off), so the packets are counted, which takes a few milliseconds, and the frames as they
come; seeking lands on other frames, so there is none; a failed ``grab`` need not be the end, so as many are tried as there
are packets left.
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
from notebook_explain.clip.sources.base import Frame, SourceInfo
from notebook_explain.clip.sources.ffmpeg_log import quiet, silence_again

# FFmpeg's threads may wait for each other for ever in a damaged stream of these (H.265): one thread decodes them.
_ALONE = ("hevc", "hev1", "hvc1", "dvhe", "dvh1", "h265", "x265")
_REORDERED = (64, 2.0)  # packets lie in the order of decoding: by how many frames and seconds they may be late


@dataclass(frozen=True)
class _Header:
    """What a video says of itself: frames a second and frames (0: unknown), height and width, codec."""

    fps: float = 0.0
    count: int = 0
    size: tuple[int, int] = (0, 0)
    codec: str = ""


class Video:
    """A video file.

    Attributes
    ----------
    path : Path
    name : str
        For people: the file's name without its folders.
    """

    def __init__(self, path: Path) -> None:
        self.path, self.name = path, path.name
        self._header = _Header()

    def survey(self, sampling: Sampling) -> SourceInfo:
        """Read the header and count the packets, up to the last that is wanted; nothing is decoded."""
        packets, start = self._packets(sampling)
        if not packets:
            with self._opened() as video:
                self._header = _header(video)
        told = self._header
        count, times = len(packets), self.timeline(sorted(packets))
        if not any(packets) and (sampling.in_seconds or not packets):  # they have to be counted by decoding them
            count, times = 0, np.zeros(0)
        seconds = told.count / told.fps - start if told.fps else 0.0
        return SourceInfo(count, times, told.size, told.count, seconds, len(packets))

    def frames(self, survey: SourceInfo) -> Generator[Frame, None, None]:
        """Decode from the first frame to the last; the noise of damaged files is kept off standard error."""
        import cv2

        alone = (cv2.CAP_PROP_N_THREADS, 1) if self._header.codec.lower() in _ALONE else ()
        came = failed = 0
        with self._opened(*alone) as video:
            while True:
                if video.grab():
                    yield Frame(came, video.get(cv2.CAP_PROP_POS_MSEC) / 1000, partial(self._picture, video, came))
                    came += 1
                elif came + failed < survey.packets:
                    failed += 1
                else:
                    return

    def timeline(self, seconds: list[Any]) -> Times:
        """The container's times where they make sense, else an even division of the frame rate.

        They do when nearly all of them rise and none falls far: a film without times has zeros, films put end to end begin
        anew.
        """
        times = np.asarray(seconds, np.float64)
        steps = np.diff(times)
        if len(times) < 2 or (np.mean(steps > 0) > 0.9 and steps.min() > -1):
            return np.maximum.accumulate(np.maximum(times, 0.0))
        return np.arange(len(times)) / self._header.fps if self._header.fps else None

    def silence(self) -> str:
        """Why not a single frame came."""
        codec = self._header.codec
        why = f"OpenCV has no decoder for its codec {codec!r}" if codec else "it is no video"
        return (
            f"no frame of {str(self.path)!r} could be decoded; it may be empty or damaged, or {why} "
            "(ffmpeg -i FILE -c:v libx264 OUT.mp4 makes one that plays everywhere)"
        )

    def _packets(self, sampling: Sampling) -> tuple[list[float], float]:
        """Seconds of each packet, from where the picture sets in, and when that is in the container's own seconds.

        Nothing, or zeros, where this OpenCV cannot tell.
        """
        import cv2

        found, start = list[float](), 0.0
        with contextlib.suppress(ValueError), self._opened(cv2.CAP_PROP_FORMAT, -1) as video:
            self._header = _header(video)
            while video.grab():
                found.append(video.get(cv2.CAP_PROP_POS_MSEC) / 1000)
                if len(found) == 1 and self._header.fps and hasattr(cv2, "CAP_PROP_PTS"):
                    start = max(video.get(cv2.CAP_PROP_PTS) / self._header.fps, 0.0)
                if sampling.beyond(len(found), found[-1], _REORDERED):
                    break
        return found, start

    def _picture(self, video: Any, number: int) -> NDArray[np.uint8]:
        import cv2

        good, picture = video.retrieve()
        if not good:
            raise UsageError(f"frame {number} of {str(self.path)!r} was decoded, but cannot be shown as a picture")
        return np.asarray(cv2.cvtColor(picture, cv2.COLOR_BGR2RGB), np.uint8)

    @contextlib.contextmanager
    def _opened(self, *parameters: int) -> Iterator[Any]:
        import cv2

        backend = cv2.CAP_FFMPEG if cv2.videoio_registry.hasBackend(cv2.CAP_FFMPEG) else cv2.CAP_ANY
        with quiet():
            video = cv2.VideoCapture(str(self.path.absolute()), backend, list(parameters))
            silence_again()
            try:
                if not video.isOpened():
                    raise UsageError(
                        f"{str(self.path)!r} could not be opened as a video; it may be empty, cut off, or not a video at all"
                    )
                yield video
            except (cv2.error, MemoryError) as error:
                raise UsageError(f"{str(self.path)!r} could not be decoded: {error}") from error
            finally:
                video.release()


def _header(video: Any) -> _Header:
    import cv2

    fps, count, height, width, codec = (
        float(video.get(what))
        for what in (
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
