"""The worlds: functions that make clips with exact masks, each for one question about an explanation."""

from __future__ import annotations

import numpy as np

from notebook_explain._errors import UsageError
from notebook_explain._validation import check_choice, check_int
from notebook_explain.samples.actions import ACTIONS, ARM_ACTIONS, IDLE, LEG_ACTIONS
from notebook_explain.samples.body import PARTS
from notebook_explain.samples.body_shapes import part_label
from notebook_explain.samples.render import (
    MARK,
    Bools,
    Figure,
    Labels,
    Mark,
    Scene,
    draw_labels,
    pixel_owners,
    render_frames,
)
from notebook_explain.samples.sample import Person, Sample
from notebook_explain.samples.scenes import Role, Span, build_scene

SECONDS = 2.0  # duration of a clip, for any number of frames
PAIRS = ("contrast", "moving_pair")  # worlds of two people whose actions differ
_MARKS = (
    *((220, 40, 40), (40, 90, 220), (240, 200, 30), (30, 160, 70), (200, 60, 190)),
    *((30, 190, 200), (245, 130, 20), (245, 245, 245), (20, 20, 20), (130, 90, 230)),
)


def single(action: str, *, seed: int = 0, frames: int = 16, size: int = 64) -> Sample:
    """Make a clip of one acting person; a second, idle person or a ball may be present.

    The same arguments give the same bytes. A seed gives the same scene at every size and number of frames, and the same
    people in the same room for every action.

    Parameters
    ----------
    action : str
        One of `ACTIONS`.
    seed : int
        0 or more.
    frames : int
        Number of frames, 4 or more; they always last 2 seconds.
    size : int
        Height and width in pixels, 32 or more.

    Raises
    ------
    ValueError
        Unknown action; seed, frames or size is not a whole number or too small.
    """
    check_choice("action", action, ACTIONS)
    seed, frames, size = _check_numbers(seed, frames, size)
    return _build_sample("single", build_scene(seed, frames, [Role((action,))]), size, seed)


def contrast(a: str, b: str, *, seed: int = 0, frames: int = 16, size: int = 64) -> Sample:
    """Make a clip of two people, one performing `a` and the other `b`; either may be "idle".

    Parameters and errors are as for `single`; the actions must differ.
    """
    _check_pair(a, b)
    seed, frames, size = _check_numbers(seed, frames, size)
    return _build_sample("contrast", build_scene(seed, frames, [Role((a,)), Role((b,))]), size, seed)


def compose(arms: str, legs: str, *, seed: int = 0, frames: int = 16, size: int = 64) -> Sample:
    """Make a clip of one person whose arms perform one action and whose legs perform another.

    Everything except the arms that the legs' action moves, such as the body in a squat, belongs to that action.
    One-armed actions use the nearer arm.

    Parameters
    ----------
    arms : str
        One of `ARM_ACTIONS`.
    legs : str
        One of `LEG_ACTIONS`.
    seed, frames, size
        As for `single`; so are the errors.
    """
    check_choice("arms", arms, ARM_ACTIONS)
    check_choice("legs", legs, LEG_ACTIONS)
    seed, frames, size = _check_numbers(seed, frames, size)
    return _build_sample("compose", build_scene(seed, frames, [Role((arms, legs))]), size, seed)


def window(action: str, first: int, last: int, *, seed: int = 0, frames: int = 16, size: int = 64) -> Sample:
    """Make a clip of one person who acts only from frame `first` to frame `last` and only sways before and after.

    Frames are counted from 0, both ends are included, and acting masks are empty outside. Otherwise as `single`.

    Raises
    ------
    ValueError
        As for `single`, or the span is not within the clip or shorter than 2 frames.
    """
    check_choice("action", action, ACTIONS)
    seed, frames, size = _check_numbers(seed, frames, size)
    first, last = check_int("first", first, least=0), check_int("last", last, least=0)
    if not first < last < frames:
        raise UsageError(f"first and last must satisfy 0 <= first < last < {frames} (frames), got {first} and {last}")
    return _build_sample("window", build_scene(seed, frames, [Role((action,), Span(first, last))]), size, seed)


