"""Passes of canvases through a network: batches, hooks set once for many steps, and gradients that reach the canvas only."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from notebook_explain._errors import ExplainError
from notebook_explain.clip import Clip
from notebook_explain.models import Layer, VideoModel
from notebook_explain.models.batch_scores import heads_of_clip
from notebook_explain.models.classifier_outputs import ClassifierOutputs
from notebook_explain.models.frozen import frozen
from notebook_explain.models.heads import Head
from notebook_explain.models.layer_trace import TensorRef
from notebook_explain.models.outputs import LastActivations
from notebook_explain.models.recording import dense, layer_volume
from notebook_explain.models.rng import LocalRandomness
from notebook_explain.models.shadow import reference_parameter
from notebook_explain.models.tensor_hooks import tensor_hooks

Result = TypeVar("Result")
_TOLERANCE = 1e-3  # of volumes and scores, between a batch and single clips


@dataclass(frozen=True, eq=False)
class Pass:
    """Volumes and scores of a batch of clips, with their graph.

    Attributes
    ----------
    volumes : dict of layer name to float tensor (clip, channel, time, height, width)
    heads : tuple of dict of head name to Head
        Of each clip.
    """

    volumes: Mapping[str, torch.Tensor]
    heads: tuple[Mapping[str, Head], ...]

    def __len__(self) -> int:
        return len(self.heads)


class Runner:
    """Runs normalised clips through a shadow of a model, as often as needed under the same hooks.

    Parameters
    ----------
    model : VideoModel
        A copy of its parameters is taken, so that training meanwhile changes nothing.
    layers : sequence of Layer
        Layers whose volumes a `Pass` holds.

    Attributes
    ----------
    model : VideoModel
        With the copy.
    is_together : bool
        A batch shares a pass; known after the first batch of several clips.
    forwards, backwards : int
        Number of clips that were run, and of those that a gradient was computed for.
    caveats : dict of str to None
        Caveats about the shadow, in order.
    """

    def __init__(self, model: VideoModel, layers: Sequence[Layer]) -> None:
        self.model, self.layers = frozen(model), tuple(layers)
        if self.model.module is not model.module:
            self.model.module.requires_grad_(False)  # a copy, of which no gradient is needed
        self.is_together: bool | None = None
        self.forwards = self.backwards = 0
        self.caveats: dict[str, None] = {}
        self._shadow: nn.Module | None = None
        self._makes_copies = False
        self._refs = list(dict.fromkeys(part.ref for layer in self.layers for part in layer.parts))

    def __call__(self, compute: Callable[[], Result]) -> Result:
        """Call a function that calls `passes`, with hooks on a shadow; the shadow is gone afterwards."""

        def on(shadow: nn.Module) -> Result:
            self._shadow = shadow
            try:
                with torch.inference_mode(False), torch.enable_grad():
                    return compute()
            finally:
                self._shadow = None

        result, caveats = self.model.on_shadow(on)
        self.caveats.update(dict.fromkeys(caveats))
        return result

    def passes(self, videos: torch.Tensor) -> list[Pass]:
        """Run clips (clip, channel, time, height, width), normalised: together where the network keeps them apart.

        Returns
        -------
        list of Pass
            One of all clips, or one of each.
        """
        if len(videos) > 1 and self.is_together is None:
            self._probe(videos.detach())
        return [
            self._run(part) for part in ([videos] if self.is_together or len(videos) == 1 else torch.split(videos, 1))
        ]

    @property
    def device(self) -> torch.device:
        """Device of the model."""
        return reference_parameter(self.model.module).device

    def pass_of(self, clip: Clip) -> Pass:
        """Return the pass of one clip that fits, without a graph."""

        def compute() -> Pass:
            with torch.no_grad():
                video = self.model.preprocessing.tensor(clip, self.device, torch.float32)
                (found,) = self.passes(video)
                return found

        return self(compute)

    def passes_of(self, frames: NDArray[np.uint8]) -> list[Pass]:
        """Return the passes of made clips, uint8 (clip, time, height, width, 3), without a graph."""

        def compute() -> list[Pass]:
            with torch.no_grad():
                videos = [self.model.preprocessing.tensor(Clip(one), self.device, torch.float32) for one in frames]
                return self.passes(torch.cat(videos))

        return self(compute)

    def gradients(self, loss: torch.Tensor, parameters: Sequence[torch.Tensor], clips: int) -> list[torch.Tensor]:
        """Return the gradients of a loss with respect to a canvas; zero where none reaches it."""
        self.backwards += clips
        found = torch.autograd.grad(loss, list(parameters), allow_unused=True)
        return [torch.zeros_like(p) if g is None else g for p, g in zip(parameters, found, strict=True)]

    def _run(self, videos: torch.Tensor) -> Pass:
        shadow, p = self._shadow, self.model.preprocessing
        assert shadow is not None
        activations, classifiers = LastActivations(), ClassifierOutputs()
        outputs: dict[TensorRef, torch.Tensor] = {}
        handles = classifiers.watch(shadow)

        versions: dict[TensorRef, int] = {}

        def keep(ref: TensorRef, tensor: torch.Tensor, _: bool) -> torch.Tensor:
            outputs[ref] = tensor
            if self._makes_copies or tensor.is_inference():  # tensors of inference mode have no version
                return tensor.clone()
            versions[ref] = tensor._version
            return tensor

        try:
            inputs = dense(p.arrange(videos.to(reference_parameter(shadow).dtype).clone()))
            with LocalRandomness(), tensor_hooks(shadow, self._refs, keep), activations:
                output = shadow(inputs)
        finally:
            for handle in handles:
                handle.remove()
        count = len(videos)
        self.forwards += count
        if any(outputs[ref]._version != version for ref, version in versions.items()):
            self._makes_copies = True  # an operation overwrites the output of a layer: from now on it gets a copy
            return self._run(videos)
        heads = tuple(
            heads_of_clip(output, activations, classifiers, self.model.output_spec, index, count)
            for index in range(count)
        )
        missing = [layer.name for layer in self.layers if not any(part.ref in outputs for part in layer.parts)]
        if missing:
            raise ExplainError(f"layer {missing[0]!r} did not run; the forward pass takes another path than in adapt()")
        volumes = {layer.name: layer_volume(layer, outputs).float() for layer in self.layers}
        return Pass(volumes, heads)

    def _probe(self, videos: torch.Tensor) -> None:
        """Find out whether the network keeps the clips of a batch apart."""
        with torch.no_grad():
            single = [self._run(video[None]) for video in videos[:2]]
            try:
                both = self._run(videos[:2])
            except Exception:  # whatever a network raises that takes a batch of one only
                self.is_together = False
            else:
                self.is_together = all(_is_part(both, index, one) for index, one in enumerate(single))


def _is_part(both: Pass, index: int, one: Pass) -> bool:
    """Return whether a clip of a batch has the volumes and scores that it has alone."""
    pairs = [(both.volumes[name][index], volume[0]) for name, volume in one.volumes.items()]
    pairs += [(both.heads[index][name].logits, head.logits) for name, head in one.heads[0].items()]
    return all(
        a.shape == b.shape and bool(((a - b).abs() <= _TOLERANCE * b.abs().max().clamp_min(1)).all()) for a, b in pairs
    )
