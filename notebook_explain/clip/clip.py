"""A clip: the frames a network is shown, and how to get back from them to the video they came from."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from notebook_explain._errors import UsageError, UsageTypeError
from notebook_explain._validation import check_int
from notebook_explain.clip.arrays import as_numpy, frames_of
from notebook_explain.clip.decode import FitOptions, take
from notebook_explain.clip.resize import Resize, check_crop, check_size
from notebook_explain.clip.sampling import Sampling, spread
from notebook_explain.clip.sources.open import MAX_PIXELS, open_source


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
        Clip pixel ``p`` stands for source pixel ``origin + step * p`` (pixel centres at whole numbers). Outside of the
        source's picture lie the black bars of a letterbox.
    source_size : (height, width) ints
        Size of the source's frames, upright as a player shows them.
    frame_numbers : int64 array (time,) or None
        Which frames of the source these are, counted from 0 in the order in which they are decoded; ``None`` when that
        is not known.
    is_synthetic : bool
        Whether the frames were rendered by ``notebook_explain.samples``.

    Raises
    ------
    TypeError, ValueError
        When ``frames`` is not such an array, or ``times`` or ``frame_numbers`` have another length.
    """

    frames: NDArray[np.uint8]
    times: NDArray[np.float64] | None = None
    source: str = "array"
    origin: tuple[float, float] = (0.0, 0.0)
    step: tuple[float, float] = (1.0, 1.0)
    source_size: tuple[int, int] | None = None
    frame_numbers: NDArray[np.int64] | None = None
    is_synthetic: bool = False

    def __post_init__(self) -> None:
        frames = as_numpy(self.frames)
        if frames.dtype != np.uint8:
            raise UsageTypeError(
                f"frames must be uint8 (0 to 255), not normalised, got {frames.dtype}; values in 0..1 become it by "
                "(255 * frames).round().astype('uint8'), values in 0..255 by frames.astype('uint8')"
            )
        if frames.ndim != 4 or frames.shape[3] != 3 or 0 in frames.shape:
            raise UsageError(
                f"frames must have the shape (time, height, width, 3), none of them 0, got {frames.shape}"
                + _shape_hint(frames.shape)
            )
        object.__setattr__(self, "frames", frames)
        for name, kind in (("times", np.float64), ("frame_numbers", np.int64)):
            if getattr(self, name) is not None:
                object.__setattr__(self, name, _one_each(name, getattr(self, name), kind, len(frames)))
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
    def of(
        cls,
        value: Any,
        frames: int | None = None,
        size: int | Sequence[int] | None = None,
        *,
        crop: str = "center",
        layout: str | None = None,
    ) -> Clip:
        """Make a clip of a clip, a path, or an array.

        Parameters
        ----------
        value : Clip, path to a video or to a folder of pictures, array or tensor
            An array is uint8, or numbers that can only mean one thing: fractions in 0..1, or whole numbers in 0..255.
        frames, size, crop : optional
            As for ``read``; of paths only.
        layout : str, optional
            The order of an array's axes: T (time), H, W, C (colours) and B (a batch of one), as in "TCHW", "CTHW",
            "BTCHW", or "THW" for grey. "THWC" by default.

        Raises
        ------
        TypeError, ValueError, FileNotFoundError
            Another layout; normalised or ambiguous values; what ``read`` raises.
        """
        if layout is not None and (isinstance(value, (Clip, str, os.PathLike)) or value is None):
            raise UsageTypeError(f"layout= is for arrays, got it with {value!r}")
        if isinstance(value, Clip):
            return value
        if isinstance(value, (str, os.PathLike)):
            return cls.read(value, frames=frames, size=size, crop=crop)
        if hasattr(value, "frames") and not isinstance(value, np.ndarray):  # a sample of notebook_explain.samples
            is_sample = hasattr(value, "label")
            note = f"synthetic sample: {value.label}" if is_sample else "array"
            fps = getattr(value, "fps", None)
            times = None if fps is None else np.arange(len(value.frames)) / fps
            return cls(np.asarray(value.frames), times=times, source=note, is_synthetic=is_sample)
        if value is None or (not hasattr(value, "__array__") and not isinstance(value, (list, tuple))):
            raise UsageTypeError(f"a clip is a path, a Clip or an array (time, height, width, 3), got {value!r}")
        return cls(frames_of(value, layout))

    @classmethod
    def read(
        cls,
        path: str | os.PathLike[str],
        *,
        frames: int | None = None,
        window: tuple[float, float] | None = None,
        stride: int | None = None,
        size: int | Sequence[int] | None = None,
        crop: str = "center",
        fps: float | None = None,
        max_pixels: int = MAX_PIXELS,
    ) -> Clip:
        """Decode a video that OpenCV reads (mp4, avi, mkv, webm, gif), or a folder of pictures in natural order.

        Frames are decoded one by one and counted as they come: headers lie. When fewer come than were promised, the
        wanted frames are spread over those that did, with one warning that tells both numbers. A film is turned upright
        where it says how; transparency is left out; more than 8 bits are brought to 8.

        Parameters
        ----------
        path : path to a file or a folder
        frames : int, optional
            How many, spread evenly from the window's first frame to its last; some are taken twice where there are fewer
            (with a warning). With ``stride``, how many at most. All of them by default.
        window : (start, stop), optional
            Two floats are seconds, two ints frame numbers; ``stop`` is excluded. The whole film by default.
        stride : int, optional
            Take every ``stride``-th frame, from the window's first one.
        size : int or (height, width), optional
            In pixels; one number is a square. The source's own by default.
        crop : str
            How a picture is made to fit ``size``: "center" keeps the middle (shorter side resized, the rest cropped),
            "letterbox" keeps all of it between black bars, "stretch" keeps all of it without its proportions.
        fps : float, optional
            Pictures per second of a folder, which cannot tell; needed for ``times`` and for a window in seconds.
        max_pixels : int
            The most pixels that one picture of the source, and the clip in all, may come to.

        Raises
        ------
        FileNotFoundError, TypeError, ValueError
            No such file; not a video; nothing decodes; nothing lies in the window; too many pixels.
        """
        sampling = Sampling(frames, window, stride)
        fit = FitOptions(check_size(size), check_crop(crop), check_int("max_pixels", max_pixels))
        source = open_source(path, fps=fps, max_pixels=fit.max_pixels)
        taken = take(source, sampling, fit)
        origin, step = taken.framing.transform((0.0, 0.0), (1.0, 1.0))
        return cls(taken.frames, taken.times, str(source.path), origin, step, taken.framing.source, taken.numbers)

    def sampled(self, frames: int) -> Clip:
        """``frames`` frames spread evenly from the first to the last (some twice when the clip is shorter)."""
        frames = check_int("frames", frames)
        if frames == len(self):
            return self
        chosen = spread(len(self), frames)
        return replace(
            self,
            frames=self.frames[chosen],
            times=None if self.times is None else self.times[chosen],
            frame_numbers=None if self.frame_numbers is None else self.frame_numbers[chosen],
        )

    def resized(self, size: int | Sequence[int], crop: str = "center") -> Clip:
        """The clip at another size, fitted as ``read`` fits it.

        Parameters
        ----------
        size : int or (height, width)
            In pixels; one number is a square.
        crop : str
            "center", "letterbox" or "stretch".
        """
        _, height, width = self.size
        framing = Resize.of((height, width), check_size(size), check_crop(crop))
        if framing.size == (height, width):
            return self
        frames = np.stack([framing.apply(np.ascontiguousarray(frame)) for frame in self.frames])
        origin, step = framing.transform(self.origin, self.step)
        return replace(self, frames=frames, origin=origin, step=step)


def _one_each(name: str, value: Any, kind: type, count: int) -> NDArray[Any]:
    array: NDArray[Any] = np.asarray(value, kind)
    if array.shape != (count,):
        raise UsageError(f"{name} must have one number per frame ({count}), got the shape {array.shape}")
    return array


def _shape_hint(shape: tuple[int, ...]) -> str:
    """How to mend an array that is nearly right."""
    if len(shape) == 5 and shape[0] == 1:
        return "; say which axes a batch of one has, as in Clip.of(frames, layout='BTCHW'), or take frames[0]"
    if len(shape) == 4 and shape[3] == 4:
        return "; drop the transparency with frames[..., :3]"
    if (len(shape) == 4 and shape[3] == 1) or (len(shape) == 3 and 3 not in shape):
        return f"; grey is made a clip by Clip.of(frames, layout={'THWC' if len(shape) == 4 else 'THW'!r})"
    if len(shape) == 4 and 3 in shape[:2]:
        named = " or ".join(repr(layout) for at, layout in ((1, "TCHW"), (0, "CTHW")) if shape[at] == 3)
        return f"; say where the colours lie with Clip.of(frames, layout=...): {named}"
    return ""
