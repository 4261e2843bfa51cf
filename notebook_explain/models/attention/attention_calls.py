"""Find every attention call of a forward pass, fused or written out, and record its probabilities in the graph.

Three forms are recognised, by function and not by module:

* ``scaled_dot_product_attention``, whose fused kernels never form the probabilities: it is computed explicitly instead;
* ``multi_head_attention_forward`` (``nn.MultiheadAttention``), whose body runs one of the other two forms;
* a softmax that is an operand of ``matmul``, ``bmm`` or ``einsum``, also after dropout, casts or reshapes.

Calls are numbered in the order of execution, so that another pass through the same network finds the same calls.
"""

from __future__ import annotations

import math
import types
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import nn
from torch.overrides import TorchFunctionMode

PRODUCTS = frozenset({"matmul", "bmm", "mm", "einsum"})
_FUSED = ("query", "key", "value", "attn_mask", "dropout_p", "is_causal", "scale", "enable_gqa")
# Functions whose result holds the same probabilities: it still counts as a softmax.
_KEEP_SOFTMAX = frozenset(
    """dropout to type type_as float half bfloat16 double view reshape flatten unflatten contiguous clone squeeze
    unsqueeze expand transpose permute swapaxes get mul masked_fill nan_to_num view_as expand_as getitem""".split()
)


@dataclass(frozen=True, eq=False)
class AttentionCall:
    """One attention call of a pass.

    Attributes
    ----------
    module : str
        Dotted name of the innermost module that runs it.
    weights : tensor (..., query, key)
        Probabilities as they multiply the values; part of the graph.
    """

    module: str
    weights: torch.Tensor


