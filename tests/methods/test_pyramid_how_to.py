"""The page about pyramids: its code runs from top to bottom, and prints and writes what the page promises."""

from __future__ import annotations

import dataclasses
import re
from pathlib import Path

import notebook_explain as ne
from notebook_explain.explanations.pyramid.pyramid import Pyramid

PAGE = Path(__file__).parents[2] / "docs" / "how-to" / "read-a-pyramid.md"
TEXT = PAGE.read_text(encoding="utf-8")


def test_the_code_of_the_page_runs_in_order(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    names: dict[str, object] = {}
    for block in re.findall(r"```python\n(.*?)```", TEXT, re.DOTALL):
        exec(compile(block, PAGE.name, "exec"), names)
    written = {"pyramid.html", "both.html", "pyramid.pdf", "graph.json", "tree.json", "pyramid.npz"}
    assert {path.name for path in tmp_path.iterdir()} == written
    output = capsys.readouterr().out
    assert "of 560 kernels in 11 layers" in output
    assert re.search(r"^stem\.0 +kernel +\d+ of 16 +cover +\d+%   sees \(\d+, \d+, \d+\)$", output, re.MULTILINE)
    assert re.search(r"\d+ of \d+ units at 0\.3; \(16, 64, 64\)", output)
    assert re.search(r"head \[\(\d+, 1\), \(\d+, -1\)\]|head \[\(\d+, -1\), \(\d+, 1\)\]", output)
    assert re.search(r"^rows 5 of \d+ Pyramid\('kick'; 5 rows", output, re.MULTILINE)
    assert re.search(r"^sum in .*: \d+ of 64 \w+ shown|^\S+: \d+ of 64 kernels shown", output, re.MULTILINE)
    assert re.search(r"^\d+ units have a large score, but no parent that is kept$", output, re.MULTILINE)
    assert "Strongest path from 'wave one hand' down to the clip: " in output
    assert re.search(r"^(red|green|blue) of the clip +[+-]\d\.\d{3} logits +\d+%$", output, re.MULTILINE)
    assert "4 rows; This is the published rule" in output


def test_every_attribute_and_knob_of_the_page_exists():
    assert set(re.findall(r"`pyramid\.(\w+)`", TEXT)) <= set(Pyramid.__dataclass_fields__)
    knobs = {field.name for field in dataclasses.fields(ne.FeaturePyramid)}
    assert {"mass", "selection", "k", "most", "depth", "contribution", "mode", "theta"} == knobs
    assert all(knob in TEXT for knob in knobs)
