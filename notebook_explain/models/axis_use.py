"""Use of the axes of a network's input, as two passes of positions show it.

One pass carries the frame, row and column of every value (``positions``), the other its channel instead of its frame. In both,
the calls of functions with weights and of poolings are recorded: along which axes of a tensor the channels, frames, rows and
columns of the clip change, over which axes the weights sum, and how far windows reach. So it is known whether the first
weights combine the channels of one frame, or frames as if they were channels, and which axes the network treats alike.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import torch
from torch import nn
from torch.overrides import TorchFunctionMode

from notebook_explain.models.layer_trace import tensors
from notebook_explain.models.positions.extents import EPS, TIME, extent, position_along
from notebook_explain.models.positions.tensor import PositionTensor
from notebook_explain.models.preprocessing import Preprocessing
from notebook_explain.models.rng import LocalRandomness
from notebook_explain.models.shadow import reference_parameter
from notebook_explain.models.video_model import position_input

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


@dataclass(frozen=True)
class AxisUse:
    """What a network does with the axes of a clip in one layout.

    Attributes
    ----------
    calls : tuple of Call
        In order of execution.
    output : tuple of int
        Shape of the first tensor that the network returns; empty if it has no positions.
    rows : int
        Length of its first axis if frames change along it, else 1.
    """

    calls: tuple[Call, ...]
    output: tuple[int, ...]
    rows: int

    @property
    def first(self) -> tuple[Call, ...]:
        """Calls of functions with weights that read the clip itself."""
        return tuple(call for call in self.calls if call.has_weights and call.is_first)

    def windows(self) -> Counter[tuple[Window, Window, Window]]:
        """Return how often each windows in time, height and width occurs."""
        found = (tuple(call.windows.get(letter) for letter in "THW") for call in self.calls if call.windows)
        return Counter(window for window in found if any(window))  # type: ignore[misc]  # three entries


def observe_axes(shadow: nn.Module, preprocessing: Preprocessing) -> AxisUse:
    """Run positions through a shadow module twice and return what it does with the axes of its input.

    Raises
    ------
    Exception
        Anything that the network raises on an input of this shape, or a rule of positions.
    """
    reference = reference_parameter(shadow)
    clip = position_input(preprocessing, reference.device, reference.dtype)
    recorded, output = _recorded_calls(shadow, clip, "THW")
    by_channel, _ = _recorded_calls(shadow, _channel_positions(preprocessing, reference), "C")
    if len(by_channel) != len(recorded):
        raise RuntimeError("the network did not run the same functions in two passes")
    calls = tuple(_join(a, b) for a, b in zip(recorded, by_channel, strict=True))
    ends = [tensor for _, tensor in tensors(output) if isinstance(tensor, PositionTensor)]
    if not ends:
        return AxisUse(calls, (), 1)
    shape = tuple(ends[0].shape)
    return AxisUse(calls, shape, _rows(ends[0], preprocessing.frames))


def _rows(output: PositionTensor, frames: int) -> int:
    """Return the length of an output's first axis if frames are distributed to it, else 1."""
    if len(output.shape) < 2:
        return 1
    if extent(output, TIME) is None:  # computed from values without positions, such as class tokens
        return frames if output.shape[0] == frames else 1
    return output.shape[0] if "T" in _changing(output, 0, "THW") else 1


def odd_axis(use: AxisUse) -> str | None:
    """Return the axis whose windows differ from those of the two others, which are alike; None if there is none.

    In video networks this is time: kernels and strides in height and width are the same, or occur equally often.
    """
    windows = use.windows()
    alike = [_swapped(windows, *pair) == windows for pair in ((1, 2), (0, 2), (0, 1))]
    if sum(alike) != 1:
        return None
    odd = alike.index(True)
    moves = [any(window[axis] for window in windows) for axis in range(3)]
    return "THW"[odd] if all(moved for axis, moved in enumerate(moves) if axis != odd) else None


def _swapped(windows: Counter[Any], first: int, second: int) -> Counter[Any]:
    swapped: Counter[Any] = Counter()
    for window, count in windows.items():
        order = list(window)
        order[first], order[second] = order[second], order[first]
        swapped[tuple(order)] += count
    return swapped


def _join(a: Call, b: Call) -> Call:
    return replace(
        a,
        summed=a.summed | b.summed,
        elsewhere=a.elsewhere | b.elsewhere,
        windows={**a.windows, **b.windows},
        steps=a.steps | b.steps,
    )


def _channel_positions(preprocessing: Preprocessing, reference: torch.Tensor) -> Any:
    """Return the positions of a clip with the index of the channel in place of the frame."""
    p = preprocessing
    clip = PositionTensor.for_clip(*p.shape, reference.device, reference.dtype, channels=p.channels)
    channels = torch.arange(clip.shape[1], device=reference.device, dtype=torch.float32).view(1, -1, 1, 1, 1)
    fields = (clip.fields[0], channels.expand(clip.shape), *clip.fields[2:])
    by_channel = PositionTensor.from_fields(fields)
    by_channel.precision = reference.dtype
    return preprocessing.arrange(by_channel)


def _recorded_calls(shadow: nn.Module, inputs: Any, letters: str) -> tuple[list[Call], Any]:
    recorder = _Recorder(letters)
    with torch.no_grad(), LocalRandomness(), recorder:
        output = shadow(inputs)
    return recorder.calls, output


