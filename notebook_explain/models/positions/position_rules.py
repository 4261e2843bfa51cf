"""Rules for what each torch function does to positions; importing this module registers them.

A rule is called with the function's arguments and returns positions of the shape that the function would return. Where
a network would fail on an input of this shape, so does the rule: this is how ``adapt`` finds out which input fits.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
import torch.nn.functional as F

from notebook_explain.models.positions.tensor import PositionTensor, keep_positions, massless, mean_over, rule

_ELEMENTWISE = """
relu relu6 leaky_relu elu selu celu gelu silu mish softplus hardswish hardsigmoid hardtanh sigmoid tanh
logsigmoid prelu rrelu glu_same exp log log1p sqrt rsqrt pow square abs neg clamp clip clamp_min clamp_max sin
cos erf batch_norm layer_norm group_norm instance_norm rms_norm local_response_norm normalize dropout
dropout1d dropout2d dropout3d alpha_dropout feature_dropout feature_alpha_dropout softmax log_softmax
gumbel_softmax nan_to_num to float half double bfloat16 type type_as cpu cuda masked_fill
""".split()
rule(*_ELEMENTWISE)(keep_positions)


@rule("retain_grad", "requires_grad")
def _keep_tensor(x: PositionTensor, *_: Any, **__: Any) -> PositionTensor:
    return x


@rule("empty_like", "zeros_like", "ones_like")
def _without_mass(x: PositionTensor, *_: Any, **__: Any) -> PositionTensor:
    return massless(x.shape, x)


def _window_centres(
    x: PositionTensor, kernel: Sequence[int], stride: Any, padding: Any, dilation: Any, ceil: bool
) -> list[torch.Tensor]:
    """Return the fields at the centre of each window, (batch, 1, ...): the mean over channels, then the middle tap(s)."""
    dims = len(kernel)
    stride, dilation = _per_axis(stride, dims), _per_axis(dilation, dims)
    if isinstance(padding, str):
        total = [d * (k - 1) if padding == "same" else 0 for k, d in zip(kernel, dilation, strict=True)]
        edges = [(t // 2, t - t // 2) for t in total]
    else:
        edges = [(p, p) for p in _per_axis(padding, dims)]
    if ceil:
        edges = [
            (low, high + _ceil_padding(length + low + high - d * (k - 1) - 1, s, length + low))
            for (low, high), length, k, s, d in zip(edges, x.shape[2:], kernel, stride, dilation, strict=True)
        ]
    taps = torch.ones((1, 1) + (1,) * dims, device=x.fields[0].device, dtype=torch.float32)
    for axis, k in enumerate(kernel):
        tap = torch.zeros(k, device=taps.device, dtype=torch.float32)
        tap[(k - 1) // 2] += 0.5
        tap[k // 2] += 0.5
        taps = taps * tap.view([-1 if axis + 2 == i else 1 for i in range(dims + 2)])
    convolve: Callable[..., torch.Tensor] = (F.conv1d, F.conv2d, F.conv3d)[dims - 1]
    flat = [edge for pair in reversed(edges) for edge in pair]
    fields = (F.pad(mean_over(field), flat) for field in x.fields)
    return [convolve(field, taps, stride=stride, dilation=dilation) for field in fields]


def _ceil_padding(room: int, stride: int, end: int) -> int:
    """Return the padding that ceil_mode adds: none if the last window would begin after the input and its left padding."""
    extra = -room % stride
    return extra if room + extra < end else 0


def _per_axis(value: Any, dims: int) -> tuple[int, ...]:
    entries = tuple(value) if isinstance(value, (list, tuple)) else (value,)
    return entries * dims if len(entries) == 1 else entries


@rule("conv1d", "conv2d", "conv3d")
def _conv(
    x: PositionTensor,
    weight: torch.Tensor,
    bias: Any = None,
    stride: Any = 1,
    padding: Any = 0,
    dilation: Any = 1,
    groups: int = 1,
) -> PositionTensor:
    if x.ndim != weight.ndim or x.shape[1] != weight.shape[1] * groups:
        raise RuntimeError(
            f"expected input with {weight.shape[1] * groups} channels in {weight.ndim} axes, got the shape {tuple(x.shape)}"
        )
    fields = _window_centres(x, weight.shape[2:], stride, padding, dilation, False)
    if 0 in fields[0].shape:
        raise RuntimeError(f"kernel {tuple(weight.shape[2:])} is larger than the input {tuple(x.shape)}")
    return PositionTensor.from_fields([f.expand(-1, weight.shape[0], *f.shape[2:]) for f in fields], x.pool_calls)


@rule("max_pool1d", "max_pool2d", "max_pool3d")
def _max_pool(
    x: PositionTensor,
    kernel_size: Any,
    stride: Any = None,
    padding: Any = 0,
    dilation: Any = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
) -> Any:
    kernel = _per_axis(kernel_size, x.ndim - 2)
    fields = _window_centres(
        x, kernel, stride if stride not in (None, [], ()) else kernel, padding, dilation, ceil_mode
    )
    if 0 in fields[0].shape:
        raise RuntimeError(f"pooling window {kernel} is larger than the input {tuple(x.shape)}")
    pooled = PositionTensor.from_fields([f.expand(-1, x.shape[1], *f.shape[2:]) for f in fields], x.pool_calls)
    return (pooled, torch.zeros(pooled.shape, dtype=torch.long)) if return_indices else pooled


@rule("avg_pool1d", "avg_pool2d", "avg_pool3d")
def _avg_pool(
    x: PositionTensor,
    kernel_size: Any,
    stride: Any = None,
    padding: Any = 0,
    ceil_mode: bool = False,
    *_: Any,
    **__: Any,
) -> Any:
    return _max_pool(x, kernel_size, stride, padding, 1, ceil_mode)


@rule("lp_pool1d", "lp_pool2d", "lp_pool3d")
def _lp_pool(x: PositionTensor, norm_type: Any, kernel_size: Any, stride: Any = None, ceil_mode: bool = False) -> Any:
    return _max_pool(x, kernel_size, stride, 0, 1, ceil_mode)


@rule("glu")
def _glu(x: PositionTensor, dim: int = -1) -> PositionTensor:
    """Keep the positions of the first half, which the other half gates."""
    return PositionTensor.from_fields([field.chunk(2, dim)[0] for field in x.fields], x.pool_calls)


@rule(*(f"adaptive_{kind}_pool{n}d" for kind in ("max", "avg") for n in (1, 2, 3)))
def _adaptive(x: PositionTensor, output_size: Any, *_: Any, **__: Any) -> PositionTensor:
    dims = x.ndim - 2
    average: Callable[..., torch.Tensor] = (F.adaptive_avg_pool1d, F.adaptive_avg_pool2d, F.adaptive_avg_pool3d)[
        dims - 1
    ]
    size = _per_axis(output_size, dims)
    fields = [average(mean_over(field), size) for field in x.fields]
    return PositionTensor.from_fields([f.expand(-1, x.shape[1], *f.shape[2:]) for f in fields], x.pool_calls)


@rule("linear")
def _linear(x: PositionTensor, weight: torch.Tensor, bias: Any = None) -> PositionTensor:
    if x.shape[-1] != weight.shape[-1]:
        raise RuntimeError(f"expected {weight.shape[-1]} features on the last axis, got the shape {tuple(x.shape)}")
    fields = [mean_over(field, field.ndim - 1) for field in x.fields]
    return PositionTensor.from_fields([f.expand(*f.shape[:-1], weight.shape[0]) for f in fields], x.pool_calls)


@rule("matmul", "bmm", "mm", any_argument=True)
def _matmul(a: Any, b: Any, *_: Any, **__: Any) -> Any:
    """Mix features in a product with weights; keep each token's position in square attention @ values."""
    shape = (
        (*torch.broadcast_shapes(a.shape[:-2], b.shape[:-2]), a.shape[-2], b.shape[-1])
        if min(a.ndim, b.ndim) > 1
        else None
    )
    if not isinstance(b, PositionTensor):
        return _linear(a, b.transpose(-1, -2) if b.ndim > 1 else b[None])
    if not isinstance(a, PositionTensor):  # weights on the left mix the second to last axis
        axis = max(b.ndim - 2, 0)
        fields = [mean_over(field, axis) for field in b.fields]
        return PositionTensor.from_fields([f.expand(shape) if shape else f.mean() for f in fields], b.pool_calls)
    if shape == tuple(b.shape) and a.shape[-1] == a.shape[-2]:
        return keep_positions(b)
    return massless(shape or a.shape[:-1], a)


