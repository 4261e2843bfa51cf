"""A body: its proportions, a pose of it in every frame, and where its joints are then.

The body has its own three axes: lateral (to the picture's right for somebody who faces us), forward, and up. Lengths
are fractions of the standing height, angles are degrees. Side 0 is the person's right, which we see on the left.
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
    *(f"{side} {piece}" for piece_of in (ARM, LEG) for side in SIDES for piece in piece_of),
)
SIGNS = np.array((-1.0, 1.0))  # which way is outwards for side 0 and side 1
SIDEWAYS = 30.0  # who is turned further from us than this, in degrees, has the farther arm behind the body
TILT = 13.0  # we look at everybody from a little above, degrees


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
    """Draw the proportions; head, neck, torso, legs and ankle add up to a height of 1."""
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
        Unit vectors: lateral, forward, up. A hand points where its forearm points.
    pitch : float (time,)
        How far the torso leans forward, degrees.
    hop : float (time,)
        How high the lower foot is above the floor, in heights.
    """

    upper_arm: Floats
    forearm: Floats
    thigh: Floats
    shin: Floats
    shoe: Floats
    pitch: Floats
    hop: Floats


def direction(side: int, abduct: Floats | float, flex: Floats | float) -> Floats:
    """Which way a limb points that hangs down, then is raised forward by `flex` and outwards by `abduct` (degrees).

    Returns float (time, 3), or (3,) of two numbers.
    """
    out, front = np.broadcast_arrays(np.radians(abduct), np.radians(flex))
    return np.stack((SIGNS[side] * np.sin(out), np.cos(out) * np.sin(front), -np.cos(out) * np.cos(front)), axis=-1)


def upright(shin: Floats) -> Floats:
    """The shoe (time, 3) at a right angle to a shin (time, 3) that moves in the forward-up plane."""
    return np.stack((0.25 * shin[:, 0], -shin[:, 2], shin[:, 1]), axis=-1)


def reach(wrist: Floats, first: float, second: float, elbow: tuple[float, float, float]) -> tuple[Floats, Floats]:
    """Bend an arm so that its wrist lies at `wrist` (time, 3) from the shoulder; the elbow gives way to `elbow`.

    What is out of reach is reached for. Returns the directions of the upper arm and the forearm, float (time, 3).
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
    """Where the joints are: name to float (time, 3), or (side, time, 3) for those that come in pairs.

    The lower ankle is at its height above the floor, plus the hop; the pelvis stays above the origin.
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
    return {name: place + lift for name, place in found.items()}


def nearer(yaw: float) -> int:
    """Which side of a body turned by `yaw` degrees is nearer to us: whoever faces right shows us the right side."""
    return 0 if yaw > 0 else 1


def project(places: Floats, yaw: float) -> Floats:
    """What we see of places (..., 3) of a body turned by `yaw` degrees: (..., 2), x to the right and y down."""
    turn, tilt = np.radians(yaw), np.radians(TILT)
    lateral, forward, up = places[..., 0], places[..., 1], places[..., 2]
    nearness = forward * np.cos(turn) - lateral * np.sin(turn)
    x = lateral * np.cos(turn) + forward * np.sin(turn)
    return np.stack((x, nearness * np.sin(tilt) - up * np.cos(tilt)), axis=-1)
