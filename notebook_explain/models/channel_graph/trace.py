"""Which kernel feeds which, for any network with convolutions: found once per model, exact, and said where it is not known.

The network runs once on noise. What it computes is watched (``calls``), its autograd graph is read backward from the
input of every layer to the kernels, sums and colours of the clip that come before (``walking``). What is found belongs to
the network, not to the clip.
"""

from __future__ import annotations

import threading
import weakref
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import torch
from torch import nn

from notebook_explain.explanations import ExplainError
from notebook_explain.models.channel_graph.backtrace import Addition, Edge, Graph
from notebook_explain.models.channel_graph.channel_labels import Node
from notebook_explain.models.channel_graph.graph import (
    IDENTITY,
    INPUT,
    KERNEL,
    SUM,
    Addend,
    ChannelGraph,
    KernelLayer,
    Links,
    Sum,
    lost,
    mixed,
)
from notebook_explain.models.channel_graph.keep_graph import JOINS, OpenGradients, UntrackedInputs
from notebook_explain.models.channel_graph.link_builder import Stop
from notebook_explain.models.channel_graph.op_hooks import Call, watch
from notebook_explain.models.channel_graph.receptive_fields import receptive_fields, with_fields
from notebook_explain.models.outputs import LastActivations, to_heads
from notebook_explain.models.rng import LocalRandomness
from notebook_explain.models.shadow import on_shadow, reference_parameter
from notebook_explain.models.video_model import VideoModel, position_input

_COLOURS = {"BCTHW": 1, "BTCHW": 2, "BTHWC": 4, "(BT)CHW": 1}  # axis of red, green and blue
_CLOSED = frozenset(
    """scaled_dot_product_attention multi_head_attention_forward lstm gru rnn_tanh rnn_relu einsum matmul bmm mm addmm
    baddbmm bilinear tensordot chain_matmul cdist""".split()
)
_lock = threading.Lock()
_found: weakref.WeakKeyDictionary[VideoModel, _Once] = weakref.WeakKeyDictionary()


class _Once:
    """The connections of one model, made by whoever asks first."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.connections: ChannelGraph | None = None


def connections(model: VideoModel) -> ChannelGraph:
    """Which kernel feeds which in a model: found at the first call, kept as long as the model.

    Returns
    -------
    ChannelGraph
        The same for every clip; ``notes`` and each layer's ``links.unknown`` say what could not be known.

    Raises
    ------
    ExplainError
        The network has no convolutions that feed one another (a transformer), or does not run.

    Examples
    --------
    >>> found = connections(ne.adapt(net))
    >>> found.layer("layer2.0.conv1").links[3]    # where its input channel 3 comes from
    (Link(node='sum', at=1, channel=3, kind='conv', slope=1.0),)
    """
    with _lock:
        once = _found.setdefault(model, _Once())
    with once.lock:
        if once.connections is None:
            once.connections = _checked(route(model), type(model.module).__name__)
        return once.connections


def route(model: VideoModel) -> ChannelGraph:
    """Route the channels of a model, without remembering it and whatever comes out."""

    def on(shadow: nn.Module) -> ChannelGraph:
        with torch.inference_mode(False), torch.enable_grad():
            fields = receptive_fields(shadow, position_input(model.preprocessing, reference_parameter(shadow).device))
            if shadow is not model.module:
                _freeze(shadow)
            opened = True
            try:
                found = _run(shadow, model, opened)
            except Exception:  # it cannot do with a graph all the way
                opened = False
                found = _run(shadow, model, opened)
            if found.suspects.sums:
                _convict(found, found.suspects.guilty(_run(shadow, model, opened, seed=1).suspects))
        with torch.no_grad():
            return with_fields(_read(found), fields)

    return on_shadow(model.module, on)[0]


def _freeze(shadow: nn.Module) -> None:
    """Let the graph hold the clip's way only: other parameters of the same storage stand in, which want no gradient."""
    stand_ins: dict[int, nn.Parameter] = {}
    for part in shadow.modules():
        for name, parameter in part._parameters.items():
            if parameter is not None:
                stand_in = stand_ins.setdefault(id(parameter), nn.Parameter(parameter.detach(), requires_grad=False))
                part._parameters[name] = stand_in


@dataclass(frozen=True, eq=False)
class _Done:
    """A call that was watched: the tensors it read and made as the graph knows them, without their values."""

    call: Call
    read: tuple[Edge | None, ...]
    made: Edge | None
    suspect: int | None  # which of the suspects it read
    hidden: bool  # it ran where there is no graph, so that edges say nothing


