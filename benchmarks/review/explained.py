"""Results of the package for one network, as plain values; no other file of the review calls the package."""

from __future__ import annotations

import warnings
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

import notebook_explain as ne
from benchmarks.review.architectures import Architecture
from benchmarks.review.edges import CallKey, Claims
from benchmarks.review.geometry import CellPositions
from benchmarks.review.reference import MEAN, STD, Clip
from notebook_explain.explanations.caveats import CaveatCode
from notebook_explain.models.channel_graph import channel_graph

POOLING_INPUT, COMBINED = "pooling input", "combined"  # kinds of layers
REFUSALS = (ne.ExplainError,)  # what the package raises where it cannot do something


@dataclass(frozen=True, eq=False)
class ShownLayer:
    """One map of an explanation.

    Attributes
    ----------
    name : str
    values : float32 array (time, height, width)
    positions : CellPositions
    is_combined : bool
        Whether it is the sum of the maps of several pathways.
    is_trusted : bool
        False if the explanation says that nothing in this map is above rounding.
    """

    name: str
    values: NDArray[np.float32]
    positions: CellPositions
    is_combined: bool
    is_trusted: bool


@dataclass(frozen=True, eq=False)
class Shown:
    """Tubes as plain values.

    Attributes
    ----------
    layers : tuple of ShownLayer
    default : str
        Name of the layer that is shown first.
    ends : tuple of str
        The layers whose maps together are said to hold the score: inputs of the final pooling, else the one shown first.
    score : float
    is_complete : bool
        Whether it is claimed that the means of the ends add up to the score, but for a constant.
    constant_norms : bool
        Whether norms' divisors were held constant.
    caveats : tuple of (code, text)
    words : str
    """

    layers: tuple[ShownLayer, ...]
    default: str
    ends: tuple[str, ...]
    score: float
    is_complete: bool
    constant_norms: bool
    caveats: tuple[tuple[str, str], ...]
    words: str


def to_clip(clip: Clip) -> Any:
    """Return a clip as it is given to the package: 8-bit frames as an array, real values as a Clip."""
    return clip if clip.dtype == np.uint8 else ne.Clip.from_array(clip)


def explain(net: Any, architecture: Architecture, clip: Clip, target: int) -> tuple[Any, Shown]:
    """Return the adapted model, and its tubes for one class."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = ne.adapt(
            net if architecture.wrap is None else architecture.wrap(net),
            size=architecture.size,
            frames=architecture.frames,
            mean=MEAN,
            std=STD,
            layout=architecture.layout,
            **architecture.options,
        )
        constant_norms = any(field.name == "norms" for field in fields(ne.SaliencyTubes))
        options: dict[str, Any] = {"norms": "constant"} if constant_norms else {}
        tubes = ne.SaliencyTubes(**options)(model, to_clip(clip), target)
        words = tubes.in_words()
    layers = tuple(
        ShownLayer(layer.name, layer.values[0], layer.geometry, layer.kind == COMBINED, _is_trusted(layer))
        for layer in tubes.layers
    )
    codes = tuple((str(getattr(caveat, "code", "").value), str(caveat)) for caveat in tubes.provenance.caveats)
    default = tubes.layer().name
    ends = tuple(layer.name for layer in tubes.layers if layer.kind == POOLING_INPUT) or (default,)
    return model, Shown(
        layers, default, ends, tubes.targets[0].logit, _is_complete(tubes), constant_norms, codes, words
    )


def _is_trusted(layer: Any) -> bool:
    reliability = layer.reliability
    return reliability is None or reliability.empty[0] is None


def _is_complete(tubes: Any) -> bool:
    """Return whether the tubes say nothing of evidence that is left out."""
    return all(getattr(caveat, "code", None) != CaveatCode.INCOMPLETE_MAP for caveat in tubes.provenance.caveats)


def pyramid_units(model: Any, clip: Clip, target: int, contribution: str) -> list[tuple[str, int, int]]:
    """Return (layer, channel, direction) of every kernel of a pyramid."""
    pyramid = ne.FeaturePyramid(contribution=contribution)(model, to_clip(clip), target)
    return [
        (pyramid.rows[unit.row].name, unit.channel, unit.direction)
        for unit in pyramid.units
        if pyramid.rows[unit.row].kind == "kernel"
    ]


def graph_claims(model: Any) -> tuple[Claims, set[CallKey]]:
    """Return the edges of a model's channel graph as a function of a kernel, and the layers that it knows."""
    graph = channel_graph(model)
    keys: list[CallKey] = []
    counts: dict[str, int] = {}
    for layer in graph.layers:
        counts[layer.site.module] = counts.get(layer.site.module, 0) + 1
        keys.append((layer.site.module, counts[layer.site.module]))
    index_of = {key: index for index, key in enumerate(keys)}
    origins = {
        key: [graph.origins(layer.links, channel, gates=True) for channel in range(len(layer.links))]
        for key, layer in zip(keys, graph.layers, strict=True)
    }
    unknown = {
        key: {int(c) for _, channels in layer.links.unknown for c in channels}
        for key, layer in zip(keys, graph.layers, strict=True)
    }

    def claims(kernel: CallKey, channel: int) -> dict[CallKey, tuple[set[int], set[int]]]:
        node = ("kernel", index_of[kernel], channel)
        return {key: ({j for j, sources in enumerate(origins[key]) if node in sources}, unknown[key]) for key in keys}

    return claims, set(keys)
