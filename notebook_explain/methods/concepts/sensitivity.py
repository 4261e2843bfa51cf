"""Directions of all concepts at one layer: sensitivity, significance and accuracy."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from notebook_explain._errors import ExplainError, UsageError
from notebook_explain.explanations import TCAV, Refusal
from notebook_explain.methods.concepts.cav import (
    LEAST_VARIATION,
    UnitFeatures,
    concept_direction,
    gradient_variation,
    held_out_accuracy,
    magnitudes_with_p,
    sign_fraction,
)
from notebook_explain.methods.concepts.embedding import Embedded, layer_features
from notebook_explain.methods.concepts.layers import cells_of
from notebook_explain.methods.concepts.units import Segmentation, unit_features
from notebook_explain.models import Layer, VideoModel


def cav_layer(layers: Sequence[Layer], embedded: Sequence[Embedded], name: str | None) -> tuple[Layer, float]:
    """Return the layer of the directions, and how much its gradient varies between clips.

    Parameters
    ----------
    layers : sequence of Layer
        Recorded layers, from input to output.
    embedded : sequence of Embedded
    name : str, optional
        Layer that the user chose; by default the last one whose gradient varies, or the last one of all.

    Raises
    ------
    ExplainError
        There is no layer of several cells on which the score of every clip depends.
    ValueError
        The chosen layer is not one of these.
    """
    variations = {}
    for layer in layers:
        gradients = [one.gradients[layer.name] for one in embedded if layer.name in one.gradients]
        if len(gradients) == len(embedded) and cells_of(layer) > 1:
            variations[layer.name] = gradient_variation(np.stack(gradients))
    if not variations:
        raise ExplainError(
            "there is no layer of several cells on which the score of every clip depends, as if clips took different paths "
            "through the network; give clips that take the same path"
        )
    by_name = {layer.name: layer for layer in layers}
    if name is not None:
        if name not in variations:
            raise UsageError(f"cav_layer {name!r} has one cell or no gradient; choose one of {', '.join(variations)}")
        return by_name[name], variations[name]
    varied = [one for one, variation in variations.items() if variation > LEAST_VARIATION]
    chosen = (varied or list(variations))[-1]
    return by_name[chosen], variations[chosen]


def concept_tcavs(
    units: Sequence[UnitFeatures],
    gradients: NDArray[np.float32],
    count: int,
    layer: str,
    seed: int,
    *,
    is_constant: bool,
) -> list[TCAV]:
    """Return the sensitivity of every concept.

    Parameters
    ----------
    units : sequence of UnitFeatures
        One for each clip.
    gradients : float32 array (clip, channel)
    count : int
        Number of concepts.
    layer : str
    seed : int
    is_constant : bool
        The gradient is the same for every clip, so that the sign fraction is refused.
    """
    magnitudes, p = magnitudes_with_p(units, gradients, count, seed)
    found = []
    for concept in range(count):
        fraction = None if is_constant else sign_fraction(gradients, concept_direction(units, concept))
        reason = Refusal.CONSTANT_GRADIENT if is_constant else None
        accuracy = held_out_accuracy(units, concept, seed)
        found.append(TCAV(layer, fraction, float(magnitudes[concept]), float(p[concept]), accuracy, reason))
    return found


def units_at_layer(
    model: VideoModel,
    embedded: Sequence[Embedded],
    segmentations: Sequence[Segmentation],
    labels: Sequence[NDArray[np.integer]],
    layer: Layer,
    own: Sequence[Layer],
) -> tuple[list[UnitFeatures], int]:
    """Return the features of all units at a layer, and the number of passes that this took.

    Parameters
    ----------
    model : VideoModel
    embedded, segmentations, labels : sequences, one entry for each clip
    layer : Layer
        Layer of the directions.
    own : sequence of Layer
        Layers whose features are known.
    """
    if layer in own:
        cells, passes = [one.cells[own.index(layer)] for one in embedded], 0
    else:
        cells, passes = layer_features(model, [one.clip for one in embedded], layer), len(embedded)
    units = [
        UnitFeatures(unit_features(segmentation, features, one.clip.size), clip_labels)
        for one, segmentation, features, clip_labels in zip(embedded, segmentations, cells, labels, strict=True)
    ]
    return units, passes
