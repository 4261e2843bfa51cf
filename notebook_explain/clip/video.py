"""Video files by OpenCV: every frame decoded in turn, counted as it comes, with the time that its container tells.

How OpenCV lies, and what is done about it: the number of frames in its header is a promise (-1, a rounded duration, or what
was there before the file was cut off), so the packets are counted, which takes a few milliseconds, and the frames as they
come; seeking lands on other frames, so there is none; a failed ``grab`` need not be the end, so as many are tried as there
are packets left.
"""

from __future__ import annotations

import contextlib
from collections.abc import Generator, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from notebook_explain.clip.quiet import quiet, still_quiet
from notebook_explain.clip.sampling import Sampling, Times
from notebook_explain.clip.sources import Frame, Survey

# FFmpeg's threads may wait for each other for ever in a damaged stream of these (H.265): one thread decodes them.
_ALONE = ("hevc", "hev1", "hvc1", "dvhe", "dvh1", "h265", "x265")
_REORDERED = (64, 2.0)  # packets lie in the order of decoding: by how many frames and seconds they may be late


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
        self._fps = 0.0
        self._codec = ""

    def survey(self, sampling: Sampling) -> Survey:
        """Read the header and count the packets, up to the last that is wanted."""
        import cv2

        with self._opened() as video:
            fps = float(video.get(cv2.CAP_PROP_FPS))
            self._fps = fps if 0 < fps < 1000 else 0.0
            self._codec = _four_letters(video.get(cv2.CAP_PROP_FOURCC))
            header = int(video.get(cv2.CAP_PROP_FRAME_COUNT))
            size = int(video.get(cv2.CAP_PROP_FRAME_HEIGHT)), int(video.get(cv2.CAP_PROP_FRAME_WIDTH))
        packets, whole, start = self._packets(sampling)
        if not packets:  # then the frames are counted by decoding once: a header may promise any number
            return Survey(0, np.zeros(0), max(header, 0), size)
        times = self.timeline(sorted(packets))
        promised = len(packets)
        if whole and header > 0:
            cut = times is not None and self._fps > 0 and _is_cut_off(times, header / self._fps - start)
            promised = header if cut else min(promised, header)
        return Survey(len(packets), times, promised, size)

    def frames(self, survey: Survey) -> Generator[Frame, None, None]:
        """Decode from the first frame to the last; the noise of damaged files is kept off standard error."""
        import cv2

        came = failed = 0
        alone = (cv2.CAP_PROP_N_THREADS, 1) if self._codec.lower() in _ALONE else ()
        with self._opened(*alone) as video:
            while True:
                if video.grab():
                    yield Frame(came, video.get(cv2.CAP_PROP_POS_MSEC) / 1000, partial(self._picture, video, came))
                    came += 1
                elif came + failed < survey.count:
                    failed += 1
                else:
                    return

    def timeline(self, seconds: list[Any]) -> Times:
        """The container's times where they make sense (most of them rise), else an even division of the frame rate."""
        times = np.asarray(seconds, np.float64)
        if len(times) < 2 or np.mean(np.diff(times) > 0) > 0.9:
            return np.maximum.accumulate(np.maximum(times, 0.0))
        return self._even(len(times))

    def silence(self) -> str:
        """Why not a single frame came."""
        codec = f"OpenCV has no decoder for its codec {self._codec!r}" if self._codec else "it is no video"
        return (
            f"no frame of {str(self.path)!r} could be decoded; it may be empty or damaged, or {codec} "
            "(ffmpeg -i FILE -c:v libx264 OUT.mp4 makes one that plays everywhere)"
        )

    def _even(self, count: int) -> Times:
        return np.arange(count) / self._fps if self._fps else None

    def _packets(self, sampling: Sampling) -> tuple[list[float], bool, float]:
        """Seconds of each packet, whether the file was looked at to its end, and when its picture sets in.

        The seconds are counted from where the picture sets in; an empty list where OpenCV cannot tell.
        """
        import cv2

        found, start = list[float](), 0.0
        with contextlib.suppress(ValueError), self._opened(cv2.CAP_PROP_FORMAT, -1) as video:
            while video.grab():
                found.append(video.get(cv2.CAP_PROP_POS_MSEC) / 1000)
                if len(found) == 1 and self._fps and hasattr(cv2, "CAP_PROP_PTS"):
                    start = max(video.get(cv2.CAP_PROP_PTS) / self._fps, 0.0)
                if sampling.beyond(len(found), found[-1], _REORDERED):
                    return found, False, start
        return found, True, start

    def _picture(self, video: Any, number: int) -> NDArray[np.uint8]:
        import cv2

        good, picture = video.retrieve()
        if not good:
            raise ValueError(f"frame {number} of {str(self.path)!r} was decoded, but cannot be shown as a picture")
        return np.asarray(cv2.cvtColor(picture, cv2.COLOR_BGR2RGB), np.uint8)

    @contextlib.contextmanager
    def _opened(self, *parameters: int) -> Iterator[Any]:
        import cv2

        backend = cv2.CAP_FFMPEG if cv2.videoio_registry.hasBackend(cv2.CAP_FFMPEG) else cv2.CAP_ANY
        with quiet():
            video = cv2.VideoCapture(str(self.path.absolute()), backend, list(parameters))
            still_quiet()
            try:
                if not video.isOpened():
                    raise ValueError(
                        f"{str(self.path)!r} could not be opened as a video; it may be empty, cut off, or not a video at all"
                    )
                yield video
            except (cv2.error, MemoryError) as error:
                raise ValueError(f"{str(self.path)!r} could not be decoded: {error}") from error
            finally:
                video.release()


def _is_cut_off(times: NDArray[np.float64], seconds: float) -> bool:
    """Whether the last packet lies well before the end that the header tells (rounded, or that of the sound)."""
    frame = float(np.diff(times).max()) if len(times) > 1 else 0.0
    return seconds - float(times[-1]) > max(2.5 * frame, 0.02 * seconds, 0.1)


def _four_letters(code: float) -> str:
    letters = "".join(chr(int(code) >> shift & 255) for shift in (0, 8, 16, 24)) if code > 0 else ""
    return letters if letters.isprintable() else ""
