"""Record one forward pass for all layers: activations now, gradients of any score afterwards."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import nn

from notebook_explain._errors import ExplainError
from notebook_explain.explanations import Target
from notebook_explain.models.classifier_outputs import ClassifierOutputs
from notebook_explain.models.constant_norms import ConstantNorms
from notebook_explain.models.gradient_flow import GradientFlow
from notebook_explain.models.heads import Head
from notebook_explain.models.layer_trace import TensorRef
from notebook_explain.models.layers import Layer
from notebook_explain.models.output_kinds import OutputSpec
from notebook_explain.models.outputs import LastActivations, to_heads
from notebook_explain.models.rng import LocalRandomness
from notebook_explain.models.tensor_hooks import tensor_hooks

CUTS = "detach, .data, quantisation, torch.no_grad and inference_mode cut gradients"
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
    video : float tensor (1, channel, time, height, width)
        The normalised clip, a leaf of the graph.
    constant_norms : tuple of str
        Functions whose statistics were held constant, in order of their calls.
    unreached : set of str
        Names of layers that no gradient has reached, for the scores so far.
    flow : GradientFlow
        Where modules' outputs are in the graph.
    cuts : list of str
        Where the gradient is cut, for each score that does not reach a layer.
    targets : list of Target
        The resolved targets whose results were read off.
    """

    layers: tuple[Layer, ...]
    outputs: dict[TensorRef, torch.Tensor]
    heads: dict[str, Head]
    biases: dict[str, torch.Tensor | None]
    caveats: tuple[str, ...]
    rerun: Callable[[Sequence[TensorRef]], dict[str, Head]]
    video: torch.Tensor
    constant_norms: tuple[str, ...] = ()
    unreached: set[str] = field(default_factory=set)
    flow: GradientFlow = field(default_factory=GradientFlow)
    cuts: list[str] = field(default_factory=list)
    targets: list[Target] = field(default_factory=list)

    @property
    def dtype(self) -> torch.dtype:
        """Precision of the pass."""
        return next((output.dtype for output in self.outputs.values()), torch.float32)

    def volume(self, layer: Layer) -> torch.Tensor:
        """Return activations (1, channel, time, height, width), detached, in the network's own precision.

        Cells that no call of the layer's module saw are 0; of several calls that share a cell, the last counts.
        """
        return layer_volume(layer, {ref: output.detach() for ref, output in self.outputs.items()})

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
        return {layer.name: layer_volume(layer, everywhere) for layer in self.layers}

    def backward(self, score: torch.Tensor, *, last: bool = True, layers: Sequence[Layer] | None = None) -> Gradients:
        """Return the gradients of a score with respect to the tensors of layers, as the modules returned them.

        Parameters
        ----------
        score : scalar tensor
        last : bool
            Free the graph; pass ``False`` if another score follows.
        layers : sequence of Layer, optional
            Some of `layers`; all by default.

        Returns
        -------
        dict of TensorRef to tensor
            In the layout of the module; tensors that the score does not depend on are left out.
        """
        layers = self.layers if layers is None else layers
        wanted = {part.ref for layer in layers for part in layer.parts}
        refs = [ref for ref, output in self.outputs.items() if ref in wanted and output.requires_grad]
        outputs = [self.outputs[ref] for ref in refs]
        found = torch.autograd.grad(score, outputs, retain_graph=not last, allow_unused=True) if outputs else ()
        gradients = {ref: gradient for ref, gradient in zip(refs, found, strict=True) if gradient is not None}
        unreached = [layer for layer in layers if not any(part.ref in gradients for part in layer.parts)]
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


def layer_volume(layer: Layer, values: Mapping[TensorRef, torch.Tensor]) -> torch.Tensor:
    """Return the tensors of a layer as one volume (batch, channel, time, height, width).

    Cells that no call of the layer's module saw are 0; of several calls that share a cell, the last counts.
    """
    volumes = [part.layout.to_volume(values[part.ref]) for part in layer.parts]
    if layer.parts[0].cells is None:
        return volumes[-1]
    whole = volumes[0].new_zeros((*volumes[0].shape[:2], *layer.grid))
    for part, volume in zip(layer.parts, volumes, strict=True):
        part.write(whole, volume)
    return whole


