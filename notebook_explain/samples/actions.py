"""The ten actions: which pose the body has at which phase, and which parts that moves.

Every action is a function from a phase in radians, one per frame, to a pose. All but the idle sway stands still where
the phase stands still.
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
    direction,
    reach,
    upright,
)

IDLE = "idle"
_ARMS = tuple(tuple(f"{side} {piece}" for piece in ARM) for side in SIDES)
_LEGS = tuple(tuple(f"{side} {piece}" for piece in LEG) for side in SIDES)
_UPPER_BODY = ("head", "hair", "neck", "torso", *_ARMS[0], *_ARMS[1])


@dataclass(frozen=True)
class Style:
    """How one person does an action.

    Attributes
    ----------
    side : int
        The arm or leg of one-sided actions, 0 the right one.
    reach : float
        Amplitude, 0.8 to 1.1 of the usual one.
    yaw : float
        How far the body is turned from us, degrees; above 0 it faces the picture's right.
    cycles : float
        How often it is done in a clip (in the window, where there is one).
    start : float
        Phase of the first frame, radians.
    variant : float
        0 to 1, decides between ways to do it (both fists, the plane of a circle, knees forward or out).
    """

    side: int
    reach: float
    yaw: float
    cycles: float
    start: float
    variant: float


@dataclass(frozen=True, eq=False)
class Sway:
    """What every body does all the time, acting or not.

    Attributes
    ----------
    side : float (time,)
        How far the crown is swayed to the right, in heights.
    swing : float (time,)
        How far idle arms have swung forward, degrees.
    """

    side: Floats
    swing: Floats


Move = Callable[[Pose, Floats, Style, Build], Pose]


def idle_pose(sway: Sway, stance: float) -> Pose:
    """Stand on both feet, `stance` degrees apart, the arms hanging."""
    count, flat = len(sway.swing), np.zeros(len(sway.swing))
    arms = [direction(side, 9.0, sway.swing * (1 - 0.4 * side) - 2) for side in (0, 1)]
    forearms = [direction(side, 4.0, sway.swing * (1 - 0.4 * side) + 14) for side in (0, 1)]
    legs = np.stack([np.tile(direction(side, stance, 0.0), (count, 1)) for side in (0, 1)])
    shoes = np.stack([np.tile(direction(side, 35.0, 90.0), (count, 1)) for side in (0, 1)])
    return Pose(np.stack(arms), np.stack(forearms), legs, legs, shoes, flat, flat)


def _set(limbs: Floats, side: int, way: Floats) -> Floats:
    """The limbs (side, time, 3), one of them pointing another way."""
    return np.stack([way if at == side else limb for at, limb in enumerate(limbs)])


def _raised(phase: Floats, style: Style, side: int) -> tuple[Floats, Floats]:
    """A raised arm that waves, forearm more than upper arm."""
    beat = np.sin(phase) * style.reach
    return direction(side, 118 + 16 * beat, 8.0), direction(side, 160 + 42 * beat, 8.0)


def _wave_one(pose: Pose, phase: Floats, style: Style, build: Build) -> Pose:
    upper, fore = _raised(phase, style, style.side)
    return replace(
        pose, upper_arm=_set(pose.upper_arm, style.side, upper), forearm=_set(pose.forearm, style.side, fore)
    )


def _wave_both(pose: Pose, phase: Floats, style: Style, build: Build) -> Pose:
    lag = math.pi if style.variant > 0.6 else 0.0  # some wave both arms to the same side
    arms = [_raised(phase + lag * side, style, side) for side in (0, 1)]
    return replace(pose, upper_arm=np.stack([a[0] for a in arms]), forearm=np.stack([a[1] for a in arms]))


def _jack(pose: Pose, phase: Floats, style: Style, build: Build) -> Pose:
    wide = (0.5 + 0.5 * np.sin(phase)) * style.reach
    arms = np.stack([direction(side, 12 + 138 * wide, 5.0) for side in (0, 1)])
    hands = np.stack([direction(side, 10 + 152 * wide, 10.0) for side in (0, 1)])
    legs = np.stack([direction(side, 2 + 25 * wide, 0.0) for side in (0, 1)])
    hop = 0.05 * np.cos(phase) ** 2
    return replace(pose, upper_arm=arms, forearm=hands, thigh=legs, shin=legs, hop=hop)


def _bend(pose: Pose, phase: Floats, style: Style, build: Build) -> Pose:
    down = 0.5 + 0.5 * np.sin(phase)
    arms = np.stack([direction(side, 5.0, 8 + (20 + 6 * side) * down) for side in (0, 1)])
    return replace(pose, upper_arm=arms, forearm=arms, pitch=4 + 92 * style.reach * down)


def _kick(pose: Pose, phase: Floats, style: Style, build: Build) -> Pose:
    beat = np.sin(phase)
    front, back = np.maximum(beat, 0), np.maximum(-beat, 0)
    lift = style.reach * (88 * front - 24 * back)
    thigh = direction(style.side, 3.0, lift)
    shin = direction(style.side, 3.0, lift - 35 * back - 90 * front * (1 - front))
    return replace(
        pose,
        thigh=_set(pose.thigh, style.side, thigh),
        shin=_set(pose.shin, style.side, shin),
        shoe=_set(pose.shoe, style.side, upright(shin)),
    )


def _punch(pose: Pose, phase: Floats, style: Style, build: Build) -> Pose:
    upper, fore = pose.upper_arm, pose.forearm
    length = build.upper_arm + build.forearm
    for side in (0, 1):
        out = (0.5 + 0.5 * np.sin(phase + math.pi * (side != style.side))) * style.reach
        if side != style.side and style.variant < 0.6:  # this fist stays on guard
            out = np.zeros_like(phase)
        inwards = (0.06 if side == 0 else -0.06) + np.zeros_like(phase)
        wrist = np.stack((inwards, length * (0.22 + 0.8 * out), length * (0.12 * out - 0.1)), axis=-1)
        ways = reach(wrist, build.upper_arm, build.forearm, ((-0.5, 0.5)[side], -0.3, -1.0))
        upper, fore = _set(upper, side, ways[0]), _set(fore, side, ways[1])
    return replace(pose, upper_arm=upper, forearm=fore)


def _squat(pose: Pose, phase: Floats, style: Style, build: Build) -> Pose:
    down = 0.5 + 0.5 * np.sin(phase)
    bend = np.radians(6 + 66 * style.reach * down)
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
        wide = 0.012 + 0.27 * style.reach * apart - 0.92 * build.shoulder
        wrist = np.stack((out * wide, 0.17 - 0.04 * apart, -0.02 + 0.05 * apart), axis=-1)
        ways = reach(wrist, build.upper_arm, build.forearm, (0.8 * out, -0.2, -1.0))
        upper, fore = _set(upper, side, ways[0]), _set(fore, side, ways[1])
    return replace(pose, upper_arm=upper, forearm=fore)


def _jog(pose: Pose, phase: Floats, style: Style, build: Build) -> Pose:
    stride = style.reach
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
    aside = abs(style.yaw) > 45  # who faces us swings it across the chest, who does not past the hip
    way = direction(style.side, 10.0, turned) if aside else direction(style.side, turned, 10.0)
    return replace(pose, upper_arm=_set(pose.upper_arm, style.side, way), forearm=_set(pose.forearm, style.side, way))


@dataclass(frozen=True)
class Action:
    """How an action moves, from which turns (degrees) it can be read, and how often it is done in a clip at most."""

    move: Move
    yaws: tuple[tuple[float, float], ...]
    most: float = 3.0


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
    """Every part that the action moves: what rides on a moving part is among them."""
    if action in ("jumping jack", "squat", "jog"):
        return PARTS
    if action == "bend":
        return _UPPER_BODY
    if action in ("wave both hands", "clap") or (action == "punch" and style.variant >= 0.6):
        return (*_ARMS[0], *_ARMS[1])
    if action == "kick":
        return _LEGS[style.side]
    return () if action == IDLE else _ARMS[style.side]


def random_style(action: str, rng: np.random.Generator, most: float = 3.0) -> Style:
    """Draw how somebody does the action, at most `most` times in a clip.

    At 0.4 cycles a clip may miss what makes the action; the start is drawn until most of the movement is in it.
    """
    known = _ALL.get(action)
    ranges = known.yaws if known else ((0.0, 80.0),)
    low, high = ranges[int(rng.integers(2)) % len(ranges)]
    yaw = float(rng.uniform(low, high) * rng.choice((-1.0, 1.0)))
    speed = rng.uniform(0, 1)  # in octaves, as slow ones tell more than fast ones
    top = max(min(most, known.most if known else most), 0.4)
    cycles = float(0.4 * (top / 0.4) ** speed)
    starts = rng.uniform(0, 2 * math.pi, 16)
    beats = np.sin(starts[:, None] + 2 * math.pi * cycles * np.linspace(0, 1, 33))
    start = float(starts[np.argmax(np.minimum(np.ptp(beats, axis=1), 1.4))])
    return Style(int(rng.integers(2)), float(rng.uniform(0.82, 1.1)), yaw, cycles, start, float(rng.uniform()))


def move(action: str, pose: Pose, phase: Floats, style: Style, build: Build) -> Pose:
    """Let a body act: `pose` with the limbs changed that the action steers; idle changes nothing."""
    return pose if action == IDLE else _ALL[action].move(pose, phase, style, build)
