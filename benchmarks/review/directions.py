"""Check of the directions of pyramid units by central finite differences."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from benchmarks.review.edges import channel_axis
from benchmarks.review.reference import Reference, module_of

SHIFT = 0.05  # of the standard deviation of a kernel's output; of its value, if there is only one
NOISE = 1e-5  # of the largest logit: smaller effects are rounding in float32


@dataclass(frozen=True)
class DirectionCheck:
    """Count of units with the right direction among those whose effect is above noise.

    Attributes
    ----------
    right, tested : int
    right_negative, negative : int
        The same for units that are said to act against the class.
    """

    right: int
    tested: int
    right_negative: int
    negative: int


def check_directions(reference: Reference, target: int, units: list[tuple[str, int, int]]) -> DirectionCheck:
    """Shift the output of each kernel up and down and compare the sign of the score's change with the stated one.

    Parameters
    ----------
    reference : Reference
    target : int
        Class.
    units : list of (layer name, channel, direction)
    """
    base = reference.run(with_graph=False, modules={module_of(name) for name, _, _ in units})
    noise = NOISE * float(base.logits.abs().max())
    right = tested = right_negative = negative = 0
    for name, channel, direction in units:
        call = name if "#" in name else f"{name}#1"
        if not base.find(call):
            continue
        output = base.find(call)[0]
        axis = channel_axis(reference.net.get_submodule(name.split("#")[0]), output)
        values = output.select(axis, channel)
        size = SHIFT * float(values.std() if values.numel() > 1 else values.abs().max())
        if not size > 0:
            continue
        up, down = (_score(reference, call, axis, channel, sign * size, target) for sign in (1, -1))
        effect = up - down
        if abs(effect) <= noise:
            continue
        is_right = (effect > 0) == (direction > 0)
        tested, right = tested + 1, right + is_right
        negative, right_negative = negative + (direction < 0), right_negative + (is_right and direction < 0)
    return DirectionCheck(right, tested, right_negative, negative)


def _score(reference: Reference, call: str, axis: int, channel: int, shift: float, target: int) -> float:
    def replace(name: str, output: torch.Tensor) -> torch.Tensor:
        if name != call:
            return output
        shifted = output.clone()
        shifted.select(axis, channel).add_(shift)
        return shifted

    return float(reference.run(with_graph=False, replace=replace, modules={module_of(call)}).logits[target])
