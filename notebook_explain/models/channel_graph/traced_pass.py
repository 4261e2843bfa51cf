"""Run a network once on noise and record its calls in the autograd graph."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

import torch
from torch import nn

from notebook_explain.models.channel_graph.backtrace import AutogradWalker
from notebook_explain.models.channel_graph.channel_labels import Edge, Node
from notebook_explain.models.channel_graph.graph import INPUT
from notebook_explain.models.channel_graph.keep_graph import JOINING, KeepGraph, UntrackedInputs
from notebook_explain.models.channel_graph.link_builder import Terminal
from notebook_explain.models.channel_graph.op_hooks import Call, OnCall, OnFunction, OnResult, watch
from notebook_explain.models.input_layouts import channel_axis, has_channels
from notebook_explain.models.outputs import LastActivations, to_heads
from notebook_explain.models.rng import LocalRandomness
from notebook_explain.models.shadow import reference_parameter
from notebook_explain.models.video_model import VideoModel

_MIXING_FUNCTIONS = frozenset(
    """scaled_dot_product_attention multi_head_attention_forward lstm gru rnn_tanh rnn_relu einsum matmul bmm mm addmm
    baddbmm bilinear tensordot chain_matmul cdist""".split()
)


def freeze(shadow: nn.Module) -> None:
    """Replace parameters by copies without gradients (same storage), so that the graph only shows paths of the clip."""
    copies: dict[int, nn.Parameter] = {}
    for module in shadow.modules():
        for name, parameter in module._parameters.items():
            if parameter is not None:
                copy = copies.setdefault(id(parameter), nn.Parameter(parameter.detach(), requires_grad=False))
                module._parameters[name] = copy


@dataclass(frozen=True, eq=False)
class TracedCall:
    """A call in the autograd graph, without the values of its tensors.

    Attributes
    ----------
    call : Call
    operands : tuple of Edge or None
        None for an operand without a graph.
    result : Edge or None
    untracked : int or None
        Index of its untracked operands in ``UntrackedInputs``.
    without_graph : bool
        It ran where there is no graph, so that missing edges do not mean constants.
    """

    call: Call
    operands: tuple[Edge | None, ...]
    result: Edge | None
    untracked: int | None
    without_graph: bool


@dataclass(eq=False)
class TracedPass:
    """Record of one forward pass.

    Attributes
    ----------
    walker : AutogradWalker
    untracked : UntrackedInputs
    calls : list of TracedCall, in order of execution
    joined : dict of index of untracked inputs to the node that they became part of
    heads : dict of head name to Edge
        The logits.
    results : object
        Output of the network, which keeps the graph alive.
    """

    walker: AutogradWalker
    untracked: UntrackedInputs
    calls: list[TracedCall] = field(default_factory=list)
    joined: dict[int, Node] = field(default_factory=dict)
    heads: dict[str, Edge] = field(default_factory=dict)
    results: Any = None


def run_on_noise(shadow: nn.Module, model: VideoModel, keep_graph: bool, seed: int = 0) -> TracedPass:
    """Run a shadow once on a random clip.

    Parameters
    ----------
    shadow : module
    model : VideoModel
    keep_graph : bool
        Continue the graph where the network cuts it (``KeepGraph``).
    seed : int
        Seed of the noise.
    """
    traced = TracedPass(AutogradWalker(), UntrackedInputs(shadow))
    tensors, is_list = _noise_clip(model, reference_parameter(shadow), traced.walker, seed)
    last = LastActivations()
    mode = KeepGraph() if keep_graph else torch.enable_grad()
    with LocalRandomness(), mode, watch(shadow, _record_calls(traced), _record_names(traced)), last:
        output = shadow(tensors if is_list else tensors[0])
    layers = [traced_call.call for traced_call in traced.calls if traced_call.call.weight is not None]
    if layers:
        heads, _ = to_heads(output, last, model.labels, layers[-1].out_channels)
        edges = {name: _edge_of(head.logits) for name, head in heads.items()}
        traced.heads = {name: edge for name, edge in edges.items() if edge is not None}
        traced.results = (output, heads)
    return traced


def _noise_clip(
    model: VideoModel, like: torch.Tensor, walker: AutogradWalker, seed: int
) -> tuple[list[torch.Tensor], bool]:
    """Return a random clip in the network's layout, its pathways registered as terminals, and whether it is a list."""
    p = model.preprocessing
    noise = torch.randn((1, p.channels, *p.shape), generator=torch.Generator().manual_seed(seed))
    noise = noise.to(like.device, like.dtype)
    axis = channel_axis(p.layout)
    if axis is None:  # channels are merged with another axis, or there is one: the terminal comes before
        noise = noise if has_channels(p.layout) else noise[:, :1]
        clip = noise.contiguous().requires_grad_().clone()
        walker.terminals[clip.grad_fn] = Terminal(INPUT, 0, 1)
        return [p.arrange(clip).contiguous()], False
    inputs = p.arrange(noise)
    is_list = isinstance(inputs, list)
    tensors = [part.contiguous().requires_grad_().clone() for part in (inputs if is_list else [inputs])]
    for pathway, tensor in enumerate(tensors):
        walker.terminals[tensor.grad_fn] = Terminal(INPUT, pathway, axis)
    return tensors, is_list


def _edge_of(tensor: torch.Tensor) -> Edge | None:
    return None if tensor.grad_fn is None else Edge(tensor.grad_fn, tensor.output_nr)


def _record_calls(traced: TracedPass) -> OnCall:
    """Return a hook that records the edges of each call's operands and result before they are overwritten."""

    def on_call(call: Call) -> OnResult:
        operands = tuple(_edge_of(operand) for operand in call.operands)
        untracked = traced.untracked.register(*call.operands) if None in operands else None
        without_graph = not torch.is_grad_enabled()

        def on_result(result: torch.Tensor) -> None:
            edge = _edge_of(result)
            if untracked is not None and edge is not None:
                traced.joined[untracked] = edge.node
            if call.weight is not None or None not in operands:  # an addition of a constant is no sum
                record = TracedCall(replace(call, operands=()), operands, edge, untracked, without_graph)
                traced.calls.append(record)

        return on_result

    return on_call


def _record_names(traced: TracedPass) -> OnFunction:
    """Return a hook that records the name of each function, and where tensors without a graph join others."""
    walker = traced.walker

    def on_function(name: str, module: str, args: Any, result: Any) -> None:
        if name in ("setitem", "copy"):
            result, args = args[0], args[1:]
        values = [value for value in (result if isinstance(result, (tuple, list)) else (result,)) if _has_graph(value)]
        for value in values:
            walker.names.setdefault(value.grad_fn, f"{name} in {module}" if module else name)
            if name in _MIXING_FUNCTIONS:
                walker.opaque.add(value.grad_fn)
        if values and name in JOINING:
            untracked = traced.untracked.register(*args)
            if untracked is not None:
                traced.joined[untracked] = values[0].grad_fn

    return on_function


def _has_graph(value: Any) -> bool:
    return isinstance(value, torch.Tensor) and value.grad_fn is not None


def mark_opaque(traced: TracedPass, varying: set[int]) -> None:
    """Mark the nodes that varying untracked inputs became part of as opaque.

    Parameters
    ----------
    traced : TracedPass
    varying : set of int
        Indices of untracked inputs that differ between clips.
    """
    walker = traced.walker
    for index in varying & set(traced.joined):
        node = traced.joined[index]
        walker.names[node] = f"{walker.names.get(node, 'an operation')} with a tensor without gradients"
        walker.opaque.add(node)
    traced.calls = [replace(call, without_graph=True) if call.untracked in varying else call for call in traced.calls]
