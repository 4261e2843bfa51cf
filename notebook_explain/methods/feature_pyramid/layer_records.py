"""One pass of a clip through the network, and what a pyramid needs of it: means, maps, and for gradients the tensors."""

from __future__ import annotations

from contextlib import AbstractContextManager
from dataclasses import dataclass, field, replace
from typing import Any

import torch
from torch import Tensor, nn

from notebook_explain.methods.feature_pyramid.contributions import channel_means, tap_means
from notebook_explain.models.channel_graph import SHAPING, Call, ChannelGraph, watch

Key = tuple[str, int]  # "kernel" or "sum", place among the layers or sums of the connections


@dataclass(eq=False)
class LayerRecords:
    """What was seen of each layer and sum.

    Attributes
    ----------
    connections : ChannelGraph
    gradients : bool
        Whether gradients of the score are wanted.
    taps : bool
        Whether ``tap_means`` are: what "exact" needs.
    calls : dict of key to Call, without its operands
        Their weights are copies: the user's own may change before the pyramid stands.
    levels : dict of key to float64 tensors (channel,), one for each operand
        The mean of each channel that is read.
    means : dict of key to float64 tensors, one for each operand
        ``tap_means`` for convolutions where they are wanted, the levels for the others.
    raw : dict of key to tensor
        What it put out, in the graph, until the gradients are known.
    made : dict of key to tensor
        The same after its norm and activation.
    read : dict of key to tuple of tensor
        Its operands; kept for gradients only.
    slopes : dict of key to tensor
        Gradients of the score by what it put out.
    """

    connections: ChannelGraph
    gradients: bool = False
    taps: bool = True
    calls: dict[Key, Call] = field(default_factory=dict)
    means: dict[Key, tuple[Tensor, ...]] = field(default_factory=dict)
    levels: dict[Key, tuple[Tensor, ...]] = field(default_factory=dict)
    made: dict[Key, Tensor] = field(default_factory=dict)
    raw: dict[Key, Tensor] = field(default_factory=dict)
    read: dict[Key, tuple[Tensor, ...]] = field(default_factory=dict)
    slopes: dict[Key, Tensor] = field(default_factory=dict)
    _forms: dict[Any, Key] = field(default_factory=dict)

    def __post_init__(self) -> None:
        layers = {layer.site: ("kernel", at) for at, layer in enumerate(self.connections.layers)}
        sums = {each.site: ("sum", at) for at, each in enumerate(self.connections.sums)}
        self._keys: dict[Any, Key] = {**layers, **sums}

    def around(self, shadow: nn.Module) -> AbstractContextManager[object]:
        """What has to be open while the shadow runs."""
        return watch(shadow, self._seen, self._named)

    def finish(self, score: Tensor) -> None:
        """Take the gradients of a score, where they are wanted, and let go of the graph."""
        if self.gradients:
            keys = [key for key, made in self.raw.items() if made.requires_grad]
            found = torch.autograd.grad(score, [self.raw[key] for key in keys], allow_unused=True)
            self.slopes = {key: slope for key, slope in zip(keys, found, strict=True) if slope is not None}
        self.raw.clear()
        self._forms.clear()

    def _seen(self, call: Call) -> Any:
        key = self._keys.get(call.site)
        if key is None:
            return None
        read = call.operands
        weight = None if call.weight is None else call.weight.detach().clone()
        self.calls[key] = replace(call, operands=(), weight=weight, bias=None)
        if self.gradients:
            self.read[key] = tuple(map(self._kept, read)) if key[0] == "sum" else (self._kept(read[0], call.weight),)
        if key[0] == "sum":
            axis = self.connections.sums[key[1]].axis
            whole = torch.broadcast_tensors(*(tensor.detach() for tensor in read))  # type: ignore[no-untyped-call]
            self.levels[key] = tuple(channel_means(tensor, axis) for tensor in whole)
        else:
            self.levels[key] = (channel_means(read[0], -1 - len(call.kernel)),)

        def done(result: Tensor) -> Tensor:
            self.means[key] = self.levels[key]
            if call.kernel and self.taps:
                self.means[key] = (tap_means(read[0], result.shape[-len(call.kernel) :], call),)
            self.raw[key] = result
            follows = result.clone()  # what comes next may overwrite it in place
            self.made[key] = result.detach()
            if follows.grad_fn is not None:
                self._forms[follows.grad_fn] = key
            return follows

        return done

    @staticmethod
    def _kept(read: Tensor, weight: Tensor | None = None) -> Tensor:
        """An operand as it is now: a copy, but where autograd keeps it itself and refuses that it is overwritten."""
        return read.detach() if weight is not None and weight.requires_grad else read.detach().clone()

    def _named(self, name: str, module: str, given: Any, result: Any) -> None:
        """Follow what a kernel puts out through its norm and activation."""
        if name not in SHAPING or not isinstance(result, Tensor) or result.grad_fn is None:
            return
        before = [entry[0] for entry in result.grad_fn.next_functions]
        key = next((self._forms[node] for node in before if node in self._forms), None)
        if key is not None and result.shape == self.made[key].shape:
            self._forms[result.grad_fn] = key
            self.made[key] = result.detach().clone()
