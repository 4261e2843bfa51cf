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

There are no parameters, so a checkpoint loads whichever is chosen.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.overrides import handle_torch_function, has_torch_function_unary

from notebook_explain.layers.soft_mean import in_full, soft_mean
from notebook_explain.layers.windows import Windows, entries, evened, tile, tiled, unfolded, window_counts

MANY = 64  # cells in a window, from which on windows that tile are laid side by side first
RELEASED = ("", "cpu", "cuda")
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
        _check(x, dims, temperature, released)
        lengths = list(x.shape[-dims:])
        counts = window_counts(lengths, *windows)
        if min(counts) < 1:
            raise ValueError(f"windows of {windows[0]} are larger than {lengths} with padding {windows[2]}")
        if released:
            return composed(x, windows, temperature, released)
        if math.prod(windows[0]) > MANY and tile(lengths, counts, windows):
            return soft_mean(tiled(x, counts), None, temperature).squeeze(-1)
        return soft_mean(x, windows, temperature)

    return _named(soft_pool, f"soft_pool{dims}d", f"Pool softly over the last {dims} axes.\n{_WINDOWED}")


def _adaptive(dims: int) -> Function:
    """Make ``adaptive_soft_pool1d``, ``2d`` or ``3d``."""

    def adaptive(x: Tensor, output_size: Any = 1, temperature: float = 1.0) -> Tensor:
        if has_torch_function_unary(x):
            return handle_torch_function(adaptive, (x,), x, output_size, temperature=temperature)
        _check(x, dims, temperature)
        wanted = output_size if isinstance(output_size, (tuple, list)) else (output_size,) * dims
        sizes = [length if size is None else size for size, length in zip(wanted, x.shape[-dims:], strict=False)]
        counts = list(entries(sizes, dims, "output_size", 1))
        return soft_mean(tiled(evened(x, counts), counts), None, temperature).squeeze(-1)

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


def checked(dims: int, kernel_size: Any, stride: Any, padding: Any, dilation: Any, ceil_mode: Any) -> Windows:
    """Windows as they are meant; ValueError or TypeError where they cannot be."""
    kernel = entries(kernel_size, dims, "kernel_size", 1)
    strides = kernel if stride is None else entries(stride, dims, "stride", 1)
    pads = entries(padding, dims, "padding")
    if any(2 * p > k for p, k in zip(pads, kernel, strict=True)):
        raise ValueError(f"padding must be at most half of kernel_size {kernel}, got {pads}")
    return list(kernel), list(strides), list(pads), list(entries(dilation, dims, "dilation", 1)), bool(ceil_mode)


def _check(x: Tensor, dims: int, temperature: float, released: str = "") -> None:
    if x.dim() not in (dims + 1, dims + 2):
        raise ValueError(
            f"expected {dims + 1} axes (channel first), or {dims + 2} with a batch; got shape {tuple(x.shape)}"
        )
    if not x.is_floating_point():
        raise TypeError(f"expected floats, got {x.dtype}; convert with x.float()")
    if not 0 < temperature < float("inf"):
        raise ValueError(f"temperature must be above 0 and finite, got {temperature!r}")
    if released not in RELEASED:
        raise ValueError(f"released must be one of {RELEASED}, got {released!r}")


def composed(x: Tensor, windows: Windows, temperature: float, released: str = "") -> Tensor:
    """Pool softly by torch's own operations: for TorchScript and what was released. All windows lie in memory."""
    cells = in_full(unfolded(x, windows[0], windows[1], windows[2], windows[3], windows[4]))
    weights = _weights(x, windows, temperature, released == "cpu")
    if released == "cuda":
        weights = weights.detach()
    out = (weights * cells.masked_fill(cells == -float("inf"), 0.0)).sum(-1)
    return (out.clamp_min(0.0) if released == "cpu" else out).to(x.dtype)


def _weights(x: Tensor, windows: Windows, temperature: float, shared: bool) -> Tensor:
    scores = in_full(x) / temperature
    if shared:
        scores = scores.logsumexp(x.dim() - len(windows[0]) - 1, keepdim=True)
    return unfolded(scores, windows[0], windows[1], windows[2], windows[3], windows[4]).softmax(-1)


class Routing(NamedTuple):
    """Which cells of each window SoftPool listens to.

    Attributes
    ----------
    weights : tensor (..., windows per axis, cells)
        They sum to 1 over the cells, which are in row-major order; 0 in the padding. A router: what is known of a
        result goes to its cells by them.
    shares : tensor of the same shape
        Weight times value. They sum to the result, as relevance does in layer-wise relevance propagation.
    """

    weights: Tensor
    shares: Tensor


def soft_pool_weights(
    x: Tensor,
    kernel_size: Any = 2,
    stride: Any = None,
    padding: Any = 0,
    dilation: Any = 1,
    ceil_mode: bool = False,
    temperature: float = 1.0,
    *,
    dims: int = 3,
) -> Routing:
    """Which cells of each window SoftPool listens to: the weights, and what each cell adds to the result.

    Parameters
    ----------
    x, kernel_size, stride, padding, dilation, ceil_mode, temperature
        As of ``soft_pool3d``.
    dims : int
        Over how many of the last axes is pooled.

    Returns
    -------
    Routing
        ``.weights`` and ``.shares``, as large as all windows together.
    """
    windows = checked(dims, kernel_size, stride, padding, dilation, ceil_mode)
    _check(x, dims, temperature)
    weights, cells = _weights(x, windows, temperature, False), unfolded(in_full(x), *windows)
    return Routing(weights, weights * cells.masked_fill(cells == -float("inf"), 0.0))


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
        _check(torch.zeros([1] * (self.dims + 1)), self.dims, temperature, released)

    @torch.jit.unused
    def explain(self, x: Tensor) -> Routing:
        """Which cells each window listens to; see `soft_pool_weights`."""
        windows = (self.kernel_size, self.stride, self.padding, self.dilation, self.ceil_mode)
        return soft_pool_weights(x, *windows, self.temperature, dims=self.dims)

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
            windows = (
                list(self.kernel_size),
                list(self.stride),
                list(self.padding),
                list(self.dilation),
                self.ceil_mode,
            )
            return composed(x, windows, self.temperature, self.released)
        else:  # noqa: RET505  this way it is not scripted
            return self._eager(x)

    @torch.jit.unused
    def _eager(self, x: Tensor) -> Tensor:
        windows = (self.kernel_size, self.stride, self.padding, self.dilation, self.ceil_mode)
        return _FUNCTIONS[self.dims](x, *windows, temperature=self.temperature, released=self.released)

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

    def forward(self, x: Tensor) -> Tensor:
        """Pool a batch of (channel, ...), or one."""
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
