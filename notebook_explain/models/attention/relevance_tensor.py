"""A tensor of relevance, and functions that convert between it and plain tensors."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import torch


class RelevanceTensor(torch.Tensor):
    """A tensor of which each value is the relevance of its token.

    Attributes
    ----------
    is_update : bool
        The tensor is what attention adds to the tokens.
    unknown : str
        What it was computed by, if relevance cannot be followed through that; else "".
    """

    is_update: bool = False
    unknown: str = ""
    is_softmax: bool = False


def tokens(values: torch.Tensor, is_update: bool = False, unknown: str = "") -> RelevanceTensor:
    """Mark a plain tensor as relevance; values and graph are shared."""
    result = values.as_subclass(RelevanceTensor)
    result.is_update, result.unknown = is_update, unknown
    return result


def relevance_tensors(value: Any) -> Iterator[RelevanceTensor]:
    """Yield the tensors of relevance in nested arguments."""
    if isinstance(value, RelevanceTensor):
        yield value
    elif isinstance(value, (list, tuple)):
        for entry in value:
            yield from relevance_tensors(entry)
    elif isinstance(value, dict):
        yield from relevance_tensors(list(value.values()))


def plain(value: Any) -> Any:
    """Return a tensor of relevance as a plain tensor, and anything else as it is."""
    return value.as_subclass(torch.Tensor) if isinstance(value, RelevanceTensor) else value


def wrap(result: Any, found: Sequence[RelevanceTensor], is_update: bool | None = None) -> Any:
    """Mark every floating-point tensor of a result as relevance, with the properties of what it was computed from."""
    if isinstance(result, torch.Tensor):
        if not result.is_floating_point():
            return result
        update = any(part.is_update for part in found) if is_update is None else is_update
        return tokens(result, update, next((part.unknown for part in found if part.unknown), ""))
    if isinstance(result, (list, tuple)):
        parts = [wrap(part, found, is_update) for part in result]
        return type(result)(parts) if hasattr(result, "n_sequence_fields") or isinstance(result, list) else tuple(parts)
    return result


def keep(x: RelevanceTensor) -> RelevanceTensor:
    """Return a new tensor with the same relevance."""
    return tokens(plain(x).view_as(x), x.is_update, x.unknown)


def larger(a: Any, b: Any) -> RelevanceTensor:
    """Return the tokens of two operands in the shape of the result; of two that both hold tokens the larger."""
    shape = torch.broadcast_shapes(*(tuple(x.shape) if isinstance(x, torch.Tensor) else () for x in (a, b)))
    both = isinstance(a, RelevanceTensor) and isinstance(b, RelevanceTensor)
    x = b if not isinstance(a, RelevanceTensor) or (both and b.numel() > a.numel()) else a
    return tokens(plain(x).expand(shape), x.is_update, x.unknown)


def is_in_place(func: Any, a: Any) -> bool:
    """Return whether a function overwrites its first operand, which holds relevance."""
    name = func.__name__
    changes = name.startswith("__i") or (name.endswith("_") and not name.endswith("__"))
    return changes and isinstance(a, RelevanceTensor)


def is_dense(x: torch.Tensor) -> bool:
    """Return whether no two values share their memory."""
    return all(stride or length == 1 for length, stride in zip(x.shape, x.stride(), strict=True))


def without_constants(value: Any) -> Any:
    """Replace floating-point constants among tokens by tensors without relevance."""
    if isinstance(value, torch.Tensor):
        floats = value.is_floating_point() and not isinstance(value, RelevanceTensor)
        return torch.zeros_like(value, dtype=torch.float32) if floats else plain(value)
    if isinstance(value, (list, tuple)):
        return type(value)(without_constants(entry) for entry in value)
    if isinstance(value, dict):
        return {key: without_constants(entry) for key, entry in value.items()}
    return value


def copied(value: Any) -> Any:
    """Return arguments with copies of the tokens in float32, which a function may overwrite."""
    if isinstance(value, RelevanceTensor):
        return plain(value).detach().float().clone()
    if isinstance(value, (list, tuple)):
        return type(value)(copied(entry) for entry in value)
    if isinstance(value, dict):
        return {key: copied(entry) for key, entry in value.items()}
    return value
