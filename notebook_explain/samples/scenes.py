"""Random scenes: the people of a clip, their positions and movements, made from a seed.

Appearance, position and movement use separate random streams, so that one seed gives the same people in the same room
for every action.
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
from notebook_explain.samples.body import Build, Floats, Pose, joints, near_side, project, random_build
from notebook_explain.samples.body_shapes import figure_bars
from notebook_explain.samples.clothing import MAIN, random_outfit
from notebook_explain.samples.render import Figure, Mark, Scene

BYSTANDER, BALL = 0.55, 0.4  # probabilities of their presence
REACH = 0.3  # room that the outer arms of two people need, in sides


@dataclass(frozen=True)
class Span:
    """The frames in which a person acts, both ends included."""

    first: int
    last: int


@dataclass(frozen=True)
class Role:
    """Actions of one person: one, or one of the arms and one of the legs; always or within a span."""

    actions: tuple[str, ...]
    span: Span | None = None


@dataclass(frozen=True)
class _Position:
    """Position of a person's feet, and standing height; in sides."""

    x: float
    y: float
    height: float


def build_scene(
    seed: int, frames: int, roles: list[Role], *, mark: Mark | None = None, moving_camera: bool = False
) -> Scene:
    """Build the scene of a clip with one or two roles.

    `moving_camera` lets the camera pan and zoom.
    """
    looks, positions, rest = (np.random.default_rng((seed, stream)) for stream in (1, 2, 3))
    room = random_room(looks, frames)
    ball = random_ball(rest, frames) if rest.random() < BALL else None
    actors = len(roles)
    if actors == 1 and rest.random() < BYSTANDER:
        spots, roles = _position_with_bystander(positions), [*roles, Role((IDLE,))]
    else:
        spots = _position_one(positions) if actors == 1 else _position_two(positions)
    people: list[Figure] = []
    for i, (role, spot) in enumerate(zip(roles, spots, strict=True)):
        taken = people[0].paint[MAIN, 3] if people else None
        people.append(_build_figure(i, role, spot, (seed, 4 + i), room, frames, taken))
    light = 1 + 0.012 * rest.standard_normal(frames)
    path = _camera(rest, people[:actors], frames) if moving_camera else np.tile((1.0, 0.5, 0.5), (frames, 1))
    return Scene(tuple(people), room, ball, mark, path, light)


def _random_height(rng: np.random.Generator, max_height: float = 0.8) -> tuple[float, float]:
    """Return the height of a person and the y of the feet: taller people stand nearer, that is lower in the image."""
    height = float(rng.uniform(0.46, max_height))
    near = (height - 0.46) / 0.34
    return height, float(np.clip(0.85 + 0.08 * near + rng.uniform(-0.03, 0.03), 0.82, 0.95))


def _position_one(rng: np.random.Generator) -> list[_Position]:
    height, y = _random_height(rng)
    return [_Position(float(rng.uniform(0.2, 0.8)), y, height)]


def _position_with_bystander(rng: np.random.Generator) -> list[_Position]:
    """Return positions of an actor and, on the emptier side of the image, a bystander."""
    height, y = _random_height(rng, 0.74)
    x = float(rng.uniform(0.2, 0.8))
    gap = rng.uniform(0.32, 0.5)
    other = x + gap if x < 0.5 else x - gap
    tall, low = _random_height(rng, 0.74)
    return [_Position(x, y, height), _Position(float(np.clip(other, 0.1, 0.9)), low, tall)]


def _position_two(rng: np.random.Generator) -> list[_Position]:
    """Return positions of two actors: smaller, one on each side."""
    xs = np.array((rng.uniform(0.2, 0.31), rng.uniform(0.69, 0.8)))
    positions = []
    for x in rng.permutation(xs):
        height, y = _random_height(rng, 0.66)
        positions.append(_Position(float(x), y, height))
    return positions


def _sway(rng: np.random.Generator, frames: int) -> Sway:
    """Return a slow, small movement that never stops."""
    time = np.linspace(0, 2 * math.pi, frames)
    side, swing = (np.sin(rng.uniform(0.3, 1.1) * time + rng.uniform(0, 2 * math.pi)) for _ in range(2))
    return Sway(rng.uniform(0.008, 0.02) * side, rng.uniform(2, 6) * swing)


def _phases(style: Style, frames: int, span: Span | None) -> Floats:
    """Return the phase of the action in each frame, radians: constant outside the span."""
    if span is None:
        return np.asarray(style.start + 2 * math.pi * style.cycles * np.linspace(0, 1, frames))
    done = np.clip((np.arange(frames) - span.first) / (span.last - span.first), 0, 1)
    return np.asarray(style.start + 2 * math.pi * style.cycles * done)


