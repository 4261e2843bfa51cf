"""Norms whose standard deviation does not carry gradients, for the float64 copies of the oracle.

A norm divides by a standard deviation (or a root mean square, or a length) that it computes from its input. With
differentiated statistics, the gradient of ``x / |x|`` is orthogonal to x, and gradient x activation of what a norm reads adds
up to 0. With constant statistics, the divisor is treated as a number.
"""

from __future__ import annotations

from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

_LAYER_NORM = {torch.nn.functional.layer_norm, torch.layer_norm}
_GROUP_NORM = {torch.nn.functional.group_norm, torch.group_norm}
_RMS_NORM = {torch.nn.functional.rms_norm, torch.rms_norm}
_NORMALISE = {torch.nn.functional.normalize}


class ConstantNorms(TorchFunctionMode):
    """Replaces layer, group, instance and RMS norms and L2 normalisation by versions with a detached divisor, while it is active.

    Parameters
    ----------
    replay : list of (mean, divisor), optional
        Statistics of another pass, whose divisors are used in the same order instead of those of the input: norms are then
        affine.
    with_means : bool
        Use the means of that pass too: norms then couple no channels.

    Attributes
    ----------
    statistics : list of (mean, divisor)
        Of each norm, in order of execution; the mean is None where a norm subtracts none.
    """

    def __init__(self, replay: list[tuple[Tensor | None, Tensor]] | None = None, with_means: bool = False) -> None:
        super().__init__()
        self.with_means = with_means
        self.replay = list(replay) if replay is not None else None
        self.statistics: list[tuple[Tensor | None, Tensor]] = []

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        if func in _LAYER_NORM:
            return self._layer_norm(*args, **kwargs)
        if func in _GROUP_NORM:
            return self._group_norm(*args, **kwargs)
        if func is torch.nn.functional.instance_norm:
            return self._instance_norm(*args, **kwargs)
        if func in _RMS_NORM:
            return self._rms_norm(*args, **kwargs)
        if func in _NORMALISE:
            return self._normalise(*args, **kwargs)
        return func(*args, **kwargs)

    def divide(self, x: Tensor, mean: Tensor | None, divisor: Tensor) -> Tensor:
        """Subtract a mean and divide by a constant: the given ones, or those that are replayed."""
        divisor = divisor.detach()
        if self.replay is not None:
            recorded, divisor = self.replay.pop(0)
            mean = recorded if self.with_means else mean
        self.statistics.append((None if mean is None else mean.detach(), divisor))
        return (x if mean is None else x - mean) / divisor

    def _layer_norm(
        self, x: Tensor, shape: Any, weight: Any = None, bias: Any = None, eps: float = 1e-5, *_: Any, **__: Any
    ) -> Tensor:
        axes = tuple(range(-len(tuple(shape)), 0))
        divisor = torch.sqrt(x.var(axes, keepdim=True, unbiased=False) + eps)
        y = self.divide(x, x.mean(axes, keepdim=True), divisor)
        y = y if weight is None else y * weight
        return y if bias is None else y + bias

    def _group_norm(
        self, x: Tensor, groups: int, weight: Any = None, bias: Any = None, eps: float = 1e-5, *_: Any
    ) -> Tensor:
        split = x.reshape(x.shape[0], groups, -1)
        divisor = torch.sqrt(split.var(2, keepdim=True, unbiased=False) + eps)
        y = self.divide(split, split.mean(2, keepdim=True), divisor).reshape(x.shape)
        shape = (1, -1, *[1] * (x.ndim - 2))
        y = y if weight is None else y * weight.view(shape)
        return y if bias is None else y + bias.view(shape)

    def _instance_norm(
        self,
        x: Tensor,
        running_mean: Any = None,
        running_var: Any = None,
        weight: Any = None,
        bias: Any = None,
        use_input_stats: bool = True,
        momentum: float = 0.1,
        eps: float = 1e-5,
    ) -> Tensor:
        assert use_input_stats, "statistics of training are constant anyway"
        return self._group_norm(x, x.shape[1], weight, bias, eps)

    def _rms_norm(self, x: Tensor, shape: Any, weight: Any = None, eps: float | None = None) -> Tensor:
        axes = tuple(range(-len(tuple(shape)), 0))
        eps = torch.finfo(x.dtype).eps if eps is None else eps
        y = self.divide(x, None, torch.sqrt(x.pow(2).mean(axes, keepdim=True) + eps))
        return y if weight is None else y * weight

    def _normalise(self, x: Tensor, p: float = 2.0, dim: Any = 1, eps: float = 1e-12, out: Any = None) -> Tensor:
        return self.divide(x, None, torch.linalg.vector_norm(x, p, dim, keepdim=True).clamp_min(eps))


def hold_written_out_norms(net: nn.Module, mode: ConstantNorms) -> None:
    """Replace the forward of the norms that the small networks write out by hand; they call no function for a norm."""
    for module in net.modules():
        if type(module).__name__ == "RootMeanSquareNorm":
            module.forward = partial(_root_mean_square, module, mode)  # type: ignore[method-assign]
        elif type(module).__name__ == "ChannelNorm":
            module.forward = partial(_channel_norm, module, mode)  # type: ignore[method-assign]


def release_written_out_norms(net: nn.Module) -> None:
    """Undo `hold_written_out_norms`."""
    for module in net.modules():
        vars(module).pop("forward", None)


def _root_mean_square(module: Any, mode: ConstantNorms, x: Tensor) -> Tensor:
    return module.weight * mode.divide(x, None, torch.sqrt(x.pow(2).mean(-1, keepdim=True) + module.eps))


def _channel_norm(module: Any, mode: ConstantNorms, x: Tensor) -> Tensor:
    divisor = torch.sqrt(x.var(1, keepdim=True, unbiased=False) + 1e-6)
    y = mode.divide(x, x.mean(1, keepdim=True), divisor)
    return y * module.weight.view(-1, 1, 1, 1) + module.bias.view(-1, 1, 1, 1)
