"""How much of the clip a cell sees: the receptive field of every convolution, linear layer and sum, in frames and pixels.

One pass of coordinates (``models.coordinates``) runs through the network: they tell where each value lies, and along
which axes a window or a mean moves through the clip. Beside them goes the reach of each tensor, how far before and
behind its own place a value still sees: ::

    a window of k cells, a step of s between them      adds (k - 1) / 2 * s on either side
    a mean, a linear layer, channels that are mixed    reach as far as the places that they mix lie apart
    a sum, a concatenation                             reach as far as the furthest of their terms

What only multiplies a channel (a gate) and what norms take from all places is not counted. Where something runs that
mixes places in a way of its own (attention), nothing behind it is known. Where branches that lie apart are put side by
side, as of two pathways whose windows do not begin together, it may come out larger, by as much as they lie apart.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from notebook_explain.models.channel_graph.graph import ChannelGraph, Site
from notebook_explain.models.channel_graph.op_hooks import Call, watch
from notebook_explain.models.positions.custom_functions import has_position_proxy
from notebook_explain.models.positions.tensor import BINARY, MOVES, RULES, PositionTensor
from notebook_explain.models.rng import LocalRandomness

Field = tuple[int, int, int]
_Reach = tuple[tuple[float, float], ...]  # (before, behind) in frames, rows of pixels, columns of pixels
_Places = tuple[Tensor, Tensor, Tensor]

_WINDOWS = frozenset(f"{kind}_pool{n}d" for kind in ("max", "avg", "lp") for n in (1, 2, 3))
_ADAPTIVE = frozenset(f"adaptive_{kind}_pool{n}d" for kind in ("max", "avg") for n in (1, 2, 3))
_REDUCING = frozenset("mean sum amax amin nanmean logsumexp median max min var std norm".split())
_PRODUCTS = frozenset("mul rmul imul multiply div rdiv idiv divide truediv true_divide itruediv".split())
_SUMS = frozenset("add radd iadd sub rsub isub subtract maximum minimum".split())
# What leaves a value where it is, or a rule above knows; whatever else runs may mix places.
_MIXING = frozenset(
    """matmul bmm mm addmm einsum scaled_dot_product_attention multi_head_attention_forward interpolate upsample
    as_strided""".split()
)
_FOLLOWED = (MOVES | BINARY | RULES.keys() | {"get", "maximum", "minimum", "position_proxy"}) - _MIXING


def receptive_fields(shadow: nn.Module, clip: Any) -> dict[Site, Field]:
    """What a cell of each layer and sum sees.

    Parameters
    ----------
    shadow : module
        Its hooks are this function's to use.
    clip : PositionTensor, or a list of them
        In the layout of the network's forward (``models.video_model.position_input``).

    Returns
    -------
    dict of site to (time, height, width) in frames and pixels
        Of a clip without end; without those where it cannot be known.
    """
    found: dict[Site, Field] = {}

    def seen(call: Call) -> Callable[[Tensor], None]:
        def made(result: Tensor) -> None:
            reach = _known(result)
            if reach is not None:
                time, height, width = (round(before + behind) + 1 for before, behind in reach)
                found[call.site] = (time, height, width)

        return made

    for part in clip if isinstance(clip, list) else [clip]:
        part.reach = ((0.0, 0.0),) * 3
    with contextlib.suppress(Exception), torch.no_grad(), LocalRandomness(), _Reaching(), watch(shadow, seen):
        shadow(clip)  # positions cannot be followed through every network: behind such a place nothing is known
    return found


def with_fields(found: ChannelGraph, fields: Mapping[Site, Field]) -> ChannelGraph:
    """The same connections, their layers and sums told what a cell of theirs sees."""
    layers = tuple(replace(layer, receptive_field=fields.get(layer.site)) for layer in found.layers)
    return replace(found, layers=layers, sums=tuple(replace(s, receptive_field=fields.get(s.site)) for s in found.sums))


def _known(value: Any) -> _Reach | None:
    reach: _Reach | None = getattr(value, "reach", None)
    return reach


class _Reaching(TorchFunctionMode):
    """Gives every tensor of coordinates its reach."""

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        name = "position_proxy" if has_position_proxy(func) else str(getattr(func, "__name__", "")).strip("_")
        given = list(_coordinates((*args, *kwargs.values())))
        # In-place sums move their first term: where it lay is to be asked before.
        places = [part.positions() for part in given] if name in _SUMS and len(given) > 1 else []
        result = func(*args, **kwargs)
        made: list[Any] = [args[0]] if name == "setitem" else list(_coordinates(result))
        if given and made:
            with torch._C.DisableTorchFunctionSubclass():
                reach = _sum(given, places, made[0]) if places else _reach(name, args, kwargs, given)
            for part in made:
                part.reach = reach
        return result


def _coordinates(value: Any) -> Iterator[PositionTensor]:
    if isinstance(value, PositionTensor):
        yield value
    elif isinstance(value, (list, tuple)):
        for part in value:
            yield from _coordinates(part)


def _reach(name: str, args: Any, kwargs: Any, given: list[PositionTensor]) -> _Reach | None:
    """Of what a function makes."""
    first = given[0]
    if name not in _FOLLOWED:
        return None
    if name in ("conv1d", "conv2d", "conv3d"):
        weight, dilation = args[1], _option(args, kwargs, 5, "dilation", 1)
        spans = [(k - 1) * d for k, d in zip(weight.shape[2:], _each(dilation, weight.ndim - 2), strict=True)]
        return _grown(_grown(_known(first), _apart(first, [1])), _windows(first, spans))
    if name in _WINDOWS:
        size = _each(_option(args, kwargs, 2 if name.startswith("lp") else 1, "kernel_size", 1), first.ndim - 2)
        return _grown(_known(first), _windows(first, [k - 1 for k in size]))
    if name in _ADAPTIVE:
        wanted = _each(_option(args, kwargs, 1, "output_size", 1), first.ndim - 2)
        spans = [_bin(have, want) - 1 for have, want in zip(first.shape[2:], wanted, strict=True)]
        return _grown(_known(first), _windows(first, spans))
    if name == "linear":
        return _grown(_known(first), _apart(first, [first.ndim - 1]))
    if name in _REDUCING and len(given) == 1:
        return _grown(_known(first), _apart(first, _axes(first, args, kwargs)))
    if name in _PRODUCTS and len(given) == 2 and given[0].numel() != given[1].numel():
        return _known(max(given, key=Tensor.numel))  # the other one is a gate
    return _union([_known(part) for part in given])


def _sum(terms: Sequence[PositionTensor], places: Sequence[_Places], made: PositionTensor) -> _Reach | None:
    """A sum lies between its terms: each reaches as far again as it lies away from there."""
    there = made.positions()
    shifts = (tuple(_sides(a - b, []) for a, b in zip(each, there, strict=True)) for each in places)
    return _union([_grown(_known(term), shift) for term, shift in zip(terms, shifts, strict=True)])


def _option(args: Any, kwargs: Any, place: int, name: str, default: Any) -> Any:
    return args[place] if len(args) > place else kwargs.get(name, default)


def _each(value: Any, count: int) -> list[Any]:
    entries = list(value) if isinstance(value, (list, tuple)) else [value]
    return entries * count if len(entries) == 1 else entries


def _bin(have: int, want: int | None) -> int:
    """The largest bin of adaptive pooling."""
    if want is None:
        return 1
    return max(-(-(k + 1) * have // want) - k * have // want for k in range(want))


def _axes(x: Tensor, args: Any, kwargs: Any) -> list[int]:
    dim = kwargs.get("dim", kwargs.get("axis", args[1] if len(args) > 1 else None))
    axes = range(x.ndim) if dim is None or dim == [] else dim if isinstance(dim, (list, tuple)) else [dim]
    return [axis % x.ndim for axis in axes]


def _grown(reach: _Reach | None, more: _Reach | None) -> _Reach | None:
    """Reach by way of something that reaches further itself."""
    if reach is None or more is None:
        return reach
    return tuple((a + c, b + d) for (a, b), (c, d) in zip(reach, more, strict=True))


def _union(reaches: Sequence[_Reach | None]) -> _Reach | None:
    """As far as the furthest; None where one is not known."""
    known = [reach for reach in reaches if reach is not None]
    if len(known) < len(reaches):
        return None
    return tuple((max(s[0] for s in sides), max(s[1] for s in sides)) for sides in zip(*known, strict=True))


def _windows(x: PositionTensor, spans: Sequence[int]) -> _Reach:
    """What windows over the last axes add, `spans` cells from their first to their last: half of it on either side."""
    half = [0.0, 0.0, 0.0]
    for axis, span in zip(range(x.ndim - len(spans), x.ndim), spans, strict=True):
        if span and x.shape[axis] > 1:
            for k, places in enumerate(x.positions()):
                if places.shape[axis] > 1:
                    steps = places.diff(dim=axis).abs()
                    half[k] += span / 2 * float(steps.nanmedian().nan_to_num())
    return tuple((each, each) for each in half)


def _apart(x: PositionTensor, axes: Sequence[int]) -> _Reach:
    """How far before and behind their mean place the values along some axes lie, at most."""
    sides = []
    for places in x.positions():
        mixed = [axis for axis in axes if places.shape[axis] > 1]
        sides.append(_sides(places - places.nanmean(mixed, keepdim=True), mixed) if mixed else (0.0, 0.0))
    return tuple(sides)


def _sides(offsets: Tensor, axes: Sequence[int]) -> tuple[float, float]:
    """The largest offset before and the largest behind along some axes; of the others the usual one, borders differ."""
    moved = offsets.movedim(list(axes), list(range(len(axes))))
    usual = moved.reshape(*moved.shape[: len(axes)], -1).nanmedian(-1).values
    known = usual[~usual.isnan()]
    return (max(0.0, -float(known.min())), max(0.0, float(known.max()))) if len(known) else (0.0, 0.0)
