"""Find the scores in a network's output: one head per tensor of logits or values.

Networks return tensors, tuples in any order, dicts, objects with ``.logits``, scores per frame or voxel, or several heads. If
the last operation is a softmax (or sigmoid), the tensor before it is explained, because probabilities saturate and logits
add up; the values of a regression are explained as they are.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch.overrides import TorchFunctionMode

from notebook_explain._errors import ExplainError
from notebook_explain.explanations.caveats import Caveat, CaveatCode
from notebook_explain.explanations.targets import BINARY, CLASSES, REGRESSION
from notebook_explain.models.classifier_outputs import ClassifierOutputs
from notebook_explain.models.heads import Head
from notebook_explain.models.output_cells import (
    Cells,
    Path,
    cell_scores,
    cells_of,
    class_axis,
    joined_outputs,
    measured_at,
)
from notebook_explain.models.output_kinds import OutputSpec, guess_kind, kind_caveat

LOG_P = Caveat(
    "The network returns probabilities that are not the softmax of a single tensor, so log p is explained; the evidence does not "
    "add up to a logit.",
    CaveatCode.SCORE,
)
_ASSUMED_AXIS = (
    "Which axis of the network's output {shape} holds the classes could not be measured; {which} is taken. If the guess is "
    "wrong, another score is explained."
)
_LINKS = {
    **dict.fromkeys(("softmax", "log_softmax", "special_softmax", "special_log_softmax"), "softmax"),
    **dict.fromkeys(("sigmoid", "log_sigmoid", "special_expit"), "sigmoid"),
}


class LastActivations(TorchFunctionMode):
    """Keep the inputs of the last few softmaxes and sigmoids, to find the logits of probabilities."""

    def __init__(self) -> None:
        super().__init__()
        self.calls: list[tuple[str, torch.Tensor, torch.Tensor]] = []

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = func(*args, **(kwargs or {}))
        name = getattr(func, "__name__", "").strip("_")
        if name in _LINKS and args and isinstance(args[0], torch.Tensor) and isinstance(result, torch.Tensor):
            self.calls = [*self.calls[-3:], (name, args[0], result)]
        return result


@dataclass(frozen=True, eq=False)
class _Scores:
    """A returned tensor that can be class scores.

    Attributes
    ----------
    returned : tensor
    axis : int or None
        Of the classes; ``None`` for a single output.
    is_measured : bool
        The axis is measured, not guessed.
    cells : Cells or None
        What is averaged, if anything.
    """

    returned: torch.Tensor
    axis: int | None
    is_measured: bool
    cells: Cells | None

    @property
    def count(self) -> int:
        return 1 if self.axis is None else int(self.returned.shape[self.axis])

    @property
    def mean(self) -> torch.Tensor:
        """Scores (1, class), averaged over all cells."""
        return cell_scores(self.returned, self.axis).mean(0, keepdim=True)


def to_heads(
    output: Any,
    activations: LastActivations,
    spec: OutputSpec,
    classifiers: ClassifierOutputs,
    find_cut: Callable[[], str] | None = None,
    *,
    needs_gradient: bool = True,
) -> tuple[dict[str, Head], tuple[str, ...]]:
    """Find the scores in what a network returned.

    Parameters
    ----------
    output : object
        As the network returned it.
    activations : LastActivations
        Was active during the forward pass.
    spec : OutputSpec
        Labels, kinds and measured positions.
    classifiers : ClassifierOutputs
        Watched the forward pass.
    find_cut : function, optional
        Returns where the gradient is cut, for the error.
    needs_gradient : bool
        Refuse an output that no gradient reaches; predictions need none.

    Returns
    -------
    heads : dict of name to Head
        The name is "" if there is only one.
    caveats : tuple of str

    Raises
    ------
    ExplainError
        No tensor in the output can be class scores, or no gradient reaches them.
    ValueError
        The kind that was stated does not go with the number of outputs.
    """
    candidates = _candidate_tensors(output)
    is_only = len(candidates) == 1
    tables = {key: _as_scores(*entry, spec, classifiers, is_only=is_only) for key, entry in candidates.items()}
    found = {key: scores for key, scores in tables.items() if scores is not None}
    if not found:
        raise ExplainError(
            f"no class scores were found in the model's output ({describe(output)}); wrap it in a module whose forward "
            "returns logits (batch, class)"
        )
    chosen = _drop_dependent(_select_matching(found, spec.labels))
    if needs_gradient and not any(scores.returned.requires_grad for scores in chosen.values()):
        where = "" if find_cut is None else f"; {find_cut()}"
        raise ExplainError(
            "no gradient reaches the model's output: its forward runs under torch.no_grad or inference_mode, or detaches; "
            f"remove that (saliency tubes need one backward pass){where}"
        )
    names = _head_names(list(chosen), spec.labels)
    heads, caveats = {}, []
    for key, scores in chosen.items():
        head, found_caveats = _head_of(scores, names[key], spec, activations, classifiers, is_only=len(chosen) == 1)
        heads[names[key]] = head
        caveats += found_caveats
    if any(bool(head.outputs.isnan().any()) for head in heads.values()):
        raise ExplainError("the model returns NaN for this clip; check its weights and the preprocessing arguments")
    return heads, tuple(dict.fromkeys(caveats))


def has_one_tensor(output: Any) -> bool:
    """Return whether the logits can be no other tensor of a network's output."""
    return len(_candidate_tensors(output)) == 1


