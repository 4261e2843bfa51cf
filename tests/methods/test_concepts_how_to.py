"""The page about concepts: its code runs from top to bottom, and prints and writes what the page promises."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from notebook_explain.explanations import Concepts, Tubes

TEXT = (Path(__file__).parents[2] / "docs" / "how-to" / "find-concepts.md").read_text(encoding="utf-8")


def test_the_code_of_the_page_runs_in_order(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    names: dict[str, object] = {}
    for block in re.findall(r"```python\n(.*?)```", TEXT, re.DOTALL):
        exec(compile(block, "find-concepts.md", "exec"), names)
    assert {path.name for path in tmp_path.iterdir()} == {"kick.npz", "kick.html"}
    output = capsys.readouterr().out
    assert re.search(r"^blur: [+-]\d\.\d{3} \([+-]\d\.\d{3} to [+-]\d\.\d{3}\), q \d\.\d{3}$", output, re.MULTILINE)
    assert re.search(r"^freeze: ", output, re.MULTILINE)
    assert "kicking leg" in output
    concepts, tube = names["concepts"], names["tube"]
    assert isinstance(concepts, Concepts)
    assert isinstance(tube, Tubes)
    assert concepts[0].effects[0].q <= 0.05
    assert concepts[0].effects[0].value > 3 * concepts.no_model_effects()[0]


def test_every_attribute_of_the_page_exists() -> None:
    for name in re.findall(r"`concepts\.(\w+)", TEXT):
        assert hasattr(Concepts, name) or name in Concepts.__dataclass_fields__
