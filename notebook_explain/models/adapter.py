"""Wrap any nn.Module as a VideoModel; preprocessing that is not given is inferred by trial and reported."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from typing import Any

from torch import nn

from notebook_explain._errors import ExplainError, UsageTypeError
from notebook_explain._validation import check_size
from notebook_explain._warn import warn
from notebook_explain.clip.resize import check_crop
from notebook_explain.explanations.caveats import Caveat, CaveatCode
from notebook_explain.models.carried import Carried, carried_by
from notebook_explain.models.forward_hooks import user_hooks
from notebook_explain.models.hook_check import hook_caveat
from notebook_explain.models.input_search import first_that_runs, is_only_layout
from notebook_explain.models.layer_trace import LayerTrace
from notebook_explain.models.layers import Layer
from notebook_explain.models.metadata import read_labels
from notebook_explain.models.preprocessing import Preprocessing, rgb
from notebook_explain.models.processors import read_processor
from notebook_explain.models.shadow import refuse_scripted, unwrapped
from notebook_explain.models.unsure_positions import position_caveats
from notebook_explain.models.video_model import VideoModel

ARGUMENT = "argument"  # source of a value that the user passed
_Runs = tuple[Preprocessing, LayerTrace | None, tuple[Layer, ...]]
_SHAPE = ("size", "frames", "layout", "crop")
_INFERRED = ("size", "frames", "mean", "std", "layout")
_EVEN = Caveat(
    "The positions of this network's cells in the clip could not be measured (it uses an operation through which positions "
    "cannot be followed); the clip is divided evenly instead.",
    CaveatCode.ASSUMED_POSITIONS,
)


def adapt(
    module: nn.Module,
    *,
    size: int | Sequence[int] | None = None,
    frames: int | None = None,
    mean: Sequence[float] | float | None = None,
    std: Sequence[float] | float | None = None,
    layout: str | Sequence[int] | None = None,
    crop: str | None = None,
    labels: Sequence[str] | Mapping[Any, Any] | None = None,
    keep_hooks: bool | None = None,
    processor: Any = None,
    like: VideoModel | None = None,
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
    crop : str, optional
        Method that fits a clip to the size, as for ``Clip.read``: "center" (the default) keeps the middle, "letterbox"
        keeps everything between black bars, "stretch" keeps everything but not the proportions; "center:256" and
        "center:128x171" resize the shorter side or both sides to this and crop the middle. A clip of this size is left as
        it is.
    labels : sequence of str, {index: name} or {head: names}, optional
        Class names in order; or by head, for models with several heads. An empty list: no names.
    keep_hooks : bool, optional
        Run with copies of the module's forward hooks and forward pre-hooks. By default they are left out, and a warning
        and a caveat say so if they change the output, as one pass on noise shows. Copies have their own copies of the
        objects that the hooks refer to: a hook that appends to a list of yours does not append to it here, unless
        something in the list cannot be copied. Backward hooks are never kept.
    processor : object, optional
        What makes the network's input elsewhere: an image or video processor of Hugging Face; weights of torchvision
        (``R3D_18_Weights.KINETICS400_V1``), which also have labels, or their ``transforms()``; a data configuration of
        timm; or a dict with size, mean, std and so on. It is called with test clips to measure what it does.
    like : VideoModel, optional
        Another model, whose preprocessing, labels and options are taken.

    Returns
    -------
    VideoModel
        Values that you do not pass are taken from ``processor``, then from ``like``, then from the module (``config``,
        Lightning's ``hparams``, timm's ``pretrained_cfg``), else guessed from what runs; `VideoModel.sources` says where
        each came from. Guesses are listed in one warning, in ``preprocessing.assumed`` and as a caveat on every
        explanation.

    Raises
    ------
    TypeError, ValueError
        An argument does not have this form.
    ExplainError
        The module is scripted; or it runs with none of the usual sizes and layouts (the most likely error is quoted).
    """
    if not isinstance(module, nn.Module):
        raise UsageTypeError(f"adapt takes a torch.nn.Module, got {_describe_type(module)}")
    if like is not None and not isinstance(like, VideoModel):
        raise UsageTypeError(f"like must be a VideoModel, as adapt() returns it; got {type(like).__name__}")
    refuse_scripted(module)
    network = unwrapped(module)
    refuse_scripted(network)
    if any(parameter.is_meta for parameter in network.parameters()):
        raise ExplainError("this model has no weights yet: its parameters are on the meta device; load them first")
    given = {
        "size": None if size is None else check_size(size),
        "frames": frames,
        "mean": None if mean is None else rgb("mean", mean),
        "std": None if std is None else rgb("std", std),
        "layout": tuple(layout) if isinstance(layout, (list, tuple)) else layout,
        "crop": None if crop is None else check_crop(crop),
        "labels": None if labels is None else read_labels(labels),
    }
    keep_hooks = (like is not None and like.keep_hooks) if keep_hooks is None else keep_hooks
    found = _found(given, processor, like, network)
    (preprocessing, trace, layers), found = _first_that_runs(network, found, keep_hooks)
    sources = {name: found.sources.get(name, "guess") for name in _INFERRED}
    sources["crop"] = found.sources.get("crop", "default")
    is_known = {name for name in found.values if name not in found.hints}
    if "layout" not in is_known and trace is not None and is_only_layout(network, preprocessing, keep_hooks):
        is_known.add("layout")
        sources["layout"] = "the only one that runs"
    preprocessing = replace(preprocessing, assumed=tuple(name for name in _INFERRED if name not in is_known))
    names = found.values.get("labels", {})
    labels_source = "labels"
    if names:
        sources["labels"] = found.sources["labels"]
        carrier = "the model in like" if sources["labels"].startswith("like: ") else sources["labels"]
        labels_source = "labels" if labels is not None else f"the labels in {carrier}"
    caveats = (*_caveats(network, preprocessing, trace), *found.caveats)
    if preprocessing.assumed and not (like is not None and preprocessing.assumed == like.preprocessing.assumed):
        assumption = caveats[0]
        text = f"{type(network).__name__}: {assumption}"
        warn(Caveat(text, CaveatCode.ASSUMED_PREPROCESSING, preprocessing.assumed))
    known_hooks = user_hooks(network)
    if known_hooks and not keep_hooks:
        caveats += hook_caveat(network, preprocessing)
    slim = None if trace is None else trace.slim()
    return VideoModel(
        network, preprocessing, names, layers, caveats, labels_source, slim, keep_hooks, known_hooks, sources
    )


