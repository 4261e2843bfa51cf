"""Wrap any nn.Module as a VideoModel; preprocessing that is not given is inferred by trial and reported."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import torch
from torch import nn

from notebook_explain._errors import ExplainError, UsageTypeError
from notebook_explain._validation import check_int, check_size
from notebook_explain._warn import warn
from notebook_explain.clip.resize import check_crop
from notebook_explain.explanations.caveats import Caveat, CaveatCode
from notebook_explain.models.bound_inputs import BoundInputs, held_caveat, inputs_while_adapting
from notebook_explain.models.forward_hooks import user_hooks
from notebook_explain.models.hook_check import hook_caveat
from notebook_explain.models.input_channels import normalised, takes_other_channels
from notebook_explain.models.input_search import first_that_runs
from notebook_explain.models.layer_trace import LayerTrace
from notebook_explain.models.metadata import read_config, read_labels
from notebook_explain.models.preprocessing import Preprocessing, check_units, numbers
from notebook_explain.models.rng import LocalRandomness
from notebook_explain.models.shadow import reference_parameter, refuse_scripted, unwrapped
from notebook_explain.models.unsure_positions import position_caveats
from notebook_explain.models.video_model import VideoModel

_INFERRED = ("size", "frames", "channels", "mean", "std", "layout")
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
    channels: int | None = None,
    mean: Sequence[float] | float | None = None,
    std: Sequence[float] | float | None = None,
    layout: str | Sequence[int] | None = None,
    crop: str = "center",
    labels: Sequence[str] | Mapping[Any, Any] | None = None,
    inputs: Any = None,
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
    crop : str
        Method that fits a clip to the size, as for ``Clip.read``: "center" keeps the middle, "letterbox" keeps everything
        between black bars, "stretch" keeps everything but not the proportions. A clip of this size is left as it is.
    labels : sequence of str, {index: name} or {head: names}, optional
        Class names in order; or by head, for models with several heads.
    inputs : dict, list, tuple or function, optional
        What the network takes beside the clip, if it takes more. A dict of keyword arguments, such as ``{"audio": audio}``, or
        a list of positional ones; ``ne.CLIP`` stands for the clip where it is not the first free argument, as in
        ``[{"video": ne.CLIP, "audio": audio}]`` for a network that takes one dict. Or a function of the clip, as the network
        takes it (normalised, in the layout), that returns ``(args, kwargs)``: ``lambda clip: ((clip, audio), {})``. The clip is
        explained; the other tensors are held, moved to the network's device and precision. A caveat names them.
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

        A layout is tested, whether you pass it or not, by one pass of positions: do the first weights combine the colours
        of each frame, or frames as if they were colours; does the network treat rows and columns alike; do frames meet, or
        are they separate clips? A guessed layout counts as found, not as assumed, only if these tests decide for it. Where
        they raise a suspicion, up to six forward passes on noise measure it. What contradicts a layout that you pass is an
        error or a caveat with the numbers.

    Raises
    ------
    TypeError, ValueError
        An argument does not have this form; or with the layout that you pass, the colours of a frame never meet in the
        network, though they do with another one.
    ExplainError
        The module is scripted; or it runs with none of the usual sizes and layouts (the most likely error is quoted), or
        only with layouts in which colours act as frames.
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
        "channels": None if channels is None else check_int("channels", channels),
        "mean": None if mean is None else numbers("mean", mean),
        "std": None if std is None else numbers("std", std),
        "layout": tuple(layout) if isinstance(layout, (list, tuple)) else layout,
    }
    specified = {**config, **{name: value for name, value in given.items() if value is not None}}
    specified["crop"] = check_crop(crop)
    names = read_labels(labels if labels is not None else config_labels)
    bound = None if inputs is None else BoundInputs(inputs)
    with inputs_while_adapting(network, bound):
        found = first_that_runs(network, specified, keep_hooks)
        preprocessing, trace = normalised(found.preprocessing, specified), found.trace
        known = {*specified, "layout"} if found.is_layout_tested else set(specified)
        if preprocessing.channels == 3 and channels is None:  # stated, they may be values in another unit than colours
            check_units(preprocessing.mean, preprocessing.std)
        if not takes_other_channels(network, preprocessing, specified, keep_hooks):
            known.add("channels")
    assumed = tuple(name for name in _INFERRED if name not in known)
    preprocessing = replace(preprocessing, assumed=assumed)
    caveats = (*_caveats(network, preprocessing, trace), *found.caveats)
    if preprocessing.assumed:
        assumption = caveats[0]
        text = f"{type(network).__name__}: {assumption}"
        warn(Caveat(text, CaveatCode.ASSUMED_PREPROCESSING, preprocessing.assumed))
    if bound is not None:
        caveats += _held_caveat(network, preprocessing, bound)
    known_hooks = user_hooks(network)
    if known_hooks and not keep_hooks:
        with inputs_while_adapting(network, bound):
            caveats += hook_caveat(network, preprocessing)
    labels_source = "labels" if labels is not None else "the labels in module.config.id2label"
    slim = None if trace is None else trace.slim()
    return VideoModel(
        network, preprocessing, names, found.layers, caveats, labels_source, slim, keep_hooks, known_hooks, bound
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


def _held_caveat(network: nn.Module, preprocessing: Preprocessing, inputs: BoundInputs) -> tuple[Caveat, ...]:
    """Return a caveat that names the inputs which do not depend on the clip, as one call shows."""
    reference = reference_parameter(network)
    with torch.inference_mode(False), torch.enable_grad(), LocalRandomness():
        clip = torch.zeros((1, preprocessing.channels, *preprocessing.shape), device=reference.device)
        arranged = preprocessing.arrange(clip.to(reference.dtype).requires_grad_().clone())
        return held_caveat(inputs.held(network, arranged))


def _module_caveat(module: Any) -> Caveat:
    """Return the caveat that a module reports; modules name its kind as ``caveat_code``."""
    return Caveat(module.caveat, getattr(module, "caveat_code", CaveatCode.MODULE))


def _assumption(p: Preprocessing) -> Caveat:
    height, width = p.size
    values: dict[str, Any] = {
        "size": height if height == width else p.size,
        "frames": p.frames,
        "channels": p.channels,
        "mean": _rounded(p.mean),
        "std": _rounded(p.std),
        "layout": p.layout,
    }
    guesses = ", ".join(f"{name} {values[name]!r}" for name in p.assumed)
    text = f"Not specified, assumed: {guesses}. If the guess is wrong, so is the explanation; pass these to adapt()."
    return Caveat(text, CaveatCode.ASSUMED_PREPROCESSING, p.assumed)


def _rounded(values: Sequence[float]) -> float | tuple[float, ...]:
    """Return rounded numbers; one number if all channels share it, unless they are colours."""
    rounded = tuple(round(value, 3) for value in values)
    return rounded[0] if len(set(rounded)) == 1 and len(rounded) != 3 else rounded


def _describe_type(value: Any) -> str:
    """Return the type of a value, with advice if its attribute ``model`` is a module, as that of a swapped network."""
    advice = "; pass its .model" if isinstance(getattr(value, "model", None), nn.Module) else ""
    return f"{type(value).__name__}{advice}"
