"""Calls of functions with weights and of poolings in a pass of positions, and the axes of the clip that they act along."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import torch
from torch.overrides import TorchFunctionMode

from notebook_explain.models.positions.extents import AXES, EPS, TIME, narrow, position_along
from notebook_explain.models.positions.tensor import PositionTensor

Letters = frozenset[str]  # axes of the clip: "C", "T", "H", "W"
Window = (
    tuple[int, int] | None
)  # kernel with dilation, and stride; None if both are 1, or if no window moves along the axis
_PRODUCTS = frozenset({"linear", "matmul", "mm", "bmm", "addmm", "baddbmm", "rmatmul"})
_RECURRENT = frozenset({"lstm", "gru", "rnn_tanh", "rnn_relu"})
_STEPS = frozenset({"lstm_cell", "gru_cell", "rnn_tanh_cell", "rnn_relu_cell"})
_CONVOLUTIONS = frozenset(f"conv{kind}{n}d" for kind in ("", "_transpose") for n in (1, 2, 3))
_POOLINGS = frozenset(f"{kind}_pool{n}d" for kind in ("max", "avg") for n in (1, 2, 3))


@dataclass(frozen=True)
class Call:
    """A call of a function with weights, or of a pooling.

    Attributes
    ----------
    summed : frozenset of str
        Axes of the clip that change along the axes over which the weights sum; empty for a pooling.
    length : int
        Number of values that are summed.
    elsewhere : frozenset of str
        Axes of the clip that change along other axes of the tensor.
    windows : dict of str to (kernel, stride)
        Windows that move along an axis of the clip.
    steps : frozenset of str
        Axes of the clip that change from step to step of a recurrent layer.
    is_first : bool
        No weights were applied before.
    has_weights : bool
    """

    summed: Letters
    length: int
    elsewhere: Letters
    windows: dict[str, Window] = field(default_factory=dict)
    steps: Letters = frozenset()
    is_first: bool = False
    has_weights: bool = True


class CallRecorder(TorchFunctionMode):
    """Records the calls of functions with weights and of poolings on positions.

    Parameters
    ----------
    period : float
        This multiple of its channel is added to the time of every value, so that both can be read from one number.

    Attributes
    ----------
    calls : list of Call
    frames : list of float
        The first and the last frame that each call of the first weights reads.
    """

    def __init__(self, period: float) -> None:
        super().__init__()
        self.period = period
        self.calls: list[Call] = []
        self.frames: list[float] = []

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        name = getattr(func, "__name__", "").strip("_")
        reader = _READERS.get(name)
        if reader is not None:
            with torch._C.DisableTorchFunction():
                call = reader(self.period, name, args, kwargs)
                if call is not None:
                    self.calls.append(call)
                    if call.is_first and call.has_weights:
                        self.frames += _frames_read([*args, *kwargs.values()], self.period)
        return func(*args, **kwargs)


def _frames_read(operands: Sequence[Any], period: float) -> list[float]:
    """Return the first and the last frame that a call reads."""
    x = next(operand for operand in operands if isinstance(operand, PositionTensor))
    times = position_along(x, TIME)
    times = times[~times.isnan()]
    frames = times - ((times + 0.5) / period).floor() * period
    return [float(frames.min()), float(frames.max())] if len(frames) else []


def changing_axes(x: PositionTensor, axis: int, period: float) -> Letters:
    """Return the axes of the clip that change along an axis of a tensor.

    They are read along lines through the first, middle and last index of every other axis.
    """
    times, rows, columns = (_steps(x, k, axis) for k in AXES)
    of_channels = (times / period).round() * period
    steps = {"C": of_channels, "T": times - of_channels, "H": rows, "W": columns}
    return frozenset(letter for letter, step in steps.items() if bool((step.abs() > EPS).any()))


def _steps(x: PositionTensor, clip_axis: int, axis: int) -> torch.Tensor:
    """Return the differences of positions along an axis of a tensor; NaN where there is no mass."""
    mass, ramp = (narrow(field) for field in x.fields[2 * clip_axis : 2 * clip_axis + 2])
    if max(mass.shape[axis], ramp.shape[axis]) == 1:
        return torch.zeros(0)
    mass, ramp = (_thinned(field, axis) for field in (mass, ramp))
    known = mass > 1e-9 * mass.max().clamp_min(1e-25)
    return torch.where(known, ramp / mass, torch.full((), float("nan"), device=mass.device)).diff(dim=axis)


def _thinned(field: torch.Tensor, axis: int) -> torch.Tensor:
    """Return a field at the first, middle and last index of every axis but one."""
    for other, length in enumerate(field.shape):
        if other != axis and length > 3:
            field = torch.stack([field.select(other, index) for index in (0, length // 2, length - 1)], other)
    return field


def _call(
    x: PositionTensor,
    period: float,
    summed: Sequence[int],
    windows: dict[int, Window] | None = None,
    step: int | None = None,
) -> Call:
    """Return the record of a call with weights that sums over some axes of a tensor."""
    count = len(x.shape)
    along = [changing_axes(x, axis, period) for axis in range(count)]
    inside = {axis % count for axis in summed}
    union = frozenset[str]().union
    return Call(
        union(*(along[axis] for axis in inside)),
        math.prod(x.shape[axis] for axis in inside),
        union(*(changing for axis, changing in enumerate(along) if axis not in inside)),
        _named_windows(along, windows or {}),
        frozenset() if step is None else along[step % count],
        not x.lineage.weights and x.lineage.seen is None,
    )


def _named_windows(along: Sequence[Letters], windows: dict[int, Window]) -> dict[str, Window]:
    """Return the windows by axis of the clip; nothing if it is not clear which they move along.

    An axis of length 1, in which nothing changes, is the one that is missing.
    """
    names = {axis: sorted(along[axis]) for axis in windows}
    unnamed = [axis for axis, letters in names.items() if not letters]
    missing = sorted(set("THW").difference(*along))
    if unnamed:
        if len(unnamed) != 1 or len(missing) != 1:
            return {}
        names[unnamed[0]] = missing
    if any(len(letters) > 1 for letters in names.values()):
        return {}
    return {letters[0]: windows[axis] for axis, letters in names.items()}


def _argument(args: Any, kwargs: Any, index: int, name: str, default: Any) -> Any:
    return args[index] if len(args) > index else kwargs.get(name, default)


def _each(value: Any, count: int) -> tuple[int, ...]:
    values = tuple(value) if isinstance(value, (list, tuple)) else (value,)
    return values * count if len(values) == 1 else values


def _windows(kernel: Any, stride: Any, dilation: Any, count: int) -> dict[int, Window]:
    """Return the windows by axis of a tensor (batch, channel, ...)."""
    kernels, strides, dilations = (_each(value, count) for value in (kernel, stride, dilation))
    found = [(d * (k - 1) + 1, s) for k, s, d in zip(kernels, strides, dilations, strict=True)]
    return {2 + axis: None if window == (1, 1) else window for axis, window in enumerate(found)}


def _read_convolution(period: float, name: str, args: Any, kwargs: Any) -> Call | None:
    x, weight = _argument(args, kwargs, 0, "input", None), _argument(args, kwargs, 1, "weight", None)
    count = int(name[-2])
    if not isinstance(x, PositionTensor) or len(x.shape) != count + 2:
        return None
    stride = _argument(args, kwargs, 3, "stride", 1)
    dilation = 1 if "transpose" in name else _argument(args, kwargs, 5, "dilation", 1)
    return _call(x, period, [1], _windows(tuple(weight.shape[2:]), stride, dilation, count))


def _read_pooling(period: float, name: str, args: Any, kwargs: Any) -> Call | None:
    x, kernel = _argument(args, kwargs, 0, "input", None), _argument(args, kwargs, 1, "kernel_size", 1)
    count = int(name[-2])
    if not isinstance(x, PositionTensor) or len(x.shape) != count + 2:
        return None
    stride = _argument(args, kwargs, 2, "stride", None)
    windows = _windows(kernel, kernel if stride in (None, [], ()) else stride, 1, count)
    return replace(_call(x, period, [], windows), has_weights=False)


def _read_product(period: float, name: str, args: Any, kwargs: Any) -> Call | None:
    """Return the record of a product of a tensor with positions and of plain weights."""
    operands = [*args, *kwargs.values()][-2:] if name in ("addmm", "baddbmm") else [*args, *kwargs.values()][:2]
    if name == "rmatmul":
        operands.reverse()
    if len(operands) < 2 or all(isinstance(operand, PositionTensor) for operand in operands):
        return None
    first, second = operands
    if isinstance(first, PositionTensor):
        return _call(first, period, [-1])
    return _call(second, period, [max(len(second.shape) - 2, 0)]) if isinstance(second, PositionTensor) else None


def _read_einsum(period: float, _: str, args: Any, kwargs: Any) -> Call | None:
    equation, *operands = args
    if len(operands) == 1 and isinstance(operands[0], (list, tuple)):
        operands = list(operands[0])
    moved = [(index, operand) for index, operand in enumerate(operands) if isinstance(operand, PositionTensor)]
    inputs, arrow, output = equation.replace(" ", "").partition("->")
    if len(moved) != 1 or not arrow or len(operands) < 2:
        return None
    index, x = moved[0]
    head, dots, tail = inputs.split(",")[index].partition("...")
    hidden = len(x.shape) - len(head) - len(tail)
    names = [*head, *(["."] * hidden if dots else []), *tail]
    return _call(x, period, [axis for axis, name in enumerate(names) if name != "." and name not in output])


def _read_tensordot(period: float, _: str, args: Any, kwargs: Any) -> Call | None:
    a, b, dims = args[0], args[1], _argument(args, kwargs, 2, "dims", 2)
    if isinstance(a, PositionTensor) == isinstance(b, PositionTensor):
        return None
    if isinstance(dims, int):
        dims = list(range(len(a.shape) - dims, len(a.shape))), list(range(dims))
    return _call(a, period, dims[0]) if isinstance(a, PositionTensor) else _call(b, period, dims[1])


def _read_recurrent(period: float, _: str, args: Any, kwargs: Any) -> Call | None:
    x = args[0]
    if not isinstance(x, PositionTensor) or len(x.shape) < 2:
        return None
    is_packed = not args[1].is_floating_point() if isinstance(args[1], torch.Tensor) else False
    batch_first = not is_packed and bool(args[8])
    return _call(x, period, [-1], step=len(x.shape) - 2 if batch_first else 0)


def _read_step(period: float, _: str, args: Any, kwargs: Any) -> Call | None:
    return _call(args[0], period, [-1]) if isinstance(args[0], PositionTensor) else None


_READERS: dict[str, Callable[[float, str, Any, Any], Call | None]] = {
    **dict.fromkeys(_CONVOLUTIONS, _read_convolution),
    **dict.fromkeys(_POOLINGS, _read_pooling),
    **dict.fromkeys(_PRODUCTS, _read_product),
    **dict.fromkeys(_RECURRENT, _read_recurrent),
    **dict.fromkeys(_STEPS, _read_step),
    "einsum": _read_einsum,
    "tensordot": _read_tensordot,
    "multi_head_attention_forward": _read_step,
}
