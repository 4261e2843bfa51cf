"""Inputs of a network beside the clip: bound when it is adapted, held as they are while the clip is explained.

Every pass of an explanation calls the network with the clip alone. A forward pre-hook on the shadow turns that call into the
network's own: ``net(clip, audio=audio)``. So activations, gradients, positions and relevance are those of this call.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any, TypeVar

import torch
from torch import nn

from notebook_explain._errors import UsageTypeError, join_names
from notebook_explain.explanations.caveats import Caveat, CaveatCode

_FORM = (
    "inputs must be a function clip -> (args, kwargs), such as lambda clip: ((clip, audio), {}); a dict of keyword arguments, "
    "such as {'audio': audio}; or a list of positional arguments, with ne.CLIP where the clip belongs"
)


Result = TypeVar("Result")


class _ClipSlot:
    """Type of `CLIP`."""

    def __repr__(self) -> str:
        return "CLIP"

    def __reduce__(self) -> str:  # copies and pickles are the same object
        return "CLIP"


CLIP = _ClipSlot()
"""Stands for the clip in ``adapt(inputs=...)``: ``inputs={"pixel_values": ne.CLIP, "input_ids": ids}``."""


class BoundInputsError(UsageTypeError):
    """Error: the value of ``inputs`` does not give the arguments of a call."""


@dataclass(frozen=True, eq=False)
class BoundInputs:
    """Arguments with which a network is called, given the clip as it takes it.

    Attributes
    ----------
    given : function, dict, list or tuple
        Function ``clip -> (args, kwargs)``; or keyword or positional arguments, in which `CLIP` stands for the clip at any
        depth. Without it, the clip is the first argument that a dict does not name, and comes before those of a list.
    """

    given: Any

    def __post_init__(self) -> None:
        if not (callable(self.given) or isinstance(self.given, (Mapping, list, tuple))):
            advice = "; for one tensor, write inputs=(tensor,)" if isinstance(self.given, torch.Tensor) else ""
            raise BoundInputsError(f"{_FORM}; got {type(self.given).__name__}{advice}")

    def arguments(self, module: nn.Module, clip: Any) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """Return (args, kwargs) of a call; tensors that do not depend on the clip are copies in the network's precision.

        Parameters
        ----------
        module : nn.Module
            Its first parameter gives device and precision; integers keep theirs.
        clip : tensor, or list of tensors
            In the layout of the network, normalised.
        """
        like = next((p for p in module.parameters() if p.is_floating_point()), torch.zeros(()))
        given = self.given
        if callable(given):
            args, kwargs = _returned(given(clip))
            return tuple(_moved(value, like) for value in args), {name: _moved(kwargs[name], like) for name in kwargs}
        has_clip = _has_clip(given)
        if not isinstance(given, Mapping):
            args = tuple(_filled(value, clip, like) for value in given)
            return (args if has_clip else (clip, *args)), {}
        kwargs = {str(name): _filled(value, clip, like) for name, value in given.items()}
        if has_clip:
            return (), kwargs
        free = next((name for name in parameters_of(module) if name not in kwargs), None)
        is_first = free is None or free in parameters_of(module, by_position=True)[:1]
        return ((clip,), kwargs) if is_first else ((), {str(free): clip, **kwargs})

    def hook(self, module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Return the arguments of the network's own call, as a forward pre-hook."""
        (clip,) = args
        return self.arguments(module, clip)

    @contextmanager
    def bound(self, shadow: nn.Module) -> Iterator[None]:
        """Call a shadow with these inputs within this context."""
        hooks = shadow._forward_pre_hooks
        for key in [key for key, hook in hooks.items() if isinstance(getattr(hook, "__self__", None), BoundInputs)]:
            del hooks[key]  # the shadow is a copy of one that had bound inputs
        handle = shadow.register_forward_pre_hook(self.hook, with_kwargs=True, prepend=True)
        try:
            yield
        finally:
            handle.remove()

    def held(self, module: nn.Module, clip: Any) -> tuple[str, ...]:
        """Return the names of the inputs that do not depend on the clip.

        Parameters
        ----------
        module : nn.Module
        clip : tensor, or list of tensors
            Part of an autograd graph.
        """
        args, kwargs = self.arguments(module, clip)
        try:
            named = inspect.signature(module.forward).bind(*args, **kwargs).arguments
        except (TypeError, ValueError):
            named = {**{f"argument {k}": value for k, value in enumerate(args)}, **kwargs}
        found: list[str] = []
        for name, value in named.items():
            parts = value if isinstance(value, Mapping) else {name: value}
            found += [str(key) for key, part in parts.items() if part is not None and not _depends_on_clip(part)]
        return tuple(found)


