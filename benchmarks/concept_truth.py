"""Clips whose regions are known, and what a concept of them truly covers, for ``benchmarks.concepts``."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from notebook_explain import samples
from notebook_explain.explanations import Concepts
from notebook_explain.samples import ACTIONS, IDLE, Sample
from notebook_explain.samples.render import BALL, draw_labels, pixel_owners
from notebook_explain.samples.scenes import Role, build_scene

REGIONS = ("acting", "own body", "idle", "other actor", "ball", "mark")
ROOM = "room"
LEAST_LIFT = 2.0  # a concept covers a region so many times more than chance, or else it is room
Bools = NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class KnownClip:
    """A clip with the voxels of every region: bool (time, height, width)."""

    sample: Sample
    regions: dict[str, Bools]


def known_clips(action: str, count: int, first: int, *, is_marked: bool = False, size: int = 64) -> list[KnownClip]:
    """Return clips of one action: 40 % alone, 30 % with an idle person, 30 % with another actor; or all with a mark."""
    found = []
    for index in range(count):
        seed, kind = first + index, index % 10
        rng = np.random.default_rng((seed, 3))
        other = str(rng.choice([name for name in ACTIONS if name != action]))
        roles = [Role((action,))]
        if is_marked:
            sample = samples.shortcut(action, seed=seed, size=size)
        elif kind < 4:
            sample = samples.single(action, seed=seed, size=size)
        else:
            second = IDLE if kind < 7 else other
            sample = samples.contrast(action, second, seed=seed, size=size)
            roles.append(Role((second,)))
        found.append(KnownClip(sample, _regions(sample, roles)))
    return found


def _regions(sample: Sample, roles: list[Role]) -> dict[str, Bools]:
    """Return the voxels of every region; empty ones where a clip has none."""
    nothing = np.zeros_like(sample.mark)
    scene = build_scene(sample.seed, len(sample.frames), roles)
    ball = pixel_owners(draw_labels(scene, sample.frames.shape[1]), BALL, 1) > 0
    own, *others = sample.people
    regions = {
        "acting": sample.masks[0],
        "own body": own.person & ~sample.masks[0],
        "ball": ball,
        "mark": sample.mark,
    }
    idle = [person.person for person in others if person.action == IDLE]
    acting = [person.person for person in others if person.action != IDLE]
    regions["idle"] = np.any(idle, axis=0) if idle else nothing
    regions["other actor"] = np.any(acting, axis=0) if acting else nothing
    return {name: regions[name] for name in REGIONS}


def true_regions(concepts: Concepts, clips: list[KnownClip]) -> list[str]:
    """Return the region that each concept covers most, relative to chance; "room" if none twice as much."""
    inside = np.zeros((len(concepts), len(REGIONS)))
    covered, sizes, voxels = np.zeros(len(concepts)), np.zeros(len(REGIONS)), 0
    for number, clip in enumerate(clips):
        masks = np.stack([concepts.mask(concept.index, number) for concept in concepts]).reshape(len(concepts), -1)
        regions = np.stack([clip.regions[name] for name in REGIONS]).reshape(len(REGIONS), -1)
        inside += masks.astype(np.float32) @ regions.T.astype(np.float32)
        covered += masks.sum(1)
        sizes += regions.sum(1)
        voxels += masks.shape[1]
    expected = covered[:, None] * sizes / voxels
    lift = np.divide(inside, expected, out=np.zeros_like(inside), where=expected > 0)
    return [REGIONS[row.argmax()] if row.max() > LEAST_LIFT else ROOM for row in lift]
