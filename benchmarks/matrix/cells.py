"""Run every explainer on a network, and hold what works to the oracles of ``benchmarks.review``."""

from __future__ import annotations

import math
import time
import warnings
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

import numpy as np
from torch import nn

import notebook_explain as ne
from benchmarks.matrix.contract import state_of, traces
from benchmarks.matrix.notes import HIDDEN_LINKS, note_of, reason_of
from benchmarks.matrix.rows import EXACT, Row
from benchmarks.review import report
from benchmarks.review.checks import Findings, review
from benchmarks.review.explained import to_clip
from benchmarks.review.reference import MEAN, STD, example_clip
from notebook_explain.explanations.caveats import all_caveats, caveats

TUBES, PYRAMID, ATTENTION, SIGNALS = "Tubes", "Pyramid", "Attention maps", "Block signals"
EXPLAINERS: dict[str, Callable[[], Any]] = {
    TUBES: ne.SaliencyTubes,
    PYRAMID: ne.FeaturePyramid,
    ATTENTION: ne.AttentionMaps,
    SIGNALS: ne.BlockSignals,
}
CELLS_OFF, SUMS_OFF = 0.5, 1e-3  # goals of geometry, in cells, and of sums that are said to be the score


class Status(str, Enum):
    """Outcome of one explainer on one network."""

    WORKS = "works"
    NOTE = "works with a note"
    REFUSED = "refused"
    WRONG = "wrong"  # an oracle disagrees, or something other than a refusal was raised


@dataclass
class Cell:
    """Outcome of one explainer on one network.

    Attributes
    ----------
    status : Status
    notes : list of str
        What readers of the explanation must know; the reason of a refusal; what is wrong.
    """

    status: Status
    notes: list[str] = field(default_factory=list)


@dataclass
class Result:
    """Outcome of a row.

    Attributes
    ----------
    name : str
    cells : dict of explainer to Cell
    figures : dict of name to float
        "tubes" (largest difference from the oracle, relative to the peak), "sum" (of maps that are said to add up, relative),
        "geometry" (cells), "edges confirmed", "edges missing".
    seconds : float
    """

    name: str
    cells: dict[str, Cell]
    figures: dict[str, float]
    seconds: float


def measure(row: Row) -> Result:
    """Run all explainers on a row, and the oracles on what works.

    Raises
    ------
    ImportError
        The package of the network is not installed.
    """
    start = time.perf_counter()
    cells = _run_explainers(row)
    figures: dict[str, float] = {}
    if cells[TUBES].status in (Status.WORKS, Status.NOTE):
        has_all_links = _has_worked(cells[PYRAMID]) and HIDDEN_LINKS not in cells[PYRAMID].notes
        checks = ("products", "geometry", *(("edges",) if has_all_links else ()))
        findings = review(row.architecture, quick=True, checks=checks)
        figures = _figures(findings)
        _judge(cells[TUBES], _faults_of_tubes(row, findings, figures))
        if _has_worked(cells[PYRAMID]):
            _judge(cells[PYRAMID], _faults_of_pyramid(findings, figures))
        if row.tolerance > EXACT:
            _add_note(cells[TUBES], "computed in low precision")
    return Result(row.name, cells, figures, round(time.perf_counter() - start, 1))


def _has_worked(cell: Cell) -> bool:
    return cell.status in (Status.WORKS, Status.NOTE)


def _run_explainers(row: Row) -> dict[str, Cell]:
    """Return the outcome of every explainer; a trace that one leaves in the network is a fault."""
    architecture = row.architecture
    net = architecture.build()
    clip = to_clip(example_clip(architecture.frames, architecture.size, channels=architecture.channels))
    try:
        given = net if architecture.wrap is None else architecture.wrap(net)
        before = state_of(given)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            model = ne.adapt(
                *(given,),
                **{"size": architecture.size, "frames": architecture.frames, "mean": MEAN, "std": STD},
                **{"layout": architecture.layout, **architecture.options},
            )
    except Exception as error:
        return {name: _refusal(error, net) for name in EXPLAINERS}
    cells = {}
    for name, make in EXPLAINERS.items():
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                explanation = make()(model, clip, architecture.target)
        except Exception as error:
            cells[name] = _refusal(error, net)
        else:
            texts = all_caveats(explanation) if name == TUBES else caveats(explanation)
            cells[name] = Cell(Status.WORKS)
            for note in dict.fromkeys(filter(None, map(note_of, texts))):
                _add_note(cells[name], note)
        _judge(cells[name], [f"changes the network's {part}" for part in traces(before, state_of(given))])
    return cells


def _refusal(error: Exception, net: nn.Module) -> Cell:
    """Return the outcome of an error: only the package's errors are refusals, and they give a reason."""
    if isinstance(error, (ne.ExplainError, ValueError, TypeError)) and type(error).__module__.startswith(
        "notebook_explain"
    ):
        return Cell(Status.REFUSED, [reason_of(error, type(net).__name__)])
    return Cell(Status.WRONG, [f"raised {type(error).__name__}: {str(error)[:120]}"])


def _figures(findings: Findings) -> dict[str, float]:
    errors = [
        float(np.fmin(check.error, check.single_error))
        for check in findings.layers
        if check.state in ("right", "rounded", "wrong")
    ]
    figures = {"tubes": max(errors, default=math.nan), "geometry": report.geometry_error(findings)}
    figures["sum"] = math.nan if findings.completeness is None else findings.completeness
    if findings.edges is not None:
        figures |= {"edges confirmed": findings.edges.confirmed, "edges missing": findings.edges.missing}
    return {name: float(value) for name, value in figures.items() if not math.isnan(value)}


def _faults_of_tubes(row: Row, findings: Findings, figures: dict[str, float]) -> list[str]:
    """Return what oracles say against the tubes; low precision loosens every comparison of values."""
    loosened = row.tolerance / EXACT
    faults = [f"{check.name} has no tensor in the oracle" for check in findings.layers if check.state == "unmatched"]
    if figures.get("tubes", 0.0) > row.tolerance:
        faults.append(f"maps differ from the oracle by {figures['tubes']:.1g} of their peak")
    if figures.get("sum", 0.0) > SUMS_OFF * loosened:
        faults.append(f"maps miss the score by {figures['sum']:.1g}")
    if figures.get("geometry", 0.0) > CELLS_OFF:
        faults.append(f"cells are drawn {figures['geometry']:.2f} cells off")
    errors = findings.errors if row.tolerance == EXACT else {k: v for k, v in findings.errors.items() if k != "score"}
    left_out = {check: text for check, text in findings.refused.items() if check != "edges"}
    return faults + [f"{check}: {text[:120]}" for check, text in {**errors, **left_out}.items() if check != "edges"]


def _faults_of_pyramid(findings: Findings, figures: dict[str, float]) -> list[str]:
    failed = {**findings.errors, **findings.refused}  # a check that was left out is no check
    faults = [f"{check}: {text[:120]}" for check, text in failed.items() if check == "edges"]
    if figures.get("edges missing"):
        faults.append(f"{figures['edges missing']:.0f} links are missing")
    return faults


def _judge(cell: Cell, faults: Iterable[str]) -> None:
    """Make a cell wrong if there is a fault."""
    for fault in faults:
        if cell.status is not Status.WRONG:
            cell.status, cell.notes = Status.WRONG, []
        cell.notes.append(fault)


def _add_note(cell: Cell, note: str) -> None:
    if cell.status is Status.WORKS:
        cell.status = Status.NOTE
    if cell.status is Status.NOTE:
        cell.notes.append(note)
