"""Shapes of a body: every part is one or more rounded, tapered bars between joints.

A bar is a polygon with a label that encodes person, part and tone; bars are listed from back to front.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from notebook_explain.samples.body import ARM, LEG, PARTS, SIDES, SIDEWAYS, Build, Floats, near_side
from notebook_explain.samples.clothing import EDGE, MAIN, SECOND, THIRD, Outfit

OWNERS = 64  # labels are owner + OWNERS * kind; owner 0 is the room
RIM = 0.0062  # width of the outlines, in sides
_CAP_ANGLES = np.radians(np.array((-90.0, -54, -18, 18, 54, 90)))  # corners of a rounded end


def part_label(person: int, part: int) -> int:
    """Return the label of a part's main tone: 1 to 16 for the first person, 17 to 32 for the second."""
    return 1 + person * len(PARTS) + part


@dataclass(frozen=True)
class _Bar:
    label: int
    ends: tuple[Floats, Floats]  # (time, 2) each, in sides
    widths: tuple[float, float]  # half of the width at the two ends
    caps: tuple[float, float] = (1.0, 1.0)  # roundness of the ends: 1 is a half circle, 0 is flat


def _polygons(bars: list[_Bar]) -> Floats:
    """Return the corners of all bars: (bar, time, corner, 2)."""
    first, last = (np.stack([bar.ends[end] for bar in bars]) for end in (0, 1))
    widths, caps = np.array([bar.widths for bar in bars]), np.array([bar.caps for bar in bars])
    axis = last - first
    length = np.linalg.norm(axis, axis=-1, keepdims=True)
    along = np.where(length > 1e-6, axis / np.maximum(length, 1e-6), (0.0, 1.0))[:, :, None]
    across = np.stack((-along[..., 1], along[..., 0]), axis=-1)
    ends = []
    for position, end, sign in ((last, 1, 1.0), (first, 0, -1.0)):
        out, aside = sign * np.cos(_CAP_ANGLES)[:, None], sign * np.sin(_CAP_ANGLES)[:, None]
        cap = caps[:, end, None, None, None]
        ends.append(position[:, :, None] + widths[:, end, None, None, None] * (cap * out * along + aside * across))
    return np.concatenate(ends, axis=2)


class _BarList:
    """The bars of one person, from back to front."""

    def __init__(self, person: int) -> None:
        self.bars: list[_Bar] = []
        self._person = person

    def _bar(self, part: str, kind: int, ends: tuple[Floats, Floats], widths: tuple[float, ...], *caps: float) -> None:
        label = part_label(self._person, PARTS.index(part)) + OWNERS * kind
        two = (caps[0], caps[-1]) if caps else (1.0, 1.0)
        self.bars.append(_Bar(label, ends, (widths[0], widths[-1]), two))

    def add(self, part: str, ends: tuple[Floats, Floats], *widths: float, kind: int = MAIN) -> None:
        """Add a bar without an outline and with flat ends: a mark on a part."""
        self._bar(part, kind, ends, widths, 0.0)

    def dot(self, part: str, position: Floats, radius: float, kind: int) -> None:
        """Add a circle without an outline."""
        self._bar(part, kind, (position, position), (radius,))

    def limb(self, pieces: Sequence[tuple[str, tuple[Floats, Floats], tuple[float, ...]]], cap: float = 1.0) -> None:
        """Add bars with one outline around all of them."""
        for part, ends, widths in pieces:
            self._bar(part, EDGE, ends, tuple(width + RIM for width in widths), cap)
        for part, ends, widths in pieces:
            self._bar(part, MAIN, ends, widths, cap)


def figure_bars(
    person: int, build: Build, outfit: Outfit, joints: dict[str, Floats], height: float, yaw: float
) -> tuple[NDArray[np.uint8], Floats]:
    """Return the shapes of a body in its clothes.

    Parameters
    ----------
    person : int
        0 or 1; determines the labels.
    joints : float (time, 2), or (side, time, 2) for joints in pairs
        The joints in the image, in sides.
    height : float
        Standing height, in sides.
    yaw : float
        Rotation away from the camera, degrees.

    Returns
    -------
    labels : uint8 (bar,)
    corners : float (bar, time, corner, 2)
        In sides.
    """
    bars, girth, turn = _BarList(person), build.girth * height, np.radians(yaw)
    near = near_side(yaw)
    if abs(yaw) > SIDEWAYS:
        _arm(bars, 1 - near, joints, girth, outfit)
    if outfit.hair in ("long", "curly"):
        _back_hair(bars, build, outfit, joints, height, turn)
    _leg(bars, 1 - near, joints, girth, outfit)
    _leg(bars, near, joints, girth, outfit)
    _torso(bars, build, outfit, joints, height, turn)
    _head(bars, build, outfit, joints, height, turn)
    if abs(yaw) <= SIDEWAYS:
        _arm(bars, 1 - near, joints, girth, outfit)
    _arm(bars, near, joints, girth, outfit)
    return np.array([bar.label for bar in bars.bars], np.uint8), _polygons(bars.bars)


