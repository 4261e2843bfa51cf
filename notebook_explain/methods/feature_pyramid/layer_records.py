"""Step 1 of a pyramid: record one forward pass. What remains of each layer and sum are means, maps and gradients."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.autograd.graph import GradientEdge, get_gradient_edge

from notebook_explain.models.channel_graph import ELEMENTWISE, Call, ChannelGraph, watch
from notebook_explain.models.channel_graph.op_hooks import OnResult

LayerKey = tuple[str, int]  # "kernel", "sum" or "input", and the index of the layer, sum or pathway in the ChannelGraph


@dataclass(frozen=True, eq=False)
class ChannelGradients:
    """Gradient of the score of each channel of a layer, sum or pathway, summed over all positions: float64 (channel,).

    Attributes
    ----------
    output : array
        With respect to the output before norm and activation: what the score gains where the whole map is raised.
    activation : array
        With respect to the output after norm and activation.
    product : array
        Sum of this gradient times the output after norm and activation.
    """

    output: NDArray[np.float64]
    activation: NDArray[np.float64]
    product: NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class LayerRecords:
    """Means, maps and gradients of each layer and sum, from one forward pass.

    Attributes
    ----------
    calls : dict of key to Call, without its operands
        Weights are copies: the user's parameters may change before the pyramid is finished.
    channel_means : dict of key to float64 tensors (channel,), one per operand
        Mean of each channel that is read.
    tap_means : dict of key to float64 tensor
        ``tap_means`` of a convolution, the channel means of a linear layer; empty unless requested.
    activations : dict of key to tensor
        Output after its norm and activation, if nothing else reads it before.
    inputs : dict of key to tensors, one per operand
        Empty without gradients.
    gradients : dict of key to tensor
        Gradient of the score with respect to the output before norm and activation; empty unless requested.
    channel_gradients : dict of key to ChannelGradients
        Of the layers, sums and pathways that a gradient of the score reaches.
    """

    calls: Mapping[LayerKey, Call]
    channel_means: Mapping[LayerKey, tuple[Tensor, ...]]
    tap_means: Mapping[LayerKey, Tensor]
    activations: Mapping[LayerKey, Tensor]
    inputs: Mapping[LayerKey, tuple[Tensor, ...]]
    gradients: Mapping[LayerKey, Tensor]
    channel_gradients: Mapping[LayerKey, ChannelGradients]


class LayerRecorder:
    """Hooks that record the layers and sums of a channel graph during one forward pass.

    Parameters
    ----------
    graph : ChannelGraph
    with_gradients : bool
        Record what contributions by gradient need.
    with_tap_means : bool
        Record ``tap_means``, which contributions to pre-activations need.
    colours_first : function, optional
        Returns the input, or one pathway of it, with the colours on axis 1, where they are by default.
    """

    def __init__(
        self,
        graph: ChannelGraph,
        with_gradients: bool = False,
        with_tap_means: bool = True,
        colours_first: Callable[[Tensor], Tensor] = lambda part: part,
    ) -> None:
        self.graph, self.with_gradients, self.with_tap_means = graph, with_gradients, with_tap_means
        self.colours_first = colours_first
        self.calls: dict[LayerKey, Call] = {}
        self.channel_means: dict[LayerKey, tuple[Tensor, ...]] = {}
        self.tap_means: dict[LayerKey, Tensor] = {}
        self.activations: dict[LayerKey, Tensor] = {}
        self.inputs: dict[LayerKey, tuple[Tensor, ...]] = {}
        # Positions in the graph, before and after norm and activation, until the gradients are known. They stay valid
        # where the network overwrites a tensor in place.
        self._outputs: dict[LayerKey, GradientEdge] = {}
        self._activation_edges: dict[LayerKey, GradientEdge] = {}
        self._chains: dict[LayerKey, list[Any]] = {}  # nodes of the output and of its norm and activation, in order
        self._raw: dict[LayerKey, Tensor] = {}  # outputs before norm and activation
        self._keys: dict[Any, LayerKey] = {layer.site: ("kernel", index) for index, layer in enumerate(graph.layers)}
        self._keys |= {addition.site: ("sum", index) for index, addition in enumerate(graph.sums)}
        self._key_of_node: dict[Any, LayerKey] = {}  # autograd nodes of outputs and of what norms and activations make

    @contextmanager
    def hooks(self, shadow: nn.Module) -> Iterator[None]:
        """Return the context in which the shadow has to run."""
        handle = shadow.register_forward_pre_hook(
            self._on_input, prepend=True
        )  # the clip, before it is arranged with other inputs
        try:
            with watch(shadow, self._on_call, self._on_function):
                yield
        finally:
            handle.remove()

    def finish(self, score: Tensor | None = None) -> LayerRecords:
        """Compute the gradients of a score, release the graph and return the records; without a score, no gradients."""
        gradients: dict[LayerKey, Tensor] = {}
        channel_gradients: dict[LayerKey, ChannelGradients] = {}
        if score is not None and score.requires_grad and self._outputs:
            keys = list(self._outputs)
            self._drop_shared_activations(score)
            edges = list(dict.fromkeys([*self._outputs.values(), *self._activation_edges.values()]))
            gradients_found: Sequence[Tensor | None] = torch.autograd.grad(score, edges, allow_unused=True)
            found = dict(zip(edges, gradients_found, strict=True))
            for key in keys:
                before, after = found[self._outputs[key]], found[self._activation_edges[key]]
                if before is None:
                    continue
                channel_gradients[key] = self._channel_gradients(key, before, before if after is None else after)
                if self.with_gradients and key[0] != "input":
                    gradients[key] = before
        self._outputs.clear()
        for record in (self._activation_edges, self._chains, self._raw, self._key_of_node):
            record.clear()
        activations = {key: value for key, value in self.activations.items() if key[0] != "input"}
        return LayerRecords(
            self.calls, self.channel_means, self.tap_means, activations, self.inputs, gradients, channel_gradients
        )

    def _drop_shared_activations(self, score: Tensor) -> None:
        """Take a norm or activation for part of the reader where something else reads the output before it, too."""
        counts = _consumer_counts(score)
        for key, chain in self._chains.items():
            if any(counts.get(node, 0) > 1 for node in chain[:-1]):
                self._activation_edges[key], self.activations[key] = self._outputs[key], self._raw[key]

    def _channel_gradients(self, key: LayerKey, before: Tensor, after: Tensor) -> ChannelGradients:
        axis, activation = self._channel_axis(key), self.activations[key]
        if key[0] == "input":
            before, after, activation = map(self.colours_first, (before, after, activation))
        return ChannelGradients(
            _sums(before, axis), _sums(after, axis), _sums(after.double() * activation.double(), axis)
        )

    def _channel_axis(self, key: LayerKey) -> int:
        kind, index = key
        if kind == "input":
            return 1
        return self.graph.sums[index].axis if kind == "sum" else self.calls[key].channel_axis

    def _on_input(self, module: nn.Module, args: tuple[Any, ...]) -> tuple[Any, ...]:
        """Record the clip's pathways, and pass on copies, because a network may write into its input."""
        parts = args[0] if isinstance(args[0], list) else [args[0]]
        for index, part in enumerate(parts):
            if isinstance(part, Tensor) and part.requires_grad:
                self._keep_edge(("input", index), part)
                self.activations["input", index] = part.detach()
        copies = [part.clone() if isinstance(part, Tensor) else part for part in parts]
        return (copies if isinstance(args[0], list) else copies[0], *args[1:])

    def _keep_edge(self, key: LayerKey, result: Tensor) -> None:
        self._outputs[key] = self._activation_edges[key] = get_gradient_edge(result)

    def _on_call(self, call: Call) -> OnResult | None:
        key = self._keys.get(call.site)
        if key is None:
            return None
        operands = call.operands
        weight = None if call.weight is None else call.weight.detach().clone()
        self.calls[key] = replace(call, operands=(), weight=weight, bias=None)
        if self.with_gradients:
            is_sum = key[0] == "sum"
            self.inputs[key] = tuple(map(_copy, operands)) if is_sum else (_copy(operands[0], call.weight),)
        if key[0] == "sum":
            axis = self.graph.sums[key[1]].axis
            terms = torch.broadcast_tensors(*(term.detach() for term in operands))  # type: ignore[no-untyped-call]
            self.channel_means[key] = tuple(channel_means(term, axis) for term in terms)
        else:
            self.channel_means[key] = (channel_means(operands[0], -1 - len(call.kernel)),)

        def on_result(result: Tensor) -> Tensor:
            if self.with_tap_means and key[0] == "kernel":
                sizes = result.shape[-len(call.kernel) :]
                self.tap_means[key] = tap_means(operands[0], sizes, call) if call.kernel else self.channel_means[key][0]
            if result.requires_grad:
                self._keep_edge(key, result)
            following = result.clone()  # the next operation may overwrite it in place
            is_in_place = any(
                result is operand for operand in operands
            )  # then the network goes on with the result itself
            self.activations[key] = self._raw[key] = (following if is_in_place else result).detach()
            passed_on = result if is_in_place else following
            if passed_on.grad_fn is not None:
                self._key_of_node[passed_on.grad_fn] = key
                self._chains[key] = [passed_on.grad_fn]
            return following

        return on_result

    def _on_function(self, name: str, module: str, args: Any, result: Any) -> None:
        """Follow the output of a layer through its norm and activation."""
        if name not in ELEMENTWISE or not isinstance(result, Tensor) or result.grad_fn is None:
            return
        inputs = [node for node, _ in result.grad_fn.next_functions]
        key = next((self._key_of_node[node] for node in inputs if node in self._key_of_node), None)
        if key is not None and result.shape == self.activations[key].shape:
            self._key_of_node[result.grad_fn] = key
            self._chains[key].append(result.grad_fn)
            self.activations[key] = result.detach().clone()
            self._activation_edges[key] = get_gradient_edge(result)