@dataclass(eq=False)
class _Pass:
    """What one forward pass showed, in order."""

    graph: Graph
    suspects: UntrackedInputs
    done: list[_Done] = field(default_factory=list)
    joined: dict[int, Node] = field(default_factory=dict)  # what suspects became part of
    heads: dict[str, Edge] = field(default_factory=dict)
    keep: Any = None  # the graph lives as long as its results


def _run(shadow: nn.Module, model: VideoModel, opened: bool, seed: int = 0) -> _Pass:
    found = _Pass(Graph(), UntrackedInputs(shadow))
    tensors, several = _noise(model, reference_parameter(shadow), found.graph, seed)
    last = LastActivations()
    through = OpenGradients() if opened else torch.enable_grad()
    with LocalRandomness(), through, watch(shadow, _keep_edges(found), _name_nodes(found)), last:
        output = shadow(tensors if several else tensors[0])
    layers = [done.call for done in found.done if done.call.weight is not None]
    if layers:
        heads, _ = to_heads(output, last, model.labels, _out_channels(layers[-1]))
        edges = {name: _edge(head.logits) for name, head in heads.items()}
        found.heads = {name: edge for name, edge in edges.items() if edge is not None}
        found.keep = (output, heads)
    return found


def _noise(model: VideoModel, like: torch.Tensor, graph: Graph, seed: int) -> tuple[list[torch.Tensor], bool]:
    """A random clip in the layout that the network takes, where walks through the graph stop."""
    p = model.preprocessing
    noise = torch.randn((1, 3, *p.shape), generator=torch.Generator().manual_seed(seed))
    inputs = p.arrange(noise.to(like.device, like.dtype))
    several = isinstance(inputs, list)
    tensors = [part.contiguous().requires_grad_().clone() for part in (inputs if several else [inputs])]
    for pathway, tensor in enumerate(tensors):
        graph.stops[tensor.grad_fn] = Stop(INPUT, pathway, _COLOURS.get(str(p.layout), 1))
    return tensors, several


def _edge(tensor: torch.Tensor) -> Edge | None:
    return None if tensor.grad_fn is None else Edge(tensor.grad_fn, tensor.output_nr)


def _keep_edges(found: _Pass) -> Any:
    """Remember what each call reads before that is overwritten, and what it makes before it is."""

    def seen(call: Call) -> Any:
        read = tuple(_edge(operand) for operand in call.operands)
        suspect = found.suspects.look(*call.operands) if None in read else None
        hidden = not torch.is_grad_enabled()

        def made(result: torch.Tensor) -> None:
            edge = _edge(result)
            if suspect is not None and edge is not None:
                found.joined[suspect] = edge.node
            if call.weight is not None or None not in read:  # else something constant is added
                found.done.append(_Done(replace(call, operands=()), read, edge, suspect, hidden))

        return made

    return seen


def _name_nodes(found: _Pass) -> Any:
    """Remember what to call each operation, and where something without a graph joins what has one."""
    graph = found.graph

    def named(name: str, module: str, args: Any, result: Any) -> None:
        if name in ("setitem", "copy"):
            result, args = args[0], args[1:]
        values = [value for value in (result if isinstance(result, (tuple, list)) else (result,)) if _made(value)]
        for value in values:
            graph.names.setdefault(value.grad_fn, f"{name} in {module}" if module else name)
            if name in _CLOSED:
                graph.closed.add(value.grad_fn)
        if values and name in JOINS:
            suspect = found.suspects.look(*args)
            if suspect is not None:
                found.joined[suspect] = values[0].grad_fn

    return named


def _made(value: Any) -> bool:
    return isinstance(value, torch.Tensor) and value.grad_fn is not None


def _convict(found: _Pass, guilty: set[int]) -> None:
    """What differs from clip to clip is not constant: the way that it came is hidden, and said to be."""
    for suspect in guilty & set(found.joined):
        node = found.joined[suspect]
        found.graph.names[node] = f"{found.graph.names.get(node, 'an operation')} with a tensor without gradients"
        found.graph.closed.add(node)
    found.done = [replace(done, hidden=True) if done.suspect in guilty else done for done in found.done]


