"""Where does a cell of a layer look? Coordinates carried through an unmodified network.

A map is only worth something where it lies. Instead of guessing from shapes, the network itself is asked: it runs
once on a stand-in tensor that carries four fields through every operation, a mass and, weighted by it, the clip frame
(t) and the pixel (y, x) that each value stands for. Whatever only moves values about (reshape, permute, concat,
slice, pad) runs as it is; whatever computes is replaced by what it does to positions:

* a convolution or pooling puts the middle of its window (kernel, stride, padding, dilation) in every output channel;
* norms, activations, dropout, softmax leave positions alone; attention leaves a token where its query is;
* adding two tensors takes the mean of their positions; a gate or a bias moves nothing;
* what does not come from the clip (class token, padding) has no mass.

So a layer's axes, its token order, its class token, the times of a slow pathway or of dropped frames and the shift of
causal or padded convolutions are all measured. It costs far less than a forward pass: channels are computed once.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import torch
import torch.nn.functional as F

Fields = tuple[torch.Tensor, ...]  # mass, mass * t, mass * y, mass * x


class Coordinates(torch.Tensor):
    """A tensor of positions in the place of activations.

    Attributes
    ----------
    fields : tuple of 4 tensors of this shape
    pooled : frozenset of int
        The pooling calls that this tensor lies behind (see ``catalogue``).
    """

    fields: Fields
    pooled: frozenset[int]

    @staticmethod
    def of(fields: Sequence[torch.Tensor], pooled: frozenset[int] = frozenset()) -> Coordinates:
        """Make one of its fields."""
        self = torch.Tensor._make_subclass(Coordinates, fields[0])
        self.fields, self.pooled = tuple(fields), pooled
        return self

    @staticmethod
    def of_clip(frames: int, height: int, width: int, device: torch.device) -> Coordinates:
        """Return the clip itself, (1, 3, time, height, width): every value stands for its own place."""
        shape = (1, 3, frames, height, width)
        t = torch.arange(frames, device=device, dtype=torch.float32).view(1, 1, -1, 1, 1)
        y = torch.arange(height, device=device, dtype=torch.float32).view(1, 1, 1, -1, 1)
        x = torch.arange(width, device=device, dtype=torch.float32).view(1, 1, 1, 1, -1)
        one = torch.ones((), device=device)
        return Coordinates.of([field.expand(shape) for field in (one, t, y, x)])

    def positions(self) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """(t, y, x), each of a shape that broadcasts to this tensor's; NaN where there is no mass."""
        with torch._C.DisableTorchFunction():  # whoever counts the network's calls must not count these
            mass, *ramps = (_narrow(field) for field in self.fields)
            known = mass > 1e-20 * mass.max().clamp_min(1e-18)
            nan = torch.full((), float("nan"), device=mass.device)
            t, y, x = (torch.where(known, ramp / mass, nan) for ramp in ramps)
            return t, y, x

    @classmethod
    def __torch_function__(cls, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        name = getattr(func, "__name__", "").strip("_")
        with torch._C.DisableTorchFunctionSubclass(), torch.no_grad():
            if name in _RULES:
                if isinstance(args[0], Coordinates) or name in _PRODUCTS:
                    return _RULES[name](*args, **kwargs)
                return func(*_pick(args, 0, False), **_pick(kwargs, 0, False))  # a plain tensor made to fit ours
            if name in _MOVES or name in ("get", "set", "delete"):
                return _everywhere(func, args, kwargs)
            if name in _BINARY and len(args) >= 2:
                return _binary(name, func, args[0], args[1])
            return _unknown(func, name, args, kwargs)


# What runs as it is, because it only moves values about.
_MOVES = frozenset(
    """view reshape permute transpose movedim moveaxis swapaxes swapdims flatten unflatten squeeze unsqueeze
    expand expand_as repeat repeat_interleave tile contiguous clone detach cat concat concatenate stack hstack
    vstack split split_with_sizes chunk unbind tensor_split narrow select getitem setitem index_select gather
    take_along_dim roll flip rot90 unfold view_as reshape_as t adjoint pixel_shuffle pixel_unshuffle
    channel_shuffle native_channel_shuffle interpolate upsample as_strided new_zeros new_empty diagonal size
    dim ndimension numel nelement stride is_floating_point is_complex is_contiguous element_size
    storage_offset requires_grad_ is_cuda get_device data_ptr len hash format repr dim_order type_as_shape""".split()
)
_JOINS = frozenset({"cat", "concat", "concatenate", "stack", "hstack", "vstack"})
_BINARY = frozenset(
    """add radd iadd sub rsub isub subtract mul rmul imul multiply div rdiv idiv divide truediv rtruediv itruediv
    true_divide""".split()
)


def _narrow(field: torch.Tensor) -> torch.Tensor:
    """The same values with one index along every axis on which they do not change (stride 0)."""
    for axis, (length, stride) in enumerate(zip(field.shape, field.stride(), strict=True)):
        if stride == 0 and length > 1:
            field = field.narrow(axis, 0, 1)
    return field


def _pick(value: Any, k: int, join: bool) -> Any:
    if isinstance(value, Coordinates):
        return value.fields[k]
    if isinstance(value, torch.Tensor):
        return torch.zeros_like(value, dtype=torch.float32) if join and value.is_floating_point() else value
    if isinstance(value, (list, tuple)):
        picked = [_pick(entry, k, join) for entry in value]
        return type(value)(*picked) if hasattr(value, "_fields") else type(value)(picked)
    if isinstance(value, dict):
        return {key: _pick(entry, k, join) for key, entry in value.items()}
    return value


def _tags(value: Any) -> frozenset[int]:
    if isinstance(value, Coordinates):
        return value.pooled
    if isinstance(value, (list, tuple)):
        return frozenset().union(*map(_tags, value))
    return frozenset()


def _everywhere(func: Any, args: Any, kwargs: Any) -> Any:
    """Run an operation that moves values on each of the four fields."""
    name = func.__name__.strip("_")
    if name == "setitem":
        return _assign(func, args)
    join = name in _JOINS
    results = []
    for k in range(4):
        results.append(func(*_pick(args, k, join), **_pick(kwargs, k, join)))
        if k == 0 and not _has_tensor(results[0]):
            return results[0]
    return _zip(results, _tags(args))


def _assign(func: Any, args: Any) -> None:
    target, index, value = args
    if not isinstance(target, Coordinates):  # a plain buffer that receives positions: it cannot remember them
        func(target, index, value.fields[0].to(target.dtype))
        return
    fields = [field.clone(memory_format=torch.contiguous_format) for field in target.fields]
    for k, field in enumerate(fields):
        field[index] = value.fields[k] if isinstance(value, Coordinates) else 0.0
    target.fields = tuple(fields)


def _has_tensor(value: Any) -> bool:
    return isinstance(value, torch.Tensor) or (isinstance(value, (list, tuple)) and any(map(_has_tensor, value)))


def _zip(results: list[Any], pooled: frozenset[int]) -> Any:
    first = results[0]
    if isinstance(first, torch.Tensor):
        return Coordinates.of(results, pooled)
    if isinstance(first, (list, tuple)):
        return type(first)(_zip([result[at] for result in results], pooled) for at in range(len(first)))
    return first


def _same(x: Coordinates, *_: Any, **__: Any) -> Coordinates:
    return Coordinates.of(x.fields, x.pooled)


def _itself(x: Coordinates, *_: Any, **__: Any) -> Coordinates:
    return x


def _zeros(x: Coordinates, *_: Any, **__: Any) -> Coordinates:
    return _massless(x.shape, x)


def _massless(shape: Sequence[int], like: Coordinates) -> Coordinates:
    zero = torch.zeros((), device=like.fields[0].device)
    return Coordinates.of([zero.expand(tuple(shape))] * 4)


def _binary(name: str, func: Any, a: Any, b: Any) -> Any:
    """Positions under arithmetic: a sum lies between its terms, everything else leaves the larger operand where it is."""
    shapes = [tuple(value.shape) if isinstance(value, torch.Tensor) else () for value in (a, b)]
    shape = torch.broadcast_shapes(*shapes)  # raises as the real operation would
    if not (isinstance(a, Coordinates) and isinstance(b, Coordinates)):
        moved = a if isinstance(a, Coordinates) else b
        result = Coordinates.of([field.expand(shape) for field in moved.fields], moved.pooled)
    elif shapes[0] == shapes[1] and "mul" not in name and "div" not in name:
        pairs = zip(a.fields, b.fields, strict=True)
        fields = [((_narrow(left) + _narrow(right)) / 2).expand(shape) for left, right in pairs]
        result = Coordinates.of(fields, a.pooled | b.pooled)
    else:
        larger = a if math.prod(shapes[0]) >= math.prod(shapes[1]) else b
        result = Coordinates.of([field.expand(shape) for field in larger.fields], larger.pooled)
    in_place = func.__name__.startswith("__i") or (func.__name__.endswith("_") and not func.__name__.endswith("__"))
    if in_place and isinstance(a, Coordinates) and result.shape == a.shape:
        a.fields, a.pooled = result.fields, result.pooled
        return a
    return result


def _window(
    x: Coordinates, kernel: Sequence[int], stride: Any, padding: Any, dilation: Any, ceil: bool
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
            (low, high + _extra(length + low + high - d * (k - 1) - 1, s))
            for (low, high), length, k, s, d in zip(edges, x.shape[2:], kernel, stride, dilation, strict=True)
        ]
    taps = torch.ones((1, 1) + (1,) * dims, device=x.fields[0].device)
    for axis, k in enumerate(kernel):
        tap = torch.zeros(k, device=taps.device)
        tap[(k - 1) // 2] += 0.5
        tap[k // 2] += 0.5
        taps = taps * tap.view([-1 if axis + 2 == at else 1 for at in range(dims + 2)])
    convolve: Callable[..., torch.Tensor] = (F.conv1d, F.conv2d, F.conv3d)[dims - 1]
    flat = [edge for pair in reversed(edges) for edge in pair]
    fields = (F.pad(_channel_mean(field), flat) for field in x.fields)
    return [convolve(field, taps, stride=stride, dilation=dilation) for field in fields]


def _extra(room: int, stride: int) -> int:
    return -room % stride


def _channel_mean(field: torch.Tensor, axis: int = 1) -> torch.Tensor:
    return field.narrow(axis, 0, 1) if field.stride(axis) == 0 else field.mean(axis, keepdim=True)


def _tuple(value: Any, dims: int) -> tuple[int, ...]:
    entries = tuple(value) if isinstance(value, (list, tuple)) else (value,)
    return entries * dims if len(entries) == 1 else entries


def _conv(
    x: Coordinates,
    weight: torch.Tensor,
    bias: Any = None,
    stride: Any = 1,
    padding: Any = 0,
    dilation: Any = 1,
    groups: int = 1,
) -> Coordinates:
    if x.ndim != weight.ndim or x.shape[1] != weight.shape[1] * groups:
        raise RuntimeError(
            f"expected input with {weight.shape[1] * groups} channels in {weight.ndim} axes, got the shape {tuple(x.shape)}"
        )
    fields = _window(x, weight.shape[2:], stride, padding, dilation, False)
    if 0 in fields[0].shape:
        raise RuntimeError(f"kernel {tuple(weight.shape[2:])} is larger than the input {tuple(x.shape)}")
    return Coordinates.of([f.expand(-1, weight.shape[0], *f.shape[2:]) for f in fields], x.pooled)


def _pool(
    x: Coordinates, kernel_size: Any, stride: Any = None, padding: Any = 0, *rest: Any, **options: Any
) -> Coordinates:
    dims = x.ndim - 2
    kernel = _tuple(kernel_size, dims)
    # avg_pool(input, kernel, stride, padding, ceil_mode, ...); max_pool(input, kernel, stride, padding, dilation, ceil_mode, ...)
    flags = [value for value in rest if isinstance(value, bool)]
    numbers = [value for value in rest if not isinstance(value, bool) and value is not None]
    dilation = options.get("dilation", numbers[0] if numbers else 1)
    ceil = bool(options.get("ceil_mode", flags[0] if flags else False))
    fields = _window(x, kernel, stride if stride not in (None, [], ()) else kernel, padding, dilation, ceil)
    if 0 in fields[0].shape:
        raise RuntimeError(f"pooling window {kernel} is larger than the input {tuple(x.shape)}")
    return Coordinates.of([f.expand(-1, x.shape[1], *f.shape[2:]) for f in fields], x.pooled)


def _adaptive(x: Coordinates, output_size: Any, *_: Any, **__: Any) -> Coordinates:
    dims = x.ndim - 2
    average: Callable[..., torch.Tensor] = (F.adaptive_avg_pool1d, F.adaptive_avg_pool2d, F.adaptive_avg_pool3d)[
        dims - 1
    ]
    size = _tuple(output_size, dims)
    fields = [average(_channel_mean(field), size) for field in x.fields]
    return Coordinates.of([f.expand(-1, x.shape[1], *f.shape[2:]) for f in fields], x.pooled)


def _linear(x: Coordinates, weight: torch.Tensor, bias: Any = None) -> Coordinates:
    if x.shape[-1] != weight.shape[-1]:
        raise RuntimeError(f"expected {weight.shape[-1]} features on the last axis, got the shape {tuple(x.shape)}")
    fields = [_channel_mean(field, field.ndim - 1) for field in x.fields]
    return Coordinates.of([f.expand(*f.shape[:-1], weight.shape[0]) for f in fields], x.pooled)


def _matmul(a: Any, b: Any, *_: Any, **__: Any) -> Any:
    """Products with weights mix features; attention(square) @ values leaves each token where it is."""
    shape = (
        (*torch.broadcast_shapes(a.shape[:-2], b.shape[:-2]), a.shape[-2], b.shape[-1])
        if min(a.ndim, b.ndim) > 1
        else None
    )
    if not isinstance(b, Coordinates):
        return _linear(a, b.transpose(-1, -2) if b.ndim > 1 else b[None])
    if not isinstance(a, Coordinates):  # weights from the left mix the axis before the last
        axis = max(b.ndim - 2, 0)
        fields = [_channel_mean(field, axis) for field in b.fields]
        return Coordinates.of([f.expand(shape) if shape else f.mean() for f in fields], b.pooled)
    if shape == tuple(b.shape) and a.shape[-1] == a.shape[-2]:
        return _same(b)
    return _massless(shape or a.shape[:-1], a)


def _einsum(equation: str, *operands: Any) -> Any:
    if len(operands) == 1 and isinstance(operands[0], (list, tuple)):
        operands = tuple(operands[0])
    moved = [value for value in operands if isinstance(value, Coordinates)]
    if len(moved) == 1:  # a product with weights: uniform weights keep the ratio of the fields
        plain = [
            value if isinstance(value, Coordinates) else torch.ones_like(value, dtype=torch.float32)
            for value in operands
        ]
        picked = ([v.fields[k] if isinstance(v, Coordinates) else v for v in plain] for k in range(4))
        return Coordinates.of([torch.einsum(equation, *values) for values in picked], moved[0].pooled)
    shape = torch.einsum(equation, *(torch.empty(value.shape, device="meta") for value in operands)).shape
    alike = [value for value in moved if value.shape == shape]
    return _same(alike[-1]) if alike else _massless(shape, moved[0])


def _attention(query: Any, key: Any, value: Any, *_: Any, **__: Any) -> Coordinates:
    features = value.shape[-1]
    if not isinstance(query, Coordinates):
        return _massless((*query.shape[:-1], features), value)
    fields = [_channel_mean(field, field.ndim - 1) for field in query.fields]
    return Coordinates.of([f.expand(*f.shape[:-1], features) for f in fields], query.pooled)


def _multi_head(query: Coordinates, *_: Any, **__: Any) -> tuple[Coordinates, None]:
    return _same(query), None


def _addmm(bias: Any, a: Any, b: Any, *_: Any, **__: Any) -> Any:
    return _matmul(a, b)


def _pad(x: Coordinates, pad: Sequence[int], *_: Any, **__: Any) -> Coordinates:
    """Padding of every mode comes from outside the clip's grid: no mass."""
    padded = [F.pad(_narrow_before(field, len(pad) // 2), list(pad)) for field in x.fields]
    shape = F.pad(torch.empty(x.shape, device="meta"), list(pad)).shape
    return Coordinates.of([field.expand(shape) for field in padded], x.pooled)


def _narrow_before(field: torch.Tensor, last: int) -> torch.Tensor:
    for axis in range(field.ndim - last):
        if field.stride(axis) == 0 and field.shape[axis] > 1:
            field = field.narrow(axis, 0, 1)
    return field


def _reduce(x: Coordinates, *args: Any, **options: Any) -> Any:
    """Mean, sum, maximum over axes: the mean position. ``max(dim)`` returns indices too, which mean nothing here."""
    dim = options.get("dim", options.get("axis", args[0] if args else None))
    if isinstance(dim, torch.Tensor):  # maximum of two tensors
        return _same(x)
    keep = bool(options.get("keepdim", args[1] if len(args) > 1 and isinstance(args[1], bool) else False))
    if dim is None or dim == []:
        return Coordinates.of([field.mean() for field in x.fields], x.pooled)
    return Coordinates.of([field.mean(dim, keepdim=keep) for field in x.fields], x.pooled)


def _extreme(x: Coordinates, *args: Any, **options: Any) -> Any:
    values = _reduce(x, *args, **options)
    if (not args and not options) or (args and isinstance(args[0], torch.Tensor)):
        return values
    return torch.return_types.max((values, torch.zeros(values.shape, dtype=torch.long)))


def _unknown(func: Any, name: str, args: Any, kwargs: Any) -> Any:
    """Whatever else: what keeps the shape keeps the positions; the rest runs on the fields and is hoped to move them."""
    moved = next((value for value in (*args, *kwargs.values()) if isinstance(value, Coordinates)), None)
    result = func(*_pick(args, 0, False), **_pick(kwargs, 0, False))
    if moved is not None and isinstance(result, torch.Tensor) and result.is_floating_point():
        return _same(moved) if result.shape == moved.shape else _everywhere(func, args, kwargs)
    if _has_tensor(result) and not isinstance(result, torch.Tensor):
        return _everywhere(func, args, kwargs)
    return result


_STILL = """
relu relu6 leaky_relu elu selu celu gelu silu mish softplus hardswish hardsigmoid hardtanh sigmoid tanh
logsigmoid prelu rrelu glu_same exp log log1p sqrt rsqrt pow square abs neg clamp clip clamp_min clamp_max sin
cos erf batch_norm layer_norm group_norm instance_norm rms_norm local_response_norm normalize dropout
dropout1d dropout2d dropout3d alpha_dropout feature_dropout feature_alpha_dropout softmax log_softmax
gumbel_softmax nan_to_num to float half double bfloat16 type type_as cpu cuda masked_fill
""".split()

_PRODUCTS = frozenset({"matmul", "bmm", "mm", "addmm", "einsum", "scaled_dot_product_attention"})
_RULES: dict[str, Callable[..., Any]] = {
    **dict.fromkeys(_STILL, _same),
    **dict.fromkeys(("conv1d", "conv2d", "conv3d"), _conv),
    **{f"{kind}_pool{n}d": _pool for kind in ("max", "avg", "lp") for n in (1, 2, 3)},
    **{f"adaptive_{kind}_pool{n}d": _adaptive for kind in ("max", "avg") for n in (1, 2, 3)},
    **dict.fromkeys(("mean", "sum", "amax", "amin", "nanmean", "logsumexp", "median", "var", "std", "norm"), _reduce),
    **dict.fromkeys(("max", "min"), _extreme),
    **dict.fromkeys(("matmul", "bmm", "mm"), _matmul),
    "addmm": _addmm,
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
