"""Wrap any nn.Module as a VideoModel; preprocessing that is not given is inferred by trial and reported."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from torch import nn

from notebook_explain._errors import ExplainError, UsageTypeError
from notebook_explain._validation import check_size
from notebook_explain._warn import warn
from notebook_explain.clip.resize import check_crop
from notebook_explain.explanations.caveats import Caveat, CaveatCode
from notebook_explain.models.forward_hooks import user_hooks
from notebook_explain.models.hook_check import hook_caveat
from notebook_explain.models.input_search import first_that_runs, is_only_layout
from notebook_explain.models.layer_trace import LayerTrace
from notebook_explain.models.metadata import read_config, read_labels
from notebook_explain.models.output_kinds import carried_kinds, check_label_count, check_outputs, check_unit
from notebook_explain.models.preprocessing import Preprocessing, rgb
from notebook_explain.models.shadow import refuse_scripted, unwrapped
from notebook_explain.models.unsure_positions import position_caveats
from notebook_explain.models.video_model import VideoModel

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
    crop: str = "center",
    labels: Sequence[str] | Mapping[Any, Any] | None = None,
    outputs: str | Mapping[str, str] | None = None,
    unit: str | None = None,
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
        Class names in order; or by head, for models with several heads. Two names for a single output are no and yes.
    outputs : "classes", "binary", "multilabel" or "regression", or {head: kind}, optional
        What the network returns: scores of classes that exclude one another (softmax), one logit of no and yes, scores of
        labels that do not exclude one another (sigmoid), or values. Taken from ``module.config.problem_type`` if there is
        one, else guessed: several outputs are classes, or labels if the network ends in a sigmoid; one output is a logit
        if it ends in a sigmoid or has labels, else a value. A guess about one output or about labels is a caveat.
    unit : str, optional
        Unit of the values of a regression, such as "%" or "ms".
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
    config = read_config(network)
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
    names = read_labels(labels if labels is not None else config_labels)
    kinds = check_outputs(outputs) or carried_kinds(network)
    preprocessing, trace, layers = first_that_runs(network, specified, keep_hooks)
    known = set(specified)
    if "layout" not in specified and trace is not None and is_only_layout(network, preprocessing, keep_hooks):
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
    if trace is not None and labels is not None:
        check_label_count(labels_source, names, kinds, trace.ends)
    return VideoModel(
        network,
        preprocessing,
        names,
        layers,
        caveats,
        labels_source,
        None if trace is None else trace.slim(),
        keep_hooks,
        known_hooks,
        kinds,
        check_unit(unit),
    )


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
