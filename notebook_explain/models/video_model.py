"""Video model as explainers see it: the user's module, untouched, and everything that differs between models."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from typing import Any, TypeVar

import torch
from torch import nn

from notebook_explain._errors import UsageError, UsageTypeError
from notebook_explain.clip import Clip
from notebook_explain.explanations import Target, TargetResult
from notebook_explain.explanations.caveats import Caveat, CaveatCode
from notebook_explain.explanations.predictions import Predictions
from notebook_explain.models.bound_inputs import BoundInputs, bound_to
from notebook_explain.models.carried import Carried
from notebook_explain.models.clip_caveats import clip_caveats
from notebook_explain.models.clip_input import clip_of_array, is_array
from notebook_explain.models.constant_norms import CONSTANT, DIFFERENTIATED, ConstantNorms
from notebook_explain.models.forward_hooks import user_hooks
from notebook_explain.models.head_check import check_heads
from notebook_explain.models.heads import Head
from notebook_explain.models.layer_progress import reporting_layers
from notebook_explain.models.layer_trace import LayerTrace
from notebook_explain.models.layers import Layer, named_layer, state_caveats
from notebook_explain.models.output_kinds import OutputSpec
from notebook_explain.models.positions.tensor import PositionTensor
from notebook_explain.models.prediction import predict
from notebook_explain.models.preprocessing import Preprocessing
from notebook_explain.models.recording import CUTS, Recording, record
from notebook_explain.models.shadow import on_shadow, reference_parameter, shadow_of
from notebook_explain.models.target_resolution import class_label, region_caveats, resolve, target_result

Result = TypeVar("Result")
_ADDED_HOOKS = Caveat(
    "Forward hooks were added to the network after adapt(). They are left out of this explanation; if they change what the "
    "network computes, adapt it again with keep_hooks=True.",
    CaveatCode.FORWARD_HOOKS,
)


@dataclass(frozen=True, eq=False)
class VideoModel:
    """A module wrapped by ``notebook_explain.adapt``.

    Attributes
    ----------
    module : nn.Module
        The user's module, which is never modified.
    preprocessing : Preprocessing
    labels : dict of head to tuple of str
        Class names; empty if none are known (classes are then named by index).
    layers : tuple of Layer
        From input to output: stem, block outputs, the input of global pooling. Other layers can be chosen by name.
    caveats : tuple of str
        Guesses and other facts that readers of an explanation must know, as sentences.
    labels_source : str
        Where the labels come from, for errors.
    layer_trace : LayerTrace or None
        Measured positions; ``None`` if positions cannot be followed through the network.
    keep_hooks : bool
        Run with the forward hooks of ``module``.
    known_hooks : frozenset of int
        Keys of the forward hooks that the module had in ``adapt``.
    inputs : BoundInputs or None
        What the network takes beside the clip.
    sources : dict of str to str
        Where each value of the preprocessing, and the labels, came from: "argument", "guess", "tested" (a layout),
        "default", or an attribute such as "processor.image_mean" or "module.config.num_frames".
    outputs : dict of head to kind
        "classes", "binary", "multilabel" or "regression", as stated; "" stands for all heads. Kinds that are not stated
        are guessed; guesses other than classes have a caveat.
    unit : str
        Unit of the values of regressions; "" if unknown.
    """

    module: nn.Module
    preprocessing: Preprocessing
    labels: Mapping[str, tuple[str, ...]]
    layers: tuple[Layer, ...]
    caveats: tuple[str, ...] = ()
    labels_source: str = "labels"
    layer_trace: LayerTrace | None = field(default=None, repr=False)
    keep_hooks: bool = False
    known_hooks: frozenset[int] = field(default=frozenset(), repr=False)
    inputs: BoundInputs | None = field(default=None, repr=False)
    sources: Mapping[str, str] = field(default_factory=dict, repr=False)
    outputs: Mapping[str, str] = field(default_factory=dict)
    unit: str = ""

    def __repr__(self) -> str:
        p = self.preprocessing
        height, width = p.size
        channels = "" if p.channels == 3 else f"{p.channels} channel{'s' if p.channels > 1 else ''}, "
        return (
            f"VideoModel({type(self.module).__name__}, {p.frames} frames of {height} x {width}, {channels}{p.layout}, "
            f"{len(self.layers)} layers: {', '.join(layer.name for layer in self.layers)})"
        )

    @property
    def survey(self) -> LayerTrace | None:
        """Old name of `layer_trace`."""
        return self.layer_trace

    def __call__(self, clip: Any) -> Predictions:
        """Return what the model says about a clip, without an explanation.

        Runs one forward pass without gradients. If the network returns several tensors that may be logits, a second one
        with gradients tells which of them depends on which.

        Parameters
        ----------
        clip : Clip, path, or uint8 array (time, height, width, 3)

        Raises
        ------
        TypeError, ValueError
            Not a clip; or labels that do not fit the classes.
        ExplainError
            The output holds no class scores.
        """
        return predict(self, clip)

    def with_module(self, module: nn.Module) -> VideoModel:
        """Return another module adapted like this one: with its preprocessing, labels and options.

        Raises
        ------
        TypeError, ExplainError
            As for ``adapt``.
        """
        from notebook_explain.models.adapter import adapt

        return adapt(module, like=self)

    def carried(self) -> Carried:
        """Return the preprocessing and the labels, for a model like this one; guesses stay guesses."""
        p = self.preprocessing
        values = {name: getattr(p, name) for name in ("size", "frames", "mean", "std", "layout", "crop")}
        if p.channels != 3 or "channels" in self.sources:
            values["channels"] = p.channels
        if self.labels:
            values["labels"] = self.labels
        sources = {name: _source_like(self.sources.get(name, "guess")) for name in values}
        steps = tuple(c for c in self.caveats if isinstance(c, Caveat) and c.code is CaveatCode.PROCESSOR)
        return Carried(values, sources, frozenset(p.assumed), steps)

    def layer(self, name: str) -> Layer:
        """Return one of `layers`, or any module's output by its dotted name.

        Raises
        ------
        ValueError
            There is no such layer; similar names are listed.
        """
        for layer in self.layers:
            if layer.name == name:
                return layer
        if self.layer_trace is None:
            names = ", ".join(layer.name for layer in self.layers)
            raise UsageError(
                f"layer {name!r} is not in this model; it has {names} (other layers of this network could not be measured)"
            )
        return named_layer(self.layer_trace, name)

    def select(self, layers: Sequence[str] | None) -> tuple[Layer, ...]:
        """Return layers by name, in the order of the network; `layers` for ``None``."""
        if layers is None:
            return self.layers
        if isinstance(layers, str):
            raise UsageTypeError(f"layers must be a list of names, got the string {layers!r}; write [{layers!r}]")
        chosen = list(dict.fromkeys(self.layer(name) for name in layers))
        if not chosen:
            raise UsageError("layers is an empty list; leave it out for the default layers, or give at least one name")
        if self.layer_trace is None:
            return tuple(chosen)
        order = {output.ref: index for index, output in enumerate(self.layer_trace.outputs)}
        return tuple(sorted(chosen, key=lambda layer: order.get(layer.ref, len(order))))

    def prepare(self, clip: Any) -> tuple[Clip, Clip]:
        """Return a clip, read if it is a path or an array, and the clip that the network sees.

        Raises
        ------
        TypeError, ValueError, FileNotFoundError
            As for ``Clip.of``.
        """
        p = self.preprocessing
        if is_array(clip):
            clip = clip_of_array(clip, p.channels)
        read = Clip.of(clip, frames=p.frames, size=p.size, crop=p.crop)
        return read, self.fit(read)

    def fit(self, clip: Clip) -> Clip:
        """Return the clip that the network sees: sampled and resized."""
        return self.preprocessing.fit(clip)

    def clip_caveats(self, clip: Clip) -> tuple[str, ...]:
        """Return caveats about how a clip was made to fit, as sentences."""
        return clip_caveats(self.preprocessing, clip)

    remarks = clip_caveats  # old name

    def run(
        self,
        clip: Clip,
        layers: Sequence[Layer],
        compute: Callable[[Recording], Result],
        around: Callable[[nn.Module], AbstractContextManager[object]] = nullcontext,
        *,
        norms: str = DIFFERENTIATED,
        dtype: torch.dtype | None = None,
    ) -> tuple[Result, tuple[str, ...]]:
        """Run the network on a clip that fits, and compute on the recording.

        Parameters
        ----------
        clip : Clip
            As returned by `fit`.
        layers : sequence of Layer
            Layers to record.
        compute : function
            Takes the Recording. The recording's graph must not outlive this function.
        around : function, optional
            Takes the shadow of the module; the context that it returns is open during the pass.
        norms : "constant" or "differentiated"
            Whether gradients hold the statistics of norms constant (``constant_norms``).
        dtype : torch.dtype, optional
            Precision in which a copy of the network runs; by default the network's own.

        Returns
        -------
        result, caveats
            Result of ``compute``, and caveats about this pass.
        """

        def run_in_dtype(shadow: nn.Module) -> tuple[Result, tuple[str, ...]]:
            if dtype is None:
                return run_shadow(shadow)
            copied = shadow_of(shadow, copy_parameters=True, keep_hooks=self.keep_hooks).to(dtype)
            return reporting_layers(bound_to(self.inputs, run_shadow))(copied)

        def run_shadow(shadow: nn.Module) -> tuple[Result, tuple[str, ...]]:
            reference = reference_parameter(shadow)
            # The caller may be in no_grad or inference mode; explanations need gradients.
            with torch.inference_mode(False), torch.enable_grad():
                video = self.preprocessing.tensor(clip, reference.device, reference.dtype)
                constant_norms = ConstantNorms() if norms == CONSTANT else None
                arrange = self.preprocessing.arrange
                with around(shadow):
                    recording = record(shadow, video, arrange, layers, self.output_spec, constant_norms)
                self.check_labels(recording.heads)
                result = compute(recording)
                about_layers = (*state_caveats(layers), *_unreached_caveat(layers, recording))
                return result, (*recording.caveats, *region_caveats(recording), *about_layers)

        (result, pass_caveats), shadow_caveats = self.on_shadow(run_in_dtype)
        return result, (*pass_caveats, *shadow_caveats)

    def on_shadow(self, compute: Callable[[nn.Module], Result]) -> tuple[Result, tuple[str, ...]]:
        """Run ``compute`` on a shadow of the module, which takes the clip alone.

        Returns
        -------
        result, caveats
            What the function returns, and caveats about the shadow.
        """
        result, caveats = on_shadow(self.module, compute, keep_hooks=self.keep_hooks, inputs=self.inputs)
        has_new_hooks = not self.keep_hooks and not user_hooks(self.module) <= self.known_hooks
        return result, (*caveats, _ADDED_HOOKS) if has_new_hooks else caveats

    @property
    def output_spec(self) -> OutputSpec:
        """Facts about the network's outputs: labels, stated kinds, and the positions of its scores."""
        positions = {} if self.layer_trace is None else self.layer_trace.ends
        return OutputSpec(self.labels, self.outputs, self.unit, positions, self.preprocessing.shape)

    def check_labels(self, heads: Mapping[str, Head]) -> None:
        """Raise ValueError unless there are as many labels as classes: an off-by-one list would rename every class."""
        check_heads(self.output_spec, heads, self.labels_source)

    def label(self, head: str, index: int) -> str:
        """Return the name of a class; "class 3" if it has none."""
        return class_label(self.labels, head, index)

    def resolve(self, heads: Mapping[str, Head], target: Any) -> tuple[Target, ...]:
        """Return targets with head and index filled in.

        Parameters
        ----------
        heads : dict of name to Head
            Heads of a recording.
        target : None, str, int, Target, or a list of these
            ``None`` is the top class of the first head.

        Raises
        ------
        ValueError, TypeError
            An unknown label (similar ones are listed), an index out of range, an unknown head.
        """
        targets = target if isinstance(target, (list, tuple)) else [target]
        if not targets:
            raise UsageError("target is an empty list; leave it out for the top class, or give at least one")
        return tuple(resolve(self.labels, heads, item) for item in targets)

    def results(self, recording: Recording, targets: Sequence[Target]) -> tuple[TargetResult, ...]:
        """Return the network's scores for resolved targets."""
        return tuple(target_result(self.labels, recording, target) for target in targets)


def position_input(preprocessing: Preprocessing, device: torch.device, dtype: torch.dtype = torch.float32) -> Any:
    """Return the positions of a clip in the layout of the network's forward, in the precision of its weights."""
    p = preprocessing
    return p.arrange(PositionTensor.for_clip(*p.shape, device, dtype, channels=p.channels))


def _source_like(source: str) -> str:
    """Return the source of a value that was taken from a model, which had it from this source."""
    return source if source.startswith("like: ") else f"like: {source}"


def _unreached_caveat(layers: Sequence[Layer], recording: Recording) -> tuple[str, ...]:
    names = ", ".join(layer.name for layer in layers if layer.name in recording.unreached)
    where = "; ".join(dict.fromkeys(recording.cuts))
    text = f"No gradient reaches {names}, so nothing is shown there: {where} ({CUTS})."
    return (Caveat(text, CaveatCode.NO_GRADIENT),) if names else ()
