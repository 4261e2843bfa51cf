"""Record one forward pass for all layers: activations now, gradients of any score afterwards."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import nn

from notebook_explain._errors import ExplainError
from notebook_explain.models.constant_norms import ConstantNorms
from notebook_explain.models.gradient_flow import GradientFlow
from notebook_explain.models.layer_trace import TensorRef
from notebook_explain.models.layers import Layer
from notebook_explain.models.outputs import Head, LastActivations, to_heads
from notebook_explain.models.rng import LocalRandomness
from notebook_explain.models.tensor_hooks import tensor_hooks

CUTS = "detach, .data, quantisation, torch.no_grad and inference_mode cut gradients"
_CLASSIFIERS = (nn.Linear, nn.Conv1d, nn.Conv2d, nn.Conv3d)
Gradients = dict[TensorRef, torch.Tensor]


@dataclass(frozen=True, eq=False)
class Evidence:
    """Gradient times activation at one layer, summed over channels.

    Attributes
    ----------
    values : float tensor (time, height, width)
        Signed, not scaled: their sum is the part of the score that the layer's cells contribute.
    magnitude : float
        Sum over cells of the root sum of squares over channels: the scale of rounding errors of the values' sum.
    elsewhere : float
        Sum of absolute products of values without a position in the clip, such as a class token.
    """

    values: torch.Tensor
    magnitude: float
    elsewhere: float


@dataclass(frozen=True, eq=False)
class Recording:
    """Tensors of one forward pass; it keeps the graph alive.

    Attributes
    ----------
    layers : tuple of Layer
    outputs : dict of TensorRef to tensor
        As the modules returned them.
    heads : dict of head name to Head
    biases : dict of head name to float tensor (class,) or None
        The classifier's bias, if the logits are the output of one module.
    caveats : tuple of str
    rerun : function
        ``rerun(refs)`` repeats the pass with zeros instead of the chosen tensors and returns its heads.
    constant_norms : tuple of str
        Functions whose statistics were held constant, in order of their calls.
    unreached : set of str
        Names of layers that no gradient has reached, for the scores so far.
    flow : GradientFlow
        Where modules' outputs are in the graph.
    cuts : list of str
        Where the gradient is cut, for each score that does not reach a layer.
    """

    layers: tuple[Layer, ...]
    outputs: dict[TensorRef, torch.Tensor]
    heads: dict[str, Head]
    biases: dict[str, torch.Tensor | None]
    caveats: tuple[str, ...]
    rerun: Callable[[Sequence[TensorRef]], dict[str, Head]]
    constant_norms: tuple[str, ...] = ()
    unreached: set[str] = field(default_factory=set)
    flow: GradientFlow = field(default_factory=GradientFlow)
    cuts: list[str] = field(default_factory=list)

    @property
    def dtype(self) -> torch.dtype:
        """Precision of the pass."""
        return next((output.dtype for output in self.outputs.values()), torch.float32)

    def volume(self, layer: Layer) -> torch.Tensor:
        """Return activations (1, channel, time, height, width), detached, in the network's own precision.

        Cells that no call of the layer's module saw are 0; of several calls that share a cell, the last counts.
        """
        return self._volume(layer, {ref: output.detach() for ref, output in self.outputs.items()})

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
        found = self.backward(score, last=last)
        everywhere = {ref: found.get(ref, torch.zeros_like(output)) for ref, output in self.outputs.items()}
        return {layer.name: self._volume(layer, everywhere) for layer in self.layers}

    def _volume(self, layer: Layer, values: Mapping[TensorRef, torch.Tensor]) -> torch.Tensor:
        volumes = [part.layout.to_volume(values[part.ref]) for part in layer.parts]
        if layer.parts[0].cells is None:
            return volumes[-1]
        whole = volumes[0].new_zeros((*volumes[0].shape[:2], *layer.grid))
        for part, volume in zip(layer.parts, volumes, strict=True):
            part.write(whole, volume)
        return whole

    def backward(self, score: torch.Tensor, *, last: bool = True) -> Gradients:
        """Return the gradients of a score with respect to the tensors of all layers, as the modules returned them.

        Parameters
        ----------
        score : scalar tensor
        last : bool
            Free the graph; pass ``False`` if another score follows.

        Returns
        -------
        dict of TensorRef to tensor
            In the layout of the module; tensors that the score does not depend on are left out.
        """
        refs = [ref for ref, output in self.outputs.items() if output.requires_grad]
        outputs = [self.outputs[ref] for ref in refs]
        found = torch.autograd.grad(score, outputs, retain_graph=not last, allow_unused=True) if outputs else ()
        gradients = {ref: gradient for ref, gradient in zip(refs, found, strict=True) if gradient is not None}
        unreached = [layer for layer in self.layers if not any(part.ref in gradients for part in layer.parts)]
        if unreached:
            self.unreached.update(layer.name for layer in unreached)
            self.cuts.append(self.flow.cut(score, [layer.ref.module for layer in unreached]))
        if not gradients:
            raise ExplainError(f"no gradient of the score reaches any of the layers: {self.cuts[-1]} ({CUTS})")
        return gradients

    def evidence(
        self, layer: Layer, gradients: Gradients, *, pooled: bool = False, channels: slice = slice(None)
    ) -> Evidence:
        """Return gradient times activation at the cells of a layer.

        Parameters
        ----------
        layer : Layer
        gradients : dict
            As `backward` returned them.
        pooled : bool
            Average the gradient of each channel over all cells of the layer first.
        channels : slice
            Channels to sum over.
        """
        parts = [
            (part, gradients[part.ref], self.outputs[part.ref].detach())
            for part in layer.parts
            if part.ref in gradients
        ]
        volumes = [
            (_widened(part.layout.to_volume(gradient)), _widened(part.layout.to_volume(activation)))
            for part, gradient, activation in parts
        ]
        mean = None
        if pooled and volumes:
            mean = torch.cat([gradient.flatten(2) for gradient, _ in volumes], 2).mean(2)[..., None, None, None]
        like = next(iter(self.outputs.values()))
        values = torch.zeros(layer.grid, device=like.device, dtype=_widened(like[:0]).dtype)
        magnitude = elsewhere = 0.0
        for (part, raw_gradient, raw_activation), (gradient, activation) in zip(parts, volumes, strict=True):
            products = ((gradient if mean is None else mean) * activation)[0, channels]
            magnitude += float(products.square().sum(0).sqrt().sum())
            if part.layout.leaves_out_tokens:
                everything = float((_widened(raw_gradient) * _widened(raw_activation)).abs().sum())
                elsewhere += max(0.0, everything - float((gradient * activation).abs().sum()))
            part.add(values, products.sum(0))
        return Evidence(values, magnitude, elsewhere)


def record(
    shadow: nn.Module,
    video: torch.Tensor,
    arrange: Callable[[torch.Tensor], Any],
    layers: Sequence[Layer],
    labels: Mapping[str, tuple[str, ...]],
    norms: ConstantNorms | None = None,
) -> Recording:
    """Run a shadow once and keep the outputs of layers.

    Parameters
    ----------
    shadow : module
        Shadow of the user's module (``shadow.on_shadow``); hooks are added to it, and removed at the end.
    video : tensor (1, channel, time, height, width)
        Normalised.
    arrange : function
        Converts the video to the layout of the network's forward.
    layers : sequence of Layer
        Tensors to keep. They are copied before a following operation can overwrite them in place.
    labels : dict of head to tuple of str
    norms : ConstantNorms, optional
        Holds the statistics of norms constant for the gradients; by default they are differentiated.

    Raises
    ------
    ExplainError
        The output holds no logits, no gradient reaches them, or a layer did not run.
    """
    exclusive = {part.ref for layer in layers for part in layer.parts if part.is_exclusive}
    refs = list(dict.fromkeys(part.ref for layer in layers for part in layer.parts))
    outputs: dict[TensorRef, torch.Tensor] = {}

    def keep(ref: TensorRef, tensor: torch.Tensor, is_shared: bool) -> torch.Tensor:
        """Keep a tensor and pass on a copy, since an in-place ReLU may follow."""
        with torch.inference_mode(False), torch.enable_grad():
            if not tensor.requires_grad:
                tensor = tensor.detach().clone().requires_grad_()
            elif is_shared or ref in exclusive:  # the gradient of a copy is that of its own use only
                tensor = tensor.clone()
            outputs[ref] = tensor
            return tensor.clone()

    def zeros(_: TensorRef, tensor: torch.Tensor, __: bool) -> torch.Tensor:
        return torch.zeros_like(tensor)

    def rerun(zeroed: Sequence[TensorRef]) -> dict[str, Head]:
        context = nullcontext() if norms is None else norms.replay()
        return _forward(shadow, video, arrange, labels, context, tensor_hooks(shadow, zeroed, zeros))[0]

    context = nullcontext() if norms is None else norms
    heads, caveats, classifiers, flow = _forward(
        shadow, video, arrange, labels, context, tensor_hooks(shadow, refs, keep)
    )
    for layer in layers:
        if not any(part.ref in outputs for part in layer.parts):
            raise ExplainError(
                f"layer {layer.name!r} did not run; the forward pass of this clip takes another path than in adapt()"
            )
    biases = {name: classifiers.bias(head.logits) for name, head in heads.items()}
    found = () if norms is None else tuple(norms.found)
    return Recording(tuple(layers), outputs, heads, biases, caveats, rerun, found, flow=flow)


def _forward(
    shadow: nn.Module,
    video: torch.Tensor,
    arrange: Callable[[torch.Tensor], Any],
    labels: Mapping[str, tuple[str, ...]],
    norms: Any,
    hooks: Any,
) -> tuple[dict[str, Head], tuple[str, ...], _ClassifierOutputs, GradientFlow]:
    """Run a shadow once, within the contexts of norms and hooks, and find the logits in its output."""
    activations, classifiers, flow = LastActivations(), _ClassifierOutputs(), GradientFlow()
    handles = [*flow.watch(shadow), *classifiers.watch(shadow)]
    try:
        # With frozen parameters, only an input that requires gradients makes a graph.
        # The network gets a copy, since it may write into its input.
        inputs = _dense(arrange(video.detach().clone().requires_grad_().clone()))
        with LocalRandomness(), norms, hooks, activations:
            output = shadow(inputs)
        heads, caveats = to_heads(output, activations, labels, classifiers.classes(), flow.cut_before_output)
    except RuntimeError as error:
        if not flow.inference_modules():
            raise
        raise ExplainError(
            f"no gradient passes {flow.inference_modules()}, which runs under torch.inference_mode, and autograd "
            "cannot use what it returns; use torch.no_grad there, or clone its output outside of inference_mode"
        ) from error
    finally:
        for handle in handles:
            handle.remove()
    return heads, caveats, classifiers, flow


def _widened(values: torch.Tensor) -> torch.Tensor:
    """Return half precision as float32, and other precisions as they are."""
    return values.float() if values.dtype in (torch.float16, torch.bfloat16) else values


def _dense(inputs: Any) -> Any:
    """Return contiguous inputs, as a data loader makes them, instead of views of one another."""
    return [part.contiguous() for part in inputs] if isinstance(inputs, list) else inputs.contiguous()


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
