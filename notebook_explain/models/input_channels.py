"""Find the number of channels that a network takes, from its first convolution or linear layer; its mean and std."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import torch
from torch import nn
from torch.overrides import TorchFunctionMode

from notebook_explain.models.input_layouts import COMMON_LAYOUTS, has_channels
from notebook_explain.models.positions.tensor import PositionTensor
from notebook_explain.models.preprocessing import Preprocessing
from notebook_explain.models.rng import LocalRandomness
from notebook_explain.models.shadow import on_shadow, reference_parameter
from notebook_explain.models.video_model import position_input

_CONVOLUTIONS = {"conv1d": 3, "conv2d": 4, "conv3d": 5}  # number of axes of the input and of the weight
# Mean and standard deviation of Kinetics in units of 0..1, with which most published video weights were trained.
KINETICS_MEAN = (0.43216, 0.394666, 0.37645)
KINETICS_STD = (0.22803, 0.22145, 0.216989)
MAX_CHANNELS = 4096
MAX_LINEAR_CHANNELS = 32  # of each pixel; a wider linear layer reads features of whole frames


class _FirstLayer(TorchFunctionMode):
    """Stop a pass at the first convolution or linear layer that reads the clip; keep the channels it gets and takes."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.channels = channels
        self.is_reached = False
        self.given: int | None = None
        self.taken: int | None = None

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        name = getattr(func, "__name__", "")
        if name == "linear" or name in _CONVOLUTIONS:
            x = args[0] if args else kwargs.get("input")
            weight = args[1] if len(args) > 1 else kwargs.get("weight")
            if isinstance(x, PositionTensor) and isinstance(weight, torch.Tensor):
                self.is_reached = True
                self._keep(name, x, weight, args[6] if len(args) > 6 else kwargs.get("groups", 1))
                raise _FoundError
        elif name == "batch_norm" and isinstance(args[0], PositionTensor):
            self._keep_norm(args[0], args[1:])
        return func(*args, **kwargs)

    def _keep_norm(self, x: torch.Tensor, values: Sequence[Any]) -> None:
        """Stop at a norm over another number of channels; a norm over vectors says nothing about channels."""
        lengths = {len(value) for value in values if isinstance(value, torch.Tensor)}
        if lengths and x.shape[1] not in lengths:
            self.is_reached = True
            if x.ndim > 3:
                self.given, self.taken = x.shape[1], lengths.pop()
            raise _FoundError

    def _keep(self, name: str, x: torch.Tensor, weight: torch.Tensor, groups: int) -> None:
        if name == "linear":
            is_per_pixel = x.shape[-1] == self.channels and weight.shape[1] > MAX_LINEAR_CHANNELS
            if not is_per_pixel:
                self.given, self.taken = x.shape[-1], weight.shape[1]
        elif x.ndim == weight.ndim == _CONVOLUTIONS[name]:  # not a frame without an axis for the batch
            self.given, self.taken = x.shape[1], weight.shape[1] * groups


class _FoundError(Exception):
    """The first layer has been reached."""


def channels_of_first_layer(shadow: nn.Module, p: Preprocessing) -> int | None:
    """Return how many channels a clip must have for the first layer that reads it, if that is not the number in ``p``.

    A layer may read several values of a clip's channel at once: a patch that is unfolded, or frames that are stacked in the
    axis of the channels. Its width then is a multiple of the number of channels. Where no layer is reached, the first
    convolution among the modules gives the number.

    Returns
    -------
    int or None
        None if the layer takes the channels of ``p``, if none is reached, or if its width fits no whole number.
    """
    first = _FirstLayer(p.channels)
    reference = reference_parameter(shadow)
    try:
        with torch.no_grad(), LocalRandomness(), first:
            shadow(position_input(p, reference.device, reference.dtype))
    except Exception:  # found, or anything that the network raises
        pass
    if not first.is_reached:
        convolution = next((part for part in shadow.modules() if isinstance(part, (nn.Conv2d, nn.Conv3d))), None)
        return None if convolution is None or convolution.in_channels == p.channels else convolution.in_channels
    if first.given is None or first.taken is None or first.taken == first.given:
        return None
    channels, rest = divmod(first.taken * p.channels, first.given)
    return channels if rest == 0 and 1 <= channels <= MAX_CHANNELS else None


def inputs_of_first_layer(
    module: nn.Module, inputs: Iterable[Preprocessing], keep_hooks: bool
) -> Iterator[Preprocessing]:
    """Yield inputs with the number of channels that the network's first layer takes, if that is another number."""
    for p in inputs:
        if has_channels(p.layout):
            count = on_shadow(module, partial(channels_of_first_layer, p=p), keep_hooks=keep_hooks)[0]
            if count is not None:
                yield with_channels(p, count)


def takes_other_channels(
    module: nn.Module, chosen: Preprocessing, specified: Mapping[str, Any], keep_hooks: bool
) -> bool:
    """Return whether a network accepts another number of channels too; then the number is a guess.

    Three channels are what a video has, and a layout without an axis for channels states that there is one.
    """
    if chosen.channels == 3 or not has_channels(chosen.layout):
        return False
    layouts = (chosen.layout,) if "layout" in specified else COMMON_LAYOUTS
    others = [with_channels(chosen, chosen.channels + 1)]
    others += [replace(with_channels(chosen, 3), layout=layout) for layout in layouts if has_channels(layout)]
    return any(_runs(module, other, keep_hooks) for other in others)


def _runs(module: nn.Module, p: Preprocessing, keep_hooks: bool) -> bool:
    def run(shadow: nn.Module) -> None:
        reference = reference_parameter(shadow)
        with torch.no_grad(), LocalRandomness():
            shadow(position_input(p, reference.device, reference.dtype))

    try:
        on_shadow(module, run, keep_hooks=keep_hooks)
    except Exception:  # anything that a network raises on an input that it does not accept
        return False
    return True


def normalised(p: Preprocessing, specified: Mapping[str, Any]) -> Preprocessing:
    """Return preprocessing with the mean and std that are specified; by default those of Kinetics for colours, or 0 and 1."""
    mean, std = (KINETICS_MEAN, KINETICS_STD) if p.channels == 3 else ((0.0,), (1.0,))
    return replace(p, mean=specified.get("mean", mean), std=specified.get("std", std))


def with_channels(p: Preprocessing, channels: int) -> Preprocessing:
    """Return the same preprocessing for another number of channels, with the mean and std of the first channel."""
    return replace(p, channels=channels, mean=p.mean[:1], std=p.std[:1])
