"""Find the number of channels that a network takes, from its first convolution or linear layer."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import torch
from torch import nn
from torch.overrides import TorchFunctionMode

from notebook_explain.models.input_layouts import arrange
from notebook_explain.models.positions.tensor import PositionTensor
from notebook_explain.models.preprocessing import Preprocessing
from notebook_explain.models.rng import LocalRandomness
from notebook_explain.models.shadow import reference_parameter

_CONVOLUTIONS = {"conv1d": 3, "conv2d": 4, "conv3d": 5}  # number of axes of the input and of the weight
MAX_CHANNELS = 4096
MAX_LINEAR_CHANNELS = 32  # of each pixel; a wider linear layer reads features of whole frames


class _FirstLayer(TorchFunctionMode):
    """Stop a pass at the first convolution or linear layer that reads the clip, and keep its numbers of channels."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.channels = channels
        self.given: int | None = None
        self.taken: int | None = None

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        name = getattr(func, "__name__", "")
        if name == "linear" or name in _CONVOLUTIONS:
            x = args[0] if args else kwargs.get("input")
            weight = args[1] if len(args) > 1 else kwargs.get("weight")
            if isinstance(x, PositionTensor) and isinstance(weight, torch.Tensor):
                self._keep(name, x, weight, args[6] if len(args) > 6 else kwargs.get("groups", 1))
                raise _FoundError
        return func(*args, **kwargs)

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
    """Return how many channels a clip must have for the first layer that reads it, if that are not those of ``p``.

    A layer may read several values of a clip's channel at once: a patch that is unfolded, or frames that are stacked in the
    axis of the channels. Its width then is a multiple of the number of channels.

    Returns
    -------
    int or None
        None if the layer takes the channels of ``p``, if none is reached, or if its width fits no whole number.
    """
    first = _FirstLayer(p.channels)
    positions = PositionTensor.for_clip(*p.shape, reference_parameter(shadow).device, channels=p.channels)
    try:
        with torch.no_grad(), LocalRandomness(), first:
            shadow(arrange(positions, p.layout))
    except Exception:  # found, or anything that the network raises
        pass
    if first.given is None or first.taken is None or first.taken == first.given:
        return None
    channels, rest = divmod(first.taken * p.channels, first.given)
    return channels if rest == 0 and 1 <= channels <= MAX_CHANNELS else None


def with_channels(p: Preprocessing, channels: int) -> Preprocessing:
    """Return the same preprocessing for another number of channels, with the mean and std of the first."""
    return replace(p, channels=channels, mean=p.mean[:1], std=p.std[:1])
