"""Batched scores: equal to those of single clips, whatever the network takes and returns."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

import notebook_explain as ne
from notebook_explain.evaluation import scores as scores_module
from notebook_explain.evaluation.scores import Scorer
from notebook_explain.models import VideoModel
from tests import zoo

STATED: dict[str, Any] = {"size": 16, "frames": 8, "mean": 0.45, "std": 0.225}


class SmallNet(nn.Module):
    """Convolution, pooling and classifier; ``finish`` makes the output from logits."""

    def __init__(self, finish: Callable[[torch.Tensor], Any] = lambda logits: logits, classes: int = 3) -> None:
        super().__init__()
        self.conv, self.fc, self.finish = nn.Conv3d(3, 8, 3, padding=1), nn.Linear(8, classes), finish

    def forward(self, clips: torch.Tensor) -> Any:
        return self.finish(self.fc(self.conv(clips).relu().mean((2, 3, 4))))


class PerFrame(SmallNet):
    def forward(self, clips: torch.Tensor) -> Any:
        return self.fc(self.conv(clips).relu().mean((3, 4)).mT).mT  # (batch, class, time)


class FramesFirst(SmallNet):
    def forward(self, frames: torch.Tensor) -> Any:
        clips = frames.unflatten(0, (-1, 8)).transpose(1, 2)
        return super().forward(clips)


class OfAllFrames(SmallNet):
    """Averages over everything in the batch axis, so that clips cannot share a pass."""

    def forward(self, frames: torch.Tensor) -> Any:
        return super().forward(frames.transpose(0, 1)[None])


class MixesClips(SmallNet):
    def forward(self, clips: torch.Tensor) -> Any:
        return super().forward(clips - clips.mean(0, keepdim=True) + 0.1 * clips)


class WritesIntoItsInput(SmallNet):
    def forward(self, clips: torch.Tensor) -> Any:
        return super().forward(clips.mul_(2))


class TwoHeads(SmallNet):
    def forward(self, clips: torch.Tensor) -> Any:
        features = self.conv(clips).relu().mean((2, 3, 4))
        return {"features": features, "verb": self.fc(features), "noun": -self.fc(features)[:, :2]}


BATCHED: dict[str, tuple[Callable[[], nn.Module], dict[str, Any]]] = {
    "logits": (SmallNet, {"layout": "BCTHW"}),
    "channels second": (lambda: nn.Sequential(Swapped(), SmallNet()), {"layout": "BTCHW"}),
    "softmax": (lambda: SmallNet(lambda logits: logits.softmax(-1)), {"layout": "BCTHW"}),
    "object": (lambda: SmallNet(lambda logits: SimpleNamespace(logits=logits, loss=None)), {"layout": "BCTHW"}),
    "dict": (lambda: SmallNet(lambda logits: {"logits": logits}), {"layout": "BCTHW"}),
    "binary": (lambda: SmallNet(classes=1), {"layout": "BCTHW", "labels": ("real", "fake"), "outputs": "binary"}),
    "per frame": (PerFrame, {"layout": "BCTHW"}),
    "frames first": (FramesFirst, {"layout": "(BT)CHW"}),
    "writes": (WritesIntoItsInput, {"layout": "BCTHW"}),
}
SINGLE: dict[str, tuple[Callable[[], nn.Module], dict[str, Any]]] = {
    "all frames": (OfAllFrames, {"layout": "(BT)CHW"}),
    "mixes": (MixesClips, {"layout": "BCTHW"}),
}


class Swapped(nn.Module):
    def forward(self, clips: torch.Tensor) -> torch.Tensor:
        return clips.transpose(1, 2)


def variants(count: int = 7) -> torch.Tensor:
    return torch.randn(count, 3, 8, 16, 16, generator=torch.Generator().manual_seed(0))


def scored(
    model: VideoModel, target: Any, batch: int | None, videos: torch.Tensor
) -> tuple[Scorer, scores_module.Scores]:
    scorer = Scorer(model, batch)
    resolved, _ = scorer.resolve(videos[:1], target)
    before = scorer.forwards
    found = scorer.scores(lambda first, end: videos[first:end].clone(), len(videos), resolved)
    scorer.forwards -= before
    return scorer, found


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("target", [None, 0, ne.Target(1) - 0], ids=["top", "first", "difference"])
@pytest.mark.parametrize("name", [*BATCHED, *SINGLE])
def test_scores_of_a_batch_are_those_of_single_clips(name: str, target: Any) -> None:
    make, options = {**BATCHED, **SINGLE}[name]
    model = ne.adapt(zoo.seeded(make), **STATED, **options)
    videos = variants()
    _, single = scored(model, target, 1, videos)
    scorer, batched = scored(model, target, 3, videos)
    np.testing.assert_allclose(batched.logits, single.logits, atol=1e-5)
    assert np.ptp(single.logits) > 1e-4
    is_difference = isinstance(target, ne.Target)
    assert (batched.probabilities is None) == (single.probabilities is None) == is_difference
    if batched.probabilities is not None and single.probabilities is not None:
        np.testing.assert_allclose(batched.probabilities, single.probabilities, atol=1e-6)
    assert scorer._mixes_clips == (name in SINGLE)


@pytest.mark.filterwarnings("ignore")
def test_each_head_of_a_network_has_its_scores() -> None:
    model = ne.adapt(
        zoo.seeded(TwoHeads), **STATED, layout="BCTHW", labels={"verb": ("a", "b", "c"), "noun": ("d", "e")}
    )
    videos = variants(4)
    _, verbs = scored(model, "a", 2, videos)
    _, nouns = scored(model, "d", 2, videos)
    np.testing.assert_allclose(verbs.logits, -nouns.logits, atol=1e-5)


ZOO = "i3d_per_time x3d_head probs_first features_and_logits sigmoid_out cls_token tsm slowfast".split()


@pytest.mark.parametrize("name", ZOO)
@pytest.mark.filterwarnings("ignore")
def test_networks_of_the_zoo(name: str) -> None:
    entry = zoo.ZOO[name]
    model = ne.adapt(entry.make(), size=32, frames=entry.frames, mean=zoo.MEAN, std=zoo.STD, layout=entry.layout)
    videos = torch.randn(3, 3, *model.preprocessing.shape, generator=torch.Generator().manual_seed(0))
    _, single = scored(model, 0, 1, videos)
    scorer, batched = scored(model, 0, 3, videos)
    np.testing.assert_allclose(batched.logits, single.logits, rtol=1e-3, atol=1e-4)
    assert scorer._mixes_clips == (name == "features_and_logits")  # a gradient tells which of its outputs are logits


def test_passes_are_batches_and_are_counted() -> None:
    sizes: list[int] = []
    net = zoo.seeded(SmallNet)
    model = ne.adapt(net, **STATED, layout="BCTHW")

    class Watching(Scorer):
        def _batched(self, shadow: Any, videos: torch.Tensor, target: Any) -> Any:
            sizes.append(len(videos))
            return super()._batched(shadow, videos, target)

    scorer = Watching(model, 4)
    videos = variants(9)
    target, result = scorer.resolve(videos[:1], 1)
    assert result.name == "class 1"
    scorer.scores(lambda first, end: videos[first:end], 9, target)
    assert sizes == [4, 4]  # the last clip is alone
    assert scorer.forwards == 1 + 9 + 2  # two clips of the first batch run alone too


def test_the_batch_fits_the_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    model = ne.adapt(zoo.seeded(SmallNet), **STATED, layout="BCTHW")
    videos = variants(2)
    largest = 8 * 8 * 16 * 16 * 4  # bytes of the convolution's output
    for clips in (1, 3, 5):
        monkeypatch.setattr(scores_module, "CPU_BYTES", clips * largest + 1)
        scorer, _ = scored(model, 0, None, videos)
        assert scorer._batch == clips
    monkeypatch.setattr(scores_module, "CPU_BYTES", 2**40)
    assert scored(model, 0, None, videos)[0]._batch == scores_module.MOST_CPU


def test_a_batch_that_does_not_fit_is_halved() -> None:
    sizes: list[int] = []

    class Small(Scorer):
        def _batched(self, shadow: Any, videos: torch.Tensor, target: Any) -> Any:
            sizes.append(len(videos))
            if len(videos) > 2:
                raise torch.cuda.OutOfMemoryError
            return super()._batched(shadow, videos, target)

    model = ne.adapt(zoo.seeded(SmallNet), **STATED, layout="BCTHW")
    videos = variants(6)
    scorer = Small(model, 8)
    target, _ = scorer.resolve(videos[:1], 0)
    found = scorer.scores(lambda first, end: videos[first:end], 6, target)
    assert sizes == [6, 4, 2, 2, 2]
    np.testing.assert_allclose(found.logits, scored(model, 0, 1, videos)[1].logits, atol=1e-5)


def test_one_target_for_each_pair() -> None:
    model = ne.adapt(zoo.seeded(SmallNet), **STATED, layout="BCTHW")
    with pytest.raises(TypeError, match=r"a pair \(clip, target\) has one target, got \[0, 1\]"):
        Scorer(model).resolve(variants(1), [0, 1])
