"""Folders of pictures, as extraction scripts leave them: one series of frames in natural order.

Kinetics, UCF-101 and HMDB-51: ``img_00001.jpg`` or ``image_00001.jpg``, optical flow beside it as ``flow_x_00001.jpg`` or
``x_00001.jpg``; ``frame000001.jpg`` with flow in the folders ``u`` and ``v``. EPIC-Kitchens: ``frame_0000000001.jpg``.
EGTEA Gaze+: ``img_00001.jpg``, or ``OP01-R01-PastaSalad_frame_0000000001.jpg``. Flow is no picture of what happens: where it
lies beside the frames it is left out, alone it is refused.
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
from notebook_explain.clip.sources.base import Frame, SourceInfo

PICTURES = (".jpg", ".jpeg", ".png", ".bmp", ".webp", ".tif", ".tiff", ".ppm", ".pgm")
# A series' name, its number written as #: "flow_x_#", "flow#", "x_#", "P01_flow_u_#", "#_flow_y", "#_x".
_FLOW = re.compile(r"(.*[_-])?flow[_-]?([xyuv][_-]?)?#|[xyuv][_-]?#|#[_-](flow[_-]?)?[xyuv]|#[_-]flow", re.IGNORECASE)
_FLOW_FOLDERS = ({"u", "v"}, {"flow_x", "flow_y"}, {"x", "y"})


class Folder:
    """Pictures of one size in natural order.

    Attributes
    ----------
    path : Path
        The folder, or the one picture.
    files : list of Path
    fps : float or None
        Pictures per second.
    max_pixels : int
        The size above which a picture is refused before it is decoded.
    """

    def __init__(self, path: Path, fps: float | None, max_pixels: int) -> None:
        self.path, self.name, self.fps, self.max_pixels = path, path.name, fps, max_pixels
        self.files = _series(path) if path.is_dir() else [path]

    def survey(self, sampling: Sampling) -> SourceInfo:
        """Count the pictures and read the header of the first."""
        count = len(self.files)
        with self._opened(self.files[0]) as picture:
            size = picture.height, picture.width
        return SourceInfo(count, self.timeline([None] * count), size)

    def frames(self, survey: SourceInfo) -> Generator[Frame, None, None]:
        """Every picture; decoded only when asked for."""
        for number, path in enumerate(self.files):
            seconds = None if self.fps is None else number / self.fps
            yield Frame(number, seconds, partial(self._picture, path), path.name)

    def timeline(self, seconds: list[Any]) -> Times:
        """An even division of the stated frame rate."""
        return None if self.fps is None else np.arange(len(seconds)) / self.fps

    def silence(self) -> str:
        """Why there is not a single frame (never: a folder without pictures is refused before)."""
        return f"{str(self.path)!r} holds no picture"

    def _picture(self, path: Path) -> NDArray[np.uint8]:
        """RGB, upright as the picture's own data say; transparency left out, grey and 16 bits brought to 8."""
        from PIL import ImageOps

        with self._opened(path) as opened:
            try:
                picture = ImageOps.exif_transpose(opened)
                if picture.mode == "F":
                    raise UsageError("its pixels are fractions, whose black and white nobody states")
                if picture.mode.startswith("I"):
                    grey = np.clip(np.asarray(picture, np.int64) >> 8, 0, 255).astype(np.uint8)
                    return np.repeat(grey[..., None], 3, axis=2)
                picture = picture.convert("RGBA") if picture.mode in ("P", "PA") else picture
                return np.asarray(picture.convert("RGB"))
            except Exception as error:  # Pillow raises many kinds on damaged files
                raise UsageError(
                    f"the picture {str(path)!r} could not be decoded ({error}); write it anew, or take it out of the folder"
                ) from error

    def _opened(self, path: Path) -> Any:
        """A picture whose header was read: one, and not too large."""
        from PIL import Image

        try:
            picture = Image.open(path)
        except Image.DecompressionBombError as error:
            raise UsageError(f"the picture {str(path)!r} is too large: {error}") from None
        except Exception as error:
            raise UsageError(f"{str(path)!r} is named like a picture, but is none that can be read ({error})") from None
        several = (
            getattr(picture, "n_frames", 1) if picture.format != "MPO" else 1
        )  # MPO: a camera's JPEG with a preview
        large = picture.width * picture.height > self.max_pixels
        if several > 1 or large:
            picture.close()
            raise UsageError(
                f"the picture {str(path)!r} has {picture.height} x {picture.width} pixels, more than "
                f"max_pixels={self.max_pixels:,}"
                if large
                else f"{str(path)!r} holds {several} pictures; make a video of it, or single pictures"
            )
        return picture


