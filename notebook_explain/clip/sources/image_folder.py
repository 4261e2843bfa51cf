"""Folders of images, as extraction scripts leave them: one series of frames in natural order.

Kinetics, UCF-101 and HMDB-51: ``img_00001.jpg`` or ``image_00001.jpg``, with optical flow beside it as
``flow_x_00001.jpg`` or ``x_00001.jpg``; ``frame000001.jpg`` with flow in the folders ``u`` and ``v``. EPIC-Kitchens:
``frame_0000000001.jpg``. EGTEA Gaze+: ``img_00001.jpg``, or ``OP01-R01-PastaSalad_frame_0000000001.jpg``. Optical flow is
left out where it lies beside the frames, and refused where there is nothing else.
"""

from __future__ import annotations

import os
import re
from collections.abc import Generator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from notebook_explain._errors import UsageError
from notebook_explain._warn import warn
from notebook_explain.clip.sampling import Sampling, Times
from notebook_explain.clip.sources.base import Note, SourceFrame, SourceInfo

IMAGE_SUFFIXES = (".jpg", ".jpeg", ".png", ".bmp", ".webp", ".tif", ".tiff", ".ppm", ".pgm")
# Pattern of a series, see _name_pattern: "flow_x_#", "flow#", "x_#", "P01_flow_u_#", "#_flow_y", "#_x".
_FLOW = re.compile(r"(.*[_-])?flow[_-]?([xyuv][_-]?)?#|[xyuv][_-]?#|#[_-](flow[_-]?)?[xyuv]|#[_-]flow", re.IGNORECASE)
_FLOW_FOLDERS = ({"u", "v"}, {"flow_x", "flow_y"}, {"x", "y"})


class ImageFolder:
    """Images of one size in natural order.

    Attributes
    ----------
    path : Path
        Folder, or a single image.
    name : str
        Name of the folder or file without its path.
    files : list of Path
    fps : float or None
        Frames per second.
    max_pixels : int
        Limit for one image, checked before it is decoded.
    notes : list of Note
        Always empty.
    """

    notes: list[Note]

    def __init__(self, path: Path, fps: float | None, max_pixels: int) -> None:
        self.path, self.name, self.fps, self.max_pixels = path, path.name, fps, max_pixels
        self.notes = []
        self.files = _list_frames(path) if path.is_dir() else [path]

    def probe(self, sampling: Sampling) -> SourceInfo:
        """Count the images and read the header of the first."""
        count = len(self.files)
        with self._open(self.files[0]) as image:
            size = image.height, image.width
        return SourceInfo(count, self.frame_times([None] * count), size)

    def close(self) -> None:
        """Close nothing: each image is opened when it is decoded."""

    def frames(self, info: SourceInfo) -> Generator[SourceFrame, None, None]:
        """Yield the images; each is decoded only when requested."""
        for number, path in enumerate(self.files):
            seconds = None if self.fps is None else number / self.fps
            yield SourceFrame(number, seconds, partial(self._decode, path), path.name)

    def frame_times(self, seconds: list[Any]) -> Times:
        """Return evenly spaced times at the given frame rate; None without one."""
        return None if self.fps is None else np.arange(len(seconds)) / self.fps

    def claimed_frames(self, info: SourceInfo, times: Times, count: int) -> tuple[int, Times]:
        """Return what was decoded: an image that cannot be decoded is an error."""
        return count, times

    def no_frames_reason(self) -> str:
        """Return an error message (never needed: a folder without images is refused earlier)."""
        return f"{str(self.path)!r} contains no image"

    def _decode(self, path: Path) -> NDArray[np.uint8]:
        """Return an image as RGB, upright by its EXIF orientation, without alpha; grey and 16 bits become 8-bit RGB."""
        from PIL import ImageOps

        with self._open(path) as opened:
            try:
                image = ImageOps.exif_transpose(opened)
                if image.mode == "F":
                    raise ValueError("it has float pixels with no stated value range")
                if image.mode.startswith("I"):
                    grey = np.clip(np.asarray(image, np.int64) >> 8, 0, 255).astype(np.uint8)
                    return np.repeat(grey[..., None], 3, axis=2)
                image = image.convert("RGBA") if image.mode in ("P", "PA") else image
                return np.asarray(image.convert("RGB"))
            except Exception as error:  # Pillow raises many types for damaged files
                raise UsageError(
                    f"the image {str(path)!r} could not be decoded ({error}); write it again, or remove it from the folder"
                ) from error

    def _open(self, path: Path) -> Any:
        """Read the header of an image; refuse files with several images or too many pixels."""
        from PIL import Image

        try:
            image = Image.open(path)
        except Image.DecompressionBombError as error:
            raise UsageError(f"the image {str(path)!r} is too large: {error}") from None
        except Exception as error:
            raise UsageError(f"{str(path)!r} has the name of an image, but cannot be read as one ({error})") from None
        # MPO files are JPEGs of a camera with a preview: Pillow counts two images.
        count = getattr(image, "n_frames", 1) if image.format != "MPO" else 1
        height, width, pixels = image.height, image.width, image.width * image.height
        if count > 1 or pixels > self.max_pixels:
            image.close()
        if pixels > self.max_pixels:
            raise UsageError(
                f"the image {str(path)!r} has {height} x {width} = {pixels:,} pixels, above the limit of "
                f"{self.max_pixels:,}",
                arguments=("max_pixels",),
            )
        if count > 1:
            raise UsageError(f"{str(path)!r} contains {count} images; convert it to a video or to single images")
        return image