@rule("einsum", any_argument=True)
def _einsum(equation: str, *operands: Any) -> Any:
    if len(operands) == 1 and isinstance(operands[0], (list, tuple)):
        operands = tuple(operands[0])
    moved = [value for value in operands if isinstance(value, PositionTensor)]
    if len(moved) == 1:  # a product with weights: uniform weights keep the ratio of the fields
        plain = [
            value if isinstance(value, PositionTensor) else torch.ones_like(value, dtype=torch.float32)
            for value in operands
        ]
        picked = ([v.fields[k] if isinstance(v, PositionTensor) else v for v in plain] for k in range(4))
        return PositionTensor.from_fields([torch.einsum(equation, *values) for values in picked], moved[0].pool_calls)
    shape = torch.einsum(equation, *(torch.empty(value.shape, device="meta") for value in operands)).shape
    same_shape = [value for value in moved if value.shape == shape]
    return keep_positions(same_shape[-1]) if same_shape else massless(shape, moved[0])


@rule("scaled_dot_product_attention", any_argument=True)
def _attention(query: Any, key: Any, value: Any, *_: Any, **__: Any) -> PositionTensor:
    features = value.shape[-1]
    if not isinstance(query, PositionTensor):
        return massless((*query.shape[:-1], features), value)
    fields = [mean_over(field, field.ndim - 1) for field in query.fields]
    return PositionTensor.from_fields([f.expand(*f.shape[:-1], features) for f in fields], query.pool_calls)


