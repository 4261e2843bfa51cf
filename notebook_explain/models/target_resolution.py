"""Resolve targets to heads and class indices, and read their scores and predictions off a recording."""

from __future__ import annotations

import difflib
import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

import torch

from notebook_explain._errors import UsageError
from notebook_explain.explanations import Target, TargetResult
from notebook_explain.explanations.caveats import Caveat, CaveatCode
from notebook_explain.explanations.targets import BINARY, DIFFERENCE, REGRESSION, UNNAMED_LOGIT, UNNAMED_VALUE
from notebook_explain.models.heads import Head
from notebook_explain.models.recording import Recording
from notebook_explain.models.regions import has_region, region_text

Labels = Mapping[str, tuple[str, ...]]


def resolve(labels: Labels, heads: Mapping[str, Head], target: Any) -> Target:
    """Return a target with head and index filled in; for ``None``, the top class or the first value of the first head.

    Raises
    ------
    ValueError, TypeError
        An unknown label (similar ones are listed), an index out of range, an unknown head.
    """
    if target is None:
        head = next(iter(heads))
        is_value = heads[head].kind == REGRESSION  # the largest of several values is not the likeliest
        return Target(0 if is_value else int(heads[head].logits[0].argmax()), head)
    if not isinstance(target, Target):
        target = Target(target)
    against = None if target.against is None else resolve(labels, heads, target.against)
    head = _head(labels, heads, target)
    resolved = Target(_index(labels, head, heads[head], target.label), head, None, target.where, target.frames)
    heads[head].logits_in(resolved)  # raises if there is no such region
    if against is not None and heads[str(against.head)].kind != heads[head].kind:
        kinds = heads[head].kind, heads[str(against.head)].kind
        raise UsageError(f"a difference needs two scores of one kind, got one of {kinds[0]!r} and one of {kinds[1]!r}")
    if against == resolved:
        raise UsageError(
            f"target {target.label!r} is compared with itself, and that difference is 0; give another class"
        )
    return replace(resolved, against=against)


def score_of(recording: Recording, target: Target) -> torch.Tensor:
    """Return the scalar score of a resolved target: its logit or value, averaged over its region, or a difference of two."""
    return score_in(recording.heads, target)


def score_in(heads: Mapping[str, Head], target: Target) -> torch.Tensor:
    """Return `score_of` a resolved target, given the heads of a pass."""
    score = heads[str(target.head)].logits_in(target)[0, int(target.label)]
    return score if target.against is None else score - score_in(heads, target.against)


def target_result(labels: Labels, recording: Recording, target: Target) -> TargetResult:
    """Return the network's prediction for a resolved target, and note the target in the recording."""
    recording.targets.append(target)
    return replace(result_in(labels, recording.heads, target), bias=_bias(recording, target))


def result_in(labels: Labels, heads: Mapping[str, Head], target: Target) -> TargetResult:
    """Return the network's prediction for a resolved target, given the heads of a pass; the bias is left out."""
    index, head_name = int(target.label), str(target.head)
    head = heads[head_name]
    found = head.probabilities(target)
    probabilities = torch.zeros(0) if found is None else found[0]
    best = probabilities.topk(min(5, len(probabilities)))
    several_heads = len(heads) > 1
    name, against = _name(labels, head, target, several_heads), target.against
    against_name = None if against is None else _name(labels, heads[str(against.head)], against, several_heads)
    return TargetResult(
        name=name if against_name is None else f"{name}{DIFFERENCE}{against_name}",
        index=index,
        head=head_name,
        logit=float(score_in(heads, target).detach()),
        probability=None if against is not None or found is None else float(probabilities[index]),
        against=None if against is None else int(against.label),
        top5=tuple(
            (head_label(labels, head_name, head, int(class_index)), float(value))
            for value, class_index in zip(best.values, best.indices, strict=True)
        ),
        against_name=against_name,
        kind=head.kind,
        unit=head.unit,
        region=_region(target),
    )


