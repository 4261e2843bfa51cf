"""A synthetic clip and the people in it, with exact masks of every body part."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from notebook_explain.samples.render import Bools

if TYPE_CHECKING:
    from PIL.Image import Image as Picture


@dataclass(frozen=True, eq=False)
class Person:
    """Where one person is.

    Attributes
    ----------
    action : str
        One of `ACTIONS`, "a + b" for one body that does two, or "idle".
    person : bool (time, height, width)
        The pixels of which it covers more than half.
    parts : dict of bool (time, height, width)
        The same, divided among the parts of the body: disjoint, and together all of `person`.
    acting : bool (time, height, width)
        The parts that the action moves, while it does.
    """

    action: str
    person: Bools
    parts: dict[str, Bools]
    acting: Bools

    def __repr__(self) -> str:
        return f"Person({self.action!r}, {self.person.mean():.1%} of the clip)"


@dataclass(frozen=True, eq=False)
class Sample:
    """A synthetic clip of people whose truth is known to the pixel.

    As the last line of a cell it plays its film, beside the same film with what acts in colour.

    Attributes
    ----------
    frames : uint8 (time, height, width, 3)
        The pictures, red green blue.
    label : str
        What is done: an action, "a + b", or "still".
    labels : tuple of str
        The actions that are done, none to two, in the order of the label.
    mask : bool (time, height, width)
        The acting parts of everybody.
    masks : tuple of bool (time, height, width)
        The same for each of `labels`: who or which limbs do it. They are disjoint.
    people : tuple of Person
        Those who act come first, in the order of the label.
    mark : bool (time, height, width)
        The mark in the corner; empty but for the world `shortcut`.
    seed : int
        The same call with the same seed makes it again.
    fps : float
        Frames per second.
    world : str
        The function that made it.
    """

    frames: NDArray[np.uint8]
    label: str
    labels: tuple[str, ...]
    mask: Bools
    masks: tuple[Bools, ...]
    people: tuple[Person, ...]
    mark: Bools
    seed: int
    fps: float
    world: str

    def __repr__(self) -> str:
        time, height, width, _ = self.frames.shape
        return f"Sample({self.label!r}, {time} frames of {height} x {width}, world={self.world!r}, seed={self.seed})"

    @property
    def caption(self) -> str:
        """What is said wherever the sample is shown: "synthetic sample: kick; world single, seed 3"."""
        return f"synthetic sample: {self.label}; world {self.world}, seed {self.seed}"

    def film(self, path: str | os.PathLike[str], *, masks: bool = True, side: int = 256) -> Path:
        """Write a film that plays for ever to a .gif or .webp file; what stood there is replaced as a whole.

        Parameters
        ----------
        path
            Slides take .gif; .webp is smaller and has all the colours.
        masks : bool
            Whether the film with what acts in colour stands beside it.
        side : int
            Height of the frames in pixels, 32 or more; they are enlarged by the whole factor that fits.

        Returns
        -------
        Path
            That of the file.

        Raises
        ------
        ValueError
            Another kind of file; not such a side.
        FileNotFoundError, IsADirectoryError
            No such folder; the path is one.
        """
        from notebook_explain.samples import preview

        return preview.write(self, path, masks, side)

    def strip(self, frames: int = 8, *, masks: bool = True) -> Picture:
        """Return frames side by side as a Pillow image, which a cell shows and ``.save("strip.png")`` writes.

        Parameters
        ----------
        frames : int
            How many, evenly chosen, 1 or more.
        masks : bool
            Whether the same frames with what acts in colour stand below.
        """
        from notebook_explain.samples import preview

        return preview.strip(self, frames, masks)

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, str]:
        from notebook_explain.samples import preview

        return preview.mimebundle(self)
