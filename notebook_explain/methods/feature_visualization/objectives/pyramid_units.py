"""Objectives of the units of a class feature pyramid, to see what a kernel looks for."""

from __future__ import annotations

from typing import Any

from notebook_explain._errors import UsageError, UsageTypeError
from notebook_explain.explanations import Pyramid
from notebook_explain.explanations.pyramid.units import INPUT, SUM, Unit
from notebook_explain.methods.feature_visualization.objectives.base import Objective
from notebook_explain.methods.feature_visualization.objectives.features import Channel
from notebook_explain.methods.feature_visualization.objectives.logit import Logit
from notebook_explain.models.origins import target_of


def of_unit(pyramid: Pyramid, unit: int | Unit) -> Objective:
    """Return the objective to raise the output of a unit of a pyramid.

    Parameters
    ----------
    pyramid : Pyramid
    unit : int or pyramid unit
        Index into ``pyramid.units``, or one of these. That of the viewer is ``viewer.selected``.

    Returns
    -------
    Objective
        For a kernel the mean of its channel, before norm and activation: if the weight of its norm is negative, its map falls
        where the channel rises, so put a minus in front. For the class its logit.

    Raises
    ------
    TypeError, ValueError
        Something else, or a unit that is no output of a layer: a channel of a sum, or a colour of the clip.
    ExplainError
        The class of a loaded pyramid had a region, which files do not hold.
    """
    if not isinstance(pyramid, Pyramid):
        raise UsageTypeError(f"pyramid must be a Pyramid, got {type(pyramid).__name__}; ne.FeaturePyramid makes one")
    found = _unit(pyramid, unit)
    if found.row == 0:
        return Logit(target_of(pyramid.target))
    row = pyramid.rows[found.row]
    if row.kind in (SUM, INPUT):
        below = next((other.name for other in pyramid.rows[found.row + 1 :] if other.kind not in (SUM, INPUT)), None)
        hint = "" if below is None else f"; take a kernel of {below!r}, which is below it"
        raise UsageError(
            f"unit must be a kernel or the class, got channel {found.channel} of {row.name!r}, which is no output of a "
            f"layer{hint}"
        )
    return Channel(row.name, found.channel)


def _unit(pyramid: Pyramid, unit: Any) -> Unit:
    if isinstance(unit, Unit):
        if not any(unit is one or unit == one for one in pyramid.units):
            raise UsageError(f"unit is not one of this pyramid's: {unit!r}")
        return unit
    if isinstance(unit, bool) or not hasattr(unit, "__index__"):
        raise UsageTypeError(f"unit must be an index into pyramid.units, or one of these; got {unit!r}")
    count = len(pyramid.units)
    if not 0 <= int(unit) < count:
        raise UsageError(f"unit must lie in 0..{count - 1}, the units of this pyramid; got {unit!r}")
    return pyramid.units[int(unit)]