def record(
    shadow: nn.Module,
    video: torch.Tensor,
    arrange: Callable[[torch.Tensor], Any],
    layers: Sequence[Layer],
    spec: OutputSpec,
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
    spec : OutputSpec
        What is known of the network's outputs.
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

    # With frozen parameters, only an input that requires gradients makes a graph.
    leaf = video.detach().clone().requires_grad_()

    def rerun(zeroed: Sequence[TensorRef]) -> dict[str, Head]:
        context = nullcontext() if norms is None else norms.replay()
        return _forward(shadow, leaf, arrange, spec, context, tensor_hooks(shadow, zeroed, zeros))[0]

    context = nullcontext() if norms is None else norms
    heads, caveats, classifiers, flow = _forward(shadow, leaf, arrange, spec, context, tensor_hooks(shadow, refs, keep))
    for layer in layers:
        if not any(part.ref in outputs for part in layer.parts):
            raise ExplainError(
                f"layer {layer.name!r} did not run; the forward pass of this clip takes another path than in adapt()"
            )
    biases = {name: _bias(classifiers, head) for name, head in heads.items()}
    found = () if norms is None else tuple(norms.found)
    return Recording(tuple(layers), outputs, heads, biases, caveats, rerun, leaf, found, flow=flow)


def _forward(
    shadow: nn.Module,
    leaf: torch.Tensor,
    arrange: Callable[[torch.Tensor], Any],
    spec: OutputSpec,
    norms: Any,
    hooks: Any,
) -> tuple[dict[str, Head], tuple[str, ...], ClassifierOutputs, GradientFlow]:
    """Run a shadow once, within the contexts of norms and hooks, and find the logits in its output."""
    activations, classifiers, flow = LastActivations(), ClassifierOutputs(), GradientFlow()
    handles = [*flow.watch(shadow), *classifiers.watch(shadow)]
    try:
        # The network gets a copy, since it may write into its input.
        inputs = dense(arrange(leaf.clone()))
        with LocalRandomness(), norms, hooks, activations:
            output = shadow(inputs)
        heads, caveats = to_heads(output, activations, spec, classifiers, flow.cut_before_output)
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


def heads_of_pass(
    shadow: nn.Module,
    video: torch.Tensor,
    arrange: Callable[[torch.Tensor], Any],
    spec: OutputSpec,
) -> tuple[Any, Callable[[], tuple[dict[str, Head], tuple[str, ...]]]]:
    """Run a shadow once, with gradients only if they are enabled.

    Returns
    -------
    output : object
        As the network returned it.
    find_heads : function
        Returns the heads in it and caveats; gradients need not reach them.
    """
    activations, classifiers = LastActivations(), ClassifierOutputs()
    handles = classifiers.watch(shadow)
    try:
        inputs = dense(arrange(video.detach().clone().requires_grad_(torch.is_grad_enabled()).clone()))
        with LocalRandomness(), activations:
            output = shadow(inputs)
    finally:
        for handle in handles:
            handle.remove()
    return output, lambda: to_heads(output, activations, spec, classifiers, needs_gradient=False)


def _bias(classifiers: ClassifierOutputs, head: Head) -> torch.Tensor | None:
    """Return the classifier's bias (class,), if the scores of a head are the output of one module."""
    bias = classifiers.bias(head.outputs)
    return torch.cat([-bias, bias]) if bias is not None and head.has_two_names else bias


def _widened(values: torch.Tensor) -> torch.Tensor:
    """Return half precision as float32, and other precisions as they are."""
    return values.float() if values.dtype in (torch.float16, torch.bfloat16) else values


def dense(inputs: Any) -> Any:
    """Return contiguous inputs, as a data loader makes them, instead of views of one another."""
    return [part.contiguous() for part in inputs] if isinstance(inputs, list) else inputs.contiguous()
