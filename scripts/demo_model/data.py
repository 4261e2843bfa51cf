"""Clips for the bundled network, as tensors: who acts, and what the right answer is.

The seeds of what is trained on and what is held out never meet: see `HELD_OUT` and `training_seed`.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from notebook_explain.models.demo.net import FRAMES, LABELS, MEAN, SIZE, STD
from notebook_explain.samples import Sample, contrast, single

HELD_OUT = 10_000_000  # seeds below it are for measuring: singles from 0, pairs from 5,000,000
HELD_OUT_PAIRS = 5_000_000


def training_seed(seed: int) -> int:
    """The first clip's seed of a training run; it may draw ten million clips before it meets the next run's."""
    return HELD_OUT * (seed + 1)


def normalised(samples: list[Sample]) -> Tensor:
    """Clips float (batch, 3, time, height, width), ``(value / 255 - mean) / std``."""
    pixels = torch.from_numpy(np.stack([sample.frames for sample in samples])).permute(0, 4, 1, 2, 3).float() / 255
    mean, std = (torch.tensor(value).view(3, 1, 1, 1) for value in (MEAN, STD))
    return ((pixels - mean) / std).contiguous()


def singles(first: int, count: int) -> list[Sample]:
    """One person who acts, of the seeds from `first` on; the actions take turns."""
    return [single(LABELS[seed % len(LABELS)], seed=seed, frames=FRAMES, size=SIZE) for seed in _seeds(first, count)]


def pairs(first: int, count: int) -> list[Sample]:
    """Two people who do different things, of the seeds from `first` on; every pair of actions is as likely."""
    return [contrast(*_two(seed), seed=seed, frames=FRAMES, size=SIZE) for seed in _seeds(first, count)]


def answers(samples: list[Sample]) -> Tensor:
    """What to answer: float (batch, class), one split evenly among the actions that are done."""
    right = torch.zeros(len(samples), len(LABELS))
    for row, sample in zip(right, samples, strict=True):
        row[[LABELS.index(label) for label in sample.labels]] = 1 / len(sample.labels)
    return right


def _seeds(first: int, count: int) -> range:
    return range(first, first + count)


def _two(seed: int) -> tuple[str, str]:
    a, b = np.random.default_rng((seed, 0)).choice(len(LABELS), 2, replace=False)
    return LABELS[a], LABELS[b]
