"""Find the logits in a network's output: one (batch, class) tensor per head.

Networks return tensors, tuples in any order, dicts, objects with ``.logits``, logits per time step, or several heads. If
the last operation is a softmax (or sigmoid), the tensor before it is explained, because probabilities saturate and logits
add up.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch.overrides import TorchFunctionMode

from notebook_explain._errors import ExplainError
from notebook_explain.explanations.caveats import Caveat, CaveatCode

LOG_P = Caveat(
    "The network returns probabilities that are not the softmax of a single tensor, so log p is explained; the evidence does not "
    "add up to a logit.",
    CaveatCode.SCORE,
)
PER_TIME = Caveat("The network returns one score per time step (or view); their mean is explained.", CaveatCode.SCORE)
PER_POSITION = Caveat(
    "The network returns one score per position; the mean of each class is explained.", CaveatCode.SCORE
)
_Scores = tuple[torch.Tensor, Caveat | None]
_LINKS = {"softmax": "softmax", "log_softmax": "softmax", "sigmoid": "sigmoid"}


@dataclass(frozen=True, eq=False)
class Head:
    """One classifier of a network.

    Attributes
    ----------
    logits : float32 tensor (batch, class)
    link : str
        Function that turns them into probabilities: "softmax", "sigmoid", or "log" if they are logarithms of probabilities.
    """

    logits: torch.Tensor
    link: str = "softmax"

    def probabilities(self) -> torch.Tensor:
        """Return probabilities (batch, class), detached."""
        logits = self.logits.detach()
        return {"sigmoid": logits.sigmoid, "log": logits.exp}.get(self.link, lambda: logits.softmax(-1))()


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


def to_heads(
    output: Any,
    activations: LastActivations,
    labels: Mapping[str, tuple[str, ...]],
    classes: int | None,
    find_cut: Callable[[], str] | None = None,
    *,
    needs_gradient: bool = True,
) -> tuple[dict[str, Head], tuple[str, ...]]:
    """Find the logits in what a network returned.

    Parameters
    ----------
    output : object
        As the network returned it.
    activations : LastActivations
        Was active during the forward pass.
    labels : dict of head to tuple of str
        Their number distinguishes logits from other tensors.
    classes : int or None
        Number of outputs of the last layer with weights; a hint for the axis of the classes.
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
    """
    counts = {len(names) for names in labels.values()} or ({classes} if classes else set())
    candidates = _candidate_tensors(output)
    per_class = {key: _as_class_scores(tensor, counts) for key, tensor in candidates.items()}
    found = {key: scores for key, scores in per_class.items() if scores is not None}
    if not found:
        raise ExplainError(
            f"no class scores were found in the model's output ({describe(output)}); wrap it in a module whose forward "
            "returns logits (batch, class)"
        )
    chosen = _drop_dependent(_select_matching(found, labels))
    if needs_gradient and not any(scores.requires_grad for scores, _ in chosen.values()):
        where = "" if find_cut is None else f"; {find_cut()}"
        raise ExplainError(
            "no gradient reaches the model's output: its forward runs under torch.no_grad or inference_mode, or detaches; "
            f"remove that (saliency tubes need one backward pass){where}"
        )
    names = _head_names(list(chosen), labels)
    heads, caveats = {}, []
    for key, (scores, averaged) in chosen.items():
        head, caveat = _logits_of(scores, candidates[key], activations)
        heads[names[key]] = head
        caveats += [text for text in (caveat, averaged) if text]
    if any(bool(head.logits.isnan().any()) for head in heads.values()):
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


def _candidate_tensors(output: Any) -> dict[str, torch.Tensor]:
    logits = getattr(output, "logits", None)
    if isinstance(logits, torch.Tensor):
        return {"": logits}
    if isinstance(output, torch.Tensor):
        return {"": output}
    if isinstance(output, Mapping):
        if isinstance(output.get("logits"), torch.Tensor):
            return {"": output["logits"]}
        pairs = list(output.items())
    elif isinstance(output, (list, tuple)):
        pairs = list(enumerate(output))
    else:
        pairs = list(vars(output).items()) if hasattr(output, "__dict__") else []
    return {str(key): value for key, value in pairs if isinstance(value, torch.Tensor) and value.is_floating_point()}


def _as_class_scores(tensor: torch.Tensor, counts: set[int]) -> _Scores | None:
    """Return scores (1, class), and a caveat if they are averaged over steps, views or positions; None if not scores."""
    if tensor.ndim < 2 or (tensor.is_leaf and tensor.requires_grad):
        return (tensor[None], None) if tensor.ndim == 1 and tensor.shape[0] in counts else None
    trailing = tensor
    while trailing.ndim > 2 and trailing.shape[-1] == 1:
        trailing = trailing.squeeze(-1)
    if trailing.ndim > 3:
        if trailing.shape[1] not in counts:
            return None
        return trailing.flatten(2).mean(2).mean(0, keepdim=True), PER_POSITION
    if trailing.ndim == 3:
        last = trailing.shape[1] not in counts and trailing.shape[2] in counts
        return trailing.mean(1 if last else 2).mean(0, keepdim=True), PER_TIME
    return trailing.mean(0, keepdim=True), PER_TIME if trailing.shape[0] > 1 else None


def _select_matching(found: dict[str, _Scores], labels: Mapping[str, tuple[str, ...]]) -> dict[str, _Scores]:
    """Keep the tensors that the labels name, or that have as many classes as labels; and those that a gradient reaches."""
    if labels and set(labels) <= set(found):
        return {key: found[key] for key in labels}
    unnamed = all(key.isdigit() for key in found)  # items of a tuple; named heads are distinguished by name
    counts = {len(names) for names in labels.values()} if unnamed else set()
    for keep in (lambda scores: scores.shape[1] in counts, lambda scores: scores.requires_grad):
        kept = {key: entry for key, entry in found.items() if keep(entry[0])}
        found = kept or found
    return found


def _drop_dependent(found: dict[str, _Scores]) -> dict[str, _Scores]:
    """Drop features from which other scores are computed, and probabilities whose logits are also returned."""
    dropped: set[str] = set()
    for key, (scores, _) in found.items():
        for other, (rest, _) in found.items():
            if key == other or other in dropped or key in dropped:
                continue
            if (
                scores.shape == rest.shape
                and is_distribution(rest)
                and torch.allclose(scores.softmax(-1), rest, atol=1e-3)
            ):
                dropped.add(other)
            elif _leads_to(scores, rest) and not is_distribution(rest):
                dropped.add(key)
    return {key: entry for key, entry in found.items() if key not in dropped}


def _leads_to(scores: torch.Tensor, other: torch.Tensor) -> bool:
    """Return whether ``other`` is computed from ``scores``."""
    if not (scores.requires_grad and other.requires_grad):
        return False
    origin = _origin_node(scores)
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


def _origin_node(scores: torch.Tensor) -> Any:
    """Return the autograd node of the tensor that the network returned, before ``_as_class_scores`` reshaped it."""
    node = scores.grad_fn
    while node is not None and node.name().split("Backward")[0] in ("Mean", "Squeeze", "Unsafe", "View", "Reshape"):
        node = node.next_functions[0][0]
    return node


def is_distribution(scores: torch.Tensor) -> bool:
    """Return whether every row is a distribution over at least two classes."""
    total = scores.detach().float().sum(-1)
    return scores.shape[-1] > 1 and bool((scores >= 0).all()) and bool((total - 1).abs().max() < 2e-3)


def _logits_of(scores: torch.Tensor, returned: torch.Tensor, last: LastActivations) -> tuple[Head, str | None]:
    """Return the logits before the last softmax or sigmoid; log p with a caveat if its results were averaged."""
    values = scores.detach().float()
    for name, before, after in reversed(last.calls):
        if after.numel() == values.numel() and torch.allclose(
            after.detach().float().reshape(values.shape), values, atol=1e-6
        ):
            return Head(before.reshape(values.shape).float(), _LINKS[name]), None
        if name == "sigmoid" and returned.numel() == after.numel() and torch.equal(after.flatten(), returned.flatten()):
            return Head(scores.float().clamp_min(torch.finfo(torch.float32).tiny).log(), "log"), LOG_P
    if is_distribution(scores):
        return Head(scores.float().clamp_min(torch.finfo(torch.float32).tiny).log()), LOG_P
    # A single score is the logit of yes against no.
    return Head(scores.float(), "softmax" if scores.shape[-1] > 1 else "sigmoid"), None


def _head_names(keys: list[str], labels: Mapping[str, tuple[str, ...]]) -> dict[str, str]:
    if len(keys) == 1:
        only = next(iter(labels), "") if len(labels) == 1 else ""
        return {keys[0]: only}
    if len(labels) == len(keys) and not set(keys) <= set(labels):
        return dict(zip(keys, labels, strict=True))
    return {key: key for key in keys}
