"""Compare the heads of a pass with what was stated about them: names of heads, and the number of labels."""

from __future__ import annotations

from collections.abc import Mapping

from notebook_explain._errors import UsageError
from notebook_explain.models.heads import Head
from notebook_explain.models.output_kinds import OutputSpec, label_count_error
from notebook_explain.models.target_resolution import quoted_heads


def check_heads(spec: OutputSpec, heads: Mapping[str, Head], labels_source: str) -> None:
    """Raise ValueError unless stated heads exist and have as many labels as classes.

    Parameters
    ----------
    spec : OutputSpec
        What was stated.
    heads : dict of name to Head
        Of a pass.
    labels_source : str
        Where the labels come from, for the error.
    """
    for name in spec.kinds:
        if name and name not in heads:
            raise UsageError(
                f"outputs name the head {name!r}, but the model {_has_heads(heads)}",
                arguments=("outputs",),
                call="adapt()",
            )
    for name, names in spec.labels.items():
        if name not in heads and not name:
            raise UsageError(
                f"labels are one list, but the model has the heads {quoted_heads(heads)}; give labels as {{head: names}}"
            )
        if name not in heads:
            raise UsageError(f"labels name the head {name!r}, but the model's heads are {quoted_heads(heads)}")
        head = heads[name]
        count = head.logits.shape[1]
        if len(names) != count:
            raise label_count_error(labels_source, name, len(names), count, head.kind)


def _has_heads(heads: Mapping[str, Head]) -> str:
    return f"has the heads {quoted_heads(heads)}" if any(heads) else "has one head without a name"
