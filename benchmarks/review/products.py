"""Local products of every layer against float64, sums against scores, and layers whose map is rounding noise."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from benchmarks.review.arrangement import Arrangement, arrangements
from benchmarks.review.reference import Pass, Reference, module_of

EXACT = 1e-3  # largest difference of a map from float64, relative to its largest value
ROUNDING = 1e-5  # largest difference of a cell, relative to the sum of its absolute products
NOISE = 0.5  # share of a map's length (L2) that float64 does not confirm, from which it counts as noise
CANCELLED = 1e-3  # of the sum of absolute products: a smaller sum has lost its digits


@dataclass(frozen=True, eq=False)
class TrueMap:
    """Gradient x activation of one tensor.

    Attributes
    ----------
    values : float64 array (time, height, width)
        Multiplied by the number of cells, as in the package: the mean is the sum of all products.
    absolute : float
        Largest sum of absolute products of a cell, in the same unit.
    source : tensor
        The tensor itself.
    arrangement : Arrangement
        How its cells are put in the order of the map.
    """

    values: NDArray[np.float64]
    absolute: float
    source: Tensor
    arrangement: Arrangement


@dataclass(frozen=True)
class LayerCheck:
    """What the float64 pass says about one layer's map.

    Attributes
    ----------
    name : str
    error : float
        Largest difference, relative to the largest true value; NaN where the map is noise or blank.
    state : str
        "right"; "rounded" (the difference is what float32 loses: a float32 pass of the review gives the same map, or it is
        below `ROUNDING`); "wrong"; "noise" (float64 confirms next to nothing of it); "blank" (0 everywhere, and truly so); or
        "unmatched" (no tensor with so many cells was found).
    peak : float
        Largest absolute value that is shown.
    """

    name: str
    error: float
    state: str
    peak: float


def product_map(tensor: Tensor, gradient: Tensor, shown: NDArray[np.float32]) -> TrueMap | None:
    """Sum the products over the channel axis and arrange the cells as in a map that is shown.

    Which axis holds the channels and in which order the cells stand follows from the shape. Where it fits several ways, the
    one closest to the shown map is taken; the geometry check then uses the same one.
    """
    product = (tensor * gradient).detach().double()
    cells = shown.size
    best: TrueMap | None = None
    for arrangement in arrangements(product.shape, shown.shape):
        values = arrangement(product) * cells
        distance = float(np.abs(values - shown).max())
        if best is None or distance < (1 - 1e-9) * float(np.abs(best.values - shown).max()):
            best = TrueMap(values, float(arrangement(product.abs()).max()) * cells, tensor, arrangement)
    return best


def check_layer(
    name: str, shown: NDArray[np.float32], true: TrueMap | None, single: TrueMap | None = None
) -> LayerCheck:
    """Compare one shown map (time, height, width) with the float64 one, and with one of a float32 pass."""
    peak = float(np.abs(shown).max())
    if true is None:
        return LayerCheck(name, float("nan"), "unmatched", peak)
    largest, difference = float(np.abs(true.values).max()), np.abs(true.values - shown)
    if peak == 0 and largest <= 1e-12 * max(true.absolute, 1e-300):
        return LayerCheck(name, float("nan"), "blank", peak)
    length = float(np.linalg.norm(shown))
    cancelled = largest <= CANCELLED * true.absolute
    if cancelled and length > 0 and float(np.linalg.norm(difference)) > NOISE * length:
        return LayerCheck(name, float("nan"), "noise", peak)
    error = float(difference.max()) / max(largest, 1e-300)
    if error <= EXACT:
        return LayerCheck(name, error, "right", peak)
    is_rounded = float(difference.max()) <= ROUNDING * true.absolute
    is_rounded |= single is not None and float(np.abs(single.values - shown).max()) <= EXACT * largest
    return LayerCheck(name, error, "rounded" if is_rounded else "wrong", peak)


def true_maps(
    run: Pass, target: int, layers: Mapping[str, NDArray[np.float32]], ends: Collection[str] = ()
) -> dict[str, TrueMap | None]:
    """Return the map of each layer by name, as the pass gives it.

    An input of global pooling (`ends`) may be read by other layers too; then only its way through the pooling may count.
    """
    found = {name: run.find(name) for name in layers}
    tensors = [tensor for tensor in found.values() if tensor is not None] + run.pool_inputs
    if not tensors:
        return dict.fromkeys(layers)
    gradients = torch.autograd.grad(run.logits[target], tensors, allow_unused=True)
    gradient_of = {
        id(tensor): torch.zeros_like(tensor) if gradient is None else gradient
        for tensor, gradient in zip(tensors, gradients, strict=True)
    }
    maps: dict[str, TrueMap | None] = {}
    for name, shown in layers.items():
        tensor = found[name]
        options = run.pool_inputs if tensor is None else [tensor]
        if tensor is not None and name in ends:
            options = [tensor, *(run.pool_inputs[index] for index in same_values(tensor, run.pool_inputs))]
        products = [product_map(x, gradient_of[id(x)], shown) for x in options]
        known = [true for true in products if true is not None]
        maps[name] = min(known, key=lambda true: float(np.abs(true.values - shown).max()), default=None)
    return maps


def same_values(tensor: Tensor, others: Sequence[Tensor]) -> list[int]:
    """Return the indices of tensors that hold the same values, in whatever order of axes."""
    values = tensor.detach().flatten().sort().values
    return [
        index
        for index, other in enumerate(others)
        if other.numel() == tensor.numel() and torch.equal(other.detach().flatten().sort().values, values)
    ]


def constant_of_head(
    reference: Reference, run: Pass, target: int, ends: Collection[str], true: Mapping[str, Any]
) -> float:
    """Return the score if every input of the final pooling is 0: what no position accounts for.

    Parameters
    ----------
    reference : Reference
    run : Pass
        A pass of this reference; if it held norms constant, its statistics are used again.
    target : int
    ends : collection of str
        Layers that are inputs of the final pooling.
    true : dict of name to TrueMap
    """
    zeroed: set[int] = set()
    replaced: set[str] = set()
    for name in ends:
        tensor = run.find(name)
        source = true[name].source if tensor is None and true[name] is not None else tensor
        same = [] if source is None else same_values(source, run.pool_inputs)
        zeroed.update(same)
        if not same and tensor is not None:
            replaced.update(full for full, output in run.outputs.items() if output is tensor)
    again = reference.run(
        with_graph=False,
        replay=run.statistics or None,
        modules={module_of(name) for name in replaced},
        replace=lambda name, output: torch.zeros_like(output) if name in replaced else output,
        zeroed_pools=zeroed,
    )
    return float(again.logits[target])