class _Recorder(TorchFunctionMode):
    """Records the calls of functions with weights and of poolings on positions.

    Parameters
    ----------
    letters : str
        Axes of the clip that stand for the time, height and width of the positions; shorter to leave out the last ones.
    """

    def __init__(self, letters: str) -> None:
        super().__init__()
        self.letters = letters
        self.calls: list[Call] = []

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        name = getattr(func, "__name__", "").strip("_")
        reader = _READERS.get(name)
        if reader is not None:
            with torch._C.DisableTorchFunction():
                call = reader(self.letters, name, args, kwargs)
            self.calls += [] if call is None else [call]
        return func(*args, **kwargs)


def _changing(x: PositionTensor, axis: int, letters: str) -> Letters:
    """Return the axes of the clip whose positions change along an axis of a tensor."""
    return frozenset(letter for k, letter in enumerate(letters) if _changes(position_along(x, k), axis))


def _changes(position: torch.Tensor, axis: int) -> bool:
    return position.shape[axis] > 1 and bool((position.diff(dim=axis).abs() > EPS).any())


def _call(
    x: PositionTensor,
    letters: str,
    summed: Sequence[int],
    windows: dict[int, Window] | None = None,
    step: int | None = None,
) -> Call:
    """Return the record of a call with weights that sums over some axes of a tensor."""
    count = len(x.shape)
    along = [_changing(x, axis, letters) for axis in range(count)]
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
    """Return the windows by axis of the clip; nothing if one moves along several axes of the clip at once."""
    if any(len(along[axis]) > 1 for axis in windows):
        return {}
    return {letter: window for axis, window in windows.items() for letter in along[axis]}


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


def _read_convolution(letters: str, name: str, args: Any, kwargs: Any) -> Call | None:
    x, weight = _argument(args, kwargs, 0, "input", None), _argument(args, kwargs, 1, "weight", None)
    count = int(name[-2])
    if not isinstance(x, PositionTensor) or len(x.shape) != count + 2:
        return None
    stride = _argument(args, kwargs, 3, "stride", 1)
    dilation = 1 if "transpose" in name else _argument(args, kwargs, 5, "dilation", 1)
    return _call(x, letters, [1], _windows(tuple(weight.shape[2:]), stride, dilation, count))


def _read_pooling(letters: str, name: str, args: Any, kwargs: Any) -> Call | None:
    x, kernel = _argument(args, kwargs, 0, "input", None), _argument(args, kwargs, 1, "kernel_size", 1)
    count = int(name[-2])
    if not isinstance(x, PositionTensor) or len(x.shape) != count + 2:
        return None
    stride = _argument(args, kwargs, 2, "stride", None)
    windows = _windows(kernel, kernel if stride in (None, [], ()) else stride, 1, count)
    return replace(_call(x, letters, [], windows), has_weights=False)


def _read_product(letters: str, name: str, args: Any, kwargs: Any) -> Call | None:
    """Return the record of a product of a tensor with positions and of plain weights."""
    operands = [*args, *kwargs.values()][-2:] if name in ("addmm", "baddbmm") else [*args, *kwargs.values()][:2]
    if name == "rmatmul":
        operands.reverse()
    if len(operands) < 2 or all(isinstance(operand, PositionTensor) for operand in operands):
        return None
    first, second = operands
    if isinstance(first, PositionTensor):
        return _call(first, letters, [-1])
    return _call(second, letters, [max(len(second.shape) - 2, 0)]) if isinstance(second, PositionTensor) else None


def _read_einsum(letters: str, _: str, args: Any, kwargs: Any) -> Call | None:
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
    return _call(x, letters, [axis for axis, name in enumerate(names) if name != "." and name not in output])


def _read_tensordot(letters: str, _: str, args: Any, kwargs: Any) -> Call | None:
    a, b, dims = args[0], args[1], _argument(args, kwargs, 2, "dims", 2)
    if isinstance(a, PositionTensor) == isinstance(b, PositionTensor):
        return None
    if isinstance(dims, int):
        dims = list(range(len(a.shape) - dims, len(a.shape))), list(range(dims))
    return _call(a, letters, dims[0]) if isinstance(a, PositionTensor) else _call(b, letters, dims[1])


def _read_recurrent(letters: str, _: str, args: Any, kwargs: Any) -> Call | None:
    x = args[0]
    if not isinstance(x, PositionTensor) or len(x.shape) < 2:
        return None
    is_packed = not args[1].is_floating_point() if isinstance(args[1], torch.Tensor) else False
    batch_first = not is_packed and bool(args[8])
    return _call(x, letters, [-1], step=len(x.shape) - 2 if batch_first else 0)


def _read_step(letters: str, _: str, args: Any, kwargs: Any) -> Call | None:
    return _call(args[0], letters, [-1]) if isinstance(args[0], PositionTensor) else None


_READERS: dict[str, Callable[[str, str, Any, Any], Call | None]] = {
    **dict.fromkeys(_CONVOLUTIONS, _read_convolution),
    **dict.fromkeys(_POOLINGS, _read_pooling),
    **dict.fromkeys(_PRODUCTS, _read_product),
    **dict.fromkeys(_RECURRENT, _read_recurrent),
    **dict.fromkeys(_STEPS, _read_step),
    "einsum": _read_einsum,
    "tensordot": _read_tensordot,
    "multi_head_attention_forward": _read_step,
}
