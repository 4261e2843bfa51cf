"""Movements of people, read from their joints: an action moves its declared parts and no others."""

from __future__ import annotations

import numpy as np
import pytest

from notebook_explain import samples
from notebook_explain.samples.actions import Style, Sway, idle_pose, move, moved_parts, random_style
from notebook_explain.samples.backgrounds import BORDER, DRIFT
from notebook_explain.samples.body import PARTS, SIDEWAYS, bend_arm, joints, random_build
from notebook_explain.samples.clothing import MAIN, luminance
from notebook_explain.samples.scenes import Role, Span, build_scene

# The joint at the far end of each part; shoes turn about their toes.
ENDS = {"head": "head", "hair": "crown", "neck": "throat", "torso": "chest"}
ENDS |= {"upper arm": "elbow", "forearm": "wrist", "hand": "finger", "thigh": "knee", "shin": "ankle", "shoe": "ankle"}


def end_of(part, found):
    """Return the position of the far end of a part: (time, axis)."""
    side, _, piece = part.partition(" ")
    return found[ENDS[part]] if part in ENDS else found[ENDS[piece]][("right", "left").index(side)]


def styles(action, count=6):
    return [random_style(action, np.random.default_rng(seed)) for seed in range(count)]


@pytest.mark.parametrize("action", samples.ACTIONS)
def test_an_action_moves_exactly_its_declared_parts(action):
    flat = np.zeros(48)
    for seed, style in enumerate(styles(action)):
        build = random_build(np.random.default_rng(seed))
        rest = idle_pose(Sway(flat, flat), 3.0)
        pose = move(action, rest, np.linspace(0, 2 * np.pi, 48), style, build)
        moving, resting = joints(build, pose), joints(build, rest)
        for part in PARTS:
            travel = np.linalg.norm(np.ptp(end_of(part, moving), axis=0))
            if part in moved_parts(action, style):
                assert travel > 0.02, f"{part} does not move: {travel}"
            else:
                assert travel < 0.002, f"{part} moves: {travel}"
                if part not in ("left hand", "right hand") and action != "punch":  # the other fist is on guard
                    np.testing.assert_allclose(end_of(part, moving), end_of(part, resting), atol=0.004)


@pytest.mark.parametrize("action", samples.ACTIONS)
def test_the_far_end_of_an_acting_limb_travels_far(action):
    travels = []
    for seed in range(30):
        figure = build_scene(seed, 16, [Role((action,))]).people[0]
        ends = [end_of(part, figure.joints) for part in figure.moved[action]]
        travels.append(max(np.linalg.norm(np.ptp(end, axis=0)) for end in ends) / figure.height)
    assert min(travels) > 0.1
    assert np.mean(travels) > 0.2


@pytest.mark.parametrize("make", [samples.single, lambda action, seed: samples.compose(action, "kick", seed=seed)])
def test_a_circling_arm_is_visible_nearly_all_the_time(make):
    hidden = []
    for seed in range(60):
        seen = make("arm circle", seed=seed).masks[0].sum(axis=(1, 2))
        hidden.append(np.mean(seen < 0.2 * seen.max()))
    assert max(hidden) <= 0.25  # the farther arm passes behind the body of who stands sideways
    assert np.mean(hidden) < 0.035


def test_an_arm_across_the_chest_is_never_drawn_behind_it():
    flat = np.zeros(24)
    build, rest = random_build(np.random.default_rng(0)), idle_pose(Sway(flat, flat), 3.0)
    for style in styles("arm circle", 200):
        found = joints(build, move("arm circle", rest, np.linspace(0, 2 * np.pi, 24), style, build))
        across = np.ptp(found["finger"][style.side][:, 0]) > 0.3
        assert not across or abs(style.yaw) <= SIDEWAYS


def test_sideways_actors_near_a_border_face_the_middle():
    seen = []
    for seed in range(60):
        figure = build_scene(seed, 4, [Role(("bend",))]).people[0]
        away = figure.feet[0] - 0.5
        facing = np.mean(figure.joints["toe"][..., 0] - figure.joints["ankle"][..., 0])
        if abs(away) > 0.12:
            seen.append(facing * away < 0)
    assert len(seen) > 20
    assert all(seen)


def test_all_people_sway_slightly():
    for seed in range(40):
        for figure in build_scene(seed, 16, [Role(("idle",))]).people:
            travel = max(np.ptp(place[..., axis]) for place in figure.joints["crown"][None] for axis in (0, 1))
            assert 0.002 < travel / figure.height < 0.06
            hands = np.ptp(figure.joints["finger"], axis=1).max() / figure.height
            assert hands < 0.1


