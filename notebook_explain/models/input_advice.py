"""Advice for networks that take something other than one clip: several inputs, a dict, or vectors such as joints."""

from __future__ import annotations

import contextlib
import inspect
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import nn
from torch.overrides import TorchFunctionMode

from notebook_explain._errors import join_names
from notebook_explain.models.bound_inputs import inputs_of, parameters_of
from notebook_explain.models.preprocessing import Preprocessing
from notebook_explain.models.rng import LocalRandomness
from notebook_explain.models.shadow import on_shadow, reference_parameter

_CLIP_NAMES = ("video", "clip", "pixel", "frame", "rgb", "image", "img", "volume")
_DICT_METHODS = frozenset({"get", "keys", "values", "items", "pop", "update", "setdefault"})
# Layers that take vectors: the attribute with their length, their axis, and the numbers of axes that the layer takes.
_WIDTHS: dict[type[nn.Module], tuple[str, int, tuple[int, ...]]] = {
    nn.Linear: ("in_features", -1, tuple(range(1, 9))),
    nn.Conv1d: ("in_channels", 1, (3,)),
    nn.BatchNorm1d: ("num_features", 1, (2, 3)),
    nn.RNNBase: ("input_size", -1, (2, 3)),
}
_LAYERS = (*_WIDTHS, nn.Conv2d, nn.Conv3d, nn.BatchNorm2d, nn.BatchNorm3d, nn.LayerNorm, nn.Embedding)
MAX_NAMES = 6


@dataclass(frozen=True)
class InputAdvice:
    """Advice on a network that does not run on a clip alone.

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
    if inputs_of(module) is not None:  # they are stated already
        return None
    needed, optional = _parameters(module)
    if len(needed) > 1:
        return _several_arguments(module, needed)
    first = _FirstUse()
    on_shadow(module, lambda shadow: _run(shadow, p, first))
    names = [*needed, *optional]
    if isinstance(error, TypeError) and not parameters_of(module, by_position=True):
        return _by_keyword(module, names)
    if first.keys or _takes_dict(error):
        return _one_dict(module, names[0] if names else "", first.keys)
    if isinstance(error, (ValueError, IndexError)) and _unpacks(error):
        return InputAdvice(
            f"the forward of {type(module).__name__} seems to take a list; if it takes more than the clip, state the list in "
            "inputs=, with ne.CLIP for the clip",
            "ne.adapt(net, inputs=[[ne.CLIP, other]])",
        )
    if first.layer == nn.Embedding.__name__ and any(map(_may_be_clip, names[1:])):
        return InputAdvice(
            f"the forward of {type(module).__name__} takes token indices first ({names[0]}); state them, and they are held "
            "while the clip is explained",
            _example(names[:1]),
        )
    words = set(re.findall(r"\w+", str(error)))
    mentioned = [name for name in names[1:] if name in words] or (names[1:] if words & {"None", "NoneType"} else [])
    return _vectors(module, first) or (_optional_arguments(module, mentioned) if mentioned else None)


def _by_keyword(module: nn.Module, names: Sequence[str]) -> InputAdvice:
    """Return advice for a forward without positional arguments, which may take any keywords."""
    clip = next(filter(_may_be_clip, names), names[0] if names else "video")
    known = f", {_listed(names)}" if names else ""
    return InputAdvice(
        f"the forward of {type(module).__name__} takes keyword arguments only{known}; name that of the clip, and others",
        _example([], clip),
    )


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
        return InputAdvice(
            f"{text}; compute them from the clip", f"ne.adapt(net, inputs=lambda clip: (({made}), {{}}))"
        )
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
        "pictures, so explain it together with the network that computes them from a clip",
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
    """First use that a network makes of its input: the keys that it asks for, and the first layer with weights.

    ``width`` is the length of the vectors that this layer takes, None for a convolution over pictures; ``fits`` is whether it
    got such vectors.
    """

    keys: list[str] = field(default_factory=list)
    layer: str | None = None
    width: int | None = None
    fits: bool = True

    def hook(self, module: nn.Module, args: tuple[Any, ...]) -> None:
        """Record the first layer, as a forward pre-hook."""
        if self.layer is not None or not args or not isinstance(args[0], torch.Tensor):
            return
        self.layer, shape = type(module).__name__, args[0].shape
        kind = next((kind for kind in _WIDTHS if isinstance(module, kind)), None)
        if kind is not None:
            attribute, axis, lengths = _WIDTHS[kind]
            self.width = int(getattr(module, attribute))
            self.fits = len(shape) in lengths and shape[axis] == self.width


class _Keys(TorchFunctionMode):
    """Record the keys by which a network takes entries of its input, as of a dict."""

    def __init__(self, use: _FirstUse) -> None:
        super().__init__()
        self.use = use

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if getattr(func, "__name__", "") == "__getitem__" and isinstance(args[1], str):
            if args[1] not in self.use.keys:
                self.use.keys.append(args[1])
            return args[0]
        return func(*args, **(kwargs or {}))


def _run(shadow: nn.Module, p: Preprocessing, use: _FirstUse) -> None:
    reference = reference_parameter(shadow)
    clip = torch.zeros((1, p.channels, *p.shape), device=reference.device, dtype=reference.dtype)
    handles = [part.register_forward_pre_hook(use.hook) for part in shadow.modules() if isinstance(part, _LAYERS)]
    # Anything may be raised on an input that the network does not accept.
    with contextlib.suppress(Exception), torch.no_grad(), LocalRandomness(), _Keys(use):
        shadow(p.arrange(clip))
    for handle in handles:
        handle.remove()
