"""The exact map of the layer that a score is read from, which methods at the resolution of the clip refine."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from notebook_explain.explanations import LayerMap
from notebook_explain.methods.block_recorder import SignalRecorder
from notebook_explain.methods.layer_maps import ExplainedPass, with_combined
from notebook_explain.methods.pathways import COMBINED
from notebook_explain.models import POOLING_INPUT, Layer, VideoModel


def last_layers(model: VideoModel) -> tuple[Layer, ...]:
    """Return the inputs of global pooling, one for each pathway; without a pooling, all layers."""
    return tuple(layer for layer in model.layers if layer.kind == POOLING_INPUT) or model.layers


def maps_at_selected_frames(
    recorder: SignalRecorder, layers: Sequence[Layer], result: ExplainedPass
) -> tuple[LayerMap, ...]:
    """Return the maps of a pass, at the frames that the network selected, and the sum of its pathways.

    Parameters
    ----------
    recorder : SignalRecorder
        Watched the pass.
    layers : sequence of Layer
        Those of the maps.
    result : ExplainedPass
    """
    selected = recorder.layers_at_selected_frames(tuple(layers))
    maps = [replace(one, geometry=layer.geometry) for one, layer in zip(result.maps, selected, strict=True)]
    return with_combined(maps, result.targets)


def exact_map(maps: Sequence[LayerMap], result: ExplainedPass) -> LayerMap:
    """Return the map whose evidence adds up to the score, where it can be added up, among those of `maps_at_selected_frames`."""
    return maps[-1] if maps[-1].kind == COMBINED else maps[result.final[-1]]
