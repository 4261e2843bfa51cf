"""Clip: the frames that a network is shown, and how they map back to the video they came from."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from notebook_explain._errors import UsageError, UsageTypeError
from notebook_explain._validation import check_int, check_size
from notebook_explain.clip.arrays import UINT8_HINT, to_frames, to_numpy
from notebook_explain.clip.decode import FitOptions, decode
from notebook_explain.clip.resize import Resize, check_crop
from notebook_explain.clip.sampling import Sampling, spread_evenly
from notebook_explain.clip.sources.open import MAX_PIXELS, open_source


@dataclass(frozen=True, eq=False)
class Clip:
    """Frames in temporal order, as a network is shown them.

    Attributes
    ----------
    frames : uint8 array (time, height, width, 3)
        RGB.
    times : float64 array (time,) or None
        Seconds from the start of the source; ``None`` if the frame rate is unknown.
    source : str
        Origin of the frames: a path, ``"array"``, or a description. Shown as plain text.
    origin, step : (y, x) floats
        Clip pixel ``p`` is source pixel ``origin + step * p`` (pixel centres at whole numbers). Pixels that map outside
        the source are the black bars of a letterbox.
    source_size : (height, width) ints
        Size of the source's frames, upright as a player shows them.
    frame_numbers : int64 array (time,) or None
        Number of each frame in the source, from 0 in order of presentation; ``None`` if unknown.
    is_synthetic : bool
        True if the frames were rendered by ``notebook_explain.samples``.
    caveats : tuple of str
        Sentences on how the source was decoded that readers of an explanation must see: interlaced frames, HDR that was
        tone-mapped, pixels that are not square.

    Raises
    ------
    TypeError, ValueError
        ``frames`` is not such an array, or ``times`` or ``frame_numbers`` have another length.
    """

    frames: NDArray[np.uint8]
    times: NDArray[np.float64] | None = None
    source: str = "array"
    origin: tuple[float, float] = (0.0, 0.0)
    step: tuple[float, float] = (1.0, 1.0)
    source_size: tuple[int, int] | None = None
    frame_numbers: NDArray[np.int64] | None = None
    is_synthetic: bool = False
    caveats: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if isinstance(self.frames, (str, os.PathLike)):
            raise UsageTypeError(f"Clip holds frames; to read a video, call Clip.read({os.fspath(self.frames)!r})")
        frames = to_numpy(self.frames)
        if frames.dtype != np.uint8:
            raise UsageTypeError(f"frames must be uint8 (0 to 255), not normalised, got {frames.dtype}; {UINT8_HINT}")
        if frames.ndim != 4 or frames.shape[3] != 3 or 0 in frames.shape:
            raise UsageError(
                f"frames must have shape (time, height, width, 3) with no axis of length 0, got {frames.shape}"
                + _shape_hint(frames.shape)
            )
        object.__setattr__(self, "frames", frames)
        for name, kind in (("times", np.float64), ("frame_numbers", np.int64)):
            if getattr(self, name) is not None:
                object.__setattr__(self, name, _check_length(name, getattr(self, name), kind, len(frames)))
        object.__setattr__(self, "caveats", tuple(str(text) for text in self.caveats))
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
        """Source without its path; paths are stripped for privacy."""
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
        """Make a clip from a path or an array; a Clip is returned unchanged.

        Parameters
        ----------
        value : Clip, path to a video or to a folder of images, array or tensor
            An array is uint8, or has numbers of unambiguous range: fractions in 0..1, or whole numbers in 0..255.
        frames, size, crop : optional
            As for ``read``; used for paths only.
        layout : str, optional
            Order of an array's axes: T (time), H, W, C (colours) and B (a batch of one), as in "TCHW", "CTHW", "BTCHW",
            or "THW" for grey. "THWC" by default.

        Raises
        ------
        TypeError, ValueError, FileNotFoundError
            A shape other than the layout; normalised or ambiguous values; errors of ``read``.
        """
        if layout is not None and (isinstance(value, (Clip, str, os.PathLike)) or value is None):
            raise UsageTypeError(f"layout applies to arrays only, got it with {value!r}; leave it out")
        if isinstance(value, Clip):
            return value
        if isinstance(value, (str, os.PathLike)):
            return cls.read(value, frames=frames, size=size, crop=crop)
        if hasattr(value, "frames") and not isinstance(value, np.ndarray):  # a sample of notebook_explain.samples
            is_sample = hasattr(value, "label")
            source = f"synthetic sample: {value.label}" if is_sample else "array"
            fps = getattr(value, "fps", None)
            times = None if fps is None else np.arange(len(value.frames)) / fps
            return cls(np.asarray(value.frames), times=times, source=source, is_synthetic=is_sample)
        if value is None or (not hasattr(value, "__array__") and not isinstance(value, (list, tuple))):
            raise UsageTypeError(f"a clip must be a path, a Clip or an array (time, height, width, 3), got {value!r}")
        return cls(to_frames(value, layout))

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
        tone_map: bool = True,
    ) -> Clip:
        """Decode a video that FFmpeg reads (mp4, mov, avi, mkv, webm, gif), or a folder of images in natural order.

        Headers are not trusted: frames are decoded one by one and counted. If there are fewer than the file claims, the
        requested frames are spread over those, and one warning gives both numbers. The video track is the one that FFmpeg
        chooses, never a cover or a thumbnail. Videos are rotated upright as their metadata say, alpha is dropped, deeper
        colours are reduced to 8 bits, and interlaced frames and pixels that are not square stay as they are stored, which
        ``caveats`` says.

        Parameters
        ----------
        path : path to a file or a folder
        frames : int, optional
            Number of frames, spread evenly from the first to the last of the window. If the window has fewer, some repeat
            (with a warning). With ``stride``, the largest number. All frames by default.
        window : (start, stop), optional
            Two floats are seconds, two ints are frame numbers; ``stop`` is excluded. The whole video by default.
        stride : int, optional
            Take every n-th frame, from the first of the window.
        size : int or (height, width), optional
            In pixels; one number is a square. The source's own size by default.
        crop : str
            How to fit frames to ``size``: "center" resizes the shorter side and crops the rest, "letterbox" keeps
            everything between black bars, "stretch" keeps everything and changes the proportions.
        fps : float, optional
            Frames per second of a folder of images, which has none; needed for ``times`` and for a window in seconds.
        max_pixels : int
            Limit for one frame of the source, and for the whole clip.
        tone_map : bool
            Map HDR (PQ, HLG) and wide gamut (BT.2020, P3) to the colours of a usual screen, with one warning. False keeps the
            stored numbers, as decord, torchcodec and PyAV give them: for a network that was trained with those.

        Raises
        ------
        FileNotFoundError, TypeError, ValueError
            No such file; not a video; no frame can be decoded or lies in the window; too many pixels.
        """
        sampling = Sampling(frames, window, stride)
        fit = FitOptions(
            None if size is None else check_size(size), check_crop(crop), check_int("max_pixels", max_pixels)
        )
        source = open_source(path, fps=fps, max_pixels=fit.max_pixels, tone_map=bool(tone_map))
        decoded = decode(source, sampling, fit)
        origin, step = decoded.resize.transform((0.0, 0.0), (1.0, 1.0))
        return cls(
            decoded.frames,
            decoded.times,
            str(source.path),
            origin,
            step,
            decoded.resize.source_size,
            decoded.numbers,
            caveats=decoded.caveats,
        )

    def sampled(self, frames: int) -> Clip:
        """Return ``frames`` frames spread evenly from the first to the last; some repeat if the clip is shorter."""
        frames = check_int("frames", frames)
        if frames == len(self):
            return self
        chosen = spread_evenly(len(self), frames)
        return replace(
            self,
            frames=self.frames[chosen],
            times=None if self.times is None else self.times[chosen],
            frame_numbers=None if self.frame_numbers is None else self.frame_numbers[chosen],
        )

    def resized(self, size: int | Sequence[int], crop: str = "center") -> Clip:
        """Return the clip at another size.

        Parameters
        ----------
        size : int or (height, width)
            In pixels; one number is a square.
        crop : str
            "center", "letterbox" or "stretch", as for ``read``.
        """
        _, height, width = self.size
        resize = Resize.fit((height, width), check_size(size), check_crop(crop))
        if resize.size == (height, width):
            return self
        frames = np.stack([resize.apply(np.ascontiguousarray(frame)) for frame in self.frames])
        origin, step = resize.transform(self.origin, self.step)
        return replace(self, frames=frames, origin=origin, step=step)


def _check_length(name: str, value: Any, dtype: type, count: int) -> NDArray[Any]:
    """Return one number per frame."""
    array: NDArray[Any] = np.asarray(value, dtype)
    if array.shape != (count,):
        raise UsageError(f"{name} must have one number per frame ({count}), got shape {array.shape}")
    return array


def _shape_hint(shape: tuple[int, ...]) -> str:
    """Return a hint on how to fix an array of nearly the right shape."""
    if len(shape) == 5 and shape[0] == 1:
        return "; for a batch of one, name the axes as in Clip.of(frames, layout='BTCHW'), or pass frames[0]"
    if len(shape) == 4 and shape[3] == 4:
        return "; drop the alpha channel with frames[..., :3]"
    if (len(shape) == 4 and shape[3] == 1) or (len(shape) == 3 and 3 not in shape):
        return f"; for grey frames, use Clip.of(frames, layout={'THWC' if len(shape) == 4 else 'THW'!r})"
    if len(shape) == 4 and 3 in shape[:2]:
        layouts = " or ".join(repr(layout) for axis, layout in ((1, "TCHW"), (0, "CTHW")) if shape[axis] == 3)
        return f"; name the axes with Clip.of(frames, layout=...): {layouts}"
    return ""
