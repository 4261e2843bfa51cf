"""Write the table as a page: one row for each network, one column for each explainer, notes below."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from benchmarks.matrix.cells import EXPLAINERS, Status
from benchmarks.matrix.rows import GROUPS, Row

_SIGNS = {Status.WORKS: "works", Status.NOTE: "works", Status.REFUSED: "refused", Status.WRONG: "**wrong**"}
_INTRODUCTION = """\
# Models

<!-- Written by `python -m benchmarks.matrix`. Do not edit by hand. -->

Does it work with your network? The tables below show what happened in real runs. Each network is built with random
weights, adapted with its size, frames, mean, std, layout ("BCTHW" unless stated) and the arguments in the third column,
and given to every explainer. Networks from packages take shorter and smaller clips than in training, and transformers
are narrower than published.

- **works**: all checks below are met.
- **works** with a number: all checks are met, and the explanation has a caveat. The note with this number gives it.
- **refused** with a number: you get one error. The note with this number says why.

A cell says *works* only if these checks are met:

- The network is unchanged: parameters, buffers, gradients, modes, hooks and random states.
- Tubes equal gradient x activation of a copy in float64 (or float32, where rounding opens or closes a ReLU), computed with
  hooks of the benchmark: to 1e-4 of each map's peak, unless the network runs in half precision. The last column is the
  largest difference.
- Where the maps are said to add up, their mean and the head's constant (its bias, or its score of zeros) add up to
  the score, to 0.1 %.
- A change planted at one place in the clip changes the cells that are drawn at this place, to half a cell.
- Pyramids: if the output of one kernel that the clip reaches is changed and all others are held, only channels with a
  link to this kernel change. This check is left out where a note says that some links are not shown.
- For attention maps and block signals, only the first check is made.
"""


def page(stored: Mapping[str, Any], rows: Mapping[str, Row]) -> str:
    """Return the page.

    Parameters
    ----------
    stored : dict
        Versions of packages by name, and results of rows, as in the JSON file of results.
    rows : dict of name to Row
    """
    known = {entry["name"]: entry for entry in stored["rows"] if entry["name"] in rows}
    numbers: dict[str, int] = {}
    lines = [_INTRODUCTION, _summary(list(known.values()), stored["versions"]), ""]
    for group in GROUPS:
        members = [row for row in rows.values() if row.group == group and row.name in known]
        if members:
            lines += ["", f"## {group}", "", *_table(members, known, numbers)]
    lines += ["", "## Notes", "", *(f"{number}. {note[0].upper()}{note[1:]}." for note, number in numbers.items())]
    return "\n".join(lines) + "\n"


def _table(rows: Sequence[Row], known: Mapping[str, Any], numbers: dict[str, int]) -> list[str]:
    titles = ["Network", "Clip", "Arguments of `adapt`", *EXPLAINERS, "Largest difference"]
    lines = ["| " + " | ".join(titles) + " |", "|" + " --- |" * len(titles)]
    for row in rows:
        architecture, entry = row.architecture, known[row.name]
        clip = f"{architecture.frames} x {architecture.size}²"
        arguments = f"`{row.adapted}`" if row.adapted else ""
        cells = [_cell(entry["cells"][name], numbers) for name in EXPLAINERS]
        difference = entry["figures"].get("tubes")
        figure = "" if difference is None else f"{difference:.0e}"
        lines.append("| " + " | ".join([row.name, clip, arguments, *cells, figure]) + " |")
    return lines


def _cell(cell: Mapping[str, Any], numbers: dict[str, int]) -> str:
    given = [str(numbers.setdefault(note, len(numbers) + 1)) for note in cell["notes"]]
    return _SIGNS[Status(cell["status"])] + (f" ({', '.join(given)})" if given else "")


def counts(results: Sequence[Mapping[str, Any]]) -> dict[str, int]:
    """Return how many networks each explainer works with."""
    works = (Status.WORKS, Status.NOTE)
    return {name: sum(Status(entry["cells"][name]["status"]) in works for entry in results) for name in EXPLAINERS}


def _summary(results: Sequence[Mapping[str, Any]], versions: Mapping[str, str]) -> str:
    found = counts(results)
    *others, last = (f"{name.lower()} with {count}" for name, count in found.items())
    packages = ", ".join(f"{name} {version}" for name, version in versions.items())
    return f"Of {len(results)} networks, these work: {', '.join(others)} and {last}. Measured with {packages}."
