"""Clips for training and evaluation as tensors, and the correct answers.

Training and evaluation use disjoint seeds: see `HELD_OUT` and `training_seed`.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from notebook_explain.models.demo.net import FRAMES, LABELS, MEAN, SIZE, STD
from notebook_explain.samples import Sample, contrast, single

HELD_OUT = 10_000_000  # seeds below it are for evaluation: singles from 0, pairs from 5,000,000
HELD_OUT_PAIRS = 5_000_000


def training_seed(seed: int) -> int:
    """Return the seed of the first clip of a training run; ten million clips are left before the next run's."""
    return HELD_OUT * (seed + 1)


def normalised(samples: list[Sample]) -> Tensor:
    """Return clips float (batch, 3, time, height, width), ``(value / 255 - mean) / std``."""
    pixels = torch.from_numpy(np.stack([sample.frames for sample in samples])).permute(0, 4, 1, 2, 3).float() / 255
    mean, std = (torch.tensor(value).view(3, 1, 1, 1) for value in (MEAN, STD))
    return ((pixels - mean) / std).contiguous()


def singles(first: int, count: int) -> list[Sample]:
    """Make clips of one person from consecutive seeds; the actions alternate."""
    return [single(LABELS[seed % len(LABELS)], seed=seed, frames=FRAMES, size=SIZE) for seed in _seeds(first, count)]


def pairs(first: int, count: int) -> list[Sample]:
    """Make clips of two people with different actions from consecutive seeds; all pairs are equally likely."""
    return [contrast(*_two_actions(seed), seed=seed, frames=FRAMES, size=SIZE) for seed in _seeds(first, count)]


def answers(samples: list[Sample]) -> Tensor:
    """Return target probabilities (batch, class), split evenly among the actions in a clip."""
    targets = torch.zeros(len(samples), len(LABELS))
    for row, sample in zip(targets, samples, strict=True):
        row[[LABELS.index(label) for label in sample.labels]] = 1 / len(sample.labels)
    return targets


def _seeds(first: int, count: int) -> range:
    return range(first, first + count)


def _two_actions(seed: int) -> tuple[str, str]:
    a, b = np.random.default_rng((seed, 0)).choice(len(LABELS), 2, replace=False)
    return LABELS[a], LABELS[b]
