"""Rules for what torch's functions do to positions: elementwise functions, windows, pooling, padding and reductions.

A rule is called with the function's arguments and returns positions of the shape that the function would return. Where
a network would fail on an input of this shape, so does the rule: this is how ``adapt`` finds out which input fits.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
import torch.nn.functional as F

from notebook_explain.models.positions.arithmetic import combine
from notebook_explain.models.positions.merging import contract, expanded, merged, with_weight
from notebook_explain.models.positions.tensor import PositionTensor, keep_positions, map_fields, massless, rule

_ELEMENTWISE = """
relu relu6 leaky_relu elu selu celu gelu silu mish softplus hardswish hardsigmoid hardtanh sigmoid tanh
logsigmoid prelu rrelu glu_same exp log log1p sqrt rsqrt pow square abs neg clamp clip clamp_min clamp_max sin
cos erf layer_norm group_norm instance_norm rms_norm local_response_norm normalize dropout
detach dropout1d dropout2d dropout3d alpha_dropout feature_dropout feature_alpha_dropout softmax log_softmax
gumbel_softmax nan_to_num cpu cuda masked_fill
""".split()
rule(*_ELEMENTWISE)(keep_positions)


@rule("batch_norm")
def _batch_norm(x: PositionTensor, *args: Any, **_: Any) -> PositionTensor:
    """Keep positions; refuse another number of channels, as torch does."""
    lengths = {len(value) for value in args if isinstance(value, torch.Tensor)}
    if lengths - {x.shape[1]}:
        raise RuntimeError(f"batch_norm over {lengths} channels got {x.shape[1]}")
    return keep_positions(x)


@rule("to", "type", "type_as")
def _to(x: PositionTensor, *args: Any, **options: Any) -> PositionTensor:
    """Take the precision among the arguments: a dtype, or that of another tensor."""
    values = [*args, *options.values()]
    stated = [value for value in values if isinstance(value, torch.dtype)]
    stated += [value.dtype for value in values if isinstance(value, torch.Tensor)]
    return _with_precision(x, stated[0] if stated and stated[0].is_floating_point else x.precision)


def _with_precision(x: PositionTensor, dtype: torch.dtype) -> PositionTensor:
    result = keep_positions(x)
    result.precision = dtype
    return result


def _conversion_to(dtype: torch.dtype) -> Callable[..., PositionTensor]:
    return lambda x, *_, **__: _with_precision(x, dtype)


for _name, _dtype in {
    "float": torch.float32,
    "half": torch.float16,
    "bfloat16": torch.bfloat16,
    "double": torch.float64,
}.items():
    rule(_name)(_conversion_to(_dtype))


@rule("retain_grad", "requires_grad")
def _keep_tensor(x: PositionTensor, *_: Any, **__: Any) -> PositionTensor:
    return x


@rule("empty_like", "zeros_like", "ones_like")
def _without_mass(x: PositionTensor, *_: Any, **__: Any) -> PositionTensor:
    return massless(x.shape, x)


def _window_centres(
    x: PositionTensor, kernel: Sequence[int], stride: Any, padding: Any, dilation: Any, ceil: bool
) -> PositionTensor:
    """Return the centre of each window, (batch, 1, ...), of positions with one channel: that of the middle tap(s)."""
    dims = len(kernel)
    stride, dilation = per_axis(stride, dims), per_axis(dilation, dims)
    if isinstance(padding, str):
        total = [d * (k - 1) if padding == "same" else 0 for k, d in zip(kernel, dilation, strict=True)]
        edges = [(t // 2, t - t // 2) for t in total]
    else:
        edges = [(p, p) for p in per_axis(padding, dims)]
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
    fields = map_fields(x, lambda field: convolve(F.pad(field, flat), taps, stride=stride, dilation=dilation))
    return PositionTensor.from_fields(fields, x)


def _ceil_padding(room: int, stride: int, end: int) -> int:
    """Return the padding that ceil_mode adds: none if the last window would begin after the input and its left padding."""
    extra = -room % stride
    return extra if room + extra < end else 0


def per_axis(value: Any, dims: int) -> tuple[Any, ...]:
    """Return an option of a window for every axis, where one number stands for all."""
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
    centres = _window_centres(contract(x, with_weights=True), weight.shape[2:], stride, padding, dilation, False)
    if 0 in centres.shape:
        raise RuntimeError(f"kernel {tuple(weight.shape[2:])} is larger than the input {tuple(x.shape)}")
    return with_weight(expanded(centres, (-1, weight.shape[0], *centres.shape[2:])), weight)


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
    kernel = per_axis(kernel_size, x.ndim - 2)
    stride = stride if stride not in (None, [], ()) else kernel
    centres = _window_centres(contract(x), kernel, stride, padding, dilation, ceil_mode)
    if 0 in centres.shape:
        raise RuntimeError(f"pooling window {kernel} is larger than the input {tuple(x.shape)}")
    pooled = expanded(merged(x, centres), (-1, x.shape[1], *centres.shape[2:]))
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
    return PositionTensor.from_fields(map_fields(x, lambda field: field.chunk(2, dim)[0]), x)


@rule(*(f"adaptive_{kind}_pool{n}d" for kind in ("max", "avg") for n in (1, 2, 3)))
def _adaptive(x: PositionTensor, output_size: Any, *_: Any, **__: Any) -> PositionTensor:
    dims = x.ndim - 2
    average: Callable[..., torch.Tensor] = (F.adaptive_avg_pool1d, F.adaptive_avg_pool2d, F.adaptive_avg_pool3d)[
        dims - 1
    ]
    size = per_axis(output_size, dims)
    channel = contract(x)
    pooled = PositionTensor.from_fields(map_fields(channel, lambda field: average(field, size)), channel)
    return expanded(merged(channel, pooled), (-1, x.shape[1], *pooled.shape[2:]))


@rule("pad")
def _pad(x: PositionTensor, pad: Sequence[int], *_: Any, **__: Any) -> PositionTensor:
    """Pad with values of no mass in every mode, since padding lies outside the clip's grid."""
    shape = F.pad(torch.empty(x.shape, device="meta"), list(pad)).shape
    padded = map_fields(x, lambda field: F.pad(_narrow_before_last(field, len(pad) // 2), list(pad)).expand(shape))
    return PositionTensor.from_fields(padded, x)


def _narrow_before_last(field: torch.Tensor, last: int) -> torch.Tensor:
    for axis in range(field.ndim - last):
        if field.stride(axis) == 0 and field.shape[axis] > 1:
            field = field.narrow(axis, 0, 1)
    return field


@rule("mean", "sum", "amax", "amin", "nanmean", "logsumexp", "median", "var", "std", "norm")
def _reduce(x: PositionTensor, *args: Any, **options: Any) -> Any:
    """Take the mean position over the axes of a mean, sum or maximum."""
    dim = options.get("dim", options.get("axis", args[0] if args else None))
    if isinstance(dim, PositionTensor):  # maximum of two tensors
        return combine(x, dim, is_sum=True)
    if isinstance(dim, torch.Tensor):
        return keep_positions(x)
    keep = bool(options.get("keepdim", args[1] if len(args) > 1 and isinstance(args[1], bool) else False))
    if dim is None or dim == []:
        fields = map_fields(x, torch.Tensor.mean)
    else:
        fields = map_fields(x, lambda field: field.mean(dim, keepdim=keep))
    return merged(x, PositionTensor.from_fields(fields, x))


@rule("max", "min")
def _reduce_or_maximum(x: PositionTensor, *args: Any, **options: Any) -> Any:
    """Reduce as `_reduce`; ``max(dim)`` also returns indices, which mean nothing here."""
    values = _reduce(x, *args, **options)
    if (not args and not options) or (args and isinstance(args[0], torch.Tensor)):
        return values
    return torch.return_types.max((values, torch.zeros(values.shape, dtype=torch.long)))
