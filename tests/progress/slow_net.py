"""A small network whose layers wait, for tests of progress in other processes."""

from __future__ import annotations

import time
from typing import Any

import torch
from torch import nn

SPECIFIED = {"size": 16, "frames": 4, "mean": 0.5, "std": 0.5, "layout": "BCTHW"}


class _Wait(torch.autograd.Function):
    @staticmethod
    def forward(context: Any, x: torch.Tensor, seconds: list[float]) -> torch.Tensor:
        context.seconds = seconds
        time.sleep(seconds[0])
        return x.clone()

    @staticmethod
    def backward(context: Any, *gradients: torch.Tensor) -> tuple[torch.Tensor, None]:
        time.sleep(context.seconds[0])
        return gradients[0], None


class Waiting(nn.Module):
    """Layer that waits in both passes, for the seconds in a list that all of them share."""

    def __init__(self, seconds: list[float]) -> None:
        super().__init__()
        self.seconds = seconds

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if type(x) is not torch.Tensor or not x.requires_grad:
            time.sleep(self.seconds[0])
            return x * 1
        return _Wait.apply(x, self.seconds)

    def __deepcopy__(self, memo: dict[int, Any]) -> Waiting:
        return Waiting(self.seconds)


class SlowNet(nn.Module):
    """Convolutions, each followed by a layer that waits; set ``seconds[0]`` once it is adapted."""

    def __init__(self, count: int = 4) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.seconds = [0.0]
        parts: list[nn.Module] = []
        for index in range(count):
            parts += [nn.Conv3d(8 if index else 3, 8, 3, padding=1), Waiting(self.seconds)]
        self.features = nn.Sequential(*parts)
        self.head = nn.Linear(8, 3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.head(self.features(x).mean((2, 3, 4)))


# Code for another process: a model that waits as long as ``net.seconds[0]`` says, and a clip.
SETUP = """
import numpy as np, notebook_explain as ne
from tests.progress.slow_net import SPECIFIED, SlowNet
net = SlowNet()
model = ne.adapt(net, **SPECIFIED)
clip = ne.Clip(np.random.default_rng(0).integers(0, 255, (4, 16, 16, 3), dtype=np.uint8))
tubes = ne.SaliencyTubes()(model, clip)    # what is imported late
"""
