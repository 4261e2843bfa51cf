"""Make a VideoModel of any nn.Module: what is not stated is found by trying, and said."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import torch
from torch import nn

from notebook_explain._errors import UsageError, UsageTypeError
from notebook_explain._validation import check_size
from notebook_explain._warn import warn
from notebook_explain.clip.resize import check_crop
from notebook_explain.explanations import ExplainError, Geometry
from notebook_explain.models.layer_trace import LayerTrace, TensorRef, survey, tensors
from notebook_explain.models.layers import Layer, default_layers
from notebook_explain.models.layouts import Layout
from notebook_explain.models.preprocessing import Preprocessing, check_layout, colours
from notebook_explain.models.shadow import likeness, on_shadow, refuse_scripted, unwrapped
from notebook_explain.models.video_model import VideoModel, stand_in

# Mean and deviation of Kinetics in units of 0..1, which most published video weights were trained with.
KINETICS_MEAN = (0.43216, 0.394666, 0.37645)
KINETICS_STD = (0.22803, 0.22145, 0.216989)
_LAYOUTS: tuple[str | tuple[int, ...], ...] = ("BCTHW", "BTCHW", (4, 1), (8, 1), "(BT)CHW", "BTHWC")
_SHAPES = ((16, 112), (16, 224), (8, 224), (32, 224), (32, 256), (8, 256), (64, 224), (16, 64), (4, 182), (13, 182))
_EVEN = (
    "Where the cells of the layers lie in the clip could not be measured for this network (it uses an operation that positions "
    "cannot be followed through); an even division of the clip is assumed."
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
) -> VideoModel:
    """Make a model that can be explained of any module; the module itself is not touched.

    Parameters
    ----------
    module : nn.Module
        A video classifier; in ``torch.compile``, ``DataParallel`` or plain.
    size : int or (height, width), optional
        In pixels, as the network was trained; one number is a square.
    frames : int, optional
        How many it was trained with.
    mean, std : one or three floats, optional
        In units of 0..1: the network sees ``(rgb / 255 - mean) / std``.
    layout : optional
        "BCTHW" (channels before time), "BTCHW" (Hugging Face), "BTHWC", "(BT)CHW", or the strides in time of several
        pathways: ``(4, 1)`` for SlowFast.
    crop : str
        How a clip comes to that size, as for ``Clip.read``: "center" keeps the middle, "letterbox" all of it between
        black bars, "stretch" all of it without its proportions. A clip that has the size already is left as it is.
    labels : optional
        Class names in order; ``{index: name}``; or ``{head: names}`` for several heads.

    Returns
    -------
    VideoModel
        What was not stated is read from ``module.config`` where there is one, else assumed from what runs: one warning
        says what, and every explanation carries it as a caveat.

    Raises
    ------
    TypeError, ValueError
        An argument is not of this form.
    ExplainError
        The module is scripted; or it runs with none of the usual sizes and layouts (its most likely error is quoted).
    """
    if not isinstance(module, nn.Module):
        raise UsageTypeError(f"adapt takes a torch.nn.Module, got {type(module).__name__}")
    refuse_scripted(module)
    network = unwrapped(module)
    refuse_scripted(network)
    if any(parameter.is_meta for parameter in network.parameters()):
        raise ExplainError("this model has no weights yet: its parameters are on the meta device; load them first")
    config = _config(network)
    stated: dict[str, Any] = {
        **config,
        **{
            name: value
            for name, value in {
                "size": None if size is None else check_size(size),
                "frames": frames,
                "mean": None if mean is None else colours("mean", mean),
                "std": None if std is None else colours("std", std),
                "layout": tuple(layout) if isinstance(layout, (list, tuple)) else layout,
            }.items()
            if value is not None
        },
    }
    stated["crop"] = check_crop(crop)
    names = _labels(labels if labels is not None else config.get("labels"))
    stated.pop("labels", None)
    preprocessing, found, layers = _first_that_runs(network, stated)
    known = set(stated)
    if "layout" not in stated and found is not None and _only_layout(network, preprocessing):
        known.add("layout")
    assumed = tuple(name for name in ("size", "frames", "mean", "std", "layout") if name not in known)
    preprocessing = replace(preprocessing, assumed=assumed)
    own = (getattr(part, "caveat", None) for part in network.modules())  # a module may say what its reader must know
    caveats = tuple(dict.fromkeys([*([] if found else [_EVEN]), *(text for text in own if isinstance(text, str))]))
    if assumed:
        text = _assumption(preprocessing)
        warn(f"{type(network).__name__}: {text}")
        caveats = (text, *caveats)
    labels_of = "labels" if labels is not None else "the labels in module.config.id2label"
    return VideoModel(
        network, preprocessing, names, layers, caveats, labels_of, None if found is None else found.slim()
    )


def _assumption(p: Preprocessing) -> str:
    height, width = p.size
    size = height if height == width else p.size
    values: dict[str, Any] = {"size": size, "frames": p.frames, "layout": p.layout}
    values |= {"mean": tuple(round(v, 3) for v in p.mean), "std": tuple(round(v, 3) for v in p.std)}
    listed = ", ".join(f"{name}={values[name]!r}" for name in p.assumed)
    return f"Assumed, since nobody stated it: {listed}. A wrong guess explains another model; state them in adapt()."


def _config(module: nn.Module) -> dict[str, Any]:
    """What a Hugging Face configuration says of itself."""
    config = getattr(module, "config", None)
    found: dict[str, Any] = {}
    for name, keys in {"size": ("image_size", "crop_size"), "frames": ("num_frames", "frames_per_clip")}.items():
        for key in keys:
            value = getattr(config, key, None)
            parts = value if name == "size" and isinstance(value, (list, tuple)) and len(value) == 2 else [value]
            if all(isinstance(part, int) and not isinstance(part, bool) and part > 0 for part in parts):
                found.setdefault(name, check_size(value) if name == "size" else value)
    labels = getattr(config, "id2label", None)
    if isinstance(labels, Mapping) and labels:
        found["labels"] = labels
    return found


def _labels(labels: Any) -> dict[str, tuple[str, ...]]:
    """Labels per head, as plain text: control characters out, length capped (they come from anywhere)."""
    if labels is None:
        return {}
    if not isinstance(labels, (Mapping, Iterable)):
        raise UsageTypeError(f"labels must be a sequence of names, got {labels!r}")
    if isinstance(labels, str):
        raise UsageTypeError("labels must be a sequence of names, got one text; split it into lines first")
    if isinstance(labels, Mapping):
        if all(isinstance(value, int) for value in labels.values()):
            raise UsageTypeError("labels must be {index: name}, got {name: index}; turn it round")
        if all(isinstance(value, str) for value in labels.values()):
            by_index = {int(key): value for key, value in labels.items()}
            if sorted(by_index) != list(range(len(by_index))):
                raise UsageError(f"labels by index must count from 0 to {len(by_index) - 1} without gaps")
            return {"": tuple(_plain(by_index[index]) for index in range(len(by_index)))}
        return {_plain(head): tuple(map(_plain, names)) for head, names in labels.items()}
    return {"": tuple(map(_plain, labels))}


def _plain(text: Any) -> str:
    kept = "".join(c if unicodedata.category(c)[0] != "C" else " " for c in str(text))
    return kept if len(kept) <= MAX_LABEL else kept[: MAX_LABEL - 1] + "…"


def _first_that_runs(
    module: nn.Module, stated: Mapping[str, Any]
) -> tuple[Preprocessing, LayerTrace | None, tuple[Layer, ...]]:
    """The first usual input that the network takes; measured where possible, tried for real otherwise."""
    if "layout" in stated:
        check_layout(stated["layout"])
    first: Exception | None = None
    tried, first_measured = "", False
    for measured in (True, False):
        for preprocessing in _candidates(stated):
            try:
                found = _survey(module, preprocessing) if measured else None
                layers = _by_shape(module, preprocessing) if found is None else default_layers(found)
            except ExplainError:
                raise
            except Exception as error:  # whatever a network raises on an input that it was not made for
                if first is None or (first_measured and not measured):  # a real pass speaks plainer than positions do
                    first, first_measured = error, measured
                    tried = f"{'x'.join(map(str, preprocessing.shape))}, {preprocessing.layout!r}"
                continue
            if layers:
                return preprocessing, found, layers
    unstated = ", ".join(f"{name}=" for name in ("size", "frames", "layout") if name not in stated)
    why = (
        f"with {tried} it raised: {str(first)[:400]}" if first else "no layer has places in time, height and width left"
    )
    raise ExplainError(
        f"{type(module).__name__} ran with none of the inputs tried; "
        + (f"state {unstated} in adapt(). " if unstated else "check what was stated. ")
        + f"The most likely reason: {why}"
    ) from first


def _candidates(stated: Mapping[str, Any]) -> Iterator[Preprocessing]:
    layouts = (stated["layout"],) if "layout" in stated else _LAYOUTS
    shapes = dict.fromkeys((stated.get("frames", frames), stated.get("size", (size, size))) for frames, size in _SHAPES)
    mean, std = stated.get("mean", KINETICS_MEAN), stated.get("std", KINETICS_STD)
    for frames, size in shapes:
        for layout in layouts:
            yield Preprocessing(size, frames, mean, std, layout, crop=stated["crop"])


def _only_layout(module: nn.Module, chosen: Preprocessing) -> bool:
    """Whether the network takes a clip of this size in no other layout: then this one is a fact, not a guess."""
    for layout in _LAYOUTS:
        if layout != chosen.layout:
            try:
                _survey(module, replace(chosen, layout=layout))
            except Exception:
                continue
            return False
    return True


def _survey(module: nn.Module, p: Preprocessing) -> LayerTrace:
    def run(shadow: nn.Module) -> LayerTrace:
        return survey(shadow, stand_in(p, likeness(shadow).device), p.shape)

    return on_shadow(module, run)[0]


def _by_shape(module: nn.Module, p: Preprocessing) -> tuple[Layer, ...]:
    """Without measured positions: module outputs (1, C, T, H, W) of a real pass, an even division of the clip assumed."""

    def run(shadow: nn.Module) -> tuple[Layer, ...]:
        like = likeness(shadow)
        found: dict[str, Layer] = {}

        def hook(name: str) -> Any:
            def see(_: nn.Module, __: Any, output: Any) -> None:
                for path, tensor in tensors(output):
                    if (
                        tensor.ndim == 5
                        and tensor.shape[0] == 1
                        and min(tensor.shape[2:4]) >= 1
                        and tensor[0, 0].numel() > 1
                    ):
                        time, height, width = tensor.shape[2:]
                        layout = Layout(tuple(tensor.shape), 2, None, (time, height, width))
                        even = Geometry.even((time, height, width), p.shape)
                        if name not in found:
                            found[name] = Layer(name, "block", TensorRef(name, 0, path), layout, even)

            return see

        handles = [part.register_forward_hook(hook(name)) for name, part in shadow.named_modules() if name]
        try:
            with torch.no_grad():
                video = torch.zeros((1, 3, *p.shape), device=like.device, dtype=like.dtype)
                shadow(p.arrange(video))
        finally:
            for handle in handles:
                handle.remove()
        outer = [layer for name, layer in found.items() if name.count(".") <= 1]
        return tuple(outer[-16:])

    return on_shadow(module, run)[0]
