"""The demo and `explain`, as a new user calls them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import notebook_explain as ne
from notebook_explain import api
from tests import zoo


def test_the_demo_finds_each_action_on_the_person_who_performs_it() -> None:
    tubes = ne.demo()
    sample = ne.samples.contrast(*api.DEMO_ACTIONS, seed=api.DEMO_SEED)
    np.testing.assert_array_equal(tubes.clip.frames, sample.frames)
    assert {name for name, _ in tubes.targets[0].top5[:2]} == set(sample.labels)
    assert [target.name for target in tubes.targets] == list(sample.labels)
    assert tubes.clip.source.startswith("synthetic sample")
    for target, (actor, other) in enumerate([sample.people, sample.people[::-1]]):
        evidence = tubes.volume(target=target).clip(min=0)
        assert evidence[actor.person].sum() > 4 * evidence[other.person].sum()


def test_the_demo_model_explains_any_clip_with_its_labels() -> None:
    model = ne.demo_model()
    tubes = ne.explain(model, ne.samples.single("squat", seed=11))
    assert tubes.targets[0].name == "squat"
    assert not tubes.provenance.caveats  # nothing had to be inferred


def test_explain_takes_a_module_and_a_path(tmp_path: Path) -> None:
    import cv2

    path = tmp_path / "clip.avi"
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*"MJPG"), 10, (48, 40))
    for frame in zoo.random_clip(20, 48)[:, :40]:
        writer.write(np.ascontiguousarray(frame))
    writer.release()
    options = {"size": 32, "frames": 8, "mean": 0.45, "std": 0.225, "layout": "BCTHW"}
    tubes = ne.explain(zoo.ZOO["residual"].make(), path, labels=["a", "b", "c", "d", "e"], **options)
    assert tubes.clip.size == (8, 32, 32)
    assert tubes.clip.source == str(path)
    assert tubes.targets[0].name in "abcde"


def test_explain_rejects_preprocessing_of_an_adapted_model() -> None:
    with pytest.raises(TypeError, match=r"adapted already; pass size, labels to adapt\(\) instead of explain\(\)"):
        ne.explain(ne.demo_model(), ne.samples.single("squat", seed=11), size=32, labels=["a"])
