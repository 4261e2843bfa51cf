"""Rendering of a scene: one volume of labels gives both the frames and the masks.

Every pixel is the mean of 3 x 3 points, and every point has one label: owner and tone. Frames map labels to colours and
masks count labels, so that masks respect occlusion.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from notebook_explain.samples.backgrounds import Ball, Pictures, Room, render_room
from notebook_explain.samples.body import PARTS, Floats
from notebook_explain.samples.body_shapes import OWNERS, part_label
from notebook_explain.samples.clothing import EDGE, KINDS, MAIN, SECOND

SUBPIXELS = 3  # points per pixel along each side; odd, so that a majority always exists
NOISE = 0.02 * 255  # standard deviation, in grey levels
BALL, SHADOW, MARK = 60, 61, 62  # owners of labels, besides 0 (the room) and the people's parts
_SHADOW_OPACITY = 0.3  # fraction of the light that a shadow removes
_FRACTION_BITS = 4  # fractional bits of polygon corners

Bools = NDArray[np.bool_]
Labels = NDArray[np.uint8]


@dataclass(frozen=True, eq=False)
class Figure:
    """One person of a scene, in all frames.

    Attributes
    ----------
    action : str
        One or several actions, or "idle".
    labels : uint8 (bar,)
        Owner and tone of each bar.
    corners : float (bar, time, corner, 2)
        Corners of the bars in sides, from back to front.
    paint : float (kind, part, 3)
        Colours, 0 to 255.
    moved : dict of tuple of str
        Parts that each action moves; empty if idle.
    active : bool (time,)
        Whether the person acts in each frame.
    joints : dict of float (time, 2) or (side, time, 2)
        Positions of the joints in sides, x to the right and y down.
    feet : float (2,)
        Position on the floor, in sides.
    height : float
        Standing height, in sides.
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
    """A coloured box in a corner: left, top, right, bottom in image sides, and colour (3,)."""

    box: tuple[float, float, float, float]
    colour: Floats


