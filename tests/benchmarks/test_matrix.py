"""The table of networks and explainers: its small rows run here, its page is current, and its checks find planted faults."""

from __future__ import annotations

import dataclasses
from functools import cache
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

import notebook_explain as ne
import notebook_explain.explanations as ne_explanations
from benchmarks.matrix import __main__ as command
from benchmarks.matrix import cells, page
from benchmarks.matrix.applications import ClipNet
from benchmarks.matrix.cells import ATTENTION, EXPLAINERS, PYRAMID, TUBES, Cell, Result, Status, measure
from benchmarks.matrix.contract import state_of, traces
from benchmarks.matrix.notes import HIDDEN_LINKS, note_of, reason_of
from benchmarks.matrix.rows import GROUPS, ROWS, Row
from benchmarks.review.architectures import Architecture
from notebook_explain.explanations.caveats import Caveat, CaveatCode

STORED = {entry["name"]: entry for entry in command.read_results()["rows"]}
SMALL = [name for name, row in ROWS.items() if row.is_small]
PLAIN = Row(Architecture("plain", ClipNet, 8, 48), "group")


@cache
def measured(name: str) -> Result:
    return measure(ROWS[name])


@pytest.mark.parametrize("name", SMALL)
def test_a_small_row_gives_what_the_page_says(name: str) -> None:
    result = dataclasses.asdict(measured(name))
    assert result["cells"] == STORED[name]["cells"]
    assert all(cell["status"] != Status.WRONG for cell in result["cells"].values()), result
    assert result["figures"].get("tubes", 0.0) <= ROWS[name].tolerance


def test_the_page_is_what_the_command_writes_from_the_stored_results() -> None:
    assert STORED.keys() == ROWS.keys()
    assert command.PAGE.read_text(encoding="utf-8") == page.page(command.read_results(), ROWS)


def test_every_row_stands_under_a_heading() -> None:
    assert {row.group for row in ROWS.values()} == set(GROUPS)
    assert len(GROUPS) == len(set(GROUPS))


def test_most_networks_work() -> None:
    found = page.counts(list(STORED.values()))
    assert len(ROWS) >= 45
    assert found[TUBES] >= 40
    assert found[PYRAMID] >= 25
    statuses = {cell["status"] for entry in STORED.values() for cell in entry["cells"].values()}
    assert Status.WRONG.value not in statuses


def test_every_refusal_has_a_reason() -> None:
    for entry in STORED.values():
        for cell in entry["cells"].values():
            assert cell["notes"] or cell["status"] == Status.WORKS.value
            assert all("Traceback" not in note and "raised" not in note.split()[:1] for note in cell["notes"])


def test_maps_that_differ_from_the_oracle_make_a_cell_wrong(monkeypatch: pytest.MonkeyPatch) -> None:
    assert measure(PLAIN).cells[TUBES].status is Status.WORKS
    explain = ne.SaliencyTubes.__call__

    def scaled(self: ne.SaliencyTubes, *arguments: Any) -> ne_explanations.Tubes:
        tubes = explain(self, *arguments)
        layers = tuple(dataclasses.replace(layer, values=np.float32(1.001) * layer.values) for layer in tubes.layers)
        return dataclasses.replace(tubes, layers=layers)

    monkeypatch.setattr(ne.SaliencyTubes, "__call__", scaled)
    cell = measure(PLAIN).cells[TUBES]
    assert cell.status is Status.WRONG
    assert any("of their peak" in note for note in cell.notes)


@pytest.mark.parametrize("change", ["parameter", "buffer", "mode", "hook", "gradient", "random"])
def test_a_trace_that_is_left_is_found(change: str) -> None:
    net = nn.Sequential(nn.Conv3d(3, 4, 3), nn.BatchNorm3d(4))
    before = state_of(net)
    assert traces(before, state_of(net)) == []
    with torch.random.fork_rng(devices=[]):
        if change == "parameter":
            with torch.no_grad():
                net[0].weight[0, 0, 0, 0, 0] += 1e-6
        elif change == "buffer":
            net[1].running_mean[0] += 1e-6
        elif change == "mode":
            net[1].eval()
        elif change == "hook":
            net[0].register_forward_hook(lambda *_: None)
        elif change == "gradient":
            net[0].weight.grad = torch.zeros_like(net[0].weight)
        else:
            torch.rand(1)
        assert traces(before, state_of(net)) != []


def test_errors_of_the_package_are_refusals_and_others_are_faults() -> None:
    def fail(error: Exception) -> Cell:
        return cells._refusal(error, ClipNet())

    assert fail(ne.ExplainError("ClipNet has no attention; use tubes")).notes == ["the network has no attention"]
    assert fail(ne.ExplainError("x")).status is Status.REFUSED
    assert fail(RuntimeError("x")).status is Status.WRONG
    assert fail(ValueError("not one of the package's")).status is Status.WRONG


def test_notes_come_from_codes_and_leave_out_what_depends_on_the_clip() -> None:
    assert note_of(Caveat("Anything.", CaveatCode.LOW_PROBABILITY)) is None
    assert note_of(Caveat("Anything.", CaveatCode.HIDDEN_LINKS)) == HIDDEN_LINKS
    assert note_of("A sentence. Another.") == "a sentence"
    assert reason_of(ne.ExplainError("Net has no layer: it is empty; wrap it"), "Net") == "the network has no layer"


def test_there_are_cells_for_every_explainer_that_takes_a_model_and_a_clip() -> None:
    assert {ATTENTION, PYRAMID, TUBES} < EXPLAINERS.keys()
    assert set(EXPLAINERS.values()) == {ne.SaliencyTubes, ne.FeaturePyramid, ne.AttentionMaps, ne.BlockSignals}
