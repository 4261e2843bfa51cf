"""The page about comparisons: its code runs from top to bottom, and its tables are complete."""

from __future__ import annotations

import re
from pathlib import Path

from notebook_explain.widgets.compare_viewer import SIDES
from notebook_explain.widgets.wire.compare import ALIGNMENTS

PAGE = Path(__file__).parents[2] / "docs" / "how-to" / "compare.md"
TEXT = PAGE.read_text(encoding="utf-8")


def test_the_code_of_the_page_runs_in_order_and_prints_what_it_promises(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    names: dict[str, object] = {}
    for block in re.findall(r"```python\n(.*?)```", TEXT, re.DOTALL):
        exec(compile(block, PAGE.name, "exec"), names)
    assert [path.name for path in tmp_path.iterdir()] == ["mirrored.html"]
    (promised,) = re.findall(r"^print.*# (.*)$", TEXT, re.MULTILINE)
    assert capsys.readouterr().out.strip() == promised
    calls = dict(re.findall(r"^\| (classes|layers) \| `(.*)` \|", TEXT, re.MULTILINE))
    shown = {name: eval(call, names) for name, call in calls.items()}
    assert {name: len(viewer.clips) for name, viewer in shown.items()} == {"classes": 2, "layers": 3}
    assert [getattr(shown["layers"], f"{side}_layer") for side in "abc"] == [0, 2, 4]


def test_the_page_names_every_side_and_alignment():
    assert re.findall(r'^\| `"(\w+)"` \|', TEXT, re.MULTILINE) == list(ALIGNMENTS)
    assert f"The sides are called {', '.join(SIDES[:3])} and {SIDES[3]}." in TEXT
