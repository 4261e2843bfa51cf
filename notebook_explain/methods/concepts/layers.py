"""Layers that describe the units: the input of global pooling, or an earlier layer where that cannot tell positions apart."""

from __future__ import annotations

import math
from collections.abc import Iterable

from notebook_explain._errors import ExplainError
from notebook_explain.explanations.caveats import Caveat, CaveatCode
from notebook_explain.models import POOLING_INPUT, Layer, Recording, VideoModel
from notebook_explain.models.recording import Gradients

LEAST_CELLS = 8  # of a layer whose positions are grouped


def cells_of(layer: Layer) -> int:
    """Return the number of cells of a layer."""
    return math.prod(layer.grid)


def recorded_layers(model: VideoModel, *names: str | None) -> tuple[Layer, ...]:
    """Return the default layers of a model, and the layers of these names.

    Raises
    ------
    ValueError
        There is no such layer, or it has no positions.
    """
    default = [layer.name for layer in model.layers]
    added = [name for name in dict.fromkeys(names) if name is not None and name not in default]
    return model.select([*default, *added]) if added else model.layers


def unit_layers(
    model: VideoModel, recording: Recording, gradients: Gradients, name: str | None
) -> tuple[tuple[Layer, ...], list[Caveat]]:
    """Return the layers whose features describe the units, the one with most cells first, and caveats about the choice.

    Parameters
    ----------
    model : VideoModel
    recording : Recording
        Of the first clip.
    gradients : dict
        Of the score, as `Recording.backward` returned them.
    name : str, optional
        Layer that the user chose.
    """
    if name is not None:
        return (next(layer for layer in recording.layers if layer.name == name),), []
    ends = [layer for layer in model.layers if layer.kind == POOLING_INPUT and _is_reached(layer, gradients)]
    if max(map(cells_of, ends), default=0) >= LEAST_CELLS:
        return tuple(sorted(ends, key=cells_of, reverse=True)), []
    usable = [layer for layer in model.layers if _is_reached(layer, gradients) and cells_of(layer) >= LEAST_CELLS]
    usable = usable or [layer for layer in model.layers if _is_reached(layer, gradients) and cells_of(layer) > 1]
    if not usable:
        raise ExplainError("no layer of this network has several cells that the score depends on; name one with layer=")
    if not ends:
        text = f"No pooling over several positions was found; concepts are those of layer {usable[-1].name!r}."
        return (usable[-1],), [Caveat(text)]
    grid = "×".join(map(str, ends[-1].grid))
    text = f"The last layer has {grid} cells, too few to tell positions apart; the earlier layer {usable[-1].name!r} is used."
    return (usable[-1],), [Caveat(text, CaveatCode.COARSE_MAP)]


def _is_reached(layer: Layer, gradients: Gradients) -> bool:
    return any(_has_values(gradients, part.ref) for part in layer.parts)


def _has_values(gradients: Gradients, ref: object) -> bool:
    found = gradients.get(ref)  # type: ignore[call-overload]
    return found is not None and bool(found.any())


def names_of(layers: Iterable[Layer]) -> str:
    """Return the names of layers, joined."""
    return " + ".join(layer.name for layer in layers)
