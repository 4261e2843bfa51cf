"""An oracle for which kernel feeds which: change one kernel's output, hold every other layer's, see what changes.

It shares nothing with the code it judges: modules that note what they read, and comparisons of tensors.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import nn

Key = tuple[str, int]  # dotted name of a module, which of its calls
LAYERS = (nn.modules.conv._ConvNd, nn.Linear)


class Perturbation:
    """Runs a network with one kernel changed and all other layers' outputs held as they were."""

    def __init__(self, net: nn.Module, feed: Callable[[], Any]) -> None:
        self.net, self.feed = net, feed
        self.outputs: dict[Key, torch.Tensor] = {}
        self.inputs: dict[Key, torch.Tensor] = {}
        self._run(self.outputs, self.inputs, None)

    def kernels(self) -> list[tuple[Key, int]]:
        """Every kernel: the layer, and its output channel."""
        found = [(key, output.shape[self._axis(key)]) for key, output in self.outputs.items()]
        return [(key, channel) for key, count in found for channel in range(count)]

    def changed(self, key: Key, channel: int) -> dict[Key, set[int]]:
        """Input channels of each layer that change with one kernel, made larger here and smaller there, or the other way."""
        up, down = self._changed(key, channel, 20), self._changed(key, channel, -20)
        return {other: up[other] | down[other] for other in up}

    def _changed(self, key: Key, channel: int, size: float) -> dict[Key, set[int]]:
        output = self.outputs[key]
        axis = self._axis(key)
        noise = torch.randn(output.shape, generator=torch.Generator().manual_seed(0)) * size
        mask = torch.zeros(output.shape[axis]).index_fill(0, torch.tensor(channel), 1.0)
        shape = [1] * output.ndim
        shape[axis] = -1
        inputs: dict[Key, torch.Tensor] = {}
        self._run({}, inputs, {**self.outputs, key: output + noise * mask.view(shape)})
        return self._compared(inputs)

    def changed_by_colour(self, axis: int, colour: int) -> dict[Key, set[int]]:
        """Input channels of each layer that change with a colour of the clip, all layers' outputs held."""
        given = self.feed()
        parts: Sequence[torch.Tensor] = given if isinstance(given, list) else [given]
        for part in parts:
            part.select(axis, colour).add_(torch.randn(part.select(axis, colour).shape))
        inputs: dict[Key, torch.Tensor] = {}
        self._run({}, inputs, dict(self.outputs), given)
        return self._compared(inputs)

    def _compared(self, inputs: dict[Key, torch.Tensor]) -> dict[Key, set[int]]:
        found = {}
        for key, before in self.inputs.items():
            axis = self._axis(key)
            after = inputs[key]
            other = [k for k in range(before.ndim) if k != axis % before.ndim]
            found[key] = set((before != after).permute(axis, *other).flatten(1).any(1).nonzero()[:, 0].tolist())
        return found

    def _axis(self, key: Key) -> int:
        return -1 if isinstance(self.net.get_submodule(key[0]), nn.Linear) else 1

    def _run(
        self,
        outputs: dict[Key, torch.Tensor],
        inputs: dict[Key, torch.Tensor],
        held: dict[Key, torch.Tensor] | None,
        given: Any = None,
    ) -> None:
        calls: dict[str, int] = defaultdict(int)

        def seen(name: str, forward: Callable[[torch.Tensor], torch.Tensor]) -> Callable[[torch.Tensor], torch.Tensor]:
            def instead(read: torch.Tensor) -> torch.Tensor:
                key = name, calls[name]
                calls[name] += 1
                inputs[key] = read.clone()
                if held is not None:  # what is held need not be computed
                    return held[key].clone()
                outputs[key] = forward(read)
                return outputs[key].clone()

            return instead

        modules = [(name, module) for name, module in self.net.named_modules() if isinstance(module, LAYERS)]
        try:
            for name, module in modules:
                module.forward = seen(name, module.forward)
            with torch.no_grad():
                self.net(self.feed() if given is None else given)
        finally:
            for _, module in modules:
                module.__dict__.pop("forward", None)
