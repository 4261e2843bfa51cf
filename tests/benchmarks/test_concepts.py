"""The study of concepts: regions, what a concept truly covers, and rankings with known answers."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from benchmarks.concept_truth import REGIONS, ROOM, known_clips, true_regions
from benchmarks.concepts import ClassResult
from notebook_explain.explanations import Geometry
from notebook_explain.samples import IDLE
from tests.example_values import small_concepts


def test_regions_are_disjoint_and_belong_to_the_clip() -> None:
    clips = known_clips("kick", 10, 8_158_000)
    assert [len(clip.sample.people) for clip in clips[4:]] == [2] * 6
    assert [clip.sample.people[1].action == IDLE for clip in clips[4:7]] == [True] * 3
    for clip in clips:
        people = [clip.regions[name] for name in REGIONS if name not in ("ball", "mark")]
        assert (np.sum(people, axis=0) <= 1).all()
        np.testing.assert_array_equal(clip.regions["acting"], clip.sample.masks[0])
        assert clip.regions["acting"].any()
        everyone = np.any([person.person for person in clip.sample.people], axis=0)
        np.testing.assert_array_equal(np.any(people, axis=0), everyone)
    balls = [clip for clip in clips if clip.regions["ball"].any()]
    assert balls
    ball = balls[0].regions["ball"]
    movement = np.abs(np.diff(balls[0].sample.frames.astype(float), axis=0)).mean(-1)
    assert movement[ball[1:]].mean() > 2 * movement.mean(), "a bouncing ball moves"
    assert all(clip.regions["mark"].any() for clip in known_clips("kick", 2, 8_158_000, is_marked=True))


def test_a_concept_is_named_after_the_region_that_it_covers() -> None:
    clips = known_clips("kick", 8, 8_158_100)
    wanted = ["acting", "idle", "other actor", "own body", ROOM]
    grids = np.full((8, 1, 16, 64, 64), -1, np.int16)
    for number, clip in enumerate(clips):
        grids[number, 0, :, :, :] = wanted.index(ROOM)
        for index, name in enumerate(wanted[:-1]):
            grids[number, 0][clip.regions[name]] = index
        grids[number, 0, :, :32][grids[number, 0, :, :32] == 0] = 4  # half of it only
    concepts = replace(
        small_concepts(clips=8, concepts=5, time=16, size=64),
        grids=grids,
        geometry=Geometry.even((16, 64, 64), (16, 64, 64)),
    )
    assert true_regions(concepts, clips) == wanted


def test_rankings_have_known_answers() -> None:
    concepts = small_concepts(concepts=5)
    result = ClassResult("kick", concepts, ["acting", ROOM, "acting", "other actor", "ball"])
    score = {0: 5.0, 1: 4.0, 2: 3.0, 3: 2.0, 4: 5.0}
    by = lambda concept: score[concept.index]  # noqa: E731
    assert result.is_on_top(by, "acting")
    assert not result.is_on_top(lambda concept: -by(concept), "acting")
    assert result.outranks(by, "acting", [ROOM])
    assert not result.outranks(by, "acting", [ROOM, "ball"]), "a tie is not above"
    assert result.area(by, "acting", [ROOM, "other actor", "ball"]) == pytest.approx((2.5 + 1) / 6)
    assert result.area(by, "acting", ["idle"]) is None
    assert not result.outranks(by, "idle", ["ball"])
