"""SoftPool: the mean of the cells of each window, weighted by their softmax.

With cells a_i of a window and temperature T::

    w_i = exp(a_i / T) / sum_j exp(a_j / T)        out = sum_i w_i a_i        d out / d a_i = w_i (1 + (a_i - out) / T)

so avg <= out <= max, a constant is unchanged, and every cell gets a gradient. T towards 0 is max pooling, T towards
infinity average pooling. Padding and cells of -inf are ignored.

Infinities are pooled as max pooling does: a window of -inf alone gives -inf, a window with +inf gives +inf. Cells of +inf
share the gradient of their window equally; a window of -inf alone has none.

Reference: Stergiou, Poppe, Kalliatakis: Refining activation downsampling with SoftPool, ICCV 2021, arXiv:2101.00440.
The code released with it differs from the paper's definition. ``released`` reproduces it for networks trained with it:

* ``"cpu"``: all channels share one weight per cell, exp summed over channels, and negative results become 0.
  (Where the released code overflows to NaN, this does not.)
* ``"cuda"``: the gradient is w_i alone, as if the weights were constant. (The released 3-D kernel also reads wrong
  cells; that is not reproduced.)

There are no parameters, so checkpoints load with any choice. See ``weights`` for the weights of cells and frames.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.overrides import handle_torch_function, has_torch_function_unary

from notebook_explain._errors import UsageTypeError
from notebook_explain.layers.signal_types import explains
from notebook_explain.layers.soft_pool.autograd import (
    Temperature,
    adaptive_soft_mean,
    check_input,
    composed_soft_pool,
    soft_mean,
    weighted_mean,
)
from notebook_explain.layers.soft_pool.kernels import upcast_half
from notebook_explain.layers.soft_pool.weights import Routing, adaptive_soft_pool_weights, soft_pool_weights
from notebook_explain.layers.soft_pool.windows import (
    Windows,
    adaptive_counts,
    adaptive_sizes,
    check_window_counts,
    check_windows,
    is_tiling,
    pad_to_tiles,
    unfold_tiles,
)

LARGE_WINDOW = 64  # cells; larger windows are unfolded if they tile the input, instead of pooled tap by tap
Function = Callable[..., Tensor]
# Poolings of torch with the same windows, through which explanations trace positions.
_MAX_POOLS: dict[int, Function] = {1: F.max_pool1d, 2: F.max_pool2d, 3: F.max_pool3d}
_ADAPTIVE_POOLS: dict[int, Function] = {1: F.adaptive_avg_pool1d, 2: F.adaptive_avg_pool2d, 3: F.adaptive_avg_pool3d}


def _soft_pool(dims: int) -> Function:
    """Make ``soft_pool1d``, ``2d`` or ``3d``."""

    def soft_pool(
        x: Tensor,
        kernel_size: Any = 2,
        stride: Any = None,
        padding: Any = 0,
        dilation: Any = 1,
        ceil_mode: bool = False,
        temperature: Temperature = 1.0,
        released: str = "",
    ) -> Tensor:
        arguments = (kernel_size, stride, padding, dilation, ceil_mode)
        if has_torch_function_unary(x):  # overrides of torch functions get one pooling, not the operations inside
            return handle_torch_function(soft_pool, (x,), x, *arguments, temperature=temperature, released=released)
        windows = check_windows(dims, *arguments)
        check_input(x, dims, temperature, released)
        lengths = list(x.shape[-dims:])
        counts = check_window_counts(lengths, windows)
        if released:
            return composed_soft_pool(x, windows, float(temperature), released)
        if math.prod(windows[0]) > LARGE_WINDOW and is_tiling(lengths, counts, windows):
            return adaptive_soft_mean(x, counts, temperature)
        return soft_mean(x, windows, temperature)

    soft_pool.position_proxy = _same_windows_as(_MAX_POOLS[dims], 5)  # type: ignore[attr-defined]
    return _with_name(soft_pool, f"soft_pool{dims}d", f"Apply SoftPool over the last {dims} axes.\n{_SOFT_POOL_DOC}")


def _adaptive_soft_pool(dims: int) -> Function:
    """Make ``adaptive_soft_pool1d``, ``2d`` or ``3d``."""

    def adaptive_soft_pool(x: Tensor, output_size: Any = 1, temperature: Temperature = 1.0) -> Tensor:
        if has_torch_function_unary(x):
            return handle_torch_function(adaptive_soft_pool, (x,), x, output_size, temperature=temperature)
        sizes = adaptive_sizes(output_size, dims)
        check_input(x, dims, temperature)
        counts = adaptive_counts(list(x.shape[-dims:]), sizes)
        return adaptive_soft_mean(x, counts, temperature)

    adaptive_soft_pool.position_proxy = _same_windows_as(_ADAPTIVE_POOLS[dims], 1)  # type: ignore[attr-defined]
    doc = f"Apply adaptive SoftPool to a given size of the last {dims} axes.\n{_ADAPTIVE_SOFT_POOL_DOC}"
    return _with_name(adaptive_soft_pool, f"adaptive_soft_pool{dims}d", doc)


def _same_windows_as(pool: Function, count: int) -> Function:
    """Make a function that passes only the first ``count`` arguments after the input to a pooling of torch."""

    def proxy(x: Tensor, *windows: Any, **_: Any) -> Tensor:
        return pool(x, *windows[:count])

    return proxy


_SOFT_POOL_DOC = """
    Parameters
    ----------
    x : float tensor (channel, ...) or (batch, channel, ...)
    kernel_size, stride, padding, dilation : int, or one per axis
        As in torch's max pooling; stride is the kernel size by default.
    ceil_mode : bool
        Allow the last window to extend beyond the end.
    temperature : float or tensor of one number, above 0
        Divides the values before the softmax. A tensor gets its gradient.
    released : "", "cpu" or "cuda"
        Reproduce the released code for this device; see the module.

    Returns
    -------
    tensor of the same type
        An axis of length L has floor((L + 2 padding - dilation (kernel_size - 1) - 1) / stride) + 1 windows.

    Raises
    ------
    TypeError, ValueError
        Invalid arguments, or arguments that do not match the input.
    """
_ADAPTIVE_SOFT_POOL_DOC = """
    Parameters
    ----------
    x : float tensor (channel, ...) or (batch, channel, ...)
    output_size : int, or one per axis
        1 pools everything; ``None`` keeps the length of an axis. Windows are those of torch's adaptive pooling.
    temperature : float or tensor of one number, above 0
        Divides the values before the softmax. A tensor gets its gradient.

    Raises
    ------
    TypeError, ValueError
        Invalid arguments, or an input of other axes.
    """


def _with_name(function: Function, name: str, doc: str) -> Function:
    function.__name__ = function.__qualname__ = name
    function.__doc__ = doc
    return function


def _module_temperature(temperature: Any) -> float | nn.Parameter:
    """Return the temperature that a module keeps; a parameter is trained with the module."""
    if isinstance(temperature, nn.Parameter):
        return temperature
    if isinstance(temperature, Tensor):
        raise UsageTypeError(
            "the temperature of a module must be a number, or an nn.Parameter that is trained with it; got another tensor, "
            "which the functions (such as soft_pool3d) take"
        )
    return float(temperature)


def _shown(value: Any) -> str:
    """Write a setting; a parameter by its value."""
    return f"{float(value.detach()):g}" if isinstance(value, Tensor) else repr(value)


class _SoftPoolNd(nn.Module):
    """SoftPool with the arguments of torch's max pooling, temperature and ``released``.

    The temperature may be an ``nn.Parameter`` of one number, which is then trained with the network; a module with one
    cannot be scripted.
    """

    dims: int

    def __init__(
        self,
        kernel_size: Any = 2,
        stride: Any = None,
        padding: Any = 0,
        dilation: Any = 1,
        ceil_mode: bool = False,
        temperature: Temperature = 1.0,
        released: str = "",
    ) -> None:
        super().__init__()
        windows = check_windows(self.dims, kernel_size, stride, padding, dilation, ceil_mode)
        self.kernel_size, self.stride, self.padding, self.dilation = (tuple(numbers) for numbers in windows[:4])
        self.ceil_mode, self.released = bool(ceil_mode), released
        self.temperature = _module_temperature(temperature)
        check_input(torch.zeros([1] * (self.dims + 1)), self.dims, temperature, released)

    @explains
    def explain(self, x: Tensor) -> Routing:
        """Return the weights of the cells in each window, and of each frame; see `soft_pool_weights`."""
        return soft_pool_weights(x, *self._windows(), self.temperature, self.released, dims=self.dims)

    @classmethod
    def like(cls, module: nn.Module) -> _SoftPoolNd | None:
        """Make a SoftPool with the windows of another pooling; ``None`` if it has none or returns indices."""
        if getattr(module, "return_indices", False) or not hasattr(module, "kernel_size"):
            return None
        names = ("kernel_size", "stride", "padding", "dilation", "ceil_mode")
        return cls(**{name: getattr(module, name) for name in names if hasattr(module, name)})

    def forward(self, x: Tensor) -> Tensor:
        """Pool (channel, ...) or (batch, channel, ...)."""
        if torch.jit.is_scripting():  # type: ignore[attr-defined]
            return composed_soft_pool(x, self._windows(), self.temperature, self.released)  # type: ignore[arg-type]
        else:  # noqa: RET505  TorchScript does not compile this branch
            return self._eager(x)

    @torch.jit.unused
    def _eager(self, x: Tensor) -> Tensor:
        return _FUNCTIONS[self.dims](x, *self._windows(), temperature=self.temperature, released=self.released)

    def _windows(self) -> Windows:
        return list(self.kernel_size), list(self.stride), list(self.padding), list(self.dilation), self.ceil_mode

    def extra_repr(self) -> str:
        """Settings, for repr."""
        text = f"kernel_size={self.kernel_size}, stride={self.stride}, padding={self.padding}"
        for name, default in (
            ("dilation", (1,) * self.dims),
            ("ceil_mode", False),
            ("temperature", 1.0),
            ("released", ""),
        ):
            value = getattr(self, name)
            text += "" if value == default else f", {name}={_shown(value)}"
        return text


class _AdaptiveSoftPoolNd(nn.Module):
    """SoftPool with the windows of torch's adaptive pooling; 1 pools everything."""

    dims: int

    def __init__(self, output_size: Any = 1, temperature: Temperature = 1.0) -> None:
        super().__init__()
        self.output_size, self.temperature = output_size, _module_temperature(temperature)
        self._sizes = adaptive_sizes(output_size, self.dims)  # in a form that TorchScript accepts
        check_input(torch.zeros([1] * (self.dims + 1)), self.dims, temperature)

    @explains
    def explain(self, x: Tensor) -> Routing:
        """Return the weights of the cells in each window, and of each frame; see `adaptive_soft_pool_weights`."""
        return adaptive_soft_pool_weights(x, self.output_size, self.temperature, dims=self.dims)

    def forward(self, x: Tensor) -> Tensor:
        """Pool (channel, ...) or (batch, channel, ...)."""
        if torch.jit.is_scripting():  # type: ignore[attr-defined]
            counts = adaptive_counts(list(x.shape[x.dim() - len(self._sizes) :]), self._sizes)
            cells = unfold_tiles(pad_to_tiles(upcast_half(x), counts), counts)
            return weighted_mean(cells, cells / self.temperature).to(x.dtype)
        else:  # noqa: RET505  TorchScript does not compile this branch
            return self._eager(x)

    @torch.jit.unused
    def _eager(self, x: Tensor) -> Tensor:
        return _ADAPTIVE_FUNCTIONS[self.dims](x, self.output_size, temperature=self.temperature)

    def extra_repr(self) -> str:
        """Settings, for repr."""
        return f"output_size={self.output_size}" + (
            "" if self.temperature == 1 else f", temperature={_shown(self.temperature)}"
        )


