"""The page about what-ifs: its code runs from top to bottom, and prints and writes what the page promises."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import notebook_explain as ne
from notebook_explain.cli.arguments import parser
from notebook_explain.explanations import OrderUse, WhatIf

TEXT = (Path(__file__).parents[2] / "docs" / "how-to" / "what-if.md").read_text(encoding="utf-8")


def test_the_code_of_the_page_runs_in_order(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    names: dict[str, object] = {}
    for block in re.findall(r"```python\n(.*?)```", TEXT, re.DOTALL):
        exec(compile(block, "what-if.md", "exec"), names)
    assert {path.name for path in tmp_path.iterdir()} == {"compared.html", "order.png"}
    output = capsys.readouterr().out
    quoted = re.search(r"^> (.*?)\n\n", TEXT, re.DOTALL | re.MULTILINE)
    assert quoted is not None
    assert output.splitlines()[0] == quoted[1].replace("\n> ", " ")
    assert output.splitlines()[-1] == "edits.Occlude(box=(8, 34, 30, 60), frames=(2, 12))"
    without = names["without"]
    assert isinstance(without, WhatIf)
    assert without.drop > 0


def test_every_name_of_the_page_exists() -> None:
    for name in re.findall(r"`(?:ne\.edits\.)?([A-Z]\w+)\(", TEXT):
        assert hasattr(ne.edits, name), name
    for name in re.findall(r"`hidden\.(\w+)", TEXT):
        assert hasattr(WhatIf, name) or name in WhatIf.__dataclass_fields__
    for value in OrderUse:
        assert f"`{value.value}`" in TEXT


def test_the_command_of_the_page_is_understood() -> None:
    command = re.search(r"```\nnotebook-explain (what-if .*?)\n```", TEXT)
    assert command is not None
    options = parser().parse_args(command[1].split())
    assert [entry["edit"] for entry in options.edits] == ["Reverse", "Occlude"]
