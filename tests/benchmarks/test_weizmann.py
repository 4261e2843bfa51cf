"""Real clips and leave-one-person-out folds: nothing of the held-out person reaches the training."""

from __future__ import annotations

import csv
import shutil
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from benchmarks.weizmann import FOLDER, LABELS, RealClip, folds, found, read, starts, window, windows

real = pytest.mark.skipif(not found(), reason="the real clips are not on this machine")
ROW = {"file": "a.jpg", "label": "bend", "person": "3", "is_hflip": "0", "n_frames": "5"}


def write(folder: Path, *rows: dict[str, str]) -> Path:
    """Write an artificial dataset: frame k of every clip is red 30 k, green 0, blue 0."""
    for row in rows:
        strip = np.zeros((64, 64 * 5, 3), np.uint8)
        strip[..., 2] = 30 * (np.arange(64 * 5) // 64)
        cv2.imwrite(str(folder / row["file"]), strip)
    with (folder / "labels.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, list(ROW))
        writer.writeheader()
        writer.writerows(rows)
    return folder


def numbered(people: int = 3) -> list[RealClip]:
    """Return clips whose pixels have the value of the person's number."""
    return [
        RealClip(np.full((20, 64, 64, 3), person, np.uint8), label, person)
        for label in LABELS
        for person in range(people)
    ]


@pytest.fixture(scope="module")
def clips():
    return read()


@real
def test_there_are_four_actions_of_nine_people_without_mirrored_copies(clips):
    assert [(clip.person, clip.label) for clip in clips] == [(p, label) for p in range(9) for label in LABELS]
    assert all(clip.frames.shape[1:] == (64, 64, 3) and clip.frames.dtype == np.uint8 for clip in clips)
    assert (min(len(clip.frames) for clip in clips), max(len(clip.frames) for clip in clips)) == (51, 146)


@real
def test_frames_are_cut_from_the_strip_as_rgb(clips):
    jack = next(clip for clip in clips if (clip.label, clip.person) == ("jack", 0))
    strip = np.asarray(Image.open(FOLDER / "strips" / "00000004.jpg").convert("RGB"))
    for k in (0, 50, 102):
        np.testing.assert_array_equal(jack.frames[k], strip[:, 64 * k : 64 * (k + 1)])


@real
def test_no_training_clip_equals_a_held_out_clip_or_its_mirror(clips):
    for fold in folds(clips):
        for held in (clip.frames[25] for clip in fold.held_out):
            for other in (clip.frames[25].astype(int) for clip in fold.training):
                assert min(np.abs(other - held).mean(), np.abs(other - held[:, ::-1]).mean()) > 3


def test_artificial_files_are_read_as_rgb_in_order_without_mirrors(tmp_path):
    clips = read(
        write(tmp_path, ROW, {**ROW, "file": "b.jpg", "is_hflip": "1"}, {**ROW, "file": "c.jpg", "person": "1"})
    )
    assert [(clip.person, clip.label, clip.index) for clip in clips] == [(1, "bend", 3), (3, "bend", 3)]
    np.testing.assert_allclose(clips[0].frames[:, 32, 32], [[30 * k, 0, 0] for k in range(5)], atol=6)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"label": "walk"}, r"a\.jpg has the label 'walk', expected one of wave1, wave2, jack, bend"),
        ({"n_frames": "6"}, r"a\.jpg must be an image of shape \(64, 384, 3\), got \(64, 320, 3\)"),
        ({"file": "gone.jpg"}, r"gone\.jpg must be an image of shape \(64, 320, 3\), got None"),
    ],
)
def test_rows_that_disagree_with_their_images_are_named(tmp_path, change, message):
    write(tmp_path, {**ROW, **change})
    if "file" in change:
        (tmp_path / change["file"]).unlink()
    with pytest.raises(ValueError, match=message):
        read(tmp_path)


def test_missing_clips_are_one_error(tmp_path):
    assert not found(tmp_path)
    with pytest.raises(
        FileNotFoundError, match=r"no labels\.csv in test_missing.*the real clips are not on this machine"
    ):
        read(tmp_path)
    write(tmp_path, ROW)
    assert found(tmp_path)
    shutil.rmtree(tmp_path)


def test_each_person_is_left_out_once_and_is_absent_from_the_training():
    clips = numbered()
    all_folds = list(folds(clips))
    assert [fold.person for fold in all_folds] == [0, 1, 2]
    for fold in all_folds:
        assert {int(clip.frames.min()) for clip in fold.held_out} == {fold.person}
        assert {int(clip.frames.max()) for clip in fold.training} == {0, 1, 2} - {fold.person}
        assert {*map(id, fold.training), *map(id, fold.held_out)} == set(map(id, clips))


def test_windows_are_spread_over_the_whole_clip():
    assert starts(61, 16, 3, 4) == [0, 5, 10, 15]
    assert starts(61, 16, 3, 1) == [8]
    assert starts(46, 16, 3, 3) == [0, 0, 0]
    ramp = np.arange(61, dtype=np.uint8)[:, None, None, None]
    assert windows(ramp, 16, 3, 4)[:, [0, 1, 15], 0, 0, 0].tolist() == [[s, s + 3, s + 45] for s in (0, 5, 10, 15)]
    assert window(ramp, 15, 16, 3).ravel().tolist() == list(range(15, 61, 3))


def test_a_clip_shorter_than_a_window_is_refused():
    with pytest.raises(ValueError, match="needs 46 frames, but the clip has 45; use a smaller stride"):
        starts(45, 16, 3, 4)
