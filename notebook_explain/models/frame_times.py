"""When the steps of a module's input and output lie, and where layers lie once it is known which frames were chosen.

Some networks select frames by what these hold. Asked of coordinates alone they seem to take them evenly; asked again with
the choices that they made of a clip, they tell where its layers really lie.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from typing import Any, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from notebook_explain._errors import UsageError
from notebook_explain.models.layer_trace import survey, tensors
from notebook_explain.models.layers import Layer
from notebook_explain.models.layouts import is_volume, measure
from notebook_explain.models.positions.position_rules import chosen
from notebook_explain.models.positions.tensor import PositionTensor
from notebook_explain.models.shadow import likeness, on_shadow
from notebook_explain.models.video_model import VideoModel, stand_in

Moments = dict[tuple[str, str], NDArray[np.float64]]
Result = TypeVar("Result")


def placed(model: VideoModel, layers: Sequence[Layer], frames: Sequence[torch.Tensor]) -> tuple[Layer, ...]:
    """The same layers, where they lie in a clip of which the network chose these frames.

    Parameters
    ----------
    model : VideoModel
    layers : of it
    frames : int64 tensors (kept,)
        For each selection of the network, in order.

    Raises
    ------
    ValueError
        A layer is not found again.
    """
    found = _on_coordinates(model, frames, lambda shadow, clip: survey(shadow, clip, model.preprocessing.shape))
    emitted = {emission.place: emission.tensor for emission in found.emissions}
    pooled = dict(found.pools)
    again = []
    for layer in layers:
        tensor = pooled.get(layer.place.call) if layer.place.module is None else emitted.get(layer.place)
        measured = None if tensor is None else measure(tensor, model.preprocessing.shape)
        if measured is None or measured[0].grid != layer.grid:
            raise UsageError(f"layer {layer.name!r} does not lie anywhere once frames are chosen")
        again.append(replace(layer, geometry=measured[1]))
    return tuple(again)


def moments_of(model: VideoModel, names: Iterable[str], frames: Sequence[torch.Tensor] = ()) -> Moments:
    """Clip frames, fractional, that the steps in time of some modules' inputs and outputs stand for.

    Parameters
    ----------
    model : VideoModel
    names : iterable of str
        Dotted names of modules; "" is the network itself.
    frames : int64 tensors (kept,), optional
        As for `placed`.

    Returns
    -------
    dict of (name, "input" or "output") to float64 array (time,)
        "#2" after the name for a module's second call. What has no places, or axes that are not understood, is not
        there; nor is anything of a network that positions cannot be followed through.
    """
    wanted = set(names)
    if model.survey is None or not wanted:
        return {}

    def run(shadow: nn.Module, clip: Any) -> Moments:
        found: Moments = {}
        handles = [
            part.register_forward_hook(_hook(name, model.preprocessing.shape, found))
            for name, part in shadow.named_modules()
            if name in wanted
        ]
        try:
            with torch.no_grad():
                shadow(clip)
        finally:
            for handle in handles:
                handle.remove()
        return found

    return _on_coordinates(model, frames, run)


def _on_coordinates(
    model: VideoModel, frames: Sequence[torch.Tensor], run: Callable[[nn.Module, Any], Result]
) -> Result:
    def on(shadow: nn.Module) -> Result:
        with chosen(frames):
            return run(shadow, stand_in(model.preprocessing, likeness(shadow).device))

    return on_shadow(model.module, on)[0]


def _hook(name: str, size: tuple[int, int, int], found: Moments) -> Callable[..., None]:
    calls: dict[str, int] = defaultdict(int)

    def see(_: nn.Module, given: Any, output: Any) -> None:
        calls[name] += 1
        key = name if calls[name] == 1 else f"{name}#{calls[name]}"
        for side, value in (("input", given), ("output", output)):
            volumes = (x for _, x in tensors(value) if isinstance(x, PositionTensor) and is_volume(x))
            first = next(volumes, None)
            measured = None if first is None else measure(first, size)
            if measured is not None:
                found[key, side] = measured[1].rows

    return see
