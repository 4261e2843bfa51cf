"""The page about feature visualization: its code runs from top to bottom, and prints and writes what the page promises."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import notebook_explain as ne
from notebook_explain.explanations import Tubes, Visualization

TEXT = (Path(__file__).parents[2] / "docs" / "how-to" / "see-what-it-looks-for.md").read_text(encoding="utf-8")


def test_the_code_of_the_page_runs_in_order(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    names: dict[str, object] = {}
    for block in re.findall(r"```python\n(.*?)```", TEXT, re.DOTALL):
        exec(compile(block, "see-what-it-looks-for.md", "exec"), names)
    assert {path.name for path in tmp_path.iterdir()} == {"moved.gif"}
    output = capsys.readouterr().out
    assert re.search(r"^score \d+\.\d\d, best real \d+\.\d\d, the still alone -?\d+\.\d\d$", output, re.MULTILINE)
    assert "Logit('kick') - Logit('punch')" in output
    assert "facet 1 of 2" in output
    assert re.search(r"^-?Channel\('blocks\.3\.pointwise\.0', \d+\)$", output, re.MULTILINE)
    partial, whole = names["partial"], names["whole"]
    assert isinstance(partial, Visualization)
    assert isinstance(whole, Visualization)
    assert len(partial[0].curve) < len(whole[0].curve) == 30
    moved, tubes = names["moved"], names["tubes"]
    assert isinstance(moved, Visualization)
    assert isinstance(tubes, Tubes)
    assert moved[0].best[0][0] == "jumping jack"
    assert moved[0].score > moved[0].start_score + 1


def test_every_name_of_the_page_exists() -> None:
    for name in re.findall(r"`ne\.(\w+)", TEXT):
        assert hasattr(ne, name), name
    for name in re.findall(r"^\| `(?!ne\.)(\w+)[(.]", TEXT, re.MULTILINE):
        assert hasattr(ne.objectives, name), name
