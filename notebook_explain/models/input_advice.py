"""Advice for networks that take something else than one clip: several inputs, a dict, or vectors such as joints."""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import nn
from torch.overrides import TorchFunctionMode

from notebook_explain._errors import join_names
from notebook_explain.models.preprocessing import Preprocessing
from notebook_explain.models.rng import LocalRandomness
from notebook_explain.models.shadow import on_shadow, reference_parameter

_CLIP_NAMES = ("video", "clip", "pixel", "frame", "rgb", "image", "img", "volume")
_DICT_METHODS = frozenset({"get", "keys", "values", "items", "pop", "update", "setdefault"})
_RECURRENT = ("lstm", "gru", "rnn_tanh", "rnn_relu")
_LAYERS = frozenset({"linear", "conv1d", "conv2d", "conv3d", "batch_norm", "layer_norm", "embedding", *_RECURRENT})
MAX_NAMES = 6


@dataclass(frozen=True)
class InputAdvice:
    """What to do about a network that runs with no clip alone.

    Attributes
    ----------
    sentence : str
        What the network takes, and what to do.
    example : str
        Line of Python that does it, in which ``net`` is the network.
    is_certain : bool
        False if another size or layout may be the solution as well.
    """

    sentence: str
    example: str
    is_certain: bool = True


def input_advice(module: nn.Module, error: BaseException | None, p: Preprocessing) -> InputAdvice | None:
    """Return advice for a network that raised an error when it was called with one clip; None if nothing is known.

    Parameters
    ----------
    module : nn.Module
    error : exception or None
        What it raised.
    p : Preprocessing
        An input with which it was tried.
    """
    needed, optional = _parameters(module)
    if len(needed) > 1:
        return _several_arguments(module, needed)
    first = _FirstUse()
    on_shadow(module, lambda shadow: _run(shadow, p, first))
    names = [*needed, *optional]
    if first.keys or _takes_dict(error):
        return _one_dict(module, names[0] if names else "", first.keys)
    if isinstance(error, (ValueError, IndexError)) and _unpacks(error):
        return InputAdvice(
            f"the forward of {type(module).__name__} seems to take a list; if it takes more than the clip, state the list in "
            "inputs=, with ne.CLIP for the clip",
            "ne.adapt(net, inputs=[[ne.CLIP, other]])",
        )
    if first.layer == "embedding" and any(map(_may_be_clip, names[1:])):
        return InputAdvice(
            f"the forward of {type(module).__name__} takes token indices first ({names[0]}); state them, and they are held "
            "while the clip is explained",
            _example(names[:1]),
        )
    mentioned = [name for name in names[1:] if name in str(error)] or (names[1:] if "None" in str(error) else [])
    return _vectors(module, first) or (_optional_arguments(module, mentioned) if mentioned else None)


def _optional_arguments(module: nn.Module, names: Sequence[str]) -> InputAdvice:
    return InputAdvice(
        f"the forward of {type(module).__name__} takes more than a clip: {_listed(names)}. What it needs of these can be held "
        "while the clip is explained",
        _example(names[:1]),
    )


def _parameters(module: nn.Module) -> tuple[list[str], list[str]]:
    """Return the names of the parameters of forward that are needed, and of those with a default."""
    try:
        parameters = inspect.signature(module.forward).parameters.values()
    except (TypeError, ValueError):
        return [], []
    named = [one for one in parameters if one.kind not in (one.VAR_POSITIONAL, one.VAR_KEYWORD)]
    needed = [one.name for one in named if one.default is one.empty]
    return needed, [one.name for one in named if one.default is not one.empty]


def _several_arguments(module: nn.Module, needed: Sequence[str]) -> InputAdvice:
    text = f"the forward of {type(module).__name__} takes {len(needed)} arguments, {_listed(needed)}, not only a clip"
    if sorted(needed) == ["fast", "slow"]:
        made = ", ".join("clip" if name == "fast" else "clip[:, :, ::4]" for name in needed)
        return InputAdvice(f"{text}; make them of the clip", f"ne.adapt(net, inputs=lambda clip: (({made}), {{}}))")
    clip = next(filter(_may_be_clip, needed), needed[0])
    others = [name for name in needed if name != clip]
    text += "; state the others, and they are held while the clip is explained"
    return InputAdvice(text, _example(others) if clip == needed[0] else _example(others, clip))


