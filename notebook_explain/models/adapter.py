"""Wrap any nn.Module as a VideoModel; preprocessing that is not given is inferred by trial and reported."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import torch
from torch import nn

from notebook_explain._errors import ExplainError, UsageError, UsageTypeError
from notebook_explain._validation import check_size
from notebook_explain._warn import warn
from notebook_explain.clip.resize import check_crop
from notebook_explain.explanations import Geometry
from notebook_explain.explanations.caveats import Caveat, CaveatCode
from notebook_explain.models.block_outputs import MAX_LAYERS
from notebook_explain.models.forward_hooks import user_hooks
from notebook_explain.models.hook_check import hook_caveat
from notebook_explain.models.layer_trace import LayerTrace, TensorRef, tensors, trace_layers
from notebook_explain.models.layers import Layer, default_layers
from notebook_explain.models.layouts import Layout
from notebook_explain.models.merged_calls import LayerPart
from notebook_explain.models.preprocessing import Preprocessing, check_layout, rgb
from notebook_explain.models.shadow import on_shadow, reference_parameter, refuse_scripted, unwrapped
from notebook_explain.models.unsure_positions import position_caveats
from notebook_explain.models.video_model import VideoModel, position_input

# Mean and standard deviation of Kinetics in units of 0..1, with which most published video weights were trained.
KINETICS_MEAN = (0.43216, 0.394666, 0.37645)
KINETICS_STD = (0.22803, 0.22145, 0.216989)
_LAYOUTS: tuple[str | tuple[int, ...], ...] = ("BCTHW", "BTCHW", (4, 1), (8, 1), "(BT)CHW", "BTHWC")
# (frames, size) in the order in which they are tried.
_SHAPES = ((16, 112), (16, 224), (8, 224), (32, 224), (32, 256), (8, 256), (64, 224), (16, 64), (4, 182), (13, 182))
_INFERRED = ("size", "frames", "mean", "std", "layout")
_EVEN = Caveat(
    "The positions of this network's cells in the clip could not be measured (it uses an operation through which positions "
    "cannot be followed); the clip is divided evenly instead.",
    CaveatCode.ASSUMED_POSITIONS,
)
MAX_LABEL = 200


def adapt(
    module: nn.Module,
    *,
    size: int | Sequence[int] | None = None,
    frames: int | None = None,
    mean: Sequence[float] | float | None = None,
    std: Sequence[float] | float | None = None,
    layout: str | Sequence[int] | None = None,
    crop: str = "center",
    labels: Sequence[str] | Mapping[Any, Any] | None = None,
    keep_hooks: bool = False,
) -> VideoModel:
    """Wrap a module as a model that can be explained; the module itself is not modified.

    Parameters
    ----------
    module : nn.Module
        Video classifier; plain, or wrapped in ``torch.compile`` or ``DataParallel``.
    size : int or (height, width), optional
        Input size in pixels used in training; one number is a square.
    frames : int, optional
        Number of input frames used in training.
    mean, std : float or 3 floats, optional
        In units of 0..1: the network sees ``(rgb / 255 - mean) / std``.
    layout : str or sequence of int, optional
        "BCTHW" (channels before time), "BTCHW" (Hugging Face), "BTHWC", "(BT)CHW", or the strides in time of several
        pathways, such as ``(4, 1)`` for SlowFast.
    crop : str
        Method that fits a clip to the size, as for ``Clip.read``: "center" keeps the middle, "letterbox" keeps everything
        between black bars, "stretch" keeps everything but not the proportions. A clip of this size is left as it is.
    labels : sequence of str, {index: name} or {head: names}, optional
        Class names in order; or by head, for models with several heads.
    keep_hooks : bool
        Run with copies of the module's forward hooks and forward pre-hooks. By default they are left out, and a warning
        and a caveat say so if they change the output, as one pass on noise shows. Copies have their own copies of the
        objects that the hooks refer to: a hook that appends to a list of yours does not append to it here, unless
        something in the list cannot be copied. Backward hooks are never kept.

    Returns
    -------
    VideoModel
        Values that you do not pass are taken from ``module.config`` if it has them, else guessed from what runs. Guesses
        are listed in one warning, in ``preprocessing.assumed`` and as a caveat on every explanation.

    Raises
    ------
    TypeError, ValueError
        An argument does not have this form.
    ExplainError
        The module is scripted; or it runs with none of the usual sizes and layouts (the most likely error is quoted).
    """
    if not isinstance(module, nn.Module):
        raise UsageTypeError(f"adapt takes a torch.nn.Module, got {_describe_type(module)}")
    refuse_scripted(module)
    network = unwrapped(module)
    refuse_scripted(network)
    if any(parameter.is_meta for parameter in network.parameters()):
        raise ExplainError("this model has no weights yet: its parameters are on the meta device; load them first")
    config = _read_config(network)
    config_labels = config.pop("labels", None)
    given = {
        "size": None if size is None else check_size(size),
        "frames": frames,
        "mean": None if mean is None else rgb("mean", mean),
        "std": None if std is None else rgb("std", std),
        "layout": tuple(layout) if isinstance(layout, (list, tuple)) else layout,
    }
    specified = {**config, **{name: value for name, value in given.items() if value is not None}}
    specified["crop"] = check_crop(crop)
    names = _read_labels(labels if labels is not None else config_labels)
    preprocessing, trace, layers = _first_that_runs(network, specified, keep_hooks)
    known = set(specified)
    if "layout" not in specified and trace is not None and _is_only_layout(network, preprocessing, keep_hooks):
        known.add("layout")
    preprocessing = replace(preprocessing, assumed=tuple(name for name in _INFERRED if name not in known))
    caveats = _caveats(network, preprocessing, trace)
    if preprocessing.assumed:
        assumption = caveats[0]
        text = f"{type(network).__name__}: {assumption}"
        warn(Caveat(text, CaveatCode.ASSUMED_PREPROCESSING, preprocessing.assumed))
    known_hooks = user_hooks(network)
    if known_hooks and not keep_hooks:
        caveats += hook_caveat(network, preprocessing)
    labels_source = "labels" if labels is not None else "the labels in module.config.id2label"
    slim = None if trace is None else trace.slim()
    return VideoModel(network, preprocessing, names, layers, caveats, labels_source, slim, keep_hooks, known_hooks)


def _caveats(network: nn.Module, preprocessing: Preprocessing, trace: LayerTrace | None) -> tuple[str, ...]:
    """Return caveats of every explanation of a network: guesses, unknown positions, and those that its modules report."""
    caveats = [_assumption(preprocessing)] if preprocessing.assumed else []
    if trace is None:
        caveats.append(_EVEN)
    else:
        caveats += position_caveats(trace.mixtures, trace.unplaced)
    caveats += [_module_caveat(part) for part in network.modules() if isinstance(getattr(part, "caveat", None), str)]
    return tuple(dict.fromkeys(caveats))


def _module_caveat(module: Any) -> Caveat:
    """Return the caveat that a module reports; modules name its kind as ``caveat_code``."""
    return Caveat(module.caveat, getattr(module, "caveat_code", CaveatCode.MODULE))


def _assumption(p: Preprocessing) -> Caveat:
    height, width = p.size
    values: dict[str, Any] = {
        "size": height if height == width else p.size,
        "frames": p.frames,
        "mean": tuple(round(value, 3) for value in p.mean),
        "std": tuple(round(value, 3) for value in p.std),
        "layout": p.layout,
    }
    guesses = ", ".join(f"{name} {values[name]!r}" for name in p.assumed)
    text = f"Not specified, assumed: {guesses}. If the guess is wrong, so is the explanation; pass these to adapt()."
    return Caveat(text, CaveatCode.ASSUMED_PREPROCESSING, p.assumed)


def _read_config(module: nn.Module) -> dict[str, Any]:
    """Return size, frames and labels from a Hugging Face configuration, as far as it has them."""
    config = getattr(module, "config", None)
    values: dict[str, Any] = {}
    for name, keys in {"size": ("image_size", "crop_size"), "frames": ("num_frames", "frames_per_clip")}.items():
        for key in keys:
            value = getattr(config, key, None)
            parts = value if name == "size" and isinstance(value, (list, tuple)) and len(value) == 2 else [value]
            if all(isinstance(part, int) and not isinstance(part, bool) and part > 0 for part in parts):
                values.setdefault(name, check_size(value) if name == "size" else value)
    labels = getattr(config, "id2label", None)
    if isinstance(labels, Mapping) and labels:
        values["labels"] = labels
    return values


def _read_labels(labels: Any) -> dict[str, tuple[str, ...]]:
    """Return labels by head as plain text: without control characters, at most `MAX_LABEL` long."""
    if labels is None:
        return {}
    if not isinstance(labels, (Mapping, Iterable)):
        raise UsageTypeError(f"labels must be a sequence of names, got {labels!r}")
    if isinstance(labels, str):
        raise UsageTypeError("labels must be a sequence of names, got one string; split it into lines first")
    if isinstance(labels, Mapping):
        if all(isinstance(value, int) for value in labels.values()):
            raise UsageTypeError("labels must be {index: name}, got {name: index}; swap keys and values")
        if all(isinstance(value, str) for value in labels.values()):
            by_index = {int(key): value for key, value in labels.items()}
            if sorted(by_index) != list(range(len(by_index))):
                raise UsageError(f"labels by index must count from 0 to {len(by_index) - 1} without gaps")
            return {"": tuple(_to_plain_text(by_index[index]) for index in range(len(by_index)))}
        return {_to_plain_text(head): tuple(map(_to_plain_text, names)) for head, names in labels.items()}
    return {"": tuple(map(_to_plain_text, labels))}


def _to_plain_text(text: Any) -> str:
    kept = "".join(c if unicodedata.category(c)[0] != "C" else " " for c in str(text))
    return kept if len(kept) <= MAX_LABEL else kept[: MAX_LABEL - 1] + "…"


def _first_that_runs(
    module: nn.Module, specified: Mapping[str, Any], keep_hooks: bool
) -> tuple[Preprocessing, LayerTrace | None, tuple[Layer, ...]]:
    """Return the first usual input that the network accepts, with its trace and layers.

    Inputs are first tried with positions. If none works, they are tried with a real pass, and the trace is ``None``.
    """
    if "layout" in specified:
        check_layout(specified["layout"])
    first: Exception | None = None
    tried, first_is_trace = "", False
    for with_positions in (True, False):
        for preprocessing in _candidate_inputs(specified):
            try:
                trace = _trace(module, preprocessing, keep_hooks) if with_positions else None
                layers = _layers_by_shape(module, preprocessing, keep_hooks) if trace is None else default_layers(trace)
            except ExplainError:
                raise
            except Exception as error:  # anything that a network raises on an input that it does not accept
                if first is None or (first_is_trace and not with_positions):  # errors of a real pass are clearer
                    first, first_is_trace = error, with_positions
                    tried = f"{'x'.join(map(str, preprocessing.shape))}, {preprocessing.layout!r}"
                continue
            if layers:
                return preprocessing, trace, layers
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


def _candidate_inputs(specified: Mapping[str, Any]) -> Iterator[Preprocessing]:
    layouts = (specified["layout"],) if "layout" in specified else _LAYOUTS
    shapes = dict.fromkeys(
        (specified.get("frames", frames), specified.get("size", (size, size))) for frames, size in _SHAPES
    )
    mean, std = specified.get("mean", KINETICS_MEAN), specified.get("std", KINETICS_STD)
    for frames, size in shapes:
        for layout in layouts:
            yield Preprocessing(size, frames, mean, std, layout, crop=specified["crop"])


def _is_only_layout(module: nn.Module, chosen: Preprocessing, keep_hooks: bool) -> bool:
    """Return whether the network accepts a clip of this size in no other layout; then the layout is not a guess."""
    for layout in _LAYOUTS:
        if layout != chosen.layout:
            try:
                _trace(module, replace(chosen, layout=layout), keep_hooks)
            except Exception:
                continue
            return False
    return True


def _trace(module: nn.Module, p: Preprocessing, keep_hooks: bool) -> LayerTrace:
    def run(shadow: nn.Module) -> LayerTrace:
        return trace_layers(shadow, position_input(p, reference_parameter(shadow).device), p.shape)

    return on_shadow(module, run, keep_hooks=keep_hooks)[0]


def _layers_by_shape(module: nn.Module, p: Preprocessing, keep_hooks: bool) -> tuple[Layer, ...]:
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
                video = torch.zeros((1, 3, *p.shape), device=reference.device, dtype=reference.dtype)
                shadow(p.arrange(video))
        finally:
            for handle in handles:
                handle.remove()
        outer = [layer for name, layer in layers.items() if name.count(".") <= 1]
        return tuple(outer[-MAX_LAYERS:])

    return on_shadow(module, run, keep_hooks=keep_hooks)[0]


def _is_clip_volume(tensor: torch.Tensor) -> bool:
    return (
        tensor.ndim == 5 and tensor.shape[0] == 1 and min(tensor.shape[2:4]) >= 1 and tensor[0, 0].numel() > 1
    )  # (1, channel, time, height, width)


def _describe_type(value: Any) -> str:
    """Return the type of a value, with advice if its attribute ``model`` is a module, as that of a swapped network."""
    advice = "; pass its .model" if isinstance(getattr(value, "model", None), nn.Module) else ""
    return f"{type(value).__name__}{advice}"
