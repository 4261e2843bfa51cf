"""Saliency tubes: the evidence for a class at every position of a clip, at every layer, from one pass back and forth.

At the tensor A that enters global average pooling before a linear classifier U, b::

    tube(t, y, x) = sum_c U[class, c] * A[c, t, y, x]        mean(tube) + b[class] = logit[class]

without ReLU, signed, exact. There, U = N * d logit / d A (N = number of voxels), so at every layer the local product ::

    tube(t, y, x) = N * sum_c (d logit / d A[c, t, y, x]) * A[c, t, y, x]

is the same thing where the paper defines it, and goes on where it does not: its mean is what the layer's positions
add to the logit, comparable across layers; how far it is from the logit is reported as ``gap``. ``pooled=True``
averages the gradient over the positions first, the weighting of Grad-CAM.

Building blocks that tell of each frame (``layers``) are heard in the same pass: `Tubes.courses`.

Reference: Stergiou, Kapidis, Kalliatakis, Chrysoulas, Veltkamp, Poppe: Saliency Tubes: Visual Explanations for
Spatio-Temporal Convolutions, ICIP 2019, arXiv:1902.01078.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from notebook_explain._errors import UsageTypeError
from notebook_explain.explanations import LayerMap, TargetResult, Tubes
from notebook_explain.methods.block_recorder import SignalRecorder
from notebook_explain.methods.common import fitted, provenance
from notebook_explain.models import POOLING_INPUT, Layer, Recording, VideoModel, score_of

COMPLETE = 1e-3  # of the logit's size: what float32 leaves of an exact sum


@dataclass(frozen=True)
class SaliencyTubes:
    """Explain a model's score by where, in space and time, it comes from.

    Attributes
    ----------
    layers : tuple of str, optional
        Names of layers; by default the model's catalogue (stem, blocks, input of global pooling).
    pooled : bool
        Weight channels by their gradient averaged over positions (Grad-CAM) instead of position by position.
    """

    layers: tuple[str, ...] | None = None
    pooled: bool = False

    def __post_init__(self) -> None:
        if self.layers is not None:
            given: Any = self.layers
            if isinstance(given, str) or not isinstance(given, (list, tuple)):
                raise UsageTypeError(
                    f"layers must be a list of layer names, got {given!r}; "
                    "the model comes afterwards: SaliencyTubes()(model, clip)"
                )
            if not all(isinstance(name, str) for name in given):
                raise UsageTypeError(f"layers must be names (text), got {given!r}; model.layers lists them")
            object.__setattr__(self, "layers", tuple(given))

    def __call__(self, model: VideoModel, clip: Any, target: Any = None) -> Tubes:
        """Explain one clip.

        Parameters
        ----------
        model : VideoModel
            From ``notebook_explain.adapt``.
        clip : Clip, path, or uint8 array (time, height, width, 3)
        target : None, label, index, Target, or a list of these
            ``None`` explains the top class; several targets share the forward pass.

        Returns
        -------
        Tubes

        Raises
        ------
        TypeError, ValueError
            An unknown layer or target, or something that is not a model or a clip.
        ExplainError
            No gradient can be had.
        """
        start = time.perf_counter()
        clip, seen = fitted(model, clip)
        layers = model.select(self.layers)
        heard = SignalRecorder(model)

        def compute(recording: Recording) -> tuple[tuple[TargetResult, ...], list[NDArray[np.float32]]]:
            targets = model.resolve(recording.heads, target)
            scores = [score_of(recording, one) for one in targets]
            found = [self._maps(recording, score, score is scores[-1]) for score in scores]
            return model.results(recording, targets), [np.stack(maps) for maps in zip(*found, strict=True)]

        (targets, values), said = model.run(seen, layers, compute, heard.around)
        layers, courses = heard.placed(layers), heard.courses()
        maps = _layer_maps(layers, values, targets)
        caveats = (*heard.caveats, *model.remarks(clip), *said, *heard.remarks, *_completeness(maps, targets))
        method = "Saliency tubes" + (", gradients pooled (Grad-CAM)" if self.pooled else "")
        return Tubes(seen, targets, maps, provenance(method, self, model, start, len(targets), caveats), courses)

    def _maps(self, recording: Recording, score: torch.Tensor, last: bool) -> list[NDArray[np.float32]]:
        """One map per layer for one score; channels are summed before anything leaves the device."""
        gradients = recording.gradients(score, last=last)
        maps = []
        for layer in recording.layers:
            gradient, activations = gradients[layer.name], recording.volume(layer)
            if self.pooled:
                gradient = gradient.mean((2, 3, 4), keepdim=True).expand_as(activations)
            product = torch.einsum("bcthw,bcthw->bthw", gradient.float(), activations.float())[0]
            maps.append((product * product.numel()).cpu().numpy().astype(np.float32))
        return maps


def _layer_maps(
    layers: Sequence[Layer], values: Sequence[NDArray[np.float32]], targets: Sequence[TargetResult]
) -> tuple[LayerMap, ...]:
    """Maps with their gaps; parallel pathways of one stage account for the score together."""
    logits = np.array([target.logit for target in targets], np.float64)
    means = [value.mean(axis=(1, 2, 3), dtype=np.float64) for value in values]
    stages: dict[Any, Any] = {}
    keys = [_stage(layer) for layer in layers]
    for key, mean in zip(keys, means, strict=True):
        stages[key] = stages.get(key, 0) + mean
    return tuple(
        LayerMap(
            layer.name, layer.kind, value, layer.geometry, layer.pathway, (logits - stages[key]).astype(np.float32)
        )
        for layer, value, key in zip(layers, values, keys, strict=True)
    )


def _stage(layer: Layer) -> Any:
    if layer.pathway is None:
        return layer.name
    return POOLING_INPUT if layer.kind == POOLING_INPUT else (layer.place.module, layer.place.call)


def _completeness(maps: Sequence[LayerMap], targets: Sequence[TargetResult]) -> list[str]:
    """Say when the evidence at the end of the network does not add up to the score."""
    ends = [layer for layer in maps if layer.kind == POOLING_INPUT]
    if not ends:
        return ["The network has no global pooling among these layers, so no map adds up to the score exactly."]
    caveats = []
    for at, target in enumerate(targets):
        gap = float(ends[-1].gap[at]) if ends[-1].gap is not None else float("nan")
        # Where the classifier comes before the pooling, its bias is in the map already and nothing is missing.
        missing = min(abs(gap - bias) for bias in (0.0, target.bias or 0.0))
        if missing <= COMPLETE * max(1.0, abs(target.logit)):
            continue
        caveats.append(
            f"The evidence for {target.name!r} before the global pooling adds up to {target.logit - gap:.3g}, "
            f"the score is {target.logit:.3g}: what lies between them is not linear."
        )
    return caveats
