"""The worlds: clips of people whose truth is known, each made for one question about an explanation."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from notebook_explain._validation import among, numbers, whole
from notebook_explain.samples.actions import ACTIONS, ARM_ACTIONS, IDLE, LEG_ACTIONS
from notebook_explain.samples.body import PARTS
from notebook_explain.samples.body_shapes import owner_of
from notebook_explain.samples.render import MARK, Bools, Figure, Labels, Mark, Scene, develop, draw_labels, owned
from notebook_explain.samples.scenes import Part, Span, cast

if TYPE_CHECKING:
    from PIL.Image import Image as Picture

SECONDS = 2.0  # a clip lasts as long whatever its number of frames
_MARKS = (
    *((220, 40, 40), (40, 90, 220), (240, 200, 30), (30, 160, 70), (200, 60, 190)),
    *((30, 190, 200), (245, 130, 20), (245, 245, 245), (20, 20, 20), (130, 90, 230)),
)


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


def single(action: str, *, seed: int = 0, frames: int = 16, size: int = 64) -> Sample:
    """Make a clip of one person who acts; an idle second person or a ball may be there.

    The same arguments give the same bytes. One seed is one scene at every size and number of frames, and the same
    people in the same room under every action.

    Parameters
    ----------
    action : str
        One of `ACTIONS`.
    seed : int
        0 or more.
    frames : int
        How many, 4 or more; together they last 2 seconds.
    size : int
        Height and width in pixels, 32 or more.

    Raises
    ------
    ValueError
        No such action; seed, frames or size is not a whole number or too small.
    """
    among("action", action, ACTIONS)
    seed, frames, size = numbers(seed, frames, size)
    return _sample("single", cast(seed, frames, [Part((action,))]), size, seed)


def contrast(a: str, b: str, *, seed: int = 0, frames: int = 16, size: int = 64) -> Sample:
    """Make a clip of two people: one does `a`, the other `b`, either of which may be "idle".

    Parameters and errors are those of `single`; the actions must differ.
    """
    for name, action in (("a", a), ("b", b)):
        among(name, action, (*ACTIONS, IDLE))
    if a == b:
        raise ValueError(f"a and b must be two different actions, got {a!r} twice")
    seed, frames, size = numbers(seed, frames, size)
    return _sample("contrast", cast(seed, frames, [Part((a,)), Part((b,))]), size, seed)


def compose(arms: str, legs: str, *, seed: int = 0, frames: int = 16, size: int = 64) -> Sample:
    """Make a clip of one body whose arms do one thing while its legs do another.

    What the legs move besides the arms, such as the whole body in a squat, belongs to the legs' action. What one arm
    does, the nearer one does.

    Parameters
    ----------
    arms : str
        One of `ARM_ACTIONS`.
    legs : str
        One of `LEG_ACTIONS`.
    seed, frames, size
        As for `single`, and so are the errors.
    """
    among("arms", arms, ARM_ACTIONS)
    among("legs", legs, LEG_ACTIONS)
    seed, frames, size = numbers(seed, frames, size)
    return _sample("compose", cast(seed, frames, [Part((arms, legs))]), size, seed)


def window(action: str, first: int, last: int, *, seed: int = 0, frames: int = 16, size: int = 64) -> Sample:
    """Make a clip of one person who acts from frame `first` to frame `last` only, and holds still before and after.

    Both are counted from 0 and belong to the span; the masks of what acts are empty outside it. Otherwise as `single`.

    Raises
    ------
    ValueError
        Also if the span is not within the clip or shorter than 2 frames.
    """
    among("action", action, ACTIONS)
    seed, frames, size = numbers(seed, frames, size)
    first, last = whole("first", first, 0), whole("last", last, 0)
    if not first < last < frames:
        raise ValueError(f"first and last must hold 0 <= first < last < {frames} (frames), got {first} and {last}")
    return _sample("window", cast(seed, frames, [Part((action,), Span(first, last))]), size, seed)


def shortcut(action: str, *, mark: str | None = None, seed: int = 0, frames: int = 16, size: int = 64) -> Sample:
    """Make a clip as `single` does, with a mark in a corner that gives an action away.

    A model trained on these may look at the mark instead of the person; a misleading mark shows whether it does.

    Parameters
    ----------
    mark : str or None
        Whose mark, one of `ACTIONS`; None is the one of `action`.
    action, seed, frames, size
        As for `single`, and so are the errors.
    """
    among("action", action, ACTIONS)
    if mark is not None:
        among("mark", mark, ACTIONS)
    seed, frames, size = numbers(seed, frames, size)
    scene = cast(seed, frames, [Part((action,))], mark=_mark_of(mark or action))
    return _sample("shortcut", scene, size, seed)


def camera(action: str, *, seed: int = 0, frames: int = 16, size: int = 64) -> Sample:
    """Make a clip as `single` does, filmed by a camera that pans and zooms; the masks follow it."""
    among("action", action, ACTIONS)
    seed, frames, size = numbers(seed, frames, size)
    return _sample("camera", cast(seed, frames, [Part((action,))], moving=True), size, seed)


def still(*, seed: int = 0, frames: int = 16, size: int = 64) -> Sample:
    """Make a clip as `single` does in which nobody acts: people sway, and the acting mask is empty."""
    seed, frames, size = numbers(seed, frames, size)
    return _sample("still", cast(seed, frames, [Part((IDLE,))]), size, seed)


def _sample(world: str, scene: Scene, size: int, seed: int) -> Sample:
    volume = draw_labels(scene, size)
    people, masks = [], []
    for at, figure in enumerate(scene.people):
        person, own = _person(figure, owned(volume, owner_of(at, 0), len(PARTS)))
        people.append(person)
        masks += own
    labels = tuple(action for figure in scene.people for action in figure.moved)
    names = [person.action for person in people]
    label = " + ".join(names if world == "contrast" else names[:1]) if labels else "still"
    mark = owned(volume, MARK, 1) > 0 if scene.mark else np.zeros((len(volume), size, size), bool)
    acting = np.any(masks, axis=0) if masks else np.zeros_like(mark)
    pictures = develop(scene, volume, seed)
    fps = len(pictures) / SECONDS
    return Sample(pictures, label, labels, acting, tuple(masks), tuple(people), mark, seed, fps, world)


def _person(figure: Figure, owner: Labels) -> tuple[Person, list[Bools]]:
    """The masks of a person from whose part each pixel is (time, height, width), and one mask per action."""
    parts = {part: owner == at + 1 for at, part in enumerate(PARTS)}
    active = figure.active[:, None, None]
    masks = []
    for moved in figure.moved.values():
        chosen = np.zeros(len(PARTS) + 1, bool)
        chosen[[PARTS.index(part) + 1 for part in moved]] = True
        masks.append(chosen[owner] & active)
    acting = np.any(masks, axis=0) if masks else np.zeros_like(owner, bool)
    return Person(figure.action, owner > 0, parts, acting), masks


def _mark_of(action: str) -> Mark:
    """Ten marks: four corners, ten colours."""
    at = ACTIONS.index(action)
    left, top = (0.03, 0.85)[at % 2], (0.03, 0.85)[at // 2 % 2]
    return Mark((left, top, left + 0.12, top + 0.12), np.array(_MARKS[at], float))
