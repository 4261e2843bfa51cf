"""Clips for training and evaluation as tensors, and the correct answers.

Training and evaluation use disjoint seeds: see `EVALUATION_SEEDS` and `training_seed`.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from notebook_explain.models.demo.net import FRAMES, LABELS, MEAN, SIZE, STD
from notebook_explain.samples import Sample, camera, contrast, moving_pair, single

HELD_OUT = 10_000_000  # seeds below it are for evaluation
EVALUATION_SEEDS = {
    "single": 0,
    "camera": 2_500_000,
    "contrast": 5_000_000,
    "moving_pair": 7_500_000,
}  # first, by world
_ONE_PERSON = {"single": single, "camera": camera}
_TWO_PEOPLE = {"contrast": contrast, "moving_pair": moving_pair}


def training_seed(seed: int) -> int:
    """Return the seed of the first clip of a training run; ten million clips are left before the next run's."""
    return HELD_OUT * (seed + 1)


def normalised(samples: list[Sample]) -> Tensor:
    """Return clips float (batch, 3, time, height, width), ``(value / 255 - mean) / std``."""
    pixels = torch.from_numpy(np.stack([sample.frames for sample in samples])).permute(0, 4, 1, 2, 3).float() / 255
    mean, std = (torch.tensor(value).view(3, 1, 1, 1) for value in (MEAN, STD))
    return ((pixels - mean) / std).contiguous()


def clips(world: str, first: int, count: int) -> list[Sample]:
    """Make clips of a world from consecutive seeds.

    The actions of one person alternate; of two people, all pairs of different actions are equally likely.
    """
    seeds, given = range(first, first + count), {"frames": FRAMES, "size": SIZE}
    if world in _ONE_PERSON:
        return [_ONE_PERSON[world](LABELS[seed % len(LABELS)], seed=seed, **given) for seed in seeds]
    return [_TWO_PEOPLE[world](*_two_actions(seed), seed=seed, **given) for seed in seeds]


def singles(first: int, count: int) -> list[Sample]:
    """Make clips of one person, seen by a still camera."""
    return clips("single", first, count)


def pairs(first: int, count: int) -> list[Sample]:
    """Make clips of two people with different actions, seen by a still camera."""
    return clips("contrast", first, count)


def answers(samples: list[Sample]) -> Tensor:
    """Return target probabilities (batch, class), split evenly among the actions in a clip."""
    targets = torch.zeros(len(samples), len(LABELS))
    for row, sample in zip(targets, samples, strict=True):
        row[[LABELS.index(label) for label in sample.labels]] = 1 / len(sample.labels)
    return targets


def _two_actions(seed: int) -> tuple[str, str]:
    a, b = np.random.default_rng((seed, 0)).choice(len(LABELS), 2, replace=False)
    return LABELS[a], LABELS[b]
