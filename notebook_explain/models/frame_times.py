"""Clip frames that the time steps of modules and layers stand for, given the frames that the network selected.

Some networks keep some of the frames, depending on their content. A trace of positions alone cannot find out which, and
assumes that they are evenly spaced. With the frames selected for a clip, a second trace finds the actual times.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from typing import Any, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from notebook_explain._errors import UsageError
from notebook_explain.models.layer_trace import tensors, trace_layers
from notebook_explain.models.layers import Layer, relocated_layer
from notebook_explain.models.layouts import is_volume, measure
from notebook_explain.models.positions.custom_functions import selected_frames
from notebook_explain.models.positions.tensor import PositionTensor
from notebook_explain.models.shadow import reference_parameter
from notebook_explain.models.video_model import VideoModel, position_input

FrameTimes = dict[tuple[str, str], NDArray[np.float64]]
Result = TypeVar("Result")


def layers_at_selected_frames(
    model: VideoModel, layers: Sequence[Layer], frames: Sequence[torch.Tensor]
) -> tuple[Layer, ...]:
    """Return the same layers with the geometry that they have for the frames selected from one clip.

    Parameters
    ----------
    model : VideoModel
    layers : sequence of Layer
        Layers of this model.
    frames : sequence of int64 tensors (kept,)
        Frames kept by each selection of the network, in order.

    Raises
    ------
    ValueError
        A layer has no positions for these frames.
    """
    size = model.preprocessing.shape
    trace = _run_on_positions(model, frames, lambda shadow, clip: trace_layers(shadow, clip, size))
    relocated = []
    for layer in layers:
        moved = relocated_layer(trace, layer)
        if moved is None or moved.grid != layer.grid:
            raise UsageError(f"layer {layer.name!r} has no positions for the frames that the network selected")
        relocated.append(moved)
    return tuple(relocated)


def module_frame_times(model: VideoModel, names: Iterable[str], frames: Sequence[torch.Tensor] = ()) -> FrameTimes:
    """Return the clip frames that the time steps of modules' inputs and outputs stand for.

    Parameters
    ----------
    model : VideoModel
    names : iterable of str
        Dotted names of modules; "" is the network itself.
    frames : sequence of int64 tensors (kept,), optional
        Frames kept by each selection of the network, in order.

    Returns
    -------
    dict of (name, "input" or "output") to float64 array (time,)
        Fractional clip frames; "#2" follows the name for a module's second call. Tensors without separate positions, or
        with axes that are not understood, are left out. Empty if positions cannot be followed through the network.
    """
    wanted = set(names)
    if model.layer_trace is None or not wanted:
        return {}

    def run(shadow: nn.Module, clip: Any) -> FrameTimes:
        times: FrameTimes = {}
        handles = [
            module.register_forward_hook(_hook(name, model.preprocessing.shape, times))
            for name, module in shadow.named_modules()
            if name in wanted
        ]
        try:
            with torch.no_grad():
                shadow(clip)
        finally:
            for handle in handles:
                handle.remove()
        return times

    return _run_on_positions(model, frames, run)


def _run_on_positions(
    model: VideoModel, frames: Sequence[torch.Tensor], run: Callable[[nn.Module, Any], Result]
) -> Result:
    def compute(shadow: nn.Module) -> Result:
        with selected_frames(frames):
            reference = reference_parameter(shadow)
            return run(shadow, position_input(model.preprocessing, reference.device, reference.dtype))

    return model.on_shadow(compute)[0]


def _hook(name: str, size: tuple[int, int, int], times: FrameTimes) -> Callable[..., None]:
    calls: dict[str, int] = defaultdict(int)

    def hook(_: nn.Module, inputs: Any, output: Any) -> None:
        calls[name] += 1
        key = name if calls[name] == 1 else f"{name}#{calls[name]}"
        for side, value in (("input", inputs), ("output", output)):
            volumes = (x for _, x in tensors(value) if isinstance(x, PositionTensor) and is_volume(x))
            first = next(volumes, None)
            measured = None if first is None else measure(first, size)
            if measured is not None:
                times[key, side] = measured[1].rows

    return hook
