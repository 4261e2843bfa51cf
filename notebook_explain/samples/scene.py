"""What a made-up clip shows, before any pixel is drawn: a mover, a thing that stays, a drifting background.

Lengths are fractions of the picture's side, and time runs from 0 to 1, so one seed is the same scene at every size and
every number of frames.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

CLASSES: tuple[str, ...] = (
    "moves left",
    "moves right",
    "moves up",
    "moves down",
    "grows",
    "shrinks",
    "circles",
    "bounces",
)
SHAPES = ("disc", "square", "triangle", "cross", "ring")
TEXTURES = ("plain", "stripes", "dots", "halves")
REACH = 1.2  # every shape fits in a circle of this many radii

Colour = tuple[int, int, int]
Floats = NDArray[np.float64]

_STEPS = {"moves left": (-1, 0), "moves right": (1, 0), "moves up": (0, -1), "moves down": (0, 1)}
# Two tones each; the backgrounds are paler and greyer than the figures, so that a figure always stands out.
_FIGURES: tuple[tuple[Colour, Colour], ...] = (
    ((224, 90, 71), (247, 168, 140)),
    ((231, 150, 40), (252, 208, 120)),
    ((38, 125, 140), (122, 194, 196)),
    ((72, 92, 168), (150, 170, 226)),
    ((140, 76, 140), (208, 156, 204)),
    ((62, 128, 84), (150, 198, 148)),
)
_BACKGROUNDS: tuple[tuple[Colour, Colour], ...] = (
    ((214, 220, 218), (190, 202, 204)),
    ((226, 218, 204), (206, 196, 182)),
    ((216, 222, 206), (192, 204, 186)),
    ((220, 214, 224), (198, 192, 208)),
    ((208, 218, 228), (186, 198, 212)),
)


@dataclass(frozen=True, eq=False)
class Figure:
    """A shape and where it is in each frame.

    Attributes
    ----------
    shape : str
        One of `SHAPES`.
    texture : str
        One of `TEXTURES`.
    colours : tuple of two (red, green, blue)
        Main tone and second tone, each 0 to 255.
    turn : float
        How far it is turned, in radians.
    path : float (time, 3), or (1, 3) for a figure that stays
        x and y of the centre, radius; fractions of the side, x to the right and y down.
    """

    shape: str
    texture: str
    colours: tuple[Colour, Colour]
    turn: float
    path: Floats


@dataclass(frozen=True, eq=False)
class Background:
    """A few plane waves between two colours, drifting together.

    Attributes
    ----------
    colours : tuple of two (red, green, blue)
        What the waves' crests and troughs look like, each 0 to 255.
    waves : float (wave, 3)
        Cycles per side along x and along y, phase in cycles.
    drift : float (2,)
        How far all of it moves along x and y during the clip, in sides.
    """

    colours: tuple[Colour, Colour]
    waves: Floats
    drift: Floats


@dataclass(frozen=True, eq=False)
class Scene:
    """All that a clip shows: the mover in front of the figure that stays, both in front of the background."""

    mover: Figure
    still: Figure
    background: Background


def compose(label: str, seed: int, frames: int) -> Scene:
    """Make up the scene of one clip; `label` is one of `CLASSES`.

    The look is drawn before the motion: the same seed under another label is the same mover, moving otherwise.
    """
    rng = np.random.default_rng(seed)
    background = _background(rng)
    tones = rng.permutation(len(_FIGURES))
    looks = [
        (str(rng.choice(SHAPES)), str(rng.choice(TEXTURES)), _FIGURES[tone], float(rng.uniform(0, 2 * math.pi)))
        for tone in tones[:2]
    ]
    motion = _motion(label, rng)
    dense = motion(np.linspace(0, 1, 97))  # what is placed by it must not depend on the number of frames
    place = _place(dense, rng)
    path = motion(np.linspace(0, 1, frames)) + place
    still = _beside(dense + place, rng)[None]
    return Scene(Figure(*looks[0], path), Figure(*looks[1], still), background)


def _background(rng: np.random.Generator) -> Background:
    angles, pace = rng.uniform(0, math.pi, 5), rng.uniform(1.0, 3.0, 5)
    waves = np.stack((pace * np.cos(angles), pace * np.sin(angles), rng.uniform(0, 1, 5)), axis=1)
    heading, length = rng.uniform(0, 2 * math.pi), rng.uniform(0.05, 0.15)
    drift = length * np.array((math.cos(heading), math.sin(heading)))
    return Background(_BACKGROUNDS[rng.integers(len(_BACKGROUNDS))], waves, drift)


def _motion(label: str, rng: np.random.Generator) -> Callable[[Floats], Floats]:
    """From times (time,) to x and y about the place where it all happens, and radius: (time, 3)."""
    radius, travel = rng.uniform(0.15, 0.18), rng.uniform(0.38, 0.46)
    side, phase = rng.choice((-1.0, 1.0)), rng.uniform(0, 2 * math.pi)

    def motion(times: Floats) -> Floats:
        x, y, r = np.zeros_like(times), np.zeros_like(times), np.full_like(times, radius)
        if label in _STEPS:
            x, y = (step * travel * (times - 0.5) for step in _STEPS[label])
        elif label == "grows":
            r = radius * (0.5 + 0.9 * times)
        elif label == "shrinks":
            r = radius * (1.4 - 0.9 * times)
        elif label == "circles":
            angle = phase + side * 2 * math.pi * times
            x, y = 0.42 * travel * np.cos(angle), 0.42 * travel * np.sin(angle)
        else:  # two hops
            x, y = side * 0.2 * (times - 0.5), -0.8 * travel * np.abs(np.sin(2 * math.pi * times))
        return np.stack((x, y, r), axis=1)

    return motion


def _place(path: Floats, rng: np.random.Generator) -> Floats:
    """How far to shift a path (time, 3) so that the figure stays in the picture, rather off its middle."""
    margin = REACH * path[:, 2:]
    low, high = np.max(margin - path[:, :2], axis=0), np.min(1 - margin - path[:, :2], axis=0)
    places = rng.uniform(low, high, (4, 2))
    middles = places + path[:, :2].mean(axis=0)
    return np.append(places[np.argmax(np.abs(middles - 0.5).max(axis=1))], 0.0)


def _beside(path: Floats, rng: np.random.Generator) -> Floats:
    """Where the figure that stays is, x, y, radius: of a few places the one furthest from the mover's path."""
    radius = rng.uniform(0.11, 0.14)
    places = rng.uniform(REACH * radius, 1 - REACH * radius, (12, 2))
    gaps = np.linalg.norm(places[:, None] - path[None, :, :2], axis=2) - path[:, 2]
    return np.append(places[np.argmax(gaps.min(axis=1))], radius)
