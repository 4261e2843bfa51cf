"""The made-up clips: reproducible, truthful about where the mover is, and clear about bad arguments."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest

from notebook_explain.samples import CLASSES, sample
from notebook_explain.samples.scene import SHAPES, TEXTURES, compose
from notebook_explain.samples.shapes import render


def centres(mask):
    """Mean x and y of each frame's mask: (time, 2)."""
    return np.stack([np.argwhere(frame).mean(axis=0)[::-1] for frame in mask])


@pytest.mark.parametrize("label", CLASSES)
def test_same_arguments_give_same_bytes(label):
    one, two = sample(label, seed=3), sample(label, seed=3)
    np.testing.assert_array_equal(one.frames, two.frames)
    np.testing.assert_array_equal(one.mask, two.mask)


def test_another_seed_gives_another_clip():
    one, two = sample("grows", seed=3), sample("grows", seed=4)
    assert np.any(one.frames != two.frames, axis=-1).mean() > 0.5
    assert np.any(one.mask != two.mask)


def test_the_global_random_state_is_neither_read_nor_changed():
    np.random.seed(1)  # noqa: NPY002
    before = np.random.get_state()[1].copy()  # noqa: NPY002
    one = sample("circles", seed=7)
    np.testing.assert_array_equal(np.random.get_state()[1], before)  # noqa: NPY002
    np.random.seed(2)  # noqa: NPY002
    np.testing.assert_array_equal(sample("circles", seed=7).frames, one.frames)


@pytest.mark.parametrize(("frames", "size"), [(4, 32), (16, 64), (9, 113)])
@pytest.mark.parametrize("label", CLASSES)
def test_shapes_types_and_ranges_hold_at_every_size(label, frames, size):
    clip = sample(label, seed=11, frames=frames, size=size)
    assert clip.frames.shape == (frames, size, size, 3)
    assert clip.frames.dtype == np.uint8
    assert clip.mask.shape == (frames, size, size)
    assert clip.mask.dtype == np.bool_
    assert (clip.label, clip.seed, clip.fps) == (label, 11, frames / 2)
    share = clip.mask.mean(axis=(1, 2))
    assert np.all((share > 0.005) & (share < 0.25))


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("texture", TEXTURES)
def test_recolouring_the_mover_changes_exactly_the_pixels_of_its_mask(shape, texture):
    for seed, label in enumerate(CLASSES):
        scene = compose(label, seed, 8)
        mover = replace(scene.mover, shape=shape, texture=texture)
        frames, mask = render(replace(scene, mover=mover), 64, seed)
        black, same = render(replace(scene, mover=replace(mover, colours=((0, 0, 0), (0, 0, 0)))), 64, seed)
        np.testing.assert_array_equal(np.any(frames != black, axis=-1), mask)
        np.testing.assert_array_equal(same, mask)


def test_the_mask_of_a_disc_is_the_disc():
    for seed in range(8):
        scene = compose("circles", seed, 8)
        scene = replace(scene, mover=replace(scene.mover, shape="disc"))
        _, mask = render(scene, 96, seed)
        x, y, radius = (96 * value[:, None, None] for value in scene.mover.path.T)
        pixel = np.arange(96) + 0.5
        distance = np.hypot(pixel[None, None, :] - x, pixel[None, :, None] - y)
        assert mask[distance < 0.95 * radius].all()
        assert not mask[distance > 0.95 * radius + 0.75].any()


def test_the_mover_stays_inside_the_picture():
    for seed in range(12):
        for label in CLASSES:
            mask = sample(label, seed=seed).mask
            assert not mask[:, [0, -1]].any()
            assert not mask[:, :, [0, -1]].any()


@pytest.mark.parametrize("seed", range(6))
def test_the_mover_does_what_the_label_says(seed):
    moved = {label: np.diff(centres(sample(label, seed=seed, size=96).mask), axis=0) for label in CLASSES}
    areas = {label: sample(label, seed=seed, size=96).mask.sum(axis=(1, 2)) for label in CLASSES}
    assert np.all(moved["moves left"][:, 0] < -1)
    assert np.all(moved["moves right"][:, 0] > 1)
    assert np.all(moved["moves up"][:, 1] < -1)
    assert np.all(moved["moves down"][:, 1] > 1)
    assert areas["grows"][-1] > 4 * areas["grows"][0]
    assert areas["shrinks"][0] > 4 * areas["shrinks"][-1]
    np.testing.assert_allclose(moved["circles"].sum(axis=0), 0, atol=1)
    assert np.linalg.norm(moved["circles"], axis=1).min() > 3
    turns = np.diff(np.sign(moved["bounces"][:, 1]))
    assert np.count_nonzero(turns) == 3  # up, down, up, down


@pytest.mark.parametrize("label", CLASSES)
def test_one_seed_is_one_scene_at_every_size_and_number_of_frames(label):
    small, large = sample(label, seed=5, frames=4, size=48), sample(label, seed=5, frames=13, size=96)
    np.testing.assert_allclose(2 * centres(small.mask) + 0.5, centres(large.mask[::4]), atol=0.7)
    halved = large.frames[::4].reshape(4, 48, 2, 48, 2, 3).mean(axis=(2, 4))
    assert np.abs(halved - small.frames).mean() < 3


def test_one_seed_has_one_look_under_every_label():
    scenes = [compose(label, 9, 4) for label in CLASSES]
    assert len({(s.mover.shape, s.mover.texture, s.mover.colours, s.still.colours) for s in scenes}) == 1


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ({"label": "move left"}, r"^label 'move left' is not one of 'moves left', .*; did you mean 'moves left'\?$"),
        ({"label": "wavs"}, r"^label 'wavs' is not one of 'moves left', .*, 'bounces'$"),
        ({"label": 3}, r"^label 3 is not one of 'moves left', "),
        ({"label": "grows", "seed": -1}, r"^seed must be a whole number, 0 or more, got -1$"),
        ({"label": "grows", "frames": 3}, r"^frames must be a whole number, 4 or more, got 3$"),
        ({"label": "grows", "frames": 8.0}, r"^frames must be a whole number, 4 or more, got 8\.0$"),
        ({"label": "grows", "size": 31}, r"^size must be a whole number, 32 or more, got 31$"),
    ],
)
def test_a_bad_argument_is_one_clear_error(arguments, text):
    with pytest.raises(ValueError, match=text):
        sample(**arguments)


def test_importing_samples_imports_neither_torch_nor_cv2():
    code = "import sys, notebook_explain.samples; assert not {'torch', 'cv2'} & set(sys.modules), 'imported'"
    subprocess.run([sys.executable, "-W", "error", "-c", code], check=True)
