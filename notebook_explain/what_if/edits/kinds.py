"""Rebuild edits from untrusted JSON."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import MISSING, fields
from typing import Any

from notebook_explain._errors import UsageError, UsageTypeError
from notebook_explain._validation import check_choice
from notebook_explain.what_if.edits.base import Edit
from notebook_explain.what_if.edits.colours import Brighten, Flip, Grey
from notebook_explain.what_if.edits.frames import Drop, Freeze, Loop, Repeat, Reverse, Shuffle, Slow
from notebook_explain.what_if.edits.network import Ablate, Scale, Swap, WithoutConcept
from notebook_explain.what_if.edits.occlude import Occlude

KINDS: dict[str, type[Edit]] = {
    kind.__name__: kind
    for kind in (
        Occlude,
        Freeze,
        Reverse,
        Shuffle,
        Drop,
        Repeat,
        Slow,
        Loop,
        Flip,
        Grey,
        Brighten,
        Ablate,
        Scale,
        Swap,
        WithoutConcept,
    )
}


def from_json(entry: Any) -> Edit:
    """Return the edit that `Edit.to_json` described.

    Parameters
    ----------
    entry : dict
        "edit" is the name of the kind, such as "Occlude"; the other keys are its fields, and those left out have their
        default. It need not be trusted.

    Raises
    ------
    TypeError, ValueError
        Not a dict; an unknown kind or field; a field that is missing, or whose value the edit does not take.
    """
    if not isinstance(entry, Mapping):
        raise UsageTypeError(f"an edit as JSON is a dict such as {{'edit': 'Reverse'}}, got {type(entry).__name__}")
    kind = KINDS[check_choice("the key 'edit'", entry.get("edit"), tuple(KINDS))]
    known = {field.name: field.default for field in fields(kind)}  # type: ignore[arg-type]
    unknown = [str(name) for name in entry if name not in ("edit", *known)]
    if unknown:
        raise UsageError(f"{kind.__name__} has no field {unknown[0]!r}; it has {', '.join(known) or 'none'}")
    missing = [name for name, default in known.items() if default is MISSING and name not in entry]
    if missing:
        raise UsageError(f"{kind.__name__} needs the field {missing[0]!r}")
    return kind(**{name: value for name, value in entry.items() if name != "edit"})
