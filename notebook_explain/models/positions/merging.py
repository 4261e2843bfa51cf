"""Operations that merge positions: global pooling, and mixtures (products with weights over time or over tokens).

The result of such an operation depends on everything along an axis of the clip, so its own position there is unknown. It
keeps the mean position, with a mass so small that anything with positions of its own decides in a sum.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import replace
from typing import Protocol

import torch

from notebook_explain.models.positions.extents import (
    AXES,
    MERGED,
    cache_extent,
    cached_extent,
    is_merged,
    mean_over,
    narrow,
    position_along,
    spread,
)
from notebook_explain.models.positions.lineage import Mixture
from notebook_explain.models.positions.tensor import PositionTensor, map_fields

MINIMUM = 1e-2  # frames or pixels; positions that are closer count as one


class MixtureListener(Protocol):
    """Handles mixtures of positions."""

    def on_mixture(self, mixture: Mixture) -> None:
        """Handle a product with weights that merges positions."""

    def on_sum(self, axis: int) -> None:
        """Handle the sum of a mixture along an axis of the clip and a tensor that has positions."""


_listener: ContextVar[MixtureListener | None] = ContextVar("_listener", default=None)


@contextmanager
def mixtures_reported(listener: MixtureListener) -> Iterator[None]:
    """Report mixtures of positions to a listener, in this context."""
    token = _listener.set(listener)
    try:
        yield
    finally:
        _listener.reset(token)


def merged(before: PositionTensor, after: PositionTensor, *, with_weights: bool = False) -> PositionTensor:
    """Take the mass of a result along the axes of the clip in which an operation has merged all positions.

    Parameters
    ----------
    before, after : PositionTensor
        Input and result.
    with_weights : bool
        The operation is a product with weights: a mixture.

    Returns
    -------
    PositionTensor
        ``after``.
    """
    fields = list(after.fields)
    for axis, was, now in zip(AXES, spread(before), spread(after), strict=True):
        if was > MINIMUM and now <= MINIMUM and _heavy_spread(before, axis) > MINIMUM:
            mass, ramp = fields[2 * axis : 2 * axis + 2]
            smaller = mass.clamp(max=MERGED)
            fields[2 * axis : 2 * axis + 2] = smaller, ramp * (smaller / mass).nan_to_num()
            if with_weights:
                _add_mixture(after, axis, is_total=True)
    after.fields = tuple(fields)
    return after


def _heavy_spread(x: PositionTensor, axis: int) -> float:
    """Return the distance between the outermost positions, without those that have next to no mass."""
    mass = narrow(x.fields[2 * axis])
    position = position_along(x, axis)
    heavy = torch.broadcast_to(mass > 1e-3 * mass.max(), position.shape) & ~position.isnan()
    found = position[heavy]
    return float(found.max() - found.min()) if len(found) else 0.0


def _add_mixture(x: PositionTensor, axis: int, *, is_total: bool) -> None:
    mixture = Mixture(axis, x.lineage.next_number(), is_total)
    x.lineage = replace(x.lineage, mixtures=x.lineage.mixtures | {mixture})
    listener = _listener.get()
    if listener is not None:
        listener.on_mixture(mixture)


def contract(x: PositionTensor, axis: int = 1, *, with_weights: bool = False) -> PositionTensor:
    """Return the mean position over a tensor's axis, with length 1 there."""
    fields = map_fields(x, lambda field: mean_over(field, axis))
    if all(field.stride(axis) == 0 or field.shape[axis] == 1 for field in x.fields):
        return with_same_positions(x, fields)
    result = PositionTensor.from_fields(fields, x)
    merged(x, result, with_weights=with_weights)
    for clip_axis in AXES:
        if not is_merged(result, clip_axis):
            if with_weights and _varies_along(x, axis, clip_axis):
                _add_mixture(result, clip_axis, is_total=False)
            if is_mixed(x, clip_axis, totally=True):
                drop_mixture(result, clip_axis)  # it was concatenated to something with positions of its own
    return result


def _varies_along(x: PositionTensor, axis: int, clip_axis: int) -> bool:
    """Return whether positions along an axis of the clip change along a tensor's axis."""
    position = position_along(x, clip_axis)
    return position.shape[axis] > 1 and bool((position.diff(dim=axis).abs() > MINIMUM).any())


def with_same_positions(x: PositionTensor, fields: Sequence[torch.Tensor]) -> PositionTensor:
    """Make a tensor of fields that are those of ``x``, expanded or narrowed along expanded axes."""
    result = PositionTensor.from_fields(fields, x)
    for axis in AXES:
        known, found = cached_extent(x, axis)
        if known:
            cache_extent(result, axis, found)
    return result


def expanded(x: PositionTensor, shape: Sequence[int]) -> PositionTensor:
    """Return positions that are expanded to a shape (-1 keeps the length)."""
    return with_same_positions(x, map_fields(x, lambda field: field.expand(tuple(shape))))


def with_weight(x: PositionTensor, weight: torch.Tensor) -> PositionTensor:
    """Note in a new tensor's lineage that a weight was applied; the tensor takes its precision."""
    x.lineage = replace(x.lineage, weights=x.lineage.weights | {id(weight)})
    if weight.is_floating_point():
        x.precision = weight.dtype
    return x


def is_mixed(x: PositionTensor, axis: int, *, totally: bool) -> bool:
    """Return whether a tensor depends on a mixture along an axis of the clip; ``totally`` leaves out patches and windows."""
    return any(mixture.axis == axis and (mixture.is_total or not totally) for mixture in x.lineage.mixtures)


def drop_mixture(x: PositionTensor, axis: int) -> None:
    """Note that a new tensor has the positions of what a mixture was added to, and report it."""
    x.lineage = replace(x.lineage, mixtures=frozenset(m for m in x.lineage.mixtures if m.axis != axis))
    listener = _listener.get()
    if listener is not None:
        listener.on_sum(axis)
