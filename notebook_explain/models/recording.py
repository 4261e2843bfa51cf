"""One pass through the network that feeds every layer: activations now, gradients of any score afterwards."""

from __future__ import annotations

import copy
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import nn

from notebook_explain.explanations import ExplainError
from notebook_explain.models.layer_trace import Attribute, PoolCalls, tensors
from notebook_explain.models.layers import Layer
from notebook_explain.models.outputs import Head, LastActivations, to_heads
from notebook_explain.models.rng import LocalRandomness

UNREACHED = (
    "something behind them detaches, is quantised, runs under torch.no_grad "
    "or in reentrant checkpointing (use_reentrant=False helps)"
)
_CLASSIFIERS = (nn.Linear, nn.Conv1d, nn.Conv2d, nn.Conv3d)


@dataclass(frozen=True, eq=False)
class Recording:
    """What one forward pass left: the graph is alive as long as this is.

    Attributes
    ----------
    layers : tuple of Layer
    outputs : dict of layer name to what it emitted
    heads : dict of head name to Head
    biases : dict of head name to float tensor (class,) or None
        The classifier's bias, where the logits are what one module emitted.
    caveats : tuple of str
    unreached : set of str
        Layers that no gradient came through to, of the scores asked for so far.
    """

    layers: tuple[Layer, ...]
    outputs: dict[str, torch.Tensor]
    heads: dict[str, Head]
    biases: dict[str, torch.Tensor | None]
    caveats: tuple[str, ...]
    unreached: set[str] = field(default_factory=set)

    def volume(self, layer: Layer) -> torch.Tensor:
        """Activations (1, channel, time, height, width), detached, in the network's own precision."""
        return layer.layout.to_volume(self.outputs[layer.name].detach())

    def gradients(self, score: torch.Tensor, *, last: bool = True) -> dict[str, torch.Tensor]:
        """Gradients of a score by the activations, as (1, channel, time, height, width) per layer.

        They are zero where the score does not depend on a layer. ``last=False`` keeps the graph for another score.
        """
        asked = [self.outputs[layer.name] for layer in self.layers]
        found = torch.autograd.grad(score, asked, retain_graph=not last, allow_unused=True)
        self.unreached.update(layer.name for layer, got in zip(self.layers, found, strict=True) if got is None)
        if all(gradient is None for gradient in found):
            raise ExplainError(f"no gradient of the score reaches any layer asked for: {UNREACHED}")
        return {
            layer.name: layer.layout.to_volume(torch.zeros_like(output) if gradient is None else gradient)
            for layer, output, gradient in zip(self.layers, asked, found, strict=True)
        }


def record(
    shadow: nn.Module,
    video: torch.Tensor,
    arrange: Callable[[torch.Tensor], Any],
    layers: Sequence[Layer],
    labels: Mapping[str, tuple[str, ...]],
) -> Recording:
    """Run a shadow once and keep what the layers emit.

    Parameters
    ----------
    shadow : module
        A shadow of the user's module (``shadow.on_shadow``): its hooks are ours to use.
    video : tensor (1, 3, time, height, width)
        Normalised.
    arrange : function
        Puts it into the layout of the network's forward.
    layers : Layer
        Which tensors to keep. They are kept before anything that follows may overwrite them in place.
    labels : labels per head

    Raises
    ------
    ExplainError
        No logits in the output, no gradient to them, or a layer that did not run.
    """
    outputs: dict[str, torch.Tensor] = {}
    last, emitted = LastActivations(), _LastEmitted()
    handles = [*_hook_layers(shadow, layers, outputs), *emitted.watch(shadow)]
    pools = {layer.place.call: layer.name for layer in layers if layer.place.module is None}

    def pooled(index: int, value: torch.Tensor, _: Any) -> None:
        if index in pools:
            outputs[pools[index]] = value

    try:
        with LocalRandomness():
            # Frozen parameters leave no graph, unless the input asks for one.
            # A copy goes in, so that the network may write into it.
            inputs = _dense(arrange(video.detach().clone().requires_grad_().clone()))
            with PoolCalls(pooled), last:
                output = shadow(inputs)
            heads, caveats = to_heads(output, last, labels, emitted.classes())
    finally:
        for handle in handles:
            handle.remove()
    missing = [layer.name for layer in layers if layer.name not in outputs]
    if missing:
        raise ExplainError(
            f"layer {missing[0]!r} did not run this time; the network takes another way for this clip than when it was adapted"
        )
    biases = {name: emitted.bias(head.logits) for name, head in heads.items()}
    return Recording(tuple(layers), outputs, heads, biases, caveats)


