"""Hooks that change channels of a layer, on a copy of a network."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
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

Change = Callable[[torch.Tensor, Layout], torch.Tensor]


@dataclass(frozen=True)
class ScaledChannels:
    """Change of channels: ``factor * value + offset``.

    Attributes
    ----------
    channels : tuple of int, optional
        All by default.
    factor : float
    offset : "zero", "mean" or floats, one for each channel
        "mean" is the channel's mean over time, height and width of the clip.
    """

    channels: tuple[int, ...] | None
    factor: float
    offset: str | tuple[float, ...] = "zero"

    def __call__(self, split: torch.Tensor, layout: Layout) -> torch.Tensor:
        """Return an output that `Layout.split` has split, with its channels changed."""
        chosen = range(layout.channels) if self.channels is None else self.channels
        index = torch.tensor(list(chosen), dtype=torch.long, device=split.device)
        factor = torch.ones(layout.channels, dtype=split.dtype, device=split.device)
        changed = split * along_channels(factor.index_fill(0, index, self.factor), split, layout)
        if self.offset == "zero":
            return changed
        values = torch.zeros(layout.channels, dtype=split.dtype, device=split.device)
        if self.offset == "mean":
            over = [axis for axis in range(1, split.ndim) if axis != layout.channel]
            chosen_only = along_channels(values.index_fill(0, index, 1.0), split, layout)
            return changed + split.mean(over, keepdim=True) * chosen_only
        given = torch.tensor(self.offset, dtype=split.dtype, device=split.device)
        return changed + along_channels(values.index_copy(0, index, given), split, layout)


@dataclass(frozen=True)
class WithoutDirection:
    """Change that removes what lies along a direction of the channels, at every position.

    Attributes
    ----------
    direction : tuple of float
        One number for each channel, of length 1.
    """

    direction: tuple[float, ...]

    def __call__(self, split: torch.Tensor, layout: Layout) -> torch.Tensor:
        """Return an output that `Layout.split` has split, without its part along the direction."""
        direction = along_channels(torch.tensor(self.direction, dtype=split.dtype, device=split.device), split, layout)
        return split - (split * direction).sum(layout.channel, keepdim=True) * direction


def along_channels(values: torch.Tensor, split: torch.Tensor, layout: Layout) -> torch.Tensor:
    """Return one value for each channel in a shape that broadcasts to a split output."""
    shape = [1] * split.ndim
    shape[layout.channel] = layout.channels
    return values.view(shape)


def check_channels(model: VideoModel, layer: str, channels: Sequence[int] | None) -> int:
    """Return the number of channels of a layer; raise ValueError if it has not those that are given."""
    count = model.layer(layer).layout.channels
    beyond = [channel for channel in channels or () if channel >= count]
    if beyond:
        raise UsageError(f"channel {beyond[0]} is not in layer {layer!r}, which has channels 0 to {count - 1}")
    return count


def change_layer(model: VideoModel, layer: str, change: Change) -> None:
    """Add hooks that change a layer to the module of a model, which must be a copy.

    Raises
    ------
    ValueError
        There is no such layer, or no module returns it.
    """
    parts = model.layer(layer).parts
    if any(part.ref.module is None for part in parts):
        raise UsageError(
            f"layer {layer!r} is the input of a function, which no module returns, so its channels cannot be edited; name "
            "the module before it, such as a block of list(model.layers)"
        )
    by_module: dict[str, list[LayerPart]] = defaultdict(list)
    for part in parts:
        by_module[str(part.ref.module)].append(part)
    calls = {} if model.layer_trace is None else model.layer_trace.calls
    for name, group in by_module.items():
        model.module.get_submodule(name).register_forward_hook(_LayerHook(group, calls.get(name, 1), change))


class _LayerHook:
    """Forward hook that changes what a module returns, in the calls that belong to the layer."""

    def __init__(self, parts: Sequence[LayerPart], calls: int, change: Change) -> None:
        self.parts, self.calls, self.change = tuple(parts), calls, change
        self.count = 0

    def __call__(self, _: nn.Module, __: Any, output: Any) -> Any:
        call, self.count = self.count % self.calls, self.count + 1
        for part in self.parts:
            if part.ref.call != call:
                continue
            found = next((tensor for path, tensor in tensors(output) if path == part.ref.path), None)
            if found is not None:
                changed = self.change(part.layout.split(found), part.layout).reshape(found.shape)
                output = replaced_at(output, part.ref.path, changed)
        return output


def mean_activations(
    model: VideoModel, clips: Iterable[Any], layer: str, channels: Iterable[int] | None = None
) -> tuple[float, ...]:
    """Return the means of channels over positions and clips, for ``Ablate(layer, channels, to=...)``.

    Parameters
    ----------
    model : VideoModel
    clips : iterable of Clip, path or array
    layer : str
    channels : iterable of int, optional
        All by default; the means are those of the channels in ascending order.

    Raises
    ------
    ValueError
        No clips; no such layer or channel.
    """
    chosen, found = model.layer(layer), []
    wanted = None if channels is None else sorted(set(channels))
    check_channels(model, layer, wanted)
    for clip in clips:
        means, _ = model.run(
            model.prepare(clip)[1],
            [chosen],
            lambda recording: recording.volume(chosen).double().mean((0, 2, 3, 4)).cpu(),
        )
        found.append(means)
    if not found:
        raise UsageError("there are no clips to average over; give at least one")
    mean = torch.stack(found).mean(0)
    return tuple(float(value) for value in (mean if wanted is None else mean[wanted]))
