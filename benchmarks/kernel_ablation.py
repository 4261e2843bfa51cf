"""Measure kernels and switch them off: the logits without a kernel show how much the network depends on it.

The output of a kernel is followed from its convolution through its norm and activation. It is measured and replaced
there, where the rest of the network reads it: by 0, or by its mean over other clips. With 0 alone, a kernel that is never
silent would seem important.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from notebook_explain.clip import Clip
from notebook_explain.explanations import ExplainError, Target
from notebook_explain.models import Recording, VideoModel, on_shadow, score_of
from notebook_explain.models.channel_graph import ELEMENTWISE, Call, KernelLayer, channel_graph, watch

Floats = NDArray[np.float64]
OnOutput = Callable[[KernelLayer, int, Tensor], "Tensor | None"]  # layer, stage, output -> its replacement


@dataclass(frozen=True, eq=False)
class KernelAblation:
    """The convolutions of a model by name, from input to output, and passes with some of their kernels switched off.

    Attributes
    ----------
    model : VideoModel
    layers : dict of str to KernelLayer
    """

    model: VideoModel
    layers: Mapping[str, KernelLayer] = field(init=False)

    def __post_init__(self) -> None:
        convolutions = {layer.name: layer for layer in channel_graph(self.model).layers if layer.kernel}
        object.__setattr__(self, "layers", convolutions)

    def baseline_scores(self, clip: Clip, target: Target) -> tuple[dict[str, Floats], dict[str, Floats]]:
        """Return two simple rankings of kernels to compare with: activation, and gradient times activation.

        Parameters
        ----------
        clip : Clip
            As the network sees it (``model.fit``).
        target : Target
            With a label or index.

        Returns
        -------
        by layer, the mean absolute output of each kernel: float (kernel,)
        by layer, the sum of its output times the target's gradient with respect to it: float (kernel,)
        """
        outputs: dict[str, Tensor] = {}

        def record(layer: KernelLayer, stage: int, output: Tensor) -> None:
            outputs[layer.name] = output

        def compute(recording: Recording) -> list[Tensor]:
            (resolved,) = self.model.resolve(recording.heads, target)
            return list(torch.autograd.grad(score_of(recording, resolved), list(outputs.values()), allow_unused=True))

        gradients, _ = self.model.run(clip, (), compute, partial(self._hooks, record))
        activation, product = {}, {}
        for (name, output), gradient in zip(outputs.items(), gradients, strict=True):
            layer = self.layers[name]
            activation[name] = _per_kernel(output.detach().abs(), layer).mean(1).cpu().numpy()
            values = torch.zeros_like(output) if gradient is None else output.detach() * gradient
            product[name] = _per_kernel(values, layer).sum(1).cpu().numpy()
        return activation, product

    def mean_outputs(self, clips: Iterable[Clip]) -> dict[tuple[str, int], Floats]:
        """Return the mean output of each kernel over clips: (layer, stage) to float (kernel,).

        Stage 0 is the output of the convolution itself; each norm or activation that follows is one more.
        """
        sums: dict[tuple[str, int], Floats] = {}
        count = 0

        def add(layer: KernelLayer, stage: int, output: Tensor) -> None:
            mean = _per_kernel(output.detach(), layer).mean(1).cpu().numpy()
            sums[layer.name, stage] = sums.get((layer.name, stage), 0.0) + mean

        for clip in clips:
            self.model.run(clip, (), lambda recording: None, partial(self._hooks, add))
            count += 1
        if not count:
            raise ValueError("means need at least one clip, got none")
        return {key: total / count for key, total in sums.items()}

    def logits_without(
        self,
        clip: Clip,
        layer: str,
        kernel_sets: Sequence[Iterable[int]],
        means: Mapping[tuple[str, int], Floats] | None = None,
    ) -> Floats:
        """Return the logits with some kernels of a layer switched off: float (set, class).

        Parameters
        ----------
        clip : Clip
            As the network sees it; it runs once per set, all in one batch.
        layer : str
        kernel_sets : sequence of iterables of int
            Kernels to switch off.
        means : dict from ``mean_outputs``, optional
            Outputs to replace theirs with; 0 if left out.

        Raises
        ------
        ValueError, ExplainError
            No such layer or kernel; a network that does not return logits (batch, class).
        """
        if layer not in self.layers:
            raise ValueError(f"{layer!r} is not a convolution of this model; it has {', '.join(self.layers)}")
        is_off = _mask(self.layers[layer], kernel_sets)

        def replace(current: KernelLayer, stage: int, output: Tensor) -> Tensor | None:
            if current.name != layer:
                return None
            value = torch.zeros(current.out_channels) if means is None else torch.from_numpy(means[layer, stage])
            shape = (-1, *[1] * len(current.kernel))
            return torch.where(is_off.to(output.device).view(len(is_off), *shape), value.to(output).view(shape), output)

        def compute(shadow: nn.Module) -> Tensor:
            parameter = next(shadow.parameters())
            video = self.model.preprocessing.tensor(clip, parameter.device, parameter.dtype)
            batch = video.expand(len(is_off), -1, -1, -1, -1).contiguous()
            with torch.inference_mode(), self._hooks(replace, shadow):
                logits = shadow(self.model.preprocessing.arrange(batch))
            if not isinstance(logits, Tensor) or logits.ndim != 2 or len(logits) != len(is_off):
                raise ExplainError("kernels can be switched off only in networks that return logits (batch, class)")
            return logits

        logits, _ = on_shadow(self.model.module, compute, keep_hooks=self.model.keep_hooks)
        return logits.double().cpu().numpy()

    def _hooks(self, on_output: OnOutput, shadow: nn.Module) -> AbstractContextManager[None]:
        hooks = _OutputHooks(self.layers, on_output)
        return watch(shadow, hooks.on_call, hooks.on_function)


class _OutputHooks:
    """Hooks that follow the output of each layer through its norm and activation and may replace it."""

    def __init__(self, layers: Mapping[str, KernelLayer], on_output: OnOutput) -> None:
        self.layers = {layer.site: layer for layer in layers.values()}
        self.on_output = on_output
        # Latest output and its stage by layer; held, so that no other tensor gets the same identity.
        self.latest: dict[str, tuple[Tensor, int]] = {}

    def on_call(self, call: Call) -> Any:
        layer = self.layers.get(call.site)
        return None if layer is None else partial(self._pass_on, layer, 0)

    def on_function(self, name: str, module: str, args: Any, result: Any) -> Tensor | None:
        if name not in ELEMENTWISE or not isinstance(result, Tensor) or not args:
            return None
        for layer in self.layers.values():
            output, stage = self.latest.get(layer.name, (None, 0))
            if output is not None and args[0] is output and result.shape == output.shape:
                return self._pass_on(layer, stage + 1, result)
        return None

    def _pass_on(self, layer: KernelLayer, stage: int, result: Tensor) -> Tensor:
        replacement = self.on_output(layer, stage, result)
        # A copy, so that an in-place activation overwrites neither what was recorded nor what a gradient needs.
        following = result.clone() if replacement is None else replacement
        self.latest[layer.name] = (following, stage)
        return following


def _per_kernel(output: Tensor, layer: KernelLayer) -> Tensor:
    """Return an output as (kernel, everything else) in double precision."""
    return output.movedim(-1 - len(layer.kernel), 0).flatten(1).double()


def _mask(layer: KernelLayer, kernel_sets: Sequence[Iterable[int]]) -> Tensor:
    """Return whether each kernel is switched off in each set: bool (set, kernel)."""
    mask = torch.zeros(len(kernel_sets), layer.out_channels, dtype=torch.bool)
    for row, kernels in zip(mask, kernel_sets, strict=True):
        for kernel in kernels:
            if not 0 <= kernel < layer.out_channels:
                last = layer.out_channels - 1
                raise ValueError(f"there is no kernel {kernel} in {layer.name!r}; it has kernels 0 to {last}")
            row[kernel] = True
    if not len(mask):
        raise ValueError("kernel_sets is empty; give at least one set of kernels, which may be empty itself")
    return mask
