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
    """Masks of one person.

    Attributes
    ----------
    action : str
        One of `ACTIONS`, "a + b" for one body performing two, or "idle".
    person : bool (time, height, width)
        Pixels of which the person covers more than half.
    parts : dict of bool (time, height, width)
        The same for each part of the body: disjoint, with `person` as their union.
    acting : bool (time, height, width)
        The parts that the action moves, during the action.
    """

    action: str
    person: Bools
    parts: dict[str, Bools]
    acting: Bools

    def __repr__(self) -> str:
        return f"Person({self.action!r}, {self.person.mean():.1%} of the clip)"


@dataclass(frozen=True, eq=False)
class Sample:
    """A synthetic clip of people with exact masks.

    As the last line of a cell it plays, next to a copy with the acting parts in colour.

    Attributes
    ----------
    frames : uint8 (time, height, width, 3)
        RGB.
    label : str
        An action, "a + b", or "still".
    labels : tuple of str
        The actions in the clip, none to two, in the order of the label.
    mask : bool (time, height, width)
        The acting parts of all people.
    masks : tuple of bool (time, height, width)
        The same for each of `labels`; disjoint.
    people : tuple of Person
        Acting people come first, in the order of the label.
    mark : bool (time, height, width)
        The mark in the corner; empty except in the world `shortcut`.
    seed : int
        The same call with the same seed gives the same sample.
    fps : float
        Frames per second.
    world : str
        Name of the function that made it.
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
        """Caption of every preview: "synthetic sample: kick; world single, seed 3"."""
        return f"synthetic sample: {self.label}; world {self.world}, seed {self.seed}"

    def film(self, path: str | os.PathLike[str], *, masks: bool = True, side: int = 256) -> Path:
        """Write a looping animation to a .gif or .webp file.

        An existing file is replaced only once the new one is complete.

        Parameters
        ----------
        path
            Slides accept .gif; .webp is smaller and keeps all colours.
        masks : bool
            Add a copy with the acting parts in colour.
        side : int
            Height of the frames in pixels, 32 or more; they are enlarged by the largest whole factor that fits.

        Returns
        -------
        Path
            Path of the file.

        Raises
        ------
        ValueError
            The suffix is not supported, or ``side`` is invalid.
        FileNotFoundError, IsADirectoryError
            The folder does not exist; the path is a folder.
        """
        from notebook_explain.samples import preview

        return preview.write_animation(self, path, masks, side)

    def strip(self, frames: int = 8, *, masks: bool = True) -> Picture:
        """Return frames side by side as a Pillow image.

        Parameters
        ----------
        frames : int
            Number of frames, evenly spaced, 1 or more.
        masks : bool
            Add a row with the acting parts in colour.
        """
        from notebook_explain.samples import preview

        return preview.render_strip(self, frames, masks)

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, str]:
        from notebook_explain.samples import preview

        return preview.mimebundle(self)
