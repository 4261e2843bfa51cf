"""Small networks and clips for tests of concepts."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
import torch
from torch import nn

import notebook_explain as ne
from notebook_explain.explanations import Concepts
from tests import zoo

SIZE = (8, 32, 32)
SPECIFIED: dict[str, Any] = {"size": 32, "frames": 8, "mean": 0.5, "std": 0.25, "layout": "BCTHW"}


class Small(nn.Module):
    """Two convolutions on what moves, average pooling, linear classifier; 4 x 8 x 8 positions.

    Parameters
    ----------
    activation : nn.Module
        A GELU makes signed activations.
    strided : int
        Number of further strided convolutions: two leave 1 x 2 x 2 cells, three a single one.
    """

    def __init__(self, activation: nn.Module | None = None, *, strided: int = 0) -> None:
        super().__init__()
        activation = activation or nn.ReLU()
        self.stem = nn.Sequential(nn.Conv3d(3, 8, 3, (1, 2, 2), 1), activation)
        self.block = nn.Sequential(nn.Conv3d(8, 12, 3, 2, 1), activation)
        more = [part for _ in range(strided) for part in (nn.Conv3d(12, 12, 3, 2, 1), activation)]
        self.last = nn.Sequential(*(more or [nn.Conv3d(12, 12, 1), activation]))
        self.pool, self.head = nn.AdaptiveAvgPool3d(1), nn.Linear(12, 5)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return logits (batch, class)."""
        moving = x - x.mean(2, keepdim=True)
        return self.head(self.pool(self.last(self.block(self.stem(moving)))).flatten(1))


def small_model(**knobs: Any) -> ne.VideoModel:
    """Return an adapted `Small` whose weights are the same each time."""
    return ne.adapt(zoo.seeded(lambda: Small(**knobs)), **SPECIFIED)


def random_clips(count: int, first: int = 0) -> list[np.ndarray]:
    """Return clips of moving clouds."""
    return [zoo.random_clip(8, 32, first + seed) for seed in range(count)]


@cache
def small_concepts_run() -> tuple[ne.VideoModel, Concepts]:
    """Return a model, and the concepts of its class 1 in eight clips."""
    model = small_model()
    return model, ne.ConceptDiscovery(count=5)(model, random_clips(8), 1)
