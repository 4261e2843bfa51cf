"""Rules for products: linear layers, matrix products, einsum, Fourier transforms and attention.

A product with weights lies at the mean of what it combines; one over time or over tokens is a mixture (``merging``). In a
product of two tensors from the clip, each contributes the mean over what is summed. The first decides, as queries do in
attention, unless it has no positions of its own left.
"""

from __future__ import annotations

import string
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import torch

from notebook_explain.models.positions.arithmetic import first_with_positions
from notebook_explain.models.positions.merging import contract, expanded, with_weight
from notebook_explain.models.positions.tensor import (
    PositionTensor,
    keep_positions,
    map_fields,
    massless,
    position_tensors,
    rule,
)


@rule("linear")
def _linear(x: PositionTensor, weight: torch.Tensor, bias: Any = None) -> PositionTensor:
    if x.shape[-1] != weight.shape[-1]:
        raise RuntimeError(f"expected {weight.shape[-1]} features on the last axis, got the shape {tuple(x.shape)}")
    mean = contract(x, x.ndim - 1, with_weights=True)
    return with_weight(expanded(mean, (*mean.shape[:-1], weight.shape[0])), weight)


@rule("matmul", "bmm", "mm", "mv", any_argument=True)
def _matmul(a: Any, b: Any, *_: Any, **__: Any) -> PositionTensor:
    """Combine the rows of the first and the columns of the second matrix."""
    shape = torch.matmul(*(torch.empty(value.shape, device="meta") for value in (a, b))).shape
    both = isinstance(a, PositionTensor) and isinstance(b, PositionTensor)
    rows = columns = None
    if isinstance(a, PositionTensor):
        mean = contract(a, a.ndim - 1, with_weights=not both)
        rows = expanded(_without(mean, mean.ndim - 1) if b.ndim == 1 else mean, shape)
    if isinstance(b, PositionTensor):
        axis = max(b.ndim - 2, 0)
        mean = contract(b, axis, with_weights=not both)
        columns = expanded(_without(mean, axis) if min(a.ndim, b.ndim) == 1 else mean, shape)
    if rows is not None and columns is not None:
        return first_with_positions(rows, columns)
    return with_weight(columns, a) if rows is None else with_weight(rows, b)  # type: ignore[arg-type]  # one is there


def _without(x: PositionTensor, axis: int) -> PositionTensor:
    return PositionTensor.from_fields(map_fields(x, lambda field: field.squeeze(axis)), x)


@rule("rmatmul", any_argument=True)
def _reversed_matmul(b: Any, a: Any) -> PositionTensor:
    return _matmul(a, b)


@rule("baddbmm", "addmm", any_argument=True)
def _addmm(bias: Any, a: Any, b: Any, *_: Any, **__: Any) -> PositionTensor:
    return _matmul(a, b)


@rule("einsum", any_argument=True)
def _einsum(equation: str, *operands: Any) -> PositionTensor:
    if len(operands) == 1 and isinstance(operands[0], (list, tuple)):
        operands = tuple(operands[0])
    shape = torch.einsum(equation, *(torch.empty(value.shape, device="meta") for value in operands)).shape
    subscripts, output = _subscripts(equation, [value.ndim for value in operands])
    moved = [value for value in operands if isinstance(value, PositionTensor)]
    parts = [
        _summed_over(value, letters, output, shape, with_weights=len(moved) == 1)
        for value, letters in zip(operands, subscripts, strict=True)
        if isinstance(value, PositionTensor)
    ]
    product = parts[0]
    for part in parts[1:]:
        product = first_with_positions(product, part)
    for value in operands:
        if not isinstance(value, PositionTensor):
            product = with_weight(product, value)
    return product


@rule("tensordot", any_argument=True)
def _tensordot(a: Any, b: Any, dims: Any = 2, **_: Any) -> PositionTensor:
    if isinstance(dims, int):
        dims = range(a.ndim - dims, a.ndim), range(dims)
    letters = string.ascii_lowercase[: a.ndim]
    others = list(string.ascii_uppercase[: b.ndim])
    for left, right in zip(*dims, strict=True):
        others[right] = letters[left]
    output = "".join(c for c in letters if c not in others) + "".join(c for c in others if c not in letters)
    return _einsum(f"{letters},{''.join(others)}->{output}", a, b)


