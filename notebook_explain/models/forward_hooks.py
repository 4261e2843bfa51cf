"""Forward hooks of the user: find them, test whether they change what a network computes, and copy them to a shadow.

Explanations leave a user's hooks out by default. Hooks that only record change nothing. Hooks that return a value or
write into a tensor are part of the computation, so explanations must state when they are left out.

A copied hook is independent of the user's objects: variables that its function closes over, global lists, dicts and sets
that it names, and the object that a method belongs to are copied with it, once for all hooks of a shadow. A hook that
refers to the network refers to the shadow then. What cannot be copied is shared.
"""

from __future__ import annotations

import copy
import functools
import types
from collections import OrderedDict
from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import nn

FORWARD_HOOKS = ("_forward_hooks", "_forward_pre_hooks")
# Dicts of flags by the same keys.
_FLAGS = ("_forward_hooks_with_kwargs", "_forward_hooks_always_called", "_forward_pre_hooks_with_kwargs")
_CONTAINERS = (list, dict, set)


def computes_weights(hook: Any) -> bool:
    """Return whether a hook is one of ``torch.nn.utils``, such as those of ``spectral_norm``."""
    return type(hook).__module__.startswith("torch.nn.utils")


def user_hooks(module: nn.Module) -> frozenset[int]:
    """Return the keys of all forward hooks of the user; torch gives no key twice."""
    return frozenset(
        key
        for part in module.modules()
        for attribute in FORWARD_HOOKS
        for key, hook in vars(part).get(attribute, {}).items()
        if not computes_weights(hook)
    )


def copy_hooks(module: nn.Module, shadow: nn.Module, memo: dict[int, Any]) -> None:
    """Copy the forward hooks of a module to its shadow.

    Parameters
    ----------
    module, shadow : nn.Module
    memo : dict
        Of the deep copy that made the shadow.
    """
    for part, copied in zip(module.modules(), shadow.modules(), strict=True):
        for attribute in FORWARD_HOOKS:
            hooks = vars(part)[attribute]
            vars(copied)[attribute] = OrderedDict((key, _copied(hook, memo)) for key, hook in hooks.items())
        for attribute in _FLAGS:
            vars(copied)[attribute] = OrderedDict(vars(part).get(attribute, {}))


def tensors_with_graph(value: Any, depth: int = 4) -> Iterator[torch.Tensor]:
    """Yield tensors that are part of a graph, which deepcopy refuses, including those in dicts, lists and tuples."""
    if isinstance(value, torch.Tensor):
        if not value.is_leaf:
            yield value
    elif depth and isinstance(value, (dict, list, tuple)):
        for entry in value.values() if isinstance(value, dict) else value:
            yield from tensors_with_graph(entry, depth - 1)


def _copied(value: Any, memo: dict[int, Any]) -> Any:
    if id(value) in memo:
        return memo[id(value)]
    if isinstance(value, types.FunctionType):
        return _copied_function(value, memo)
    if isinstance(value, types.MethodType):
        return types.MethodType(_copied(value.__func__, memo), _copied(value.__self__, memo))
    if isinstance(value, functools.partial):
        arguments = {name: _copied(argument, memo) for name, argument in value.keywords.items()}
        return functools.partial(
            _copied(value.func, memo), *[_copied(argument, memo) for argument in value.args], **arguments
        )
    for kept in (value, getattr(value, "__dict__", None)):
        memo.update((id(tensor), tensor) for tensor in tensors_with_graph(kept))
    try:
        return copy.deepcopy(value, memo)
    except Exception:  # locks, files, modules of Python
        return value


def _copied_function(function: types.FunctionType, memo: dict[int, Any]) -> Callable[..., Any]:
    names = dict(function.__globals__)
    for name in function.__code__.co_names:
        value = names.get(name)
        if isinstance(value, _CONTAINERS) or id(value) in memo:
            names[name] = _copied(value, memo)
    cells = tuple(types.CellType() for _ in function.__closure__ or ())
    copied = types.FunctionType(function.__code__, names, function.__name__, function.__defaults__, cells or None)
    memo[id(function)] = copied  # before the cells, which may hold the function itself
    copied.__kwdefaults__ = function.__kwdefaults__
    copied.__dict__.update(function.__dict__)
    for cell, original in zip(cells, function.__closure__ or (), strict=True):
        try:
            cell.cell_contents = _copied(original.cell_contents, memo)
        except ValueError:  # a variable that has no value yet
            continue
    return copied
