"""Leave no trace: explanations run on a shadow of the user's module, never on the module itself.

A shadow is a deep copy with the parameters in the memo: it shares their storage, while hooks, train flags and buffers
are its own. The user's hooks stay off it (those of ``torch.nn.utils``, which are part of how a weight is computed,
stay on). What cannot be copied is guarded instead: everything that an explanation may touch is put back, under a lock
per module.

Parameters may change meanwhile, if another thread trains the model. Their version counters tell: the explanation is
then made again on a copy of the parameters, and says so.
"""

from __future__ import annotations

import copy
import threading
import weakref
from collections import OrderedDict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

import torch
from torch import nn

from notebook_explain.explanations import ExplainError

Result = TypeVar("Result")
CHANGED = (
    "The parameters changed while this was computed (another thread trains the model?): "
    "it explains a copy of them, taken between two changes as far as that could be seen."
)
IN_FLOAT32 = "Computed in float32: this device has no {dtype} version of an operation in the network."

_locks: weakref.WeakKeyDictionary[nn.Module, threading.RLock] = weakref.WeakKeyDictionary()


def unwrapped(module: nn.Module) -> nn.Module:
    """The network inside ``torch.compile``, ``DataParallel`` and ``DistributedDataParallel``."""
    while True:
        inner = getattr(module, "_orig_mod", None)
        if isinstance(inner, nn.Module):
            module = inner
        elif isinstance(module, (nn.DataParallel, nn.parallel.DistributedDataParallel)):
            module = module.module
        else:
            return module


def refuse_scripted(module: nn.Module) -> None:
    """Raise ExplainError for scripted modules: hooks never fire in them, or raise."""
    for name, part in module.named_modules():
        if isinstance(part, torch.jit.ScriptModule):
            what = f"its module {name!r}" if name else "it"
            raise ExplainError(
                f"this model cannot be looked into: {what} is scripted (torch.jit), and a scripted module shows neither its "
                "layers nor their gradients; pass the nn.Module that it was scripted from"
            )


def likeness(module: nn.Module) -> torch.Tensor:
    """A tensor on the device and of the precision that a module computes with."""
    return next((p for p in module.parameters() if p.is_floating_point()), torch.zeros(()))


def shadow_of(module: nn.Module, *, copy_parameters: bool = False) -> nn.Module:
    """Copy a module in evaluation mode, sharing its parameters (or copying them too), without the user's hooks.

    Raises
    ------
    Exception
        Whatever ``copy.deepcopy`` raises on a module that cannot be copied.
    """
    memo: dict[int, Any] = {}
    for part in module.modules():
        for attribute, value in vars(part).items():
            if attribute.endswith("_hooks") and isinstance(value, dict):
                kept = OrderedDict((key, hook) for key, hook in value.items() if _computes_weights(hook))
                memo[id(value)] = copy.deepcopy(kept, memo) if kept else OrderedDict()
            elif attribute.startswith("_forward_hooks_") or attribute.startswith("_forward_pre_hooks_"):
                memo[id(value)] = OrderedDict()
    for part in module.modules():
        for value in _remembered(vars(part)):  # deepcopy refuses activations that still have a graph
            memo[id(value)] = value.detach().clone()
    for parameter in module.parameters():
        # A tensor made in inference mode can take no part in a graph; a copy of it can.
        stands = parameter
        if copy_parameters or parameter.is_inference():
            with torch.inference_mode(False):
                stands = nn.Parameter(parameter.detach().clone(), requires_grad=parameter.requires_grad)
        memo[id(parameter)] = stands
    with torch.inference_mode(False):
        for buffer in module.buffers():
            memo[id(buffer)] = buffer.detach().clone()
        shadow = copy.deepcopy(module, memo)
    return shadow.eval()  # without what module.compile() made, in which hooks would not fire: that is never copied


