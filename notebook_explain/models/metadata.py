"""Labels as plain text, whoever gives them."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Mapping
from typing import Any

from notebook_explain._errors import UsageError, UsageTypeError

MAX_LABEL = 200


def read_labels(labels: Any) -> dict[str, tuple[str, ...]]:
    """Return labels by head as plain text (`to_plain_text`)."""
    if labels is None or (isinstance(labels, (list, tuple, Mapping)) and not labels):
        return {}
    if not isinstance(labels, (Mapping, Iterable)):
        raise UsageTypeError(f"labels must be a sequence of names, got {labels!r}")
    if isinstance(labels, str):
        raise UsageTypeError("labels must be a sequence of names, got one string; split it into lines first")
    if isinstance(labels, Mapping):
        if all(isinstance(value, int) for value in labels.values()):
            raise UsageTypeError("labels must be {index: name}, got {name: index}; swap keys and values")
        if all(isinstance(value, str) for value in labels.values()):
            by_index = {int(key): value for key, value in labels.items()}
            if sorted(by_index) != list(range(len(by_index))):
                raise UsageError(f"labels by index must count from 0 to {len(by_index) - 1} without gaps")
            return {"": tuple(to_plain_text(by_index[index]) for index in range(len(by_index)))}
        return {to_plain_text(head): tuple(map(to_plain_text, names)) for head, names in labels.items()}
    return {"": tuple(map(to_plain_text, labels))}


def to_plain_text(text: Any) -> str:
    """Return text without control characters, at most `MAX_LABEL` letters long."""
    kept = "".join(c if unicodedata.category(c)[0] != "C" else " " for c in str(text))
    return kept if len(kept) <= MAX_LABEL else kept[: MAX_LABEL - 1] + "…"
