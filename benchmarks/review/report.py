"""The table of a review: one row for each architecture, the worst of each column, and the goals that are missed."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from benchmarks.review.checks import CONTRIBUTIONS, Findings


@dataclass(frozen=True)
class Column:
    """A figure of each row, and its goal.

    Attributes
    ----------
    title : str
    read : function
        Returns the figure of one row; NaN where it was not measured or is not claimed.
    format : str
        For ``format``.
    goal : float
    higher_is_better : bool
    """

    title: str
    read: Callable[[Findings], float]
    format: str
    goal: float
    higher_is_better: bool = False

    def misses(self, value: float) -> bool:
        """Return whether a figure misses the goal; what was not measured does not."""
        if math.isnan(value):
            return False
        return value < self.goal if self.higher_is_better else value > self.goal

    def worst(self, rows: Sequence[Findings]) -> float:
        """Return the worst figure of all rows; NaN if none was measured."""
        values = [value for row in rows if not math.isnan(value := self.read(row))]
        if not values:
            return math.nan
        return min(values) if self.higher_is_better else max(values)

    def text(self, value: float) -> str:
        """Return a figure as it is printed, marked if it misses the goal."""
        if math.isnan(value):
            return "-"
        return format(value, self.format) + ("!" if self.misses(value) else "")


def local_error(row: Findings) -> float:
    """Return the worst error of local products, of layers that are not lost in rounding."""
    if any(check.state == "unmatched" for check in row.layers):
        return math.inf
    return max((check.error for check in row.layers if check.state in ("right", "wrong")), default=math.nan)


def rounding(row: Findings) -> float:
    """Return 1 minus the lowest correlation of a map, shown without a warning, with the float64 one."""
    checks = [check for check in row.layers if check.state in ("right", "rounded") and check.name not in row.untrusted]
    return max((1 - check.agreement for check in checks if not math.isnan(check.agreement)), default=math.nan)


def dead_layers(row: Findings) -> float:
    """Return how many maps are shown that hold rounding noise only, or are blank although they are shown first."""
    if not row.layers:
        return math.nan
    noise = sum(check.state == "noise" and check.name not in row.untrusted for check in row.layers)
    return float(noise + (row.default[1] == "blank") + (row.default[1] == "noise" and row.default[0] in row.untrusted))


def geometry_error(row: Findings) -> float:
    """Return the worst distance of a cell from where it is drawn, in cells."""
    return max((check.error for check in row.geometry if not math.isnan(check.error)), default=math.nan)


def directions_right(contribution: str) -> Callable[[Findings], float]:
    """Return a function that reads the percentage of right directions for one kind of contribution."""

    def read(row: Findings) -> float:
        check = row.directions.get(contribution)
        return math.nan if check is None or not check.tested else 100 * check.right / check.tested

    return read


COLUMNS = (
    Column("local products", local_error, ".0e", 1e-3),
    Column("rounding", rounding, ".0e", 0.2),
    Column("completeness", lambda row: math.nan if row.completeness is None else row.completeness, ".0e", 1e-3),
    Column("geometry, cells", geometry_error, ".2f", 0.5),
    Column(
        "first layer's share", lambda row: math.nan if row.first_share is None else row.first_share, ".2f", 0.95, True
    ),
    Column("dead layers", dead_layers, ".0f", 0),
    *(
        Column(f"directions, {title} %", directions_right(contribution), ".0f", 98, higher_is_better=True)
        for contribution, title in zip(CONTRIBUTIONS, ("g x a", "gradient", "pre-act."), strict=True)
    ),
    Column("edges missing", lambda row: math.nan if row.edges is None else float(row.edges.missing), ".0f", 0),
    Column("errors", lambda row: float(len(row.errors)), ".0f", 0),
)


def total_directions(rows: Sequence[Findings], contribution: str) -> tuple[int, int]:
    """Return the number of right and of tested directions of all rows."""
    checks = [row.directions[contribution] for row in rows if contribution in row.directions]
    return sum(check.right for check in checks), sum(check.tested for check in checks)


def head(width: int) -> str:
    """Return the line of titles."""
    return "  ".join(["architecture".ljust(width), *(column.title for column in COLUMNS), "first layer"])


def line(row: Findings, width: int) -> str:
    """Return the line of one architecture; "!" marks what misses its goal."""
    cells = [column.text(column.read(row)).rjust(len(column.title)) for column in COLUMNS]
    return "  ".join([row.name.ljust(width), *cells, f"{row.default[0]} ({row.default[1]})"])


def details(row: Findings) -> list[str]:
    """Return what stands behind the figures of a row that miss their goals."""
    found = [
        f"{check.name}: {check.state}, {check.error:.0e}" for check in row.layers if check.state in ("wrong", "noise")
    ]
    found += [f"{check.name}: no such tensor in the reference" for check in row.layers if check.state == "unmatched"]
    found += [
        f"{check.name}: {check.error:.2f} cells off in {check.axis}" for check in row.geometry if check.error > 0.5
    ]
    return found + [f"{check}: {text}" for check, text in row.errors.items()]


def summary(rows: Sequence[Findings], skipped: Sequence[str], width: int) -> tuple[list[str], bool]:
    """Return the closing lines, and whether every goal is met.

    The goal of directions holds for the units of all rows together, since a row has only a few.
    """
    worst = [column.text(column.worst(rows)).rjust(len(column.title)) for column in COLUMNS]
    missed = [
        column.title
        for column in COLUMNS
        if not column.title.startswith("directions") and column.misses(column.worst(rows))
    ]
    lines = ["  ".join(["worst".ljust(width), *worst])]
    for contribution in CONTRIBUTIONS:
        right, tested = total_directions(rows, contribution)
        if tested:
            lines.append(
                f"directions by {contribution}: {right} of {tested} units right ({100 * right / tested:.1f} %)"
            )
            if right < 0.98 * tested:
                missed.append(f"directions, {contribution}")
    edges = [row.edges for row in rows if row.edges is not None]
    lines.append(
        f"edges: {sum(e.confirmed for e in edges)} confirmed, {sum(e.missing for e in edges)} missing, "
        f"{sum(e.unconfirmed for e in edges)} not active on this clip, of {sum(e.kernels for e in edges)} kernels"
    )
    claimed = sum(row.completeness is not None for row in rows)
    lines.append(f"{len(rows)} architectures, {claimed} of them claim completeness; {len(skipped)} skipped")
    lines.append(f"goals missed: {', '.join(missed)}" if missed else "all goals are met")
    return lines, not missed
