"""Find the input that a network accepts: usual sizes, frame counts and layouts are tried in turn."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from functools import partial
from typing import Any

import torch
from torch import nn

from notebook_explain._errors import ExplainError
from notebook_explain.explanations import Geometry
from notebook_explain.models.block_outputs import MAX_LAYERS
from notebook_explain.models.bound_inputs import BoundInputs, BoundInputsError
from notebook_explain.models.input_channels import channels_of_first_layer, with_channels
from notebook_explain.models.input_layouts import check_layout
from notebook_explain.models.layer_trace import LayerTrace, TensorRef, tensors, trace_layers
from notebook_explain.models.layers import Layer, default_layers
from notebook_explain.models.layouts import Layout
from notebook_explain.models.merged_calls import LayerPart
from notebook_explain.models.preprocessing import Preprocessing
from notebook_explain.models.shadow import on_shadow, reference_parameter
from notebook_explain.models.video_model import position_input

# Mean and standard deviation of Kinetics in units of 0..1, with which most published video weights were trained.
KINETICS_MEAN = (0.43216, 0.394666, 0.37645)
KINETICS_STD = (0.22803, 0.22145, 0.216989)
_LAYOUTS: tuple[str | tuple[int, ...], ...] = ("BCTHW", "BTCHW", (4, 1), (8, 1), "(BT)CHW", "BTHWC")
# (frames, size) in the order in which they are tried.
_SHAPES = ((16, 112), (16, 224), (8, 224), (32, 224), (32, 256), (8, 256), (64, 224), (16, 64), (4, 182), (13, 182))


def first_that_runs(
    module: nn.Module, specified: Mapping[str, Any], keep_hooks: bool, inputs: BoundInputs | None = None
) -> tuple[Preprocessing, LayerTrace | None, tuple[Layer, ...]]:
    """Return the first usual input that the network accepts, with its trace and layers.

    Inputs are first tried with positions. If none works, they are tried with a real pass, and the trace is ``None``.
    """
    if "layout" in specified:
        check_layout(specified["layout"])
    first: Exception | None = None
    tried, first_is_trace = "", False
    for with_positions in (True, False):
        for preprocessing in _candidate_inputs(module, specified, keep_hooks, inputs):
            try:
                trace = _trace(module, preprocessing, keep_hooks, inputs) if with_positions else None
                layers = (
                    _layers_by_shape(module, preprocessing, keep_hooks, inputs)
                    if trace is None
                    else default_layers(trace)
                )
            except (ExplainError, BoundInputsError):
                raise
            except Exception as error:  # anything that a network raises on an input that it does not accept
                if first is None or (first_is_trace and not with_positions):  # errors of a real pass are clearer
                    first, first_is_trace = error, with_positions
                    tried = f"{'x'.join(map(str, preprocessing.shape))}, {preprocessing.layout!r}"
                    tried += "" if preprocessing.channels == 3 else f", {preprocessing.channels} channels"
                continue
            if layers:
                return _normalised(preprocessing, specified), trace, layers
    unspecified = tuple(name for name in ("size", "frames", "layout") if name not in specified)
    reason = (
        f"with {tried} it raised: {str(first)[:400]}" if first else "no layer has separate positions in time and space"
    )
    advice = "" if unspecified else "; check the arguments that you passed to adapt()"
    raise ExplainError(
        f"{type(module).__name__} ran with none of the inputs tried (most likely reason: {reason}){advice}",
        arguments=unspecified,
        call="adapt()",
    ) from first


def _candidate_inputs(
    module: nn.Module, specified: Mapping[str, Any], keep_hooks: bool, inputs: BoundInputs | None = None
) -> Iterator[Preprocessing]:
    """Yield inputs in the order in which they are tried: with three channels, then with those of the first layer."""
    layouts = (specified["layout"],) if "layout" in specified else _LAYOUTS
    shapes = dict.fromkeys(
        (specified.get("frames", frames), specified.get("size", (size, size))) for frames, size in _SHAPES
    )
    channels, crop = specified.get("channels", 3), specified["crop"]
    for frames, size in shapes:
        for layout in layouts:
            p = Preprocessing(size, frames, (0.0,), (1.0,), layout, crop=crop, channels=channels)
            yield p
            if "channels" not in specified:
                count = on_shadow(module, partial(channels_of_first_layer, p=p), keep_hooks=keep_hooks, inputs=inputs)[
                    0
                ]
                if count is not None:
                    yield with_channels(p, count)


def _normalised(p: Preprocessing, specified: Mapping[str, Any]) -> Preprocessing:
    """Return preprocessing with mean and std: those specified, or those of Kinetics for colours, or 0 and 1."""
    mean, std = (KINETICS_MEAN, KINETICS_STD) if p.channels == 3 else ((0.0,), (1.0,))
    return replace(p, mean=specified.get("mean", mean), std=specified.get("std", std))


def takes_other_channels(
    module: nn.Module,
    chosen: Preprocessing,
    specified: Mapping[str, Any],
    keep_hooks: bool,
    inputs: BoundInputs | None = None,
) -> bool:
    """Return whether a network accepts another number of channels too; then the number is a guess."""
    layouts = (chosen.layout,) if "layout" in specified else _LAYOUTS
    others = [with_channels(chosen, chosen.channels + 1)]
    others += [replace(with_channels(chosen, 3), layout=layout) for layout in layouts if chosen.channels != 3]
    return any(_runs(module, other, keep_hooks, inputs) for other in others)


def is_only_layout(
    module: nn.Module, chosen: Preprocessing, keep_hooks: bool, inputs: BoundInputs | None = None
) -> bool:
    """Return whether the network accepts a clip of this size in no other layout; then the layout is not a guess."""
    others = (replace(chosen, layout=layout) for layout in _LAYOUTS if layout != chosen.layout)
    return not any(_runs(module, other, keep_hooks, inputs) for other in others)


def _runs(module: nn.Module, p: Preprocessing, keep_hooks: bool, inputs: BoundInputs | None = None) -> bool:
    try:
        _trace(module, p, keep_hooks, inputs)
    except Exception:  # anything that a network raises on an input that it does not accept
        return False
    return True


def _trace(module: nn.Module, p: Preprocessing, keep_hooks: bool, inputs: BoundInputs | None) -> LayerTrace:
    def run(shadow: nn.Module) -> LayerTrace:
        return trace_layers(shadow, position_input(p, reference_parameter(shadow).device), p.shape)

    return on_shadow(module, run, keep_hooks=keep_hooks, inputs=inputs)[0]


def _layers_by_shape(
    module: nn.Module, p: Preprocessing, keep_hooks: bool, inputs: BoundInputs | None = None
) -> tuple[Layer, ...]:
    """Return outputs (1, C, T, H, W) of outer modules in a real pass, as if their cells divided the clip evenly."""

    def run(shadow: nn.Module) -> tuple[Layer, ...]:
        reference = reference_parameter(shadow)
        layers: dict[str, Layer] = {}

        def make_hook(name: str) -> Any:
            def hook(_: nn.Module, __: Any, output: Any) -> None:
                for path, tensor in tensors(output):
                    if name not in layers and _is_clip_volume(tensor):
                        time, height, width = tensor.shape[2:]
                        layout = Layout(tuple(tensor.shape), 2, None, (time, height, width))
                        geometry = Geometry.even((time, height, width), p.shape)
                        part = LayerPart(TensorRef(name, 0, path), layout)
                        layers[name] = Layer(name, "block", (part,), layout.grid, geometry)

            return hook

        handles = [part.register_forward_hook(make_hook(name)) for name, part in shadow.named_modules() if name]
        try:
            with torch.no_grad():
                video = torch.zeros((1, p.channels, *p.shape), device=reference.device, dtype=reference.dtype)
                shadow(p.arrange(video))
        finally:
            for handle in handles:
                handle.remove()
        outer = [layer for name, layer in layers.items() if name.count(".") <= 1]
        return tuple(outer[-MAX_LAYERS:])

    return on_shadow(module, run, keep_hooks=keep_hooks, inputs=inputs)[0]


def _is_clip_volume(tensor: torch.Tensor) -> bool:
    return (
        tensor.ndim == 5 and tensor.shape[0] == 1 and min(tensor.shape[2:4]) >= 1 and tensor[0, 0].numel() > 1
    )  # (1, channel, time, height, width)
