"""SoftPool: each window gives the mean of its cells, weighted by their softmax.

With cells a_i of a window and temperature T::

    w_i = exp(a_i / T) / sum_j exp(a_j / T)        out = sum_i w_i a_i        d out / d a_i = w_i (1 + (a_i - out) / T)

so avg <= out <= max, a constant stays itself, and every cell gets gradient. T towards 0 is max pooling, T towards
infinity average pooling. Padding takes no part, nor do cells of -inf.

Reference: Stergiou, Poppe, Kalliatakis: Refining activation downsampling with SoftPool, ICCV 2021, arXiv:2101.00440.
The code released with it differs from the paper's definition; ``released`` repeats that, for networks trained with it:

* ``"cpu"``: all channels share one weight per cell, exp summed over channels, and results below 0 become 0.
  (Where the released code overflows to NaN, this does not.)
* ``"cuda"``: the gradient is w_i alone, as if the weights were constant. (The released 3-D kernel also reads wrong
  cells; that is not repeated.)

There are no parameters, so a checkpoint loads whichever is chosen. What windows listen to is in ``routing``.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.overrides import handle_torch_function, has_torch_function_unary

from notebook_explain.layers.signal_types import explains
from notebook_explain.layers.soft_pool.autograd import (
    adaptive_soft_mean,
    check_input,
    composed,
    mean_of_cells,
    soft_mean,
)
from notebook_explain.layers.soft_pool.kernels import in_full
from notebook_explain.layers.soft_pool.weights import Routing, adaptive_soft_pool_weights, soft_pool_weights
from notebook_explain.layers.soft_pool.windows import (
    Windows,
    adaptive_counts,
    adaptive_sizes,
    checked,
    evened,
    fitting_counts,
    tile,
    tiled,
)

MANY = 64  # cells in a window, from which on windows that tile are laid side by side first
Function = Callable[..., Tensor]


def _windowed(dims: int) -> Function:
    """Make ``soft_pool1d``, ``2d`` or ``3d``."""

    def soft_pool(
        x: Tensor,
        kernel_size: Any = 2,
        stride: Any = None,
        padding: Any = 0,
        dilation: Any = 1,
        ceil_mode: bool = False,
        temperature: float = 1.0,
        released: str = "",
    ) -> Tensor:
        given = (kernel_size, stride, padding, dilation, ceil_mode)
        if has_torch_function_unary(x):  # whoever overrides torch's functions meets one pooling, not what it is made of
            return handle_torch_function(soft_pool, (x,), x, *given, temperature=temperature, released=released)
        windows = checked(dims, *given)
        check_input(x, dims, temperature, released)
        lengths = list(x.shape[-dims:])
        counts = fitting_counts(lengths, windows)
        if released:
            return composed(x, windows, temperature, released)
        if math.prod(windows[0]) > MANY and tile(lengths, counts, windows):
            return adaptive_soft_mean(x, counts, temperature)
        return soft_mean(x, windows, temperature)

    return _named(soft_pool, f"soft_pool{dims}d", f"Pool softly over the last {dims} axes.\n{_WINDOWED}")


def _adaptive(dims: int) -> Function:
    """Make ``adaptive_soft_pool1d``, ``2d`` or ``3d``."""

    def adaptive(x: Tensor, output_size: Any = 1, temperature: float = 1.0) -> Tensor:
        if has_torch_function_unary(x):
            return handle_torch_function(adaptive, (x,), x, output_size, temperature=temperature)
        sizes = adaptive_sizes(output_size, dims)
        check_input(x, dims, temperature)
        counts = adaptive_counts(list(x.shape[-dims:]), sizes)
        return adaptive_soft_mean(x, counts, temperature)

    return _named(
        adaptive, f"adaptive_soft_pool{dims}d", f"Pool softly to a size of the last {dims} axes.\n{_ADAPTIVE}"
    )


_WINDOWED = """
    Parameters
    ----------
    x : float tensor (channel, ...) or (batch, channel, ...)
    kernel_size, stride, padding, dilation : int, or one per axis
        As of torch's max pooling; stride is the kernel size when left out.
    ceil_mode : bool
        Whether a last window may reach beyond the end.
    temperature : float, above 0
        Values are divided by it before the softmax.
    released : "", "cpu" or "cuda"
        Behave as the released code does there; see the module.

    Returns
    -------
    tensor of the same type
        Of an axis of length L there are floor((L + 2 padding - dilation (kernel_size - 1) - 1) / stride) + 1 windows.

    Raises
    ------
    TypeError, ValueError
        Arguments that do not fit one another or the input.
    """
_ADAPTIVE = """
    Parameters
    ----------
    x : float tensor (channel, ...) or (batch, channel, ...)
    output_size : int, or one per axis
        1 pools everything; ``None`` for an axis leaves it as it is. Windows are those of torch's adaptive pooling.
    temperature : float, above 0
    """


def _named(function: Function, name: str, doc: str) -> Function:
    function.__name__ = function.__qualname__ = name
    function.__doc__ = doc
    return function


class _SoftPool(nn.Module):
    """Windows of fixed size: the arguments of torch's max pooling, and temperature."""

    dims: int

    def __init__(
        self,
        kernel_size: Any = 2,
        stride: Any = None,
        padding: Any = 0,
        dilation: Any = 1,
        ceil_mode: bool = False,
        temperature: float = 1.0,
        released: str = "",
    ) -> None:
        super().__init__()
        windows = checked(self.dims, kernel_size, stride, padding, dilation, ceil_mode)
        self.kernel_size, self.stride, self.padding, self.dilation = (tuple(each) for each in windows[:4])
        self.ceil_mode, self.temperature, self.released = bool(ceil_mode), float(temperature), released
        check_input(torch.zeros([1] * (self.dims + 1)), self.dims, temperature, released)

    @explains
    def explain(self, x: Tensor) -> Routing:
        """Which cells each window listens to, and which frames; see `soft_pool_weights`."""
        return soft_pool_weights(x, *self._windows(), self.temperature, self.released, dims=self.dims)

    @classmethod
    def like(cls, module: nn.Module) -> _SoftPool | None:
        """Make one with the windows of another pooling; ``None`` for what has none, or returns indices too."""
        if getattr(module, "return_indices", False) or not hasattr(module, "kernel_size"):
            return None
        names = ("kernel_size", "stride", "padding", "dilation", "ceil_mode")
        return cls(**{name: getattr(module, name) for name in names if hasattr(module, name)})

    def forward(self, x: Tensor) -> Tensor:
        """Pool a batch of (channel, ...), or one."""
        if torch.jit.is_scripting():  # type: ignore[attr-defined]
            return composed(x, self._windows(), self.temperature, self.released)
        else:  # noqa: RET505  this way it is not scripted
            return self._eager(x)

    @torch.jit.unused
    def _eager(self, x: Tensor) -> Tensor:
        return _FUNCTIONS[self.dims](x, *self._windows(), temperature=self.temperature, released=self.released)

    def _windows(self) -> Windows:
        return list(self.kernel_size), list(self.stride), list(self.padding), list(self.dilation), self.ceil_mode

    def extra_repr(self) -> str:
        """Settings, for repr."""
        said = f"kernel_size={self.kernel_size}, stride={self.stride}, padding={self.padding}"
        for name, usual in (
            ("dilation", (1,) * self.dims),
            ("ceil_mode", False),
            ("temperature", 1.0),
            ("released", ""),
        ):
            value = getattr(self, name)
            said += "" if value == usual else f", {name}={value!r}"
        return said


