"""Networks that judge made clips in ``benchmarks.visualization``: they took no part in making them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

from benchmarks.small_net import SmallNet, fresh
from notebook_explain.samples import ACTIONS, Sample, camera, contrast, moving_pair, single
from scripts.demo_model.data import answers, normalised

TRAINING, STEPS, BATCH = 9_900_000, 900, 24  # seeds and length of the training of the second judge
WEIGHTS = Path(__file__).parents[1] / "out" / "visualization_judge.pt"


def second_judge(report: Callable[[str], None] = print) -> nn.Module:
    """Train a small network on grey clips whose contrast is reversed in half of them, or read its weights."""
    net = fresh(lambda: SmallNet(len(ACTIONS)), 1)
    if WEIGHTS.exists():
        net.load_state_dict(torch.load(WEIGHTS, map_location="cpu", weights_only=True))
        return net.eval()
    optimizer = torch.optim.AdamW(net.parameters(), lr=5e-3, weight_decay=0.01)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 5e-3, total_steps=STEPS)
    for step in range(STEPS):
        batch = [_clip(seed) for seed in range(TRAINING + step * BATCH, TRAINING + (step + 1) * BATCH)]
        loss = F.cross_entropy(net.train()(_grey(normalised(batch), step)), answers(batch), label_smoothing=0.05)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
        if step % 100 == 99:
            report(f"  second judge, step {step + 1} of {STEPS}: loss {float(loss.detach()):.2f}")
    WEIGHTS.parent.mkdir(exist_ok=True)
    torch.save(net.state_dict(), WEIGHTS)
    return net.eval()


def _clip(seed: int) -> Sample:
    rng = np.random.default_rng((seed, 5))
    a, b = (str(name) for name in rng.choice(ACTIONS, 2, replace=False))
    kind = seed % 4
    if kind == 0:
        return single(a, seed=seed)
    if kind == 1:
        return camera(a, seed=seed)
    return contrast(a, b, seed=seed) if kind == 2 else moving_pair(a, b, seed=seed)


def _grey(videos: torch.Tensor, step: int) -> torch.Tensor:
    """Return grey clips, every other batch with reversed contrast."""
    grey = videos.mean(1, keepdim=True).expand_as(videos)
    return -grey if step % 2 else grey


class SeesGrey(nn.Module):
    """A network that gets the grey of its clips."""

    def __init__(self, net: nn.Module) -> None:
        super().__init__()
        self.net = net

    def forward(self, clips: torch.Tensor) -> torch.Tensor:
        """Return logits (batch, class)."""
        logits: torch.Tensor = self.net(clips.mean(1, keepdim=True).expand_as(clips))
        return logits
