"""Clips as users pass them, knobs, and one clear error for each mistake."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

import notebook_explain as ne
from notebook_explain import samples
from notebook_explain.clip import Clip
from notebook_explain.methods.concepts.clips import iterate_clips
from tests.explanations.equality import assert_same
from tests.methods.concepts.networks import random_clips, small_concepts_run, small_model

QUICK = ne.ConceptDiscovery(count=3, fills=("blur",))


def _folder(root: Path, clips: list[np.ndarray]) -> None:
    """Write clips as folders of frames without loss."""
    for number, clip in enumerate(clips):
        folder = root / f"clip{number:02}"
        folder.mkdir(parents=True)
        for index, frame in enumerate(clip):
            assert cv2.imwrite(str(folder / f"{index:03}.png"), frame[..., ::-1])


def test_an_iterator_an_array_and_a_folder_give_what_a_list_gives(tmp_path: Path) -> None:
    model, clips = small_model(), random_clips(5)
    expected = QUICK(model, clips, 1)
    _folder(tmp_path / "here", clips)
    _folder(tmp_path / "classes" / "class_1", clips)
    _folder(tmp_path / "classes" / "class_2", random_clips(5, 50))
    (tmp_path / "here" / ".hidden").write_text("x")
    given = [(clip for clip in clips), np.stack(clips), tmp_path / "here", str(tmp_path / "here")]
    for one in given:
        assert_same(QUICK(model, one, 1).concepts, expected.concepts)
    by_class = QUICK(model, tmp_path / "classes", "class 1")
    assert_same(by_class.concepts, expected.concepts)
    with pytest.raises(ValueError, match="no folder for the class 'class 3'; it has 'class_1', 'class_2'"):
        QUICK(model, tmp_path / "classes", "class 3")


def test_all_folders_of_random_clips_are_read(tmp_path: Path) -> None:
    _folder(tmp_path / "random500_0", random_clips(2))
    _folder(tmp_path / "random500_1", random_clips(3, 10))
    names = [path.relative_to(tmp_path).as_posix() for path in iterate_clips(tmp_path, is_mixed=True)]
    assert names == [f"random500_0/clip0{k}" for k in range(2)] + [f"random500_1/clip0{k}" for k in range(3)]
    assert len(list(iterate_clips(tmp_path / "random500_1", is_mixed=True))) == 3


def test_samples_are_clips() -> None:
    model = ne.demo_model()
    concepts = QUICK(model, [samples.single("kick", seed=8_152_000 + k) for k in range(5)], "kick")
    assert concepts.target_name == "kick"
    assert any("5 of the 5 clips are synthetic samples" in caveat for caveat in concepts.caveats)


def test_without_a_target_the_top_class_of_the_first_clip_is_explained() -> None:
    model, clips = small_model(), random_clips(5)
    concepts = QUICK(model, clips)
    assert concepts.target_name == ne.SaliencyTubes()(model, clips[0]).targets[0].name
    assert len({result.name for result in concepts.results}) == 1


def test_clips_of_mixed_size_and_length_are_made_to_fit() -> None:
    rng = np.random.default_rng(0)
    sizes = [(8, 32, 32), (12, 40, 60), (20, 33, 32), (8, 64, 64), (30, 48, 36)]
    concepts = QUICK(small_model(), [rng.integers(0, 256, (*size, 3), np.uint8) for size in sizes], 1)
    assert {clip.size for clip in concepts.clips} == {(8, 32, 32)}


@pytest.mark.parametrize(
    ("clips", "words"),
    [
        (lambda: random_clips(4), "clips holds 4 clips, but concepts need at least 5, and 20 or more"),
        (lambda: random_clips(1), "clips holds 1 clip, but"),
        (list, "clips holds no clip"),
        (lambda: random_clips(1)[0], "clips is one clip, but concepts need at least 5"),
        (lambda: Clip(random_clips(1)[0]), "clips is one clip"),
        (lambda: samples.single("kick"), "clips is one clip"),
        (lambda: 7, "clips must be clips of one class, got int"),
        (lambda: Path("/nowhere"), "no folder '/nowhere'"),
        (lambda: Path(__file__), "is one file, but concepts need"),
    ],
)
def test_too_few_clips_and_other_things(clips: Any, words: str) -> None:
    with pytest.raises((ValueError, FileNotFoundError), match=re.escape(words)):
        QUICK(small_model(), clips(), 1)


def test_an_empty_folder_and_a_file_that_is_no_clip(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="is empty; give a list of clips"):
        QUICK(small_model(), tmp_path, 1)
    (tmp_path / "notes.txt").write_text("not a clip")
    with pytest.raises(ValueError, match=r"notes\.txt' is a text file, not a video"):
        QUICK(small_model(), tmp_path, 1)


@pytest.mark.parametrize(
    ("knobs", "words"),
    [
        ({"units": "position"}, "units must be one of 'positions', 'supervoxels', 'crops'.*did you mean 'positions'"),
        ({"mode": "papers"}, "mode must be one of 'ablation', 'paper'"),
        ({"fills": "blur"}, r"fills must be a list such as \('blur', 'freeze'\), got 'blur'"),
        ({"fills": ()}, "fills must be a list"),
        ({"fills": ("blurr",)}, "fill must be one of"),
        ({"count": 1}, "count must be at least 2"),
        ({"count": 201}, "count must be at most 200"),
        ({"count": 2.5}, "count must be a whole number"),
        ({"presence": 1.5}, "presence must lie in 0..1"),
        ({"batch": 0}, "batch must be at least 1"),
        ({"seed": -1}, "seed must be at least 0"),
        ({"layer": 3}, "layer must be the name of a layer"),
        ({"cav_layer": ["a"]}, "cav_layer must be the name of a layer"),
    ],
)
def test_knobs_are_checked(knobs: dict[str, Any], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        ne.ConceptDiscovery(**knobs)


def test_a_wrong_model_or_target() -> None:
    with pytest.raises(TypeError, match="model must be a VideoModel, got str"):
        QUICK("net", random_clips(5), 1)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="concepts are those of one target"):
        QUICK(small_model(), random_clips(5), [0, 1])
    with pytest.raises(ValueError, match="target 9 is out of range"):
        QUICK(small_model(), random_clips(5), 9)
    with pytest.raises(ValueError, match="'kik' is not a label of this model; similar labels: 'kick'"):
        QUICK(ne.demo_model(), [samples.single("kick", seed=k) for k in range(5)], "kik")


def test_a_difference_of_two_classes_can_be_explained() -> None:
    concepts = QUICK(small_model(), random_clips(5), ne.Target(1) - 2)
    assert concepts.target_name == "class 1 \u2212 class 2"
    np.testing.assert_allclose(concepts.remainder, 0, atol=1e-4)


def test_knobs_are_values() -> None:
    explainer = ne.ConceptDiscovery(fills=["freeze", "freeze", "blur"])  # type: ignore[arg-type]
    assert explainer.fills == ("freeze", "blur")
    assert explainer == ne.ConceptDiscovery(fills=("freeze", "blur"))
    assert (explainer.clusters, ne.ConceptDiscovery(units="supervoxels").clusters) == (10, 25)
    assert small_concepts_run()[1].provenance.knobs["count"] == 5
