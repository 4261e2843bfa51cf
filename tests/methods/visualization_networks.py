"""Tiny networks for feature visualization: of clips and of pictures, with planted detectors, and one that counts its passes."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

import notebook_explain as ne

CLIPS: dict[str, Any] = {"size": 12, "frames": 4, "mean": 0.5, "std": 0.5, "layout": "BCTHW"}
PICTURES: dict[str, Any] = {"size": 24, "frames": 1, "mean": 0.5, "std": 0.5, "layout": "(BT)CHW"}


class TinyNet(nn.Module):
    """Two convolutions, a pooling and a classifier of three classes."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Sequential(nn.Conv3d(3, 6, 3, padding=1), nn.BatchNorm3d(6), nn.ReLU())
        self.block = nn.Sequential(nn.Conv3d(6, 8, 3, padding=1), nn.ReLU())
        self.fc = nn.Linear(8, 3)

    def forward(self, x: Tensor) -> Tensor:
        return self.fc(self.block(self.stem(x)).mean((2, 3, 4)))


class CountingNet(TinyNet):
    """Appends the number of clips of every pass to a list that its copies share, and fails at a chosen pass."""

    def __init__(self) -> None:
        super().__init__()
        self.log = SharedLog()

    def forward(self, x: Tensor) -> Tensor:
        self.log.passes.append(len(x))
        if len(self.log.passes) == self.log.fails_at:
            raise self.log.error
        return super().forward(x)


class SharedLog:
    """A list that copies of a module share."""

    def __init__(self) -> None:
        self.passes: list[int] = []
        self.fails_at = 0
        self.error: BaseException = RuntimeError("no memory")

    def __deepcopy__(self, memo: Any) -> SharedLog:
        return self


class GaborNet(nn.Module):
    """Energy of fixed Gabor filters of a picture: an even and an odd filter for each of four orientations."""

    def __init__(self) -> None:
        super().__init__()
        weights = torch.stack([gabor(angle, phase) for angle in range(4) for phase in (0.0, np.pi / 2)])
        self.filters = nn.Conv2d(3, 8, 9, padding=4, bias=False)
        self.filters.weight.data = weights[:, None].repeat(1, 3, 1, 1) / 3
        self.energy = _Energy()
        self.fc = nn.Linear(4, 4, bias=False)
        self.fc.weight.data = torch.eye(4)

    def forward(self, x: Tensor) -> Tensor:
        return self.fc(self.energy(self.filters(x)).mean((2, 3)))


class _Energy(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x[:, 0::2].square() + x[:, 1::2].square()


def gabor(angle: int, phase: float, size: int = 9, frequency: float = 0.2) -> Tensor:
    """Return a filter (size, size) whose wave runs along an angle of so many times 45 degrees, without a mean."""
    y, x = np.mgrid[:size, :size] - (size - 1) / 2
    theta = np.pi * angle / 4
    wave = np.cos(2 * np.pi * frequency * (x * np.cos(theta) + y * np.sin(theta)) + phase)
    kernel = wave * np.exp(-(x**2 + y**2) / (2 * 2.0**2))
    return torch.from_numpy((kernel - kernel.mean()).astype(np.float32))


def grating(angle: int, seed: int, size: int = 24) -> NDArray[np.uint8]:
    """Return a picture of a wave along an angle of so many times 45 degrees, with noise and a random phase."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:size, :size]
    theta = np.pi * angle / 4
    wave = np.cos(2 * np.pi * 0.2 * (x * np.cos(theta) + y * np.sin(theta)) + rng.uniform(0, 2 * np.pi))
    values = 127 + 60 * wave[..., None] + rng.normal(0, 12, (size, size, 3))
    return values.clip(0, 255).astype(np.uint8)


def clips(count: int = 6, seed: int = 0) -> list[NDArray[np.uint8]]:
    """Return random clips for networks with the settings `CLIPS`; every other one is half as bright."""
    rng = np.random.default_rng(seed)
    return [rng.integers(0, 256 if k % 2 else 128, (4, 12, 12, 3), np.uint8) for k in range(count)]


def tiny_model(net: nn.Module | None = None, **settings: Any) -> ne.VideoModel:
    """Return a tiny network of clips, adapted; its weights are those of seed 0."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        made = TinyNet() if net is None else net
    return ne.adapt(made, **{**CLIPS, "keep_hooks": False, **settings})
