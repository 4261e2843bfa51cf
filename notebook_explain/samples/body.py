"""A body: its proportions, its pose in every frame, and the positions of its joints.

The axes of a body are lateral (to the right of the image for a person facing the camera), forward and up. Lengths are
fractions of the standing height, angles are in degrees. Side 0 is the person's right, on the left of the image.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

SIDES = ("right", "left")
ARM = ("upper arm", "forearm", "hand")
LEG = ("thigh", "shin", "shoe")
PARTS: tuple[str, ...] = (
    "head",
    "hair",
    "neck",
    "torso",
    *(f"{side} {piece}" for limb in (ARM, LEG) for side in SIDES for piece in limb),
)
SIGNS = np.array((-1.0, 1.0))  # lateral direction away from the body, for side 0 and side 1
SIDEWAYS = 30.0  # degrees of yaw beyond which the farther arm is behind the body
TILT = 13.0  # degrees by which the camera looks down


@dataclass(frozen=True)
class Build:
    """The proportions of one body, as fractions of its standing height."""

    head: float  # half its height
    neck: float
    torso: float
    upper_arm: float
    forearm: float
    hand: float
    thigh: float
    shin: float
    shoe: float
    ankle: float  # its height above the floor
    shoulder: float  # half the width
    hip: float  # half the width
    girth: float  # radius of a thigh; the other limbs follow from it


def random_build(rng: np.random.Generator) -> Build:
    """Draw proportions; head, neck, torso, legs and ankle add up to a height of 1."""
    usual = np.array((0.089, 0.03, 0.29, 0.158, 0.142, 0.042, 0.232, 0.232, 0.085, 0.035, 0.105, 0.068, 0.047))
    spread = np.array((0.08, 0.1, 0.06, 0.07, 0.07, 0.1, 0.06, 0.06, 0.1, 0.1, 0.12, 0.15, 0.15))
    build = usual * (1 + spread * rng.uniform(-1, 1, len(usual)))
    height = 2 * build[0] + build[[1, 2, 6, 7, 9]].sum()
    return Build(*(float(length) for length in build / height))


@dataclass(frozen=True, eq=False)
class Pose:
    """The directions of all limbs in every frame.

    Attributes
    ----------
    upper_arm, forearm, thigh, shin, shoe : float (side, time, 3)
        Unit vectors: lateral, forward, up. A hand continues its forearm.
    pitch : float (time,)
        Forward lean of the torso, degrees.
    hop : float (time,)
        Height of the lower foot above the floor, in heights.
    """

    upper_arm: Floats
    forearm: Floats
    thigh: Floats
    shin: Floats
    shoe: Floats
    pitch: Floats
    hop: Floats


def direction(side: int, abduct: Floats | float, flex: Floats | float) -> Floats:
    """Return the direction of a hanging limb raised forward by `flex` and outwards by `abduct` (degrees).

    It is float (time, 3), or (3,) for two numbers.
    """
    out, front = np.broadcast_arrays(np.radians(abduct), np.radians(flex))
    return np.stack((SIGNS[side] * np.sin(out), np.cos(out) * np.sin(front), -np.cos(out) * np.cos(front)), axis=-1)


def upright(shin: Floats) -> Floats:
    """Return the direction of a shoe (time, 3) at a right angle to a shin (time, 3) in the forward-up plane."""
    return np.stack((0.25 * shin[:, 0], -shin[:, 2], shin[:, 1]), axis=-1)


def bend_arm(wrist: Floats, first: float, second: float, elbow: tuple[float, float, float]) -> tuple[Floats, Floats]:
    """Return the directions of upper arm and forearm, float (time, 3), that put the wrist at `wrist` (time, 3).

    Positions are relative to the shoulder, the elbow bends towards `elbow`, and a wrist out of reach is approached.
    """
    away = np.linalg.norm(wrist, axis=-1, keepdims=True)
    along = wrist / np.maximum(away, 1e-6)
    away = np.clip(away, abs(first - second) + 0.01, 0.99 * (first + second))
    hint = np.asarray(elbow) - (along @ np.asarray(elbow))[:, None] * along
    hint /= np.maximum(np.linalg.norm(hint, axis=-1, keepdims=True), 1e-6)
    share = (away**2 + first**2 - second**2) / (2 * away)
    bend = share * along + np.sqrt(np.maximum(first**2 - share**2, 0)) * hint
    return bend / first, (away * along - bend) / second


def joints(build: Build, pose: Pose) -> dict[str, Floats]:
    """Return the positions of joints by name: float (time, 3), or (side, time, 3) for pairs.

    The lower ankle is at its height above the floor plus the hop; the pelvis stays above the origin.
    """
    outwards = SIGNS[:, None, None] * np.array((1.0, 0.0, 0.0))
    hip = 0.75 * build.hip * outwards + np.zeros_like(pose.thigh)
    knee = hip + build.thigh * pose.thigh
    ankle = knee + build.shin * pose.shin
    lift = np.zeros((len(pose.hop), 3))
    lift[:, 2] = build.ankle + pose.hop - ankle[..., 2].min(axis=0)
    lean = np.radians(pose.pitch)
    spine = np.stack((np.zeros_like(lean), np.sin(lean), np.cos(lean)), axis=-1)
    chest = build.torso * spine
    shoulder = chest - 0.04 * spine + 0.92 * build.shoulder * outwards
    elbow = shoulder + build.upper_arm * pose.upper_arm
    wrist = elbow + build.forearm * pose.forearm
    found = {
        "pelvis": np.zeros_like(chest),
        "chest": chest,
        "throat": chest + build.neck * spine,
        "head": chest + (build.neck + build.head) * spine,
        "crown": chest + (build.neck + 2 * build.head) * spine,
        "shoulder": shoulder,
        "elbow": elbow,
        "wrist": wrist,
        "finger": wrist + build.hand * pose.forearm,
        "hip": hip,
        "knee": knee,
        "ankle": ankle,
        "toe": ankle + build.shoe * pose.shoe,
    }
    return {name: position + lift for name, position in found.items()}


def near_side(yaw: float) -> int:
    """Return the side of a body turned by `yaw` degrees that is nearer to the camera."""
    return 0 if yaw > 0 else 1


def project(positions: Floats, yaw: float) -> Floats:
    """Project positions (..., 3) of a body turned by `yaw` degrees to (..., 2): x to the right, y down."""
    turn, tilt = np.radians(yaw), np.radians(TILT)
    lateral, forward, up = positions[..., 0], positions[..., 1], positions[..., 2]
    nearness = forward * np.cos(turn) - lateral * np.sin(turn)
    x = lateral * np.cos(turn) + forward * np.sin(turn)
    return np.stack((x, nearness * np.sin(tilt) - up * np.cos(tilt)), axis=-1)