@rule("multi_head_attention_forward")
def _multi_head(query: Any, key: Any, *_: Any, need_weights: bool = True, **__: Any) -> Any:
    weights = massless((*query.shape[1:-1], query.shape[0], key.shape[0]), query) if need_weights else None
    return keep_positions(query), weights


@rule("addmm", any_argument=True)
def _addmm(bias: Any, a: Any, b: Any, *_: Any, **__: Any) -> Any:
    return _matmul(a, b)


@rule("pad")
def _pad(x: PositionTensor, pad: Sequence[int], *_: Any, **__: Any) -> PositionTensor:
    """Pad with values of no mass in every mode, since padding lies outside the clip's grid."""
    padded = [F.pad(_narrow_before_last(field, len(pad) // 2), list(pad)) for field in x.fields]
    shape = F.pad(torch.empty(x.shape, device="meta"), list(pad)).shape
    return PositionTensor.from_fields([field.expand(shape) for field in padded], x.pool_calls)


def _narrow_before_last(field: torch.Tensor, last: int) -> torch.Tensor:
    for axis in range(field.ndim - last):
        if field.stride(axis) == 0 and field.shape[axis] > 1:
            field = field.narrow(axis, 0, 1)
    return field


@rule("mean", "sum", "amax", "amin", "nanmean", "logsumexp", "median", "var", "std", "norm")
def _reduce(x: PositionTensor, *args: Any, **options: Any) -> Any:
    """Take the mean position over the axes of a mean, sum or maximum."""
    dim = options.get("dim", options.get("axis", args[0] if args else None))
    if isinstance(dim, torch.Tensor):  # maximum of two tensors
        return keep_positions(x)
    keep = bool(options.get("keepdim", args[1] if len(args) > 1 and isinstance(args[1], bool) else False))
    if dim is None or dim == []:
        return PositionTensor.from_fields([field.mean() for field in x.fields], x.pool_calls)
    return PositionTensor.from_fields([field.mean(dim, keepdim=keep) for field in x.fields], x.pool_calls)


@rule("max", "min")
def _reduce_or_maximum(x: PositionTensor, *args: Any, **options: Any) -> Any:
    """Reduce as `_reduce`; ``max(dim)`` also returns indices, which mean nothing here."""
    values = _reduce(x, *args, **options)
    if (not args and not options) or (args and isinstance(args[0], torch.Tensor)):
        return values
    return torch.return_types.max((values, torch.zeros(values.shape, dtype=torch.long)))
