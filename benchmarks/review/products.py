"""Local products of every layer against float64, sums against scores, and layers whose map is rounding noise."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from benchmarks.review.arrangement import Reading, readings
from benchmarks.review.reference import Pass, Reference, module_of

EXACT = 1e-3  # largest difference of a map from float64, relative to its largest value
ROUNDING = 1e-5  # largest difference of a cell, relative to the sum of its absolute products
HIDDEN = 1e-4  # of the largest logit or of the absolute products: evidence that may be called below rounding
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
    source : tuple of tensor
        The tensor itself; one for each call of a module.
    reading : Reading
        How their cells are put in the order of the map.
    """

    values: NDArray[np.float64]
    absolute: float
    source: tuple[Tensor, ...]
    reading: Reading


@dataclass(frozen=True)
class LayerCheck:
    """Comparison of one layer's map with a float64 pass.

    Attributes
    ----------
    name : str
    error : float
        Largest difference, relative to the largest true value; NaN where the map is noise or blank.
    state : str
        "right"; "rounded" (the difference is what float32 loses: a float32 pass of the review gives the same map, or it is
        below `ROUNDING`); "empty" (it is said that nothing is above rounding, and that is so); "wrong"; "noise" (float64
        confirms next to nothing of it); "blank" (0 everywhere, and truly so); or "unmatched" (no tensor with so many cells
        was found).
    peak : float
        Largest absolute value that is shown.
    agreement : float
        Correlation with the float64 map; NaN where one of them is constant.
    single_error : float
        Like ``error``, for a float32 pass of the review: it is larger than that of a float64 pass only where rounding does not
        matter, and smaller where rounding turns a ReLU on or off. NaN without such a pass.
    """

    name: str
    error: float
    state: str
    peak: float
    agreement: float = float("nan")
    single_error: float = float("nan")


def product_map(
    tensors: Sequence[Tensor], gradients: Sequence[Tensor], shown: NDArray[np.float32], reading: Reading | None = None
) -> TrueMap | None:
    """Sum the products over the channel axis and arrange the cells as in a map that is shown.

    Which axis holds the channels and in which order the cells stand follows from the shape. Where it fits several ways, the
    one closest to the shown map is taken, unless one is given; the geometry check then uses the same one.
    """
    products = [(x * gradient).detach().double() for x, gradient in zip(tensors, gradients, strict=True)]
    best: TrueMap | None = None
    shapes = [product.shape for product in products]
    for way in readings(shapes, shown.shape) if reading is None else (reading,):
        values = way(products) * shown.size
        distance = float(np.abs(values - shown).max())
        if best is None or distance < (1 - 1e-9) * float(np.abs(best.values - shown).max()):
            absolute = float(way([product.abs() for product in products]).max()) * shown.size
            best = TrueMap(values, absolute, tuple(tensors), way)
    return best


def check_layer(
    name: str,
    shown: NDArray[np.float32],
    true: TrueMap | None,
    single: TrueMap | None = None,
    scale: float | None = None,
) -> LayerCheck:
    """Compare one shown map (time, height, width) with the float64 one.

    Parameters
    ----------
    name : str
    shown : float32 array
    true, single : TrueMap or None
        Of the float64 pass, and of a float32 pass.
    scale : float, optional
        The largest logit, if the explanation says that nothing in this map is above rounding.
    """
    peak = float(np.abs(shown).max())
    if true is None:
        return LayerCheck(name, float("nan"), "unmatched", peak)
    if scale is not None:
        hidden = float(np.abs(true.values).mean())
        is_right = hidden <= max(HIDDEN * scale, HIDDEN * true.absolute)
        return LayerCheck(name, float("nan") if is_right else hidden / scale, "empty" if is_right else "wrong", peak)
    largest, difference = float(np.abs(true.values).max()), np.abs(true.values - shown)
    if peak == 0 and largest <= 1e-12 * max(true.absolute, 1e-300):
        return LayerCheck(name, float("nan"), "blank", peak)
    length = float(np.linalg.norm(shown))
    cancelled = largest <= CANCELLED * true.absolute
    if cancelled and length > 0 and float(np.linalg.norm(difference)) > NOISE * length:
        return LayerCheck(name, float("nan"), "noise", peak)
    error = float(difference.max()) / max(largest, 1e-300)
    agreement = float("nan")
    if shown.size > 1 and shown.std() > 0 and true.values.std() > 0:
        agreement = float(np.corrcoef(shown.ravel(), true.values.ravel())[0, 1])
    single_error = float("nan") if single is None else float(np.abs(single.values - shown).max()) / max(largest, 1e-300)
    if error <= EXACT:
        return LayerCheck(name, error, "right", peak, agreement, single_error)
    is_rounded = float(difference.max()) <= ROUNDING * true.absolute
    is_rounded |= single_error <= EXACT
    return LayerCheck(name, error, "rounded" if is_rounded else "wrong", peak, agreement, single_error)


