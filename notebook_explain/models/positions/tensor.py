"""Where does a cell of a layer look? PositionTensor carried through an unmodified network.

A map is only worth something where it lies. Instead of guessing from shapes, the network itself is asked: it runs
once on a stand-in tensor that carries four fields through every operation, a mass and, weighted by it, the clip frame
(t) and the pixel (y, x) that each value stands for. Whatever only moves values about (reshape, permute, concat,
slice, pad) runs as it is; whatever computes is replaced by what it does to positions:

* a convolution or pooling puts the middle of its window (kernel, stride, padding, dilation) in every output channel;
* norms, activations, dropout, softmax leave positions alone; attention leaves a token where its query is;
* adding two tensors takes the mean of their positions; a gate or a bias moves nothing;
* what does not come from the clip (class token, padding) has no mass.

What each operation does to positions stands in ``coordinate_rules``. So a layer's axes, its token order, its class token,
the times of a slow pathway or of dropped frames and the shift of causal or padded convolutions are all measured. It costs
far less than a forward pass: channels are computed once.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import torch

Fields = tuple[torch.Tensor, ...]  # mass, mass * t, mass * y, mass * x


class PositionTensor(torch.Tensor):
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
    def of(fields: Sequence[torch.Tensor], pooled: frozenset[int] = frozenset()) -> PositionTensor:
        """Make one of its fields."""
        self = torch.Tensor._make_subclass(PositionTensor, fields[0])
        self.fields, self.pooled = tuple(fields), pooled
        return self

    @staticmethod
    def of_clip(frames: int, height: int, width: int, device: torch.device) -> PositionTensor:
        """Return the clip itself, (1, 3, time, height, width): every value stands for its own place."""
        shape = (1, 3, frames, height, width)
        t = torch.arange(frames, device=device, dtype=torch.float32).view(1, 1, -1, 1, 1)
        y = torch.arange(height, device=device, dtype=torch.float32).view(1, 1, 1, -1, 1)
        x = torch.arange(width, device=device, dtype=torch.float32).view(1, 1, 1, 1, -1)
        one = torch.ones((), device=device, dtype=torch.float32)
        return PositionTensor.of([field.expand(shape) for field in (one, t, y, x)])

    def positions(self) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """(t, y, x), each of a shape that broadcasts to this tensor's; NaN where there is no mass."""
        with torch._C.DisableTorchFunction():  # whoever counts the network's calls must not count these
            mass, *ramps = (narrow(field) for field in self.fields)
            known = mass > 1e-20 * mass.max().clamp_min(1e-18)
            nan = torch.full((), float("nan"), device=mass.device)
            t, y, x = (torch.where(known, ramp / mass, nan) for ramp in ramps)
            return t, y, x

    @classmethod
    def __torch_function__(cls, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        from notebook_explain.models.positions.position_rules import (  # they are written in terms of this class
            PRODUCTS,
            RULES,
        )

        kwargs = kwargs or {}
        name = getattr(func, "__name__", "").strip("_")
        with torch._C.DisableTorchFunctionSubclass(), torch.no_grad():
            if name in RULES:
                if isinstance(args[0], PositionTensor) or name in PRODUCTS:
                    return RULES[name](*args, **kwargs)
                return func(*_pick(args, 0, False), **_pick(kwargs, 0, False))  # a plain tensor made to fit ours
            if name in MOVES or name in ("get", "set", "delete"):
                return _everywhere(func, args, kwargs)
            if name in BINARY and len(args) >= 2:
                return _binary(name, func, args[0], args[1])
            return _unknown(func, name, args, kwargs)


# What runs as it is, because it only moves values about.
MOVES = frozenset(
    """view reshape permute transpose movedim moveaxis swapaxes swapdims flatten unflatten squeeze unsqueeze
    expand expand_as repeat repeat_interleave tile contiguous clone detach cat concat concatenate stack hstack
    vstack split split_with_sizes chunk unbind tensor_split narrow select getitem setitem index_select gather
    take_along_dim roll flip rot90 unfold view_as reshape_as t adjoint pixel_shuffle pixel_unshuffle
    channel_shuffle native_channel_shuffle interpolate upsample as_strided new_zeros new_empty diagonal size
    dim ndimension numel nelement stride is_floating_point is_complex is_contiguous element_size
    storage_offset requires_grad_ is_cuda get_device data_ptr len hash format repr dim_order type_as_shape""".split()
)
_JOINS = frozenset({"cat", "concat", "concatenate", "stack", "hstack", "vstack"})
BINARY = frozenset(
    """add radd iadd sub rsub isub subtract mul rmul imul multiply div rdiv idiv divide truediv rtruediv itruediv
    true_divide""".split()
)


def narrow(field: torch.Tensor) -> torch.Tensor:
    """The same values with one index along every axis on which they do not change (stride 0)."""
    for axis, (length, stride) in enumerate(zip(field.shape, field.stride(), strict=True)):
        if stride == 0 and length > 1:
            field = field.narrow(axis, 0, 1)
    return field


def _pick(value: Any, k: int, join: bool) -> Any:
    if isinstance(value, PositionTensor):
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
    if isinstance(value, PositionTensor):
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
        results.append(_moved(func, _pick(args, k, join), _pick(kwargs, k, join)))
        if k == 0 and not _has_tensor(results[0]):
            return results[0]
    return _zip(results, _tags(args))


def _moved(func: Any, args: Any, kwargs: Any) -> Any:
    try:
        return func(*args, **kwargs)
    except RuntimeError:
        if func.__name__ != "view":
            raise
        return func(args[0].contiguous(), *args[1:], **kwargs)  # ours is narrow where the network's is dense


def _assign(func: Any, args: Any) -> None:
    target, index, value = args
    if not isinstance(target, PositionTensor):  # a plain buffer that receives positions: it cannot remember them
        func(target, index, value.fields[0].to(target.dtype))
        return
    fields = [field.clone(memory_format=torch.contiguous_format) for field in target.fields]
    for k, field in enumerate(fields):
        field[index] = value.fields[k] if isinstance(value, PositionTensor) else 0.0
    target.fields = tuple(fields)


def _has_tensor(value: Any) -> bool:
    return isinstance(value, torch.Tensor) or (isinstance(value, (list, tuple)) and any(map(_has_tensor, value)))


def _zip(results: list[Any], pooled: frozenset[int]) -> Any:
    first = results[0]
    if isinstance(first, torch.Tensor):
        return PositionTensor.of(results, pooled)
    if isinstance(first, (list, tuple)):
        return type(first)(_zip([result[at] for result in results], pooled) for at in range(len(first)))
    return first


def same_places(x: PositionTensor, *_: Any, **__: Any) -> PositionTensor:
    """Another tensor of the same positions."""
    return PositionTensor.of(x.fields, x.pooled)


def massless(shape: Sequence[int], like: PositionTensor) -> PositionTensor:
    """A tensor of this shape that stands for no place."""
    zero = torch.zeros((), device=like.fields[0].device, dtype=torch.float32)
    return PositionTensor.of([zero.expand(tuple(shape))] * 4)


def _binary(name: str, func: Any, a: Any, b: Any) -> Any:
    """Positions under arithmetic: a sum lies between its terms, everything else leaves the larger operand where it is."""
    shapes = [tuple(value.shape) if isinstance(value, torch.Tensor) else () for value in (a, b)]
    shape = torch.broadcast_shapes(*shapes)  # raises as the real operation would
    if not (isinstance(a, PositionTensor) and isinstance(b, PositionTensor)):
        moved = a if isinstance(a, PositionTensor) else b
        result = PositionTensor.of([field.expand(shape) for field in moved.fields], moved.pooled)
    elif shapes[0] == shapes[1] and "mul" not in name and "div" not in name:
        pairs = zip(a.fields, b.fields, strict=True)
        fields = [((narrow(left) + narrow(right)) / 2).expand(shape) for left, right in pairs]
        result = PositionTensor.of(fields, a.pooled | b.pooled)
    else:
        larger = a if math.prod(shapes[0]) >= math.prod(shapes[1]) else b
        result = PositionTensor.of([field.expand(shape) for field in larger.fields], larger.pooled)
    in_place = func.__name__.startswith("__i") or (func.__name__.endswith("_") and not func.__name__.endswith("__"))
    if in_place and isinstance(a, PositionTensor) and result.shape == a.shape:
        a.fields, a.pooled = result.fields, result.pooled
        return a
    return result


def _unknown(func: Any, name: str, args: Any, kwargs: Any) -> Any:
    """Whatever else: what keeps the shape keeps the positions; the rest runs on the fields and is hoped to move them."""
    moved = next((value for value in (*args, *kwargs.values()) if isinstance(value, PositionTensor)), None)
    result = func(*_pick(args, 0, False), **_pick(kwargs, 0, False))
    if moved is not None and isinstance(result, torch.Tensor) and result.is_floating_point():
        return same_places(moved) if result.shape == moved.shape else _within(moved, _everywhere(func, args, kwargs))
    if _has_tensor(result) and not isinstance(result, torch.Tensor):
        return _everywhere(func, args, kwargs)
    return result


def _within(before: PositionTensor, after: Any) -> Any:
    """Refuse positions outside of those that came in: this operation does not only move values."""
    for old, new in zip(before.positions(), after.positions(), strict=True):
        known, seen = old[~old.isnan()], new[~new.isnan()]
        if len(known) and len(seen) and (seen.min() < known.min() - 1e-2 or seen.max() > known.max() + 1e-2):
            raise RuntimeError("positions cannot be followed through this operation")
    return after