def _remembered(value: Any, depth: int = 4) -> Iterator[torch.Tensor]:
    """Tensors with a graph among a module's own attributes, in dicts and lists too."""
    if isinstance(value, torch.Tensor):
        if not value.is_leaf:
            yield value
    elif depth and isinstance(value, (dict, list, tuple)):
        for entry in value.values() if isinstance(value, dict) else value:
            yield from _remembered(entry, depth - 1)


def _computes_weights(hook: Any) -> bool:
    return type(hook).__module__.startswith("torch.nn.utils")


@contextmanager
def guarded(module: nn.Module) -> Iterator[nn.Module]:
    """The module itself in evaluation mode, without the user's hooks; everything is put back at the end."""
    lock = _locks.setdefault(module, threading.RLock())
    with lock:
        modules = list(module.modules())
        buffers = [(buffer, buffer.detach().clone()) for buffer in module.buffers()]
        hooks = [
            (value, dict(value))
            for part in modules
            for attribute, value in vars(part).items()
            if isinstance(value, dict) and (attribute.endswith("_hooks") or "_hooks_" in attribute)
        ]
        held = [
            (state, dict(state))
            for part in modules
            for state in (vars(part), part._parameters, part._buffers, part._modules)
        ]
        try:
            for value, entries in hooks:
                value.clear()
                value.update({key: hook for key, hook in entries.items() if _computes_weights(hook)})
            for part in modules:
                part.training = False
                part._compiled_call_impl = None
            yield module
        finally:
            for value, entries in hooks:
                value.clear()
                value.update(entries)
            for state, before in held:  # never empty in between: another thread may read it
                state.update(before)
                for name in set(state) - set(before):
                    del state[name]
            with torch.no_grad():
                for buffer, values in buffers:
                    if not torch.equal(buffer, values):
                        buffer.copy_(values)


def on_shadow(module: nn.Module, compute: Callable[[nn.Module], Result]) -> tuple[Result, tuple[str, ...]]:
    """Run ``compute`` on a shadow of the module, whatever happens to the module meanwhile.

    Returns
    -------
    what ``compute`` returned, and caveats
        That the parameters changed beneath it, or that it had to be computed in float32.
    """
    try:
        shadow = shadow_of(module)
    except Exception:  # a module that refuses to be copied: locks, files, generators among its attributes
        with guarded(module) as itself:
            return compute(itself), ()
    versions = _versions(module)
    try:
        result, caveats = _in_its_precision(shadow, compute)
    except RuntimeError:
        if _versions(module) == versions:
            raise
    else:
        if _versions(module) == versions:
            return result, caveats
    return _on_a_copy(module, compute)


def _on_a_copy(module: nn.Module, compute: Callable[[nn.Module], Result]) -> tuple[Result, tuple[str, ...]]:
    for _ in range(5):
        versions = _versions(module)
        shadow = shadow_of(module, copy_parameters=True)
        if _versions(module) == versions:
            break
    result, caveats = _in_its_precision(shadow, compute)
    return result, (*caveats, CHANGED)


def _versions(module: nn.Module) -> list[tuple[int, int, int]]:
    return [
        (id(parameter), parameter.data_ptr(), -1 if parameter.is_inference() else parameter._version)
        for parameter in module.parameters()
    ]


def _in_its_precision(shadow: nn.Module, compute: Callable[[nn.Module], Result]) -> tuple[Result, tuple[str, ...]]:
    like = likeness(shadow)
    dtype = like.dtype
    try:
        # The network's own precision counts, not that of an autocast which the caller happens to be in.
        with torch.autocast(like.device.type, enabled=False):
            return compute(shadow), ()
    except (RuntimeError, NotImplementedError) as error:
        if dtype not in (torch.float16, torch.bfloat16) or "not implemented for" not in str(error):
            raise
    wide = shadow_of(shadow, copy_parameters=True).float()
    return compute(wide), (IN_FLOAT32.format(dtype=str(dtype).removeprefix("torch.")),)
