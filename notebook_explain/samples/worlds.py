"""The worlds: clips of people whose truth is known, each made for one question about an explanation."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from notebook_explain._errors import UsageError
from notebook_explain._validation import check_choice, check_int
from notebook_explain.samples.actions import ACTIONS, ARM_ACTIONS, IDLE, LEG_ACTIONS
from notebook_explain.samples.body import PARTS
from notebook_explain.samples.body_shapes import owner_of
from notebook_explain.samples.render import MARK, Bools, Figure, Labels, Mark, Scene, develop, draw_labels, owned
from notebook_explain.samples.sample import Person, Sample
from notebook_explain.samples.scenes import Part, Span, cast

if TYPE_CHECKING:
    pass

SECONDS = 2.0  # a clip lasts as long whatever its number of frames
_MARKS = (
    *((220, 40, 40), (40, 90, 220), (240, 200, 30), (30, 160, 70), (200, 60, 190)),
    *((30, 190, 200), (245, 130, 20), (245, 245, 245), (20, 20, 20), (130, 90, 230)),
)


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
    check_choice("action", action, ACTIONS)
    seed, frames, size = _check_numbers(seed, frames, size)
    return _sample("single", cast(seed, frames, [Part((action,))]), size, seed)


def contrast(a: str, b: str, *, seed: int = 0, frames: int = 16, size: int = 64) -> Sample:
    """Make a clip of two people: one does `a`, the other `b`, either of which may be "idle".

    Parameters and errors are those of `single`; the actions must differ.
    """
    for name, action in (("a", a), ("b", b)):
        check_choice(name, action, (*ACTIONS, IDLE))
    if a == b:
        raise UsageError(f"a and b must be two different actions, got {a!r} twice")
    seed, frames, size = _check_numbers(seed, frames, size)
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
    check_choice("arms", arms, ARM_ACTIONS)
    check_choice("legs", legs, LEG_ACTIONS)
    seed, frames, size = _check_numbers(seed, frames, size)
    return _sample("compose", cast(seed, frames, [Part((arms, legs))]), size, seed)


def window(action: str, first: int, last: int, *, seed: int = 0, frames: int = 16, size: int = 64) -> Sample:
    """Make a clip of one person who acts from frame `first` to frame `last` only, and holds still before and after.

    Both are counted from 0 and belong to the span; the masks of what acts are empty outside it. Otherwise as `single`.

    Raises
    ------
    ValueError
        Also if the span is not within the clip or shorter than 2 frames.
    """
    check_choice("action", action, ACTIONS)
    seed, frames, size = _check_numbers(seed, frames, size)
    first, last = check_int("first", first, least=0), check_int("last", last, least=0)
    if not first < last < frames:
        raise UsageError(f"first and last must hold 0 <= first < last < {frames} (frames), got {first} and {last}")
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
    check_choice("action", action, ACTIONS)
    if mark is not None:
        check_choice("mark", mark, ACTIONS)
    seed, frames, size = _check_numbers(seed, frames, size)
    scene = cast(seed, frames, [Part((action,))], mark=_mark_of(mark or action))
    return _sample("shortcut", scene, size, seed)


def camera(action: str, *, seed: int = 0, frames: int = 16, size: int = 64) -> Sample:
    """Make a clip as `single` does, filmed by a camera that pans and zooms; the masks follow it."""
    check_choice("action", action, ACTIONS)
    seed, frames, size = _check_numbers(seed, frames, size)
    return _sample("camera", cast(seed, frames, [Part((action,))], moving=True), size, seed)


def still(*, seed: int = 0, frames: int = 16, size: int = 64) -> Sample:
    """Make a clip as `single` does in which nobody acts: people sway, and the acting mask is empty."""
    seed, frames, size = _check_numbers(seed, frames, size)
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


def _check_numbers(seed: int, frames: int, size: int) -> tuple[int, int, int]:
    """Return the three numbers that every world takes, checked."""
    return check_int("seed", seed, least=0), check_int("frames", frames, least=4), check_int("size", size, least=32)
