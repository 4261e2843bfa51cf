"""Write docs/models.md: ``python -m benchmarks.matrix [--only NAME ...] [--small] [--page]``.

Every explainer runs on networks with random weights, and what works is held to oracles (see the page). Results are kept in
``benchmarks/matrix/results.json``, row by row, so that a part can be run again.

The packages of other networks are the group ``models`` of pyproject.toml; ``make test`` installs them in ``.venv/models``::

    PYTHONPATH=.venv/models python -m benchmarks.matrix

Rows whose package is missing keep their former result. The exit status is 1 if a cell is wrong.
"""

from __future__ import annotations

import argparse
import contextlib
import dataclasses
import json
import sys
import warnings
from collections.abc import Sequence
from importlib import metadata
from pathlib import Path
from typing import Any

import notebook_explain as ne
from benchmarks.matrix.cells import Status, measure
from benchmarks.matrix.page import counts, page
from benchmarks.matrix.rows import ROWS, Row

RESULTS = Path(__file__).parent / "results.json"
PAGE = Path(__file__).parents[2] / "docs" / "models.md"


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure rows, write their results and the page, and return the exit status."""
    options = _parse(arguments)
    stored = read_results() if RESULTS.exists() else {"versions": {}, "rows": []}
    results = {entry["name"]: entry for entry in stored["rows"] if entry["name"] in ROWS}
    versions = stored["versions"] if options.page else _versions()
    for row in [] if options.page else _choose(options):
        try:
            measured = measure(row)
        except ImportError as error:
            print(f"{row.name}: skipped, {error}", flush=True)
            continue
        results[row.name] = dataclasses.asdict(measured)
        cells = "; ".join(
            " ".join([f"{name}: {cell.status.value}", *(f"({note})" for note in cell.notes)])
            for name, cell in measured.cells.items()
        )
        print(f"{row.name} [{measured.seconds} s]: {cells}; {measured.figures}", flush=True)
        _write(results, versions)
    _write(results, versions)
    ordered = [results[name] for name in ROWS if name in results]
    wrong = [
        entry["name"] for entry in ordered if any(c["status"] == Status.WRONG.value for c in entry["cells"].values())
    ]
    missing = [name for name in ROWS if name not in results]
    print(f"{len(ordered)} rows; {counts(ordered)}; wrong: {wrong or 'none'}; never measured: {missing or 'none'}")
    return 1 if wrong or missing else 0


def read_results() -> dict[str, Any]:
    """Return the stored results: versions of packages by name, and rows."""
    stored: dict[str, Any] = json.loads(RESULTS.read_text(encoding="utf-8"))
    return stored


def _write(results: dict[str, Any], versions: dict[str, str]) -> None:
    rows = [results[name] for name in ROWS if name in results]
    stored = {"versions": versions, "rows": rows}
    RESULTS.write_text(json.dumps(stored, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    PAGE.write_text(page(stored, ROWS), encoding="utf-8")


def _versions() -> dict[str, str]:
    found = {"notebook_explain": ne.__version__}
    for package in ("torch", "torchvision", "pytorchvideo", "transformers", "timm", "monai", "pytorch_lightning"):
        with contextlib.suppress(metadata.PackageNotFoundError):
            found[package] = metadata.version(package)
    return found


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.matrix", description="Write docs/models.md by real runs."
    )
    parser.add_argument("--only", nargs="+", default=[], metavar="NAME", help="rows whose name contains one of these")
    parser.add_argument("--small", action="store_true", help="rows that need no other package")
    parser.add_argument("--page", action="store_true", help="write the page from stored results")
    return parser.parse_args(arguments)


def _choose(options: argparse.Namespace) -> list[Row]:
    return [
        row
        for name, row in ROWS.items()
        if (not options.only or any(part in name for part in options.only)) and (row.is_small or not options.small)
    ]


if __name__ == "__main__":
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        sys.exit(main())
