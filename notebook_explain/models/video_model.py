"""Video model as explainers see it: the user's module, untouched, and everything that differs between models."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar

import numpy as np
import torch
from torch import nn

from notebook_explain._errors import UsageError, UsageTypeError
from notebook_explain.clip import Clip
from notebook_explain.explanations import Target, TargetResult
from notebook_explain.explanations.caveats import Caveat, CaveatCode
from notebook_explain.explanations.targets import DIFFERENCE
from notebook_explain.models.constant_norms import CONSTANT, DIFFERENTIATED, ConstantNorms
from notebook_explain.models.forward_hooks import user_hooks
from notebook_explain.models.layer_trace import LayerTrace
from notebook_explain.models.layers import Layer, named_layer, state_caveats
from notebook_explain.models.outputs import Head
from notebook_explain.models.positions.tensor import PositionTensor
from notebook_explain.models.preprocessing import Preprocessing
from notebook_explain.models.recording import CUTS, Recording, record
from notebook_explain.models.shadow import on_shadow, reference_parameter, shadow_of

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

    def __repr__(self) -> str:
        p = self.preprocessing
        height, width = p.size
        return (
            f"VideoModel({type(self.module).__name__}, {p.frames} frames of {height} x {width}, {p.layout}, "
            f"{len(self.layers)} layers: {', '.join(layer.name for layer in self.layers)})"
        )

    @property
    def survey(self) -> LayerTrace | None:
        """Old name of `layer_trace`."""
        return self.layer_trace

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

    def fit(self, clip: Clip) -> Clip:
        """Return the clip that the network sees: sampled and resized."""
        return self.preprocessing.fit(clip)

    def clip_caveats(self, clip: Clip) -> tuple[str, ...]:
        """Return caveats about how a clip was made to fit, as sentences."""
        wanted = self.preprocessing.frames
        available = len(clip) if clip.times is None else len(np.unique(clip.times))
        if available >= wanted:
            return ()
        text = f"The clip has {available} frames and the network takes {wanted}, so some frames are repeated."
        return (Caveat(text, CaveatCode.REPEATED_FRAMES),)

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

        def run_shadow(shadow: nn.Module) -> tuple[Result, tuple[str, ...]]:
            if dtype is not None:
                shadow = shadow_of(shadow, copy_parameters=True, keep_hooks=self.keep_hooks).to(dtype)
            reference = reference_parameter(shadow)
            # The caller may be in no_grad or inference mode; explanations need gradients.
            with torch.inference_mode(False), torch.enable_grad():
                video = self.preprocessing.tensor(clip, reference.device, reference.dtype)
                constant_norms = ConstantNorms() if norms == CONSTANT else None
                arrange = self.preprocessing.arrange
                with around(shadow):
                    recording = record(shadow, video, arrange, layers, self.labels, constant_norms)
                self._check_labels(recording.heads)
                result = compute(recording)
                about_layers = (*state_caveats(layers), *_unreached_caveat(layers, recording))
                return result, (*recording.caveats, *about_layers)

        (result, pass_caveats), shadow_caveats = on_shadow(self.module, run_shadow, keep_hooks=self.keep_hooks)
        hook_caveats = () if self.keep_hooks or user_hooks(self.module) <= self.known_hooks else (_ADDED_HOOKS,)
        return result, (*pass_caveats, *shadow_caveats, *hook_caveats)

    def _check_labels(self, heads: Mapping[str, Head]) -> None:
        """Raise ValueError unless there are as many labels as classes: an off-by-one list would rename every class."""
        for name, names in self.labels.items():
            if name not in heads and not name:
                raise UsageError(
                    f"labels are one list, but the model has the heads {_quote(heads)}; give labels as {{head: names}}"
                )
            if name not in heads:
                raise UsageError(f"labels name the head {name!r}, but the model's heads are {_quote(heads)}")
            count = heads[name].logits.shape[1]
            if len(names) != count:
                of_head = f" of head {name!r}" if name else ""
                raise UsageError(
                    f"{self.labels_source}{of_head} hold {len(names)} names, but the model has {count} classes",
                    arguments=("labels",),
                    call="adapt()",
                )

    def label(self, head: str, index: int) -> str:
        """Return the name of a class; "class 3" if it has none."""
        names = self.labels.get(head)
        return names[index] if names is not None and index < len(names) else f"class {index}"

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
        return tuple(self._resolve(heads, item) for item in targets)

    def _resolve(self, heads: Mapping[str, Head], target: Any) -> Target:
        if target is None:
            head = next(iter(heads))
            return Target(int(heads[head].logits[0].argmax()), head)
        if not isinstance(target, Target):
            target = Target(target)
        against = None if target.against is None else self._resolve(heads, target.against)
        head = self._head(heads, target)
        resolved = Target(self._index(head, heads[head], target.label), head)
        if against == resolved:
            raise UsageError(
                f"target {target.label!r} is compared with itself, and that difference is 0; give another class"
            )
        return replace(resolved, against=against)

    def _head(self, heads: Mapping[str, Head], target: Target) -> str:
        if target.head is not None:
            if target.head not in heads:
                known = (
                    f"it has {_quote(heads)}"
                    if any(heads)
                    else "it has a single head without a name, so leave out the head"
                )
                raise UsageError(f"head {target.head!r} is not in this model; {known}")
            return target.head
        with_label = [head for head in heads if target.label in self.labels.get(head, ())]
        return with_label[0] if with_label else next(iter(heads))

    def _index(self, name: str, head: Head, label: str | int) -> int:
        count = head.logits.shape[1]
        names = self.labels.get(name)
        if isinstance(label, int):
            if not 0 <= label < count:
                raise UsageError(f"target {label} is out of range; this model has classes 0 to {count - 1}")
            return label
        if names is None and label.startswith("class ") and label[6:].isdecimal():
            return self._index(name, head, int(label[6:]))  # the name that `label` gives it
        if names is None:
            raise UsageError(
                f"target {label!r} is a name, but this model has no labels; use an index, or name the classes",
                arguments=("labels",),
                call="adapt()",
            )
        return _find_label(label, names)

    def results(self, recording: Recording, targets: Sequence[Target]) -> tuple[TargetResult, ...]:
        """Return the network's scores for resolved targets."""
        return tuple(self._result(recording, target) for target in targets)

    def _result(self, recording: Recording, target: Target) -> TargetResult:
        index, head_name = int(target.label), str(target.head)
        head = recording.heads[head_name]
        probabilities = head.probabilities()[0]
        best = probabilities.topk(min(5, len(probabilities)))
        several_heads = len(recording.heads) > 1
        name, against = self._name(target, several_heads), target.against
        against_name = None if against is None else self._name(against, several_heads)
        return TargetResult(
            name=name if against_name is None else f"{name}{DIFFERENCE}{against_name}",
            index=index,
            head=head_name,
            logit=float(score_of(recording, target).detach()),
            probability=None if against is not None else float(probabilities[index]),
            bias=self._bias(recording, target),
            against=None if against is None else int(against.label),
            top5=tuple(
                (self.label(head_name, int(class_index)), float(value))
                for value, class_index in zip(best.values, best.indices, strict=True)
            ),
            against_name=against_name,
        )

    def _name(self, target: Target, with_head: bool) -> str:
        label = self.label(str(target.head), int(target.label))
        return f"{target.head}: {label}" if with_head else label

    def _bias(self, recording: Recording, target: Target) -> float | None:
        biases = recording.biases[str(target.head)]
        if biases is None:
            return None
        bias = float(biases[int(target.label)])
        if target.against is None:
            return bias
        other = self._bias(recording, target.against)
        return None if other is None else bias - other


