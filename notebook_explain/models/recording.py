"""Record one forward pass for all layers: activations now, gradients of any score afterwards."""

from __future__ import annotations

import copy
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import nn

from notebook_explain._errors import ExplainError
from notebook_explain.models.gradient_flow import GradientFlow
from notebook_explain.models.layer_trace import Attribute, PoolCalls, tensors
from notebook_explain.models.layers import Layer
from notebook_explain.models.outputs import Head, LastActivations, to_heads
from notebook_explain.models.rng import LocalRandomness

CUTS = "detach, .data, quantisation, torch.no_grad and inference_mode cut gradients"
_CLASSIFIERS = (nn.Linear, nn.Conv1d, nn.Conv2d, nn.Conv3d)


@dataclass(frozen=True, eq=False)
class Recording:
    """Tensors of one forward pass; it keeps the graph alive.

    Attributes
    ----------
    layers : tuple of Layer
    outputs : dict of layer name to tensor
        As the modules returned them.
    heads : dict of head name to Head
    biases : dict of head name to float tensor (class,) or None
        The classifier's bias, if the logits are the output of one module.
    caveats : tuple of str
    unreached : set of str
        Names of layers that no gradient has reached, for the scores so far.
    flow : GradientFlow
        Where modules' outputs are in the graph.
    cuts : list of str
        Where the gradient is cut, for each score that does not reach a layer.
    """

    layers: tuple[Layer, ...]
    outputs: dict[str, torch.Tensor]
    heads: dict[str, Head]
    biases: dict[str, torch.Tensor | None]
    caveats: tuple[str, ...]
    unreached: set[str] = field(default_factory=set)
    flow: GradientFlow = field(default_factory=GradientFlow)
    cuts: list[str] = field(default_factory=list)

    def volume(self, layer: Layer) -> torch.Tensor:
        """Return activations (1, channel, time, height, width), detached, in the network's own precision."""
        return layer.layout.to_volume(self.outputs[layer.name].detach())

    def gradients(self, score: torch.Tensor, *, last: bool = True) -> dict[str, torch.Tensor]:
        """Return the gradients of a score with respect to the activations of each layer.

        Parameters
        ----------
        score : scalar tensor
        last : bool
            Free the graph; pass ``False`` if another score follows.

        Returns
        -------
        dict of layer name to tensor (1, channel, time, height, width)
            Zero where the score does not depend on a layer.
        """
        outputs = [self.outputs[layer.name] for layer in self.layers]
        with_graph = [output for output in outputs if output.requires_grad]
        found = iter(
            torch.autograd.grad(score, with_graph, retain_graph=not last, allow_unused=True) if with_graph else ()
        )
        gradients = [next(found) if output.requires_grad else None for output in outputs]
        unreached = [layer for layer, gradient in zip(self.layers, gradients, strict=True) if gradient is None]
        if unreached:
            self.unreached.update(layer.name for layer in unreached)
            self.cuts.append(self.flow.cut(score, [layer.ref.module for layer in unreached]))
        if all(gradient is None for gradient in gradients):
            raise ExplainError(f"no gradient of the score reaches any of the layers: {self.cuts[-1]} ({CUTS})")
        return {
            layer.name: layer.layout.to_volume(torch.zeros_like(output) if gradient is None else gradient)
            for layer, output, gradient in zip(self.layers, outputs, gradients, strict=True)
        }


def record(
    shadow: nn.Module,
    video: torch.Tensor,
    arrange: Callable[[torch.Tensor], Any],
    layers: Sequence[Layer],
    labels: Mapping[str, tuple[str, ...]],
) -> Recording:
    """Run a shadow once and keep the outputs of layers.

    Parameters
    ----------
    shadow : module
        Shadow of the user's module (``shadow.on_shadow``); hooks are added to it, and removed at the end.
    video : tensor (1, 3, time, height, width)
        Normalised.
    arrange : function
        Converts the video to the layout of the network's forward.
    layers : sequence of Layer
        Tensors to keep. They are copied before a following operation can overwrite them in place.
    labels : dict of head to tuple of str

    Raises
    ------
    ExplainError
        The output holds no logits, no gradient reaches them, or a layer did not run.
    """
    outputs: dict[str, torch.Tensor] = {}
    activations, classifiers, flow = LastActivations(), _ClassifierOutputs(), GradientFlow()
    handles = [*flow.watch(shadow), *_hook_layers(shadow, layers, outputs), *classifiers.watch(shadow)]
    pools = {layer.ref.call: layer.name for layer in layers if layer.ref.module is None}

    def on_pool(index: int, value: torch.Tensor, _: Any) -> None:
        if index in pools:
            outputs[pools[index]] = value

    try:
        with LocalRandomness():
            # With frozen parameters, only an input that requires gradients makes a graph.
            # The network gets a copy, since it may write into its input.
            inputs = _dense(arrange(video.detach().clone().requires_grad_().clone()))
            with PoolCalls(on_pool), activations:
                output = shadow(inputs)
            heads, caveats = to_heads(output, activations, labels, classifiers.classes(), flow.cut_before_output)
    except RuntimeError as error:
        if flow.inference_modules() and not isinstance(error, ExplainError):
            raise ExplainError(
                f"no gradient passes {flow.inference_modules()}, which runs under torch.inference_mode, and autograd cannot "
                "use what it returns; use torch.no_grad there, or clone its output outside of inference_mode"
            ) from error
        raise
    finally:
        for handle in handles:
            handle.remove()
    missing = [layer.name for layer in layers if layer.name not in outputs]
    if missing:
        raise ExplainError(
            f"layer {missing[0]!r} did not run; the forward pass of this clip takes another path than in adapt()"
        )
    biases = {name: classifiers.bias(head.logits) for name, head in heads.items()}
    return Recording(tuple(layers), outputs, heads, biases, caveats, flow=flow)


