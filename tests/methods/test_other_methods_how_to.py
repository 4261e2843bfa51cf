"""The page about other methods: its code runs from top to bottom, and prints what the page promises."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

PAGE = Path(__file__).parents[2] / "docs" / "how-to" / "other-methods.md"


def test_the_code_of_the_page_runs_in_order(capsys: pytest.CaptureFixture[str]) -> None:
    names: dict[str, Any] = {}
    for block in re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL):
        exec(compile(block, PAGE.name, "exec"), names)
    whole, part = (names[name].layers[0].values for name in ("occlusion", "partial"))
    assert whole.shape == part.shape == (1, 16, 64, 64)
    assert "unfinished" in " ".join(names["partial"].provenance.caveats)
    assert {row.metric for row in names["checked"].rows} == {"Agreement"}
    assert len(names["checked"].rows) == 2
    assert names["rise"].layers[0].name == "RISE"
    lines = capsys.readouterr().out.splitlines()
    assert lines[:2] == ["1 1 inf", lines[1]]
    assert lines[-3:] == [
        "IntegratedGradients (captum) evidence",
        "Occlusion (captum) relevance",
        "LayerGradCam (captum) relevance",
    ]
