"""The demo and the one call, as a newcomer uses them."""

from __future__ import annotations

from pathlib import Path

import numpy as np

import notebook_explain as ne
from notebook_explain import api
from tests import zoo


def test_the_demo_names_both_actions_and_finds_each_on_who_does_it() -> None:
    tubes = ne.demo()
    sample = ne.samples.contrast(*api.DEMO_ACTIONS, seed=api.DEMO_SEED)
    np.testing.assert_array_equal(tubes.clip.frames, sample.frames)
    assert {name for name, _ in tubes.targets[0].top5[:2]} == set(sample.labels)
    assert [target.name for target in tubes.targets] == list(sample.labels)
    assert tubes.clip.source.startswith("synthetic sample")
    for at, (own, other) in enumerate([sample.people, sample.people[::-1]]):
        evidence = tubes.volume(target=at).clip(min=0)
        assert evidence[own.person].sum() > 4 * evidence[other.person].sum()


def test_the_demo_model_explains_any_clip_and_keeps_its_names() -> None:
    model = ne.demo_model()
    tubes = ne.explain(model, ne.samples.single("squat", seed=11))
    assert tubes.targets[0].name == "squat"
    assert not tubes.provenance.caveats  # everything about it is stated


def test_one_call_takes_a_path_and_a_module(tmp_path: Path) -> None:
    import cv2

    path = tmp_path / "clip.avi"
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*"MJPG"), 10, (48, 40))
    for frame in zoo.random_clip(20, 48)[:, :40]:
        writer.write(np.ascontiguousarray(frame))
    writer.release()
    stated = {"size": 32, "frames": 8, "mean": 0.45, "std": 0.225, "layout": "BCTHW"}
    tubes = ne.explain(zoo.ZOO["residual"].make(), path, labels=["a", "b", "c", "d", "e"], **stated)
    assert tubes.clip.size == (8, 32, 32)
    assert tubes.clip.source == str(path)
    assert tubes.targets[0].name in "abcde"
