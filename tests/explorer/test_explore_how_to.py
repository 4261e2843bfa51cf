"""The page about the explorer: its code runs from top to bottom, prints what it promises, and its tables are complete."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest

import notebook_explain as ne
from notebook_explain.explanations.what_if.what_if import WhatIf
from notebook_explain.explorer import methods
from notebook_explain.explorer.messages import MOST_EDITS
from notebook_explain.explorer.steps import KEPT_ANSWERS, MOST_STEPS

TEXT = (Path(__file__).parents[2] / "docs" / "how-to" / "explore.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"```python\n(.*?)```", TEXT, re.DOTALL)


def test_the_code_of_the_page_runs_in_order_and_prints_what_it_promises(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    names: dict[str, object] = {}
    for block in BLOCKS:
        exec(compile(block, "explore.md", "exec"), names)
    explorer = names["explorer"]
    assert isinstance(explorer, ne.Explorer)
    try:
        output = capsys.readouterr().out
        assert re.findall(r"^\d+ edits$", output, re.MULTILINE) == re.findall(r"# (\d+ edits)$", TEXT, re.MULTILINE)
        assert "'blocks.9'" in output
        assert "The top class changes from 'jumping jack'" in output
        assert [path.name for path in tmp_path.iterdir()] == ["explorer.html"]
        (code,) = re.findall(r"^import notebook_explain as ne\n.*?^result$", output, re.MULTILINE | re.DOTALL)
        explorer.redo()
        shown = explorer.result
        exec(code, names)
        copied = names["result"]
        assert isinstance(copied, WhatIf)
        np.testing.assert_array_equal(copied.after.head().logits, shown.after.head().logits)
    finally:
        explorer.close()


def test_the_page_lists_every_method_and_only_methods_that_exist() -> None:
    keys = {value.key for value in vars(methods).values() if isinstance(value, methods.Method)} | {methods.CONCEPTS}
    rows = [row.split("|")[1] for row in re.findall(r"^\| `\".*$", TEXT, re.MULTILINE)]
    assert set(re.findall(r'"(\w+)"', " ".join(rows))) == keys


def test_every_attribute_of_the_page_exists() -> None:
    for name in re.findall(r"`explorer\.(\w+)", TEXT):
        assert hasattr(ne.Explorer, name), name


def test_the_limits_of_the_page_are_those_of_the_explorer() -> None:
    assert f"keeps {MOST_STEPS} steps, and the explanations of the latest {KEPT_ANSWERS}" in TEXT
    assert f"at most {MOST_EDITS} edits" in TEXT
