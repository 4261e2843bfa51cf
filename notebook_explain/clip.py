"""A clip: the frames a network is shown, and how to get back from them to the video they came from."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from notebook_explain.warn import warn

MAX_DECODED_PIXELS = 2**30  # about 3 GB of RGB: more than any network is shown, less than a laptop has


@dataclass(frozen=True, eq=False)
class Clip:
    """Frames in order of time, as a network is shown them.

    Attributes
    ----------
    frames : uint8 array (time, height, width, 3)
        RGB.
    times : float64 array (time,) or None
        Seconds from the start of the source; ``None`` when the frame rate is not known.
    source : str
        Where the frames come from: a path, ``"array"``, or a sentence. Shown to people, as text.
    origin, step : (y, x) floats
        Clip pixel ``p`` stands for source pixel ``origin + step * p`` (pixel centres at whole numbers).
    source_size : (height, width) ints
        Size of the source's frames.

    Raises
    ------
    TypeError, ValueError
        When ``frames`` is not such an array, or ``times`` has another length.
    """

    frames: NDArray[np.uint8]
    times: NDArray[np.float64] | None = None
    source: str = "array"
    origin: tuple[float, float] = (0.0, 0.0)
    step: tuple[float, float] = (1.0, 1.0)
    source_size: tuple[int, int] | None = None

    def __post_init__(self) -> None:
        frames = np.asarray(self.frames)
        if frames.dtype != np.uint8:
            raise TypeError(
                f"frames must be uint8 (0 to 255), not normalised, got {frames.dtype}; values in 0..1 become it by "
                "(255 * frames).round().astype('uint8'), values in 0..255 by frames.astype('uint8')"
            )
        if frames.ndim != 4 or frames.shape[3] != 3 or 0 in frames.shape:
            raise ValueError(
                f"frames must have the shape (time, height, width, 3), none of them 0, got {frames.shape}"
                + _shape_hint(frames.shape)
            )
        object.__setattr__(self, "frames", frames)
        if self.times is not None:
            times = np.asarray(self.times, np.float64)
            if times.shape != (len(frames),):
                raise ValueError(f"times must have one number per frame ({len(frames)}), got the shape {times.shape}")
            object.__setattr__(self, "times", times)
        if self.source_size is None:
            object.__setattr__(self, "source_size", frames.shape[1:3])

    def __len__(self) -> int:
        return len(self.frames)

    def __repr__(self) -> str:
        time, height, width, _ = self.frames.shape
        return f"Clip({time} frames of {height} x {width}, source={self.source!r})"

    @property
    def size(self) -> tuple[int, int, int]:
        """(time, height, width) in frames and pixels."""
        time, height, width, _ = self.frames.shape
        return time, height, width

    @property
    def name(self) -> str:
        """What people are shown of the source: a file's name without its folders, which are nobody else's business."""
        return re.split(r"[/\\]", self.source)[-1] or self.source

    @classmethod
    def of(cls, value: Any, frames: int | None = None, size: int | None = None) -> Clip:
        """Make a clip of a clip, a path to a video, or a uint8 array (time, height, width, 3)."""
        if isinstance(value, Clip):
            return value
        if isinstance(value, (str, os.PathLike)):
            return cls.read(value, frames=frames, size=size)
        if hasattr(value, "frames") and not isinstance(value, np.ndarray):  # a sample of notebook_explain.samples
            note = f"synthetic sample: {value.label}" if hasattr(value, "label") else "array"
            fps = getattr(value, "fps", None)
            times = None if fps is None else np.arange(len(value.frames)) / fps
            return cls(np.asarray(value.frames), times=times, source=note)
        if value is None or (not hasattr(value, "__array__") and not isinstance(value, (list, tuple))):
            raise TypeError(f"a clip is a path, a Clip or a uint8 array (time, height, width, 3), got {value!r}")
        return cls(np.array(value))  # a copy: what was explained stays what it was

    @classmethod
    def read(cls, path: str | os.PathLike[str], *, frames: int | None = None, size: int | None = None) -> Clip:
        """Decode a video file that OpenCV reads (mp4, avi, mkv, webm, gif).

        Frames are decoded one by one and counted as they come: headers lie. When fewer come than the header
        promised, the wanted frames are spread over those that did, with one warning.

        Parameters
        ----------
        path : path to a file
        frames : int, optional
            How many, spread evenly from the first to the last; all of them by default.
        size : int, optional
            Height and width: the shorter side is resized to it, the longer one cropped around its middle.

        Raises
        ------
        FileNotFoundError, ValueError
            No such file; not a video; nothing decodes; too many pixels (``frames=`` limits them).
        """
        if re.match(r"[a-z]{2,}:/", str(path), re.IGNORECASE):
            raise ValueError(
                f"{str(path)!r} is a URL, and nothing is read from the network; download it and give its path"
            )
        path = Path(path).expanduser()
        if path.is_dir():
            raise ValueError(f"{str(path)!r} is a folder; give the path of one video file")
        if not path.is_file():
            raise FileNotFoundError(f"no video file at {str(path)!r}; give the path of an mp4, avi, mkv, webm or gif")
        if _is_text(path):
            raise ValueError(
                f"{str(path)!r} is a text file, not a video; give the path of an mp4, avi, mkv, webm or gif"
            )
        pictures, indices, fps = _decode(path, frames)
        times = indices / fps if fps else None
        clip = cls(pictures, times=times, source=str(path))
        return clip if size is None else clip.resized(size)

    def sampled(self, frames: int) -> Clip:
        """``frames`` frames spread evenly from the first to the last (some twice when the clip is shorter)."""
        if frames < 1:
            raise ValueError(f"frames must be at least 1, got {frames}")
        if frames == len(self):
            return self
        chosen = _spread(len(self), frames)
        return replace(self, frames=self.frames[chosen], times=None if self.times is None else self.times[chosen])

    def resized(self, size: int) -> Clip:
        """The middle square at ``size`` x ``size`` pixels: shorter side resized, longer one cropped."""
        if size < 1:
            raise ValueError(f"size must be at least 1 pixel, got {size}")
        _, height, width = self.size
        if (height, width) == (size, size):
            return self
        import cv2

        side = min(height, width)
        top, left = (height - side) // 2, (width - side) // 2
        square = self.frames[:, top : top + side, left : left + side]
        how = cv2.INTER_AREA if size < side else cv2.INTER_LINEAR
        resized = [cv2.resize(np.ascontiguousarray(frame), (size, size), interpolation=how) for frame in square]
        frames = np.asarray(resized, np.uint8)
        scale = side / size  # half-pixel centres: pixel p of the result is centred at (p + 1/2) * scale - 1/2
        shift = (scale - 1) / 2
        origin = (self.origin[0] + self.step[0] * (top + shift), self.origin[1] + self.step[1] * (left + shift))
        return replace(self, frames=frames, origin=origin, step=(self.step[0] * scale, self.step[1] * scale))


def _shape_hint(shape: tuple[int, ...]) -> str:
    if len(shape) == 5 and shape[0] == 1:
        return "; take the clip out of its batch with frames[0]"
    if len(shape) == 4 and shape[3] == 4:
        return "; drop the transparency with frames[..., :3]"
    if (len(shape) == 4 and shape[3] == 1) or (len(shape) == 3 and 3 not in shape):
        return "; repeat grey three times, np.repeat(frames.reshape(*frames.shape[:3], 1), 3, -1)"
    if len(shape) == 4 and 3 in shape[:2]:
        return "; move the colour axis last with np.moveaxis"
    return ""


def _is_text(path: Path) -> bool:
    """Whether a file begins as text does: FFmpeg would draw it, letter by letter, and call it a video."""
    with path.open("rb") as file:
        start = file.read(4096)
    return bool(start) and b"\0" not in start and all(byte >= 32 or byte in b"\t\n\r\f\x1b" for byte in start)


def _spread(count: int, wanted: int) -> NDArray[np.int64]:
    return np.floor(np.linspace(0, count - 1, wanted) + 1e-9).astype(np.int64)


def _decode(path: Path, wanted: int | None) -> tuple[NDArray[np.uint8], NDArray[np.int64], float]:
    """Frames, their indices in the file, frames per second (0 when unknown)."""
    if wanted is not None and wanted < 1:
        raise ValueError(f"frames must be at least 1, got {wanted}")
    promised, fps = _header(path)
    chosen = None if wanted is None or promised < 1 else _spread(promised, wanted)
    pictures, came = _grab(path, chosen)
    if came == 0:
        raise ValueError(f"no frame of {str(path)!r} could be decoded; the file may be empty, damaged or not a video")
    if wanted is None:
        return pictures, np.arange(came), fps
    if chosen is None or came <= chosen[-1]:
        if promised - came > max(2, promised // 50):  # containers round their length: a frame or two is no news
            warn(
                f"{path.name}: the header promises {promised} frames, {came} could be decoded; "
                f"the {wanted} frames wanted are spread over those {came}"
            )
        chosen = _spread(came, wanted)
        pictures, _ = _grab(path, chosen)
    place = {index: at for at, index in enumerate(dict.fromkeys(chosen.tolist()))}
    return pictures[[place[index] for index in chosen.tolist()]], chosen, fps


def _header(path: Path) -> tuple[int, float]:
    import cv2

    video = cv2.VideoCapture(str(path))
    try:
        if not video.isOpened():
            raise ValueError(
                f"{str(path)!r} could not be opened as a video; it may be empty, cut off, or not a video at all"
            )
        fps = video.get(cv2.CAP_PROP_FPS)
        return int(video.get(cv2.CAP_PROP_FRAME_COUNT)), float(fps) if 0 < fps < 1000 else 0.0
    finally:
        video.release()


def _grab(path: Path, chosen: NDArray[np.int64] | None) -> tuple[NDArray[np.uint8], int]:
    """The chosen frames (each once; all when ``None``), and how many the file really held up to the last one asked."""
    import cv2

    keep = None if chosen is None else set(chosen.tolist())
    pictures: list[NDArray[np.uint8]] = []
    video, came, pixels = cv2.VideoCapture(str(path)), 0, 0
    try:
        while (keep is None or came <= chosen[-1]) and video.grab():  # type: ignore[index]
            if keep is None or came in keep:
                good, picture = video.retrieve()
                if not good:
                    break
                pixels += picture.shape[0] * picture.shape[1]
                if pixels > MAX_DECODED_PIXELS:
                    raise ValueError(
                        f"{str(path)!r} holds more than {MAX_DECODED_PIXELS:,} pixels in the frames asked for; "
                        "ask for fewer with frames="
                    )
                pictures.append(np.asarray(cv2.cvtColor(picture, cv2.COLOR_BGR2RGB), np.uint8))
            came += 1
    finally:
        video.release()
    return (np.stack(pictures) if pictures else np.zeros((0, 1, 1, 3), np.uint8)), came