def _consumer_counts(score: Tensor) -> dict[Any, int]:
    """Return how many operations on the way to a score read the result of each autograd node."""
    counts: dict[Any, int] = {}
    visited, stack = {score.grad_fn}, [score.grad_fn]
    while stack:
        node = stack.pop()
        for below, _ in () if node is None else node.next_functions:
            if below is not None:
                counts[below] = counts.get(below, 0) + 1
                if below not in visited:
                    visited.add(below)
                    stack.append(below)
    return counts


def _sums(values: Tensor, axis: int) -> NDArray[np.float64]:
    """Return the sum of each channel over all other axes: float64 (channel,)."""
    others = [index for index in range(values.ndim) if index != axis % values.ndim]
    sums = values.detach().double().sum(others) if others else values.detach().double()
    result: NDArray[np.float64] = sums.cpu().numpy()
    return result


def _copy(operand: Tensor, weight: Tensor | None = None) -> Tensor:
    """Copy an operand, unless autograd saved it for the weight's gradient and would refuse to let it be overwritten."""
    return operand.detach() if weight is not None and weight.requires_grad else operand.detach().clone()


def channel_means(x: Tensor, axis: int) -> Tensor:
    """Return the mean of each channel over all other axes: float64 (channel,)."""
    values = x.detach() if x.dtype == torch.float64 else x.detach().float()
    others = [index for index in range(x.ndim) if index != axis % x.ndim]
    return (values.mean(others) if others else values).double()


