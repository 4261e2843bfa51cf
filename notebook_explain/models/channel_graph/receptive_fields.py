"""Receptive field of every convolution, linear layer and sum: the part of the clip that one cell sees, in frames and pixels.

One pass of positions (``models.positions``) runs through the network. It gives the position of each value, and shows
along which axes a window or a mean moves through the clip. Every tensor also carries its reach: how far before and
after its own position a value depends on the clip. ::

    a window of k cells at a distance of s             adds (k - 1) / 2 * s on either side
    a mean, a linear layer, a convolution's channels   add the distance between the positions that they combine
    a sum, a concatenation                             has the largest reach of its terms

A tensor that only multiplies (a gate), and the mean and deviation of norms, do not count. After an operation that mixes
positions (attention) the reach is unknown. Where tensors at different positions are concatenated, such as those of two
pathways whose windows do not start together, the result may be too large by their distance.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from notebook_explain.models.channel_graph.graph import ChannelGraph, Site
from notebook_explain.models.channel_graph.op_hooks import Call, OnResult, watch
from notebook_explain.models.positions.custom_functions import has_position_proxy, selects_frames
from notebook_explain.models.positions.tensor import BINARY, MOVES, RULES, PositionTensor
from notebook_explain.models.rng import LocalRandomness

Field = tuple[int, int, int]
_Reach = tuple[tuple[float, float], ...]  # (before, after) in frames, rows of pixels, columns of pixels
_Positions = tuple[Tensor, Tensor, Tensor]

_WINDOWS = frozenset(f"{kind}_pool{n}d" for kind in ("max", "avg", "lp") for n in (1, 2, 3))
_ADAPTIVE = frozenset(f"adaptive_{kind}_pool{n}d" for kind in ("max", "avg") for n in (1, 2, 3))
_REDUCTIONS = frozenset("mean sum amax amin nanmean logsumexp median max min var std norm".split())
_PRODUCTS = frozenset("mul rmul imul multiply div rdiv idiv divide truediv true_divide itruediv".split())
_SUMS = frozenset("add radd iadd sub rsub isub subtract maximum minimum".split())
_MIXING = frozenset(
    """matmul bmm mm addmm einsum scaled_dot_product_attention multi_head_attention_forward interpolate upsample
    as_strided""".split()
)
# Functions that keep values in position, or that `_reach_of` has a rule for; any other may mix positions.
_SUPPORTED = (MOVES | BINARY | RULES.keys() | {"get", "maximum", "minimum", "position_proxy"}) - _MIXING


def receptive_fields(shadow: nn.Module, clip: Any) -> dict[Site, Field]:
    """Return the receptive field of each layer and sum.

    Parameters
    ----------
    shadow : module
        Hooks are added to its modules and removed afterwards.
    clip : PositionTensor, or a list of them
        In the layout of the network's forward (``models.video_model.position_input``).

    Returns
    -------
    dict of site to (time, height, width) in frames and pixels
        For an unlimited clip; sites whose receptive field is unknown are left out.
    """
    fields: dict[Site, Field] = {}

    def on_call(call: Call) -> OnResult:
        def on_result(result: Tensor) -> None:
            reach = _reach(result)
            if reach is not None:
                time, height, width = (round(before + after) + 1 for before, after in reach)
                fields[call.site] = (time, height, width)

        return on_result

    for part in clip if isinstance(clip, list) else [clip]:
        part.reach = ((0.0, 0.0),) * 3
    # Positions cannot be followed through every network; what ran before the error keeps its field.
    with contextlib.suppress(Exception), torch.no_grad(), LocalRandomness(), _TrackReach(), watch(shadow, on_call):
        shadow(clip)
    return fields


def with_receptive_fields(graph: ChannelGraph, fields: Mapping[Site, Field]) -> ChannelGraph:
    """Return the same graph with the receptive fields of its layers and sums set."""
    layers = tuple(replace(layer, receptive_field=fields.get(layer.site)) for layer in graph.layers)
    sums = tuple(replace(addition, receptive_field=fields.get(addition.site)) for addition in graph.sums)
    return replace(graph, layers=layers, sums=sums)


def _reach(value: Any) -> _Reach | None:
    reach: _Reach | None = getattr(value, "reach", None)
    return reach


class _TrackReach(TorchFunctionMode):
    """Sets the ``reach`` of every PositionTensor that a function returns."""

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        if has_position_proxy(func) and not selects_frames(func):
            with self:  # the windows of the torch functions that stand in for it are those of the function
                return func.position_proxy(*args, **kwargs)
        name = "position_proxy" if has_position_proxy(func) else str(getattr(func, "__name__", "")).strip("_")
        inputs = list(_position_tensors((*args, *kwargs.values())))
        # Read before the call, since an in-place sum changes the positions of its first term.
        positions = [part.positions() for part in inputs] if name in _SUMS and len(inputs) > 1 else []
        result = func(*args, **kwargs)
        outputs: list[Any] = [args[0]] if name == "setitem" else list(_position_tensors(result))
        if inputs and outputs:
            with torch._C.DisableTorchFunctionSubclass():
                reach = _reach_of(name, args, kwargs, inputs, positions, outputs[0])
            for part in outputs:
                part.reach = reach
        return result


def _position_tensors(value: Any) -> Iterator[PositionTensor]:
    if isinstance(value, PositionTensor):
        yield value
    elif isinstance(value, (list, tuple)):
        for part in value:
            yield from _position_tensors(part)


def _reach_of(
    name: str, args: Any, kwargs: Any, inputs: list[PositionTensor], positions: list[_Positions], result: PositionTensor
) -> _Reach | None:
    """Return the reach of a function's result, None if it is unknown; ``positions`` are those of a sum's terms."""
    if positions:
        return _reach_of_sum(inputs, positions, result)
    first = inputs[0]
    if name not in _SUPPORTED:
        return None
    if name in ("conv1d", "conv2d", "conv3d"):
        weight, dilation = args[1], _option(args, kwargs, 5, "dilation", 1)
        spans = [(k - 1) * d for k, d in zip(weight.shape[2:], _per_axis(dilation, weight.ndim - 2), strict=True)]
        return _add(_add(_reach(first), _spread(first, [1])), _window_reach(first, spans))
    if name in _WINDOWS:
        size = _per_axis(_option(args, kwargs, 2 if name.startswith("lp") else 1, "kernel_size", 1), first.ndim - 2)
        dilation = _option(args, kwargs, 4, "dilation", 1) if name.startswith("max") else 1
        spans = [(k - 1) * d for k, d in zip(size, _per_axis(dilation, first.ndim - 2), strict=True)]
        return _add(_reach(first), _window_reach(first, spans))
    if name in _ADAPTIVE:
        output_size = _per_axis(_option(args, kwargs, 1, "output_size", 1), first.ndim - 2)
        spans = [_largest_bin(n, bins) - 1 for n, bins in zip(first.shape[2:], output_size, strict=True)]
        return _add(_reach(first), _window_reach(first, spans))
    if name == "linear":
        return _add(_reach(first), _spread(first, [first.ndim - 1]))
    if name in _REDUCTIONS and len(inputs) == 1:
        return _add(_reach(first), _spread(first, _reduced_axes(first, args, kwargs)))
    if name in _PRODUCTS and len(inputs) == 2 and inputs[0].numel() != inputs[1].numel():
        return _reach(max(inputs, key=Tensor.numel))  # the smaller factor is a gate
    return _union([_reach(part) for part in inputs])


def _reach_of_sum(
    terms: Sequence[PositionTensor], positions: Sequence[_Positions], result: PositionTensor
) -> _Reach | None:
    """Return the reach of a sum, whose position is the mean of its terms': their distance to it is added."""
    of_result = result.positions()
    shifts = (tuple(_largest_offsets(a - b, []) for a, b in zip(term, of_result, strict=True)) for term in positions)
    return _union([_add(_reach(term), shift) for term, shift in zip(terms, shifts, strict=True)])


