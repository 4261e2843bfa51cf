"""PositionTensor: a tensor that carries clip positions instead of activations through an unmodified network.

To show a map, you have to know where its cells lie in the clip. This is measured, not guessed from shapes: the network
runs once on a tensor that takes four fields through every operation, namely a mass and, weighted by it, the clip frame
(t) and the pixel (y, x) that each value stands for. Operations that only move values (reshape, permute, concatenate,
slice, pad) run unchanged on each field; operations that compute are replaced by their effect on positions:

* a convolution or pooling writes the centre of its window (kernel, stride, padding, dilation) to every output channel;
* norms, activations, dropout and softmax keep positions; attention keeps each token at the position of its query;
* a sum of two tensors lies at the mean of their positions; gates and biases move nothing;
* values that do not come from the clip (class token, padding) have no mass.

``position_rules`` holds the rule of each operation of torch; functions outside torch bring their own
(``custom_functions``). So a layer's axes, token order and class token, the times of a slow pathway or of dropped frames,
and the shift of causal or padded convolutions are all measured. One pass costs far less than a forward pass, since
channels are computed once.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import torch

from notebook_explain.models.positions.custom_functions import has_position_proxy, next_selection, selects_frames

Fields = tuple[torch.Tensor, ...]  # mass, mass * t, mass * y, mass * x
Rule = Callable[..., Any]
RuleT = TypeVar("RuleT", bound=Rule)

# Rules by the name of the torch function; position_rules fills them in. A rule is called with the function's arguments.
RULES: dict[str, Rule] = {}
PRODUCTS: set[str] = set()  # rules that also apply when the first argument is a plain tensor


def rule(*names: str, any_argument: bool = False) -> Callable[[RuleT], RuleT]:
    """Register the decorated function as the rule of torch functions.

    Parameters
    ----------
    *names : str
        Names of the functions, without underscores at either end (``relu`` also stands for ``relu_``).
    any_argument : bool
        Apply the rule when any argument carries positions, not only the first.
    """

    def register(function: RuleT) -> RuleT:
        RULES.update(dict.fromkeys(names, function))
        if any_argument:
            PRODUCTS.update(names)
        return function

    return register


class PositionTensor(torch.Tensor):
    """A tensor of positions where the network expects activations.

    Attributes
    ----------
    fields : tuple of 4 tensors of this shape
        Mass, and the mass times the clip frame (t), pixel row (y) and pixel column (x).
    pool_calls : frozenset of int
        Indices of the pooling calls that this tensor was computed from (see ``layer_trace``).
    """

    fields: Fields
    pool_calls: frozenset[int]

    @staticmethod
    def from_fields(fields: Sequence[torch.Tensor], pool_calls: frozenset[int] = frozenset()) -> PositionTensor:
        """Make a tensor of four fields."""
        self = torch.Tensor._make_subclass(PositionTensor, fields[0])
        self.fields, self.pool_calls = tuple(fields), pool_calls
        return self

    @staticmethod
    def for_clip(frames: int, height: int, width: int, device: torch.device) -> PositionTensor:
        """Make the positions of a clip, (1, 3, time, height, width): every value stands for its own frame and pixel."""
        shape = (1, 3, frames, height, width)
        t = torch.arange(frames, device=device, dtype=torch.float32).view(1, 1, -1, 1, 1)
        y = torch.arange(height, device=device, dtype=torch.float32).view(1, 1, 1, -1, 1)
        x = torch.arange(width, device=device, dtype=torch.float32).view(1, 1, 1, 1, -1)
        one = torch.ones((), device=device, dtype=torch.float32)
        return PositionTensor.from_fields([field.expand(shape) for field in (one, t, y, x)])

    def positions(self) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Return (t, y, x), each of a shape that broadcasts to this tensor's; NaN where there is no mass."""
        with torch._C.DisableTorchFunction():  # modes that count the network's calls must not count these
            mass, *ramps = (narrow(field) for field in self.fields)
            known = mass > 1e-20 * mass.max().clamp_min(1e-18)
            nan = torch.full((), float("nan"), device=mass.device)
            t, y, x = (torch.where(known, ramp / mass, nan) for ramp in ramps)
            return t, y, x

    @classmethod
    def __torch_function__(cls, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        if has_position_proxy(func):
            return _run_custom(func, args, kwargs)
        name = getattr(func, "__name__", "").strip("_")
        with torch._C.DisableTorchFunctionSubclass(), torch.no_grad():
            if name in RULES:
                if isinstance(args[0], PositionTensor) or name in PRODUCTS:
                    return RULES[name](*args, **kwargs)
                # A plain tensor that takes the type or shape of one with positions stays plain.
                return func(*_select_field(args, 0, False), **_select_field(kwargs, 0, False))
            if name in MOVES or name in ("get", "set", "delete"):
                return _on_each_field(func, args, kwargs)
            if name in BINARY and len(args) >= 2:
                return _binary(name, func, args[0], args[1])
            return _run_unknown(func, name, args, kwargs)


# Operations that only move values: they run unchanged on each field.
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
    """Return the same values with length 1 along every expanded axis (stride 0)."""
    for axis, (length, stride) in enumerate(zip(field.shape, field.stride(), strict=True)):
        if stride == 0 and length > 1:
            field = field.narrow(axis, 0, 1)
    return field


def mean_over(field: torch.Tensor, axis: int = 1) -> torch.Tensor:
    """Return the mean over an axis, by default the channels, with length 1 there."""
    return field.narrow(axis, 0, 1) if field.stride(axis) == 0 else field.mean(axis, keepdim=True)


def _run_custom(func: Any, args: Any, kwargs: Any) -> Any:
    """Run the position proxy of a function, whose torch operations have rules; or take the frames that it selected."""
    result = func.position_proxy(*args, **kwargs)
    if not selects_frames(func) or result.shape[2] == args[0].shape[2]:  # all frames were kept
        return result
    x, frames = args[0], next_selection()
    if frames is None:
        return result
    with torch._C.DisableTorchFunctionSubclass(), torch.no_grad():
        fields = [mean_over(field).index_select(2, frames.to(field.device)) for field in x.fields]
        return PositionTensor.from_fields([f.expand(-1, x.shape[1], *f.shape[2:]) for f in fields], x.pool_calls)


def _select_field(value: Any, k: int, join: bool) -> Any:
    """Replace every PositionTensor in nested arguments by its k-th field; in joins, plain tensors by zeros (no mass)."""
    if isinstance(value, PositionTensor):
        return value.fields[k]
    if isinstance(value, torch.Tensor):
        return torch.zeros_like(value, dtype=torch.float32) if join and value.is_floating_point() else value
    if isinstance(value, (list, tuple)):
        picked = [_select_field(entry, k, join) for entry in value]
        return type(value)(*picked) if hasattr(value, "_fields") else type(value)(picked)
    if isinstance(value, dict):
        return {key: _select_field(entry, k, join) for key, entry in value.items()}
    return value


def _pool_calls(value: Any) -> frozenset[int]:
    if isinstance(value, PositionTensor):
        return value.pool_calls
    if isinstance(value, (list, tuple)):
        return frozenset().union(*map(_pool_calls, value))
    return frozenset()


def _on_each_field(func: Any, args: Any, kwargs: Any) -> Any:
    """Run an operation that moves values on each of the four fields."""
    name = func.__name__.strip("_")
    if name == "setitem":
        return _set_item(func, args)
    join = name in _JOINS
    results = []
    for k in range(4):
        results.append(_run_or_view_contiguous(func, _select_field(args, k, join), _select_field(kwargs, k, join)))
        if k == 0 and not _has_tensor(results[0]):
            return results[0]
    return _combine_fields(results, _pool_calls(args))


def _run_or_view_contiguous(func: Any, args: Any, kwargs: Any) -> Any:
    try:
        return func(*args, **kwargs)
    except RuntimeError:
        if func.__name__ != "view":
            raise
        return func(
            args[0].contiguous(), *args[1:], **kwargs
        )  # fields are expanded where the network's tensor is dense


def _set_item(func: Any, args: Any) -> None:
    target, index, value = args
    if not isinstance(target, PositionTensor):  # a plain buffer, which cannot hold positions
        func(target, index, value.fields[0].to(target.dtype))
        return
    fields = [field.clone(memory_format=torch.contiguous_format) for field in target.fields]
    for k, field in enumerate(fields):
        field[index] = value.fields[k] if isinstance(value, PositionTensor) else 0.0
    target.fields = tuple(fields)


def _has_tensor(value: Any) -> bool:
    return isinstance(value, torch.Tensor) or (isinstance(value, (list, tuple)) and any(map(_has_tensor, value)))


def _combine_fields(results: list[Any], pool_calls: frozenset[int]) -> Any:
    """Combine the results for the four fields, which have the same structure, into one result."""
    first = results[0]
    if isinstance(first, torch.Tensor):
        return PositionTensor.from_fields(results, pool_calls)
    if isinstance(first, (list, tuple)):
        return type(first)(_combine_fields([result[i] for result in results], pool_calls) for i in range(len(first)))
    return first


def keep_positions(x: PositionTensor, *_: Any, **__: Any) -> PositionTensor:
    """Return a new tensor with the same positions."""
    return PositionTensor.from_fields(x.fields, x.pool_calls)


def massless(shape: Sequence[int], like: PositionTensor) -> PositionTensor:
    """Return a tensor of the given shape whose values have no position (no mass)."""
    zero = torch.zeros((), device=like.fields[0].device, dtype=torch.float32)
    return PositionTensor.from_fields([zero.expand(tuple(shape))] * 4)


def _binary(name: str, func: Any, a: Any, b: Any) -> Any:
    """Positions under arithmetic: a sum lies between its terms; anything else keeps those of the larger operand."""
    shapes = [tuple(value.shape) if isinstance(value, torch.Tensor) else () for value in (a, b)]
    shape = torch.broadcast_shapes(*shapes)  # raises as the real operation would
    if not (isinstance(a, PositionTensor) and isinstance(b, PositionTensor)):
        moved = a if isinstance(a, PositionTensor) else b
        result = PositionTensor.from_fields([field.expand(shape) for field in moved.fields], moved.pool_calls)
    elif shapes[0] == shapes[1] and "mul" not in name and "div" not in name:
        pairs = zip(a.fields, b.fields, strict=True)
        fields = [((narrow(left) + narrow(right)) / 2).expand(shape) for left, right in pairs]
        result = PositionTensor.from_fields(fields, a.pool_calls | b.pool_calls)
    else:
        larger = a if math.prod(shapes[0]) >= math.prod(shapes[1]) else b
        result = PositionTensor.from_fields([field.expand(shape) for field in larger.fields], larger.pool_calls)
    in_place = func.__name__.startswith("__i") or (func.__name__.endswith("_") and not func.__name__.endswith("__"))
    if in_place and isinstance(a, PositionTensor) and result.shape == a.shape:
        a.fields, a.pool_calls = result.fields, result.pool_calls
        return a
    return result


def _run_unknown(func: Any, name: str, args: Any, kwargs: Any) -> Any:
    """Any other operation: positions are kept if the shape is; else it runs on the fields, and the result is checked."""
    moved = next((value for value in (*args, *kwargs.values()) if isinstance(value, PositionTensor)), None)
    result = func(*_select_field(args, 0, False), **_select_field(kwargs, 0, False))
    if moved is not None and isinstance(result, torch.Tensor) and result.is_floating_point():
        if result.shape == moved.shape:
            return keep_positions(moved)
        return _check_range(moved, _on_each_field(func, args, kwargs))
    if _has_tensor(result) and not isinstance(result, torch.Tensor):
        return _on_each_field(func, args, kwargs)
    return result


def _check_range(before: PositionTensor, after: Any) -> Any:
    """Raise RuntimeError if positions lie outside those of the input: then the operation does not only move values."""
    for old, new in zip(before.positions(), after.positions(), strict=True):
        known, seen = old[~old.isnan()], new[~new.isnan()]
        if len(known) and len(seen) and (seen.min() < known.min() - 1e-2 or seen.max() > known.max() + 1e-2):
            raise RuntimeError("positions cannot be followed through this operation")
    return after
