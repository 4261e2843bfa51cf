"""Real clips and stills as users pass them."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from notebook_explain._errors import UsageError, UsageTypeError
from notebook_explain.clip import Clip
from notebook_explain.methods.concepts.clips import iterate_clips
from notebook_explain.methods.feature_visualization.reference_set import extended_frame
from notebook_explain.models import VideoModel

MAX_PIXELS = 50_000_000  # of a picture


def given_clips(clips: Any, target: Any, *, is_mixed: bool = False, are_pictures: bool = False) -> Iterator[Any]:
    """Return an iterator of real clips as they were passed; a single clip is a set of one.

    Parameters
    ----------
    clips : clips, or None
    target : label, Target, or other
    is_mixed : bool
        Of a folder that holds a folder for each class, read all instead of that of the target.
    are_pictures : bool
        A clip is a picture, an image file, or an array (height, width, 3).
    """
    if clips is None:
        return iter(())
    axes = 3 if are_pictures else 4
    is_one = hasattr(clips, "frames") or (hasattr(clips, "ndim") and clips.ndim <= axes)
    is_path = isinstance(clips, (str, os.PathLike))
    if is_one or (is_path and Path(clips).expanduser().is_file()):
        return iter([clips])
    if are_pictures and hasattr(clips, "ndim"):
        return iter(clips)
    found = iterate_clips(clips, target, is_mixed=is_mixed)
    return iter([picture for one in found for picture in _files_of(one)]) if are_pictures and is_path else found


def _files_of(path: Path) -> list[Path]:
    """Return the files of a folder of pictures, or a file itself."""
    return sorted(part for part in path.iterdir() if not part.name.startswith(".")) if path.is_dir() else [path]


def as_clip(picture: Any) -> Clip:
    """Return a picture as a clip of one frame, and a clip or a video as it is.

    Parameters
    ----------
    picture : Clip, sample, path to a picture or video, or array (height, width, 3)
    """
    return _read(picture, "a picture")


def still_of(still: Any, model: VideoModel) -> Clip:
    """Return a picture as a clip of one frame, fitted as clips are.

    Parameters
    ----------
    still : Clip, sample, path to a picture or video, or uint8 array (height, width, 3)
        Of a clip, the frame that differs most from the mean of its frames.
    model : VideoModel

    Raises
    ------
    TypeError, ValueError, FileNotFoundError
        Not a picture, or one that cannot be read.
    """
    clip = _read(still, "a still")
    if clip.values is not None:
        raise UsageError("a still must be a picture of colours; this one holds values")
    frame = extended_frame(clip) if len(clip) > 1 else 0
    return one_frame(clip, frame).resized(model.preprocessing.size, model.preprocessing.crop)


def one_frame(clip: Clip, index: int) -> Clip:
    """Return one frame of a clip."""
    return Clip(clip.frames[index : index + 1], source=clip.source, is_synthetic=clip.is_synthetic)


def repeated(still: Clip, frames: int) -> Clip:
    """Return a clip that shows the first frame of another one all the time."""
    return replace(still, frames=np.repeat(still.frames[:1], frames, 0), times=None, frame_numbers=None)


def _read(still: Any, name: str) -> Clip:
    if isinstance(still, (str, os.PathLike)):
        path = Path(still).expanduser()
        picture = _picture(path)
        return Clip.read(path) if picture is None else Clip(picture[None], source=str(path))
    if isinstance(still, Clip) or hasattr(still, "frames"):
        return Clip.of(still)
    array = np.asarray(still) if hasattr(still, "__array__") else None
    if array is None:
        raise UsageTypeError(f"{name} must be a path, a Clip or an array (height, width, 3), got {still!r}")
    if array.ndim == 2:
        array = array[..., None]
    if array.ndim == 3:
        array = np.repeat(array, 3, -1)[None] if array.shape[-1] == 1 else array[None]  # grey is of three equal colours
    return Clip.of(array)


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
