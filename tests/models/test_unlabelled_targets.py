"""Classes without labels are named as they are shown, such as "class 1"."""

from __future__ import annotations

import pytest

import notebook_explain as ne
from tests import zoo


def test_a_class_without_a_label_is_found_by_its_shown_name() -> None:
    model = ne.adapt(zoo.ZOO["residual"].make(), size=32, frames=8, mean=zoo.MEAN, std=zoo.STD, layout="BCTHW")
    clip = zoo.random_clip(8, 32)
    result = ne.SaliencyTubes()(model, clip, "class 1").targets[0]
    assert (result.index, result.name) == (1, "class 1")
    with pytest.raises(ValueError, match="target 99 is out of range"):
        ne.SaliencyTubes()(model, clip, "class 99")
    for wrong in ("class", "class x", "wave"):
        with pytest.raises(ValueError, match="is a name, but this model has no labels"):
            ne.SaliencyTubes()(model, clip, wrong)