def describe(output: Any) -> str:
    """Describe a network's output in a few words."""
    if isinstance(output, torch.Tensor):
        return f"a tensor {tuple(output.shape)}"
    if isinstance(output, Mapping):
        return "a dict of " + ", ".join(f"{key!s}: {describe(value)}" for key, value in list(output.items())[:6])
    if isinstance(output, (list, tuple)):
        return f"a {type(output).__name__} of " + ", ".join(describe(value) for value in output[:6])
    return f"a {type(output).__name__}"


def _candidate_tensors(output: Any) -> dict[str, tuple[Path, torch.Tensor]]:
    """Return the tensors that may hold scores, with their paths in the output (`layer_trace.tensors`)."""
    logits = getattr(output, "logits", None)
    if isinstance(logits, torch.Tensor):
        return {"": (("logits",), logits)}
    if isinstance(output, torch.Tensor):
        return {"": ((), output)}
    if isinstance(output, Mapping):
        if isinstance(output.get("logits"), torch.Tensor):
            return {"": (("logits",), output["logits"])}
        pairs = list(output.items())
    elif isinstance(output, (list, tuple)):
        pairs = list(enumerate(output))
    else:
        pairs = list(vars(output).items()) if hasattr(output, "__dict__") else []
    return {
        str(key): ((key,), value)
        for key, value in pairs
        if isinstance(value, torch.Tensor) and value.is_floating_point()
    }


def _as_scores(
    path: Path, tensor: torch.Tensor, spec: OutputSpec, classifiers: ClassifierOutputs, *, is_only: bool
) -> _Scores | None:
    """Return the scores in a returned tensor; None if it holds no scores."""
    counts = _known_counts(spec, classifiers)
    is_leaf = tensor.is_leaf and tensor.requires_grad
    measured = measured_at(spec.positions, path, tensor.shape)
    if tensor.ndim < 2 and (measured is None or tensor.ndim == 0 or not measured.varies_along(0)):
        is_alone = is_only and tensor.numel() == 1 and not is_leaf  # without an axis of the batch
        if not (is_alone or (tensor.ndim == 1 and tensor.shape[0] in counts)):
            return None
        return _Scores(tensor.reshape(1, -1), 1 if tensor.numel() > 1 else None, True, None)
    if is_leaf:
        return None
    if spec.is_regression(str(path[-1]) if path else ""):
        tensor, measured = joined_outputs(tensor, measured)
    axis, is_measured = class_axis(tensor, measured, counts, classifiers.rows())
    count = 1 if axis is None else int(tensor.shape[axis])
    cell_axes = [index for index, length in enumerate(tensor.shape) if length > 1 and index != axis]
    is_stated = is_only and count == 1 and bool(spec.kinds or spec.unit)
    if len(cell_axes) > 1 and count not in counts | {classifiers.count()} and not is_stated:
        return None  # features
    cells = cells_of(tensor.shape, axis, measured, spec.size) if cell_axes else None
    return _Scores(tensor, axis, is_measured, cells)


def _known_counts(spec: OutputSpec, classifiers: ClassifierOutputs) -> set[int]:
    """Return the numbers of classes that the labels name, else that of the last layer's outputs."""
    last = classifiers.count()
    counts = {len(names) for names in spec.labels.values()} or ({last} if last else set())
    return counts | {1} if last == 1 else counts


def _select_matching(found: dict[str, _Scores], labels: Mapping[str, tuple[str, ...]]) -> dict[str, _Scores]:
    """Keep the tensors that the labels name, or that have as many classes as labels; and those that a gradient reaches."""
    if labels and set(labels) <= set(found):
        return {key: found[key] for key in labels}
    unnamed = all(key.isdigit() for key in found)  # items of a tuple; named heads are distinguished by name
    counts = {len(names) for names in labels.values()} if unnamed else set()
    for keep in (lambda scores: scores.count in counts, lambda scores: scores.returned.requires_grad):
        kept = {key: scores for key, scores in found.items() if keep(scores)}
        found = kept or found
    return found


