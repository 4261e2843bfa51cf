"""What the operations of a network do to positions: the rules of ``PositionTensor``, by the name of the function."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

import torch
import torch.nn.functional as F

from notebook_explain.models.positions.tensor import PositionTensor, massless, same_places

_chosen: ContextVar[Iterator[torch.Tensor] | None] = ContextVar("_chosen", default=None)


def _itself(x: PositionTensor, *_: Any, **__: Any) -> PositionTensor:
    return x


def _zeros(x: PositionTensor, *_: Any, **__: Any) -> PositionTensor:
    return massless(x.shape, x)


def _window(
    x: PositionTensor, kernel: Sequence[int], stride: Any, padding: Any, dilation: Any, ceil: bool
) -> list[torch.Tensor]:
    """The fields at the middle of each window, (batch, 1, ...): the mean over channels, then the middle tap(s)."""
    dims = len(kernel)
    stride, dilation = _tuple(stride, dims), _tuple(dilation, dims)
    if isinstance(padding, str):
        total = [d * (k - 1) if padding == "same" else 0 for k, d in zip(kernel, dilation, strict=True)]
        edges = [(t // 2, t - t // 2) for t in total]
    else:
        edges = [(p, p) for p in _tuple(padding, dims)]
    if ceil:
        edges = [
            (low, high + _extra(length + low + high - d * (k - 1) - 1, s, length + low))
            for (low, high), length, k, s, d in zip(edges, x.shape[2:], kernel, stride, dilation, strict=True)
        ]
    taps = torch.ones((1, 1) + (1,) * dims, device=x.fields[0].device, dtype=torch.float32)
    for axis, k in enumerate(kernel):
        tap = torch.zeros(k, device=taps.device, dtype=torch.float32)
        tap[(k - 1) // 2] += 0.5
        tap[k // 2] += 0.5
        taps = taps * tap.view([-1 if axis + 2 == at else 1 for at in range(dims + 2)])
    convolve: Callable[..., torch.Tensor] = (F.conv1d, F.conv2d, F.conv3d)[dims - 1]
    flat = [edge for pair in reversed(edges) for edge in pair]
    fields = (F.pad(_channel_mean(field), flat) for field in x.fields)
    return [convolve(field, taps, stride=stride, dilation=dilation) for field in fields]


def _extra(room: int, stride: int, end: int) -> int:
    """What ceil_mode pads more: none where the last window would begin behind the input and its left padding."""
    extra = -room % stride
    return extra if room + extra < end else 0


def _channel_mean(field: torch.Tensor, axis: int = 1) -> torch.Tensor:
    return field.narrow(axis, 0, 1) if field.stride(axis) == 0 else field.mean(axis, keepdim=True)


def _tuple(value: Any, dims: int) -> tuple[int, ...]:
    entries = tuple(value) if isinstance(value, (list, tuple)) else (value,)
    return entries * dims if len(entries) == 1 else entries


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
    fields = _window(x, weight.shape[2:], stride, padding, dilation, False)
    if 0 in fields[0].shape:
        raise RuntimeError(f"kernel {tuple(weight.shape[2:])} is larger than the input {tuple(x.shape)}")
    return PositionTensor.of([f.expand(-1, weight.shape[0], *f.shape[2:]) for f in fields], x.pooled)


def _max_pool(
    x: PositionTensor,
    kernel_size: Any,
    stride: Any = None,
    padding: Any = 0,
    dilation: Any = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
) -> Any:
    kernel = _tuple(kernel_size, x.ndim - 2)
    fields = _window(x, kernel, stride if stride not in (None, [], ()) else kernel, padding, dilation, ceil_mode)
    if 0 in fields[0].shape:
        raise RuntimeError(f"pooling window {kernel} is larger than the input {tuple(x.shape)}")
    pooled = PositionTensor.of([f.expand(-1, x.shape[1], *f.shape[2:]) for f in fields], x.pooled)
    return (pooled, torch.zeros(pooled.shape, dtype=torch.long)) if return_indices else pooled


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


def _lp_pool(x: PositionTensor, norm_type: Any, kernel_size: Any, stride: Any = None, ceil_mode: bool = False) -> Any:
    return _max_pool(x, kernel_size, stride, 0, 1, ceil_mode)


def _glu(x: PositionTensor, dim: int = -1) -> PositionTensor:
    """One half gates the other."""
    return PositionTensor.of([field.chunk(2, dim)[0] for field in x.fields], x.pooled)


def _soft_pool(x: PositionTensor, *window: Any, **_: Any) -> Any:
    return _max_pool(x, *window)


def _select_frames(x: PositionTensor, *_: Any) -> PositionTensor:
    """Halve the frames by what they hold: those `chosen` of a clip; where it is not known which, as if spread evenly."""
    known = _chosen.get()
    frames = None if known is None or x.shape[2] <= 2 else next(known, None)
    if frames is None:
        return _adaptive(x, (x.shape[2] // 2 if x.shape[2] > 2 else x.shape[2], *x.shape[3:]))
    fields = [_channel_mean(field).index_select(2, frames.to(field.device)) for field in x.fields]
    return PositionTensor.of([f.expand(-1, x.shape[1], *f.shape[2:]) for f in fields], x.pooled)


@contextmanager
def chosen(frames: Iterable[torch.Tensor]) -> Iterator[None]:
    """Within it, networks that select frames choose these: int64 (kept,) for each selection, in order."""
    token = _chosen.set(iter(frames))
    try:
        yield
    finally:
        _chosen.reset(token)


def _adaptive(x: PositionTensor, output_size: Any, *_: Any, **__: Any) -> PositionTensor:
    dims = x.ndim - 2
    average: Callable[..., torch.Tensor] = (F.adaptive_avg_pool1d, F.adaptive_avg_pool2d, F.adaptive_avg_pool3d)[
        dims - 1
    ]
    size = _tuple(output_size, dims)
    fields = [average(_channel_mean(field), size) for field in x.fields]
    return PositionTensor.of([f.expand(-1, x.shape[1], *f.shape[2:]) for f in fields], x.pooled)


def _linear(x: PositionTensor, weight: torch.Tensor, bias: Any = None) -> PositionTensor:
    if x.shape[-1] != weight.shape[-1]:
        raise RuntimeError(f"expected {weight.shape[-1]} features on the last axis, got the shape {tuple(x.shape)}")
    fields = [_channel_mean(field, field.ndim - 1) for field in x.fields]
    return PositionTensor.of([f.expand(*f.shape[:-1], weight.shape[0]) for f in fields], x.pooled)


def _matmul(a: Any, b: Any, *_: Any, **__: Any) -> Any:
    """Products with weights mix features; attention(square) @ values leaves each token where it is."""
    shape = (
        (*torch.broadcast_shapes(a.shape[:-2], b.shape[:-2]), a.shape[-2], b.shape[-1])
        if min(a.ndim, b.ndim) > 1
        else None
    )
    if not isinstance(b, PositionTensor):
        return _linear(a, b.transpose(-1, -2) if b.ndim > 1 else b[None])
    if not isinstance(a, PositionTensor):  # weights from the left mix the axis before the last
        axis = max(b.ndim - 2, 0)
        fields = [_channel_mean(field, axis) for field in b.fields]
        return PositionTensor.of([f.expand(shape) if shape else f.mean() for f in fields], b.pooled)
    if shape == tuple(b.shape) and a.shape[-1] == a.shape[-2]:
        return same_places(b)
    return massless(shape or a.shape[:-1], a)


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
        return PositionTensor.of([torch.einsum(equation, *values) for values in picked], moved[0].pooled)
    shape = torch.einsum(equation, *(torch.empty(value.shape, device="meta") for value in operands)).shape
    alike = [value for value in moved if value.shape == shape]
    return same_places(alike[-1]) if alike else massless(shape, moved[0])


def _attention(query: Any, key: Any, value: Any, *_: Any, **__: Any) -> PositionTensor:
    features = value.shape[-1]
    if not isinstance(query, PositionTensor):
        return massless((*query.shape[:-1], features), value)
    fields = [_channel_mean(field, field.ndim - 1) for field in query.fields]
    return PositionTensor.of([f.expand(*f.shape[:-1], features) for f in fields], query.pooled)


def _multi_head(query: Any, key: Any, *_: Any, need_weights: bool = True, **__: Any) -> Any:
    weights = massless((*query.shape[1:-1], query.shape[0], key.shape[0]), query) if need_weights else None
    return same_places(query), weights


def _addmm(bias: Any, a: Any, b: Any, *_: Any, **__: Any) -> Any:
    return _matmul(a, b)


def _pad(x: PositionTensor, pad: Sequence[int], *_: Any, **__: Any) -> PositionTensor:
    """Padding of every mode comes from outside the clip's grid: no mass."""
    padded = [F.pad(_narrow_before(field, len(pad) // 2), list(pad)) for field in x.fields]
    shape = F.pad(torch.empty(x.shape, device="meta"), list(pad)).shape
    return PositionTensor.of([field.expand(shape) for field in padded], x.pooled)


def _narrow_before(field: torch.Tensor, last: int) -> torch.Tensor:
    for axis in range(field.ndim - last):
        if field.stride(axis) == 0 and field.shape[axis] > 1:
            field = field.narrow(axis, 0, 1)
    return field


def _reduce(x: PositionTensor, *args: Any, **options: Any) -> Any:
    """Mean, sum, maximum over axes: the mean position. ``max(dim)`` returns indices too, which mean nothing here."""
    dim = options.get("dim", options.get("axis", args[0] if args else None))
    if isinstance(dim, torch.Tensor):  # maximum of two tensors
        return same_places(x)
    keep = bool(options.get("keepdim", args[1] if len(args) > 1 and isinstance(args[1], bool) else False))
    if dim is None or dim == []:
        return PositionTensor.of([field.mean() for field in x.fields], x.pooled)
    return PositionTensor.of([field.mean(dim, keepdim=keep) for field in x.fields], x.pooled)


def _extreme(x: PositionTensor, *args: Any, **options: Any) -> Any:
    values = _reduce(x, *args, **options)
    if (not args and not options) or (args and isinstance(args[0], torch.Tensor)):
        return values
    return torch.return_types.max((values, torch.zeros(values.shape, dtype=torch.long)))


_STILL = """
relu relu6 leaky_relu elu selu celu gelu silu mish softplus hardswish hardsigmoid hardtanh sigmoid tanh
logsigmoid prelu rrelu glu_same exp log log1p sqrt rsqrt pow square abs neg clamp clip clamp_min clamp_max sin
cos erf batch_norm layer_norm group_norm instance_norm rms_norm local_response_norm normalize dropout
dropout1d dropout2d dropout3d alpha_dropout feature_dropout feature_alpha_dropout softmax log_softmax
gumbel_softmax nan_to_num to float half double bfloat16 type type_as cpu cuda masked_fill
""".split()

PRODUCTS = frozenset({"matmul", "bmm", "mm", "addmm", "einsum", "scaled_dot_product_attention"})
_POOLS: dict[str, Callable[..., Any]] = {"max": _max_pool, "avg": _avg_pool, "lp": _lp_pool, "soft": _soft_pool}
RULES: dict[str, Callable[..., Any]] = {
    **dict.fromkeys(_STILL, same_places),
    **dict.fromkeys(("conv1d", "conv2d", "conv3d"), _conv),
    **{f"{kind}_pool{n}d": rule for kind, rule in _POOLS.items() for n in (1, 2, 3)},
    **{f"adaptive_{kind}_pool{n}d": _adaptive for kind in ("max", "avg", "soft") for n in (1, 2, 3)},
    "select_frames": _select_frames,
    **dict.fromkeys(("mean", "sum", "amax", "amin", "nanmean", "logsumexp", "median", "var", "std", "norm"), _reduce),
    **dict.fromkeys(("max", "min"), _extreme),
    **dict.fromkeys(("matmul", "bmm", "mm"), _matmul),
    "addmm": _addmm,
    "glu": _glu,
    "linear": _linear,
    "pad": _pad,
    "einsum": _einsum,
    "scaled_dot_product_attention": _attention,
    "multi_head_attention_forward": _multi_head,
    "empty_like": _zeros,
    "zeros_like": _zeros,
    "ones_like": _zeros,
    "retain_grad": _itself,
    "requires_grad": _itself,
}