def region_caveats(recording: Recording) -> tuple[Caveat, ...]:
    """Return a caveat for each target whose score is a mean over cells: frames, voxels, views."""
    found = []
    for target in recording.targets:
        for part in (target, target.against):
            head = None if part is None else recording.heads[str(part.head)]
            if part is not None and head is not None and head.cells is not None:
                over = f"the mean over {region_text(part)}" if has_region(part) else "their mean"
                what = "value" if head.kind == REGRESSION else "score"
                text = f"The network returns one {what} per {head.cells.noun}; {over} is explained."
                found.append(Caveat(text, CaveatCode.SCORE))
    return tuple(dict.fromkeys(found))


def _region(target: Target) -> str:
    """Describe the region of a target; of both, if those of a difference differ."""
    text = region_text(target)
    if target.against is None or region_text(target.against) == text:
        return text
    return f"{text or 'the whole clip'} against {region_text(target.against) or 'the whole clip'}"


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
            have = "outputs" if head.kind == REGRESSION else "classes"
            raise UsageError(f"target {label} is out of range; this model has {have} 0 to {count - 1}")
        return label
    if names is None:
        prefix = "output " if head.kind == REGRESSION else "class "
        if count == 1 and label == head_label(labels, name, head, 0):
            return 0
        if label.startswith(prefix) and label.removeprefix(prefix).isdecimal():
            return _index(labels, name, head, int(label.removeprefix(prefix)))  # the name that `head_label` gives it
    if names is None:
        raise UsageError(
            f"target {label!r} is a name, but this model has no labels; use an index, or name the classes",
            arguments=("labels",),
            call="adapt()",
        )
    return _find_label(label, names)


_MINUS = re.compile(r"\s+(?:[-\u2013\u2212]|minus|rather than|vs\.?|versus)\s+", re.IGNORECASE)


def _find_label(label: str, names: tuple[str, ...]) -> int:
    """Return the index of a label, whatever its case; the ValueError lists similar labels."""
    lowered = [name.lower() for name in names]
    if names.count(label) > 1 or (label not in names and lowered.count(label.lower()) > 1):
        raise UsageError(f"target {label!r} stands for several classes of this model; use an index")
    if label in names:
        return names.index(label)
    if lowered.count(label.lower()) == 1:
        return lowered.index(label.lower())
    sides = [side.strip() for side in _MINUS.split(label, 1)]
    if len(sides) == 2 and set(map(str.lower, sides)) <= set(lowered):
        first, second = (names[lowered.index(side.lower())] for side in sides)
        raise UsageError(
            f"target {label!r} is not a label of this model; write a difference of two classes as "
            f"Target({json.dumps(first, ensure_ascii=False)}) - Target({json.dumps(second, ensure_ascii=False)})"
        )
    containing = [name for name in lowered if label.lower() in name]
    similar = list(dict.fromkeys([*containing, *difflib.get_close_matches(label.lower(), lowered, 5, 0.6)]))[:5]
    hint = ", ".join(repr(names[lowered.index(name)]) for name in similar) or ", ".join(map(repr, names[:8]))
    raise UsageError(
        f"target {label!r} is not a label of this model; {'similar labels:' if similar else 'it has'} {hint}"
    )


def head_label(labels: Labels, name: str, head: Head, index: int) -> str:
    """Return the name of an output; without labels "class 3", "yes" of a single logit, "value", or "output 3" of values."""
    if name in labels or head.kind not in (BINARY, REGRESSION):
        return class_label(labels, name, index)
    if head.kind == BINARY:
        return UNNAMED_LOGIT
    return UNNAMED_VALUE if head.table.shape[1] == 1 else f"output {index}"


def _name(labels: Labels, head: Head, target: Target, with_head: bool) -> str:
    label = head_label(labels, str(target.head), head, int(target.label))
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
