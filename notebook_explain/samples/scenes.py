"""Who is in a clip, where, and what they do: from a seed to a scene, before any pixel is drawn.

What a person looks like, where it stands and how it moves come from separate streams of random numbers, so that
one seed is the same people in the same room whatever they do.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np

from notebook_explain.samples.actions import (
    ARM_ACTIONS,
    IDLE,
    Style,
    Sway,
    idle_pose,
    move,
    moved_parts,
    random_style,
)
from notebook_explain.samples.backgrounds import Room, random_ball, random_room
from notebook_explain.samples.body import Build, Floats, Pose, joints, nearer, project, random_build
from notebook_explain.samples.body_shapes import figure_bars
from notebook_explain.samples.clothing import MAIN, random_outfit
from notebook_explain.samples.render import Figure, Mark, Scene

BYSTANDER, BALL = 0.55, 0.4  # how often they are there


@dataclass(frozen=True)
class Span:
    """The frames in which somebody acts: both ends belong to it."""

    first: int
    last: int


@dataclass(frozen=True)
class Part:
    """What one person does: an action, or what the arms and what the legs do; all the time or in a span."""

    actions: tuple[str, ...]
    span: Span | None = None


@dataclass(frozen=True)
class _Place:
    """Where somebody stands, x and y of the feet, and its height; in sides."""

    x: float
    y: float
    height: float


def cast(seed: int, frames: int, parts: list[Part], *, mark: Mark | None = None, moving: bool = False) -> Scene:
    """Make up the scene of one clip, for one or two people who have a part in it.

    `moving` lets the camera pan and zoom.
    """
    looks, places, rest = (np.random.default_rng((seed, stream)) for stream in (1, 2, 3))
    room = random_room(looks, frames)
    ball = random_ball(rest, frames) if rest.random() < BALL else None
    if len(parts) == 1 and rest.random() < BYSTANDER:
        spots, parts = _beside(places), [*parts, Part((IDLE,))]
    else:
        spots = _alone(places) if len(parts) == 1 else _pair(places)
    people: list[Figure] = []
    for at, (part, spot) in enumerate(zip(parts, spots, strict=True)):
        taken = people[0].paint[MAIN, 3] if people else None
        people.append(_figure(at, part, spot, (seed, 4 + at), room, frames, taken))
    light = 1 + 0.012 * rest.standard_normal(frames)
    path = _camera(rest, people[0], frames) if moving else np.tile((1.0, 0.5, 0.5), (frames, 1))
    return Scene(tuple(people), room, ball, mark, path, light)


def _height(rng: np.random.Generator, most: float = 0.8) -> tuple[float, float]:
    """Height of a person and y of its feet: who is taller in the picture stands nearer, that is lower."""
    height = float(rng.uniform(0.46, most))
    near = (height - 0.46) / 0.34
    return height, float(np.clip(0.85 + 0.08 * near + rng.uniform(-0.03, 0.03), 0.82, 0.95))


def _alone(rng: np.random.Generator) -> list[_Place]:
    height, y = _height(rng)
    return [_Place(float(rng.uniform(0.2, 0.8)), y, height)]


def _beside(rng: np.random.Generator) -> list[_Place]:
    """Somebody who acts, and on the emptier side of the picture somebody who does not."""
    height, y = _height(rng, 0.74)
    x = float(rng.uniform(0.2, 0.8))
    gap = rng.uniform(0.32, 0.5)
    other = x + gap if x < 0.5 else x - gap
    tall, low = _height(rng, 0.74)
    return [_Place(x, y, height), _Place(float(np.clip(other, 0.1, 0.9)), low, tall)]


def _pair(rng: np.random.Generator) -> list[_Place]:
    """Two who both act: smaller, and one on each side."""
    xs = np.array((rng.uniform(0.2, 0.31), rng.uniform(0.69, 0.8)))
    places = []
    for x in rng.permutation(xs):
        height, y = _height(rng, 0.66)
        places.append(_Place(float(x), y, height))
    return places


def _sway(rng: np.random.Generator, frames: int) -> Sway:
    """Slow, small and never quite absent."""
    time = np.linspace(0, 2 * math.pi, frames)
    side, swing = (np.sin(rng.uniform(0.3, 1.1) * time + rng.uniform(0, 2 * math.pi)) for _ in range(2))
    return Sway(rng.uniform(0.008, 0.02) * side, rng.uniform(2, 6) * swing)


def _clock(style: Style, frames: int, span: Span | None) -> Floats:
    """The phase of the action in each frame, radians: it stands still outside the span."""
    if span is None:
        return np.asarray(style.start + 2 * math.pi * style.cycles * np.linspace(0, 1, frames))
    done = np.clip((np.arange(frames) - span.first) / (span.last - span.first), 0, 1)
    return np.asarray(style.start + 2 * math.pi * style.cycles * done)


def _figure(
    at: int, part: Part, place: _Place, seed: tuple[int, int], room: Room, frames: int, taken: Floats | None
) -> Figure:
    """Dress one person and let it act in all frames; `taken` is the colour of somebody else's shirt."""
    looks, moves = np.random.default_rng((*seed, 0)), np.random.default_rng((*seed, 1))
    build = random_build(looks)
    outfit = random_outfit(looks, room.light(0.8), room.light(0.4), taken)
    sway, stance = _sway(looks, frames), float(looks.uniform(2, 6))
    pose, moved, yaw = _act(part, idle_pose(sway, stance), build, place, moves)
    active = np.ones(frames, bool)
    if part.span is not None:
        active = (np.arange(frames) >= part.span.first) & (np.arange(frames) <= part.span.last)
    seen = _seen(joints(build, pose), yaw, sway, place)
    labels, corners = figure_bars(at, build, outfit, seen, place.height, yaw)
    feet = np.array((place.x, place.y))
    action = " + ".join(part.actions)
    return Figure(action, labels, corners, outfit.paint, moved, active, seen, feet, place.height)


