"""Networks whose answers to edits are known in closed form."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor, nn

import notebook_explain as ne
from notebook_explain.models import VideoModel

FRAMES, SIZE = 9, 12
SPECIFIED = {"size": SIZE, "frames": FRAMES, "mean": 0.0, "std": 1.0, "layout": "BCTHW"}


class FrameWeights(nn.Module):
    """Two classes; the logit of the first is a weighted sum of the mean brightness of the frames."""

    def __init__(self, weights: Sequence[float]) -> None:
        super().__init__()
        self.stem = nn.Conv3d(3, 1, 1, bias=False)
        nn.init.constant_(self.stem.weight, 1 / 3)
        self.weights = nn.Parameter(torch.tensor(weights))

    def forward(self, x: Tensor) -> Tensor:
        brightness = self.stem(x).mean((1, 3, 4))
        score = brightness @ self.weights
        return torch.stack([score, torch.zeros_like(score)], 1)


def reads_frames(weights: Sequence[float]) -> VideoModel:
    """Return a network that reads the mean brightness of each frame with these weights."""
    return ne.adapt(FrameWeights(weights), **SPECIFIED, labels=["bright", "dark"])


class Linear(nn.Module):
    """Two classes; the logit of the first is linear in the clip."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv3d(3, 4, 1, bias=False)
        self.head = nn.Linear(4 * FRAMES * SIZE * SIZE, 2)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.stem(x).flatten(1))


def coloured_clip(seed: int = 0, frames: int = FRAMES, size: int = SIZE) -> ne.Clip:
    """Return a clip of random colours, brighter in each frame."""
    rng = np.random.default_rng(seed)
    pixels = rng.integers(0, 128, (frames, size, size, 3)) + 10 * np.arange(frames)[:, None, None, None]
    return ne.Clip(pixels.astype(np.uint8), times=np.arange(frames) / 10, frame_numbers=2 * np.arange(frames))
