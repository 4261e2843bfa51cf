"""Kernels measured and switched off: what a network answers without some of them tells how much they mattered.

A kernel is followed from its convolution through its norm and activation, and it is that output, the one that the rest
of the network reads, that is measured and replaced: by 0, or by its mean over other clips (a kernel that is never
silent is then not mistaken for one that informs).
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
from notebook_explain.models.channel_graph import SHAPING, Call, KernelLayer, connections, watch

Floats = NDArray[np.float64]
Changing = Callable[[KernelLayer, int, Tensor], "Tensor | None"]


@dataclass(frozen=True, eq=False)
class Kernels:
    """The convolutions of a model, by name, from input to output.

    Attributes
    ----------
    model : VideoModel
    layers : dict of str to KernelLayer
    """

    model: VideoModel
    layers: Mapping[str, KernelLayer] = field(init=False)

    def __post_init__(self) -> None:
        found = {layer.name: layer for layer in connections(self.model).layers if layer.kernel}
        object.__setattr__(self, "layers", found)

    def levels(self, clip: Clip, target: Target) -> tuple[dict[str, Floats], dict[str, Floats]]:
        """Two plain ways to rank kernels, to compare a better one with: activation, and gradient times activation.

        Parameters
        ----------
        clip : Clip
            As the network sees it (``model.fit``).
        target : Target
            With a label or index.

        Returns
        -------
        by layer, the mean absolute output of each kernel: float (kernel,)
        by layer, the sum of its output times the target's gradient by it: float (kernel,)
        """
        kept: dict[str, Tensor] = {}

        def keep(layer: KernelLayer, stage: int, made: Tensor) -> None:
            kept[layer.name] = made

        def compute(recording: Recording) -> list[Tensor]:
            (resolved,) = self.model.resolve(recording.heads, target)
            return list(torch.autograd.grad(score_of(recording, resolved), list(kept.values()), allow_unused=True))

        slopes, _ = self.model.run(clip, (), compute, partial(self._following, keep))
        size, product = {}, {}
        for (name, made), slope in zip(kept.items(), slopes, strict=True):
            size[name] = _per_kernel(made.detach().abs(), self.layers[name]).mean(1).cpu().numpy()
            both = torch.zeros_like(made) if slope is None else made.detach() * slope
            product[name] = _per_kernel(both, self.layers[name]).sum(1).cpu().numpy()
        return size, product

    def means(self, clips: Iterable[Clip]) -> dict[tuple[str, int], Floats]:
        """The mean output of each kernel over clips, (layer, stage) to float (kernel,).

        Stage 0 is the convolution's own output; each norm or activation that follows is one more.
        """
        sums: dict[tuple[str, int], Floats] = {}
        count = 0

        def add(layer: KernelLayer, stage: int, made: Tensor) -> None:
            level = _per_kernel(made.detach(), layer).mean(1).cpu().numpy()
            sums[layer.name, stage] = sums.get((layer.name, stage), 0.0) + level

        for clip in clips:
            self.model.run(clip, (), lambda recording: None, partial(self._following, add))
            count += 1
        if not count:
            raise ValueError("means need at least one clip, got none")
        return {key: total / count for key, total in sums.items()}

    def without(
        self,
        clip: Clip,
        layer: str,
        sets: Sequence[Iterable[int]],
        means: Mapping[tuple[str, int], Floats] | None = None,
    ) -> Floats:
        """What the network answers without some kernels of a layer: logits, float (set, class).

        Parameters
        ----------
        clip : Clip
            As the network sees it; it runs once for each set, all in one batch.
        layer : str
        sets : sequence of kernels to switch off
        means : as from ``means``, optional
            What they put out instead; 0 where this is left out.

        Raises
        ------
        ValueError, ExplainError
            No such layer or kernel; a network that returns something else than logits (batch, class).
        """
        if layer not in self.layers:
            raise ValueError(f"layer {layer!r} is no convolution of this model; it has {', '.join(self.layers)}")
        off = _mask(self.layers[layer], sets)

        def change(at: KernelLayer, stage: int, made: Tensor) -> Tensor | None:
            if at.name != layer:
                return None
            level = torch.zeros(at.out_channels) if means is None else torch.from_numpy(means[layer, stage])
            shape = (-1, *[1] * len(at.kernel))
            return torch.where(off.to(made.device).view(len(off), *shape), level.to(made).view(shape), made)

        def compute(shadow: nn.Module) -> Tensor:
            parameter = next(shadow.parameters())
            video = self.model.preprocessing.tensor(clip, parameter.device, parameter.dtype)
            with torch.inference_mode(), self._following(change, shadow):
                answer = shadow(self.model.preprocessing.arrange(video.expand(len(off), -1, -1, -1, -1).contiguous()))
            if not isinstance(answer, Tensor) or answer.ndim != 2 or len(answer) != len(off):
                raise ExplainError("kernels can be switched off in networks that return logits (batch, class) only")
            return answer

        logits, _ = on_shadow(self.model.module, compute)
        return logits.double().cpu().numpy()

    def _following(self, changing: Changing, shadow: nn.Module) -> AbstractContextManager[None]:
        return _Following(self.layers, changing).around(shadow)


class _Following:
    """Follows what each kernel puts out through its norm and activation, while a shadow runs."""

    def __init__(self, layers: Mapping[str, KernelLayer], changing: Changing) -> None:
        self.layers = {layer.site: layer for layer in layers.values()}
        self.changing = changing
        self.made: dict[
            str, tuple[Tensor, int]
        ] = {}  # per layer its latest output, held so that no other takes its place

    def around(self, shadow: nn.Module) -> AbstractContextManager[None]:
        return watch(shadow, self._seen, self._named)

    def _seen(self, call: Call) -> Any:
        layer = self.layers.get(call.site)
        return None if layer is None else partial(self._goes_on, layer, 0)

    def _named(self, name: str, module: str, given: Any, result: Any) -> Tensor | None:
        if name not in SHAPING or not isinstance(result, Tensor) or not given:
            return None
        for layer in self.layers.values():
            made, stage = self.made.get(layer.name, (None, 0))
            if made is not None and given[0] is made and result.shape == made.shape:
                return self._goes_on(layer, stage + 1, result)
        return None

    def _goes_on(self, layer: KernelLayer, stage: int, result: Tensor) -> Tensor:
        changed = self.changing(layer, stage, result)
        # A copy, so that an activation in place overwrites neither what is kept nor what a gradient needs.
        follows = result.clone() if changed is None else changed
        self.made[layer.name] = (follows, stage)
        return follows


def _per_kernel(made: Tensor, layer: KernelLayer) -> Tensor:
    """(kernel, everything else), in double precision."""
    return made.movedim(-1 - len(layer.kernel), 0).flatten(1).double()


def _mask(layer: KernelLayer, sets: Sequence[Iterable[int]]) -> Tensor:
    off = torch.zeros(len(sets), layer.out_channels, dtype=torch.bool)
    for row, kernels in zip(off, sets, strict=True):
        for kernel in kernels:
            if not 0 <= kernel < layer.out_channels:
                raise ValueError(f"there is no kernel {kernel} in {layer.name!r}; it has 0 to {layer.out_channels - 1}")
            row[kernel] = True
    if not len(off):
        raise ValueError("sets is empty; give at least one set of kernels, which may be empty itself")
    return off