def _act(
    part: Part, pose: Pose, build: Build, place: _Place, rng: np.random.Generator
) -> tuple[Pose, dict[str, tuple[str, ...]], float]:
    """Let a body do its part: its pose, the parts that each of its actions moves, and how far it is turned."""
    frames = len(pose.hop)
    most = (frames if part.span is None else part.span.last - part.span.first + 1) / 5
    moved: dict[str, tuple[str, ...]] = {}
    yaw: float | None = None
    for action in reversed(part.actions):  # the arms last: they overrule what the legs' action does with them
        style = random_style(action, rng, most)
        if yaw is None:
            yaw = _turn(
                style.yaw if len(part.actions) == 1 else math.copysign(32 + 0.2 * abs(style.yaw), style.yaw), place
            )
        style = replace(style, yaw=yaw)
        if len(part.actions) > 1 and action in ARM_ACTIONS:  # the farther arm would be behind the body
            style = replace(style, side=nearer(yaw))
        pose = move(action, pose, _clock(style, frames, part.span), style, build)
        mine = moved_parts(action, style)
        moved = {name: tuple(piece for piece in pieces if piece not in mine) for name, pieces in moved.items()}
        moved[action] = mine
    return pose, {action: moved[action] for action in part.actions if action != IDLE}, yaw or 0.0


def _turn(yaw: float, place: _Place) -> float:
    """Turn those who stand near a border and look out of the picture: what they do would happen outside."""
    away = place.x - 0.5
    return -yaw if abs(yaw) > 40 and abs(away) > 0.12 and yaw * away > 0 else yaw


def _seen(places: dict[str, Floats], yaw: float, sway: Sway, place: _Place) -> dict[str, Floats]:
    """The joints in the picture, in sides: the higher one is, the further it sways."""
    seen = {}
    for name, spot in places.items():
        flat = project(spot, yaw)
        flat[..., 0] += sway.side * np.clip(-flat[..., 1], 0, None)
        seen[name] = flat * place.height + (place.x, place.y)
    return seen


def _camera(rng: np.random.Generator, figure: Figure, frames: int) -> Floats:
    """A pan and a zoom about somebody, a little shaky: zoom, x, y (time, 3)."""
    time = np.linspace(0, 1, frames)
    ease = time * time * (3 - 2 * time)
    near = float(np.clip(0.86 / figure.height, 1.06, 1.3))  # a tall person stays in the picture
    zooms = rng.permutation((rng.uniform(0.85, 0.97), rng.uniform(1.04, near)))
    zoom = zooms[0] * (zooms[1] / zooms[0]) ** ease
    middle = np.array((figure.feet[0], figure.feet[1] - 0.5 * figure.height))
    ends = [
        0.5 + rng.uniform((0.3, 0.7), (0.6, 1.0)) * (middle - 0.5) + rng.uniform(-1, 1, 2) * (0.09, 0.03)
        for _ in range(2)
    ]
    shake = 0.004 * np.stack([np.sin(rng.uniform(8, 16) * time + rng.uniform(0, 6)) for _ in range(2)], axis=1)
    return np.column_stack((zoom, ends[0] + ease[:, None] * (ends[1] - ends[0]) + shake))
