"""The masks of people, compared with the frames, a count of points and the geometry of the camera."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from notebook_explain import samples
from notebook_explain.samples import render
from notebook_explain.samples.backgrounds import BORDER
from notebook_explain.samples.body import PARTS
from notebook_explain.samples.body_shapes import OWNERS, part_label
from notebook_explain.samples.render import SHADOW, SUBPIXELS, draw_labels, pixel_owners, render_frames
from notebook_explain.samples.scenes import Role, build_scene

CLIPS = {
    "single": lambda seed: samples.single(samples.ACTIONS[seed % 10], seed=seed),
    "contrast": lambda seed: samples.contrast("wave both hands", "jog", seed=seed),
    "compose": lambda seed: samples.compose("wave one hand", "jog", seed=seed),
    "moving_pair": lambda seed: samples.moving_pair("punch", "arm circle", seed=seed),
    "camera": lambda seed: samples.camera("bend", seed=seed),
}


def points_of(volume, owner):
    """Return the number of points of each pixel (time, height, width) that belong to the owner."""
    frames, side = len(volume), volume.shape[1] // SUBPIXELS
    return (volume % OWNERS == owner).reshape(frames, side, SUBPIXELS, side, SUBPIXELS).sum((2, 4))


def repainted(scene, part, gain):
    """Return the scene with a part of the first person, outline included, in a light colour times a gain."""
    paint = scene.people[0].paint.copy()
    paint[:, part] = gain * np.array((230.0, 210, 240))
    return replace(scene, people=(replace(scene.people[0], paint=paint), *scene.people[1:]))


@pytest.mark.parametrize("make", CLIPS.values(), ids=CLIPS)
def test_the_parts_tile_the_person(make):
    for seed in range(5):
        for person in make(seed).people:
            assert tuple(person.parts) == PARTS
            layers = np.sum(list(person.parts.values()), axis=0)
            np.testing.assert_array_equal(layers, person.person.astype(int))
            assert not (person.acting & ~person.person).any()


@pytest.mark.parametrize("make", CLIPS.values(), ids=CLIPS)
def test_acting_masks_consist_of_whole_parts_and_every_label_has_one(make):
    for seed in range(5):
        clip = make(seed)
        np.testing.assert_array_equal(np.sum(clip.masks, axis=0), clip.mask.astype(int))
        for person in clip.people:
            whole = [mask for mask in person.parts.values() if (mask & person.acting).any()]
            np.testing.assert_array_equal(np.any(whole, axis=0) if whole else ~person.person & False, person.acting)


@pytest.mark.parametrize("seed", range(4))
def test_a_pixel_belongs_to_a_person_who_covers_more_than_half_of_its_points(seed):
    scene = build_scene(seed, 6, [Role(("punch",)), Role(("squat",))])
    volume = draw_labels(scene, 48)
    for at in range(2):
        counts = np.stack([points_of(volume, part_label(at, part)) for part in range(len(PARTS))])
        owner = pixel_owners(volume, part_label(at, 0), len(PARTS))
        np.testing.assert_array_equal(owner > 0, 2 * counts.sum(axis=0) > SUBPIXELS * SUBPIXELS)
        np.testing.assert_array_equal(owner[owner > 0], counts.argmax(axis=0)[owner > 0] + 1)


@pytest.mark.parametrize("size", [32, 64, 112])
@pytest.mark.parametrize("part", range(len(PARTS)), ids=PARTS)
def test_recolouring_a_part_changes_exactly_its_pixels(part, size):
    seed = part + size
    scene = build_scene(seed, 4, [Role((samples.ACTIONS[part % 10],)), Role(("idle",))])
    scene, other = repainted(scene, part, 0.3), repainted(scene, part, 1.0)
    volume = draw_labels(scene, size)
    np.testing.assert_array_equal(volume, draw_labels(other, size))
    plain, lighter = (render_frames(each, volume, seed, noise=False) for each in (scene, other))
    changed = np.any(plain != lighter, axis=-1)
    np.testing.assert_array_equal(changed, points_of(volume, part_label(0, part)) > 0)
    mask = pixel_owners(volume, part_label(0, 0), len(PARTS)) == part + 1
    assert not (mask & ~changed).any()
    noisy = np.any(render_frames(scene, volume, seed) != render_frames(other, volume, seed), axis=-1)
    assert not (noisy & ~changed).any()  # the noise does not depend on what is drawn


def test_occlusion_applies_to_frames_and_masks():
    for seed in range(40):
        scene = build_scene(seed, 4, [Role(("wave one hand",))])
        if len(scene.people) == 2:
            break
    front, back = sorted(scene.people, key=lambda figure: -figure.feet[1])
    moved = replace(back, corners=back.corners + (front.feet - back.feet) * (1, 0))
    figures = tuple(moved if figure is back else figure for figure in scene.people)
    volumes = [draw_labels(replace(scene, people=each, ball=None), 64) for each in (scene.people, figures)]
    owners = [pixel_owners(volume, part_label(scene.people.index(front), 0), len(PARTS)) for volume in volumes]
    np.testing.assert_array_equal(owners[0], owners[1])
    hidden = [pixel_owners(volume, part_label(scene.people.index(back), 0), len(PARTS)) > 0 for volume in volumes]
    assert hidden[1].sum() < 0.8 * hidden[0].sum()


def test_shadows_are_behind_all_people(monkeypatch):
    scene = build_scene(2, 4, [Role(("jumping jack",)), Role(("idle",))])
    shaded = draw_labels(scene, 64)
    monkeypatch.setattr(render, "_shadow", lambda figure: (figure.labels[:0], figure.corners[:0]))
    plain = draw_labels(scene, 64)
    assert (shaded == SHADOW).any()
    np.testing.assert_array_equal(np.where(shaded == SHADOW, 0, shaded), plain)


@pytest.mark.parametrize("seed", range(6))
def test_the_masks_follow_the_camera(seed):
    scene = build_scene(seed, 8, [Role(("idle",))], moving_camera=True)
    fixed = replace(scene, camera=np.tile((1.0, 0.5, 0.5), (8, 1)))
    filmed, plain = (pixel_owners(draw_labels(each, 192), part_label(0, 0), len(PARTS)) > 0 for each in (scene, fixed))
    inner = np.zeros((192, 192), bool)
    inner[1:-1, 1:-1] = True  # whom the border cuts off has another middle
    whole = ~((filmed | plain) & ~inner).any(axis=(1, 2))
    assert whole.sum() > 2
    assert np.ptp(scene.camera[:, 0]) > 0.05
    for at in np.flatnonzero(whole):
        zoom, middle = scene.camera[at, 0], scene.camera[at, 1:]
        there, here = ((np.argwhere(mask[at])[:, ::-1].mean(axis=0) + 0.5) / 192 for mask in (filmed, plain))
        np.testing.assert_allclose(there, (here - middle) * zoom + 0.5, atol=1 / 192)  # half coverage rounds thin limbs
        np.testing.assert_allclose(filmed[at].sum(), plain[at].sum() * zoom**2, rtol=0.08)


@pytest.mark.parametrize("people", [1, 2])
def test_the_camera_never_leaves_the_room(people):
    for seed in range(200):
        scene = build_scene(seed, 16, [Role(("idle",))] * people, moving_camera=True)
        away = np.abs(scene.camera[:, 1:] - 0.5) + 0.5 / scene.camera[:, :1] + np.abs(scene.room.drift) / 2
        assert away.max() <= 0.5 + BORDER


def test_a_moving_camera_keeps_both_people_in_the_image():
    """Compare with a still camera, which loses as few points of their arms."""
    lost: dict[bool, list[float]] = {False: [], True: []}
    for seed in range(60):
        for moving in lost:
            scene = build_scene(seed, 8, [Role(("jumping jack",)), Role(("arm circle",))], moving_camera=moving)
            zoom, middle = scene.camera[:, None, :1], scene.camera[:, None, 1:]
            for figure in scene.people:
                spots = (figure.corners - middle) * zoom + 0.5
                lost[moving].append(float(((spots < 0) | (spots > 1)).any(axis=-1).mean()))
    assert np.mean(lost[True]) < 0.01
    assert max(lost[True]) < 0.12
    assert np.mean(lost[True]) < np.mean(lost[False]) + 0.005


def test_the_room_follows_the_same_camera_as_the_people():
    clip = build_scene(3, 2, [Role(("idle",))])
    size, zoom, middle = 96, 2.0, np.array((0.5, 0.5))
    room = replace(clip.room, drift=np.zeros(2))
    still = replace(clip, room=room, people=(), ball=None, light=np.ones(2))
    near = replace(still, camera=np.tile((zoom, *middle), (2, 1)))
    volume = np.zeros((2, SUBPIXELS * size, SUBPIXELS * size), np.uint8)
    far, close = (render_frames(each, volume, 0, noise=False)[0].astype(float) for each in (still, near))
    inner = far[size // 4 : 3 * size // 4, size // 4 : 3 * size // 4]
    shrunk = close.reshape(size // 2, 2, size // 2, 2, 3).mean((1, 3))
    assert np.abs(inner - shrunk).mean() < 2.5
    assert np.abs(inner - np.roll(shrunk, 3, axis=1)).mean() > 2 * np.abs(inner - shrunk).mean()