def _found(given: Mapping[str, Any], processor: Any, like: VideoModel | None, network: nn.Module) -> Carried:
    """Return what is known about the preprocessing and the labels, and from where: arguments first, then the others."""
    stated = {name: value for name, value in given.items() if value is not None}
    found = Carried(stated, dict.fromkeys(stated, ARGUMENT))
    if processor is not None:
        if isinstance(processor, VideoModel):
            raise UsageTypeError("processor is a VideoModel; pass it as like= to take its preprocessing")
        found = found.over(read_processor(processor))
    if like is not None:
        found = found.over(like.carried())
    found = found.over(carried_by(network))
    return found.only(lambda name, _: name not in ("mean", "std") or len(found.values[name]) == 3)


def _first_that_runs(network: nn.Module, found: Carried, keep_hooks: bool) -> tuple[_Runs, Carried]:
    """Return the first input that runs, and what is known of it.

    Values that nobody passed are given up if nothing runs with them: first the layout, which a wrapper may change.
    """
    attempts = [found, *(_without_carried(found, names) for names in (("layout",), _SHAPE))]
    error: ExplainError | None = None
    for attempt in (entry for i, entry in enumerate(attempts) if i == 0 or entry.values != attempts[i - 1].values):
        specified = {"crop": "center", **attempt.only(lambda name, _: name != "labels").values}
        try:
            return first_that_runs(network, specified, keep_hooks), attempt
        except ExplainError as raised:
            error = error or raised
    assert error is not None
    raise error


def _without_carried(found: Carried, names: Collection[str]) -> Carried:
    """Return values without those of some names that were not passed as arguments."""
    return found.only(lambda name, source: name not in names or source == ARGUMENT)


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


def _describe_type(value: Any) -> str:
    """Return the type of a value, with advice if its attribute ``model`` is a module, as that of a swapped network."""
    advice = "; pass its .model" if isinstance(getattr(value, "model", None), nn.Module) else ""
    return f"{type(value).__name__}{advice}"