def _option(args: Any, kwargs: Any, index: int, name: str, default: Any) -> Any:
    return args[index] if len(args) > index else kwargs.get(name, default)


def _per_axis(value: Any, count: int) -> list[Any]:
    entries = list(value) if isinstance(value, (list, tuple)) else [value]
    return entries * count if len(entries) == 1 else entries


def _largest_bin(length: int, bins: int | None) -> int:
    """Return the size of the largest bin of adaptive pooling."""
    if bins is None:
        return 1
    return max(-(-(k + 1) * length // bins) - k * length // bins for k in range(bins))


def _reduced_axes(x: Tensor, args: Any, kwargs: Any) -> list[int]:
    dim = kwargs.get("dim", kwargs.get("axis", args[1] if len(args) > 1 else None))
    axes = range(x.ndim) if dim is None or dim == [] else dim if isinstance(dim, (list, tuple)) else [dim]
    return [axis % x.ndim for axis in axes]


def _add(reach: _Reach | None, more: _Reach | None) -> _Reach | None:
    """Add two reaches; the first alone where the second is unknown, None if the first is unknown."""
    if reach is None or more is None:
        return reach
    return tuple((a + c, b + d) for (a, b), (c, d) in zip(reach, more, strict=True))


def _union(reaches: Sequence[_Reach | None]) -> _Reach | None:
    """Return the largest reach on each side; None if one is unknown."""
    known = [reach for reach in reaches if reach is not None]
    if len(known) < len(reaches):
        return None
    return tuple((max(side[0] for side in sides), max(side[1] for side in sides)) for sides in zip(*known, strict=True))


def _window_reach(x: PositionTensor, spans: Sequence[int]) -> _Reach:
    """Return half the extent of windows over the last axes; ``spans`` are cells from a window's first to its last."""
    half = [0.0, 0.0, 0.0]
    for axis, span in zip(range(x.ndim - len(spans), x.ndim), spans, strict=True):
        if span and x.shape[axis] > 1:
            for k, coordinate in enumerate(x.positions()):
                if coordinate.shape[axis] > 1:
                    steps = coordinate.diff(dim=axis).abs()
                    half[k] += span / 2 * float(steps.nanmedian().nan_to_num())
    return tuple((side, side) for side in half)


def _spread(x: PositionTensor, axes: Sequence[int]) -> _Reach:
    """Return how far before and after their mean position the values along some axes lie at most."""
    sides = []
    for coordinate in x.positions():
        combined = [axis for axis in axes if coordinate.shape[axis] > 1]
        if combined:
            sides.append(_largest_offsets(coordinate - coordinate.nanmean(combined, keepdim=True), combined))
        else:
            sides.append((0.0, 0.0))
    return tuple(sides)


def _largest_offsets(offsets: Tensor, axes: Sequence[int]) -> tuple[float, float]:
    """Return the largest offset before and after along some axes; the median along the others, since borders differ."""
    moved = offsets.movedim(list(axes), list(range(len(axes))))
    median = moved.reshape(*moved.shape[: len(axes)], -1).nanmedian(-1).values
    known = median[~median.isnan()]
    return (max(0.0, -float(known.min())), max(0.0, float(known.max()))) if len(known) else (0.0, 0.0)