def _subscripts(equation: str, dims: Sequence[int]) -> tuple[list[str], str]:
    """Return one letter for each axis of every operand and of the output; digits stand for those of an ellipsis."""
    inputs, arrow, output = equation.replace(" ", "").partition("->")
    names = inputs.split(",")
    ellipsis = max((dim - len(name.replace("...", "")) for name, dim in zip(names, dims, strict=True)), default=0)
    digits = "0123456789"[:ellipsis]
    named = [
        name.replace("...", digits[len(digits) - (dim - len(name.replace("...", ""))) :] if "..." in name else "")
        for name, dim in zip(names, dims, strict=True)
    ]
    if not arrow:
        letters = "".join(named)
        output = digits + "".join(sorted(letter for letter in set(letters) - set(digits) if letters.count(letter) == 1))
    return named, output.replace("...", digits)


def _summed_over(
    x: PositionTensor, letters: str, output: str, shape: Sequence[int], *, with_weights: bool
) -> PositionTensor:
    """Return the mean position over the axes that an einsum sums over, expanded to its output."""
    if len(set(letters)) < len(letters):
        raise RuntimeError("positions cannot be followed through the diagonal of an einsum")
    for axis, letter in enumerate(letters):
        if letter not in output:
            x = contract(x, axis, with_weights=with_weights)
    kept = [letter for letter in output if letter in letters]
    order = [letters.index(letter) for letter in kept] + [k for k, letter in enumerate(letters) if letter not in output]
    lengths = [x.shape[letters.index(letter)] if letter in letters else 1 for letter in output]
    fields = map_fields(x, lambda field: field.permute(order).reshape(lengths).expand(tuple(shape)))
    return PositionTensor.from_fields(fields, x)


def _fourier(transform: Callable[..., torch.Tensor], x: PositionTensor, *args: Any, **options: Any) -> PositionTensor:
    """Mix all positions along the axes of a Fourier transform; a complex tensor is traced as a real one."""
    name = transform.__name__
    dtype = torch.float32 if "_rfft" in name else torch.complex64
    shape = transform(torch.empty(x.shape, dtype=dtype, device="meta"), *args, **options).shape
    lengths, dims = (*args, None, None)[:2]
    lengths, dims = options.get("s", lengths), options.get("dim", dims)
    if dims is None:
        count = len(lengths) if isinstance(lengths, (list, tuple)) else x.ndim
        dims = -1 if name[-1] == "t" else range(-2, 0) if name[-1] == "2" else range(-count, 0)
    for axis in [dims] if isinstance(dims, int) else dims:
        x = contract(x, axis % x.ndim, with_weights=True)
    return expanded(x, shape)


for _name in [f"{kind}{dims}" for kind in ("fft", "ifft", "rfft", "irfft") for dims in ("", "2", "n")]:
    _transform = getattr(torch.fft, _name)
    rule(_transform.__name__)(partial(_fourier, _transform))


@rule("view_as_real")
def _view_as_real(x: PositionTensor) -> PositionTensor:
    return PositionTensor.from_fields(map_fields(x, lambda field: field.unsqueeze(-1).expand(*x.shape, 2)), x)


@rule("view_as_complex")
def _view_as_complex(x: PositionTensor) -> PositionTensor:
    return PositionTensor.from_fields(map_fields(x, lambda field: field[..., 0]), x)


@rule("scaled_dot_product_attention", any_argument=True)
def _attention(query: Any, key: Any, value: Any, *_: Any, **__: Any) -> PositionTensor:
    """Keep each token at the position of its query; without one, it depends on all tokens."""
    features = value.shape[-1]
    if not isinstance(query, PositionTensor):
        return massless((*query.shape[:-1], features), value if isinstance(value, PositionTensor) else key)
    mean = contract(query, query.ndim - 1)
    return expanded(mean, (*mean.shape[:-1], features))


@rule("multi_head_attention_forward", any_argument=True)
def _multi_head(query: Any, key: Any, value: Any, *_: Any, need_weights: bool = True, **__: Any) -> Any:
    like = position_tensors((query, key, value))[0]
    weights = massless((*query.shape[1:-1], query.shape[0], key.shape[0]), like) if need_weights else None
    return keep_positions(query) if isinstance(query, PositionTensor) else massless(query.shape, like), weights
