"""The worlds: reproducible at every size, with clear errors for invalid arguments."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest

from notebook_explain import samples

WORLDS = {
    "single": lambda **given: samples.single("kick", **given),
    "contrast": lambda **given: samples.contrast("punch", "jog", **given),
    "half idle": lambda **given: samples.contrast("idle", "bend", **given),
    "compose": lambda **given: samples.compose("clap", "squat", **given),
    "window": lambda **given: samples.window("jumping jack", 1, 3, **given),
    "shortcut": lambda **given: samples.shortcut("arm circle", **given),
    "camera": lambda **given: samples.camera("wave both hands", **given),
    "moving_pair": lambda **given: samples.moving_pair("clap", "bend", **given),
    "still": lambda **given: samples.still(**given),
}
world = pytest.mark.parametrize("make", WORLDS.values(), ids=WORLDS)


@world
def test_same_arguments_give_same_bytes(make):
    one, two = make(seed=3), make(seed=3)
    np.testing.assert_array_equal(one.frames, two.frames)
    np.testing.assert_array_equal(one.mask, two.mask)
    assert one.label == two.label


@world
def test_the_global_random_state_is_neither_read_nor_changed(make):
    np.random.seed(1)  # noqa: NPY002
    before = np.random.get_state()[1].copy()  # noqa: NPY002
    one = make(seed=7)
    np.testing.assert_array_equal(np.random.get_state()[1], before)  # noqa: NPY002
    np.random.seed(2)  # noqa: NPY002
    np.testing.assert_array_equal(make(seed=7).frames, one.frames)


def test_another_seed_gives_another_clip():
    one, two = samples.single("jog", seed=3), samples.single("jog", seed=4)
    assert np.any(one.frames != two.frames, axis=-1).mean() > 0.5
    assert np.any(one.mask != two.mask)


def test_importing_samples_imports_only_numpy():
    code = "import notebook_explain.samples, sys; print({'cv2', 'torch', 'PIL', 'matplotlib'} & set(sys.modules))"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "set()"


@pytest.mark.parametrize("size", [32, 64, 112])
@pytest.mark.parametrize("frames", [4, 16, 24])
@world
def test_every_world_works_at_every_size_and_length(make, frames, size):
    clip = make(seed=5, frames=frames, size=size)
    shape = (frames, size, size)
    assert clip.frames.shape == (*shape, 3)
    assert clip.frames.dtype == np.uint8
    for mask in (clip.mask, clip.mark, *clip.masks, *(person.person for person in clip.people)):
        assert (mask.shape, mask.dtype) == (shape, np.bool_)
    assert (clip.seed, clip.fps) == (5, frames / 2)
    assert len(clip.masks) == len(clip.labels)
    actor = clip.people[-1] if clip.label.startswith("idle") else clip.people[0]
    share = actor.person.mean(axis=(1, 2))
    assert np.all((share > 0.015) & (share < 0.4))


@world
def test_a_seed_gives_the_same_scene_at_every_size(make):
    small, large = make(seed=8, size=64), make(seed=8, size=128)
    coarse = large.people[0].person.reshape(16, 64, 2, 64, 2).mean((2, 4)) > 0.5
    both, either = (coarse & small.people[0].person).sum(), (coarse | small.people[0].person).sum()
    assert both / either > 0.85


@pytest.mark.parametrize("action", samples.ACTIONS)
def test_a_single_clip_has_one_labelled_actor(action):
    clip = samples.single(action, seed=2)
    assert (clip.label, clip.labels, clip.world) == (action, (action,), "single")
    assert [person.action for person in clip.people] in ([action], [action, "idle"])
    np.testing.assert_array_equal(clip.mask, clip.people[0].acting)
    assert not any(person.acting.any() for person in clip.people[1:])
    assert clip.mask.any(axis=(1, 2)).mean() > 0.7


def test_contrast_has_one_mask_for_each_of_two_people():
    clip = samples.contrast("kick", "clap", seed=4)
    assert (clip.label, clip.labels, clip.world) == ("kick + clap", ("kick", "clap"), "contrast")
    assert [person.action for person in clip.people] == ["kick", "clap"]
    for mask, person in zip(clip.masks, clip.people, strict=True):
        np.testing.assert_array_equal(mask, person.acting)
        assert mask.any()
    assert not (clip.people[0].person & clip.people[1].person).any()


def test_a_moving_pair_is_a_contrast_seen_by_a_moving_camera():
    for seed in range(4):
        clip, fixed = samples.moving_pair("kick", "clap", seed=seed), samples.contrast("kick", "clap", seed=seed)
        assert (clip.label, clip.labels, clip.world) == ("kick + clap", ("kick", "clap"), "moving_pair")
        assert [person.action for person in clip.people] == ["kick", "clap"]
        for mask, person in zip(clip.masks, clip.people, strict=True):
            np.testing.assert_array_equal(mask, person.acting)
        assert not (clip.people[0].person & clip.people[1].person).any()
        for one, other in zip(clip.people, fixed.people, strict=True):
            pixels = one.person.sum(axis=(1, 2))
            zoom = pixels / other.person.sum(axis=(1, 2))  # area: zoom in or out by 4 % or more
            assert zoom.min() < 0.97
            assert zoom.max() > 1.03


def test_the_idle_person_of_a_contrast_has_an_empty_acting_mask():
    clip = samples.contrast("idle", "jog", seed=4)
    assert (clip.label, clip.labels) == ("idle + jog", ("jog",))
    assert clip.people[0].person.any()
    assert not clip.people[0].acting.any()
    np.testing.assert_array_equal(clip.masks[0], clip.people[1].acting)


@pytest.mark.parametrize("legs", samples.LEG_ACTIONS)
@pytest.mark.parametrize("arms", samples.ARM_ACTIONS)
def test_compose_masks_the_arms_for_one_action_and_the_rest_for_the_other(arms, legs):
    clip = samples.compose(arms, legs, seed=6)
    assert (clip.label, clip.labels) == (f"{arms} + {legs}", (arms, legs))
    body = clip.people[0]
    limbs = np.any([mask for part, mask in body.parts.items() if "arm" in part or "hand" in part], axis=0)
    feet = np.any([mask for part, mask in body.parts.items() if part.split()[-1] in ("thigh", "shin", "shoe")], axis=0)
    assert not (clip.masks[0] & ~limbs).any()
    assert not (clip.masks[0] & clip.masks[1]).any()
    assert (clip.masks[1] & feet).any()
    np.testing.assert_array_equal(clip.masks[0] | clip.masks[1], body.acting)


def test_window_has_acting_masks_only_in_its_span():
    clip = samples.window("squat", 5, 9, seed=1)
    np.testing.assert_array_equal(clip.mask.any(axis=(1, 2)), [5 <= at <= 9 for at in range(16)])
    assert clip.people[0].person.any(axis=(1, 2)).all()


def test_still_has_an_empty_acting_mask():
    for seed in range(8):
        clip = samples.still(seed=seed)
        assert (clip.label, clip.labels, clip.masks) == ("still", (), ())
        assert not clip.mask.any()
        assert all(person.action == "idle" and person.person.any() for person in clip.people)


def test_shortcut_changes_only_the_pixels_of_its_mark():
    plain, marked = samples.single("punch", seed=9), samples.shortcut("punch", seed=9)
    changed = np.any(plain.frames != marked.frames, axis=-1)
    assert marked.mark.any()
    assert not plain.mark.any()
    assert not (changed & ~marked.mark).any()
    assert changed[marked.mark].mean() > 0.95


def test_every_action_has_a_distinct_mark_that_can_mislead():
    looks = set()
    for action in samples.ACTIONS:
        clip = samples.shortcut(action, seed=0, frames=4)
        rows, columns = np.nonzero(clip.mark[0])
        colour = clip.frames[:, clip.mark[0]].mean((0, 1))
        looks.add((rows.min(), columns.min(), *(round(value / 40) for value in colour)))
    assert len(looks) == len(samples.ACTIONS)
    wrong, right = samples.shortcut("jog", mark="kick", seed=3), samples.shortcut("kick", seed=3)
    np.testing.assert_array_equal(wrong.mark, right.mark)
    np.testing.assert_array_equal(wrong.frames[wrong.mark], right.frames[right.mark])
    assert wrong.label == "jog"


@pytest.mark.parametrize(
    ("call", "text"),
    [
        (lambda: samples.single("kik"), r"action must be one of .*; got 'kik'; did you mean 'kick'\?"),
        (lambda: samples.single("zzz"), r"action must be one of 'wave one hand', .*'arm circle'; got 'zzz'$"),
        (lambda: samples.single("idle"), "action must be one of .*; got 'idle'"),
        (
            lambda: samples.contrast("jog", "waving one hand"),
            r"b must be one of .*; did you mean 'wave one hand'",
        ),
        (lambda: samples.contrast("jog", "jog"), "two different actions, got 'jog' twice"),
        (lambda: samples.moving_pair("jog", "jog"), "two different actions, got 'jog' twice"),
        (lambda: samples.moving_pair("jog", "jogg"), r"b must be one of .*; did you mean 'jog'"),
        (lambda: samples.compose("kick", "jog"), "arms must be one of 'wave one hand'.*; got 'kick'"),
        (lambda: samples.compose("clap", "clap"), "legs must be one of 'kick', 'squat', 'jog'; got 'clap'"),
        (lambda: samples.shortcut("jog", mark="jogg"), r"mark must be one of .* got 'jogg'; did you mean 'jog'"),
        (lambda: samples.window("jog", 4, 16), r"0 <= first < last < 16 \(frames\), got 4 and 16"),
        (lambda: samples.window("jog", 4, 4), "first < last"),
        (lambda: samples.window("jog", -1, 4), "first must be at least 0, got -1"),
        (lambda: samples.still(seed=-1), "seed must be at least 0, got -1"),
        (lambda: samples.still(frames=3), "frames must be at least 4, got 3"),
        (lambda: samples.camera("jog", size=31.5), r"size must be a whole number, got 31\.5"),
    ],
)
def test_invalid_arguments_are_clear_errors(call, text):
    with pytest.raises(ValueError, match=text):
        call()
