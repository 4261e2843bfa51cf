"""Clothes and hair: colours that stand out from the room, sleeves, shorts and patterns."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from notebook_explain.samples.body import PARTS, Floats

MAIN, EDGE, SECOND, THIRD = range(4)  # the tones of a part: itself, its outline, stripes or eyes, waistband
KINDS = 4
PATTERNS = ("plain", "hoops", "stripes", "sash", "panel")
HAIRS = ("short", "long", "curly", "bun")
MIN_CONTRAST = 48.0  # least difference in luminance between clothes and room, of 255

_SKINS = ((250, 214, 186), (236, 188, 150), (210, 156, 112), (168, 114, 76), (120, 78, 52), (88, 58, 42))
_HAIR = ((34, 28, 28), (62, 42, 32), (110, 70, 38), (176, 120, 56), (222, 186, 108), (150, 62, 36), (150, 150, 154))
_CLOTHES = (
    *((214, 62, 58), (240, 132, 46), (246, 200, 64), (250, 240, 214), (238, 238, 240), (244, 158, 170)),
    *((226, 82, 130), (150, 74, 160), (96, 66, 160), (58, 84, 178), (66, 140, 214), (126, 200, 226)),
    *((38, 134, 140), (64, 160, 96), (146, 194, 78), (34, 84, 66), (40, 48, 82), (44, 42, 50), (120, 40, 56)),
)
_TROUSERS = (
    *((40, 54, 96), (62, 88, 140), (44, 42, 50), (96, 96, 106), (186, 160, 118), (112, 78, 52)),
    *((74, 92, 62), (226, 216, 194), (128, 50, 66), (38, 108, 118), (206, 120, 60), (122, 164, 206)),
)
_SHOES = ((240, 240, 238), (40, 38, 44), (206, 60, 54), (236, 178, 60), (62, 102, 184), (96, 62, 42))


def luminance(colour: Floats) -> float:
    """Return the luminance of a colour (3,), 0 to 255."""
    return float(np.asarray(colour) @ (0.299, 0.587, 0.114))


def ensure_contrast(colour: Floats, background: float, contrast: float = MIN_CONTRAST) -> Floats:
    """Return the colour (3,), made lighter or darker until its luminance differs from `background` by `contrast`."""
    light = luminance(colour)
    if abs(light - background) >= contrast:
        return colour
    is_lighter = light >= background if contrast < background < 250 - contrast else background < 128
    if is_lighter:
        goal = min(background + contrast, 250.0)
        return np.asarray(colour + (255 - colour) * (goal - light) / max(255 - light, 1.0))
    return np.asarray(colour * max(background - contrast, 12.0) / max(light, 1.0))


@dataclass(frozen=True, eq=False)
class Outfit:
    """Clothes and hair of one person.

    Attributes
    ----------
    paint : float (kind, part, 3)
        Red, green and blue of every tone of every part, 0 to 255.
    pattern : str
        Pattern of the shirt, one of `PATTERNS`.
    hair : str
        One of `HAIRS`.
    loose : float
        Width of sleeves and trouser legs; 1 is tight.
    """

    paint: Floats
    pattern: str
    hair: str
    loose: float


def random_outfit(rng: np.random.Generator, high: float, low: float, taken: Floats | None = None) -> Outfit:
    """Draw clothes that stand out from the room and from the colour of another shirt, `taken` (3,).

    `high` and `low` are the mean luminances behind shirt and trousers, 0 to 255.
    """

    def pick(colours: tuple[tuple[int, int, int], ...], jitter: float = 10.0) -> Floats:
        return np.clip(np.array(colours[rng.integers(len(colours))]) + rng.uniform(-jitter, jitter, 3), 8, 248)

    shirts = [ensure_contrast(pick(_CLOTHES), high) for _ in range(4)]
    shirt = shirts[0] if taken is None else max(shirts, key=lambda colour: float(np.abs(colour - taken).sum()))
    trousers = ensure_contrast(pick(_TROUSERS), low)
    if abs(luminance(trousers) - luminance(shirt)) < 30:
        trousers = trousers * 0.62 if luminance(shirt) > 110 else trousers + (255 - trousers) * 0.45
        trousers = ensure_contrast(trousers, low)
    skin, hair, shoes = pick(_SKINS, 5), pick(_HAIR, 8), ensure_contrast(pick(_SHOES), low, 36)
    if abs(luminance(hair) - luminance(skin)) < 36:
        hair = hair * 0.35
    second = ensure_contrast(pick(_CLOTHES), luminance(shirt), 62)
    sleeves, shorts = int(rng.choice(3, p=(0.15, 0.4, 0.45))), bool(rng.random() < 0.4)

    colours_of = {"head": skin, "hair": hair, "neck": skin, "torso": shirt, "hand": skin, "shoe": shoes}
    colours_of["upper arm"] = shirt if sleeves else skin
    colours_of["forearm"] = shirt if sleeves == 2 else skin
    colours_of["thigh"], colours_of["shin"] = trousers, skin if shorts else trousers
    paint = np.zeros((KINDS, len(PARTS), 3))
    paint[MAIN] = [colours_of[part.removeprefix("right ").removeprefix("left ")] for part in PARTS]
    paint[EDGE] = 0.34 * paint[MAIN]
    paint[SECOND] = paint[THIRD] = paint[MAIN]
    paint[SECOND, PARTS.index("head")] = 26.0  # eyes
    paint[SECOND, PARTS.index("torso")] = second
    paint[THIRD, PARTS.index("torso")] = trousers
    pattern = str(rng.choice(PATTERNS, p=(0.3, 0.2, 0.2, 0.12, 0.18)))
    return Outfit(paint, pattern, str(rng.choice(HAIRS, p=(0.45, 0.25, 0.17, 0.13))), float(rng.uniform(1.0, 1.3)))