def _series(folder: Path) -> list[Path]:
    """The frames of a folder in natural order; flow left out with a warning, several series refused."""
    with os.scandir(folder) as entries:
        found = sorted(entry.name for entry in entries if not entry.name.startswith("."))
    names = [name for name in found if name.lower().endswith(PICTURES) and (folder / name).is_file()]
    if not names:
        raise UsageError(f"folder {str(folder)!r} holds no pictures ({', '.join(PICTURES)})" + _inside(folder, found))
    _refuse_flow_folder(folder)
    by_kind: dict[str, list[str]] = {}
    for name in names:
        by_kind.setdefault(_kind(name), []).append(name)
    seen = {kind: series for kind, series in by_kind.items() if not _FLOW.fullmatch(Path(kind).stem)}
    if not seen:
        raise UsageError(
            f"folder {str(folder)!r} holds optical flow only ({', '.join(sorted(by_kind)[:4])}); give the folder of the frames"
        )
    long = {kind: series for kind, series in seen.items() if len(series) > 1}
    if len(long) > 1:
        listed = ", ".join(f"{kind} ({len(series)} pictures)" for kind, series in sorted(long.items())[:4])
        raise UsageError(f"folder {str(folder)!r} holds several series of pictures: {listed}; give a folder with one")
    kind, series = next(iter(long.items())) if long else ("", [name for one in seen.values() for name in one])
    left = sorted(set(by_kind) - ({kind} if long else set(seen)))
    _tell(folder, left, by_kind, series if long else [])
    return [folder / name for name in sorted(series, key=_natural)]


def _kind(name: str) -> str:
    """What the names of a series share: the last number replaced by #."""
    path = Path(name)
    return re.sub(r"\d+(?=\D*$)", "#", path.stem) + path.suffix.lower()


def _natural(name: str) -> list[Any]:
    """A key that puts frame_9 before frame_10."""
    return [int(part) if at % 2 else part.casefold() for at, part in enumerate(re.split(r"(\d+)", name))]


def _numbers(series: list[str]) -> NDArray[np.int64]:
    """The numbers in the names of a series, rising."""
    return np.sort([int(re.findall(r"\d+", Path(name).stem)[-1]) for name in series])


def _tell(folder: Path, left: list[str], by_kind: dict[str, list[str]], series: list[str]) -> None:
    """One warning of what was left out, and of numbers that are missing among those of the series."""
    words = []
    if left:
        words.append("left out " + ", ".join(f"{kind} ({len(by_kind[kind])} pictures)" for kind in left[:4]))
    steps = np.diff(_numbers(series)) if len(series) > 2 else np.ones(1)
    if len(np.unique(steps)) > 1:
        usual = max(int(np.median(steps)), 1)
        missing = int(np.sum(steps // usual - (steps > 0)))
        words.append(f"{missing} of the numbers between the first and the last picture are missing; times skip none")
    if words:
        warn(f"{folder.name}: {'; '.join(words)}")


def _refuse_flow_folder(folder: Path) -> None:
    for pair in _FLOW_FOLDERS:
        if folder.name in pair and all((folder.parent / name).is_dir() for name in pair):
            raise UsageError(
                f"{str(folder)!r} is one of the folders {', '.join(sorted(pair))} of optical flow; give the frames'"
            )


def _inside(folder: Path, found: list[str]) -> str:
    """What a folder without pictures holds instead, for its error."""
    folders = [name for name in found if (folder / name).is_dir()]
    if any(pair <= set(folders) for pair in _FLOW_FOLDERS):
        return "; its folders are those of optical flow; give the folder of the frames"
    return f"; it holds {', '.join((folders or found)[:5])}; give the path of what is meant" if found else ""
