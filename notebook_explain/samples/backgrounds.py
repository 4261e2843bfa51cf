"""Backgrounds: a slowly drifting room with wall, floor and furniture in a muted texture, and a bouncing ball."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from notebook_explain.samples.body import Floats
from notebook_explain.samples.clothing import luminance

Pictures = NDArray[np.float32]

BORDER = 0.42  # image sides by which the room extends beyond the image, for drift and camera
DRIFT = 0.25 / 64  # image sides per frame, for at most 16 frames
_MAX_LIGHT = 244.0  # leaves headroom for flickering light
DETAIL = 2  # pixels of the drawn room per pixel of the image
_WALLS = (
    *((196, 204, 206), (214, 204, 188), (190, 202, 186), (206, 196, 208), (176, 190, 206), (222, 214, 206)),
    *((126, 138, 152), (150, 136, 124), (120, 140, 128), (104, 104, 118), (86, 100, 118), (232, 228, 222)),
)
_FLOORS = ((176, 146, 112), (146, 114, 84), (132, 128, 124), (112, 98, 88), (186, 176, 162), (104, 116, 120))
_WOODS = ((150, 110, 74), (110, 80, 60), (188, 156, 114), (214, 208, 198), (96, 104, 116), (126, 146, 140))
_CLOTHS = ((132, 150, 166), (168, 128, 112), (128, 148, 118), (158, 136, 160), (190, 170, 130), (104, 112, 132))
_BALLS = ((214, 72, 60), (240, 150, 50), (244, 206, 80), (70, 130, 196), (120, 80, 170), (70, 160, 110))


@dataclass(frozen=True, eq=False)
class Room:
    """Description of a room; lengths are in image sides.

    Attributes
    ----------
    wall, floor : float (3,)
        Colours, 0 to 255.
    line : float
        Top of the floor, from the top of the image.
    blocks : float (block, 4)
        Furniture: left, top, right, bottom; later blocks cover earlier ones.
    tones : float (block, 3)
        Their colours.
    round : tuple of bool
        Whether each block is an ellipse.
    stripes : float
        Stripes of wallpaper per side; 0 for none.
    drift : float (2,)
        Movement of the room during the clip.
    seed : int
        Seed of the texture.
    """

    wall: Floats
    floor: Floats
    line: float
    blocks: Floats
    tones: Floats
    round: tuple[bool, ...]
    stripes: float
    drift: Floats
    seed: int

    def light(self, wall: float) -> float:
        """Return the luminance (0 to 255) behind something that covers the wall by the fraction `wall`, else the floor."""
        return wall * luminance(self.wall) + (1 - wall) * luminance(self.floor)


@dataclass(frozen=True, eq=False)
class Ball:
    """A bouncing ball: colour (3,), radius and path (time, 2) in image sides, in front of people or behind them."""

    colour: Floats
    radius: float
    path: Floats
    front: bool


def random_room(rng: np.random.Generator, frames: int) -> Room:
    """Draw a room with two to five pieces of furniture."""
    wall = np.array(_WALLS[rng.integers(len(_WALLS))]) + rng.uniform(-8, 8, 3)
    floor = np.array(_FLOORS[rng.integers(len(_FLOORS))]) + rng.uniform(-8, 8, 3)
    if abs(luminance(floor) - luminance(wall)) < 26:  # otherwise wall and floor look alike
        floor = 0.72 * floor
    line = float(rng.uniform(0.58, 0.74))
    pieces: list[tuple[Floats, Floats, bool]] = []
    spots = rng.permutation(np.linspace(-0.3, 1.05, 7))
    for spot in spots[: int(rng.integers(3, 7))]:
        pieces += _PIECES[rng.integers(len(_PIECES))](rng, float(spot), line)
    heading, length = rng.uniform(0, 2 * math.pi), rng.uniform(0.1, 1.0) * DRIFT * min(frames, 16)
    drift = length * np.array((math.cos(heading), 0.5 * math.sin(heading)))
    blocks, tones = np.stack([piece[0] for piece in pieces]), np.stack([piece[1] for piece in pieces])
    tones = 0.72 * tones + 0.28 * wall  # muted, so that people stand out
    stripes = float(rng.uniform(5, 9)) if rng.random() < 0.35 else 0.0
    turned = tuple(piece[2] for piece in pieces)
    return Room(wall, floor, line, blocks, tones, turned, stripes, drift, int(rng.integers(2**31)))


def _tone(rng: np.random.Generator, colours: tuple[tuple[int, int, int], ...]) -> Floats:
    return np.array(colours[rng.integers(len(colours))]) + rng.uniform(-10, 10, 3)


def _box(left: float, top: float, right: float, bottom: float) -> Floats:
    return np.array((left, top, right, bottom))


_Piece = list[tuple[Floats, Floats, bool]]


def _window(rng: np.random.Generator, x: float, line: float) -> _Piece:
    frame, sky = np.array((236.0, 234, 228)), np.array((186.0, 212, 228))
    top, wide, high = rng.uniform(0.06, 0.16), rng.uniform(0.15, 0.21), rng.uniform(0.2, 0.28)
    outer = _box(x, top, x + wide, top + high)
    halves = [
        _box(x + 0.02 + s * wide / 2, top + 0.02, x + (s + 1) * wide / 2 - 0.01, top + high - 0.02) for s in (0, 1)
    ]
    return [(outer, frame, False), *((half, sky, False) for half in halves)]


def _painting(rng: np.random.Generator, x: float, line: float) -> _Piece:
    top, wide, high = rng.uniform(0.1, 0.24), rng.uniform(0.12, 0.2), rng.uniform(0.1, 0.16)
    inner = _box(x + 0.015, top + 0.015, x + wide - 0.015, top + high - 0.015)
    hill = _box(x + 0.015, top + 0.6 * high, x + wide - 0.015, top + high - 0.015)
    canvas, land = np.array((214.0, 218, 214)), _tone(rng, _CLOTHS)
    return [
        (_box(x, top, x + wide, top + high), _tone(rng, _WOODS), False),
        (inner, canvas, False),
        (hill, land, False),
    ]


def _cabinet(rng: np.random.Generator, x: float, line: float) -> _Piece:
    wood, wide, high = _tone(rng, _WOODS), rng.uniform(0.16, 0.28), rng.uniform(0.18, 0.42)
    bottom = line + 0.03
    rows = 2 if high < 0.3 else 3
    drawers = [
        (
            _box(x + 0.015, bottom - (r + 0.9) * high / rows, x + wide - 0.015, bottom - (r + 0.12) * high / rows),
            1.13 * wood,
        )
        for r in range(rows)
    ]
    return [(_box(x, bottom - high, x + wide, bottom), wood, False), *((box, tone, False) for box, tone in drawers)]


def _sofa(rng: np.random.Generator, x: float, line: float) -> _Piece:
    cloth, wide, bottom = _tone(rng, _CLOTHS), rng.uniform(0.3, 0.4), line + 0.05
    back, seat = _box(x, bottom - 0.21, x + wide, bottom), _box(x + 0.04, bottom - 0.1, x + wide - 0.04, bottom - 0.02)
    arms = [
        _box(x - 0.03, bottom - 0.15, x + 0.05, bottom),
        _box(x + wide - 0.05, bottom - 0.15, x + wide + 0.03, bottom),
    ]
    return [(back, cloth, False), (seat, 1.12 * cloth, False), *((arm, 0.9 * cloth, False) for arm in arms)]


def _plant(rng: np.random.Generator, x: float, line: float) -> _Piece:
    leaf, pot, bottom = np.array((84.0, 124, 88)), _tone(rng, _WOODS), line + 0.06
    leaves = [
        (_box(x + dx, bottom - 0.34 + dy, x + dx + 0.1, bottom - 0.16 + dy), tone * leaf, True)
        for dx, dy, tone in ((-0.05, 0.04, 0.9), (0.07, 0.03, 1.1), (0.01, -0.03, 1.0))
    ]
    return [*leaves, (_box(x + 0.01, bottom - 0.13, x + 0.11, bottom), pot, False)]


def _lamp(rng: np.random.Generator, x: float, line: float) -> _Piece:
    bottom, metal, shade = line + 0.04, np.array((92.0, 88, 84)), np.array((236.0, 220, 180))
    high = rng.uniform(0.38, 0.5)
    pole = _box(x + 0.055, bottom - high, x + 0.07, bottom)
    foot = _box(x + 0.02, bottom - 0.02, x + 0.105, bottom)
    return [
        (pole, metal, False),
        (foot, metal, False),
        (_box(x, bottom - high - 0.1, x + 0.125, bottom - high), shade, False),
    ]


def _rug(rng: np.random.Generator, x: float, line: float) -> _Piece:
    cloth, top = _tone(rng, _CLOTHS), rng.uniform(line + 0.08, 0.9)
    outer, inner = _box(x - 0.1, top, x + 0.45, top + 0.13), _box(x - 0.06, top + 0.025, x + 0.41, top + 0.105)
    return [(outer, cloth, True), (inner, 1.12 * cloth, True)]


_PIECES = (_window, _window, _painting, _painting, _cabinet, _sofa, _plant, _lamp, _rug)


def random_ball(rng: np.random.Generator, frames: int) -> Ball:
    """Draw a ball that bounces two or three times while it crosses a part of the picture."""
    radius, ground, high = rng.uniform(0.035, 0.055), rng.uniform(0.84, 0.93), rng.uniform(0.2, 0.45)
    start, travel = rng.uniform(0.1, 0.9), rng.uniform(-0.5, 0.5)
    beat = math.pi * (rng.uniform(0, 1) + rng.uniform(1.2, 3.0) * np.linspace(0, 1, frames))
    path = np.stack((start + travel * np.linspace(0, 1, frames), ground - radius - high * np.abs(np.sin(beat))), axis=1)
    return Ball(_tone(rng, _BALLS), float(radius), path, bool(rng.random() < 0.4))


def draw_room(room: Room, size: int) -> Pictures:
    """Draw the room, including what lies beyond the image: float32 (side, side, 3), 0 to 255.

    The room has `DETAIL` pixels per image pixel and extends `BORDER` image sides beyond the image on every side.
    """
    scale = size * DETAIL
    side = round((1 + 2 * BORDER) * scale)
    canvas = np.empty((side, side, 3), np.uint8)
    canvas[:] = np.clip(room.wall, 0, 255)
    line = round((room.line + BORDER) * scale)
    if room.stripes:
        wave = np.sin(np.arange(side) * (2 * math.pi * room.stripes / scale)) > 0
        canvas[:, wave] = np.clip(room.wall * 0.945, 0, 255)
    canvas[line:] = np.clip(room.floor, 0, 255)
    edge = max(round(0.012 * scale), 1)
    for row in range(1, 5):  # boards, wider towards the front
        top = line + round((0.05 * row + 0.025 * row * row) * scale)
        canvas[top : top + edge] = np.clip(room.floor * 0.9, 0, 255)
    canvas[line - 2 * edge : line] = np.clip(room.wall * 1.09, 0, 255)
    canvas[line : line + edge] = np.clip(room.floor * 0.6, 0, 255)
    _draw_furniture(canvas, room, scale)
    textured = canvas * _texture(room.seed, side)
    return np.asarray(np.clip(textured, 0, _MAX_LIGHT, out=textured), np.float32)


def _draw_furniture(canvas: NDArray[np.uint8], room: Room, scale: int) -> None:
    """Draw the furniture with outlines; `scale` is an image side in pixels of the room."""
    import cv2

    thin = max(round(0.007 * scale), 1)
    for block, tone, turned in zip(
        np.rint((room.blocks + BORDER) * scale).astype(int), room.tones, room.round, strict=True
    ):
        left, top, right, bottom = (int(edge) for edge in block)
        for colour, grow in ((0.72 * tone, thin), (tone, 0)):
            paint = tuple(float(value) for value in np.clip(colour, 0, 255))
            if turned:
                middle, half = ((left + right) // 2, (top + bottom) // 2), ((right - left) // 2, (bottom - top) // 2)
                cv2.ellipse(canvas, middle, (half[0] + grow, half[1] + grow), 0, 0, 360, paint, -1)
            else:
                cv2.rectangle(canvas, (left - grow, top - grow), (right + grow, bottom + grow), paint, -1)


def _texture(seed: int, side: int) -> Pictures:
    """Return two octaves of cloudy gain around 1: float32 (side, side, 3), mostly grey."""
    import cv2

    rng = np.random.default_rng(seed)
    total = np.ones((side, side, 3), np.float32)
    for cells, strength in ((9, 0.022), (38, 0.032)):
        grid = rng.standard_normal((cells, cells, 4)).astype(np.float32)
        clouds = strength * (grid[..., 3:] + 0.14 * grid[..., :3])
        total += cv2.resize(clouds, (side, side), interpolation=cv2.INTER_CUBIC)
    return total


def render_room(room: Room, camera: Floats, size: int) -> Pictures:
    """Render the drifting room: float32 (time, size, size, 3), 0 to 255.

    `camera` (time, 3) holds zoom, and the x and y of the image centre in sides.
    """
    import cv2

    canvas = draw_room(room, size)
    film = np.empty((len(camera), size, size, 3), np.float32)
    drifts = np.linspace(-0.5, 0.5, len(camera))[:, None] * room.drift
    for picture, (zoom, x, y), drift in zip(film, camera, drifts, strict=True):
        step = DETAIL / zoom  # pixels of the room per pixel of the image
        start = (np.array((x, y)) - drift + BORDER - 0.5 / zoom) * size * DETAIL + 0.5 * step - 0.5
        matrix = np.array(((step, 0.0, start[0]), (0.0, step, start[1])))
        flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
        cv2.warpAffine(canvas, matrix, (size, size), dst=picture, flags=flags, borderMode=cv2.BORDER_REPLICATE)
    return film
