"""Short names of explainers and metrics: the class, and the fields that differ from their defaults."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import MISSING, fields, is_dataclass
from typing import Any

from notebook_explain._errors import UsageError, UsageTypeError

Explainer = Callable[..., Any]


def short_name(value: Any) -> str:
    """Return "SaliencyTubes(pooled=True)" for a dataclass, the name of a function, or that of the class.

    A field without a default has no name: "WithRandomWeights(SaliencyTubes)".
    """
    if not is_dataclass(value):
        return str(getattr(value, "__name__", type(value).__name__))
    changed = [
        f"{field.name}={_value_text(getattr(value, field.name))}"
        if _has_default(field)
        else _value_text(getattr(value, field.name))
        for field in fields(value)
        if field.repr and not _is_default(field, getattr(value, field.name))
    ]
    return type(value).__name__ + (f"({', '.join(changed)})" if changed else "")


def _has_default(field: Any) -> bool:
    return field.default is not MISSING or field.default_factory is not MISSING


def _is_default(field: Any, value: Any) -> bool:
    if not _has_default(field):
        return False
    default = field.default_factory() if field.default is MISSING else field.default
    return type(default) is type(value) and bool(default == value)


def _value_text(value: Any) -> str:
    return short_name(value) if is_dataclass(value) or callable(value) else repr(value)


def named_explainers(explainers: Any) -> dict[str, Explainer]:
    """Return explainers by name.

    Parameters
    ----------
    explainers : explainer, list of explainers, or dict of name to explainer

    Raises
    ------
    TypeError, ValueError
        Something that cannot be called, no explainer, or two of the same name.
    """
    if isinstance(explainers, Mapping):
        named = {str(name): explainer for name, explainer in explainers.items()}
    else:
        listed = list(explainers) if isinstance(explainers, Sequence) else [explainers]
        names = [short_name(explainer) for explainer in listed]
        named = dict(zip(names, listed, strict=True))
        if len(named) < len(listed):
            twice = next(name for name in names if names.count(name) > 1)
            raise UsageError(
                f"two explainers are called {twice!r}; pass a dict of names instead, such as {{'first': ..., 'second': ...}}"
            )
    for name, explainer in named.items():
        if isinstance(explainer, type) or not callable(explainer):
            hint = f"; write {explainer.__name__}()" if isinstance(explainer, type) else ""
            raise UsageTypeError(
                f"an explainer is called as explainer(model, clip, target), such as SaliencyTubes(); got {explainer!r} "
                f"for {name!r}{hint}"
            )
    if not named:
        raise UsageError("explainers is empty; give at least one, such as [ne.SaliencyTubes()]")
    return named
