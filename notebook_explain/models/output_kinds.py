"""Kinds of heads, stated or guessed: classes, a binary logit, labels that do not exclude one another, or values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from torch import nn

from notebook_explain._errors import UsageError, UsageTypeError
from notebook_explain._validation import check_choice
from notebook_explain.explanations.caveats import Caveat, CaveatCode
from notebook_explain.explanations.number_format import counted
from notebook_explain.explanations.targets import BINARY, CLASSES, KINDS, MAX_UNIT, MULTILABEL, REGRESSION
from notebook_explain.models.metadata import to_plain_text
from notebook_explain.models.output_cells import OutputPositions, Path, Size

# Of a classifier: a logit of 10 is a probability of 99.995 %, which no clip without content has.
LARGEST_BIAS = 10.0
_PROBLEM_TYPES = {
    "regression": REGRESSION,
    "single_label_classification": CLASSES,
    "multi_label_classification": MULTILABEL,
}
_REASONS = {
    (MULTILABEL, "sigmoid"): "the network ends in a sigmoid of each of several outputs",
    (BINARY, "sigmoid"): "the network ends in a sigmoid of one output",
    (BINARY, "names"): "the network has one output and labels, so it is taken for a logit",
    (REGRESSION, "names"): "the network has one output without a sigmoid, and its bias is too large for a logit",
    (REGRESSION, ""): "the network has one output, without a sigmoid and without labels",
}


@dataclass(frozen=True, eq=False)
class OutputSpec:
    """Facts about a network's outputs that are known before a pass.

    Attributes
    ----------
    labels : dict of head to tuple of str
    kinds : dict of head to kind
        As stated; "" stands for every head that is not named.
    unit : str
        Unit of the values of regressions; "" if unknown.
    positions : dict of path to OutputPositions
        Measured positions of the tensors that the network returns.
    size : (time, height, width)
        Of the clip.
    """

    labels: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    kinds: Mapping[str, str] = field(default_factory=dict)
    unit: str = ""
    positions: Mapping[Path, OutputPositions] = field(default_factory=dict)
    size: Size = (1, 1, 1)

    def is_regression(self, key: str) -> bool:
        """Return whether the head of a returned tensor, by its key, is stated to hold values."""
        kind = self.kinds.get(key, self.kinds.get(""))
        return kind == REGRESSION or (kind is None and bool(self.unit))

    def stated_kind(self, head: str, count: int, *, is_only: bool) -> str | None:
        """Return the kind that was stated for a head with ``count`` outputs; None if it must be guessed.

        Raises
        ------
        ValueError
            The kind does not go with the number of outputs.
        """
        kind = self.kinds.get(head, self.kinds.get(""))
        of_head = f" of head {head!r}" if head else ""
        if kind == BINARY and count > 1:
            raise UsageError(
                f"outputs {BINARY!r} is one logit, but the model{of_head} has {count} outputs; use {CLASSES!r} if they exclude "
                f"one another, else {MULTILABEL!r}",
                arguments=("outputs",),
                call="adapt()",
            )
        if kind == CLASSES and count == 1:
            raise UsageError(
                f"outputs {CLASSES!r} are several, but the model{of_head} has one output; use {BINARY!r} if it is a logit, "
                f"{REGRESSION!r} if it is a value",
                arguments=("outputs",),
                call="adapt()",
            )
        if kind is None and self.unit and (count == 1 or is_only):
            return REGRESSION
        return kind


def check_outputs(outputs: Any) -> dict[str, str]:
    """Return stated kinds by head; "" stands for all heads.

    Raises
    ------
    TypeError, ValueError
        Neither a kind nor kinds by head; an unknown kind (similar ones are listed).
    """
    if outputs is None:
        return {}
    entries = outputs if isinstance(outputs, Mapping) else {"": outputs}
    for kind in entries.values():
        if not isinstance(kind, str):
            raise UsageTypeError(f"outputs must be one of {', '.join(KINDS)}, or these by head; got {outputs!r}")
        check_choice("outputs", kind, KINDS)
    return {str(head): str(kind) for head, kind in entries.items()}


def check_unit(unit: Any) -> str:
    """Return a unit as plain text; TypeError unless it is text, ValueError if it is long."""
    if unit is None:
        return ""
    if not isinstance(unit, str):
        raise UsageTypeError(f"unit must be text, such as '%' or 'ms', got {unit!r}")
    if len(unit) > MAX_UNIT:
        raise UsageError(f"unit must have at most {MAX_UNIT} letters, got {len(unit)}")
    return to_plain_text(unit).strip()


def carried_kinds(module: nn.Module) -> dict[str, str]:
    """Return the kind that a Hugging Face configuration states as its ``problem_type``.

    Without it, Hugging Face trains a single output as a regression.
    """
    config = getattr(module, "config", None)
    kind = _PROBLEM_TYPES.get(str(getattr(config, "problem_type", None)))
    if kind is None and hasattr(config, "problem_type") and getattr(config, "num_labels", None) == 1:
        kind = REGRESSION
    return {} if kind is None else {"": kind}


def label_count_error(source: str, head: str, names: int, count: int, kind: str) -> UsageError:
    """Return the error for labels that are more or fewer than the outputs of a head."""
    of_head = f" of head {head!r}" if head else ""
    has = counted(count, "class", "classes") if kind == CLASSES else counted(count, f"{kind} output")
    return UsageError(
        f"{source}{of_head} hold {names} names, but the model has {has}", arguments=("labels",), call="adapt()"
    )


def check_label_count(
    source: str,
    labels: Mapping[str, tuple[str, ...]],
    kinds: Mapping[str, str],
    positions: Mapping[Path, OutputPositions],
) -> None:
    """Raise ValueError if a traced network returns one tensor whose axis of classes is not as long as its labels."""
    scores = positions.get(("logits",)) or (next(iter(positions.values())) if len(positions) == 1 else None)
    if scores is None or set(labels) != {""}:
        return
    names = len(labels[""])
    long = [axis for axis, length in enumerate(scores.shape) if length > 1]
    free = [axis for axis in long if not scores.varies_along(axis)]
    if len(free) == 1 and free[0] > 0 and names != scores.shape[free[0]]:
        raise label_count_error(source, "", names, scores.shape[free[0]], kinds.get("", CLASSES))


def guess_kind(count: int, names: tuple[str, ...] | None, link: str | None, bias: float | None) -> tuple[str, str]:
    """Guess the kind of a head.

    Parameters
    ----------
    count : int
        Number of its outputs.
    names : tuple of str or None
        Its labels. Two names of one output are no and yes.
    link : "softmax", "sigmoid" or None
        The network's last operation.
    bias : float or None
        Of a single output, if it is known.

    Returns
    -------
    kind, reason : str
        The reason is "" for several outputs without a sigmoid: they are usually classes, so no caveat is needed.
    """
    if count > 1:
        return (MULTILABEL, _REASONS[MULTILABEL, "sigmoid"]) if link == "sigmoid" else (CLASSES, "")
    if link == "sigmoid":
        return BINARY, _REASONS[BINARY, "sigmoid"]
    if names is None:
        return REGRESSION, _REASONS[REGRESSION, ""]
    if len(names) == 1 and bias is not None and abs(bias) > LARGEST_BIAS:
        return REGRESSION, _REASONS[REGRESSION, "names"]
    return BINARY, _REASONS[BINARY, "names"]


def kind_caveat(head: str, kind: str, reason: str, names: tuple[str, ...] | None) -> Caveat:
    """Return the caveat that a kind was guessed, and what that means for the names."""
    of_head = f" of head {head!r}" if head else ""
    order = f" The first name, {names[0]!r}, means no." if kind == BINARY and names and len(names) == 2 else ""
    text = (
        f"Not specified, assumed: outputs {kind!r}{of_head} ({reason}).{order} If the guess is wrong, so are the words and "
        "the probabilities; pass outputs= to ne.adapt() or ne.explain()."
    )
    return Caveat(text, CaveatCode.ASSUMED_OUTPUTS, ("outputs",))
