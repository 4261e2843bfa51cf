"""Names of concepts: the default ones, and the check of those that readers give."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from notebook_explain._errors import UsageError, UsageTypeError

MAX_NAME = 80  # letters


def default_name(index: int) -> str:
    """Return the name of a concept that nobody has named."""
    return f"concept {index + 1}"


def check_names(names: Sequence[Any], count: int) -> list[str]:
    """Return names without surrounding blanks.

    Parameters
    ----------
    names : sequence of str
        One for each concept, all different, of 1 to 80 printable letters.
    count : int
        Number of concepts.

    Raises
    ------
    TypeError
        A name is not a string.
    ValueError
        A name is empty, too long, has control characters, or is given twice; or there are too many or too few.
    """
    given = [_check_name(name) for name in names]
    if len(given) != count:
        raise UsageError(f"expected a name for each of {count} concepts, got {len(given)}")
    for name in given:
        if given.count(name) > 1:
            raise UsageError(f"name {name!r} belongs to another concept; give a different one")
    return given


def _check_name(name: Any) -> str:
    if not isinstance(name, str):
        raise UsageTypeError(f"name must be a string, got {name!r}")
    text = name.strip()
    if not 0 < len(text) <= MAX_NAME or not text.isprintable():
        raise UsageError(f"name must have 1 to {MAX_NAME} printable letters, got {text[: MAX_NAME + 20]!r}")
    return text