class _AdaptiveSoftPool(nn.Module):
    """Windows of adaptive pooling; 1 pools everything."""

    dims: int

    def __init__(self, output_size: Any = 1, temperature: float = 1.0) -> None:
        super().__init__()
        self.output_size, self.temperature = output_size, float(temperature)
        self._sizes = adaptive_sizes(output_size, self.dims)  # the same for TorchScript
        check_input(torch.zeros([1] * (self.dims + 1)), self.dims, temperature)

    @explains
    def explain(self, x: Tensor) -> Routing:
        """Which cells each window listens to, and which frames; see `adaptive_soft_pool_weights`."""
        return adaptive_soft_pool_weights(x, self.output_size, self.temperature, dims=self.dims)

    def forward(self, x: Tensor) -> Tensor:
        """Pool a batch of (channel, ...), or one."""
        if torch.jit.is_scripting():  # type: ignore[attr-defined]
            counts = adaptive_counts(list(x.shape[x.dim() - len(self._sizes) :]), self._sizes)
            cells = tiled(evened(in_full(x), counts), counts)
            return mean_of_cells(cells, cells / self.temperature).to(x.dtype)
        else:  # noqa: RET505  this way it is not scripted
            return self._eager(x)

    @torch.jit.unused
    def _eager(self, x: Tensor) -> Tensor:
        return _ADAPTIVE_FUNCTIONS[self.dims](x, self.output_size, temperature=self.temperature)

    def extra_repr(self) -> str:
        """Settings, for repr."""
        return f"output_size={self.output_size}" + (
            "" if self.temperature == 1 else f", temperature={self.temperature}"
        )


class SoftPool1d(_SoftPool):
    """SoftPool over (time,)."""

    dims = 1


class SoftPool2d(_SoftPool):
    """SoftPool over (height, width)."""

    dims = 2


class SoftPool3d(_SoftPool):
    """SoftPool over (time, height, width).

    Examples
    --------
    >>> ne.layers.swap(net, {nn.MaxPool3d: SoftPool3d}).model
    """

    dims = 3


class AdaptiveSoftPool1d(_AdaptiveSoftPool):
    """Adaptive SoftPool over (time,)."""

    dims = 1


class AdaptiveSoftPool2d(_AdaptiveSoftPool):
    """Adaptive SoftPool over (height, width)."""

    dims = 2


class AdaptiveSoftPool3d(_AdaptiveSoftPool):
    """Adaptive SoftPool over (time, height, width)."""

    dims = 3


soft_pool1d, soft_pool2d, soft_pool3d = (_windowed(dims) for dims in (1, 2, 3))
adaptive_soft_pool1d, adaptive_soft_pool2d, adaptive_soft_pool3d = (_adaptive(dims) for dims in (1, 2, 3))
_FUNCTIONS = {1: soft_pool1d, 2: soft_pool2d, 3: soft_pool3d}
_ADAPTIVE_FUNCTIONS = {1: adaptive_soft_pool1d, 2: adaptive_soft_pool2d, 3: adaptive_soft_pool3d}
