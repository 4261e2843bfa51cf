"""The how-to page about evaluation: its code runs, and it describes every metric and fill."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from notebook_explain import evaluation
from notebook_explain.evaluation.fills import FILLS
from notebook_explain.evaluation.metric import Metric
from notebook_explain.explanations.check import LIKE_RANDOM, MATERIAL, Check, Verdict

PAGE = Path(__file__).parents[2] / "docs" / "evaluation.md"
TEXT = PAGE.read_text(encoding="utf-8")


def test_the_code_of_the_page_runs_in_order(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    names: dict[str, object] = {}
    for block in re.findall(r"```python\n(.*?)```", TEXT, re.DOTALL):
        exec(compile(block.replace("range(20)", "range(2)"), PAGE.name, "exec"), names)
    assert {path.name for path in tmp_path.iterdir()} == {"evaluation.html", "evaluation.npz", "measured"}
    printed = capsys.readouterr().out
    assert re.search(r"^  tubes +0\.\d+ \(.* to .*\) +n = 4, 2 clips$", printed, re.MULTILINE)
    assert "Insertion: tubes minus random weights is +0." in printed
    assert "Evaluation(3 methods, 2 metrics, 2 clips, 6 values)" in printed
    assert "PositiveShare" in printed


def test_the_page_describes_every_metric_with_its_direction_and_every_fill() -> None:
    metrics = {
        name: getattr(evaluation, name)
        for name in evaluation.__all__
        if isinstance(getattr(evaluation, name), type) and hasattr(getattr(evaluation, name), "better")
    }
    rows = dict(re.findall(r"^\| `(\w+)\(.*?\)` \| .* \| (higher|lower|neither) \| ", TEXT, re.MULTILINE))
    metrics.pop("Metric", None)
    assert rows == {name: kind.better.value for name, kind in metrics.items()}
    assert all(isinstance(kind(), Metric) for kind in metrics.values())
    assert tuple(re.findall(r'^\| `"(\w+)"` \|', TEXT, re.MULTILINE)) == FILLS
    for name, knobs in re.findall(r"^\| `(\w+)\((.*?)\)` \|", TEXT, re.MULTILINE):
        assert set(filter(None, knobs.split(", "))) <= set(metrics[name].__dataclass_fields__), name


def test_the_page_describes_every_number_and_verdict_of_a_check() -> None:
    section = TEXT.split("## Check one explanation")[1].split("\n## ")[0]
    described = re.findall(r"`(\w+)`", " ".join(re.findall(r"^\|(.*?)\|", section, re.MULTILINE)))
    settings = {"layer", "target", "threshold", "volume", "fill"}
    assert set(Check.__dataclass_fields__) - settings | {"rank", "odds_ratio"} <= set(described)
    assert re.findall(r"^\| `([a-z ]+)` \| [A-Z`]", section, re.MULTILINE)[1:] == [
        verdict.value for verdict in (Verdict.NOT_CHECKED, Verdict.FAILS, Verdict.FAITHFUL, Verdict.NOT_SHOWN)
    ]
    assert f"above {LIKE_RANDOM}:" in section
    assert MATERIAL == 0.1
    assert "the odds fall by a tenth" in section
