"""Knobs of a method: the fields of its explainer, with the ranges that the explainer accepts, as a view can draw them."""

from __future__ import annotations

import dataclasses
import inspect
import re
from collections.abc import Mapping
from typing import Any

from notebook_explain._errors import UsageError
from notebook_explain._validation import check_choice, check_int, check_range

FLAG, WHOLE, NUMBER, CHOICE = "flag", "whole", "number", "choice"


@dataclasses.dataclass(frozen=True)
class Knob:
    """One field of an explainer.

    Attributes
    ----------
    name : str
    value : bool, int, float or str
        Default.
    low, high : float or None
        Range of a number.
    choices : tuple of str
    help : str
        From the explainer's docstring.
    """

    name: str
    value: Any
    low: float | None = None
    high: float | None = None
    choices: tuple[str, ...] = ()
    help: str = ""

    @property
    def kind(self) -> str:
        """Return what the knob takes: a flag, a whole number, a number or a choice."""
        if self.choices:
            return CHOICE
        if isinstance(self.value, bool):
            return FLAG
        return WHOLE if isinstance(self.value, int) else NUMBER

    def check(self, value: Any) -> Any:
        """Return a valid value of this knob.

        Raises
        ------
        ValueError, TypeError
        """
        if self.kind == CHOICE:
            return check_choice(self.name, value, self.choices)
        if self.kind == FLAG:
            if not isinstance(value, bool):
                raise UsageError(f"{self.name} must be True or False, got {value!r}")
            return value
        low, high = (float(bound) for bound in (self.low or 0, self.high or 0))
        if self.kind == NUMBER:
            return check_range(self.name, value, low, high)
        number = check_int(self.name, value, least=int(low))
        check_range(self.name, number, low, high)
        return number

    def to_json(self) -> dict[str, Any]:
        """Return the knob as plain values."""
        return {
            "name": self.name,
            "kind": self.kind,
            "value": self.value,
            "low": self.low,
            "high": self.high,
            "choices": list(self.choices),
            "help": self.help,
        }


def knobs_of(explainer: type, ranges: Mapping[str, Any], **values: Any) -> tuple[Knob, ...]:
    """Return knobs for some fields of an explainer.

    Parameters
    ----------
    explainer : dataclass
    ranges : mapping of field to (low, high), to choices, or to () for a flag
        In the order in which a view lists them.
    **values
        Defaults other than the explainer's.
    """
    defaults = {field.name: field.default for field in dataclasses.fields(explainer)} | values
    texts = attribute_help(explainer)
    found = []
    for name, given in ranges.items():
        is_choice = bool(given) and isinstance(given[0], str)
        low, high = (None, None) if is_choice or not given else given
        choices = tuple(given) if is_choice else ()
        found.append(Knob(name, defaults[name], low, high, choices, texts.get(name, "")))
    return tuple(found)


def attribute_help(explainer: type) -> dict[str, str]:
    """Return the text of each attribute in a docstring of numpydoc; nothing without docstrings (``python -OO``)."""
    text = inspect.getdoc(explainer) or ""
    section = re.split(r"Attributes\n-+\n", text, maxsplit=1)[-1] if "Attributes\n" in text else ""
    found: dict[str, str] = {}
    names: list[str] = []
    for line in section.splitlines():
        head = re.match(r"(\w+(?:, \w+)*) : ", line)
        if head:
            names = head[1].split(", ")
        elif line.startswith("    ") and names:
            for name in names:
                found[name] = f"{found.get(name, '')} {line.strip()}".strip()
        elif line.strip():
            break
    return {name: text.replace("`", "") for name, text in found.items()}