def _arm(bars: _BarList, side: int, joints: dict[str, Floats], girth: float, outfit: Outfit) -> None:
    shoulder, elbow, wrist, finger = (joints[name][side] for name in ("shoulder", "elbow", "wrist", "finger"))
    names = [f"{SIDES[side]} {piece}" for piece in ARM]
    sleeve = 0.66 * girth * outfit.loose
    bars.limb(
        [
            (names[2], (0.5 * (wrist + finger), finger), (0.62 * girth, 0.5 * girth)),
            (names[1], (elbow, wrist), (0.62 * girth, 0.5 * girth)),
            (names[0], (shoulder, elbow), (sleeve, 0.92 * sleeve)),
        ]
    )


def _leg(bars: _BarList, side: int, joints: dict[str, Floats], girth: float, outfit: Outfit) -> None:
    hip, knee, ankle, toe = (joints[name][side] for name in ("hip", "knee", "ankle", "toe"))
    names = [f"{SIDES[side]} {piece}" for piece in LEG]
    wide = girth * outfit.loose
    bars.limb(
        [
            (names[2], (ankle, toe), (0.68 * girth, 0.52 * girth)),
            (names[1], (knee, ankle + 0.1 * (knee - ankle)), (0.8 * wide, 0.62 * wide)),
            (names[0], (hip, knee), (0.98 * wide, 0.82 * wide)),
        ]
    )


def _torso(bars: _BarList, build: Build, outfit: Outfit, joints: dict[str, Floats], height: float, turn: float) -> None:
    chest, pelvis, throat = joints["chest"], joints["pelvis"], joints["throat"]
    top = height * float(np.hypot(build.shoulder * np.cos(turn), 0.74 * build.shoulder * np.sin(turn)))
    bottom = height * (float(np.hypot(build.hip * np.cos(turn), 0.9 * build.hip * np.sin(turn))) + 0.02)
    bars.limb([("neck", (chest, throat + 0.3 * (throat - chest)), (0.036 * height, 0.034 * height))])
    bars.limb([("torso", (chest, pelvis), (top, bottom))], cap=0.32)

    def across(down: float) -> tuple[Floats, float]:
        return chest + down * (pelvis - chest), top + down * (bottom - top)

    if outfit.pattern == "hoops":
        for down in (0.12, 0.42, 0.72):
            (above, wide), (below, narrow) = across(down), across(down + 0.14)
            bars.add("torso", (above, below), wide, narrow, kind=SECOND)
    elif outfit.pattern != "plain":
        spine = pelvis - chest
        aside = np.stack((-spine[:, 1], spine[:, 0]), axis=-1) / np.linalg.norm(spine, axis=1, keepdims=True) * bottom
        low, high = chest + 0.86 * spine, chest - 0.04 * spine
        if outfit.pattern == "sash":
            bars.add("torso", (high + 0.75 * aside, low - 0.75 * aside), 0.26 * bottom, kind=SECOND)
        elif outfit.pattern == "panel":
            bars.add("torso", (high, low), 0.42 * bottom, kind=SECOND)
        else:
            for offset in (-0.6, 0.0, 0.6):
                bars.add("torso", (high + offset * aside, low + offset * aside), 0.15 * bottom, kind=SECOND)
    (above, wide), (below, narrow) = across(0.88), across(1.06)
    bars.add("torso", (above, below), wide, narrow, kind=THIRD)


def _head_axes(joints: dict[str, Floats]) -> tuple[Floats, Floats]:
    """Return the up and right axes of the head, (time, 2) each, half of its height long."""
    up = 0.5 * (joints["crown"] - joints["throat"])
    return up, np.stack((-up[:, 1], up[:, 0]), axis=-1)


def _head(bars: _BarList, build: Build, outfit: Outfit, joints: dict[str, Floats], height: float, turn: float) -> None:
    centre, size = joints["head"], build.head * height
    up, right = _head_axes(joints)
    facing = float(np.sin(turn))
    back, mirror = -facing * right, 1.0 if facing >= 0 else -1.0
    bars.limb([("head", (centre - 0.2 * up, centre + 0.12 * up), (0.76 * size, 0.86 * size))])
    if outfit.hair == "bun":
        bars.limb([("hair", (centre + 0.9 * up + 0.6 * back, centre + 1.0 * up + 0.6 * back), (0.4 * size,))])
    crown = centre + 0.64 * up + 0.2 * back
    cap = [("hair", (crown - 0.42 * right, crown + 0.42 * right), (0.5 * size, 0.5 * size))]
    if abs(facing) > 0.4:  # the back of the head shows
        cap.append(("hair", (crown + 0.5 * back, centre - 0.1 * up + 0.62 * back), (0.42 * size, 0.3 * size)))
    bars.limb(cap)
    for offset in (-0.4, 0.4):
        if abs(facing) > 0.6 and offset * mirror < 0:
            continue  # on the far side
        eye = centre - 0.14 * up + (offset * float(np.cos(turn)) + 0.52 * facing) * right
        bars.dot("head", eye, 0.125 * size, SECOND)


def _back_hair(
    bars: _BarList, build: Build, outfit: Outfit, joints: dict[str, Floats], height: float, turn: float
) -> None:
    size = build.head * height
    up, right = _head_axes(joints)
    centre = joints["head"] - 0.25 * float(np.sin(turn)) * right
    if outfit.hair == "curly":
        bars.limb([("hair", (centre + 0.25 * up, centre + 0.3 * up), (1.12 * size,))])
    else:
        bars.limb([("hair", (centre + 0.2 * up, centre - 1.15 * up), (0.95 * size, 0.8 * size))])
