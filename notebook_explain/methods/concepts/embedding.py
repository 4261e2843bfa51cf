"""Embedding of clips: features, evidence and gradients of layers, from one pass forward and one back for each clip."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from notebook_explain._errors import UsageTypeError
from notebook_explain.clip import Clip
from notebook_explain.explanations import Target, TargetResult
from notebook_explain.methods.concepts.layers import recorded_layers, unit_layers
from notebook_explain.methods.concepts.units import LayerCells
from notebook_explain.models import Layer, Recording, VideoModel, score_of
from notebook_explain.models.constant_norms import CONSTANT
from notebook_explain.models.recording import Gradients

Floats = NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class Embedded:
    """Features, evidence and gradients of one clip.

    Attributes
    ----------
    clip : Clip
        The frames that the network saw.
    result : TargetResult
    cells : tuple of LayerCells
        Of the layers that describe units.
    gradients : dict of layer name to float32 array (channel,)
        Of the score, summed over positions.
    """

    clip: Clip
    result: TargetResult
    cells: tuple[LayerCells, ...]
    gradients: Mapping[str, Floats]


class Embedder:
    """Runs clips through a model, and chooses target and layers at the first one.

    Parameters
    ----------
    model : VideoModel
    target : None, label, index or Target
        ``None`` is the top class of the first clip.
    layer : str, optional
        Name of the layer that describes units.
    cav_layer : str, optional
        Name of a layer whose gradient is needed.

    Attributes
    ----------
    target : Target or None
        Resolved, after the first clip.
    layers : tuple of Layer
        Layers that describe units, after the first clip.
    caveats : dict of str to None
        Caveats so far, in order.
    passes : int
        Number of passes forward, and back.
    """

    def __init__(self, model: VideoModel, target: Any, layer: str | None, cav_layer: str | None = None) -> None:
        if isinstance(target, (list, tuple)):
            raise UsageTypeError(f"concepts are those of one target, got {target!r}; call once for each of them")
        self.model, self._given, self._layer = model, target, layer
        self.recorded = recorded_layers(model, layer, cav_layer)
        self.target: Target | None = None
        self.layers: tuple[Layer, ...] = ()
        self.caveats: dict[str, None] = {}
        self.passes = 0

    def __call__(self, seen: Clip) -> Embedded:
        """Run one clip that fits."""

        def compute(recording: Recording) -> Embedded:
            target = self.target or self.model.resolve(recording.heads, self._given)[0]
            result = self.model.results(recording, [target])[0]
            gradients = recording.backward(score_of(recording, target))
            if self.target is None:
                self.target = target
                self.layers, caveats = unit_layers(self.model, recording, gradients, self._layer)
                self.caveats.update(dict.fromkeys(caveats))
            cells = tuple(_cells(recording, layer, gradients) for layer in self.layers)
            sums = {layer.name: _summed(layer, gradients) for layer in self.recorded}
            return Embedded(seen, result, cells, {name: found for name, found in sums.items() if found is not None})

        embedded, caveats = self.model.run(seen, self.recorded, compute, norms=CONSTANT)
        self.passes += 1
        self.caveats.update(dict.fromkeys(caveats))
        return embedded


def _cells(recording: Recording, layer: Layer, gradients: Gradients) -> LayerCells:
    features = recording.volume(layer)[0].flatten(1).float().cpu().numpy()
    evidence = recording.evidence(layer, gradients).values.flatten().float().cpu().numpy()
    return LayerCells(layer.geometry, layer.grid, features, evidence)


def _summed(layer: Layer, gradients: Gradients) -> Floats | None:
    """Return the gradient of each channel, summed over positions; None if the score does not depend on the layer."""
    parts = [part.layout.to_volume(gradients[part.ref]) for part in layer.parts if part.ref in gradients]
    if not parts:
        return None
    return torch.stack([part[0].flatten(1).float().sum(1) for part in parts]).sum(0).cpu().numpy()


def layer_features(model: VideoModel, clips: Sequence[Clip], layer: Layer) -> list[LayerCells]:
    """Return the features of one layer for clips that fit, without evidence."""
    found = []
    for clip in clips:
        features = model.run(clip, (layer,), lambda recording: recording.volume(layer)[0].flatten(1).float().cpu())[0]
        array = features.numpy()
        found.append(LayerCells(layer.geometry, layer.grid, array, np.zeros(array.shape[1], np.float32)))
    return found
