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
from notebook_explain.clip.checks import check_length, check_values, shape_hint
from notebook_explain.clip.decode import FitOptions, decode
from notebook_explain.clip.description import summary
from notebook_explain.clip.pictures import Picture
from notebook_explain.clip.resize import Resize, check_crop
from notebook_explain.clip.sampling import Sampling, spread_evenly
from notebook_explain.clip.sources.open import MAX_PIXELS, open_source
from notebook_explain.clip.values import choose_picture, frame_times, to_values


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
        Sentences that readers of an explanation must see: how the source was decoded (interlaced frames, HDR that was
        tone-mapped, pixels that are not square), or what the frames show of the values.
    values : float32 array (time, height, width, channel) or None
        What the network gets, if it is not the frames: real numbers, with any number of channels (`from_array`).
    picture : Picture or None
        How the frames show the values.
    source_frames : int or None
        Number of frames of the source; ``None`` if unknown.

    Raises
    ------
    TypeError, ValueError
        ``frames`` is not such an array, or ``times``, ``frame_numbers`` or ``values`` do not fit it.
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
    values: NDArray[np.float32] | None = None
    picture: Picture | None = None
    source_frames: int | None = None

    def __post_init__(self) -> None:
        if isinstance(self.frames, (str, os.PathLike)):
            raise UsageTypeError(f"Clip holds frames; to read a video, call Clip.read({os.fspath(self.frames)!r})")
        frames = to_numpy(self.frames)
        if frames.dtype != np.uint8:
            raise UsageTypeError(f"frames must be uint8 (0 to 255), not normalised, got {frames.dtype}; {UINT8_HINT}")
        if frames.ndim != 4 or frames.shape[3] != 3 or 0 in frames.shape:
            raise UsageError(
                f"frames must have shape (time, height, width, 3) with no axis of length 0, got {frames.shape}"
                + shape_hint(frames.shape)
            )
        object.__setattr__(self, "frames", frames)
        for name, kind in (("times", np.float64), ("frame_numbers", np.int64)):
            if getattr(self, name) is not None:
                object.__setattr__(self, name, check_length(name, getattr(self, name), kind, len(frames)))
        object.__setattr__(self, "caveats", tuple(str(text) for text in self.caveats))
        if self.source_size is None:
            object.__setattr__(self, "source_size", frames.shape[1:3])
        if self.values is not None:
            object.__setattr__(self, "values", check_values(self.values, frames.shape[:3]))

    def __len__(self) -> int:
        return len(self.frames)

    def __repr__(self) -> str:
        return f"Clip({self.name!r}, {', '.join(summary(self))})"

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, str]:
        from notebook_explain import display  # a clip imports the packages that show it here and nowhere else

        return display.clip_bundle(self)

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
            An array is uint8 or bool, or has numbers of unambiguous range: fractions in 0..1, or whole numbers in 0..255.
            `from_array` takes all others.
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
    def from_array(
        cls,
        values: Any,
        *,
        channels: str | int | Sequence[int] | None = None,
        range: Any = None,
        layout: str | None = None,
        fps: float | None = None,
        source: str = "array",
    ) -> Clip:
        """Make a clip of values that are no 8-bit colours: volumes, optical flow, heatmaps, many bands, masks.

        The network gets the values themselves, ``(values - mean) / std``; people see a picture of them. How they are shown
        is a caveat of every explanation.

        Parameters
        ----------
        values : array or tensor
            Finite numbers of any kind, such as Hounsfield units or 12-bit counts; bools are 0 and 1.
        channels : str, int or sequence of int, optional
            What the picture shows: "grey" (one channel), "rgb" (three), "flow" (two, to the right and down: the hue is the
            direction, the brightness the magnitude), "heatmaps" (each channel in a hue of its own); or the index of a
            channel, shown in grey; or three indices, shown as red, green and blue, such as ``(3, 2, 1)`` for a satellite's
            bands; or two, shown as red and cyan. By default one channel is grey; two are flow if any value is negative,
            else red and cyan; four or more that are mostly 0 are heatmaps; of others the first three are red, green and blue.
        range : (low, high), "percentiles" or a pair for each channel shown, optional
            Values that are shown darkest and brightest, such as ``(-1000, 400)``; "percentiles" are the 1st and the 99th. By
            default the smallest and the largest value shown; 0 and 255 for uint8; 0 and 1 for values in 0..1 that exceed 0.5.
        layout : str, optional
            Order of the axes, as for `of`, with any number of channels C. By default "THWC", or "THW" for three axes.
        fps : float, optional
            Frames per second, for ``times``.
        source : str
            Description of the origin, or a path; shown as plain text.

        Raises
        ------
        TypeError, ValueError
            No numbers, NaN or infinite values, a shape other than the layout, too many values, channels that do not exist.

        Examples
        --------
        >>> Clip.from_array(ct, layout="THW", range=(-1000, 400))      # Hounsfield units; frames are slices
        >>> Clip.from_array(flow, layout="TCHW", channels="flow", fps=30)
        """
        array = to_values(values, layout)
        picture, caveat = choose_picture(values, array, channels, range)
        times = frame_times(len(array), fps)
        return cls(picture.render(array), times, source, caveats=(caveat,), values=array, picture=picture)

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
            everything between black bars, "stretch" keeps everything and changes the proportions. "center:256" resizes the
            shorter side to 256 pixels, "center:128x171" both sides, before the centre of ``size`` is cropped.
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
            source_frames=decoded.total,
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
            values=None if self.values is None else self.values[chosen],
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
            "center", "letterbox", "stretch", "center:256" or "center:128x171", as for ``read``.
        """
        _, height, width = self.size
        resize = Resize.fit((height, width), check_size(size), check_crop(crop))
        if resize.size == (height, width):
            return self
        origin, step = resize.transform(self.origin, self.step)
        if self.values is None or self.picture is None:
            frames, values = (
                _resized(self.frames, resize),
                None if self.values is None else _resized(self.values, resize),
            )
        else:  # a picture of the resized values, as the network gets them
            values = _resized(self.values, resize, self.picture.background(self.values.shape[3]))
            frames = self.picture.render(values)
        return replace(self, frames=frames, values=values, origin=origin, step=step)

    def with_range(self, range: Any) -> Clip:
        """Return the clip with its values shown between other limits, such as another window of a grey volume.

        The network gets the same values.

        Parameters
        ----------
        range : (low, high), "percentiles" or a pair for each channel shown
            As for `from_array`. A window of level L and width W is ``(L - W / 2, L + W / 2)``.

        Raises
        ------
        TypeError, ValueError
            The clip is one of colours, which have no other range; limits that are not low < high.

        Examples
        --------
        >>> Clip.from_array(ct, layout="THW").with_range((-160, 240))  # soft tissue: level 40, width 400
        """
        if self.values is None or self.picture is None:
            raise UsageError(
                f"clip {self.name!r} holds colours from 0 to 255, which have no other range; Clip.from_array makes a clip of "
                "values, such as Hounsfield units"
            )
        picture = self.picture.with_range(range, self.values)
        count = self.values.shape[3]
        others = [text for text in self.caveats if not text.startswith(self.picture.describe(count))]
        frames = picture.render(self.values)
        return replace(self, frames=frames, picture=picture, caveats=(picture.describe(count), *others))

    def has_same_content(self, other: Clip) -> bool:
        """Return whether another clip has the same frames and the same values; times and sources may differ."""
        if not np.array_equal(self.frames, other.frames):
            return False
        if self.values is None or other.values is None:
            return self.values is None and other.values is None
        return np.array_equal(self.values, other.values)


def _resized(frames: NDArray[Any], resize: Resize, background: Any = 0) -> NDArray[Any]:
    return np.stack([resize.apply(np.ascontiguousarray(frame), background) for frame in frames])