class SoftPool1d(_SoftPoolNd):
    """SoftPool over (time,)."""

    dims = 1


class SoftPool2d(_SoftPoolNd):
    """SoftPool over (height, width)."""

    dims = 2


class SoftPool3d(_SoftPoolNd):
    """SoftPool over (time, height, width).

    Examples
    --------
    >>> ne.layers.swap(net, {nn.MaxPool3d: SoftPool3d}).model
    """

    dims = 3


class AdaptiveSoftPool1d(_AdaptiveSoftPoolNd):
    """Adaptive SoftPool over (time,)."""

    dims = 1


class AdaptiveSoftPool2d(_AdaptiveSoftPoolNd):
    """Adaptive SoftPool over (height, width)."""

    dims = 2


class AdaptiveSoftPool3d(_AdaptiveSoftPoolNd):
    """Adaptive SoftPool over (time, height, width)."""

    dims = 3


soft_pool1d = _soft_pool(1)
"""Function of `SoftPool1d`; takes the input and the arguments of the module."""
soft_pool2d = _soft_pool(2)
"""Function of `SoftPool2d`; takes the input and the arguments of the module."""
soft_pool3d = _soft_pool(3)
"""Function of `SoftPool3d`; takes the input and the arguments of the module."""
adaptive_soft_pool1d = _adaptive_soft_pool(1)
"""Function of `AdaptiveSoftPool1d`; takes the input and the arguments of the module."""
adaptive_soft_pool2d = _adaptive_soft_pool(2)
"""Function of `AdaptiveSoftPool2d`; takes the input and the arguments of the module."""
adaptive_soft_pool3d = _adaptive_soft_pool(3)
"""Function of `AdaptiveSoftPool3d`; takes the input and the arguments of the module."""
_FUNCTIONS = {1: soft_pool1d, 2: soft_pool2d, 3: soft_pool3d}
_ADAPTIVE_FUNCTIONS = {1: adaptive_soft_pool1d, 2: adaptive_soft_pool2d, 3: adaptive_soft_pool3d}
