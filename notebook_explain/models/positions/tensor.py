"""PositionTensor: a tensor that carries clip positions instead of activations through an unmodified network.

To show a map, you have to know where its cells lie in the clip. This is measured, not guessed from shapes: the network
runs once on a tensor that takes six fields through every operation. For each axis of the clip (time t, height y, width x)
they are a mass and, weighted by it, the clip frame or pixel that each value stands for. Operations that only move values
(reshape, permute, concatenate, slice, pad) run unchanged on each field; operations that compute are replaced by their
effect on positions:

* a convolution or pooling writes the centre of its window (kernel, stride, padding, dilation) to every output channel;
* norms, activations, dropout and softmax keep positions; attention keeps each token at the position of its query;
* a sum of two tensors lies at the mean of their positions; gates and biases move nothing;
* values that do not come from the clip (class token, padding) have no mass;
* what merges all positions along an axis of the clip (a linear layer over time or over tokens, global pooling) has next to
  no mass there, so the other term of a sum decides; of two steps of a recurrent network, the newer one decides.

The rules of torch's operations are in the other files of this package; functions outside torch bring their own
(``custom_functions``). So a layer's axes, token order and class token, the times of a slow pathway or of dropped frames,
and the shift of causal or padded convolutions are all measured. One pass costs far less than a forward pass, since
channels are computed once.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import torch

from notebook_explain.models.positions.custom_functions import has_position_proxy, next_selection, selects_frames
from notebook_explain.models.positions.extents import AXES, EPS, extent, mean_over, position_along
from notebook_explain.models.positions.extents import narrow as narrow
from notebook_explain.models.positions.lineage import Lineage

Fields = tuple[torch.Tensor, ...]  # mass, mass * position; for time, height and width
Rule = Callable[..., Any]
RuleT = TypeVar("RuleT", bound=Rule)

# Rules by the name of the torch function; the other files of this package fill them in. A rule is called with the
# function's arguments.
RULES: dict[str, Rule] = {}
_DTYPE_OF = torch.Tensor.dtype.__get__  # type: ignore[attr-defined]
PRODUCTS: set[str] = set()  # rules that also apply when the first argument is a plain tensor
ARITHMETIC: dict[str, Rule] = {}  # rules that are called with the function and its two operands


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
    fields : tuple of 6 tensors of this shape
        For time, height and width: the mass, and the mass times the clip frame, pixel row or pixel column.
    pool_calls : frozenset of int
        Indices of the pooling calls that this tensor was computed from (see ``layer_trace``).
    lineage : Lineage
    precision : torch.dtype
        Its ``dtype`` for the network, which may compare it with that of its weights. The fields are float32 in any case.
    """

    fields: Fields
    pool_calls: frozenset[int]
    lineage: Lineage
    precision: torch.dtype

    @staticmethod
    def from_fields(fields: Sequence[torch.Tensor], *parents: PositionTensor) -> PositionTensor:
        """Make a tensor of six fields; ``parents`` are the tensors that it is computed from."""
        self = torch.Tensor._make_subclass(PositionTensor, fields[0])
        self.fields = tuple(fields)
        self.pool_calls = frozenset[int]().union(*(parent.pool_calls for parent in parents))
        self.lineage = Lineage.of([parent.lineage for parent in parents])
        self.precision = parents[0].precision if parents else torch.float32
        return self

    @staticmethod
    def for_clip(
        frames: int,
        height: int,
        width: int,
        device: torch.device,
        dtype: torch.dtype = torch.float32,
        channels: int = 3,
    ) -> PositionTensor:
        """Make the positions of a clip, (1, channel, time, height, width): each value stands for its own frame and pixel."""
        shape = (1, channels, frames, height, width)
        t = torch.arange(frames, device=device, dtype=torch.float32).view(1, 1, -1, 1, 1)
        y = torch.arange(height, device=device, dtype=torch.float32).view(1, 1, 1, -1, 1)
        x = torch.arange(width, device=device, dtype=torch.float32).view(1, 1, 1, 1, -1)
        one = torch.ones((), device=device, dtype=torch.float32).expand(shape)
        clip = PositionTensor.from_fields([part for ramp in (t, y, x) for part in (one, ramp.expand(shape))])
        clip.precision = dtype
        return clip

    def positions(self) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Return (t, y, x), each of a shape that broadcasts to this tensor's; NaN where there is no mass."""
        t, y, x = (position_along(self, axis) for axis in AXES)
        return t, y, x

    @classmethod
    def __torch_function__(cls, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        if not args and "input" in kwargs:
            args, kwargs = (kwargs["input"],), {key: value for key, value in kwargs.items() if key != "input"}
        if has_position_proxy(func):
            return _run_custom(func, args, kwargs)
        name = getattr(func, "__name__", "").strip("_")
        if name == "get" and func == _DTYPE_OF:
            return args[0].precision
        with torch._C.DisableTorchFunctionSubclass(), torch.inference_mode(False), torch.no_grad():
            if name in RULES:
                if (args and isinstance(args[0], PositionTensor)) or name in PRODUCTS:
                    return RULES[name](*args, **kwargs)
                # A plain tensor that takes the type or shape of one with positions stays plain.
                return func(*_select_field(args, 0, False), **_select_field(kwargs, 0, False))
            if name in MOVES or name in ("get", "set", "delete"):
                return _on_each_field(func, args, kwargs)
            if name in ARITHMETIC and len(args) >= 2:
                return ARITHMETIC[name](func, args[0], args[1])
            return _run_unknown(func, name, args, kwargs)


# Operations that only move values: they run unchanged on each field.
MOVES = frozenset(
    """view reshape permute transpose movedim moveaxis swapaxes swapdims flatten unflatten squeeze unsqueeze
    expand expand_as repeat repeat_interleave tile contiguous clone cat concat concatenate stack hstack
    vstack split split_with_sizes chunk unbind tensor_split narrow select getitem setitem index_select gather
    take_along_dim roll flip rot90 unfold view_as reshape_as t adjoint pixel_shuffle pixel_unshuffle
    channel_shuffle native_channel_shuffle as_strided new_zeros new_empty diagonal size
    dim ndimension numel nelement stride is_floating_point is_complex is_contiguous element_size
    storage_offset requires_grad_ is_cuda get_device data_ptr len hash format repr dim_order type_as_shape""".split()
)
_JOINS = frozenset({"cat", "concat", "concatenate", "stack", "hstack", "vstack"})
SUMS = frozenset("add radd iadd sub rsub isub subtract".split())
BINARY = SUMS | frozenset("mul rmul imul multiply div rdiv idiv divide truediv rtruediv itruediv true_divide".split())


def is_in_place(func: Any) -> bool:
    """Return whether a torch function changes its first argument: ``add_``, or ``+=``."""
    name = func.__name__
    return name.startswith("__i") or (name.endswith("_") and not name.endswith("__"))


def map_fields(x: PositionTensor, function: Callable[[torch.Tensor], torch.Tensor]) -> list[torch.Tensor]:
    """Apply a function to every field, once to those that are the same tensor."""
    results: dict[int, torch.Tensor] = {}
    for part in x.fields:
        if id(part) not in results:
            results[id(part)] = function(part)
    return [results[id(part)] for part in x.fields]


def _run_custom(func: Any, args: Any, kwargs: Any) -> Any:
    """Run the position proxy of a function, whose torch operations have rules; or take the frames that it selected."""
    result = func.position_proxy(*args, **kwargs)
    if not selects_frames(func) or result.shape[2] == args[0].shape[2]:  # all frames were kept
        return result
    x, frames = args[0], next_selection()
    if frames is None:
        return result
    with torch._C.DisableTorchFunctionSubclass(), torch.no_grad():
        fields = map_fields(x, lambda field: mean_over(field).index_select(2, frames.to(field.device)))
        return PositionTensor.from_fields([f.expand(-1, x.shape[1], *f.shape[2:]) for f in fields], x)


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


def position_tensors(value: Any) -> list[PositionTensor]:
    """Return the tensors with positions in nested arguments."""
    if isinstance(value, PositionTensor):
        return [value]
    if isinstance(value, dict):
        value = list(value.values())
    return [part for entry in value for part in position_tensors(entry)] if isinstance(value, (list, tuple)) else []


def join_fields(func: Any, args: Any) -> Any:
    """Run a concatenation on each of the six fields; plain tensors have no mass."""
    return _on_each_field(func, args, {})


def _on_each_field(func: Any, args: Any, kwargs: Any) -> Any:
    """Run an operation that moves values on each of the six fields, once on those that are the same tensor."""
    name = func.__name__.strip("_")
    if name == "setitem":
        return _set_item(func, args)
    join = name in _JOINS
    parents = position_tensors((args, kwargs))
    results: list[Any] = []
    done: dict[tuple[int, ...], int] = {}
    for k in range(6):
        same = done.setdefault(tuple(id(parent.fields[k]) for parent in parents), k)
        if same < k and not is_in_place(func):
            results.append(results[same])
            continue
        results.append(_run_or_view_contiguous(func, _select_field(args, k, join), _select_field(kwargs, k, join)))
        if k == 0 and not _has_tensor(results[0]):
            return results[0]
    return _combine_fields(results, parents)


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
    if getattr(target, "is_new_buffer", False) and not isinstance(target, PositionTensor):
        made = massless(target.shape, value)
        target.__class__ = PositionTensor
        overwrite(target, made)
    if not isinstance(target, PositionTensor):  # a buffer of the network, which cannot hold positions
        func(target, index, value.fields[0].to(target.dtype))
        return
    fields = [field.clone(memory_format=torch.contiguous_format) for field in target.fields]
    for k, field in enumerate(fields):
        field[index] = value.fields[k] if isinstance(value, PositionTensor) else 0.0
    overwrite(target, PositionTensor.from_fields(fields, *position_tensors((target, value))))


def overwrite(target: PositionTensor, result: PositionTensor) -> PositionTensor:
    """Give a tensor the positions of another one, as in-place operations do."""
    target.fields, target.pool_calls, target.lineage = result.fields, result.pool_calls, result.lineage
    if not hasattr(target, "precision"):  # a plain buffer so far
        target.precision = result.precision
    return target


def _has_tensor(value: Any) -> bool:
    return isinstance(value, torch.Tensor) or (isinstance(value, (list, tuple)) and any(map(_has_tensor, value)))


def _combine_fields(results: list[Any], parents: list[PositionTensor]) -> Any:
    """Combine the results for the fields, which have the same structure, into one result."""
    first = results[0]
    if isinstance(first, torch.Tensor):
        return PositionTensor.from_fields(results, *parents)
    if isinstance(first, (list, tuple)):
        return type(first)(_combine_fields([result[i] for result in results], parents) for i in range(len(first)))
    return first


def keep_positions(x: PositionTensor, *_: Any, **__: Any) -> PositionTensor:
    """Return a new tensor with the same positions."""
    return PositionTensor.from_fields(x.fields, x)


def massless(shape: Sequence[int], like: PositionTensor) -> PositionTensor:
    """Return a tensor of the given shape whose values have no position (no mass)."""
    zero = torch.zeros((), device=like.fields[0].device, dtype=torch.float32).expand(tuple(shape))
    result = PositionTensor.from_fields([zero] * 6, like)
    result.pool_calls = frozenset()
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
    for axis in AXES:
        known, seen = extent(before, axis), extent(after, axis)
        if known and seen and (seen[0] < known[0] - 10 * EPS or seen[1] > known[1] + 10 * EPS):
            raise RuntimeError("positions cannot be followed through this operation")
    return after
