"""Wrap any nn.Module as a VideoModel; preprocessing that is not given is inferred by trial and reported."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from torch import nn

from notebook_explain._errors import ExplainError, UsageTypeError
from notebook_explain._progress import stage, working
from notebook_explain._validation import check_int, check_size
from notebook_explain._warn import warn
from notebook_explain.clip.resize import check_crop
from notebook_explain.explanations.caveats import Caveat, CaveatCode
from notebook_explain.models.bound_inputs import BoundInputs, inputs_while_adapting
from notebook_explain.models.carried import Carried
from notebook_explain.models.forward_hooks import user_hooks
from notebook_explain.models.hook_check import hook_caveat
from notebook_explain.models.input_search import FoundInput
from notebook_explain.models.known_values import ARGUMENT, find_input, known_values
from notebook_explain.models.metadata import read_labels
from notebook_explain.models.model_caveats import held_inputs_caveat, model_caveats
from notebook_explain.models.output_kinds import carried_kinds, check_label_count, check_outputs, check_unit
from notebook_explain.models.preprocessing import numbers
from notebook_explain.models.shadow import refuse_programs, unwrapped
from notebook_explain.models.video_model import VideoModel

_INFERRED = ("size", "frames", "channels", "mean", "std", "layout")
GUESS = "guess"


def adapt(
    module: nn.Module,
    *,
    size: int | Sequence[int] | None = None,
    frames: int | None = None,
    channels: int | None = None,
    mean: Sequence[float] | float | None = None,
    std: Sequence[float] | float | None = None,
    layout: str | Sequence[int] | None = None,
    crop: str | None = None,
    labels: Sequence[str] | Mapping[Any, Any] | None = None,
    inputs: Any = None,
    outputs: str | Mapping[str, str] | None = None,
    unit: str | None = None,
    keep_hooks: bool | None = None,
    processor: Any = None,
    like: VideoModel | None = None,
) -> VideoModel:
    """Wrap a module as a model that can be explained; the module itself is not modified.

    Parameters
    ----------
    module : nn.Module
        Video network; plain, or wrapped in ``torch.compile`` or ``DataParallel``.
    size : int or (height, width), optional
        Input size in pixels used in training; one number is a square.
    frames : int, optional
        Number of input frames used in training.
    channels : int, optional
        Number of input channels. By default three (red, green, blue) if the network takes them, else what its first layer
        takes. A network of one channel gets the grey of a clip of colours; for all others, and for values that are no 8-bit
        colours, make the clip with ``Clip.from_array``.
    mean, std : float or one float for each channel, optional
        In units of 0..1: the network gets ``(rgb / 255 - mean) / std``; of a clip of values ``(values - mean) / std``, in
        their unit. By default those of Kinetics for three channels, 0 and 1 for others.
    layout : str or sequence of int, optional
        The network's axes in order: B (batch), C (channels), T (time), H, W, each once, and N for views or clips of a video,
        of which it gets one; axes in parentheses are merged. "BCTHW", "BTCHW" (Hugging Face), "BTHWC", "TBCHW" (time
        first), "(BT)CHW" (frames in the batch axis), "B(TC)HW" (the channels of all frames in one axis), "BNCTHW", "BTHW"
        (no axis for channels: the network gets the grey of a colour clip). Or the strides in time of several pathways,
        such as ``(4, 1)`` for SlowFast.
    crop : str, optional
        Method that fits a clip to the size, as for ``Clip.read``: "center" (the default) keeps the middle, "letterbox"
        keeps everything between black bars, "stretch" keeps everything but not the proportions; "center:256" and
        "center:128x171" resize the shorter side or both sides to this and crop the middle. A clip of this size is left as
        it is.
    labels : sequence of str, {index: name} or {head: names}, optional
        Class names in order; or by head, for models with several heads. Two names for a single output are no and yes. An
        empty list: no names.
    inputs : dict, list, tuple or function, optional
        What the network takes beside the clip, if it takes more. A dict of keyword arguments, such as ``{"audio": audio}``, or
        a list of positional ones; ``ne.CLIP`` stands for the clip where it is not the first free argument, as in
        ``[{"video": ne.CLIP, "audio": audio}]`` for a network that takes one dict. Or a function of the clip, as the network
        takes it (normalised, in the layout), that returns ``(args, kwargs)``: ``lambda clip: ((clip, audio), {})``. The clip is
        explained; the other tensors are held, moved to the network's device and precision. A caveat names them.
    outputs : "classes", "binary", "multilabel" or "regression", or {head: kind}, optional
        What the network returns: scores of classes that exclude one another (softmax), one logit of no and yes, scores of
        labels that do not exclude one another (sigmoid), or values. Taken from ``module.config.problem_type`` if there is
        one, else guessed: several outputs are classes, or labels if the network ends in a sigmoid; one output is a logit
        if it ends in a sigmoid or has labels, else a value. A guess about one output, or
        about labels that do not exclude one another, is a caveat.
    unit : str, optional
        Unit of the values of a regression, such as "%" or "ms".
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

        A layout is tested, whether you pass it or not, by one pass of positions: do the first weights combine the colours
        of each frame, or frames as if they were colours; does the network treat rows and columns alike; do frames meet, or
        are they separate clips? A guessed layout counts as tested, not as assumed, only if these tests confirm it. If a
        layout looks wrong, up to six forward passes on noise measure how the scores change. What contradicts a layout
        that you pass is an error or a caveat with the numbers.

    Raises
    ------
    TypeError, ValueError
        An argument does not have this form; or with the layout that you pass, the colours of a frame never meet in the
        network, though they do with another one.
    ExplainError
        The module is scripted; or it runs with none of the usual sizes and layouts (the most likely error is quoted), or
        only with layouts in which colours act as frames.
    """
    network = _check_network(module, like)
    given = _given_values(
        size=size, frames=frames, channels=channels, mean=mean, std=std, layout=layout, crop=crop, labels=labels
    )
    keep_hooks = (like is not None and like.keep_hooks) if keep_hooks is None else keep_hooks
    bound = BoundInputs(inputs) if inputs is not None else None if like is None else like.inputs
    kinds = check_outputs(outputs) or ({} if like is None else like.outputs) or carried_kinds(network)
    known = known_values(given, processor, like, network)
    with working(f"adapting {type(network).__name__}"):
        with inputs_while_adapting(network, bound):
            found, known, has_one_number = find_input(network, known, keep_hooks)
        sources = _sources(known, has_one_number, found.is_layout_tested)
        assumed = tuple(name for name in _INFERRED if sources.get(name) == GUESS or name in known.hints)
        found = replace(found, preprocessing=replace(found.preprocessing, assumed=assumed))
        caveats = _caveats(network, found, known, bound, like)
        known_hooks = user_hooks(network)
        if known_hooks and not keep_hooks:
            stage("test of its hooks")
            with inputs_while_adapting(network, bound):
                caveats += hook_caveat(network, found.preprocessing)
    names, labels_source = known.values.get("labels", {}), _labels_source(sources)
    if found.trace is not None and labels is not None:
        check_label_count(labels_source, names, kinds, found.trace.ends)
    return VideoModel(
        network,
        found.preprocessing,
        names,
        found.layers,
        caveats,
        labels_source=labels_source,
        layer_trace=None if found.trace is None else found.trace.slim(),
        keep_hooks=keep_hooks,
        known_hooks=known_hooks,
        inputs=bound,
        outputs=kinds,
        unit=check_unit(unit) or ("" if like is None else like.unit),
        sources=sources,
    )


def _check_network(module: Any, like: Any) -> nn.Module:
    """Return the network inside wrappers; raise an error unless it can be explained and ``like`` is a model."""
    if not isinstance(module, nn.Module):
        raise UsageTypeError(f"adapt takes a torch.nn.Module, got {_describe_type(module)}")
    if like is not None and not isinstance(like, VideoModel):
        raise UsageTypeError(f"like must be a VideoModel, as adapt() returns it; got {type(like).__name__}")
    refuse_programs(module)
    network = unwrapped(module)
    refuse_programs(network)
    if any(parameter.is_meta for parameter in network.parameters()):
        raise ExplainError("this model has no weights yet: its parameters are on the meta device; load them first")
    return network


def _given_values(**given: Any) -> dict[str, Any]:
    """Return the arguments of `adapt` about the input, checked and in one form each; ``None`` stays."""
    forms: dict[str, Callable[[Any], Any]] = {
        "size": check_size,
        "channels": lambda value: check_int("channels", value),
        "mean": lambda value: numbers("mean", value),
        "std": lambda value: numbers("std", value),
        "layout": lambda value: tuple(value) if isinstance(value, (list, tuple)) else value,
        "crop": check_crop,
        "labels": read_labels,
    }
    return {name: forms[name](value) if value is not None and name in forms else value for name, value in given.items()}


def _caveats(
    network: nn.Module, found: FoundInput, known: Carried, bound: BoundInputs | None, like: VideoModel | None
) -> tuple[str, ...]:
    """Return the caveats of every explanation; warn of guesses that the model in ``like`` did not have."""
    preprocessing = found.preprocessing
    caveats = (*model_caveats(network, preprocessing, found.trace), *found.caveats, *known.caveats)
    assumed = preprocessing.assumed
    if assumed and not (like is not None and assumed == like.preprocessing.assumed):
        warn(Caveat(f"{type(network).__name__}: {caveats[0]}", CaveatCode.ASSUMED_PREPROCESSING, assumed))
    return caveats if bound is None else (*caveats, *held_inputs_caveat(network, preprocessing, bound))


def _sources(known: Carried, has_one_number: bool, is_layout_tested: bool) -> dict[str, str]:
    """Return where each value of the preprocessing, and the labels, came from.

    A number of channels that was not stated has no source if the network takes no other number.
    """
    sources = {name: known.sources.get(name, GUESS) for name in _INFERRED}
    sources["crop"] = known.sources.get("crop", "default")
    if "labels" in known.values:
        sources["labels"] = known.sources["labels"]
    if sources["layout"] == GUESS and is_layout_tested:
        sources["layout"] = "tested"
    if sources["channels"] == GUESS and has_one_number:
        del sources["channels"]
    return sources


def _labels_source(sources: Mapping[str, str]) -> str:
    """Return where the labels are from, for errors."""
    source = sources.get("labels", ARGUMENT)
    if source == ARGUMENT:
        return "labels"
    return f"the labels in {'the model in like' if source.startswith('like: ') else source}"


def _describe_type(value: Any) -> str:
    """Return the type of a value, with advice on the module to pass instead: that in a swapped network or before an export."""
    advice = "; pass its .model" if isinstance(getattr(value, "model", None), nn.Module) else ""
    if type(value).__module__.startswith("torch.export."):
        advice = "; pass the nn.Module that it was exported from"
    return f"{type(value).__name__}{advice}"