def _dense(inputs: Any) -> Any:
    """Return contiguous inputs, as a data loader makes them, instead of views of one another."""
    return [part.contiguous() for part in inputs] if isinstance(inputs, list) else inputs.contiguous()


def _hook_layers(shadow: nn.Module, layers: Sequence[Layer], outputs: dict[str, torch.Tensor]) -> list[Any]:
    wanted: dict[str, list[Layer]] = defaultdict(list)
    for layer in layers:
        if layer.ref.module is not None:
            wanted[layer.ref.module].append(layer)
    modules = dict(shadow.named_modules())
    lost = [name for name in wanted if name not in modules]
    if lost:
        raise ExplainError(
            f"module {lost[0]!r} is no longer in this model; it changed since adapt(), so adapt it again"
        )
    return [modules[name].register_forward_hook(_keep(group, outputs)) for name, group in wanted.items()]


def _keep(layers: Sequence[Layer], outputs: dict[str, torch.Tensor]) -> Callable[..., Any]:
    """Make a hook that keeps the tensor and passes on a copy, since an in-place ReLU may follow."""
    calls = 0

    def hook(_: nn.Module, inputs: Any, output: Any) -> Any:
        nonlocal calls
        call, calls = calls, calls + 1
        for layer in layers:
            if layer.ref.call == call:
                kept = next((tensor for path, tensor in tensors(output) if path == layer.ref.path), None)
                if kept is not None:
                    if not kept.requires_grad or any(kept is tensor for _, tensor in tensors(inputs)):
                        with torch.inference_mode(False), torch.enable_grad():
                            kept = kept.clone() if kept.requires_grad else kept.detach().clone().requires_grad_()
                    outputs[layer.name] = kept
                    with torch.inference_mode(False), torch.enable_grad():
                        output = _replace(output, layer.ref.path, kept.clone())
        return output

    return hook


def _replace(output: Any, path: tuple[Any, ...], tensor: torch.Tensor) -> Any:
    """Return the same structure with another tensor at one path."""
    if not path:
        return tensor
    key, rest = path[0], path[1:]
    if isinstance(key, Attribute):
        changed = copy.copy(output)
        object.__setattr__(
            changed, str(key), _replace(getattr(output, key), rest, tensor)
        )  # works in frozen dataclasses too
        return changed
    if isinstance(output, tuple):
        parts = [_replace(part, rest, tensor) if index == key else part for index, part in enumerate(output)]
        return type(output)(*parts) if hasattr(output, "_fields") else tuple(parts)
    if isinstance(output, list):
        return [_replace(part, rest, tensor) if index == key else part for index, part in enumerate(output)]
    output[key] = _replace(output[key], rest, tensor)  # a dict that the network made in this pass
    return output


class _ClassifierOutputs:
    """Outputs of the last few layers with weights; the one that equals the logits is the classifier's."""

    def __init__(self) -> None:
        self.calls: list[tuple[nn.Module, torch.Tensor]] = []

    def watch(self, shadow: nn.Module) -> list[Any]:
        """Add hooks; returns their handles."""
        return [m.register_forward_hook(self._hook) for m in shadow.modules() if isinstance(m, _CLASSIFIERS)]

    def _hook(self, module: nn.Module, _: Any, output: Any) -> None:
        if isinstance(output, torch.Tensor):
            self.calls = [*self.calls[-3:], (module, output)]

    def classes(self) -> int | None:
        """Return the number of outputs of the last layer with weights."""
        return int(self.calls[-1][0].weight.shape[0]) if self.calls else None  # type: ignore[index]

    def bias(self, logits: torch.Tensor) -> torch.Tensor | None:
        """Return the bias (class,) of the layer whose output, averaged over positions, is the logits; zero if it has none."""
        wanted = logits.detach().float()[0]
        for module, output in reversed(self.calls):
            axis = output.ndim - 1 if isinstance(module, nn.Linear) else 1
            if output.shape[axis] != len(wanted):
                continue
            mean = output.detach().float().movedim(axis, -1).flatten(0, -2).mean(0)
            if torch.allclose(mean, wanted, rtol=1e-4, atol=1e-5):
                bias = module.bias
                return torch.zeros_like(wanted) if bias is None else bias.detach().float()  # type: ignore[operator]
        return None
