"""Labels on the elements of a tensor, and what can be asked of a node of the autograd graph."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

import torch

from notebook_explain.models.positions.tensor import narrow

Node = Any  # torch.autograd.graph.Node


class Opaque(Exception):  # noqa: N818
    """An operation mixes channels, or cannot be asked."""


@dataclass(frozen=True, eq=False)
class Labels:
    """Labels on the elements of one tensor.

    Attributes
    ----------
    values : float32 tensor
        1 and up; 0 where there is none. Axes of stride 0 stand for values that are the same along them.
    slopes : float32 tensor of the same shape
        What constant factors made of a change by 1, so far.
    """

    values: torch.Tensor
    slopes: torch.Tensor

    @staticmethod
    def along(axis: int | None, shape: torch.Size, device: torch.device) -> Labels:
        """Number the indices of an axis, from 1; ``None`` gives everything the number 1."""
        view = [1] * len(shape)
        count = 1 if axis is None else shape[axis]
        if axis is not None:
            view[axis] = count
        values = torch.arange(1, count + 1, dtype=torch.float32, device=device)
        return Labels(values.view(view).expand(shape), torch.ones((), device=device).expand(shape))

    @property
    def even(self) -> torch.Tensor | None:
        """The slope, if it is the same everywhere."""
        slopes = narrow(self.slopes)
        return slopes.reshape(()) if slopes.numel() == 1 else None

    def varies(self, axis: int) -> bool:
        """Whether labels differ along an axis."""
        values = narrow(self.values)
        return values.shape[axis] > 1 and not torch.equal(values.amin(axis), values.amax(axis))


Step = tuple[int, Labels]  # which of an operation's inputs, and the labels there


def operation(node: Node) -> str:
    """Name of what a node of the graph is the backward pass of: "Relu", "Cat", "Convolution"."""
    return re.sub(r"Backwards?\d*$", "", str(node.name()).rpartition("::")[2])


def shape_of(node: Node, output: int) -> torch.Size:
    """Shape of what the operation of a node returned."""
    shape: torch.Size = node._input_metadata[output].shape
    return torch.Size(shape)


def device_of(node: Node, output: int) -> torch.device:
    """Device of what the operation of a node returned."""
    device: torch.device = node._input_metadata[output].device
    return device


def saved_dims(node: Node, ndim: int) -> list[int]:
    """The axes that an operation worked along, from the first; [] where it remembers none."""
    dims = getattr(node, "_saved_dim", None)
    dims = [dims] if isinstance(dims, int) else list(dims or ())
    return sorted((dim - 2**64 if dim >= 2**63 else dim) % ndim for dim in dims)  # negative ones lose their sign


def asked(node: Node, output: int, values: torch.Tensor) -> list[torch.Tensor | None]:
    """The operation's own backward pass, of numbers of ours."""
    given = [values if at == output else None for at in range(len(node._input_metadata))]
    try:
        # What users write in Python (torch.autograd.Function) is called by another name.
        found = node(*given) if callable(node) else node.apply(*given)
    except Exception as error:
        raise Opaque from error
    return list(found) if isinstance(found, (tuple, list)) else [found]
