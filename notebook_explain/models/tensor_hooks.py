"""Pass chosen tensors of a forward pass through a function: to keep them, or to put other values in their places."""

from __future__ import annotations

import copy
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import nn

from notebook_explain._errors import ExplainError
from notebook_explain.models.layer_trace import Attribute, PoolCalls, TensorRef, tensors

OnTensor = Callable[[TensorRef, torch.Tensor, bool], torch.Tensor]


@contextmanager
def tensor_hooks(shadow: nn.Module, refs: Sequence[TensorRef], on_tensor: OnTensor) -> Iterator[None]:
    """Call a function with each chosen tensor, and continue the pass with what it returns.

    Parameters
    ----------
    shadow : module
        Hooks are added to it, and removed at the end.
    refs : sequence of TensorRef
    on_tensor : function
        Takes the reference, the tensor, and whether other tensors of the pass may share its graph: it is one of several
        outputs, or an input that the module returns.

    Raises
    ------
    ExplainError
        A module is no longer in the network.
    """
    by_module: dict[str, list[TensorRef]] = defaultdict(list)
    by_pool_call = {ref.call: ref for ref in refs if ref.module is None}
    for ref in refs:
        if ref.module is not None:
            by_module[ref.module].append(ref)
    modules = dict(shadow.named_modules())
    missing = [name for name in by_module if name not in modules]
    if missing:
        raise ExplainError(
            f"module {missing[0]!r} is no longer in this model; it changed since adapt(), so adapt it again"
        )
    handles = [modules[name].register_forward_hook(_module_hook(group, on_tensor)) for name, group in by_module.items()]

    def on_input(index: int, value: torch.Tensor) -> torch.Tensor:
        return on_tensor(by_pool_call[index], value, False) if index in by_pool_call else value

    try:
        with PoolCalls(on_input=on_input):
            yield
    finally:
        for handle in handles:
            handle.remove()


def _module_hook(refs: Sequence[TensorRef], on_tensor: OnTensor) -> Callable[..., Any]:
    calls = 0

    def hook(_: nn.Module, inputs: Any, output: Any) -> Any:
        nonlocal calls
        call, calls = calls, calls + 1
        for ref in refs:
            if ref.call != call:
                continue
            found = next((tensor for path, tensor in tensors(output) if path == ref.path), None)
            if found is not None:
                is_shared = bool(ref.path) or any(found is tensor for _, tensor in tensors(inputs))
                output = replaced_at(output, ref.path, on_tensor(ref, found, is_shared))
        return output

    return hook


def replaced_at(output: Any, path: tuple[Any, ...], tensor: torch.Tensor) -> Any:
    """Return the structure that a module returned, with another tensor at one path."""
    if not path:
        return tensor
    key, rest = path[0], path[1:]
    if isinstance(key, Attribute):
        changed = copy.copy(output)
        object.__setattr__(
            changed, str(key), replaced_at(getattr(output, key), rest, tensor)
        )  # works in frozen dataclasses too
        return changed
    if isinstance(output, tuple):
        parts = [replaced_at(part, rest, tensor) if index == key else part for index, part in enumerate(output)]
        return type(output)(*parts) if hasattr(output, "_fields") else tuple(parts)
    if isinstance(output, list):
        return [replaced_at(part, rest, tensor) if index == key else part for index, part in enumerate(output)]
    output[key] = replaced_at(output[key], rest, tensor)  # a dict that the network made in this pass
    return output
