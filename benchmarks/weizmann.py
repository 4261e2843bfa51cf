"""Four actions of nine real people (Weizmann, 64 x 64), and the folds that leave one person out.

The footage is not ours and not in this repository; what needs it says so where it is not there. The files are mirrored
as well: those copies are never read, so none can slip from the training into the test. Who wants mirrors flips.
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
    """One person doing one thing before a static camera.

    Attributes
    ----------
    frames : uint8 array (time, height, width, 3)
        RGB, 64 x 64, 51 to 146 frames at 25 a second.
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
        """Place of the label in `LABELS`."""
        return LABELS.index(self.label)


@dataclass(frozen=True, eq=False)
class Fold:
    """One person's clips for the test, everybody else's for the training."""

    person: int
    training: tuple[RealClip, ...]
    held_out: tuple[RealClip, ...]


def found(folder: Path = FOLDER) -> bool:
    """Whether the clips are on this machine."""
    return (folder / "labels.csv").is_file()


def read(folder: Path = FOLDER) -> tuple[RealClip, ...]:
    """Read the clips that are no mirrors, in the order of persons.

    Raises
    ------
    FileNotFoundError
        The clips are not on this machine.
    ValueError
        A row and its picture do not fit together, or a label is unknown.
    """
    if not found(folder):
        raise FileNotFoundError(f"no labels.csv in {folder.name}/: the real clips are not on this machine")
    with (folder / "labels.csv").open(newline="", encoding="utf-8") as file:
        rows = [row for row in csv.DictReader(file) if row["is_hflip"] == "0"]
    return tuple(sorted((_clip(folder, row) for row in rows), key=lambda clip: (clip.person, clip.index)))


def _clip(folder: Path, row: dict[str, str]) -> RealClip:
    """One row's clip: a picture that holds the frames side by side (a PNG, though it is called .jpg)."""
    import cv2

    if row["label"] not in LABELS:
        raise ValueError(f"{row['file']} has the label {row['label']!r}, expected one of {', '.join(LABELS)}")
    strip = cv2.imread(str(folder / row["file"]), cv2.IMREAD_COLOR)
    wanted = (SIDE, SIDE * int(row["n_frames"]), 3)
    came = None if strip is None else strip.shape
    if came != wanted:
        raise ValueError(f"{row['file']} must be a picture of the shape {wanted}, got {came}; fetch the data again")
    frames = strip[..., ::-1].reshape(SIDE, -1, SIDE, 3).transpose(1, 0, 2, 3)
    return RealClip(np.ascontiguousarray(frames), row["label"], int(row["person"]))


def folds(clips: Iterable[RealClip]) -> Iterator[Fold]:
    """Leave every person out once, in order."""
    clips = tuple(clips)
    for person in sorted({clip.person for clip in clips}):
        training = tuple(clip for clip in clips if clip.person != person)
        yield Fold(person, training, tuple(clip for clip in clips if clip.person == person))


def starts(length: int, frames: int, stride: int, count: int) -> list[int]:
    """First frames of `count` windows spread evenly over a clip, the first at its beginning, the last at its end.

    Parameters
    ----------
    length : int
        Frames of the clip.
    frames, stride : int
        A window is `frames` frames, every `stride`-th one.
    count : int
        One window lies in the middle.

    Raises
    ------
    ValueError
        The clip is shorter than a window.
    """
    room = length - (1 + (frames - 1) * stride)
    if room < 0:
        raise ValueError(
            f"a window of {frames} frames, every {stride}th, needs {length - room} frames and the clip has {length}; "
            "take a smaller stride"
        )
    places = np.linspace(0, room, count) if count > 1 else np.array([room / 2])
    return [int(place) for place in np.round(places)]


def window(clip: NDArray[np.uint8], start: int, frames: int, stride: int) -> NDArray[np.uint8]:
    """Every `stride`-th frame from `start` on, `frames` of them."""
    return clip[start : start + 1 + (frames - 1) * stride : stride]


def windows(clip: NDArray[np.uint8], frames: int, stride: int, count: int) -> NDArray[np.uint8]:
    """Evenly spread windows of a clip: uint8 (window, time, height, width, 3)."""
    return np.stack([window(clip, start, frames, stride) for start in starts(len(clip), frames, stride, count)])
