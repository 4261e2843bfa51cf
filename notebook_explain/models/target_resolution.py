"""Resolve targets to heads and class indices, and read their scores and predictions off a recording."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

import torch

from notebook_explain._errors import UsageError
from notebook_explain.explanations import Target, TargetResult
from notebook_explain.explanations.targets import DIFFERENCE
from notebook_explain.models.outputs import Head
from notebook_explain.models.recording import Recording

Labels = Mapping[str, tuple[str, ...]]


def resolve(labels: Labels, heads: Mapping[str, Head], target: Any) -> Target:
    """Return a target with head and index filled in; the top class of the first head for ``None``.

    Raises
    ------
    ValueError, TypeError
        An unknown label (similar ones are listed), an index out of range, an unknown head.
    """
    if target is None:
        head = next(iter(heads))
        return Target(int(heads[head].logits[0].argmax()), head)
    if not isinstance(target, Target):
        target = Target(target)
    against = None if target.against is None else resolve(labels, heads, target.against)
    head = _head(labels, heads, target)
    resolved = Target(_index(labels, head, heads[head], target.label), head)
    if against == resolved:
        raise UsageError(
            f"target {target.label!r} is compared with itself, and that difference is 0; give another class"
        )
    return replace(resolved, against=against)


def score_of(recording: Recording, target: Target) -> torch.Tensor:
    """Return the scalar score of a resolved target: its logit, or a difference of two."""
    score = recording.heads[str(target.head)].logits[0, int(target.label)]
    return score if target.against is None else score - score_of(recording, target.against)


def target_result(labels: Labels, recording: Recording, target: Target) -> TargetResult:
    """Return the network's prediction for a resolved target."""
    index, head_name = int(target.label), str(target.head)
    head = recording.heads[head_name]
    probabilities = head.probabilities()[0]
    best = probabilities.topk(min(5, len(probabilities)))
    several_heads = len(recording.heads) > 1
    name, against = _name(labels, target, several_heads), target.against
    against_name = None if against is None else _name(labels, against, several_heads)
    return TargetResult(
        name=name if against_name is None else f"{name}{DIFFERENCE}{against_name}",
        index=index,
        head=head_name,
        logit=float(score_of(recording, target).detach()),
        probability=None if against is not None else float(probabilities[index]),
        bias=_bias(recording, target),
        against=None if against is None else int(against.label),
        top5=tuple(
            (class_label(labels, head_name, int(class_index)), float(value))
            for value, class_index in zip(best.values, best.indices, strict=True)
        ),
        against_name=against_name,
    )


def class_label(labels: Labels, head: str, index: int) -> str:
    """Return the name of a class; "class 3" if it has none."""
    names = labels.get(head)
    return names[index] if names is not None and index < len(names) else f"class {index}"


def quoted_heads(heads: Iterable[str]) -> str:
    """Return the names of heads, quoted."""
    return ", ".join(repr(name) for name in heads)


def _head(labels: Labels, heads: Mapping[str, Head], target: Target) -> str:
    if target.head is not None:
        if target.head not in heads:
            known = (
                f"it has {quoted_heads(heads)}"
                if any(heads)
                else "it has a single head without a name, so leave out the head"
            )
            raise UsageError(f"head {target.head!r} is not in this model; {known}")
        return target.head
    with_label = [head for head in heads if target.label in labels.get(head, ())]
    return with_label[0] if with_label else next(iter(heads))


def _index(labels: Labels, name: str, head: Head, label: str | int) -> int:
    count = head.logits.shape[1]
    names = labels.get(name)
    if isinstance(label, int):
        if not 0 <= label < count:
            raise UsageError(f"target {label} is out of range; this model has classes 0 to {count - 1}")
        return label
    if names is None and label.startswith("class ") and label[6:].isdecimal():
        return _index(labels, name, head, int(label[6:]))  # the name that `class_label` gives it
    if names is None:
        raise UsageError(
            f"target {label!r} is a name, but this model has no labels; use an index, or name the classes",
            arguments=("labels",),
            call="adapt()",
        )
    return _find_label(label, names)


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


def _name(labels: Labels, target: Target, with_head: bool) -> str:
    label = class_label(labels, str(target.head), int(target.label))
    return f"{target.head}: {label}" if with_head else label


def _bias(recording: Recording, target: Target) -> float | None:
    biases = recording.biases[str(target.head)]
    if biases is None:
        return None
    bias = float(biases[int(target.label)])
    if target.against is None:
        return bias
    other = _bias(recording, target.against)
    return None if other is None else bias - other
