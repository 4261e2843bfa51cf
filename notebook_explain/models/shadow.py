"""Run explanations on a shadow of the user's module, so that the module itself is never modified.

A shadow is a deep copy that shares the storage of the parameters, with its own hooks, train flags and buffers. It has none
of the user's hooks, except those of ``torch.nn.utils``, which compute weights, and on request copies of the forward hooks
(see ``forward_hooks``). A module that cannot be copied is guarded
instead: everything that an explanation may change is restored, under a lock per module.

If another thread trains the model, the parameters may change during the computation. Their version counters show it; the
explanation is then repeated on a copy of the parameters, and carries a caveat.

Parts of a network that are checkpointed run as if they were not (``checkpointing``).
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
import torch.fx
from torch import nn

from notebook_explain._errors import ExplainError
from notebook_explain.explanations.caveats import Caveat, CaveatCode
from notebook_explain.models.bound_inputs import BoundInputs, bound_to, inputs_of
from notebook_explain.models.checkpointing import no_checkpointing
from notebook_explain.models.forward_hooks import computes_weights, copy_hooks, tensors_with_graph
from notebook_explain.models.layer_progress import reporting_layers

Result = TypeVar("Result")
CHANGED = Caveat(
    "The parameters changed during the computation (is another thread training the model?): this explains a copy of them "
    "that was taken between two changes, as far as version counters show.",
    CaveatCode.CHANGED_PARAMETERS,
)
IN_FLOAT32 = "Computed in float32: this device has no {dtype} version of an operation in the network."

_locks: weakref.WeakKeyDictionary[nn.Module, threading.RLock] = weakref.WeakKeyDictionary()


def unwrapped(module: nn.Module) -> nn.Module:
    """Return the network inside ``torch.compile``, ``DataParallel`` and ``DistributedDataParallel``."""
    while True:
        inner = getattr(module, "_orig_mod", None)
        if isinstance(inner, nn.Module):
            module = inner
        elif isinstance(module, (nn.DataParallel, nn.parallel.DistributedDataParallel)):
            module = module.module
        else:
            return module


def refuse_programs(module: nn.Module) -> None:
    """Raise ExplainError for scripted modules, in which hooks do not fire or raise, and for exported programs."""
    for name, part in module.named_modules():
        which = f"its module {name!r}" if name else "it"
        if isinstance(part, torch.jit.ScriptModule):
            raise ExplainError(
                f"this model cannot be explained: {which} is scripted (torch.jit), and the layers and gradients of a "
                "scripted module are not accessible; pass the nn.Module that it was scripted from"
            )
        if isinstance(part, torch.fx.GraphModule) and any(map(_is_operator, part.graph.nodes)):
            raise ExplainError(
                f"this model cannot be explained: {which} is an exported program (torch.export), whose operations belong to "
                "no modules; pass the nn.Module that it was exported from"
            )


def _is_operator(node: torch.fx.Node) -> bool:
    return isinstance(node.target, torch._ops.OpOverload)


def reference_parameter(module: nn.Module) -> torch.Tensor:
    """Return a tensor with the device and the precision of a module: its first floating-point parameter."""
    return next((p for p in module.parameters() if p.is_floating_point()), torch.zeros(()))


def shadow_of(module: nn.Module, *, copy_parameters: bool = False, keep_hooks: bool = False) -> nn.Module:
    """Copy a module in evaluation mode, sharing its parameters (or copying them too).

    Parameters
    ----------
    module : nn.Module
    copy_parameters : bool
    keep_hooks : bool
        Copy the user's forward hooks too; backward hooks are never kept.

    Raises
    ------
    Exception
        Anything that ``copy.deepcopy`` raises on a module that cannot be copied.
    """
    memo: dict[int, Any] = {}
    for part in module.modules():
        for attribute, value in vars(part).items():
            if attribute.endswith("_hooks") and isinstance(value, dict):
                kept = OrderedDict((key, hook) for key, hook in value.items() if computes_weights(hook))
                memo[id(value)] = copy.deepcopy(kept, memo) if kept else OrderedDict()
            elif attribute.startswith("_forward_hooks_") or attribute.startswith("_forward_pre_hooks_"):
                memo[id(value)] = OrderedDict()
    for part in module.modules():
        for value in tensors_with_graph(vars(part)):  # deepcopy refuses them
            memo[id(value)] = value.detach().clone()
    for parameter in module.parameters():
        # A tensor made in inference mode cannot be part of a graph; a copy of it can.
        shared = parameter
        if copy_parameters or parameter.is_inference():
            with torch.inference_mode(False):
                shared = nn.Parameter(parameter.detach().clone(), requires_grad=parameter.requires_grad)
        memo[id(parameter)] = shared
    with torch.inference_mode(False):
        for buffer in module.buffers():
            memo[id(buffer)] = buffer.detach().clone()
        shadow = copy.deepcopy(module, memo)
        if keep_hooks:
            copy_hooks(module, shadow, memo)
    shadow.eval()  # deepcopy drops what module.compile() made, in which hooks would not fire
    _keep_gradients_of_rnns(shadow)
    return shadow


def _keep_gradients_of_rnns(module: nn.Module) -> None:
    """Put recurrent layers on CUDA into training mode without dropout: in evaluation mode, cuDNN gives no gradients."""
    for part in module.modules():
        if isinstance(part, nn.RNNBase) and _is_on_cuda(part):
            part.dropout, part.training = 0.0, True


def _is_on_cuda(module: nn.Module) -> bool:
    return any(parameter.is_cuda for parameter in module.parameters())


@contextmanager
def guarded(module: nn.Module, *, keep_hooks: bool = False) -> Iterator[nn.Module]:
    """Yield the module itself in evaluation mode, without the user's hooks; everything is restored at the end.

    With ``keep_hooks`` it keeps the user's forward hooks themselves.
    """
    lock = _locks.setdefault(module, threading.RLock())
    with lock:
        modules = list(module.modules())
        buffers = [(buffer, buffer.detach().clone()) for buffer in module.buffers()]
        hooks = [
            (value, dict(value), keep_hooks and "_forward_" in attribute)
            for part in modules
            for attribute, value in vars(part).items()
            if isinstance(value, dict) and (attribute.endswith("_hooks") or "_hooks_" in attribute)
        ]
        states = [
            (state, dict(state))
            for part in modules
            for state in (vars(part), part._parameters, part._buffers, part._modules)
        ]
        try:
            for value, entries, keep in hooks:
                value.clear()
                value.update({key: hook for key, hook in entries.items() if keep or computes_weights(hook)})
            for part in modules:
                part.training = False
                part._compiled_call_impl = None
            _keep_gradients_of_rnns(module)
            yield module
        finally:
            for value, entries, _ in hooks:
                value.clear()
                value.update(entries)
            for state, before in states:  # never empty in between, since another thread may read it
                state.update(before)
                for name in set(state) - set(before):
                    del state[name]
            with torch.no_grad():
                for buffer, values in buffers:
                    if not torch.equal(buffer, values):
                        buffer.copy_(values)


def on_shadow(
    module: nn.Module,
    compute: Callable[[nn.Module], Result],
    *,
    keep_hooks: bool = False,
    inputs: BoundInputs | None = None,
) -> tuple[Result, tuple[str, ...]]:
    """Run ``compute`` on a shadow of the module, even if another thread changes the module meanwhile.

    Parameters
    ----------
    module : nn.Module
    compute : function
        Takes the shadow.
    keep_hooks : bool
        Run with the user's forward hooks.
    inputs : BoundInputs, optional
        What the network takes beside the clip; ``compute`` calls the shadow with the clip alone.

    Returns
    -------
    result, caveats
        Result of ``compute``; caveats if the parameters changed during it, or if it was computed in float32.
    """
    compute = reporting_layers(bound_to(inputs_of(module) if inputs is None else inputs, compute))
    with no_checkpointing():
        return _on_shadow(module, compute, keep_hooks)


def _on_shadow(
    module: nn.Module, compute: Callable[[nn.Module], Result], keep_hooks: bool
) -> tuple[Result, tuple[str, ...]]:
    try:
        shadow = shadow_of(module, keep_hooks=keep_hooks)
    except Exception:  # a module that cannot be copied: it has locks, files or generators as attributes
        with guarded(module, keep_hooks=keep_hooks) as guarded_module:
            return compute(guarded_module), ()
    versions = _versions(module)
    try:
        result, caveats = _in_own_precision(shadow, compute, keep_hooks)
    except RuntimeError:
        if _versions(module) == versions:
            raise
    else:
        if _versions(module) == versions:
            return result, caveats
    return _on_a_copy(module, compute, keep_hooks)


def _on_a_copy(
    module: nn.Module, compute: Callable[[nn.Module], Result], keep_hooks: bool
) -> tuple[Result, tuple[str, ...]]:
    for _ in range(5):
        versions = _versions(module)
        shadow = shadow_of(module, copy_parameters=True, keep_hooks=keep_hooks)
        if _versions(module) == versions:
            break
    result, caveats = _in_own_precision(shadow, compute, keep_hooks)
    return result, (*caveats, CHANGED)


def _versions(module: nn.Module) -> list[tuple[int, int, int]]:
    return [
        (id(parameter), parameter.data_ptr(), -1 if parameter.is_inference() else parameter._version)
        for parameter in module.parameters()
    ]


def _in_own_precision(
    shadow: nn.Module, compute: Callable[[nn.Module], Result], keep_hooks: bool
) -> tuple[Result, tuple[str, ...]]:
    reference = reference_parameter(shadow)
    dtype = reference.dtype
    try:
        # An autocast of the caller must not change the precision.
        with torch.autocast(reference.device.type, enabled=False):
            return compute(shadow), ()
    except (RuntimeError, NotImplementedError) as error:
        if dtype not in (torch.float16, torch.bfloat16) or "not implemented for" not in str(error):
            raise
    in_float32 = shadow_of(shadow, copy_parameters=True, keep_hooks=keep_hooks).float()
    return compute(in_float32), (Caveat(IN_FLOAT32.format(dtype=str(dtype).removeprefix("torch."))),)
