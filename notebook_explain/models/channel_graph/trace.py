"""Find the channel graph of a network with convolutions, once per model.

1. The network runs once on noise; hooks record every convolution, linear layer and addition (``traced_pass``).
2. The autograd graph stays connected through ``detach`` and ``no_grad`` (``keep_graph``).
3. In order of execution, the input of each layer is traced back to the kernels, sums and colours before it
   (``backtrace``). What a layer reads is therefore known before anything that reads the layer.
4. If tensors without a graph took part, a second pass on other noise shows which depend on the clip; what they joined
   is marked as unknown.

The result belongs to the network, not to a clip: values never decide which channel feeds which.
"""

from __future__ import annotations

import threading
import weakref
from dataclasses import replace

import numpy as np
import torch
from torch import nn

from notebook_explain._progress import stage
from notebook_explain.explanations import ExplainError
from notebook_explain.models.channel_graph.backtrace import AutogradWalker
from notebook_explain.models.channel_graph.graph import (
    IDENTITY,
    KERNEL,
    SUM,
    Addend,
    ChannelGraph,
    KernelLayer,
    Links,
    Sum,
)
from notebook_explain.models.channel_graph.link_builder import Terminal
from notebook_explain.models.channel_graph.notes import gate_notes, unknown_notes
from notebook_explain.models.channel_graph.receptive_fields import receptive_fields, with_receptive_fields
from notebook_explain.models.channel_graph.traced_pass import TracedCall, TracedPass, freeze, mark_opaque, run_on_noise
from notebook_explain.models.channel_graph.walk_records import Addition
from notebook_explain.models.shadow import reference_parameter
from notebook_explain.models.video_model import VideoModel, position_input