def _read(found: _Pass) -> ChannelGraph:
    """Go through the calls in order, so that what comes before is known when it is read."""
    graph = found.graph
    layers: list[KernelLayer] = []
    for order, done in enumerate(found.done):
        if done.call.weight is not None:
            layers.append(_layer(graph, done, layers))
            if done.made is not None:
                graph.stops[done.made.node] = Stop(KERNEL, len(layers) - 1, _channel_axis(done.call))
        elif done.made is not None and done.made.node not in graph.stops:
            first, second = done.read
            if first is not None and second is not None and graph.depends(first.node) and graph.depends(second.node):
                graph.additions[done.made.node] = Addition(order, (first, second), done.made)
    heads = {name: graph.read(edge, 1, IDENTITY) for name, edge in found.heads.items()}
    routed = _in_order(ChannelGraph(tuple(layers), _sums(graph, found.done), heads), graph)
    return replace(routed, notes=(*lost(routed.unknown), *mixed(graph.mixed), *graph.notes))


def _layer(graph: Graph, done: _Done, before: list[KernelLayer]) -> KernelLayer:
    call, edge = done.call, done.read[0]
    assert call.weight is not None
    inputs = int(call.weight.shape[0] if call.transposed else call.weight.shape[1] * call.groups)
    if edge is not None:
        links = graph.read(edge, _channel_axis(call))
    else:
        links = _nothing(inputs, "an operation without gradients" if done.hidden else None)
    name = call.site.module or "network"
    count = sum(layer.site.module == call.site.module for layer in before)
    return KernelLayer(
        name=f"{name}#{count + 1}" if count else name,
        site=call.site,
        out_channels=_out_channels(call),
        in_channels=inputs,
        groups=call.groups,
        kernel=call.kernel,
        stride=call.stride,
        padding=call.padding,
        dilation=call.dilation,
        transposed=call.transposed,
        links=links,
    )


def _channel_axis(call: Call) -> int:
    """Counted from the end, since convolutions take clips without a batch axis too."""
    return -1 if not call.kernel else -1 - len(call.kernel)


def _out_channels(call: Call) -> int:
    assert call.weight is not None
    return int(call.weight.shape[1] * call.groups if call.transposed else call.weight.shape[0])


def _nothing(channels: int, unknown: str | None) -> Links:
    """Links of channels that come from no node: constant, or unknown."""
    every, none = np.arange(channels), np.empty(0, np.int64)
    hidden = () if unknown is None else ((unknown, every),)
    first = np.zeros(channels + 1, np.int64)
    return Links(first, none, none, none, none, np.empty(0), none if hidden else every, hidden)


def _sums(graph: Graph, done: list[_Done]) -> tuple[Sum, ...]:
    """The sums that something reads, in the order of execution."""
    sums: list[Sum] = []
    for added in sorted(graph.sums, key=lambda added: added.addition.order):
        call = done[added.addition.order].call
        name = f"sum in {call.site.module}" if call.site.module else "sum"
        again = sum(each.site.module == call.site.module for each in sums)
        first, second = (Addend(*each) for each in zip(added.links, call.signs, strict=True))
        name = f"{name}#{again + 1}" if again else name
        sums.append(Sum(name, call.site, len(first.links), added.axis, (first, second)))
    return tuple(sums)


def _in_order(found: ChannelGraph, graph: Graph) -> ChannelGraph:
    """Sums go by the order of execution, no longer by that in which walks came to them."""
    place = np.argsort(np.argsort([added.addition.order for added in graph.sums])).astype(np.int64)

    def renumbered(links: Links) -> Links:
        at = links.at.copy()
        at[links.node == SUM] = place[at[links.node == SUM]]
        return replace(links, at=at)

    def of(addend: Addend) -> Addend:
        return replace(addend, links=renumbered(addend.links))

    return replace(
        found,
        layers=tuple(replace(layer, links=renumbered(layer.links)) for layer in found.layers),
        sums=tuple(replace(each, addends=(of(each.addends[0]), of(each.addends[1]))) for each in found.sums),
        heads={name: renumbered(links) for name, links in found.heads.items()},
    )


def _checked(found: ChannelGraph, name: str) -> ChannelGraph:
    """Refuse networks in which no convolution feeds another for all that can be seen."""
    convolutions = [layer for layer in found.layers if layer.site.op == "conv"]
    advice = "SaliencyTubes explain it: they need no kernels that feed one another"
    if not convolutions:
        raise ExplainError(f"{name} has no convolutions, so there are no kernels to follow. {advice}")
    fed = any(layer.site.op == "conv" for each in convolutions for layer in found.predecessors(each))
    if found.unknown and not fed:
        operations = ", ".join(list(found.unknown)[:3])
        raise ExplainError(
            f"{name} has no convolution that feeds another: its {len(convolutions)} cut the clip into patches, and what "
            f"follows mixes channels ({operations}). {advice}"
        )
    return found
