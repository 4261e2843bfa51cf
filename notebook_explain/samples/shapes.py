"""Clips of plain moving shapes, and exactly where the mover is in them.

Every pixel is a mean of 3 x 3 points. The mask comes from the same points as the picture: it holds the pixels of which
the mover covers at least one point, so that another mover there would change these pixels and no others.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from notebook_explain.samples.checks import among, numbers
from notebook_explain.samples.scene import CLASSES, REACH, Background, Figure, Floats, Scene, compose

SECONDS = 2.0  # a clip lasts as long whatever its number of frames
FINE = 3  # points per pixel along each side
RIM = 0.14  # width of the darker rim, in radii
NOISE = 2.0  # standard deviation of the noise, in grey levels of 255

Bools = NDArray[np.bool_]
Window = tuple[slice, slice]


@dataclass(frozen=True, eq=False)
class Sample:
    """A made-up clip whose answer is known.

    Attributes
    ----------
    frames : uint8 (time, height, width, 3)
        The pictures, red green blue.
    label : str
        What the mover does, one of `CLASSES`.
    mask : bool (time, height, width)
        The pixels that the mover covers, wholly or in part.
    seed : int
        ``sample(label, seed=seed)`` makes it again.
    fps : float
        Frames per second.
    """

    frames: NDArray[np.uint8]
    label: str
    mask: Bools
    seed: int
    fps: float


def sample(label: str, *, seed: int = 0, frames: int = 16, size: int = 64) -> Sample:
    """Make the clip of one action: a shape moves, another one stays, the background drifts.

    The same arguments give the same bytes. One seed is one scene at every size and number of frames, and the same two
    shapes and background under every label.

    Parameters
    ----------
    label : str
        One of `CLASSES`.
    seed : int
        0 or more.
    frames : int
        How many, 4 or more; together they last 2 seconds.
    size : int
        Height and width in pixels, 32 or more.

    Raises
    ------
    ValueError
        No such label; seed, frames or size is not a whole number or too small.
    """
    among("label", label, CLASSES)
    seed, frames, size = numbers(seed, frames, size)
    pictures, mask = render(compose(label, seed, frames), size, seed)
    return Sample(pictures, label, mask, seed, frames / SECONDS)


def render(scene: Scene, size: int, seed: int) -> tuple[NDArray[np.uint8], Bools]:
    """Draw a scene: frames uint8 (time, height, width, 3) and the mover's mask bool (time, height, width).

    The noise depends on the seed and the shape of the clip alone, never on what is drawn.
    """
    count = len(scene.mover.path)
    pictures = _waves(scene.background, count, size)
    window, paint, covered = _cover(scene.still, scene.still.path[0], size)
    pictures[(slice(None), *window)] += covered * (paint - pictures[(slice(None), *window)])
    mask = np.zeros((count, size, size), bool)
    for picture, touched, row in zip(pictures, mask, scene.mover.path, strict=True):
        window, paint, covered = _cover(scene.mover, row, size)
        picture[window] += covered * (paint - picture[window])
        touched[window] = covered[..., 0] > 0
    noise = np.random.default_rng((seed, 1)).standard_normal(pictures.shape, np.float32)
    pictures += NOISE * noise
    return np.clip(np.rint(pictures), 0, 255).astype(np.uint8), mask


def _waves(background: Background, count: int, size: int) -> NDArray[np.float32]:
    """Draw the background (time, height, width, 3): each wave is a product of a factor in t, one in y and one in x."""
    along_x, along_y, phase = 2j * math.pi * background.waves.T[..., None]
    centres = (np.arange(size) + 0.5) / size
    drifted = phase - (along_x * background.drift[0] + along_y * background.drift[1]) * np.linspace(0, 1, count)
    rows = np.exp(drifted)[:, :, None] * np.exp(along_y * centres)[:, None, :]  # (wave, time, height)
    total = np.tensordot(rows, np.exp(along_x * centres), (0, 0)).imag  # (time, height, width)
    light, dark = np.array(background.colours, np.float32)
    share = (0.5 + 0.5 * np.tanh(0.8 * total)).astype(np.float32)
    return np.asarray(light + share[..., None] * (dark - light), np.float32)


def _cover(figure: Figure, row: Floats, size: int) -> tuple[Window, NDArray[np.float32], NDArray[np.float32]]:
    """Mix the figure's paint for every pixel of a window around it.

    `row` holds x, y and radius in sides. Returns the window, the paint (height, width, 3), 0 to 255, and which share of
    each pixel it covers (height, width, 1), 0 to 1.
    """
    x, y, radius = row * size
    reach = REACH * radius
    top, left = max(math.floor(y - reach), 0), max(math.floor(x - reach), 0)
    bottom, right = min(math.ceil(y + reach), size), min(math.ceil(x + reach), size)
    across = ((np.arange(FINE * left, FINE * right) + 0.5) / FINE - x) / radius
    down = ((np.arange(FINE * top, FINE * bottom) + 0.5) / FINE - y) / radius
    cos, sin = math.cos(figure.turn), math.sin(figure.turn)
    u, v = cos * across + sin * down[:, None], cos * down[:, None] - sin * across

    depth = _depth(figure.shape, u, v)
    second, rim = _texture(figure.texture, u, v), depth < RIM
    tones = np.stack((~second & ~rim, second & ~rim, rim), axis=-1) & (depth > 0)[..., None]
    shares = tones.reshape(bottom - top, FINE, right - left, FINE, 3).mean((1, 3), dtype=np.float32)
    covered = shares.sum(axis=-1, keepdims=True)
    main, other = np.array(figure.colours, np.float32)
    paint = shares @ np.stack((main, other, 0.72 * main)) / np.maximum(covered, 1e-6)
    return (slice(top, bottom), slice(left, right)), paint, covered


def _depth(shape: str, u: Floats, v: Floats) -> Floats:
    """How deep inside the shape a point is, in radii; negative outside."""
    if shape == "disc":
        return 0.95 - np.hypot(u, v)
    if shape == "ring":
        return 0.3 - np.abs(np.hypot(u, v) - 0.7)
    if shape == "square":
        return 0.8 - np.maximum(np.abs(u), np.abs(v))
    if shape == "triangle":
        return 0.58 - np.maximum(v, math.sqrt(0.75) * np.abs(u) - 0.5 * v)
    bar = np.minimum(1 - np.abs(u), 0.36 - np.abs(v))
    post = np.minimum(1 - np.abs(v), 0.36 - np.abs(u))
    cross: Floats = np.maximum(bar, post)
    return cross


def _texture(texture: str, u: Floats, v: Floats) -> Bools:
    """Where the second tone is."""
    if texture == "stripes":
        return np.mod(v, 0.5) < 0.22
    if texture == "dots":
        return np.hypot(np.mod(u, 0.5) - 0.25, np.mod(v, 0.5) - 0.25) < 0.15
    if texture == "halves":
        return v > 0
    return np.zeros_like(u, bool)
