"""Run the review: ``python -m benchmarks.review [--only NAME ...] [--quick] [--small] [--checks ...] [--json FILE]``.

Real architectures with random weights are explained, and what the package says is compared with oracles that share no code
with it:

* local products: gradient x activation of every layer that is shown, by float64 autograd with hooks of the review's own, on
  a deep copy; norms are held constant there too if the explanation says so. The error is relative to the map's largest value.
* rounding: 1 minus the correlation with float64 of the worst map that is shown without a warning.
* completeness, where it is claimed: the means of the maps before the final pooling and the score with all of these set to 0
  must add up to the score. Relative to what is summed.
* geometry: impulses are planted in the clip; the cells that change must be those that are drawn there. In cells; the part
  beyond chance.
* dead layers: maps shown with evidence of which float64 confirms nothing, and blank maps that are shown first.
* directions: the share of pyramid units whose stated direction is that of a central finite difference of the score.
* edges: channels that change when a kernel's output does, all other layers held, but have no edge in the channel graph.

The exit status is 0 if every goal is met, else 1. "!" marks a figure that misses its goal, "-" one that does not apply.

The packages of these architectures are the group ``models`` of pyproject.toml; ``make test`` installs them in ``.venv/models``::

    PYTHONPATH=.venv/models python -m benchmarks.review

Architectures whose packages are missing are skipped, and counted.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import math
import sys
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks.review import report
from benchmarks.review.architectures import ARCHITECTURES, Architecture, small_networks
from benchmarks.review.checks import CHECKS, Findings, review


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the review and return the exit status."""
    options = _parse(arguments)
    chosen = _choose(options)
    if not chosen:
        print("no architecture has such a name; these exist:", ", ".join(ARCHITECTURES), sep="\n  ")
        return 2
    width = max(len(entry.name) for entry in chosen)
    print(report.head(width), flush=True)
    rows: list[Findings] = []
    skipped: list[str] = []
    for entry in chosen:
        try:
            rows.append(review(entry, quick=options.quick, checks=options.checks))
        except ImportError as error:
            skipped.append(entry.name)
            print(f"{entry.name.ljust(width)}  skipped: {error}", flush=True)
        else:
            print(
                report.line(rows[-1], width),
                *(f"    {text}" for text in report.details(rows[-1])),
                sep="\n",
                flush=True,
            )
        if options.json is not None:  # after each row, so that an interrupted run leaves what it has
            values = {"rows": [dataclasses.asdict(row) for row in rows], "skipped": skipped}
            options.json.write_text(json.dumps(_without_nan(values), indent=1), encoding="utf-8")
    lines, is_met = report.summary(rows, skipped, width)
    print(*lines, sep="\n")
    return 0 if is_met and rows else 1


def _without_nan(value: Any) -> Any:
    """Replace NaN by None, since JSON has no NaN."""
    if isinstance(value, dict):
        return {key: _without_nan(part) for key, part in value.items()}
    if isinstance(value, (list, tuple)):
        return [_without_nan(part) for part in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.review", description="Check explanations with oracles.")
    parser.add_argument(
        "--only", nargs="+", default=[], metavar="NAME", help="architectures whose name contains one of these"
    )
    parser.add_argument("--quick", action="store_true", help="a few architectures, fewer units")
    parser.add_argument("--small", action="store_true", help="the small networks of tests.zoo instead")
    parser.add_argument("--checks", nargs="+", default=CHECKS, choices=CHECKS, help="some of the checks only")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write everything that was measured")
    return parser.parse_args(arguments)


def _choose(options: argparse.Namespace) -> list[Architecture]:
    entries = small_networks() if options.small else ARCHITECTURES
    return [
        entry
        for name, entry in entries.items()
        if (not options.only or any(part in name for part in options.only))
        and (entry.is_quick or options.only or options.small or not options.quick)
    ]


if __name__ == "__main__":
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        sys.exit(main())