def _list_frames(folder: Path) -> list[Path]:
    """Return the frames of a folder in natural order.

    Optical flow and single images beside a series are left out with a warning.

    Raises
    ------
    ValueError
        No images; optical flow only; more than one series.
    """
    with os.scandir(folder) as entries:
        found = sorted(entry.name for entry in entries if not entry.name.startswith("."))
    names = [name for name in found if name.lower().endswith(IMAGE_SUFFIXES) and (folder / name).is_file()]
    if not names:
        raise UsageError(
            f"folder {str(folder)!r} contains no images ({', '.join(IMAGE_SUFFIXES)})" + _contents_hint(folder, found)
        )
    _refuse_flow_folder(folder)
    by_pattern: dict[str, list[str]] = {}
    for name in names:
        by_pattern.setdefault(_name_pattern(name), []).append(name)
    images = {p: group for p, group in by_pattern.items() if not _FLOW.fullmatch(Path(p).stem)}
    if not images:
        raise UsageError(
            f"folder {str(folder)!r} contains only optical flow ({', '.join(sorted(by_pattern)[:4])}); give the folder "
            "of the frames"
        )
    series = {p: group for p, group in images.items() if len(group) > 1}
    if len(series) > 1:
        listed = ", ".join(f"{p} ({len(group)} images)" for p, group in sorted(series.items())[:4])
        raise UsageError(f"folder {str(folder)!r} contains several series of images: {listed}; give a folder with one")
    pattern, kept = (
        next(iter(series.items())) if series else ("", [name for group in images.values() for name in group])
    )
    omitted = sorted(set(by_pattern) - ({pattern} if series else set(images)))
    _warn_of_gaps(folder, {p: len(by_pattern[p]) for p in omitted}, kept if series else [])
    return [folder / name for name in sorted(kept, key=_natural_key)]


def _name_pattern(name: str) -> str:
    """Return a file name with its last number replaced by #, which is the same for all names of a series."""
    path = Path(name)
    return re.sub(r"\d+(?=\D*$)", "#", path.stem) + path.suffix.lower()


def _natural_key(name: str) -> list[Any]:
    """Return a sort key that puts frame_9 before frame_10."""
    return [int(part) if i % 2 else part.casefold() for i, part in enumerate(re.split(r"(\d+)", name))]


def _sorted_numbers(names: list[str]) -> NDArray[np.int64]:
    """Return the last number of each name, in increasing order."""
    return np.sort([int(re.findall(r"\d+", Path(name).stem)[-1]) for name in names])


def _warn_of_gaps(folder: Path, omitted: dict[str, int], series: list[str]) -> None:
    """Issue one warning for patterns that were left out (with their counts) and for numbers missing in the series."""
    clauses = []
    if omitted:
        clauses.append("left out " + ", ".join(f"{p} ({count} images)" for p, count in list(omitted.items())[:4]))
    steps = np.diff(_sorted_numbers(series)) if len(series) > 2 else np.ones(1)
    if len(np.unique(steps)) > 1:
        usual = max(int(np.median(steps)), 1)
        missing = int(np.sum(steps // usual - (steps > 0)))
        clauses.append(
            f"{missing} numbers are missing between the first and the last image; frame times ignore the gaps"
        )
    if clauses:
        warn(f"{folder.name}: {'; '.join(clauses)}")


def _refuse_flow_folder(folder: Path) -> None:
    for pair in _FLOW_FOLDERS:
        if folder.name in pair and all((folder.parent / name).is_dir() for name in pair):
            raise UsageError(
                f"{str(folder)!r} is one of the optical flow folders {', '.join(sorted(pair))}; give the folder of the frames"
            )


def _contents_hint(folder: Path, found: list[str]) -> str:
    """Describe what a folder without images contains, for an error message."""
    folders = [name for name in found if (folder / name).is_dir()]
    if any(pair <= set(folders) for pair in _FLOW_FOLDERS):
        return "; its folders contain optical flow; give the folder of the frames"
    return f"; it contains {', '.join((folders or found)[:5])}; give the path of one clip" if found else ""