def tap_means(x: Tensor, output_sizes: Sequence[int], call: Call) -> Tensor:
    """Return the mean of each input channel over the positions that each tap of a convolution sees.

    Parameters
    ----------
    x : tensor (batch, channel, *positions), or without batch
        Input of the convolution; the mean is taken over the batch too.
    output_sizes : sequence of int
        Sizes of the output's position axes.
    call : Call

    Returns
    -------
    float64 tensor (channel, *kernel)
        Padding counts as 0. A tap of a transposed convolution sees one in `stride` output positions; the others count
        as 0 too.
    """
    axes = len(call.kernel)
    visible = [
        _visible_positions(x.shape[axis - axes], size, axis, call).to(x.device)
        for axis, size in enumerate(output_sizes)
    ]
    # Single precision along the last axis, where most of the data lies and a double copy would cost time. The other axes
    # in double precision, so that the sum is exact to single precision even where terms cancel.
    values = x.detach() if x.dtype == torch.float64 else x.detach().float()
    along_last = values.reshape(-1, x.shape[-1]) @ visible[-1].to(values.dtype).T / output_sizes[-1]
    means = along_last.reshape(-1, *x.shape[-1 - axes : -1], visible[-1].shape[0]).double().mean(0)
    for matrix, size in zip(visible[:-1], output_sizes, strict=False):  # each axis becomes its taps, moved to the end
        means = torch.tensordot(means, matrix.double(), ([1], [1])) / size
    return means.movedim(1, -1)


def _visible_positions(length: int, output_size: int, axis: int, call: Call) -> Tensor:
    """Return how often each tap of one axis sees each input position, 0 or 1: float (tap, position)."""
    stride, dilation, before = call.stride[axis], call.dilation[axis], call.padding[axis][0]
    taps = torch.arange(call.kernel[axis])[:, None] * dilation
    if call.transposed:
        targets = torch.arange(length)[None] * stride + taps - before
        return ((targets >= 0) & (targets < output_size)).float()
    sources = torch.arange(output_size)[None] * stride + taps - before
    inside = (sources >= 0) & (sources < length)
    counts = torch.zeros(len(taps), length)
    return counts.scatter_add_(1, sources.clamp(0, length - 1), inside.float())
