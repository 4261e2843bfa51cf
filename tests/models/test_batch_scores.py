"""Scores of a batch equal those of its clips, one by one, for every network of the zoo."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

import notebook_explain as ne
from notebook_explain.explanations import Target
from notebook_explain.models import VideoModel
from notebook_explain.models.batch_scores import BatchScores
from tests import zoo
from tests.models.test_adapt import EXPLAINABLE, adapted, clip_for

APART = {"mutates_input", "fixed_shape"}  # traits of networks that may take one clip at a time


def _videos(model: VideoModel, name: str) -> torch.Tensor:
    clip = model.prepare(clip_for(name))[1]
    video = model.preprocessing.tensor(clip, torch.device("cpu"), torch.float32)
    return torch.cat([video, video.flip(2), 0.5 * video])


def _scores(model: VideoModel, videos: torch.Tensor, targets: list[Target]) -> tuple[torch.Tensor, BatchScores]:
    scores = BatchScores(model, targets)

    def run(shadow: nn.Module) -> torch.Tensor:
        with torch.no_grad():
            scores.probe(shadow, videos[:2])
            return scores(shadow, videos)

    return model.on_shadow(run)[0], scores


@pytest.mark.parametrize("name", sorted(EXPLAINABLE))
def test_a_batch_has_the_scores_of_its_clips(name: str) -> None:
    model = adapted(name)
    tubes = ne.SaliencyTubes()(model, clip_for(name), [0, Target(0) - Target(1)])
    head = tubes.targets[0].head
    targets = [Target(0, head), Target(0, head) - Target(1, head)]
    videos = _videos(model, name)
    found, scores = _scores(model, videos, targets)
    assert found.shape == (3, 2)
    assert found[0].tolist() == pytest.approx([result.logit for result in tubes.targets], rel=1e-3, abs=1e-4)
    single = BatchScores(model, targets)
    single.needs_graph = scores.needs_graph
    alone = model.on_shadow(lambda shadow: torch.cat([single(shadow, video[None]).detach() for video in videos]))[0]
    np.testing.assert_allclose(found, alone, rtol=1e-3, atol=1e-4)
    assert not torch.allclose(found[0], found[1])


def test_most_networks_share_a_pass() -> None:
    together = 0
    for name in sorted(EXPLAINABLE):
        model = adapted(name)
        head = ne.SaliencyTubes()(model, clip_for(name), 0).targets[0].head
        together += _scores(model, _videos(model, name), [Target(0, head)])[1].is_together
    assert together >= 0.8 * len(EXPLAINABLE)


class _Mixing(nn.Module):
    """A network that normalises over the batch."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.head = nn.Conv3d(3, 4, 3, padding=1), nn.Linear(4, 3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.conv(x)
        return self.head((x - x.mean(0).mean((1, 2, 3), keepdim=True)).relu().mean((2, 3, 4)))


def test_a_network_that_mixes_clips_gets_one_at_a_time() -> None:
    torch.manual_seed(0)
    model = ne.adapt(_Mixing().eval(), size=16, frames=4, layout="BCTHW", mean=zoo.MEAN, std=zoo.STD)
    videos = torch.randn(4, 3, 4, 16, 16, generator=torch.Generator().manual_seed(1))
    found, scores = _scores(model, videos, [Target(1, "")])
    assert not scores.is_together
    alone = [float(model.module(video[None]).detach()[0, 1]) for video in videos]
    assert found[:, 0].tolist() == pytest.approx(alone, rel=1e-4)


def test_gradients_pass_where_they_are_enabled() -> None:
    model = adapted("residual")
    videos = _videos(model, "residual").requires_grad_()
    scores = BatchScores(model, [Target(1, "")])
    scores.is_together = True
    (found,) = model.on_shadow(lambda shadow: torch.autograd.grad(scores(shadow, videos).sum(), videos))[0]
    other = videos.detach().clone().requires_grad_()
    (wanted,) = torch.autograd.grad(model.module(other)[:, 1].sum(), other)
    np.testing.assert_allclose(found, wanted, rtol=1e-3, atol=1e-6)
