"""The ten actions: the pose of the body at each phase, and the parts that each action moves.

An action is a function from phases in radians, one per frame, to a pose. While the phase is constant, only the idle
sway remains.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from notebook_explain.samples.body import (
    ARM,
    LEG,
    PARTS,
    SIDES,
    SIDEWAYS,
    Build,
    Floats,
    Pose,
    bend_arm,
    direction,
    upright,
)

IDLE = "idle"
_ARMS = tuple(tuple(f"{side} {piece}" for piece in ARM) for side in SIDES)
_LEGS = tuple(tuple(f"{side} {piece}" for piece in LEG) for side in SIDES)
_UPPER_BODY = ("head", "hair", "neck", "torso", *_ARMS[0], *_ARMS[1])


@dataclass(frozen=True)
class Style:
    """Parameters of how one person performs an action.

    Attributes
    ----------
    side : int
        Arm or leg of one-sided actions; 0 is the right one.
    amplitude : float
        Relative to the usual one, 0.8 to 1.1.
    yaw : float
        Rotation away from the camera, degrees; positive faces the right of the image.
    cycles : float
        Repetitions in a clip, or in its window.
    start : float
        Phase of the first frame, radians.
    variant : float
        0 to 1; selects a variant (both fists, plane of a circle, knees forward or out).
    """

    side: int
    amplitude: float
    yaw: float
    cycles: float
    start: float
    variant: float


@dataclass(frozen=True, eq=False)
class Sway:
    """Small movement that every body makes all the time.

    Attributes
    ----------
    side : float (time,)
        Displacement of the crown to the right, in heights.
    swing : float (time,)
        Forward swing of idle arms, degrees.
    """

    side: Floats
    swing: Floats


Move = Callable[[Pose, Floats, Style, Build], Pose]


def idle_pose(sway: Sway, stance: float) -> Pose:
    """Return a body standing on both feet, `stance` degrees apart, with hanging arms."""
    count, flat = len(sway.swing), np.zeros(len(sway.swing))
    arms = [direction(side, 9.0, sway.swing * (1 - 0.4 * side) - 2) for side in (0, 1)]
    forearms = [direction(side, 4.0, sway.swing * (1 - 0.4 * side) + 14) for side in (0, 1)]
    legs = np.stack([np.tile(direction(side, stance, 0.0), (count, 1)) for side in (0, 1)])
    shoes = np.stack([np.tile(direction(side, 35.0, 90.0), (count, 1)) for side in (0, 1)])
    return Pose(np.stack(arms), np.stack(forearms), legs, legs, shoes, flat, flat)


def _replace_limb(limbs: Floats, side: int, new: Floats) -> Floats:
    """Return the limbs (side, time, 3) with the direction of one of them replaced."""
    return np.stack([new if i == side else limb for i, limb in enumerate(limbs)])


def _raised(phase: Floats, style: Style, side: int) -> tuple[Floats, Floats]:
    """Return a raised arm that waves, the forearm more than the upper arm."""
    beat = np.sin(phase) * style.amplitude
    return direction(side, 118 + 16 * beat, 8.0), direction(side, 160 + 42 * beat, 8.0)


def _wave_one(pose: Pose, phase: Floats, style: Style, build: Build) -> Pose:
    upper, fore = _raised(phase, style, style.side)
    return replace(
        pose,
        upper_arm=_replace_limb(pose.upper_arm, style.side, upper),
        forearm=_replace_limb(pose.forearm, style.side, fore),
    )


def _wave_both(pose: Pose, phase: Floats, style: Style, build: Build) -> Pose:
    lag = math.pi if style.variant > 0.6 else 0.0  # in phase or in opposition
    arms = [_raised(phase + lag * side, style, side) for side in (0, 1)]
    return replace(pose, upper_arm=np.stack([a[0] for a in arms]), forearm=np.stack([a[1] for a in arms]))


def _jack(pose: Pose, phase: Floats, style: Style, build: Build) -> Pose:
    wide = (0.5 + 0.5 * np.sin(phase)) * style.amplitude
    arms = np.stack([direction(side, 12 + 138 * wide, 5.0) for side in (0, 1)])
    hands = np.stack([direction(side, 10 + 152 * wide, 10.0) for side in (0, 1)])
    legs = np.stack([direction(side, 2 + 25 * wide, 0.0) for side in (0, 1)])
    hop = 0.05 * np.cos(phase) ** 2
    return replace(pose, upper_arm=arms, forearm=hands, thigh=legs, shin=legs, hop=hop)


def _bend(pose: Pose, phase: Floats, style: Style, build: Build) -> Pose:
    down = 0.5 + 0.5 * np.sin(phase)
    arms = np.stack([direction(side, 5.0, 8 + (20 + 6 * side) * down) for side in (0, 1)])
    return replace(pose, upper_arm=arms, forearm=arms, pitch=4 + 92 * style.amplitude * down)


def _kick(pose: Pose, phase: Floats, style: Style, build: Build) -> Pose:
    beat = np.sin(phase)
    front, back = np.maximum(beat, 0), np.maximum(-beat, 0)
    lift = style.amplitude * (88 * front - 24 * back)
    thigh = direction(style.side, 3.0, lift)
    shin = direction(style.side, 3.0, lift - 35 * back - 90 * front * (1 - front))
    return replace(
        pose,
        thigh=_replace_limb(pose.thigh, style.side, thigh),
        shin=_replace_limb(pose.shin, style.side, shin),
        shoe=_replace_limb(pose.shoe, style.side, upright(shin)),
    )


def _punch(pose: Pose, phase: Floats, style: Style, build: Build) -> Pose:
    upper, fore = pose.upper_arm, pose.forearm
    length = build.upper_arm + build.forearm
    for side in (0, 1):
        out = (0.5 + 0.5 * np.sin(phase + math.pi * (side != style.side))) * style.amplitude
        if side != style.side and style.variant < 0.6:  # the other fist stays on guard
            out = np.zeros_like(phase)
        inwards = (0.06 if side == 0 else -0.06) + np.zeros_like(phase)
        wrist = np.stack((inwards, length * (0.22 + 0.8 * out), length * (0.12 * out - 0.1)), axis=-1)
        arm = bend_arm(wrist, build.upper_arm, build.forearm, ((-0.5, 0.5)[side], -0.3, -1.0))
        upper, fore = _replace_limb(upper, side, arm[0]), _replace_limb(fore, side, arm[1])
    return replace(pose, upper_arm=upper, forearm=fore)


def _squat(pose: Pose, phase: Floats, style: Style, build: Build) -> Pose:
    down = 0.5 + 0.5 * np.sin(phase)
    bend = np.radians(6 + 66 * style.amplitude * down)
    splay = math.radians(20 + 50 * style.variant) if abs(style.yaw) < 45 else math.radians(15)
    back = np.arcsin(np.clip(np.sin(bend) * build.thigh / build.shin, -1, 1))  # keeps the ankles below the hips
    out = (-math.sin(splay), math.sin(splay))
    thighs = [np.stack((s * np.sin(bend), math.cos(splay) * np.sin(bend), -np.cos(bend)), axis=-1) for s in out]
    shins = [np.stack((-s * np.sin(back), -math.cos(splay) * np.sin(back), -np.cos(back)), axis=-1) for s in out]
    arms = np.stack([direction(side, 12.0, 12 + 70 * down) for side in (0, 1)])
    heel = np.radians(32 * down)[:, None]  # the heels come up, the toes stay on the floor
    shoes = np.cos(heel) * pose.shoe - np.sin(heel) * np.array((0.0, 0.0, 1.0))
    return replace(
        pose,
        upper_arm=arms,
        forearm=arms,
        thigh=np.stack(thighs),
        shin=np.stack(shins),
        shoe=shoes,
        pitch=4 + 24 * down,
        hop=build.shoe * np.sin(heel[:, 0]),
    )


def _clap(pose: Pose, phase: Floats, style: Style, build: Build) -> Pose:
    apart = 0.5 + 0.5 * np.sin(phase)
    upper, fore = pose.upper_arm, pose.forearm
    for side, out in ((0, -1.0), (1, 1.0)):
        wide = 0.012 + 0.27 * style.amplitude * apart - 0.92 * build.shoulder
        wrist = np.stack((out * wide, 0.17 - 0.04 * apart, -0.02 + 0.05 * apart), axis=-1)
        arm = bend_arm(wrist, build.upper_arm, build.forearm, (0.8 * out, -0.2, -1.0))
        upper, fore = _replace_limb(upper, side, arm[0]), _replace_limb(fore, side, arm[1])
    return replace(pose, upper_arm=upper, forearm=fore)


def _jog(pose: Pose, phase: Floats, style: Style, build: Build) -> Pose:
    stride = style.amplitude
    thighs, shins, arms, hands = [], [], [], []
    for side in (0, 1):
        beat = phase + math.pi * side
        lift = 14 + 36 * stride * np.sin(beat)
        knee = 14 + 78 * stride * (0.5 + 0.5 * np.cos(beat + 0.2)) ** 1.3
        swing = -36 * stride * np.sin(beat)
        thighs.append(direction(side, 2.0, lift))
        shins.append(direction(side, 2.0, lift - knee))
        arms.append(direction(side, 10.0, swing - 6))
        hands.append(direction(side, -6.0, swing + 80))
    legs = np.stack(shins)
    hop = 0.022 * (1 - np.cos(2 * phase))
    return replace(
        pose,
        upper_arm=np.stack(arms),
        forearm=np.stack(hands),
        thigh=np.stack(thighs),
        shin=legs,
        shoe=np.stack([upright(shin) for shin in legs]),
        pitch=np.full_like(phase, 7.0),
        hop=hop,
    )


def _circle(pose: Pose, phase: Floats, style: Style, build: Build) -> Pose:
    turned = np.degrees(phase) * (1 if style.variant < 0.5 else -1)
    aside = abs(style.yaw) > 45  # seen from the front across the chest, from the side past the hip
    arm = direction(style.side, 10.0, turned) if aside else direction(style.side, turned, 10.0)
    return replace(
        pose,
        upper_arm=_replace_limb(pose.upper_arm, style.side, arm),
        forearm=_replace_limb(pose.forearm, style.side, arm),
    )


@dataclass(frozen=True)
class Action:
    """Movement of an action, ranges of yaw (degrees) from which it is recognisable, and maximum cycles per clip."""

    move: Move
    yaws: tuple[tuple[float, float], ...]
    max_cycles: float = 3.0


_FRONT, _SIDE = (0.0, 38.0), (50.0, 80.0)
_ALL: dict[str, Action] = {
    "wave one hand": Action(_wave_one, (_FRONT,)),
    "wave both hands": Action(_wave_both, (_FRONT,)),
    "jumping jack": Action(_jack, ((0.0, 30.0),), 2.5),
    "bend": Action(_bend, ((58.0, 85.0),), 2.0),
    "kick": Action(_kick, (_SIDE,), 2.5),
    "punch": Action(_punch, (_SIDE,)),
    "squat": Action(_squat, (_FRONT, _SIDE), 2.0),
    "clap": Action(_clap, ((0.0, 28.0),)),
    "jog": Action(_jog, ((45.0, 80.0),)),
    "arm circle": Action(_circle, ((0.0, SIDEWAYS), (60.0, 82.0))),
}
ACTIONS: tuple[str, ...] = tuple(_ALL)
ARM_ACTIONS: tuple[str, ...] = ("wave one hand", "wave both hands", "punch", "clap", "arm circle")
LEG_ACTIONS: tuple[str, ...] = ("kick", "squat", "jog")


def moved_parts(action: str, style: Style) -> tuple[str, ...]:
    """Return all parts that the action moves, including those attached to a moving part."""
    if action in ("jumping jack", "squat", "jog"):
        return PARTS
    if action == "bend":
        return _UPPER_BODY
    if action in ("wave both hands", "clap") or (action == "punch" and style.variant >= 0.6):
        return (*_ARMS[0], *_ARMS[1])
    if action == "kick":
        return _LEGS[style.side]
    return () if action == IDLE else _ARMS[style.side]


def random_style(action: str, rng: np.random.Generator, max_cycles: float = 3.0) -> Style:
    """Draw a style with at most `max_cycles` cycles per clip.

    At 0.4 cycles a clip might miss the characteristic movement, so the start with the largest movement of 16 is taken.
    """
    known = _ALL.get(action)
    ranges = known.yaws if known else ((0.0, 80.0),)
    low, high = ranges[int(rng.integers(2)) % len(ranges)]
    yaw = float(rng.uniform(low, high) * rng.choice((-1.0, 1.0)))
    speed = rng.uniform(0, 1)  # logarithmic: slow and fast styles are equally frequent
    top = max(min(max_cycles, known.max_cycles if known else max_cycles), 0.4)
    cycles = float(0.4 * (top / 0.4) ** speed)
    starts = rng.uniform(0, 2 * math.pi, 16)
    beats = np.sin(starts[:, None] + 2 * math.pi * cycles * np.linspace(0, 1, 33))
    start = float(starts[np.argmax(np.minimum(np.ptp(beats, axis=1), 1.4))])
    return Style(int(rng.integers(2)), float(rng.uniform(0.82, 1.1)), yaw, cycles, start, float(rng.uniform()))


def move(action: str, pose: Pose, phase: Floats, style: Style, build: Build) -> Pose:
    """Return `pose` with the limbs changed that the action controls; idle changes nothing."""
    return pose if action == IDLE else _ALL[action].move(pose, phase, style, build)