@pytest.mark.parametrize("action", samples.ACTIONS)
def test_outside_its_window_a_body_only_sways(action):
    for seed in range(8):
        figure = build_scene(seed, 16, [Role((action,), Span(5, 10))]).people[0]
        ends = [end_of(part, figure.joints) / figure.height for part in figure.moved[action]]
        for quiet in (slice(0, 6), slice(10, 16)):
            assert max(np.ptp(end[quiet], axis=0).max() for end in ends) < 0.06
        assert max(np.ptp(end[5:11], axis=0).max() for end in ends) > 0.06
        np.testing.assert_array_equal(np.flatnonzero(figure.active), range(5, 11))


def test_toes_do_not_move_unless_a_foot_acts():
    for action in ("wave one hand", "bend", "squat", "clap"):
        figure = build_scene(11, 16, [Role((action,))]).people[0]
        assert np.ptp(figure.joints["toe"], axis=1).max() < 0.03 * figure.height


def test_speeds_cover_the_range_and_slow_ones_still_show_the_action():
    for action in samples.ACTIONS:
        drawn = styles(action, 150)
        cycles = np.array([style.cycles for style in drawn])
        assert cycles.min() < 0.45
        assert 0.4 <= cycles.min() <= cycles.max() <= 3.0
        assert cycles.max() > 1.8
        for style in drawn:
            beat = np.sin(style.start + 2 * np.pi * style.cycles * np.linspace(0, 1, 65))
            assert np.ptp(beat) > 1.2


def test_positions_and_sizes_of_people_cover_their_ranges():
    figures = [build_scene(seed, 4, [Role(("jog",))]).people[0] for seed in range(300)]
    x, heights = (np.array(values) for values in zip(*((f.feet[0], f.height) for f in figures), strict=True))
    assert 0.2 <= x.min() < 0.23
    assert 0.77 < x.max() <= 0.8
    assert abs(x.mean() - 0.5) < 0.04
    assert np.mean(np.abs(x - 0.5) > 0.1) > 0.55
    assert 0.46 <= heights.min() < 0.5
    assert 0.72 < heights.max() <= 0.8
    idle = [build_scene(seed, 4, [Role(("jog",))]) for seed in range(300)]
    assert 0.45 < np.mean([len(scene.people) == 2 for scene in idle]) < 0.65
    assert 0.3 < np.mean([scene.ball is not None for scene in idle]) < 0.5


def test_a_seed_gives_the_same_people_and_room_for_every_action():
    one, two = (build_scene(5, 16, [Role((action,))]) for action in ("kick", "clap"))
    np.testing.assert_array_equal(one.people[0].paint, two.people[0].paint)
    np.testing.assert_array_equal(one.people[0].feet, two.people[0].feet)
    np.testing.assert_array_equal(one.room.blocks, two.room.blocks)


def test_clothes_stand_out_from_the_room_and_the_room_drifts_slowly():
    for seed in range(60):
        scene = build_scene(seed, 16, [Role(("jog",))])
        for figure in scene.people:
            for part, wall in (("torso", 0.8), ("left thigh", 0.4)):
                light = luminance(figure.paint[MAIN, PARTS.index(part)])
                assert abs(light - scene.room.light(wall)) > 40
        assert np.linalg.norm(scene.room.drift) <= 16 * DRIFT + 1e-12
        assert np.abs(scene.room.drift).max() < BORDER


def test_bend_arm_puts_the_wrist_at_its_goal():
    goal = np.array(((0.1, 0.12, 0.05), (0.0, 0.2, -0.1), (0.0, 0.9, 0.0)))
    upper, fore = bend_arm(goal, 0.16, 0.14, (0.0, -0.3, -1.0))
    np.testing.assert_allclose(np.linalg.norm(upper, axis=1), 1)
    np.testing.assert_allclose(np.linalg.norm(fore, axis=1), 1)
    ends = 0.16 * upper + 0.14 * fore
    np.testing.assert_allclose(ends[:2], goal[:2])
    np.testing.assert_allclose(ends[2], (0, 0.99 * 0.3, 0), atol=1e-9)  # too far: as far as the arm goes


def test_the_style_selects_the_acting_side():
    right = Style(0, 1.0, 0.0, 1.0, 0.0, 0.2)
    assert moved_parts("kick", right) == ("right thigh", "right shin", "right shoe")
    assert moved_parts("idle", right) == ()
    assert moved_parts("squat", right) == PARTS
