"""The page about transformers: its code runs from top to bottom, and prints what the page promises."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

PAGE = Path(__file__).parents[2] / "docs" / "how-to" / "transformers.md"


def test_the_code_of_the_page_runs_in_order(capsys: pytest.CaptureFixture[str]) -> None:
    names: dict[str, Any] = {}
    for block in re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL):
        exec(compile(block, PAGE.name, "exec"), names)
    assert names["maps"].layers[0].values.shape == (2, 4, 4, 4)
    assert names["rollout"].layers[0].gap is None
    output = capsys.readouterr().out
    assert output.startswith("Attention rollout (does not depend on the class)\n")
    assert re.search(r"holds \d+ % of the attention, whatever the class\.", output)
    assert re.search(r"^\* \d+ % of the relevance stays on tokens without a position", output, re.MULTILINE)
