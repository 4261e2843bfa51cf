"""Carry relevance from the tokens of a layer to the class scores: attention rollout and gradient-weighted attention.

Both methods start with one unit of relevance per token, R = I, and apply each attention call in turn. Here the network
itself says which tokens a call reads and writes: it runs once on tensors in which each value is the relevance of its token
(``token_rules``), with the recorded probabilities in place of attention. Class tokens, divided and windowed attention, pooled
keys, frames in the batch and pooling heads need no rule of their own. One backward pass through this run gives the row of R
that the class scores read.

Relevance through a sum of tokens x and an update u:

* rollout: (R_x + R_u) / 2, so that rows stay normalised;
* gradient: R_x + R_u where u comes from attention; the mean elsewhere, where R_u = R_x.

A token that is the same for every clip has no relevance until attention has written into it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import nn

from notebook_explain._errors import ExplainError
from notebook_explain.models.attention import token_rules as rules
from notebook_explain.models.attention.attention_calls import PRODUCTS, AttentionCalls, module_names, product_operands
from notebook_explain.models.attention.relevance_tensor import (
    RelevanceTensor,
    copied,
    is_dense,
    is_in_place,
    keep,
    larger,
    plain,
    relevance_tensors,
    tokens,
    without_constants,
    wrap,
)
from notebook_explain.models.layer_trace import tensors
from notebook_explain.models.layers import Layer
from notebook_explain.models.positions.tensor import narrow
from notebook_explain.models.preprocessing import Preprocessing
from notebook_explain.models.rng import LocalRandomness
from notebook_explain.models.shadow import reference_parameter

ADVICE = "use SaliencyTubes for this network"


@dataclass(frozen=True, eq=False)
class Relevance:
    """Relevance of a layer's tokens for the class scores.

    Attributes
    ----------
    cells : float tensor (time, height, width)
    merges_tokens : bool
        Convolutions, poolings or linear layers merged tokens on the way; each counts alike.
    """

    cells: torch.Tensor
    merges_tokens: bool


def relevance_of(
    shadow: nn.Module,
    preprocessing: Preprocessing,
    layer: Layer,
    weights: Sequence[torch.Tensor],
    head: tuple[str, int],
    adds: bool,
) -> Relevance:
    """Return what the class scores read of each token of a layer.

    Parameters
    ----------
    shadow : nn.Module
        Hooks are added to it, and removed at the end.
    preprocessing : Preprocessing
        Gives size and layout of the network's input.
    layer : Layer
        Its tokens start with one unit of relevance each.
    weights : sequence of tensor
        What multiplies the values in each attention call, in the order of execution.
    head : (str, int)
        Name and number of classes of the class scores.
    adds : bool
        Add attention's update to the tokens, instead of taking the mean of both.

    Raises
    ------
    ExplainError
        Relevance cannot be followed from the layer to the class scores.
    """
    device = reference_parameter(shadow).device
    # What attention adds can be small beside what a token keeps.
    dtype = torch.float32 if device.type == "mps" else torch.float64
    # Different for each token, so that a linear layer that merges tokens is noticed; the gradient does not depend on it.
    units = torch.linspace(1, 2, int(np.prod(layer.grid)), device=device, dtype=dtype).view(1, 1, *layer.grid)
    units.requires_grad_()
    clip = tokens(torch.zeros((1, preprocessing.channels, *preprocessing.shape), device=device, dtype=dtype))
    run = _RelevancePass(weights, adds)
    handle = shadow.get_submodule(str(layer.ref.module)).register_forward_hook(_start(layer, units, run))
    try:
        with LocalRandomness(), module_names(shadow, run.running), run:
            output = shadow(preprocessing.arrange(clip))
    except ExplainError:
        raise
    except Exception as error:
        where = f" in {run.failed!r}" if run.failed else ""
        reason = f"{type(error).__name__}: {str(error)[:200]}"
        raise ExplainError(f"attention cannot be followed through this network{where} ({reason}); {ADVICE}") from error
    finally:
        handle.remove()
    scores = _scores(output, *head)
    if scores is not None and scores.unknown:
        raise ExplainError(f"attention cannot be followed through {scores.unknown}; {ADVICE}")
    if scores is None or run.count != len(weights):
        raise ExplainError(f"the class scores do not follow from the attention that was recorded; {ADVICE}")
    row = plain(scores)
    (cells,) = torch.autograd.grad(row.mean(), units) if row.requires_grad else (torch.zeros_like(units),)
    return Relevance(cells[0, 0].detach(), run.merges_tokens)


def _scores(output: Any, head: str, classes: int) -> RelevanceTensor | None:
    """Return the tensor of an output that holds the scores of a head."""
    found = [(path, tensor) for path, tensor in tensors(output) if isinstance(tensor, RelevanceTensor)]
    named = [tensor for path, tensor in found if path and str(path[-1]) in (head, "logits")]
    counted = [tensor for _, tensor in found if classes in tensor.shape[1:]]
    return next(iter([*named, *counted, *(tensor for _, tensor in found)]), None)


def _start(layer: Layer, units: torch.Tensor, run: _RelevancePass) -> Callable[..., None]:
    """Make a hook that puts one unit of relevance on every token of a layer."""
    calls = 0

    def hook(_: nn.Module, __: Any, output: Any) -> None:
        nonlocal calls
        call, calls = calls, calls + 1
        old = next((tensor for path, tensor in tensors(output) if path == layer.ref.path), None)
        if call != layer.ref.call or not isinstance(old, RelevanceTensor):
            return
        like = torch.zeros(old.shape, device=units.device, dtype=units.dtype)
        channels = layer.layout.to_volume(like).shape[1]
        with torch.enable_grad():
            new = layer.layout.from_volume(units.expand(-1, channels, -1, -1, -1), like)
            plain(old).copy_(new)
        old.is_update, old.unknown, run.is_started = False, "", True

    return hook


class _RelevancePass(AttentionCalls):
    """Replace each function by what it does to relevance."""

    def __init__(self, weights: Sequence[torch.Tensor], adds: bool) -> None:
        super().__init__()
        self.weights, self.adds, self.merges_tokens = weights, adds, False
        self.is_started = False  # before, tensors are dense, so that the layer's output can be overwritten
        self.failed = ""  # name of the module in which a function raised

    def attend(self, index: int, weights: Any, values: torch.Tensor, product: Any, by_column: bool) -> torch.Tensor:
        """Multiply relevance by the recorded weights."""
        if index >= len(self.weights):
            raise ExplainError(f"attention in {self.running[-1]!r} was not recorded; {ADVICE}")
        with torch._C.DisableTorchFunctionSubclass(), torch.enable_grad():
            relevance = plain(values) if isinstance(values, RelevanceTensor) else torch.zeros_like(values)
            features = relevance.shape[-1]
            if by_column and relevance.stride(-1) == 0:  # all columns are the same
                relevance = relevance.narrow(-1, 0, 1)
            result = product(self.weights[index].to(relevance.dtype), relevance)
            result = result.expand(*result.shape[:-1], features) if relevance.shape[-1] != features else result
        return tokens(result, True, getattr(values, "unknown", ""))

    def compute(self, func: Any, name: str, args: Any, kwargs: Any) -> Any:
        """Run a function on relevance."""
        found = list(relevance_tensors((args, kwargs)))
        if not found:
            return func(*args, **kwargs)
        self.failed = self.running[-1]
        result = self._result(func, name, args, kwargs, found)
        if not self.is_started and isinstance(result, RelevanceTensor) and not is_dense(result):
            return tokens(plain(result).contiguous())
        return result

    def _result(self, func: Any, name: str, args: Any, kwargs: Any, found: list[RelevanceTensor]) -> Any:
        with torch._C.DisableTorchFunctionSubclass(), torch.enable_grad():
            if name in rules.QUERIES:
                result = func(*args, **kwargs)
                return wrap(result, found) if isinstance(result, torch.Tensor) else result
            if name == "setitem":
                return _set_item(func, args)
            if name in rules.SUMS and len(args) > 1:
                return self._sum(func, args)
            if name in rules.GATES and len(args) > 1:
                return self._gate(func, args)
            if name in PRODUCTS or name in ("addmm", "baddbmm", "addbmm"):
                return self._product(name, args)
            return self._of_one(func, name, args, kwargs, found)

    def _of_one(self, func: Any, name: str, args: Any, kwargs: Any, found: list[RelevanceTensor]) -> Any:
        """Run a function whose first argument holds the tokens."""
        if name in rules.NEW:
            return tokens(torch.zeros_like(plain(func(*args, **kwargs)), dtype=found[0].dtype))
        if name in rules.JOINS:
            joined = func(*without_constants(args), **without_constants(kwargs))
            return wrap(joined, found, all(part.is_update for part in found))
        if isinstance(args[0], torch.Tensor) and not isinstance(args[0], RelevanceTensor):
            return func(*args, **kwargs)  # a constant that takes the type or shape of tokens stays one
        if name in rules.KEEPS:
            return keep(args[0])
        if name in rules.RULES:
            if name in rules.WINDOWS or name == "linear":
                self._notice_merging(args[0], -1 if name == "linear" else None)
            result = rules.RULES[name](*map(plain, args), **{key: plain(value) for key, value in kwargs.items()})
            return wrap(result, found)
        if name in rules.MOVING:
            return wrap(_moved(func, args, kwargs), found)
        with torch.no_grad():
            result = func(*copied(args), **copied(kwargs))
        if isinstance(result, torch.Tensor) and result.is_floating_point() and result.shape == found[0].shape:
            return keep(found[0])
        return self._unknown(result, f"{func.__name__}()")

    def _sum(self, func: Any, args: Any) -> Any:
        a, b = args[:2]
        if not (isinstance(a, RelevanceTensor) and isinstance(b, RelevanceTensor)):
            return self._sum_with_constant(func, a, b)
        total = narrow(plain(a)) + narrow(plain(b))
        total = total if self.adds and (a.is_update or b.is_update) else total / 2
        total = total.expand(torch.broadcast_shapes(a.shape, b.shape))
        result = tokens(total, a.is_update and b.is_update, a.unknown or b.unknown)
        if not is_in_place(func, a) or not is_dense(a):  # the statement a += b binds a to the result
            return result
        plain(a).copy_(total)
        a.is_update, a.unknown = result.is_update, result.unknown
        return a

    def _sum_with_constant(self, func: Any, a: Any, b: Any) -> Any:
        update, constant = (a, b) if isinstance(a, RelevanceTensor) else (b, a)
        is_token = isinstance(constant, torch.Tensor) and constant.ndim > 1 and constant.shape[-2:] == update.shape[-2:]
        if not (update.is_update and is_token):  # a bias, an embedding
            return a if is_in_place(func, a) else larger(a, b)
        result = larger(a, b)  # a token that is the same for every clip, as a class token before its first attention
        return tokens(plain(result) if self.adds else plain(result) / 2, False, result.unknown)

    def _gate(self, func: Any, args: Any) -> Any:
        a, b = args[:2]
        result = a if is_in_place(func, a) else larger(a, b)
        if isinstance(a, RelevanceTensor) and isinstance(b, RelevanceTensor):
            result.unknown = a.unknown or b.unknown
            if a.is_softmax != b.is_softmax:
                result.unknown = result.unknown or f"the product with a softmax in {self.running[-1]!r}"
        return result

    def _product(self, name: str, args: Any) -> Any:
        if name in ("addmm", "baddbmm", "addbmm"):
            name, args = "matmul", args[1:]
        operands = product_operands(name, args)
        moved = [k for k, operand in enumerate(operands) if isinstance(operand, RelevanceTensor)]
        equation = args[0] if isinstance(args[0], str) else ""
        if len(moved) == 1:
            values = tuple(map(plain, operands))
            if not equation:
                self._notice_merging(operands[moved[0]], -1 if moved[0] == 0 else -2)
            return wrap(rules.product_with_weights(name, values, moved[0], equation), [operands[moved[0]]])
        shapes = [torch.empty(operand.shape, device="meta") for operand in operands]
        result = torch.einsum(equation, *shapes) if equation else torch.matmul(*shapes)
        return self._unknown(torch.zeros(result.shape, device=operands[moved[0]].device), "a product of activations")

    def _notice_merging(self, x: RelevanceTensor, axis: int | None) -> None:
        """Note whether a function merges tokens along an axis that should hold features; or within windows (None)."""
        if not x.requires_grad or self.merges_tokens:
            return
        if axis is None:
            self.merges_tokens = True
        elif not x.is_update and x.ndim >= -axis and x.stride(axis) != 0:  # heads differ in an update
            values = plain(x).detach()
            self.merges_tokens = bool((values.amax(axis) - values.amin(axis)).max() > 1e-5 * values.abs().max())

    def _unknown(self, result: Any, what: str) -> Any:
        """Return a result through which relevance cannot be followed; it is an error if the class scores need it."""
        where = f"{what} in {self.running[-1]!r}"
        if isinstance(result, torch.Tensor) and result.is_floating_point():
            return tokens(torch.zeros_like(result, dtype=torch.float32), unknown=where)
        if isinstance(result, (list, tuple)):
            return tuple(self._unknown(part, what) for part in result)
        if isinstance(result, torch.Tensor) and result.dtype != torch.bool:
            raise ExplainError(
                f"attention cannot be followed through {what} in {self.running[-1]!r}, which chooses by content; {ADVICE}"
            )
        return result


def _set_item(func: Any, args: Any) -> None:
    target, index, value = args
    if not isinstance(target, RelevanceTensor):
        raise ExplainError(f"attention cannot be followed where tokens are written into a constant tensor; {ADVICE}")
    func(target, index, value if isinstance(value, RelevanceTensor) else 0.0)
    target.unknown = target.unknown or getattr(value, "unknown", "")


def _moved(func: Any, args: Any, kwargs: Any) -> Any:
    if func.__name__ == "pad":
        return torch.nn.functional.pad(args[0], kwargs.get("pad", args[1] if len(args) > 1 else None))
    try:
        return func(*args, **kwargs)
    except RuntimeError:
        if func.__name__ != "view":
            raise
        return args[0].reshape(*args[1:])  # contiguous here need not be contiguous there
