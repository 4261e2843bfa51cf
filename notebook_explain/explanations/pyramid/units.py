"""The parts of a class feature pyramid: units, the edges between them, and the rows they stand in."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from notebook_explain.explanations.geometry import Geometry

CLASS, KERNEL, SUM, INPUT = ROW_KINDS = ("class", "kernel", "sum", "input")
EDGE_KINDS = ("conv", "identity", "concat")
COLOURS = ("red", "green", "blue")


@dataclass(frozen=True)
class Unit:
    """A node of the pyramid: a class, a kernel, a channel of a sum, or a colour of the clip.

    Attributes
    ----------
    row : int
        Which of the pyramid's rows.
    channel : int
        Class index, kernel (output channel of its layer), channel of the sum, or colour (red 0, green 1, blue 2).
    score : float in 0..1
        How much of the class's positive evidence reaches it on the ways that are shown; the class has 1. With
        ``contribution="gradient"``: what the units above that are shown owe to it in the class's score, all that it
        speaks against them taken off, as a share of all that speaks for the class right below it (never above 1). By
        the published rule: which share of the units above chose it.
    direction : int
        1 when more of its output speaks for the class, -1 when less does (behind a norm with a negative weight, say).
    """

    row: int
    channel: int
    score: float
    direction: int


@dataclass(frozen=True)
class Edge:
    """From a child, nearer the clip, to its parent; both are places among the pyramid's units.

    Attributes
    ----------
    child, parent : int
    contribution : float
        What the child adds to the parent, signed: to the mean of its pre-activation for "conv" and "concat", of the
        sum for "identity". With ``contribution="gradient"``, to the score of the class by way of the parent.
    share : float in 0..1
        Of all that speaks for the class among what the parent reads, shown or not. Of a sum, this is local: what its
        addends add on average, whatever the next layer makes of it. By the published rule: its scaled score.
    kind : str
        "conv", "identity" or "concat".
    """

    child: int
    parent: int
    contribution: float
    share: float
    kind: str


@dataclass(frozen=True, eq=False)
class Row:
    """A layer's part of the pyramid.

    Attributes
    ----------
    name : str
        Of the convolution or linear layer, the sum, or "clip".
    kind : str
        "class", "kernel", "sum" or "input".
    width : int
        How many channels the layer has, shown or not.
    units : tuple of int
        Places among the pyramid's units, by descending score.
    coverage : float in 0..1
        How much of the positive evidence that leads from the units above into this layer the shown units carry; the
        rest is that of its other channels.
    maps : float32 array (unit, time, height, width), or None
        What each unit puts out, after its norm and activation where it has them, at the layer's own resolution.
    geometry : Geometry or None
        Where the cells lie in the clip.
    receptive_field : (time, height, width) in frames and pixels, or None
        How much of a clip without end one of its cells sees by way of the pyramid's routes; what multiplies a channel
        (a gate) does not count. None where it cannot be known.
    """

    name: str
    kind: str
    width: int
    units: tuple[int, ...]
    coverage: float
    maps: NDArray[np.float32] | None = None
    geometry: Geometry | None = None
    receptive_field: tuple[int, int, int] | None = None
