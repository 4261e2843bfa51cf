"""Positions under arithmetic: sums, products, maxima, and tensors that are concatenated.

A sum lies at the mean of its terms, along each axis of the clip by itself, with three exceptions:

* a term that stands for all positions along an axis (``merging``) yields to one with positions of its own;
* so does a term whose cells share positions in runs, such as windows of which each is mixed by itself;
* of two terms that stand for one frame each, the older state of a recurrent network yields to the newer one or the input.

In a product, the larger factor decides, since the other is a gate; the exceptions are the same.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import torch

from notebook_explain.models.positions.extents import (
    AXES,
    EPS,
    OLDER,
    TIME,
    extent,
    is_merged,
    narrow,
    position_along,
    spread,
)
from notebook_explain.models.positions.lineage import Range, union
from notebook_explain.models.positions.merging import drop_mixture, is_mixed
from notebook_explain.models.positions.tensor import (
    ARITHMETIC,
    BINARY,
    SUMS,
    PositionTensor,
    is_in_place,
    join_fields,
    overwrite,
    position_tensors,
    rule,
)

_RUNS = 0.4  # fraction of a tensor's steps in which the other tensor stands still


def _binary(func: Any, a: Any, b: Any) -> Any:
    """Combine two operands; a plain tensor or a number moves nothing."""
    shapes = [tuple(value.shape) if isinstance(value, torch.Tensor) else () for value in (a, b)]
    shape = torch.broadcast_shapes(*shapes)  # raises as the real operation would
    if not (isinstance(a, PositionTensor) and isinstance(b, PositionTensor)):
        moved = a if isinstance(a, PositionTensor) else b
        result = PositionTensor.from_fields([field.expand(shape) for field in moved.fields], moved)
    else:
        result = combine(a, b, is_sum=func.__name__.strip("_") in SUMS)
    in_place = is_in_place(func) and isinstance(a, PositionTensor) and result.shape == a.shape
    return overwrite(a, result) if in_place else result


ARITHMETIC.update(dict.fromkeys(BINARY, _binary))


@rule("maximum", "minimum", "lerp", any_argument=True)
def _mean_position(a: Any, b: Any, *_: Any, **__: Any) -> Any:
    return _binary(torch.add, a, b)


@rule("where", any_argument=True)
def _where(condition: Any, a: Any, b: Any) -> Any:
    operands = position_tensors((a, b))
    return _binary(torch.add, *((a, b) if operands else (condition, 0.0)))


def combine(a: PositionTensor, b: PositionTensor, *, is_sum: bool) -> PositionTensor:
    """Return the positions of a sum or a product of two tensors."""
    shape = torch.broadcast_shapes(a.shape, b.shape)
    same_shape = a.shape == b.shape
    if not same_shape and math.prod(b.shape) > math.prod(a.shape):
        return combine(b, a, is_sum=is_sum)
    newer = newer_step(a, b)
    fields: list[torch.Tensor] = []
    superseded = []
    for axis in AXES:
        first, second = (tuple(map(narrow, x.fields[2 * axis : 2 * axis + 2])) for x in (a, b))
        yields = _yielding(a, b, axis) if same_shape else None
        older = None if newer is None or axis != TIME else 1 - newer
        if yields is not None and _is_mixture((a, b)[yields], axis):
            superseded.append(axis)
        if is_sum and same_shape:
            weights = [OLDER if index in (yields, older) else 1.0 for index in (0, 1)]
            pair = _mean(first, second, weights)
        else:
            lacks_own = is_merged(a, axis) and not is_merged(b, axis)
            pair = second if 0 in (yields, older) or lacks_own else first
        fields += [field.expand(shape) for field in pair]
    result = PositionTensor.from_fields(fields, a, b)
    result.pool_calls = _pool_calls([a, b]) if is_sum and same_shape else a.pool_calls
    if newer is not None or _single_times(a, b) is not None:
        result.lineage = replace(result.lineage, seen=union(_seen(a), _seen(b)))
    for axis in AXES:
        if is_mixed(result, axis, totally=axis not in superseded) and not is_merged(result, axis):
            drop_mixture(result, axis)
    return result


def first_with_positions(a: PositionTensor, b: PositionTensor) -> PositionTensor:
    """Return the positions of the first tensor; along an axis of the clip on which it has none left, those of the second."""
    fields: list[torch.Tensor] = []
    for axis in AXES:
        source = b if is_merged(a, axis) and not is_merged(b, axis) else a
        fields += source.fields[2 * axis : 2 * axis + 2]
    result = PositionTensor.from_fields(fields, a, b)
    # Attention to mixtures, such as keys with weights over tokens, is attention.
    kept = frozenset(mixture for mixture in result.lineage.mixtures if is_merged(result, mixture.axis))
    result.lineage = replace(result.lineage, mixtures=kept)
    return result


def _pool_calls(parts: Sequence[PositionTensor]) -> frozenset[int]:
    """Return the pooling calls that the terms of a sum were computed from, without those of a global context."""
    if any(max(spread(part)[1:]) > EPS for part in parts):
        parts = [part for part in parts if not (is_merged(part, 1) and is_merged(part, 2))]
    return frozenset[int]().union(*(part.pool_calls for part in parts))


def _is_mixture(x: PositionTensor, axis: int) -> bool:
    """Return whether a term without positions of its own is a mixture, and neither pooled nor without any position."""
    return is_mixed(x, axis, totally=is_merged(x, axis))


Pair = Sequence[torch.Tensor]  # mass, mass * position


def _mean(a: Pair, b: Pair, weights: Sequence[float]) -> Pair:
    """Return the mean position of two terms, with the larger mass."""
    total = weights[0] * a[0] + weights[1] * b[0]
    mass = torch.maximum(a[0], b[0])
    return mass, (weights[0] * a[1] + weights[1] * b[1]) * (mass / total).nan_to_num()


def _yielding(a: PositionTensor, b: PositionTensor, axis: int) -> int | None:
    """Return which of two tensors of one shape has no positions of its own along an axis of the clip, next to the other."""
    lone = [is_merged(x, axis) and not is_merged(y, axis) for x, y in ((a, b), (b, a))]
    if any(lone):
        other = b if lone[0] else a
        return lone.index(True) if spread(other)[axis] > EPS else None
    if max(spread(a)[axis], spread(b)[axis]) <= EPS:
        return None
    positions = [position_along(x, axis) for x in (a, b)]
    still = [_stands_still(positions[index], positions[1 - index]) for index in (0, 1)]
    return still.index(True) if still[0] != still[1] else None


def _stands_still(position: torch.Tensor, other: torch.Tensor) -> bool:
    """Return whether positions stay the same in many steps of an axis in which most of the other's positions change."""
    for axis in range(position.ndim):
        if other.shape[axis] == 1:
            continue
        steps = other.diff(dim=axis)
        own = position.diff(dim=axis) if position.shape[axis] > 1 else torch.zeros((), device=steps.device)
        steps, own = torch.broadcast_tensors(steps, own)
        known = ~(steps.isnan() | own.isnan())
        moves = known & (steps.abs() > EPS)
        count = int(moves.sum())
        if count > 0.5 * int(known.sum()) and int((moves & (own.abs() <= EPS)).sum()) >= _RUNS * count:
            return True
    return False


