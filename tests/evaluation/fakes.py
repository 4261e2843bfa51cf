"""Networks and explainers whose values are known in closed form."""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import nn

import notebook_explain as ne
from notebook_explain.explanations import Geometry, LayerMap, Provenance, TargetResult, Tubes
from notebook_explain.models import VideoModel

FRAMES, SIDE, CLASSES = 4, 8, 3


class LinearNet(nn.Module):
    """Logits that are linear in every voxel; it counts the clips that it has run, over all copies of it."""

    def __init__(self, seed: int = 0, scale: float = 1.0) -> None:
        super().__init__()
        self.identity = nn.Conv3d(3, 3, 1, groups=3, bias=False)  # a layer whose cells have positions
        nn.init.ones_(self.identity.weight)
        self.classifier = nn.Linear(3 * FRAMES * SIDE * SIDE, CLASSES)
        generator = torch.Generator().manual_seed(seed)
        with torch.no_grad():
            for parameter in self.classifier.parameters():
                parameter.copy_(scale * torch.randn(parameter.shape, generator=generator))
        self.counted = Counter()

    def forward(self, clips: torch.Tensor) -> torch.Tensor:
        self.counted.clips += len(clips)
        return self.classifier(self.identity(clips).flatten(1))

    @property
    def weights(self) -> torch.Tensor:
        """(class, channel, time, height, width)."""
        return self.classifier.weight.detach().view(CLASSES, 3, FRAMES, SIDE, SIDE)


class Counter:
    """A number that copies of a network share."""

    def __init__(self) -> None:
        self.clips = 0

    def __deepcopy__(self, memo: dict[int, Any]) -> Counter:
        return self


def adapted(net: nn.Module, **changes: Any) -> VideoModel:
    """Return a network of 4 x 8 x 8 clips as a VideoModel."""
    stated = {"size": SIDE, "frames": FRAMES, "mean": 0.5, "std": 0.25, "layout": "BCTHW", "labels": ("a", "b", "c")}
    return ne.adapt(net, **{**stated, **changes})


@functools.cache
def clip(seed: int = 0, size: tuple[int, int, int] = (FRAMES, SIDE, SIDE)) -> ne.Clip:
    rng = np.random.default_rng(seed)
    return ne.Clip(rng.integers(0, 256, (*size, 3), np.uint8), source=f"clip {seed}")


def tubes_of(model: VideoModel, given: Any, volume: np.ndarray) -> Tubes:
    """Return tubes whose map at the resolution of the clip is a volume."""
    seen = model.fit(ne.Clip.of(given))
    values = np.asarray(volume, np.float32)[None]
    layer = LayerMap("map", "block", values, Geometry.even(seen.size, seen.size))
    return Tubes(seen, (TargetResult("a", 0, "", 0.0, 0.5),), (layer,), Provenance("fake"))


@dataclass(frozen=True)
class Noise:
    """Random maps that depend on the clip and the seed."""

    seed: int = 0

    def __call__(self, model: VideoModel, given: Any, target: Any = None) -> Tubes:
        seen = model.fit(ne.Clip.of(given))
        rng = np.random.default_rng(self.seed + int(seen.frames.astype(np.int64).sum()))
        return tubes_of(model, given, rng.normal(size=seen.size))


@dataclass(frozen=True)
class Constant:
    """The same map for every clip."""

    volume: bytes

    @classmethod
    def of(cls, volume: np.ndarray) -> Constant:
        return cls(np.asarray(volume, np.float32).tobytes())

    def __call__(self, model: VideoModel, given: Any, target: Any = None) -> Tubes:
        size = model.preprocessing.shape
        return tubes_of(model, given, np.frombuffer(self.volume, np.float32).reshape(size))


def exact_explainer(net: LinearNet, fill: Callable[[torch.Tensor], torch.Tensor], sign: int = 1) -> Callable[..., Any]:
    """Return an explainer of a linear network: what each voxel adds to the logit, compared with a background."""

    def explain(model: VideoModel, given: Any, target: Any = None) -> Tubes:
        seen = model.fit(ne.Clip.of(given))
        video = model.preprocessing.tensor(seen, torch.device("cpu"), torch.float32)
        effect = net.weights[int(target.label)] * (video - fill(video))[0]
        return tubes_of(model, given, sign * effect.sum(0).numpy())

    return explain


def mean_colour(video: torch.Tensor) -> torch.Tensor:
    return video.mean((2, 3, 4), keepdim=True)