def _one_dict(module: nn.Module, parameter: str, keys: Sequence[str]) -> InputAdvice:
    names = list(keys) or ["video"]
    clip = next(filter(_may_be_clip, names), names[0])
    entries = ", ".join(f"{name!r}: {'ne.CLIP' if name == clip else _variable(name)}" for name in names)
    known = f" with the keys {_listed(keys)}" if keys else ""
    return InputAdvice(
        f"the forward of {type(module).__name__} takes a dict ({parameter}){known}, not a clip; state it in inputs=, with "
        "ne.CLIP for the clip: the rest is held while the clip is explained",
        f"ne.adapt(net, inputs=[{{{entries}}}])",
    )


def _vectors(module: nn.Module, first: _FirstUse) -> InputAdvice | None:
    if first.layer is None or first.width is None or first.fits:
        return None
    return InputAdvice(
        f"its first layer ({first.layer}) takes {first.width} numbers at a time; if these are joints or features, it takes no "
        "pictures, so explain it together with the network that makes them of a clip",
        "ne.adapt(torch.nn.Sequential(features, net))",
        is_certain=False,
    )


def _example(others: Sequence[str], clip: str | None = None) -> str:
    entries = [f"{clip!r}: ne.CLIP"] if clip is not None else []
    entries += [f"{name!r}: {_variable(name)}" for name in others]
    return f"ne.adapt(net, inputs={{{', '.join(entries)}}})"


def _variable(name: str) -> str:
    return name if name.isidentifier() else "value"


def _listed(names: Sequence[str]) -> str:
    shown = list(names[:MAX_NAMES]) + (["others"] if len(names) > MAX_NAMES else [])
    return join_names(shown, "and")


def _may_be_clip(name: str) -> bool:
    return any(word in name.lower() for word in _CLIP_NAMES)


def _takes_dict(error: BaseException | None) -> bool:
    """Return whether a network treated a tensor as a dict: ``batch.get("video")`` or ``net(**batch)``."""
    if isinstance(error, AttributeError):
        return isinstance(getattr(error, "obj", None), torch.Tensor) and error.name in _DICT_METHODS
    return isinstance(error, TypeError) and "must be a mapping" in str(error)


def _unpacks(error: Exception) -> bool:
    """Return whether Python failed to take a tensor apart: ``slow, fast = inputs`` or ``inputs[1]``."""
    return "to unpack" in str(error) or "out of bounds for dimension 0" in str(error)


@dataclass(eq=False)
class _FirstUse:
    """What a network does first with its input: the keys that it asks for, and the first layer with weights."""

    keys: list[str] = field(default_factory=list)
    layer: str | None = None
    width: int | None = None
    fits: bool = True


class _Watch(TorchFunctionMode):
    """Record the first use of the clip."""

    def __init__(self, use: _FirstUse) -> None:
        super().__init__()
        self.use = use

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        name = getattr(func, "__name__", "").strip("_")
        if name == "getitem" and isinstance(args[1], str):
            if args[1] not in self.use.keys:
                self.use.keys.append(args[1])
            return args[0]
        if self.use.layer is None and _is_layer(name, args):
            self._keep(name, args)
        return func(*args, **kwargs)

    def _keep(self, name: str, args: Any) -> None:
        self.use.layer = name
        x = args[0]
        if name in ("linear", "conv1d"):
            self.use.width = int(args[1].shape[1])
            self.use.fits = x.shape[-1 if name == "linear" else 1] == self.use.width
        elif name == "batch_norm" and isinstance(args[1], torch.Tensor):
            self.use.width, self.use.fits = len(args[1]), x.shape[1] == len(args[1])
        elif name in _RECURRENT:
            weights = next((a for a in args if isinstance(a, (list, tuple)) and len(a) > 1), None)
            if weights is not None and isinstance(weights[0], torch.Tensor) and weights[0].ndim == 2:
                self.use.width, self.use.fits = int(weights[0].shape[1]), x.shape[-1] == weights[0].shape[1]


def _is_layer(name: str, args: Any) -> bool:
    return name in _LAYERS and len(args) > 1 and isinstance(args[0], torch.Tensor)


def _run(shadow: nn.Module, p: Preprocessing, use: _FirstUse) -> None:
    reference = reference_parameter(shadow)
    clip = torch.zeros((1, p.channels, *p.shape), device=reference.device, dtype=reference.dtype)
    try:
        with torch.no_grad(), LocalRandomness(), _Watch(use):
            shadow(p.arrange(clip))
    except Exception:  # anything that a network raises on an input that it does not accept
        pass
