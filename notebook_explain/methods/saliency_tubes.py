"""Saliency tubes: evidence for a class at every position of a clip, at every layer, from one forward and one backward pass.

At the tensor A that enters global average pooling before a linear classifier U, b::

    tube(t, y, x) = sum_c U[class, c] * A[c, t, y, x]        mean(tube) + b[class] = logit[class]

without ReLU, signed, exact. There, U = N * d logit / d A (N = number of voxels). The local product ::

    tube(t, y, x) = N * sum_c (d logit / d A[c, t, y, x]) * A[c, t, y, x]

is the same at this layer, where the paper defines tubes, and extends them to every other layer. Its mean is the
contribution of the layer's positions to the logit, comparable across layers; its difference from the logit is reported as
``gap``. ``pooled=True`` averages the gradient over positions first, as Grad-CAM does.

Signals per frame that modules report (``layers``) are recorded in the same pass: `Tubes.frame_signals`.

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
from notebook_explain.explanations.caveats import Caveat, CaveatCode
from notebook_explain.methods.block_recorder import SignalRecorder
from notebook_explain.methods.common import prepare_clip, provenance
from notebook_explain.models import POOLING_INPUT, Layer, Recording, VideoModel, score_of

COMPLETE = 1e-3  # largest relative error of a sum that is exact but for float32 rounding

_NO_POOLING = "These layers include no input of a global pooling, so no map adds up to the score exactly."
_NOT_LINEAR = (
    "The evidence for {!r} before the global pooling adds up to {:.3g}, but the score is {:.3g}: the network is not linear "
    "after this layer."
)


@dataclass(frozen=True)
class SaliencyTubes:
    """Explain a model's score by its sources in space and time.

    Attributes
    ----------
    layers : tuple of str, optional
        Names of layers; by default ``model.layers`` (stem, blocks, input of global pooling).
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
                    "the model is passed in the call: SaliencyTubes()(model, clip)"
                )
            if not all(isinstance(name, str) for name in given):
                raise UsageTypeError(f"layers must be names (str), got {given!r}; model.layers lists them")
            object.__setattr__(self, "layers", tuple(given))

    def __call__(self, model: VideoModel, clip: Any, target: Any = None) -> Tubes:
        """Explain one clip.

        Parameters
        ----------
        model : VideoModel
            From ``notebook_explain.adapt``.
        clip : Clip, path, or uint8 array (time, height, width, 3)
        target : None, label, index, Target, or a list of these
            ``None`` is the top class. Several targets share the forward pass.

        Returns
        -------
        Tubes

        Raises
        ------
        TypeError, ValueError
            An unknown layer or target, or an argument that is not a model or a clip.
        ExplainError
            No gradient reaches a layer.
        """
        start = time.perf_counter()
        clip, seen = prepare_clip(model, clip)
        layers = model.select(self.layers)
        recorder = SignalRecorder(model)

        def compute(recording: Recording) -> tuple[tuple[TargetResult, ...], list[NDArray[np.float32]]]:
            targets = model.resolve(recording.heads, target)
            scores = [score_of(recording, resolved) for resolved in targets]
            maps_by_target = [self._maps(recording, score, score is scores[-1]) for score in scores]
            return model.results(recording, targets), [np.stack(maps) for maps in zip(*maps_by_target, strict=True)]

        (targets, values), pass_caveats = model.run(seen, layers, compute, recorder.hooks)
        layers, frame_signals = recorder.layers_at_selected_frames(layers), recorder.frame_signals()
        maps = _layer_maps(layers, values, targets)
        caveats = [*recorder.model_caveats, *model.clip_caveats(clip), *pass_caveats, *recorder.caveats]
        caveats += _completeness_caveats(maps, targets)
        method = "Saliency tubes" + (", gradients pooled (Grad-CAM)" if self.pooled else "")
        return Tubes(seen, targets, maps, provenance(method, self, model, start, len(targets), caveats), frame_signals)

    def _maps(self, recording: Recording, score: torch.Tensor, last: bool) -> list[NDArray[np.float32]]:
        """Return one map per layer for one score; channels are summed on the device."""
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
    """Return maps with their gaps; the gap of parallel pathways is that of their sum."""
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
    return POOLING_INPUT if layer.kind == POOLING_INPUT else (layer.ref.module, layer.ref.call)


def _completeness_caveats(maps: Sequence[LayerMap], targets: Sequence[TargetResult]) -> list[Caveat]:
    """Return caveats for targets whose evidence before the global pooling does not add up to the score."""
    last = [layer for layer in maps if layer.kind == POOLING_INPUT]
    if not last:
        return [Caveat(_NO_POOLING, CaveatCode.INCOMPLETE_MAP)]
    caveats = []
    for index, target in enumerate(targets):
        gap = float(last[-1].gap[index]) if last[-1].gap is not None else float("nan")
        # If the classifier comes before the pooling, the map contains its bias and the gap is 0.
        missing = min(abs(gap - bias) for bias in (0.0, target.bias or 0.0))
        if missing > COMPLETE * max(1.0, abs(target.logit)):
            text = _NOT_LINEAR.format(target.name, target.logit - gap, target.logit)
            caveats.append(Caveat(text, CaveatCode.INCOMPLETE_MAP))
    return caveats
