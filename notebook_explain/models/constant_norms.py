"""Hold the statistics of norms constant while gradients are computed.

A norm that divides by a statistic of its own input (LayerNorm, RMSNorm, GroupNorm, InstanceNorm, L2 normalisation) does not
change when its input is scaled. Gradient x activation in front of it is therefore zero, whatever the network sees there.
With the divisor held constant the norm is an affine function of its input, and evidence passes through it: the products in
front of it add up to those behind it, apart from the bias.

Norms are found by the functions that they call. The usual ones are replaced by the same computation with a constant divisor.
In norms written by hand, a divisor that was computed from a standard deviation, a variance, a root mean square or a vector
norm is held constant (``x / x.norm()``, ``x * torch.rsqrt(x.pow(2).mean() + eps)``).
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode

CONSTANT, DIFFERENTIATED = NORMS = ("constant", "differentiated")

_SPREADS = frozenset("std var std_mean var_mean norm vector_norm linalg_norm linalg_vector_norm frobenius_norm".split())
_SQUARES = frozenset({"pow", "square", "float_power"})
_MEANS = frozenset({"mean", "sum"})
# A statistic remains one through these, as long as no other operand depends on the input.
_FOLLOWED = frozenset(
    """add radd iadd sqrt clamp clamp_min clip maximum max expand expand_as unsqueeze squeeze view reshape to float double
    half bfloat16 type type_as contiguous clone getitem mul rmul permute transpose flatten""".split()
)
_RECIPROCALS = frozenset({"rsqrt", "reciprocal"})
_QUOTIENTS = frozenset({"div", "divide", "true_divide", "truediv", "itruediv"})
_PRODUCTS = frozenset({"mul", "multiply", "rmul", "imul"})


class ConstantNorms(TorchFunctionMode):
    """Replace norms by affine functions with the same result, during one forward pass.

    Attributes
    ----------
    found : list of str
        Functions that were replaced or whose divisor was held constant, in order.
    """

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []
        self._recorded: list[Tensor] = []
        self._replayed = -1  # index of the next recorded divisor; -1 while recording

    @contextmanager
    def replay(self) -> Any:
        """Divide by the divisors of the first pass, in the same order; for passes on changed activations."""
        self._replayed = 0
        try:
            with self:
                yield self
        finally:
            self._replayed = -1

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        name = getattr(func, "__name__", "").strip("_")
        replacement = _NORMS.get(name)
        if replacement is not None and args and _needs_gradient(args[0]):
            result = replacement(self._constant, *args, **kwargs)
            if result is not None:
                self.found.append(name)
                return result
        if name in _QUOTIENTS and len(args) > 1 and _is_statistic(args[1], "divisor"):
            self.found.append(name)
            args = (args[0], self._constant(args[1]), *args[2:])
        elif name in _PRODUCTS and len(args) > 1:
            factors = [self._constant(arg) if _is_statistic(arg, "reciprocal") else arg for arg in args[:2]]
            if any(a is not b for a, b in zip(factors, args, strict=False)):
                self.found.append(name)
                args = (*factors, *args[2:])
        result = func(*args, **kwargs)
        _mark(name, args, kwargs, result)
        return result

    def _constant(self, divisor: Tensor) -> Tensor:
        """Return a divisor (or its reciprocal) as a constant: its own value, or that of the first pass in a replay."""
        if self._replayed < 0:
            self._recorded.append(divisor.detach())
            return divisor.detach()
        recorded = self._recorded[self._replayed] if self._replayed < len(self._recorded) else None
        self._replayed += 1
        return divisor.detach() if recorded is None or recorded.shape != divisor.shape else recorded


Constant = Callable[[Tensor], Tensor]


def _standardized(constant: Constant, x: Tensor, axes: list[int], eps: float, *, centred: bool = True) -> Tensor:
    """Return x minus its mean, divided by a constant standard deviation (or root mean square)."""
    values = x.float() if x.dtype in (torch.float16, torch.bfloat16) else x
    if centred:
        values = values - values.mean(axes, keepdim=True)
    divisor = (values.detach().square().mean(axes, keepdim=True) + eps).sqrt()
    return (values / constant(divisor)).to(x.dtype)


def _affine(x: Tensor, weight: Tensor | None, bias: Tensor | None, *, per_channel: bool = False) -> Tensor:
    """Multiply by a weight and add a bias, of the shape of the last axes or one number per channel (axis 1)."""
    shape = (1, -1) + (1,) * (x.ndim - 2)
    if weight is not None:
        x = x * (weight.reshape(shape) if per_channel else weight)
    if bias is not None:
        x = x + (bias.reshape(shape) if per_channel else bias)
    return x


def _layer_norm(
    constant: Constant,
    x: Tensor,
    normalized_shape: Any,
    weight: Any = None,
    bias: Any = None,
    eps: float = 1e-5,
    *_: Any,
) -> Tensor:
    axes = list(range(-len(tuple(normalized_shape)), 0))
    return _affine(_standardized(constant, x, axes, eps), weight, bias)


def _rms_norm(
    constant: Constant, x: Tensor, normalized_shape: Any, weight: Any = None, eps: float | None = None
) -> Tensor:
    axes = list(range(-len(tuple(normalized_shape)), 0))
    smallest = torch.finfo(x.dtype).eps if eps is None else eps
    return _affine(_standardized(constant, x, axes, smallest, centred=False), weight, None)


def _group_norm(
    constant: Constant, x: Tensor, num_groups: int, weight: Any = None, bias: Any = None, eps: float = 1e-5, *_: Any
) -> Tensor:
    grouped = x.reshape(x.shape[0], num_groups, -1)
    normalized = _standardized(constant, grouped, [-1], eps).reshape(x.shape)
    return _affine(normalized, weight, bias, per_channel=True)


def _batch_norm(
    constant: Constant,
    x: Tensor,
    running_mean: Any = None,
    running_var: Any = None,
    weight: Any = None,
    bias: Any = None,
    training: bool = False,
    momentum: float = 0.1,
    eps: float = 1e-5,
    *_: Any,
) -> Tensor | None:
    """Return None for stored statistics, with which a batch norm is affine anyway."""
    if not training and running_mean is not None:
        return None
    axes = [axis for axis in range(x.ndim) if axis != 1]
    return _affine(_standardized(constant, x, axes, eps), weight, bias, per_channel=True)


def _instance_norm(
    constant: Constant,
    x: Tensor,
    running_mean: Any = None,
    running_var: Any = None,
    weight: Any = None,
    bias: Any = None,
    use_input_stats: bool = True,
    momentum: float = 0.1,
    eps: float = 1e-5,
    *_: Any,
) -> Tensor | None:
    if not use_input_stats:
        return None
    return _affine(_standardized(constant, x, list(range(2, x.ndim)), eps), weight, bias, per_channel=True)


def _normalize(
    constant: Constant, input: Tensor, p: float = 2.0, dim: Any = 1, eps: float = 1e-12, out: Any = None
) -> Tensor:
    axes = dim if isinstance(dim, (tuple, list)) else (dim,)
    divisor = torch.linalg.vector_norm(input.detach(), p, axes, keepdim=True).clamp_min(eps)
    return input / constant(divisor)


_NORMS: dict[str, Callable[..., Tensor | None]] = {
    "layer_norm": _layer_norm,
    "rms_norm": _rms_norm,
    "group_norm": _group_norm,
    "batch_norm": _batch_norm,
    "instance_norm": _instance_norm,
    "normalize": _normalize,
}


def _needs_gradient(value: Any) -> bool:
    return isinstance(value, Tensor) and value.requires_grad


def _is_statistic(value: Any, kind: str) -> bool:
    return isinstance(value, Tensor) and getattr(value, "_statistic", None) == kind


def _mark(name: str, args: Any, kwargs: Any, result: Any) -> None:
    """Mark statistics of tensors, and what is computed from them, by an attribute of the tensor."""
    if name == "unbind" or not args:
        return
    if name in _SPREADS:
        for tensor in result if isinstance(result, tuple) else (result,):
            _set(tensor, "divisor")
        return
    if not isinstance(result, Tensor):
        return
    first = args[0]
    if name in _SQUARES or (name in _PRODUCTS and len(args) > 1 and first is args[1]):
        exponent = args[1] if name != "square" and len(args) > 1 and not isinstance(args[1], Tensor) else 2
        if _is_statistic(first, "divisor") and isinstance(exponent, (int, float)):
            _set(result, "reciprocal" if exponent < 0 else "divisor")
        elif exponent == 2:
            _set(result, "square")
    elif name in _MEANS and _is_statistic(first, "square"):
        _set(result, "divisor")
    elif name in _RECIPROCALS and _is_statistic(first, "divisor"):
        _set(result, "reciprocal")
    elif name in _QUOTIENTS and len(args) > 1 and _is_statistic(first, "divisor") and not _depends(args[1]):
        _set(result, "divisor")
    elif name in _FOLLOWED:
        kinds = {value._statistic for value in args if isinstance(value, Tensor) and hasattr(value, "_statistic")}
        others = [value for value in args if _depends(value) and not hasattr(value, "_statistic")]
        if len(kinds) == 1 and kinds <= {"divisor", "reciprocal"} and not others:
            _set(result, kinds.pop())


def _depends(value: Any) -> bool:
    """Return whether a value may depend on the input of the network."""
    return isinstance(value, Tensor) and value.requires_grad and not value.is_leaf


def _set(tensor: Any, kind: str) -> None:
    if isinstance(tensor, Tensor) and tensor.requires_grad:
        tensor._statistic = kind  # type: ignore[attr-defined]
