"""Caveats about what a descent could not measure: links across unknown operations, layers without a gradient, an early end."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from notebook_explain.explanations.caveats import Caveat, CaveatCode
from notebook_explain.methods.feature_pyramid.descent_state import DescentRow


@dataclass(eq=False)
class DescentCaveats:
    """Caveats of the rows so far; layers with the same caveat share one.

    Attributes
    ----------
    is_first_order : bool
        Contributions are to the class score, so nothing is known below a layer without a gradient.
    is_value : bool
        What is explained is the value of a regression.
    below_operations : dict of names of operations to names of rows
        Rows right below operations that channels cannot be followed through.
    without_gradient : list of str
        Names of rows.
    last : str
        Name of the last row that has units.
    """

    is_first_order: bool
    is_value: bool = False
    below_operations: dict[tuple[str, ...], list[str]] = field(default_factory=dict)
    without_gradient: list[str] = field(default_factory=list)
    last: str = ""

    def add(self, row: DescentRow, name: str) -> None:
        """Note a row that has units."""
        self.last = name
        if row.operations:
            self.below_operations.setdefault(row.operations, []).append(name)
        if not row.has_gradient:
            self.without_gradient.append(name)

    def caveats(self) -> list[str]:
        """Return the caveats of the rows so far."""
        found: list[str] = []
        for operations, names in self.below_operations.items():
            text = (
                f"Channels cannot be followed through {' and '.join(operations)}. The units of {_enumerate(names)} are scored "
                "by gradient x activation, and which of them feeds which unit above is unknown (dotted links)."
            )
            found.append(Caveat(text, CaveatCode.CHANNEL_GRAPH))
        if self.without_gradient:
            text = f"No gradient reaches {_enumerate(self.without_gradient)}: "
            if self.is_first_order:
                text += "what the units there read cannot be measured, and their directions are those of their contributions."
            else:
                text += "the directions of the units there are those of their contributions."
            found.append(Caveat(text, CaveatCode.NO_GRADIENT))
        return found

    def end_caveats(self) -> list[str]:
        """Return a caveat on a descent that ended above the clip, unless its cause is said already."""
        if self.is_first_order and self.last in self.without_gradient:
            return []
        supports = "raises the value" if self.is_value else "supports the class"
        text = f"Nothing below {self.last} {supports} on balance, so the pyramid ends there."
        return [Caveat(text, CaveatCode.EARLY_END)]


def _enumerate(names: Sequence[str]) -> str:
    if len(names) < 3:
        return " and ".join(names)
    return f"{names[0]} and {len(names) - 1} more layers"