_while_adapting: ContextVar[tuple[nn.Module, BoundInputs] | None] = ContextVar("inputs_while_adapting", default=None)


@contextmanager
def inputs_while_adapting(module: nn.Module, inputs: BoundInputs | None) -> Iterator[None]:
    """Within this context, all trial passes of a module (``shadow.on_shadow``) run with bound inputs."""
    token = _while_adapting.set(None if inputs is None else (module, inputs))
    try:
        yield
    finally:
        _while_adapting.reset(token)


def inputs_of(module: nn.Module) -> BoundInputs | None:
    """Return the inputs with which a module is being adapted."""
    current = _while_adapting.get()
    return current[1] if current is not None and current[0] is module else None


def bound_to(inputs: BoundInputs | None, compute: Callable[[nn.Module], Result]) -> Callable[[nn.Module], Result]:
    """Return a function of a shadow that runs with bound inputs."""
    if inputs is None:
        return compute

    def run(shadow: nn.Module) -> Result:
        with inputs.bound(shadow):
            return compute(shadow)

    return run


def held_caveat(names: tuple[str, ...]) -> tuple[Caveat, ...]:
    """Return a caveat that names the inputs which are held."""
    if not names:
        return ()
    verb = "are" if len(names) > 1 else "is"
    text = f"The clip is explained; {join_names(names, 'and')}, which the network takes too, {verb} held as given."
    return (Caveat(text, CaveatCode.HELD_INPUTS),)


def parameters_of(module: nn.Module, *, by_position: bool = False) -> list[str]:
    """Return the names of the parameters of a network's forward; on request only those that can be passed by position."""
    kinds: list[Any] = [inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD]
    kinds += [] if by_position else [inspect.Parameter.KEYWORD_ONLY]
    return [name for name, parameter in inspect.signature(module.forward).parameters.items() if parameter.kind in kinds]


def _has_clip(value: Any) -> bool:
    if isinstance(value, Mapping):
        return any(map(_has_clip, value.values()))
    return value is CLIP or (isinstance(value, (list, tuple)) and any(map(_has_clip, value)))


def _returned(call: Any) -> tuple[Any, Mapping[str, Any]]:
    """Return the args and kwargs that a function of the clip returned."""
    is_pair = isinstance(call, tuple) and len(call) == 2 and isinstance(call[0], (tuple, list))
    if is_pair and isinstance(call[1], Mapping):
        return call[0], call[1]
    kinds = ", ".join(type(part).__name__ for part in call) if isinstance(call, tuple) else type(call).__name__
    raise BoundInputsError(f"{_FORM}; the function returned {f'({kinds})' if isinstance(call, tuple) else kinds}")


def _filled(value: Any, clip: Any, like: torch.Tensor) -> Any:
    """Return arguments with the clip in its slots; containers are new, since networks write into theirs."""

    def fill(leaf: Any) -> Any:
        if leaf is CLIP:
            return clip
        return _copied(leaf, like) if isinstance(leaf, torch.Tensor) else leaf

    return _mapped(value, fill)


def _moved(value: Any, like: torch.Tensor) -> Any:
    """Leave what a function computed from the clip as it is, and copy all other tensors in the network's precision."""

    def move(leaf: Any) -> Any:
        is_plain = type(leaf) in (torch.Tensor, nn.Parameter) and leaf.grad_fn is None
        return _copied(leaf, like) if is_plain else leaf

    return _mapped(value, move)


def _copied(tensor: torch.Tensor, like: torch.Tensor) -> torch.Tensor:
    dtype = like.dtype if tensor.is_floating_point() else tensor.dtype
    return tensor.detach().to(like.device, dtype, copy=True)


def _mapped(value: Any, function: Callable[[Any], Any]) -> Any:
    """Apply a function to every leaf of nested dicts, lists and tuples."""
    if isinstance(value, Mapping):
        entries = {key: _mapped(part, function) for key, part in value.items()}
        return entries if type(value) is dict else _like(value, entries)
    if isinstance(value, (list, tuple)):
        parts = [_mapped(part, function) for part in value]
        return type(value)(*parts) if hasattr(value, "_fields") else type(value)(parts)
    return function(value)


def _like(mapping: Mapping[Any, Any], entries: dict[Any, Any]) -> Any:
    """Return entries in a mapping of another kind, such as a tokenizer's; as a dict if it takes none."""
    try:
        return type(mapping)(entries)  # type: ignore[call-arg]
    except Exception:
        return entries


def _depends_on_clip(value: Any) -> bool:
    if isinstance(value, Mapping):
        value = list(value.values())
    if isinstance(value, (list, tuple)):
        return any(map(_depends_on_clip, value))
    return isinstance(value, torch.Tensor) and value.grad_fn is not None
