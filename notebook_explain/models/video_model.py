"""A video model as explainers see it: the user's module, untouched, and everything that differs between models."""

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
from notebook_explain.explanations.targets import DIFFERENCE
from notebook_explain.models.layer_trace import LayerTrace
from notebook_explain.models.layers import Layer, named_layer
from notebook_explain.models.outputs import Head
from notebook_explain.models.positions.tensor import PositionTensor
from notebook_explain.models.preprocessing import Preprocessing
from notebook_explain.models.recording import UNREACHED, Recording, record
from notebook_explain.models.shadow import likeness, on_shadow

Result = TypeVar("Result")


@dataclass(frozen=True, eq=False)
class VideoModel:
    """What ``notebook_explain.adapt`` makes of a module.

    Attributes
    ----------
    module : nn.Module
        The user's own, which nothing here changes.
    preprocessing : Preprocessing
    labels : dict of head to tuple of str
        Class names; empty where none are known (classes then go by index).
    layers : tuple of Layer
        From input to output: stem, block outputs, the input of global pooling. Others can be named.
    caveats : tuple of str
        What was assumed, as sentences.
    """

    module: nn.Module
    preprocessing: Preprocessing
    labels: Mapping[str, tuple[str, ...]]
    layers: tuple[Layer, ...]
    caveats: tuple[str, ...] = ()
    labels_of: str = "labels"  # where the labels come from, for those who have to mend them
    survey: LayerTrace | None = field(default=None, repr=False)

    def __repr__(self) -> str:
        p = self.preprocessing
        height, width = p.size
        return (
            f"VideoModel({type(self.module).__name__}, {p.frames} frames of {height} x {width}, {p.layout}, "
            f"{len(self.layers)} layers: {', '.join(layer.name for layer in self.layers)})"
        )

    def layer(self, name: str) -> Layer:
        """A layer of the catalogue, or any module's output by its dotted name (ValueError lists what is near)."""
        for layer in self.layers:
            if layer.name == name:
                return layer
        if self.survey is None:
            names = ", ".join(layer.name for layer in self.layers)
            raise UsageError(f"layer {name!r} is not in this model; it has {names} (the model could not be surveyed)")
        return named_layer(self.survey, name)

    def select(self, layers: Sequence[str] | None) -> tuple[Layer, ...]:
        """Layers by name, in the order of the network; the catalogue for ``None``."""
        if layers is None:
            return self.layers
        if isinstance(layers, str):
            raise UsageTypeError(f"layers must be a list of names, got the text {layers!r}; write [{layers!r}]")
        chosen = list(dict.fromkeys(self.layer(name) for name in layers))
        if not chosen:
            raise UsageError("layers is an empty list; leave it out for the usual ones, or name at least one")
        if self.survey is None:
            return tuple(chosen)
        order = {emission.place: at for at, emission in enumerate(self.survey.emissions)}
        return tuple(sorted(chosen, key=lambda layer: order.get(layer.place, len(order))))

    def fit(self, clip: Clip) -> Clip:
        """The clip that the network really sees."""
        return self.preprocessing.fit(clip)

    def remarks(self, clip: Clip) -> tuple[str, ...]:
        """What a reader has to know of how a clip was made to fit, as sentences."""
        wanted = self.preprocessing.frames
        shown = len(clip) if clip.times is None else len(np.unique(clip.times))
        if shown >= wanted:
            return ()
        return (f"The clip has {shown} frames, the network takes {wanted}: some are shown to it several times.",)

    def run(
        self,
        clip: Clip,
        layers: Sequence[Layer],
        compute: Callable[[Recording], Result],
        around: Callable[[nn.Module], AbstractContextManager[object]] = nullcontext,
    ) -> tuple[Result, tuple[str, ...]]:
        """Record a clip that fits and compute on the recording, on a shadow; returns the result and caveats.

        The recording's graph must not outlive ``compute``. ``around`` is given the shadow, and is open while it runs.
        """

        def on(shadow: nn.Module) -> tuple[Result, tuple[str, ...]]:
            like = likeness(shadow)
            # Whatever mode the caller is in, explanations need gradients.
            with torch.inference_mode(False), torch.enable_grad():
                video = self.preprocessing.tensor(clip, like.device, like.dtype)
                with around(shadow):
                    recording = record(shadow, video, self.preprocessing.arrange, layers, self.labels)
                self._check_labels(recording.heads)
                result = compute(recording)
                empty = ", ".join(layer.name for layer in layers if layer.name in recording.unreached)
                said = (f"No gradient reaches {empty}, so nothing is shown there: {UNREACHED}.",) if empty else ()
                return result, (*recording.caveats, *said)

        (result, said), caveats = on_shadow(self.module, on)
        return result, (*said, *caveats)

    def _check_labels(self, heads: Mapping[str, Head]) -> None:
        """A list of names that is one off names every class wrongly: it must have the right length."""
        for name, names in self.labels.items():
            if name not in heads and not name:
                raise UsageError(
                    f"labels are one list, but the model has the heads {_names(heads)}; state {{head: names}}"
                )
            if name not in heads:
                raise UsageError(f"labels name the head {name!r}, but the model's heads are {_names(heads)}")
            count = heads[name].logits.shape[1]
            if len(names) != count:
                of = f" of head {name!r}" if name else ""
                raise UsageError(
                    f"{self.labels_of}{of} hold {len(names)} names, but the model has {count} classes; "
                    "state labels= in adapt()"
                )

    def label(self, head: str, index: int) -> str:
        """A class's name as people read it."""
        names = self.labels.get(head)
        return names[index] if names is not None and index < len(names) else f"class {index}"

    def resolve(self, heads: Mapping[str, Head], target: Any) -> tuple[Target, ...]:
        """Targets with head and index filled in.

        Parameters
        ----------
        heads : of a recording
        target : None, label, index, Target, or a list of these
            ``None`` is the top class of the first head.

        Raises
        ------
        ValueError, TypeError
            An unknown label (near ones are listed), an index out of range, an unknown head.
        """
        many = target if isinstance(target, (list, tuple)) else [target]
        if not many:
            raise UsageError("target is an empty list; leave it out for the top class, or give at least one")
        return tuple(self._resolve(heads, one) for one in many)

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
                has = f"it has {_names(heads)}" if any(heads) else "it has one head without a name; leave head= out"
                raise UsageError(f"head {target.head!r} is not in this model; {has}")
            return target.head
        holding = [head for head in heads if target.label in self.labels.get(head, ())]
        return holding[0] if holding else next(iter(heads))

    def _index(self, name: str, head: Head, label: str | int) -> int:
        count = head.logits.shape[1]
        names = self.labels.get(name)
        if isinstance(label, int):
            if not 0 <= label < count:
                raise UsageError(f"target {label} is out of range; this model has classes 0 to {count - 1}")
            return label
        if names is None and label.startswith("class ") and label[6:].isdecimal():
            return self._index(name, head, int(label[6:]))  # as `label` calls it
        if names is None:
            raise UsageError(
                f"target {label!r} is a name, but this model has no labels; use an index or adapt(labels=)"
            )
        lowered = [entry.lower() for entry in names]
        if names.count(label) > 1 or (label not in names and lowered.count(label.lower()) > 1):
            raise UsageError(f"target {label!r} stands for several classes of this model; use an index")
        if label in names:
            return names.index(label)
        if lowered.count(label.lower()) == 1:
            return lowered.index(label.lower())
        holding = [entry for entry in lowered if label.lower() in entry]
        near = list(dict.fromkeys([*holding, *difflib.get_close_matches(label.lower(), lowered, 5, 0.6)]))[:5]
        hint = ", ".join(repr(names[lowered.index(entry)]) for entry in near) or ", ".join(map(repr, names[:8]))
        raise UsageError(f"target {label!r} is not a label of this model; {'near it are' if near else 'it has'} {hint}")

    def results(self, recording: Recording, targets: Sequence[Target]) -> tuple[TargetResult, ...]:
        """What the network said of resolved targets."""
        return tuple(self._result(recording, target) for target in targets)

    def _result(self, recording: Recording, target: Target) -> TargetResult:
        index, head_name = int(target.label), str(target.head)
        head = recording.heads[head_name]
        probabilities = head.probabilities()[0]
        best = probabilities.topk(min(5, len(probabilities)))
        name = self._name(target, len(recording.heads) > 1)
        against_name = None if target.against is None else self._name(target.against, len(recording.heads) > 1)
        bias = self._bias(recording, target)
        other = None if target.against is None else int(target.against.label)
        return TargetResult(
            name=name if against_name is None else f"{name}{DIFFERENCE}{against_name}",
            index=index,
            head=head_name,
            logit=float(score_of(recording, target).detach()),
            probability=None if target.against is not None else float(probabilities[index]),
            bias=bias,
            against=other,
            top5=tuple(
                (self.label(head_name, int(at)), float(value))
                for value, at in zip(best.values, best.indices, strict=True)
            ),
            against_name=against_name,
        )

    def _name(self, target: Target, several: bool) -> str:
        label = self.label(str(target.head), int(target.label))
        return f"{target.head}: {label}" if several else label

    def _bias(self, recording: Recording, target: Target) -> float | None:
        own = recording.biases[str(target.head)]
        if own is None:
            return None
        value = float(own[int(target.label)])
        if target.against is None:
            return value
        other = self._bias(recording, target.against)
        return None if other is None else value - other


def score_of(recording: Recording, target: Target) -> torch.Tensor:
    """The scalar that a resolved target stands for."""
    score = recording.heads[str(target.head)].logits[0, int(target.label)]
    return score if target.against is None else score - score_of(recording, target.against)


def stand_in(preprocessing: Preprocessing, device: torch.device) -> Any:
    """A clip of coordinates in the layout of the network's forward."""
    return preprocessing.arrange(PositionTensor.of_clip(*preprocessing.shape, device))


def _names(heads: Mapping[str, Head]) -> str:
    return ", ".join(repr(name) for name in heads)
