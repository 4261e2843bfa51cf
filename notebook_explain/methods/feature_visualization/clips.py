"""Real clips and stills as users pass them."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from notebook_explain._errors import UsageError, UsageTypeError
from notebook_explain.clip import Clip
from notebook_explain.methods.concepts.clips import iterate_clips
from notebook_explain.methods.feature_visualization.reference_set import extended_frame
from notebook_explain.models import VideoModel

MAX_PIXELS = 50_000_000  # of a picture


def given_clips(clips: Any, target: Any) -> Iterator[Any]:
    """Return an iterator of real clips as they were passed; a single clip is a set of one."""
    if clips is None:
        return iter(())
    is_one = hasattr(clips, "frames") or (hasattr(clips, "ndim") and clips.ndim == 4)
    is_file = isinstance(clips, (str, os.PathLike)) and Path(clips).is_file()
    if is_one or is_file:
        return iter([clips])
    return iterate_clips(clips, target)


def still_of(still: Any, model: VideoModel) -> Clip:
    """Return a picture as a clip of one frame, fitted as clips are.

    Parameters
    ----------
    still : Clip, sample, path to a picture or video, or uint8 array (height, width, 3)
        Of a clip, the frame with the widest gesture.
    model : VideoModel

    Raises
    ------
    TypeError, ValueError, FileNotFoundError
        Not a picture, or one that cannot be read.
    """
    clip = _read(still)
    if clip.values is not None:
        raise UsageError("a still must be a picture of colours; this one holds values")
    frame = extended_frame(clip) if len(clip) > 1 else 0
    return one_frame(clip, frame).resized(model.preprocessing.size, model.preprocessing.crop)


def one_frame(clip: Clip, index: int) -> Clip:
    """Return one frame of a clip."""
    return Clip(clip.frames[index : index + 1], source=clip.source, is_synthetic=clip.is_synthetic)


def _read(still: Any) -> Clip:
    if isinstance(still, (str, os.PathLike)):
        path = Path(still).expanduser()
        picture = _picture(path)
        return Clip.read(path) if picture is None else Clip(picture[None], source=str(path))
    if isinstance(still, Clip) or hasattr(still, "frames"):
        return Clip.of(still)
    array = np.asarray(still) if hasattr(still, "__array__") else None
    if array is None:
        raise UsageTypeError(f"a still must be a picture: a path, a Clip or an array (height, width, 3), got {still!r}")
    return Clip.of(array[None] if array.ndim in (2, 3) else array)


def _picture(path: Path) -> np.ndarray[Any, np.dtype[np.uint8]] | None:
    """Return a picture file as uint8 (height, width, 3), upright; None if it is no picture."""
    from PIL import Image, ImageOps, UnidentifiedImageError

    if not path.exists():
        raise FileNotFoundError(f"no file at {str(path)!r}; pass the path of a picture or a video")
    try:
        with Image.open(path) as image:
            if image.width * image.height > MAX_PIXELS:
                raise UsageError(
                    f"{str(path)!r} has {image.width * image.height:,} pixels, above the limit of {MAX_PIXELS:,}"
                )
            if getattr(image, "n_frames", 1) > 1:
                return None
            return np.asarray(ImageOps.exif_transpose(image).convert("RGB"), np.uint8)
    except UnidentifiedImageError:
        return None