def _dense(inputs: Any) -> Any:
    """Inputs as a data loader makes them, not as views of one another."""
    return [part.contiguous() for part in inputs] if isinstance(inputs, list) else inputs.contiguous()


def _hook_layers(shadow: nn.Module, layers: Sequence[Layer], outputs: dict[str, torch.Tensor]) -> list[Any]:
    wanted: dict[str, list[Layer]] = defaultdict(list)
    for layer in layers:
        if layer.place.module is not None:
            wanted[layer.place.module].append(layer)
    modules = dict(shadow.named_modules())
    lost = [name for name in wanted if name not in modules]
    if lost:
        raise ExplainError(
            f"module {lost[0]!r} is no longer in this model; it changed since adapt(), so adapt it again"
        )
    return [modules[name].register_forward_hook(_keep(chosen, outputs)) for name, chosen in wanted.items()]


def _keep(layers: Sequence[Layer], outputs: dict[str, torch.Tensor]) -> Callable[..., Any]:
    """Keep the tensor, let a copy go on: what follows may be an in-place ReLU."""
    calls = 0

    def hook(_: nn.Module, inputs: Any, output: Any) -> Any:
        nonlocal calls
        call, calls = calls, calls + 1
        for layer in layers:
            if layer.place.call == call:
                kept = next((tensor for path, tensor in tensors(output) if path == layer.place.path), None)
                if kept is not None:
                    if not kept.requires_grad or any(kept is given for _, given in tensors(inputs)):
                        with torch.enable_grad():
                            kept = kept.clone() if kept.requires_grad else kept.detach().clone().requires_grad_()
                    outputs[layer.name] = kept
                    with torch.enable_grad():
                        output = _with(output, layer.place.path, kept.clone())
        return output

    return hook


def _with(output: Any, path: tuple[Any, ...], tensor: torch.Tensor) -> Any:
    """The same structure with one tensor exchanged."""
    if not path:
        return tensor
    key, rest = path[0], path[1:]
    if isinstance(key, Attribute):
        changed = copy.copy(output)
        object.__setattr__(changed, str(key), _with(getattr(output, key), rest, tensor))  # frozen dataclasses too
        return changed
    if isinstance(output, tuple):
        parts = [_with(part, rest, tensor) if at == key else part for at, part in enumerate(output)]
        return type(output)(*parts) if hasattr(output, "_fields") else tuple(parts)
    if isinstance(output, list):
        return [_with(part, rest, tensor) if at == key else part for at, part in enumerate(output)]
    output[key] = _with(output[key], rest, tensor)  # a dict of the network's own, made in this pass
    return output


class _LastEmitted:
    """What the last layers with weights emitted: which of them is the classifier shows when the logits are known."""

    def __init__(self) -> None:
        self.calls: list[tuple[nn.Module, torch.Tensor]] = []

    def watch(self, shadow: nn.Module) -> list[Any]:
        return [m.register_forward_hook(self._hook) for m in shadow.modules() if isinstance(m, _CLASSIFIERS)]

    def _hook(self, module: nn.Module, _: Any, output: Any) -> None:
        if isinstance(output, torch.Tensor):
            self.calls = [*self.calls[-3:], (module, output)]

    def classes(self) -> int | None:
        return int(self.calls[-1][0].weight.shape[0]) if self.calls else None  # type: ignore[index]

    def bias(self, logits: torch.Tensor) -> torch.Tensor | None:
        wanted = logits.detach().float()[0]
        for module, output in reversed(self.calls):
            axis = output.ndim - 1 if isinstance(module, nn.Linear) else 1
            if output.shape[axis] != len(wanted):
                continue
            emitted = output.detach().float().movedim(axis, -1).flatten(0, -2).mean(0)
            if torch.allclose(emitted, wanted, rtol=1e-4, atol=1e-5):
                bias = module.bias
                return torch.zeros_like(wanted) if bias is None else bias.detach().float()  # type: ignore[operator]
        return None
