"""Units, edges and rows of a class feature pyramid."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from notebook_explain.explanations.geometry import Geometry

CLASS, KERNEL, SUM, INPUT = ROW_KINDS = ("class", "kernel", "sum", "input")
EDGE_KINDS = CONV, IDENTITY, CONCAT, UNKNOWN = ("conv", "identity", "concat", "unknown")
FIRST_ORDER = ("gradient", "gradient_x_activation")  # contributions to the class score, whatever lies between
PRUNE_BY = ("path", "score")  # what pruning keeps: units with a path to the class, or any unit with a large score
COLOURS = ("red", "green", "blue")


@dataclass(frozen=True)
class Unit:
    """A node of the pyramid: a class, a kernel, a channel of a sum, or a colour of the clip.

    Attributes
    ----------
    row : int
        Index of the pyramid's row.
    channel : int
        Class index, kernel (output channel of its layer), channel of the sum, or colour (red 0, green 1, blue 2).
    score : float in 0..1
        Fraction of the class's positive evidence that reaches the unit along the paths that are shown; 1 for the class.
        The scores of a row add up to at most 1. By gradient, the evidence that reaches a layer is divided among its units
        by gradient x activation, or by their net contributions. 0 for a unit that is shown only because it works against a
        unit above. By the published rule: share of the row's selections.
    direction : int
        1 if raising the whole output, before norm and activation, favours the class; -1 if lowering it does (before a norm
        with a negative weight, for example). This is the sign of the summed gradient of the score.
    map_direction : int
        The same for the output after norm and activation, which ``Row.maps`` shows; ``direction`` if left out.
    remainder : float or None
        Sum of the signed contributions to the unit that no edge shows. With the contributions of all edges to the unit,
        it adds up to the mean of the unit's pre-activation without its bias, or of the sum; by gradient, to the sum of
        gradient times that output. None where the pyramid goes no deeper, and in older files.
    """

    row: int
    channel: int
    score: float
    direction: int
    map_direction: int = 0
    remainder: float | None = None

    def __post_init__(self) -> None:
        if not self.map_direction:
            object.__setattr__(self, "map_direction", self.direction)


@dataclass(frozen=True)
class Edge:
    """A link from a child, nearer the clip, to its parent.

    Attributes
    ----------
    child, parent : int
        Indices of the pyramid's units.
    contribution : float
        Signed contribution of the child to the parent: to the mean of its pre-activation for "conv" and "concat", to the
        mean of the sum for "identity". By gradient: to the class score through the parent, to first order. 0 for
        "unknown": what passes through such an operation cannot be assigned to single links.
    share : float, at most 1
        Fraction of all positive contributions to the parent, shown or not; negative for a child that works against the
        parent. With contributions to pre-activations, that of a sum is local: the mean contribution of each addend,
        whatever the next layer does with it. For "unknown", what the parent receives through the operation is divided by
        the gradient x activation of the children. By the published rule: the scaled score.
    kind : str
        "conv", "identity", "concat", or "unknown" across an operation through which channels cannot be followed.
    """

    child: int
    parent: int
    contribution: float
    share: float
    kind: str


@dataclass(frozen=True, eq=False)
class Row:
    """A layer of the pyramid.

    Attributes
    ----------
    name : str
        Name of the convolution, linear layer or sum; "clip" for the input.
    kind : str
        "class", "kernel", "sum" or "input".
    width : int
        Number of the layer's channels, shown or not.
    units : tuple of int
        Indices of the pyramid's units, by descending score.
    coverage : float in 0..1
        Fraction of the positive evidence that reaches this layer from the units above which the shown units carry; the
        layer's other channels carry the rest.
    maps : float32 array (unit, time, height, width), or None
        Output of each unit, at the layer's own resolution; after its norm and activation if these alone read it.
    geometry : Geometry or None
        Positions of the cells in the clip.
    receptive_field : (time, height, width) in frames and pixels, or None
        Extent of an unbounded clip that one cell depends on through the pyramid's edges; gates, which multiply channels,
        do not count. None if it is unknown.
    """

    name: str
    kind: str
    width: int
    units: tuple[int, ...]
    coverage: float
    maps: NDArray[np.float32] | None = None
    geometry: Geometry | None = None
    receptive_field: tuple[int, int, int] | None = None
