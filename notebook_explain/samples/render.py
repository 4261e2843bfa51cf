"""From a scene to pixels: one volume of labels gives the picture and the masks.

Every pixel is a mean of 3 x 3 points, and every point bears one label: whose it is and which tone. The picture looks
the labels up in a table of colours, the masks count them, so the masks know what hides what.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from notebook_explain.samples.backgrounds import Ball, Pictures, Room, film_room
from notebook_explain.samples.body import PARTS, Floats
from notebook_explain.samples.body_shapes import OWNERS, owner_of
from notebook_explain.samples.clothing import EDGE, KINDS, MAIN, SECOND

FINE = 3  # points per pixel along each side; odd, so that no half is a tie
NOISE = 0.02 * 255  # standard deviation, in grey levels
BALL, SHADOW, MARK = 60, 61, 62  # owners of labels, besides 0 (the room) and the people's parts
_SHADE = 0.3  # how much light a shadow takes away
_BITS = 4  # fractional bits of the corners

Bools = NDArray[np.bool_]
Labels = NDArray[np.uint8]


@dataclass(frozen=True, eq=False)
class Figure:
    """One person of a scene, in all frames.

    Attributes
    ----------
    action : str
        What it does, or "idle".
    labels : uint8 (bar,)
        What each bar is: owner and tone.
    corners : float (bar, time, corner, 2)
        Where it is, in sides, from back to front.
    paint : float (kind, part, 3)
        Colours, 0 to 255.
    moved : dict of tuple of str
        The parts that each action moves; empty if idle.
    active : bool (time,)
        When it acts.
    joints : dict of float (time, 2) or (side, time, 2)
        Where the joints are, in sides, x to the right and y down.
    feet : float (2,)
        Where it stands, in sides.
    height : float
        Standing upright, in sides.
    """

    action: str
    labels: Labels
    corners: Floats
    paint: Floats
    moved: dict[str, tuple[str, ...]]
    active: Bools
    joints: dict[str, Floats]
    feet: Floats
    height: float


@dataclass(frozen=True, eq=False)
class Mark:
    """A plain sign in a corner: left, top, right, bottom in sides of the picture, colour (3,)."""

    box: tuple[float, float, float, float]
    colour: Floats


@dataclass(frozen=True, eq=False)
class Scene:
    """All that a clip shows.

    Attributes
    ----------
    people : tuple of Figure
        One or two.
    ball : Ball or None
    mark : Mark or None
        On the picture, not in the room: the camera does not move it.
    camera : float (time, 3)
        Zoom, and the x and y of what is in the picture's middle, in sides.
    light : float (time,)
        Gain of each frame.
    """

    people: tuple[Figure, ...]
    room: Room
    ball: Ball | None
    mark: Mark | None
    camera: Floats
    light: Floats


def draw_labels(scene: Scene, size: int) -> Labels:
    """Draw who is where: uint8 (time, FINE * size, FINE * size), owner + OWNERS * tone, 0 for the room."""
    import cv2

    count = len(scene.camera)
    volume = np.zeros((count, FINE * size, FINE * size), np.uint8)
    layers = [_shadow(figure) for figure in scene.people]
    ball = [_disc(scene.ball)] if scene.ball else []
    if scene.ball and not scene.ball.front:
        layers += ball
    layers += [(f.labels, f.corners) for f in sorted(scene.people, key=lambda figure: float(figure.feet[1]))]
    if scene.ball and scene.ball.front:
        layers += ball
    zoom, middle = scene.camera[:, None, :1], scene.camera[:, None, 1:]
    for labels, corners in layers:
        spots = ((corners - middle) * zoom + 0.5) * (FINE * size) - 0.5
        points = np.rint(spots * 2**_BITS).astype(np.int32)
        for label, bar in zip(labels.tolist(), points, strict=True):
            for picture, polygon in zip(volume, bar, strict=True):
                cv2.fillConvexPoly(picture, polygon, label, cv2.LINE_8, _BITS)
    if scene.mark:
        left, top, right, bottom = (round(at * size) * FINE for at in scene.mark.box)
        volume[:, top:bottom, left:right] = MARK
    return volume


def _shadow(figure: Figure) -> tuple[Labels, Floats]:
    """A flat ellipse on the floor below somebody."""
    angles = np.linspace(0, 2 * np.pi, 12, endpoint=False)
    ring = np.stack((0.21 * np.cos(angles), 0.042 * np.sin(angles)), axis=-1) * figure.height
    middle = figure.joints["pelvis"].copy()
    middle[:, 1] = figure.feet[1]
    return np.array([SHADOW], np.uint8), (middle[:, None] + ring)[None]


def _disc(ball: Ball) -> tuple[Labels, Floats]:
    angles = np.linspace(0, 2 * np.pi, 16, endpoint=False)
    ring = ball.radius * np.stack((np.cos(angles), np.sin(angles)), axis=-1)
    discs = [ring * 1.12, ring, 0.4 * ring - 0.3 * ball.radius]  # rim, ball, gloss
    labels = np.array([BALL + OWNERS * kind for kind in (EDGE, MAIN, SECOND)], np.uint8)
    return labels, np.stack([ball.path[:, None] + disc for disc in discs])


def _table(scene: Scene) -> NDArray[np.uint8]:
    """Colours of all labels, already times their opacity: uint8 (256, 4), red green blue opacity."""
    table = np.zeros((KINDS, OWNERS, 4))
    table[..., 3] = 255
    table[:, 0] = 0  # the room shows through
    for at, figure in enumerate(scene.people):
        first = owner_of(at, 0)
        table[:, first : first + len(PARTS), :3] = figure.paint
    if scene.ball:
        colour = scene.ball.colour
        table[:, BALL, :3] = np.stack((colour, 0.4 * colour, 0.5 * colour + 127, colour))
    if scene.mark:
        table[:, MARK, :3] = scene.mark.colour
    table[:, SHADOW] = (0, 0, 0, 255 * _SHADE)
    return np.clip(np.rint(table), 0, 255).astype(np.uint8).reshape(KINDS * OWNERS, 4)


def develop(scene: Scene, volume: Labels, seed: int, *, noise: bool = True) -> NDArray[np.uint8]:
    """Make the pictures of a scene whose labels are drawn: uint8 (time, height, width, 3).

    The noise depends on the seed and the shape of the clip alone, never on what is drawn.
    """
    import cv2

    size = volume.shape[1] // FINE
    pictures: Pictures = film_room(scene.room, scene.camera, size)
    table = _table(scene).view(np.uint32)[:, 0]  # one look-up for all four channels
    fine = np.empty(volume.shape[1:], np.uint32)
    for picture, labels, gain in zip(pictures, volume, scene.light, strict=True):
        np.take(table, labels, out=fine, mode="clip")  # clip: unchecked, so twice as fast
        points = fine.view(np.uint8).reshape(*fine.shape, 4)
        drawn = cv2.resize(points, (size, size), interpolation=cv2.INTER_AREA).astype(np.float32)
        picture *= (255 - drawn[..., 3:]) * np.float32(gain / 255)
        picture += drawn[..., :3] * np.float32(gain)
    if noise:
        grain = np.random.default_rng((seed, 9)).standard_normal(pictures.shape, np.float32)
        grain *= np.float32(NOISE)
        pictures += grain
    np.rint(pictures, out=pictures)
    return np.clip(pictures, 0, 255, out=pictures).astype(np.uint8)


def owned(volume: Labels, first: int, count: int) -> Labels:
    """Whose the pixels are, of `count` owners from label `first` on: uint8 (time, height, width), 1 to count, or 0.

    A pixel belongs to them if they hold more than half of its points, and among them to the one that holds most
    (the first of equals).
    """
    frames, side = len(volume), volume.shape[1] // FINE
    found = np.zeros((frames, side, side), np.uint8)
    owners = volume & (OWNERS - 1)
    present = (owners >= first) & (owners < first + count)
    rows, columns = np.flatnonzero(present.any((0, 2))), np.flatnonzero(present.any((0, 1)))
    if not len(rows):
        return found
    top, bottom = rows[0] // FINE, rows[-1] // FINE + 1
    left, right = columns[0] // FINE, columns[-1] // FINE + 1
    box = owners[:, FINE * top : FINE * bottom, FINE * left : FINE * right]
    points = box.reshape(frames, bottom - top, FINE, right - left, FINE).transpose(2, 4, 0, 1, 3)
    points = np.ascontiguousarray(points).reshape(FINE * FINE, frames, bottom - top, right - left)
    most = np.zeros(points.shape[1:], np.uint8)
    total, winner = most.copy(), most.copy()
    for at in range(count):
        held = np.add.reduce(points == first + at, axis=0, dtype=np.uint8)
        total += held
        np.copyto(winner, at + 1, where=held > most)
        np.maximum(most, held, out=most)
    found[:, top:bottom, left:right] = np.where(2 * total > FINE * FINE, winner, 0)
    return found
