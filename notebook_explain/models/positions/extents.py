"""Positions of the values of a traced tensor along each axis of the clip, and how far they extend."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from notebook_explain.models.positions.lineage import Range

if TYPE_CHECKING:
    from notebook_explain.models.positions.tensor import PositionTensor

TIME, AXES = 0, range(3)  # axes of the clip: time, height, width
MERGED = 1e-12  # mass of values that stand for all positions along an axis
OLDER = 1e-6  # mass in time of the older states of a recurrent network, next to the new input
_UNKNOWN = 1e-9  # a smaller fraction of the largest mass is no position
EPS = 1e-3  # frames or pixels; positions are whole or half numbers, computed in float32


def narrow(field: torch.Tensor) -> torch.Tensor:
    """Return the same values with length 1 along every expanded axis (stride 0)."""
    for axis, (length, stride) in enumerate(zip(field.shape, field.stride(), strict=True)):
        if stride == 0 and length > 1:
            field = field.narrow(axis, 0, 1)
    return field


def mean_over(field: torch.Tensor, axis: int = 1) -> torch.Tensor:
    """Return the mean over an axis, by default the channels, with length 1 there."""
    return field.narrow(axis, 0, 1) if field.stride(axis) == 0 else field.mean(axis, keepdim=True)


def position_along(x: PositionTensor, axis: int) -> torch.Tensor:
    """Return the position of every value along one axis of the clip; NaN where there is no mass."""
    with torch._C.DisableTorchFunction():  # modes that count the network's calls must not count these
        mass, ramp = narrow(x.fields[2 * axis]), narrow(x.fields[2 * axis + 1])
        known = mass > _UNKNOWN * mass.max().clamp_min(1e-25)
        return torch.where(known, ramp / mass, torch.full((), float("nan"), device=mass.device))


def extent(x: PositionTensor, axis: int) -> Range | None:
    """Return the outermost positions along an axis of the clip; ``None`` where nothing has mass."""
    known, found = cached_extent(x, axis)
    if not known:
        position = position_along(x, axis)
        with torch._C.DisableTorchFunction():
            values = position[~position.isnan()]
            found = (float(values.min()), float(values.max())) if len(values) else None
        cache_extent(x, axis, found)
    return found


def cached_extent(x: PositionTensor, axis: int) -> tuple[bool, Range | None]:
    """Return whether an extent is known, and the extent; it is kept with the fields, which norms and activations share."""
    mass, ramp = x.fields[2 * axis : 2 * axis + 2]
    cached = getattr(ramp, "extent", None)
    return (True, cached[1]) if cached is not None and cached[0] is mass else (False, None)


def cache_extent(x: PositionTensor, axis: int, found: Range | None) -> None:
    """Keep an extent with the fields."""
    x.fields[2 * axis + 1].extent = x.fields[2 * axis], found  # type: ignore[attr-defined]


def spread(x: PositionTensor) -> tuple[float, float, float]:
    """Return the distance between the outermost positions (t, y, x) in frames and pixels; 0 where nothing has mass."""
    ranges = [extent(x, axis) for axis in AXES]
    t, y, x_ = (0.0 if found is None else found[1] - found[0] for found in ranges)
    return t, y, x_


def is_merged(x: PositionTensor, axis: int) -> bool:
    """Return whether every value stands for all positions along an axis of the clip (or for none)."""
    with torch._C.DisableTorchFunction():
        return float(narrow(x.fields[2 * axis]).max()) <= 2 * MERGED