def shortcut(action: str, *, mark: str | None = None, seed: int = 0, frames: int = 16, size: int = 64) -> Sample:
    """Make a clip as `single` does, with a mark in a corner that reveals the action.

    A model trained on these may use the mark instead of the person; a misleading mark shows whether it does.

    Parameters
    ----------
    mark : str or None
        Action whose mark is shown, one of `ACTIONS`; that of `action` by default.
    action, seed, frames, size
        As for `single`; so are the errors.
    """
    check_choice("action", action, ACTIONS)
    if mark is not None:
        check_choice("mark", mark, ACTIONS)
    seed, frames, size = _check_numbers(seed, frames, size)
    scene = build_scene(seed, frames, [Role((action,))], mark=_mark_for(mark or action))
    return _build_sample("shortcut", scene, size, seed)


def camera(action: str, *, seed: int = 0, frames: int = 16, size: int = 64) -> Sample:
    """Make a clip as `single` does, seen by a camera that pans and zooms; the masks follow it."""
    check_choice("action", action, ACTIONS)
    seed, frames, size = _check_numbers(seed, frames, size)
    return _build_sample("camera", build_scene(seed, frames, [Role((action,))], moving_camera=True), size, seed)


def moving_pair(a: str, b: str, *, seed: int = 0, frames: int = 16, size: int = 64) -> Sample:
    """Make a clip as `contrast` does, seen by a camera that pans and zooms; the masks follow it."""
    _check_pair(a, b)
    seed, frames, size = _check_numbers(seed, frames, size)
    scene = build_scene(seed, frames, [Role((a,)), Role((b,))], moving_camera=True)
    return _build_sample("moving_pair", scene, size, seed)


def still(*, seed: int = 0, frames: int = 16, size: int = 64) -> Sample:
    """Make a clip as `single` does, but without an action: people only sway, and the acting mask is empty."""
    seed, frames, size = _check_numbers(seed, frames, size)
    return _build_sample("still", build_scene(seed, frames, [Role((IDLE,))]), size, seed)


def _build_sample(world: str, scene: Scene, size: int, seed: int) -> Sample:
    volume = draw_labels(scene, size)
    people, masks = [], []
    for i, figure in enumerate(scene.people):
        person, action_masks = _build_person(figure, pixel_owners(volume, part_label(i, 0), len(PARTS)))
        people.append(person)
        masks += action_masks
    labels = tuple(action for figure in scene.people for action in figure.moved)
    names = [person.action for person in people]
    label = " + ".join(names if world in PAIRS else names[:1]) if labels else "still"
    mark = pixel_owners(volume, MARK, 1) > 0 if scene.mark else np.zeros((len(volume), size, size), bool)
    acting = np.any(masks, axis=0) if masks else np.zeros_like(mark)
    rendered = render_frames(scene, volume, seed)
    fps = len(rendered) / SECONDS
    return Sample(rendered, label, labels, acting, tuple(masks), tuple(people), mark, seed, fps, world)


def _build_person(figure: Figure, owner: Labels) -> tuple[Person, list[Bools]]:
    """Return the masks of a person, and one mask per action, from the part at each pixel (time, height, width)."""
    parts = {part: owner == i + 1 for i, part in enumerate(PARTS)}
    active = figure.active[:, None, None]
    masks = []
    for moved in figure.moved.values():
        chosen = np.zeros(len(PARTS) + 1, bool)
        chosen[[PARTS.index(part) + 1 for part in moved]] = True
        masks.append(chosen[owner] & active)
    acting = np.any(masks, axis=0) if masks else np.zeros_like(owner, bool)
    return Person(figure.action, owner > 0, parts, acting), masks


def _mark_for(action: str) -> Mark:
    """Return the mark of an action: one of four corners, one of ten colours."""
    index = ACTIONS.index(action)
    left, top = (0.03, 0.85)[index % 2], (0.03, 0.85)[index // 2 % 2]
    return Mark((left, top, left + 0.12, top + 0.12), np.array(_MARKS[index], float))


def _check_pair(a: str, b: str) -> None:
    """Validate the two actions of a pair."""
    for name, action in (("a", a), ("b", b)):
        check_choice(name, action, (*ACTIONS, IDLE))
    if a == b:
        raise UsageError(f"a and b must be two different actions, got {a!r} twice")


def _check_numbers(seed: int, frames: int, size: int) -> tuple[int, int, int]:
    """Validate and return the three numbers that every world takes."""
    return check_int("seed", seed, least=0), check_int("frames", frames, least=4), check_int("size", size, least=32)
