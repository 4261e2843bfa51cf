"""The code of the how-to pages on clips of values and on several inputs runs as it stands."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

import notebook_explain as ne
from notebook_explain.explanations.caveats import CaveatCode
from tests.models.test_bound_inputs import Batch, Both, Skeletons, Video
from tests.models.test_channels import Small

PAGES = Path(__file__).parents[2] / "docs" / "how-to"
RNG = np.random.default_rng(0)


class TwoSpeeds(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.slow, self.fast, self.fc = Video(), Video(), nn.Linear(16, 4)

    def forward(self, slow: torch.Tensor, fast: torch.Tensor) -> torch.Tensor:
        return self.fc(torch.cat([self.slow(slow), self.fast(fast)], 1))


def run(page: str, heading: str, names: dict[str, Any]) -> dict[str, Any]:
    """Run the code of one section, line by line where it is a list of calls."""
    text = (PAGES / page).read_text(encoding="utf-8")
    (section,) = re.findall(rf"^## {heading}\n(.*?)(?=^## )", text, re.DOTALL | re.MULTILINE)
    blocks = re.findall(r"```python\n(.*?)```", section, re.DOTALL)
    assert blocks
    for block in blocks:
        exec(compile(block, page, "exec"), names)
    return names


def test_inputs_that_are_not_three_colours() -> None:
    heatmaps = np.maximum(RNG.random((8, 32, 32, 17)) - 0.9, 0)
    names = {
        "ne": ne,
        "torch": torch,
        "volume": RNG.integers(-1000, 1000, (8, 32, 32)).astype(np.int16),
        "grey_net": Small(1),
        "skeleton_net": Skeletons(),
        "heatmaps": heatmaps,
    }
    found = run("adapt-a-model.md", "Inputs that are not three colours", names)
    assert found["ct"].picture.ranges == ((-1000.0, 400.0),)
    joints, clip = found["tubes"], found["tubes"].clip
    assert clip.picture.kind == "heatmaps"
    assert joints.layers[0].grid == (8, 32, 32)  # the evidence lies on the pixels of the heatmaps
    assert np.abs(joints.layers[0].values).max() > 0
    weights = heatmaps / heatmaps.sum((1, 2), keepdims=True)
    ramp = np.linspace(-1, 1, 32)
    expected = torch.tensor(np.stack([np.einsum("thwj,w->tj", weights, ramp), np.einsum("thwj,h->tj", weights, ramp)]))
    with torch.no_grad():
        scores = found["skeleton_net"].eval()(expected[None, ..., None].float())[0]
    assert joints.targets[0].logit == pytest.approx(float(scores.max()), abs=1e-4)


def test_several_inputs() -> None:
    names = {
        "ne": ne,
        "audio": torch.randn(1, 20),
        "audio_visual_net": Both(),
        "batch_net": Batch(),
        "two_speed_net": TwoSpeeds(),
        "stated": {"size": 24, "frames": 8, "mean": 0.5, "std": 0.25, "layout": "BCTHW"},
    }
    models = []

    class Recorder:
        """Keeps every model that the page adapts."""

        CLIP = ne.CLIP

        @staticmethod
        def adapt(*args: Any, **options: Any) -> ne.VideoModel:
            models.append(ne.adapt(*args, **options))
            return models[-1]

    run("adapt-a-model.md", "Several inputs", {**names, "ne": Recorder})
    held = [
        [str(one) for one in model.caveats if getattr(one, "code", None) == CaveatCode.HELD_INPUTS] for model in models
    ]
    assert [len(one) for one in held] == [1, 1, 1, 0]
    assert all("audio" in one for (one,) in held[:3])
    clip = RNG.integers(0, 256, (8, 24, 24, 3), np.uint8)
    for model in models:
        assert ne.SaliencyTubes()(model, clip, 0).layers


def test_values_that_are_no_colours() -> None:
    shown: list[ne.Clip] = []

    class Recorder:
        class Clip:
            @staticmethod
            def from_array(*args: Any, **options: Any) -> None:
                shown.append(ne.Clip.from_array(*args, **options))

    run(
        "read-a-clip.md",
        "Values that are no colours",
        {
            "ne": Recorder,
            "ct": RNG.integers(-1000, 1000, (3, 6, 7)).astype(np.int16),
            "cine": RNG.integers(0, 4096, (3, 6, 7)).astype(np.uint16),
            "flow": RNG.normal(size=(3, 2, 6, 7)),
            "heatmaps": RNG.random((3, 6, 7, 17)),
            "bands": RNG.integers(0, 10_000, (3, 6, 7, 10)).astype(np.uint16),
            "mask": RNG.random((3, 6, 7)) > 0.5,
        },
    )
    kinds = [clip.picture.kind for clip in shown if clip.picture is not None]
    assert kinds == ["grey", "grey", "flow", "heatmaps", "rgb", "grey"]
    assert [clip.values.shape[3] for clip in shown if clip.values is not None] == [1, 1, 2, 17, 10, 1]
