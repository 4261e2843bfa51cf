"""The real clips of a visualization: their features, the statistics of their layers, and how they score."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from notebook_explain.clip import Clip
from notebook_explain.explanations import Target
from notebook_explain.explanations.visualization.synthesis import Best, Neighbour
from notebook_explain.methods.feature_visualization.objectives import Objective
from notebook_explain.methods.feature_visualization.passes import Pass
from notebook_explain.models import VideoModel
from notebook_explain.models.heads import Head
from notebook_explain.models.target_resolution import head_label

LEAST_SPREAD = 1e-6  # of a channel whose statistics are compared
BEST = 3  # classes kept of a prediction


@dataclass(frozen=True, eq=False)
class RealClip:
    """Features, prediction and scores of one real clip.

    Attributes
    ----------
    clip : Clip
        As the network gets it.
    means, spreads : dict of layer name to float tensor (channel,)
        Mean and standard deviation of each channel over all cells.
    best : tuple of (label, probability)
    motion : float
        Root mean square of the change between frames, in 0..1.
    scores : tuple of float
        Each objective of the run.
    """

    clip: Clip
    means: Mapping[str, torch.Tensor]
    spreads: Mapping[str, torch.Tensor]
    best: Best
    motion: float
    scores: tuple[float, ...] = ()

    @classmethod
    def of(cls, clip: Clip, found: Pass, model: VideoModel, objectives: Sequence[Objective]) -> RealClip:
        """Return what a pass of one clip holds."""
        means = {name: volume[0].detach().flatten(1).mean(1) for name, volume in found.volumes.items()}
        spreads = {name: volume[0].detach().flatten(1).std(1, correction=0) for name, volume in found.volumes.items()}
        scores = tuple(float(one.scores(found)[0]) for one in objectives)
        return cls(clip, means, spreads, best_of(model, found.heads[0]), motion_of(clip.frames), scores)


@dataclass(frozen=True, eq=False)
class LayerStatistics:
    """Means and standard deviations of the channels of a layer over a set of clips: float tensors (channel,)."""

    mean: torch.Tensor
    spread: torch.Tensor

    def distance(self, volume: torch.Tensor) -> torch.Tensor:
        """Return how far the statistics of each clip of a volume are from these: a float tensor (clip,)."""
        scale = self.spread.mean().clamp_min(LEAST_SPREAD)
        cells = volume.flatten(2)
        mean = cells.mean(2)
        variance = (cells - mean[..., None]).square().mean(2)  # on CPUs, var_mean takes seven times as long
        spread = (variance + 1e-8).sqrt()
        return ((mean - self.mean) / scale).square().mean(1) + ((spread - self.spread) / scale).square().mean(1)


class ReferenceSet:
    """Real clips, in the order in which they were given.

    Parameters
    ----------
    members : sequence of RealClip
    layer : str
        Layer in which distances between clips are measured.
    """

    def __init__(self, members: Sequence[RealClip], layer: str) -> None:
        self.members, self.layer = tuple(members), layer

    def __len__(self) -> int:
        return len(self.members)

    @property
    def clips(self) -> tuple[Clip, ...]:
        """The clips, as the network gets them."""
        return tuple(one.clip for one in self.members)

    @cached_property
    def features(self) -> NDArray[np.float64]:
        """Means of the layer's channels: float64 (clip, channel)."""
        return np.stack([one.means[self.layer].double().cpu().numpy() for one in self.members])

    def statistics(self, indices: Sequence[int] | None = None) -> dict[str, LayerStatistics]:
        """Return the statistics of every layer over all clips, or over some."""
        chosen = self.members if indices is None else [self.members[index] for index in indices]
        return {
            name: LayerStatistics(
                torch.stack([one.means[name] for one in chosen]).mean(0),
                torch.stack([one.spreads[name] for one in chosen]).mean(0),
            )
            for name in chosen[0].means
        }

    @cached_property
    def typical_distance(self) -> float:
        """Median distance between a clip and its nearest other clip; 0 with fewer than two clips."""
        if len(self) < 2:
            return 0.0
        distances = np.linalg.norm(self.features[:, None] - self.features[None], axis=-1)
        np.fill_diagonal(distances, np.inf)
        return float(np.median(distances.min(1)))

    def neighbours(self, features: NDArray[np.float64], count: int) -> tuple[Neighbour, ...]:
        """Return the nearest clips to features (channel,), as multiples of the typical distance; none without one."""
        if not self.typical_distance:
            return ()
        distances = np.linalg.norm(self.features - features, axis=1)
        order = np.argsort(distances, kind="stable")[:count]
        return tuple(Neighbour(int(index), float(distances[index] / self.typical_distance)) for index in order)

    def medoids(self, count: int, indices: Sequence[int] | None = None) -> list[int]:
        """Return the clips with the smallest mean distance to all, the most central first."""
        chosen = list(range(len(self))) if indices is None else list(indices)
        distances = np.linalg.norm(self.features[chosen][:, None] - self.features[chosen][None], axis=-1).mean(1)
        return [chosen[index] for index in np.argsort(distances, kind="stable")[:count]]

    def relative_motion(self, frames: NDArray[np.uint8]) -> float | None:
        """Return the motion of frames as a multiple of the median of the clips; None if those do not move."""
        typical = float(np.median([one.motion for one in self.members])) if self.members else 0.0
        return motion_of(frames) / typical if typical > 0 else None


def motion_of(frames: NDArray[np.uint8]) -> float:
    """Return the root mean square of the change between frames, in 0..1; 0 for a single frame."""
    if len(frames) < 2:
        return 0.0
    return float(np.sqrt(np.square(np.diff(frames.astype(np.float32), axis=0) / 255).mean()))


def extended_frame(clip: Clip) -> int:
    """Return the frame that differs most from the mean of the clip."""
    frames = clip.frames.astype(np.float32)
    return int(np.abs(frames - frames.mean(0)).mean((1, 2, 3)).argmax())


def best_of(model: VideoModel, heads: Mapping[str, Head], count: int = BEST) -> Best:
    """Return the best classes of the first head of a pass with their probabilities; () for values."""
    name, head = next(iter(heads.items()))
    found: Any = head.probabilities(Target(0, name))
    if found is None:
        return ()
    values = found[0].detach()
    best = values.topk(min(count, len(values)))
    return tuple(
        (head_label(model.labels, name, head, int(index)), float(value))
        for value, index in zip(best.values, best.indices, strict=True)
    )
