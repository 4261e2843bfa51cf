"""Four actions of nine real people (Weizmann, 64 x 64), and leave-one-person-out folds.

The footage belongs to others and is not part of this repository. The dataset contains a mirrored copy of every clip; these
are never read, so that none leaks from the training into the test.
"""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

LABELS = ("wave1", "wave2", "jack", "bend")
FOLDER = Path(__file__).parents[2] / "shared" / "data" / "weizmann4_64"
SIDE = 64


@dataclass(frozen=True, eq=False)
class RealClip:
    """One person performing one action in front of a static camera.

    Attributes
    ----------
    frames : uint8 array (time, height, width, 3)
        RGB, 64 x 64, 51 to 146 frames at 25 frames per second.
    label : str
        One of `LABELS`.
    person : int
        0 to 8.
    """

    frames: NDArray[np.uint8]
    label: str
    person: int

    @property
    def index(self) -> int:
        """Index of the label in `LABELS`."""
        return LABELS.index(self.label)


@dataclass(frozen=True, eq=False)
class Fold:
    """The clips of one person for the test, those of all others for the training."""

    person: int
    training: tuple[RealClip, ...]
    held_out: tuple[RealClip, ...]


def found(folder: Path = FOLDER) -> bool:
    """Return whether the clips are available."""
    return (folder / "labels.csv").is_file()


def read(folder: Path = FOLDER) -> tuple[RealClip, ...]:
    """Read the clips that are not mirrored, ordered by person.

    Raises
    ------
    FileNotFoundError
        The clips are not available.
    ValueError
        A row and its image disagree, or a label is unknown.
    """
    if not found(folder):
        raise FileNotFoundError(f"no labels.csv in {folder.name}/; the real clips are not on this machine")
    with (folder / "labels.csv").open(newline="", encoding="utf-8") as file:
        rows = [row for row in csv.DictReader(file) if row["is_hflip"] == "0"]
    return tuple(sorted((_clip(folder, row) for row in rows), key=lambda clip: (clip.person, clip.index)))


def _clip(folder: Path, row: dict[str, str]) -> RealClip:
    """Read the clip of one row from an image of all frames side by side (a PNG named .jpg)."""
    import cv2

    if row["label"] not in LABELS:
        raise ValueError(f"{row['file']} has the label {row['label']!r}, expected one of {', '.join(LABELS)}")
    strip = cv2.imread(str(folder / row["file"]), cv2.IMREAD_COLOR)
    expected = (SIDE, SIDE * int(row["n_frames"]), 3)
    shape = None if strip is None else strip.shape
    if shape != expected:
        raise ValueError(f"{row['file']} must be an image of shape {expected}, got {shape}; download the data again")
    frames = strip[..., ::-1].reshape(SIDE, -1, SIDE, 3).transpose(1, 0, 2, 3)
    return RealClip(np.ascontiguousarray(frames), row["label"], int(row["person"]))


def folds(clips: Iterable[RealClip]) -> Iterator[Fold]:
    """Leave out each person once, in order."""
    clips = tuple(clips)
    for person in sorted({clip.person for clip in clips}):
        training = tuple(clip for clip in clips if clip.person != person)
        yield Fold(person, training, tuple(clip for clip in clips if clip.person == person))


def starts(length: int, frames: int, stride: int, count: int) -> list[int]:
    """Return the first frames of `count` windows spread evenly over a clip, from its beginning to its end.

    Parameters
    ----------
    length : int
        Number of frames in the clip.
    frames, stride : int
        A window has `frames` frames, taken every `stride` frames.
    count : int
        A single window lies in the middle.

    Raises
    ------
    ValueError
        The clip is shorter than a window.
    """
    room = length - (1 + (frames - 1) * stride)
    if room < 0:
        raise ValueError(
            f"a window of {frames} frames with a stride of {stride} needs {length - room} frames, but the clip has {length}; "
            "use a smaller stride"
        )
    positions = np.linspace(0, room, count) if count > 1 else np.array([room / 2])
    return [int(position) for position in np.round(positions)]


def window(clip: NDArray[np.uint8], start: int, frames: int, stride: int) -> NDArray[np.uint8]:
    """Return `frames` frames from `start` on, taking every `stride`-th one."""
    return clip[start : start + 1 + (frames - 1) * stride : stride]


def windows(clip: NDArray[np.uint8], frames: int, stride: int, count: int) -> NDArray[np.uint8]:
    """Return evenly spread windows of a clip: uint8 (window, time, height, width, 3)."""
    return np.stack([window(clip, start, frames, stride) for start in starts(len(clip), frames, stride, count)])