@dataclass(frozen=True, eq=False)
class Scene:
    """Content of a clip.

    Attributes
    ----------
    people : tuple of Figure
        One or two.
    ball : Ball or None
    mark : Mark or None
        On the image, not in the room: the camera does not move it.
    camera : float (time, 3)
        Zoom, and the x and y of the image centre in sides.
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
    """Draw the labels: uint8 (time, SUBPIXELS * size, SUBPIXELS * size), owner + OWNERS * tone, 0 for the room."""
    import cv2

    count = len(scene.camera)
    volume = np.zeros((count, SUBPIXELS * size, SUBPIXELS * size), np.uint8)
    layers = [_shadow(figure) for figure in scene.people]
    ball = [_ball_discs(scene.ball)] if scene.ball else []
    if scene.ball and not scene.ball.front:
        layers += ball
    layers += [(f.labels, f.corners) for f in sorted(scene.people, key=lambda figure: float(figure.feet[1]))]
    if scene.ball and scene.ball.front:
        layers += ball
    zoom, middle = scene.camera[:, None, :1], scene.camera[:, None, 1:]
    for labels, corners in layers:
        spots = ((corners - middle) * zoom + 0.5) * (SUBPIXELS * size) - 0.5
        points = np.rint(spots * 2**_FRACTION_BITS).astype(np.int32)
        for label, bar in zip(labels.tolist(), points, strict=True):
            for picture, polygon in zip(volume, bar, strict=True):
                cv2.fillConvexPoly(picture, polygon, label, cv2.LINE_8, _FRACTION_BITS)
    if scene.mark:
        left, top, right, bottom = (round(edge * size) * SUBPIXELS for edge in scene.mark.box)
        volume[:, top:bottom, left:right] = MARK
    return volume


def _shadow(figure: Figure) -> tuple[Labels, Floats]:
    """Return a flat ellipse on the floor below a person."""
    angles = np.linspace(0, 2 * np.pi, 12, endpoint=False)
    ring = np.stack((0.21 * np.cos(angles), 0.042 * np.sin(angles)), axis=-1) * figure.height
    middle = figure.joints["pelvis"].copy()
    middle[:, 1] = figure.feet[1]
    return np.array([SHADOW], np.uint8), (middle[:, None] + ring)[None]


def _ball_discs(ball: Ball) -> tuple[Labels, Floats]:
    angles = np.linspace(0, 2 * np.pi, 16, endpoint=False)
    ring = ball.radius * np.stack((np.cos(angles), np.sin(angles)), axis=-1)
    discs = [ring * 1.12, ring, 0.4 * ring - 0.3 * ball.radius]  # outline, ball, highlight
    labels = np.array([BALL + OWNERS * kind for kind in (EDGE, MAIN, SECOND)], np.uint8)
    return labels, np.stack([ball.path[:, None] + disc for disc in discs])


def _colour_table(scene: Scene) -> NDArray[np.uint8]:
    """Return the colours of all labels, premultiplied: uint8 (256, 4), red, green, blue, opacity."""
    table = np.zeros((KINDS, OWNERS, 4))
    table[..., 3] = 255
    table[:, 0] = 0  # the room shows through
    for person, figure in enumerate(scene.people):
        first = part_label(person, 0)
        table[:, first : first + len(PARTS), :3] = figure.paint
    if scene.ball:
        colour = scene.ball.colour
        table[:, BALL, :3] = np.stack((colour, 0.4 * colour, 0.5 * colour + 127, colour))
    if scene.mark:
        table[:, MARK, :3] = scene.mark.colour
    table[:, SHADOW] = (0, 0, 0, 255 * _SHADOW_OPACITY)
    return np.clip(np.rint(table), 0, 255).astype(np.uint8).reshape(KINDS * OWNERS, 4)


def render_frames(scene: Scene, volume: Labels, seed: int, *, noise: bool = True) -> NDArray[np.uint8]:
    """Render the frames of a scene from its labels: uint8 (time, height, width, 3).

    The noise depends only on the seed and the shape of the clip, never on the content.
    """
    import cv2

    size = volume.shape[1] // SUBPIXELS
    frames: Pictures = render_room(scene.room, scene.camera, size)
    table = _colour_table(scene).view(np.uint32)[:, 0]  # one lookup for all four channels
    fine = np.empty(volume.shape[1:], np.uint32)
    for frame, labels, gain in zip(frames, volume, scene.light, strict=True):
        np.take(table, labels, out=fine, mode="clip")  # skips the bounds check: twice as fast
        points = fine.view(np.uint8).reshape(*fine.shape, 4)
        drawn = cv2.resize(points, (size, size), interpolation=cv2.INTER_AREA).astype(np.float32)
        frame *= (255 - drawn[..., 3:]) * np.float32(gain / 255)
        frame += drawn[..., :3] * np.float32(gain)
    if noise:
        grain = np.random.default_rng((seed, 9)).standard_normal(frames.shape, np.float32)
        grain *= np.float32(NOISE)
        frames += grain
    np.rint(frames, out=frames)
    return np.clip(frames, 0, 255, out=frames).astype(np.uint8)


def pixel_owners(volume: Labels, first: int, count: int) -> Labels:
    """Return the owner of each pixel, 1 to `count` for labels from `first` on, or 0: uint8 (time, height, width).

    A pixel has an owner if these labels together cover more than half of its points; it is the one that covers most
    (the first of equals).
    """
    frames, side = len(volume), volume.shape[1] // SUBPIXELS
    pixels = np.zeros((frames, side, side), np.uint8)
    owners = volume & (OWNERS - 1)
    present = (owners >= first) & (owners < first + count)
    rows, columns = np.flatnonzero(present.any((0, 2))), np.flatnonzero(present.any((0, 1)))
    if not len(rows):
        return pixels
    top, bottom = rows[0] // SUBPIXELS, rows[-1] // SUBPIXELS + 1
    left, right = columns[0] // SUBPIXELS, columns[-1] // SUBPIXELS + 1
    box = owners[:, SUBPIXELS * top : SUBPIXELS * bottom, SUBPIXELS * left : SUBPIXELS * right]
    points = box.reshape(frames, bottom - top, SUBPIXELS, right - left, SUBPIXELS).transpose(2, 4, 0, 1, 3)
    points = np.ascontiguousarray(points).reshape(SUBPIXELS * SUBPIXELS, frames, bottom - top, right - left)
    largest = np.zeros(points.shape[1:], np.uint8)
    total, winner = largest.copy(), largest.copy()
    for i in range(count):
        covered = np.add.reduce(points == first + i, axis=0, dtype=np.uint8)
        total += covered
        np.copyto(winner, i + 1, where=covered > largest)
        np.maximum(largest, covered, out=largest)
    pixels[:, top:bottom, left:right] = np.where(2 * total > SUBPIXELS * SUBPIXELS, winner, 0)
    return pixels
