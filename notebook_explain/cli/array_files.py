"""Read a clip from an .npy file: a volume, optical flow, heatmaps, or frames."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from notebook_explain._errors import UsageError

if TYPE_CHECKING:
    from notebook_explain.clip import Clip

ENDING = ".npy"
_FOR_ARRAYS = ("axes", "picture", "range")
_FOR_VIDEOS = ("window", "stride")


def array_clip(options: argparse.Namespace) -> Clip | None:
    """Return the clip of an .npy file; None if the clip is a video or a folder.

    8-bit frames of three colours are colours; all other numbers are values, as for `Clip.from_array`.

    Raises
    ------
    FileNotFoundError, ValueError
        No such file; not an array of numbers; options that do not apply to it.
    """
    path = Path(options.clip)
    is_array = path.suffix.lower() == ENDING
    unused = [name for name in (_FOR_VIDEOS if is_array else _FOR_ARRAYS) if getattr(options, name) is not None]
    if unused:
        kind = "videos and folders" if is_array else f"{ENDING} files"
        raise UsageError(f"--{unused[0]} applies to {kind}, not to {options.clip!r}; leave it out")
    return _read(path, options) if is_array else None


def _read(path: Path, options: argparse.Namespace) -> Clip:
    import numpy as np

    from notebook_explain.clip import Clip

    if not path.is_file():
        raise FileNotFoundError(f"no file at {str(path)!r}")
    try:
        array: Any = np.load(path, mmap_mode="r", allow_pickle=False)
    except (ValueError, EOFError, OSError) as error:
        raise UsageError(f"{str(path)!r} is not an array of numbers that numpy.save wrote ({error})") from None
    axes = options.axes or ("THW" if array.ndim == 3 else "THWC")
    lengths = dict(zip(axes.upper(), array.shape, strict=False))
    is_colour = array.dtype == np.uint8 and array.ndim == len(axes) and lengths.get("C") == 3
    if is_colour and options.picture is None and options.range is None:
        return Clip.of(array, layout=axes)
    return Clip.from_array(
        array, channels=options.picture, range=options.range, layout=axes, fps=options.fps, source=str(path)
    )


def picture(text: str) -> str | tuple[int, ...]:
    """Return the argument ``channels`` of `Clip.from_array` for an option: a name, or indices."""
    parts = text.split(",")
    return tuple(int(part) for part in parts) if all(part.isdecimal() for part in parts) else text


def limits(text: str) -> str | tuple[float, float]:
    """Return the argument ``range`` of `Clip.from_array` for an option: "percentiles", or two numbers."""
    if text == "percentiles":
        return text
    try:
        low, high = (float(part) for part in text.split(","))
    except ValueError:
        raise argparse.ArgumentTypeError(f"must be LOW,HIGH or percentiles, got {text!r}") from None
    return low, high
