"""An oracle for channel graphs: change the output of one kernel, hold that of every other layer, see what changes.

It shares nothing with the code that it checks: it replaces the forward of modules and compares tensors.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import nn

CallKey = tuple[str, int]  # dotted name of a module, and the number of its call
LAYERS = (nn.modules.conv._ConvNd, nn.Linear)


class Perturbation:
    """Runs a network with one kernel changed and the outputs of all other layers held.

    Parameters
    ----------
    net : module
    make_input : function
        Returns the same fresh input at each call.
    """

    def __init__(self, net: nn.Module, make_input: Callable[[], Any]) -> None:
        self.net, self.make_input = net, make_input
        self.outputs: dict[CallKey, torch.Tensor] = {}
        self.inputs: dict[CallKey, torch.Tensor] = {}
        self._run(self.outputs, self.inputs, None)

    def kernels(self) -> list[tuple[CallKey, int]]:
        """Return every kernel: the call of its layer, and its output channel."""
        counts = [(key, output.shape[self._channel_axis(key)]) for key, output in self.outputs.items()]
        return [(key, channel) for key, count in counts for channel in range(count)]

    def changed(self, key: CallKey, channel: int) -> dict[CallKey, set[int]]:
        """Return the input channels of each layer that change when one kernel's output is changed up and down."""
        up, down = self._changed(key, channel, 20), self._changed(key, channel, -20)
        return {other: up[other] | down[other] for other in up}

    def changed_by_colour(self, axis: int, colour: int) -> dict[CallKey, set[int]]:
        """Return the input channels of each layer that change with a colour of the clip, all layers' outputs held."""
        clip = self.make_input()
        pathways: Sequence[torch.Tensor] = clip if isinstance(clip, list) else [clip]
        for pathway in pathways:
            pathway.select(axis, colour).add_(torch.randn(pathway.select(axis, colour).shape))
        inputs: dict[CallKey, torch.Tensor] = {}
        self._run({}, inputs, dict(self.outputs), clip)
        return self._changed_channels(inputs)

    def _changed(self, key: CallKey, channel: int, size: float) -> dict[CallKey, set[int]]:
        output = self.outputs[key]
        axis = self._channel_axis(key)
        noise = torch.randn(output.shape, generator=torch.Generator().manual_seed(0)) * size
        mask = torch.zeros(output.shape[axis]).index_fill(0, torch.tensor(channel), 1.0)
        shape = [1] * output.ndim
        shape[axis] = -1
        inputs: dict[CallKey, torch.Tensor] = {}
        self._run({}, inputs, {**self.outputs, key: output + noise * mask.view(shape)})
        return self._changed_channels(inputs)

    def _changed_channels(self, inputs: dict[CallKey, torch.Tensor]) -> dict[CallKey, set[int]]:
        changed = {}
        for key, before in self.inputs.items():
            axis = self._channel_axis(key)
            differs = (before != inputs[key]).movedim(axis, 0).flatten(1).any(1)
            changed[key] = set(differs.nonzero()[:, 0].tolist())
        return changed

    def _channel_axis(self, key: CallKey) -> int:
        return -1 if isinstance(self.net.get_submodule(key[0]), nn.Linear) else 1

    def _run(
        self,
        outputs: dict[CallKey, torch.Tensor],
        inputs: dict[CallKey, torch.Tensor],
        held: dict[CallKey, torch.Tensor] | None,
        clip: Any = None,
    ) -> None:
        counts: dict[str, int] = defaultdict(int)

        def recording(
            name: str, forward: Callable[[torch.Tensor], torch.Tensor]
        ) -> Callable[[torch.Tensor], torch.Tensor]:
            def replacement(x: torch.Tensor) -> torch.Tensor:
                key = name, counts[name]
                counts[name] += 1
                inputs[key] = x.clone()
                if held is not None:  # no need to compute a held output
                    return held[key].clone()
                outputs[key] = forward(x)
                return outputs[key].clone()

            return replacement

        modules = [(name, module) for name, module in self.net.named_modules() if isinstance(module, LAYERS)]
        try:
            for name, module in modules:
                module.forward = recording(name, module.forward)
            with torch.no_grad():
                self.net(self.make_input() if clip is None else clip)
        finally:
            for _, module in modules:
                module.__dict__.pop("forward", None)