def _drop_dependent(found: dict[str, _Scores]) -> dict[str, _Scores]:
    """Drop features from which other scores are computed, and probabilities whose logits are also returned."""
    dropped: set[str] = set()
    means = {key: scores.mean for key, scores in found.items()}
    for key, scores in means.items():
        for other, rest in means.items():
            if key == other or other in dropped or key in dropped:
                continue
            if (
                scores.shape == rest.shape
                and is_distribution(rest)
                and torch.allclose(scores.softmax(-1), rest, atol=1e-3)
            ):
                dropped.add(other)
            elif _leads_to(found[key].returned, rest) and not is_distribution(rest):
                dropped.add(key)
    return {key: scores for key, scores in found.items() if key not in dropped}


def _leads_to(returned: torch.Tensor, other: torch.Tensor) -> bool:
    """Return whether ``other`` is computed from ``returned``."""
    if not (returned.requires_grad and other.requires_grad):
        return False
    origin = _origin_node(returned)
    stack, seen = [other.grad_fn], set()
    while stack:
        node = stack.pop()
        if node is None or node in seen:
            continue
        if node is origin:
            return True
        seen.add(node)
        stack.extend(following for following, _ in node.next_functions)
    return False


def _origin_node(returned: torch.Tensor) -> Any:
    """Return the autograd node of a tensor, before it was reshaped or averaged."""
    node = returned.grad_fn
    while node is not None and node.name().split("Backward")[0] in ("Mean", "Squeeze", "Unsafe", "View", "Reshape"):
        node = node.next_functions[0][0]
    return node


def is_distribution(scores: torch.Tensor) -> bool:
    """Return whether every row is a distribution over at least two classes."""
    total = scores.detach().float().sum(-1)
    return scores.shape[-1] > 1 and bool((scores >= 0).all()) and bool((total - 1).abs().max() < 2e-3)


def _head_of(
    scores: _Scores,
    name: str,
    spec: OutputSpec,
    last: LastActivations,
    classifiers: ClassifierOutputs,
    *,
    is_only: bool,
) -> tuple[Head, list[Caveat]]:
    """Return the head of a returned tensor, and caveats about what was guessed and what is explained."""
    before, link = _before_activation(scores, last)
    is_activated = link is not None
    names, caveats = spec.labels.get(name), []
    kind = spec.stated_kind(name, scores.count, is_only=is_only)
    if kind is None:
        bias = classifiers.bias(scores.mean) if scores.count == 1 else None
        kind, reason = guess_kind(scores.count, names, link, None if bias is None else float(bias[0]))
        caveats += [kind_caveat(name, kind, reason, names)] if reason else []
    if not scores.is_measured:
        which = "none" if scores.axis is None else f"axis {scores.axis}"
        caveats.append(
            Caveat(_ASSUMED_AXIS.format(shape=tuple(scores.returned.shape), which=which), CaveatCode.ASSUMED_OUTPUTS)
        )
    if kind == REGRESSION:
        before, link, is_activated = scores.returned, "none", False
    elif link is None and is_distribution(scores.mean):
        link = "log"
        caveats.append(LOG_P)
    elif link is None or kind == BINARY:
        link = "softmax" if kind == CLASSES else "sigmoid"
    return Head(
        cell_scores(before, scores.axis).float(),
        link,
        kind,
        spec.unit if kind == REGRESSION else "",
        scores.cells,
        is_activated=is_activated,
        has_two_names=kind == BINARY and names is not None and len(names) == 2,
    ), caveats


def _before_activation(scores: _Scores, last: LastActivations) -> tuple[torch.Tensor, str | None]:
    """Return the tensor before the softmax or sigmoid that gave the scores, in their shape, and the name of the link."""
    returned = scores.returned
    values = returned.detach().float()
    for name, before, after in reversed(last.calls):
        if after.numel() == values.numel() and torch.allclose(
            after.detach().float().reshape(values.shape), values, atol=1e-6
        ):
            return before.reshape(returned.shape), _LINKS[name]
    return returned, None


def _head_names(keys: list[str], labels: Mapping[str, tuple[str, ...]]) -> dict[str, str]:
    if len(keys) == 1:
        only = next(iter(labels), "") if len(labels) == 1 else ""
        return {keys[0]: only}
    if len(labels) == len(keys) and not set(keys) <= set(labels):
        return dict(zip(keys, labels, strict=True))
    return {key: key for key in keys}
