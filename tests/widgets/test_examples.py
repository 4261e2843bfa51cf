"""The examples that the tests in JavaScript read match what Python returns."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.widgets.tube_examples import EXAMPLES, make


def test_the_examples_are_current() -> None:
    if not EXAMPLES.is_file():
        pytest.skip("no js/test here: a package without its JavaScript")
    written = json.loads(EXAMPLES.read_text(encoding="utf-8"))
    _same(written, json.loads(json.dumps(make())), "examples")


def test_the_examples_hold_every_phrase() -> None:
    said = "\n".join(one["words"] for example in make()["maps"] for one in example["said"])
    phrases = [
        *("ahead of", "narrowly ahead of", "behind", "under 0.1 %", "Under 0.1 %", "mostly frame ", "mostly frames "),
        *("No evidence for 'wave'", "No evidence against 'wave'", "Most of the evidence is against 'wave'"),
        *("Most of the evidence is for 'wave'", "in frame ", "in frames ", "in all 12 frames", "moving from "),
        *("to the top", "to the bottom", "across the", "all over the picture", "at upper", "at lower", "on the"),
        *("in the centre", "'wave' rather than 'clap'. ", "for this difference.", "against this difference."),
    ]
    assert [phrase for phrase in phrases if phrase not in said] == []


def _same(one: Any, other: Any, where: str) -> None:
    hint = f"{where}: run python -m tests.widgets.tube_examples"
    if isinstance(one, dict):
        assert set(one) == set(other), hint
        for name in one:
            _same(one[name], other[name], f"{where}.{name}")
    elif isinstance(one, list):
        assert len(one) == len(other), hint
        for k, (a, b) in enumerate(zip(one, other, strict=True)):
            _same(a, b, f"{where}[{k}]")
    elif isinstance(one, float):
        assert other == pytest.approx(one, abs=1e-6), hint
    else:
        assert one == other, hint