class _CacheEntry:
    """The channel graph of one model, and the lock under which it is made."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.graph: ChannelGraph | None = None


_cache_lock = threading.Lock()
_cache: weakref.WeakKeyDictionary[VideoModel, _CacheEntry] = weakref.WeakKeyDictionary()


def channel_graph(model: VideoModel) -> ChannelGraph:
    """Return the channel graph of a model: made by the first call, kept as long as the model.

    Parameters
    ----------
    model : VideoModel

    Returns
    -------
    ChannelGraph
        The same for every clip. ``notes`` and the ``links.unknown`` of each layer hold what is unknown.

    Raises
    ------
    ExplainError
        No gradient reaches the network's output, or it has no convolutions that feed one another (a transformer).

    Examples
    --------
    >>> graph = channel_graph(ne.adapt(net))
    >>> graph.layer("layer2.0.conv1").links[3]    # source of its input channel 3
    (Link(node='sum', owner=1, channel=3, kind='conv', slope=1.0),)
    """
    with _cache_lock:
        entry = _cache.setdefault(model, _CacheEntry())
    with entry.lock:
        if entry.graph is None:
            graph = trace_channels(model)
            _check_kernels_feed_kernels(graph, type(model.module).__name__)
            entry.graph = graph
        return entry.graph


def trace_channels(model: VideoModel) -> ChannelGraph:
    """Trace the channels of a model, without caching and without checking that there are kernels to follow."""

    def trace(shadow: nn.Module) -> ChannelGraph:
        with torch.inference_mode(False), torch.enable_grad():
            reference = reference_parameter(shadow)
            fields = receptive_fields(shadow, position_input(model.preprocessing, reference.device, reference.dtype))
            if shadow is not model.module:
                freeze(shadow)
            keep_graph = True
            try:
                traced = run_on_noise(shadow, model, keep_graph)
            except Exception:  # some networks do not run with a graph throughout
                keep_graph = False
                traced = run_on_noise(shadow, model, keep_graph)
            if traced.untracked.sums:
                other_clip = run_on_noise(shadow, model, keep_graph, seed=1)
                mark_opaque(traced, traced.untracked.varying(other_clip.untracked))
        with torch.no_grad():
            return with_receptive_fields(_build_graph(traced), fields)

    return model.on_shadow(trace)[0]


def _build_graph(traced: TracedPass) -> ChannelGraph:
    """Trace the calls in order of execution, so that each result is a terminal before it is read."""
    walker = traced.walker
    layers: list[KernelLayer] = []
    for order, call in enumerate(traced.calls):
        stage("connections", order + 1, len(traced.calls))
        if call.call.weight is not None:
            layers.append(_kernel_layer(walker, call, layers))
            if call.result is not None:
                walker.terminals[call.result.node] = Terminal(KERNEL, len(layers) - 1, call.call.channel_axis)
        elif call.result is not None and call.result.node not in walker.terminals:
            first, second = call.operands
            if first is None or second is None:
                continue
            if walker.depends_on_clip(first.node) and walker.depends_on_clip(second.node):
                walker.additions[call.result.node] = Addition(order, (first, second), call.result)
    heads = {name: walker.trace(edge, 1, IDENTITY) for name, edge in traced.heads.items()}
    graph = _renumber_sums(ChannelGraph(tuple(layers), _sums(walker, traced.calls), heads), walker)
    notes = (*unknown_notes(graph.unknown), *gate_notes(walker.untraced_gates), *walker.notes)
    return replace(graph, notes=notes)


def _kernel_layer(walker: AutogradWalker, traced_call: TracedCall, before: list[KernelLayer]) -> KernelLayer:
    call, edge = traced_call.call, traced_call.operands[0]
    if edge is not None:
        links = walker.trace(edge, call.channel_axis)
    else:
        links = _no_links(call.in_channels, "an operation without gradients" if traced_call.without_graph else None)
    name = call.site.module or "network"
    count = sum(layer.site.module == call.site.module for layer in before)
    return KernelLayer(
        name=f"{name}#{count + 1}" if count else name,
        site=call.site,
        out_channels=call.out_channels,
        in_channels=call.in_channels,
        groups=call.groups,
        kernel=call.kernel,
        stride=call.stride,
        padding=call.padding,
        dilation=call.dilation,
        transposed=call.transposed,
        links=links,
    )


def _no_links(channels: int, unknown: str | None) -> Links:
    """Return links of channels without sources: constant, or unknown because of the named operation."""
    all_channels, none = np.arange(channels), np.empty(0, np.int64)
    unknown_channels = () if unknown is None else ((unknown, all_channels),)
    first = np.zeros(channels + 1, np.int64)
    constant = none if unknown_channels else all_channels
    return Links(first, none, none, none, none, np.empty(0), constant, unknown_channels)


def _sums(walker: AutogradWalker, calls: list[TracedCall]) -> tuple[Sum, ...]:
    """Return the sums that a walk reached, in order of execution."""
    sums: list[Sum] = []
    for traced in sorted(walker.sums, key=lambda traced: traced.addition.order):
        call = calls[traced.addition.order].call
        name = f"sum in {call.site.module}" if call.site.module else "sum"
        count = sum(before.site.module == call.site.module for before in sums)
        first, second = (Addend(links, sign) for links, sign in zip(traced.links, call.signs, strict=True))
        name = f"{name}#{count + 1}" if count else name
        sums.append(Sum(name, call.site, len(first.links), traced.axis, (first, second)))
    return tuple(sums)


def _renumber_sums(graph: ChannelGraph, walker: AutogradWalker) -> ChannelGraph:
    """Replace the indices of sums, which follow the order of the walks, by those in order of execution."""
    position = np.argsort(np.argsort([traced.addition.order for traced in walker.sums])).astype(np.int64)

    def renumbered(links: Links) -> Links:
        owner, below = links.owner.copy(), links.layers_below.copy()
        is_sum, is_sum_below = links.node == SUM, below[:, 0] == SUM
        owner[is_sum] = position[owner[is_sum]]
        below[is_sum_below, 1] = position[below[is_sum_below, 1]]
        return replace(links, owner=owner, layers_below=below)

    sums = []
    for addition in graph.sums:
        first, second = (replace(addend, links=renumbered(addend.links)) for addend in addition.addends)
        sums.append(replace(addition, addends=(first, second)))
    return replace(
        graph,
        layers=tuple(replace(layer, links=renumbered(layer.links)) for layer in graph.layers),
        sums=tuple(sums),
        heads={name: renumbered(links) for name, links in graph.heads.items()},
    )


def _check_kernels_feed_kernels(graph: ChannelGraph, name: str) -> None:
    """Raise ExplainError for a network in which no convolution is known to feed another."""
    convolutions = [layer for layer in graph.layers if layer.site.op == "conv"]
    advice = "Use SaliencyTubes: they explain networks without kernels that feed one another"
    if not convolutions:
        raise ExplainError(f"{name} has no convolutions, so there are no kernels to follow. {advice}")
    is_fed = any(source.site.op == "conv" for layer in convolutions for source in graph.predecessors(layer))
    if graph.unknown and not is_fed:
        operations = ", ".join(list(graph.unknown)[:3])
        raise ExplainError(
            f"{name} has no convolution that feeds another: its {len(convolutions)} convolutions cut the clip into "
            f"patches, and the operations that follow mix channels ({operations}). {advice}"
        )
