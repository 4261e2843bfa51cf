"""The review of ``benchmarks.review`` on every small network: maps, sums, positions, directions and edges against oracles."""

from __future__ import annotations

from functools import cache

import pytest

from benchmarks.review import report
from benchmarks.review.architectures import small_networks
from benchmarks.review.checks import CONTRIBUTIONS, Findings, review

NETWORKS = small_networks()
COLUMNS = [column for column in report.COLUMNS if "directions" not in column.title]


@cache
def findings(name: str) -> Findings:
    return review(NETWORKS[name], quick=True)


@pytest.mark.parametrize("name", NETWORKS)
@pytest.mark.parametrize("column", COLUMNS, ids=lambda column: column.title)
def test_goals_are_met(name: str, column: report.Column) -> None:
    row = findings(name)
    assert not column.misses(column.read(row)), (column.text(column.read(row)), report.details(row))


@pytest.mark.parametrize("contribution", CONTRIBUTIONS)
def test_directions_are_right(contribution: str) -> None:
    right, tested = report.total_directions([findings(name) for name in NETWORKS], contribution)
    assert tested > 100
    assert right >= 0.98 * tested, f"{right} of {tested}"