class AttentionCalls(TorchFunctionMode):
    """Watch a pass for attention calls; a subclass computes each call's result in `attend`."""

    def __init__(self) -> None:
        super().__init__()
        self.count = 0
        self.running = [""]  # names of the modules that run, innermost last

    def attend(
        self,
        index: int,
        weights: Callable[[], torch.Tensor],
        values: torch.Tensor,
        product: Callable[[torch.Tensor, torch.Tensor], torch.Tensor],
        by_column: bool,
    ) -> torch.Tensor:
        """Return the result of an attention call.

        Parameters
        ----------
        index : int
            Number of the call in the pass.
        weights : function
            Returns the probabilities of this pass.
        values : tensor
        product : function
            Multiplies probabilities and values as the network does.
        by_column : bool
            The product treats each column of the values alike.
        """
        raise NotImplementedError

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        name = str(getattr(func, "__name__", "")).strip("_")
        if func is F.multi_head_attention_forward:
            with self:
                return _MULTI_HEAD_BODY(*args, **kwargs)
        if name == "scaled_dot_product_attention":
            return self._fused(dict(zip(_FUSED, args, strict=False)) | kwargs)
        operands = product_operands(name, args)
        softmax = next((k for k, operand in enumerate(operands) if _is_softmax(operand)), None)
        if softmax is not None and len(operands) == 2:
            return self._written_out(func, args, kwargs, operands, softmax)
        result = self.compute(func, name, args, kwargs)
        if isinstance(result, torch.Tensor) and (
            name == "softmax" or (name in _KEEP_SOFTMAX and any(map(_is_softmax, args[:2])))
        ):
            result.is_softmax = True  # type: ignore[attr-defined]
        return result

    def compute(self, func: Any, name: str, args: Any, kwargs: Any) -> Any:
        """Return the result of any other function."""
        return func(*args, **kwargs)

    def _fused(self, given: dict[str, Any]) -> torch.Tensor:
        query, key, value = given["query"], given["key"], given["value"]
        rest = {name: given[name] for name in ("attn_mask", "is_causal", "scale") if name in given}

        def repeated(x: torch.Tensor) -> torch.Tensor:
            grouped = given.get("enable_gqa") and x.shape[-3] != query.shape[-3]
            return x.repeat_interleave(query.shape[-3] // x.shape[-3], -3) if grouped else x

        return self._call(
            lambda: attention_weights(query, repeated(key), **rest),
            value,
            lambda w, v: w.to(v.dtype) @ repeated(v),
            True,
        )

    def _written_out(self, func: Any, args: Any, kwargs: Any, operands: Sequence[Any], softmax: int) -> torch.Tensor:
        def product(weights: torch.Tensor, values: torch.Tensor) -> torch.Tensor:
            pair = (weights, values) if softmax == 0 else (values, weights)
            if isinstance(args[0], str):  # einsum takes its operands one by one, or as one list
                return torch.einsum(args[0], *pair)
            result: torch.Tensor = func(*pair, **kwargs)
            return result

        weights = operands[softmax]
        # A view, so that a softmax that multiplies twice has a gradient for each call.
        by_column = softmax == 0 and not isinstance(args[0], str)
        return self._call(lambda: weights.view_as(weights), operands[1 - softmax], product, by_column)

    def _call(self, weights: Any, values: Any, product: Any, by_column: bool) -> torch.Tensor:
        index, self.count = self.count, self.count + 1
        return self.attend(index, weights, values, product, by_column)


class AttentionRecorder(AttentionCalls):
    """Record the attention calls of a real pass.

    Attributes
    ----------
    calls : list of AttentionCall
        In the order of execution.
    shadow : nn.Module or None
        The module that ran.
    finished : set of (module name, index of its call)
        Calls of modules that returned before the first attention call.
    """

    def __init__(self) -> None:
        super().__init__()
        self.calls: list[AttentionCall] = []
        self.shadow: nn.Module | None = None
        self.finished: set[tuple[str, int]] = set()

    @contextmanager
    def watch(self, shadow: nn.Module) -> Iterator[None]:
        """Record a pass while this context is open, in place of an earlier one."""
        self.shadow, self.count = shadow, 0
        self.calls.clear()
        self.finished.clear()
        self.running[:] = [""]
        ended: dict[str, int] = {}

        def leave(name: str) -> None:
            if not self.calls:
                self.finished.add((name, ended.get(name, 0)))
            ended[name] = ended.get(name, 0) + 1

        with module_names(shadow, self.running, leave), self:
            yield

    def attend(self, index: int, weights: Any, values: torch.Tensor, product: Any, by_column: bool) -> torch.Tensor:
        """Keep the probabilities and multiply."""
        probabilities = weights()
        self.calls.append(AttentionCall(self.running[-1], probabilities))
        result: torch.Tensor = product(probabilities, values)
        return result


@contextmanager
def module_names(
    shadow: nn.Module, running: list[str], on_leave: Callable[[str], None] = lambda _: None
) -> Iterator[None]:
    """Keep the names of the modules that run in a list, innermost last."""

    def enter(name: str) -> Callable[..., None]:
        return lambda *_: running.append(name)

    def leave(name: str) -> Callable[..., None]:
        def hook(*_: Any) -> None:
            running.pop()
            on_leave(name)

        return hook

    handles = []
    try:
        for name, module in shadow.named_modules():
            handles.append(module.register_forward_pre_hook(enter(name)))
            handles.append(module.register_forward_hook(leave(name), always_call=True))
        yield
    finally:
        for handle in handles:
            handle.remove()


def attention_weights(
    query: torch.Tensor, key: torch.Tensor, attn_mask: Any = None, is_causal: bool = False, scale: float | None = None
) -> torch.Tensor:
    """Return softmax(query @ key^T * scale + mask), as ``scaled_dot_product_attention`` defines it without dropout.

    A row whose keys are all masked is 0.
    """
    scores = query @ key.transpose(-2, -1) * (1 / math.sqrt(query.shape[-1]) if scale is None else scale)
    if is_causal:
        attn_mask = torch.ones(scores.shape[-2:], dtype=torch.bool, device=scores.device).tril()
    if attn_mask is None:
        return scores.softmax(-1)
    is_bool = attn_mask.dtype == torch.bool
    scores = scores.masked_fill(~attn_mask, -math.inf) if is_bool else scores + attn_mask
    masked = (scores == -math.inf).all(-1, keepdim=True)
    return scores.masked_fill(masked, 0.0).softmax(-1).masked_fill(masked, 0.0)


def _is_softmax(value: Any) -> bool:
    return isinstance(value, torch.Tensor) and getattr(value, "is_softmax", False)


def product_operands(name: str, args: Any) -> tuple[Any, ...]:
    """Return the tensors that a product multiplies; () for any other function."""
    if name not in PRODUCTS:
        return ()
    if name != "einsum":
        return tuple(args[:2])
    return tuple(args[1]) if len(args) == 2 and isinstance(args[1], (list, tuple)) else tuple(args[1:])


def _multi_head_body() -> Any:
    """Return ``multi_head_attention_forward`` without its dispatch, so that modes see the functions that it calls."""
    function: Any = F.multi_head_attention_forward
    names = {**function.__globals__, "has_torch_function": lambda _: False}
    body = types.FunctionType(function.__code__, names, function.__name__, function.__defaults__, function.__closure__)
    body.__kwdefaults__ = function.__kwdefaults__
    return body


_MULTI_HEAD_BODY = _multi_head_body()
