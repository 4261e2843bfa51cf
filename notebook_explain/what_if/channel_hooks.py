"""Hooks that change channels of a layer, on a copy of a network."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from notebook_explain._errors import UsageError
from notebook_explain.models import VideoModel
from notebook_explain.models.layer_trace import tensors
from notebook_explain.models.layouts import Layout
from notebook_explain.models.merged_calls import LayerPart
from notebook_explain.models.tensor_hooks import replaced_at


@dataclass(frozen=True)
class ChannelChange:
    """Change of channels: ``factor * value + offset``.

    Attributes
    ----------
    factor : float
    offset : "zero", "mean" or floats, one for each channel
        "mean" is the channel's mean over time, height and width of the clip.
    """

    factor: float
    offset: str | tuple[float, ...] = "zero"


def edit_channels(model: VideoModel, layer: str, channels: Sequence[int] | None, change: ChannelChange) -> None:
    """Add hooks that change channels of a layer to the module of a model, which must be a copy.

    Raises
    ------
    ValueError
        There is no such layer or channel, or no module returns the layer.
    """
    parts = model.layer(layer).parts
    count = parts[0].layout.channels
    beyond = [channel for channel in channels or () if channel >= count]
    if beyond:
        raise UsageError(f"channel {beyond[0]} is not in layer {layer!r}, which has channels 0 to {count - 1}")
    if any(part.ref.module is None for part in parts):
        raise UsageError(
            f"layer {layer!r} is the input of a function, which no module returns, so its channels cannot be edited; name "
            "the module before it, such as a block of list(model.layers)"
        )
    chosen = range(count) if channels is None else channels
    by_module: dict[str, list[LayerPart]] = defaultdict(list)
    for part in parts:
        by_module[str(part.ref.module)].append(part)
    calls = {} if model.layer_trace is None else model.layer_trace.calls
    for name, group in by_module.items():
        hook = _ChannelHook(group, calls.get(name, 1), tuple(chosen), change)
        model.module.get_submodule(name).register_forward_hook(hook)


class _ChannelHook:
    """Forward hook that changes channels in what a module returns, in the calls that belong to the layer."""

    def __init__(
        self, parts: Sequence[LayerPart], calls: int, channels: tuple[int, ...], change: ChannelChange
    ) -> None:
        self.parts, self.calls, self.channels, self.change = tuple(parts), calls, channels, change
        self.count = 0

    def __call__(self, _: nn.Module, __: Any, output: Any) -> Any:
        call, self.count = self.count % self.calls, self.count + 1
        for part in self.parts:
            if part.ref.call != call:
                continue
            found = next((tensor for path, tensor in tensors(output) if path == part.ref.path), None)
            if found is not None:
                output = replaced_at(output, part.ref.path, self._changed(part.layout, found))
        return output

    def _changed(self, layout: Layout, output: torch.Tensor) -> torch.Tensor:
        """Return the output of one call with its channels changed; an output of several clips keeps them apart."""
        split = layout.split(output)
        shape = [1] * split.ndim
        shape[layout.channel] = layout.channels
        index = torch.tensor(self.channels, dtype=torch.long, device=output.device)
        factor = torch.ones(layout.channels, dtype=output.dtype, device=output.device)
        factor = factor.index_fill(0, index, self.change.factor).view(shape)
        changed = split * factor
        offset = self._offset(split, layout, index)
        if offset is not None:
            changed = changed + offset
        return changed.reshape(output.shape)

    def _offset(self, split: torch.Tensor, layout: Layout, index: torch.Tensor) -> torch.Tensor | None:
        """Return what is added to the split output, in a shape that broadcasts; None for nothing."""
        if self.change.offset == "zero":
            return None
        shape = [1] * split.ndim
        shape[layout.channel] = layout.channels
        values = torch.zeros(layout.channels, dtype=split.dtype, device=split.device)
        if self.change.offset == "mean":
            over = [axis for axis in range(1, split.ndim) if axis != layout.channel]
            return split.mean(over, keepdim=True) * values.index_fill(0, index, 1.0).view(shape)
        given = torch.tensor(self.change.offset, dtype=split.dtype, device=split.device)
        return values.index_copy(0, index, given).view(shape)
