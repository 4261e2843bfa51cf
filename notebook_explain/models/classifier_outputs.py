"""Outputs of the last layers with weights: they give the classifier's bias, the number of classes and their axis."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

_CONVOLUTIONS = (nn.Conv1d, nn.Conv2d, nn.Conv3d, nn.ConvTranspose1d, nn.ConvTranspose2d, nn.ConvTranspose3d)
_CLASSIFIERS = (nn.Linear, *_CONVOLUTIONS)


class ClassifierOutputs:
    """Outputs of the last few layers with weights; the one that equals the logits is the classifier's."""

    def __init__(self) -> None:
        self.calls: list[tuple[nn.Module, torch.Tensor]] = []

    def watch(self, shadow: nn.Module) -> list[Any]:
        """Add hooks; returns their handles."""
        return [m.register_forward_hook(self._hook) for m in shadow.modules() if isinstance(m, _CLASSIFIERS)]

    def _hook(self, module: nn.Module, _: Any, output: Any) -> None:
        if isinstance(output, torch.Tensor):
            self.calls = [*self.calls[-3:], (module, output)]

    def count(self) -> int | None:
        """Return the number of outputs of the last layer with weights."""
        if not self.calls:
            return None
        module = self.calls[-1][0]
        return int(module.out_features if isinstance(module, nn.Linear) else module.out_channels)  # type: ignore[arg-type]

    def rows(self) -> list[torch.Tensor]:
        """Return the outputs of the last few layers with their channels on the last axis, the last one first."""
        return [_channels_last(module, output.detach()) for module, output in reversed(self.calls)]

    def bias(self, outputs: torch.Tensor) -> torch.Tensor | None:
        """Return the bias (output,) of the layer whose output, averaged over positions, is (1, output); zero if it has none."""
        wanted = outputs.detach().float()[0]
        for module, output in reversed(self.calls):
            values = _channels_last(module, output.detach().float())
            if values.shape[-1] != len(wanted):
                continue
            if torch.allclose(values.flatten(0, -2).mean(0), wanted, rtol=1e-4, atol=1e-5):
                bias = module.bias
                return torch.zeros_like(wanted) if bias is None else bias.detach().float()  # type: ignore[operator]
        return None


def _channels_last(module: nn.Module, output: torch.Tensor) -> torch.Tensor:
    return output if isinstance(module, nn.Linear) else output.movedim(1, -1)
