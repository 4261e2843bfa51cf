"""Labels on the elements of a tensor, and access to the nodes of the autograd graph.

A label is a channel number that is attached to every element of a tensor. The backtrace carries labels from a tensor
that a layer reads to the tensors that it was computed from.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, NamedTuple

import torch

from notebook_explain.models.positions.tensor import narrow

Node = Any  # torch.autograd.graph.Node


class Opaque(Exception):  # noqa: N818
    """An operation mixes channels, or its backward pass cannot be run."""


@dataclass(frozen=True, eq=False)
class Labels:
    """Labels on the elements of one tensor.

    Attributes
    ----------
    values : float32 tensor
        Labels from 1; 0 where an element has none. Axes of stride 0 hold the same values all along.
    slopes : float32 tensor of the same shape
        Product of the constant factors between this tensor and the tensor that the labels started on.
    """

    values: torch.Tensor
    slopes: torch.Tensor

    @staticmethod
    def along(axis: int | None, shape: torch.Size, device: torch.device) -> Labels:
        """Number the indices of an axis from 1; with ``None``, give every element the label 1."""
        view = [1] * len(shape)
        count = 1 if axis is None else shape[axis]
        if axis is not None:
            view[axis] = count
        values = torch.arange(1, count + 1, dtype=torch.float32, device=device)
        return Labels(values.view(view).expand(shape), torch.ones((), device=device).expand(shape))

    @property
    def uniform_slope(self) -> torch.Tensor | None:
        """Slope of all elements; None if they differ."""
        slopes = narrow(self.slopes)
        return slopes.reshape(()) if slopes.numel() == 1 else None

    def varies_along(self, axis: int) -> bool:
        """Return whether labels differ along an axis."""
        values = narrow(self.values)
        return values.shape[axis] > 1 and not torch.equal(values.amin(axis), values.amax(axis))


InputLabels = tuple[int, Labels]  # index of one of an operation's inputs, and the labels there


def operation(node: Node) -> str:
    """Return the name of the operation that a node is the backward pass of: "Relu", "Cat", "Convolution"."""
    return re.sub(r"Backwards?\d*$", "", str(node.name()).rpartition("::")[2])


def shape_of(node: Node, output: int) -> torch.Size:
    """Return the shape of one result of a node's operation."""
    shape: torch.Size = node._input_metadata[output].shape
    return torch.Size(shape)


def device_of(node: Node, output: int) -> torch.device:
    """Return the device of one result of a node's operation."""
    device: torch.device = node._input_metadata[output].device
    return device


class Edge(NamedTuple):
    """A tensor in the autograd graph: the node that made it, and the index among the node's results."""

    node: Node
    output: int

    @property
    def shape(self) -> torch.Size:
        """Shape of the tensor."""
        return shape_of(self.node, self.output)

    def labelled(self, axis: int | None) -> Labels:
        """Number the indices of an axis; with ``None``, give the whole tensor the label 1."""
        return Labels.along(axis, self.shape, device_of(self.node, self.output))


def saved_dims(node: Node, ndim: int) -> list[int]:
    """Return the axes that an operation worked along, in order; [] where the node did not save them."""
    dims = getattr(node, "_saved_dim", None)
    dims = [dims] if isinstance(dims, int) else list(dims or ())
    # Nodes save negative axes as unsigned 64-bit integers.
    return sorted((dim - 2**64 if dim >= 2**63 else dim) % ndim for dim in dims)


def run_backward(node: Node, output: int, values: torch.Tensor) -> list[torch.Tensor | None]:
    """Run the backward pass of one operation on given values; raise Opaque where it fails."""
    gradients = [values if index == output else None for index in range(len(node._input_metadata))]
    try:
        # A torch.autograd.Function written in Python is not callable; it has apply() instead.
        result = node(*gradients) if callable(node) else node.apply(*gradients)
    except Exception as error:
        raise Opaque from error
    return list(result) if isinstance(result, (tuple, list)) else [result]
