"""Rules of torch functions for tensors in which every value is the relevance of its token.

A rule takes the function's arguments with plain tensors. Whatever mixes features of one token (linear layers, norms,
activations, gates) keeps the token's relevance; whatever merges tokens (pooling, convolution, mean) gives the merged token
their mean. So a constant stays constant, and rows of relevance stay normalised. Most features are copies of one value (expanded,
with stride 0), which makes a run cheap.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F

from notebook_explain.models.positions.tensor import MOVES

SUMS = frozenset("add radd iadd sub rsub isub subtract".split())
GATES = frozenset("mul rmul imul multiply div rdiv idiv divide truediv rtruediv itruediv true_divide".split())
JOINS = frozenset("cat concat concatenate stack hstack vstack where".split())
NEW = frozenset(
    "zeros_like ones_like empty_like full_like rand_like randn_like new_zeros new_ones new_empty new_full".split()
)
# Attributes and questions about a tensor: they run on it unchanged.
QUERIES = frozenset(
    """get set delete size dim ndimension numel nelement stride is_floating_point is_complex is_contiguous element_size
    storage_offset requires_grad_ retain_grad get_device data_ptr len hash format repr str dim_order is_same_size
    is_nonzero bool item tolist""".split()
)
# Frequent functions that keep every token; any other function that keeps the shape counts as one too.
KEEPS = frozenset(
    """relu relu6 leaky_relu elu gelu silu mish softplus hardswish hardsigmoid sigmoid tanh softmax log_softmax
    layer_norm group_norm batch_norm instance_norm rms_norm normalize dropout dropout1d dropout2d dropout3d
    alpha_dropout feature_dropout to float half bfloat16 double type type_as cpu cuda detach masked_fill nan_to_num clamp
    clip clamp_min clamp_max exp log sqrt rsqrt pow square abs neg""".split()
)
MOVING = (MOVES - QUERIES - JOINS - NEW - {"detach", "setitem"}) | {"pad"}


def _linear(x: torch.Tensor, weight: torch.Tensor, bias: Any = None) -> torch.Tensor:
    return mean_of_features(x, -1).expand(*x.shape[:-1], weight.shape[0])


def mean_of_features(x: torch.Tensor, axis: int) -> torch.Tensor:
    """Return the mean over an axis, with length 1 there; an axis that holds copies of one value costs nothing."""
    return x.narrow(axis, 0, 1) if x.stride(axis) == 0 else x.mean(axis, keepdim=True)


def _convolution(dims: int) -> Callable[..., torch.Tensor]:
    convolve: Callable[..., torch.Tensor] = (F.conv1d, F.conv2d, F.conv3d)[dims - 1]

    def mean_of_window(
        x: torch.Tensor,
        weight: torch.Tensor,
        bias: Any = None,
        stride: Any = 1,
        padding: Any = 0,
        dilation: Any = 1,
        groups: int = 1,
    ) -> torch.Tensor:
        x = mean_of_features(x, -1 - dims)
        window = x.new_ones((1, 1, *weight.shape[2:]))
        sums, counts = (convolve(part, window, None, stride, padding, dilation) for part in (x, torch.ones_like(x)))
        mean = sums / counts.clamp_min(1)
        return mean.expand(*mean.shape[: -1 - dims], weight.shape[0], *mean.shape[-dims:])

    return mean_of_window


def _pooling(dims: int) -> Callable[..., Any]:
    average: Callable[..., torch.Tensor] = (F.avg_pool1d, F.avg_pool2d, F.avg_pool3d)[dims - 1]

    def mean_of_window(
        x: torch.Tensor, kernel_size: Any, stride: Any = None, padding: Any = 0, *rest: Any, **options: Any
    ) -> Any:
        stride = kernel_size if stride in (None, [], ()) else stride
        ceil = bool(options.get("ceil_mode", False))
        return average(x, kernel_size, stride, padding, ceil_mode=ceil, count_include_pad=False)

    return mean_of_window


def _adaptive(dims: int) -> Callable[..., torch.Tensor]:
    average: Callable[..., torch.Tensor] = (F.adaptive_avg_pool1d, F.adaptive_avg_pool2d, F.adaptive_avg_pool3d)[
        dims - 1
    ]
    return lambda x, output_size, *_, **__: average(x, output_size)


def _mean(x: torch.Tensor, dim: Any = None, keepdim: bool = False, **options: Any) -> torch.Tensor:
    dim = options.get("axis", dim)
    return x.mean() if dim is None or dim in ((), []) else x.mean(dim, keepdim=keepdim)


def _mean_and_indices(x: torch.Tensor, *args: Any, **options: Any) -> Any:
    mean = _mean(x, *args, **options)
    has_dim = bool(args) or "dim" in options
    return torch.return_types.max((mean, torch.zeros_like(mean, dtype=torch.long))) if has_dim else mean


RULES: dict[str, Callable[..., Any]] = {
    "linear": _linear,
    **{f"conv{n}d": _convolution(n) for n in (1, 2, 3)},
    **{f"{kind}_pool{n}d": _pooling(n) for kind in ("avg", "max") for n in (1, 2, 3)},
    **{f"adaptive_{kind}_pool{n}d": _adaptive(n) for kind in ("avg", "max") for n in (1, 2, 3)},
    **dict.fromkeys(("mean", "sum", "amax", "amin", "nanmean", "logsumexp", "var", "std", "norm"), _mean),
    **dict.fromkeys(("max", "min", "median"), _mean_and_indices),
}
WINDOWS = frozenset(name for name in RULES if name.startswith("conv") or name.startswith(("avg_pool", "max_pool")))


def product_with_weights(name: str, operands: tuple[torch.Tensor, ...], moved: int, equation: str = "") -> torch.Tensor:
    """Return the product of tokens and weights: the mean over the axis that it sums.

    Parameters
    ----------
    name : str
        "einsum", or a matrix product.
    operands : tuple of tensor
    moved : int
        Which of them holds the tokens.
    equation : str
        Of einsum.
    """
    x = operands[moved]
    if name == "einsum":
        ones = [torch.ones_like(operand, dtype=x.dtype) for operand in operands]
        with_x = [x if k == moved else one for k, one in enumerate(ones)]
        return torch.einsum(equation, *with_x) / torch.einsum(equation, *ones)
    axis = -1 if moved == 0 or x.ndim == 1 else -2
    mean = torch.ones_like(operands[1 - moved], dtype=x.dtype)
    pair = (x, mean) if moved == 0 else (mean, x)
    return torch.matmul(*pair) / x.shape[axis]