def score_of(recording: Recording, target: Target) -> torch.Tensor:
    """Return the scalar score of a resolved target: its logit, or a difference of two."""
    score = recording.heads[str(target.head)].logits[0, int(target.label)]
    return score if target.against is None else score - score_of(recording, target.against)


def position_input(preprocessing: Preprocessing, device: torch.device) -> Any:
    """Return the positions of a clip in the layout of the network's forward."""
    return preprocessing.arrange(PositionTensor.for_clip(*preprocessing.shape, device))


def _find_label(label: str, names: tuple[str, ...]) -> int:
    """Return the index of a label, whatever its case; the ValueError lists similar labels."""
    lowered = [name.lower() for name in names]
    if names.count(label) > 1 or (label not in names and lowered.count(label.lower()) > 1):
        raise UsageError(f"target {label!r} stands for several classes of this model; use an index")
    if label in names:
        return names.index(label)
    if lowered.count(label.lower()) == 1:
        return lowered.index(label.lower())
    containing = [name for name in lowered if label.lower() in name]
    similar = list(dict.fromkeys([*containing, *difflib.get_close_matches(label.lower(), lowered, 5, 0.6)]))[:5]
    hint = ", ".join(repr(names[lowered.index(name)]) for name in similar) or ", ".join(map(repr, names[:8]))
    raise UsageError(
        f"target {label!r} is not a label of this model; {'similar labels:' if similar else 'it has'} {hint}"
    )


def _unreached_caveat(layers: Sequence[Layer], recording: Recording) -> tuple[str, ...]:
    names = ", ".join(layer.name for layer in layers if layer.name in recording.unreached)
    where = "; ".join(dict.fromkeys(recording.cuts))
    text = f"No gradient reaches {names}, so nothing is shown there: {where} ({CUTS})."
    return (Caveat(text, CaveatCode.NO_GRADIENT),) if names else ()


def _quote(heads: Mapping[str, Head]) -> str:
    return ", ".join(repr(name) for name in heads)