def check_combined(name: str, shown: NDArray[np.float32], parts: Sequence[TrueMap | None]) -> LayerCheck:
    """Compare the mean of a map that is the sum of several with the sum of their float64 means."""
    if not parts or any(part is None for part in parts):
        return LayerCheck(name, float("nan"), "unmatched", float(np.abs(shown).max()))
    means = [float(part.values.mean()) for part in parts if part is not None]
    error = abs(float(shown.mean(dtype=np.float64)) - sum(means)) / max(sum(map(abs, means)), 1e-300)
    return LayerCheck(name, error, "right" if error <= EXACT else "wrong", float(np.abs(shown).max()))


def true_maps(
    run: Pass,
    target: int,
    layers: Mapping[str, NDArray[np.float32]],
    ends: Collection[str] = (),
    like: Mapping[str, TrueMap | None] | None = None,
) -> dict[str, TrueMap | None]:
    """Return the map of each layer by name, as the pass gives it; arranged as in `like`, the maps of another pass.

    An input of global pooling (`ends`) may be read by other layers too; then only its way through the pooling may count.
    """
    found = {name: run.find(name) for name in layers}
    tensors = [tensor for several in found.values() for tensor in several] + run.pool_inputs
    if not tensors:
        return dict.fromkeys(layers)
    gradients = torch.autograd.grad(run.logits[target], tensors, allow_unused=True)
    gradient_of = {
        id(tensor): torch.zeros_like(tensor) if gradient is None else gradient
        for tensor, gradient in zip(tensors, gradients, strict=True)
    }
    maps: dict[str, TrueMap | None] = {}
    for name, shown in layers.items():
        options = [found[name]] if found[name] else [(pooled,) for pooled in run.pool_inputs]
        if name in ends and found[name]:
            same = [same_values(tensor, run.pool_inputs) for tensor in found[name]]
            if all(same):
                options.append(tuple(run.pool_inputs[indices[0]] for indices in same))
        other = None if like is None else like[name]
        products = [
            product_map(option, [gradient_of[id(x)] for x in option], shown, _reading_for(option, other))
            for option in options
        ]
        known = [true for true in products if true is not None]
        maps[name] = min(known, key=lambda true: float(np.abs(true.values - shown).max()), default=None)
    return maps


def _reading_for(tensors: Sequence[Tensor], like: TrueMap | None) -> Reading | None:
    if like is None or [x.shape for x in tensors] != [x.shape for x in like.source]:
        return None
    return like.reading


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
        tensors = run.find(name) or (true[name].source if true[name] is not None else ())
        for tensor in tensors:
            same = same_values(tensor, run.pool_inputs)
            zeroed.update(same)
            if not same:
                replaced.update(full for full, output in run.outputs.items() if output is tensor)
    again = reference.run(
        with_graph=False,
        replay=run.statistics or None,
        modules={module_of(name) for name in replaced},
        replace=lambda name, output: torch.zeros_like(output) if name in replaced else output,
        zeroed_pools=zeroed,
    )
    return float(again.logits[target])