def newer_step(a: PositionTensor, b: PositionTensor) -> int | None:
    """Return which of two tensors that stand for one frame each is the newer step of a recurrent network.

    The first of these that holds for one of them decides:

    * it was computed from the other;
    * it has seen the frame of the other;
    * it has seen one frame, and the other several: it is a new input;
    * it passed through a part of the other's layers, so that the other has passed through a step already.

    ``None`` if none holds: two frames are combined, and none of them is a state.
    """
    times = _single_times(a, b)
    if times is None:
        return None
    one, two = a.lineage, b.lineage
    for is_newer in (
        [one.descends_from(two), two.descends_from(one)],
        [_contains(one.seen, times[1]), _contains(two.seen, times[0])],
        [two.seen is not None and one.seen is None, one.seen is not None and two.seen is None],
        [one.weights < two.weights, two.weights < one.weights],
    ):
        if is_newer[0] != is_newer[1]:
            return is_newer.index(True)
    return None


def _contains(seen: Range | None, time: float) -> bool:
    return seen is not None and seen[0] - EPS <= time <= seen[1] + EPS


def _single_times(a: PositionTensor, b: PositionTensor) -> tuple[float, float] | None:
    """Return the frames that two tensors stand for; ``None`` if one stands for several, or both for the same."""
    ranges = [extent(x, TIME) for x in (a, b)]
    first, second = ranges
    if first is None or second is None or max(first[1] - first[0], second[1] - second[0]) > EPS:
        return None
    if abs(first[0] - second[0]) <= EPS or is_merged(a, TIME) or is_merged(b, TIME):
        return None
    return first[0], second[0]


def _seen(x: PositionTensor) -> Range | None:
    """Return the frames that a tensor depends on, as far as it stands for one frame."""
    return x.lineage.seen or extent(x, TIME)


@rule("cat", "concat", "concatenate", any_argument=True)
def _concatenate(tensors: Sequence[Any], dim: int = 0, *, axis: int | None = None, **_: Any) -> Any:
    """Join tensors; along channels, the older states of a recurrent network have next to no mass in time."""
    dim = dim if axis is None else axis
    moved = position_tensors(tensors)
    joined = list(tensors)
    seen: Range | None = None
    if 1 < len(moved) <= 8 and any(x.shape[dim] > 1 for x in moved):
        for index, x in enumerate(joined):
            others = [y for y in moved if y is not x]
            if isinstance(x, PositionTensor) and any(newer_step(x, y) == 1 for y in others):
                fields = [OLDER * x.fields[0], OLDER * x.fields[1], *x.fields[2:]]
                joined[index] = PositionTensor.from_fields(fields, x)
            if isinstance(x, PositionTensor) and any(_single_times(x, y) is not None for y in others):
                seen = union(seen, _seen(x))
    result = join_fields(torch.cat, (joined, dim))
    result.pool_calls = _pool_calls(moved)
    if seen is not None:
        result.lineage = replace(result.lineage, seen=union(result.lineage.seen, seen))
    return result