def _build_figure(
    person: int, role: Role, position: _Position, seed: tuple[int, int], room: Room, frames: int, taken: Floats | None
) -> Figure:
    """Build one person in all frames; `taken` is the colour of the other person's shirt."""
    looks, moves = np.random.default_rng((*seed, 0)), np.random.default_rng((*seed, 1))
    build = random_build(looks)
    outfit = random_outfit(looks, room.light(0.8), room.light(0.4), taken)
    sway, stance = _sway(looks, frames), float(looks.uniform(2, 6))
    pose, moved, yaw = _animate(role, idle_pose(sway, stance), build, position, moves)
    active = np.ones(frames, bool)
    if role.span is not None:
        active = (np.arange(frames) >= role.span.first) & (np.arange(frames) <= role.span.last)
    projected = _project_joints(joints(build, pose), yaw, sway, position)
    labels, corners = figure_bars(person, build, outfit, projected, position.height, yaw)
    feet = np.array((position.x, position.y))
    action = " + ".join(role.actions)
    return Figure(action, labels, corners, outfit.paint, moved, active, projected, feet, position.height)


def _animate(
    role: Role, pose: Pose, build: Build, position: _Position, rng: np.random.Generator
) -> tuple[Pose, dict[str, tuple[str, ...]], float]:
    """Return the pose of a body in its role, the parts that each of its actions moves, and its yaw in degrees."""
    frames = len(pose.hop)
    max_cycles = (frames if role.span is None else role.span.last - role.span.first + 1) / 5
    moved: dict[str, tuple[str, ...]] = {}
    yaw: float | None = None
    for action in reversed(role.actions):  # the arms last: they override the arms of the legs' action
        style = random_style(action, rng, max_cycles)
        if yaw is None:
            yaw = _face_inwards(
                style.yaw if len(role.actions) == 1 else math.copysign(32 + 0.2 * abs(style.yaw), style.yaw), position
            )
        style = replace(style, yaw=yaw)
        if len(role.actions) > 1 and action in ARM_ACTIONS:  # the farther arm would be behind the body
            style = replace(style, side=near_side(yaw))
        pose = move(action, pose, _phases(style, frames, role.span), style, build)
        parts = moved_parts(action, style)
        moved = {name: tuple(part for part in others if part not in parts) for name, others in moved.items()}
        moved[action] = parts
    return pose, {action: moved[action] for action in role.actions if action != IDLE}, yaw or 0.0


def _face_inwards(yaw: float, position: _Position) -> float:
    """Turn people who stand near a border towards the middle, so that their action stays inside the image."""
    away = position.x - 0.5
    return -yaw if abs(yaw) > 40 and abs(away) > 0.12 and yaw * away > 0 else yaw


def _project_joints(positions: dict[str, Floats], yaw: float, sway: Sway, feet: _Position) -> dict[str, Floats]:
    """Return the joints in the image, in sides; higher joints sway further."""
    projected = {}
    for name, position in positions.items():
        flat = project(position, yaw)
        flat[..., 0] += sway.side * np.clip(-flat[..., 1], 0, None)
        projected[name] = flat * feet.height + (feet.x, feet.y)
    return projected


def _camera(rng: np.random.Generator, followed: list[Figure], frames: int) -> Floats:
    """Return a slightly shaky pan and zoom around one or two people: zoom, x, y (time, 3)."""
    time = np.linspace(0, 1, frames)
    ease = time * time * (3 - 2 * time)
    feet = np.array([figure.feet[0] for figure in followed])
    width = np.ptp(feet) + REACH if len(followed) > 1 else 0.0
    extent = max([width, *(figure.height for figure in followed)])
    near = float(np.clip(0.86 / extent, 1.06, 1.3))  # keeps a tall person, or both people, inside the image
    zooms = rng.permutation((rng.uniform(0.85, 0.97), rng.uniform(1.04, near)))
    zoom = zooms[0] * (zooms[1] / zooms[0]) ** ease
    middle = np.mean([(figure.feet[0], figure.feet[1] - 0.5 * figure.height) for figure in followed], axis=0)
    stray = (0.09, 0.03) if len(followed) == 1 else (0.05, 0.03)  # two people fill more of the width
    ends = [
        0.5 + rng.uniform((0.3, 0.7), (0.6, 1.0)) * (middle - 0.5) + rng.uniform(-1, 1, 2) * stray for _ in range(2)
    ]
    shake = 0.004 * np.stack([np.sin(rng.uniform(8, 16) * time + rng.uniform(0, 6)) for _ in range(2)], axis=1)
    return np.column_stack((zoom, ends[0] + ease[:, None] * (ends[1] - ends[0]) + shake))
